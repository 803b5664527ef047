// SPDX-License-Identifier: MIT
/* dialplan.h - what hints need of a dialplan: contexts with hint extensions (literal and pattern),
 * includes with time specifications, globals, autohints. A builder, filled by the configuration
 * reader and handed to the state core as a whole; and the look-up rules (match order, variables,
 * time specs), which are Asterisk's. Threads: one owner. */
#pragma once
#include "base/buf.h"
#include "base/clock.h"

enum { NAME_MAX_LEN = 79 }; /* contexts, extensions, devices, providers */

struct dialplan;         /* opaque: see dialplan.c */
struct dialplan_context; /* belongs to its dialplan */

enum dialplan_outcome {
    DIALPLAN_DUPLICATE = 1, /* this context has it already; the first stays */
    DIALPLAN_BAD_TIME,      /* a time specification that cannot be read; nothing was added */
    DIALPLAN_TOO_LONG,      /* a name over 79 bytes; nothing was added */
};

/* With one reference. References may be counted in any thread. */
NODISCARD int dialplan_create(struct dialplan **out);
struct dialplan *dialplan_ref(struct dialplan *dp);
void dialplan_unref(struct dialplan *dp);
/* Another one that says the same, and may be added to. 0 or -ENOMEM. */
NODISCARD int dialplan_copy(struct dialplan **out, const struct dialplan *from);
/* Find out what is different from the former one, so that taking over the new one in its place
 * costs what has changed and not what there is. It does when nothing but literal hints without
 * autohints has: otherwise, or in another one's place, all is compared then. For the thread that
 * has filled `dp`, whatever happens to `former`. 0 or -ENOMEM. */
NODISCARD int dialplan_compare(struct dialplan *dp, struct dialplan *former);

/* What is different from the former one, one by one: globals, then by context what comes and
 * changes, then what goes with the contexts that go. */
enum dialplan_change_kind {
    DIALPLAN_GLOBAL,    /* `extension` is its name, `was` and `is` its values */
    DIALPLAN_INCLUDES,  /* of a context that was there: which and in which order */
    DIALPLAN_AUTOHINTS, /* `was` and `is`: "yes", or empty: no */
    DIALPLAN_HINT,      /* `was` and `is`: its texts */
    DIALPLAN_NAME,      /* of a hint whose text is the same: `was` and `is` */
};
struct dialplan_change { /* borrowed for the call */
    enum dialplan_change_kind kind;
    struct str context, extension;
    struct str was, is;
    bool added, removed; /* neither: changed */
};
typedef void (*dialplan_change_fn)(void *ctx, const struct dialplan_change *change);
void dialplan_changes(const struct dialplan *dp, const struct dialplan *former,
                      dialplan_change_fn each, void *ctx);

/* A global, in order of definition; the value is substituted with the globals before it and cut at
 * 4095 bytes. Leading underscores (one or two) of the name are not part of it. A second value
 * replaces the first. Returns 0 or -ENOMEM. */
NODISCARD int dialplan_global_set(struct dialplan *dp, struct str name, struct str value);

/* The context of this name, made when it is new. Names are case-sensitive. 0, -ENOMEM,
 * DIALPLAN_TOO_LONG. */
NODISCARD int dialplan_context_get(struct dialplan *dp, struct str name,
                                   struct dialplan_context **out);
void dialplan_autohints_set(struct dialplan_context *ctx, bool enabled);

struct hint_spec {        /* borrowed for the call */
    struct str extension; /* as written: literal or _pattern, blanks dropped; globals are
                             substituted here */
    struct str text;      /* "PJSIP/alice&PJSIP/bob,CustomPresence:alice", unsubstituted */
    struct str name;      /* "Alice Smith" or empty */
    struct str file;      /* where it stands, for listings */
    unsigned line;
};
/* 0, -ENOMEM, DIALPLAN_DUPLICATE, DIALPLAN_TOO_LONG. An extension of which nothing is left is
 * ignored. */
NODISCARD int dialplan_hint_add(struct dialplan_context *ctx, const struct hint_spec *spec);

/* Take the hint of an extension, or pattern, out of its context. 0; DIALPLAN_NO_HINT: there is
 * none. */
enum { DIALPLAN_NO_HINT = 1 };
NODISCARD int dialplan_hint_remove(struct dialplan_context *ctx, struct str extension);

/* "ctx" or "ctx,times,weekdays,mdays,months[,tz]" (comma or pipe). 0, -ENOMEM, DIALPLAN_DUPLICATE,
 * DIALPLAN_BAD_TIME, DIALPLAN_TOO_LONG. */
