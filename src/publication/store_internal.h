// SPDX-License-Identifier: MIT
/* store_internal.h - what the files of the store share. Threads: the one that owns the store. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "publication/publication.h"

enum {
    ETAG_BYTES = 16, /* 128 random bits; told as twice as many hexadecimal digits */
    ETAG_DIGITS = 2 * ETAG_BYTES,
};

/* ---- words: texts that thousands of publications share, each kept once ---- */

enum published_word_kind {
    WORD_PUBLISHER,
    WORD_SOURCE,
    WORD_PACKAGE,
    WORD_CONTEXT,
    WORD_TYPE,
    WORD_DOMAIN,
};

struct published_word {
    struct map_node node;
    uint32_t uses; /* of a publisher: its publications */
    uint32_t n;
    enum published_word_kind kind;
    char text[];
};

struct publication_document { /* what a publication says */
    const struct event_state *state;
    struct published_word *content_type;
    struct str body; /* on the heap; empty unless a diff may come */
    uint32_t body_len, version, priority;
    uint64_t changed; /* number of the change that made it: see composition_input */
    uint64_t changed_wall_ms;
};

struct publication {
    struct map_node by_tag;
    unsigned char tag[ETAG_BYTES];
    struct list of_resource; /* or, when it has ended, of those to be cleared away */
    struct list promises;    /* struct publication_promise, the oldest first */
    struct timer expiry;     /* at what was granted and the grace */
    struct published_resource *resource;
    struct published_word *publisher, *package;
    struct published_word *domain; /* NULL: internal */
    struct publication_document says;
    struct str call_id;
    uint64_t serial, published_wall_ms;
    uint64_t origin; /* hashed, of the PUBLISH that came last; 0: not known */
    uint32_t expires_s, grace_s;
    uint32_t bytes;    /* as counted */
    bool internal : 1; /* made by no PUBLISH: it has no tag, and no end of its own */
    bool stream : 1;   /* of events, which says nothing itself */
    bool tagged : 1, scoped : 1;
    bool ended : 1; /* nobody can see it any more */
};

/* What holds does not change between the two, of the wall clock: RFC 4480 section 3.1. */
struct published_turn {
    struct timer timer;
    struct published_resource *resource;
    uint64_t from_ms, until_ms;
};

struct published_resource {
    struct map_node node;
    struct publication_store *store;
    struct list publications;
    struct published_word *package, *context; /* the package's text is empty for extensions */
    const struct event_state *composite;      /* as last told */
    struct published_turn *turn;              /* NULL: nothing holds for a time only */
    void *kept;                               /* by whom composites are told */
    uint32_t published;                       /* publications that are not internal */
    uint32_t ended; /* publications that have ended, and are not yet cleared away */
    uint32_t bytes; /* as counted */
    bool restored;  /* it has publications that are in no composite yet */
    uint32_t extension_len;
    char extension[];
};

struct publication_store {
    struct publication_config cfg;
    struct map words, resources, tags;
    struct list ended;    /* struct publication, in the order they ended */
    struct list promises; /* struct publication_promise */
    struct timer clear;
    uint64_t last_serial, last_change;
    struct publication **restored; /* until all have been read */
    size_t n_restored;
    bool restored_sorted, restore_failed; /* for want of memory */
    struct publication_counters counters;
    char etag[ETAG_DIGITS], why[PUBLICATION_ANSWER_MAX - ETAG_DIGITS]; /* of the answer */
};

static inline struct str published_word_text(const struct published_word *w)
{
    return w ? (struct str){ w->text, w->n } : STR_EMPTY;
}

static inline struct str published_extension(const struct published_resource *r)
{
    return (struct str){ r->extension, r->extension_len };
}

/* The publication whose place in a list this is. */
static inline struct publication *published_at(struct list *node)
{
    return CONTAINER_OF(node, struct publication, of_resource);
}

static inline size_t published_length(const struct list *publications)
{
    size_t n = 0;

    LIST_FOREACH (it, publications)
        n++;
    return n;
}

/* ---- store_index.c ---- */

/* One use more of the word, which ends with published_word_put. 0 or -ENOMEM. */
NODISCARD int published_word_get(struct publication_store *store, enum published_word_kind kind,
                                 struct str text, struct published_word **out);
void published_word_put(struct publication_store *store, struct published_word *w); /* or NULL */
uint32_t published_word_uses(const struct publication_store *store, enum published_word_kind kind,
                             struct str text);

/* `dialog` and `presence` of one extension are one resource. */
struct resource_name published_name(struct str package, struct str context, struct str extension);
struct published_resource *published_resource_find(const struct publication_store *store,
                                                   const struct resource_name *name);
/* Found or made; published_resource_tidy ends one that has no publications, not even any to be
 * cleared away. 0 or -ENOMEM. */
NODISCARD int published_resource_get(struct publication_store *store,
                                     const struct resource_name *name,
                                     struct published_resource **out);
