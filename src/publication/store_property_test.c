// SPDX-License-Identifier: MIT
/* Several publishers do anything: begin, modify, refresh, remove, tell parts, lose answers, repeat
 * themselves, forget their tags, fall silent. After each step the store has told what a model says
 * that knows nothing but a list of documents, and composes them in the dullest way: dialogs,
 * tuples, activities, mood, notes, devices, messages. */
#include "publication/store_testing.h"

#include <stdio.h>

enum {
    PUBLISHERS = 4,
    RESOURCES = 2,
    PACKAGES = 3,
    IDS = 3, /* of dialogs, of tuples */
    ACTIVITIES = 3,
    FACETS = 5, /* of a presence document: what only the newest one says counts */
    ROOM = 64,
    STEPS = 3000,
    SEEDS = 12,
    PER_PUBLISHER = 9,
    PER_RESOURCE = 8, /* of a package's class */
    GRACE_S = 3,
};

enum package { DIALOG, PRESENCE, MESSAGES };
static const char *const packages[] = { "dialog", "presence", "message-summary" };
static const char *const states[] = { "none",  "trying",    "proceeding",
                                      "early", "confirmed", "terminated" };
static const unsigned ranks[] = { 9, 3, 2, 0, 1, 4 }; /* by state */

static const char *const activities[] = { "busy", "away", "meal" };
static const char *const facets[] = { "mood", "note:en", "note:de", "device:a", "device:b" };

struct row {
    unsigned id, state; /* of a tuple the state is 1, open, or 2, closed; the last one has a
                           contact */
};

struct document {
    struct row rows[IDS];
    size_t n;
    unsigned version, account, count;
    unsigned activities, facets[FACETS]; /* a set; numbers, 0: says nothing of it */
    unsigned timed;                      /* a set, too, of what is done between the two */
    uint64_t from_ms, until_ms;
    bool partial, waiting;
};

struct entry { /* a publication, as the model keeps it; in order of their beginnings */
    unsigned publisher, resource, call;
    enum package package;
    etag_text tag;
    struct document says;
    uint64_t end_ms, changed;
    unsigned serial;
    bool scoped;
};

struct actor { /* what a publisher believes about one of its publications */
    etag_text tag, used;
    struct document last;
};

struct property {
    struct store_bench b;
    struct entry entries[ROOM];
    size_t n;
    struct actor actors[PUBLISHERS][RESOURCES][PACKAGES];
    unsigned last_serial;
    uint64_t changes;
    char model[RESOURCES][2][1024], told[RESOURCES][2][1024]; /* messages are the second */
    unsigned results[8];
};

static unsigned draw(struct property *p, unsigned limit)
{
    return rng_below(&p->b.rng, limit);
}

/* ---- one text for both ---- */

struct lines {
    char text[3 * ROOM * IDS + ACTIVITIES + FACETS][96];
    size_t n;
};

