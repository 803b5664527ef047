// SPDX-License-Identifier: MIT
/* The non-INVITE server transaction, RFC 3261 section 17.2.2 without provisional answers: RFC 4320
 * section 4.1 forbids them until the client's Timer E is slow, and by then we have answered.
 *
 *     request ──▶ trying ──respond──▶ completed ──Timer J──▶ gone
 *                   │ 64*T1, 500        ▲ respond
 *                   └──▶ overdue ───────┘
 *                           └──Timer J──▶ orphan ──respond──▶ gone
 *
 * The last two are for an owner that is slower than 64*T1 (a disk that hangs): it still holds the
 * pointer. */
#include "txn/layer.h"

#include <stdlib.h>

enum server_state {
    SERVER_TRYING,
    SERVER_COMPLETED,
    SERVER_OVERDUE, /* we said 500, the owner has not answered */
    SERVER_ORPHAN,  /* likewise, and forgotten by the peer: in no table, waits for its owner */
    SERVER_STATES
};

static const struct {
    const char *name;
    unsigned next;
} server_states[SERVER_STATES] = {
    [SERVER_TRYING] = { "trying", BIT(SERVER_COMPLETED) | BIT(SERVER_OVERDUE) },
    [SERVER_COMPLETED] = { "completed", 0 },
    [SERVER_OVERDUE] = { "overdue", BIT(SERVER_COMPLETED) | BIT(SERVER_ORPHAN) },
    [SERVER_ORPHAN] = { "orphan", 0 },
};

struct server_txn {
    struct map_node by_key, by_merge;
    struct list link; /* in layer->answers */
    struct timer timer;
    struct txn_layer *layer;
    struct flow flow;
    enum server_state state;
    bool merges, force_rport;
    const struct sip_message *msg; /* while the handler runs */
    struct str kept;               /* the request until it is answered, then the response; owned */
    size_t bytes;                  /* charged to layer->server_bytes */
    uint32_t id_len, method_len, merge_len;
    char keys[]; /* id, method, merge key */
};

/* What a transaction may hold on average before new requests are refused, so that huge header
 * fields cannot take the memory that max_server was meant to bound. */
#define SERVER_BYTES_MEAN 4096

/* ---- keys ---- */

struct server_key {
    struct str id;     /* all of RFC 3261 section 17.2.3 but the method */
    struct str method; /* empty: any, for CANCEL */
};

static struct server_key key_of(const struct server_txn *st)
{
    return (struct server_key){ { st->keys, st->id_len },
                                { st->keys + st->id_len, st->method_len } };
}

static struct str merge_key_of(const struct server_txn *st)
{
    return (struct str){ st->keys + st->id_len + st->method_len, st->merge_len };
}

static bool has_key(const struct map_node *node, const void *key)
{
    const struct server_txn *st = CONTAINER_OF(node, const struct server_txn, by_key);
    const struct server_key own = key_of(st), *want = key;

    return str_equal(own.id, want->id) && (!want->method.n || str_equal(own.method, want->method));
}

static bool has_merge_key(const struct map_node *node, const void *key)
{
    const struct server_txn *st = CONTAINER_OF(node, const struct server_txn, by_merge);

    return str_equal(merge_key_of(st), *(const struct str *)key);
}

static void add_part(struct buf *b, struct str part)
{
    buf_add(b, part);
    buf_add_char(b, '\n'); /* in none of the parts: no two requests share a text by accident */
}

/* sent-by: a host in any case, and the default port may be left out. */
static void add_sent_by(struct buf *b, const struct sip_message *msg)
{
    size_t at = b->n;

    add_part(b, msg->via.host);
    for (; at < b->n; at++) {
        if (b->p[at] >= 'A' && b->p[at] <= 'Z')
            b->p[at] = (char)(b->p[at] - 'A' + 'a');
    }
    buf_add_u64(b, msg->via.port ? msg->via.port : 5060);
    buf_add_char(b, '\n');
}

