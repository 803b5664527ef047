// SPDX-License-Identifier: MIT
/* What happens on a connection that libwebsockets has: requests, their answers, streams. */
#include <fcntl.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"

enum {
    ANSWER_S = 120, /* for an answer to be made or a piece of it to be taken */
    BODY_S = 30,
    STREAM_S = 15, /* after so long of silence a stream says that it is there */
};

struct watch { /* of a stream's connection; lives until libuv has closed it */
    uv_poll_t poll;
    struct lws *wsi;
    int fd;
};

struct connection { /* libwebsockets' per-session data */
    struct exchange *exchange;
    struct watch *watch; /* of a stream */
    size_t sent;
    uint64_t left; /* of the body */
    bool headed;
    bool waits;    /* for its body */
    bool complete; /* that is there */
    bool last;     /* the connection ends with the answer: what comes behind it is no request */
};

/* ---- a request's head ---- */

struct copied { /* a text in the exchange's head, which may still move */
    struct str *to;
    size_t at, n;
};

static void copy_header(struct exchange *x, struct lws *wsi, enum lws_token_indexes token,
                        struct copied *c, struct str *to)
{
    char text[HEADER_DATA_MAX];
    int n = lws_hdr_copy(wsi, text, sizeof(text), token);

    *c = (struct copied){ to, x->head.n, n > 0 ? (size_t)n : 0 };
    buf_add(&x->head, (struct str){ text, c->n });
}

static void copy_custom(struct exchange *x, struct lws *wsi, const char *name, struct copied *c,
                        struct str *to)
{
    char text[256];
    int n = lws_hdr_custom_copy(wsi, text, sizeof(text), name, (int)strlen(name));

    *c = (struct copied){ to, x->head.n, n > 0 ? (size_t)n : 0 };
    buf_add(&x->head, (struct str){ text, c->n });
}

static void copy_query(struct exchange *x, struct lws *wsi, struct copied *c)
{
    char text[HEADER_DATA_MAX];
    int n;

    *c = (struct copied){ &x->rq.query, x->head.n, 0 };
    for (int i = 0;
         (n = lws_hdr_copy_fragment(wsi, text, sizeof(text), WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0;
         i++) {
        buf_add(&x->head, (struct str){ text, (size_t)n });
        buf_add_char(&x->head, '\0');
    }
    c->n = x->head.n - c->at;
}

static enum http_method method_of(struct lws *wsi)
{
    static const enum http_method methods[] = {
        [LWSHUMETH_GET] = HTTP_GET,       [LWSHUMETH_POST] = HTTP_POST,
        [LWSHUMETH_OPTIONS] = HTTP_OTHER, [LWSHUMETH_PUT] = HTTP_PUT,
        [LWSHUMETH_PATCH] = HTTP_OTHER,   [LWSHUMETH_DELETE] = HTTP_DELETE,
        [LWSHUMETH_CONNECT] = HTTP_OTHER, [LWSHUMETH_HEAD] = HTTP_HEAD,
    };
    char *uri;
    int n, m = lws_http_get_uri_and_method(wsi, &uri, &n);

    return m >= 0 && m < (int)ARRAY_LEN(methods) ? methods[m] : HTTP_OTHER;
}

static int peer_of(struct lws *wsi, struct addr *out)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);

    if (getpeername(lws_get_socket_fd(wsi), (struct sockaddr *)&ss, &n))
        return -errno;
    return addr_from_sockaddr(out, (struct sockaddr *)&ss);
}

/* 0 or a negative errno: such a request is not answered. */
static int head_read(struct exchange *x, struct lws *wsi, struct str path)
{
    struct http_request *rq = &x->rq;
    struct copied c[10];
    size_t n = 0;

    c[n++] = (struct copied){ &rq->path, x->head.n, path.n };
    buf_add(&x->head, path);
    copy_query(x, wsi, &c[n++]);
    copy_header(x, wsi, WSI_TOKEN_HOST, &c[n], &rq->host);
    n++;
    copy_header(x, wsi, WSI_TOKEN_ORIGIN, &c[n], &rq->origin);
    n++;
    copy_header(x, wsi, WSI_TOKEN_HTTP_AUTHORIZATION, &c[n], &rq->authorization);
    n++;
    copy_header(x, wsi, WSI_TOKEN_HTTP_COOKIE, &c[n], &rq->cookie);
    n++;
    copy_header(x, wsi, WSI_TOKEN_HTTP_ACCEPT, &c[n], &rq->accept);
    n++;
    copy_header(x, wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, &c[n], &rq->content_type);
    n++;
    copy_header(x, wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, &c[n], &rq->if_none_match);
    n++;
    copy_custom(x, wsi, "x-csrf-token:", &c[n], &rq->csrf);
    n++;
    if (x->head.error)
        return x->head.error;
    for (size_t i = 0; i < n; i++)
        *c[i].to = str_sub(buf_str(&x->head), c[i].at, c[i].at + c[i].n);
    rq->method = method_of(wsi);
    rq->secure = lws_is_ssl(wsi);
    return peer_of(wsi, &rq->peer);
}