static void line_add(struct lines *l, const char *kind, const char *id, const char *state)
{
    (void)snprintf(l->text[l->n++], sizeof(l->text[0]), " %s %s=%s", kind, id, state);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void lines_finish(struct lines *l, const char *head, char out[1024])
{
    size_t n = (size_t)snprintf(out, 1024, "%s", head);

    qsort(l->text, l->n, sizeof(l->text[0]), by_text);
    for (size_t i = 0; i < l->n; i++)
        n += (size_t)snprintf(out + n, 1024 - n, "%s", l->text[i]);
    assert_true(n < 1024);
}

/* ---- what the store tells ---- */

static const char *text_of(struct es_text t)
{
    static char text[64];

    (void)snprintf(text, sizeof(text), "%.*s", STR_FMT(t));
    return text;
}

static void presence_told(struct lines *l, const struct es_presence *p)
{
    const struct es_person *person = p->persons;

    assert_true(p->n_persons <= 1);
    for (size_t i = 0; i < p->n_tuples; i++)
        line_add(l, "tuple", text_of(p->tuples[i].id),
                 p->tuples[i].basic == ES_BASIC_OPEN ? "open" : "closed");
    for (size_t i = 0; p->n_persons && i < person->n_activities; i++)
        line_add(l, "activity", text_of(person->activities[i].name), "");
    for (size_t i = 0; p->n_persons && i < person->n_elements; i++)
        line_add(l, "facet", "mood", text_of(person->elements[i].xml));
    for (size_t i = 0; i < p->n_notes; i++)
        line_add(l, "facet",
                 str_equal(es_str(p->notes[i].language), STR("en")) ? "note:en" : "note:de",
                 text_of(p->notes[i].text));
    for (size_t i = 0; i < p->n_devices; i++)
        line_add(l, "facet",
                 str_equal(es_str(p->devices[i].device_id), STR("u3")) ? "device:a" : "device:b",
                 text_of(p->devices[i].elements[0].xml));
}

static void property_told(void *ctx, const struct resource_name *name, const struct event_state *s)
{
    static struct lines l;
    struct property *p = ctx;
    char head[128] = "-", *out = p->told[name->extension.p[3] - '0'][name->package.n ? 1 : 0];
    unsigned rank = 0;

    l.n = 0;
    if (s && s->has_messages)
        (void)snprintf(head, sizeof(head), "%d %u %.*s", s->messages.waiting,
                       s->messages.counts[ES_MESSAGES_VOICE].new_count,
                       STR_FMT(s->messages.account));
    else if (s)
        (void)snprintf(head, sizeof(head), "%.*s", STR_FMT(device_state_name(s->device)));
    for (size_t i = 0; s && i < s->n_dialogs; i++) {
        assert_true(ranks[s->dialogs[i].state] >= rank);
        rank = ranks[s->dialogs[i].state];
        line_add(&l, "dialog", text_of(s->dialogs[i].id), states[s->dialogs[i].state]);
    }
    if (s)
        presence_told(&l, &s->presence);
    lines_finish(&l, head, out);
}

/* ---- the model ---- */

static bool in_class(const struct entry *e, unsigned resource, bool messages)
{
    return e->resource == resource && (e->package == MESSAGES) == messages;
}

static bool document_has(const struct document *d, unsigned id)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->rows[i].id == id)
            return true;
    return false;
}

static unsigned state_in(const struct document *d, unsigned id)
{
    for (size_t i = 0; d && i < d->n; i++)
        if (d->rows[i].id == id)
            return d->rows[i].state;
    return 0;
}

/* Only the newest publication's tuple with the contact is shown. */
static bool tuple_hidden(const struct property *p, const struct entry *e, unsigned id)
{
    for (size_t i = 0; id == IDS - 1 && i < p->n; i++) {
        const struct entry *other = &p->entries[i];

        if (other->package == PRESENCE && other->resource == e->resource &&
            other->changed > e->changed && document_has(&other->says, id))
            return true;
    }
    return false;
}

static bool row_counts(const struct property *p, const struct entry *e, unsigned id)
{
    return document_has(&e->says, id) && (e->package == DIALOG || !tuple_hidden(p, e, id));
}

static void model_scope(struct property *p)
{
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->n; k++)
            for (unsigned id = 0; id < IDS; id++) {
                struct entry *old = &p->entries[i], *young = &p->entries[k];

                if (old->serial < young->serial && old->package != MESSAGES &&
                    old->package == young->package && old->resource == young->resource &&
                    row_counts(p, old, id) && row_counts(p, young, id))
                    young->scoped = true;
            }
}

static void row_add(struct lines *l, const struct entry *e, const struct row *row)
{
    char id[32];

    if (e->scoped)
        (void)snprintf(id, sizeof(id), "%u-%x", row->id, e->serial);
    else
        (void)snprintf(id, sizeof(id), "%u", row->id);
    if (e->package == DIALOG)
        line_add(l, "dialog", id, states[row->state]);
    else
        line_add(l, "tuple", id, row->state == 1 ? "open" : "closed");
}

