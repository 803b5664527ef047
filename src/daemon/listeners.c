// SPDX-License-Identifier: MIT
#include "daemon/listeners.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- one ---- */

/* The same words in the same order. */
static enum net_protocol protocol_of(const struct transport_settings *t)
{
    static_assert((int)NET_UDP == TRANSPORT_UDP && (int)NET_TCP == TRANSPORT_TCP &&
                      (int)NET_TLS == TRANSPORT_TLS && (int)NET_WS == TRANSPORT_WS &&
                      (int)NET_WSS == TRANSPORT_WSS,
                  "protocols");
    return (enum net_protocol)t->protocol;
}

/* 0, -ENOMEM, -EINVAL with the fault. NULL without TLS. */
static int tls_of(struct net_tls **out, const struct transport_settings *t,
                  struct transport_fault *fault)
{
    static_assert((int)NET_TLS_1_2 == 0 && (int)NET_TLS_1_3 == 1 && (int)NET_TLS_1_1 == 2 &&
                      (int)NET_TLS_1_0 == 3,
                  "versions");
    const struct net_tls_spec spec = {
        .cert_file = t->cert_file,
        .key_file = t->key_file,
        .password = t->password,
        .ca_file = t->ca_file,
        .ca_path = t->ca_path,
        .cipher = t->cipher,
        .version = (enum net_tls_version)t->tls_version,
        .verify_server = t->verify_server,
        .wildcards = t->wildcards,
        .verify_client = t->verify_client,
        .require_client_cert = t->require_client_cert,
    };
    int r;

    *out = NULL;
    if (!net_is_secure(t->protocol))
        return 0;
    r = net_tls_create(out, &spec, &fault->option, &fault->why);
    return r == NET_TLS_BAD ? -EINVAL : r;
}

int listeners_check(void *unused, const struct transport_settings *t, struct transport_fault *fault)
{
    struct net_tls *tls;
    int r = tls_of(&tls, t, fault);

    (void)unused;
    net_tls_unref(tls);
    return r;
}

static struct net_stream_options options_of(const struct transport_settings *t)
{
    return (struct net_stream_options){ .tos = t->tos,
                                        .cos = t->cos,
                                        .keepalive_idle_s = t->keepalive ? t->keepalive_idle_s : 0,
                                        .keepalive_interval_s = t->keepalive_interval_s,
                                        .keepalive_probes = t->keepalive_probes };
}

/* A datagram's port and a stream's of the same number are two. */
static bool is_stream(enum net_protocol protocol)
{
    return protocol != NET_UDP;
}

static void listener_fini(struct listener *l)
{
    for (unsigned i = 0; l->fds && i < l->n_fds; i++)
        if (l->fds[i] >= 0)
            close(l->fds[i]);
    free(l->fds);
    net_tls_unref(l->options.tls);
    str_free(&l->id);
}

static void list_free(struct listener *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        listener_fini(&list[i]);
    free(list);
}

int listener_take(const struct listener *l, unsigned place)
{
    int fd = l->fds && place < l->n_fds ? l->fds[place] : -1;

    if (fd >= 0)
        l->fds[place] = -1;
    return fd;
}

/* ---- all ---- */

struct listeners *listeners_ref(struct listeners *ls)
{
    if (ls)
        atomic_fetch_add_explicit(&ls->refs, 1, memory_order_relaxed);
    return ls;
}

void listeners_unref(struct listeners *ls)
{
    if (!ls || atomic_fetch_sub_explicit(&ls->refs, 1, memory_order_acq_rel) != 1)
        return;
    list_free(ls->list, ls->n);
    free(ls->left);
    free(ls);
}

/* ---- claims ---- */

static bool overlap(const struct addr *a, const struct addr *b)
{
    return a->sa.sa_family == b->sa.sa_family && addr_port(a) == addr_port(b) &&
           (addr_is_any(a) || addr_is_any(b) || addr_equal_host(a, b));
}

/* Would a socket that shares with nobody find one of ours there? */
static bool is_ours(const struct listeners_draft *d, bool stream, const struct addr *a)
{
    const struct listeners *former = d->former;
    uint64_t now = clock_monotonic_ms(d->clock);

    for (size_t i = 0; former && i < former->n; i++)
        if (is_stream(former->list[i].protocol) == stream && overlap(&former->list[i].local, a))
            return true;
    for (size_t i = 0; former && i < former->n_left; i++)
        if (former->left[i].until_ms > now && former->left[i].stream == stream &&
            overlap(&former->left[i].local, a))
            return true;
    return false;
}

/* With SO_REUSEPORT two daemons could share a port and each get half of the datagrams: a socket
 * without it finds the other one. */
