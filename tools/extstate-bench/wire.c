// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "drops.h"

enum {
    T1_MS = 500,
    T2_MS = 4000,
    TIMER_F_MS = 64 * T1_MS,
    REQUEST_MAX = 4096,
    SEND_QUEUE = 1 << 17,
};

uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static const struct {
    const char *via, *param;
} transports[] = {
    [TRANSPORT_UDP] = { "UDP", "" },
    [TRANSPORT_TCP] = { "TCP", ";transport=tcp" },
    [TRANSPORT_TLS] = { "TLS", ";transport=tls" },
};

static bool lose(struct bench *b)
{
    bool lost = b->options->loss_percent && rng_below(&b->rng, 100) < b->options->loss_percent;

    b->phase.counters.lost_on_purpose += lost;
    return lost;
}

struct str wire_local(const struct bench *b, uint32_t index)
{
    return b->local_texts[index % b->options->sockets];
}

const char *wire_transport_param(const struct bench *b)
{
    return transports[b->options->transport].param;
}

void wire_drops(const struct bench *b, uint64_t *bench, uint64_t *server)
{
    uint16_t port = addr_port(&b->options->server);

    *bench = b->net ? drops_count(b->local_ports, b->options->sockets) : 0;
    *server = b->net ? drops_count(&port, 1) : 0;
}

/* ---- client transactions ---- */

void identity_print(struct buf *out, const struct bench *b, struct identity id)
{
    buf_printf(out, "%c%u.%u.%u", id.kind, id.index, id.generation, b->run);
}

static bool identity_parse(struct identity *out, const struct bench *b, struct str text)
{
    struct identity id = { .kind = text.n ? *text.p : '\0' };
    struct str rest = str_sub(text, 1, text.n);
    uint32_t run;

    if (str_to_u32(&id.index, str_next(&rest, '.')) ||
        str_to_u32(&id.generation, str_next(&rest, '.')) || str_to_u32(&run, rest) || run != b->run)
        return false;
    *out = id;
    return true;
}

static void send_to(struct bench *b, const struct flow *to, struct str bytes)
{
    if (b->connections)
        connection_send(b, to->transport, bytes);
    else
        (void)!net_send(b->net, to, bytes); /* not sent is lost: Timer E copes */
}

static void request_transmit(struct request *q)
{
    struct bench *b = q->bench;
    struct flow to = { .transport = q->id.index % b->options->sockets,
                       .remote = b->options->server };
    char room[REQUEST_MAX];
    struct buf out;

    if (lose(b))
        return;
    buf_init_on(&out, room, sizeof(room));
    q->kind->print(q, &out);
    BUG_UNLESS(out.error == 0); /* what the server put into it was measured when it was kept */
    send_to(b, &to, buf_str(&out));
}

static void request_arm(struct request *q)
{
    uint64_t passed_ms = (now_us() - q->first_us) / 1000;
    uint64_t left_ms = passed_ms < TIMER_F_MS ? TIMER_F_MS - passed_ms : 0;

    timer_start(&q->bench->loop.wheel, &q->timer,
                q->interval_ms < left_ms ? q->interval_ms : left_ms);
}

static void on_request_timer(struct timer *t)
{
    struct request *q = CONTAINER_OF(t, struct request, timer);

    if (!request_running(q)) {
        request_start(q);
        return;
    }
    if (now_us() - q->first_us >= TIMER_F_MS * UINT64_C(1000)) {
        request_stop(q);
        q->bench->phase.counters.timeouts++;
        q->kind->expired(q);
        return;
    }
    q->bench->phase.counters.sent_again++;
    request_transmit(q);
    q->interval_ms = q->interval_ms * 2 < T2_MS ? q->interval_ms * 2 : T2_MS;
    request_arm(q);
}

void request_init(struct request *q, struct bench *b, const struct request_kind *kind,
                  struct identity id)
{
    *q = (struct request){ .bench = b, .kind = kind, .id = id };
    timer_init(&q->timer, on_request_timer);
}

void request_start(struct request *q)
{
    q->cseq++;
    q->first_us = now_us();
    q->interval_ms = q->bench->connections ? TIMER_F_MS : T1_MS; /* Timer E is for UDP */
    request_transmit(q);
    request_arm(q);
}

