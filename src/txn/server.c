// SPDX-License-Identifier: MIT
/* The non-INVITE server transaction, RFC 3261 section 17.2.2 without provisional answers: RFC 4320
 * section 4.1 forbids them until the client's Timer E is slow, and by then we have answered.
 *
 *     request ──▶ trying ──respond──▶ gone      an answer is kept, until Timer J
 *                   │ 64*T1, 500      ▲
 *                   └──▶ orphan ──────┘
 *
 * The orphan is for an owner that is slower than 64*T1 (a disk that hangs): it still holds the
 * pointer. What is kept of an answer is what cannot be made again from the request's next copy. */
#include "txn/layer.h"

#include <stdlib.h>

#include "base/tally.h"

enum {
    /* A client repeats its request after 0.5, 1.5 and 3.5 s: when memory is short, answers older
     * than that go first. */
    ANSWER_LEAST_MS = TIMER_T2_MS,
};

/* What a request is known by. */
struct server_key {
    uint64_t id;    /* all of RFC 3261 section 17.2.3 but the method, and where it came from */
    uint64_t check; /* branch and sent-by, by another secret: with `id` that is no accident */
    uint64_t merge; /* section 8.2.2.2 */
    uint64_t tag;   /* what our To tag is made of */
    uint8_t method;
};

struct server_entry { /* in the tables */
    struct map_node by_key, by_merge;
    uint64_t check;
    uint8_t method; /* enum sip_method */
    bool merges, force_rport;
    bool answered; /* it is a struct server_answer, else a struct server_txn */
};

struct server_answer {
    struct server_entry entry;
    struct server_answer *next;
    uint64_t since_ms;
    uint16_t status;
    uint16_t lengths[5]; /* of the texts, as in answer_texts */
    char text[];
};

struct server_txn {
    struct server_entry entry;
    struct list link; /* in layer->unanswered */
    struct timer timer;
    struct txn_layer *layer;
    struct flow flow;
    uint64_t tag;
    bool listed; /* in the tables: not while its handler runs, which most often answers at once */
    bool orphan; /* we said 500, the owner has not answered */
    const struct sip_message *msg; /* while the handler runs; then: */
    struct str kept;               /* what the answer repeats, by `echo`; owned */
    struct sip_echo echo;
    struct addr target; /* where it goes, in the place of flow.remote */
    size_t bytes;       /* charged to layer->server_bytes */
};

/* ---- keys ---- */

static uint64_t source_hash(const struct map *m, const struct addr *a)
{
    struct str host = { (const char *)&a->v4.sin_addr, sizeof(a->v4.sin_addr) };

    if (a->sa.sa_family == AF_INET6)
        host = (struct str){ (const char *)&a->v6.sin6_addr, sizeof(a->v6.sin6_addr) };
    return map_hash(m, host);
}

/* Each text is hashed once. CSeq's number is part of the first although section 17.2.3 does
 * without: there are clients that answer a challenge on the same branch. So is the address, without
 * the port: nobody shall have the answer to somebody else's request, or be in its way, who can tell
 * what its branch will be. And From's URI is part of what two ways of one request have in common.
 */
static struct server_key key_of(const struct txn_layer *t, const struct flow *from,
                                const struct sip_message *msg)
{
    const struct map *m = &t->servers;
    uint64_t cseq = map_hash_u64(m, msg->cseq), branch = map_hash(m, msg->branch);
    uint64_t parties = map_hash_mix(map_hash(m, msg->call_id), map_hash(m, msg->from_tag));
    uint64_t host = map_hash_nocase(m, msg->via.host), port = msg->via.port ? msg->via.port : 5060;
    uint64_t method = msg->method ? msg->method : map_hash(m, msg->method_text);
    uint64_t sent_by = map_hash_mix(host, port);
    struct server_key key = { .method = (uint8_t)msg->method };

    if (str_starts_nocase(msg->branch, STR("z9hG4bK"))) {
        key.id = branch;
        key.check = map_hash(&t->merges, msg->branch);
    } else { /* an RFC 2543 client: section 17.2.3, second half */
        key.id =
            map_hash_mix(map_hash_mix(map_hash(m, msg->uri), map_hash(m, msg->to_tag)), parties);
        key.check = map_hash(&t->merges, msg->call_id);
    }
    key.id = map_hash_mix(map_hash_mix(key.id, sent_by), cseq);
    key.id = map_hash_mix(key.id, source_hash(m, &from->remote));
    key.check = map_hash_mix(key.check, sent_by);
    key.merge = map_hash_mix(map_hash_mix(parties, cseq), method);
    key.merge = map_hash_mix(key.merge, map_hash(m, msg->from_parts.uri));
    key.tag = map_hash_mix(map_hash_mix(parties, branch), cseq);
    return key;
}

