// SPDX-License-Identifier: MIT
/* inbound_pidf.c - application/pidf+xml: RFC 3863, with the data model of RFC 4479, RPID (RFC 4480)
 * and the RPID of older drafts, which some gateways still publish. Elements may come in any order:
 * Asterisk has the note before the tuple. */
#include "base/timestamp.h"
#include "body/inbound_internal.h"
#include <stdio.h>

/* Drafts of RPID put the activities of a person into the status of a tuple. */
#define NS_RPID_STATUS STR("urn:ietf:params:xml:ns:pidf:status:rpid-status")
#define NS_RPID_TUPLE STR("urn:ietf:params:xml:ns:pidf:rpid-tuple")

enum { ID_SIZE = 16 };

struct notes {
    struct es_note *p;
    size_t n;
};

struct presence {
    struct inbound *in;
    const struct xml_node *root;
    struct es_tuple *tuples;
    struct es_person *persons;
    struct es_device *devices;
    size_t n_tuples, n_persons, n_devices;
    struct notes notes;
    struct timed_part *timed;
    size_t n_timed;
    struct inbound_elements activities; /* found in tuples, as the drafts had it */
    unsigned generated;                 /* ids so far */
};

/* ---- what several elements have ---- */

/* The data model and RPID have a note and a timestamp of their own. */
static bool is_one_of_ours(const struct xml_node *n, const char *local)
{
    return str_equal(n->name.local, str_of(local)) &&
           (str_equal(n->name.namespace, NS_PIDF) || str_equal(n->name.namespace, NS_DATA_MODEL) ||
            str_equal(n->name.namespace, NS_RPID));
}

static bool is_pidf(const struct xml_node *n, const char *local)
{
    return xml_is(n, NS_PIDF, str_of(local));
}

static bool is_tuple(const struct xml_node *n)
{
    return is_pidf(n, "tuple");
}

static bool is_person(const struct xml_node *n)
{
    return xml_is(n, NS_DATA_MODEL, STR("person"));
}

static bool is_device(const struct xml_node *n)
{
    return xml_is(n, NS_DATA_MODEL, STR("device"));
}

static bool has_id(const struct xml_node *n, struct str id)
{
    struct str other;

    return xml_attribute_find(n, STR("id"), &other) && str_equal(str_trim(other), id);
}

static bool id_is_taken(const struct xml_node *root, struct str id)
{
    const struct xml_node *n = xml_first(root);

    while (n && !has_id(n, id))
        n = xml_next(n);
    return n != NULL;
}

/* The same document gets the same ids every time, so that publishing it again changes nothing. */
static int id_generate(struct presence *p, struct es_text *out, char kind)
{
    char id[ID_SIZE];
    int n;

    do {
        n = snprintf(id, sizeof(id), "%c%u", kind, ++p->generated);
    } while (id_is_taken(p->root, (struct str){ id, (size_t)n }));
    return event_state_text(p->in->state, out, (struct str){ id, (size_t)n });
}

static int id_read(struct presence *p, struct es_text *out, const struct xml_node *n, char kind)
{
    int r = inbound_attribute(p->in, out, n, STR("id"));

    if (r || out->n == 0)
        return r ? r : id_generate(p, out, kind);
    for (const struct xml_node *it = xml_first(p->root); it != n; it = xml_next(it))
        if ((is_tuple(it) || is_person(it) || is_device(it)) && has_id(it, es_str(*out)))
            return xml_refuse(p->in->why, n, "has the id of another:", es_str(*out));
    return 0;
}

/* xml:lang holds for what is inside as well: XML 1.0 section 2.12. */
static struct str language_of(const struct xml_node *n)
{
    const struct xml_attribute *a = NULL;

    for (; n && !a; n = n->parent)
        a = xml_attribute_of(n, NS_XML, STR("lang"));
    return a ? str_trim(a->value) : STR_EMPTY;
}

static int note_read(struct inbound *in, struct es_note *note, const struct xml_node *n)
{
    int r = event_state_text(in->state, &note->language, language_of(n));

    return r ? r : inbound_content(in, &note->text, n);
}

static int note_add(struct inbound *in, struct notes *to, const struct xml_node *n)
{
    struct es_note note;
    int r = note_read(in, &note, n);

    if (r == 0)
        r = ARRAY_GROW_IN(&in->state->arena, to->p, to->n);
    if (r == 0)
        to->p[to->n++] = note;
    return r;
}

