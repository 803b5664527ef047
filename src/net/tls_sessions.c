// SPDX-License-Identifier: MIT
#include "net/tls_sessions.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLOTS = 256, HOST_MAX = 255 };

struct kept {
    SSL_SESSION *session; /* NULL: empty */
    struct addr remote;
    uint64_t verified_ms;
    uint8_t host_n;
    char host[HOST_MAX];
};

struct tls_sessions {
    pthread_mutex_t lock;
    struct kept slots[SLOTS];
};

int tls_sessions_create(struct tls_sessions **out)
{
    struct tls_sessions *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return 0;
}

void tls_sessions_destroy(struct tls_sessions *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        SSL_SESSION_free(t->slots[i].session);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* FNV-1a: two servers in one slot cost a handshake, no more. */
static struct kept *slot_of(struct tls_sessions *t, const struct tls_server *server)
{
    const struct addr *a = server->remote;
    bool v6 = a->sa.sa_family == AF_INET6;
    struct str parts[] = {
        v6 ? (struct str){ (const char *)&a->v6.sin6_addr, sizeof(a->v6.sin6_addr) }
           : (struct str){ (const char *)&a->v4.sin_addr, sizeof(a->v4.sin_addr) },
        { (const char *)(v6 ? &a->v6.sin6_port : &a->v4.sin_port), sizeof(a->v4.sin_port) },
        server->host,
    };
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        for (size_t k = 0; k < parts[i].n; k++)
            h = (h ^ (unsigned char)parts[i].p[k]) * 16777619u;
    return &t->slots[(h ^ h >> 16) % SLOTS];
}

static bool is_of(const struct kept *k, const struct tls_server *server)
{
    return addr_equal(&k->remote, server->remote) &&
           str_equal((struct str){ k->host, k->host_n }, server->host);
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *t, const struct tls_server *server,
                               uint64_t now_ms, uint64_t *verified_ms)
{
    struct kept *k = slot_of(t, server);
    SSL_SESSION *session = NULL;

    pthread_mutex_lock(&t->lock);
    if (k->session && is_of(k, server) && now_ms - k->verified_ms < TLS_SESSION_MS) {
        session = k->session;
        *verified_ms = k->verified_ms;
        if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
            k->session = NULL;
        else
            SSL_SESSION_up_ref(session);
    }
    pthread_mutex_unlock(&t->lock);
    return session;
}

void tls_sessions_keep(struct tls_sessions *t, const struct tls_server *server,
                       SSL_SESSION *session, uint64_t verified_ms)
{
    struct kept *k = slot_of(t, server);
    SSL_SESSION *former = session;

    pthread_mutex_lock(&t->lock);
    if (server->host.n <= HOST_MAX) {
        former = k->session;
        k->session = session;
        k->remote = *server->remote;
        k->verified_ms = verified_ms;
        k->host_n = (uint8_t)server->host.n;
        if (server->host.n)
            memcpy(k->host, server->host.p, server->host.n);
    }
    pthread_mutex_unlock(&t->lock);
    SSL_SESSION_free(former);
}