struct str txn_tag_for(struct txn_layer *t, const struct flow *from, const struct sip_message *msg,
                       char out[TXN_TAG_MAX])
{
    return txn_tag_print(t, key_of(t, from, msg).tag, out);
}

static struct server_entry *entry_of(struct map_node *node)
{
    return node ? CONTAINER_OF(node, struct server_entry, by_key) : NULL;
}

static bool has_key(const struct map_node *node, const void *key)
{
    const struct server_entry *e = CONTAINER_OF(node, const struct server_entry, by_key);
    const struct server_key *want = key;

    return e->check == want->check && e->method == want->method;
}

static bool has_key_of_any_method(const struct map_node *node, const void *key)
{
    const struct server_entry *e = CONTAINER_OF(node, const struct server_entry, by_key);

    return e->check == ((const struct server_key *)key)->check;
}

/* By the same way from another address it is no other way: a NAT that has changed its mind, or
 * somebody else. */
static bool has_another_way(const struct map_node *node, const void *key)
{
    const struct server_entry *e = CONTAINER_OF(node, const struct server_entry, by_merge);

    return e->check != ((const struct server_key *)key)->check;
}

static void entry_add(struct txn_layer *t, struct server_entry *e, uint64_t id, uint64_t merge)
{
    map_add(&t->servers, &e->by_key, id);
    if (e->merges)
        map_add(&t->merges, &e->by_merge, merge);
    t->counters.server_live++;
}

static void entry_remove(struct txn_layer *t, struct server_entry *e)
{
    map_remove(&t->servers, &e->by_key);
    if (e->merges)
        map_remove(&t->merges, &e->by_merge);
    t->counters.server_live--;
}

/* ---- answers ---- */

static void answer_texts(struct sip_reply *reply, struct str *texts[5])
{
    texts[0] = &reply->reason;
    texts[1] = &reply->to_tag;
    texts[2] = &reply->headers;
    texts[3] = &reply->content_type;
    texts[4] = &reply->body;
}

static void oldest_answer_drop(struct txn_layer *t)
{
    struct server_answer *a = t->answers;

    t->answers = a->next;
    if (!t->answers)
        t->last_answer = NULL;
    entry_remove(t, &a->entry);
    t->server_bytes -= tally_size(a);
    free(a);
}

/* Timer J: 64*T1 behind the answer. They were given one after the other, so one timer is enough. */
static void answers_arm(struct txn_layer *t)
{
    uint64_t due_ms, now_ms = txn_now_ms(t);

    if (!t->answers)
        return;
    due_ms = t->answers->since_ms + 64ull * t->cfg.t1_ms;
    timer_start(t->cfg.wheel, &t->answers_timer, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void answers_fire(struct timer *timer)
{
    struct txn_layer *t = CONTAINER_OF(timer, struct txn_layer, answers_timer);
    uint64_t now_ms = txn_now_ms(t);

    while (t->answers && t->answers->since_ms + 64ull * t->cfg.t1_ms <= now_ms)
        oldest_answer_drop(t);
    answers_arm(t);
}

void server_init(struct txn_layer *t)
{
    list_init(&t->unanswered);
    timer_init(&t->answers_timer, answers_fire);
}

/* In the place of its transaction. Without memory a repeated request is a new one. `reply` was
 * printed, so that its texts are no longer than a message. */
static void answer_keep(struct server_txn *st, const struct sip_reply *reply)
{
    struct txn_layer *t = st->layer;
    struct sip_reply copy = *reply;
    struct str *texts[5];
    struct server_answer *a;
    char *at;

    answer_texts(&copy, texts);
    if (st->flow.connection) /* nothing is repeated on a reliable transport */
        return;
    a = malloc(sizeof(*a) + copy.reason.n + copy.to_tag.n + copy.headers.n + copy.content_type.n +
               copy.body.n);
    if (!a) {
        log_warn(t->cfg.log, "txn.response_not_kept", KV_ERR(-ENOMEM));
        return;
    }
    *a = (struct server_answer){ .entry = st->entry,
                                 .since_ms = txn_now_ms(t),
                                 .status = (uint16_t)reply->status };
    a->entry.answered = true;
    at = a->text;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        a->lengths[i] = (uint16_t)texts[i]->n;
        str_keep(texts[i], &at);
    }
    t->server_bytes += tally_size(a);
    entry_add(t, &a->entry, st->entry.by_key.hash, st->entry.by_merge.hash);
    if (t->last_answer)
        t->last_answer->next = a;
    else
        t->answers = a;
    t->last_answer = a;
    if (!timer_running(&t->answers_timer))
        answers_arm(t);
}

/* To the request again, which gives the same bytes as before, unless a reload has changed the
 * user_agent since. */
static void answer_again(struct txn_layer *t, const struct server_answer *a,
                         const struct flow *from, const struct sip_message *msg)
{
    struct sip_reply reply = { .status = a->status };
    struct str *texts[5];
    const char *at = a->text;

    answer_texts(&reply, texts);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = (struct str){ at, a->lengths[i] };
        at += a->lengths[i];
    }
    if (txn_print_reply(t, msg, from, a->entry.force_rport, &reply) == 0)
        txn_send_reply(t, msg, from, a->entry.force_rport, buf_str(&t->out));
}

