// SPDX-License-Identifier: MIT
/* Presence of several publishers: RFC 4479 leaves the policy to the compositor. Tuples stand side
 * by side, since each is a way to reach somebody; the person is one. */
#include "base/timestamp.h"
#include "body/sphere.h"
#include "publication/compose_internal.h"

#define RPID "urn:ietf:params:xml:ns:pidf:rpid"

/* In ranks: behind any number of a place in an array. */
#define TIMED_BEHIND ((uint64_t)1 << 31)

/* Candidates out of all documents, by serial; then those of them that are shown. */
struct gathering {
    struct composition *c;
    struct choice *choices;
    size_t n;
    struct choice **winners;
    int error;
};

static void gathering_init(struct gathering *g, struct composition *c, size_t room)
{
    *g = (struct gathering){ .c = c };
    g->choices = arena_alloc(&c->scratch, (room + 1) * sizeof(*g->choices));
    if (!g->choices)
        g->error = -ENOMEM;
}

static struct choice *gathering_add(struct gathering *g, const void *element,
                                    struct composition_input *from)
{
    struct choice *choice = &g->choices[g->n];

    *choice = (struct choice){ .element = element, .from = from, .position = g->n++ };
    return choice;
}

static void gathering_rank(struct gathering *g)
{
    if (!g->error)
        g->error = choices_rank(&g->c->scratch, g->choices, g->n);
}

/* An array for as many elements as are shown, `n` of them; NULL when there was an error. */
static void *gathering_settle(struct gathering *g, enum choice_order order, size_t size)
{
    void *room = NULL;

    if (!g->error)
        g->error = choices_settle(&g->c->scratch, g->choices, &g->n, order, &g->winners);
    if (!g->error) {
        room = arena_alloc(&g->c->scratch, (g->n + 1) * size);
        g->error = room ? 0 : -ENOMEM;
    }
    return room;
}

static void choice_date(struct choice *choice, struct es_text timestamp)
{
    struct timestamp t = { 0, false };

    choice->timed = timestamp_parse(&t, es_str(timestamp)) && t.zoned;
    choice->when_ms = t.ms;
}

static const struct es_presence *presence_of(const struct composition_input *in)
{
    static const struct es_presence nothing;

    return in->document->has_presence ? &in->document->presence : &nothing;
}

/* The ids that the result will have: they are XML's, and unique whatever they stand for. */
struct naming {
    struct scoped_id *ids;
    size_t n;
};

static void naming_add(struct naming *names, struct es_text *id, struct es_text otherwise,
                       const struct choice *of)
{
    if (!id->n)
        *id = otherwise;
    names->ids[names->n++] = (struct scoped_id){ id, of->from, of->position };
}

static struct es_text text_of(struct str s)
{
    return es_text_from(s);
}

/* ---- tuples ---- */

static void tuple_gather(struct gathering *g, const struct es_tuple *t,
                         struct composition_input *from)
{
    struct choice *choice = gathering_add(g, t, from);

    choice->alone = !t->contact.n;
    choice->key[0] = t->contact;
    choice->key[1] = t->extensions;
    choice_date(choice, t->timestamp);
}

/* One contact with one service description is one service, whoever tells it. The description is
 * what stands between status and contact: capabilities, class, device. */
static int tuples_compose(struct composition *c, struct naming *names)
{
    struct gathering g;
    struct es_tuple *tuples;
    size_t room = 0;

    for (size_t i = 0; i < c->n; i++)
        room += presence_of(c->inputs[i])->n_tuples;
    gathering_init(&g, c, room);
    for (size_t i = 0; !g.error && i < c->n; i++)
        for (size_t k = 0; k < presence_of(c->inputs[i])->n_tuples; k++)
            tuple_gather(&g, &presence_of(c->inputs[i])->tuples[k], c->inputs[i]);
    gathering_rank(&g);
    tuples = gathering_settle(&g, CHOICE_BY_POSITION, sizeof(*tuples));
    for (size_t i = 0; tuples && i < g.n; i++) {
        tuples[i] = *(const struct es_tuple *)g.winners[i]->element;
        naming_add(names, &tuples[i].id, text_of(STR("tuple")), g.winners[i]);
    }
    c->view.presence.tuples = tuples;
    c->view.presence.n_tuples = g.n;
    return g.error;
}

