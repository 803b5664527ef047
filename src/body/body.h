// SPDX-License-Identifier: MIT
/* body.h - the registry of body generators and supplements, and rendered bodies.
 *
 * At subscription time body_choose settles which generator and which supplements apply: a
 * body_profile, shared by all subscribers of the same choice. A body is rendered once per
 * (snapshot, profile), hangs on the snapshot, and consists of text and slots; body_print fills the
 * slots for one subscriber. A registry is filled by who made it and never changes afterwards: other
 * plugins are another registry, which takes the place of the former one; that stays, with the code
 * of its plugins, as long as somebody has a reference to it or to one of its profiles. Threads: one
 * fills it; then everything is safe from any thread. */
#pragma once
#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"
#include "extstate/body.h"
#include "state/snapshot.h"

struct body_registry; /* opaque: see registry.c */
struct body_profile;  /* opaque: belongs to its registry */

/* With all built-in generators and supplements, and one reference. `former`: the one whose place it
 * takes (borrowed for the call), so that no body of that is taken for one of this; NULL: it is the
 * first. 0 or -ENOMEM. */
NODISCARD int body_registry_create(struct body_registry **out, struct log *log,
                                   const struct body_registry *former);
struct body_registry *body_registry_ref(struct body_registry *r);
void body_registry_unref(struct body_registry *r); /* NULL is fine */

/* Register a plugin's parts, all or none. The plugin and `option_values` (a struct of options_size
 * bytes; NULL: its defaults) must outlive the registry. Before anybody else has a reference.
 * -EINVAL with the reason in `why` when it is malformed, of another ABI, or there is one of its
 * name. */
NODISCARD int body_registry_add(struct body_registry *r, const struct es_plugin *plugin,
                                const void *option_values, struct buf *why);

struct plugin_option {
    struct str name, value;
};
/* dlopen DIRECTORY/NAME.so, check its ABI, fill its options (names in any case, the last value of a
 * name counts) and add it. -ENOENT, -EINVAL, with the reason in `why`; -ENOMEM. */
NODISCARD int body_plugin_load(struct body_registry *r, struct str directory, struct str name,
                               const struct plugin_option *options, size_t n_options,
                               struct buf *why);

/* Is there any generator for this package? For this (package, media type)? */
bool body_package_known(const struct body_registry *r, struct str package);
bool body_type_known(const struct body_registry *r, struct str package, struct str media_type);
/* What is told as the type of an opaque package, by a profile, in a list of types, as the default:
 * its bodies have the type of the document published. */
#define BODY_ANY_TYPE "*/*"
static inline bool body_type_is_any(struct str media_type)
{
    return str_equal(media_type, STR(BODY_ANY_TYPE));
}
/* The type used without an Accept header: "" when the package is unknown. */
struct str body_default_type(const struct body_registry *r, struct str package);
/* What generators and body_choose call the package of watcher information, which exists for every
 * other package: `presence.winfo`, `dialog.winfo`. RFC 3857 section 4.1. */
#define BODY_TEMPLATE "winfo"
/* Likewise any package that has no generator: it is served as it is published, see
 * body_content_type. Which ones are, is a setting. */
#define BODY_OPAQUE "opaque"
/* All packages that have a generator, comma separated, for Allow-Events, but for those two. */
void body_packages_print(const struct body_registry *r, struct buf *out);
/* All media types of a package (NULL package: of all), comma separated, for Accept in 406 and
 * OPTIONS. */
void body_types_print(const struct body_registry *r, struct str package, struct buf *out);

enum { BODY_NO_GENERATOR = 1 };
/* Choose for a subscriber that asked for exactly this media type (any case, no parameters). 0,
 * BODY_NO_GENERATOR, -ENOMEM. Profiles are interned: the same choice gives the same pointer, alive
 * as long as the registry; no reference is taken. */
NODISCARD int body_choose(struct body_registry *r, const struct es_subscriber *subscriber,
                          struct str media_type, unsigned flags, const struct body_profile **out);
