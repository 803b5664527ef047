// SPDX-License-Identifier: MIT
/* What becomes of a PUBLISH that waits for the store. */
#include "publication/compositor_fixture.h"

#define ANSWER(...) (&(struct publication_answer){ __VA_ARGS__ })

static void test_outcomes(void **state)
{
    static const struct {
        const char *expires;
        int result;
        struct publication_answer answer;
        unsigned status;
        const char *parts;
    } cases[] = {
        { "600", 0, { .etag = STR_INIT("e-1") }, 200, "SIP-ETag: e-1\r\n|Expires: 600\r\n" },
        { "5000", 0, { .etag = STR_INIT("e-1") }, 200, "Expires: 1000\r\n" },
        { "0", 0, { .etag = STR_INIT("e-2") }, 200, "SIP-ETag: e-2\r\n|Expires: 0\r\n" },
        { "600", PUBLICATION_NO_MATCH, { .status = 0 }, 412, "Warning" },
        { "600", PUBLICATION_NO_BODY, { .status = 0 }, 400, "needs a body" },
        { "600",
          PUBLICATION_BAD_BODY,
          { .status = 400, .why = STR_INIT("the patch does not fit") },
          400,
          "the patch does not fit" },
        { "600", PUBLICATION_BAD_BODY, { .status = 413 }, 413, "Warning" },
        { "600", PUBLICATION_BAD_BODY, { .status = 413, .temporary = true }, 413, "Retry-After: " },
        { "600",
          PUBLICATION_BAD_BODY,
          { .status = 415, .why = STR_INIT("no") },
          415,
          "Accept: application/dialog-info+xml\r\n|\"no\"" },
        { "600", PUBLICATION_QUOTA, { .status = 0 }, 503, "Retry-After: |too many publications" },
        { "600", -ENOMEM, { .status = 0 }, 503, "Retry-After: |no memory" },
        { "600", -EIO, { .status = 0 }, 500, "could not be stored" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create();
        struct publish p = publish_plain();
        const struct sip_message *m;

        p.expires = cases[i].expires;
        publish_send(f, &p);
        expect_nothing(f);
        fixture_answer(f, 0, cases[i].result, cases[i].result < 0 ? NULL : &cases[i].answer);
        m = expect_status(f, cases[i].status, cases[i].parts);
        assert_true(m->to_tag.n > 0);
        assert_int_equal(m->body.n, 0);
        assert_null(sip_header_first(m, SIP_H_CONTACT));
        assert_int_equal(sip_header_first(m, SIP_H_WARNING) != NULL, cases[i].status != 200);
        assert_int_equal(sip_header_first(m, SIP_H_SIP_ETAG) != NULL, cases[i].status == 200);
        expect_nothing(f);
        fixture_destroy(f);
    }
}

static void test_long_reason(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();
    char why[1000];
    const struct sip_message *m;

    (void)state;
    memset(why, 'w', sizeof(why));
    publish_send(f, &p);
    fixture_answer(f, 0, PUBLICATION_BAD_BODY, ANSWER(.status = 400, .why = { why, sizeof(why) }));
    m = expect_status(f, 400, "\"www");
    assert_true(sip_header_value(m, SIP_H_WARNING).n < 300);
    fixture_destroy(f);
}

/* RFC 3261 section 17.2.2: before the answer nothing happens, behind it the same bytes go out. */
static void test_retransmission(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    (void)state;
    publish_send(f, &p);
    p.cseq--;
    publish_send_again(f, &p);
    expect_nothing(f);
    assert_int_equal(f->n_asked, 1);
    fixture_answer(f, 0, 0, ANSWER(.etag = STR("e-1")));
    expect_status(f, 200, "SIP-ETag: e-1");
    for (unsigned i = 1; i <= 3; i++) {
        fixture_pass(f, 5000);
        publish_send_again(f, &p);
        assert_int_equal(f->n_sent, 1 + i);
        assert_true(str_equal(f->sent[0].bytes, f->sent[i].bytes));
    }
    assert_int_equal(f->n_asked, 1);
    assert_int_equal(fixture_counters(f).requests, 1);
    fixture_destroy(f);
}

static void test_refusal_retransmission(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    (void)state;
    p.event = NULL;
    publish_send(f, &p);
    p.cseq--;
    publish_send_again(f, &p);
    assert_int_equal(f->n_sent, 2);
    assert_true(str_equal(f->sent[0].bytes, f->sent[1].bytes));
    assert_int_equal(fixture_counters(f).refused_489, 1);
    fixture_destroy(f);
}

/* The order of arrival is the order in which the store is asked; each answer finds its request. */
static void test_order(void **state)
{
    enum { N = 50 };
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();
    char ids[N][8];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "c%u", i);
        p.call_id = ids[i];
        publish_send(f, &p);
    }
    assert_int_equal(f->n_asked, N);
    assert_int_equal(fixture_counters(f).pending, N);
    for (unsigned i = 0; i < N; i++)
        assert_string_equal(f->asked[i].call_id, ids[i]);
    for (unsigned i = 0; i < N; i++) {
        unsigned k = i * 7 % N; /* in whatever order it answers */
        const struct sip_message *m;

        if (k % 2)
            fixture_answer(f, k, PUBLICATION_NO_MATCH, ANSWER(.status = 0));
        else
            fixture_answer(f, k, 0, ANSWER(.etag = STR("e")));
        m = expect_status(f, k % 2 ? 412 : 200, "");
        assert_true(str_equal(m->call_id, str_of(ids[k])));
    }
    assert_int_equal(fixture_counters(f).pending, 0);
    fixture_destroy(f);
}