/* ---- devices ---- */

static void device_gather(struct gathering *g, const struct es_device *d,
                          struct composition_input *from)
{
    struct choice *choice = gathering_add(g, d, from);

    choice->alone = !d->device_id.n;
    choice->key[0] = d->device_id;
    choice_date(choice, d->timestamp);
}

static int devices_compose(struct composition *c, struct naming *names)
{
    struct gathering g;
    struct es_device *devices;
    size_t room = 0;

    for (size_t i = 0; i < c->n; i++)
        room += presence_of(c->inputs[i])->n_devices;
    gathering_init(&g, c, room);
    for (size_t i = 0; !g.error && i < c->n; i++)
        for (size_t k = 0; k < presence_of(c->inputs[i])->n_devices; k++)
            device_gather(&g, &presence_of(c->inputs[i])->devices[k], c->inputs[i]);
    gathering_rank(&g);
    devices = gathering_settle(&g, CHOICE_BY_POSITION, sizeof(*devices));
    for (size_t i = 0; devices && i < g.n; i++) {
        devices[i] = *(const struct es_device *)g.winners[i]->element;
        naming_add(names, &devices[i].id, text_of(STR("device")), g.winners[i]);
    }
    c->view.presence.devices = devices;
    c->view.presence.n_devices = g.n;
    return g.error;
}

/* ---- what holds for a time ---- */

static size_t timed_room(const struct composition *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        n += presence_of(c->inputs[i])->n_persons ? c->inputs[i]->document->n_timed : 0;
    return n;
}

/* What of that kind holds now, of one document; `persons` are its own. It stands behind what its
 * person always has. */
static void timed_gather(struct gathering *g, const struct event_state *s, enum timed_kind kind,
                         const struct choice *persons)
{
    for (size_t i = 0; i < s->n_timed; i++) {
        const struct timed_part *t = &s->timed[i];
        const struct choice *of = &persons[t->person];
        struct choice *choice;

        if (t->kind != kind || g->c->wall_ms < t->from_ms || g->c->wall_ms >= t->until_ms)
            continue;
        choice =
            gathering_add(g, kind == TIMED_NOTE ? (const void *)&t->note : &t->element, of->from);
        choice->key[0] = kind == TIMED_NOTE ? t->note.language : t->element.namespace;
        choice->key[1] = t->element.name;
        choice->rank = kind == TIMED_ELEMENT ? of->rank : (of->rank << 32) | TIMED_BEHIND | i;
    }
}

static void timed_gather_all(struct gathering *g, enum timed_kind kind,
                             const struct gathering *persons)
{
    const struct choice *first = persons->choices;

    for (size_t i = 0; !g->error && i < g->c->n; i++) {
        if (presence_of(g->c->inputs[i])->n_persons)
            timed_gather(g, g->c->inputs[i]->document, kind, first);
        first += presence_of(g->c->inputs[i])->n_persons;
    }
}

/* ---- notes: one for each language ---- */

static void notes_gather(struct gathering *g, const struct es_note *notes, size_t n,
                         const struct choice *of)
{
    for (size_t i = 0; i < n; i++) {
        struct choice *choice = gathering_add(g, &notes[i], of->from);

        choice->key[0] = notes[i].language;
        choice->rank = (of->rank << 32) | i;
    }
}

static void notes_settle(struct gathering *g, const struct es_note **out, size_t *n)
{
    struct es_note *notes = gathering_settle(g, CHOICE_BY_RANK, sizeof(*notes));

    for (size_t i = 0; notes && i < g->n; i++)
        notes[i] = *(const struct es_note *)g->winners[i]->element;
    *out = notes;
    *n = g->n;
}

/* ---- the person ---- */

/* Every activity that anyone tells, the newest first. */
static int activities_compose(struct composition *c, const struct gathering *persons,
                              struct es_person *out)
{
    struct gathering g;
    struct es_element *activities;
    size_t room = timed_room(c), n = 0;

