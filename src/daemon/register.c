// SPDX-License-Identifier: MIT
/* REGISTER between the threads: a worker's request to the state thread, and the same object back.
 */
#include <stdlib.h>

#include "daemon/threads.h"

struct registration_message {
    struct inbox_message m;
    struct keep_wait wait;
    struct state_thread *state;
    unsigned worker;
    struct registration *r;
};

static void registration_drop(struct inbox_message *m)
{
    struct registration_message *p = CONTAINER_OF(m, struct registration_message, m);

    registration_destroy(p->r);
    free(p);
}

static void answer_run(struct inbox_message *m, void *owner)
{
    struct registration_message *p = CONTAINER_OF(m, struct registration_message, m);

    registrar_answer(((struct worker *)owner)->engine.registrar, p->r);
    free(p);
}

/* As with PUBLISH: a refresh or a removal goes on from memory. */
static void kept(struct keep_wait *wait, int result)
{
    struct registration_message *p = CONTAINER_OF(wait, struct registration_message, wait);

    if (result && result != -ECANCELED && p->r->change) {
        contacts_withdraw(p->state->engine.contacts, p->r);
        p->r->result = REGISTER_UNKEPT;
    }
    inbox_post_always(&p->state->workers[p->worker].loop.inbox, &p->m);
}

static void registration_run(struct inbox_message *m, void *owner)
{
    struct registration_message *p = CONTAINER_OF(m, struct registration_message, m);
    struct state_thread *s = owner;

    (void)contacts_apply(s->engine.contacts, p->r);
    m->run = answer_run;
    p->state = s;
    p->wait = (struct keep_wait){ .done = kept };
    keep_wait(&s->engine.keep, &p->wait); /* one that is refused waits for those before it */
}

/* ---- connections that have ended ---- */

struct disconnection {
    struct inbox_message m;
    size_t n;
    uint32_t connections[];
};

static void disconnection_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct disconnection, m));
}

static void disconnection_run(struct inbox_message *m, void *owner)
{
    const struct disconnection *l = CONTAINER_OF(m, struct disconnection, m);

    contacts_connections_lost(((struct state_thread *)owner)->engine.contacts, l->connections,
                              l->n);
    disconnection_drop(m);
}

void state_post_lost(struct state_thread *s, struct log *log, const uint32_t *connections, size_t n)
{
    struct disconnection *l = inbox_message_alloc(log, sizeof(*l) + n * sizeof(*connections));

    l->m = (struct inbox_message){ .run = disconnection_run, .drop = disconnection_drop };
    list_init(&l->m.link);
    l->n = n;
    memcpy(l->connections, connections, n * sizeof(*connections));
    inbox_post_always(&s->loop.inbox, &l->m);
}

/* ---- to the state thread ---- */

int state_post_registration(struct state_thread *s, unsigned worker, struct registration *r)
{
    struct registration_message *p = malloc(sizeof(*p));
    int result;

    if (!p)
        return -ENOMEM;
    *p = (struct registration_message){
        .m = { .run = registration_run, .drop = registration_drop, .patient = true },
        .worker = worker,
        .r = r
    };
    list_init(&p->m.link);
    result = inbox_post(&s->loop.inbox, &p->m);
    if (result)
        free(p);
    return result;
}
