// SPDX-License-Identifier: MIT
/* compositor_internal.h - private to the compositor: publish.c asks, publish_stream.c what is
 * different for Asterisk's packages, compositor.c answers. notified.c answers NOTIFY. */
#pragma once
#include "publication/asterisk_event.h"
#include "publication/compositor.h"
#include "xml/xml.h"

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
    struct buf headers;                              /* of the response being made */
    struct buf publisher, origin, content_type, why; /* of the request being looked at */
    struct xml_parser xml;                           /* of bodies */
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
/* Answers with the header lines that are in c->headers already, a Warning that says why, and what
 * the status demands. */
void compositor_reject(struct compositor *c, struct server_txn *st, unsigned status,
                       struct str why);
/* What the body is for, RFC 3261 section 20.11: event state is to be rendered, which is meant where
 * nothing is said. Of anything else its sender would think it was told on, were it ignored. */
bool compositor_may_render(const struct sip_message *msg);
/* Likewise to a PUBLISH, which is logged and counted. */
void compositor_refuse(struct compositor *c, struct server_txn *st, const struct asker *by,
                       unsigned status, struct str why);

/* ---- publish.c ---- */

enum { USER_MAX = 79 }; /* a resource is named like an extension */

struct ask { /* one PUBLISH */
    struct compositor *c;
    const struct uas_request *rq;
    const struct compositor_settings *section;
    struct asker by;
    struct sip_event event; /* without a package: there is none that can be read */
    bool opaque;
    struct publication_request p;
    struct event_state *document;                         /* p.document */
    const struct asterisk_publication_settings *asterisk; /* for its packages only */
    struct asterisk_event asterisk_event;                 /* p.event */
    char user_room[USER_MAX];
};

/* Always true, for the checks to return. */
bool ask_refuse(struct ask *a, unsigned status, const char *why);
/* The first of these counts; the store tells it to whoever may hear it. */
void ask_refuse_later(struct ask *a, unsigned status, struct str why);

/* ---- publish_stream.c ---- */

/* Is it for one of Asterisk's packages, which somebody may publish here? Then it is a stream. */
bool stream_is_asked(struct ask *a);
/* True when it has answered. */
bool stream_check_resource(struct ask *a);
bool stream_is_served(const struct settings *settings, const struct publication_place *place);
/* 0, or -ENOMEM; a refusal is noted. */
NODISCARD int stream_read_body(struct ask *a);