    for (size_t i = 0; i < persons->n; i++)
        room += ((const struct es_person *)persons->choices[i].element)->n_activities;
    gathering_init(&g, c, room);
    for (size_t i = 0; !g.error && i < persons->n; i++) {
        const struct es_person *p = persons->choices[i].element;

        for (size_t k = 0; k < p->n_activities; k++) {
            struct choice *choice = gathering_add(&g, &p->activities[k], persons->choices[i].from);

            choice->key[0] = p->activities[k].namespace;
            choice->key[1] = p->activities[k].name;
            choice->rank = (persons->choices[i].rank << 32) | k;
        }
    }
    timed_gather_all(&g, TIMED_ACTIVITY, persons);
    activities = gathering_settle(&g, CHOICE_BY_RANK, sizeof(*activities));
    for (size_t i = 0; activities && i < g.n; i++) {
        const struct es_element *e = g.winners[i]->element;

        if (g.n == 1 || !str_equal(es_str(e->name), STR("unknown")) ||
            !str_equal(es_str(e->namespace), STR(RPID)))
            activities[n++] = *e;
    }
    out->activities = activities;
    out->n_activities = n;
    return g.error;
}

/* Do all that are told agree? Before any of them wins. */
static int spheres_compose(struct gathering *g)
{
    const struct es_element *first = NULL;
    bool agree = true;
    int r = 0;

    for (size_t i = 0; agree && r == 0 && i < g->n; i++) {
        const struct es_element *e = g->choices[i].element;

        if (!element_is_sphere(e))
            continue;
        if (first)
            r = spheres_agree(&agree, first, e);
        first = e;
    }
    g->c->view.spheres_differ = !agree;
    return r;
}

/* Of every other element what the newest person says that has it, be it several. */
static int elements_compose(struct composition *c, const struct gathering *persons,
                            struct es_person *out)
{
    struct gathering g;
    struct es_element *elements;
    size_t room = timed_room(c);

    for (size_t i = 0; i < persons->n; i++)
        room += ((const struct es_person *)persons->choices[i].element)->n_elements;
    gathering_init(&g, c, room);
    for (size_t i = 0; !g.error && i < persons->n; i++) {
        const struct es_person *p = persons->choices[i].element;

        for (size_t k = 0; k < p->n_elements; k++) {
            struct choice *choice = gathering_add(&g, &p->elements[k], persons->choices[i].from);

            choice->key[0] = p->elements[k].namespace;
            choice->key[1] = p->elements[k].name;
            choice->rank = persons->choices[i].rank;
        }
    }
    timed_gather_all(&g, TIMED_ELEMENT, persons);
    if (!g.error)
        g.error = spheres_compose(&g);
    elements = gathering_settle(&g, CHOICE_BY_RANK, sizeof(*elements));
    for (size_t i = 0; elements && i < g.n; i++)
        elements[i] = *(const struct es_element *)g.winners[i]->element;
    out->elements = elements;
    out->n_elements = g.n;
    return g.error;
}

static int person_notes_compose(struct composition *c, const struct gathering *persons,
                                struct es_person *out)
{
    struct gathering g;
    size_t room = timed_room(c);

    for (size_t i = 0; i < persons->n; i++)
        room += ((const struct es_person *)persons->choices[i].element)->n_notes;
    gathering_init(&g, c, room);
    for (size_t i = 0; !g.error && i < persons->n; i++) {
        const struct es_person *p = persons->choices[i].element;

        notes_gather(&g, p->notes, p->n_notes, &persons->choices[i]);
    }
    timed_gather_all(&g, TIMED_NOTE, persons);
    notes_settle(&g, &out->notes, &out->n_notes);
    return g.error;
}

static int person_compose(struct composition *c, const struct gathering *persons,
                          struct naming *names)
{
    struct es_person *one = arena_alloc(&c->scratch, sizeof(*one));
    const struct choice *best = &persons->choices[0];
    int r;

