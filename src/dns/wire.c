// SPDX-License-Identifier: MIT
#include "dns/wire.h"

#include <ares.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    CLASS_IN = 1,
    FIRST_TRY_MS = 1500, /* doubled for the second */
    TRIES = 2,
};

/* Where c-ares looks, too. */
#define SYSTEM_FILE "/etc/resolv.conf"

struct dns_wire {
    struct loop *loop;
    struct dns *dns;
    ares_channel channel;
    struct timer timer;
    struct list queries; /* of the channel that is in use */
    struct list sockets;
    struct str servers;
    struct stat system; /* the file, as it was read */
};

struct query {
    struct list link;
    struct dns_wire *wire;
    struct dns_entry *entry;
    enum dns_type type;
    const char *name; /* the entry's */
};

struct wire_socket {
    struct list link;
    struct dns_wire *wire;
    uv_poll_t poll;
    ares_socket_t fd;
};

/* ---- the loop ---- */

static void rearm(struct dns_wire *w)
{
    struct timeval left, *tv = ares_timeout(w->channel, NULL, &left);

    if (!tv)
        timer_stop(&w->loop->wheel, &w->timer);
    else
        timer_start(&w->loop->wheel, &w->timer,
                    (uint64_t)tv->tv_sec * 1000 + (uint64_t)tv->tv_usec / 1000 + 1);
}

static void on_timer(struct timer *t)
{
    struct dns_wire *w = CONTAINER_OF(t, struct dns_wire, timer);

    ares_process_fd(w->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm(w);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct wire_socket *s = CONTAINER_OF(poll, struct wire_socket, poll);
    struct dns_wire *w = s->wire;
    ares_socket_t fd = s->fd;
    bool read = status < 0 || events & UV_READABLE, write = status < 0 || events & UV_WRITABLE;

    ares_process_fd(w->channel, read ? fd : ARES_SOCKET_BAD, write ? fd : ARES_SOCKET_BAD);
    rearm(w);
}

static void on_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF((uv_poll_t *)handle, struct wire_socket, poll));
}

static struct wire_socket *socket_find(const struct dns_wire *w, ares_socket_t fd)
{
    LIST_FOREACH (it, &w->sockets) {
        struct wire_socket *s = CONTAINER_OF(it, struct wire_socket, link);

        if (s->fd == fd)
            return s;
    }
    return NULL;
}

/* NULL: it is not listened to, and the question times out. */
static struct wire_socket *socket_add(struct dns_wire *w, ares_socket_t fd)
{
    struct wire_socket *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->wire = w;
    s->fd = fd;
    list_init(&s->link);
    if (uv_poll_init(&w->loop->uv, &s->poll, fd)) {
        free(s);
        return NULL;
    }
    list_append(&w->sockets, &s->link);
    return s;
}

static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct dns_wire *w = ctx;
    struct wire_socket *s = socket_find(w, fd);

    if (!readable && !writable) {
        if (!s)
            return;
        list_remove(&s->link);
        uv_close((uv_handle_t *)&s->poll, on_closed);
        return;
    }
    if (!s)
        s = socket_add(w, fd);
    if (s)
        (void)!uv_poll_start(&s->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0),
                             on_poll);
}

/* ---- questions ---- */

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int n)
{
    struct query *q = arg;
    struct dns_wire *w = q->wire;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return; /* it is asked again by the next channel, or ends with the wire */
    list_remove(&q->link);
    dns_answered(w->dns, q->entry,
                 status == ARES_ENOTFOUND ? DNS_NO_NAME
                 : status == ARES_ENODATA ? DNS_NO_DATA
                                          : DNS_FAILED,
                 bytes && n > 0 ? (struct str){ (const char *)bytes, (size_t)n } : STR_EMPTY);
    free(q);
}

/* The domains of `search` are for hosts: RFC 3263 asks for the services of what stands there. */
static void ask(struct dns_wire *w, struct query *q)
{
    if (q->type == DNS_A || q->type == DNS_AAAA)
        ares_search(w->channel, q->name, CLASS_IN, (int)q->type, on_answer, q);
    else
        ares_query(w->channel, q->name, CLASS_IN, (int)q->type, on_answer, q);
}

