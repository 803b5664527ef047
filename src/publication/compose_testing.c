// SPDX-License-Identifier: MIT
#include "publication/compose_testing.h"

#define RPID "urn:ietf:params:xml:ns:pidf:rpid"

static const char *const dialog_states[] = { NULL,    "trying",    "proceeding",
                                             "early", "confirmed", "terminated" };
static const char *const basics[] = { "none", "open", "closed" };
static const char *const classes[] = { "voice", "fax", "pager", "multimedia", "text", "none" };

static unsigned name_index(const char *const *names, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (names[i] && str_equal(str_of(names[i]), name))
            return (unsigned)i;
    fail_msg("unknown name %.*s", STR_FMT(name));
    return 0;
}

/* ---- from text ---- */

struct reader {
    struct event_state *s;
    size_t room; /* for elements of any array: there are no more words and parts */
    struct es_dialog *dialogs;
    struct es_tuple *tuples;
    struct es_person *persons;
    struct es_device *devices;
    struct es_note *notes;
    struct timed_part *timed;
};

static void *reader_array(struct reader *rd, size_t size)
{
    void *p = arena_alloc(&rd->s->arena, rd->room * size);

    assert_non_null(p);
    return p;
}

static struct es_text reader_text(struct reader *rd, struct str text)
{
    struct es_text out;

    assert_int_equal(event_state_text(rd->s, &out, text), 0);
    return out;
}

static uint32_t number_of(struct str text)
{
    uint32_t n = 0;

    if (text.n)
        assert_int_equal(str_to_u32(&n, text), 0);
    return n;
}

/* "en:Text" */
static struct es_note note_of(struct reader *rd, struct str text)
{
    struct es_note note = { .language = reader_text(rd, str_next(&text, ':')) };

    note.text = reader_text(rd, text);
    return note;
}

/* "mood:<xml/>" */
static struct es_element element_of(struct reader *rd, struct str text)
{
    struct es_element e = { .namespace = reader_text(rd, STR(RPID)),
                            .name = reader_text(rd, str_next(&text, ':')) };

    e.xml = reader_text(rd, text);
    return e;
}

static void dialog_part(struct reader *rd, struct es_dialog *d, struct str part)
{
    struct str value = part, key = str_next(&value, '=');

    if (str_equal(key, STR("r"))) {
        d->direction = ES_DIRECTION_RECIPIENT;
    } else if (str_equal(key, STR("i"))) {
        d->direction = ES_DIRECTION_INITIATOR;
    } else if (str_equal(key, STR("held"))) {
        d->held = true;
    } else if (str_equal(key, STR("call"))) {
        d->call_id = reader_text(rd, str_next(&value, ':'));
        d->local_tag = reader_text(rd, str_next(&value, ':'));
        d->remote_tag = reader_text(rd, value);
    } else if (str_equal(key, STR("local"))) {
        d->local.identity = reader_text(rd, value);
    } else if (str_equal(key, STR("remote"))) {
        d->remote.identity = reader_text(rd, value);
    } else if (str_equal(key, STR("param"))) {
        struct es_param *param = reader_array(rd, sizeof(*param));

        param->name = reader_text(rd, str_next(&value, ':'));
        param->value = reader_text(rd, value);
        d->local.params = param;
        d->local.n_params = 1;
    } else {
        assert_true(str_equal(key, STR("event")));
        d->event = reader_text(rd, value);
    }
}

static void dialog_read(struct reader *rd, struct str word)
{
    struct es_dialog *d = &rd->dialogs[rd->s->n_dialogs++];
    struct str first = str_next(&word, '|');

    d->id = reader_text(rd, str_next(&first, '='));
    d->state = (enum es_dialog_state)name_index(dialog_states, ARRAY_LEN(dialog_states), first);
    while (word.p)
        dialog_part(rd, d, str_next(&word, '|'));
}

static void tuple_read(struct reader *rd, struct str word)
{
    struct es_tuple *t = &rd->tuples[rd->s->presence.n_tuples++];
    struct es_note *notes = reader_array(rd, sizeof(*notes));
    struct str first = str_next(&word, '|');

    t->id = reader_text(rd, str_next(&first, '='));
    t->basic = (enum es_basic)name_index(basics, ARRAY_LEN(basics), first);
    t->notes = notes;
    while (word.p) {
        struct str value = str_next(&word, '|'), key = str_next(&value, '=');

        if (str_equal(key, STR("c")))
            t->contact = reader_text(rd, value);
        else if (str_equal(key, STR("x")))
            t->extensions = reader_text(rd, value);
        else if (str_equal(key, STR("s")))
            t->status = reader_text(rd, value);
        else if (str_equal(key, STR("at")))
            t->timestamp = reader_text(rd, value);
        else if (str_equal(key, STR("n")))
            notes[t->n_notes++] = note_of(rd, value);
        else
            fail_msg("unknown part %.*s", STR_FMT(key));
    }
}

