// SPDX-License-Identifier: MIT
/* compositor_internal.h - private to the compositor: publish.c asks, compositor.c answers. */
#pragma once
#include "publication/compositor.h"

enum {
    CALL_ID_MAX = 255, /* it is kept with the publication */
    WHY_MAX = 255,     /* of the text in a Warning */
};

struct compositor {
    struct compositor_config cfg;
    const struct settings *settings; /* a reference */
    struct map pending;              /* struct pending by cookie */
    uint64_t next_cookie;
    bool stopping;
    struct buf headers;                      /* of the response being made */
    struct buf publisher, content_type, why; /* of the request being looked at */
    struct compositor_counters counters;
};

struct asker { /* for the log */
    struct str endpoint, package, uri, call_id;
};

struct pending { /* a request that waits for the store */
    struct map_node node;
    uint64_t cookie;
    struct server_txn *txn;
    uint32_t expires_s, minimum_expiry_s;
    struct asker by; /* in text */
    char text[];
};

/* One more, with copies of what `by` says; NULL without memory. */
struct pending *pending_create(struct compositor *c, struct server_txn *st, const struct asker *by);
void pending_destroy(struct compositor *c, struct pending *p);
/* With the header lines that are in c->headers already. */
void compositor_refuse(struct compositor *c, struct server_txn *st, const struct asker *by,
                       unsigned status, struct str why);
