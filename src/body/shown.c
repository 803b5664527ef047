// SPDX-License-Identifier: MIT
#include "body/shown.h"
#include "body/inbound_internal.h"
#include "extstate/body.h"
#include <stdlib.h>

struct shown {                       /* hangs on the real snapshot */
    struct snapshot_body base;       /* key: the view */
    const struct view *view;         /* a reference, so that no other view gets its address */
    const struct snapshot *snapshot; /* a reference */
};

struct filter {
    const struct view_grants *grants;
    const struct snapshot *real;
    struct event_state *state; /* being made; borrows from the real one: see its `source` */
    struct buf text;
    bool activities, calling; /* may they be shown? is there a call, whoever tells it? */
};

/* ---- which attributes ---- */

static const struct {
    const char *name;
    enum view_attribute attribute;
} known[] = {
    /* of RPID */
    { "activities", VIEW_ACTIVITIES },   { "class", VIEW_CLASSES },
    { "deviceID", VIEW_DEVICE_IDS },     { "mood", VIEW_MOOD },
    { "place-is", VIEW_PLACE_IS },       { "place-type", VIEW_PLACE_TYPE },
    { "privacy", VIEW_PRIVACY },         { "relationship", VIEW_RELATIONSHIP },
    { "sphere", VIEW_SPHERE },           { "status-icon", VIEW_STATUS_ICON },
    { "time-offset", VIEW_TIME_OFFSET },
};

static bool is_user_input(struct str namespace, struct str name)
{
    return str_equal(namespace, NS_RPID) && str_equal(name, STR("user-input"));
}

static bool attribute_granted(const struct view_grants *g, struct str namespace, struct str name)
{
    bool rpid = str_equal(namespace, NS_RPID);

    if (g->all_attributes)
        return true;
    if (is_user_input(namespace, name))
        return g->user_input != VIEW_USER_INPUT_FALSE;
    if (rpid && str_equal(name, STR("service-class")))
        return true; /* always reported: section 3.3.2 */
    if (str_equal(namespace, NS_DATA_MODEL) && str_equal(name, STR("deviceID")))
        return g->attributes & VIEW_DEVICE_IDS;
    for (size_t i = 0; rpid && i < ARRAY_LEN(known); i++)
        if (str_equal(name, str_of(known[i].name)))
            return g->attributes & known[i].attribute;
    for (size_t i = 0; i < g->n_others; i++)
        if (str_equal(g->others[i].name, name) && str_equal(g->others[i].namespace, namespace))
            return true;
    return false;
}

/* Section 3.3.2.12. */
static void user_input_strip(struct xml_node *n, enum view_user_input shown)
{
    size_t left = 0;

    for (size_t i = 0; i < n->n_attributes; i++) {
        struct str name = n->attributes[i].name.local;
        bool threshold = str_equal(name, STR("idle-threshold"));

        if (shown == VIEW_USER_INPUT_FULL || (!threshold && !str_equal(name, STR("since"))) ||
            (threshold && shown == VIEW_USER_INPUT_THRESHOLDS))
            n->attributes[left++] = n->attributes[i];
    }
    n->n_attributes = left;
}

/* ---- XML ---- */

/* Elements one behind the other, as a tree; a root is put around them. What cannot be read (too
 * large, with that) is none: *tree has no root. 0 or -ENOMEM. */
static int elements_parse(struct filter *f, struct xml_tree *tree, struct es_text xml)
{
    struct buf why;
    int r;

    buf_init(&why, 256);
    buf_reset(&f->text);
    buf_add(&f->text, STR("<a>"));
    buf_add(&f->text, es_str(xml));
    buf_add(&f->text, STR("</a>"));
    r = f->text.error ? f->text.error : xml_tree_parse(tree, buf_str(&f->text), &why);
    if (r)
        tree->root = NULL;
    buf_fini(&why);
    return r == -ENOMEM ? r : 0;
}

/* Those of the elements that are granted. */
static int markup_filter(struct filter *f, struct es_text *out, struct es_text xml)
{
    struct xml_tree tree = { .root = NULL };
    struct buf kept;
    int r = 0;

    if (!xml.n || f->grants->all_attributes)
        return 0;
    *out = (struct es_text){ NULL, 0 };
    buf_init(&kept, XML_TEXT_MAX);
    r = elements_parse(f, &tree, xml);
    for (struct xml_node *n = tree.root ? xml_first(tree.root) : NULL; n && r == 0;
         n = xml_next(n)) {
        if (!attribute_granted(f->grants, n->name.namespace, n->name.local))
            continue;
        if (is_user_input(n->name.namespace, n->name.local))
            user_input_strip(n, f->grants->user_input);
        r = xml_print(&tree.arena, n, true, &kept);
    }
    if (r == 0)
        r = kept.error == -ENOMEM ? -ENOMEM : event_state_text(f->state, out, buf_str(&kept));
    xml_tree_fini(&tree);
    buf_fini(&kept);
    return r;
}

