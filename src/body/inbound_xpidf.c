// SPDX-License-Identifier: MIT
/* inbound_xpidf.c - application/xpidf+xml and application/cpim-pidf+xml as Asterisk writes them and
 * old Polycom and Windows clients knew them: a presence of atoms with addresses, no namespace. An
 * address becomes a tuple, what it is busy with the activity of a person. */
#include "body/inbound_internal.h"

static bool is_xpidf(const struct xml_node *n, const char *local)
{
    return xml_is(n, STR_EMPTY, str_of(local));
}

bool inbound_activity_known(struct str name)
{
    static const char *const known[] = {
        "appointment",
        "away",
        "breakfast",
        "busy",
        "dinner",
        "holiday",
        "in-transit",
        "looking-for-work",
        "lunch",
        "meal",
        "meeting",
        "on-the-phone",
        "other",
        "performance",
        "playing",
        "presentation",
        "shopping",
        "sleeping",
        "permanent-absence",
        "spectator",
        "steering",
        "travel",
        "tv",
        "unknown",
        "vacation",
        "working",
        "worship",
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_equal(name, str_of(known[i])))
            return true;
    return false;
}

int inbound_activity_add(struct inbound *in, struct inbound_elements *to, struct str name)
{
    struct es_element e;
    int r;

    if (!inbound_activity_known(name))
        name = STR("other");
    buf_reset(&in->xml);
    buf_add(&in->xml, STR("<rpid:"));
    buf_add(&in->xml, name);
    buf_add(&in->xml, STR(" xmlns:rpid=\""));
    buf_add(&in->xml, NS_RPID);
    buf_add(&in->xml, STR("\"/>"));
    r = in->xml.error ? in->xml.error : event_state_text(in->state, &e.xml, buf_str(&in->xml));
    if (r == 0)
        r = event_state_text(in->state, &e.namespace, NS_RPID);
    if (r == 0)
        r = event_state_text(in->state, &e.name, name);
    if (r == 0)
        r = ARRAY_GROW_IN(&in->state->arena, to->p, to->n);
    if (r == 0)
        to->p[to->n++] = e;
    return r;
}

struct xpidf {
    struct inbound *in;
    struct es_tuple *tuples;
    size_t n_tuples;
    struct inbound_elements activities;
};

static struct str attribute_of(const struct xml_node *address, const char *child, const char *name)
{
    const struct xml_node *n = xml_child(address, STR_EMPTY, str_of(child));
    struct str value = STR_EMPTY;

    if (n)
        (void)xml_attribute_find(n, str_of(name), &value);
    return str_trim(value);
}

/* The status has no word for some of what the substatus says. */
static int state_read(struct xpidf *x, struct es_tuple *t, const struct xml_node *address)
{
    static const struct {
        const char *substatus, *activity;
    } busy[] = { { "onthephone", "on-the-phone" }, { "busy", "busy" }, { "away", "away" } };
    struct str status = attribute_of(address, "status", "status");
    struct str substatus = attribute_of(address, "msnsubstatus", "substatus");
    bool inuse = str_equal_nocase(status, STR("inuse"));

    if (inuse || str_equal_nocase(status, STR("open")))
        t->basic = ES_BASIC_OPEN;
    else if (str_equal_nocase(status, STR("closed")))
        t->basic = ES_BASIC_CLOSED;
    for (size_t i = 0; i < ARRAY_LEN(busy); i++)
        if (str_equal_nocase(substatus, str_of(busy[i].substatus)))
            return inbound_activity_add(x->in, &x->activities, str_of(busy[i].activity));
    return inuse ? inbound_activity_add(x->in, &x->activities, STR("on-the-phone")) : 0;
}

static int address_read(struct xpidf *x, struct es_tuple *t, const struct xml_node *n)
{
    struct str suffix = STR(";user=ip"), uri = STR_EMPTY;

    (void)xml_attribute_find(n, STR("uri"), &uri);
    uri = str_trim(uri);
    if (str_ends(uri, suffix))
        uri.n -= suffix.n;
    return inbound_contact_read(x->in, t, n, uri);
}

static int id_read(struct xpidf *x, struct es_text *out, const struct xml_node *atom)
{
    int r = inbound_attribute(x->in, out, atom, STR("id"));

    if (r == 0 && out->n == 0)
        r = inbound_attribute(x->in, out, atom, STR("atomid"));
    if (r == 0 && out->n == 0)
        r = xml_refuse(x->in->why, atom, "no id", STR_EMPTY);
    return r;
}

static int tuple_add(struct xpidf *x, struct es_text id, const struct xml_node *address)
{
    struct es_tuple t = { .id = id, .basic = ES_BASIC_NONE };
    int r = address_read(x, &t, address);

    if (r == 0)
        r = state_read(x, &t, address);
    if (r == 0)
        r = ARRAY_GROW_IN(&x->in->state->arena, x->tuples, x->n_tuples);
    if (r == 0)
        x->tuples[x->n_tuples++] = t;
    return r;
}

/* Each of its addresses is a tuple; a watcher is told another id for the second one. */
static int atom_read(struct xpidf *x, const struct xml_node *n)
{
    size_t before = x->n_tuples;
    struct es_text id;
    int r = id_read(x, &id, n);

    for (const struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c))
        if (is_xpidf(c, "address"))
            r = tuple_add(x, id, c);
    if (r == 0 && x->n_tuples == before)
        r = xml_refuse(x->in->why, n, "no address", STR_EMPTY);
    return r;
}

int inbound_xpidf_read(struct inbound *in, const struct xml_node *root)
{
    struct xpidf x = { .in = in };
    struct event_state *s = in->state;
    struct es_person *person = arena_alloc(&s->arena, sizeof(*person));
    int r = person ? 0 : -ENOMEM;

    for (const struct xml_node *n = xml_first(root); n && r == 0; n = xml_next(n))
        if (is_xpidf(n, "atom"))
            r = atom_read(&x, n);
    if (r == 0 && x.n_tuples == 0)
        r = xml_refuse(in->why, root, "no atom", STR_EMPTY);
    if (r)
        return r;
    r = event_state_text(s, &person->id, STR("person"));
    person->activities = x.activities.p;
    person->n_activities = x.activities.n;
    s->has_presence = true;
    s->presence = (struct es_presence){ .tuples = x.tuples,
                                        .n_tuples = x.n_tuples,
                                        .persons = person,
                                        .n_persons = x.activities.n ? 1 : 0 };
    s->device = presence_device_state(&s->presence);
    return r;
}