void request_start_later(struct request *q, uint32_t delay_s)
{
    q->interval_ms = 0;
    timer_start(&q->bench->loop.wheel, &q->timer, delay_s * UINT64_C(1000));
}

void request_refused(struct request *q, const struct sip_message *m)
{
    uint32_t s;

    q->bench->phase.counters.refused++;
    request_start_later(q, sip_delta_seconds_parse(&s, sip_header_value(m, SIP_H_RETRY_AFTER)) ? 1
                                                                                               : s);
}

void request_stop(struct request *q)
{
    q->interval_ms = 0;
    timer_stop(&q->bench->loop.wheel, &q->timer);
}

bool request_running(const struct request *q)
{
    return q->interval_ms != 0;
}

void request_print_head(struct request *q, struct buf *out, struct str method, struct str uri,
                        struct str user, struct str to_tag)
{
    const struct bench *b = q->bench;

    buf_printf(out, "%.*s %.*s SIP/2.0\r\nVia: SIP/2.0/%s %.*s;rport;branch=z9hG4bK",
               STR_FMT(method), STR_FMT(uri), transports[b->options->transport].via,
               STR_FMT(wire_local(b, q->id.index)));
    identity_print(out, b, q->id);
    buf_printf(out, ".%u\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%.*s>;tag=", q->cseq,
               b->options->from, STR_FMT(b->domain));
    identity_print(out, b, q->id);
    buf_printf(out, "\r\nTo: <sip:%.*s@%.*s>%s%.*s\r\nCall-ID: ", STR_FMT(user), STR_FMT(b->domain),
               to_tag.n ? ";tag=" : "", STR_FMT(to_tag));
    identity_print(out, b, q->id);
    buf_printf(out, "\r\nCSeq: %u %.*s\r\nUser-Agent: extstate-bench/" EXTSTATE_VERSION "\r\n",
               q->cseq, STR_FMT(method));
}

/* ---- answers ---- */

struct late_reply {
    struct timer timer;
    struct list link;
    struct bench *bench;
    struct flow to;
    size_t n;
    char bytes[];
};

static void late_reply_end(struct late_reply *l)
{
    timer_stop(&l->bench->loop.wheel, &l->timer);
    list_remove(&l->link);
    free(l);
}

static void on_late_reply(struct timer *t)
{
    struct late_reply *l = CONTAINER_OF(t, struct late_reply, timer);

    send_to(l->bench, &l->to, (struct str){ l->bytes, l->n });
    late_reply_end(l);
}

static void reply_later(struct bench *b, const struct flow *to, struct str bytes, uint32_t later_ms)
{
    struct late_reply *l = malloc(sizeof(*l) + bytes.n);

    if (!l)
        return; /* a watcher that is slower still */
    *l = (struct late_reply){ .bench = b, .to = *to, .n = bytes.n };
    memcpy(l->bytes, bytes.p, bytes.n);
    timer_init(&l->timer, on_late_reply);
    list_append(&b->late, &l->link);
    timer_start(&b->loop.wheel, &l->timer, later_ms);
}

void wire_reply(struct bench *b, const struct sip_message *m, const struct flow *from,
                unsigned status, struct str headers, uint32_t later_ms)
{
    const struct sip_reply reply = { .status = status, .headers = headers, .to_tag = STR("bench") };
    char room[REQUEST_MAX];
    struct buf out;

    if (lose(b))
        return;
    buf_init_on(&out, room, sizeof(room));
    sip_print_response(&out, m, &from->remote, false, &reply);
    if (out.error)
        return; /* headers of some kilobytes: no server that we measure */
    if (later_ms)
        reply_later(b, from, buf_str(&out), later_ms);
    else
        send_to(b, from, buf_str(&out));
}

/* ---- whom a message is for ---- */

static bool request_matches(const struct request *q, struct identity id,
                            const struct sip_message *m)
{
    return request_running(q) && q->id.generation == id.generation && q->cseq == m->cseq;
}

static void on_response(struct bench *b, struct identity id, const struct sip_message *m)
{
    if (m->status < 200)
        return; /* Timer E slows down to T2, which it does anyway */
    if (id.kind == 'w' && id.index < b->options->watchers &&
        request_matches(&b->watchers[id.index].request, id, m))
        watcher_response(&b->watchers[id.index], m);
    else if (id.kind == 'p' && id.index < b->options->resources + PUBLISH_RESOURCES &&
             request_matches(&b->publications[id.index].request, id, m))
        publication_response(&b->publications[id.index], m);
}