static int element_read(struct inbound *in, struct es_element *e, struct xml_node *n)
{
    int r = event_state_text(in->state, &e->namespace, n->name.namespace);

    if (r == 0)
        r = event_state_text(in->state, &e->name, n->name.local);
    return r ? r : inbound_keep(in, &e->xml, n);
}

static int element_add(struct inbound *in, struct inbound_elements *to, struct xml_node *n)
{
    struct es_element e;
    int r = element_read(in, &e, n);

    if (r == 0)
        r = ARRAY_GROW_IN(&in->state->arena, to->p, to->n);
    if (r == 0)
        to->p[to->n++] = e;
    return r;
}

/* ---- what is told for a time only: RFC 4480 section 3.1 ---- */

static void time_read(const struct xml_node *n, const char *name, uint64_t *wall_ms)
{
    struct timestamp t;
    struct str text;

    if (xml_attribute_find(n, str_of(name), &text) && timestamp_parse(&t, text))
        *wall_ms = t.ms < 0 ? 0 : (uint64_t)t.ms;
}

/* `from` and `until` of an element, which may have one of them, or none, or be no RPID. */
static struct timed_part times_of(const struct xml_node *n)
{
    struct timed_part t = { .until_ms = UINT64_MAX };

    if (!str_equal(n->name.namespace, NS_RPID))
        return t;
    time_read(n, "from", &t.from_ms);
    time_read(n, "until", &t.until_ms);
    return t;
}

static bool is_timed(const struct timed_part *t)
{
    return t->from_ms || t->until_ms != UINT64_MAX;
}

static int timed_add(struct presence *p, const struct timed_part *t)
{
    if (ARRAY_GROW_IN(&p->in->state->arena, p->timed, p->n_timed))
        return -ENOMEM;
    p->timed[p->n_timed] = *t;
    p->timed[p->n_timed++].person = p->n_persons; /* which comes next */
    return 0;
}

/* To those that are there always; or, when `times` has any, to the others. */
static int element_put(struct presence *p, struct inbound_elements *to, struct timed_part times,
                       struct xml_node *n)
{
    int r;

    if (!is_timed(&times))
        return element_add(p->in, to, n);
    r = element_read(p->in, &times.element, n);
    return r ? r : timed_add(p, &times);
}

static int note_put(struct presence *p, struct notes *to, struct timed_part times,
                    const struct xml_node *n)
{
    int r;

    if (!is_timed(&times))
        return note_add(p->in, to, n);
    times.kind = TIMED_NOTE;
    r = note_read(p->in, &times.note, n);
    return r ? r : timed_add(p, &times);
}

/* ---- tuple ---- */

/* Words where RPID wants an element, as examples of RFCs have it: they could not be told on. */
static bool is_in_words(const struct xml_node *n)
{
    return (xml_is(n, NS_RPID, STR("sphere")) || xml_is(n, NS_RPID, STR("relationship"))) &&
           str_trim(xml_text(n)).n;
}

static bool is_foreign(const struct xml_node *n, struct str namespace)
{
    return !str_equal(n->name.namespace, namespace) && !is_in_words(n);
}

static bool is_status_extension(const struct xml_node *n)
{
    return is_foreign(n, NS_PIDF) && !str_equal(n->name.namespace, NS_RPID_STATUS);
}

static bool is_tuple_extension(const struct xml_node *n)
{
    return is_foreign(n, NS_PIDF) && !str_equal(n->name.namespace, NS_RPID_TUPLE);
}

static int basic_read(struct presence *p, enum es_basic *out, const struct xml_node *n)
{
    struct str word = str_trim(xml_text(n));

    if (str_equal_nocase(word, STR("open")))
        *out = ES_BASIC_OPEN;
    else if (str_equal_nocase(word, STR("closed")))
        *out = ES_BASIC_CLOSED;
    else if (!str_equal(word, STR("unknown"))) /* which baresip says, but RFC 3863 has not */
        return xml_refuse(p->in->why, n, "neither open nor closed but", word);
    return 0;
}