/* ---- the answer ---- */

static void on_ready(struct exchange *x)
{
    lws_callback_on_writable(x->server);
}

/* ---- a stream's connection ---- */

static void on_watch_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_poll_t *)handle, struct watch, poll));
}

static void watch_end(struct watch *w)
{
    if (!w)
        return;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
    close(w->fd);
}

static void on_said(uv_poll_t *poll, int status, int events)
{
    struct watch *w = CONTAINER_OF(poll, struct watch, poll);

    (void)status;
    (void)events;
    uv_poll_stop(poll);
    lws_set_timeout(w->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_ASYNC);
}

/* Who is told a stream has nothing more to say. libwebsockets does not read while it answers, and
 * so does not find out that he has hung up; but it asks its loop for what there is to be read, and
 * the loop does not sleep any more. */
static int watch_begin(struct watch **out, uv_loop_t *loop, struct lws *wsi)
{
    struct watch *w = malloc(sizeof(*w));
    int r = w ? 0 : -ENOMEM;

    if (r)
        return r;
    *w = (struct watch){ .wsi = wsi, .fd = fcntl(lws_get_socket_fd(wsi), F_DUPFD_CLOEXEC, 0) };
    r = w->fd < 0 ? -errno : uv_poll_init(loop, &w->poll, w->fd);
    if (r) {
        if (w->fd >= 0)
            close(w->fd);
        free(w);
        return r;
    }
    uv_poll_start(&w->poll, UV_READABLE | UV_DISCONNECT, on_said);
    *out = w;
    return 0;
}

static void connection_drop(struct connection *c)
{
    watch_end(c->watch);
    exchange_destroy(c->exchange);
    *c = (struct connection){ .sent = 0 };
}

struct head {
    struct lws *wsi;
    unsigned char *at, *end;
    bool full;
};

static void head_add(struct head *h, const char *name, struct str value)
{
    h->full |= lws_add_http_header_by_name(h->wsi, (const unsigned char *)name,
                                           (const unsigned char *)value.p, (int)value.n, &h->at,
                                           h->end) != 0;
}

static void head_add_fields(struct head *h, struct str fields)
{
    struct str rest = fields;

    while (rest.n) {
        size_t end = str_find_char(rest, '\r'), colon = str_find_char(rest, ':');
        char name[64];

        if (colon + 2 > end || colon + 2 > sizeof(name))
            return;
        memcpy(name, rest.p, colon + 1);
        name[colon + 1] = '\0';
        head_add(h, name, str_sub(rest, colon + 2, end));
        rest = str_sub(rest, end + 2, rest.n);
    }
}

static struct str body_of(const struct exchange *x)
{
    return x->file.n ? x->file : buf_str(&x->out);
}