NODISCARD int dialplan_include_add(struct dialplan_context *ctx, struct str text);
/* The one with that text, or without any times all of that context. 0; DIALPLAN_NO_INCLUDE: there
 * is none. */
enum { DIALPLAN_NO_INCLUDE = 1 };
NODISCARD int dialplan_include_remove(struct dialplan_context *ctx, struct str text);
/* The text of each, in order. */
void dialplan_includes_each(const struct dialplan_context *context,
                            void (*each)(void *ctx, struct str text), void *ctx);
/* Call once when all is added: the names of contexts that are included but do not exist, one by
 * one. */
void dialplan_check(const struct dialplan *dp,
                    void (*missing)(void *ctx, struct str from, struct str include), void *ctx);

/* Does the pattern (with its leading '_') or literal `extension` match `dialled`? Dashes outside
 * the sets of a pattern are ignored; literals are compared like names of resources: see state.h. */
bool dialplan_pattern_matches(struct str extension, struct str dialled);
/* <0 when `a` is more specific and must be tried before `b`, 0 when they are equal; literals before
 * patterns. */
int dialplan_pattern_compare(struct str a, struct str b);

struct dialplan_match {
    struct dialplan_context *context; /* where it was found */
    const struct hint_entry *hint;    /* literal or pattern: see dialplan_hint_* below */
    bool pattern;
    bool cacheable; /* false when a time specification took part in finding it, or an autohint could
                     * come to stand before it */
};
/* Find the hint for `extension` seen from `context`: literals, patterns, then includes in order,
 * depth first, cycles cut, at most 128 deep. `wall_ms` decides time specifications. 0 or
 * DIALPLAN_NO_HINT: then `out` is empty, but `cacheable` says that no include was passed by that
 * holds at another time. */
NODISCARD int dialplan_find(const struct dialplan *dp, struct str context, struct str extension,
                            uint64_t wall_ms, struct dialplan_match *out);

/* "9:00-17:00,mon-fri,*,*" holds at that time? An empty specification always does;
 * DIALPLAN_BAD_TIME when it cannot be read or names a time zone that the system does not have,
 * -ENOMEM (then `*holds` is untouched). Without a time zone behind the months it is the process's.
 */
NODISCARD int timespec_holds(struct str spec, uint64_t wall_ms, bool *holds);

/* Replace ${EXTEN}, ${CONTEXT}, globals, ${EPOCH}, ${SYSTEMNAME}, ${VAR:offset:length} and nested
 * forms; unknown variables become empty, functions and $[...] stay as they are. At most 4095 bytes
 * result: the buffer's error says. */
void dialplan_substitute(const struct dialplan *dp, struct str text, struct str context,
                         struct str extension, uint64_t wall_ms, struct buf *out);

/* What a text asks for that is not there: ${NAME} becomes empty, the others stay as they are. */
enum dialplan_fault {
    DIALPLAN_NO_VARIABLE, /* told with its name */
    DIALPLAN_FUNCTION,    /* ${FUNC(x)}; told without the $, as those below */
    DIALPLAN_EXPRESSION,  /* $[1 + 1] */
    DIALPLAN_UNCLOSED,    /* "${EXTEN", to the end of the text */
};
typedef void (*dialplan_fault_fn)(void *fault_ctx, enum dialplan_fault fault, struct str what);
/* A hint's text as it will be, and what is wrong with it. What a pattern's EXTEN will be nobody
 * knows: there it is such a fault, and empty. The buffer's error as for dialplan_substitute. */
void dialplan_text_check(const struct dialplan_context *ctx, const struct hint_spec *spec,
                         dialplan_fault_fn fault, void *fault_ctx, struct buf *out);
/* False for a pattern that no extension matches: a set that does not end or has no member, or
 * nothing behind the '_'. */
bool dialplan_pattern_works(struct str extension);

/* What the state core and listings read. */
struct str dialplan_context_name(const struct dialplan_context *ctx);
bool dialplan_context_autohints(const struct dialplan_context *ctx);
struct dialplan_context *dialplan_context_next(const struct dialplan *dp,
                                               const struct dialplan_context *previous);
struct dialplan_context *dialplan_context_find(const struct dialplan *dp, struct str name);
struct hint_entry {
    struct str extension, text, name, file;
    unsigned line;
    bool pattern;
};
/* The hints of a context in match order: literals as they were added, then patterns; NULL starts
 * and ends. */
const struct hint_entry *dialplan_hint_next(const struct dialplan_context *ctx,
                                            const struct hint_entry *previous);
/* Has it one for the same extension, or the same pattern? */
bool dialplan_hint_has(const struct dialplan_context *ctx, const struct hint_entry *like);
