// SPDX-License-Identifier: MIT
/* inbound_dialog.c - application/dialog-info+xml, RFC 4235 section 4. Elements may come in any
 * order: Asterisk has the parties before the state, and a second `local` behind it. */
#include "body/inbound_internal.h"

struct dialogs {
    struct es_dialog *p;
    size_t n;
};

static bool is_ours(const struct xml_node *n, const char *local)
{
    return xml_is(n, NS_DIALOG_INFO, str_of(local));
}

static int number_read(uint32_t *out, struct buf *why, const struct xml_node *n,
                       struct str attribute, uint32_t min, uint32_t max)
{
    struct str text;

    if (!xml_attribute_find(n, attribute, &text))
        return 0;
    text = str_trim(text);        /* Kamailio pads the version with blanks */
    if (text.n && *text.p == '+') /* as XML Schema has it */
        text = str_sub(text, 1, text.n);
    if (str_to_u32(out, text) || *out < min || *out > max)
        return xml_refuse(why, n, "not a number in its range:", text);
    return 0;
}

/* ---- state ---- */

/* Why it has come so. */
static int event_read(struct inbound *in, struct es_dialog *d, const struct xml_node *state)
{
    static const char *const words[] = { "cancelled",  "rejected", "replaced", "local-bye",
                                         "remote-bye", "error",    "timeout" };
    struct str word;

    if (!xml_attribute_find(state, STR("event"), &word))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal(str_trim(word), str_of(words[i])))
            return inbound_attribute(in, &d->event, state, STR("event"));
    return xml_refuse(in->why, state, "unknown event", word);
}

static int state_read(struct inbound *in, struct es_dialog *d, const struct xml_node *n)
{
    static const char *const words[] = { NULL,    "trying",    "proceeding",
                                         "early", "confirmed", "terminated" };
    struct str word = str_trim(xml_text(n));
    uint32_t code = 0;
    int r;

    for (size_t i = 1; i < ARRAY_LEN(words); i++)
        if (str_equal(word, str_of(words[i])))
            d->state = (enum es_dialog_state)i;
    if (d->state == 0)
        return xml_refuse(in->why, n, "unknown state", word.n ? word : STR(""));
    r = number_read(&code, in->why, n, STR("code"), 100, 699);
    d->code = code;
    return r ? r : event_read(in, d, n);
}

static int direction_read(struct inbound *in, struct es_dialog *d, const struct xml_node *n)
{
    struct str word;

    if (!xml_attribute_find(n, STR("direction"), &word))
        return 0;
    if (str_equal(word, STR("initiator")))
        d->direction = ES_DIRECTION_INITIATOR;
    else if (str_equal(word, STR("recipient")) ||
             str_equal(word, STR("receiver"))) /* as in an example of RFC 4235 */
        d->direction = ES_DIRECTION_RECIPIENT;
    else
        return xml_refuse(in->why, n, "unknown direction", word);
    return 0;
}

/* ---- the two parties ---- */

static int param_read(struct inbound *in, struct es_param *p, const struct xml_node *n)
{
    struct str value = STR_EMPTY;
    int r = inbound_attribute(in, &p->name, n, STR("pname"));

    if (r)
        return r;
    if (p->name.n == 0)
        return xml_refuse(in->why, n, "no pname", STR_EMPTY);
    if (!xml_attribute_find(n, STR("pval"), &value))
        (void)xml_attribute_find(n, STR("pvalue"), &value); /* Asterisk's word for it */
    return event_state_text(in->state, &p->value, value);
}

static int target_read(struct inbound *in, struct es_dialog_party *party, const struct xml_node *n)
{
    struct es_param *params = NULL;
    size_t n_params = 0;
    int r = inbound_attribute(in, &party->target, n, STR("uri"));

    for (const struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c)) {
        if (ARRAY_GROW_IN(&in->state->arena, params, n_params))
            return -ENOMEM;
        params[n_params] = (struct es_param){ .name = { NULL, 0 } };
        r = param_read(in, &params[n_params], c);
        n_params++;
    }
    party->params = params;
    party->n_params = n_params;
    return r;
}

static int identity_read(struct inbound *in, struct es_dialog_party *party,
                         const struct xml_node *n)
{
    int r = inbound_content(in, &party->identity, n);

    if (r == 0)
        r = inbound_attribute(in, &party->display, n, STR("display"));
    if (r == 0 && party->display.n == 0) /* what the schema calls it, against text and examples */
        r = inbound_attribute(in, &party->display, n, STR("display-name"));
    return r;
}

