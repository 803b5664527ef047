// SPDX-License-Identifier: MIT
/* A process that ends and another one that begins: who goes on, what is sent, and what is not. */
#include <stdio.h>

#include "publisher/publisher_testing.h"

#define ESC_AT(uri) \
    "[esc]\ntype=outbound-publish\nmulti_user=yes\nevent=dialog\nserver_uri=" uri "\n"

/* 1000 is in use, 1001 is idle, and both are published. */
static struct bench *bench_begin(void)
{
    struct bench *b = bench_create_keeping(ESC, NULL);

    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1001@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    bench_forget_seen(b);
    assert_int_equal(bench_kept(b), 2);
    return b;
}

/* The resources of the new process are told, each with another id. */
static void tell(struct bench *b, enum extension_state first)
{
    bench_set(b, "1000@users", first);
    bench_set(b, "1001@users", EXTENSION_IDLE);
    bench_run(b, 1000);
}

static void test_who_knows_is_not_told(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    b->retry_interval_s = 86400; /* nobody is asked now and then */
    bench_restart(b, ESC, NULL);
    tell(b, EXTENSION_INUSE);
    assert_seen(b, "");
    assert_int_equal(bench_counters(b).restored, 2);
    assert_string_equal(bench_view(b, "esc", "1000").state, "published");
    /* Until the refresh is due. */
    bench_run(b, 2850000);
    assert_seen(b, "");
    bench_run(b, 400000);
    assert_int_equal(bench_counters(b).refresh, 2);
    assert_int_equal(bench_counters(b).initial, 0);
    assert_int_equal(esc_count(b), 2);
    assert_int_equal(b->clients.count, 2);
    bench_destroy(b);
}

static void test_what_changed_is_told(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    for (unsigned i = 0; i < 3; i++) { /* numbers go up each time */
        bench_restart(b, ESC, NULL);
        tell(b, i % 2 ? EXTENSION_INUSE : EXTENSION_RINGING);
        assert_string_equal(bench_seen(b), i % 2 ? "1000 modify confirmed 3600: 200\n"
                                                 : "1000 modify early 3600: 200\n");
    }
    assert_int_equal(esc_count(b), 2);
    assert_int_equal(b->clients.count, 2);
    assert_int_equal(bench_kept(b), 2);
    bench_destroy(b);
}

/* It changed, and changed back: without the word the record would say that nothing has happened. */
static void test_an_answer_that_was_not_heard(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, BENCH_LATENCY_MS);
    assert_seen(b, "1000 modify early 3600: 200\n");
    bench_restart(b, ESC, NULL);
    tell(b, EXTENSION_INUSE);
    /* That it does not know the tag is no news of it: nobody else is asked. */
    assert_seen(b, "1000 modify confirmed 3600: 412\n1000 initial confirmed 3600: 200\n");
    assert_int_equal(b->clients.count, 2);
    bench_destroy(b);
}

static void test_an_entity_tag_that_was_not_written(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    b->store.slow = true;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 1000);
    bench_restart(b, ESC, NULL);
    tell(b, EXTENSION_RINGING);
    assert_seen(b, "1000 modify early 3600: 200\n"
                   "1000 modify early 3600: 412\n1000 initial early 3600: 200\n");
    assert_int_equal(b->clients.count, 2);
    bench_destroy(b);
}

/* What cannot be written is not relied upon. */
static void test_a_store_that_fails(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    b->store.fails = true;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 1000);
    b->store.fails = false;
    bench_write(b);
    bench_restart(b, ESC, NULL);
    tell(b, EXTENSION_RINGING);
    assert_seen(b, "1000 modify early 3600: 200\n1000 modify early 3600: 200\n");
    bench_destroy(b);
}

/* It is repeated with its Call-ID, so that the server can tell that it is the same one. */
static void test_an_initial_one_under_way(void **state)
{
    struct bench *b = bench_create_keeping(ESC, NULL);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, BENCH_LATENCY_MS);
    assert_int_equal(bench_kept(b), 1);
    bench_restart(b, ESC, NULL);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n1000 initial confirmed 3600: 200\n");
    assert_int_equal(b->clients.count, 1);
    bench_destroy(b);
}

