// SPDX-License-Identifier: MIT
/* Where it listens, and who may connect. libwebsockets never listens: connections are accepted
 * here, so that an address that may not connect, or one too many, costs nothing, and handed over to
 * it. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/server.h"

enum {
    ACCEPT_MAX = 64, /* in a turn of the loop */
    AGAIN_MS = 5000, /* an address that cannot be had */
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

uint64_t server_connections(const struct server *s)
{
    return s->connections;
}

int server_socket(const struct server *s)
{
    return s->listener ? s->listener->fd : -1;
}

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
    int r;

    if (!l)
        return -ENOMEM;
    *l = (struct listener){ .server = s, .fd = fd };
    r = uv_poll_init(s->h->cfg.loop, &l->poll, fd);
    if (r) { /* no handle yet: nothing for the loop to close */
        free(l);
        return r;
    }
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
            .protocols = connection_protocols,
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
