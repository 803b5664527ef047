// SPDX-License-Identifier: MIT
#include "publication/compose_internal.h"
#include "publication/compose_testing.h"
#include "state/dialogs.h"

/* ---- dialogs ---- */

static const struct composition_case dialog_cases[] = {
    { "one", { { "dialogs 1000=early|r" } }, "dialogs 1000=early|r", DEVICE_RINGING },
    { "idle without a dialog", { { "dialogs" } }, "dialogs", DEVICE_NOT_INUSE },
    { "idle with the dialog that ended",
      { { "dialogs 1000=terminated" } },
      "dialogs 1000=terminated",
      DEVICE_NOT_INUSE },
    { "the union of two",
      { { "dialogs a=confirmed" }, { "dialogs b=early|i" } },
      "dialogs b=early|i a=confirmed",
      DEVICE_INUSE },
    { "one that is idle does not hide another's call",
      { { "dialogs a=confirmed" }, { "dialogs b=terminated" }, { "dialogs" } },
      "dialogs a=confirmed",
      DEVICE_INUSE },
    { "held", { { "dialogs a=confirmed|held" } }, "dialogs a=confirmed|held", DEVICE_ONHOLD },
    { "what can be picked up stands first",
      { { "dialogs a=trying b=proceeding c=confirmed d=early|i e=early f=early|r" } },
      "dialogs e=early f=early|r d=early|i c=confirmed b=proceeding a=trying",
      DEVICE_RINGINUSE },
    { "among equals the newest publication",
      { { .document = "dialogs a=confirmed", .changed = 3 },
        { .document = "dialogs b=confirmed c=confirmed", .changed = 5 },
        { .document = "dialogs d=confirmed", .changed = 4 } },
      "dialogs b=confirmed c=confirmed d=confirmed a=confirmed",
      DEVICE_INUSE },
    { "before that the higher priority",
      { { .document = "dialogs a=confirmed", .priority = 7 },
        { .document = "dialogs b=confirmed" } },
      "dialogs a=confirmed b=confirmed",
      DEVICE_INUSE },

    /* ids */
    { "the older publication keeps the id",
      { { .document = "dialogs 1000=confirmed", .serial = 9, .changed = 2 },
        { .document = "dialogs 1000=early|r", .serial = 31, .changed = 1 } },
      "dialogs 1000-1f=early|r 1000=confirmed",
      DEVICE_RINGINUSE },
    { "even where it does not show",
      { { "dialogs 1000=terminated" }, { "dialogs 1000=early|r" } },
      "dialogs 1000-2=early|r",
      DEVICE_RINGING },
    { "an id that was scoped stays so",
      { { .document = "dialogs 1000=early|r", .serial = 31, .scoped = true } },
      "dialogs 1000-1f=early|r",
      DEVICE_RINGING },
    { "a scoped publication scopes all",
      { { "dialogs x=confirmed" }, { "dialogs y=confirmed x=confirmed" } },
      "dialogs y-2=confirmed x-2=confirmed x=confirmed",
      DEVICE_INUSE },
    { "three",
      { { "dialogs x=trying" }, { "dialogs x=trying" }, { "dialogs x=trying" } },
      "dialogs x-3=trying x-2=trying x=trying",
      DEVICE_INUSE },
    { "an id that was made for it already exists",
      { { "dialogs a=trying" }, { "dialogs a=early" }, { "dialogs a-2=confirmed a-2.1=trying" } },
      "dialogs a-2.2=early a-2=confirmed a-2.1=trying a=trying",
      DEVICE_RINGINUSE },
    { "one document says an id twice",
      { { "dialogs a=confirmed a=trying a=early" } },
      "dialogs a-1.1=early a=confirmed a-1=trying",
      DEVICE_RINGINUSE },
    { "twice, and that is taken",
      { { "dialogs b=trying" }, { "dialogs b=early b=confirmed b=trying b-2=trying" } },
      "dialogs b-2.1=early b-2.2=confirmed b-2.3=trying b-2-2=trying b=trying",
      DEVICE_RINGINUSE },

    /* the same call */
    { "the same call twice is one",
      { { "dialogs a=confirmed|call=c:l:r|local=sip:a" },
        { "dialogs b=early|r|call=c:l:r|remote=sip:b" } },
      "dialogs a=confirmed|r|call=c:l:r|local=sip:a|remote=sip:b",
      DEVICE_INUSE },
    { "seen from the other end",
      { { "dialogs a=early|i|call=c:l:r|local=sip:a" },
        { "dialogs b=confirmed|r|call=c:r:l|local=sip:b|held" } },
      "dialogs a=confirmed|r|call=c:r:l|held|local=sip:b|remote=sip:a",
      DEVICE_ONHOLD },
    { "the higher priority has the view, the stronger state wins",
      { { .document = "dialogs a=early|i|call=c:l:r|local=sip:a", .priority = 1 },
        { .document = "dialogs b=confirmed|r|call=c:r:l|local=sip:b|held" } },
      "dialogs a=confirmed|i|call=c:l:r|local=sip:a|remote=sip:b",
      DEVICE_INUSE },
    { "params come with their target's side",
      { { "dialogs a=confirmed|call=c:l:r|local=sip:a|param=x:y" },
        { "dialogs b=confirmed|call=c:l:r" } },
      "dialogs a=confirmed|call=c:l:r|local=sip:a|param=x:y",
      DEVICE_INUSE },
    { "another's end does not end it",
      { { .document = "dialogs a=terminated|call=c:l:r|event=error",
          .former = "dialogs a=confirmed|call=c:l:r",
          .changed = 5 },
        { "dialogs b=confirmed|call=c:l:r" } },
      "dialogs a=confirmed|call=c:l:r",
      DEVICE_INUSE },
    { "three of one call, two ids alike",
      { { "dialogs a=trying|call=c:l:r" },
        { "dialogs a=proceeding|call=c:r:l" },
        { "dialogs b=early|call=c:l:r d=early" } },
      "dialogs a=early|call=c:l:r d=early",
      DEVICE_RINGING },
    { "both ends at one publisher are two",
      { { "dialogs a=confirmed|call=c:l:r b=confirmed|call=c:r:l" } },
      "dialogs a=confirmed|call=c:l:r b=confirmed|call=c:r:l",
      DEVICE_INUSE },
    { "both ends, by two",
      { { "dialogs a=confirmed|call=c:l:r b=confirmed|call=c:r:l" },
        { "dialogs e=confirmed|call=c:l:r f=confirmed|call=c:r:l" } },
      "dialogs a=confirmed|call=c:l:r b=confirmed|call=c:r:l",
      DEVICE_INUSE },
    { "both ends by one, the other by another",
      { { "dialogs a=early|call=c:l:r b=trying|call=c:r:l" },
        { "dialogs e=confirmed|call=c:r:l" } },
      "dialogs a=early|call=c:l:r b=confirmed|call=c:r:l",
      DEVICE_RINGINUSE },
    { "an end told twice by one",
      { { "dialogs a=confirmed|call=c:l:r b=confirmed|call=c:r:l d=confirmed|call=c:l:r" },
        { "dialogs e=confirmed|call=c:l:r" } },
      "dialogs a=confirmed|call=c:l:r b=confirmed|call=c:r:l d=confirmed|call=c:l:r",
      DEVICE_INUSE },
    { "without tags they may be two forks",
      { { "dialogs a=early|call=c:l:" }, { "dialogs b=early|call=c:l:" } },
      "dialogs b=early|call=c:l: a=early|call=c:l:",
      DEVICE_RINGING },
    { "another tag, another dialog",
      { { "dialogs a=early|call=c:l:r" }, { "dialogs b=early|call=c:l:q" } },
      "dialogs b=early|call=c:l:q a=early|call=c:l:r",
      DEVICE_RINGING },

    /* ends */
    { "an end is told beside what is live",
      { { .document = "dialogs a=terminated|event=cancelled", .former = "dialogs a=early|r" },
        { "dialogs b=confirmed" } },
      "dialogs b=confirmed a=terminated|event=cancelled",
      DEVICE_INUSE },
    { "but not again",
      { { .document = "dialogs a=terminated", .former = "dialogs a=terminated" },
        { "dialogs b=confirmed" } },
      "dialogs b=confirmed",
      DEVICE_INUSE },
    { "nor if it had never begun",
      { { .document = "dialogs a=terminated", .former = "dialogs" }, { "dialogs b=confirmed" } },
      "dialogs b=confirmed",
      DEVICE_INUSE },
    { "of several the just ended one",
      { { .document = "dialogs a=terminated b=terminated c=early",
          .former = "dialogs a=terminated b=confirmed c=early" } },
      "dialogs c=early b=terminated",
      DEVICE_RINGING },
    { "nothing lives: the last one that ended",
      { { .document = "dialogs a=terminated", .changed = 8 },
        { .document = "dialogs b=terminated", .changed = 9 },
        { .document = "dialogs", .changed = 10 } },
      "dialogs b=terminated",
      DEVICE_NOT_INUSE },
    { "a call that ended for both",
      { { .document = "dialogs a=terminated|call=c:l:r",
          .former = "dialogs a=confirmed|call=c:l:r" },
        { "dialogs b=terminated|call=c:l:r" },
        { "dialogs d=trying" } },
      "dialogs d=trying a=terminated|call=c:l:r",
      DEVICE_INUSE },
    { "an id used again is a new call",
      { { .document = "dialogs 1000=early|r", .former = "dialogs 1000=terminated" } },
      "dialogs 1000=early|r",
      DEVICE_RINGING },
};

