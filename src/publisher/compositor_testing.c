// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "publisher/publisher_testing.h"

/* ---- the compositor's memory ---- */

static void document_free(struct esc_document *d)
{
    list_remove(&d->link);
    str_free(&d->resource);
    str_free(&d->tag);
    str_free(&d->body);
    free(d);
}

void esc_forget(struct bench *b)
{
    LIST_FOREACH_SAFE (it, &b->documents)
        document_free(CONTAINER_OF(it, struct esc_document, link));
}

static void documents_expire(struct bench *b)
{
    LIST_FOREACH_SAFE (it, &b->documents) {
        struct esc_document *d = CONTAINER_OF(it, struct esc_document, link);

        if (d->until_ms <= b->now_ms)
            document_free(d);
    }
}

static struct esc_document *document_find(struct bench *b, struct str resource, struct str tag)
{
    documents_expire(b);
    LIST_FOREACH (it, &b->documents) {
        struct esc_document *d = CONTAINER_OF(it, struct esc_document, link);

        if (str_equal(d->resource, resource) && str_equal(d->tag, tag))
            return d;
    }
    return NULL;
}

static struct str printed(const char *format, ...) PRINTF_LIKE(1, 2);
static struct str printed(const char *format, ...)
{
    char text[600];
    struct str copy;
    va_list args;

    va_start(args, format);
    assert_true(vsnprintf(text, sizeof(text), format, args) < (int)sizeof(text));
    va_end(args);
    assert_int_equal(str_dup(&copy, str_of(text)), 0);
    return copy;
}

/* sip:USER@esc.test EVENT */
const struct esc_document *esc_find(const struct bench *b, const char *user, const char *event)
{
    const struct esc_document *found = NULL;
    struct str name = printed("sip:%s@esc.test %s", user, event);

    LIST_FOREACH (it, &b->documents) {
        const struct esc_document *d = CONTAINER_OF(it, struct esc_document, link);

        if (str_equal(d->resource, name) && d->until_ms > b->now_ms)
            found = d;
    }
    str_free(&name);
    return found;
}

size_t esc_count(struct bench *b)
{
    size_t n = 0;

    documents_expire(b);
    LIST_FOREACH (it, &b->documents)
        n++;
    return n;
}

static struct str between(struct str text, struct str before, struct str after)
{
    const char *from = text.n ? memmem(text.p, text.n, before.p, before.n) : NULL, *to;
    struct str rest = STR_EMPTY;

    if (from)
        rest = str_sub(text, (size_t)(from - text.p) + before.n, text.n);
    to = rest.n ? memmem(rest.p, rest.n, after.p, after.n) : NULL;
    return to ? str_sub(rest, 0, (size_t)(to - rest.p)) : STR_EMPTY;
}

static struct str body_state(struct str body)
{
    struct str state = between(body, STR("<state>"), STR("</state>"));

    if (!state.n)
        state = between(body, STR("<note>"), STR("</note>"));
    if (!state.n && between(body, STR("<dialog-info"), STR(">")).n)
        state = STR("idle");
    return state.n ? state : STR("-");
}

const char *esc_state(struct bench *b, const char *user)
{
    static const char *const states[] = { "idle", "terminated", "confirmed", "early" };
    const struct esc_document *d = esc_find(b, user, "dialog");

    for (size_t i = 0; d && i < ARRAY_LEN(states); i++)
        if (str_equal(body_state(d->body), str_of(states[i])))
            return states[i];
    return "-";
}

/* ---- the compositor's checks ---- */

static bool client_is(const struct map_node *node, const void *key)
{
    const struct esc_client *c = CONTAINER_OF(node, const struct esc_client, node);

    return str_equal(c->call_id, *(const struct str *)key);
}

struct esc_client *esc_client_find(struct bench *b, struct str call_id)
{
    struct map_node *node =
        map_find(&b->clients, map_hash(&b->clients, call_id), client_is, &call_id);

    return node ? CONTAINER_OF(node, struct esc_client, node) : NULL;
}

static struct esc_client *client_get(struct bench *b, struct str call_id)
{
    struct esc_client *c = esc_client_find(b, call_id);

    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    assert_non_null(c);
    assert_int_equal(str_dup(&c->call_id, call_id), 0);
    c->version = -1;
    c->answered = true;
    map_add(&b->clients, &c->node, map_hash(&b->clients, call_id));
    return c;
}

void esc_clients_free(struct bench *b)
{
    MAP_FOREACH_SAFE (node, &b->clients) {
        struct esc_client *c = CONTAINER_OF(node, struct esc_client, node);

        map_remove(&b->clients, node);
        str_free(&c->call_id);
        str_free(&c->branch);
        str_free(&c->request);
        str_free(&c->served);
        str_free(&c->response);
        free(c);
    }
}

