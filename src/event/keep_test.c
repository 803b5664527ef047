// SPDX-License-Identifier: MIT
/* What is kept of a subscription, and what becomes of a record that is read again, whole or
 * damaged. The stories are in tests/scenario. */
#include "event/keep_fixture.h"

static void restore(struct fixture *f, uint64_t number, struct str bytes)
{
    notifier_restore(
        f->notifier,
        &(struct keep_record){ .table = KEEP_SUBSCRIPTION, .number = number, .bytes = bytes });
}

/* The record of one that is told; the notifier is gone. */
static struct kept_entry make_record(void)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };

    kept_attach(&k, f, 1);
    kept_establish(&k, f);
    fixture_destroy(f);
    assert_int_equal(kept_records(&k), 1); /* the end of the process is none of hers */
    return k.at[1];
}

/* Wherever it was cut off it is a subscription, or it is forgotten. */
static void test_cut_off(void **state)
{
    const struct kept_entry whole = make_record();
    size_t forgotten = 0;

    (void)state;
    for (size_t n = 0; n <= whole.n; n++) {
        struct fixture *f = fixture_create(NULL);
        struct kept_fixture k = { .puts = 0 };

        kept_attach(&k, f, 2);
        restore(f, 1, (struct str){ whole.bytes, n });
        assert_int_equal(live(f) + k.puts, 1);
        forgotten += k.puts;
        if (n == whole.n)
            assert_int_equal(live(f), 1);
        fixture_destroy(f);
    }
    assert_in_range(forgotten, whole.n / 2, whole.n);
}

/* With any byte of it another one it is told, or forgotten; where that is our address it is put
 * again with the one we have. */
static void test_another_byte(void **state)
{
    const struct kept_entry whole = make_record();

    (void)state;
    for (size_t i = 0; i < whole.n; i++) {
        struct fixture *f = fixture_create(NULL);
        struct kept_fixture k = { .puts = 0 };
        struct kept_entry e = whole;

        e.bytes[i] = (char)(e.bytes[i] ^ (i % 2 ? 0x80 : 0x0d));
        kept_attach(&k, f, 2);
        fixture_state(f, "100", EXTENSION_IDLE);
        restore(f, 1, (struct str){ e.bytes, e.n });
        assert_int_equal(live(f) + k.puts - kept_records(&k), 1);
        fixture_answer_questions(f, 1);
        fixture_pass(f, WHEEL_TICK_MS);
        fixture_destroy(f);
    }
}

/* Before a stride is used up its record is put again, with numbers that the next process goes on
 * from: they never come twice. */
static void test_numbers_only_rise(void **state)
{
    enum { STARTS = 3, CHANGES = NUMBERS_STRIDE + 100 };
    struct kept_fixture k = { .puts = 0 };
    uint32_t last_cseq = 0, last_version = 0;

    (void)state;
    for (uint64_t start = 1; start <= STARTS; start++) {
        struct fixture *f = fixture_create(NULL);
        size_t puts;

        kept_attach(&k, f, start);
        if (start == 1) {
            kept_establish(&k, f);
        } else {
            fixture_state(f, "100", EXTENSION_INUSE);
            restore(f, 1, (struct str){ k.at[1].bytes, k.at[1].n });
            fixture_answer_questions(f, 1);
        }
        puts = k.puts;
        for (unsigned i = 0; i < CHANGES; i++) {
            fixture_state(f, "100", i % 2 ? EXTENSION_INUSE : EXTENSION_IDLE);
            (void)fixture_next(f);
            if (i == 0) {
                assert_true(only_view(f).cseq > last_cseq);
                assert_true(only_view(f).version > last_version);
            }
            answer_last(f, 200);
            expect_nothing(f);
        }
        assert_in_range(k.puts - puts, 2, 6);
        last_cseq = only_view(f).cseq;
        last_version = only_view(f).version;
        fixture_destroy(f);
    }
}

/* The store fails for longer than a stride: what is read again is the record from before. */
static void test_numbers_rise_without_a_record(void **state)
{
    struct kept_fixture k = { .puts = 0 };
    struct fixture *f = fixture_create(NULL);
    uint32_t last_cseq, last_version;
    struct kept_entry before;

    (void)state;
    kept_attach(&k, f, 1);
    kept_establish(&k, f);
    before = k.at[1];
    for (unsigned i = 0; i < 3 * NUMBERS_STRIDE; i++) {
        fixture_state(f, "100", i % 2 ? EXTENSION_INUSE : EXTENSION_IDLE);
        (void)fixture_next(f);
        answer_last(f, 200);
    }
    last_cseq = only_view(f).cseq;
    last_version = only_view(f).version;
    fixture_destroy(f);

    f = fixture_create(NULL);
    kept_attach(&k, f, 2);
    fixture_state(f, "100", EXTENSION_IDLE);
    restore(f, 1, (struct str){ before.bytes, before.n });
    fixture_answer_questions(f, 1);
    (void)fixture_next(f);
    assert_in_range(only_view(f).cseq, last_cseq + 1, last_cseq + NUMBERS_STRIDE);
    assert_true(only_view(f).version > last_version);
    fixture_destroy(f);
}

