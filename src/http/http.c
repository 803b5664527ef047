// SPDX-License-Identifier: MIT
#include "http/http_internal.h"

#include <stdlib.h>

int http_init(struct http *h, const struct http_config *cfg)
{
    int r;

    *h = (struct http){ .cfg = *cfg };
    r = commands_create(&h->commands, cfg->loop, &cfg->port);
    if (r)
        return r;
    h->settings = settings_ref(cfg->settings);
    rng_init_system(&h->rng);
    access_init(&h->access, &h->rng);
    list_init(&h->exchanges);
    list_init(&h->streams);
    list_init(&h->apps);
    return 0;
}

void http_fini(struct http *h)
{
    LIST_FOREACH_SAFE (it, &h->exchanges)
        exchange_destroy(CONTAINER_OF(it, struct exchange, link));
    commands_destroy(h->commands);
    access_fini(&h->access);
    settings_unref(h->settings);
}

int http_create(struct http **out, const struct http_config *cfg)
{
    struct http *h = calloc(1, sizeof(*h));
    int r = h ? http_init(h, cfg) : -ENOMEM;

    if (r) {
        free(h);
        return r;
    }
    r = server_create(&h->server, h);
    if (r) {
        http_fini(h);
        free(h);
        return r;
    }
    *out = h;
    return 0;
}

void http_settings_set(struct http *h, const struct settings *settings)
{
    const struct settings *former = h->settings;

    sessions_settle(h, settings);
    h->settings = settings_ref(settings);
    server_settings(h->server, &former->http);
    settings_unref(former);
}

int http_socket(const struct http *h)
{
    return server_socket(h->server);
}

void http_destroy(struct http *h)
{
    if (!h)
        return;
    server_destroy(h->server);
    http_fini(h);
    free(h);
}
