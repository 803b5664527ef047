// SPDX-License-Identifier: MIT
#include "state/snapshot.h"
#include "base/tally.h"
#include <stdlib.h>

static void count(_Atomic uint64_t *bytes, uint64_t more)
{
    atomic_fetch_add_explicit(bytes, more, memory_order_relaxed);
}

int snapshot_create(struct snapshot **out, const struct snapshot_spec *spec)
{
    size_t n = spec->package.n + spec->context.n + spec->extension.n + spec->hint.n +
               spec->hint_name.n + spec->presence_subtype.n + spec->presence_message.n +
               spec->cause.source.n;
    struct snapshot *s = malloc(sizeof(*s) + n);
    char *at;

    if (!s)
        return -ENOMEM;
    *s = (struct snapshot){
        .heap = spec->heap,
        .resource_id = spec->resource_id,
        .sequence = spec->sequence,
        .changed_wall_ms = spec->changed_wall_ms,
        .since_wall_ms = spec->since_wall_ms,
        .cause = spec->cause,
        .state = spec->state,
        .hint_state = spec->hint_state,
        .has_hint = spec->has_hint,
        .stale = spec->stale,
        .presence = spec->presence,
        .published = event_state_ref(spec->published),
        .calls = event_state_ref(spec->calls),
        .package = spec->package,
        .context = spec->context,
        .extension = spec->extension,
        .hint = spec->hint,
        .hint_name = spec->hint_name,
        .presence_subtype = spec->presence_subtype,
        .presence_message = spec->presence_message,
    };
    atomic_init(&s->refs, 1);
    atomic_init(&s->bodies, NULL);
    at = s->text;
    str_keep(&s->package, &at);
    str_keep(&s->context, &at);
    str_keep(&s->extension, &at);
    str_keep(&s->hint, &at);
    str_keep(&s->hint_name, &at);
    str_keep(&s->presence_subtype, &at);
    str_keep(&s->presence_message, &at);
    str_keep(&s->cause.source, &at);
    if (s->heap)
        count(&s->heap->bytes, tally_size(s));
    *out = s;
    return 0;
}

/* The count and the bodies change under readers who may change nothing else. */
static struct snapshot *shared(const struct snapshot *s)
{
    return (struct snapshot *)s;
}

struct snapshot *snapshot_ref(const struct snapshot *s)
{
    atomic_fetch_add_explicit(&shared(s)->refs, 1, memory_order_relaxed);
    return shared(s);
}

void snapshot_unref(const struct snapshot *s)
{
    struct snapshot_body *b, *next;

    if (!s || atomic_fetch_sub_explicit(&shared(s)->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (b = atomic_load_explicit(&shared(s)->bodies, memory_order_relaxed); b; b = next) {
        next = b->next;
        if (s->heap)
            count(&s->heap->body_bytes, 0 - tally_size(b));
        b->destroy(b);
    }
    event_state_unref(s->published);
    event_state_unref(s->calls);
    if (s->heap)
        count(&s->heap->bytes, 0 - tally_size(s));
    free(shared(s));
}

/* Among the bodies from `from` up to, but without, `end`. */
static struct snapshot_body *body_between(struct snapshot_body *from,
                                          const struct snapshot_body *end, uint64_t key)
{
    for (; from != end; from = from->next)
        if (from->key == key)
            return from;
    return NULL;
}

struct snapshot_body *snapshot_body_find(const struct snapshot *s, uint64_t key)
{
    return body_between(atomic_load_explicit(&shared(s)->bodies, memory_order_acquire), NULL, key);
}

struct snapshot_body *snapshot_body_add(const struct snapshot *s, struct snapshot_body *b)
{
    struct snapshot_body *head, *seen = NULL, *other;

    head = atomic_load_explicit(&shared(s)->bodies, memory_order_acquire);
    do {
        /* The list only grows at its head: what was looked at in an earlier round needs no second
         * look. */
        other = body_between(head, seen, b->key);
        if (other) {
            b->destroy(b);
            return other;
        }
        seen = head;
        b->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&shared(s)->bodies, &head, b,
                                                    memory_order_release, memory_order_acquire));
    if (s->heap)
        count(&s->heap->body_bytes, tally_size(b));
    return b;
}
