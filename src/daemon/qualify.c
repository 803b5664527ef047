// SPDX-License-Identifier: MIT
/* Contacts between the threads: each change of one from the state thread to the worker that its AOR
 * lives in, which asks whether it is there and what it does, and to those of endpoints that are
 * told their mailboxes by it; and what is found from there to the state thread. */
#include <stdlib.h>
#include <time.h>

#include "daemon/threads.h"

/* ---- to the workers ---- */

struct contact_message {
    struct inbox_message m;
    const struct contact *now, *former; /* references; one of them may be NULL */
    struct str endpoint;                /* that is told its mailboxes; empty: it is to be asked */
    char text[];
};

static void contact_drop(struct inbox_message *m)
{
    struct contact_message *c = CONTAINER_OF(m, struct contact_message, m);

    contact_unref(c->now);
    contact_unref(c->former);
    free(c);
}

static int contact_take(struct worker *w, const struct contact_message *c)
{
    return c->endpoint.n ? notifier_registered(w->engine.notifier, c->endpoint, c->now, c->former)
                         : qualifier_contact(w->engine.qualifier, c->now, c->former);
}

static void contact_run(struct inbox_message *m, void *owner)
{
    static const struct timespec pause = { .tv_nsec = 100000000 };
    const struct contact_message *c = CONTAINER_OF(m, struct contact_message, m);

    /* There is no way back to whoever said it, and it must not be lost. */
    while (contact_take(owner, c) == -ENOMEM)
        (void)nanosleep(&pause, NULL);
    contact_drop(m);
}

void worker_post_registered(struct worker *w, struct str endpoint, const struct contact *now,
                            const struct contact *former)
{
    struct contact_message *c = inbox_message_alloc(w->log, sizeof(*c) + endpoint.n);
    char *at = c->text;

    *c = (struct contact_message){ .m = { .run = contact_run, .drop = contact_drop },
                                   .now = now ? contact_ref(now) : NULL,
                                   .former = former ? contact_ref(former) : NULL,
                                   .endpoint = endpoint };
    str_keep(&c->endpoint, &at);
    list_init(&c->m.link);
    inbox_post_always(&w->loop.inbox, &c->m);
}

void worker_post_contact(struct worker *w, const struct contact *now, const struct contact *former)
{
    worker_post_registered(w, STR_EMPTY, now, former);
}

/* ---- to the state thread ---- */

struct reach_message {
    struct inbox_message m;
    uint64_t contact_id;
    enum contact_reach reach;
    uint32_t rtt_ms;
};

static void reach_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct reach_message, m));
}

static void reach_run(struct inbox_message *m, void *owner)
{
    const struct reach_message *r = CONTAINER_OF(m, struct reach_message, m);

    contacts_reach_set(((struct state_thread *)owner)->engine.contacts, r->contact_id, r->reach,
                       r->rtt_ms);
    reach_drop(m);
}

void worker_report_reach(void *ctx, uint64_t contact_id, enum contact_reach reach, uint32_t rtt_ms)
{
    struct worker *w = ctx;
    struct reach_message *r = inbox_message_alloc(w->log, sizeof(*r));

    *r = (struct reach_message){ .m = { .run = reach_run, .drop = reach_drop },
                                 .contact_id = contact_id,
                                 .reach = reach,
                                 .rtt_ms = rtt_ms };
    list_init(&r->m.link);
    inbox_post_always(&w->state->loop.inbox, &r->m);
}

struct dialogs_message {
    struct inbox_message m;
    uint64_t contact_id;
    const struct event_state *dialogs; /* a reference, or NULL */
};

static void dialogs_drop(struct inbox_message *m)
{
    struct dialogs_message *d = CONTAINER_OF(m, struct dialogs_message, m);

    event_state_unref(d->dialogs);
    free(d);
}

static void dialogs_run(struct inbox_message *m, void *owner)
{
    const struct dialogs_message *d = CONTAINER_OF(m, struct dialogs_message, m);

    contacts_dialogs_set(((struct state_thread *)owner)->engine.contacts, d->contact_id,
                         d->dialogs);
    dialogs_drop(m);
}

void worker_report_dialogs(void *ctx, uint64_t contact_id, const struct event_state *dialogs)
{
    struct worker *w = ctx;
    struct dialogs_message *d = inbox_message_alloc(w->log, sizeof(*d));

    *d = (struct dialogs_message){ .m = { .run = dialogs_run, .drop = dialogs_drop },
                                   .contact_id = contact_id,
                                   .dialogs = event_state_ref(dialogs) };
    list_init(&d->m.link);
    inbox_post_always(&w->state->loop.inbox, &d->m);
}

/* ---- the rest of its port ---- */

struct str worker_transport_id(void *ctx, uint32_t transport)
{
    const struct transports *t = &((struct worker *)ctx)->transports;

    return transport < t->n && !t->list[transport].gone ? t->list[transport].id : STR_EMPTY;
}
