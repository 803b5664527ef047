// SPDX-License-Identifier: MIT
#include "ami/connections.h"

#include <stdlib.h>
#include <unistd.h>

#include "net/link.h"

enum {
    WAITING_MAX = 32 << 20,    /* bytes for one client: a list of a hundred thousand hints */
    STRANGER_STALL_MS = 10000, /* who has not logged in, its handshake included */
    ACCEPTS_A_TURN = 16,
    AGAIN_MS = 100, /* when nobody can be accepted */
};

struct listener {
    uv_poll_t poll;
    struct ami_connections *connections;
    int fd; /* -1: there is none */
    struct net_tls *tls;
    struct timer again;
};

struct ami_connections {
    struct ami_connections_config cfg;
    struct ami_server *server;
    struct list list; /* struct connection */
    size_t n_opening; /* without a session yet */
    struct feed_consumer changes;
    struct listener *listeners[AMI_LISTENERS];
};

struct connection {
    struct list link;
    struct ami_connections *owner;
    struct net_link *net;
    struct ami_session *session; /* NULL: not yet, or not to be */
    struct ami_peer peer;
    bool opening;
};

/* ---- one of them ---- */

static void connection_destroy(struct connection *k)
{
    list_remove(&k->link);
    k->owner->n_opening -= k->opening;
    ami_session_destroy(k->session);
    net_link_destroy(k->net);
    if (list_empty(&k->owner->list))
        feed_unsubscribe(k->owner->cfg.feed, &k->owner->changes);
    free(k);
}

static void on_opened(void *ctx)
{
    struct connection *k = ctx;
    int r;

    k->opening = false;
    k->owner->n_opening--;
    r = ami_session_create(&k->session, k->owner->server, &k->peer, k);
    if (r)
        net_link_close(k->net);
}

static void on_received(void *ctx, struct str bytes)
{
    struct connection *k = ctx;

    if (k->session)
        ami_session_receive(k->session, bytes);
}

static void on_ended(void *ctx, int result, const char *why)
{
    struct connection *k = ctx;
    char room[80];
    struct buf address;

    buf_init_on(&address, room, sizeof(room));
    addr_print(&address, &k->peer.remote);
    if (result == -ENOBUFS || result == -ETIMEDOUT)
        log_warn(k->owner->cfg.log, "ami.client_cut_off", KV("address", buf_str(&address)),
                 KV("why", result == -ENOBUFS ? "too much waits for it" : "it takes nothing"));
    else if (result)
        log_info(k->owner->cfg.log, "ami.connection_lost", KV("address", buf_str(&address)),
                 KV("error", why ? why : strerror(-result)));
    connection_destroy(k);
}

/* ---- what sessions say ---- */

static void port_send(void *ctx, void *connection, struct str bytes)
{
    (void)ctx;
    net_link_send(((struct connection *)connection)->net, bytes);
}

static void port_pause(void *ctx, void *connection, bool paused)
{
    (void)ctx;
    net_link_pause(((struct connection *)connection)->net, paused);
}

static void port_close(void *ctx, void *connection)
{
    (void)ctx;
    net_link_close(((struct connection *)connection)->net);
}

static void port_patience(void *ctx, void *connection, uint32_t timeout_ms)
{
    (void)ctx;
    net_link_patience(((struct connection *)connection)->net, timeout_ms);
}

static int port_ask(void *ctx, const struct commands_question *question)
{
    const struct ami_server_port *port = &((struct ami_connections *)ctx)->cfg.server.port;

    return port->ask(port->ctx, question);
}

static void port_stop(void *ctx)
{
    const struct ami_server_port *port = &((struct ami_connections *)ctx)->cfg.server.port;

    port->stop(port->ctx);
}

/* ---- who comes ---- */

