// SPDX-License-Identifier: MIT
#include "txn/layer.h"

#include <stdlib.h>

#include "txn/uas.h"

int txn_create(struct txn_layer **out, const struct txn_config *cfg)
{
    struct txn_layer *t = calloc(1, sizeof(*t));
    int r = -ENOMEM;

    BUG_UNLESS(cfg->worker < TXN_WORKERS_MAX && cfg->workers <= TXN_WORKERS_MAX);
    if (!t)
        goto out;
    t->cfg = *cfg;
    if (!t->cfg.workers)
        t->cfg.workers = TXN_WORKERS_MAX;
    for (size_t i = 0; i < CONNECTION_LISTS; i++)
        list_init(&t->by_connection[i]);
    server_init(t);
    buf_init(&t->out, SIP_MESSAGE_MAX);
    r = map_init(&t->clients, cfg->rng);
    if (r)
        goto out;
    r = map_init(&t->servers, cfg->rng);
    if (r)
        goto out;
    r = map_init(&t->merges, cfg->rng);
    if (r)
        goto out;
    *out = t;
    t = NULL;
out:
    txn_destroy(t);
    return r;
}

void txn_destroy(struct txn_layer *t)
{
    if (!t)
        return;
    BUG_UNLESS(t->clients.count == 0);
    server_drop_all(t);
    map_fini(&t->clients);
    map_fini(&t->servers);
    map_fini(&t->merges);
    buf_fini(&t->out);
    free(t);
}

void txn_timing_set(struct txn_layer *t, uint32_t t1_ms, uint32_t timer_f_ms)
{
    t->cfg.t1_ms = t1_ms;
    t->cfg.timer_f_ms = timer_f_ms;
}

void txn_compact_set(struct txn_layer *t, bool compact)
{
    t->cfg.compact_headers = compact;
}

void txn_server_set(struct txn_layer *t, struct str server)
{
    t->cfg.server = server;
}

void txn_counters_get(const struct txn_layer *t, struct txn_counters *out)
{
    *out = t->counters;
    out->client_live = t->clients.count;
    out->server_bytes = t->server_bytes;
    out->table_bytes = map_bytes(&t->clients) + map_bytes(&t->servers) + map_bytes(&t->merges);
}

/* ---- what names a worker ---- */

/* Lower case only: these are texts we wrote ourselves. */
static bool hex_parse(uint64_t *out, struct str text)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

/* The magic cookie of RFC 3261 section 8.1.1.7, then ours: others make branches too. */
#define BRANCH_PREFIX "z9hG4bKes"

struct str branch_print(uint64_t branch, char out[BRANCH_LEN])
{
    memcpy(out, BRANCH_PREFIX, sizeof(BRANCH_PREFIX) - 1);
    hex_u64(out + sizeof(BRANCH_PREFIX) - 1, branch);
    return (struct str){ out, BRANCH_LEN };
}

bool branch_parse(uint64_t *out, struct str text)
{
    return text.n == BRANCH_LEN && str_starts(text, STR(BRANCH_PREFIX)) &&
           hex_parse(out, str_sub(text, sizeof(BRANCH_PREFIX) - 1, text.n));
}

#define TAG_PREFIX "es"
#define TAG_LEN 20 /* prefix, two digits of worker, sixteen of randomness */

static struct str tag_print(unsigned worker, uint64_t bits, char out[TXN_TAG_MAX])
{
    char all[16];

    hex_u64(all, worker);
    memcpy(out, TAG_PREFIX, 2);
    memcpy(out + 2, all + 14, 2);
    hex_u64(out + 4, bits);
    return (struct str){ out, TAG_LEN };
}

struct str txn_tag_make(struct txn_layer *t, char out[TXN_TAG_MAX])
{
    return tag_print(t->cfg.worker, rng_u64(t->cfg.rng), out);
}

struct str txn_tag_print(const struct txn_layer *t, uint64_t bits, char out[TXN_TAG_MAX])
{
    return tag_print(t->cfg.worker, bits, out);
}

int txn_tag_worker(struct str tag)
{
    uint64_t worker, bits;

    if (tag.n != TAG_LEN || !str_starts(tag, STR(TAG_PREFIX)))
        return -1;
    if (!hex_parse(&worker, str_sub(tag, 2, 4)) || !hex_parse(&bits, str_sub(tag, 4, TAG_LEN)))
        return -1;
    return (int)worker;
}