/* ---- life ---- */

static void server_list(struct server_txn *st)
{
    entry_add(st->layer, &st->entry, st->entry.by_key.hash, st->entry.by_merge.hash);
    st->listed = true;
}

static void server_unlist(struct server_txn *st)
{
    if (st->listed)
        entry_remove(st->layer, &st->entry);
    st->listed = false;
}

static void server_free(struct server_txn *st)
{
    struct txn_layer *t = st->layer;

    timer_stop(t->cfg.wheel, &st->timer);
    list_remove(&st->link);
    server_unlist(st);
    t->server_bytes -= st->bytes;
    if (t->handled == st)
        t->handled = NULL;
    str_free(&st->kept);
    free(st);
}

void server_drop_all(struct txn_layer *t)
{
    while (t->answers)
        oldest_answer_drop(t);
    timer_stop(t->cfg.wheel, &t->answers_timer);
    LIST_FOREACH_SAFE (it, &t->unanswered)
        server_free(CONTAINER_OF(it, struct server_txn, link));
}

size_t txn_unanswered(const struct txn_layer *t)
{
    size_t n = 0;

    LIST_FOREACH (it, &t->unanswered)
        n++;
    return n;
}

static void server_answer(struct server_txn *st, const struct sip_reply *reply, bool keep);

/* The peer has its answer; the owner's will be too late. */
static void server_orphan(struct server_txn *st)
{
    server_answer(st, &(struct sip_reply){ .status = 500 }, true);
    server_unlist(st);
    st->orphan = true;
}

static void server_fire(struct timer *timer)
{
    struct server_txn *st = CONTAINER_OF(timer, struct server_txn, timer);

    log_error(st->layer->cfg.log, "txn.unanswered", KV_U("waited_ms", 64u * st->layer->cfg.t1_ms));
    server_orphan(st);
}

static struct server_txn *server_create(struct txn_layer *t, const struct flow *from,
                                        const struct sip_message *msg, const struct server_key *key)
{
    struct server_txn *st = malloc(sizeof(*st));

    if (!st)
        return NULL;
    *st = (struct server_txn){ .entry = { .check = key->check,
                                          .method = key->method,
                                          .merges = !msg->to_tag.n,
                                          .force_rport = true },
                               .layer = t,
                               .flow = *from,
                               .tag = key->tag,
                               .msg = msg,
                               .bytes = tally_size(st) };
    st->flow.names = NULL;
    /* Before it is in the tables: an answer is kept by these. */
    st->entry.by_key.hash = key->id;
    st->entry.by_merge.hash = key->merge;
    timer_init(&st->timer, server_fire);
    list_init(&st->link);
    list_append(&t->unanswered, &st->link);
    t->server_bytes += st->bytes;
    return st;
}