static int write_head(struct server *s, struct lws *wsi, struct connection *c)
{
    struct exchange *x = c->exchange;
    unsigned char *start = s->room + LWS_PRE;
    struct head h = { .wsi = wsi, .at = start, .end = s->room + sizeof(s->room) - 1 };

    if (lws_add_http_header_status(wsi, x->status, &h.at, h.end))
        return -1;
    if (x->type)
        head_add(&h, "content-type:", str_of(x->type));
    head_add(&h, "x-content-type-options:", STR("nosniff"));
    head_add(&h, "referrer-policy:", STR("no-referrer"));
    if (!x->file.n)
        head_add(&h, "cache-control:", STR("no-store"));
    head_add_fields(&h, buf_str(&x->fields));
    if (c->last || x->stream)
        head_add(&h, "connection:", STR("close"));
    if (!x->stream && x->status != 204 && x->status != 304)
        h.full |= lws_add_http_header_content_length(wsi, body_of(x).n, &h.at, h.end) != 0;
    if (h.full || lws_finalize_http_header(wsi, &h.at, h.end))
        return -1;
    c->headed = true;
    return lws_write(wsi, start, (size_t)(h.at - start), LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

static int answer_over(struct lws *wsi, struct connection *c)
{
    bool last = c->last;

    connection_drop(c);
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    return last || lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Room for more, and another turn for what is left. */
static void stream_sent(struct lws *wsi, struct connection *c)
{
    struct buf *out = &c->exchange->out;

    if (c->sent >= out->n - c->sent) {
        memmove(out->p, out->p + c->sent, out->n - c->sent);
        out->n -= c->sent;
        c->sent = 0;
    }
    if (out->n > c->sent)
        lws_callback_on_writable(wsi);
}

/* What a stream has at the moment; more comes. */
static int write_stream(struct server *s, struct lws *wsi, struct connection *c)
{
    struct exchange *x = c->exchange;
    struct str piece = str_sub(buf_str(&x->out), c->sent, c->sent + PIECE);

    if (x->out.error)
        return -1;
    if (piece.n) {
        memcpy(s->room + LWS_PRE, piece.p, piece.n);
        if (lws_write(wsi, s->room + LWS_PRE, piece.n, LWS_WRITE_HTTP) < 0)
            return -1;
        c->sent += piece.n;
    }
    stream_sent(wsi, c);
    return 0;
}

/* One message. */
static int write_message(struct server *s, struct lws *wsi, struct connection *c)
{
    struct exchange *x = c->exchange;
    struct str left = str_sub(buf_str(&x->out), c->sent, x->out.n),
               message = str_sub(left, 0, str_find_char(left, '\n'));

    if (x->out.error || message.n > PIECE)
        return -1;
    if (!message.n)
        return 0;
    memcpy(s->room + LWS_PRE, message.p, message.n);
    if (lws_write(wsi, s->room + LWS_PRE, message.n, LWS_WRITE_TEXT) < 0)
        return -1;
    c->sent += message.n + 1;
    stream_sent(wsi, c);
    return 0;
}

static void stream_begins(struct lws *wsi)
{
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    lws_set_timer_usecs(wsi, STREAM_S * LWS_US_PER_SEC);
}

static int on_timer(struct lws *wsi, struct connection *c)
{
    if (!c || !c->exchange || !c->exchange->stream)
        return 0;
    if (!stream_keep_alive(c->exchange))
        return -1;
    lws_set_timer_usecs(wsi, STREAM_S * LWS_US_PER_SEC);
    lws_callback_on_writable(wsi);
    return 0;
}

static bool is_all_sent(const struct connection *c)
{
    const struct exchange *x = c->exchange;

    return x->rq.method == HTTP_HEAD || x->status == 304 || c->sent == body_of(x).n;
}

/* The next request may come as soon as the answer is out, and has to find libwebsockets ready. What
 * it holds back has to go first. */
static int answer_went(struct lws *wsi, struct connection *c)
{
    if (is_all_sent(c) && !lws_partial_buffered(wsi))
        return answer_over(wsi, c);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, ANSWER_S);
    lws_callback_on_writable(wsi); /* when that is gone: then what is left, or the end */
    return 0;
}

static int write_piece(struct server *s, struct lws *wsi, struct connection *c)
{
    struct str body = body_of(c->exchange), piece = str_sub(body, c->sent, c->sent + PIECE);
    bool last = c->sent + piece.n == body.n;

    if (is_all_sent(c))
        return answer_over(wsi, c);
    memcpy(s->room + LWS_PRE, piece.p, piece.n);
    if (lws_write(wsi, s->room + LWS_PRE, piece.n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        0)
        return -1;
    c->sent += piece.n;
    return answer_went(wsi, c);
}

static int write_first(struct server *s, struct lws *wsi, struct connection *c)
{
    if (write_head(s, wsi, c))
        return -1;
    if (!c->exchange->stream)
        return answer_went(wsi, c);
    stream_begins(wsi);
    if (watch_begin(&c->watch, s->h->cfg.loop, wsi))
        return -1;
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_writable(struct server *s, struct lws *wsi, struct connection *c)
{
    if (!c->exchange)
        return 0;
    if (c->waits && c->complete) {
        c->waits = false;
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, ANSWER_S);
        exchange_go(c->exchange);
    }
    if (!c->exchange->answered)
        return 0;
    if (!c->headed)
        return write_first(s, wsi, c);
    return c->exchange->stream ? write_stream(s, wsi, c) : write_piece(s, wsi, c);
}

/* ---- requests ---- */

static bool header_text(struct lws *wsi, enum lws_token_indexes token, char *out, size_t room,
                        struct str *text)
{
    int n = lws_hdr_copy(wsi, out, (int)room, token);

    *text = (struct str){ out, n > 0 ? (size_t)n : 0 };
    return n > 0;
}

/* How long the body is; false: that is answered. */
static bool body_expected(struct exchange *x, struct lws *wsi, struct connection *c)
{
    char room[32];
    struct str text;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING)) {
        exchange_fail(x, 411, "usage", "a body comes with its Content-Length");
        return false;
    }
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH)) {
        /* libwebsockets takes whatever comes for the body of these. */
        c->last = x->rq.method == HTTP_POST || x->rq.method == HTTP_PUT;
        return true;
    }
    if (!header_text(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, room, sizeof(room), &text) ||
        str_to_u64(&c->left, text)) {
        exchange_fail(x, 400, "usage", "Content-Length is no number");
        return false;
    }
    if (c->left > HTTP_BODY_MAX) {
        exchange_fail(x, 413, "usage", "a request has at most %d bytes", HTTP_BODY_MAX);
        return false;
    }
    return true;
}