static void test_dialogs(void **state)
{
    (void)state;
    assert_compositions(dialog_cases, ARRAY_LEN(dialog_cases));
}

/* ---- facets together, messages, opaque ---- */

static const struct composition_case facet_cases[] = {
    { "dialogs decide about the device, presence stands beside",
      { { "dialogs a=early|r" }, { "presence tuple:t=closed" } },
      "dialogs a=early|r presence tuple:t=closed",
      DEVICE_RINGING },
    { "presence alone decides",
      { { "presence tuple:t=open person:p|a=on-the-phone" } },
      "presence tuple:t=open person:p|a=on-the-phone",
      DEVICE_INUSE },
    { "nobody there", { { "presence" } }, "presence", DEVICE_UNAVAILABLE },
    { "sums",
      { { "messages:no|voice=0/8/0/2" },
        { "messages:yes|voice=1/2/1/0|fax=3/0/0/0" },
        { "messages:no" } },
      "messages:yes|voice=1/10/1/2|fax=3/0/0/0",
      DEVICE_INVALID },
    { "nobody has any",
      { { "messages:no|voice=0/0/0/0" }, { "messages:no" } },
      "messages:no|voice=0/0/0/0",
      DEVICE_INVALID },
    { "more than can be said",
      { { "messages:yes|voice=4294967295/1/0/0" }, { "messages:yes|voice=1/4294967295/0/0" } },
      "messages:yes|voice=4294967295/4294967295/0/0",
      DEVICE_INVALID },
    { "one account told by two is told by the newer",
      { { .document = "messages:yes|account=sip:a|voice=9/9/0/0", .changed = 1 },
        { .document = "messages:no|account=sip:a|voice=0/3/0/0", .changed = 2 },
        { .document = "messages:yes|account=sip:b|voice=1/0/0/0", .changed = 0 } },
      "messages:yes|voice=1/3/0/0",
      DEVICE_INVALID },
    { "or by the more important",
      { { .document = "messages:yes|account=sip:a|voice=9/9/0/0", .priority = 1 },
        { .document = "messages:no|account=sip:a|voice=0/3/0/0" } },
      "messages:yes|account=sip:a|voice=9/9/0/0",
      DEVICE_INVALID },
    { "the only account that there is",
      { { "messages:no|account=sip:a" }, { "messages:no|account=sip:a" }, { "messages:no" } },
      "messages:no|account=sip:a",
      DEVICE_INVALID },
    { "opaque: the newest",
      { { .document = "opaque:text/a:1", .changed = 3 },
        { .document = "opaque:text/b:2", .changed = 4 },
        { .document = "opaque:text/c:3", .changed = 2 } },
      "opaque:text/b:2",
      DEVICE_INVALID },
    { "or the most important",
      { { .document = "opaque:text/a:1", .priority = 1 }, { .document = "opaque:text/b:2" } },
      "opaque:text/a:1",
      DEVICE_INVALID },
};