/* Builds both keys into t->key; the slices are good until the next call. CSeq's number is part of
 * the first although section 17.2.3 does without: there are clients that answer a challenge on the
 * same branch. */
static int build_keys(struct txn_layer *t, const struct sip_message *msg, struct server_key *key,
                      struct str *merge)
{
    struct buf *b = &t->key;
    size_t id_len, method_len;

    buf_reset(b);
    if (str_starts_nocase(msg->branch, STR("z9hG4bK"))) {
        add_part(b, msg->branch);
    } else { /* an RFC 2543 client: section 17.2.3, second half */
        add_part(b, msg->uri);
        add_part(b, msg->to_tag);
        add_part(b, msg->from_tag);
        add_part(b, msg->call_id);
    }
    add_sent_by(b, msg);
    buf_add_u64(b, msg->cseq);
    id_len = b->n;
    buf_add(b, msg->method_text);
    method_len = b->n - id_len;
    add_part(b, msg->call_id);
    add_part(b, msg->from_tag);
    buf_add_u64(b, msg->cseq);
    add_part(b, msg->method_text);
    if (b->error)
        return b->error;
    key->id = (struct str){ b->p, id_len };
    key->method = (struct str){ b->p + id_len, method_len };
    *merge = (struct str){ b->p + id_len + method_len, b->n - id_len - method_len };
    return 0;
}

/* ---- life ---- */

static void server_move(struct server_txn *st, enum server_state next)
{
    BUG_UNLESS(server_states[st->state].next & BIT(next));
    st->state = next;
}

static void server_keep(struct server_txn *st, struct str owned)
{
    st->layer->server_bytes += owned.n;
    st->layer->server_bytes -= st->kept.n;
    st->bytes += owned.n;
    st->bytes -= st->kept.n;
    str_free(&st->kept);
    st->kept = owned;
}

/* Nobody can reach it by a message any more. */
static void server_unlink(struct server_txn *st)
{
    map_remove(&st->layer->servers, &st->by_key);
    if (st->merges)
        map_remove(&st->layer->merges, &st->by_merge);
}

static void server_free(struct server_txn *st)
{
    struct txn_layer *t = st->layer;

    timer_stop(t->cfg.wheel, &st->timer);
    list_remove(&st->link);
    t->server_bytes -= st->bytes;
    t->counters.server_live--;
    str_free(&st->kept);
    free(st);
}

void server_drop_all(struct txn_layer *t)
{
    LIST_FOREACH_SAFE (it, &t->answers) {
        struct server_txn *st = CONTAINER_OF(it, struct server_txn, link);

        if (st->state != SERVER_ORPHAN)
            server_unlink(st);
        server_free(st);
    }
}

static void server_answer(struct server_txn *st, const struct sip_message *msg,
                          const struct sip_reply *reply);

/* The request again, from the copy; `msg` borrows it. */
static const struct sip_message *server_request(struct server_txn *st, struct sip_message *storage)
{
    if (st->msg)
        return st->msg;
    /* The same bytes parsed well when they came. */
    BUG_UNLESS(sip_message_parse(storage, st->kept, NULL) == 0);
    return storage;
}

static void server_fire(struct timer *timer)
{
    struct server_txn *st = CONTAINER_OF(timer, struct server_txn, timer);
    struct sip_message storage;

    switch (st->state) {
    case SERVER_TRYING:
        log_error(st->layer->cfg.log, "txn.unanswered",
                  KV_U("waited_ms", 64u * st->layer->cfg.t1_ms));
        server_move(st, SERVER_OVERDUE);
        server_answer(st, server_request(st, &storage), &(struct sip_reply){ .status = 500 });
        break;
    case SERVER_OVERDUE:
        server_move(st, SERVER_ORPHAN);
        server_unlink(st);
        server_keep(st, STR_EMPTY);
        break;
    case SERVER_COMPLETED:
        server_unlink(st);
        server_free(st);
        break;
    default: /* an orphan has no timer */
        BUG_UNLESS(st->state != SERVER_ORPHAN);
    }
}

