// SPDX-License-Identifier: MIT
/* Names of compositors and telephones to addresses: by libuv's threads, so that a slow resolver
 * keeps nobody waiting. Of several addresses the first that one of our transports reaches is taken.
 */
#include <stdlib.h>

#include "daemon/choose.h"
#include "daemon/threads.h"

struct resolution {
    uv_getaddrinfo_t uv;
    struct inbox_message m;
    struct worker *worker;
    void (*answer)(struct engine *e, uint64_t cookie, const struct addr *remote);
    uint64_t cookie;
    struct addr remote;
    bool found;
};

static void resolution_finish(struct resolution *q)
{
    struct worker *w = q->worker;

    w->resolving--;
    if (w->engine_ready)
        q->answer(&w->engine, q->cookie, q->found ? &q->remote : NULL);
    free(q);
}

static void resolution_run(struct inbox_message *m, void *owner)
{
    (void)owner;
    resolution_finish(CONTAINER_OF(m, struct resolution, m));
}

static void resolution_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct resolution, m));
}

static bool is_reached(void *ctx, const struct addr *remote)
{
    struct flow flow;

    return worker_route(ctx, STR_EMPTY, remote, &flow) == 0;
}

static void on_addrinfo(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
    struct resolution *q = CONTAINER_OF(uv, struct resolution, uv);

    q->found = status == 0 &&
               address_choose(&q->remote, list, addr_port(&q->remote), is_reached, q->worker);
    uv_freeaddrinfo(list);
    resolution_finish(q);
}

static void resolve(struct worker *w, struct str host, uint16_t port, uint64_t cookie,
                    void (*answer)(struct engine *e, uint64_t cookie, const struct addr *remote))
{
    static const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
    struct resolution *q = calloc(1, sizeof(*q));
    char name[256];

    if (!q) {
        log_error(w->log, "worker.resolve", KV_ERR(-ENOMEM));
        return; /* whoever asks has a timer for that */
    }
    q->worker = w;
    q->answer = answer;
    q->cookie = cookie;
    q->m = (struct inbox_message){ .run = resolution_run, .drop = resolution_drop };
    list_init(&q->m.link);
    w->resolving++;
    port = port ? port : 5060;
    q->found = addr_parse(&q->remote, host, port) == 0;
    if (!q->found && host.n < sizeof(name)) {
        memcpy(name, host.p, host.n);
        name[host.n] = '\0';
        q->remote.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
        if (uv_getaddrinfo(&w->loop.uv, &q->uv, on_addrinfo, name, NULL, &hints) == 0)
            return;
    }
    inbox_post_always(&w->loop.inbox, &q->m);
}

static void answer_publisher(struct engine *e, uint64_t cookie, const struct addr *remote)
{
    publisher_resolved(e->publisher, cookie, remote);
}

void worker_publisher_resolve(void *ctx, struct str host, uint16_t port, uint64_t cookie)
{
    resolve(ctx, host, port, cookie, answer_publisher);
}

static void answer_notifier(struct engine *e, uint64_t cookie, const struct addr *remote)
{
    notifier_resolved(e->notifier, cookie, remote);
}

void worker_notifier_resolve(void *ctx, struct str host, uint16_t port, uint64_t question)
{
    resolve(ctx, host, port, question, answer_notifier);
}