/* Of the activities all count that hold, of everything else what the newest document has it. */
static unsigned model_person(const struct property *p, unsigned resource, struct lines *l)
{
    unsigned all = 0;

    for (size_t i = 0; i < p->n; i++)
        if (in_class(&p->entries[i], resource, false)) {
            const struct document *d = &p->entries[i].says;

            all |= d->activities;
            all |= p->b.now_ms >= d->from_ms && p->b.now_ms < d->until_ms ? d->timed : 0;
        }
    for (unsigned a = 0; a < ACTIVITIES; a++)
        if (all >> a & 1)
            line_add(l, "activity", activities[a], "");
    for (size_t f = 0; f < FACETS; f++) {
        const struct entry *newest = NULL;
        char text[16];

        for (size_t i = 0; i < p->n; i++) {
            const struct entry *e = &p->entries[i];

            if (in_class(e, resource, false) && e->says.facets[f] &&
                (!newest || e->changed > newest->changed))
                newest = e;
        }
        (void)snprintf(text, sizeof(text), "%u", newest ? newest->says.facets[f] : 0);
        if (newest)
            line_add(l, "facet", facets[f], text);
    }
    return all;
}

static const char *lamp(bool dialogs, const unsigned count[6], bool open, bool busy)
{
    if (!dialogs)
        return !open ? "UNAVAILABLE" : busy ? "INUSE" : "NOT_INUSE";
    if (count[3])
        return count[1] + count[2] + count[4] ? "RINGINUSE" : "RINGING";
    return count[1] + count[2] + count[4] ? "INUSE" : "NOT_INUSE";
}

