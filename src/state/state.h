// SPDX-License-Identifier: MIT
/* state.h - the state core: devices, presence, hints, and the snapshots they become.
 *
 * A pure machine: no sockets, no SQL, no clock of its own, stepped by its owner. Everything that
 * happens is told through struct state_port, synchronously, in order, each change once; a change
 * that changes nothing ends here. Threads: one owner (the state thread). */
#pragma once
#include "base/clock.h"
#include "base/keep.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "state/dialplan.h"
#include "state/snapshot.h"

struct state_source_view;
struct state_core; /* opaque: see state.c */

struct state_switches {         /* [compatibility] in extstate.conf; all false is our default */
    bool ringing_repeat;        /* tell an equal state again while it rings */
    bool unavailable_is_silent; /* a fresh hint that is Unavailable is not announced */
    bool asterisk_autohints;    /* every device class, only after a change, never removed */
};

struct state_device_change { /* borrowed for the call */
    struct str device;
    enum device_state state, former; /* aggregated */
    struct str source;               /* who said it; empty: its default has changed */
    bool says;                       /* false: the source says nothing any more */
    enum device_state said;
};

struct state_port { /* a callback may be NULL; none may call back into the core */
    void *ctx;
    /* A resource changed (or was created: sequence 1, and `former`
     * shows that nothing is known, if there is one; or is gone: state
     * EXTENSION_REMOVED). `consumers` are those who watch it, 0 when nobody does. The snapshots are
     * borrowed: ref them to keep them. Of one operation, resources that end are told before those
     * that come or change. With the sequence of `former` it shows what that did, and only whether
     * it is stale is another thing now: that is for no watcher, and `consumers` is 0. */
    void (*snapshot)(void *ctx, const struct snapshot *s, const struct snapshot *former,
                     uint64_t consumers);
    /* A source says something else about a device than before, or the default of one has changed;
     * the aggregated state may be what it was. */
    void (*device)(void *ctx, const struct state_device_change *change);
    /* A presence provider changed. */
    void (*presence)(void *ctx, struct str provider, enum presence_state state, struct str subtype,
                     struct str message);
    /* What our own sources together say about a device changed; `reported` is false when none of
     * them says anything any more. */
    void (*device_here)(void *ctx, struct str device, bool reported, enum device_state state);
};

/* A source whose name begins like this is another server: what it reports is not ours to tell. */
#define STATE_SERVER_SOURCE STR("eid:")
/* The source of the devices that mailboxes are. */
#define STATE_MAILBOX_SOURCE STR("mwi")
/* The source of what telephones say of themselves. */
#define STATE_PHONE_SOURCE STR("phone")

struct state_config {
    struct state_port port;
    struct snapshot_heap *snapshots; /* counts those of the core; NULL: nobody wants to know */
    struct keep keep;                /* KEEP_DEVICE, KEEP_PRESENCE, KEEP_AUTOHINT */
    struct state_switches switches;
    const struct clock *clock; /* wall time for time specs and snapshots */
    struct log *log;
    struct rng *rng;
};

NODISCARD int state_create(struct state_core **out, const struct state_config *cfg);
void state_destroy(struct state_core *core);
void state_switches_set(struct state_core *core, const struct state_switches *switches);

/* Sources of causes that are no source of states. */
#define STATE_CAUSE_CONFIGURATION STR("configuration") /* the start, or a reload */
#define STATE_CAUSE_RESTART STR("restart")             /* what was kept is known again */
#define STATE_CAUSE_PUBLICATION STR("publication")     /* something published has ended by itself */
#define STATE_CAUSE_WATCHED STR("subscription")        /* somebody asked for it first */
#define STATE_CAUSE_UNWATCHED STR("unsubscription")    /* nobody needs it any more */
#define STATE_CAUSE_REGISTRATION                                      \
    STR("registration") /* one has expired, or its contact answers or \
                           not */

/* Why something changes, for whatever it leads to: from begin to end everything has one cause. Of
 * scopes within each other the outermost counts; what is called without one has its own. `source`
 * is borrowed until the end. */
void state_cause_begin(struct state_core *core, struct str source);
void state_cause_end(struct state_core *core);
/* Likewise, because that source is away for longer than its grace. */
void state_cause_begin_away(struct state_core *core, struct str source, uint32_t grace_s);
/* The same for what comes of `cause` only later: it has that one, number and source. */
void state_cause_resume(struct state_core *core, const struct cause *cause);
/* The present one; number 0 outside of all scopes. Also for the port's callbacks. */
struct cause state_cause(const struct state_core *core);