/* The request goes: keep what its answer repeats of it, which is less. */
static int server_keep_echo(struct server_txn *st)
{
    struct txn_layer *t = st->layer;
    bool rport = st->entry.force_rport;
    int r;

    buf_reset(&t->out);
    sip_print_echo(&t->out, &st->echo, st->msg, &st->flow.remote, rport);
    r = t->out.error;
    if (!r)
        r = str_dup(&st->kept, buf_str(&t->out));
    if (r)
        return r;
    st->target = st->flow.remote;
    if (!st->flow.connection && sip_response_target(&st->target, st->msg, &st->flow.remote, rport))
        st->target.sa.sa_family = AF_UNSPEC; /* nowhere: sending fails, which is logged */
    st->bytes += tally_text(st->kept);
    t->server_bytes += tally_text(st->kept);
    st->msg = NULL;
    return 0;
}

/* ---- answering ---- */

static int server_print(struct server_txn *st, struct sip_reply *reply)
{
    struct txn_layer *t = st->layer;

    if (st->msg)
        return txn_print_reply(t, st->msg, &st->flow, st->entry.force_rport, reply);
    buf_reset(&t->out);
    reply->server = t->cfg.server;
    sip_print_response_from(&t->out, &st->echo, st->kept, reply);
    if (t->cfg.compact_headers && !t->out.error)
        sip_compact_headers(&t->out);
    return t->out.error;
}

static void server_send(struct server_txn *st)
{
    struct txn_layer *t = st->layer;
    struct flow to = st->flow;
    int r;

    if (st->msg) {
        txn_send_reply(t, st->msg, &st->flow, st->entry.force_rport, buf_str(&t->out));
        return;
    }
    to.remote = st->target;
    r = t->cfg.port.send(t->cfg.port.ctx, &to, buf_str(&t->out));
    if (r)
        log_debug(t->cfg.log, "txn.response_lost", KV_ERR(r));
}

/* Sends, and keeps what it takes to say it again. */
static void server_answer(struct server_txn *st, const struct sip_reply *reply, bool keep)
{
    struct txn_layer *t = st->layer;
    struct sip_reply full = *reply;
    char tag[TXN_TAG_MAX];
    int r;

    if (!full.to_tag.n)
        full.to_tag = txn_tag_print(t, st->tag, tag);
    r = server_print(st, &full);
    if (r) { /* a reply that does not fit is ours to log and the peer's to be told shortly */
        log_error(t->cfg.log, "txn.response_failed", KV_U("status", reply->status), KV_ERR(r));
        full = (struct sip_reply){ .status = 500, .to_tag = full.to_tag };
        r = server_print(st, &full);
    }
    if (r) {
        log_warn(t->cfg.log, "txn.response_not_kept", KV_ERR(r));
        return;
    }
    server_send(st);
    if (keep)
        answer_keep(st, &full);
}

void server_txn_respond(struct server_txn *st, const struct sip_reply *reply)
{
    BUG_UNLESS(reply->status >= 200 && reply->status < 700);
    if (!st->orphan) /* else too late: the peer has its 500, or has given up */
        server_answer(st, reply, true);
    server_free(st);
}

void server_txn_reject(struct server_txn *st, unsigned status, struct str headers)
{
    server_txn_respond(st, &(struct sip_reply){ .status = status, .headers = headers });
}

void server_txn_reject_once(struct server_txn *st, unsigned status, struct str headers)
{
    if (!st->orphan)
        server_answer(st, &(struct sip_reply){ .status = status, .headers = headers }, false);
    server_free(st);
}

void server_txn_force_rport_set(struct server_txn *st, bool force)
{
    st->entry.force_rport = force;
}

const struct flow *server_txn_flow(const struct server_txn *st)
{
    return &st->flow;
}

struct str server_txn_source(const struct server_txn *st, char room[TXN_SOURCE_MAX])
{
    struct buf text;

    buf_init_on(&text, room, TXN_SOURCE_MAX);
    addr_print(&text, &server_txn_flow(st)->remote);
    return buf_str(&text);
}

/* ---- receiving ---- */

static struct server_entry *server_find(const struct txn_layer *t, const struct server_key *key)
{
    return entry_of(map_find(&t->servers, key->id, has_key, key));
}