/* What the server has of ours is known before it has it. */
static void test_an_initial_one_leaves_when_it_is_kept(void **state)
{
    struct bench *b = bench_create_keeping(ESC, NULL);

    (void)state;
    b->store.slow = true;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1001@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_set(b, "1000@users", EXTENSION_RINGING); /* the newest counts */
    bench_remove(b, "1001@users");
    bench_write(b);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial early 3600: 200\n");
    bench_write(b);
    bench_set(b, "1000@users", EXTENSION_INUSE); /* which waits for nothing */
    bench_run(b, 1000);
    assert_seen(b, "1000 modify confirmed 3600: 200\n");
    bench_write(b);
    assert_int_equal(bench_kept(b), 1);
    assert_int_equal(bench_count(b), 1);
    bench_destroy(b);
}

static void test_a_process_that_ends_before_it_is_kept(void **state)
{
    struct bench *b = bench_create_keeping(ESC, NULL);

    (void)state;
    b->store.slow = true;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    publisher_stop(b->publisher);
    assert_int_equal(publisher_busy(b->publisher), 1);
    bench_write(b);
    assert_int_equal(publisher_busy(b->publisher), 0);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_restart(b, ESC, NULL);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    bench_destroy(b);
}

/* A disk that fails keeps no lamp dark. */
static void test_an_initial_one_while_the_store_fails(void **state)
{
    struct bench *b = bench_create_keeping(ESC, NULL);

    (void)state;
    b->store.slow = b->store.fails = true;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_write(b);
    bench_run(b, 1000);
    assert_seen(b, "1000 initial confirmed 3600: 200\n");
    bench_destroy(b);
}

/* A server that has forgotten is found out as ever. */
static void test_a_server_that_forgot(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    esc_forget(b);
    bench_restart(b, ESC, NULL);
    tell(b, EXTENSION_RINGING);
    assert_seen(b, "1000 modify early 3600: 412\n1000 initial early 3600: 200\n"
                   "1001 modify idle 3600: 412\n1001 initial idle 3600: 200\n");
    assert_int_equal(b->clients.count, 2);
    bench_destroy(b);
}

#define AWAY                                                                              \
    "1000 modify idle 3600: 200\n1001 modify idle 3600: 200\n1000 remove - 0: 200\n1001 " \
    "remove - 0: 200\n"

static const struct gone_case {
    const char *name, *conf, *extstate, *seen;
    size_t kept;
} gone_cases[] = {
    { "the section", "[none]\ntype=aor\n", NULL, AWAY, 0 },
    { "the server", ESC_AT("sip:esc2.test") ESC_BODY, NULL,
      "1000 initial confirmed 3600: 200\n1001 initial idle 3600: 200\n" AWAY, 2 },
    { "the identity", ESC "from_uri=sip:pbx.test\n", NULL,
      "1000 initial confirmed 3600: 200\n1001 initial idle 3600: 200\n" AWAY, 2 },
    { "the way they are shared", ESC, "[compatibility]\npublish_key_without_context=yes\n",
      "1000 initial confirmed 3600: 200\n1001 initial idle 3600: 200\n" AWAY, 2 },
    { "from the filter", ESC "@exten=^9\n", NULL, AWAY, 0 },
    { "nothing but a lifetime", ESC "expiration=60\n", NULL, "", 2 },
};

static void test_who_is_gone_is_removed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(gone_cases); i++) {
        const struct gone_case *c = &gone_cases[i];
        struct bench *b = bench_begin();

        print_message("    %s\n", c->name);
        bench_restart(b, c->conf, c->extstate);
        tell(b, EXTENSION_INUSE);
        assert_string_equal(bench_seen(b), c->seen);
        assert_int_equal(esc_count(b), c->kept);
        assert_int_equal(bench_kept(b), c->kept);
        assert_int_equal(bench_count(b), c->kept);
        assert_int_equal(bench_counters(b).sections, c->kept > 0 || i == 4);
        bench_destroy(b);
    }
}

static void test_an_extension_that_is_gone(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    bench_restart(b, ESC, NULL);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, ORPHAN_MS - 100); /* it may only be late */
    assert_seen(b, "");
    bench_run(b, 1000);
    assert_seen(b, "1001 modify idle 3600: 200\n1001 remove - 0: 200\n");
    assert_int_equal(bench_kept(b), 1);
    bench_destroy(b);
}

