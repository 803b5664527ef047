// SPDX-License-Identifier: MIT
/* Mailboxes between the threads: their counts from the state thread to the workers, which tell them
 * unasked; what an endpoint tells us to the state thread; and from worker to worker, who is told by
 * a subscription instead. */
#include <stdlib.h>

#include "daemon/threads.h"

struct mailbox_message {
    struct inbox_message m;
    struct str mailbox;
    bool exists;
    struct mailbox_counts counts;
    char text[];
};

static void mailbox_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct mailbox_message, m));
}

static size_t message_size(struct str mailbox)
{
    return sizeof(struct mailbox_message) + mailbox.n;
}

static void message_init(struct mailbox_message *m, struct str mailbox,
                         const struct mailbox_counts *counts, inbox_run_fn run)
{
    char *at;

    *m = (struct mailbox_message){ .m = { .run = run, .drop = mailbox_drop },
                                   .mailbox = mailbox,
                                   .exists = counts != NULL };
    if (counts)
        m->counts = *counts;
    at = m->text;
    str_keep(&m->mailbox, &at);
    list_init(&m->m.link);
}

/* ---- to the workers ---- */

static void mailbox_run(struct inbox_message *message, void *owner)
{
    struct mailbox_message *m = CONTAINER_OF(message, struct mailbox_message, m);

    notifier_mailbox(((struct worker *)owner)->engine.notifier, m->mailbox, m->exists,
                     m->counts.new_count, m->counts.old_count);
    free(m);
}

void worker_post_mailbox(struct worker *w, struct str mailbox, const struct mailbox_counts *counts)
{
    struct mailbox_message *m = inbox_message_alloc(w->log, message_size(mailbox));

    message_init(m, mailbox, counts, mailbox_run);
    inbox_post_always(&w->loop.inbox, &m->m);
}

/* ---- to the state thread ---- */

static void report_run(struct inbox_message *message, void *owner)
{
    struct mailbox_message *m = CONTAINER_OF(message, struct mailbox_message, m);
    struct state_thread *s = owner;
    int r = mailbox_set(s->engine.mailboxes, STR("notify"), m->mailbox, m->counts.new_count,
                        m->counts.old_count);

    if (r)
        log_error(s->log, "mailbox.report", KV("mailbox", m->mailbox), KV_I("result", r));
    free(m);
}

int worker_report_mailbox(void *ctx, struct str mailbox, uint32_t new_count, uint32_t old_count)
{
    struct worker *w = ctx;
    const struct mailbox_counts counts = { new_count, old_count };
    struct mailbox_message *m = malloc(message_size(mailbox));
    int r;

    if (!m)
        return -ENOMEM;
    message_init(m, mailbox, &counts, report_run);
    r = inbox_post(&w->state->loop.inbox, &m->m);
    if (r)
        free(m);
    return r;
}

/* ---- between workers ---- */

/* Both messages are made at the beginning: that memory is short must not keep the end from being
 * told, or the telephone would be told nothing for ever. */
struct solicitation_message {
    struct inbox_message begin, end;
    struct worker *home;
    struct solicitation s;
    char text[];
};

static void begin_run(struct inbox_message *m, void *owner)
{
    notifier_solicit(((struct worker *)owner)->engine.notifier,
                     &CONTAINER_OF(m, struct solicitation_message, begin)->s);
}

static void begin_drop(struct inbox_message *m)
{
    (void)m; /* the end frees it */
}

static void solicitation_free(struct solicitation_message *m)
{
    list_remove(&m->s.link); /* at the end of the process its home may still have it */
    free(m);
}

static void end_run(struct inbox_message *m, void *owner)
{
    struct solicitation_message *s = CONTAINER_OF(m, struct solicitation_message, end);

    notifier_unsolicit(((struct worker *)owner)->engine.notifier, &s->s);
    solicitation_free(s);
}

static void end_drop(struct inbox_message *m)
{
    solicitation_free(CONTAINER_OF(m, struct solicitation_message, end));
}

struct solicitation *worker_solicit(void *ctx, struct str endpoint, struct str group)
{
    struct worker *w = ctx;
    struct solicitation_message *m = malloc(sizeof(*m) + endpoint.n + group.n);
    char *at;

    if (!m) {
        log_warn(w->log, "worker.solicit", KV("endpoint", endpoint), KV_ERR(-ENOMEM));
        return NULL;
    }
    *m = (struct solicitation_message){ .begin = { .run = begin_run, .drop = begin_drop },
                                        .end = { .run = end_run, .drop = end_drop },
                                        .home = &w->peers[notifier_home(endpoint, w->n_peers)],
                                        .s = { .endpoint = endpoint, .group = group } };
    at = m->text;
    str_keep(&m->s.endpoint, &at);
    str_keep(&m->s.group, &at);
    list_init(&m->begin.link);
    list_init(&m->end.link);
    list_init(&m->s.link);
    inbox_post_always(&m->home->loop.inbox, &m->begin);
    return &m->s;
}

void worker_unsolicit(void *ctx, struct solicitation *solicitation)
{
    struct worker *w = ctx;
    struct solicitation_message *m = CONTAINER_OF(solicitation, struct solicitation_message, s);

    if (w->finishing)
        solicitation_free(m);
    else
        inbox_post_always(&m->home->loop.inbox, &m->end);
}