static void check_header_order(const struct sip_message *m)
{
    static const char *const order[] = { "Via",
                                         "Route",
                                         "From",
                                         "To",
                                         "Call-ID",
                                         "CSeq",
                                         "Event",
                                         "SIP-If-Match",
                                         "Expires",
                                         "Max-Forwards",
                                         "User-Agent",
                                         "Authorization",
                                         "Proxy-Authorization",
                                         "Content-Type",
                                         "Content-Length" };
    size_t at = 0;

    for (size_t i = 0; i < m->n_headers; i++, at++) {
        while (at < ARRAY_LEN(order) && !str_equal(m->headers[i].name, str_of(order[at])))
            at++;
        assert_true(at < ARRAY_LEN(order));
    }
    assert_true(str_equal(m->headers[m->n_headers - 1].name, STR("Content-Length")));
}

/* Numbers go up by one; across a restart, which may have been before the first one got out, by
 * more. */
static void check_version(const struct bench *b, const struct sip_message *m, struct esc_client *c)
{
    struct str root = between(m->body, STR("<dialog-info"), STR(">"));
    struct str version = between(root, STR(" version=\""), STR("\""));
    uint32_t number;

    if (!version.n)
        return;
    assert_int_equal(str_to_u32(&number, version), 0);
    if (c->restarted || (c->version < 0 && b->store.incarnation > 1))
        assert_true((int64_t)number > c->version);
    else
        assert_int_equal((int64_t)number, c->version + 1);
    c->version = number;
}

static void check_new_request(const struct bench *b, const struct sip_message *m,
                              struct esc_client *c)
{
    check_header_order(m);
    /* Without an answer Timer F has ended the former one, or another address for the server has. */
    assert_true(c->answered || b->now_ms >= c->asked_ms + 32000 || c->asked_ms <= b->moved_ms);
    assert_true(!c->cseq || m->cseq == c->cseq + 1 || (c->restarted && m->cseq > c->cseq));
    c->cseq = m->cseq;
    check_version(b, m, c);
    c->restarted = c->restarted && !m->body.n;
}

void bench_clients_restart(struct bench *b)
{
    MAP_FOREACH (node, &b->clients) {
        struct esc_client *c = CONTAINER_OF(node, struct esc_client, node);

        c->restarted = true;
        b->outstanding -= !c->answered;
        c->answered = true;
    }
}

/* A request that the network did not take is over. */
void bench_unsent(struct bench *b, struct str datagram)
{
    struct sip_message m;
    struct esc_client *c;

    assert_int_equal(sip_message_parse(&m, datagram, NULL), 0);
    c = esc_client_find(b, m.call_id);
    if (!c || c->answered || !str_equal(c->branch, m.branch))
        return;
    c->answered = true;
    b->outstanding--;
}

void bench_watch(struct bench *b, const struct flow *to, struct str datagram)
{
    struct sip_message m;
    struct esc_client *c;

    assert_int_equal(sip_message_parse(&m, datagram, NULL), 0);
    assert_true(m.request && m.method == SIP_PUBLISH);
    c = client_get(b, m.call_id);
    if (str_equal(c->branch, m.branch)) {
        assert_true(str_equal(c->request, datagram)); /* byte by byte */
        return;
    }
    if (!addr_equal(&to->remote, &b->former_address))
        b->moved_ms = b->now_ms;
    b->former_address = to->remote;
    check_new_request(b, &m, c);
    b->outstanding += c->answered;
    if (b->outstanding > b->most_outstanding)
        b->most_outstanding = b->outstanding;
    c->answered = false;
    c->asked_ms = b->now_ms;
    str_free(&c->branch);
    str_free(&c->request);
    assert_int_equal(str_dup(&c->branch, m.branch), 0);
    assert_int_equal(str_dup(&c->request, datagram), 0);
    b->requests++;
}

/* ---- the compositor's digest ---- */

static struct str digest_param(struct str value, const char *name)
{
    char before[32];
    struct str found;

    (void)snprintf(before, sizeof(before), " %s=\"", name);
    found = between(value, str_of(before), STR("\""));
    if (found.n)
        return found;
    (void)snprintf(before, sizeof(before), "%s=", name);
    while (value.p && !str_starts(value, str_of(before))) /* nc, the only one without quotes */
        (void)str_next(&value, ' ');
    return value.p
               ? str_next(&(struct str){ value.p + strlen(before), value.n - strlen(before) }, ',')
               : STR_EMPTY;
}

static uint32_t hex_number(struct str text)
{
    uint32_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n = n * 16 + (uint32_t)(text.p[i] <= '9' ? text.p[i] - '0' : text.p[i] - 'a' + 10);
    return n;
}