enum state_outcome {
    STATE_NO_HINT = 1, /* nothing of that name is reachable from that context        -> 404 */
    STATE_BAD_NAME,    /* an empty device or provider name, or one over 79 bytes      -> usage */
    STATE_UNCHANGED,   /* just what this source, or provider, said before: nobody was told */
    STATE_SAME_NAMES,  /* of a dialplan: every name finds what it found before */
    STATE_MORE,        /* there is more to do of the same */
};

/* One source says what a device does. Sources aggregate: several sources of one device are combined
 * like the devices of a hint. Names starting "Custom:" in any case are kept as "Custom:...",
 * blanks around a name are no part of it, and one that is no UTF-8 is taken for ISO 8859-1; the
 * label before a ':' counts in any case, the rest as it is written. A source's name has 79 bytes at
 * most, too. 0, STATE_UNCHANGED, STATE_BAD_NAME, -ENOMEM. */
NODISCARD int state_device_set(struct state_core *core, struct str source, struct str device,
                               enum device_state state);
/* The same as it was said before the process began: at that time, or now if that is to come. */
NODISCARD int state_device_recall(struct state_core *core, struct str device,
                                  const struct state_source_view *said);
/* The same of one that may be stale: until it says it again otherwise. `instead_of`, unless empty,
 * is a source that says something about a device only where this one does not: it says nothing any
 * more, which is one change with what is said. */
struct state_device_word { /* borrowed for the call */
    struct str source, instead_of, device;
    enum device_state state;
    bool stale;
};
NODISCARD int state_device_say(struct state_core *core, const struct state_device_word *word);
/* The calls of the device, as that source has them: dialogs (a reference is taken), the one that
 * matters most first; NULL: none are known. A hint tells them in place of the one dialog that
 * stands for it, while this source has the device in a call. They survive with what it says, unless
 * they are many. 0; STATE_UNCHANGED, also when the source says nothing about the device;
 * STATE_BAD_NAME, -ENOMEM. */
NODISCARD int state_device_calls_set(struct state_core *core, struct str source, struct str device,
                                     const struct event_state *calls);
/* What was set last, borrowed; NULL: none are known. */
const struct event_state *state_device_calls(const struct state_core *core, struct str source,
                                             struct str device);
/* The source no longer says anything about the device; without any source it is what
 * state_device_defaults says. 0, STATE_UNCHANGED, STATE_BAD_NAME, -ENOMEM. */
NODISCARD int state_device_forget(struct state_core *core, struct str source, struct str device);
/* What a device is while no source reports it (PJSIP/alice from pjsip.conf: NOT_INUSE with a
 * contact, UNAVAILABLE without). Replaces all former defaults; changes are told. The arrays are
 * borrowed for the call. A device with a default is known: it gets autohints. 0 or -ENOMEM, then
 * nothing has changed. */
NODISCARD int state_device_defaults(struct state_core *core, const struct str *devices,
                                    const enum device_state *states, size_t n);
/* One of those defaults is another one now, which is told. 0; STATE_UNCHANGED, also of a device
 * that has none; STATE_BAD_NAME, -ENOMEM. */
NODISCARD int state_device_default_set(struct state_core *core, struct str device,
                                       enum device_state state);
/* Aggregate of a device: reported, default, else UNKNOWN for "Custom:" and INVALID for anything
 * else. */
enum device_state state_device_get(const struct state_core *core, struct str device);
/* Is what one of its sources says stale? */
bool state_device_is_stale(const struct state_core *core, struct str device);

/* "CustomPresence:alice": state, subtype, message. PRESENCE_INVALID says that nothing is known:
 * hints go on with what they showed. 0, STATE_UNCHANGED, STATE_BAD_NAME, -ENOMEM. */
NODISCARD int state_presence_set(struct state_core *core, struct str provider,
                                 enum presence_state state, struct str subtype, struct str message);
/* The same by a source with a name, so that state_source_end finds it. */
struct presence_report { /* borrowed for the call */
    struct str source, provider, subtype, message;
    enum presence_state state;
};
NODISCARD int state_presence_report(struct state_core *core, const struct presence_report *report);

/* How many reports of devices and presence there have been: a moment, for state_source_end. */
uint64_t state_reports(const struct state_core *core);
/* What the source has said up to that moment, and not again since, holds no more: it is forgotten;
 * or stale, until the source says something of it again or it is forgotten. Then its devices and
 * presence are unavailable, or stay as they are. At most `limit` of them at once, so that lamps
 * need not wait. Calls that it has not said again since are none any more, however its states end.
 * 0: that was all; STATE_MORE; -ENOMEM. */
