// SPDX-License-Identifier: MIT
/* The non-INVITE client transaction, RFC 3261 section 17.1.2:
 *
 *     start ──▶ trying ──1xx──▶ proceeding ──┐
 *                  └──────final, F, error────┴──▶ done
 *
 * Completed and its Timer K are not kept: a late answer finds nobody and is counted as stray. */
#include "txn/layer.h"

#include <stdlib.h>

static void client_fire(struct timer *timer);

/* RFC 3261 section 18.1.1: what is longer may not fit through the path. */
enum { DATAGRAM_WIDTH = 1300 };

void client_txn_init(struct client_txn *ct)
{
    *ct = (struct client_txn){ .running = false };
    list_init(&ct->by_connection);
    timer_init(&ct->timer, client_fire);
}

static bool has_branch(const struct map_node *node, const void *key)
{
    const struct client_txn *ct = CONTAINER_OF(node, const struct client_txn, node);

    return ct->branch == *(const uint64_t *)key;
}

/* The branch is random and ours: it is its own hash. */
static struct client_txn *client_find(const struct txn_layer *t, uint64_t branch)
{
    struct map_node *node = map_find(&t->clients, branch, has_branch, &branch);

    return node ? CONTAINER_OF(node, struct client_txn, node) : NULL;
}

static uint64_t branch_make(struct txn_layer *t)
{
    uint64_t branch;

    do {
        branch = (uint64_t)t->cfg.worker << 56 | rng_u64(t->cfg.rng) >> 8;
    } while (client_find(t, branch));
    return branch;
}

/* What stands in every request's first header, as it is printed: txn_print_via_head. */
static void via_widen(struct buf *out)
{
    static const char is[] = "\r\nVia: SIP/2.0/UDP ", wanted[] = "\r\nVia: SIP/2.0/TCP ";
    char *via = out->error ? NULL : memmem(out->p, out->n, is, sizeof(is) - 1);

    if (via)
        memcpy(via, wanted, sizeof(wanted) - 1);
}

static int client_print(struct client_txn *ct)
{
    struct buf *out = &ct->layer->out;
    int r;

    buf_reset(out);
    r = ct->ops->print(ct, out);
    if (ct->widened)
        via_widen(out);
    if (!r && !out->error && ct->layer->cfg.compact_headers)
        sip_compact_headers(out);
    return r ? r : out->error;
}

static int client_transmit(struct client_txn *ct)
{
    const struct txn_port *port = &ct->layer->cfg.port;
    int r = port->send(port->ctx, &ct->flow, buf_str(&ct->layer->out));

    if (!r && ct->sent < UINT16_MAX)
        ct->sent++;
    return r;
}

/* Timer E or Timer F, whichever is first; one timer serves both. */
static void client_arm(struct client_txn *ct, uint64_t now_ms)
{
    struct txn_layer *t = ct->layer;
    uint64_t passed = now_ms - ct->started_ms;
    uint64_t left = t->cfg.timer_f_ms > passed ? t->cfg.timer_f_ms - passed : 0;

    /* Timer E is for unreliable transports only. */
    if (!ct->flow.connection && ct->interval_ms < left)
        left = ct->interval_ms;
    timer_start_from(t->cfg.wheel, &ct->timer, now_ms, left);
}

static struct list *list_of(struct txn_layer *t, uint32_t connection)
{
    return &t->by_connection[(connection ^ net_connection_worker(connection)) % CONNECTION_LISTS];
}

/* It has been sent. */
static int client_begin(struct client_txn *ct)
{
    struct txn_layer *t = ct->layer;

    ct->running = true;
    ct->started_ms = txn_now_ms(t);
    ct->interval_ms = t->cfg.t1_ms;
    map_add(&t->clients, &ct->node, ct->branch);
    if (ct->flow.connection)
        list_append(list_of(t, ct->flow.connection), &ct->by_connection);
    client_arm(ct, ct->started_ms);
    t->counters.client_started++;
    return 0;
}

static struct narrow_peer *narrow_place(struct txn_layer *t, const struct addr *a)
{
    const void *host =
        a->sa.sa_family == AF_INET ? (const void *)&a->v4.sin_addr : (const void *)&a->v6.sin6_addr;
    size_t n = a->sa.sa_family == AF_INET ? sizeof(a->v4.sin_addr) : sizeof(a->v6.sin6_addr);