/* The extension's state. `now` has just replaced `former`, or is NULL. */
static void model_extension(struct property *p, unsigned resource, const struct entry *now,
                            const struct document *former)
{
    static struct lines l;
    unsigned live[6] = { 0 };
    uint64_t last_end = 0;
    bool any = false, dialogs = false, open = false, busy;

    l.n = 0;
    busy = model_person(p, resource, &l) & 1;
    for (size_t i = 0; i < p->n; i++) {
        const struct entry *e = &p->entries[i];

        if (!in_class(e, resource, false))
            continue;
        any = true;
        dialogs |= e->package == DIALOG;
        for (size_t k = 0; k < e->says.n; k++) {
            const struct row *row = &e->says.rows[k];

            if (e->package == PRESENCE && !tuple_hidden(p, e, row->id)) {
                row_add(&l, e, row);
                open |= row->state == 1;
            } else if (e->package == DIALOG && row->state != 5) {
                row_add(&l, e, row);
                live[row->state]++;
            } else if (e->package == DIALOG && e->changed > last_end) {
                last_end = e->changed;
            }
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct entry *e = &p->entries[i];
        bool idle = !(live[1] + live[2] + live[3] + live[4]);

        for (size_t k = 0; k < e->says.n; k++) {
            unsigned before = e == now ? state_in(former, e->says.rows[k].id) : 0;

            if (in_class(e, resource, false) && e->package == DIALOG &&
                e->says.rows[k].state == 5 &&
                (idle ? e->changed == last_end : before != 0 && before != 5))
                row_add(&l, e, &e->says.rows[k]);
        }
    }
    lines_finish(&l, any ? lamp(dialogs, live, open, busy) : "-", p->model[resource][0]);
}

static void model_messages(struct property *p, unsigned resource)
{
    unsigned count = 0;
    bool any = false, waiting = false, named[3] = { false };

    for (size_t i = 0; i < p->n; i++) {
        const struct entry *e = &p->entries[i];
        bool older = false;

        if (!in_class(e, resource, true))
            continue;
        any = true;
        for (size_t k = 0; e->says.account && k < p->n; k++)
            older |= in_class(&p->entries[k], resource, true) &&
                     p->entries[k].says.account == e->says.account &&
                     p->entries[k].changed > e->changed;
        if (older)
            continue;
        count += e->says.count;
        waiting |= e->says.waiting;
        named[e->says.account] = true;
    }
    if (any)
        (void)snprintf(p->model[resource][1], sizeof(p->model[resource][1]), "%d %u %s", waiting,
                       count,
                       named[1] == named[2] ? ""
                       : named[1]           ? "sip:a"
                                            : "sip:b");
    else
        (void)snprintf(p->model[resource][1], sizeof(p->model[resource][1]), "-");
}

static void model_compose(struct property *p, unsigned resource, enum package package,
                          const struct entry *now, const struct document *former)
{
    if (package == MESSAGES) {
        model_messages(p, resource);
        return;
    }
    model_scope(p);
    model_extension(p, resource, now, former);
}

static void model_drop(struct property *p, size_t at)
{
    memmove(&p->entries[at], &p->entries[at + 1], (p->n - at - 1) * sizeof(p->entries[0]));
    p->n--;
}

static bool document_equal(const struct document *a, const struct document *b)
{
    if (a->n != b->n || a->account != b->account || a->count != b->count ||
        a->waiting != b->waiting || a->activities != b->activities || a->timed != b->timed ||
        a->from_ms != b->from_ms || a->until_ms != b->until_ms ||
        memcmp(a->facets, b->facets, sizeof(a->facets)) != 0)
        return false;
    return memcmp(a->rows, b->rows, a->n * sizeof(a->rows[0])) == 0;
}

/* What a partial document leaves; with `ended` also what had ended before. */
static struct document document_merged(const struct document *former, const struct document *change,
                                       bool ended)
{
    struct document out = { .version = change->version };

    for (size_t i = 0; i < former->n; i++) {
        unsigned id = former->rows[i].id, told = state_in(change, id);
        unsigned state = told ? told : former->rows[i].state;

        if (former->rows[i].state != 5 || state != 5 || ended)
            out.rows[out.n++] = (struct row){ id, state };
    }
    for (size_t i = 0; i < change->n; i++)
        if (!document_has(former, change->rows[i].id) && change->rows[i].state != 5)
            out.rows[out.n++] = change->rows[i];
    return out;
}

/* `gone`: others went with it. */
static void model_say(struct property *p, struct entry *e, const struct document *d, bool gone,
                      bool created)
{
    struct document former = e->says;

    if (!created && !gone && document_equal(&former, d)) {
        e->says.version = d->version;
        return;
    }
    e->says = *d;
    e->says.partial = false;
    e->changed = ++p->changes;
    model_compose(p, e->resource, e->package, e, created ? NULL : &former);
}

/* ---- requests ---- */

struct request {
    unsigned publisher, resource, call;
    enum package package;
    const char *tag;
    struct document document;
    unsigned expires_s;
    bool body, supersede;
};

static bool model_superseded(const struct entry *e, const struct request *rq)
{
    return rq->supersede && e->publisher == rq->publisher && e->resource == rq->resource &&
           e->package == rq->package && e->call == rq->call;
}

static bool model_over_quota(const struct property *p, const struct request *rq)
{
    size_t by_publisher = 0, of_resource = 0;

    for (size_t i = 0; i < p->n; i++) {
        by_publisher += p->entries[i].publisher == rq->publisher;
        of_resource += in_class(&p->entries[i], rq->resource, rq->package == MESSAGES);
    }
    return by_publisher >= PER_PUBLISHER || of_resource >= PER_RESOURCE;
}

static int model_initial(struct property *p, const struct request *rq, struct entry **out)
{
    struct entry *e = NULL;
    bool gone = false, created;

    for (size_t i = 0; i < p->n; i++) {
        if (!model_superseded(&p->entries[i], rq))
            continue;
        if (!e) {
            e = &p->entries[i];
        } else {
            model_drop(p, i--);
            gone = true;
        }
    }
    created = !e;
    if (created && model_over_quota(p, rq))
        return PUBLICATION_QUOTA;
    if (created) {
        assert_true(p->n < ROOM);
        e = &p->entries[p->n++];
        *e = (struct entry){ .publisher = rq->publisher,
                             .resource = rq->resource,
                             .package = rq->package,
                             .serial = ++p->last_serial };
    }
    model_say(p, e, &rq->document, gone, created);
    *out = e;
    return 0;
}

static int model_modify(struct property *p, const struct request *rq, struct entry *e)
{
    struct document d = rq->document;

    if (d.partial && d.version <= e->says.version)
        return PUBLICATION_BAD_BODY;
    if (d.partial) {
        d = document_merged(&e->says, &rq->document, false);
        if (!d.n)
            d = document_merged(&e->says, &rq->document, true);
    }
    model_say(p, e, &d, false, false);
    return 0;
}

/* What the request has to answer. *out is what lives on under the new tag, or NULL. */
static int model_apply(struct property *p, const struct request *rq, struct entry **out)
{
    struct entry *e = NULL;
    int r = 0;

    *out = NULL;
    for (size_t i = 0; rq->tag[0] && i < p->n; i++)
        if (strcmp(p->entries[i].tag, rq->tag) == 0 && p->entries[i].publisher == rq->publisher &&
            p->entries[i].resource == rq->resource && p->entries[i].package == rq->package)
            e = &p->entries[i];
    if (rq->tag[0] && !e)
        return PUBLICATION_NO_MATCH;
    if (!rq->expires_s && e) {
        model_drop(p, (size_t)(e - p->entries));
        model_compose(p, rq->resource, rq->package, NULL, NULL);
    }
    if (!rq->expires_s)
        return 0;
    if (!rq->body && !e)
        return PUBLICATION_NO_BODY;
    if (!e)
        r = model_initial(p, rq, &e);
    else if (rq->body)
        r = model_modify(p, rq, e);
    if (r)
        return r;
    e->call = rq->call;
    e->end_ms = p->b.now_ms + (uint64_t)(rq->expires_s + GRACE_S) * 1000;
    *out = e;
    return 0;
}

/* What begins or ends to hold is a change like others. */
static void model_turn(struct property *p, uint64_t before_ms)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct document *d = &p->entries[i].says;

        if ((d->from_ms > before_ms && d->from_ms <= p->b.now_ms) ||
            (d->until_ms > before_ms && d->until_ms <= p->b.now_ms))
            model_compose(p, p->entries[i].resource, PRESENCE, NULL, NULL);
    }
}