/* The number of a nonce of ours, whose answer must be right; 0 for those of another time. */
static uint32_t digest_check(const struct bench *b, struct str value)
{
    struct digest_hex a1, want;
    struct digest_question q = { .algorithm = DIGEST_MD5,
                                 .nonce = digest_param(value, "nonce"),
                                 .method = STR("PUBLISH"),
                                 .uri = digest_param(value, "uri"),
                                 .nc = digest_param(value, "nc"),
                                 .cnonce = digest_param(value, "cnonce") };
    struct str prefix = str_of(b->esc.nonce);
    uint32_t number;

    if (!str_starts(q.nonce, prefix) || str_to_u32(&number, str_sub(q.nonce, prefix.n, q.nonce.n)))
        return 0;
    assert_int_equal(digest_a1(&a1, DIGEST_MD5, STR("publisher"), STR("esc.test"), STR("secret")),
                     0);
    q.a1 = digest_hex_str(&a1);
    assert_int_equal(digest_response(&want, &q), 0);
    assert_true(str_equal(digest_param(value, "response"), digest_hex_str(&want)));
    return number;
}

/* Each challenge has its own nonce, which is good for so many uses; nc must rise. */
static bool esc_admits(struct bench *b, const struct sip_message *m)
{
    enum sip_header_id id = b->esc.proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION;
    struct str value = sip_header_value(m, id);
    uint32_t number = 0, count = hex_number(digest_param(value, "nc"));

    if (!b->esc.nonce)
        return true;
    if (value.n)
        number = digest_check(b, value);
    /* A repetition may come after a later one; a strict server takes that for a replay. */
    if (!number || count <= b->nonce_count[number % BENCH_NONCES] ||
        (b->esc.nonce_uses && count > b->esc.nonce_uses)) {
        b->challenges++;
        b->nonce_count[++b->nonces % BENCH_NONCES] = 0;
        return false;
    }
    b->nonce_count[number % BENCH_NONCES] = count;
    b->last_nonce_count = count;
    b->authorized++;
    return true;
}

static void esc_tell_nonce(struct bench *b, struct buf *headers)
{
    if (!b->esc.next_nonce || b->last_nonce_count < b->esc.nonce_uses)
        return;
    b->nonce_count[++b->nonces % BENCH_NONCES] = 0;
    buf_printf(headers, "Authentication-Info: nextnonce=\"%s%llu\"\r\n", b->esc.nonce,
               (unsigned long long)b->nonces);
}

/* ---- the compositor's answers ---- */

/* Kamailio's way: see habit.c. */
static bool esc_swallows(const struct bench *b, const struct esc_document *d)
{
    return b->esc.ends_idle && d && str_equal(body_state(d->body), STR("terminated"));
}

static void others_free(struct bench *b, struct str resource)
{
    LIST_FOREACH_SAFE (it, &b->documents) {
        struct esc_document *d = CONTAINER_OF(it, struct esc_document, link);

        if (str_equal(d->resource, resource))
            document_free(d);
    }
}

/* `d` is replaced, or made. */
static void esc_store(struct bench *b, const struct sip_message *m, struct esc_document *d,
                      struct str resource, uint32_t expires)
{
    assert_true(m->body.n > 0); /* always with one */
    if (d)
        document_free(d);
    if (b->esc.ends_idle || b->esc.no_tags)
        others_free(b, resource); /* one document per resource */
    d = calloc(1, sizeof(*d));
    assert_non_null(d);
    assert_int_equal(str_dup(&d->resource, resource), 0);
    assert_int_equal(str_dup(&d->body, m->body), 0);
    d->tag = printed("t%llu", (unsigned long long)b->next_tag);
    d->until_ms = b->now_ms + (uint64_t)expires * 1000;
    list_append(&b->documents, &d->link);
}

static unsigned esc_accept(struct bench *b, const struct sip_message *m, struct esc_document *d,
                           struct str resource, struct buf *headers)
{
    uint32_t expires = 0;

    assert_int_equal(sip_delta_seconds_parse(&expires, sip_header_value(m, SIP_H_EXPIRES)), 0);
    if (expires && expires < b->esc.min_expires_s) {
        buf_printf(headers, "Min-Expires: %u\r\n", b->esc.min_expires_s);
        return 423;
    }
    if (expires && b->esc.grants_s)
        expires = b->esc.grants_s;
    b->next_tag++;
    if (!expires && d)
        document_free(d);
    else if (expires && !esc_swallows(b, d))
        esc_store(b, m, d, resource, expires);
    if (b->esc.odd_tag)
        buf_printf(headers, "SIP-ETag: %s\r\n", b->esc.odd_tag);
    else if (!b->esc.no_tags)
        buf_printf(headers, "SIP-ETag: t%llu\r\n", (unsigned long long)b->next_tag);
    buf_printf(headers, "Expires: %u\r\n", expires);
    esc_tell_nonce(b, headers);
    return 200;
}

