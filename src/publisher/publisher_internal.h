// SPDX-License-Identifier: MIT
/* publisher_internal.h - what the publisher's files share: sections, their publications, and
 * resources.
 *
 *   publisher ──< section ──< publication ── newest snapshot of a resource
 *
 * publisher.c: the set of both, and reloads.  resource.c: what is known of each extension.
 * listing.c: the same for people.  section.c: one server: its address, health, window of requests.
 * terms.c: what a section's settings come to.  publication.c: one publication at rest.  exchange.c:
 * its requests and their answers.  habit.c: what one kind of server does to idle documents.
 * request.c: one PUBLISH as bytes.  kept.c: what survives the process.
 *
 * What may free what: only section_pump frees a section, and only one that is retired and empty;
 * only publication_send, publication_remove and the end of an exchange free a publication. Whoever
 * calls one of them touches neither afterwards. */
#pragma once
#include "base/tally.h"
#include "publisher/publisher.h"

enum {
    SECTION_WINDOW = 200,  /* PUBLISHes unanswered at once per section */
    ROUTINE_SHARE = 4,     /* of so many requests one is a refresh, however many changes wait */
    RETRY_FIRST_MS = 1000, /* after the first failure, doubled up to the retry interval */
    RETRY_INTERVAL_S = 60, /* when the settings have none */
    RETRY_INTERVAL_MAX_S = 86400,
    REFUSED_FIRST_MS = 30000,     /* after an answer that will not change by itself, doubled */
    REFUSED_MAX_MS = 480000,      /* and a quarter more at most: ten minutes */
    RETRY_AFTER_MAX_MS = 3600000, /* we do not believe a Retry-After beyond an hour */
    CHANGE_GAP_MS = 1000,         /* a changed state may try again this long after a refusal */
    REFRESH_LEAST_MS = 500,       /* however little a server grants */
    CONGESTED_MS = 100,           /* our own send queue is full */
    REPAIR_MS = 1000,             /* until what memory was missing for is tried again */
    RESOLVE_PATIENCE_MS = 30000,  /* then an unanswered look-up is asked again */
    REMOVE_TRIES = 3,             /* unanswered ones, then the publication is left to lapse */
    BRIEF_TRIES = 3,              /* 423s to one request */
    ENTITY_TAG_MAX = 256,
    ORPHAN_MS = 30000,     /* a restored publication waits so long for its resource */
    NUMBERS_STRIDE = 2048, /* of CSeq and version, for each start of the store */
    RECORD_MAX = 65536,
    REASON_MAX = 80,
    PUBLISH_URI_MAX = 1024,
};

struct publisher {
    struct publisher_config cfg;
    const struct settings *settings;
    struct map resources;    /* by extension */
    struct map publications; /* by section and resource, or by section and extension */
    struct list sections;
    struct timer repair; /* runs while something is missing for lack of memory */
    uint64_t next_cookie, changes;
    uint32_t bodies_set; /* how often the plugins have been replaced */
    size_t busy;         /* publications with something unanswered or still to send */
    bool stopping;
    bool quiet;  /* stopping, and nothing is begun any more */
    bool ending; /* being destroyed: that is no end of what is kept */
    struct publisher_counters counters;
    struct {
        struct tally publications, resources;
    } heap;
};

struct resource {
    struct map_node node;
    const struct snapshot *newest;
    uint64_t changed; /* publisher.changes at its last change: which of several was the last */
    bool unpublished; /* no section is about it */
};

struct section_terms {            /* what the settings say, ready for use */
    const struct settings *owner; /* a reference: it keeps the rest alive */
    const struct publish_settings *settings;
    const struct body_profile *profile;     /* a reference */
    struct sip_uri server, from, to, proxy; /* proxy: with outbound_proxy only */
    enum net_protocol protocol;             /* by which it is reached, if it is named ... */
    bool protocol_named;                    /* ... and otherwise unless its domain says more */
    const struct digest_credential **credentials;
    size_t n_credentials;
};

struct section {
    struct list link; /* in publisher.sections */
    struct publisher *publisher;
    struct section_terms terms;
    uint32_t bodies_seen;              /* publisher.bodies_set when they were made */
    struct digest_session sessions[2]; /* nonces, shared by all publications: server's, proxy's */
    uint64_t cookie;                   /* the section's number, also of its look-ups */
    struct dns_targets targets;        /* where it is, one or several, in the order to try them */
    unsigned target, tried;            /* the one in use; how many others since one answered */
    struct flow flow;                  /* there */
    struct str missing;                /* why no address was found, as the log has it */
    bool resolved, resolving;
    uint64_t resolved_ms, asked_ms, moved_ms;
    bool down; /* the last requests were not answered: one at a time */
    uint32_t down_failures;
    uint64_t answered_ms; /* when the server last said anything */
    struct timer pause;   /* while it runs nothing is begun */
    struct timer probe;   /* asks about one publication now and then: did the server forget us? */
    struct list publications;    /* publication.of_section, oldest answer first */
    struct list urgent, routine; /* publication.ready: changes, refreshes; waiting for the window */
    unsigned picks;
    size_t n_publications, outstanding;
    uint32_t min_expires_s; /* learnt from 423 */
    uint32_t epoch;         /* how often all publications were verified */
    uint64_t verified_ms;   /* when last */
    bool verify_pending;    /* there is reason to, but it was done too recently */
    bool ends_idle;         /* the server is a Kamailio: see habit.c */
    bool retired;           /* its publications are being removed, then it goes */
    /* Made from a record, for publications of which the configuration says nothing any more: what
     * terms.settings points to, on the heap. NULL otherwise. */
    struct publish_settings *former;
};

