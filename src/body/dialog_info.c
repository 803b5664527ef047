// SPDX-License-Identifier: MIT
/* dialog_info.c - application/dialog-info+xml, RFC 4235: the dialogs that were published for the
 * resource, and one dialog that stands for its hint, in a NOTIFY also when nothing is going on,
 * because that is what telephones have learnt to read.
 *
 * As Asterisk writes a hint's dialog the parties stand before the state, and a held call's
 * parameter has its value in `pvalue`. The schema of RFC 4235 section 4.4 wants state, local,
 * remote and `pval`; that is what is written without ES_FLAG_ASTERISK. No other party is named in
 * either: a device state does not tell who calls. Asterisk has no form for published dialogs, so
 * theirs is the same for all. The name of a party is in `display`, as in the text and the examples
 * of section 4.1.6 and as phones read it; the schema calls it `display-name`. */
#include "body/builtin.h"
#include <stdio.h>

static const char *const state_names[] = {
    [ES_DIALOG_TRYING] = "trying",         [ES_DIALOG_PROCEEDING] = "proceeding",
    [ES_DIALOG_EARLY] = "early",           [ES_DIALOG_CONFIRMED] = "confirmed",
    [ES_DIALOG_TERMINATED] = "terminated",
};

/* How much it matters to somebody with one lamp: a call that can be picked up before all others. */
static unsigned dialog_rank(enum es_dialog_state state, enum es_direction direction)
{
    static const unsigned ranks[] = {
        [ES_DIALOG_TERMINATED] = 0, [ES_DIALOG_TRYING] = 1, [ES_DIALOG_PROCEEDING] = 2,
        [ES_DIALOG_CONFIRMED] = 3,  [ES_DIALOG_EARLY] = 4,
    };

    return ranks[state] + (state == ES_DIALOG_EARLY && direction == ES_DIRECTION_RECIPIENT);
}

unsigned builtin_dialog_rank(const struct es_dialog *d)
{
    return dialog_rank(d->state, d->direction);
}

/* ---- the hint's dialog ---- */

struct hint_dialog {
    enum es_extension_state told;
    enum es_dialog_state state;
    enum es_direction direction;
};

static enum es_dialog_state hint_dialog_state(enum es_extension_state state, unsigned flags)
{
    switch (state) {
    case ES_EXTENSION_INUSE:
    case ES_EXTENSION_BUSY:
    case ES_EXTENSION_ONHOLD:
        return ES_DIALOG_CONFIRMED;
    case ES_EXTENSION_RINGING:
        return ES_DIALOG_EARLY;
    case ES_EXTENSION_INUSE_RINGING: /* the option is an endpoint's, and a PUBLISH has none */
        return (flags & ES_FLAG_EARLY_INUSE_RINGING) && !(flags & ES_FLAG_PUBLISH)
                   ? ES_DIALOG_EARLY
                   : ES_DIALOG_CONFIRMED;
    case ES_EXTENSION_REMOVED:
    case ES_EXTENSION_IDLE:
    case ES_EXTENSION_UNAVAILABLE:
        break;
    }
    return ES_DIALOG_TERMINATED;
}

/* While dialogs are published it speaks for the hint alone, and without a hint for nobody: idle.
 * Else the state of the resource is all there is. */
static struct hint_dialog hint_dialog(const struct es_body_request *rq)
{
    struct hint_dialog h = { .told = builtin_state(rq) };

    if (rq->snapshot->has_dialogs)
        h.told = rq->snapshot->has_hint && !rq->snapshot->calls_known ? builtin_hint_state(rq)
                                                                      : ES_EXTENSION_IDLE;
    h.state = hint_dialog_state(h.told, rq->flags);
    h.direction = h.state == ES_DIALOG_EARLY ? ES_DIRECTION_RECIPIENT : ES_DIRECTION_NONE;
    return h;
}

enum { HINT_ID_MAX = 256 }; /* longer ones are cut: an extension has less than 80 bytes */