void dns_wire_query(void *ctx, const char *name, enum dns_type type, struct dns_entry *entry)
{
    struct dns_wire *w = ctx;
    struct query *q = *name ? calloc(1, sizeof(*q)) : NULL;

    if (!q) {
        dns_answered(w->dns, entry, DNS_FAILED, STR_EMPTY);
        return;
    }
    *q = (struct query){ .wire = w, .entry = entry, .type = type, .name = name };
    list_init(&q->link);
    list_append(&w->queries, &q->link);
    ask(w, q);
    rearm(w);
}

size_t dns_wire_hosts(void *ctx, const char *name, struct addr *list, size_t most)
{
    static const int families[] = { AF_INET6, AF_INET };
    struct dns_wire *w = ctx;
    size_t n = 0;

    for (size_t f = 0; *name && f < ARRAY_LEN(families); f++) {
        struct hostent *host;

        if (ares_gethostbyname_file(w->channel, name, families[f], &host))
            continue;
        for (char **a = host->h_addr_list; *a && n < most; a++, n++) {
            list[n] = (struct addr){ .sa = { .sa_family = (sa_family_t)families[f] } };
            memcpy(families[f] == AF_INET ? (void *)&list[n].v4.sin_addr
                                          : (void *)&list[n].v6.sin6_addr,
                   *a, (size_t)host->h_length);
        }
        ares_free_hostent(host);
    }
    return n;
}

/* ---- life ---- */

static int result_of(int status)
{
    return status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

static int channel_open(struct dns_wire *w, ares_channel *out, struct str servers)
{
    struct ares_options o = {
        .timeout = FIRST_TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = w
    };
    int r = result_of(
        ares_init_options(out, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB));
    struct str text;

    if (r || !servers.n)
        return r;
    r = str_dup(&text, servers);
    if (r == 0) {
        r = result_of(ares_set_servers_ports_csv(*out, text.p));
        str_free(&text);
    }
    if (r)
        ares_destroy(*out);
    return r;
}

static void system_look(struct stat *out)
{
    if (stat(SYSTEM_FILE, out))
        *out = (struct stat){ .st_ino = 0 };
}

static bool system_is(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void ask_again(struct dns_wire *w)
{
    struct list again;

    list_init(&again);
    list_splice(&again, &w->queries);
    while (!list_empty(&again)) {
        struct query *q = CONTAINER_OF(again.next, struct query, link);

        list_remove(&q->link);
        list_append(&w->queries, &q->link);
        ask(w, q);
    }
    rearm(w);
}

int dns_wire_servers_set(struct dns_wire *w, struct str servers)
{
    ares_channel channel, former = w->channel;
    struct stat system;
    struct str copy;
    int r;

    system_look(&system);
    if (str_equal(servers, w->servers) && system_is(&system, &w->system))
        return DNS_WIRE_SAME;
    r = str_dup(&copy, servers);
    if (r)
        return r;
    r = channel_open(w, &channel, servers);
    if (r) {
        str_free(&copy);
        return r;
    }
    str_free(&w->servers);
    w->servers = copy;
    w->system = system;
    w->channel = channel;
    if (former) {
        ares_destroy(former);
        ask_again(w);
    }
    return 0;
}

int dns_wire_create(struct dns_wire **out, struct loop *loop, struct str servers)
{
    struct dns_wire *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    w->loop = loop;
    list_init(&w->queries);
    list_init(&w->sockets);
    timer_init(&w->timer, on_timer);
    w->system.st_size = -1; /* like no file */
    r = dns_wire_servers_set(w, servers);
    if (r) {
        free(w);
        return r;
    }
    *out = w;
    return 0;
}

void dns_wire_bind(struct dns_wire *w, struct dns *d)
{
    w->dns = d;
}

void dns_wire_destroy(struct dns_wire *w)
{
    if (!w)
        return;
    ares_destroy(w->channel);
    timer_stop(&w->loop->wheel, &w->timer);
    LIST_FOREACH_SAFE (it, &w->queries)
        free(CONTAINER_OF(it, struct query, link));
    str_free(&w->servers);
    free(w);
}
