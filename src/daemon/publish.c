// SPDX-License-Identifier: MIT
/* PUBLISH between the threads: a worker's request to the state thread, and its answer back. Both
 * carry copies of what they borrow. */
#include <stdlib.h>

#include "daemon/threads.h"
#include "publication/asterisk_event.h"

/* ---- to the state thread ---- */

/* The texts of a request: one list for their lengths and their copies. */
static size_t request_texts(struct publication_request *rq, struct str *texts[static 10])
{
    struct str *all[] = { &rq->package,     &rq->context,       &rq->extension,    &rq->publisher,
                          &rq->call_id,     &rq->if_match,      &rq->content_type, &rq->body,
                          &rq->refusal.why, &rq->answer_section };

    memcpy(texts, all, sizeof(all));
    return ARRAY_LEN(all);
}

struct publication_message {
    struct inbox_message m;
    unsigned worker;
    uint64_t cookie;
    struct publication_request rq;
    struct asterisk_event event; /* of the request, if it has one */
    char text[];
};

static void publication_drop(struct inbox_message *m)
{
    struct publication_message *p = CONTAINER_OF(m, struct publication_message, m);

    event_state_unref(p->rq.document);
    free(p);
}

static void publication_run(struct inbox_message *m, void *owner)
{
    struct publication_message *p = CONTAINER_OF(m, struct publication_message, m);
    struct state_thread *s = owner;
    struct publication_answer answer = { 0 };
    int r = publication_apply(s->engine.publications, &p->rq, &answer);

    worker_post_publication_answer(&s->workers[p->worker], p->cookie, r, &answer);
    publication_drop(m);
}

int state_post_publication(struct state_thread *s, unsigned worker,
                           const struct publication_request *rq, uint64_t cookie)
{
    struct publication_request copy = *rq;
    struct str *texts[10];
    size_t n = request_texts(&copy, texts), size = 0;
    struct publication_message *p;
    char *at;
    int r;

    for (size_t i = 0; i < n; i++)
        size += texts[i]->n;
    p = malloc(sizeof(*p) + size);
    if (!p)
        return -ENOMEM;
    *p = (struct publication_message){ .m = { .run = publication_run, .drop = publication_drop },
                                       .worker = worker,
                                       .cookie = cookie };
    list_init(&p->m.link);
    at = p->text;
    for (size_t i = 0; i < n; i++)
        str_keep(texts[i], &at);
    p->rq = copy;
    if (copy.event) {
        p->event = *copy.event;
        p->rq.event = &p->event;
    }
    (void)event_state_ref(copy.document); /* before it is posted, then it may be gone */
    r = inbox_post(&s->loop.inbox, &p->m);
    if (r)
        publication_drop(&p->m);
    return r;
}

/* ---- and back ---- */

struct answer_message {
    struct inbox_message m;
    uint64_t cookie;
    int result;
    struct publication_answer answer;
    char text[];
};

static void answer_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct answer_message, m));
}

static void answer_run(struct inbox_message *m, void *owner)
{
    struct answer_message *a = CONTAINER_OF(m, struct answer_message, m);

    compositor_answer(((struct worker *)owner)->engine.compositor, a->cookie, a->result,
                      a->result < 0 ? NULL : &a->answer);
    free(a);
}

void worker_post_publication_answer(struct worker *w, uint64_t cookie, int result,
                                    const struct publication_answer *answer)
{
    struct answer_message *a = malloc(sizeof(*a) + answer->etag.n + answer->why.n);
    char *at;

    if (!a) { /* the publisher's transaction times out, and it publishes anew */
        log_error(w->log, "worker.publication_answer", KV_ERR(-ENOMEM));
        return;
    }
    *a = (struct answer_message){ .m = { .run = answer_run, .drop = answer_drop },
                                  .cookie = cookie,
                                  .result = result,
                                  .answer = *answer };
    list_init(&a->m.link);
    at = a->text;
    str_keep(&a->answer.etag, &at);
    str_keep(&a->answer.why, &at);
    inbox_post_always(&w->loop.inbox, &a->m);
}