static bool id_taken(const struct es_snapshot *s, struct es_text id)
{
    for (size_t i = 0; i < s->n_dialogs; i++)
        if (s->dialogs[i].id.n == id.n && !memcmp(s->dialogs[i].id.p, id.p, id.n))
            return true;
    return false;
}

/* The extension; with something behind it where a publisher calls a dialog by that name, as
 * Asterisk does. */
static void hint_id(const struct es_body_request *rq, struct es_node *dialog)
{
    struct es_text id = rq->snapshot->extension;
    char room[HINT_ID_MAX + sizeof("-hint4294967295")];
    size_t n = id.n < HINT_ID_MAX ? id.n : HINT_ID_MAX;

    if (n)
        memcpy(room, id.p, n);
    for (unsigned i = 1; id_taken(rq->snapshot, id); i++) {
        int added = snprintf(room + n, sizeof(room) - n, i == 1 ? "-hint" : "-hint%u", i);

        id = (struct es_text){ room, n + (size_t)added };
    }
    rq->api->attribute(dialog, "id", id);
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

static void hint_dialog_print(const struct es_body_request *rq, struct es_node *root,
                              const struct hint_dialog *h)
{
    const struct es_document_api *api = rq->api;
    bool early = h->state == ES_DIALOG_EARLY, party = early && !(rq->flags & ES_FLAG_PUBLISH);
    struct es_node *dialog = api->child(root, "dialog");

    hint_id(rq, dialog);
    if (early)
        api->attribute(dialog, "direction", ES_TEXT("recipient"));
    if (party && (rq->flags & ES_FLAG_ASTERISK))
        local_party(api, dialog);
    api->text(api->child(dialog, "state"), es_text_of(state_names[h->state]));
    if (party && !(rq->flags & ES_FLAG_ASTERISK))
        local_party(api, dialog);
    if (h->told == ES_EXTENSION_ONHOLD)
        local_held(rq, dialog);
}

/* ---- published dialogs ---- */

static void attribute_if_given(const struct es_document_api *api, struct es_node *n,
                               const char *name, struct es_text value)
{
    if (value.n)
        api->attribute(n, name, value);
}

/* RFC 4235 section 4.1.6. A target must have a URI, and one without says the same of its party. */
static void party_print(const struct es_document_api *api, struct es_node *dialog, const char *name,
                        const struct es_dialog_party *p)
{
    bool identity = p->identity.n || p->display.n, target = p->target.n || p->n_params,
         session = p->session.n || p->session_type.n;
    struct es_node *party, *n;

    if (!identity && !target && !session)
        return;
    party = api->child(dialog, name);
    if (identity) {
        n = api->child(party, "identity");
        attribute_if_given(api, n, "display", p->display);
        api->text(n, p->identity);
    }
    if (target) {
        struct es_node *of = api->child(party, "target");

        api->attribute(of, "uri", p->target.n ? p->target : p->identity);
        for (size_t i = 0; i < p->n_params; i++) {
            n = api->child(of, "param");
            api->attribute(n, "pname", p->params[i].name);
            api->attribute(n, "pval", p->params[i].value);
        }
    }
    if (session) {
        n = api->child(party, "session-description");
        api->attribute(n, "type", p->session_type);
        api->text(n, p->session);
    }
}

static void state_print(const struct es_document_api *api, struct es_node *dialog,
                        const struct es_dialog *d)
{
    struct es_node *state = api->child(dialog, "state");
    char code[16];

    attribute_if_given(api, state, "event", d->event);
    if (d->code) {
        snprintf(code, sizeof(code), "%u", d->code);
        api->attribute(state, "code", es_text_of(code));
    }
    api->text(state, es_text_of(state_names[d->state]));
}

static void dialog_print(const struct es_document_api *api, struct es_node *root,
                         const struct es_dialog *d)
{
    static const char *const directions[] = { [ES_DIRECTION_NONE] = NULL,
                                              [ES_DIRECTION_INITIATOR] = "initiator",
                                              [ES_DIRECTION_RECIPIENT] = "recipient" };
    struct es_node *dialog = api->child(root, "dialog");

    api->attribute(dialog, "id", d->id);
    attribute_if_given(api, dialog, "call-id", d->call_id);
    attribute_if_given(api, dialog, "local-tag", d->local_tag);
    attribute_if_given(api, dialog, "remote-tag", d->remote_tag);
    attribute_if_given(api, dialog, "direction", es_text_of(directions[d->direction]));
    state_print(api, dialog, d);
    api->xml(dialog, d->details);
    party_print(api, dialog, "local", &d->local);
    party_print(api, dialog, "remote", &d->remote);
    api->xml(dialog, d->extensions);
}

/* ---- the document ---- */

/* Where no idle form is needed, dialogs that have ended, which are the last, are told only once. */
static size_t dialogs_told(const struct es_body_request *rq)
{
    const struct es_snapshot *s = rq->snapshot;
    size_t n = s->n_dialogs;

    if (!(rq->flags & ES_FLAG_NO_IDLE_DIALOG) ||
        (rq->flags & (ES_FLAG_ASTERISK | ES_FLAG_PUBLISH | ES_FLAG_ENDED)))
        return n;
    while (n && s->dialogs[n - 1].state == ES_DIALOG_TERMINATED)
        n--;
    return n;
}

/* A compositor learns that nothing is going on by a document without a dialog. Kamailio takes
 * nothing more for a publication whose dialogs have all terminated: it would answer 200 to the next
 * state, drop it, and leave the lamp dark. Telephones get their one dialog from the compositor, and
 * from us unless they can do without. */
static bool shows_none(const struct es_body_request *rq, const struct hint_dialog *h)
{
    const struct es_snapshot *s = rq->snapshot;

    if ((rq->flags & ES_FLAG_ASTERISK) || h->state != ES_DIALOG_TERMINATED)
        return false;
    if (dialogs_told(rq)) /* the first one matters most */
        return (rq->flags & ES_FLAG_PUBLISH) && s->dialogs[0].state == ES_DIALOG_TERMINATED;
    return rq->flags & (ES_FLAG_PUBLISH | ES_FLAG_NO_IDLE_DIALOG);
}

/* Those that matter most first, as published ones are ordered. */
static void dialogs_print(const struct es_body_request *rq, struct es_node *root,
                          const struct hint_dialog *h)
{
    const struct es_snapshot *s = rq->snapshot;
    unsigned hint_rank = dialog_rank(h->state, h->direction);
    size_t next = 0, told = dialogs_told(rq);
    size_t limit = rq->flags & ES_FLAG_ONE_DIALOG ? 1 : SIZE_MAX;
    bool hint = h->state != ES_DIALOG_TERMINATED || !told;

    for (size_t n = 0; n < limit && (hint || next < told); n++) {
        const struct es_dialog *d = next < told ? &s->dialogs[next] : NULL;

        if (hint && (!d || hint_rank > builtin_dialog_rank(d))) {
            hint_dialog_print(rq, root, h);
            hint = false;
        } else {
            dialog_print(rq->api, root, d);
            next++;
        }
    }
}

static int dialog_info_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_document_api *api = rq->api;
    struct hint_dialog h = hint_dialog(rq);
    struct es_node *root = api->root(out, "dialog-info");

    api->attribute(root, "xmlns", ES_TEXT("urn:ietf:params:xml:ns:dialog-info"));
    api->attribute_slot(root, "version", ES_SLOT_VERSION, NULL);
    api->attribute(root, "state", ES_TEXT("full"));
    api->attribute_slot(root, "entity", ES_SLOT_LOCAL, NULL);
    if (!shows_none(rq, &h))
        dialogs_print(rq, root, &h);
    return 0;
}

const struct es_body_generator dialog_info_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "dialog-info",
    .package = "dialog presence",
    .content_type = "application/dialog-info+xml",
    .generate = dialog_info_generate,
};
