// SPDX-License-Identifier: MIT
/* state_internal.h - private to src/state: what a state core is made of.
 *
 * Every change is staged first and then committed: whatever needs memory, the snapshots above all,
 * is made while nobody can see it, so that a failure leaves everything as it was. Committing can't
 * fail, and only then anybody is told.
 *
 *     devices.c, presences.c  stage the hints that follow what changed
 *     apply.c, autohints.c    stage new, changed and ending hints
 *     hints.c                 the hints themselves, what is staged for them, commit and rollback
 *     sources.c               what a hint follows, and what its lamp shows
 *     published.c             what publications add
 *     source_end.c            what becomes of what a source has said when it is gone
 *     kept.c                  what survives the process
 *     state.c, listing.c      life, watching; views
 *
 * Threads: the owner of the core. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/record.h"
#include "base/tally.h"
#include "state/dialplan_internal.h"
#include "state/names.h"
#include "state/state.h"

/* Concrete hints made from patterns, of which a peer can ask for as many as there are names. */
enum { MATERIALISED_MAX = 100000 };

struct state_core {
    struct state_port port;
    struct state_switches switches;
    struct keep keep;
    const struct clock *clock;
    struct log *log;
    struct dialplan *dialplan; /* NULL before the first one */

    struct map devices_by_name, presences_by_name, hints_by_name, hints_by_id;
    struct list devices, presences, hints; /* in order of creation */
    struct list idle; /* materialised hints that nobody in particular watches */
    size_t n_materialised;
    struct dialplan_context **autos; /* contexts of the dialplan that have autohints */
    size_t n_autos;

    struct context_order *orders; /* their contexts are on the heap */
    size_t n_orders;

    struct list touched;           /* struct device, while a change is staged */
    struct list staged, departing; /* struct hint, likewise */
    struct list gone;              /* struct hint, ended and held */
    uint64_t watch_all;            /* consumers of everything */
    uint64_t last_id;
    struct cause cause; /* while `cause_depth` */
    uint64_t last_cause;
    unsigned cause_depth;
    const struct device_saying *saying; /* while a report of it is carried out */
    uint64_t reports;
    struct state_counters counters;
    struct snapshot_heap *snapshots; /* NULL: they are not counted */
    struct {
        struct tally devices, presences, hints;
    } heap;
};

/* ---- devices.c ---- */

struct device_saying { /* what a source says, or does not say any more */
    struct str source;
    bool says;
    enum device_state said;
};

struct device {
    struct map_node node;
    struct list link;                  /* state_core.devices */
    struct list followers;             /* struct follow */
    struct state_source_view *sources; /* their names are on the heap */
    size_t n_sources, sources_room;
    bool has_default;
    enum device_state default_state;
    enum device_state state; /* of all that */
    bool stale;              /* of a source */
    bool reported_here;      /* and of sources that are no other servers */
    enum device_state state_here;
    uint64_t changed_wall_ms;
    uint64_t counted; /* in heap.devices */
    struct {
        struct list link; /* state_core.touched */
        bool known, has_default, stale;
        enum device_state default_state, state;
    } before; /* while a change is staged */
    struct str name;
    char text[];
};

/* The device of that normalised name; NULL: there is none. */
struct device *device_find(const struct state_core *core, struct str name);
/* Likewise, made when it is new. 0 or -ENOMEM. */
NODISCARD int device_get(struct state_core *core, struct str name, struct device **out);
/* Forget it, unless somebody reports or follows it. */
void device_release(struct state_core *core, struct device *d);
void device_destroy(struct state_core *core, struct device *d);
/* A source's report of the device of that normalised name, as of the view's time; what survives is
 * left alone. 0 with the device, STATE_UNCHANGED, -ENOMEM. */
NODISCARD int device_report(struct state_core *core, struct str device,
                            const struct state_source_view *v, struct device **out);
/* Calls as they were kept; what survives is left alone. 0 or -ENOMEM. */
NODISCARD int device_calls_recall(struct state_core *core, struct device *d, struct str source,
                                  const struct event_state *calls);
/* Somebody says what it does. */
static inline bool device_known(const struct device *d)
{
    return d->n_sources > 0 || d->has_default;
}

/* The calls that a source knows of it, which it has in one. */
static inline bool device_state_is_call(enum device_state state)
{
    return state == DEVICE_INUSE || state == DEVICE_BUSY || state == DEVICE_RINGING ||
           state == DEVICE_RINGINUSE || state == DEVICE_ONHOLD;
}

