// SPDX-License-Identifier: MIT
/* uas.h - what happens to every request before its method's own code: RFC 3261 section 8.2 in its
 * order, and who is asking.
 *
 * Methods are registered; OPTIONS is answered here. Checks: Request-URI scheme 416, Max-Forwards
 * present but unreadable 400 (0 is fine: we are the end), a Route that names us is ignored, method
 * 405 + Allow (a known one we do not serve) or 501, Require 420 + Unsupported, Content-Encoding 415
 * + Accept-Encoding, endpoint identification 403. Threads: the worker's. */
#pragma once
#include "config/settings.h"
#include "txn/txn.h"

struct uas; /* opaque: see uas.c */

struct uas_request { /* valid for the handler's call */
    const struct sip_message *msg;
    const struct flow *flow;
    struct server_txn *txn;
    const struct endpoint_settings *endpoint; /* who asks */
    const struct settings *settings;
    struct sip_uri uri; /* Request-URI, parsed */
};
typedef void (*uas_handler_fn)(void *ctx, const struct uas_request *rq);

struct uas_config {
    struct txn_layer *txn;
    struct log *log;
    const struct settings *settings; /* a reference is taken */
    struct str accept;               /* for OPTIONS: all media types we notify; borrowed */
    struct str allow_events;         /* "dialog, presence"; borrowed */
};
NODISCARD int uas_create(struct uas **out, const struct uas_config *cfg);
void uas_destroy(struct uas *u);
void uas_settings_set(struct uas *u, const struct settings *settings);
/* `extensions`: option tags this method understands in Require, comma separated; borrowed. */
void uas_method_set(struct uas *u, enum sip_method method, struct str extensions,
                    uas_handler_fn handler, void *ctx);
/* The txn layer's request function: pass the struct uas as ctx. */
void uas_request(void *uas, struct server_txn *st, const struct sip_message *msg,
                 const struct flow *from);

/* Who sent this: identifiers in global.endpoint_identifier_order; NULL when nobody is known by that
 * name or address. Identify sections are tried one by one: fine for a few hundred; uas_request does
 * the same with an index. The domain of every transport counts, not only of the one it came by. */
const struct endpoint_settings *endpoint_identify(const struct settings *s,
                                                  const struct sip_message *msg,
                                                  const struct addr *source);

/* Warning header line (RFC 3261 section 20.43, code 399) that says in words why a request was
 * refused. */
void uas_print_warning(struct buf *out, struct str agent, const char *text);
