// SPDX-License-Identifier: MIT
/* What telephones say they do, as a source of their endpoint's device. */
#include <inttypes.h>

#include "base/memory_testing.h"
#include "registrar/contacts_fixture.h"

#define PHONES                                                                     \
    "[alice]\ntype=endpoint\naors=alice,desk\n[alice]\ntype=aor\nmax_contacts=3\n" \
    "[bob]\ntype=endpoint\naors=alice\n[desk]\ntype=aor\ncontact=sip:desk@192.0.2.9\n"
#define WATCHED "[registrar]\nenabled=yes\nwatch_dialogs=yes\n"
#define A "sip:a@192.0.2.7"
#define B "sip:b@192.0.2.7"
#define DESK "sip:desk@192.0.2.9"

static struct fixture *begin(void)
{
    struct fixture *f = fixture_create();

    fixture_configure(f, PHONES, WATCHED);
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=600"), 0);
    buf_reset(&f->told);
    return f;
}

static struct es_text text(const char *s)
{
    return es_text_from(str_of(s));
}

/* "early confirmed:held": one dialog each, with id "d". "": none goes on. */
static struct event_state *document(const char *what)
{
    struct str rest = str_of(what);
    struct es_dialog list[64] = { { .id = { NULL, 0 } } };
    struct event_state view = { .has_dialogs = true, .dialogs = list }, *s;

    while (rest.n) {
        struct str word = str_next(&rest, ' ');
        struct es_dialog *d = &list[view.n_dialogs++];

        *d = (struct es_dialog){ .id = text("d"), .direction = ES_DIRECTION_RECIPIENT };
        d->held = str_ends(word, STR(":held"));
        d->state = str_starts(word, STR("early"))        ? ES_DIALOG_EARLY
                   : str_starts(word, STR("confirmed"))  ? ES_DIALOG_CONFIRMED
                   : str_starts(word, STR("proceeding")) ? ES_DIALOG_PROCEEDING
                                                         : ES_DIALOG_TERMINATED;
        if (d->state == ES_DIALOG_PROCEEDING)
            d->direction = ES_DIRECTION_INITIATOR;
        d->call_id = text("call");
        d->local_tag = text("lt");
        d->remote_tag = text("rt");
        d->local.identity = text("sip:alice@example.com");
        d->remote.identity = text("sip:carol@example.com");
        d->remote.display = text("Carol");
        d->remote.session = text("v=0");
        d->details = text("<x/>");
    }
    assert_int_equal(event_state_pack(&s, &view), 0);
    return s;
}

static void says(struct fixture *f, const char *uri, const char *what)
{
    struct event_state *s = what ? document(what) : NULL;

    contacts_dialogs_set(f->contacts, fixture_contact_id(f, uri), s);
    event_state_unref(s);
}

struct seen {
    const char *device;
    const struct event_state *calls;
};

static void see(void *ctx, const struct state_device_view *v)
{
    struct seen *seen = ctx;

    for (size_t i = 0; i < v->n_sources; i++)
        if (str_equal(v->device, str_of(seen->device)) &&
            str_equal(v->sources[i].source, STATE_PHONE_SOURCE))
            seen->calls = v->sources[i].calls;
}

static const struct event_state *calls_of(const struct fixture *f, const char *device)
{
    struct seen seen = { device, NULL };

    state_devices_each(f->core, see, &seen);
    return seen.calls;
}

/* ---- states ---- */

static void test_together(void **state)
{
    static const struct {
        const char *a, *b, *desk; /* NULL: nothing is known */
        enum device_state want;
    } cases[] = {
        { NULL, NULL, NULL, DEVICE_NOT_INUSE },
        { "", NULL, NULL, DEVICE_NOT_INUSE },
        { "early", NULL, NULL, DEVICE_RINGING },
        { "confirmed", "", "", DEVICE_INUSE },
        { "confirmed", "early", NULL, DEVICE_RINGINUSE },
        { "confirmed early", NULL, NULL, DEVICE_RINGINUSE },
        { NULL, "", "confirmed:held", DEVICE_ONHOLD },
        { NULL, "proceeding", NULL, DEVICE_INUSE },
        { "terminated", "terminated", NULL, DEVICE_NOT_INUSE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f = begin();

        says(f, A, cases[i].a);
        says(f, B, cases[i].b);
        says(f, DESK, cases[i].desk);
        assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), cases[i].want);
        assert_int_equal(state_device_get(f->core, STR("PJSIP/bob")), DEVICE_NOT_INUSE);
        /* Others are heard, too. */
        assert_int_equal(state_device_set(f->core, STR("pbx"), STR("PJSIP/alice"), DEVICE_RINGING),
                         0);
        assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")),
                         cases[i].want == DEVICE_NOT_INUSE || cases[i].want == DEVICE_RINGING
                             ? DEVICE_RINGING
                             : DEVICE_RINGINUSE);
        says(f, A, NULL);
        says(f, B, NULL);
        says(f, DESK, NULL);
        assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_RINGING);
        fixture_destroy(f);
    }
}

