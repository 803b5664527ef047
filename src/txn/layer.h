// SPDX-License-Identifier: MIT
/* layer.h - what layer.c, client.c and server.c share. Private to src/txn. */
#pragma once
#include "txn/txn.h"

#define TXN_WORKERS_MAX 256

/* Numbers of connections are given in turn, so that each connection that ends finds the average of
 * what is in a list, also where most transactions are on one connection. */
enum { CONNECTION_LISTS = 1024 };

/* Peers that took no long request by TCP: until then they get them by UDP. Of two with one place
 * the former is forgotten, and may be asked again. */
enum { NARROW_PEERS = 256, NARROW_MS = 600000 };
struct narrow_peer {
    struct addr addr;
    uint64_t until_ms;
};

struct txn_layer {
    struct txn_config cfg;
    struct map clients;                          /* running client transactions, by branch */
    struct list by_connection[CONNECTION_LISTS]; /* those of them on connections */
    struct map servers; /* server transactions, by RFC 3261 section 17.2.3 and source */
    struct map merges;  /* those of requests without a To tag, by section 8.2.2.2 */
    struct list unanswered;
    struct server_txn *handled;    /* while its handler runs, and it is not answered */
    struct server_answer *answers; /* oldest first */
    struct server_answer *last_answer;
    struct timer answers_timer;
    struct narrow_peer narrow[NARROW_PEERS];
    size_t server_bytes; /* what server transactions hold */
    struct buf out;      /* the message being printed */
    struct txn_counters counters;
};

/* As the wheel's timers count: its clock when it has one, because now_ms may be as old as the last
 * sleep was long. */
static inline uint64_t txn_now_ms(const struct txn_layer *t)
{
    const struct wheel *w = t->cfg.wheel;
    uint64_t now_ms = w->clock ? clock_monotonic_ms(w->clock) : w->now_ms;

    return now_ms > w->now_ms ? now_ms : w->now_ms;
}

/* Is that number another worker's, to whom the datagram goes? */
bool txn_is_elsewhere(const struct txn_layer *t, int worker);
NODISCARD int txn_hand_over(struct txn_layer *t, int worker, const struct flow *from,
                            struct str datagram);

/* A To tag for this request: the same each time it is asked. */
struct str txn_tag_for(struct txn_layer *t, const struct flow *from, const struct sip_message *msg,
                       char out[TXN_TAG_MAX]);
struct str txn_tag_print(const struct txn_layer *t, uint64_t bits, char out[TXN_TAG_MAX]);

/* Prints the response into t->out, with a To tag and the Server header filled in. 0 or the buffer's
 * error. */
NODISCARD int txn_print_reply(struct txn_layer *t, const struct sip_message *msg,
                              const struct flow *from, bool force_rport,
                              const struct sip_reply *reply);
/* Sends printed bytes to where responses to `msg` go. Failures are logged: the peer will ask again.
 */
void txn_send_reply(struct txn_layer *t, const struct sip_message *msg, const struct flow *from,
                    bool force_rport, struct str bytes);

/* False: it has been refused. */
bool txn_admits(struct txn_layer *t, const struct flow *from, const struct sip_message *msg);
/* txn_respond_stateless with a Warning that says why. */
void txn_refuse_stateless(struct txn_layer *t, const struct sip_message *msg,
                          const struct flow *from, const struct txn_refusal *refusal);

/* Our branches: 64 bits, the topmost eight of them the worker. */
#define BRANCH_LEN 25
struct str branch_print(uint64_t branch, char out[BRANCH_LEN]);
/* False when the text is not one of ours, to the letter. */
bool branch_parse(uint64_t *out, struct str text);

static inline int branch_worker(uint64_t branch)
{
    return (int)(branch >> 56);
}

/* A 2xx to a transaction for which that suffices, or to another worker's. False: look at the
 * message as a whole. */
bool client_receive_success(struct txn_layer *t, const struct flow *from, struct str datagram);
void client_receive(struct txn_layer *t, const struct flow *from, const struct sip_message *msg);
/* `admitted`: by the worker that handed it over. */
void server_receive(struct txn_layer *t, const struct flow *from, const struct sip_message *msg,
                    bool admitted);
void server_init(struct txn_layer *t);
void server_drop_all(struct txn_layer *t);
