// SPDX-License-Identifier: MIT
/* What is known of calls stays known when they are read anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/heard_calls.h"

#define T(text)                  \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct es_dialog rich = { .id = T("1"),
                                       .call_id = T("abc"),
                                       .local_tag = T("l"),
                                       .remote_tag = T("r"),
                                       .direction = ES_DIRECTION_RECIPIENT,
                                       .state = ES_DIALOG_CONFIRMED,
                                       .local = { .identity = T("sip:1000@x") },
                                       .remote = { .identity = T("sip:200@x"),
                                                   .display = T("Bob"),
                                                   .target = T("sip:200@x") } },
                              other = { .id = T("2"), .state = ES_DIALOG_CONFIRMED };

static struct event_state *calls_new(const struct es_dialog *dialogs, size_t n)
{
    struct es_dialog *copy;
    struct event_state *s;

    assert_int_equal(event_state_create(&s), 0);
    copy = arena_alloc(&s->arena, n * sizeof(*copy));
    assert_non_null(copy);
    memcpy(copy, dialogs, n * sizeof(*copy));
    s->has_dialogs = true;
    s->dialogs = copy;
    s->n_dialogs = n;
    return s;
}

/* `former` has n_former of them; what comes of it is a reference. */
static struct event_state *heard_when(const struct es_dialog *said, size_t n,
                                      const struct es_dialog *former, size_t n_former, bool reading)
{
    struct event_state *s = calls_new(said, n), *f = n_former ? calls_new(former, n_former) : NULL,
                       *out = NULL;

    assert_int_equal(heard_calls_complete(&out, s, f, reading), 0);
    event_state_unref(s);
    event_state_unref(f);
    return out;
}

static struct event_state *heard(const struct es_dialog *said, size_t n,
                                 const struct es_dialog *former, size_t n_former)
{
    return heard_when(said, n, former, n_former, true);
}

static void assert_calls(const struct event_state *s, const struct es_dialog *want, size_t n)
{
    struct event_state *w = calls_new(want, n), *packed = NULL;

    assert_int_equal(event_state_pack(&packed, w), 0);
    assert_true(event_state_same(s, packed));
    event_state_unref(packed);
    event_state_unref(w);
}

static void test_complete(void **state)
{
    struct es_dialog said = { .id = T("1"),
                              .state = ES_DIALOG_CONFIRMED,
                              .local = { .identity = T("sip:1000@x") } };
    struct event_state *s = heard(&said, 1, &rich, 1);

    (void)state;
    assert_calls(s, &rich, 1);
    event_state_unref(s);
    said.remote = (struct es_dialog_party){ .identity = T("sip:200@x"), .target = T("sip:200@x") };
    s = heard(&said, 1, &rich, 1);
    assert_calls(s, &rich, 1);
    event_state_unref(s);
    s = heard(&said, 1, &other, 1); /* nothing is known of it */
    assert_calls(s, &said, 1);
    event_state_unref(s);
    s = heard(&said, 1, NULL, 0);
    assert_calls(s, &said, 1);
    event_state_unref(s);
}

/* Somebody who is told without a name, not by a list, has none any more. */
static void test_nameless(void **state)
{
    struct es_dialog said = rich;
    struct event_state *s;

    (void)state;
    said.call_id = (struct es_text)T("");
    said.remote.display = (struct es_text)T("");
    s = heard_when(&said, 1, &rich, 1, false);
    assert_true(es_text_same(s->dialogs[0].remote.identity, rich.remote.identity));
    assert_int_equal(s->dialogs[0].remote.display.n, 0);
    assert_true(es_text_same(s->dialogs[0].call_id, rich.call_id));
    event_state_unref(s);
    said.remote = (struct es_dialog_party){ .identity = T("") };
    s = heard_when(&said, 1, &rich, 1, false);
    assert_calls(s, &rich, 1);
    event_state_unref(s);
}

/* What is said counts. */
static void test_said(void **state)
{
    struct es_dialog said = { .id = T("1"),
                              .call_id = T("else"),
                              .local_tag = T("else"),
                              .remote_tag = T("else"),
                              .direction = ES_DIRECTION_INITIATOR,
                              .state = ES_DIALOG_EARLY,
                              .remote = { .identity = T("sip:300@x") } };
    struct event_state *s = heard(&said, 1, &rich, 1);

    (void)state;
    assert_calls(s, &said, 1);
    event_state_unref(s);
    said.held = true;
    s = heard(&said, 1, &rich, 1);
    assert_int_equal(s->dialogs[0].local.n_params, 1);
    event_state_unref(s);
}

/* The order of a list means nothing; that of what happens does. */
static void test_order(void **state)
{
    struct es_dialog former[] = { rich, other }, said[] = { other, rich }, third = other;
    struct event_state *s = heard(said, 2, former, 2);

    (void)state;
    assert_calls(s, former, 2);
    event_state_unref(s);
    said[0].state = ES_DIALOG_EARLY;
    s = heard(said, 2, former, 2);
    assert_calls(s, said, 2);
    event_state_unref(s);
    said[0] = other;
    said[1].held = true; /* which is why it is the second now */
    s = heard(said, 2, former, 2);
    assert_true(es_text_same(s->dialogs[0].id, other.id));
    event_state_unref(s);
    said[1] = rich;
    third.id = (struct es_text)T("3");
    said[0] = third;
    s = heard(said, 2, former, 2);
    assert_calls(s, said, 2);
    event_state_unref(s);
    said[0] = said[1]; /* nobody says that */
    s = heard(said, 2, former, 2);
    assert_calls(s, said, 2);
    event_state_unref(s);
    s = heard(said, 1, former, 2);
    assert_calls(s, said, 1);
    event_state_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_nameless),
        cmocka_unit_test(test_said),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