/* ---- which components ---- */

static bool uri_same(struct str a, struct str b)
{
    size_t colon = str_find_char(a, ':');

    /* The scheme and the name of a URN's space, and the digits of a UUID, have no case. */
    if (str_starts(a, STR("urn:uuid:")))
        return str_equal_nocase(a, b);
    return str_equal_nocase(str_sub(a, 0, colon), str_sub(b, 0, str_find_char(b, ':'))) &&
           str_equal(str_sub(a, colon, a.n), str_sub(b, str_find_char(b, ':'), b.n));
}

struct component { /* how it can be identified; what it does not have is empty */
    struct str id, device_id, uri;
    struct es_text elements; /* XML, its class among them */
};

/* The class that an element of it names. 0 or -ENOMEM. */
static int class_is(struct filter *f, const struct component *c, struct str class, bool *out)
{
    struct xml_tree tree = { .root = NULL };
    int r = c->elements.n ? elements_parse(f, &tree, c->elements) : 0;
    const struct xml_node *n = tree.root ? xml_child(tree.root, NS_RPID, STR("class")) : NULL;

    *out = n && str_equal(str_trim(xml_text(n)), class);
    xml_tree_fini(&tree);
    return r;
}

static int member_matches(struct filter *f, const struct view_member *m, const struct component *c,
                          bool *out)
{
    switch (m->by) {
    case VIEW_CLASS:
        return class_is(f, c, m->value, out);
    case VIEW_OCCURRENCE_ID:
        *out = str_equal(c->id, m->value);
        break;
    case VIEW_DEVICE_ID:
        *out = c->device_id.n && uri_same(c->device_id, m->value);
        break;
    case VIEW_SERVICE_URI:
        *out = c->uri.n && uri_same(c->uri, m->value);
        break;
    case VIEW_SERVICE_URI_SCHEME:
        *out = c->uri.n && str_equal(str_sub(c->uri, 0, str_find_char(c->uri, ':')), m->value);
        break;
    }
    return 0;
}

static int component_granted(struct filter *f, const struct view_set *set,
                             const struct component *c, bool *out)
{
    int r = 0;

    *out = set->all;
    for (size_t i = 0; i < set->n_members && !*out && r == 0; i++)
        r = member_matches(f, &set->members[i], c, out);
    return r;
}

static void *array_make(struct filter *f, size_t n, size_t size)
{
    return arena_alloc(&f->state->arena, (n + 1) * size);
}

/* ---- services ---- */

static int tuple_filter(struct filter *f, struct es_tuple *t)
{
    int r = markup_filter(f, &t->extensions, t->extensions);

    if (!(f->grants->attributes & VIEW_NOTE))
        t->n_notes = 0;
    return r ? r : markup_filter(f, &t->status, t->status);
}

static int tuples_filter(struct filter *f, const struct es_presence *p, struct es_presence *out)
{
    struct es_tuple *tuples = array_make(f, p->n_tuples, sizeof(*tuples));
    size_t n = 0;
    int r = tuples ? 0 : -ENOMEM;

    for (size_t i = 0; i < p->n_tuples && r == 0; i++) {
        const struct es_tuple *t = &p->tuples[i];
        const struct component c = { .id = es_str(t->id),
                                     .uri = es_str(t->contact),
                                     .elements = t->extensions };
        bool granted;

        r = component_granted(f, &f->grants->services, &c, &granted);
        if (r || !granted)
            continue;
        tuples[n] = *t;
        r = tuple_filter(f, &tuples[n++]);
    }
    out->tuples = tuples;
    out->n_tuples = n;
    return r;
}

/* ---- persons and devices ---- */

static struct es_text class_of(const struct es_element *elements, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal(es_str(elements[i].namespace), NS_RPID) &&
            str_equal(es_str(elements[i].name), STR("class")))
            return elements[i].xml;
    return ES_TEXT("");
}