static const struct cseq_case {
    uint64_t halves; /* of the word, one more than there are; 0: it says nothing */
    uint32_t then, expected;
} cseq_cases[] = {
    { 0, 5000, 5000 },
    { 1, 100, 1024 },
    { 3, 100, 3 * 1024 },
    { 1, 1030, 1030 }, /* of another usage, before the record */
    { 1, 65535u * 1024 - 1, 65536u * 1024 },
};

static void test_cseq_by_the_word(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cseq_cases); i++) {
        const struct cseq_case *c = &cseq_cases[i];

        assert_int_equal(kept_cseq(c->halves << 48 | 77, c->then), c->expected);
    }
}

static void test_put_again(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };

    (void)state;
    kept_attach(&k, f, 1);
    kept_establish(&k, f);
    k.at[1].n = 0; /* the file has been replaced */
    notifier_rewrite(f->notifier);
    assert_int_equal(kept_records(&k), 1);
    fixture_destroy(f);
}

/* More than may subscribe now: they were promised before, and nobody else comes. */
static void test_over_the_limit(void **state)
{
    const struct kept_entry e = make_record();
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct sub s = sub_plain("c2");

    (void)state;
    kept_attach(&k, f, 2);
    f->limit = 0;
    restore(f, 1, (struct str){ e.bytes, e.n });
    assert_int_equal(f->held, 1);
    sub_send(f, &s);
    expect_status(f, 503);
    fixture_destroy(f);
}

/* No number is left: nothing is promised. */
static void test_no_number(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct sub s = sub_plain("c1");

    (void)state;
    kept_attach(&k, f, 1);
    for (size_t i = 1; i < ARRAY_LEN(k.at); i++)
        k.at[i].taken = true;
    fixture_state(f, "100", EXTENSION_INUSE);
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    expect_status(f, 503);
    assert_int_equal(live(f), 0);
    fixture_destroy(f);
}

/* What nobody can write down is not promised. */
static void test_a_refresh_that_is_too_long(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct sub s = sub_plain("c1");
    const struct sip_message *m;
    char tag[64];

    (void)state;
    kept_attach(&k, f, 1);
    fixture_state(f, "100", EXTENSION_INUSE);
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    kept_settle(&k, f, 0);
    m = expect_status(f, 200);
    snprintf(tag, sizeof(tag), "%.*s", STR_FMT(m->to_tag));
    expect_notify(f, "active;expires=600", "confirmed");
    answer_last(f, 200);
    buf_fini(&f->notifier->scratch);
    buf_init(&f->notifier->scratch, k.at[1].n - 1);
    s.to_tag = tag;
    s.cseq = 2;
    sub_send(f, &s);
    expect_status(f, 500);
    assert_int_equal(notifier_unanswered(f->notifier), 1); /* the NOTIFY goes all the same */
    assert_int_equal(k.puts, 1);
    fixture_destroy(f);
}