/* FNV-1a: the same in each worker and each process. */
unsigned txn_foreign_class(struct str tag)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < tag.n; i++)
        hash = (hash ^ (unsigned char)tag.p[i]) * 16777619u;
    return (hash ^ hash >> 16) % TXN_FOREIGN_CLASSES;
}

bool txn_is_elsewhere(const struct txn_layer *t, int worker)
{
    return worker >= 0 && (unsigned)worker < t->cfg.workers && (unsigned)worker != t->cfg.worker &&
           t->cfg.port.forward;
}

int txn_hand_over(struct txn_layer *t, int worker, const struct flow *from, struct str datagram)
{
    int r = t->cfg.port.forward(t->cfg.port.ctx, (unsigned)worker, from, datagram);

    t->counters.forwarded += r == 0;
    t->counters.forward_lost += r != 0;
    return r;
}

int txn_uri_protocol(enum net_protocol *out, const struct sip_uri *uri)
{
    struct str transport;

    if (!sip_param_find(uri->params, STR("transport"), &transport))
        *out = uri->secure ? NET_TLS : NET_UDP;
    else if (str_equal_nocase(transport, STR("tls")) ||
             (uri->secure && str_equal_nocase(transport, STR("tcp"))))
        *out = NET_TLS;
    else if (str_equal_nocase(transport, STR("tcp")))
        *out = NET_TCP;
    else if (str_equal_nocase(transport, STR("udp")) && !uri->secure)
        *out = NET_UDP;
    else
        return -EPROTONOSUPPORT;
    return 0;
}

int txn_uri_protocol_by(enum net_protocol *out, const struct sip_uri *uri,
                        const struct transport_settings *by)
{
    if (!by || uri->secure || sip_param_find(uri->params, STR("transport"), NULL))
        return txn_uri_protocol(out, uri);
    if (by->protocol == TRANSPORT_WS || by->protocol == TRANSPORT_WSS)
        return -EPROTONOSUPPORT; /* peers come to us by them */
    *out = by->protocol == TRANSPORT_TCP   ? NET_TCP
           : by->protocol == TRANSPORT_TLS ? NET_TLS
                                           : NET_UDP;
    return 0;
}

bool txn_uri_protocol_named(const struct sip_uri *uri, const struct transport_settings *by)
{
    return (by && !uri->secure) || sip_param_find(uri->params, STR("transport"), NULL);
}

struct str txn_transport_param(enum net_protocol protocol)
{
    static const struct str params[NET_PROTOCOLS] = {
        [NET_TCP] = STR_INIT(";transport=TCP"),
        [NET_TLS] = STR_INIT(";transport=TLS"),
        [NET_WS] = STR_INIT(";transport=WS"),
        [NET_WSS] = STR_INIT(";transport=WSS"),
    };

    return params[protocol];
}

void txn_print_uri_at(struct buf *out, const struct sip_uri *uri, const struct flow *flow)
{
    buf_add(out, uri->scheme);
    buf_add_char(out, ':');
    buf_add(out, uri->user);
    if (uri->user.n)
        buf_add_char(out, '@');
    addr_print(out, &flow->remote);
    sip_params_print_without(out, uri->params, STR("transport"));
    buf_add(out, txn_transport_param((enum net_protocol)flow->protocol));
}

/* ---- responses ---- */

int txn_print_reply(struct txn_layer *t, const struct sip_message *msg, const struct flow *from,
                    bool force_rport, const struct sip_reply *reply)
{
    struct sip_reply full = *reply;
    char tag[TXN_TAG_MAX];

    if (!full.to_tag.n)
        full.to_tag = txn_tag_for(t, from, msg, tag);
    if (!full.server.n)
        full.server = t->cfg.server;
    buf_reset(&t->out);
    sip_print_response(&t->out, msg, &from->remote, force_rport, &full);
    if (t->cfg.compact_headers && !t->out.error)
        sip_compact_headers(&t->out);
    return t->out.error;
}

void txn_send_reply(struct txn_layer *t, const struct sip_message *msg, const struct flow *from,
                    bool force_rport, struct str bytes)
{
    struct flow to = *from;
    int r = 0;

    if (!from->connection) /* on a connection the answer goes back down the same one */
        r = sip_response_target(&to.remote, msg, &from->remote, force_rport);
    if (!r)
        r = t->cfg.port.send(t->cfg.port.ctx, &to, bytes);
    if (r)
        log_debug(t->cfg.log, "txn.response_lost", KV("call_id", msg->call_id), KV_ERR(r));
}