static int elements_filter(struct filter *f, const struct es_element **elements, size_t *n)
{
    struct es_element *shown = array_make(f, *n, sizeof(*shown));
    size_t left = 0;
    int r = shown ? 0 : -ENOMEM;

    for (size_t i = 0; i < *n && r == 0; i++) {
        const struct es_element *e = &(*elements)[i];

        if (!attribute_granted(f->grants, es_str(e->namespace), es_str(e->name)))
            continue;
        shown[left] = *e;
        if (is_user_input(es_str(e->namespace), es_str(e->name)))
            r = markup_filter(f, &shown[left].xml, e->xml);
        left++;
    }
    *elements = shown;
    *n = left;
    return r;
}

/* The activities, and the call that somebody else may tell of: then nothing is unknown. */
static int activities_filter(struct filter *f, struct es_person *person)
{
    const struct es_element call = {
        ES_TEXT("urn:ietf:params:xml:ns:pidf:rpid"),
        ES_TEXT("on-the-phone"),
        ES_TEXT("<on-the-phone xmlns=\"urn:ietf:params:xml:ns:pidf:rpid\"/>"),
    };
    struct es_element *shown = array_make(f, person->n_activities + 1, sizeof(*shown));
    bool told = !f->calling;
    size_t n = 0;

    if (!shown)
        return -ENOMEM;
    for (size_t i = 0; i < person->n_activities && f->activities; i++) {
        const struct es_element *e = &person->activities[i];
        bool rpid = str_equal(es_str(e->namespace), NS_RPID);

        if (f->calling && rpid && str_equal(es_str(e->name), STR("unknown")))
            continue;
        told |= rpid && str_equal(es_str(e->name), es_str(call.name));
        shown[n++] = *e;
    }
    if (f->activities && !told)
        shown[n++] = call;
    person->activities = shown;
    person->n_activities = n;
    return 0;
}

static int person_granted(struct filter *f, const struct es_person *person, bool *out)
{
    const struct component c = { .id = person ? es_str(person->id) : f->real->extension,
                                 .elements = person ? class_of(person->elements, person->n_elements)
                                                    : ES_TEXT("") };

    return component_granted(f, &f->grants->persons, &c, out);
}

static int person_filter(struct filter *f, const struct es_person *person, struct es_presence *out)
{
    struct es_person *shown = array_make(f, 1, sizeof(*shown));
    int r;

    if (!shown)
        return -ENOMEM;
    if (person)
        *shown = *person;
    r = activities_filter(f, shown);
    if (r == 0)
        r = elements_filter(f, &shown->elements, &shown->n_elements);
    if (!(f->grants->attributes & VIEW_NOTE))
        shown->n_notes = 0;
    out->persons = shown;
    out->n_persons = 1;
    return r;
}

static int devices_filter(struct filter *f, const struct es_presence *p, struct es_presence *out)
{
    struct es_device *devices = array_make(f, p->n_devices, sizeof(*devices));
    size_t n = 0;
    int r = devices ? 0 : -ENOMEM;

    for (size_t i = 0; i < p->n_devices && r == 0; i++) {
        const struct es_device *d = &p->devices[i];
        const struct component c = { .id = es_str(d->id),
                                     .device_id = es_str(d->device_id),
                                     .elements = class_of(d->elements, d->n_elements) };
        bool granted;

        r = component_granted(f, &f->grants->devices, &c, &granted);
        if (r || !granted)
            continue;
        devices[n] = *d;
        if (!(f->grants->attributes & VIEW_NOTE))
            devices[n].n_notes = 0;
        r = elements_filter(f, &devices[n].elements, &devices[n].n_elements);
        n++;
    }
    out->devices = devices;
    out->n_devices = n;
    return r;
}

/* ---- the resource ---- */

static bool is_call(enum extension_state s)
{
    return s > 0 && s & ~EXTENSION_UNAVAILABLE;
}

/* What its own service says without the activity. */
static enum extension_state basic_of(enum extension_state s)
{
    return is_call(s) ? EXTENSION_IDLE : s;
}

static const struct es_presence *presence_of(const struct snapshot *s)
{
    return s->published && s->published->has_presence ? &s->published->presence : NULL;
}

static bool is_calling(const struct snapshot *s)
{
    const struct event_state *p = s->published;

    if (!presence_of(s) && is_call(s->state))
        return true;
    return (s->has_hint && is_call(s->hint_state)) ||
           (p && p->n_dialogs && p->dialogs[0].state != ES_DIALOG_TERMINATED);
}

static bool anyone_open(const struct es_presence *p)
{
    for (size_t i = 0; i < p->n_tuples; i++)
        if (p->tuples[i].basic == ES_BASIC_OPEN)
            return true;
    return false;
}