static void model_expire(struct property *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->entries[i].end_ms <= p->b.now_ms) {
            struct entry gone = p->entries[i];

            model_drop(p, i--);
            model_compose(p, gone.resource, gone.package, NULL, NULL);
        }
}

/* ---- the same to the store ---- */

static void person_print(const struct document *d, char *out, size_t room)
{
    static const char *const begins[] = { " person:p|e=mood", " note:en", " note:de",
                                          " device:a|d=u3|e=class", " device:b|d=u4|e=class" };
    size_t n = 0;

    for (size_t f = 0; f < FACETS; f++)
        if (d->facets[f])
            n += (size_t)snprintf(out + n, room - n, "%s:%u", begins[f], d->facets[f]);
    /* a second person of one document is the same one */
    for (unsigned a = 0; a < ACTIVITIES; a++)
        if (d->activities >> a & 1)
            n += (size_t)snprintf(out + n, room - n, " person:q|a=%s", activities[a]);
    for (unsigned a = 0; a < ACTIVITIES; a++)
        if (d->timed >> a & 1)
            n += (size_t)snprintf(out + n, room - n, " person:q|a@%u-%u=%s", (unsigned)d->from_ms,
                                  (unsigned)d->until_ms, activities[a]);
    assert_true(n < room);
}

static void document_print(const struct request *rq, char out[512])
{
    const struct document *d = &rq->document;
    size_t n;

    if (rq->package == MESSAGES) {
        (void)snprintf(out, 512, "messages:%s%s|voice=%u/0/0/0", d->waiting ? "yes" : "no",
                       d->account ? d->account == 1 ? "|account=sip:a" : "|account=sip:b" : "",
                       d->count);
        return;
    }
    n = rq->package == PRESENCE
            ? (size_t)snprintf(out, 512, "presence")
            : (size_t)snprintf(out, 512, "%s:%u", d->partial ? "partial" : "dialogs", d->version);
    for (size_t i = 0; i < d->n; i++) {
        const struct row *row = &d->rows[i];

        if (rq->package == PRESENCE)
            n += (size_t)snprintf(out + n, 512 - n, " tuple:%u=%s%s", row->id,
                                  row->state == 1 ? "open" : "closed",
                                  row->id == IDS - 1 ? "|c=sip:c" : "");
        else
            n += (size_t)snprintf(out + n, 512 - n, " %u=%s", row->id, states[row->state]);
    }
    if (rq->package == PRESENCE)
        person_print(d, out + n, 512 - n);
}

