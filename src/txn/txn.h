// SPDX-License-Identifier: MIT
/* txn.h - non-INVITE transactions of one worker: RFC 3261 section 17, RFC 4320, and the matching
 * rules of section 17.2.3.
 *
 * The layer has no sockets: bytes come in by txn_receive and leave through a port. A client
 * transaction lives inside its owner's object and keeps no copy of its message: it asks for it
 * again at each retransmission. Branches and To tags made here carry the worker's number, so that a
 * message that reaches another worker is handed over, never lost. Threads: the worker that owns it.
 */
#pragma once
#include "base/log.h"
#include "base/map.h"
#include "loop/wheel.h"
#include "net/net.h"
#include "sip/print.h"

enum { TIMER_T2_MS = 4000 }; /* RFC 3261 section 17.1.2.2 */

struct transport_settings;
struct txn_layer;  /* opaque: see layer.c */
struct server_txn; /* opaque: belongs to the layer */

struct txn_port {
    void *ctx;
    /* 0 or -errno: a failure is a transport error of the transaction. */
    int (*send)(void *ctx, const struct flow *to, struct str bytes);
    /* Another worker's: give it to that worker's txn_receive_forwarded. NULL: there is none,
     * everything is ours. 0; -EAGAIN, -ENOMEM: that worker has too much to do, and does not get it.
     */
    int (*forward)(void *ctx, unsigned worker, const struct flow *from, struct str datagram);
    /* As net_connect. NULL: there are no connections. */
    int (*connect)(void *ctx, struct flow *flow, struct str host);
    /* RFC 3261 section 18.1.1: in the place of a flow that is too narrow for a request the way to
     * the same remote by TCP, with NET_ANY_CONNECTION. False, and NULL: there is none, or it is not
     * wanted. */
    bool (*widen)(void *ctx, struct flow *flow);
};

/* A new request (not a retransmission, not ACK). `msg` and what it borrows live until the handler
 * returns; the transaction until it is answered. Every request must be answered, exactly once, now
 * or later: after 64*T1 the layer answers 500 itself and logs an error, and the late answer then
 * only frees the transaction. */
typedef void (*txn_request_fn)(void *ctx, struct server_txn *st, const struct sip_message *msg,
                               const struct flow *from);

/* Why a request is refused without a transaction. */
struct txn_refusal {
    unsigned status;
    const char *why;        /* for a Warning */
    struct str reason;      /* empty: the status's own phrase */
    uint64_t retry_after_s; /* 0: no such header */
};
/* Asked of each request but a repeated one, by the worker that received it, before anything else
 * is said to it: may it go on? Also of one that is broken, of which whatever could not be read is
 * empty. False: that is what it is answered. */
typedef bool (*txn_admit_fn)(void *ctx, const struct sip_message *msg, const struct flow *from,
                             struct txn_refusal *refusal);

struct txn_config {
    struct wheel *wheel;
    struct rng *rng;
    struct log *log;
    struct txn_port port;
    txn_request_fn request;
    txn_admit_fn admit; /* NULL: each may */
    void *ctx;
    unsigned worker;  /* 0..255: our number */
    unsigned workers; /* how many there are: branches and tags that name one beyond are nobody's. 0:
                         256 */
    uint32_t t1_ms, timer_f_ms; /* 500, 64*T1; from [system] timer_t1, timer_b */
    /* What server transactions and the answers kept for repeated requests may hold. Over it answers
     * go that are older than 4 s, and without those new requests get a stateless 503 with
     * Retry-After. */
    size_t max_server_bytes;
    struct str server; /* Server header of responses; borrowed, replace with txn_server_set */
    bool compact_headers;
};
NODISCARD int txn_create(struct txn_layer **out, const struct txn_config *cfg);
/* Client transactions must have been stopped by their owners; server transactions are dropped. */
void txn_destroy(struct txn_layer *t);
void txn_timing_set(struct txn_layer *t, uint32_t t1_ms, uint32_t timer_f_ms);
void txn_server_set(struct txn_layer *t, struct str server);
/* Send compact header names, [system] compact_headers. */
void txn_compact_set(struct txn_layer *t, bool compact);

/* One datagram. Malformed ones are answered 400 or dropped; retransmissions, which
 * come from the same address, are answered from memory; a request that reached us twice on
 * different branches gets 482; ACK and stray responses are dropped. */
void txn_receive(struct txn_layer *t, const struct flow *from, struct str datagram);

/* The same, of what another worker has handed to this one. */
void txn_receive_forwarded(struct txn_layer *t, const struct flow *from, struct str datagram);

/* As net_config.broken: a request is answered with that. */
void txn_broken(struct txn_layer *t, const struct flow *from, struct str head,
                const struct net_fault *fault);
/* These connections have ended; the numbers ascend. Client transactions that wait for an answer by
 * them fail soon, with 503: RFC 3261 section 17.1.4. */
void txn_connections_lost(struct txn_layer *t, const uint32_t *connections, size_t n);

/* ---- server ---- */

/* Final response; sends it, and keeps for Timer J what it takes to say it again. A To tag is added
 * when the request had none: reply->to_tag, or one made from the request, which names this worker
 * and is the same for a CANCEL of it. `st` may be gone afterwards. */
void server_txn_respond(struct server_txn *st, const struct sip_reply *reply);
/* Short for a status with extra header lines (may be empty). */
void server_txn_reject(struct server_txn *st, unsigned status, struct str headers);
/* The same, and nothing is kept: the same request once more is a new one. For what strangers are
 * answered, so that they take no memory. */
void server_txn_reject_once(struct server_txn *st, unsigned status, struct str headers);
/* By the request's endpoint: answer to the source address and port even without rport. Default
 * true. Only from inside the handler. */