void published_resource_tidy(struct published_resource *resource);

/* By the text of its tag; NULL: nobody has that. */
struct publication *published_find(const struct publication_store *store, struct str etag);
/* This one, and no other any more; false when another publication has it. */
bool published_tag_set(struct publication_store *store, struct publication *p,
                       const unsigned char tag[ETAG_BYTES]);
bool published_tag_parse(unsigned char tag[ETAG_BYTES], struct str text);
/* A tag that was never there. */
void published_tag_renew(struct publication_store *store, struct publication *p);
void published_tag_random(struct publication_store *store, unsigned char tag[ETAG_BYTES]);
struct str published_tag_print(char out[ETAG_DIGITS], const unsigned char tag[ETAG_BYTES]);

/* ---- store_document.c ---- */

void publication_document_fini(struct publication_store *store, struct publication_document *d);
/* The document of a request, which takes the place of `former` (NULL: of none). 0,
 * PUBLICATION_BAD_BODY with the reason in the answer, -ENOMEM. */
NODISCARD int publication_document_make(struct publication_store *store,
                                        const struct publication_request *rq,
                                        const struct publication_document *former,
                                        struct publication_document *out,
                                        struct publication_answer *answer);
/* A PUBLICATION_BAD_BODY: the reason is copied. */
int published_refuse(struct publication_store *store, struct publication_answer *answer,
                     unsigned status, struct str why);

/* ---- store_settle.c: whatever happens to a resource ---- */

struct published_identity { /* borrowed */
    struct str publisher, package, call_id, domain;
    bool internal, stream;
};
void published_turn_destroy(struct publication_store *store, struct published_turn *turn);
/* Not yet in the resource, and saying nothing. 0 or -ENOMEM. */
NODISCARD int published_create(struct published_resource *resource,
                               const struct published_identity *who, struct publication **out);
/* One that is not in the resource (any more), with all it has; NULL is fine. */
void published_destroy(struct publication_store *store, struct publication *p);
/* An end is told in a quarter of the time that it takes to clear away what has ended. When many end
 * at once all are told first, and what is left of them goes in portions: `max` publications. */
void published_clear_fire(struct timer *t); /* of the store */
void published_clear(struct publication_store *store, size_t max);
/* `p`, which may be new to the resource, says `next` from now on (ownership passes on 0), and those
 * in `gone`, which must have left the resource's list, are no more. The composite is told. 0 or
 * -ENOMEM, then the resource is as it was, without those in `gone`. */
NODISCARD int published_settle(struct publication *p, struct publication_document *next,
                               struct list *gone);
/* `former`, a document that it had before, replaces what it says, with the age it had. Ownership
 * passes on 0; or -ENOMEM, then nothing has changed. */
NODISCARD int published_put_back(struct publication *p, const struct publication_document *former);
/* The same for a stream: the event of the request is told. */
NODISCARD int published_settle_stream(struct publication *p, const struct publication_request *rq,
                                      struct list *gone);
/* Ends it, and its resource with the last one. 0 or -ENOMEM, then nothing has changed. */
NODISCARD int published_remove(struct publication *p);
/* The same for those in `gone`, all of one kind, which have left the list of their resource and are
 * at its end again on failure; to be tried again with published_remove_later. */
NODISCARD int published_remove_all(struct published_resource *resource, struct list *gone);
void published_remove_later(struct publication *p);
void published_count(struct publication *p); /* its bytes, after a change */
/* One that was kept is in its resource, whose composite is told when all are. */
void published_join(struct publication *p);
NODISCARD int published_compose(struct published_resource *resource); /* 0 or -ENOMEM */

/* ---- store.c ---- */

bool published_is_served(const struct publication_store *store,
                         const struct publication_place *place);
/* Is it still, by the settings of now, that this one is published for? */
bool published_keeps_place(const struct publication *p);

/* What has become of it, to the port. */
void published_tell(const struct publication *p, enum publication_change what);
/* Everything until the end has one cause. */
void published_begin(const struct publication_store *store, struct str publisher);
void published_over(const struct publication_store *store);

/* ---- store_promise.c ---- */

/* What `p` is now can be had back, if what it is about to become cannot be kept; *out NULL: there
 * is nothing to wait for. Without an answer it ends with published_promise_destroy. 0 or -ENOMEM.
 */
NODISCARD int published_promise(struct publication *p, struct publication_promise **out);
void published_promise_destroy(struct publication_store *store,
                               struct publication_promise *promise); /* NULL is fine */
void published_promises_forget(struct publication *p);               /* it ends */
void published_promises_destroy(struct publication_store *store);

/* ---- store_kept.c ---- */

void published_keep(const struct publication *p, bool body); /* it has changed; so has its body */
void published_forget(const struct publication *p);
void publications_restored_end(struct publication_store *store); /* of reading what was kept */