/* "a@1000-2000", with the value behind it */
static void timed_read(struct reader *rd, struct str key, struct str value)
{
    struct timed_part *t = &rd->timed[rd->s->n_timed++];
    struct str kind = str_next(&key, '@'), from = str_next(&key, '-');

    *t = (struct timed_part){ .person = rd->s->presence.n_persons - 1,
                              .from_ms = number_of(from),
                              .until_ms = key.n ? number_of(key) : UINT64_MAX };
    if (str_equal(kind, STR("n"))) {
        t->kind = TIMED_NOTE;
        t->note = note_of(rd, value);
    } else {
        t->kind = str_equal(kind, STR("a")) ? TIMED_ACTIVITY : TIMED_ELEMENT;
        t->element = element_of(rd, value);
    }
}

static void person_read(struct reader *rd, struct str word)
{
    struct es_person *p = &rd->persons[rd->s->presence.n_persons++];
    struct es_note *notes = reader_array(rd, sizeof(*notes));
    struct es_element *activities = reader_array(rd, sizeof(*activities)),
                      *elements = reader_array(rd, sizeof(*elements));

    p->id = reader_text(rd, str_next(&word, '|'));
    p->notes = notes;
    p->activities = activities;
    p->elements = elements;
    while (word.p) {
        struct str value = str_next(&word, '|'), key = str_next(&value, '=');

        if (str_find_char(key, '@') < key.n)
            timed_read(rd, key, value);
        else if (str_equal(key, STR("a")))
            activities[p->n_activities++] = element_of(rd, value);
        else if (str_equal(key, STR("e")))
            elements[p->n_elements++] = element_of(rd, value);
        else if (str_equal(key, STR("n")))
            notes[p->n_notes++] = note_of(rd, value);
        else
            p->timestamp = reader_text(rd, value);
    }
}

static void device_read(struct reader *rd, struct str word)
{
    struct es_device *d = &rd->devices[rd->s->presence.n_devices++];
    struct es_element *elements = reader_array(rd, sizeof(*elements));

    d->id = reader_text(rd, str_next(&word, '|'));
    d->elements = elements;
    while (word.p) {
        struct str value = str_next(&word, '|'), key = str_next(&value, '=');

        if (str_equal(key, STR("d")))
            d->device_id = reader_text(rd, value);
        else if (str_equal(key, STR("e")))
            elements[d->n_elements++] = element_of(rd, value);
        else
            d->timestamp = reader_text(rd, value);
    }
}

static void messages_read(struct reader *rd, struct str word)
{
    struct es_messages *m = &rd->s->messages;

    rd->s->has_messages = true;
    m->waiting = str_is_true(str_next(&word, '|'));
    while (word.p) {
        struct str value = str_next(&word, '|'), key = str_next(&value, '=');

        if (str_equal(key, STR("account"))) {
            m->account = reader_text(rd, value);
        } else {
            struct es_message_count *c = &m->counts[name_index(classes, ARRAY_LEN(classes), key)];

            c->given = true;
            c->new_count = number_of(str_next(&value, '/'));
            c->old_count = number_of(str_next(&value, '/'));
            c->urgent_new = number_of(str_next(&value, '/'));
            c->urgent_old = number_of(value);
        }
    }
}