static int on_request(struct server *s, struct lws *wsi, struct connection *c, struct str path)
{
    struct exchange *x;

    connection_drop(c);
    x = exchange_create(s->h, on_ready, wsi);
    if (!x)
        return -1;
    c->exchange = x;
    if (head_read(x, wsi, path))
        return -1;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, ANSWER_S);
    if (!body_expected(x, wsi, c)) {
        c->last = true;
        return 0;
    }
    /* A NUL in the path ends it for libwebsockets. */
    if (path.n != str_sub(path, 0, str_find_char(path, '\0')).n)
        exchange_fail(x, 400, "usage", "there is a NUL in the path");
    else
        exchange_begin(x);
    c->last = c->last || (x->answered && c->left > 0);
    c->waits = !x->answered && c->left > 0;
    if (c->waits)
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, BODY_S);
    else
        exchange_go(x);
    return 0;
}

/* A request that has come before the one in front of it was answered libwebsockets 4.1 hands out
 * twice when it has a body: its head as the body, too; and it says without end that a body is
 * complete when there is more behind it. So nothing is done with one before the next turn of the
 * loop, and where there is more than was announced the connection ends. */
static int on_body(struct connection *c, struct str bytes)
{
    if (!c->exchange || c->last)
        return 0;
    if (bytes.n > c->left)
        return -1;
    c->left -= bytes.n;
    if (c->waits)
        buf_add(&c->exchange->body, bytes);
    return 0;
}

static int on_body_complete(struct lws *wsi, struct connection *c)
{
    if (c->complete)
        return -1;
    c->complete = true;
    lws_callback_on_writable(wsi);
    return 0;
}

/* Whoever is refused a WebSocket is told why, as Asterisk does. */
static int websocket_refuse(struct lws *wsi, struct connection *c, unsigned status)
{
    connection_drop(c);
    (void)lws_return_http_status(wsi, status, NULL);
    return -1;
}

static unsigned websocket_begin(struct server *s, struct exchange *x)
{
    switch (access_check(s->h, &x->rq, &x->caller)) {
    case 0:
        break;
    case ACCESS_FOREIGN:
        return 403;
    case ACCESS_TOO_OFTEN:
        return 429;
    default:
        return 401;
    }
    if (!x->caller.reads)
        return x->caller.name[0] ? 403 : 401;
    return ari_events_begin(x) ? 0 : 400;
}

/* A WebSocket; anything but 0 refuses it. */
static int on_websocket(struct server *s, struct lws *wsi, struct connection *c)
{
    struct exchange *x;
    unsigned status;
    char path[64];
    struct str text;

    connection_drop(c);
    if (!header_text(wsi, WSI_TOKEN_GET_URI, path, sizeof(path), &text) ||
        !str_equal(text, STR("/ari/events")))
        return websocket_refuse(wsi, c, 404);
    x = exchange_create(s->h, on_ready, wsi);
    if (!x)
        return -1;
    c->exchange = x;
    if (head_read(x, wsi, text)) {
        connection_drop(c);
        return -1;
    }
    status = websocket_begin(s, x);
    return status ? websocket_refuse(wsi, c, status) : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    struct server *s = lws_context_user(lws_get_context(wsi));
    struct connection *c = user;

    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        SSL_CTX_set_cert_cb(user, certificate_show, &s->certificate);
        SSL_CTX_set_info_callback(user, certificate_event);
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        s->connections++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        s->connections--;
        return 0;
    case LWS_CALLBACK_HTTP:
        return on_request(s, wsi, c, (struct str){ in, n });
    case LWS_CALLBACK_HTTP_BODY:
        return on_body(c, (struct str){ in, n });
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return on_body_complete(wsi, c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return on_writable(s, wsi, c);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return !str_equal_nocase(str_of(in), STR("websocket")); /* of h2c nothing is gained */
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return on_websocket(s, wsi, c);
    case LWS_CALLBACK_ESTABLISHED:
        stream_begins(wsi);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return c->exchange ? write_message(s, wsi, c) : -1;
    case LWS_CALLBACK_TIMER:
        return on_timer(wsi, c);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (c)
            connection_drop(c);
        return 0;
    default:
        return 0;
    }
}

const struct lws_protocols connection_protocols[] = {
    { .name = "http", .callback = on_event, .per_session_data_size = sizeof(struct connection) },
    { .name = "ari", .callback = on_event, .per_session_data_size = sizeof(struct connection) },
    { .name = NULL },
};