/* RFC 4320 section 4.2: nothing is said before the answer, which then is said again. */
static void server_again(struct txn_layer *t, struct server_entry *e, const struct flow *from,
                         const struct sip_message *msg)
{
    t->counters.retransmitted_requests++;
    if (e->answered)
        answer_again(t, CONTAINER_OF(e, struct server_answer, entry), from, msg);
}

/* RFC 3261 section 9.2. Nothing we do takes long enough to be worth cancelling. */
static void answer_cancel(struct txn_layer *t, const struct flow *from,
                          const struct sip_message *msg, const struct server_key *key)
{
    if (map_find(&t->servers, key->id, has_key_of_any_method, key))
        txn_respond_stateless(t, msg, from, &(struct sip_reply){ .status = 200 });
    else
        txn_refuse_stateless(
            t, msg, from,
            &(struct txn_refusal){ .status = 481, .why = "there is no such request to cancel" });
}

static bool is_merged(const struct txn_layer *t, const struct sip_message *msg,
                      const struct server_key *key)
{
    return !msg->to_tag.n && map_find(&t->merges, key->merge, has_another_way, key);
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

/* Is there memory for another one? The oldest answers make room. */
static bool has_room(struct txn_layer *t)
{
    uint64_t now_ms = t->server_bytes < t->cfg.max_server_bytes ? 0 : txn_now_ms(t);

    while (t->server_bytes >= t->cfg.max_server_bytes && t->answers &&
           t->answers->since_ms + ANSWER_LEAST_MS <= now_ms)
        oldest_answer_drop(t);
    return t->server_bytes < t->cfg.max_server_bytes;
}

static void server_begin(struct txn_layer *t, const struct flow *from,
                         const struct sip_message *msg, const struct server_key *key)
{
    struct server_txn *st = has_room(t) ? server_create(t, from, msg, key) : NULL;

    if (!st) {
        refuse_overload(t, from, msg);
        return;
    }
    t->handled = st;
    t->cfg.request(t->cfg.ctx, st, msg, from);
    if (!t->handled) /* it was answered */
        return;
    t->handled = NULL;
    if (server_keep_echo(st)) {
        server_orphan(st); /* without that no answer can be made later */
        st->msg = NULL;
        return;
    }
    server_list(st);
    timer_start(t->cfg.wheel, &st->timer, 64ull * t->cfg.t1_ms);
}

/* Who has the dialog, or -1. One that a process with more workers made lives where the numbers of
 * its usages are counted on: see told_worker. */
static int dialog_worker(const struct txn_layer *t, const struct sip_message *msg)
{
    int worker = msg->to_tag.n ? txn_tag_worker(msg->to_tag) : -1;

    if (worker < 0 && msg->to_tag.n && msg->method == SIP_SUBSCRIBE)
        worker = (int)txn_foreign_class(msg->to_tag);
    return worker < 0 ? worker : worker % (int)t->cfg.workers;
}

/* A datagram that is lost comes again by itself. That another worker knows it already cannot be
 * seen here: it is asked about each time it comes. */
static void forward(struct txn_layer *t, int worker, const struct flow *from,
                    const struct sip_message *msg)
{
    if (txn_admits(t, from, msg) && txn_hand_over(t, worker, from, msg->raw) && from->connection)
        refuse_overload(t, from, msg);
}

void server_receive(struct txn_layer *t, const struct flow *from, const struct sip_message *msg,
                    bool admitted)
{
    int worker = dialog_worker(t, msg);
    struct server_entry *e;
    struct server_key key;

    if (msg->method == SIP_ACK) /* for an INVITE that we refused */
        return;
    if (txn_is_elsewhere(t, worker)) {
        forward(t, worker, from, msg);
        return;
    }
    key = key_of(t, from, msg);
    e = server_find(t, &key);
    if (e) {
        server_again(t, e, from, msg);
        return;
    }
    t->counters.requests++;
    if (!admitted && !txn_admits(t, from, msg))
        return;
    if (msg->method == SIP_CANCEL) {
        answer_cancel(t, from, msg, &key);
    } else if (is_merged(t, msg, &key)) {
        t->counters.merged++;
        txn_refuse_stateless(t, msg, from,
                             &(struct txn_refusal){
                                 .status = 482, .why = "this request came before by another way" });
    } else {
        server_begin(t, from, msg, &key);
    }
}