/* For publishing what was published, or what we have made, as JSON as it is: it belongs to no
 * package, and nobody can subscribe to it. 0 or -ENOMEM. */
NODISCARD int body_choose_published(struct body_registry *r, const struct body_profile **out);
/* The same by Accept negotiation: `accept` are all Accept values joined by commas (empty: none
 * given). Highest q wins, order decides between equals, type/ * and * / * are honoured (the
 * package's default first), q=0 excludes, the most exact range speaks for a type. What is malformed
 * is skipped, and what follows the first 32 values. multipart/related and application/rlmi+xml are
 * skipped as well: with nothing but these it is as if none were given. */
NODISCARD int body_negotiate(struct body_registry *r, const struct es_subscriber *subscriber,
                             struct str accept, unsigned flags, const struct body_profile **out);
/* How much such an Accept wants this media type (parameters do not count), in thousandths; 0: not
 * at all. An opaque package is negotiated before its type is known: with anything that excludes
 * nothing. */
unsigned body_type_weight(struct str accept, struct str media_type);
static inline bool body_type_accepted(struct str accept, struct str media_type)
{
    return body_type_weight(accept, media_type) > 0;
}
/* The same choice with a flag more: ES_FLAG_PARTIAL, ES_FLAG_ENDED. 0 or -ENOMEM. */
NODISCARD int body_profile_with(const struct body_profile *p, unsigned flag,
                                const struct body_profile **out);
/* To the registry that it belongs to. */
const struct body_profile *body_profile_ref(const struct body_profile *p);
void body_profile_unref(const struct body_profile *p); /* NULL is fine */
/* `p` instead of `*of`: with a reference to it, and none to the former. */
static inline void body_profile_replace(const struct body_profile **of,
                                        const struct body_profile *p)
{
    const struct body_profile *former = *of;

    if (p == former)
        return;
    *of = p ? body_profile_ref(p) : NULL;
    body_profile_unref(former);
}
bool body_profile_is_of(const struct body_profile *p, const struct body_registry *r);
struct str body_profile_content_type(const struct body_profile *p);
struct str body_profile_generator(const struct body_profile *p); /* its name, for listings */

struct rendered_body; /* opaque; belongs to the snapshot it was rendered from */
/* The body of `s` for this profile, rendered now if nobody did before. Never NULL on 0; -ENOMEM,
 * -EMSGSIZE (over 64 kB), or what the last generator failed with. Failures of plugins are logged
 * and counted here. */
NODISCARD int body_render(const struct body_profile *p, const struct snapshot *s, struct rng *rng,
                          const struct rendered_body **out);

/* What it is: the profile's type, but of an opaque package that of the published document, with its
 * parameters; empty while nothing is published, and then the body is empty, too. Borrowed as long
 * as the snapshot lives. */
struct str body_content_type(const struct rendered_body *b);

struct body_slots { /* this subscriber's values; local and remote already escaped (buf_add_xml) */
    uint32_t version;
    struct str local, remote;
};
size_t body_length(const struct rendered_body *b, const struct body_slots *slots);
void body_print(const struct rendered_body *b, const struct body_slots *slots, struct buf *out);
/* Do two renderings say the same (slots and es_body_request.unique not counted)? Used to swallow a
 * NOTIFY or PUBLISH that would repeat the last. */
bool body_same(const struct rendered_body *a, const struct rendered_body *b);
/* 64 bits of a rendering, counted like that: equal bodies have equal digests, in every process. */
uint64_t body_digest(const struct rendered_body *b);

struct body_counters {
    uint64_t rendered, failures, reused;
};
void body_counters_get(const struct body_registry *r, struct body_counters *out);
/* One line per generator and supplement, for `extstatectl status`. */
void body_registry_each(const struct body_registry *r,
                        void (*each)(void *ctx, const char *kind, const char *name,
                                     const char *package, const char *content_type,
                                     const char *plugin),
                        void *ctx);