void server_txn_force_rport_set(struct server_txn *st, bool force);
size_t txn_unanswered(const struct txn_layer *t); /* requests of others */
const struct flow *server_txn_flow(const struct server_txn *st);
/* Its address and port for the log, in `room`. */
enum { TXN_SOURCE_MAX = 64 };
struct str server_txn_source(const struct server_txn *st, char room[TXN_SOURCE_MAX]);

/* Without a transaction, for what is refused before one exists. The To tag is made as above, so
 * that a repeated request gets the same answer (RFC 3261 section 8.2.7). Nothing is sent to an ACK.
 */
void txn_respond_stateless(struct txn_layer *t, const struct sip_message *msg,
                           const struct flow *from, const struct sip_reply *reply);

/* ---- client ---- */

struct client_txn;
struct client_txn_ops {
    /* Write the whole message, Via with txn_print_via first; called for the first sending and every
     * retransmission, and must give the same bytes each time. Negative: the transaction fails with
     * 500. */
    int (*print)(struct client_txn *ct, struct buf *out);
    /* The final answer; `response` is NULL for a timeout (status 408) or a transport error (status
     * 503), and may be for a 2xx if `success_suffices`; of a 2xx otherwise Via, From, To and CSeq
     * may not have been looked at (sip_response_parse_rest). The transaction is over and may be
     * started again from inside. */
    void (*done)(struct client_txn *ct, unsigned status, const struct sip_message *response);
    /* Of a 2xx `done` wants to know nothing but that: such an answer is not looked at any further,
     * and may have faults elsewhere. */
    bool success_suffices;
    /* For net_connect: whom it is meant for. NULL: whoever is at the remote address. */
    struct str (*host)(const struct client_txn *ct);
};

struct client_txn { /* embed it; fields are the layer's, read-only for others */
    struct map_node node;
    struct list by_connection; /* while its answer comes by one */
    struct timer timer;
    struct txn_layer *layer;
    const struct client_txn_ops *ops;
    struct flow flow;
    uint64_t branch;
    uint64_t started_ms;
    uint32_t interval_ms;
    uint16_t sent;                  /* how often: 1 + retransmissions */
    uint8_t method;                 /* enum sip_method */
    bool running, proceeding, lost; /* the latter: its connection */
    bool widened;                   /* it goes by TCP, and was made for UDP's */
    uint32_t narrow;                /* that transport */
};

void client_txn_init(struct client_txn *ct);
/* Send to `flow`; in the place of NET_ANY_CONNECTION there it has the one it went by. On a
 * connection nothing is repeated. `done` is never called from inside. -EBUSY when already running;
 * the result of print or send otherwise: then nothing runs. */
NODISCARD int client_txn_start(struct txn_layer *t, struct client_txn *ct, enum sip_method method,
                               const struct flow *flow, const struct client_txn_ops *ops);
void client_txn_stop(struct client_txn *ct); /* forget it; late answers are dropped */
/* The line "Via: SIP/2.0/UDP host:port;rport;branch=..." CRLF for this transaction, with the
 * protocol of its flow. `sent_by` is "host:port" (self.h), `rport` whether to ask. */
void txn_print_via(const struct client_txn *ct, struct str sent_by, bool rport, struct buf *out);
/* Its two parts: "Via: ...;branch=", which many have in common, and what follows. */
void txn_print_via_head(enum net_protocol protocol, struct str sent_by, bool rport,
                        struct buf *out);
void txn_print_branch(const struct client_txn *ct, struct buf *out);

/* What carries a request to this URI, as far as the URI says: RFC 3261 sections 19.1.1 and 26.2.2.
 * -EPROTONOSUPPORT for what we do not speak. */
NODISCARD int txn_uri_protocol(enum net_protocol *out, const struct sip_uri *uri);
/* The same; where the URI does not say, it is what the transport has that is to be used (NULL:
 * any).
 */
NODISCARD int txn_uri_protocol_by(enum net_protocol *out, const struct sip_uri *uri,
                                  const struct transport_settings *by);
/* Is it said there, or is it what is usual (RFC 3263 section 4.1)? */
bool txn_uri_protocol_named(const struct sip_uri *uri, const struct transport_settings *by);

/* ";transport=TCP"; nothing for UDP. */
struct str txn_transport_param(enum net_protocol protocol);
/* A SIP URI without headers, and with the far end of the flow in the place of its address: how a
 * peer behind a NAT is reached. */
void txn_print_uri_at(struct buf *out, const struct sip_uri *uri, const struct flow *flow);

/* A To or From tag that says which worker made it, from random bits; at most TXN_TAG_MAX bytes. */
#define TXN_TAG_MAX 24
struct str txn_tag_make(struct txn_layer *t, char out[TXN_TAG_MAX]);
/* The worker in such a tag, or -1 when it is none of ours. */
int txn_tag_worker(struct str tag);
/* In-dialog SUBSCRIBEs with a To tag that another server made, whose subscriptions were taken over,
 * go to the worker that this number leaves as the remainder. */
enum { TXN_FOREIGN_CLASSES = 64 };
unsigned txn_foreign_class(struct str tag);

struct txn_counters {
    uint64_t requests, retransmitted_requests, merged, responses_in, stray_responses, malformed,
        unanswerable;
    uint64_t client_started, client_retransmissions, client_timeouts, client_errors, overload;
    uint64_t server_live, client_live, forwarded;
    uint64_t forward_lost; /* the other worker had too much to do */
    /* On the heap, malloc's own included: server transactions, and answers that are kept for a
     * repeated request. Client transactions are their owners'. */
    uint64_t server_bytes, table_bytes;
};
void txn_counters_get(const struct txn_layer *t, struct txn_counters *out);
