// SPDX-License-Identifier: MIT
/* What several publishers say of a resource, or one in several ways: packages, partial documents,
 * differences, new beginnings, and what no PUBLISH made. */
#include "publication/store_testing.h"

#include <stdio.h>

#define EARLY "dialogs 1000=early|r"
#define BUSY "dialogs 1000=confirmed"
#define IDLE "dialogs 1000=terminated"

/* ---- several publishers of one resource ---- */

static void test_two_publishers(void **state)
{
    struct store_bench b;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, BUSY), 0);
    assert_int_equal(bench_publish(&b, "c", c, EARLY), 0);
    assert_told(&b, "1000@users " BUSY "\n"
                    "1000@users dialogs 1000-2=early|r 1000=confirmed\n");
    assert_int_equal(bench_remove(&b, "a", a), 0); /* the other's row remains, as it was called */
    assert_told(&b, "1000@users dialogs 1000-2=early|r\n");
    assert_int_equal(bench_publish(&b, "a", (char[ETAG_ROOM]){ "" }, IDLE), 0);
    assert_told(&b, ""); /* an idle one does not hide the busy one */
    assert_int_equal(bench_publish(&b, "c", c, IDLE), 0);
    assert_told(&b, "1000@users dialogs 1000-2=terminated\n");
    bench_fini(&b);
}

static void test_ends(void **state)
{
    struct store_bench b;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=confirmed y=early"), 0);
    buf_reset(&b.told);
    /* told once, beside what lives; a repetition is no news */
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=terminated y=early"), 0);
    assert_told(&b, "1000@users dialogs y=early x=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=terminated y=early"), 0);
    assert_told(&b, "");
    assert_int_equal(bench_publish(&b, "c", c, "dialogs z=trying"), 0);
    assert_told(&b, "1000@users dialogs y=early z=trying\n");
    assert_int_equal(bench_remove(&b, "c", c), 0);
    assert_told(&b, "1000@users dialogs y=early\n");
    /* terminated, then the same id again: a new call; all terminated, and the tag still works */
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early y=terminated"), 0);
    assert_told(&b, "1000@users dialogs x=early y=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=terminated y=terminated"), 0);
    assert_told(&b, "1000@users dialogs x=terminated y=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs"), 0);
    assert_told(&b, "1000@users dialogs\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs y=confirmed"), 0);
    assert_told(&b, "1000@users dialogs y=confirmed\n");
    bench_fini(&b);
}

/* Dialog and presence of one extension are one state; other packages are not. */
static void test_packages(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text presence = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", (char[ETAG_ROOM]){ "" }, BUSY), 0);
    rq = bench_request("a", NULL, "presence tuple:t=open");
    rq.package = STR("presence");
    assert_int_equal(bench_apply(&b, &rq, presence), 0);
    rq = bench_request("a", NULL, "messages:yes|voice=1/0/0/0");
    rq.package = STR("message-summary");
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users " BUSY "\n"
                    "1000@users " BUSY " presence tuple:t=open\n"
                    "1000@users:message-summary messages:yes|voice=1/0/0/0\n");
    rq = bench_request("a", presence, NULL);
    rq.package = STR("presence");
    rq.expires_s = 0;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users " BUSY "\n");
    assert_int_equal(bench_counters(&b).resources, 2);
    bench_fini(&b);
}

/* Another priority of the publisher is news, though its document is the same. */
static void test_priority(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "", c = "";

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "dialogs x=early"), 0);
    assert_int_equal(bench_publish(&b, "c", c, "dialogs y=early"), 0);
    assert_told(&b, "1000@users dialogs x=early\n1000@users dialogs y=early x=early\n");
    rq = bench_request("a", a, "dialogs x=early");
    rq.priority = 5;
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users dialogs x=early y=early\n");
    bench_fini(&b);
}

/* ---- partial documents, differences ---- */

