// SPDX-License-Identifier: MIT
/* extstate/body.h - the plugin ABI for body generators and supplements.
 *
 * A generator turns one snapshot into the body of a NOTIFY or PUBLISH; supplements run after it on
 * the same document. Both are data plus pure functions, the same linked in or loaded with dlopen:
 * they keep no state, do no I/O, and may be called by several threads at once. The server renders a
 * body once per snapshot and shares it between all subscribers with the same generator and
 * supplements; what differs per subscriber is written as a slot and filled in when sent.
 *
 * A loadable plugin is a shared object that exports
 *     const struct es_plugin es_plugin;
 * (ES_PLUGIN below defines it) whose `abi` must equal ES_PLUGIN_ABI; `size` fields let both sides
 * grow. A plugin that cannot be used is an error at start and never one at run time. The tutorial
 * is doc/body-plugin.md. */
#pragma once
#include "extstate/event_state.h"
#include <string.h>

#define ES_PLUGIN_ABI 1

/* The same numbers as Asterisk's. A value that is not among them counts as idle. */
enum es_extension_state {
    ES_EXTENSION_REMOVED = -2,
    ES_EXTENSION_IDLE = 0,
    ES_EXTENSION_INUSE = 1,
    ES_EXTENSION_BUSY = 2,
    ES_EXTENSION_UNAVAILABLE = 4,
    ES_EXTENSION_RINGING = 8,
    ES_EXTENSION_INUSE_RINGING = 9,
    ES_EXTENSION_ONHOLD = 16,
};

struct es_snapshot { /* what is to be told */
    size_t size;
    enum es_extension_state state;
    struct es_text extension, context, hint_name;
    struct es_text presence; /* "available", "dnd", ...; "not_set" */
    struct es_text presence_subtype, presence_message;
    /* What a hint alone says; `state` is that together with what was published, in the order the
     * configuration has. Without a hint it is ES_EXTENSION_UNAVAILABLE. */
    bool has_hint;
    enum es_extension_state hint_state;
    /* What was published for the resource, composed; NULL: nothing of this kind. */
    const struct es_dialog *dialogs; /* the one a single lamp should show first; may be none */
    size_t n_dialogs;
    const struct es_presence *published_presence;
    const struct es_messages *messages;
    const struct es_text *content_type,
        *content; /* of a package that is served as it was published */
    bool has_dialogs;
    /* Of the resource: empty for an extension, else "message-summary", "presence.winfo". */
    struct es_text package;
    const struct es_watcher *watchers; /* of a package that ends in ".winfo" */
    size_t n_watchers;
    bool calls_known; /* the calls of the hint are among the dialogs: none need stand for it */
};

struct es_subscriber { /* whom it is told: for predicates only, never for content */
    size_t size;
    struct es_text package;    /* "dialog", "presence" */
    struct es_text user_agent; /* of its SUBSCRIBE; empty for a publisher */
    struct es_text endpoint;   /* id of its endpoint; empty for a publisher */
    bool publisher;            /* the body is for a PUBLISH */
    const void *options;       /* of the plugin that is asked, as in struct es_body_request */
};

/* Of a request: part of what makes two renderings different. */
enum es_flag {
    ES_FLAG_ASTERISK = 1, /* [compatibility] asterisk_bodies: byte for byte as Asterisk */
    ES_FLAG_EARLY_INUSE_RINGING = 2, /* endpoint option notify_early_inuse_ringing */
    ES_FLAG_REMOVED_IS_IDLE = 4,     /* [compatibility] removed_hint_is_idle */
    ES_FLAG_PUBLISH = 8,             /* for a PUBLISH: no subscriber is known */
    ES_FLAG_PARTIAL = 16,            /* only what has changed since the state before */
    ES_FLAG_ENDED = 32,           /* for who has not been told yet that these dialogs have ended */
    ES_FLAG_ONE_DIALOG = 64,      /* [dialog-info] single_dialog: who can show no more */
    ES_FLAG_NO_IDLE_DIALOG = 128, /* [dialog-info] idle_dialog = no */
};

/* What is filled in per subscriber when the body is sent. */
enum es_slot {
    ES_SLOT_VERSION, /* decimal, strictly rising per subscription: RFC 4235 section 4.1 */
    ES_SLOT_LOCAL,   /* the resource's URI as this subscriber named it, escaped for XML */
    ES_SLOT_REMOTE,  /* the subscriber's URI, escaped for XML */
    ES_SLOT_DOMAIN,  /* host and port of ES_SLOT_LOCAL */
    ES_SLOTS
};

/* An element of the document being made. NULL when it cannot be had; then every call with it does
 * nothing, so that nobody needs to check one. */
struct es_node;
struct es_document; /* opaque */

