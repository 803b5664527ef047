// SPDX-License-Identifier: MIT
/* registry.h - what registry.c, choose.c, negotiate.c, plugin.c and rendered.c know of each other;
 * private to this folder. */
#pragma once
#include "body/body.h"
#include <pthread.h>

enum {
    BODY_PARTS_MAX = 64,  /* generators, and supplements: a set of supplements fits into 64 bits */
    BODY_TYPES_MAX = 128, /* pairs of package and media type */
};

struct body_part { /* a registered generator or supplement */
    struct body_registry *registry;
    struct body_part *next;                             /* of its kind, first choice first */
    const char *plugin, *name, *package, *content_type; /* a supplement has no package */
    struct str packages, media_type;                    /* the latter two */
    int rank;                                           /* priority or order */
    bool (*accepts)(const struct es_subscriber *s);
    int (*generate)(const struct es_body_request *rq, struct es_document *out);
    int (*supplement)(const struct es_body_request *rq, struct es_document *d);
    const void *options;
};

struct body_type { /* that some generator makes for a package */
    struct str package, media_type;
    bool primary; /* named first by its generator: see body_default_type */
};

struct body_types { /* of one package in the order they are preferred */
    struct body_type rows[BODY_TYPES_MAX];
    size_t n;
};

struct body_plugin { /* newest first */
    struct body_plugin *next;
    const char *name;
    void *handle; /* of dlopen; NULL: not loaded from a file */
    void *values; /* of its options, on the heap; NULL: none, or the caller's */
};

struct body_profile {
    struct body_profile *next;
    struct body_registry *registry;
    uint64_t key; /* of its bodies: no profile of another registry has it */
    unsigned flags;
    size_t n_generators, n_supplements;
    struct body_part *parts[]; /* generators in the order they are tried, then supplements */
};

struct body_registry {
    atomic_uint refs;
    uint32_t generation; /* counts those that have taken each other's place */
    struct log *log;
    struct body_part *generators, *supplements;
    struct body_part published; /* for body_choose_published; not among the generators */
    size_t n_generators, n_supplements;
    struct body_types types;
    struct body_plugin *plugins;
    _Atomic uint64_t rendered, failures, reused;
    pthread_mutex_t lock; /* of who adds to `profiles`; what is in them never changes */
    struct body_profile *_Atomic profiles;
    uint32_t n_profiles;
};

/* Is it of our ABI, complete, and not loaded yet? -EINVAL with the reason in `why`. */
NODISCARD int plugin_check(const struct body_registry *r, const struct es_plugin *plugin,
                           struct buf *why);

/* The values of the plugin's options, in one block that free() ends: defaults, then `options`.
 * `*out` is NULL for a plugin without options. 0, -ENOMEM, -EINVAL with the reason in `why`. */
NODISCARD int plugin_options_create(void **out, const struct es_plugin *plugin,
                                    const struct plugin_option *options, size_t n_options,
                                    struct buf *why);

/* Frees the records, the values and closes what was opened. */
void plugins_close(struct body_plugin *plugins);

/* opaque.c */
struct body_part body_part_published(struct body_registry *r);

/* Room for a profile of all the parts that there may be. */
union body_profile_room {
    struct body_profile profile;
    char bytes[sizeof(struct body_profile) + sizeof(struct body_part * [2 * BODY_PARTS_MAX])];
};
/* The profile of this content that all share. 0 or -ENOMEM. */
NODISCARD int body_profile_intern(const struct body_profile **out, const struct body_profile *p);

bool body_types_know(const struct body_types *types, struct str package, struct str media_type);