static void property_check(const struct property *p)
{
    for (size_t i = 0; i < RESOURCES; i++)
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(p->told[i][k], p->model[i][k]);
    assert_int_equal(bench_counters(&p->b).publications, p->n);
}

/* Sends it, and asks the model. Returns the result; `tag` gets the new one. */
static int property_request(struct property *p, const struct request *rq, etag_text tag)
{
    char document[512], publisher[8], call_id[8], extension[8];
    unsigned tells = p->b.tells;
    struct publication_request sent;
    struct entry *e;
    int r, expected = model_apply(p, rq, &e);

    document_print(rq, document);
    (void)snprintf(publisher, sizeof(publisher), "p%u", rq->publisher);
    (void)snprintf(call_id, sizeof(call_id), "c%u", rq->call);
    (void)snprintf(extension, sizeof(extension), "100%u", rq->resource);
    sent = bench_request(publisher, rq->tag, rq->body ? document : NULL);
    sent.extension = str_of(extension);
    sent.package = str_of(packages[rq->package]);
    sent.call_id = str_of(call_id);
    sent.supersede = rq->supersede;
    sent.expires_s = rq->expires_s;
    sent.grace_s = GRACE_S;
    sent.max_per_publisher = PER_PUBLISHER;
    sent.max_per_resource = PER_RESOURCE;
    tag[0] = '\0';
    r = bench_apply(&p->b, &sent, tag);
    assert_int_equal(r, expected);
    if (e)
        memcpy(e->tag, tag, ETAG_ROOM);
    if (r || !rq->body)
        assert_true(p->b.tells == tells || !rq->expires_s);
    p->results[r]++;
    property_check(p);
    return r;
}

/* ---- anything ---- */

static struct document document_random(struct property *p, enum package package)
{
    struct document d = { .version = draw(p, 8) };
    unsigned first = draw(p, IDS);

    d.partial = package == DIALOG && draw(p, 4) == 0;
    if (package == MESSAGES) {
        d.waiting = draw(p, 2);
        d.count = draw(p, 3);
        d.account = draw(p, 3);
    }
    for (unsigned a = 0; package == PRESENCE && a < ACTIVITIES; a++)
        d.activities |= draw(p, 4) == 0 ? 1u << a : 0;
    d.timed = package == PRESENCE && draw(p, 2) ? draw(p, 1u << ACTIVITIES) : 0;
    if (d.timed) {
        d.from_ms = p->b.now_ms - 2985 + UINT64_C(1000) * draw(p, 8);
        d.until_ms = d.from_ms + UINT64_C(1000) * draw(p, 6);
    }
    for (size_t f = 0; package == PRESENCE && f < FACETS; f++)
        d.facets[f] = draw(p, 2) * draw(p, 4);
    for (unsigned i = 0; package != MESSAGES && i < IDS; i++)
        if (draw(p, 2))
            d.rows[d.n++] =
                (struct row){ (first + i) % IDS, 1 + draw(p, package == DIALOG ? 5 : 2) };
    return d;
}