static int session_read(struct inbound *in, struct es_dialog_party *party, const struct xml_node *n)
{
    int r = inbound_attribute(in, &party->session_type, n, STR("type"));

    return r ? r : event_state_text(in->state, &party->session, xml_text(n));
}

static int party_read(struct inbound *in, struct es_dialog_party *party, const struct xml_node *n)
{
    int r = 0;

    for (const struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c)) {
        if (is_ours(c, "identity"))
            r = identity_read(in, party, c);
        else if (is_ours(c, "target"))
            r = target_read(in, party, c);
        else if (is_ours(c, "session-description"))
            r = session_read(in, party, c);
    }
    return r;
}

/* RFC 4235 section 4.1.6.2: nothing is rendered here. */
static bool is_held(const struct es_dialog_party *local)
{
    for (size_t i = 0; i < local->n_params; i++) {
        struct str name = es_str(local->params[i].name);

        if (name.n && name.p[0] == '+')
            name = str_sub(name, 1, name.n);
        if (str_equal_nocase(name, STR("sip.rendering")))
            return str_equal_nocase(es_str(local->params[i].value), STR("no"));
    }
    return false;
}

/* ---- one dialog ---- */

static bool is_detail(const struct xml_node *n)
{
    return is_ours(n, "replaces") || is_ours(n, "referred-by") || is_ours(n, "route-set");
}

static bool is_extension(const struct xml_node *n)
{
    return !str_equal(n->name.namespace, NS_DIALOG_INFO);
}

static int attributes_read(struct inbound *in, struct es_dialog *d, const struct xml_node *n)
{
    int r = inbound_attribute(in, &d->id, n, STR("id"));

    if (r == 0 && d->id.n == 0)
        r = xml_refuse(in->why, n, "no id", STR_EMPTY);
    if (r == 0)
        r = inbound_attribute(in, &d->call_id, n, STR("call-id"));
    if (r == 0)
        r = inbound_attribute(in, &d->local_tag, n, STR("local-tag"));
    if (r == 0)
        r = inbound_attribute(in, &d->remote_tag, n, STR("remote-tag"));
    return r ? r : direction_read(in, d, n);
}

static int dialog_read(struct inbound *in, struct es_dialog *d, const struct xml_node *n)
{
    int r = attributes_read(in, d, n);

    for (const struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c)) {
        if (is_ours(c, "state"))
            r = state_read(in, d, c);
        else if (is_ours(c, "local"))
            r = party_read(in, &d->local, c);
        else if (is_ours(c, "remote"))
            r = party_read(in, &d->remote, c);
    }
    if (r == 0)
        r = inbound_keep_children(in, &d->details, n, is_detail);
    if (r == 0)
        r = inbound_keep_children(in, &d->extensions, n, is_extension);
    d->held = is_held(&d->local);
    return r;
}

/* In the place of one with its id, or at the end. */
static int dialog_put(struct inbound *in, struct dialogs *all, const struct es_dialog *d)
{
    for (size_t i = 0; i < all->n; i++)
        if (str_equal(es_str(all->p[i].id), es_str(d->id))) {
            all->p[i] = *d;
            return 0;
        }
    if (ARRAY_GROW_IN(&in->state->arena, all->p, all->n))
        return -ENOMEM;
    all->p[all->n++] = *d;
    return 0;
}

/* ---- the document ---- */

static int root_read(struct inbound *in, const struct xml_node *root)
{
    struct str word;

    if (xml_attribute_find(root, STR("state"), &word)) {
        in->state->partial = str_equal(word, STR("partial"));
        if (!in->state->partial && !str_equal(word, STR("full")))
            return xml_refuse(in->why, root, "neither full nor partial but", word);
    }
    return number_read(&in->state->version, in->why, root, STR("version"), 0, UINT32_MAX);
}

int inbound_dialog_read(struct inbound *in, const struct xml_node *root)
{
    struct dialogs all = { NULL, 0 };
    int r = root_read(in, root);

    for (const struct xml_node *n = xml_first(root); n && r == 0; n = xml_next(n)) {
        struct es_dialog d = { .direction = ES_DIRECTION_NONE };

        if (!is_ours(n, "dialog"))
            continue;
        r = dialog_read(in, &d, n);
        if (r == 0)
            r = dialog_put(in, &all, &d);
    }
    in->state->has_dialogs = true;
    in->state->dialogs = all.p;
    in->state->n_dialogs = all.n;
    in->state->device = dialogs_device_state(all.p, all.n);
    return r;
}