/*   ┌───────────── accepted, or nothing to tell ──────────────┐
 *   ▼                                                         │
 *  idle ──change, refresh──▶ ready ──window──▶ sending ───────┘
 *                              ▲                  │
 *                              └──── waiting ◀────┘ failed
 *
 * A removal goes through them twice, with the final state and with Expires 0, and then it is gone.
 */
enum publication_state {
    PUBLICATION_IDLE,
    PUBLICATION_READY,
    PUBLICATION_SENDING,
    PUBLICATION_WAITING,
    PUBLICATION_STATES
};

enum publication_step { STEP_INITIAL, STEP_MODIFY, STEP_REMOVE };

struct publication {
    struct map_node node;
    struct list of_section, ready;
    struct section *section;
    struct client_txn txn;
    struct timer timer; /* idle: refresh; waiting: retry */
    enum publication_state state;
    enum publication_step step;              /* of the request under way, or the last one */
    const struct snapshot *newest;           /* what the server should know */
    const struct snapshot *sent;             /* in the last request that had a body */
    const struct snapshot *told;             /* acknowledged; NULL: nothing */
    const struct body_profile *sent_profile; /* by which it was written; a reference, or NULL */
    uint64_t sent_digest, told_digest;       /* of the bodies; 0: none */
    struct str message; /* the request under way: a reload must not change its retransmissions */
    struct str entity_tag, call_id, last_reason;
    char from_tag[TXN_TAG_MAX];
    uint8_t from_tag_n;
    uint64_t counted;          /* in publisher.heap.publications */
    uint64_t number;           /* of its record; 0: it has none */
    struct keep_wait durable;  /* of what the last 2xx said; before all of them, of its record */
    uint64_t granted_until_ms; /* 0: the server knows nothing of us */
    uint64_t refresh_at_ms, attempt_ms;
    uint32_t cseq, version, expires_s, granted_s;
    uint32_t failures, auth_attempts, brief_tries, remove_tries;
    uint32_t sent_epoch, tag_epoch; /* section.epoch when the request began; when the tag's did */
    unsigned last_status;
    int print_error;             /* why the request could not be written */
    bool busy;                   /* counted in publisher.busy */
    bool routine;                /* in section.routine while ready */
    bool removing, goodbye_said; /* the final state is told, Expires 0 is left */
    bool refused, refresh_due;
    bool uncertain;      /* a body went out that was not acknowledged: nobody knows what is shown */
    bool retry_is_fixed; /* Retry-After: a change does not shorten it */
    bool told_idle;      /* see habit.c */
    bool restored;       /* its resource was not heard of yet: `newest` has no more than its name */
    bool foreign;        /* its number is not one of ours */
    bool held;           /* sending, once the record is durable */
    bool recorded;       /* it is, or there is nothing more to wait for */
    bool kept_bare;      /* of its record: that has no entity-tag */
    bool doubtful;       /* the entity-tag is from a record, and may not be the last one */
};

/* publisher.c */
uint64_t publisher_now(const struct publisher *p);
/* Something could not be made for lack of memory: look again soon. */
void publisher_repair_later(struct publisher *p);
/* The publication is about to go; another one may have begun for the same resource. */
void publisher_succeed(const struct publication *gone);

/* resource.c */
struct resource *resource_find(const struct publisher *p, const struct snapshot *snap);
/* Found or made, with `snap` as its newest. NULL: no memory. */
struct resource *resource_get(struct publisher *p, const struct snapshot *snap);
/* The last that changed of those with this extension that the section matches, but not `except`. */
struct resource *resource_latest(const struct section *s, struct str extension, uint64_t except);
void resource_destroy(struct publisher *p, struct resource *r);

/* terms.c */

/* `former`: what the section has now, or NULL: where nothing makes its body any more the same as
 * before does. 0, -ENOMEM, -ENOENT: nothing makes that body; what a URI is refused with. */
NODISCARD int terms_init(struct section_terms *t, struct publisher *p,
                         const struct settings *settings, const struct publish_settings *ps,
                         const struct section_terms *former);
void terms_fini(struct section_terms *t);
bool terms_same_credentials(const struct section_terms *a, const struct section_terms *b);

/* section.c */
NODISCARD int section_create(struct section **out, struct publisher *p,
                             const struct settings *settings, const struct publish_settings *ps);