enum source_end { SOURCE_END_FORGOTTEN, SOURCE_END_UNAVAILABLE, SOURCE_END_KEPT };
struct source_ending { /* borrowed for the call */
    struct str source;
    uint64_t until;
    enum source_end how;
    uint32_t grace_s; /* unless they are forgotten: it is away for longer than that */
};
NODISCARD int state_source_end(struct state_core *core, const struct source_ending *end,
                               size_t limit);

/* Take over a new dialplan (ownership passes on 0): hints that are new are announced, changed ones
 * re-evaluated and told if different, unchanged ones stay silent, removed ones end with
 * EXTENSION_REMOVED. Concrete hints made from patterns and autohints are carried over while they
 * still apply. A resource is its context and extension: it stays the same whether its hint is
 * written out, made from a pattern or an autohint. Where only the text or the name of a hint
 * changes, its snapshot is replaced by one with the same sequence, and nobody is told.
 * 0; STATE_SAME_NAMES, which only one that was compared with the former one can be; or -ENOMEM,
 * then nothing has changed. */
NODISCARD int state_dialplan_apply(struct state_core *core, struct dialplan *dp);

/* Can there be a resource of that name? Extensions have 1 to 79 bytes, and are no patterns. */
bool state_name_is_possible(const struct resource_name *name);
/* The name of a device or a provider as it is kept and told: "custom:lamp " is "Custom:lamp". 0;
 * STATE_BAD_NAME: it is none, and nothing is added. */
NODISCARD int state_name_print(struct buf *out, struct str name);
/* Are these names of one device, or of one provider? */
bool state_names_equal(struct str a, struct str b);
/* How names are compared: in extensions that are numbers dashes are for the eye only, in others,
 * and in whatever other packages are about, they are part of the name. Pure; of any length. */
uint64_t resource_name_hash(const struct map *m, const struct resource_name *name);
bool resource_name_equal(const struct resource_name *a, const struct resource_name *b);

/* How a hint and what was published for its extension become one state. */
enum composition_order {
    COMPOSE_AGGREGATE,         /* combined like two devices of a hint */
    COMPOSE_HINT_FIRST,        /* where there is a hint, what is published does not count */
    COMPOSE_PUBLICATION_FIRST, /* while something is published, the hint does not count */
};

/* What publications make of a resource, composed anew; NULL: nothing is published any more (a
 * reference is taken). The resource is made when there is none, from a pattern hint of its context
 * if one matches, and ends when it has neither hint nor publication nor watcher (without memory to
 * tell that, when somebody lets go of it again). An equal state is told all the same: whoever
 * composes compares.
 * 0; STATE_BAD_NAME: an extension that could be no hint's either (a pattern, over 79 bytes, control
 * characters); -ENOMEM. Unless 0, nothing has changed. */
NODISCARD int state_published(struct state_core *core, const struct resource_name *name,
                              const struct event_state *composite);
/* A resource without a hint ends, whoever watches it: its watchers are to ask anew what their names
 * mean. The last snapshot shows that nothing is known. 0, also when there is none; -ENOMEM, then it
 * has to be said again. */
NODISCARD int state_resource_end(struct state_core *core, const struct resource_name *name);
/* The same in two steps, for whoever has many that end at once. `*held`, NULL at first, is the
 * resource from the first composite on, which need not be looked for any more, and does not end
 * because nothing is published for it: not before state_let_go is told, once, what was held (NULL
 * is fine). When it ends for another reason the next composite is for another resource. */
struct hint; /* opaque */
NODISCARD int state_publish(struct state_core *core, const struct resource_name *name,
                            const struct event_state *composite, struct hint **held);
void state_let_go(struct state_core *core, struct hint *held);
/* How hints and publications combine in each context; COMPOSE_AGGREGATE where none is named. What
 * that changes is told. The array is borrowed for the call. 0 or -ENOMEM, then nothing has changed.
 */
struct context_order {
    struct str context;
    enum composition_order order;
};
NODISCARD int state_orders_set(struct state_core *core, const struct context_order *orders,
                               size_t n);

/* A text with the variables of the dialplan in it replaced, as in a hint: globals, that is, since
 * it is of no extension. The buffer's error says whether it fits. */
void state_substitute(const struct state_core *core, struct str text, struct buf *out);

/* The one applied last; NULL: none yet. */
const struct dialplan *state_dialplan(const struct state_core *core);

/* What the resource of that very name shows, borrowed until it changes; NULL: there is none. */
const struct snapshot *state_find(const struct state_core *core, const struct resource_name *name);