/* ---- presences.c ---- */

struct presence {
    struct map_node node;
    struct list link;      /* state_core.presences */
    struct list followers; /* struct follow */
    bool reported, stale;
    enum presence_state state;
    struct str subtype, message; /* on the heap or empty */
    struct str source;           /* likewise */
    uint64_t changed_wall_ms, heard;
    uint64_t counted; /* in heap.presences */
    struct str name;
    char text[];
};

NODISCARD int presence_get(struct state_core *core, struct str name, struct presence **out);
void presence_release(struct state_core *core, struct presence *p);
void presence_destroy(struct state_core *core, struct presence *p);
struct presence_said {
    enum presence_state state;
    struct str subtype, message, source;
    uint64_t wall_ms, heard; /* when */
    bool stale;
};
/* As device_report. */
NODISCARD int presence_report(struct state_core *core, struct str provider,
                              const struct presence_said *said);
/* The same, and what survives is put. */
NODISCARD int presence_say(struct state_core *core, struct str provider,
                           const struct presence_said *said);
/* Nobody says it any more: as it was before anybody did, and gone if nobody follows it. 0 or
 * -ENOMEM. */
NODISCARD int presence_forget(struct state_core *core, struct presence *p);

/* ---- sources.c ---- */

struct follow {
    struct list link; /* followers of the device or presence */
    struct hint_sources *sources;
    union {
        struct device *device;
        struct presence *presence;
    };
};

struct hint_sources { /* what a hint's text names */
    struct hint *hint;
    size_t n_devices, n; /* devices come first, then presence providers */
    struct follow follows[];
};

/* From "PJSIP/a&PJSIP/b,CustomPresence:a", blanks around names and empty names left out. 0 or
 * -ENOMEM. */
NODISCARD int hint_sources_parse(struct state_core *core, struct hint *h, struct str text,
                                 struct hint_sources **out);
NODISCARD int hint_sources_of_device(struct state_core *core, struct hint *h, struct device *d,
                                     struct hint_sources **out);
void hint_sources_destroy(struct state_core *core, struct hint_sources *s);

struct lamp {
    enum extension_state state, hint_state;
    bool has_hint, stale;
    enum presence_state presence;
    struct str subtype, message; /* borrowed from whose they are, as are publications */
    const struct event_state *published;
    const struct event_state *calls; /* of the device that matters most; NULL: none are known */
};

struct contribution {                    /* what publications add to a hint */
    const struct event_state *published; /* NULL: nothing */
    enum composition_order order;
};
/* What these sources (NULL: there is no hint) and publications make of a resource. Presence that is
 * invalid changes nothing: then it is that of `former`. */
struct lamp lamp_of(const struct hint_sources *s, const struct contribution *c,
                    const struct lamp *former);

/* ---- hints.c ---- */

enum hint_origin {
    HINT_NONE, /* there is no hint: something is published, or it is served all the same */
    HINT_CONFIGURED,
    HINT_MATERIALISED, /* from a pattern */
    HINT_AUTO,
};

enum hint_stage {
    HINT_SETTLED,
    HINT_NEW,
    HINT_CHANGING,
    HINT_DEPARTING,
};

struct hint { /* a resource */
    struct map_node by_name, by_id;
    struct list link; /* state_core.hints */
    struct list idle; /* state_core.idle */
    uint64_t consumers;
    uint32_t holds; /* of those who publish for it: see state_publish */
    bool gone;      /* has ended, and is held: it is nowhere else */
    struct snapshot *snapshot;
    struct hint_sources *sources;     /* NULL without a hint */
    struct contribution contribution; /* a reference */
    bool announced;                   /* those who watch everything may know it */
    bool kept;                        /* an autohint with a record */
    enum hint_origin origin;

    enum hint_stage stage;
    struct {
        struct list link;          /* state_core.staged or .departing */
        struct snapshot *snapshot; /* NULL: stays; also for HINT_DEPARTING */
        struct snapshot *former;   /* from the commit until it is told; or NULL */
        bool told;                 /* whether it is announced to who watches it */
        bool contributed;          /* this is valid: a reference */
        struct contribution contribution;
        bool reformed;                /* the rest is valid */
        struct hint_sources *sources; /* NULL: stay */
        enum hint_origin origin;
    } next;
};