/* Whatever it is spelt like: one that was granted goes on in the next process. */
static void test_odd_spellings(void **state)
{
    static const struct {
        const char *display, *event, *accept, *extra;
    } cases[] = {
        { .extra = "User-Agent: Phone\r\n 1.0\r\n" },
        { .extra = "User-Agent: \"a\\\x01z\"\r\n" },
        { .extra = "User-Agent: (\x7f\xff)\t\r\n" },
        { .display = "\"a\\\x01z\" " },
        { .display = "\"a\r\n z\" " },
        { .display = "A\r\n B " },
        { .event = "dialog\r\n ;id=5" },
        { .event = "dialog; id\r\n = 5" },
        { .event = "dialog;id=5;x=\"\\\x01\"" },
        { .event = "dialog;x=\"a\r\n b\"" },
        { .accept = "application/dialog-info+xml\r\n ;q=1" },
        { .extra = "Record-Route: <sip:192.0.2.9;lr>\r\n ,<sip:192.0.2.8;lr>;x=\"\\\x01\"\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = fixture_create(NULL), *next;
        struct kept_fixture k = { .puts = 0 }, again = { .puts = 0 };
        struct sub s = sub_plain("c1");
        bool granted;

        s.display = cases[i].display ? cases[i].display : s.display;
        s.event = cases[i].event ? cases[i].event : s.event;
        s.accept = cases[i].accept ? cases[i].accept : s.accept;
        s.extra = cases[i].extra ? cases[i].extra : s.extra;
        kept_attach(&k, f, 1);
        fixture_state(f, "100", EXTENSION_INUSE);
        sub_send(f, &s);
        fixture_answer_questions(f, 1);
        kept_settle(&k, f, 0);
        granted = fixture_next(f)->status == 200;
        assert_int_equal(kept_records(&k), granted);
        fixture_destroy(f);
        if (!granted)
            continue;
        next = fixture_create(NULL);
        kept_attach(&again, next, 2);
        restore(next, 1, (struct str){ k.at[1].bytes, k.at[1].n });
        if (live(next) != 1)
            print_error("case %zu is forgotten\n", i);
        fixture_destroy(next);
    }
}

/* The transport has another address than before: she is told where we are, once, and from there; as
 * after a reload. */
static void test_another_address(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    const struct addr elsewhere = fixture_addr("192.0.2.9:5070");

    (void)state;
    kept_attach(&k, f, 1);
    kept_establish(&k, f);
    fixture_destroy(f);
    for (uint64_t start = 2; start <= 3; start++) {
        f = fixture_create(NULL);
        kept_attach(&k, f, start);
        f->route = (struct flow){ .transport = 0, .local = elsewhere };
        fixture_state(f, "100", EXTENSION_INUSE);
        restore(f, 1, (struct str){ k.at[1].bytes, k.at[1].n });
        fixture_answer_questions(f, 1);
        if (start == 2) {
            expect_notify(f, "active;expires=600", "<state>confirmed</state>");
            assert_true(addr_equal(&f->sent[f->seen - 1].to.local, &elsewhere));
            assert_true(
                str_equal(sip_header_value(&f->msg, SIP_H_CONTACT), STR("<sip:192.0.2.9:5070>")));
            answer_last(f, 200);
        }
        fixture_pass(f, 100);
        expect_nothing(f);
        assert_int_equal(kept_records(&k), 1);
        fixture_destroy(f);
    }
}

/* What the transport is called now does not matter, where it has the address. */
static void test_the_same_address(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    size_t puts;

    (void)state;
    kept_attach(&k, f, 1);
    kept_establish(&k, f);
    fixture_destroy(f);
    puts = k.puts;
    f = fixture_create(NULL);
    kept_attach(&k, f, 2);
    f->route_result = -EAFNOSUPPORT; /* asked by name, it has no answer */
    fixture_state(f, "100", EXTENSION_INUSE);
    restore(f, 1, (struct str){ k.at[1].bytes, k.at[1].n });
    fixture_answer_questions(f, 1);
    fixture_pass(f, 100);
    expect_nothing(f);
    assert_int_equal(k.puts, puts);
    fixture_state(f, "100", EXTENSION_IDLE);
    expect_notify(f, "active;expires=599", "<state>terminated</state>");
    assert_true(addr_equal(&f->sent[f->seen - 1].to.local, &f->from.local));
    answer_last(f, 200);
    fixture_destroy(f);
}

/* All that wait for the store go with the process, answered or not. */
static void test_ends_while_waiting(void **state)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };
    struct sub s = sub_plain("c1"), other = sub_plain("c2");
    const struct sip_message *m;
    char tag[64];

    (void)state;
    kept_attach(&k, f, 1);
    fixture_state(f, "100", EXTENSION_INUSE);
    sub_send(f, &s);
    fixture_answer_questions(f, 1);
    kept_settle(&k, f, 0);
    m = expect_status(f, 200);
    snprintf(tag, sizeof(tag), "%.*s", STR_FMT(m->to_tag));
    s.to_tag = tag;
    for (s.cseq = 2; s.cseq < 5; s.cseq++)
        sub_send(f, &s);
    sub_send(f, &other);
    assert_int_equal(notifier_unanswered(f->notifier), 5); /* a NOTIFY and four answers */
    fixture_destroy(f);
    assert_true(list_empty(&k.waits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_another_byte),
        cmocka_unit_test(test_numbers_only_rise),
        cmocka_unit_test(test_numbers_rise_without_a_record),
        cmocka_unit_test(test_cseq_by_the_word),
        cmocka_unit_test(test_put_again),
        cmocka_unit_test(test_over_the_limit),
        cmocka_unit_test(test_no_number),
        cmocka_unit_test(test_a_refresh_that_is_too_long),
        cmocka_unit_test(test_odd_spellings),
        cmocka_unit_test(test_another_address),
        cmocka_unit_test(test_the_same_address),
        cmocka_unit_test(test_ends_while_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
