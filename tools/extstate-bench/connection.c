// SPDX-License-Identifier: MIT
/* The connections that the phones share: made by a phase, and made again when the server ends one.
 * Its phones then subscribe anew, since what the server still knows of them leads to where nobody
 * is. */
#include <openssl/ssl.h>
#include <stdlib.h>

#include "bench.h"
#include "channel.h"

enum { AGAIN_MS = 500, AN_ADDRESS = 10000 };

struct connection {
    struct timer timer; /* to the next attempt */
    struct bench *bench;
    struct channel *channel; /* NULL: not now */
    uint64_t begun_us;
    uint32_t index;
    bool up;
    bool operation; /* the phase waits for it */
};

struct connections {
    SSL_CTX *tls;
    struct list unwritten;
    uint32_t n, up;
    struct connection each[];
};

static void finish(struct connection *c, bool ok)
{
    if (c->operation)
        phase_finish(c->bench, ok);
    c->operation = false;
}

static void complain(const struct connection *c, const char *what, const char *why)
{
    bench_complain(c->bench, "connection %u of %u, to %.*s, %s: %s", c->index + 1,
                   c->bench->connections->n, STR_FMT(c->bench->server_text), what, why);
}

static void on_opened(void *ctx)
{
    struct connection *c = ctx;
    struct bench *b = c->bench;

    c->up = true;
    b->connections->up++;
    /* As telephones do (RFC 5626 section 4.4.1): who says nothing for long is closed. */
    channel_send(c->channel, STR("\r\n\r\n"));
    phase_progress(b);
    if (c->operation)
        histogram_add(&b->phase.latency, now_us() - c->begun_us);
    finish(c, true);
    watchers_reconnected(b, c->index);
    publications_reconnected(b, c->index);
}

static void on_message(void *ctx, struct str message)
{
    const struct connection *c = ctx;
    const struct flow from = { .transport = c->index, .remote = c->bench->options->server };

    wire_receive(c->bench, &from, message);
}

static void on_closed(void *ctx, const char *why)
{
    struct connection *c = ctx;
    struct bench *b = c->bench;

    c->channel = NULL;
    if (c->up) {
        c->up = false;
        b->connections->up--;
        b->phase.counters.connections_lost++;
        if (b->phase.spec.kind != PHASE_RESTART)
            complain(c, "has ended", why);
    } else if (c->operation) {
        complain(c, "cannot be made", why);
    }
    finish(c, false);
    timer_start(&b->loop.wheel, &c->timer, AGAIN_MS);
}

/* The kernel has some 28,000 ports for an address. On loopback there are more addresses, unasked.
 */
static struct addr local_of(const struct bench *b, uint32_t index)
{
    struct addr local = b->local;

    if (local.sa.sa_family == AF_INET && ntohl(local.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
        local.v4.sin_addr.s_addr = htonl(ntohl(local.v4.sin_addr.s_addr) + index / AN_ADDRESS);
    return local;
}

static void begin(struct connection *c)
{
    struct bench *b = c->bench;
    const struct channel_config cfg = {
        .loop = &b->loop,
        .server = b->options->server,
        .local = local_of(b, c->index),
        .tls = b->connections->tls,
        .unwritten = &b->connections->unwritten,
        .ctx = c,
        .opened = on_opened,
        .receive = on_message,
        .closed = on_closed,
    };
    struct addr local;
    int r = channel_open(&c->channel, &local, &cfg);

    c->begun_us = now_us();
    if (r == 0)
        r = wire_local_set(b, c->index, &local);
    if (r == 0)
        return;
    channel_close(c->channel);
    on_closed(c, strerror(-r));
}

static void on_again(struct timer *t)
{
    begin(CONTAINER_OF(t, struct connection, timer));
}

int connections_create(struct bench *b)
{
    const struct options *o = b->options;
    struct connections *all = calloc(1, sizeof(*all) + o->sockets * sizeof(all->each[0]));

    if (!all)
        return -ENOMEM;
    b->connections = all;
    list_init(&all->unwritten);
    all->n = o->sockets;
    for (uint32_t i = 0; i < all->n; i++) {
        all->each[i] = (struct connection){ .bench = b, .index = i };
        timer_init(&all->each[i].timer, on_again);
    }
    if (o->transport != TRANSPORT_TLS)
        return 0;
    all->tls = SSL_CTX_new(TLS_client_method());
    if (!all->tls)
        return -ENOMEM;
    SSL_CTX_set_mode(all->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(all->tls, SSL_OP_IGNORE_UNEXPECTED_EOF); /* many do not say goodbye */
    return 0;
}

void connections_destroy(struct bench *b)
{
    struct connections *all = b->connections;

    if (!all)
        return;
    for (uint32_t i = 0; i < all->n; i++) {
        timer_stop(&b->loop.wheel, &all->each[i].timer);
        channel_close(all->each[i].channel);
    }
    SSL_CTX_free(all->tls); /* the channels hold it until they are closed */
    free(all);
    b->connections = NULL;
}

void connection_make(struct bench *b, uint32_t index)
{
    struct connection *c = &b->connections->each[index];

    c->operation = true;
    if (c->up)
        finish(c, true);
    else if (!c->channel && !timer_running(&c->timer))
        begin(c);
}

void connection_send(struct bench *b, uint32_t index, struct str message)
{
    const struct connection *c = &b->connections->each[index];

    if (c->up)
        channel_send(c->channel, message);
}

void connections_forget_operations(struct bench *b)
{
    for (uint32_t i = 0; b->connections && i < b->connections->n; i++)
        b->connections->each[i].operation = false;
}

uint32_t connections_down(const struct bench *b)
{
    return b->connections ? b->connections->n - b->connections->up : 0;
}

void connections_flush(struct bench *b)
{
    channels_flush(&b->connections->unwritten);
}