static void test_ends(void **state)
{
    struct fixture *f = begin();

    (void)state;
    says(f, A, "confirmed");
    expect_told(f, "PJSIP/alice=INUSE ");
    /* Out of reach it says nothing. */
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_UNREACHED, 0);
    expect_told(f, "PJSIP/alice=NOT_INUSE ");
    contacts_reach_set(f->contacts, fixture_contact_id(f, A), CONTACT_REACHED, 0);
    expect_told(f, "PJSIP/alice=INUSE ");
    /* A refresh says nothing about it; its end does. */
    assert_int_equal(fixture_register(f, "one", 2, A "=600"), 0);
    expect_told(f, "~" A " ");
    assert_int_equal(fixture_register(f, "one", 3, A "=0"), 0);
    expect_told(f, "-" A " PJSIP/alice=NOT_INUSE ");
    says(f, B, "early");
    says(f, DESK, "confirmed");
    buf_reset(&f->told);
    /* Expired; removed by a reload; and the endpoint itself. */
    fixture_advance(f, 601000);
    expect_told(f, "-" B " PJSIP/alice=INUSE PJSIP/bob=UNAVAILABLE ");
    contacts_dialogs_set(f->contacts, 4711, NULL); /* nobody */
    fixture_configure(f, "[alice]\ntype=endpoint\naors=alice\n[alice]\ntype=aor\nmax_contacts=1\n",
                      WATCHED);
    expect_told(f, "-" DESK " PJSIP/alice=NOT_INUSE PJSIP/alice=UNAVAILABLE PJSIP/bob=INVALID ");
    fixture_destroy(f);
}

static void registered_by_bob(struct fixture *f)
{
    struct registration *r = fixture_registration("alice", "two", 1, "");

    buf_reset(&f->told);
    r->endpoint = STR("bob");
    fixture_bind(r, STR(A), 600);
    assert_int_equal(contacts_apply(f->contacts, r), 0);
    registration_destroy(r);
}

/* One that is registered by another endpoint now is that one's. */
static void test_whose(void **state)
{
    struct fixture *f = begin();

    (void)state;
    says(f, A, "confirmed");
    registered_by_bob(f);
    expect_told(f, "~" A " PJSIP/alice=NOT_INUSE PJSIP/bob=INUSE ");
    fixture_destroy(f);
}

/* ---- calls ---- */

static void test_calls(void **state)
{
    struct fixture *f = begin();
    const struct event_state *calls;
    char id[64];

    (void)state;
    says(f, A, "");
    assert_null(calls_of(f, "PJSIP/alice"));
    says(f, A, "proceeding confirmed:held terminated");
    says(f, B, "early");
    calls = calls_of(f, "PJSIP/alice");
    assert_int_equal(calls->n_dialogs, 3);
    assert_int_equal(calls->dialogs[0].state, ES_DIALOG_EARLY);
    snprintf(id, sizeof(id), "d.%" PRIu64, fixture_contact_id(f, B));
    assert_true(str_equal(es_str(calls->dialogs[0].id), str_of(id)));
    assert_true(str_equal(es_str(calls->dialogs[0].call_id), STR("call")));
    assert_true(str_equal(es_str(calls->dialogs[0].local_tag), STR("lt")));
    assert_true(str_equal(es_str(calls->dialogs[0].remote.identity), STR("sip:carol@example.com")));
    assert_true(str_equal(es_str(calls->dialogs[0].remote.display), STR("Carol")));
    assert_int_equal(calls->dialogs[0].remote.session.n, 0); /* nobody else's */
    assert_int_equal(calls->dialogs[0].details.n, 0);
    assert_int_equal(calls->dialogs[1].state, ES_DIALOG_CONFIRMED);
    assert_int_equal(calls->dialogs[1].local.n_params, 1);
    assert_int_equal(calls->dialogs[2].state, ES_DIALOG_PROCEEDING);
    says(f, B, "");
    says(f, A, "");
    assert_null(calls_of(f, "PJSIP/alice"));
    fixture_destroy(f);
}