    return &t->narrow[(map_hash(&t->clients, (struct str){ host, n }) + addr_port(a)) %
                      NARROW_PEERS];
}

static bool is_narrow(struct txn_layer *t, const struct addr *a)
{
    const struct narrow_peer *p = narrow_place(t, a);

    return p->until_ms > txn_now_ms(t) && addr_equal(&p->addr, a);
}

enum { WIDEN_NOT = 1 };

/* 0: it has been sent by TCP; WIDEN_NOT: it is printed for UDP again; negative. The connection is
 * to the same remote: whom its certificate would name does not matter. */
static int client_widen(struct client_txn *ct)
{
    const struct txn_port *port = &ct->layer->cfg.port;
    const struct flow narrow = ct->flow;
    int r;

    if (!port->widen || is_narrow(ct->layer, &narrow.remote) || !port->widen(port->ctx, &ct->flow))
        return WIDEN_NOT;
    ct->narrow = narrow.transport;
    ct->widened = true;
    r = client_print(ct);
    if (!r)
        r = port->connect(port->ctx, &ct->flow, STR_EMPTY);
    if (!r && client_transmit(ct) == 0)
        return 0;
    ct->widened = false;
    ct->flow = narrow;
    r = client_print(ct);
    return r ? r : WIDEN_NOT;
}

/* Nobody is there by TCP. Where a firewall swallows what comes that was found out in seconds, which
 * not every request is to take. */
static void client_narrow(struct client_txn *ct)
{
    struct txn_layer *t = ct->layer;
    char room[64];
    struct buf peer;

    *narrow_place(t, &ct->flow.remote) =
        (struct narrow_peer){ ct->flow.remote, txn_now_ms(t) + NARROW_MS };
    buf_init_on(&peer, room, sizeof(room));
    addr_print(&peer, &ct->flow.remote);
    log_info(t->cfg.log, "txn.no_tcp", KV("peer", buf_str(&peer)));
    list_remove(&ct->by_connection);
    ct->lost = ct->widened = false;
    ct->flow.transport = ct->narrow;
    ct->flow.connection = 0;
    ct->flow.protocol = NET_UDP;
}

int client_txn_start(struct txn_layer *t, struct client_txn *ct, enum sip_method method,
                     const struct flow *flow, const struct client_txn_ops *ops)
{
    int r;

    if (ct->running)
        return -EBUSY;
    ct->layer = t;
    ct->ops = ops;
    ct->flow = *flow;
    ct->branch = branch_make(t);
    ct->method = (uint8_t)method;
    ct->sent = 0;
    ct->proceeding = ct->lost = ct->widened = false;
    r = client_print(ct);
    if (r)
        return r;
    if (!flow->connection && t->out.n > DATAGRAM_WIDTH) {
        r = client_widen(ct);
        if (r != WIDEN_NOT)
            return r ? r : client_begin(ct);
        r = 0;
    }
    if (flow->connection == NET_ANY_CONNECTION)
        r = t->cfg.port.connect ? t->cfg.port.connect(t->cfg.port.ctx, &ct->flow,
                                                      ops->host ? ops->host(ct) : STR_EMPTY)
                                : -ENOTCONN;
    if (r)
        return r;
    r = client_transmit(ct);
    return r ? r : client_begin(ct);
}

void client_txn_stop(struct client_txn *ct)
{
    if (!ct->running)
        return;
    ct->running = false;
    map_remove(&ct->layer->clients, &ct->node);
    list_remove(&ct->by_connection);
    timer_stop(ct->layer->cfg.wheel, &ct->timer);
}

/* The owner may start `ct` again or free it: nothing here may touch it afterwards. */
static void client_finish(struct client_txn *ct, unsigned status,
                          const struct sip_message *response)
{
    client_txn_stop(ct);
    ct->ops->done(ct, status, response);
}

static void client_fail(struct client_txn *ct, unsigned status, int error)
{
    ct->layer->counters.client_errors++;
    log_debug(ct->layer->cfg.log, "txn.client_failed", KV_U("status", status), KV_ERR(error));
    client_finish(ct, status, NULL);
}