static void test_partial(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "";
    char many[16 * 1024] = "partial:20";
    size_t n = strlen(many);

    (void)state;
    bench_init(&b);
    assert_int_equal(bench_publish(&b, "a", a, "partial:7 x=early"), 0); /* all there is */
    assert_told(&b, "1000@users dialogs x=early\n");
    assert_int_equal(bench_publish(&b, "a", a, "partial:8 y=trying"), 0);
    assert_told(&b, "1000@users dialogs x=early y=trying\n");
    assert_refused(&b, bench_request("a", a, "partial:8 z=trying"), PUBLICATION_BAD_BODY);
    assert_refused(&b, bench_request("a", a, "partial:3 z=trying"), PUBLICATION_BAD_BODY);
    assert_int_equal(bench_publish(&b, "a", a, "partial:9 x=terminated q=terminated"), 0);
    assert_told(&b, "1000@users dialogs y=trying x=terminated\n");
    assert_int_equal(bench_publish(&b, "a", a, "partial:10"), 0);
    assert_told(&b, "1000@users dialogs y=trying\n");
    assert_int_equal(bench_publish(&b, "a", a, "dialogs:2 z=confirmed"), 0); /* begins anew */
    assert_told(&b, "1000@users dialogs z=confirmed\n");
    /* the version counts of a document that said nothing new, too */
    assert_int_equal(bench_publish(&b, "a", a, "dialogs:5 z=confirmed"), 0);
    assert_refused(&b, bench_request("a", a, "partial:4 y=trying"), PUBLICATION_BAD_BODY);
    assert_int_equal(bench_publish(&b, "a", a, "partial:6 y=trying"), 0);
    assert_told(&b, "1000@users dialogs z=confirmed y=trying\n");
    for (size_t i = 0; i < 999; i++)
        n += (size_t)snprintf(many + n, sizeof(many) - n, " %zu=trying", i);
    assert_refused(&b, bench_request("a", a, many), PUBLICATION_BAD_BODY);
    /* where no dialogs were told before, it is all there is again */
    rq = bench_request("a", a, "presence");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_int_equal(bench_publish(&b, "a", a, "partial:1 x=early"), 0);
    assert_told(&b, "1000@users presence\n1000@users dialogs x=early\n");
    bench_fini(&b);
}

static struct publication_request diff_request(const char *etag, const char *diff)
{
    struct publication_request rq = bench_request("a", etag, NULL);

    rq.package = STR("presence");
    rq.content_type = STR("application/pidf-diff+xml");
    rq.body = str_of(diff);
    rq.diff = true;
    return rq;
}

static void test_diff(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    assert_refused(&b, diff_request(NULL, "+tuple:u=open"), PUBLICATION_BAD_BODY);
    rq = bench_request("a", NULL, "presence tuple:t=closed");
    rq.package = STR("presence");
    rq.content_type = STR("Application/PIDF-diff+xml; charset=utf-8");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = diff_request(a, "+tuple:u=open");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = diff_request(a, "+note:en:x");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users presence tuple:t=closed\n"
                    "1000@users presence tuple:t=closed tuple:u=open\n"
                    "1000@users presence tuple:t=closed tuple:u=open note:en:x\n");
    rq = diff_request(a, "nonsense");
    assert_refused(&b, rq, PUBLICATION_BAD_BODY);
    rq = bench_request("a", a, "presence tuple:t=open"); /* no pidf-full: nothing to patch */
    rq.package = STR("presence");
    rq.content_type = STR("application/pidf+xml");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    assert_told(&b, "1000@users presence tuple:t=open\n");
    assert_refused(&b, diff_request(a, "+note:en:y"), PUBLICATION_BAD_BODY);
    bench_fini(&b);
}

static void test_diff_answer(void **state)
{
    struct store_bench b;
    struct publication_answer answer;
    struct publication_request rq;
    etag_text a = "";

    (void)state;
    bench_init(&b);
    rq = bench_request("a", NULL, "presence");
    rq.package = STR("presence");
    rq.content_type = STR("Application/PIDF-diff+xml; charset=utf-8");
    assert_int_equal(bench_apply(&b, &rq, a), 0);
    rq = diff_request(a, "huge");
    assert_int_equal(publication_apply(b.store, &rq, &answer), PUBLICATION_BAD_BODY);
    assert_int_equal(answer.status, 413);
    assert_true(str_equal(answer.why, STR("no such node: huge")));
    rq = diff_request(NULL, "+x");
    assert_int_equal(publication_apply(b.store, &rq, &answer), PUBLICATION_BAD_BODY);
    assert_int_equal(answer.status, 400);
    bench_fini(&b);
}

/* ---- a publisher that begins anew ---- */

#define OLD "dialogs x=confirmed|call=u:: y=terminated|call=v:w:"

