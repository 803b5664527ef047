// SPDX-License-Identifier: MIT
#include "source/heard_calls.h"

static const struct es_param held_param = { { "+sip.rendering", 14 }, { "no", 2 } };

static void text_complete(struct es_text *said, struct es_text former)
{
    if (!said->n)
        *said = former;
}

static bool is_less(const struct es_dialog_party *said, const struct es_dialog_party *former,
                    bool reading)
{
    return !said->identity.n ||
           (reading && !said->display.n && es_text_same(said->identity, former->identity));
}

static void dialog_complete(struct es_dialog *said, const struct es_dialog *former, bool reading)
{
    if (said->direction == ES_DIRECTION_NONE)
        said->direction = former->direction;
    text_complete(&said->call_id, former->call_id);
    text_complete(&said->local_tag, former->local_tag);
    text_complete(&said->remote_tag, former->remote_tag);
    if (is_less(&said->remote, &former->remote, reading))
        said->remote = former->remote;
}

/* Its place among `n`; n: it is none of them. Mostly it is the next one. */
static size_t place_of(struct es_text id, const struct es_dialog *among, size_t n, size_t next)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = (next + i) % n;

        if (es_text_same(among[at].id, id))
            return at;
    }
    return n;
}

/* All said dialogs are put where they were; false: they are not the same, or not in those states.
 */
static bool put_in_order(struct es_dialog *ordered, const struct event_state *said,
                         const struct event_state *former)
{
    size_t at = SIZE_MAX;

    for (size_t i = 0; i < said->n_dialogs; i++) {
        const struct es_dialog *d = &said->dialogs[i], *was;

        at = place_of(d->id, former->dialogs, former->n_dialogs, at + 1);
        if (at == former->n_dialogs || ordered[at].state)
            return false;
        was = &former->dialogs[at];
        if (d->state != was->state || d->held != was->held)
            return false;
        ordered[at] = *d;
    }
    return true;
}

static int order_as(struct event_state *said, const struct event_state *former)
{
    size_t n = said->n_dialogs;
    struct es_dialog *ordered;

    if (n < 2 || n != former->n_dialogs)
        return 0;
    ordered = arena_alloc(&said->arena, n * sizeof(*ordered));
    if (!ordered)
        return -ENOMEM;
    memset(ordered, 0, n * sizeof(*ordered));
    if (put_in_order(ordered, said, former))
        said->dialogs = ordered;
    return 0;
}

int heard_calls_complete(struct event_state **out, struct event_state *said,
                         const struct event_state *former, bool reading)
{
    struct es_dialog *dialogs = (struct es_dialog *)(uintptr_t)said->dialogs; /* its own */
    size_t at = SIZE_MAX;
    int r;

    for (size_t i = 0; i < said->n_dialogs; i++) {
        struct es_dialog *d = &dialogs[i];

        if (d->held) { /* the only parameter that a source has */
            d->local.params = &held_param;
            d->local.n_params = 1;
        }
        if (!former)
            continue;
        at = place_of(d->id, former->dialogs, former->n_dialogs, at + 1);
        if (at < former->n_dialogs)
            dialog_complete(d, &former->dialogs[at], reading);
    }
    r = former ? order_as(said, former) : 0;
    return r ? r : event_state_pack(out, said);
}
