// SPDX-License-Identifier: MIT
/* messages.c - application/simple-message-summary, RFC 3842 section 5.2. It is never empty: there
 * are telephones that take an empty one for a fault. Urgent messages are always counted, as
 * Asterisk does. */
#include "body/builtin.h"
#include <stdio.h>

#include "sip/field.h"

enum { ACCOUNT_MAX = 1024 };

static const char *const class_names[ES_MESSAGE_CLASSES] = {
    [ES_MESSAGES_VOICE] = "Voice-Message", [ES_MESSAGES_FAX] = "Fax-Message",
    [ES_MESSAGES_PAGER] = "Pager-Message", [ES_MESSAGES_MULTIMEDIA] = "Multimedia-Message",
    [ES_MESSAGES_TEXT] = "Text-Message",   [ES_MESSAGES_NONE] = "None",
};

/* A URI as it is; a mere number is one of the domain that the subscriber asked. One that is too
 * long for a URI nobody could call. */
static void account_print(const struct es_document_api *api, struct es_text account,
                          struct es_document *out)
{
    bool uri = memchr(account.p, ':', account.n);
    char room[ACCOUNT_MAX];
    struct buf user;

    buf_init_on(&user, room, sizeof(room));
    if (!uri)
        sip_user_print(&user, (struct str){ account.p, account.n });
    if (user.error)
        return;
    api->raw(out, uri ? ES_TEXT("Message-Account: ") : ES_TEXT("Message-Account: sip:"));
    api->raw(out, uri ? account : (struct es_text){ user.p, user.n });
    if (!uri) {
        api->raw(out, ES_TEXT("@"));
        api->raw_slot(out, ES_SLOT_DOMAIN);
    }
    api->raw(out, ES_TEXT("\r\n"));
}

static int messages_generate(const struct es_body_request *rq, struct es_document *out)
{
    static const struct es_messages none = { .counts[ES_MESSAGES_VOICE] = { .given = true } };
    const struct es_messages *m = rq->snapshot->messages ? rq->snapshot->messages : &none;
    const struct es_document_api *api = rq->api;
    char line[128];

    api->raw(out,
             es_text_of(m->waiting ? "Messages-Waiting: yes\r\n" : "Messages-Waiting: no\r\n"));
    if (m->account.n)
        account_print(api, m->account, out);
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++) {
        const struct es_message_count *c = &m->counts[i];

        if (!c->given)
            continue;
        snprintf(line, sizeof(line), "%s: %u/%u (%u/%u)\r\n", class_names[i], c->new_count,
                 c->old_count, c->urgent_new, c->urgent_old);
        api->raw(out, es_text_of(line));
    }
    return 0;
}

const struct es_body_generator messages_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "message-summary",
    .package = "message-summary",
    .content_type = "application/simple-message-summary",
    .generate = messages_generate,
};
