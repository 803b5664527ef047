// SPDX-License-Identifier: MIT
/* What is kept of a document says the same as the document: of every seed of the fuzz target of
 * inbound bodies, and of documents that chance has made. */
#include "base/random.h"
#include "body/inbound_testing.h"
#include "publication/compose_testing.h"
#include "state/event_record.h"

#include <dirent.h>
#include <stdio.h>

enum { DOCUMENTS = 2000, ELEMENTS_MAX = 4, TEXT_MAX = 300, CORPUS_MIN = 20 };

/* ---- there and back ---- */

static void record_write(struct buf *b, const struct event_state *s)
{
    buf_init(b, 1 << 22);
    event_record_add(b, s);
    assert_int_equal(b->error, 0);
}

static void assert_survives(const struct event_state *s)
{
    struct event_state *again = NULL;
    struct record r;
    struct buf b;

    record_write(&b, s);
    assert_true(b.n <= event_state_bytes(s)); /* its writer has so much room */
    r = record_of(buf_str(&b));
    assert_int_equal(event_record_read(&r, &again), 0);
    assert_true(cursor_done(&r.at));
    assert_true(event_state_same(s, again));
    assert_int_equal(again->version, s->version);
    assert_int_equal(again->partial, s->partial);
    event_state_unref(again);
    buf_fini(&b);
}

/* ---- the seeds ---- */

static bool seed_survives(const char *path)
{
    static char text[1 << 17];
    struct event_state *s = NULL;
    const struct inbound_kind *kind;
    FILE *f = fopen(path, "rb");
    struct buf why;
    size_t n;

    assert_non_null(f);
    n = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    if (!n)
        return false;
    kind = inbound_kind_of((uint8_t)text[0]);
    buf_init(&why, 1 << 10);
    assert_true(inbound_parse(&s, NULL, str_of(kind->package), str_of(kind->type),
                              (struct str){ text + 1, n - 1 }, &why) >= 0);
    buf_fini(&why);
    if (!s)
        return false;
    assert_survives(s);
    event_state_unref(s);
    return true;
}

static void test_seeds(void **state)
{
    DIR *d = opendir(CORPUS);
    struct dirent *entry;
    unsigned files = 0, documents = 0;

    (void)state;
    assert_non_null(d);
    xml_init();
    while ((entry = readdir(d))) {
        char path[1024];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", CORPUS, entry->d_name);
        files++;
        documents += seed_survives(path);
    }
    (void)closedir(d);
    assert_true(files >= CORPUS_MIN && documents > files / 2);
}

/* ---- chance ---- */

struct chance {
    struct rng rng;
    struct arena *arena;
};

static uint32_t draw(struct chance *c, uint32_t limit)
{
    return rng_below(&c->rng, limit);
}

static struct es_text any_text(struct chance *c)
{
    size_t n = draw(c, 3) ? draw(c, 12) : draw(c, TEXT_MAX);
    char *p = arena_alloc(c->arena, n + 1);

    assert_non_null(p);
    rng_fill(&c->rng, p, n);
    return (struct es_text){ p, n };
}

/* A count, and so many of them. */
static void *any_array(struct chance *c, size_t *n, size_t size)
{
    void *p;

    *n = draw(c, ELEMENTS_MAX);
    p = arena_alloc(c->arena, *n * size + 1);
    assert_non_null(p);
    return p;
}
#define ANY_ARRAY(c, type, n) ((type *)any_array(c, n, sizeof(type)))

static const struct es_note *any_notes(struct chance *c, size_t *n)
{
    struct es_note *notes = ANY_ARRAY(c, struct es_note, n);

    for (size_t i = 0; i < *n; i++)
        notes[i] = (struct es_note){ any_text(c), any_text(c) };
    return notes;
}

static const struct es_element *any_elements(struct chance *c, size_t *n)
{
    struct es_element *elements = ANY_ARRAY(c, struct es_element, n);

    for (size_t i = 0; i < *n; i++)
        elements[i] = (struct es_element){ any_text(c), any_text(c), any_text(c) };
    return elements;
}

static struct es_dialog_party any_party(struct chance *c)
{
    struct es_dialog_party p = { .identity = any_text(c),
                                 .display = any_text(c),
                                 .target = any_text(c),
                                 .session_type = any_text(c),
                                 .session = any_text(c) };
    struct es_param *params = ANY_ARRAY(c, struct es_param, &p.n_params);

    for (size_t i = 0; i < p.n_params; i++)
        params[i] = (struct es_param){ any_text(c), any_text(c) };
    p.params = params;
    return p;
}

static void any_dialogs(struct chance *c, struct event_state *s)
{
    struct es_dialog *dialogs = ANY_ARRAY(c, struct es_dialog, &s->n_dialogs);

    for (size_t i = 0; i < s->n_dialogs; i++)
        dialogs[i] = (struct es_dialog){
            .id = any_text(c),
            .call_id = any_text(c),
            .local_tag = any_text(c),
            .remote_tag = any_text(c),
            .direction = (enum es_direction)draw(c, ES_DIRECTION_RECIPIENT + 1),
            .state = (enum es_dialog_state)(1 + draw(c, ES_DIALOG_TERMINATED)),
            .event = any_text(c),
            .code = draw(c, 2) * UINT32_MAX,
            .held = draw(c, 2),
            .details = any_text(c),
            .local = any_party(c),
            .remote = any_party(c),
            .extensions = any_text(c),
        };
    s->dialogs = dialogs;
}

