// SPDX-License-Identifier: MIT
#include "publication/compose_internal.h"

#include <stddef.h>
#include <stdlib.h>

enum { SCRATCH_BLOCK = 4096 };

/* ---- messages: RFC 3842 ---- */

static void counter_add(uint32_t *sum, uint32_t more)
{
    if (__builtin_add_overflow(*sum, more, sum))
        *sum = UINT32_MAX; /* as much as RFC 3842 section 5.2 can say */
}

static void messages_add(struct es_messages *sum, const struct es_messages *m)
{
    sum->waiting |= m->waiting;
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++) {
        sum->counts[i].given |= m->counts[i].given;
        counter_add(&sum->counts[i].new_count, m->counts[i].new_count);
        counter_add(&sum->counts[i].old_count, m->counts[i].old_count);
        counter_add(&sum->counts[i].urgent_new, m->counts[i].urgent_new);
        counter_add(&sum->counts[i].urgent_old, m->counts[i].urgent_old);
    }
}

int composition_messages(struct composition *c)
{
    struct choice *accounts = arena_alloc(&c->scratch, (c->n + 1) * sizeof(*accounts)), **winners;
    size_t n = 0;
    bool several = false;
    int r;

    if (!accounts)
        return -ENOMEM;
    for (size_t i = 0; i < c->n; i++) {
        const struct es_messages *m = &c->inputs[i]->document->messages;

        if (!c->inputs[i]->document->has_messages)
            continue;
        accounts[n] = (struct choice){
            .element = m, .from = c->inputs[i], .alone = !m->account.n, .key = { m->account }
        };
        accounts[n].position = n;
        n++;
    }
    r = choices_rank(&c->scratch, accounts, n);
    if (r == 0)
        r = choices_settle(&c->scratch, accounts, &n, CHOICE_BY_RANK, &winners);
    for (size_t i = 0; r == 0 && i < n; i++) {
        const struct es_messages *m = winners[i]->element;

        messages_add(&c->view.messages, m);
        if (!c->view.messages.account.n)
            c->view.messages.account = m->account;
        several |= m->account.n && !es_text_same(m->account, c->view.messages.account);
        c->view.has_messages = true;
    }
    if (several) /* their sum is nobody's */
        c->view.messages.account = (struct es_text){ NULL, 0 };
    return r;
}

/* ---- what nobody here understands ---- */

static void composition_opaque(struct composition *c)
{
    const struct composition_input *best = NULL;

    for (size_t i = 0; i < c->n; i++)
        if (c->inputs[i]->document->has_opaque &&
            (!best || composition_input_compare(c->inputs[i], best) > 0))
            best = c->inputs[i];
    if (best) {
        c->view.has_opaque = true;
        c->view.opaque = best->document->opaque;
    }
}

/* ---- all of it ---- */

static int by_serial(const void *x, const void *y)
{
    const struct composition_input *a = *(struct composition_input *const *)x,
                                   *b = *(struct composition_input *const *)y;

    return (a->serial > b->serial) - (a->serial < b->serial);
}

static int composition_inputs(struct composition *c, struct composition_input *inputs, size_t n)
{
    c->inputs = arena_alloc(&c->scratch, n * sizeof(*c->inputs));
    if (!c->inputs)
        return -ENOMEM;
    c->n = n;
    for (size_t i = 0; i < n; i++)
        c->inputs[i] = &inputs[i];
    qsort(c->inputs, n, sizeof(*c->inputs), by_serial);
    return 0;
}

void event_state_period(const struct event_state *s, uint64_t wall_ms, uint64_t *from_ms,
                        uint64_t *until_ms)
{
    for (size_t i = 0; s->has_presence && i < s->n_timed; i++) {
        const uint64_t bounds[] = { s->timed[i].from_ms, s->timed[i].until_ms };

        for (size_t k = 0; k < ARRAY_LEN(bounds); k++)
            if (bounds[k] <= wall_ms && bounds[k] > *from_ms)
                *from_ms = bounds[k];
            else if (bounds[k] > wall_ms && bounds[k] < *until_ms)
                *until_ms = bounds[k];
    }
}

/* What nearly every telephone publishes: one call that has not ended, or none. */
static bool is_composite(const struct composition_input *only)
{
    const struct event_state *s = only->document;

    return s->has_dialogs && !s->has_presence && !s->has_messages && !s->has_opaque &&
           !s->partial && !only->scoped && s->n_dialogs <= 1 &&
           (!s->n_dialogs || s->dialogs->state != ES_DIALOG_TERMINATED) &&
           s->device == event_state_device(s);
}

int composite_create(struct event_state **out, struct composition_input *inputs, size_t n,
                     uint64_t wall_ms)
{
    _Alignas(max_align_t) char room[SCRATCH_BLOCK];
    struct composition c = { .scratch = { .block_size = SCRATCH_BLOCK }, .wall_ms = wall_ms };
    int r;

    BUG_UNLESS(n > 0);
    if (n == 1 && is_composite(inputs)) {
        *out = event_state_ref(inputs->document);
        return 0;
    }
    arena_lend(&c.scratch, room, sizeof(room));
    r = composition_inputs(&c, inputs, n);
    if (r == 0)
        r = composition_dialogs(&c);
    if (r == 0)
        r = composition_presence(&c);
    if (r == 0)
        r = composition_messages(&c);
    if (r)
        goto out;
    composition_opaque(&c);
    c.view.device = event_state_device(&c.view);
    if (n == 1 && !inputs->document->partial && event_state_same(&c.view, inputs->document))
        *out = event_state_ref(inputs->document);
    else
        r = event_state_pack(out, &c.view);
out:
    arena_fini(&c.scratch);
    return r;
}