static void word_read(struct reader *rd, struct str word)
{
    struct event_state *s = rd->s;
    struct str rest = word, kind;

    if (str_find_char(word, '=') < str_find_char(word, ':') ||
        (str_find_char(word, '=') < word.n && str_find_char(word, ':') == word.n)) {
        dialog_read(rd, word);
        return;
    }
    kind = str_next(&rest, ':');
    if (str_equal(kind, STR("dialogs")) || str_equal(kind, STR("partial"))) {
        s->has_dialogs = true;
        s->partial = str_equal(kind, STR("partial"));
        s->version = number_of(rest);
    } else if (str_equal(kind, STR("presence"))) {
        s->has_presence = true;
    } else if (str_equal(kind, STR("spheres"))) {
        s->spheres_differ = str_equal(rest, STR("differ"));
    } else if (str_equal(kind, STR("tuple"))) {
        tuple_read(rd, rest);
    } else if (str_equal(kind, STR("person"))) {
        person_read(rd, rest);
    } else if (str_equal(kind, STR("device"))) {
        device_read(rd, rest);
    } else if (str_equal(kind, STR("note"))) {
        rd->notes[s->presence.n_notes++] = note_of(rd, rest);
    } else if (str_equal(kind, STR("ext"))) {
        s->presence.extensions = reader_text(rd, rest);
    } else if (str_equal(kind, STR("messages"))) {
        messages_read(rd, rest);
    } else {
        assert_true(str_equal(kind, STR("opaque")));
        s->has_opaque = true;
        s->opaque.content_type = es_str(reader_text(rd, str_next(&rest, ':')));
        s->opaque.body = es_str(reader_text(rd, rest));
    }
}

struct event_state *event_state_of(const char *text)
{
    struct reader rd = { .room = 1 };
    struct str rest = str_of(text);

    for (size_t i = 0; i < rest.n; i++)
        rd.room += rest.p[i] == ' ' || rest.p[i] == '|';
    assert_int_equal(event_state_create(&rd.s), 0);
    rd.s->dialogs = rd.dialogs = reader_array(&rd, sizeof(*rd.dialogs));
    rd.s->presence.tuples = rd.tuples = reader_array(&rd, sizeof(*rd.tuples));
    rd.s->presence.persons = rd.persons = reader_array(&rd, sizeof(*rd.persons));
    rd.s->presence.devices = rd.devices = reader_array(&rd, sizeof(*rd.devices));
    rd.s->presence.notes = rd.notes = reader_array(&rd, sizeof(*rd.notes));
    rd.s->timed = rd.timed = reader_array(&rd, sizeof(*rd.timed));
    while (rest.p) {
        struct str word = str_next(&rest, ' ');

        if (word.n)
            word_read(&rd, word);
    }
    return rd.s;
}

/* ---- to text ---- */

static void part_print(struct buf *b, const char *key, struct es_text value)
{
    if (value.n)
        buf_printf(b, "|%s=%.*s", key, STR_FMT(value));
}

static void notes_print(struct buf *b, const char *before, const struct es_note *notes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%.*s:%.*s", before, STR_FMT(notes[i].language), STR_FMT(notes[i].text));
}

static void elements_print(struct buf *b, const char *key, const struct es_element *e, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "|%s=%.*s%s%.*s", key, STR_FMT(e[i].name), e[i].xml.n ? ":" : "",
                   STR_FMT(e[i].xml));
}

static void dialog_print(struct buf *b, const struct es_dialog *d)
{
    buf_printf(b, " %.*s=%s", STR_FMT(d->id), dialog_states[d->state]);
    if (d->direction != ES_DIRECTION_NONE)
        buf_printf(b, "|%c", d->direction == ES_DIRECTION_INITIATOR ? 'i' : 'r');
    if (d->call_id.n)
        buf_printf(b, "|call=%.*s:%.*s:%.*s", STR_FMT(d->call_id), STR_FMT(d->local_tag),
                   STR_FMT(d->remote_tag));
    if (d->held)
        buf_printf(b, "|held");
    part_print(b, "local", d->local.identity);
    for (size_t i = 0; i < d->local.n_params; i++)
        buf_printf(b, "|param=%.*s:%.*s", STR_FMT(d->local.params[i].name),
                   STR_FMT(d->local.params[i].value));
    part_print(b, "remote", d->remote.identity);
    part_print(b, "event", d->event);
}