/* How a document is written. Names and texts are copied, texts are escaped by the server. What
 * cannot be (a name that XML does not allow, text beside child elements, raw bytes beside a root,
 * more than 32 levels or about 64 kB) spoils the document: every later call does nothing, and the
 * generator or supplement counts as failed. */
struct es_document_api {
    size_t size;
    /* The root element; the existing one, whatever its name, if there is one. */
    struct es_node *(*root)(struct es_document *d, const char *name);
    /* A new element: behind all others of its parent, or before one. */
    struct es_node *(*child)(struct es_node *parent, const char *name);
    struct es_node *(*child_before)(struct es_node *sibling, const char *name);
    /* The first child of that name, and the next sibling of any name; or NULL. */
    struct es_node *(*find)(struct es_node *parent, const char *name);
    struct es_node *(*next)(struct es_node *node);
    const char *(*name)(const struct es_node *node);
    /* Attributes stand in the order of creation; one that exists gets a new value. `suffix`: what
     * stands behind the slot, or NULL. */
    void (*attribute)(struct es_node *n, const char *name, struct es_text value);
    void (*attribute_slot)(struct es_node *n, const char *name, enum es_slot slot,
                           const char *suffix);
    /* The content of a leaf; further calls append. */
    void (*text)(struct es_node *n, struct es_text value);
    void (*text_slot)(struct es_node *n, enum es_slot slot);
    /* An element with all below it. */
    void (*remove)(struct es_node *n);
    /* For bodies that are not XML: the bytes as they are. Supplements do not run on them. A slot is
     * escaped all the same. */
    void (*raw)(struct es_document *d, struct es_text bytes);
    void (*raw_slot)(struct es_document *d, enum es_slot slot);
    /* Behind all other children of its parent: well-formed markup, an element or several, that
     * declares the prefixes it uses (what struct es_dialog and its like hold). It is written as it
     * is; neither find nor next see it. */
    void (*xml)(struct es_node *parent, struct es_text markup);
};

struct es_body_request {
    size_t size;
    const struct es_snapshot *snapshot;
    unsigned flags; /* enum es_flag */
    /* A random token, new for every rendering. As a whole attribute or text it does not count when
     * the server asks whether a body says anything new; as a part of one it does. */
    struct es_text unique;
    const struct es_document_api *api;
    const void *options; /* the plugin's own, filled by its schema; NULL without one */
};

struct es_body_generator {
    size_t size;
    const char *name;
    /* Event packages, separated by blanks: "dialog presence". Without an Accept header a package
     * gets the body of the first generator, in order of registration, that names it first. */
    const char *package;
    const char *content_type; /* "application/dialog-info+xml" */
    int priority; /* of several that accept, the highest is asked first; built-in ones have 0 */
    bool (*accepts)(const struct es_subscriber *s); /* NULL: everyone */
    /* 0, or a negative errno: then the next generator of the tuple that accepts is used and the
     * failure counted. A document left empty is a failure. */
    int (*generate)(const struct es_body_request *rq, struct es_document *out);
};

struct es_body_supplement {
    size_t size;
    const char *name;
    const char *content_type; /* of the bodies it adds to */
    int order;                /* low ones run first; built-in ones use 100 and 200 */
    bool (*accepts)(const struct es_subscriber *s); /* NULL: everyone */
    /* 0, or a negative errno: then the body is made without it, and the failure counted. */
    int (*supplement)(const struct es_body_request *rq, struct es_document *d);
};

/* And what its field in the option struct is. */
enum es_option_type {
    ES_OPTION_BOOL, /* bool */
    ES_OPTION_U32,  /* uint32_t */
    ES_OPTION_TEXT, /* const char *, never NULL, ends with a NUL */
};

struct es_option { /* one row of a plugin's typed schema */
    const char *name;
    enum es_option_type type;
    size_t offset;             /* into the plugin's option struct */
    const char *default_value; /* as it would stand in the file: "yes", "0", "" */
    const char *doc;
};

struct es_plugin {
    unsigned abi; /* ES_PLUGIN_ABI */
    size_t size;
    const char *name, *version, *description;
    const struct es_body_generator *const *generators;   /* NULL-terminated, or NULL */
    const struct es_body_supplement *const *supplements; /* NULL-terminated, or NULL */
    const struct es_option *options;                     /* ends with a NULL name, or NULL */
    size_t options_size;                                 /* of the struct the offsets point into */
};

/* ES_PLUGIN = { .abi = ES_PLUGIN_ABI, ... }; defines what a loadable plugin exports. */
#define ES_PLUGIN                            \
    extern const struct es_plugin es_plugin; \
    __attribute__((visibility("default"))) const struct es_plugin es_plugin

#define ES_TEXT(literal) ((struct es_text){ "" literal, sizeof(literal) - 1 })

static inline struct es_text es_text_of(const char *cstr) /* NULL: the empty text */
{
    struct es_text t = { cstr, cstr ? strlen(cstr) : 0 };

    return t;
}