/* Start watching: `consumer` (0..63) gets every later snapshot of the resource. Names of extensions
 * are looked up in the dialplan as seen from their context; where that finds nothing and `served`
 * is true (a compositor serves whatever users its domain has), the resource is made, without a
 * state: unavailable. Names of other packages are what they are, and exist when something is
 * published or they are served. Pattern hints become concrete here, up to 100,000 of them: beyond
 * that the one that nobody has watched for longest ends (state_watch_all not counted), and when all
 * are watched there is STATE_NO_HINT. *out is borrowed until the resource changes. 0,
 * STATE_NO_HINT, -ENOMEM. `*cacheable` (may be NULL): the answer for this name holds until the next
 * dialplan or the resource's end; with STATE_NO_HINT: no include that holds at another time was
 * passed by. */
NODISCARD int state_watch(struct state_core *core, const struct resource_name *name, bool served,
                          unsigned consumer, const struct snapshot **out, bool *cacheable);
/* What watching it would show at first, without that anything is made: *out is a reference. 0,
 * STATE_NO_HINT, -ENOMEM. */
NODISCARD int state_peek(struct state_core *core, const struct resource_name *name, bool served,
                         const struct snapshot **out);
void state_unwatch(struct state_core *core, uint64_t resource_id, unsigned consumer);
/* A consumer that watches every resource, present and future (the publisher's home is chosen from
 * the extension's name by the port's receiver); told the present ones by the snapshot port before
 * this returns. */
void state_watch_all(struct state_core *core, unsigned consumer);

/* What survives: each report of a device by a source other than STATE_SERVER_SOURCE and
 * STATE_MAILBOX_SOURCE, each presence, and with asterisk_autohints each autohint.
 *
 * state_restore takes a record that was kept, and tells what comes of it. Devices and presences may
 * come before the first dialplan, so that its hints begin with the right state; autohints come
 * behind it. 0; STATE_UNCHANGED: there was nothing to do; STATE_BAD_NAME; -EBADMSG: it is nonsense;
 * -ENOMEM. */
NODISCARD int state_restore(struct state_core *core, const struct keep_record *record);
/* Is it one of these records? 0 or -EBADMSG. Any thread. */
NODISCARD int state_record_check(const struct keep_record *record);
/* Put all of them again. */
void state_keep_all(struct state_core *core);

/* Listings; the callbacks must not call back into the core. */
struct state_hint_view {
    const struct snapshot *snapshot; /* NULL for a pattern that has no state of its own */
    struct str context, extension, hint, name, file;
    unsigned line;
    uint64_t consumers;
    bool autohint, pattern;
    bool published; /* there are publications for it; without a hint its text is empty */
};
void state_hints_each(const struct state_core *core,
                      void (*each)(void *ctx, const struct state_hint_view *v), void *ctx);
struct state_source_view {
    struct str source;
    enum device_state state;
    bool stale; /* see state_source_end */
    uint64_t changed_wall_ms;
    uint64_t heard;                  /* the last report: see state_reports; 0: before the process */
    const struct event_state *calls; /* NULL: none are known */
    uint64_t calls_heard;            /* likewise, of those */
};
struct state_device_view {
    struct str device;
    enum device_state state;
    const struct state_source_view *sources;
    size_t n_sources;
    uint64_t changed_wall_ms;
    bool known;         /* a source says something, or it has a default */
    bool stale;         /* what one of them says */
    bool reported_here; /* by sources that are no other servers: then as `state_here` */
    enum device_state state_here;
};
void state_devices_each(const struct state_core *core,
                        void (*each)(void *ctx, const struct state_device_view *v), void *ctx);
struct state_presence_view {
    struct str provider, subtype, message;
    struct str source; /* who said so last; empty: nobody in particular */
    enum presence_state state;
    bool stale; /* see state_source_end */
    uint64_t changed_wall_ms;
};
void state_presences_each(const struct state_core *core,
                          void (*each)(void *ctx, const struct state_presence_view *v), void *ctx);

/* One resource, with all that makes its state. */
struct state_look {
    void *ctx;
    void (*hint)(void *ctx, const struct state_hint_view *v, enum composition_order order);
    /* Those that its hint names, in its order. */
    void (*device)(void *ctx, const struct state_device_view *v);
    void (*presence)(void *ctx, const struct state_presence_view *v, bool known);
};
/* 0, or STATE_NO_HINT: there is none of just that name. */
NODISCARD int state_look(const struct state_core *core, const struct resource_name *name,
                         const struct state_look *look);

struct state_counters {
    uint64_t devices, presences, hints, resources;
    uint64_t device_reports, duplicates, snapshots;
    /* On the heap, malloc's own included: devices with their sources; hints without their
     * snapshots, but with what they follow; the tables that all these are found by. */
    uint64_t device_bytes, presence_bytes, hint_bytes, table_bytes;
    uint64_t snapshot_bytes, body_bytes; /* of all threads; 0 where nobody counts them */
};
void state_counters_get(const struct state_core *core, struct state_counters *out);