/* What a waiting request was promised holds, although its section is gone. */
static void test_settings_change(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();
    struct settings *s =
        settings_fixture_with("[udp]\ntype=transport\nbind=192.0.2.1\n[bob]\ntype=endpoint\n"
                              "[global]\nuser_agent=other\n",
                              "[compositor]\npackages=presence\npublish=any\n");

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        p.call_id = (const char *[]){ "c0", "c1", "c2", "c3" }[i];
        p.expires = i == 3 ? "5" : "600";
        publish_send(f, &p);
    }
    uas_settings_set(f->uas, s);
    compositor_settings_set(f->compositor, s);
    settings_unref(f->settings);
    f->settings = s;
    fixture_answer(f, 0, 0, ANSWER(.etag = STR("e")));
    expect_status(f, 200, "Expires: 600");
    fixture_answer(f, 1, PUBLICATION_BAD_BODY, ANSWER(.status = 415, .why = STR("no")));
    expect_status(f, 415, "Accept: application/dialog-info+xml|Warning: 399 other \"no\"");
    fixture_answer(f, 2, PUBLICATION_QUOTA, ANSWER(.status = 0));
    expect_status(f, 503, "");
    fixture_answer(f, 3, PUBLICATION_BAD_BODY, ANSWER(.status = 423, .why = STR("brief")));
    expect_status(f, 423, "Min-Expires: 100\r\n");
    p.call_id = "c4";
    p.from = "bob@any";
    publish_send(f, &p);
    expect_status(f, 489, "Allow-Events: presence\r\n");
    fixture_destroy(f);
}

static void test_destroy(void **state)
{
    enum { N = 5 };
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        p.call_id = (const char *[]){ "c0", "c1", "c2", "c3", "c4" }[i];
        publish_send(f, &p);
    }
    fixture_answer(f, 2, 0, ANSWER(.etag = STR("e")));
    expect_status(f, 200, "");
    compositor_destroy(f->compositor);
    f->compositor = NULL;
    expect_nothing(f); /* the others may be on disk */
    fixture_destroy(f);
}

/* A store that is slower than 64*T1: the transaction layer has answered, and the late answer only
 * ends the request, whether the transaction is still remembered or not. */
static void test_late(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    (void)state;
    publish_send(f, &p);
    p.call_id = "c2";
    publish_send(f, &p);
    p.call_id = "c3";
    publish_send(f, &p);
    fixture_pass(f, 33000);
    for (unsigned i = 0; i < 3; i++)
        expect_status(f, 500, "");
    assert_int_equal(fixture_counters(f).pending, 3);
    fixture_answer(f, 0, 0, ANSWER(.etag = STR("e")));
    fixture_pass(f, 33000);
    fixture_answer(f, 1, PUBLICATION_QUOTA, ANSWER(.status = 0));
    expect_nothing(f);
    assert_int_equal(fixture_counters(f).pending, 1); /* and that one ends with the compositor */
    fixture_destroy(f);
}