static void presence_print(struct buf *b, const struct es_presence *p)
{
    buf_printf(b, " presence");
    for (size_t i = 0; i < p->n_tuples; i++) {
        const struct es_tuple *t = &p->tuples[i];

        buf_printf(b, " tuple:%.*s=%s", STR_FMT(t->id), basics[t->basic]);
        part_print(b, "c", t->contact);
        part_print(b, "x", t->extensions);
        part_print(b, "s", t->status);
        notes_print(b, "|n=", t->notes, t->n_notes);
        part_print(b, "at", t->timestamp);
    }
    for (size_t i = 0; i < p->n_persons; i++) {
        const struct es_person *person = &p->persons[i];

        buf_printf(b, " person:%.*s", STR_FMT(person->id));
        elements_print(b, "a", person->activities, person->n_activities);
        elements_print(b, "e", person->elements, person->n_elements);
        notes_print(b, "|n=", person->notes, person->n_notes);
        part_print(b, "at", person->timestamp);
    }
    for (size_t i = 0; i < p->n_devices; i++) {
        const struct es_device *d = &p->devices[i];

        buf_printf(b, " device:%.*s", STR_FMT(d->id));
        part_print(b, "d", d->device_id);
        elements_print(b, "e", d->elements, d->n_elements);
        part_print(b, "at", d->timestamp);
    }
    notes_print(b, " note:", p->notes, p->n_notes);
    if (p->extensions.n)
        buf_printf(b, " ext:%.*s", STR_FMT(p->extensions));
}

static void messages_print(struct buf *b, const struct es_messages *m)
{
    buf_printf(b, " messages:%s", m->waiting ? "yes" : "no");
    part_print(b, "account", m->account);
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++)
        if (m->counts[i].given)
            buf_printf(b, "|%s=%u/%u/%u/%u", classes[i], m->counts[i].new_count,
                       m->counts[i].old_count, m->counts[i].urgent_new, m->counts[i].urgent_old);
}

void event_state_print(struct buf *b, const struct event_state *s)
{
    size_t from = b->n;

    if (!s)
        buf_add(b, STR(" -"));
    if (s && s->has_dialogs)
        buf_add(b, STR(" dialogs"));
    for (size_t i = 0; s && s->has_dialogs && i < s->n_dialogs; i++)
        dialog_print(b, &s->dialogs[i]);
    if (s && s->has_presence)
        presence_print(b, &s->presence);
    if (s && s->spheres_differ)
        buf_add(b, STR(" spheres:differ"));
    if (s && s->has_messages)
        messages_print(b, &s->messages);
    if (s && s->has_opaque)
        buf_printf(b, " opaque:%.*s:%.*s", STR_FMT(s->opaque.content_type),
                   STR_FMT(s->opaque.body));
    if (b->n > from) { /* without the first blank */
        memmove(b->p + from, b->p + from + 1, b->n - from - 1);
        b->n--;
    }
}

void assert_event_state(const struct event_state *s, const char *expected)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    event_state_print(&b, s);
    buf_add_char(&b, '\0');
    assert_int_equal(b.error, 0);
    assert_string_equal(b.p, expected);
    buf_fini(&b);
}

/* ---- tables ---- */

static struct event_state *compose(const struct composition_case *c, bool backwards)
{
    struct composition_input in[COMPOSITION_INPUTS];
    struct event_state *out = NULL;
    size_t n = 0, shown = 0;

    while (n < COMPOSITION_INPUTS && c->inputs[n].document)
        n++;
    for (size_t i = 0; i < n; i++)
        in[backwards ? n - 1 - i : i] = (struct composition_input){
            .document = event_state_of(c->inputs[i].document),
            .former = c->inputs[i].former ? event_state_of(c->inputs[i].former) : NULL,
            .serial = c->inputs[i].serial ? c->inputs[i].serial : i + 1,
            .changed = c->inputs[i].changed ? c->inputs[i].changed : i + 1,
            .priority = c->inputs[i].priority,
            .scoped = c->inputs[i].scoped,
        };
    assert_int_equal(composite_create(&out, in, n, c->wall_ms), 0);
    for (size_t i = 0; i < n; i++) { /* the result owes them nothing */
        shown += event_state_shown(in[i].document);
        event_state_unref(in[i].document);
        event_state_unref(in[i].former);
    }
    assert_true(event_state_shown(out) <= shown + 1024); /* which is left for ids made unique */
    return out;
}

void assert_compositions(const struct composition_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct event_state *s = compose(&cases[i], false), *t = compose(&cases[i], true);
        struct event_state *again = event_state_of(cases[i].composite);

        print_message("    %s\n", cases[i].what);
        assert_event_state(s, cases[i].composite);
        assert_int_equal(s->device, cases[i].device);
        assert_event_state(t, cases[i].composite); /* the order of the inputs is no matter */
        assert_true(event_state_same(s, t));
        again->device = s->device;
        assert_true(event_state_same(s, again));
        event_state_unref(s);
        event_state_unref(t);
        event_state_unref(again);
    }
}
