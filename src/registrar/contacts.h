// SPDX-License-Identifier: MIT
/* contacts.h - the contacts of each AOR, registered and static, and what they make of devices:
 * PJSIP/<endpoint> is Unavailable by default while none of its AORs has a contact that can be
 * reached, else Not in use. What any source says of the device counts before that.
 *
 * Empty unless [registrar] is enabled. A pure machine on a timer wheel: no sockets, no SQL. Source:
 * RFC 3261 section 10.3. Threads: one owner (the state thread). */
#pragma once
#include "base/clock.h"
#include "base/keep.h"
#include "base/log.h"
#include "config/settings.h"
#include "loop/wheel.h"
#include "registrar/contact.h"
#include "state/state.h"

struct contacts; /* opaque: see contacts.c */

/* One that nobody asks counts as reached. */
enum contact_reach { CONTACT_NOT_ASKED, CONTACT_REACHED, CONTACT_UNREACHED };

struct contacts_port {
    void *ctx;
    /* A contact is new (`former` NULL), is another one now (refreshed, or a static one of another
     * endpoint: the id is the same), or is gone (`now` NULL): removed, expired, or without its AOR
     * after a reload. Registered and static ones alike; those that were restored, and those of the
     * first configuration, are new at contacts_configure. Borrowed: ref them to keep them. In
     * order, each once; must not change the table. NULL: nobody wants to know. */
    void (*changed)(void *ctx, const struct contact *now, const struct contact *former);
    /* Something else is known of it: contacts_reach_set. NULL likewise. */
    void (*reached)(void *ctx, const struct contact *c, enum contact_reach reach, uint32_t rtt_ms);
    /* This endpoint can be reached by one of its contacts now, or by none any more; not told at
     * the first configuration, and before `reached`. NULL likewise. */
    void (*endpoint)(void *ctx, struct str endpoint, bool reachable);
};

struct contacts_config {
    struct contacts_port port;
    struct state_core *core; /* is told what devices are by default */
    struct wheel *wheel;
    const struct clock *clock;
    struct log *log;
    struct keep keep;     /* KEEP_CONTACT, KEEP_SILENT_CONTACT */
    uint64_t incarnation; /* below 2^31: ids are counted from it */
};
NODISCARD int contacts_create(struct contacts **out, const struct contacts_config *cfg);
void contacts_destroy(struct contacts *t); /* NULL is fine; what is kept stays */

/* The settings are others now. A contact goes whose AOR is gone or takes no registrations any more,
 * or which the configuration does not have any more; all go when the registrar is not enabled. The
 * core is not told what that makes of devices: see contacts_device_default. Takes a reference of
 * the settings. 0 or -ENOMEM: then some of it is done, and it is to be called again. */
NODISCARD int contacts_configure(struct contacts *t, const struct settings *settings);
/* The endpoints that have this AOR, by the settings configured last; none unless the registrar is
 * enabled. */
void contacts_endpoints_each(const struct contacts *t, struct str aor,
                             void (*each)(void *ctx, const struct endpoint_settings *e), void *ctx);
/* What PJSIP/<endpoint> is when nobody says anything, by the settings configured last. */
enum device_state contacts_device_default(const struct contacts *t,
                                          const struct endpoint_settings *e);

/* ---- registering ---- */

struct bound { /* in an answer */
    const struct contact *contact;
    uint32_t left_s; /* rounded up */
};

struct registration { /* one REGISTER that may be applied, on its way to the table and back */
    struct str aor, endpoint, call_id;
    uint32_t cseq;
    bool all; /* all contacts of the AOR are to be removed; otherwise, without any: only asked */
    /* A reference each. What the registrar knows of them; id and times are the table's. With
     * expires_s 0: that URI is to be removed. Each URI once. */
    struct contact **contacts;
    struct sip_uri_key *keys; /* of their URIs */
    size_t n;
    /* The answer: what is bound now, a reference each, in the order of their first REGISTERs. */
    int result;
    struct bound *bound;
    size_t n_bound;
    uint64_t change; /* for contacts_withdraw; 0: there was nothing new */
};

enum register_outcome {                      /* answers, not failures */
                        REGISTER_NO_AOR = 1, /* it is gone, or takes none any more       -> 404 */
                        REGISTER_OLD,        /* a later request of this Call-ID was there -> 500 */
                        REGISTER_FULL, /* over max_contacts, or no answer could list them -> 403 */
                        REGISTER_UNKEPT, /* nothing new can be kept at the moment    -> 503 */
};

/* Applies it, wholly or not at all, and fills in the answer; what it names is taken over or copied.
 * Returns registration.result: 0, a register_outcome or -ENOMEM; unless 0, nothing has changed. */
int contacts_apply(struct contacts *t, struct registration *r);
/* What this registration began could not be kept, and is taken back, but for what a later one has
 * refreshed. */
void contacts_withdraw(struct contacts *t, const struct registration *r);

/* These connections have ended (net_config.lost), and with them the contacts that nobody can call
 * without: those that contact_is_tied. After a restart nobody knows which there were: then they
 * stay until they expire, or their telephones come back. */
void contacts_connections_lost(struct contacts *t, const uint32_t *connections, size_t n);

/* ---- what asking them finds out ---- */

/* Until it is said again; a refresh changes nothing about it. `rtt_ms`: how long its answer took.
 * An id that is gone is ignored. */
void contacts_reach_set(struct contacts *t, uint64_t id, enum contact_reach reach, uint32_t rtt_ms);

/* ---- what they do ---- */

/* All its dialogs, until it is said again (a reference is taken); NULL: nothing is known of them.
 * An id that is gone is ignored. What the contacts of an endpoint say together is what the source
 * STATE_PHONE_SOURCE says of PJSIP/<endpoint>; of one that is out of reach it does not count. What
 * they said to a former process counts until one of them says anything, or none is left of whom
 * that is to be expected. */
void contacts_dialogs_set(struct contacts *t, uint64_t id, const struct event_state *dialogs);

/* ---- what survives ---- */

/* A record that was kept; before contacts_configure. One that has expired meanwhile is forgotten.
 * 0, -EBADMSG (nonsense) or -ENOMEM. */
NODISCARD int contacts_restore(struct contacts *t, const struct keep_record *record);
NODISCARD int contact_record_check(const struct keep_record *record); /* 0 or -EBADMSG */
void contacts_keep_all(struct contacts *t);                           /* once more */

/* ---- listings ---- */

struct contact_view {
    const struct contact *contact;
    enum contact_reach reach;
    uint32_t left_s; /* 0: static */
};
/* Those of one AOR one behind the other; must not change the table. */
void contacts_each(const struct contacts *t, void (*each)(void *ctx, const struct contact_view *v),
                   void *ctx);

struct contact_counters {
    uint64_t registered, fixed, unreached; /* contacts there are; fixed: static ones */
    uint64_t added, refreshed, removed, expired, displaced; /* displaced: by one too many */
    uint64_t disconnected;                                  /* ended with their connection */
    uint64_t bytes; /* on the heap, malloc's own included: contacts, AORs, and their tables */
};
void contacts_counters_get(const struct contacts *t, struct contact_counters *out);