static struct server_txn *server_create(struct txn_layer *t, const struct flow *from,
                                        const struct sip_message *msg, const struct server_key *key,
                                        struct str merge)
{
    size_t keys = key->id.n + key->method.n + merge.n;
    struct server_txn *st = malloc(sizeof(*st) + keys);

    if (!st)
        return NULL;
    *st = (struct server_txn){ .layer = t,
                               .flow = *from,
                               .state = SERVER_TRYING,
                               .force_rport = true,
                               .merges = !msg->to_tag.n,
                               .bytes = sizeof(*st) + keys,
                               .id_len = (uint32_t)key->id.n,
                               .method_len = (uint32_t)key->method.n,
                               .merge_len = (uint32_t)merge.n };
    memcpy(st->keys, key->id.p, keys); /* the three lie behind each other in t->key */
    timer_init(&st->timer, server_fire);
    timer_start(t->cfg.wheel, &st->timer, 64ull * t->cfg.t1_ms);
    list_init(&st->link);
    list_append(&t->answers, &st->link);
    map_add(&t->servers, &st->by_key, map_hash(&t->servers, key->id));
    if (st->merges)
        map_add(&t->merges, &st->by_merge, map_hash(&t->merges, merge));
    t->server_bytes += st->bytes;
    t->counters.server_live++;
    return st;
}

/* ---- answering ---- */

/* Sends, and keeps the bytes for whoever asks again. Without memory for them a repeated request is
 * absorbed. */
static void server_answer(struct server_txn *st, const struct sip_message *msg,
                          const struct sip_reply *reply)
{
    struct txn_layer *t = st->layer;
    struct str copy = STR_EMPTY;
    int r = txn_print_reply(t, msg, &st->flow, st->force_rport, reply);

    if (r) { /* a reply that does not fit is ours to log and the peer's to be told shortly */
        log_error(t->cfg.log, "txn.response_failed", KV_U("status", reply->status), KV_ERR(r));
        r = txn_print_reply(t, msg, &st->flow, st->force_rport,
                            &(struct sip_reply){ .status = 500 });
    }
    if (!r) {
        txn_send_reply(t, msg, &st->flow, st->force_rport, buf_str(&t->out));
        r = str_dup(&copy, buf_str(&t->out));
    }
    if (r)
        log_warn(t->cfg.log, "txn.response_not_kept", KV_ERR(r));
    server_keep(st, copy); /* `msg` may be gone with the request's copy */
    /* Timer J: 64*T1, and nothing on a reliable transport. */
    timer_start(t->cfg.wheel, &st->timer, st->flow.connection ? 0 : 64ull * t->cfg.t1_ms);
}

void server_txn_respond(struct server_txn *st, const struct sip_reply *reply)
{
    struct sip_message storage;

    BUG_UNLESS(reply->status >= 200 && reply->status < 700);
    switch (st->state) {
    case SERVER_TRYING:
        server_move(st, SERVER_COMPLETED);
        server_answer(st, server_request(st, &storage), reply);
        break;
    case SERVER_OVERDUE: /* too late: the peer has its 500, or has given up */
        server_move(st, SERVER_COMPLETED);
        break;
    case SERVER_ORPHAN:
        server_free(st);
        break;
    default: /* answered twice */
        BUG_UNLESS(st->state != SERVER_COMPLETED);
    }
}

void server_txn_reject(struct server_txn *st, unsigned status, struct str headers)
{
    server_txn_respond(st, &(struct sip_reply){ .status = status, .headers = headers });
}

void server_txn_force_rport_set(struct server_txn *st, bool force)
{
    st->force_rport = force;
}

const struct flow *server_txn_flow(const struct server_txn *st)
{
    return &st->flow;
}

/* ---- receiving ---- */

static struct server_txn *server_find(const struct txn_layer *t, const struct server_key *key)
{
    struct map_node *node = map_find(&t->servers, map_hash(&t->servers, key->id), has_key, key);

