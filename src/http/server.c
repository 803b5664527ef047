// SPDX-License-Identifier: MIT
/* libwebsockets, on the loop that it is given. It never listens: connections are accepted here, so
 * that an address that may not connect, or one too many, costs nothing, and handed over to it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/http_internal.h"

enum {
    HEADER_DATA_MAX = 8192,
    PIECE = 32 << 10, /* of an answer, at once */
    ACCEPT_MAX = 64,  /* in a turn of the loop */
    AGAIN_MS = 5000,  /* an address that cannot be had */
    ANSWER_S = 120,   /* for an answer to be made or a piece of it to be taken */
    BODY_S = 30,
    STREAM_S = 15, /* after so long of silence a stream says that it is there */
    KEEPALIVE_S = 75,
};

struct listener { /* lives until libuv has closed it */
    uv_poll_t poll;
    struct server *server;
    int fd;
};

struct retry { /* likewise */
    uv_timer_t timer;
    struct server *server;
};

struct watch { /* likewise; of a stream's connection */
    uv_poll_t poll;
    struct lws *wsi;
    int fd;
};

struct server {
    struct http *h;
    struct lws_context *context; /* NULL until it is first enabled */
    struct lws_vhost *vhost;     /* NULL: there is nothing to listen for */
    struct listener *listener;   /* NULL: it does not listen */
    struct retry *retry;
    unsigned generation;
    char vhost_name[32];       /* with it */
    SSL_CTX *certificate;      /* of now; with TLS */
    struct timespec certified; /* when its files were changed last */
    uint32_t places;           /* as many connections as the context has room for */
    uint64_t connections;
    unsigned char room[LWS_PRE + PIECE];
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

uint64_t server_connections(const struct server *s)
{
    return s->connections;
}

int server_socket(const struct server *s)
{
    return s->listener ? s->listener->fd : -1;
}

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

/* A WebSocket; anything but 0 refuses it. */
static int on_websocket(struct server *s, struct lws *wsi, struct connection *c)
{
    struct exchange *x;
    char path[64];
    struct str text;

    connection_drop(c);
    if (!header_text(wsi, WSI_TOKEN_GET_URI, path, sizeof(path), &text) ||
        !str_equal(text, STR("/ari/events")))
        return -1;
    x = exchange_create(s->h, on_ready, wsi);
    if (!x)
        return -1;
    c->exchange = x;
    if (head_read(x, wsi, text) || access_check(s->h, &x->rq, &x->caller) || !x->caller.reads ||
        !ari_events_begin(x)) {
        connection_drop(c);
        return -1;
    }
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t n)
{
    struct server *s = lws_context_user(lws_get_context(wsi));
    struct connection *c = user;

    switch (reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        SSL_CTX_set_cert_cb(user, certificate_show, &s->certificate);
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

static const struct lws_protocols protocols[] = {
    { .name = "http", .callback = on_event, .per_session_data_size = sizeof(struct connection) },
    { .name = "ari", .callback = on_event, .per_session_data_size = sizeof(struct connection) },
    { .name = NULL },
};

/* ---- connections ---- */

static bool may_connect(const struct http_settings *s, const struct addr *a)
{
    bool may = s->n_allow == 0;

    for (size_t i = 0; i < s->n_allow && !may; i++)
        may = addr_net_contains(&s->allow[i], a);
    return may;
}

static void connection_accept(struct server *s, int fd, const struct addr *peer)
{
    const struct http_settings *cfg = &s->h->settings->http;
    lws_adoption_type how =
        LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET | (cfg->cert_file.n ? LWS_ADOPT_ALLOW_SSL : 0);
    int on = 1;

    if (!may_connect(cfg, peer) || s->connections >= cfg->max_connections ||
        s->connections >= s->places) {
        close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* It is closed there when there is no memory. */
    (void)lws_adopt_descriptor_vhost(s->vhost, how, (lws_sock_file_fd_type){ .sockfd = fd }, NULL,
                                     NULL);
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct listener *l = CONTAINER_OF(poll, struct listener, poll);

    (void)events;
    for (int i = 0; i < ACCEPT_MAX && status == 0; i++) {
        struct sockaddr_storage ss;
        socklen_t n = sizeof(ss);
        struct addr peer;
        int fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return;
        if (addr_from_sockaddr(&peer, (struct sockaddr *)&ss))
            close(fd);
        else
            connection_accept(l->server, fd, &peer);
    }
}

/* ---- listening ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_poll_t *)handle, struct listener, poll));
}

static void listener_close(struct server *s)
{
    struct listener *l = s->listener;

    if (!l)
        return;
    s->listener = NULL;
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    close(l->fd);
}

static int listener_create(struct server *s, int fd)
{
    struct listener *l = malloc(sizeof(*l));

    if (!l)
        return -ENOMEM;
    *l = (struct listener){ .server = s, .fd = fd };
    uv_poll_init(s->h->cfg.loop, &l->poll, fd);
    uv_poll_start(&l->poll, UV_READABLE, on_connections);
    s->listener = l;
    return 0;
}

static int socket_listen(const struct addr *a)
{
    int on = 1, off = 0;
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->sa.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, &a->sa, addr_socklen(a)) || listen(fd, SOMAXCONN)) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

/* One that was passed to the process is used once: whoever connects meanwhile waits in it. */
static int socket_get(struct server *s)
{
    int *passed = &s->h->cfg.socket, fd = *passed;

    *passed = -1;
    if (fd < 0)
        return socket_listen(&s->h->settings->http.bind);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int context_create(struct server *s)
{
    s->places = s->h->settings->http.max_connections;
    s->context = lws_create_context(&(struct lws_context_creation_info){
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = (void *[]){ s->h->cfg.loop },
        .pcontext = &s->context,
        .user = s,
        .gid = -1,
        .uid = -1,
        .max_http_header_data = HEADER_DATA_MAX,
        /* Its tables are as long as this, and the limit of files may be a million. */
        .fd_limit_per_thread = s->places + 64,
    });
    return s->context ? 0 : -ENOMEM;
}

static int vhost_create(struct server *s)
{
    const struct http_settings *cfg = &s->h->settings->http;
    const char *cert = cfg->cert_file.n ? cfg->cert_file.p : NULL;
    int r = cert ? certificate_read(&s->certificate, cfg) : 0;

    if (r)
        return r;
    snprintf(s->vhost_name, sizeof(s->vhost_name), "extstate-%u", ++s->generation);
    s->vhost = lws_create_vhost(
        s->context,
        &(struct lws_context_creation_info){
            .port = CONTEXT_PORT_NO_LISTEN_SERVER,
            .vhost_name = s->vhost_name, /* it is not copied */
            .protocols = protocols,
            .user = s,
            .keepalive_timeout = KEEPALIVE_S,
            .alpn = "http/1.1",
            .ssl_cert_filepath = cert,
            .ssl_private_key_filepath = cfg->key_file.n ? cfg->key_file.p : cert,
            .ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION,
            .options = cert ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0,
        });
    return s->vhost ? 0 : -EINVAL;
}

static struct timespec certified_at(const struct http_settings *cfg)
{
    struct stat st;

    return cfg->cert_file.n && stat(cfg->cert_file.p, &st) == 0 ? st.st_mtim
                                                                : (struct timespec){ 0 };
}

/* 0, or a negative errno with what could not be had. */
static int listener_open(struct server *s, const char **what)
{
    int r = 0, fd;

    *what = "libwebsockets cannot begin: is its plugin for libuv installed?";
    if (!s->context)
        r = context_create(s);
    if (r)
        return r;
    *what = "the certificate or its key cannot be used";
    if (!s->vhost)
        r = vhost_create(s);
    if (r)
        return r;
    s->certified = certified_at(&s->h->settings->http);
    *what = "the address cannot be had";
    fd = socket_get(s);
    if (fd < 0)
        return fd;
    r = listener_create(s, fd);
    if (r)
        close(fd);
    return r;
}

static void print_where(const struct http_settings *cfg, struct buf *out)
{
    buf_add(out, cfg->cert_file.n ? STR("https://") : STR("http://"));
    addr_print(out, &cfg->bind);
}

static void on_again(uv_timer_t *t);

static void server_open(struct server *s)
{
    const struct http_settings *cfg = &s->h->settings->http;
    const char *what;
    char room[100];
    struct buf where;
    int r;

    if (!cfg->enabled || s->listener)
        return;
    buf_init_on(&where, room, sizeof(room));
    print_where(cfg, &where);
    r = listener_open(s, &what);
    if (r == 0) {
        log_info(s->h->cfg.log, "http.listens", KV("at", buf_str(&where)));
        return;
    }
    log_error(s->h->cfg.log, "http.not_open", KV("at", buf_str(&where)), KV("why", str_of(what)),
              KV_ERR(r));
    uv_timer_start(&s->retry->timer, on_again, AGAIN_MS, 0);
}

static void on_again(uv_timer_t *t)
{
    server_open(CONTAINER_OF(t, struct retry, timer)->server);
}

int server_create(struct server **out, struct http *h)
{
    struct server *s = calloc(1, sizeof(*s));
    struct retry *retry = calloc(1, sizeof(*retry));

    if (!s || !retry) {
        free(s);
        free(retry);
        return -ENOMEM;
    }
    *s = (struct server){ .h = h, .retry = retry };
    retry->server = s;
    uv_timer_init(h->cfg.loop, &retry->timer);
    lws_set_log_level(0, NULL); /* it would log what clients do wrong, without limits */
    server_open(s);
    h->cfg.socket = -1; /* it is ours no longer than that */
    *out = s;
    return 0;
}

static void vhost_end(struct server *s)
{
    if (s->vhost)
        lws_vhost_destroy(s->vhost);
    s->vhost = NULL;
}

/* TLS begins or ends, and with it the connections that there are. */
static int vhost_replace(struct server *s)
{
    struct lws_vhost *former = s->vhost;
    int r = vhost_create(s);

    if (r)
        s->vhost = former;
    else
        lws_vhost_destroy(former);
    return r;
}

/* With one that cannot be used the former one goes on. */
static void certificate_follow(struct server *s, const struct http_settings *former)
{
    const struct http_settings *now = &s->h->settings->http;
    int r;

    if (!s->vhost)
        return;
    s->certified = certified_at(now);
    r = former->cert_file.n && now->cert_file.n ? certificate_read(&s->certificate, now)
                                                : vhost_replace(s);
    if (r)
        log_error(s->h->cfg.log, "http.certificate_kept", KV("file", now->cert_file), KV_ERR(r));
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

void server_settings(struct server *s, const struct http_settings *former)
{
    const struct http_settings *now = &s->h->settings->http;
    bool certificate = !str_equal(former->cert_file, now->cert_file) ||
                       !str_equal(former->key_file, now->key_file) ||
                       !is_same_time(s->certified, certified_at(now));

    if (!now->enabled || !addr_equal(&former->bind, &now->bind))
        listener_close(s);
    if (!now->enabled)
        vhost_end(s);
    else if (certificate)
        certificate_follow(s, former);
    server_open(s);
}

static void on_retry_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_timer_t *)handle, struct retry, timer));
}

/* Of a loop that it did not make libwebsockets frees what it has when it is asked a second time,
 * after the loop has closed its handles. */
static void context_destroy(struct server *s)
{
    enum { TURNS = 16 };

    if (!s->context)
        return;
    lws_context_destroy(s->context);
    for (int i = 0; i < TURNS; i++)
        uv_run(s->h->cfg.loop, UV_RUN_NOWAIT);
    if (s->context)
        lws_context_destroy(s->context);
}

void server_destroy(struct server *s)
{
    listener_close(s);
    uv_close((uv_handle_t *)&s->retry->timer, on_retry_closed);
    context_destroy(s);
    SSL_CTX_free(s->certificate);
    free(s);
}