static void any_timed(struct chance *c, struct event_state *s)
{
    struct timed_part *timed = ANY_ARRAY(c, struct timed_part, &s->n_timed);
    size_t persons = s->presence.n_persons;

    for (size_t i = 0; i < s->n_timed && persons; i++)
        timed[i] = (struct timed_part){
            .kind = (enum timed_kind)draw(c, TIMED_NOTE + 1),
            .person = draw(c, (uint32_t)persons),
            .from_ms = draw(c, 2) * 1700000000000ull,
            .until_ms = draw(c, 2) ? UINT64_MAX : 1800000000000ull,
            .element = { any_text(c), any_text(c), any_text(c) },
            .note = { any_text(c), any_text(c) },
        };
    s->timed = timed;
    s->n_timed = persons ? s->n_timed : 0;
}

static void any_presence(struct chance *c, struct event_state *s)
{
    struct es_presence *p = &s->presence;
    struct es_tuple *tuples = ANY_ARRAY(c, struct es_tuple, &p->n_tuples);
    struct es_person *persons = ANY_ARRAY(c, struct es_person, &p->n_persons);
    struct es_device *devices = ANY_ARRAY(c, struct es_device, &p->n_devices);

    for (size_t i = 0; i < p->n_tuples; i++) {
        tuples[i] = (struct es_tuple){ .id = any_text(c),
                                       .basic = (enum es_basic)draw(c, ES_BASIC_CLOSED + 1),
                                       .status = any_text(c),
                                       .extensions = any_text(c),
                                       .contact = any_text(c),
                                       .priority = any_text(c),
                                       .timestamp = any_text(c) };
        tuples[i].notes = any_notes(c, &tuples[i].n_notes);
    }
    for (size_t i = 0; i < p->n_persons; i++) {
        persons[i] = (struct es_person){ .id = any_text(c), .timestamp = any_text(c) };
        persons[i].activities = any_elements(c, &persons[i].n_activities);
        persons[i].elements = any_elements(c, &persons[i].n_elements);
        persons[i].notes = any_notes(c, &persons[i].n_notes);
    }
    for (size_t i = 0; i < p->n_devices; i++) {
        devices[i] = (struct es_device){ .id = any_text(c),
                                         .device_id = any_text(c),
                                         .timestamp = any_text(c) };
        devices[i].elements = any_elements(c, &devices[i].n_elements);
        devices[i].notes = any_notes(c, &devices[i].n_notes);
    }
    p->tuples = tuples;
    p->persons = persons;
    p->devices = devices;
    p->notes = any_notes(c, &p->n_notes);
    p->extensions = any_text(c);
    any_timed(c, s);
}

static void any_messages(struct chance *c, struct es_messages *m)
{
    m->waiting = draw(c, 2);
    m->account = any_text(c);
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++)
        m->counts[i] = (struct es_message_count){ draw(c, 2), draw(c, 300), draw(c, 2) * UINT32_MAX,
                                                  draw(c, 9), draw(c, 2) * UINT32_MAX };
}

static void any_document(struct chance *c, struct event_state *s)
{
    c->arena = &s->arena;
    s->has_dialogs = draw(c, 2);
    s->has_presence = draw(c, 2);
    s->has_messages = draw(c, 2);
    s->has_opaque = draw(c, 2);
    s->partial = draw(c, 2);
    s->spheres_differ = draw(c, 2);
    s->version = draw(c, 2) * UINT32_MAX;
    s->device = (enum device_state)draw(c, DEVICE_STATES);
    if (s->has_dialogs)
        any_dialogs(c, s);
    if (s->has_presence)
        any_presence(c, s);
    if (s->has_messages)
        any_messages(c, &s->messages);
    if (s->has_opaque)
        s->opaque = (struct opaque_state){ es_str(any_text(c)), es_str(any_text(c)) };
}

static struct event_state *any_state(struct chance *c)
{
    struct event_state *s;

    assert_int_equal(event_state_create(&s), 0);
    any_document(c, s);
    return s;
}

static void test_chance(void **state)
{
    struct chance c = { .arena = NULL };

    (void)state;
    rng_init_seeded(&c.rng, 1);
    for (unsigned i = 0; i < DOCUMENTS; i++) {
        struct event_state *s = any_state(&c);

        assert_survives(s);
        event_state_unref(s);
    }
}

/* A record that ends early, or of which a byte is another one, is refused or read as something that
 * can be written again; never more, which the sanitizers see. */
static void test_damage(void **state)
{
    struct chance c = { .arena = NULL };
    struct event_state *s, *again;
    struct buf b;

    (void)state;
    rng_init_seeded(&c.rng, 2);
    s = any_state(&c);
    record_write(&b, s);
    for (size_t i = 0; i < b.n; i++) {
        struct record shorter = record_of((struct str){ b.p, i });
        struct record other = record_of(buf_str(&b));
        int r = event_record_read(&shorter, &again);

        assert_int_equal(r, shorter.error);
        if (r == 0)
            event_state_unref(again);
        b.p[i] = (char)(b.p[i] ^ 0x80);
        r = event_record_read(&other, &again);
        assert_int_equal(r, other.error);
        if (r == 0)
            event_state_unref(again);
        b.p[i] = (char)(b.p[i] ^ 0x80);
    }
    event_state_unref(s);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_chance),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