static void test_facets(void **state)
{
    (void)state;
    assert_compositions(facet_cases, ARRAY_LEN(facet_cases));
}

/* ---- the scope of ids is the caller's to keep ---- */

static void test_scoped(void **state)
{
    struct event_state *a = event_state_of("dialogs x=trying"), *out;
    struct event_state *b = event_state_of("dialogs x=trying y=trying");
    struct composition_input in[] = { { .document = a, .serial = 1 },
                                      { .document = b, .serial = 2 } };

    (void)state;
    assert_int_equal(composite_create(&out, in, 2, 0), 0);
    assert_false(in[0].scoped);
    assert_true(in[1].scoped);
    event_state_unref(out);
    assert_int_equal(composite_create(&out, &in[1], 1, 0), 0);
    assert_event_state(out, "dialogs x-2=trying y-2=trying");
    event_state_unref(out);
    event_state_unref(a);
    event_state_unref(b);
}

/* A document that says it all is the composite. */
static void test_shared(void **state)
{
    static const struct {
        const char *text;
        bool shared;
    } cases[] = {
        { "dialogs a=early|r b=confirmed", true },
        { "dialogs b=confirmed a=early|r", false },
        { "dialogs a=early|r b=terminated", false },
        { "dialogs a=early|r a=confirmed", false },
        { "dialogs a=terminated", true },
        { "dialogs", true },
        { "presence tuple:t=open|c=sip:a person:p|a=busy note::x ext:<x/>", true },
        { "presence person:p|a=busy person:q|a=away", false },
        { "presence person:|a=busy", false },
        { "messages:yes|account=sip:a|voice=1/2/3/4", true },
        { "opaque:text/plain:x", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event_state *published = event_state_of(cases[i].text), *packed, *out;
        struct composition_input in = { .serial = 1 };

        assert_int_equal(event_state_pack(&packed, published), 0);
        in.document = packed;
        assert_int_equal(composite_create(&out, &in, 1, 0), 0);
        assert_int_equal(out == packed, cases[i].shared);
        event_state_unref(published);
        event_state_unref(packed);
        event_state_unref(out);
    }
}

/* ---- partial documents ---- */

static void test_merge(void **state)
{
    static const struct {
        const char *former, *change, *merged;
    } cases[] = {
        { "dialogs a=early", "partial:1 b=trying", "dialogs a=early b=trying" },
        { "dialogs a=early|r", "partial:1 a=confirmed|i", "dialogs a=confirmed|i" },
        { "dialogs a=early b=early", "partial:1 a=terminated", "dialogs a=terminated b=early" },
        { "dialogs a=terminated b=early", "partial:1 c=early", "dialogs b=early c=early" },
        { "dialogs a=terminated b=early", "partial:1", "dialogs b=early" },
        { "dialogs a=terminated", "partial:1", "dialogs a=terminated" },
        { "dialogs a=terminated", "partial:1 a=early", "dialogs a=early" },
        { "dialogs a=terminated", "partial:1 a=terminated|event=error",
          "dialogs a=terminated|event=error" },
        { "dialogs a=early", "partial:1 x=terminated", "dialogs a=early" },
        { "dialogs", "partial:1 x=terminated", "dialogs" },
        { "dialogs", "partial:1 x=trying", "dialogs x=trying" },
        { "dialogs a=early", "partial:1 b=trying b=confirmed a=trying a=confirmed",
          "dialogs a=confirmed b=confirmed" },
        { "dialogs b=early a=early", "partial:1 b=terminated a=terminated",
          "dialogs b=terminated a=terminated" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct event_state *former = event_state_of(cases[i].former), *out;
        struct event_state *change = event_state_of(cases[i].change);

        assert_int_equal(dialogs_merge(&out, former, change), 0);
        event_state_unref(former);
        event_state_unref(change);
        assert_event_state(out, cases[i].merged);
        assert_false(out->partial);
        assert_int_equal(out->version, 1);
        event_state_unref(out);
    }
}

/* ---- sameness ---- */

/* Every line differs from all the others, and in nothing but what follows `~` only by time. */
static void test_same(void **state)
{
    static const char *const different[] = {
        "",
        "dialogs",
        "presence",
        "messages:no",
        "opaque:a:b",
        "opaque:a:c",
        "opaque:b:b",
        "dialogs a=early",
        "dialogs a=early|r",
        "dialogs a=early|held",
        "dialogs b=early",
        "dialogs a=trying",
        "dialogs a=early|call=c:l:r",
        "dialogs a=early|call=d:l:r",
        "dialogs a=early|call=c:m:r",
        "dialogs a=early|call=c:l:s",
        "dialogs a=early|event=error",
        "dialogs a=early|local=x",
        "dialogs a=early|remote=x",
        "dialogs a=early|param=a:b",
        "dialogs a=early|param=a:c",
        "dialogs a=early|param=b:b",
        "dialogs a=early b=trying",
        "dialogs b=trying a=early",
        "presence tuple:t=open",
        "presence tuple:t=closed",
        "presence tuple:u=open",
        "presence tuple:t=open|c=a",
        "presence tuple:t=open|x=a",
        "presence tuple:t=open|s=a",
        "presence tuple:t=open|n=a:b",
        "presence tuple:t=open|n=a:c",
        "presence tuple:t=open|n=b:b",
        "presence person:p",
        "presence person:p|a=b",
        "presence person:p|e=b",
        "presence person:p|e=b:c",
        "presence person:p|n=a:b",
        "presence device:d",
        "presence device:d|d=x",
        "presence device:d|e=x",
        "presence note:a:b",
        "presence ext:a",
        "messages:yes",
        "messages:no|account=a",
        "messages:no|voice=0/0/0/0",
        "messages:no|voice=1/0/0/0",
        "messages:no|voice=0/1/0/0",
        "messages:no|voice=0/0/1/0",
        "messages:no|voice=0/0/0/1",
        "messages:no|fax=0/0/0/0",
        "dialogs presence",
    };
    static const char *const timed[][2] = {
        { "presence tuple:t=open|at=1", "presence tuple:t=open|at=2" },
        { "presence person:p|at=1", "presence person:p" },
        { "presence device:p|at=1", "presence device:p|at=" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(different); i++)
        for (size_t k = 0; k < ARRAY_LEN(different); k++) {
            struct event_state *a = event_state_of(different[i]), *b;
            struct event_state *other = event_state_of(different[k]);

            assert_int_equal(event_state_pack(&b, other), 0);
            a->device = b->device;
            assert_int_equal(composite_same(a, b), i == k);
            assert_int_equal(event_state_same(a, b), i == k);
            event_state_unref(a);
            event_state_unref(b);
            event_state_unref(other);
        }
    for (size_t i = 0; i < ARRAY_LEN(timed); i++) {
        struct event_state *a = event_state_of(timed[i][0]), *b = event_state_of(timed[i][1]);

        assert_true(composite_same(a, b));
        assert_false(event_state_same(a, b));
        b->device = DEVICE_BUSY;
        assert_false(composite_same(a, b));
        event_state_unref(a);
        event_state_unref(b);
    }
}

/* ---- hundreds of publishers ---- */

/* Twice the publishers, little more than twice the work: counted in seconds it must end at once,
 * even where every id and every call is the same. */
static void test_many(void **state)
{
    enum { MANY = 2000 };
    struct event_state *s = event_state_of(
        "dialogs 1=early|r|call=c:l:r 1=confirmed|call=c:r:l 2=trying 3=terminated presence "
        "tuple:t=open|c=sip:a tuple:u=open person:p|a=busy|n=en:x device:d|d=u note:en:x ext:<x/>");
    struct composition_input *in = calloc(MANY, sizeof(*in));
    struct event_state *out;

    (void)state;
    assert_non_null(in);
    for (size_t i = 0; i < MANY; i++)
        in[i] = (struct composition_input){ .document = s, .serial = i + 1, .changed = i / 3 };
    assert_int_equal(composite_create(&out, in, MANY, 0), 0);
    assert_int_equal(out->n_dialogs, MANY + 2); /* both ends of one call, and theirs */
    assert_int_equal(out->presence.n_tuples, MANY + 1);
    assert_int_equal(out->presence.n_persons, 1);
    assert_int_equal(out->presence.persons[0].n_activities, 1);
    assert_int_equal(out->presence.n_devices, 1);
    assert_int_equal(out->presence.n_notes, 1);
    event_state_unref(out);
    event_state_unref(s);
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogs), cmocka_unit_test(test_facets),
        cmocka_unit_test(test_scoped),  cmocka_unit_test(test_shared),
        cmocka_unit_test(test_merge),   cmocka_unit_test(test_same),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