struct hint_form { /* what a hint is to be; borrowed for the call */
    struct str package, context, extension, text, name;
    struct device *device; /* of an autohint; else NULL, and `text` names the sources */
    enum hint_origin origin;
};

struct hint *hint_find(const struct state_core *core, struct str context, struct str extension);
struct hint *hint_find_name(const struct state_core *core, const struct resource_name *name);
struct hint *hint_find_id(const struct state_core *core, uint64_t id);
void hint_destroy(struct state_core *core, struct hint *h);
void hint_idle_update(struct state_core *core, struct hint *h);

/* Stage a new hint; the change of what a hint is made of; what its sources changed; its end. A hint
 * that has something staged already is left as it is by the latter two. 0 or -ENOMEM. */
NODISCARD int hint_stage_new(struct state_core *core, const struct hint_form *form,
                             struct hint **out);
NODISCARD int hint_stage_form(struct state_core *core, struct hint *h,
                              const struct hint_form *form);
NODISCARD int hint_stage_lamp(struct state_core *core, struct hint *h, bool repeat_ringing);
NODISCARD int hint_stage_end(struct state_core *core, struct hint *h);
/* Its hint goes: it goes on without one while something is published, or ends. */
NODISCARD int hint_stage_hintless(struct state_core *core, struct hint *h);
/* Other publications; always told. It must have nothing staged. */
NODISCARD int hint_stage_contribution(struct state_core *core, struct hint *h,
                                      const struct contribution *c);
/* End it now if nothing holds it any more: no hint, no publication, no watcher, no hold. Without
 * memory to tell that, it stays until somebody else lets go of it. */
void hint_release(struct state_core *core, struct hint *h);
/* Carry out what is staged, without telling; then tell it. Or forget it. */
void hints_commit(struct state_core *core);
void hints_tell(struct state_core *core);
void hints_rollback(struct state_core *core);

/* It has neither a hint nor anything published. */
bool hint_is_unknown(const struct hint *h);
/* Nothing was ever told about it, and nothing need be: the switch says so. */
bool hint_is_silent(const struct state_core *core, const struct hint *h);
struct lamp snapshot_lamp(const struct snapshot *s);

/* The text of a hint with its variables replaced, in `room`; too long a one becomes empty and is
 * logged. */
struct hint_text_room {
    char text[SUBSTITUTED_MAX_LEN];
};
struct str hint_text(const struct state_core *core, const struct dialplan *dp,
                     const struct hint_form *form, struct hint_text_room *room);

/* ---- published.c ---- */

void orders_free(struct context_order *orders, size_t n);

/* ---- state.c ---- */

/* The hint that a pattern of just this context makes of the name. 0, STATE_NO_HINT, -ENOMEM. */
NODISCARD int pattern_materialise(struct state_core *core, const struct resource_name *name,
                                  struct hint **out);
/* A resource without a hint. 0, STATE_BAD_NAME, -ENOMEM. */
NODISCARD int hint_make_bare(struct state_core *core, const struct resource_name *name,
                             struct hint **out);

/* ---- autohints.c ---- */

/* A device was reported, or is not reported any more: stage what that means for its autohints. 0 or
 * -ENOMEM. */
NODISCARD int autohints_stage(struct state_core *core, struct device *d);
/* For a whole new dialplan and its contexts with autohints: those that go on, and new ones for
 * devices known. */
NODISCARD int autohints_stage_all(struct state_core *core, struct dialplan *dp,
                                  struct dialplan_context *const *autos, size_t n_autos);
/* Make one that stays for ever, as there was before; told. 0; STATE_UNCHANGED: there is none, as
 * the configuration is now; STATE_BAD_NAME; -ENOMEM. */
NODISCARD int autohint_make(struct state_core *core, struct str context, struct str device);

/* ---- kept.c ---- */

/* What the source says; `v` NULL: nothing any more. */
void device_keep(const struct state_core *core, const struct device *d, struct str source,
                 const struct state_source_view *v);
/* In two steps, because only the first needs memory: 0 or an error of the buffer, which the caller
 * ends with buf_fini in any case. */
NODISCARD int presence_print(const struct state_core *core, const struct presence_said *said,
                             struct buf *out);
void presence_keep(const struct state_core *core, struct str provider, struct str bytes);
void autohint_keep(const struct state_core *core, struct hint *h);
void autohint_forget(const struct state_core *core, struct hint *h);