/* See habit.c: that the server is one of those is known before it says so again. */
static void test_idle_is_no_end(void **state)
{
    static const char asterisk[] = "[compatibility]\nasterisk_bodies=yes\n";
    struct bench *b = bench_create_keeping(ESC, asterisk);

    (void)state;
    b->esc.ends_idle = true;
    b->esc.server = "kamailio (5.6.3 (x86_64/linux))";
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, 1000);
    bench_restart(b, ESC, asterisk);
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_run(b, 1000);
    assert_string_equal(esc_state(b, "1000"), "early");
    /* Whether it was told that it is idle is not known here. */
    bench_set(b, "1000@users", EXTENSION_IDLE);
    bench_run(b, BENCH_LATENCY_MS);
    bench_restart(b, ESC, asterisk);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_string_equal(esc_state(b, "1000"), "confirmed");
    assert_int_equal(esc_count(b), 1);
    bench_destroy(b);
}

/* A publication that was shared by name goes on for whoever has the name. */
static void test_shared_by_name(void **state)
{
    static const char by_name[] = "[compatibility]\npublish_key_without_context=yes\n";
    struct bench *b = bench_create_keeping(ESC, by_name);

    (void)state;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_set(b, "1000@office", EXTENSION_RINGING);
    bench_run(b, 1000);
    bench_forget_seen(b);
    bench_restart(b, ESC, by_name);
    bench_set(b, "1000@office", EXTENSION_RINGING);
    bench_run(b, ORPHAN_MS + 1000);
    assert_seen(b, "");
    bench_set(b, "1000@office", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "1000 modify confirmed 3600: 200\n");
    assert_int_equal(bench_count(b), 1);
    bench_destroy(b);
}

/* Of one that lapsed meanwhile nothing is left at the server, and it begins anew. */
static void test_lapsed(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    b->wall_ahead_ms += 3601000;
    esc_forget(b);
    bench_restart(b, ESC, NULL);
    assert_int_equal(bench_kept(b), 0);
    tell(b, EXTENSION_INUSE);
    assert_seen(b, "1000 initial confirmed 3600: 200\n1001 initial idle 3600: 200\n");
    assert_int_equal(bench_kept(b), 2);
    bench_destroy(b);
}

/* A clock that was set back makes nothing last longer than it was granted for. */
static void test_a_clock_that_was_set_back(void **state)
{
    struct bench *b = bench_create_keeping(ESC, NULL);

    (void)state;
    b->wall_ahead_ms = 100000000;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    b->wall_ahead_ms = 0;
    bench_restart(b, ESC, NULL);
    assert_in_range(bench_view(b, "esc", "1000").expires_s, 3599, 3600);
    bench_destroy(b);
}

static unsigned refuse(void *ctx, const struct sip_message *request)
{
    (void)ctx;
    (void)request;
    return 403;
}

/* The same numbers are never given twice, however many requests come to nothing. */
static void test_numbers_that_run_ahead(void **state)
{
    struct bench *b = bench_begin();
    size_t puts = b->store.puts, requests = b->requests;

    (void)state;
    b->quiet = true;
    b->esc.answer = refuse;
    for (unsigned i = 0; i < NUMBERS_STRIDE; i++) {
        bench_set(b, "1000@users", i % 2 ? EXTENSION_RINGING : EXTENSION_BUSY);
        bench_run(b, CHANGE_GAP_MS + 100);
    }
    assert_in_range(b->requests - requests, NUMBERS_STRIDE - 100, NUMBERS_STRIDE + 100);
    assert_in_range(b->store.puts - puts, 1, 3);
    b->esc.answer = NULL;
    bench_restart(b, ESC, NULL); /* the bench compares */
    tell(b, EXTENSION_RINGING);
    assert_string_equal(esc_state(b, "1000"), "early");
    assert_int_equal(b->clients.count, 2);
    bench_destroy(b);
}

/* Where publications are kept the end of the process is none of theirs. */
static void test_a_quiet_stop(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    bench_set(b, "1000@users", EXTENSION_RINGING);
    bench_set(b, "1000@users", EXTENSION_INUSE); /* waits behind the one before */
    publisher_stop(b->publisher);
    assert_int_equal(publisher_busy(b->publisher), 1);
    bench_run(b, 1000);
    assert_int_equal(publisher_busy(b->publisher), 0);
    assert_seen(b, "1000 modify early 3600: 200\n");
    bench_run(b, 4000000);
    assert_seen(b, "");
    bench_destroy(b);
}