void wire_receive(struct bench *b, const struct flow *from, struct str message)
{
    struct sip_message m;
    struct identity id;
    bool ours;

    if (lose(b) || sip_message_parse(&m, message, NULL))
        return;
    ours = identity_parse(&id, b, m.call_id);
    if (!m.request && ours)
        on_response(b, id, &m);
    else if (m.request && m.method == SIP_NOTIFY && ours && id.kind == 'w' &&
             id.index < b->options->watchers &&
             b->watchers[id.index].request.id.generation == id.generation)
        watcher_notify(&b->watchers[id.index], &m, from);
    else if (m.request && m.method == SIP_PUBLISH && b->published)
        compositor_publish(b, &m, from);
    else if (m.request && m.method != SIP_ACK)
        wire_reply(b, &m, from, m.method == SIP_NOTIFY ? 481 : 405, STR_EMPTY, 0);
}

/* ---- sockets ---- */

static void on_datagram(void *ctx, const struct flow *from, struct str datagram)
{
    wire_receive(ctx, from, datagram);
}

void wire_flush(struct bench *b)
{
    if (b->connections)
        connections_flush(b);
    else
        net_flush(b->net);
}

/* The address that the kernel would send from. */
static int find_local(struct addr *out, const struct addr *server)
{
    struct sockaddr_storage name;
    socklen_t n = sizeof(name);
    int fd = socket(server->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, &server->sa, addr_socklen(server)) ||
        getsockname(fd, (struct sockaddr *)&name, &n))
        r = -errno;
    close(fd);
    if (r == 0)
        r = addr_from_sockaddr(out, (struct sockaddr *)&name);
    addr_port_set(out, 0);
    return r;
}

static int text_of(struct str *out, const struct addr *a)
{
    char room[80];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    addr_print(&b, a);
    return str_dup(out, buf_str(&b));
}

int wire_local_set(struct bench *b, uint32_t index, const struct addr *local)
{
    str_free(&b->local_texts[index]);
    b->local_ports[index] = addr_port(local);
    return text_of(&b->local_texts[index], local);
}

static int open_sockets(struct bench *b)
{
    const struct net_config cfg = {
        .loop = &b->loop, .receive = on_datagram, .ctx = b, .send_queue_max = SEND_QUEUE
    };
    int r = net_create(&b->net, &cfg);

    for (uint32_t k = 0; r == 0 && k < b->options->sockets; k++) {
        const struct net_udp_spec spec = { .id = STR("bench"), .bind = b->local };
        struct addr bound;
        uint32_t transport;

        r = net_listen_udp(b->net, &spec, &transport);
        if (r)
            break;
        net_local(b->net, transport, &bound);
        r = wire_local_set(b, k, &bound);
    }
    return r;
}

int wire_open(struct bench *b)
{
    const struct options *o = b->options;
    int r = 0;

    b->local = o->local;
    if (!o->has_local)
        r = find_local(&b->local, &o->server);
    if (r == 0)
        r = text_of(&b->server_text, &o->server);
    b->domain = o->domain ? str_of(o->domain) : b->server_text;
    b->local_texts = calloc(o->sockets, sizeof(*b->local_texts));
    b->local_ports = calloc(o->sockets, sizeof(*b->local_ports));
    if (r == 0 && !(b->local_texts && b->local_ports))
        r = -ENOMEM;
    if (r == 0)
        r = o->transport == TRANSPORT_UDP ? open_sockets(b) : connections_create(b);
    if (r)
        fprintf(stderr, "extstate-bench: no sockets towards the server: %s\n", strerror(-r));
    return r;
}

void wire_close(struct bench *b)
{
    LIST_FOREACH_SAFE (l, &b->late) {
        late_reply_end(CONTAINER_OF(l, struct late_reply, link));
    }
    net_destroy(b->net);
    connections_destroy(b);
    for (uint32_t k = 0; b->local_texts && k < b->options->sockets; k++)
        str_free(&b->local_texts[k]);
    free(b->local_texts);
    free(b->local_ports);
    str_free(&b->server_text);
}