static void property_publish(struct property *p)
{
    struct request rq = { .publisher = draw(p, PUBLISHERS),
                          .resource = draw(p, RESOURCES),
                          .package = (enum package)draw(p, PACKAGES),
                          .call = draw(p, 3) };
    struct actor *a = &p->actors[rq.publisher][rq.resource][rq.package];
    etag_text tag;
    unsigned what = draw(p, 20);
    int r;

    rq.tag = a->tag;
    rq.expires_s = what == 0 ? 0 : 5 + draw(p, 15);
    rq.body = what > 4;
    rq.supersede = draw(p, 2);
    rq.document = what < 9 ? a->last : document_random(p, rq.package); /* the same again */
    r = property_request(p, &rq, tag);
    if (draw(p, 10) == 0)
        return; /* the answer is lost */
    memcpy(a->used, a->tag, ETAG_ROOM);
    a->last = rq.document;
    if (r == PUBLICATION_NO_MATCH || (r == 0 && !rq.expires_s))
        a->tag[0] = '\0';
    else if (r == 0)
        memcpy(a->tag, tag, ETAG_ROOM);
}

/* A request that had its success comes again, long after its transaction. */
static void property_repeat(struct property *p)
{
    struct request rq = { .publisher = draw(p, PUBLISHERS),
                          .resource = draw(p, RESOURCES),
                          .package = (enum package)draw(p, PACKAGES),
                          .expires_s = 10,
                          .body = true };
    struct actor *a = &p->actors[rq.publisher][rq.resource][rq.package];
    etag_text tag;

    if (!a->used[0] || strcmp(a->used, a->tag) == 0)
        return;
    rq.tag = a->used;
    rq.document = a->last;
    assert_int_equal(property_request(p, &rq, tag), PUBLICATION_NO_MATCH);
}

/* Somebody tries another's tag. */
static void property_steal(struct property *p)
{
    struct request rq = { .publisher = draw(p, PUBLISHERS), .resource = draw(p, RESOURCES) };
    unsigned from = (rq.publisher + 1 + draw(p, PUBLISHERS - 1)) % PUBLISHERS;
    etag_text tag;

    rq.tag = p->actors[from][rq.resource][DIALOG].tag;
    if (rq.tag[0])
        assert_int_equal(property_request(p, &rq, tag), PUBLICATION_NO_MATCH);
}

/* Never two times at which anything happens are so near that the wheel's tick matters. */
static void property_wait(struct property *p)
{
    uint64_t before_ms = p->b.now_ms;

    bench_run(&p->b, 1030 + 1000 * draw(p, 4));
    model_turn(p, before_ms);
    model_expire(p);
    property_check(p);
}

static void property_step(struct property *p)
{
    switch (draw(p, 12)) {
    case 0:
        property_repeat(p);
        break;
    case 1:
        property_steal(p);
        break;
    case 2:
        property_wait(p);
        break;
    default:
        property_publish(p);
    }
}

static void test_property(void **state)
{
    struct property *p = calloc(1, sizeof(*p));
    unsigned results[8] = { 0 };

    (void)state;
    assert_non_null(p);
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        memset(p, 0, sizeof(*p));
        bench_init(&p->b);
        rng_init_seeded(&p->b.rng, seed);
        p->b.silent = true;
        p->b.watch = property_told;
        p->b.watch_ctx = p;
        for (size_t i = 0; i < RESOURCES; i++)
            for (size_t k = 0; k < 2; k++)
                p->told[i][k][0] = p->model[i][k][0] = '-';
        for (unsigned i = 0; i < STEPS; i++)
            property_step(p);
        for (unsigned i = 0; i < 30; i++) /* in the end everyone is silent */
            property_wait(p);
        assert_int_equal(p->n, 0);
        assert_int_equal(bench_counters(&p->b).bytes, 0);
        bench_fini(&p->b);
        for (size_t i = 0; i < ARRAY_LEN(results); i++)
            results[i] += p->results[i];
    }
    print_message("    %u successes, %u without a match, %u without a body, %u bad bodies, %u over "
                  "quota\n",
                  results[0], results[PUBLICATION_NO_MATCH], results[PUBLICATION_NO_BODY],
                  results[PUBLICATION_BAD_BODY], results[PUBLICATION_QUOTA]);
    for (int i = 0; i <= PUBLICATION_QUOTA; i++)
        assert_true(results[i] > 50);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_property),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