static int address_probe(bool stream, const struct addr *bind_to)
{
    const struct net_udp_spec alone = { .bind = *bind_to };
    struct addr local;
    int fd, r = stream ? net_bind_stream(&fd, &alone, &local) : net_bind_udp(&fd, &alone, &local);

    if (r == 0)
        close(fd);
    return r;
}

/* Takes `fd`. */
static int socket_add(struct listener *l, int fd)
{
    int *more = reallocarray(l->fds, l->n_fds + 1, sizeof(*more));

    if (!more) {
        close(fd);
        return -ENOMEM;
    }
    l->fds = more;
    l->fds[l->n_fds++] = fd;
    return 0;
}

static int socket_copy(struct listener *l, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return copy < 0 ? -errno : socket_add(l, copy);
}

/* What is bound there already. */
static int listener_adopt(struct listeners_draft *d, struct listener *l)
{
    enum inherited_kind kind = is_stream(l->protocol) ? INHERITED_LISTENER : INHERITED_UDP;
    const struct net_udp_spec spec = { .bind = l->bind, .tos = l->options.tos };
    struct inherited_socket *s;
    int r = 0;

    while (d->inherited && r == 0 && (s = inherited_take(d->inherited, kind, &l->bind, l->id))) {
        int fd;

        s->place = l->n_fds;
        r = socket_copy(l, s->fd);
        fd = r ? -1 : l->fds[s->place];
        if (r == 0 && !d->rehearsal)
            r = is_stream(l->protocol) ? net_adopt_stream(fd, &l->local)
                                       : net_adopt_udp(fd, &spec, &l->local);
    }
    return r;
}

static int listener_bind(struct listeners_draft *d, struct listener *l)
{
    struct net_udp_spec spec = { .bind = l->n_fds ? l->local : l->bind,
                                 .tos = l->options.tos,
                                 .sharers = d->n_workers };
    int fd, r = 0;

    while (l->n_fds < d->n_workers && r == 0) {
        r = is_stream(l->protocol) ? net_bind_stream(&fd, &spec, &l->local)
                                   : net_bind_udp(&fd, &spec, &l->local);
        if (r == 0)
            r = socket_add(l, fd);
        spec.bind = l->local; /* the others share a port that the kernel chose */
    }
    return r;
}

/* Inherited ones may be fewer than workers: more can be bound if they share their address, and were
 * made by the user that we are. Without one of its own a worker sends from another's. */
static int listener_complete(struct listeners_draft *d, struct listener *l)
{
    int r = 0;

    if (net_shares(l->fds[0]))
        r = listener_bind(d, l);
    l->n_read = l->n_fds;
    r = r == -EADDRINUSE || r == -EACCES ? 0 : r;
    for (unsigned i = 0; l->n_fds < d->n_workers && r == 0; i++)
        r = socket_copy(l, l->fds[i]);
    return r;
}

static int listener_open(struct listeners_draft *d, struct listener *l)
{
    bool stream = is_stream(l->protocol);
    int r = listener_adopt(d, l);

    if (r || (l->n_fds && d->rehearsal))
        return r;
    if (l->n_fds) {
        r = listener_complete(d, l);
        if (r == 0 && l->n_read > 1 && !stream)
            net_share_udp(l->fds[0], l->n_read);
        return r;
    }
    r = is_ours(d, stream, &l->bind) ? 0 : address_probe(stream, &l->bind);
    r = r ? r : listener_bind(d, l);
    l->n_read = l->n_fds;
    return r;
}

/* By address; where the kernel chooses the port, by name too. */
static const struct listener *former_of(const struct listeners *former,
                                        const struct transport_settings *t)
{
    for (size_t i = 0; former && i < former->n; i++) {
        const struct listener *l = &former->list[i];

        if (l->protocol == protocol_of(t) && addr_equal(&l->bind, &t->bind) &&
            (addr_port(&t->bind) || str_equal(l->id, t->id)))
            return l;
    }
    return NULL;
}

int listeners_claim(void *draft, const struct transport_settings *t, struct transport_fault *fault)
{
    struct listeners_draft *d = draft;
    const struct listener *former = former_of(d->former, t);
    struct listener l = { .bind = t->bind, .protocol = protocol_of(t), .options = options_of(t) };
    int r;

    for (size_t i = 0; i < d->n; i++)
        if (addr_port(&t->bind) && is_stream(d->list[i].protocol) == is_stream(l.protocol) &&
            addr_equal(&d->list[i].bind, &t->bind))
            return -EADDRINUSE;
    if (ARRAY_GROW(d->list, d->n))
        return -ENOMEM;
    r = str_dup(&l.id, t->id);
    if (!r)
        r = tls_of(&l.options.tls, t, fault);
    if (r) {
        str_free(&l.id);
        return r;
    }
    if (former) {
        l.slot = former->slot;
        l.local = former->local;
    } else {
        r = listener_open(d, &l);
    }
    if (r) {
        listener_fini(&l);
        return r;
    }
    d->list[d->n++] = l;
    return 0;
}

