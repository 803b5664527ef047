// SPDX-License-Identifier: MIT
/* snom_lamp.c - a supplement that names the watched extension in application/dialog-info+xml.
 *
 * A watcher learns from dialog-info which parties a call has, by URI. The server also knows the
 * name that belongs to the hint, and this puts it there as the display name of the local party:
 *
 *     <local>
 *      <identity display="Alice Smith">sip:1000@pbx.example</identity>
 *      <target uri="sip:1000@pbx.example" />
 *     </local>
 *
 * `display` is what the text and the examples of RFC 4235 section 4.1.6.1 have; its schema says
 * display-name, so that such a body is not valid against the schema.
 *
 * It is named after Snom, for whose telephones it was thought up: they show the parties of an
 * extension that they watch. The option `user_agent` makes it serve others. It was written from the
 * RFC and not tried on a telephone: which model and firmware shows the name is for you to find out.
 * States and everything else stay as they are.
 *
 * It is also an example: it includes the plugin ABI and nothing else of the server. */
#include "extstate/body.h"

struct snom_lamp_options {
    const char *user_agent;
    bool idle;
    uint32_t max_length;
};

static const struct es_option options[] = {
    { "user_agent", ES_OPTION_TEXT, offsetof(struct snom_lamp_options, user_agent), "snom",
      "for watchers whose User-Agent has this in it, in any case; empty: for all" },
    { "idle", ES_OPTION_BOOL, offsetof(struct snom_lamp_options, idle), "no",
      "also while there is no call" },
    { "max_length", ES_OPTION_U32, offsetof(struct snom_lamp_options, max_length), "0",
      "characters of the name that fit beside a key; 0: all" },
    { .name = NULL },
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool contains(struct es_text s, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= s.n; i++) {
        size_t k = 0;

        while (k < n && lower(s.p[i + k]) == lower(part[k]))
            k++;
        if (k == n)
            return true;
    }
    return false;
}

static bool accepts(const struct es_subscriber *s)
{
    const struct snom_lamp_options *o = s->options;

    return !s->publisher && contains(s->user_agent, o->user_agent);
}

/* The first `max` characters of UTF-8; 0: all of them. */
static struct es_text shortened(struct es_text name, uint32_t max)
{
    size_t end = 0;

    if (!max)
        return name;
    while (end < name.n) {
        if (((unsigned char)name.p[end] & 0xc0) != 0x80 && max-- == 0)
            break;
        end++;
    }
    return (struct es_text){ name.p, end };
}

static bool has_call(enum es_extension_state state)
{
    return state != ES_EXTENSION_IDLE && state != ES_EXTENSION_UNAVAILABLE &&
           state != ES_EXTENSION_REMOVED;
}

/* The generator writes a local party for some states and none for others. A new one goes where the
 * schema has it: behind the state, before a remote party. */
static struct es_node *local_identity(const struct es_document_api *api, struct es_node *dialog)
{
    struct es_node *local = api->find(dialog, "local"), *remote = api->find(dialog, "remote"),
                   *target, *identity;

    if (!local)
        local = remote ? api->child_before(remote, "local") : api->child(dialog, "local");
    identity = api->find(local, "identity");
    if (identity)
        return identity;
    target = api->find(local, "target");
    if (target) {
        identity = api->child_before(target, "identity");
    } else {
        identity = api->child(local, "identity");
        api->attribute_slot(api->child(local, "target"), "uri", ES_SLOT_LOCAL, NULL);
    }
    api->text_slot(identity, ES_SLOT_LOCAL);
    return identity;
}

static int add_name(const struct es_body_request *rq, struct es_document *d)
{
    const struct snom_lamp_options *o = rq->options;
    const struct es_document_api *api = rq->api;
    struct es_node *dialog = api->find(api->root(d, "dialog-info"), "dialog");

    if (!dialog || !rq->snapshot->hint_name.n || (!o->idle && !has_call(rq->snapshot->state)))
        return 0;
    api->attribute(local_identity(api, dialog), "display",
                   shortened(rq->snapshot->hint_name, o->max_length));
    return 0;
}

static const struct es_body_supplement supplement = {
    .size = sizeof(supplement),
    .name = "snom_lamp",
    .content_type = "application/dialog-info+xml",
    .order = 500,
    .accepts = accepts,
    .supplement = add_name,
};

static const struct es_body_supplement *const supplements[] = { &supplement, NULL };

ES_PLUGIN = {
    .abi = ES_PLUGIN_ABI,
    .size = sizeof(struct es_plugin),
    .name = "snom_lamp",
    .version = "1",
    .description = "the hint's name as display name of the local party in dialog-info",
    .supplements = supplements,
    .options = options,
    .options_size = sizeof(struct snom_lamp_options),
};