static void test_everything_is_put_again(void **state)
{
    struct bench *b = bench_begin();

    (void)state;
    bench_lose(b);
    publisher_rewrite(b->publisher);
    assert_int_equal(bench_kept(b), 2);
    bench_restart(b, ESC, NULL);
    tell(b, EXTENSION_INUSE);
    assert_seen(b, "");
    bench_destroy(b);
}

/* Its number is another worker's now: it gets one of ours as soon as it is written again. */
static void test_another_workers_number(void **state)
{
    struct bench *b = bench_begin();
    struct str bytes;

    (void)state;
    assert_int_equal(str_dup(&bytes, b->store.kept[1]), 0);
    bench_lose(b);
    bench_restart(b, ESC, NULL);
    publisher_restore(
        b->publisher,
        &(struct keep_record){ .table = KEEP_SENT_PUBLICATION, .number = 40, .bytes = bytes },
        false);
    b->store.kept[40] = bytes;
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    /* What it shows is not known. */
    assert_seen(b, "1000 modify confirmed 3600: 200\n");
    assert_int_equal(b->store.kept[40].n, 0);
    assert_int_equal(bench_kept(b), 1);
    bench_restart(b, ESC, NULL);
    bench_set(b, "1000@users", EXTENSION_INUSE);
    bench_run(b, 1000);
    assert_seen(b, "");
    bench_destroy(b);
}

/* A line of a message must not become two. */
static void test_another_line(void **state)
{
    struct bench *b = bench_begin();
    struct keep_record k = { .table = KEEP_SENT_PUBLICATION, .number = 1 };
    struct str *bytes = &b->store.kept[1];
    char *at = memmem(bytes->p, bytes->n, "sip:", 4);

    (void)state;
    k.bytes = *bytes;
    assert_non_null(at);
    assert_int_equal(publisher_record_check(&k), 0);
    at[3] = '\n';
    assert_int_equal(publisher_record_check(&k), -EBADMSG);
    bench_destroy(b);
}

static void test_nonsense(void **state)
{
    static const struct str records[] = { STR_INIT("\x01"),
                                          STR_INIT("\x02\x03"
                                                   "esc"),
                                          STR_INIT("\x01\x7f") };
    struct bench *b = bench_begin();
    struct str extension;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        assert_int_equal(publisher_record_extension(&extension, records[i]), -EBADMSG);
        assert_int_equal(str_dup(&b->store.kept[10 + i], records[i]), 0);
    }
    assert_int_equal(publisher_record_extension(&extension, b->store.kept[1]), 0);
    assert_true(str_equal(extension, STR("1000")));
    bench_restart(b, ESC, NULL);
    assert_int_equal(bench_kept(b), 2);
    assert_int_equal(bench_counters(b).restored, 2);
    bench_destroy(b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_knows_is_not_told),
        cmocka_unit_test(test_what_changed_is_told),
        cmocka_unit_test(test_an_answer_that_was_not_heard),
        cmocka_unit_test(test_an_entity_tag_that_was_not_written),
        cmocka_unit_test(test_a_store_that_fails),
        cmocka_unit_test(test_an_initial_one_under_way),
        cmocka_unit_test(test_an_initial_one_leaves_when_it_is_kept),
        cmocka_unit_test(test_a_process_that_ends_before_it_is_kept),
        cmocka_unit_test(test_an_initial_one_while_the_store_fails),
        cmocka_unit_test(test_a_server_that_forgot),
        cmocka_unit_test(test_who_is_gone_is_removed),
        cmocka_unit_test(test_an_extension_that_is_gone),
        cmocka_unit_test(test_idle_is_no_end),
        cmocka_unit_test(test_shared_by_name),
        cmocka_unit_test(test_lapsed),
        cmocka_unit_test(test_a_clock_that_was_set_back),
        cmocka_unit_test(test_numbers_that_run_ahead),
        cmocka_unit_test(test_a_quiet_stop),
        cmocka_unit_test(test_everything_is_put_again),
        cmocka_unit_test(test_another_workers_number),
        cmocka_unit_test(test_another_line),
        cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