void txn_respond_stateless(struct txn_layer *t, const struct sip_message *msg,
                           const struct flow *from, const struct sip_reply *reply)
{
    int r;

    if (msg->method == SIP_ACK)
        return;
    r = txn_print_reply(t, msg, from, true, reply);
    if (r)
        log_debug(t->cfg.log, "txn.response_lost", KV("call_id", msg->call_id), KV_ERR(r));
    else
        txn_send_reply(t, msg, from, true, buf_str(&t->out));
}

void txn_refuse_stateless(struct txn_layer *t, const struct sip_message *msg,
                          const struct flow *from, const struct txn_refusal *refusal)
{
    char storage[512];
    struct buf headers;

    buf_init_on(&headers, storage, sizeof(storage));
    if (refusal->retry_after_s)
        sip_print_header_u64(&headers, STR("Retry-After"), refusal->retry_after_s);
    uas_print_warning(&headers, t->cfg.server, refusal->why);
    /* A Server header longer than all of that: then without. */
    txn_respond_stateless(
        t, msg, from,
        &(struct sip_reply){ .status = refusal->status,
                             .reason = refusal->reason,
                             .headers = headers.error ? STR_EMPTY : buf_str(&headers) });
}

bool txn_admits(struct txn_layer *t, const struct flow *from, const struct sip_message *msg)
{
    struct txn_refusal refusal = { .status = 500, .why = "" };

    if (!t->cfg.admit || t->cfg.admit(t->cfg.ctx, msg, from, &refusal))
        return true;
    txn_refuse_stateless(t, msg, from, &refusal);
    return false;
}

/* ---- receiving ---- */

static void tell_broken(struct txn_layer *t, const struct flow *from, const struct sip_message *msg,
                        unsigned status, const char *fault)
{
    char room[TXN_SOURCE_MAX];
    struct buf source;

    buf_init_on(&source, room, sizeof(room));
    addr_print(&source, &from->remote);
    log_info(t->cfg.log, "txn.malformed", KV_U("status", status), KV("method", msg->method_text),
             KV("why", fault ? fault : ""), KV("call_id", msg->call_id),
             KV("source", buf_str(&source)));
}

/* A broken response has nobody who waits for our opinion. */
static void refuse_broken(struct txn_layer *t, const struct flow *from,
                          const struct sip_message *msg, unsigned status, const char *fault)
{
    t->counters.malformed++;
    if (!msg->request || msg->method == SIP_ACK)
        return;
    tell_broken(t, from, msg, status, fault);
    if (txn_admits(t, from, msg))
        txn_refuse_stateless(t, msg, from,
                             &(struct txn_refusal){
                                 .status = status,
                                 .why = fault ? fault : "the message cannot be read",
                                 .reason = status == 400 ? str_of(fault) : STR_EMPTY,
                             });
}

void txn_broken(struct txn_layer *t, const struct flow *from, struct str head,
                const struct net_fault *fault)
{
    struct sip_message msg;
    const char *other;
    int r = sip_message_parse(&msg, head, &other);

    /* What is wrong with the rest of it matters less. */
    if (r == SIP_NOT_SIP || r == SIP_UNANSWERABLE)
        t->counters.unanswerable++;
    else
        refuse_broken(t, from, &msg, fault->status, fault->why);
}

static void receive(struct txn_layer *t, const struct flow *from, struct str datagram,
                    bool admitted)
{
    struct sip_message msg;
    const char *fault = NULL;

    if (client_receive_success(t, from, datagram))
        return;
    switch (sip_message_parse(&msg, datagram, &fault)) {
    case 0:
        if (msg.request)
            server_receive(t, from, &msg, admitted);
        else
            client_receive(t, from, &msg);
        break;
    case SIP_MALFORMED:
        refuse_broken(t, from, &msg, 400, fault);
        break;
    case SIP_BAD_VERSION:
        refuse_broken(t, from, &msg, 505, fault);
        break;
    case SIP_UNANSWERABLE:
        t->counters.unanswerable++;
        break;
    default: /* SIP_NOT_SIP: a keep-alive, or noise */
        break;
    }
}

void txn_receive(struct txn_layer *t, const struct flow *from, struct str datagram)
{
    receive(t, from, datagram, false);
}

void txn_receive_forwarded(struct txn_layer *t, const struct flow *from, struct str datagram)
{
    receive(t, from, datagram, true);
}
