// SPDX-License-Identifier: MIT
/* xpidf.c - application/xpidf+xml, the presence document of drafts from before PIDF, which some
 * telephones still ask for, with Microsoft's msnsubstatus. application/cpim-pidf+xml is another
 * name for the same document: nobody reads it as CPIM. There is no schema to be valid against, so
 * that both modes are the same. */
#include "body/builtin.h"

struct xpidf_state {
    const char *status, *substatus;
};

static struct xpidf_state xpidf_state(enum es_extension_state state)
{
    switch (state) {
    case ES_EXTENSION_INUSE:
    case ES_EXTENSION_BUSY:
    case ES_EXTENSION_RINGING:
    case ES_EXTENSION_INUSE_RINGING:
    case ES_EXTENSION_ONHOLD:
        return (struct xpidf_state){ "inuse", "onthephone" };
    case ES_EXTENSION_UNAVAILABLE:
        return (struct xpidf_state){ "closed", "offline" };
    case ES_EXTENSION_REMOVED:
    case ES_EXTENSION_IDLE:
        break;
    }
    return (struct xpidf_state){ "open", "online" };
}

/* Presence was published, and nobody is there: no tuple is open, nor would the hint's be, nor is
 * there a call. */
static bool nobody_there(const struct es_body_request *rq)
{
    const struct es_snapshot *s = rq->snapshot;
    const struct es_presence *p = s->published_presence;

    if (!p || (s->has_hint && builtin_hint_state(rq) != ES_EXTENSION_UNAVAILABLE) ||
        builtin_has_call(s))
        return false;
    for (size_t i = 0; i < p->n_tuples; i++)
        if (p->tuples[i].basic == ES_BASIC_OPEN)
            return false;
    return true;
}

static int xpidf_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_document_api *api = rq->api;
    struct xpidf_state state =
        xpidf_state(nobody_there(rq) ? ES_EXTENSION_UNAVAILABLE : builtin_state(rq));
    struct es_node *presence = api->root(out, "presence"), *atom, *address;

    api->attribute_slot(api->child(presence, "presentity"), "uri", ES_SLOT_LOCAL,
                        ";method=SUBSCRIBE");
    atom = api->child(presence, "atom");
    api->attribute(atom, "atomid", rq->unique);
    api->attribute(atom, "id", rq->snapshot->extension);
    address = api->child(atom, "address");
    api->attribute_slot(address, "uri", ES_SLOT_REMOTE, ";user=ip");
    api->attribute(address, "priority", ES_TEXT("0.80000"));
    api->attribute(api->child(address, "status"), "status", es_text_of(state.status));
    api->attribute(api->child(address, "msnsubstatus"), "substatus", es_text_of(state.substatus));
    return 0;
}

const struct es_body_generator xpidf_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "xpidf",
    .package = "presence dialog",
    .content_type = "application/xpidf+xml",
    .generate = xpidf_generate,
};

const struct es_body_generator cpim_pidf_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "cpim-pidf",
    .package = "presence dialog",
    .content_type = "application/cpim-pidf+xml",
    .generate = xpidf_generate,
};
