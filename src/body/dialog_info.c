// SPDX-License-Identifier: MIT
/* dialog_info.c - application/dialog-info+xml, RFC 4235: one dialog per extension, in a NOTIFY also
 * when nothing is going on, because that is what telephones have learnt to read.
 *
 * As Asterisk writes it the parties stand before the state, and a held call's parameter has its
 * value in `pvalue`. The schema of RFC 4235 section 4.4 wants state, local, remote and `pval`; that
 * is what is written without ES_FLAG_ASTERISK. No other party is named in either: a device state
 * does not tell who calls. */
#include "body/builtin.h"

static const char *dialog_state(enum es_extension_state state, unsigned flags)
{
    switch (state) {
    case ES_EXTENSION_INUSE:
    case ES_EXTENSION_BUSY:
    case ES_EXTENSION_ONHOLD:
        return "confirmed";
    case ES_EXTENSION_RINGING:
        return "early";
    case ES_EXTENSION_INUSE_RINGING: /* the option is an endpoint's, and a PUBLISH has none */
        return (flags & ES_FLAG_EARLY_INUSE_RINGING) && !(flags & ES_FLAG_PUBLISH) ? "early"
                                                                                   : "confirmed";
    case ES_EXTENSION_REMOVED:
    case ES_EXTENSION_IDLE:
    case ES_EXTENSION_UNAVAILABLE:
        break;
    }
    return "terminated";
}

/* The ringing party: the resource itself. */
static void local_party(const struct es_document_api *api, struct es_node *dialog)
{
    struct es_node *local = api->child(dialog, "local");

    api->text_slot(api->child(local, "identity"), ES_SLOT_LOCAL);
    api->attribute_slot(api->child(local, "target"), "uri", ES_SLOT_LOCAL, NULL);
}

/* Nobody renders the media: RFC 4235 section 5.2, the only sign of a held call. */
static void local_held(const struct es_body_request *rq, struct es_node *dialog)
{
    const struct es_document_api *api = rq->api;
    struct es_node *target = api->child(api->child(dialog, "local"), "target");
    struct es_node *param;

    api->attribute_slot(target, "uri", ES_SLOT_LOCAL, NULL);
    param = api->child(target, "param");
    api->attribute(param, "pname", ES_TEXT("+sip.rendering"));
    api->attribute(param, rq->flags & ES_FLAG_ASTERISK ? "pvalue" : "pval", ES_TEXT("no"));
}

/* A compositor learns that nothing is going on by a document without a dialog. Kamailio takes
 * nothing more for a publication whose dialogs have all terminated: it would answer 200 to the next
 * state, drop it, and leave the lamp dark. Telephones get their one dialog from the compositor. */
static bool idle_is_empty(const char *state, unsigned flags)
{
    return (flags & ES_FLAG_PUBLISH) && !(flags & ES_FLAG_ASTERISK) && !strcmp(state, "terminated");
}

static int dialog_info_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_document_api *api = rq->api;
    enum es_extension_state told = builtin_state(rq);
    const char *state = dialog_state(told, rq->flags);
    bool early = !strcmp(state, "early"), party = early && !(rq->flags & ES_FLAG_PUBLISH);
    struct es_node *root = api->root(out, "dialog-info"), *dialog;

    api->attribute(root, "xmlns", ES_TEXT("urn:ietf:params:xml:ns:dialog-info"));
    api->attribute_slot(root, "version", ES_SLOT_VERSION, NULL);
    api->attribute(root, "state", ES_TEXT("full"));
    api->attribute_slot(root, "entity", ES_SLOT_LOCAL, NULL);
    if (idle_is_empty(state, rq->flags))
        return 0;
    dialog = api->child(root, "dialog");
    api->attribute(dialog, "id", rq->snapshot->extension);
    if (early)
        api->attribute(dialog, "direction", ES_TEXT("recipient"));
    if (party && (rq->flags & ES_FLAG_ASTERISK))
        local_party(api, dialog);
    api->text(api->child(dialog, "state"), es_text_of(state));
    if (party && !(rq->flags & ES_FLAG_ASTERISK))
        local_party(api, dialog);
    if (told == ES_EXTENSION_ONHOLD)
        local_held(rq, dialog);
    return 0;
}

const struct es_body_generator dialog_info_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "dialog-info",
    .package = "dialog presence",
    .content_type = "application/dialog-info+xml",
    .generate = dialog_info_generate,
};
