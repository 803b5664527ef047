// SPDX-License-Identifier: MIT
/* pidf_published.c - application/pidf+xml of a resource for which presence is published: its
 * tuples, notes, person and devices (RFC 3863, RFC 4479, RFC 4480) in the order that the schemas
 * want.
 *
 * A hint, or a call, counts as one more tuple, with the words of its state as a note, and puts the
 * person on the phone. There is exactly one person, as those who read them expect, and at least one
 * tuple: nobody there is said by a closed one, not by an empty document. With ES_FLAG_ASTERISK the
 * notes stand before the tuples; for what else is published Asterisk has no form. */
#include "body/pidf.h"

#define RPID "urn:ietf:params:xml:ns:pidf:rpid"

static void notes_print(const struct es_document_api *api, struct es_node *parent, const char *name,
                        const struct es_note *notes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct es_node *note = api->child(parent, name);

        if (notes[i].language.n)
            api->attribute(note, "xml:lang", notes[i].language);
        api->text(note, notes[i].text);
    }
}

static void text_if_given(const struct es_document_api *api, struct es_node *parent,
                          const char *name, struct es_text text)
{
    if (text.n)
        api->text(api->child(parent, name), text);
}

static void elements_print(const struct es_document_api *api, struct es_node *parent,
                           const struct es_element *elements, size_t n)
{
    for (size_t i = 0; i < n; i++)
        api->xml(parent, elements[i].xml);
}

/* A new element with the id of that number. */
static struct es_node *item_child(const struct es_body_request *rq, struct es_node *presence,
                                  const char *name, size_t item)
{
    struct es_node *n = rq->api->child(presence, name);
    char room[PIDF_ID_MAX];

    if (n) /* a spoiled document needs no ids */
        rq->api->attribute(n, "id", pidf_item_id(room, rq->snapshot, item));
    return n;
}

/* ---- tuples ---- */

static void tuple_print(const struct es_body_request *rq, struct es_node *presence, size_t item)
{
    static const char *const words[] = {
        [ES_BASIC_NONE] = NULL, [ES_BASIC_OPEN] = "open", [ES_BASIC_CLOSED] = "closed"
    };
    const struct es_tuple *t = &rq->snapshot->published_presence->tuples[item];
    const struct es_document_api *api = rq->api;
    struct es_node *tuple = item_child(rq, presence, "tuple", item),
                   *status = api->child(tuple, "status");

    text_if_given(api, status, "basic", es_text_of(words[t->basic]));
    api->xml(status, t->status);
    api->xml(tuple, t->extensions);
    if (t->contact.n) {
        struct es_node *contact = api->child(tuple, "contact");

        if (t->priority.n)
            api->attribute(contact, "priority", t->priority);
        api->text(contact, t->contact);
    }
    notes_print(api, tuple, "note", t->notes, t->n_notes);
    text_if_given(api, tuple, "timestamp", t->timestamp);
}

/* What the hint says, and dialogs; without either it is nobody who is there. */
static struct pidf_state resource_state(const struct es_body_request *rq)
{
    const struct es_snapshot *s = rq->snapshot;

    return pidf_state(builtin_has_call(s) ? builtin_state(rq)
                      : s->has_hint       ? builtin_hint_state(rq)
                                          : ES_EXTENSION_UNAVAILABLE);
}

static void tuples_print(const struct es_body_request *rq, struct es_node *presence)
{
    const struct es_snapshot *s = rq->snapshot;
    const struct es_presence *p = s->published_presence;
    struct pidf_state state = resource_state(rq);
    char room[PIDF_ID_MAX];
    struct es_node *tuple;

    for (size_t i = 0; i < p->n_tuples; i++)
        tuple_print(rq, presence, i);
    if (p->n_tuples && !s->has_hint && !builtin_has_call(s))
        return;
    tuple = pidf_state_tuple(rq, presence, pidf_item_id(room, s, pidf_resource_item(p)), &state);
    rq->api->text(rq->api->child(tuple, "note"), es_text_of(state.note));
}

/* ---- the person ---- */

static bool text_is(struct es_text t, const char *word)
{
    return t.n == strlen(word) && !memcmp(t.p, word, t.n);
}

static bool is_activity(const struct es_element *e, const char *name)
{
    return text_is(e->namespace, RPID) && text_is(e->name, name);
}

/* What is unknown is so no longer when the person is on the phone: the schema of RFC 4480 has it
 * alone. */
static void activities_print(const struct es_body_request *rq, struct es_node *person,
                             const struct es_person *p)
{
    const struct es_document_api *api = rq->api;
    bool calling = resource_state(rq).on_the_phone || builtin_has_call(rq->snapshot), told = false;
    struct es_node *activities;

    if (!p->n_activities && !calling)
        return;
    activities = api->child(person, "rpid:activities");
    for (size_t i = 0; i < p->n_activities; i++) {
        if (calling && is_activity(&p->activities[i], "unknown"))
            continue;
        if (is_activity(&p->activities[i], "on-the-phone"))
            told = true;
        api->xml(activities, p->activities[i].xml);
    }
    if (calling && !told)
        api->child(activities, "rpid:on-the-phone");
}

static void person_print(const struct es_body_request *rq, struct es_node *presence)
{
    static const struct es_person nobody;
    const struct es_presence *presentity = rq->snapshot->published_presence;
    const struct es_person *p = presentity->n_persons ? &presentity->persons[0] : &nobody;
    struct es_node *person = item_child(rq, presence, "dm:person", pidf_person_item(presentity));

    activities_print(rq, person, p);
    elements_print(rq->api, person, p->elements, p->n_elements);
    notes_print(rq->api, person, "dm:note", p->notes, p->n_notes);
    text_if_given(rq->api, person, "dm:timestamp", p->timestamp);
}

static void device_print(const struct es_body_request *rq, struct es_node *presence, size_t i)
{
    const struct es_presence *p = rq->snapshot->published_presence;
    const struct es_device *d = &p->devices[i];
    const struct es_document_api *api = rq->api;
    struct es_node *device = item_child(rq, presence, "dm:device", pidf_device_item(p, i));

    elements_print(api, device, d->elements, d->n_elements);
    api->text(api->child(device, "dm:deviceID"), d->device_id);
    notes_print(api, device, "dm:note", d->notes, d->n_notes);
    text_if_given(api, device, "dm:timestamp", d->timestamp);
}

/* ---- the document ---- */

void pidf_published(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_presence *p = rq->snapshot->published_presence;
    const struct es_document_api *api = rq->api;
    struct es_node *presence = api->root(out, "presence");
    bool asterisk = rq->flags & ES_FLAG_ASTERISK;

    pidf_declare_person(api, presence);
    if (asterisk)
        notes_print(api, presence, "note", p->notes, p->n_notes);
    tuples_print(rq, presence);
    if (!asterisk)
        notes_print(api, presence, "note", p->notes, p->n_notes);
    person_print(rq, presence);
    for (size_t i = 0; i < p->n_devices; i++)
        device_print(rq, presence, i);
    api->xml(presence, p->extensions);
}