/* The state as a whole: whether there is a service that is open, and the activity. */
static enum extension_state state_shown(const struct filter *f, bool own)
{
    const struct snapshot *s = f->real;
    enum extension_state mine = presence_of(s) ? s->hint_state : s->state;
    bool open = (own && mine >= 0 && mine != EXTENSION_UNAVAILABLE) ||
                (f->state && anyone_open(&f->state->presence));

    if (s->state < 0)
        return s->state;
    if (!open)
        return EXTENSION_UNAVAILABLE;
    return f->activities && s->state != EXTENSION_UNAVAILABLE ? s->state : EXTENSION_IDLE;
}

/* What is published, or would be if the resource did not speak for itself. */
static int state_make(struct filter *f, bool person)
{
    static const struct es_presence nothing;
    const struct es_presence *p = presence_of(f->real) ? presence_of(f->real) : &nothing;
    struct es_presence *out;
    int r = event_state_create(&f->state);

    if (r)
        return r;
    f->state->source = event_state_ref(f->real->published);
    f->state->has_presence = true;
    out = &f->state->presence;
    r = tuples_filter(f, p, out);
    if (r == 0 && person)
        r = person_filter(f, p->n_persons ? &p->persons[0] : NULL, out);
    if (r == 0)
        r = devices_filter(f, p, out);
    if (f->grants->attributes & VIEW_NOTE) {
        out->notes = p->notes;
        out->n_notes = p->n_notes;
    }
    f->state->device = presence_device_state(out);
    return r;
}

static int snapshot_make(const struct snapshot **out, struct filter *f, bool own)
{
    const struct snapshot *s = f->real;
    struct snapshot_spec spec = { .resource_id = s->resource_id,
                                  .sequence = s->sequence,
                                  .changed_wall_ms = s->changed_wall_ms,
                                  .state = state_shown(f, own),
                                  .hint_state = EXTENSION_UNAVAILABLE,
                                  .published = f->state,
                                  .package = s->package,
                                  .context = s->context,
                                  .extension = s->extension };
    struct snapshot *made;
    int r;

    if (own) {
        spec.has_hint = s->has_hint;
        spec.hint_state = f->activities ? s->hint_state : basic_of(s->hint_state);
        spec.hint = s->hint;
        spec.hint_name = s->hint_name;
    }
    if (f->activities) {
        spec.presence = s->presence;
        spec.presence_subtype = s->presence_subtype;
        if (f->grants->attributes & VIEW_NOTE)
            spec.presence_message = s->presence_message;
    }
    spec.heap = s->heap;
    r = snapshot_create(&made, &spec);
    if (r == 0)
        *out = made;
    return r;
}

static int filter_run(struct filter *f, const struct snapshot **out)
{
    const struct es_presence *p = presence_of(f->real);
    const struct component self = { .id = f->real->extension, .uri = STR("sip:") };
    bool person, own = false;
    int r = person_granted(f, p && p->n_persons ? &p->persons[0] : NULL, &person);

    if (r == 0 && (f->real->has_hint || !p))
        r = component_granted(f, &f->grants->services, &self, &own);
    f->activities = person && f->grants->attributes & VIEW_ACTIVITIES;
    f->calling = is_calling(f->real);
    if (r == 0 && (p || !own)) /* else the state alone says it, as ever */
        r = state_make(f, person);
    return r ? r : snapshot_make(out, f, own);
}

/* ---- on the real one ---- */

static void shown_destroy(struct snapshot_body *b)
{
    struct shown *shown = CONTAINER_OF(b, struct shown, base);

    snapshot_unref(shown->snapshot);
    view_unref(shown->view);
    free(shown);
}

int snapshot_shown(const struct snapshot **out, const struct snapshot *s, const struct view *view)
{
    struct snapshot_body *found = snapshot_body_find(s, (uintptr_t)view);
    struct filter f = { .grants = &view->grants, .real = s };
    struct shown *made;
    int r = -ENOMEM;

    if (found) {
        *out = CONTAINER_OF(found, struct shown, base)->snapshot;
        return 0;
    }
    made = calloc(1, sizeof(*made));
    if (!made)
        return r;
    buf_init(&f.text, XML_TEXT_MAX);
    r = filter_run(&f, &made->snapshot);
    buf_fini(&f.text);
    event_state_unref(f.state);
    if (r) {
        free(made);
        return r;
    }
    made->base = (struct snapshot_body){ .key = (uintptr_t)view, .destroy = shown_destroy };
    made->view = view_ref(view);
    *out = CONTAINER_OF(snapshot_body_add(s, &made->base), struct shown, base)->snapshot;
    return 0;
}
