// SPDX-License-Identifier: MIT
/* PUBLISH between the threads: a worker's request to the state thread, and the answer back. Copies
 * of what both borrow go along. */
#include <stdlib.h>

#include "daemon/threads.h"
#include "publication/asterisk_event.h"

/* The texts of a request: one list for their lengths and their copies. */
static size_t request_texts(struct publication_request *rq, struct str *texts[static 12])
{
    struct str *all[] = { &rq->package,      &rq->context, &rq->extension,   &rq->domain,
                          &rq->publisher,    &rq->origin,  &rq->call_id,     &rq->if_match,
                          &rq->content_type, &rq->body,    &rq->refusal.why, &rq->answer_section };

    memcpy(texts, all, sizeof(all));
    return ARRAY_LEN(all);
}

/* It comes back as the answer: what has been applied must not stay unanswered for want of memory.
 */
struct publication_message {
    struct inbox_message m;
    struct keep_wait wait;
    struct state_thread *state;
    unsigned worker;
    uint64_t cookie;
    struct publication_request rq;
    struct asterisk_event event; /* of the request, if it has one */
    int result;
    struct publication_answer answer;
    char answer_text[PUBLICATION_ANSWER_MAX], text[];
};

static void publication_drop(struct inbox_message *m)
{
    struct publication_message *p = CONTAINER_OF(m, struct publication_message, m);

    event_state_unref(p->rq.document);
    free(p);
}

static void answer_run(struct inbox_message *m, void *owner)
{
    struct publication_message *p = CONTAINER_OF(m, struct publication_message, m);

    compositor_answer(((struct worker *)owner)->engine.compositor, p->cookie, p->result,
                      p->result < 0 ? NULL : &p->answer);
    publication_drop(m);
}

/* A refresh or a removal goes on from memory. At the end of the process nobody is told anything. */
static void kept(struct keep_wait *wait, int result)
{
    struct publication_message *p = CONTAINER_OF(wait, struct publication_message, wait);

    if (p->answer.promise && result != -ECANCELED) {
        publication_promise_end(p->state->engine.publications, p->answer.promise, result == 0);
        if (result)
            p->result = PUBLICATION_UNKEPT;
    }
    inbox_post_always(&p->state->workers[p->worker].loop.inbox, &p->m);
}

static void publication_run(struct inbox_message *m, void *owner)
{
    struct publication_message *p = CONTAINER_OF(m, struct publication_message, m);
    struct state_thread *s = owner;
    char *at = p->answer_text;

    p->result = publication_apply(s->engine.publications, &p->rq, &p->answer);
    BUG_UNLESS(p->answer.etag.n + p->answer.why.n <= sizeof(p->answer_text));
    str_keep(&p->answer.etag, &at);
    str_keep(&p->answer.why, &at);
    m->run = answer_run;
    p->state = s;
    p->wait = (struct keep_wait){ .done = kept };
    keep_wait(&s->engine.keep, &p->wait); /* one that is refused waits for those before it */
}

int state_post_publication(struct state_thread *s, unsigned worker,
                           const struct publication_request *rq, uint64_t cookie)
{
    struct publication_request copy = *rq;
    struct str *texts[12];
    size_t n = request_texts(&copy, texts), size = 0;
    struct publication_message *p;
    char *at;
    int r;

    for (size_t i = 0; i < n; i++)
        size += texts[i]->n;
    p = malloc(sizeof(*p) + size);
    if (!p)
        return -ENOMEM;
    *p = (struct publication_message){
        .m = { .run = publication_run, .drop = publication_drop, .patient = true },
        .worker = worker,
        .cookie = cookie
    };
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