/* <activities><activity>busy</activity></activities>, or later <activities><busy/></activities> */
static int draft_activities_read(struct presence *p, const struct xml_node *status)
{
    const struct xml_node *all = xml_child(status, NS_RPID_STATUS, STR("activities"));
    int r = 0;

    for (const struct xml_node *n = all ? xml_first(all) : NULL; n && r == 0; n = xml_next(n)) {
        struct str name = n->name.local;

        if (str_equal(name, STR("note")))
            continue;
        if (str_equal(name, STR("activity")))
            name = str_trim(xml_text(n));
        r = inbound_activity_add(p->in, &p->activities, name);
    }
    return r;
}

static int status_read(struct presence *p, struct es_tuple *t, const struct xml_node *n)
{
    const struct xml_node *basic = xml_child(n, NS_PIDF, STR("basic"));
    int r = inbound_keep_children(p->in, &t->status, n, is_status_extension);

    if (r == 0 && basic)
        r = basic_read(p, &t->basic, basic);
    return r ? r : draft_activities_read(p, n);
}

/* qvalue: "0.75" or "1"; more than three decimals are cut, because they could not be told on. Empty
 * when it is none. */
static struct str priority_of(struct str text)
{
    struct cursor c = cursor_on(text);
    bool one = cursor_char(&c, '1');

    if (!one && !cursor_char(&c, '0'))
        return STR_EMPTY;
    if (cursor_char(&c, '.'))
        while (!cursor_done(&c) && (one ? *c.p == '0' : *c.p >= '0' && *c.p <= '9'))
            c.p++;
    return cursor_done(&c) ? str_sub(text, 0, sizeof("0.000") - 1) : STR_EMPTY;
}

int inbound_contact_read(struct inbound *in, struct es_tuple *t, const struct xml_node *n,
                         struct str uri)
{
    struct str priority = STR_EMPTY;
    int r = event_state_text(in->state, &t->contact, uri);

    if (r || !xml_attribute_find(n, STR("priority"), &priority))
        return r;
    if (priority_of(str_trim(priority)).n == 0)
        return xml_refuse(in->why, n, "not a priority from 0 to 1:", priority);
    return event_state_text(in->state, &t->priority, priority_of(str_trim(priority)));
}

static int tuple_read(struct presence *p, struct es_tuple *t, const struct xml_node *n)
{
    struct notes notes = { NULL, 0 };
    int r = id_read(p, &t->id, n, 't');

    for (const struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c)) {
        if (is_pidf(c, "status"))
            r = status_read(p, t, c);
        else if (is_pidf(c, "contact"))
            r = inbound_contact_read(p->in, t, c, str_trim(xml_text(c)));
        else if (is_pidf(c, "note"))
            r = note_add(p->in, &notes, c);
        else if (is_pidf(c, "timestamp"))
            r = inbound_content(p->in, &t->timestamp, c);
    }
    t->notes = notes.p;
    t->n_notes = notes.n;
    return r ? r : inbound_keep_children(p->in, &t->extensions, n, is_tuple_extension);
}

static int tuple_add(struct presence *p, const struct xml_node *n)
{
    struct es_tuple t = { .basic = ES_BASIC_NONE };
    int r = tuple_read(p, &t, n);

    if (r == 0)
        r = ARRAY_GROW_IN(&p->in->state->arena, p->tuples, p->n_tuples);
    if (r == 0)
        p->tuples[p->n_tuples++] = t;
    return r;
}

/* ---- person ---- */

/* As the schema has it: without a description, and lunch is a meal. */
static void activity_mend(struct xml_node *n)
{
    if (!str_equal(n->name.namespace, NS_RPID) || str_equal(n->name.local, STR("other")))
        return;
    if (str_equal(n->name.local, STR("lunch")))
        n->name.local = STR("meal");
    for (struct xml_node *c = xml_first_node(n); c; c = xml_first_node(n))
        list_remove(&c->link);
}

static int activities_read(struct presence *p, struct inbound_elements *activities,
                           struct notes *notes, const struct xml_node *all)
{
    struct timed_part times = times_of(all);
    int r = 0;

    for (struct xml_node *n = xml_first(all); n && r == 0; n = xml_next(n)) {
        if (is_one_of_ours(n, "note")) {
            r = note_put(p, notes, times, n);
        } else {
            activity_mend(n);
            r = element_put(p, activities, times, n);
        }
    }
    return r;
}

static int person_element_read(struct presence *p, struct inbound_elements *elements,
                               struct xml_node *n)
{
    struct timed_part times = times_of(n);

    times.kind = TIMED_ELEMENT;
    return element_put(p, elements, times, n);
}

