// SPDX-License-Identifier: MIT
/* uas.h - what happens to every request before its method's own code: RFC 3261 section 8.2 in its
 * order, and who is asking.
 *
 * Methods are registered; OPTIONS is answered here. Checks: how often 503, acl objects 403 (these
 * two before anything else is answered, whatever it is: uas_admit), Request-URI scheme 416,
 * Max-Forwards present but unreadable 400 (0 is fine: we are the end), a Route that names us is
 * ignored, method 405 + Allow (a known one we do not serve) or 501, Require 420 + Unsupported (of
 * many tags the first) or, where all are too long to be named, 400, Content-Encoding 415 +
 * Accept-Encoding, a NOTIFY in no dialog of ours 481, endpoint identification 403 or 401, its
 * credentials 401 + WWW-Authenticate, or 400. None of these answers is kept, nor that to OPTIONS.
 * Threads: the worker's. */
#pragma once
#include "config/settings.h"
#include "txn/limits.h"
#include "txn/nonces.h"
#include "txn/txn.h"

struct uas; /* opaque: see uas.c */

struct uas_request { /* valid for the handler's call */
    const struct sip_message *msg;
    const struct flow *flow;
    struct server_txn *txn;
    const struct endpoint_settings *endpoint; /* who asks */
    const struct endpoint_settings *denied; /* who it would be by another address, if that is it */
    bool in_dialog;                         /* `endpoint` is known by uas_dialog_set */
    const struct settings *settings;
    struct sip_uri uri; /* Request-URI, parsed */
};
typedef void (*uas_handler_fn)(void *ctx, const struct uas_request *rq);

struct uas_config {
    struct txn_layer *txn;
    struct log *log;
    const struct settings *settings; /* a reference is taken */
    struct str accept;               /* for OPTIONS: all media types we notify; borrowed */
    struct str allow_events;         /* "dialog, presence", to which settings add; borrowed */
    struct nonces *nonces;           /* of all workers; borrowed */
    struct limits *limits;           /* likewise; NULL: nothing is limited */
    struct rng *rng;                 /* borrowed */
};
NODISCARD int uas_create(struct uas **out, const struct uas_config *cfg);
void uas_destroy(struct uas *u);
void uas_settings_set(struct uas *u, const struct settings *settings);
/* In the place of those of uas_config. */
void uas_offer_set(struct uas *u, struct str accept, struct str allow_events);
/* `extensions`: option tags this method understands in Require, comma separated; borrowed. */
void uas_method_set(struct uas *u, enum sip_method method, struct str extensions,
                    uas_handler_fn handler, void *ctx);
/* Told of each request that is refused here, while its answer is made. `rq->endpoint` is NULL where
 * nobody is known by what it says. `why` says more than the answer does, which must not help to
 * guess; NULL: it was asked for credentials, and may come again with them. */
typedef void (*uas_refused_fn)(void *ctx, const struct uas_request *rq, unsigned status,
                               const char *why);
void uas_refused_set(struct uas *u, uas_refused_fn refused, void *ctx);
/* Asked of a NOTIFY with a To tag who the other side of that dialog is, which we began: that is
 * proof enough, since nobody else knows its tags. NULL: there is no such dialog, which is 481. */
typedef const struct endpoint_settings *(*uas_dialog_fn)(void *ctx, const struct sip_message *msg);
void uas_dialog_set(struct uas *u, uas_dialog_fn dialog, void *ctx);
/* The id of the transport with that number of a flow; empty: there is none. Without it a
 * transport's `domain` finds nobody. */
typedef struct str (*uas_transport_fn)(void *ctx, uint32_t number);
void uas_transport_set(struct uas *u, uas_transport_fn transport, void *ctx);
struct uas_counters {
    uint64_t challenged;        /* 401 to requests without credentials for us */
    uint64_t wrong_credentials; /* 401 to requests with another name or password */
    uint64_t stale_nonces;      /* 401 to requests whose nonce is old, or is used once more */
    uint64_t broken_credentials, unidentified;
    uint64_t too_often; /* 503: over requests_per_source or requests_per_endpoint */
    uint64_t denied;    /* by the addresses of an acl or of the endpoint */
};
void uas_counters_get(const struct uas *u, struct uas_counters *out);
/* The txn layer's functions: pass the struct uas as ctx. */
bool uas_admit(void *uas, const struct sip_message *msg, const struct flow *from,
               struct txn_refusal *refusal);
void uas_request(void *uas, struct server_txn *st, const struct sip_message *msg,
                 const struct flow *from);

/* Who sent this: by the certificate of the peer, else identifiers in
 * global.endpoint_identifier_order; NULL when nobody is known by that
 * name or address. Identify sections are tried one by one: fine for a few hundred; uas_request does
 * the same with an index. `transport`: the id of the one it came by, whose domain counts. */
const struct endpoint_settings *endpoint_identify(const struct settings *s,
                                                  const struct sip_message *msg,
                                                  const struct flow *from, struct str transport);

/* May that be a Contact of this endpoint's, as far as the addresses permitted say (as above for the
 * first one of each request; names are not looked up)? */
bool uas_contact_permitted(const struct settings *s, const struct endpoint_settings *e,
                           const struct sip_uri *contact);

/* Warning header line (RFC 3261 section 20.43, code 399) that says in words why a request was
 * refused. */
void uas_print_warning(struct buf *out, struct str agent, const char *text);