void section_destroy(struct section *s); /* with its publications, silently */
/* For publications of which the configuration says nothing any more: retired from the beginning.
 * `former` and what it borrows is copied. */
NODISCARD int section_create_former(struct section **out, struct publisher *p,
                                    const struct publish_settings *former);
bool section_matches(const struct section *s, const struct snapshot *snap);
enum { SECTION_DIFFERS = 1 };
/* Take over new settings, unless they mean another server, identity or body: SECTION_DIFFERS. After
 * a negative result the former ones hold. */
NODISCARD int section_rebind(struct section *s, const struct settings *settings,
                             const struct publish_settings *ps);
/* Remove all its publications; section_pump frees it then. */
void section_retire(struct section *s);
uint64_t section_retry_interval_ms(const struct section *s);
void section_enqueue(struct section *s, struct publication *pub, bool routine);
void section_pump(struct section *s);     /* may free a retired section */
void section_answered(struct section *s); /* any final answer: the server lives */
/* Timeout or unreachable. May free removed publications, but none that is sending. */
void section_unanswered(struct section *s, uint64_t attempt_ms);
void section_congested(struct section *s);                    /* we ourselves cannot send now */
void section_tag_lost(struct section *s, uint32_t tag_epoch); /* a 412 */
void section_resolved(struct section *s, const struct dns_targets *found);
/* RFC 3263 section 4.3: no answer came to a request that began then, or a 503 (`refused`). The next
 * of the addresses takes the place of this one, and everything under way goes there instead. False:
 * they have all been tried, or others were answered meanwhile. */
bool section_failover(struct section *s, uint64_t attempt_ms, bool refused);

/* publication.c */
/* publisher.c: that of this resource in the section, or NULL. */
struct publication *publication_find(const struct section *s, const struct snapshot *snap);
NODISCARD int publication_create(struct publication **out, struct section *s,
                                 const struct snapshot *newest);
/* As it was kept: known to the server. Its texts are copied. The caller adds it to the table. */
struct kept_publication;
NODISCARD int publication_create_kept(struct publication **out, struct section *s,
                                      const struct kept_publication *k);
void publication_destroy(struct publication *pub);
void publication_newest_set(struct publication *pub, const struct snapshot *snap); /* a change */
/* `last` says that the resource is gone; NULL when it is not, but is no longer ours to tell. */
void publication_remove(struct publication *pub, const struct snapshot *last);
void publication_refresh(struct publication *pub); /* if at rest */
void publication_hurry(struct publication *pub);   /* the server is back */
void publication_retry(struct publication *pub);   /* whatever it waits for */
void publication_recall(struct publication *pub);  /* its request went to the wrong address */
void publication_terms_changed(struct publication *pub, bool credentials_same);
void publication_move(struct publication *pub, enum publication_state next);
void publication_make_ready(struct publication *pub, bool routine);
void publication_rest(struct publication *pub); /* idle until the next refresh */
/* For the states of the other server. There is nothing to keep once it was heard. */
bool publication_is_question(const struct publication *pub);
bool publication_known(const struct publication *pub); /* at the server, as far as we know */
bool publication_nothing_new(const struct publication *pub);
uint64_t publication_digest(const struct rendered_body *b); /* never 0 */
/* What it has, after one of its texts has changed; and without this one. */
void publication_count(struct publication *pub);
void publication_text_drop(struct publication *pub, struct str *text);
void publication_forget(struct publication *pub);
void publication_busy_update(struct publication *pub);
void snapshot_replace(const struct snapshot **slot, const struct snapshot *s);

/* When to refresh what has been granted. */
void publication_plan_refresh(struct publication *pub);

/* exchange.c */
void publication_send(struct publication *pub); /* ready; from the window */

/* habit.c */
void habit_learn(struct section *s, const struct sip_message *response);
bool habit_begins_anew(const struct publication *pub); /* its next request must be an initial one */
bool habit_is_idle(const struct snapshot *told);

/* kept.c */
struct kept_publication { /* a record; it borrows its bytes */
    struct str section;
    struct str server_uri, from_uri, to_uri, event, body, outbound_proxy;
    struct str package, context, extension;
    struct str call_id, from_tag, entity_tag;
    uint32_t cseq, version, granted_s;
    uint64_t incarnation, granted_until_wall_ms;
    bool by_name, ends_idle, told_idle;
};
NODISCARD int kept_parse(struct kept_publication *k, struct str record); /* 0 or -EBADMSG */
void kept_print(const struct kept_publication *k, struct buf *out);
/* Write it down as it is. */
void publication_keep(struct publication *pub);
/* The server has acknowledged a body, which counts when the entity-tag that came with it is kept.
 */
void publication_keep_told(struct publication *pub);
void publication_keep_untold(struct publication *pub); /* a body leaves: who knows what is shown? */
void publication_unkeep(struct publication *pub);      /* it ends */

/* publisher.c */
void publisher_file(struct publisher *p, struct publication *pub); /* adds it to the table */

/* request.c */
NODISCARD int request_print(struct publication *pub, struct buf *out);
