// SPDX-License-Identifier: MIT
/* What is counted as small enough is rendered, and fits into a datagram: however its bytes are
 * spread over elements, in every body that extstate has for it. */
#include "body/body_testing.h"
#include "publication/compose.h"

enum { HEAD_MAX = 6144, DATAGRAM_MAX = 65507 };

#define T(literal) ES_TEXT(literal)
#define QUOTES T("\"\"\"\"<<<<&&&&\n\n")

static const struct es_param params[] = { { T(""), T("") }, { T("+sip.rendering"), T("no") } };
static const struct es_note notes[] = { { T("en"), T("") }, { T(""), T("'Hi'") } };
static const struct es_element elements[] = { { T("n"), T("x"), T("<x/>") } };

static const struct es_dialog dialogs[] = {
    { .id = T("1"), .state = ES_DIALOG_TRYING },
    { .id = QUOTES,
      .call_id = QUOTES,
      .local_tag = T("l"),
      .remote_tag = T("r"),
      .direction = ES_DIRECTION_RECIPIENT,
      .state = ES_DIALOG_TERMINATED,
      .event = T("remote-bye"),
      .code = 4294967295,
      .details = T("<a/>"),
      .local = { .identity = QUOTES, .params = params, .n_params = 2 },
      .remote = { .display = T("B"), .session_type = T("x"), .session = T("y") },
      .extensions = T("<e/>") },
    { .id = T("1"), .state = ES_DIALOG_EARLY, .remote = { .params = params, .n_params = 1 } },
};
static const struct es_tuple tuples[] = {
    { .id = T("t") },
    { .id = T("******"),
      .basic = ES_BASIC_CLOSED,
      .status = T("<s/>"),
      .extensions = T("<s/>"),
      .contact = QUOTES,
      .priority = T("0.8"),
      .notes = notes,
      .n_notes = 2,
      .timestamp = T("2026-01-02T03:04:05Z") },
};
static const struct es_person persons[] = { { .id = T("p"),
                                              .activities = elements,
                                              .n_activities = 1,
                                              .elements = elements,
                                              .n_elements = 1,
                                              .notes = notes,
                                              .n_notes = 2,
                                              .timestamp = T("2026-01-02T03:04:05Z") } };
static const struct es_device devices[] = { { .id = T("***"), .device_id = T("urn:x") } };

/* A document of nothing but this one, again and again. */
struct shape {
    enum { DIALOG, TUPLE, NOTE, ACTIVITY, DEVICE, MARKUP } kind;
    size_t index;
};

static const void *repeated(struct event_state *s, const void *one, size_t size, size_t n)
{
    char *all = arena_alloc(&s->arena, n * size + 1);

    assert_non_null(all);
    for (size_t i = 0; i < n; i++)
        memcpy(all + i * size, one, size);
    return all;
}
#define REPEATED(s, one, n) repeated(s, &(one), sizeof(one), n)

static struct event_state *state_of(struct shape shape, size_t n)
{
    struct event_state *s;
    struct es_person *person;

    assert_int_equal(event_state_create(&s), 0);
    s->has_dialogs = shape.kind == DIALOG;
    s->has_presence = shape.kind != DIALOG;
    switch (shape.kind) {
    case DIALOG:
        s->dialogs = REPEATED(s, dialogs[shape.index], n);
        s->n_dialogs = n;
        break;
    case TUPLE:
        s->presence.tuples = REPEATED(s, tuples[shape.index], n);
        s->presence.n_tuples = n;
        break;
    case NOTE:
        s->presence.notes = REPEATED(s, notes[shape.index], n);
        s->presence.n_notes = n;
        break;
    case ACTIVITY:
        person = arena_alloc(&s->arena, sizeof(*person));
        assert_non_null(person);
        *person = persons[0];
        person->activities = REPEATED(s, elements[0], n);
        person->n_activities = n;
        s->presence.persons = person;
        s->presence.n_persons = 1;
        break;
    case DEVICE:
        s->presence.devices = REPEATED(s, devices[0], n);
        s->presence.n_devices = n;
        break;
    case MARKUP:
        s->presence.extensions =
            (struct es_text){ memset((char *)(uintptr_t)REPEATED(s, elements[0], n), 'x', n), n };
        break;
    }
    return s;
}

/* The largest of that shape that is taken. */
static struct event_state *largest(struct shape shape)
{
    size_t low = 1, high = COMPOSITE_SHOWN_MAX + 1;

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        struct event_state *s = state_of(shape, middle);

        *(event_state_shown(s) <= COMPOSITE_SHOWN_MAX ? &low : &high) = middle;
        event_state_unref(s);
    }
    return state_of(shape, low);
}

static void assert_fits(struct body_registry *r, const struct event_state *s, const char *package,
                        const char *type, unsigned flags)
{
    struct snapshot_spec spec = resource_in(EXTENSION_RINGING);
    const struct body_slots slots = { 7, STR(LOCAL_URI), STR(REMOTE_URI) };
    const struct rendered_body *body = NULL;
    struct snapshot *snapshot;
    struct rng rng;

    rng_init_seeded(&rng, 1);
    spec.published = s;
    spec.has_hint = true;
    spec.hint_state = EXTENSION_RINGING;
    snapshot = snapshot_new(spec);
    assert_int_equal(
        body_render(profile_for(r, watcher(package, ""), type, flags), snapshot, &rng, &body), 0);
    assert_true(body_length(body, &slots) <= event_state_shown(s) + 1024);
    assert_true(body_length(body, &slots) + HEAD_MAX <= DATAGRAM_MAX);
    snapshot_unref(snapshot);
}

static void test_largest(void **state)
{
    static const struct shape shapes[] = { { DIALOG, 0 }, { DIALOG, 1 },   { DIALOG, 2 },
                                           { TUPLE, 0 },  { TUPLE, 1 },    { NOTE, 0 },
                                           { NOTE, 1 },   { ACTIVITY, 0 }, { DEVICE, 0 },
                                           { MARKUP, 0 } };
    struct body_registry *r;

    (void)state;
    assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct event_state *s = largest(shapes[i]);

        for (unsigned flags = 0; flags <= ES_FLAG_ASTERISK; flags++) {
            assert_fits(r, s, "dialog", "application/dialog-info+xml", flags);
            assert_fits(r, s, "presence", "application/pidf+xml", flags);
        }
        event_state_unref(s);
    }
    body_registry_unref(r);
}

/* Messages and what nobody understands are one body by themselves. */
static void test_adding_up(void **state)
{
    struct event_state *dialog = state_of((struct shape){ DIALOG, 0 }, 1),
                       *tuple = state_of((struct shape){ TUPLE, 0 }, 1), *opaque;

    (void)state;
    assert_int_equal(event_state_create(&opaque), 0);
    opaque->has_opaque = true;
    opaque->opaque = (struct opaque_state){ STR("text/plain"), STR("12345") };
    assert_true(event_states_add_up(dialog, dialog));
    assert_true(event_states_add_up(tuple, tuple));
    assert_false(event_states_add_up(dialog, tuple));
    assert_false(event_states_add_up(opaque, opaque));
    assert_int_equal(event_state_shown(opaque), sizeof("text/plain12345") - 1);
    event_state_unref(dialog);
    event_state_unref(tuple);
    event_state_unref(opaque);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_adding_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
