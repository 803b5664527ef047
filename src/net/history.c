// SPDX-License-Identifier: MIT
#include "net/net_private.h"

#include <stdlib.h>

#include "base/tally.h"
#include "net/masked.h"

struct kept {
    struct list link;
    struct net_kept what;
    char text[];
};

static void kept_drop(struct history *h, struct kept *k)
{
    h->bytes -= tally_size(k);
    list_remove(&k->link);
    free(k);
}

void history_init(struct history *h)
{
    *h = (struct history){ .on = false };
    list_init(&h->kept);
}

void history_fini(struct history *h)
{
    LIST_FOREACH_SAFE (it, &h->kept)
        kept_drop(h, CONTAINER_OF(it, struct kept, link));
}

void history_add(struct history *h, const struct net_kept *what)
{
    struct buf masked;
    struct kept *k = NULL;

    buf_init(&masked, 3 * what->message.n + 64);
    masked_add(&masked, what->message);
    if (!masked.error)
        k = malloc(sizeof(*k) + masked.n);
    if (k) {
        k->what = *what;
        k->what.message = (struct str){ k->text, masked.n };
        if (masked.n)
            memcpy(k->text, masked.p, masked.n);
        list_append(&h->kept, &k->link);
        h->bytes += tally_size(k);
    }
    LIST_FOREACH_SAFE (it, &h->kept) {
        if (h->bytes <= NET_HISTORY_MAX)
            break;
        kept_drop(h, CONTAINER_OF(it, struct kept, link));
    }
    buf_fini(&masked);
}

void net_history_each(const struct net *n, void (*each)(void *ctx, const struct net_kept *what),
                      void *ctx)
{
    LIST_FOREACH (it, &n->history.kept)
        each(ctx, &CONTAINER_OF(it, struct kept, link)->what);
}
