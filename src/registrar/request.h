// SPDX-License-Identifier: MIT
/* request.h - one request to a contact, outside a dialog or in one that
 * it has: the way there, with all addresses of a name in turn (RFC 3263), the challenge that is
 * met, and the answer. Its bytes are made of what the contact and the settings are, each time
 * again: whoever changes one of them stops it first. A dialog that begins meanwhile changes none of
 * them. Threads: the worker that owns it. */
#pragma once
#include "base/clock.h"
#include "base/map.h"
#include "config/settings.h"
#include "dns/dns.h"
#include "registrar/contact.h"
#include "txn/txn.h"

struct contact_request;

struct contact_request_port {
    void *ctx;
    /* Find where to send; answer with contact_requests_resolved, never from inside. An answer that
     * does not come counts as none after half a minute. */
    void (*resolve)(void *ctx, const struct dns_question *q, uint64_t question);
    /* The way to send there by this protocol: by the transport that is named, or by the best of
     * all. 0 or -errno. */
    int (*route)(void *ctx, struct str transport_id, enum net_protocol protocol,
                 const struct addr *remote, struct flow *out);
    /* Likewise from an address of ours, by whichever transport has it. -EADDRNOTAVAIL: none has. */
    int (*route_from)(void *ctx, enum net_protocol protocol, const struct addr *local,
                      const struct addr *remote, struct flow *out);
    /* The id of flow.transport; empty: nothing leaves by it any more. */
    struct str (*transport)(void *ctx, uint32_t transport);
};

struct contact_requests { /* what those of one owner have in common */
    struct txn_layer *txn;
    struct wheel *wheel;
    struct rng *rng;
    struct log *log;
    struct contact_request_port port;
    const struct settings *settings; /* the owner's reference */
    /* ---- from contact_requests_init on ---- */
    struct map seeking; /* struct contact_request, by the question */
    uint64_t last_question;
    uint64_t challenged; /* how often one was */
};
/* `keys`: for those of its table. 0 or -ENOMEM; fini is fine in any case. */
NODISCARD int contact_requests_init(struct contact_requests *all, struct rng *keys);
void contact_requests_fini(struct contact_requests *all); /* nothing is under way */
/* The answer to port.resolve; false: nobody waits for it. */
bool contact_requests_resolved(struct contact_requests *all, uint64_t question,
                               const struct dns_targets *found);

struct contact_request_ops {
    enum sip_method method;
    /* The lines that only this method has. */
    void (*print)(const struct contact_request *r, struct buf *out);
    /* Content-Type, Content-Length, the empty line and the body; `self` is the URI of From. NULL:
     * it has none. */
    void (*body)(const struct contact_request *r, struct str self, struct buf *out);
    /* By whose options it goes, an id; NULL: the contact's endpoint. */
    struct str (*endpoint)(const struct contact_request *r);
    /* The user of From; NULL or empty: as the endpoint has it, or [global]. */
    struct str (*from_user)(const struct contact_request *r);
    /* It has been sent, for the first time to this address. */
    void (*sent)(struct contact_request *r);
    /* Is a challenge to be answered? NULL: always. */
    bool (*authenticates)(const struct contact_request *r);
    /* `status` as a client transaction has it: 408: no answer, 503: not reached. `response` NULL:
     * none came, or it is a 2xx and `success_suffices`. It may be started again from inside. */
    void (*done)(struct contact_request *r, unsigned status, const struct sip_message *response);
    /* Nothing is known by it, for we are short of something. */
    void (*put_off)(struct contact_request *r);
    bool success_suffices;
};

struct contact_dialog { /* RFC 3261 section 12 */
    struct str target;  /* the remote one; empty: that of the contact */
    struct str routes;  /* the value of Route; may be empty */
    struct str remote_tag;
    char text[];
};

enum request_state {
    REQUEST_NONE,
    REQUEST_SEEKING, /* the address of the next hop was asked for */
    REQUEST_SENT,
};

struct contact_request {
    const struct contact_request_ops *ops;
    struct contact_requests *all;
    const struct contact *contact; /* the owner's reference */
    struct contact_dialog *dialog; /* the owner's; NULL: there is none, and the contact says where
                                      it goes */
    uint32_t timeout_ms;           /* that an answer may take; 0: as the transaction has it */
    uint32_t cseq;                 /* of the last one */
    char tag[TXN_TAG_MAX], call_id[32];
    uint8_t tag_n;
    /* ---- while it is under way ---- */
    enum request_state state;
    struct map_node asked; /* seeking: contact_requests.seeking */
    struct client_txn txn;
    struct timer timer; /* patience */
    uint64_t question;
    struct dns_targets *targets; /* on the heap, while there are several and none has answered */
    unsigned next;               /* the one in use */
    struct str authorization;    /* lines, after a challenge */
    unsigned challenges;
    bool by_connection; /* the one that the contact was registered by */
    bool in_dialog;     /* there was one when it was started */
};

/* With a Call-ID and a tag of its own; `contact` may be set anew while nothing is under way. */
void contact_request_init(struct contact_request *r, struct contact_requests *all,
                          const struct contact *contact, const struct contact_request_ops *ops);
/* Another Call-ID and tag: what follows is no longer the same dialog. */
void contact_request_renew(struct contact_request *r);
/* Begin; nothing is under way, and the settings have the contact's aor and the endpoint. */
void contact_request_start(struct contact_request *r);
/* Forget what is under way, if anything. */
void contact_request_stop(struct contact_request *r);
/* For `done`: is that where it was sent? Where names or proxies are on the way nobody can tell. */
bool contact_request_is_from(const struct contact_request *r, const struct addr *source);

static inline struct str contact_request_tag(const struct contact_request *r)
{
    return (struct str){ r->tag, r->tag_n };
}
static inline struct str contact_request_call_id(const struct contact_request *r)
{
    return (struct str){ r->call_id, sizeof(r->call_id) };
}
