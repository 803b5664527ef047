// SPDX-License-Identifier: MIT
/* qualifier.h - are they there, and what do they do? The contacts of AORs (contact.h), each of them
 * asked by OPTIONS now and then: RFC 3261 section 11, and `qualify_frequency` with its like in
 * pjsip.conf; and with `watch_dialogs` each subscribed to for its dialogs: RFC 6665, RFC 4235.
 *
 * An AOR lives in one worker (qualifier_home), which is told of its contacts. Any answer says that
 * a contact is there, but for 408 and 503, which mean the same whoever says them: nobody answers,
 * not reached (RFC 3261 section 8.1.3.1). With `qualify_2xx_only` nothing but a 2xx does. Threads:
 * the worker that owns it. */
#pragma once
#include "base/clock.h"
#include "base/histogram.h"
#include "config/settings.h"
#include "registrar/contact.h"
#include "registrar/contacts.h"
#include "registrar/request.h"
#include "txn/uas.h"

struct qualifier; /* opaque: see qualifier_internal.h */

struct qualifier_port {
    struct contact_request_port requests; /* its questions are answered by qualifier_resolved */
    void *ctx;
    /* Something else is known of the contact now: for contacts_reach_set. */
    void (*reach)(void *ctx, uint64_t contact_id, enum contact_reach reach, uint32_t rtt_ms);
    /* Something else is known of its dialogs now (NULL: nothing): for contacts_dialogs_set. Once
     * for each contact that is watched, also when nothing is. */
    void (*dialogs)(void *ctx, uint64_t contact_id, const struct event_state *dialogs);
};

struct qualifier_config {
    struct txn_layer *txn;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    const struct settings *settings; /* a reference is taken */
    struct qualifier_port port;
};
NODISCARD int qualifier_create(struct qualifier **out, const struct qualifier_config *cfg);
void qualifier_destroy(struct qualifier *q); /* NULL is fine */

/* In which of `workers` an AOR lives. */
unsigned qualifier_home(struct str aor, unsigned workers);

/* As contacts_port.changed, of the AORs that live here. 0; -ENOMEM, of one that is new: it is to be
 * said again. */
NODISCARD int qualifier_contact(struct qualifier *q, const struct contact *now,
                                const struct contact *former);
/* Whatever is under way is asked anew. */
void qualifier_settings_set(struct qualifier *q, const struct settings *settings);
/* Nobody is asked any more: the process ends, or another one goes on. What is watched is not known
 * to be over by that. */
void qualifier_stop(struct qualifier *q);

/* The answer to port.requests.resolve. */
void qualifier_resolved(struct qualifier *q, uint64_t question, const struct dns_targets *found);

/* A NOTIFY in a dialog of ours; false: it is in none, and has not been answered. */
bool qualifier_notify(struct qualifier *q, const struct uas_request *rq);
/* For uas_dialog_set, ctx the struct qualifier: whose dialog that is. */
const struct endpoint_settings *qualifier_dialog_endpoint(void *qualifier,
                                                          const struct sip_message *msg);

enum qualify_status {
    QUALIFY_OFF,     /* it is not asked */
    QUALIFY_UNKNOWN, /* it has not been asked yet */
    QUALIFY_REACHABLE,
    QUALIFY_UNREACHABLE,
    QUALIFY_STATUSES
};
const char *qualify_status_name(enum qualify_status status);

enum watch_status {
    WATCHED_NOT,     /* `watch_dialogs` is off */
    WATCHED_TRYING,  /* it has told nothing yet, or is not there */
    WATCHED_YES,     /* it tells */
    WATCHED_REFUSED, /* it does not support that */
    WATCHED_STATUSES
};
const char *watch_status_name(enum watch_status status);

struct qualify_view { /* borrowed for the call */
    const struct contact *contact;
    enum qualify_status status;
    uint64_t since_wall_ms; /* it has been so, as far as is known */
    uint32_t rtt_ms;        /* of the last answer */
    unsigned last_status;   /* 0: none; 408: no answer, 503: not reached */
    uint32_t left_s;        /* of its registration, by the wall clock; 0: static */
    uint32_t next_s;        /* until it is asked again; 0: it is being asked, or never is */
    struct watch_view {
        enum watch_status status;
        unsigned last_status;   /* of the last SUBSCRIBE; 0: none yet, or `why` says more */
        struct str why;         /* it is not watched; may be empty */
        uint32_t next_s;        /* until the next SUBSCRIBE; 0: it is under way, or none comes */
        uint64_t heard_wall_ms; /* its last NOTIFY; 0: none */
        size_t dialogs;         /* that go on */
        struct str call_id;     /* of the subscription; empty: there is none now */
        uint32_t left_s;        /* of that, as the telephone has it */
    } watch;
};
void qualifier_each(const struct qualifier *q,
                    void (*each)(void *ctx, const struct qualify_view *v), void *ctx);

struct watch_counters {
    uint64_t watched, trying, refused; /* contacts, each by its watch_status */
    uint64_t subscribed, failed;       /* SUBSCRIBEs sent, and how often one was in vain */
    uint64_t notified, notify_refused; /* NOTIFYs received */
};

struct qualifier_counters {
    uint64_t contacts; /* the sum of: */
    uint64_t unqualified, unknown, reachable, unreachable;
    uint64_t sent, answered, unanswered, challenged; /* OPTIONS, without retransmissions */
    uint64_t lost, returned;                         /* how often one became the other */
    struct histogram rtt;
    struct watch_counters watch;
};
void qualifier_counters_get(const struct qualifier *q, struct qualifier_counters *out);