    if (!one)
        return -ENOMEM;
    for (size_t i = 1; i < persons->n; i++)
        if (persons->choices[i].rank < best->rank)
            best = &persons->choices[i];
    one->id = ((const struct es_person *)persons->choices[0].element)->id;
    one->timestamp = ((const struct es_person *)best->element)->timestamp;
    naming_add(names, &one->id, text_of(STR("person")), &persons->choices[0]);
    r = activities_compose(c, persons, one);
    if (r == 0)
        r = elements_compose(c, persons, one);
    if (r == 0)
        r = person_notes_compose(c, persons, one);
    c->view.presence.persons = one;
    c->view.presence.n_persons = 1;
    return r;
}

static int persons_compose(struct composition *c, struct naming *names)
{
    struct gathering g;
    size_t room = 0;

    for (size_t i = 0; i < c->n; i++)
        room += presence_of(c->inputs[i])->n_persons;
    gathering_init(&g, c, room);
    for (size_t i = 0; !g.error && i < c->n; i++)
        for (size_t k = 0; k < presence_of(c->inputs[i])->n_persons; k++) {
            const struct es_person *p = &presence_of(c->inputs[i])->persons[k];

            choice_date(gathering_add(&g, p, c->inputs[i]), p->timestamp);
        }
    gathering_rank(&g);
    if (g.error || !g.n)
        return g.error;
    return person_compose(c, &g, names);
}

/* ---- the document ---- */

static int document_notes_compose(struct composition *c)
{
    struct gathering documents, g;
    size_t room = 0;

    for (size_t i = 0; i < c->n; i++)
        room += presence_of(c->inputs[i])->n_notes;
    gathering_init(&documents, c, c->n);
    gathering_init(&g, c, room);
    if (documents.error || g.error)
        return -ENOMEM;
    for (size_t i = 0; i < c->n; i++)
        gathering_add(&documents, presence_of(c->inputs[i]), c->inputs[i]);
    gathering_rank(&documents);
    for (size_t i = 0; !documents.error && i < c->n; i++) {
        const struct es_presence *p = documents.choices[i].element;

        notes_gather(&g, p->notes, p->n_notes, &documents.choices[i]);
    }
    notes_settle(&g, &c->view.presence.notes, &c->view.presence.n_notes);
    return documents.error ? documents.error : g.error;
}

/* Other elements of all documents, one behind the other; what several say alike once. */
static int extensions_compose(struct composition *c)
{
    struct gathering g;
    struct es_text *texts;
    char *p, *end;
    size_t bytes = 0;

    gathering_init(&g, c, c->n);
    for (size_t i = 0; !g.error && i < c->n; i++) {
        const struct es_text *text = &presence_of(c->inputs[i])->extensions;
        struct choice *choice = text->n ? gathering_add(&g, text, c->inputs[i]) : NULL;

        if (!choice)
            continue;
        choice->key[0] = *text;
        choice->rank = i;
        bytes += text->n;
    }
    texts = gathering_settle(&g, CHOICE_BY_POSITION, sizeof(*texts));
    p = end = arena_alloc(&c->scratch, bytes + 1);
    if (!texts || !p)
        return -ENOMEM;
    for (size_t i = 0; i < g.n; i++) {
        const struct es_text *text = g.winners[i]->element;

        memcpy(end, text->p, text->n);
        end += text->n;
    }
    c->view.presence.extensions = (struct es_text){ p, (size_t)(end - p) };
    return 0;
}

int composition_presence(struct composition *c)
{
    struct naming names = { NULL, 0 };
    size_t room = 1; /* for the person */
    int r;

    for (size_t i = 0; i < c->n; i++) {
        c->view.has_presence |= c->inputs[i]->document->has_presence;
        room += presence_of(c->inputs[i])->n_tuples + presence_of(c->inputs[i])->n_devices;
    }
    if (!c->view.has_presence)
        return 0;
    names.ids = arena_alloc(&c->scratch, room * sizeof(*names.ids));
    if (!names.ids)
        return -ENOMEM;
    r = tuples_compose(c, &names);
    if (r == 0)
        r = devices_compose(c, &names);
    if (r == 0)
        r = persons_compose(c, &names);
    if (r == 0)
        r = scoped_ids_settle(&c->scratch, names.ids, names.n);
    if (r == 0)
        r = document_notes_compose(c);
    return r ? r : extensions_compose(c);
}