static int person_read(struct presence *p, struct es_person *person, const struct xml_node *n)
{
    struct inbound_elements activities = { NULL, 0 }, elements = { NULL, 0 };
    struct notes notes = { NULL, 0 };
    int r = id_read(p, &person->id, n, 'p');

    for (struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c)) {
        if (xml_is(c, NS_RPID, STR("activities")))
            r = activities_read(p, &activities, &notes, c);
        else if (is_one_of_ours(c, "note"))
            r = note_add(p->in, &notes, c);
        else if (is_one_of_ours(c, "timestamp"))
            r = inbound_content(p->in, &person->timestamp, c);
        else if (is_foreign(c, NS_DATA_MODEL))
            r = person_element_read(p, &elements, c);
    }
    person->activities = activities.p;
    person->n_activities = activities.n;
    person->elements = elements.p;
    person->n_elements = elements.n;
    person->notes = notes.p;
    person->n_notes = notes.n;
    return r;
}

static int person_put(struct presence *p, const struct es_person *person)
{
    if (ARRAY_GROW_IN(&p->in->state->arena, p->persons, p->n_persons))
        return -ENOMEM;
    p->persons[p->n_persons++] = *person;
    return 0;
}

static int person_add(struct presence *p, const struct xml_node *n)
{
    struct es_person person = { .id = { NULL, 0 } };
    int r = person_read(p, &person, n);

    return r ? r : person_put(p, &person);
}

static int draft_person_add(struct presence *p)
{
    struct es_person person = { .activities = p->activities.p, .n_activities = p->activities.n };
    int r = p->activities.n ? id_generate(p, &person.id, 'p') : 0;

    return r || !p->activities.n ? r : person_put(p, &person);
}

/* ---- device ---- */

static int device_read(struct presence *p, struct es_device *d, const struct xml_node *n)
{
    struct inbound_elements elements = { NULL, 0 };
    struct notes notes = { NULL, 0 };
    int r = id_read(p, &d->id, n, 'd');

    for (struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c)) {
        if (xml_is(c, NS_DATA_MODEL, STR("deviceID")))
            r = inbound_content(p->in, &d->device_id, c);
        else if (is_one_of_ours(c, "note"))
            r = note_add(p->in, &notes, c);
        else if (is_one_of_ours(c, "timestamp"))
            r = inbound_content(p->in, &d->timestamp, c);
        else if (is_foreign(c, NS_DATA_MODEL))
            r = element_add(p->in, &elements, c);
    }
    d->elements = elements.p;
    d->n_elements = elements.n;
    d->notes = notes.p;
    d->n_notes = notes.n;
    return r;
}

static int device_add(struct presence *p, const struct xml_node *n)
{
    struct es_device d = { .id = { NULL, 0 } };
    int r = device_read(p, &d, n);

    if (r == 0)
        r = ARRAY_GROW_IN(&p->in->state->arena, p->devices, p->n_devices);
    if (r == 0)
        p->devices[p->n_devices++] = d;
    return r;
}

/* ---- the document ---- */

static bool is_extension(const struct xml_node *n)
{
    return is_foreign(n, NS_PIDF) && !is_person(n) && !is_device(n);
}

int inbound_pidf_read(struct inbound *in, const struct xml_node *root)
{
    struct presence p = { .in = in, .root = root };
    struct event_state *s = in->state;
    int r = 0;

    for (const struct xml_node *n = xml_first(root); n && r == 0; n = xml_next(n)) {
        if (is_tuple(n))
            r = tuple_add(&p, n);
        else if (is_person(n))
            r = person_add(&p, n);
        else if (is_device(n))
            r = device_add(&p, n);
        else if (is_pidf(n, "note"))
            r = note_add(in, &p.notes, n);
    }
    if (r == 0)
        r = draft_person_add(&p);
    s->has_presence = true;
    s->presence = (struct es_presence){
        .tuples = p.tuples,
        .n_tuples = p.n_tuples,
        .notes = p.notes.p,
        .n_notes = p.notes.n,
        .persons = p.persons,
        .n_persons = p.n_persons,
        .devices = p.devices,
        .n_devices = p.n_devices,
    };
    s->timed = p.timed;
    s->n_timed = p.n_timed;
    s->device = presence_device_state(&s->presence);
    return r ? r : inbound_keep_children(in, &s->presence.extensions, root, is_extension);
}
