// SPDX-License-Identifier: MIT
/* contacts_internal.h - private to the table: contacts.c holds it, contacts_apply.c changes it by
 * what is registered, contacts_silent.c knows who did not answer a former process,
 * contacts_dialogs.c what they do. */
#pragma once
#include "base/map.h"
#include "base/tally.h"
#include "registrar/contacts.h"

struct membership { /* an endpoint that has this AOR; of the settings */
    struct str aor;
    const struct endpoint_settings *endpoint;
};

struct contacts {
    struct contacts_config cfg;
    const struct settings *settings; /* a reference; NULL before the first */
    struct map aors_by_id;           /* struct aor */
    struct list aors;                /* the same, in the order they came */
    struct list silences;            /* struct silence: restored, and not looked at yet */
    struct map ids;                  /* struct entry by id of its contact */
    struct map tied;                 /* struct entry by the connection that it ends with */
    struct membership *members;      /* by AOR, then in their order there */
    size_t n_members;
    struct timer repair; /* the core had no memory for what devices are */
    bool begun;          /* it has been configured */
    uint64_t last_id, last_change;
    struct contact_counters counters;
    struct tally heap; /* of AORs, entries and their contacts */
};

struct aor { /* there is one while it has contacts */
    struct map_node node;
    struct list link;    /* contacts.aors */
    struct list entries; /* in the order they came */
    size_t n_registered;
    size_t id_n;
    char id[];
};

struct entry { /* one contact */
    struct map_node node, of_connection;
    bool is_tied;
    struct list of_aor;
    struct contacts *table;
    struct aor *aor;
    const struct contact *contact; /* a reference */
    struct timer expiry;
    enum contact_reach reach;
    const struct event_state *dialogs; /* a reference, or NULL: nothing is known of them */
    bool dialogs_expected;  /* it is of a former process, and has not said anything yet */
    uint64_t born, changed; /* contacts.last_change then */
    bool told;              /* its readers know it */
    bool marked;            /* by whoever walks, for the call */
};

static inline struct entry *entry_at(struct list *of_aor)
{
    return CONTAINER_OF(of_aor, struct entry, of_aor);
}

static inline struct aor *aor_at(struct list *link)
{
    return CONTAINER_OF(link, struct aor, link);
}

static inline struct str aor_id(const struct aor *a)
{
    return (struct str){ a->id, a->id_n };
}

struct aor *aor_find(const struct contacts *t, struct str id);
/* It is made when there is none; aor_tidy ends it when it is empty. 0 or -ENOMEM. */
NODISCARD int aor_get(struct contacts *t, struct str id, struct aor **out);
void aor_tidy(struct contacts *t, struct aor *a);

/* Not part of anything yet; free() ends it. NULL without memory. */
struct entry *entry_create(struct contacts *t);
/* It is this contact (whose reference is taken) of this AOR from now on. Neither told nor kept. */
void entry_join(struct entry *e, struct aor *a, const struct contact *c);
/* It is another one from now on, whose reference is taken; that of the former is the caller's. */
void entry_rejoin(struct entry *e, const struct contact *c);
/* Of a registered one, from now. */
void entry_expire_in(struct entry *e, uint64_t left_ms);
void entry_keep(struct entry *e);
/* It is gone: forgotten, told and freed. The AOR stays. */
void entry_end(struct entry *e);
void entry_tell(struct entry *e, const struct contact *former);
uint32_t entry_left_s(const struct entry *e);
/* Something was wrong with telling the core: again in a moment. */
void contacts_repair(struct contacts *t);
struct entry *entry_find(const struct contacts *t, uint64_t id);
/* How it is reached from now on; nobody is told, and nothing is kept. */
void entry_reach(struct entry *e, enum contact_reach reach);

/* ---- contacts_silent.c ---- */

/* That it does not answer is to survive, or not any more. */
void silence_keep(const struct entry *e);
void silence_forget(const struct entry *e);
/* As contacts_restore and contact_record_check, of KEEP_SILENT_CONTACT. */
NODISCARD int silence_restore(struct contacts *t, const struct keep_record *record);
NODISCARD int silence_record_check(const struct keep_record *record);
/* All contacts are known: those that did not answer do not count until they do. */
void silences_apply(struct contacts *t);
void silences_drop(struct contacts *t);

/* ---- contacts_dialogs.c ---- */

/* What the telephones of that endpoint say together, to the core. */
void phone_tell(struct contacts *t, struct str endpoint);
/* The process begins: whoever is watched may say what he said before. */
void phones_expect(struct contacts *t);
/* Of all endpoints, those included that are no more. */
void phones_tell_again(struct contacts *t);

/* Can the AOR be reached? */
bool aor_is_reached(const struct aor *a); /* NULL: it has no contacts */
/* Its endpoints' devices are told to the core, if `was` is not what it is now. */
void aor_told_reached(struct contacts *t, struct str id, bool was);