static int connection_create(struct listener *l, int fd, const struct ami_peer *peer)
{
    struct ami_connections *c = l->connections;
    struct connection *k = calloc(1, sizeof(*k));
    int r;

    if (!k)
        return -ENOMEM;
    k->owner = c;
    k->peer = *peer;
    k->opening = true;
    r = net_link_create(&k->net,
                        &(struct net_link_spec){ .loop = c->cfg.loop,
                                                 .port = { k, on_opened, on_received, on_ended },
                                                 .fd = fd,
                                                 .tls = l->tls,
                                                 .remote = peer->remote,
                                                 .waiting_max = WAITING_MAX,
                                                 .stall_ms = STRANGER_STALL_MS });
    if (r) {
        free(k);
        return r;
    }
    if (list_empty(&c->list))
        feed_subscribe(c->cfg.feed, &c->changes);
    list_init(&k->link);
    list_append(&c->list, &k->link);
    c->n_opening++;
    return 0;
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void listener_watch(struct listener *l)
{
    if (uv_poll_start(&l->poll, UV_READABLE, on_listener))
        log_error(l->connections->cfg.log, "ami.listen", KV_ERR(-ENOMEM));
}

static void on_again(struct timer *t)
{
    listener_watch(CONTAINER_OF(t, struct listener, again));
}

/* True: on with the next. */
static bool listener_accept(struct listener *l)
{
    struct ami_connections *c = l->connections;
    struct ami_peer peer = { .tls = l->tls };
    int fd = net_accept(l->fd, &peer.remote, &peer.local), r;

    if (fd == -EAGAIN)
        return false;
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
        log_error(c->cfg.log, "ami.accept", KV_ERR(fd));
        (void)uv_poll_stop(&l->poll);
        timer_start(&c->cfg.loop->wheel, &l->again, AGAIN_MS);
        return false;
    }
    if (fd < 0)
        return true; /* it has gone already */
    r = c->n_opening >= c->cfg.server.settings->manager->auth_limit
            ? -EBUSY
            : connection_create(l, fd, &peer);
    if (r) {
        log_warn(c->cfg.log, "ami.connection_refused", KV_ERR(r));
        close(fd);
    }
    return true;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && status == 0; i++)
        if (!listener_accept(l))
            return;
}

static void on_listener_closed(uv_handle_t *h)
{
    struct listener *l = h->data;

    close(l->fd);
    net_tls_unref(l->tls);
    free(l);
}

static void listener_destroy(struct listener *l)
{
    if (!l)
        return;
    timer_stop(&l->connections->cfg.loop->wheel, &l->again);
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
}

/* Takes the descriptor. */
static int listener_create(struct listener **out, struct ami_connections *c, int fd,
                           struct net_tls *tls)
{
    struct listener *l = calloc(1, sizeof(*l));
    int r = l ? loop_result(uv_poll_init(&c->cfg.loop->uv, &l->poll, fd)) : -ENOMEM;

    if (r) {
        free(l);
        close(fd);
        return r;
    }
    l->connections = c;
    l->fd = fd;
    l->tls = net_tls_ref(tls);
    l->poll.data = l;
    timer_init(&l->again, on_again);
    listener_watch(l);
    *out = l;
    return 0;
}

void ami_connections_listen(struct ami_connections *c, const struct ami_listeners *listeners)
{
    for (size_t i = 0; i < AMI_LISTENERS; i++) {
        int fd = listeners->fds[i], r;

        listener_destroy(c->listeners[i]);
        c->listeners[i] = NULL;
        if (fd < 0)
            continue;
        r = listener_create(&c->listeners[i], c, fd, i == AMI_TLS ? listeners->tls : NULL);
        if (r)
            log_error(c->cfg.log, "ami.listen", KV_ERR(r));
    }
    net_tls_unref(listeners->tls);
}

/* ---- life ---- */

static void on_change(void *ctx, const struct change *c)
{
    ami_server_change(((struct ami_connections *)ctx)->server, c);
}

int ami_connections_create(struct ami_connections **out, const struct ami_connections_config *cfg)
{
    struct ami_connections *c = calloc(1, sizeof(*c));
    struct ami_server_config server = cfg->server;
    int r;

    if (!c)
        return -ENOMEM;
    c->cfg = *cfg;
    list_init(&c->list);
    server.wheel = &cfg->loop->wheel;
    server.port = (struct ami_server_port){ .ctx = c,
                                            .ask = port_ask,
                                            .send = port_send,
                                            .pause = port_pause,
                                            .close = port_close,
                                            .patience = port_patience,
                                            .stop = port_stop };
    r = ami_server_create(&c->server, &server);
    if (r) {
        free(c);
        return r;
    }
    c->changes = (struct feed_consumer){ .kinds = AMI_CHANGES, .each = on_change, .ctx = c };
    list_init(&c->changes.link);
    *out = c;
    return 0;
}

void ami_connections_destroy(struct ami_connections *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < AMI_LISTENERS; i++)
        listener_destroy(c->listeners[i]);
    LIST_FOREACH_SAFE (it, &c->list)
        connection_destroy(CONTAINER_OF(it, struct connection, link));
    ami_server_destroy(c->server);
    free(c);
}

struct ami_server *ami_connections_server(struct ami_connections *c)
{
    return c->server;
}
