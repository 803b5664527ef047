// SPDX-License-Identifier: MIT
/* unsolicited.h - what endpoints are told of their mailboxes without a subscription: a part of the
 * notifier.
 *
 *   notifier ──< addressee ──< notice
 *      │             └──< member >──┐
 *      └──────────────────────────< box
 *
 * unsolicited.c         who is told what: settings, mailboxes, subscriptions that tell it already
 * unsolicited_notice.c  one notice: when it is sent, as what bytes, and what its answer means
 *
 * An endpoint lives in one worker (notifier_home). Each of its contacts gets a NOTIFY outside any
 * dialog, with one Call-ID and a rising CSeq. It is no subscription: nobody confirms it, and
 * nothing ends it but the configuration. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "body/body.h"
#include "config/settings.h"
#include "event/notifier.h"
#include "registrar/request.h"

struct box { /* a mailbox, as the state thread tells it */
    struct map_node node;
    struct list members; /* member.of_box */
    unsigned refs; /* of members and notices; it goes when there are none and it is not known */
    bool known;
    uint32_t new_count, old_count;
    size_t name_n;
    char name[];
};

struct member {
    struct list of_box;
    struct box *box; /* a reference */
    struct addressee *addressee;
};

struct addressee { /* an endpoint with `mailboxes` */
    struct map_node node;
    struct notifier *notifier;
    const struct body_profile *profile; /* a reference, or NULL */
    struct member *members;
    size_t n_members;
    struct list notices;
    struct list solicitations; /* subscriptions that tell it */
    uint32_t generation;       /* of the settings that named it last */
    size_t id_n;
    char id[];
};

/*   ┌── nothing to tell ─┐
 *   ▼                    │
 *  idle ──change──▶ due ─┴─its turn──▶ sending ──told──▶ due
 *                    ▲                    │
 *                    └──time, change── waiting
 *
 * A reload makes due whatever is sending or waiting; the end of the process lets all rest but what
 * has been sent. */
enum notice_state {
    NOTICE_IDLE,
    NOTICE_DUE,     /* in unsolicited.due */
    NOTICE_SENDING, /* the request is under way */
    NOTICE_WAITING, /* for another try */
    NOTICE_STATES
};

struct notice { /* what one contact is told: of one mailbox, or of all of them */
    struct list of_addressee, due;
    struct addressee *addressee;
    struct box *box;                /* a reference; NULL: the sum of all */
    struct contact_request request; /* its contact is a reference */
    struct timer timer;             /* waiting: the next try */
    enum notice_state state;
    struct snapshot *view;            /* sending: what is told; a reference */
    const struct rendered_body *body; /* of the view */
    uint64_t told, sent;              /* digests of bodies */
    bool is_told;                     /* `told` is what it shows */
    bool is_sent;                     /* sending: and not just looking for the address */
    bool quiet;                       /* the first state is taken for told */
    bool hold;                        /* a change does not end the wait */
    uint32_t generation;              /* of the settings that named it last */
    unsigned failures;                /* in a row */
    unsigned solicited;               /* notice_solicited, when it was last looked at */
    unsigned last_status;             /* 0: none; 408: no answer, 503: not reached */
};

struct unsolicited {
    struct map boxes, addressees;
    struct contact_requests requests;
    struct list due;     /* notices, the longest due first */
    struct list orphans; /* solicitations of endpoints that are no addressees */
    struct timer turn, repair;
    size_t outstanding;
    uint64_t begun_wall_ms;
    bool reloaded; /* the settings are not those of the beginning any more */
};

/* ---- unsolicited.c ---- */

void unsolicited_init(struct notifier *n);
/* The settings are others now: nothing is under way that was made of the former ones. */
void unsolicited_settings_set(struct notifier *n);
/* The settings are others now. Where `quiet`, what they add is not told before it changes. 0 or
 * -ENOMEM: some of it is done, and the rest is tried again soon. */
int unsolicited_configure(struct notifier *n, bool quiet);
/* Those that failed are tried again at once: a reload may be the word that something was mended. */
void unsolicited_retry(struct notifier *n);
void unsolicited_stop(struct notifier *n); /* begin no more */
void unsolicited_fini(struct notifier *n);
/* Has it a contact that can be told, or may have one? */
bool unsolicited_reaches(const struct settings *s, const struct endpoint_settings *e);
struct str addressee_id(const struct addressee *a);
void box_unref(struct notifier *n, struct box *box); /* NULL is fine */

enum { NOTICE_NOTHING = 1 /* it is told by a subscription, or not all is known */ };
/* What there is to tell. 0, NOTICE_NOTHING. */
NODISCARD int notice_sum(const struct notice *t, struct es_message_count *out);
/* How many of its mailboxes subscriptions tell. */
unsigned notice_solicited(const struct notice *t);

/* ---- unsolicited_notice.c ---- */

/* NULL: no memory. */
struct notice *notice_create(struct addressee *a, const struct contact *contact, struct box *box,
                             bool quiet);
void notice_destroy(struct notice *t);
/* It is another one now. Nothing is under way, or it goes on by the same way. */
void notice_contact_set(struct notice *t, const struct contact *contact);
/* Its telephone has just registered, and may know nothing: it is told a moment later, when it
 * should have its answer. */
void notice_registered(struct notice *t);
const char *notice_state_name(const struct notice *t);
/* Something may have changed; `retry`: whatever it waits for, try now. */
void notice_attend(struct notice *t, bool retry);
void notice_rest(struct notice *t);   /* unless it has been sent */
void notice_recall(struct notice *t); /* what is under way is made anew */
void notices_turn(struct timer *t);   /* unsolicited.turn */