const struct listener *listeners_former(const struct listeners_draft *draft,
                                        const struct listener *claimed)
{
    const struct listeners *former = draft->former;

    for (size_t i = 0; former && !claimed->fds && i < former->n; i++)
        if (former->list[i].slot == claimed->slot)
            return &former->list[i];
    return NULL;
}

void listeners_draft_fini(struct listeners_draft *d)
{
    list_free(d->list, d->n);
    *d = (struct listeners_draft){ .former = NULL };
}

/* ---- what becomes of them ---- */

static struct listener *claim_of(const struct listeners_draft *d,
                                 const struct transport_settings *t)
{
    for (size_t i = 0; i < d->n; i++)
        if (str_equal(d->list[i].id, t->id) && d->list[i].protocol == protocol_of(t) &&
            addr_equal(&d->list[i].bind, &t->bind))
            return &d->list[i];
    return NULL;
}

static bool has_slot(const struct listeners *ls, uint32_t slot)
{
    for (size_t i = 0; i < ls->n; i++)
        if (ls->list[i].slot == slot)
            return true;
    return false;
}

/* One that goes on as it was, for what is written now cannot be had, has claimed nothing; if
 * another transport has its address now, that is its. */
static int listener_keep(struct listeners *ls, const struct listeners_draft *d,
                         const struct transport_settings *t)
{
    const struct listener *former = former_of(d->former, t);
    struct listener *l = &ls->list[ls->n];

    if (!former || has_slot(ls, former->slot))
        return 0;
    for (size_t i = 0; i < d->n; i++)
        if (!d->list[i].fds && d->list[i].slot == former->slot)
            return 0;
    *l = (struct listener){
        .bind = former->bind,
        .local = former->local,
        .protocol = former->protocol,
        .options = options_of(t),
        .slot = former->slot,
    };
    l->options.tls = net_tls_ref(former->options.tls);
    ls->n++;
    return str_dup(&l->id, t->id);
}

static int list_make(struct listeners *ls, struct listeners_draft *d,
                     const struct settings *settings)
{
    for (size_t i = 0; i < settings->n_transports; i++) {
        const struct transport_settings *t = &settings->transports[i];
        struct listener *claim = claim_of(d, t);
        int r = 0;

        if (!claim) {
            r = listener_keep(ls, d, t);
        } else {
            if (claim->fds)
                claim->slot = ls->next_slot++;
            ls->list[ls->n++] = *claim;
            claim->id = STR_EMPTY; /* given away, and its sockets */
            claim->fds = NULL;
            claim->options.tls = NULL;
        }
        if (r)
            return r;
    }
    return 0;
}

static int left_add(struct listeners *ls, const struct addr *local, bool stream, uint64_t until_ms)
{
    if (ARRAY_GROW(ls->left, ls->n_left))
        return -ENOMEM;
    ls->left[ls->n_left++] = (struct left_address){ *local, stream, until_ms };
    return 0;
}

static int left_make(struct listeners *ls, const struct listeners_draft *d, uint64_t linger_ms)
{
    const struct listeners *former = d->former;
    uint64_t now = clock_monotonic_ms(d->clock);
    int r = 0;

    for (size_t i = 0; former && i < former->n_left && r == 0; i++)
        if (former->left[i].until_ms > now)
            r = left_add(ls, &former->left[i].local, former->left[i].stream,
                         former->left[i].until_ms);
    for (size_t i = 0; former && i < former->n && r == 0; i++)
        if (!has_slot(ls, former->list[i].slot))
            r = left_add(ls, &former->list[i].local, is_stream(former->list[i].protocol),
                         now + linger_ms);
    return r;
}

int listeners_make(struct listeners **out, struct listeners_draft *d,
                   const struct settings *settings, uint64_t linger_ms)
{
    struct listeners *ls = calloc(1, sizeof(*ls));
    int r;

    if (!ls)
        return -ENOMEM;
    atomic_init(&ls->refs, 1);
    ls->n_workers = d->n_workers;
    ls->next_slot = d->former ? d->former->next_slot : 0;
    ls->list = calloc(settings->n_transports + 1, sizeof(*ls->list));
    r = ls->list ? list_make(ls, d, settings) : -ENOMEM;
    if (r == 0)
        r = left_make(ls, d, linger_ms);
    if (r == 0)
        *out = ls;
    else
        listeners_unref(ls);
    return r;
}
