// SPDX-License-Identifier: MIT
/* pidf.c - application/pidf+xml, RFC 3863, and its two supplements: RPID activities (RFC 4480) in a
 * person of the data model (RFC 4479), which Asterisk has for eyeBeam and sends to everyone; and
 * presence states for Digium's and Sangoma's phones.
 *
 * With ES_FLAG_ASTERISK the document is Asterisk's. Without it, it is valid: tuples come first,
 * then the note, then the person; the contact is the resource, not the watcher; and there are ids,
 * which must be of type xs:ID.
 *
 * One thing stays invalid: digium_presence is in the namespace of PIDF, where the schema lets only
 * others in. How the phones look for it is not known to us, they get it only when their User-Agent
 * says who they are, and a lamp that works counts more. */
#include "body/pidf.h"

struct pidf_state pidf_state(enum es_extension_state state)
{
    switch (state) {
    case ES_EXTENSION_INUSE:
    case ES_EXTENSION_BUSY:
        return (struct pidf_state){ "open", "On the phone", true };
    case ES_EXTENSION_UNAVAILABLE:
        return (struct pidf_state){ "closed", "Unavailable", false };
    case ES_EXTENSION_RINGING:
    case ES_EXTENSION_INUSE_RINGING:
        return (struct pidf_state){ "open", "Ringing", true };
    case ES_EXTENSION_ONHOLD:
        return (struct pidf_state){ "open", "On hold", true };
    case ES_EXTENSION_REMOVED:
    case ES_EXTENSION_IDLE:
        break;
    }
    return (struct pidf_state){ "open", "Ready", false };
}

/* ---- the generator ---- */

struct es_node *pidf_state_tuple(const struct es_body_request *rq, struct es_node *presence,
                                 struct es_text id, const struct pidf_state *state)
{
    const struct es_document_api *api = rq->api;
    struct es_node *tuple = api->child(presence, "tuple"), *contact;

    api->attribute(tuple, "id", id);
    api->text(api->child(api->child(tuple, "status"), "basic"), es_text_of(state->basic));
    contact = api->child(tuple, "contact");
    api->attribute(contact, "priority", ES_TEXT("1"));
    api->text_slot(contact, rq->flags & ES_FLAG_ASTERISK ? ES_SLOT_REMOTE : ES_SLOT_LOCAL);
    return tuple;
}

void pidf_declare_person(const struct es_document_api *api, struct es_node *presence)
{
    api->attribute(presence, "xmlns:dm", ES_TEXT("urn:ietf:params:xml:ns:pidf:data-model"));
    api->attribute(presence, "xmlns:rpid", ES_TEXT("urn:ietf:params:xml:ns:pidf:rpid"));
}

/* What the state alone says: one tuple and one note. */
static void resource_print(const struct es_body_request *rq, struct es_node *presence)
{
    const struct es_document_api *api = rq->api;
    struct pidf_state state = pidf_state(builtin_state(rq));
    struct es_text id = rq->snapshot->extension;
    bool asterisk = rq->flags & ES_FLAG_ASTERISK;
    char room[PIDF_ID_MAX];

    if (!asterisk)
        pidf_state_tuple(rq, presence, pidf_tuple_id(room, id), &state);
    api->text(api->child(presence, "note"), es_text_of(state.note));
    if (asterisk)
        pidf_state_tuple(rq, presence, id, &state);
}

static int pidf_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_document_api *api = rq->api;
    struct es_node *presence = api->root(out, "presence");

    api->attribute_slot(presence, "entity", ES_SLOT_LOCAL, NULL);
    api->attribute(presence, "xmlns", ES_TEXT("urn:ietf:params:xml:ns:pidf"));
    if (rq->snapshot->published_presence)
        pidf_published(rq, out);
    else
        resource_print(rq, presence);
    return 0;
}

const struct es_body_generator pidf_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "pidf",
    .package = "presence dialog",
    .content_type = "application/pidf+xml",
    .generate = pidf_generate,
};

/* ---- Digium, Sangoma ---- */

static bool digium_accepts(const struct es_subscriber *s)
{
    return text_contains(s->user_agent, ES_TEXT("digium")) ||
           text_contains(s->user_agent, ES_TEXT("sangoma"));
}

static int digium_add(const struct es_body_request *rq, struct es_document *d)
{
    const struct es_document_api *api = rq->api;
    const struct es_snapshot *s = rq->snapshot;
    struct es_node *presence = api->root(d, "presence"), *behind = api->find(presence, "note"),
                   *tuple, *state;

    if (!behind)
        behind = api->find(presence, "dm:person"); /* of a published presence without notes */
    if ((rq->flags & ES_FLAG_ASTERISK) || !behind)
        tuple = api->child(presence, "tuple");
    else
        tuple = api->child_before(behind, "tuple");
    api->attribute(tuple, "id", ES_TEXT("digium-presence"));
    state = api->child(api->child(tuple, "status"), "digium_presence");
    api->attribute(state, "type", s->presence);
    if (s->presence_subtype.n)
        api->attribute(state, "subtype", s->presence_subtype);
    api->text(state, s->presence_message);
    return 0;
}

const struct es_body_supplement digium_supplement = {
    .size = sizeof(struct es_body_supplement),
    .name = "digium",
    .content_type = "application/pidf+xml",
    .order = 100,
    .accepts = digium_accepts,
    .supplement = digium_add,
};

/* ---- eyeBeam ---- */

/* Asterisk has the person directly behind the resource's tuple, before any that another supplement
 * added. */
static struct es_node *person_place(const struct es_body_request *rq, struct es_node *presence)
{
    const struct es_document_api *api = rq->api;
    struct es_node *behind = api->next(api->find(presence, "tuple"));

    if ((rq->flags & ES_FLAG_ASTERISK) && behind)
        return api->child_before(behind, "dm:person");
    return api->child(presence, "dm:person");
}

static int eyebeam_add(const struct es_body_request *rq, struct es_document *d)
{
    const struct es_document_api *api = rq->api;
    struct es_node *presence = api->root(d, "presence"), *person;
    char room[PIDF_ID_MAX];

    if (api->find(presence, "dm:person")) /* there is one person: the published one */
        return 0;
    pidf_declare_person(api, presence);
    person = person_place(rq, presence);
    if (!(rq->flags & ES_FLAG_ASTERISK))
        api->attribute(person, "id", pidf_person_id(room, rq->snapshot->extension));
    if (pidf_state(builtin_state(rq)).on_the_phone)
        api->child(api->child(person, "rpid:activities"), "rpid:on-the-phone");
    return 0;
}

const struct es_body_supplement eyebeam_supplement = {
    .size = sizeof(struct es_body_supplement),
    .name = "eyebeam",
    .content_type = "application/pidf+xml",
    .order = 200,
    .supplement = eyebeam_add,
};