    return node ? CONTAINER_OF(node, struct server_txn, by_key) : NULL;
}

/* RFC 4320 section 4.2: nothing is said before the answer, which then is said again. */
static void server_again(struct server_txn *st, const struct flow *from,
                         const struct sip_message *msg)
{
    st->layer->counters.retransmitted_requests++;
    if (st->state != SERVER_TRYING && st->kept.n)
        txn_send_reply(st->layer, msg, from, st->force_rport, st->kept);
}

/* RFC 3261 section 9.2. Nothing we do takes long enough to be worth cancelling. */
static void answer_cancel(struct txn_layer *t, const struct flow *from,
                          const struct sip_message *msg, struct server_key key)
{
    key.method = STR_EMPTY;
    if (server_find(t, &key))
        txn_respond_stateless(t, msg, from, &(struct sip_reply){ .status = 200 });
    else
        txn_refuse_stateless(
            t, msg, from,
            &(struct txn_refusal){ .status = 481, .why = "there is no such request to cancel" });
}

static bool is_merged(const struct txn_layer *t, const struct sip_message *msg, struct str merge)
{
    return !msg->to_tag.n &&
           map_find(&t->merges, map_hash(&t->merges, merge), has_merge_key, &merge);
}

static void refuse_overload(struct txn_layer *t, const struct flow *from,
                            const struct sip_message *msg)
{
    t->counters.overload++;
    log_warn(t->cfg.log, "txn.overload", KV_U("live", t->counters.server_live),
             KV_U("bytes", t->server_bytes));
    txn_refuse_stateless(t, msg, from,
                         &(struct txn_refusal){
                             .status = 503,
                             .why = "there are too many requests under way",
                             /* Spread, or all of them return at once. */
                             .retry_after_s = 5 + rng_below(t->cfg.rng, 10),
                         });
}

static void server_begin(struct txn_layer *t, const struct flow *from,
                         const struct sip_message *msg, const struct server_key *key,
                         struct str merge)
{
    struct server_txn *st = NULL;
    struct str copy;

    if (t->counters.server_live < t->cfg.max_server &&
        t->server_bytes < t->cfg.max_server * SERVER_BYTES_MEAN)
        st = server_create(t, from, msg, key, merge);
    if (!st) {
        refuse_overload(t, from, msg);
        return;
    }
    t->counters.requests++;
    st->msg = msg;
    t->cfg.request(t->cfg.ctx, st, msg, &st->flow);
    st->msg = NULL; /* it is still there: what is answered stays for a turn at least */
    if (st->state != SERVER_TRYING)
        return;
    if (str_dup(&copy, msg->raw) == 0) {
        server_keep(st, copy);
        return;
    }
    /* Without the request no answer can be made later: now, then, and the owner's is too late. */
    server_move(st, SERVER_OVERDUE);
    server_answer(st, msg, &(struct sip_reply){ .status = 500 });
}

void server_receive(struct txn_layer *t, const struct flow *from, const struct sip_message *msg)
{
    int worker = msg->to_tag.n ? txn_tag_worker(msg->to_tag) : -1;
    struct server_txn *st;
    struct server_key key;
    struct str merge;

    if (msg->method == SIP_ACK) /* for an INVITE that we refused */
        return;
    if (txn_is_elsewhere(t, worker)) {
        txn_hand_over(t, worker, from, msg->raw);
        return;
    }
    if (build_keys(t, msg, &key, &merge)) { /* no memory: the peer will ask again */
        t->counters.unanswerable++;
        return;
    }
    if (msg->method == SIP_CANCEL) {
        answer_cancel(t, from, msg, key);
        return;
    }
    st = server_find(t, &key);
    if (st) {
        server_again(st, from, msg);
    } else if (is_merged(t, msg, merge)) {
        t->counters.merged++;
        txn_refuse_stateless(t, msg, from,
                             &(struct txn_refusal){
                                 .status = 482, .why = "this request came before by another way" });
    } else {
        server_begin(t, from, msg, &key, merge);
    }
}