static void test_store_away(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    (void)state;
    f->apply_result = -EAGAIN;
    publish_send(f, &p);
    expect_status(f, 503, "Retry-After: |Warning");
    assert_int_equal(fixture_counters(f).pending, 0);
    f->apply_result = 0;
    p.call_id = "c2";
    publish_send(f, &p);
    fixture_answer(f, 0, 0, ANSWER(.etag = STR("e")));
    expect_status(f, 200, "");
    fixture_destroy(f);
}

static void test_too_many(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();
    char id[16];

    (void)state;
    p.call_id = id;
    for (unsigned i = 0; i <= COMPOSITOR_PENDING_MAX; i++) {
        snprintf(id, sizeof(id), "c%u", i);
        publish_send(f, &p);
    }
    assert_int_equal(f->n_asked, COMPOSITOR_PENDING_MAX);
    expect_status(f, 503, "Retry-After: |too many requests");
    expect_nothing(f);
    fixture_answer(f, 0, 0, ANSWER(.etag = STR("e")));
    expect_status(f, 200, "");
    snprintf(id, sizeof(id), "again");
    publish_send(f, &p);
    expect_nothing(f);
    assert_int_equal(f->n_asked, COMPOSITOR_PENDING_MAX + 1);
    fixture_destroy(f);
}

static void test_stop(void **state)
{
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();

    (void)state;
    publish_send(f, &p);
    compositor_stop(f->compositor);
    p.call_id = "c2";
    p.event = "nothing"; /* whatever else is wrong with it */
    publish_send(f, &p);
    expect_status(f, 503, "Retry-After: |about to stop");
    fixture_answer(f, 0, 0, ANSWER(.etag = STR("e")));
    expect_status(f, 200, "");
    fixture_destroy(f);
}

static void test_counters(void **state)
{
    static const struct {
        int result;
        unsigned status;
    } answers[] = { { 0, 0 },
                    { PUBLICATION_NO_MATCH, 0 },
                    { PUBLICATION_NO_BODY, 0 },
                    { PUBLICATION_BAD_BODY, 413 },
                    { PUBLICATION_BAD_BODY, 415 },
                    { PUBLICATION_BAD_BODY, 423 },
                    { PUBLICATION_QUOTA, 0 },
                    { -EIO, 0 } };
    struct fixture *f = fixture_create();
    struct publish p = publish_plain();
    struct compositor_counters c;
    char id[8];

    (void)state;
    p.call_id = id;
    for (unsigned i = 0; i <= ARRAY_LEN(answers); i++) {
        snprintf(id, sizeof(id), "c%u", i);
        publish_send(f, &p);
        if (i < ARRAY_LEN(answers))
            fixture_answer(f, i, answers[i].result,
                           answers[i].result < 0 ? NULL : ANSWER(.status = answers[i].status));
    }
    p.call_id = "x";
    p.uri = "sip:100@none";
    publish_send(f, &p);
    p.uri = "sip:100@nowhere";
    publish_send(f, &p);
    p.uri = "sip:100@any";
    p.event = "x";
    publish_send(f, &p);
    c = fixture_counters(f);
    assert_int_equal(c.requests, ARRAY_LEN(answers) + 4);
    assert_int_equal(c.accepted, 1);
    assert_int_equal(c.pending, 1);
    assert_int_equal(c.refused_400, 1);
    assert_int_equal(c.refused_403, 1);
    assert_int_equal(c.refused_404, 1);
    assert_int_equal(c.refused_412, 1);
    assert_int_equal(c.refused_413, 1);
    assert_int_equal(c.refused_415, 1);
    assert_int_equal(c.refused_423, 1);
    assert_int_equal(c.refused_489, 1);
    assert_int_equal(c.refused_503, 1);
    assert_int_equal(c.refused_other, 1);
    fixture_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),       cmocka_unit_test(test_long_reason),
        cmocka_unit_test(test_retransmission), cmocka_unit_test(test_refusal_retransmission),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_settings_change),
        cmocka_unit_test(test_destroy),        cmocka_unit_test(test_late),
        cmocka_unit_test(test_store_away),     cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_stop),           cmocka_unit_test(test_counters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
