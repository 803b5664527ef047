// SPDX-License-Identifier: MIT
/* `length` counts what waits, including what a running inbox_run has taken out but will put back;
 * it alone says whether the queue is empty, so that a wake-up is sent exactly when nobody is about
 * to look anyway. */
#include "loop/inbox.h"
#include <stdlib.h>
#include <time.h>

static struct inbox_message *message_of(struct list *link)
{
    return CONTAINER_OF(link, struct inbox_message, link);
}

static struct inbox_message *message_pop(struct list *queue)
{
    struct list *first = queue->next;

    list_remove(first);
    return message_of(first);
}

static void drop_all(struct list *queue)
{
    while (!list_empty(queue)) {
        struct inbox_message *m = message_pop(queue);

        m->drop(m);
    }
}

void *inbox_message_alloc(struct log *log, size_t size)
{
    static const struct timespec pause = { .tv_nsec = 5000000 };
    void *room = malloc(size);

    if (!room)
        log_error(log, "inbox.waits_for_memory", KV_U("bytes", size));
    while (!room) {
        (void)nanosleep(&pause, NULL);
        room = malloc(size);
    }
    return room;
}

void inbox_init(struct inbox *in, void *owner, size_t high, void (*wake)(void *ctx), void *wake_ctx)
{
    pthread_mutexattr_t spins; /* it is held for some nanoseconds */

    *in = (struct inbox){ .high = high, .owner = owner, .wake = wake, .wake_ctx = wake_ctx };
    pthread_mutexattr_init(&spins);
    pthread_mutexattr_settype(&spins, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&in->lock, &spins);
    pthread_mutexattr_destroy(&spins);
    list_init(&in->queue);
}

void inbox_fini(struct inbox *in)
{
    inbox_close(in);
    pthread_mutex_destroy(&in->lock);
}

static int inbox_put(struct inbox *in, struct inbox_message *m, size_t most)
{
    bool was_empty, wake = false;
    int r = 0;

    pthread_mutex_lock(&in->lock);
    was_empty = in->length == 0;
    if (in->closed) {
        r = -ESHUTDOWN;
    } else if (in->length >= most) {
        r = -EAGAIN;
    } else {
        list_append(&in->queue, &m->link);
        in->length++;
        if (in->length > in->peak)
            in->peak = in->length;
        if (was_empty && m->patient)
            atomic_store(&in->unheard, true);
        wake = was_empty && !m->patient;
    }
    pthread_mutex_unlock(&in->lock);
    if (wake && in->wake)
        in->wake(in->wake_ctx);
    return r;
}

int inbox_post(struct inbox *in, struct inbox_message *m)
{
    return inbox_put(in, m, in->high);
}

void inbox_post_always(struct inbox *in, struct inbox_message *m)
{
    if (inbox_put(in, m, SIZE_MAX))
        m->drop(m);
}

void inbox_nudge(struct inbox *in)
{
    if (atomic_load(&in->unheard) && atomic_exchange(&in->unheard, false) && in->wake)
        in->wake(in->wake_ctx);
}

/* Put back, before what was posted meanwhile, what the limit left over. */
static void inbox_return(struct inbox *in, struct list *rest)
{
    if (list_empty(rest))
        return;
    pthread_mutex_lock(&in->lock);
    if (!in->closed) {
        list_splice(rest, &in->queue);
        list_splice(&in->queue, rest);
    }
    pthread_mutex_unlock(&in->lock);
    drop_all(rest); /* closed by one of the messages */
}

size_t inbox_run(struct inbox *in, size_t limit)
{
    struct list taken;
    size_t ready, ran;

    list_init(&taken);
    pthread_mutex_lock(&in->lock);
    list_splice(&taken, &in->queue);
    atomic_store(&in->unheard, false);
    ready = in->length < limit ? in->length : limit;
    in->length -= ready;
    pthread_mutex_unlock(&in->lock);
    for (ran = 0; ran < ready && !in->closed && !list_empty(&taken); ran++) {
        struct inbox_message *m = message_pop(&taken);

        m->run(m, in->owner);
    }
    inbox_return(in, &taken);
    return ran;
}

void inbox_close(struct inbox *in)
{
    struct list dropped;

    list_init(&dropped);
    pthread_mutex_lock(&in->lock);
    in->closed = true;
    in->length = 0;
    list_splice(&dropped, &in->queue);
    pthread_mutex_unlock(&in->lock);
    drop_all(&dropped);
}

size_t inbox_length(struct inbox *in)
{
    size_t length;

    pthread_mutex_lock(&in->lock);
    length = in->length;
    pthread_mutex_unlock(&in->lock);
    return length;
}