static unsigned esc_publish(struct bench *b, const struct sip_message *m, struct buf *headers)
{
    struct str event = sip_header_value(m, SIP_H_EVENT);
    struct str tag = sip_header_value(m, SIP_H_SIP_IF_MATCH);
    struct str resource = printed("%.*s %.*s", STR_FMT(m->uri), STR_FMT(event));
    struct esc_document *d = tag.n ? document_find(b, resource, tag) : NULL;
    unsigned status = 412;

    if (d || !tag.n)
        status = esc_accept(b, m, d, resource, headers);
    str_free(&resource);
    return status;
}

static unsigned esc_decide(struct bench *b, const struct sip_message *m, struct buf *headers)
{
    unsigned status = b->esc.answer ? b->esc.answer(b->esc.ctx, m) : 0;

    if (b->esc.n_next) {
        const struct esc_answer *a = b->esc.next++;

        b->esc.n_next--;
        if (a->headers)
            buf_add(headers, str_of(a->headers));
        if (a->status != 200 || a->headers)
            return a->status;
    }
    if (b->esc.silent || status == ESC_NO_ANSWER)
        return 0;
    if (status && b->esc.retry_after_s)
        buf_printf(headers, "Retry-After: %u\r\n", b->esc.retry_after_s);
    if (status)
        return status;
    if (!esc_admits(b, m)) {
        buf_printf(headers,
                   "%s-Authenticate: Digest realm=\"esc.test\", nonce=\"%s%u\", algorithm=MD5, "
                   "qop=\"auth\"%s\r\n",
                   b->esc.proxy ? "Proxy" : "WWW", b->esc.nonce, (unsigned)b->nonces,
                   b->esc.stale ? ", stale=true" : "");
        return b->esc.proxy ? 407 : 401;
    }
    return esc_publish(b, m, headers);
}

static void seen_add(struct bench *b, const struct sip_message *m, unsigned status)
{
    struct str user = between(m->uri, STR("sip:"), STR("@"));
    struct str expires = sip_header_value(m, SIP_H_EXPIRES);
    bool tag = sip_header_value(m, SIP_H_SIP_IF_MATCH).n, removes = str_equal(expires, STR("0"));
    const char *kind = removes ? tag ? "remove" : "clean" : tag ? "modify" : "initial";

    if (b->quiet)
        return;
    buf_printf(&b->seen, "%.*s %s %.*s %.*s: ", STR_FMT(user), kind,
               STR_FMT(m->body.n ? body_state(m->body) : STR("-")), STR_FMT(expires));
    if (status)
        buf_printf(&b->seen, "%u\n", status);
    else
        buf_printf(&b->seen, "no answer\n");
}

static void esc_respond(struct bench *b, const struct sip_message *m, struct esc_client *c,
                        unsigned status, struct str headers)
{
    struct addr source;
    struct buf out;

    assert_int_equal(addr_parse(&source, STR("192.0.2.1:5060"), 5060), 0);
    buf_init(&out, 65536);
    sip_print_response(&out, m, &source, true,
                       &(struct sip_reply){ .status = status,
                                            .to_tag = STR("esc"),
                                            .headers = headers,
                                            .server = str_of(b->esc.server) });
    assert_int_equal(buf_take(&out, &c->response), 0);
    buf_fini(&out);
}

/* A repetition gets the former answer again; one that a server did not see when it first came is
 * new to it. */
static bool is_served(struct bench *b, const struct flow *flow, const struct sip_message *m,
                      struct esc_client *c)
{
    if (!str_equal(c->served, m->branch)) {
        str_free(&c->served);
        str_free(&c->response);
        assert_int_equal(str_dup(&c->served, m->branch), 0);
        return false;
    }
    if (c->response.n && !b->esc.silent)
        bench_post(b, flow, c->response, true);
    return c->response.n || b->esc.silent;
}

void esc_receive(struct bench *b, const struct flow *flow, struct str datagram)
{
    struct sip_message m;
    struct esc_client *c;
    struct buf headers;
    unsigned status;

    assert_int_equal(sip_message_parse(&m, datagram, NULL), 0);
    c = client_get(b, m.call_id);
    if (is_served(b, flow, &m, c))
        return;
    str_free(&b->last);
    assert_int_equal(str_dup(&b->last, datagram), 0);
    buf_init(&headers, 4096);
    status = esc_decide(b, &m, &headers);
    seen_add(b, &m, status);
    if (status) {
        esc_respond(b, &m, c, status, buf_str(&headers));
        bench_post(b, flow, c->response, true);
    }
    buf_fini(&headers);
}
