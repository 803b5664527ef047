// SPDX-License-Identifier: MIT
/* Who watches, between the threads: the state thread asks the workers, they report. Both messages
 * carry copies of what they borrow. */
#include <stdlib.h>

#include "daemon/threads.h"

/* ---- to the workers ---- */

struct winfo_message {
    struct inbox_message m;
    struct resource_name of;
    uint64_t resource_id, generation; /* without the latter: it is over */
    char text[];
};

static void winfo_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct winfo_message, m));
}

static void winfo_run(struct inbox_message *m, void *owner)
{
    const struct winfo_message *w = CONTAINER_OF(m, struct winfo_message, m);
    struct notifier *n = ((struct worker *)owner)->engine.notifier;

    if (w->generation)
        notifier_winfo_start(n, &w->of, w->resource_id, w->generation);
    else
        notifier_winfo_stop(n, &w->of);
    winfo_drop(m);
}

void worker_post_winfo(struct worker *w, const struct resource_name *of, uint64_t resource_id,
                       uint64_t generation)
{
    struct winfo_message *post = inbox_message_alloc(w->log, sizeof(*post) + of->package.n +
                                                                 of->context.n + of->extension.n);
    char *at;

    *post = (struct winfo_message){ .m = { .run = winfo_run, .drop = winfo_drop },
                                    .of = *of,
                                    .resource_id = resource_id,
                                    .generation = generation };
    list_init(&post->m.link);
    at = post->text;
    str_keep(&post->of.package, &at);
    str_keep(&post->of.context, &at);
    str_keep(&post->of.extension, &at);
    inbox_post_always(&w->loop.inbox, &post->m);
}

void state_winfo_start(void *ctx, const struct resource_name *of, uint64_t resource_id,
                       uint64_t generation)
{
    struct state_thread *s = ctx;

    for (unsigned w = 0; w < s->n_workers; w++)
        worker_post_winfo(&s->workers[w], of, resource_id, generation);
}

void state_winfo_stop(void *ctx, const struct resource_name *of)
{
    state_winfo_start(ctx, of, 0, 0);
}

/* ---- and back ---- */

/* The texts of a report: one list for their lengths and their copies. */
enum { REPORT_TEXTS = 6 };

static void report_texts(struct watcher_report *r, struct str *texts[static REPORT_TEXTS])
{
    struct str *all[REPORT_TEXTS] = { &r->of.package, &r->of.context, &r->of.extension,
                                      &r->endpoint,   &r->uri,        &r->display };

    memcpy(texts, all, sizeof(all));
}

struct report_message {
    struct inbox_message m;
    unsigned worker;
    struct watcher_report report;
    char text[];
};

static void report_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct report_message, m));
}

static void report_run(struct inbox_message *m, void *owner)
{
    const struct report_message *r = CONTAINER_OF(m, struct report_message, m);

    watcher_info_report(((struct state_thread *)owner)->engine.watchers, r->worker, &r->report);
    report_drop(m);
}

/* A change that gets lost would be wrong for good, and there are no more of them than changes of
 * subscriptions: they are never refused. */
void state_post_watcher(struct state_thread *s, unsigned worker,
                        const struct watcher_report *report)
{
    struct watcher_report copy = *report;
    struct str *texts[REPORT_TEXTS];
    struct report_message *post;
    size_t size = 0;
    char *at;

    report_texts(&copy, texts);
    for (size_t i = 0; i < REPORT_TEXTS; i++)
        size += texts[i]->n;
    post = inbox_message_alloc(s->log, sizeof(*post) + size);
    *post =
        (struct report_message){ .m = { .run = report_run, .drop = report_drop, .patient = true },
                                 .worker = worker };
    list_init(&post->m.link);
    at = post->text;
    for (size_t i = 0; i < REPORT_TEXTS; i++)
        str_keep(texts[i], &at);
    post->report = copy;
    inbox_post_always(&s->loop.inbox, &post->m);
}