static void test_supersede(void **state)
{
    static const struct {
        const char *what, *publisher, *call_id, *package, *document, *told;
        bool supersede;
        unsigned publications;
    } cases[] = {
        { "the same Call-ID", "a", "a", "dialog", "dialogs z=trying",
          "1000@users dialogs z=trying\n", true, 1 },
        { "the same dialogs", "a", "n", "dialog", "dialogs y=early|call=v:: x=early|call=u:t:s",
          "1000@users dialogs y=early|call=v:: x=early|call=u:t:s\n", true, 1 },
        { "just the same", "a", "n", "dialog", OLD, "", true, 1 },
        { "partial, but a beginning", "a", "a", "dialog", "partial:0 z=trying",
          "1000@users dialogs z=trying\n", true, 1 },
        { "not where it is not wanted", "a", "a", "dialog", "dialogs z=trying",
          "1000@users dialogs x=confirmed|call=u:: z=trying\n", false, 2 },
        { "not another publisher's", "b", "n", "dialog", OLD,
          "1000@users dialogs x-2=confirmed|call=u:: x=confirmed|call=u::\n", true, 2 },
        { "not of another package", "a", "a", "presence", "presence",
          "1000@users dialogs x=confirmed|call=u:: presence\n", true, 2 },
        { "not with other dialogs", "a", "n", "dialog", "dialogs x=trying|call=u::",
          "1000@users dialogs x=confirmed|call=u:: x-2=trying|call=u::\n", true, 2 },
        { "not with other calls", "a", "n", "dialog", "dialogs x=trying|call=u:: y=early|call=w::",
          "1000@users dialogs y-2=early|call=w:: x=confirmed|call=u:: x-2=trying|call=u::\n", true,
          2 },
        { "not with calls that may be others", "a", "n", "dialog", "dialogs x=early y=early",
          "1000@users dialogs x-2=early y-2=early x=confirmed|call=u::\n", true, 2 },
        { "not with another branch of a call", "a", "n", "dialog",
          "dialogs x=early|call=u:t: y=early|call=v:t:",
          "1000@users dialogs x-2=early|call=u:t: y-2=early|call=v:t: x=confirmed|call=u::\n", true,
          2 },
        { "not without any", "a", "n", "dialog", "dialogs", "", true, 2 },
        { "not without a Call-ID", "a", "", "dialog", "dialogs z=trying",
          "1000@users dialogs x=confirmed|call=u:: z=trying\n", true, 2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_bench b;
        struct publication_request rq;
        etag_text old = "", new = "";

        bench_init(&b);
        print_message("    %s\n", cases[i].what);
        assert_int_equal(bench_publish(&b, "a", old, OLD), 0);
        buf_reset(&b.told);
        rq = bench_request(cases[i].publisher, NULL, cases[i].document);
        rq.call_id = str_of(cases[i].call_id);
        rq.package = str_of(cases[i].package);
        rq.supersede = cases[i].supersede;
        assert_int_equal(bench_apply(&b, &rq, new), 0);
        assert_told(&b, cases[i].told);
        assert_int_equal(bench_counters(&b).publications, cases[i].publications);
        assert_int_equal(bench_counters(&b).superseded, 2 - cases[i].publications);
        assert_int_equal(bench_publish(&b, "a", old, NULL),
                         cases[i].publications == 1 ? PUBLICATION_NO_MATCH : 0);
        rq = bench_request(cases[i].publisher, new, NULL);
        rq.package = str_of(cases[i].package);
        assert_int_equal(bench_apply(&b, &rq, new), 0);
        bench_fini(&b);
    }
}

/* Where nothing in the documents tells calls apart, the host does. */
static void test_supersede_of_one_host(void **state)
{
    static const struct {
        const char *package, *origin, *former, *now;
        bool superseded;
    } cases[] = {
        { "dialog", "h", "dialogs x=confirmed", "dialogs x=terminated", true },
        { "dialog", "i", "dialogs x=confirmed", "dialogs x=terminated", false },
        { "dialog", "", "dialogs x=confirmed", "dialogs x=terminated", false },
        { "dialog", "h", "dialogs x=confirmed", "dialogs", true },
        { "dialog", "i", "dialogs x=confirmed", "dialogs", false },
        { "dialog", "h", "dialogs", "dialogs x=early", true },
        { "dialog", "h", "dialogs x=confirmed", "dialogs y=terminated", false },
        { "dialog", "h", "dialogs x=confirmed|call=u::", "dialogs x=terminated", false },
        { "dialog", "h", "dialogs x=confirmed|call=u::", "dialogs", false },
        { "dialog", "h", "dialogs x=confirmed|call=u::", "dialogs x=early|call=v::", false },
        { "dialog", "i", "dialogs x=confirmed|call=u::", "dialogs x=early|call=u::", true },
        { "presence", "h", "presence tuple:a=open", "presence tuple:a=closed", true },
        { "presence", "i", "presence tuple:a=open", "presence tuple:a=closed", false },
        { "presence", "h", "presence tuple:a=open", "presence tuple:b=closed", false },
        { "presence", "h", "presence tuple:a=open tuple:b=open", "presence tuple:a=open", false },
        { "presence", "h", "presence", "presence", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_bench b;
        struct publication_request rq;

        bench_init(&b);
        print_message("    %s, then %s\n", cases[i].former, cases[i].now);
        rq = bench_request("a", NULL, cases[i].former);
        rq.package = str_of(cases[i].package);
        rq.origin = str_of(*cases[i].origin ? "h" : "");
        assert_int_equal(bench_apply(&b, &rq, NULL), 0);
        rq = bench_request("a", NULL, cases[i].now);
        rq.package = str_of(cases[i].package);
        rq.origin = str_of(cases[i].origin);
        rq.call_id = STR("n");
        rq.supersede = true;
        assert_int_equal(bench_apply(&b, &rq, NULL), 0);
        assert_int_equal(bench_counters(&b).superseded, cases[i].superseded);
        bench_fini(&b);
    }
}

/* All that a publisher left behind goes at once, and none of it for a request that fails. */
static void test_supersede_several(void **state)
{
    struct store_bench b;
    struct publication_request rq;
    etag_text tags[3] = { "", "", "" };
    struct buf before, after;

    (void)state;
    bench_init(&b);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bench_publish(&b, "a", tags[i], "dialogs x=early"), 0);
    buf_reset(&b.told);
    bench_dump(&b, &before);
    rq = bench_request("a", NULL, "dialogs y=early");
    rq.supersede = true;
    b.composed_result = -ENOMEM;
    assert_int_equal(bench_apply(&b, &rq, NULL), -ENOMEM);
    b.composed_result = 0;
    bench_dump(&b, &after);
    assert_string_equal(before.p, after.p);
    buf_fini(&before);
    buf_fini(&after);
    rq = bench_request("a", NULL, "dialogs y=early");
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users dialogs y=early\n");
    assert_int_equal(bench_counters(&b).publications, 1);
    assert_int_equal(bench_counters(&b).superseded, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bench_publish(&b, "a", tags[i], NULL), PUBLICATION_NO_MATCH);
    /* even where the first says what it said before */
    assert_int_equal(bench_publish(&b, "a", (char[ETAG_ROOM]){ "" }, "dialogs y=early"), 0);
    assert_told(&b, "1000@users dialogs y-4=early y=early\n");
    rq = bench_request("a", NULL, "dialogs y=early");
    rq.supersede = true;
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users dialogs y=early\n");
    bench_fini(&b);
}

/* ---- what no PUBLISH made ---- */

static void test_internal(void **state)
{
    const struct resource_name box = { .package = STR("message-summary"),
                                       .context = STR("users"),
                                       .extension = STR("1000") };
    const struct str package = box.package;
    struct event_state *one = event_state_of("messages:yes|voice=1/0/0/0"),
                       *none = event_state_of("messages:no|voice=0/0/0/0");
    struct store_bench b;
    struct publication_request rq;

    (void)state;
    bench_init(&b);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), NULL), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), one), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), one), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("b"), one), 0);
    rq = bench_request("a", NULL, "messages:yes|voice=5/0/0/0");
    rq.package = package;
    rq.supersede = true; /* sources are no publishers */
    assert_int_equal(bench_apply(&b, &rq, NULL), 0);
    assert_told(&b, "1000@users:message-summary messages:yes|voice=1/0/0/0\n"
                    "1000@users:message-summary messages:yes|voice=2/0/0/0\n"
                    "1000@users:message-summary messages:yes|voice=7/0/0/0\n");
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), none), 0);
    assert_told(&b, "1000@users:message-summary messages:yes|voice=6/0/0/0\n");
    bench_run(&b, 1000000); /* the published one ends */
    assert_told(&b, "1000@users:message-summary messages:yes|voice=1/0/0/0\n");
    assert_int_equal(bench_counters(&b).publications, 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("b"), NULL), 0);
    assert_int_equal(publication_internal_set(b.store, &box, package, STR("a"), NULL), 0);
    assert_told(&b, "1000@users:message-summary messages:no|voice=0/0/0/0\n"
                    "1000@users:message-summary -\n");
    assert_int_equal(bench_counters(&b).bytes, 0);
    event_state_unref(one);
    event_state_unref(none);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_publishers),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_answer),
        cmocka_unit_test(test_supersede),
        cmocka_unit_test(test_supersede_of_one_host),
        cmocka_unit_test(test_supersede_several),
        cmocka_unit_test(test_internal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