static void client_fire(struct timer *timer)
{
    struct client_txn *ct = CONTAINER_OF(timer, struct client_txn, timer);
    struct txn_layer *t = ct->layer;
    uint64_t now_ms = txn_now_ms(t);
    uint32_t t2_ms = t->cfg.t1_ms > TIMER_T2_MS ? t->cfg.t1_ms : TIMER_T2_MS;
    int r;

    if (ct->lost && !ct->widened) {
        client_fail(ct, 503, -ENOTCONN);
        return;
    }
    if (ct->lost)
        client_narrow(ct);
    if (now_ms - ct->started_ms >= t->cfg.timer_f_ms) {
        t->counters.client_timeouts++;
        client_finish(ct, 408, NULL);
        return;
    }
    if (ct->flow.connection) { /* woken for a Timer F that was moved meanwhile */
        client_arm(ct, now_ms);
        return;
    }
    r = client_print(ct);
    if (r) {
        client_fail(ct, 500, r);
        return;
    }
    r = client_transmit(ct);
    if (r) {
        client_fail(ct, 503, r);
        return;
    }
    t->counters.client_retransmissions++;
    ct->interval_ms = ct->proceeding || ct->interval_ms > t2_ms / 2 ? t2_ms : 2 * ct->interval_ms;
    client_arm(ct, now_ms);
}

/* By their timers: who is told may start and stop others. */
void txn_connections_lost(struct txn_layer *t, const uint32_t *connections, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        LIST_FOREACH (it, list_of(t, connections[i])) {
            struct client_txn *ct = CONTAINER_OF(it, struct client_txn, by_connection);

            if (ct->flow.connection != connections[i])
                continue;
            ct->lost = true;
            timer_start(t->cfg.wheel, &ct->timer, 0);
        }
    }
}

bool client_receive_success(struct txn_layer *t, const struct flow *from, struct str datagram)
{
    struct client_txn *ct;
    struct sip_glance seen;
    struct sip_message rest;
    uint64_t branch;

    if (!sip_success_glance(&seen, datagram) || !branch_parse(&branch, seen.branch))
        return false;
    if (txn_is_elsewhere(t, branch_worker(branch))) {
        (void)!txn_hand_over(t, branch_worker(branch), from, datagram);
        return true;
    }
    ct = client_find(t, branch);
    if (!ct || ct->method != seen.method ||
        (!ct->ops->success_suffices && sip_response_parse_rest(&rest, datagram)))
        return false;
    t->counters.responses_in++;
    client_finish(ct, seen.status, ct->ops->success_suffices ? NULL : &rest);
    return true;
}

void client_receive(struct txn_layer *t, const struct flow *from, const struct sip_message *msg)
{
    struct client_txn *ct;
    uint64_t branch;

    if (!branch_parse(&branch, msg->branch)) {
        t->counters.responses_in++;
        t->counters.stray_responses++;
        return;
    }
    if (txn_is_elsewhere(t, branch_worker(branch))) {
        (void)!txn_hand_over(t, branch_worker(branch), from, msg->raw);
        return;
    }
    t->counters.responses_in++;
    ct = client_find(t, branch);
    if (!ct || ct->method != msg->method) /* RFC 3261 section 17.1.3 */
        t->counters.stray_responses++;
    else if (msg->status < 200)
        ct->proceeding = true;
    else
        client_finish(ct, msg->status, msg);
}

void txn_print_via_head(enum net_protocol protocol, struct str sent_by, bool rport, struct buf *out)
{
    static const struct str starts[NET_PROTOCOLS] = {
        [NET_UDP] = STR_INIT("Via: SIP/2.0/UDP "), [NET_TCP] = STR_INIT("Via: SIP/2.0/TCP "),
        [NET_TLS] = STR_INIT("Via: SIP/2.0/TLS "), [NET_WS] = STR_INIT("Via: SIP/2.0/WS "),
        [NET_WSS] = STR_INIT("Via: SIP/2.0/WSS "),
    };

    buf_add(out, starts[protocol]);
    buf_add(out, sent_by);
    if (rport)
        buf_add(out, STR(";rport"));
    buf_add(out, STR(";branch="));
}

void txn_print_branch(const struct client_txn *ct, struct buf *out)
{
    char branch[BRANCH_LEN];

    buf_add(out, branch_print(ct->branch, branch));
    buf_add(out, STR("\r\n"));
}

void txn_print_via(const struct client_txn *ct, struct str sent_by, bool rport, struct buf *out)
{
    txn_print_via_head((enum net_protocol)ct->flow.protocol, sent_by, rport, out);
    txn_print_branch(ct, out);
}