static void test_calls_bounded(void **state)
{
    char identity[600];
    struct es_dialog list[64];
    struct event_state view = { .has_dialogs = true, .dialogs = list }, *s;
    struct fixture *f = begin();

    (void)state;
    memset(identity, 'x', sizeof(identity));
    for (size_t n = 500; n <= 600; n += 100) {
        for (view.n_dialogs = 0; view.n_dialogs < ARRAY_LEN(list); view.n_dialogs++)
            list[view.n_dialogs] = (struct es_dialog){ .id = { identity, n },
                                                       .state = ES_DIALOG_CONFIRMED,
                                                       .remote = { .identity = { identity, n } } };
        assert_int_equal(event_state_pack(&s, &view), 0);
        contacts_dialogs_set(f->contacts, fixture_contact_id(f, A), s);
        event_state_unref(s);
        assert_in_range(calls_of(f, "PJSIP/alice")->n_dialogs, n == 500 ? 2 : 16, 16);
        assert_in_range(calls_of(f, "PJSIP/alice")->dialogs[0].id.n, 1, 150);
        assert_int_equal(calls_of(f, "PJSIP/alice")->dialogs[0].remote.identity.n,
                         n == 500 ? n : 0);
    }
    fixture_destroy(f);
}

/* ---- another process ---- */

/* What was kept of the device is there before there are contacts. */
static struct fixture *restarted(const char *extstate_conf)
{
    struct fixture *f = fixture_create();

    fixture_configure(f, PHONES, WATCHED);
    assert_int_equal(fixture_register(f, "one", 1, A "=600 " B "=600"), 0);
    fixture_end(f);
    fixture_begin(f);
    assert_int_equal(
        state_device_set(f->core, STATE_PHONE_SOURCE, STR("PJSIP/alice"), DEVICE_INUSE), 0);
    assert_int_equal(state_device_set(f->core, STATE_PHONE_SOURCE, STR("PJSIP/gone"), DEVICE_INUSE),
                     0);
    for (size_t i = 0; i < f->kept.n; i++)
        if (f->kept.kept[i].record.table == KEEP_CONTACT) {
            const struct keep_record record = f->kept.kept[i].record;

            assert_int_equal(contacts_restore(f->contacts, &record), 0);
        }
    buf_reset(&f->told);
    fixture_configure(f, PHONES, extstate_conf);
    return f;
}

static void test_restart(void **state)
{
    struct fixture *f = restarted(WATCHED);

    (void)state;
    assert_int_equal(state_device_get(f->core, STR("PJSIP/gone")), DEVICE_INVALID);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_INUSE);
    /* One that cannot be asked is not the last one. */
    says(f, A, NULL);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_INUSE);
    says(f, B, "early");
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_RINGING);
    fixture_destroy(f);
    f = restarted(WATCHED);
    says(f, A, NULL);
    says(f, B, NULL);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_INUSE);
    says(f, DESK, NULL);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_NOT_INUSE);
    fixture_destroy(f);
    /* The last one is another endpoint's now. */
    f = restarted(WATCHED);
    says(f, B, NULL);
    says(f, DESK, NULL);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_INUSE);
    registered_by_bob(f);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_NOT_INUSE);
    fixture_destroy(f);
    f = restarted("[registrar]\nenabled=yes\n");
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_NOT_INUSE);
    fixture_destroy(f);
    f = restarted("");
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_NOT_INUSE);
    fixture_destroy(f);
}

/* ---- memory ---- */

/* False when none was missing. */
static bool told_without(unsigned nth)
{
    struct fixture *f = begin();
    struct event_state *both = document("confirmed early"), *none = document("");

    memory.failed = false;
    memory.left = nth;
    memory_guard(true);
    contacts_dialogs_set(f->contacts, fixture_contact_id(f, A), both);
    contacts_dialogs_set(f->contacts, fixture_contact_id(f, DESK), none);
    memory_guard(false);
    memory.left = -1;
    fixture_advance(f, 1100);
    assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_RINGINUSE);
    assert_int_equal(calls_of(f, "PJSIP/alice")->n_dialogs, 2);
    event_state_unref(both);
    event_state_unref(none);
    fixture_destroy(f);
    return memory.failed;
}

static void test_told_in_the_end(void **state)
{
    unsigned nth = 0;

    (void)state;
    while (told_without(nth))
        nth++;
    assert_in_range(nth, 5, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_together),        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_whose),           cmocka_unit_test(test_calls),
        cmocka_unit_test(test_calls_bounded),   cmocka_unit_test(test_restart),
        cmocka_unit_test(test_told_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
