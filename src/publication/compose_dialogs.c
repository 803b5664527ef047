// SPDX-License-Identifier: MIT
/* Dialogs of several publishers: RFC 4235 has each notifier tell all it knows, so the union of what
 * is live is what the resource does. */
#include "publication/compose_internal.h"

#include <stddef.h>
#include <stdlib.h>

struct row {
    struct es_dialog dialog;
    struct composition_input *owner; /* of its id: the oldest publication that tells it */
    struct composition_input *best;  /* whose view of it this is */
    uint64_t changed;                /* of all who tell it the newest */
    size_t position;
    bool ended_now; /* was live in what its document replaced */
    bool hidden;    /* is part of another row, or ended and told */
};

/* ---- rows ---- */

static int input_rows(struct composition *c, struct composition_input *in, struct row *rows)
{
    const struct event_state *s = in->document;
    struct dialog_index former = { NULL, 0 };
    int r = in->former ? dialog_index_make(&c->scratch, &former, in->former) : 0;

    for (size_t i = 0; r == 0 && i < s->n_dialogs; i++)
        rows[i] = (struct row){
            .dialog = s->dialogs[i],
            .owner = in,
            .best = in,
            .changed = in->changed,
            .position = i,
            .ended_now = !dialog_is_live(&s->dialogs[i]) &&
                         dialog_is_live(dialog_index_find(&former, s->dialogs[i].id)),
        };
    return r;
}

static int rows_collect(struct composition *c, struct row **rows, size_t *n)
{
    size_t at = 0;
    int r = 0;

    for (size_t i = 0; i < c->n; i++)
        at += c->inputs[i]->document->has_dialogs ? c->inputs[i]->document->n_dialogs : 0;
    *n = at;
    *rows = arena_alloc(&c->scratch, (at + 1) * sizeof(**rows));
    if (!*rows)
        return -ENOMEM;
    at = 0;
    for (size_t i = 0; r == 0 && i < c->n; i++) {
        if (!c->inputs[i]->document->has_dialogs)
            continue;
        r = input_rows(c, c->inputs[i], *rows + at);
        at += c->inputs[i]->document->n_dialogs;
    }
    return r;
}

/* ---- the same call, told by two ---- */

static bool tags_swapped(const struct es_dialog *d)
{
    return es_text_compare(d->local_tag, d->remote_tag) > 0;
}

static bool names_its_call(const struct es_dialog *d)
{
    return d->call_id.n && d->local_tag.n && d->remote_tag.n;
}

/* Whatever side it is seen from. */
static int call_compare(const struct es_dialog *a, const struct es_dialog *b)
{
    bool a_swapped = tags_swapped(a), b_swapped = tags_swapped(b);
    int order = es_text_compare(a->call_id, b->call_id);

    if (!order)
        order = es_text_compare(a_swapped ? a->remote_tag : a->local_tag,
                                b_swapped ? b->remote_tag : b->local_tag);
    return order ? order
                 : es_text_compare(a_swapped ? a->local_tag : a->remote_tag,
                                   b_swapped ? b->local_tag : b->remote_tag);
}

/* Serial and position are the order of rows in their array. */
static int by_call(const void *x, const void *y)
{
    const struct row *a = *(struct row *const *)x, *b = *(struct row *const *)y;
    int order = call_compare(&a->dialog, &b->dialog);

    return order ? order : (a > b) - (a < b);
}

/* As the other side sees it. Who renders media is not known of the other side. */
static struct es_dialog dialog_turned(const struct es_dialog *d)
{
    struct es_dialog turned = *d;

    turned.local_tag = d->remote_tag;
    turned.remote_tag = d->local_tag;
    turned.local = d->remote;
    turned.remote = d->local;
    turned.held = false;
    if (d->direction != ES_DIRECTION_NONE)
        turned.direction = d->direction == ES_DIRECTION_INITIATOR ? ES_DIRECTION_RECIPIENT
                                                                  : ES_DIRECTION_INITIATOR;
    return turned;
}

static void text_complete(struct es_text *t, struct es_text other)
{
    if (!t->n)
        *t = other;
}

static void party_complete(struct es_dialog_party *p, const struct es_dialog_party *other)
{
    text_complete(&p->identity, other->identity);
    text_complete(&p->display, other->display);
    if (!p->target.n) {
        p->target = other->target;
        p->params = other->params;
        p->n_params = other->n_params;
    }
    if (!p->session.n) {
        p->session_type = other->session_type;
        p->session = other->session;
    }
}

/* confirmed, early, proceeding, trying, terminated */
static unsigned state_strength(enum es_dialog_state s)
{
    return s == ES_DIALOG_TERMINATED ? 0 : (unsigned)s;
}

static void dialog_complete(struct es_dialog *d, const struct es_dialog *other)
{
    if (state_strength(other->state) > state_strength(d->state)) {
        d->state = other->state;
        d->event = other->event;
        d->code = other->code;
        d->held = other->held;
    }
    if (d->direction == ES_DIRECTION_NONE)
        d->direction = other->direction;
    text_complete(&d->details, other->details);
    text_complete(&d->extensions, other->extensions);
    party_complete(&d->local, &other->local);
    party_complete(&d->remote, &other->remote);
}

/* `into` comes of the older publication, which gives the id; the better one gives the view. */
static void row_absorb(struct row *into, struct row *other)
{
    bool better = composition_input_compare(other->best, into->best) > 0;
    struct es_dialog view = better ? other->dialog : into->dialog,
                     lesser = better ? into->dialog : other->dialog;
    struct es_text id = into->dialog.id;

    if (!es_text_same(view.local_tag, lesser.local_tag))
        lesser = dialog_turned(&lesser);
    dialog_complete(&view, &lesser);
    into->dialog = view;
    into->dialog.id = id;
    into->ended_now |= other->ended_now;
    if (better)
        into->best = other->best;
    if (other->changed > into->changed)
        into->changed = other->changed;
    other->hidden = true;
}

/* A call of the resource with itself has two ends, and each publisher may tell one or both. */
struct call {
    struct row *ends[2];
    const struct composition_input *last[2]; /* who has told the end last */
    size_t n_ends;
};

/* Publishers come one after the other. */
static void call_take(struct call *call, struct row *row)
{
    size_t end = call->n_ends;

    for (size_t i = 0; i < call->n_ends; i++)
        if (call->last[i] != row->owner &&
            (end == call->n_ends ||
             es_text_same(call->ends[i]->dialog.local_tag, row->dialog.local_tag)))
            end = i;
    if (end < call->n_ends) {
        row_absorb(call->ends[end], row);
    } else if (end < ARRAY_LEN(call->ends)) {
        call->ends[end] = row;
        call->n_ends++;
    } else {
        return; /* it tells one end twice */
    }
    call->last[end] = row->owner;
}

static int rows_merge(struct composition *c, struct row *rows, size_t n)
{
    struct row **list = arena_alloc(&c->scratch, (n + 1) * sizeof(*list));
    struct call call = { .n_ends = 0 };
    size_t named = 0;

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (names_its_call(&rows[i].dialog))
            list[named++] = &rows[i];
    qsort(list, named, sizeof(*list), by_call);
    for (size_t i = 0; i < named; i++) {
        if (i && call_compare(&list[i - 1]->dialog, &list[i]->dialog) != 0)
            call.n_ends = 0;
        call_take(&call, list[i]);
    }
    return 0;
}

/* ---- what is shown ---- */

static int rows_name(struct composition *c, struct row *rows, size_t n)
{
    struct scoped_id *ids = arena_alloc(&c->scratch, (n + 1) * sizeof(*ids));
    size_t at = 0;

    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!rows[i].hidden)
            ids[at++] = (struct scoped_id){ &rows[i].dialog.id, rows[i].owner, rows[i].position };
    return scoped_ids_settle(&c->scratch, ids, at);
}

/* What has ended is told once beside what is live; where nothing is, what ended last remains. */
static void rows_end(struct row *rows, size_t n)
{
    uint64_t last_end = 0;
    bool any_live = false;

    for (size_t i = 0; i < n; i++) {
        if (rows[i].hidden)
            continue;
        if (dialog_is_live(&rows[i].dialog))
            any_live = true;
        else if (rows[i].changed > last_end)
            last_end = rows[i].changed;
    }
    for (size_t i = 0; i < n; i++)
        if (!dialog_is_live(&rows[i].dialog))
            rows[i].hidden |= any_live ? !rows[i].ended_now : rows[i].changed != last_end;
}

/* Of a telephone that shows a single dialog: what can be picked up, then what it is busy with. */
static unsigned row_rank(const struct es_dialog *d)
{
    switch (d->state) {
    case ES_DIALOG_EARLY:
        return d->direction == ES_DIRECTION_INITIATOR ? 1 : 0;
    case ES_DIALOG_CONFIRMED:
        return 2;
    case ES_DIALOG_PROCEEDING:
        return 3;
    case ES_DIALOG_TRYING:
        return 4;
    case ES_DIALOG_TERMINATED:
        break;
    }
    return 5;
}

static int by_importance(const void *x, const void *y)
{
    const struct row *a = *(struct row *const *)x, *b = *(struct row *const *)y;
    unsigned a_rank = row_rank(&a->dialog), b_rank = row_rank(&b->dialog);

    if (a_rank != b_rank)
        return a_rank < b_rank ? -1 : 1;
    if (a->best->priority != b->best->priority)
        return a->best->priority > b->best->priority ? -1 : 1;
    if (a->changed != b->changed)
        return a->changed > b->changed ? -1 : 1;
    return (a > b) - (a < b);
}

static int rows_show(struct composition *c, struct row *rows, size_t n)
{
    struct row **list = arena_alloc(&c->scratch, (n + 1) * sizeof(*list));
    struct es_dialog *shown = arena_alloc(&c->scratch, (n + 1) * sizeof(*shown));
    size_t left = 0;

    if (!list || !shown)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!rows[i].hidden)
            list[left++] = &rows[i];
    qsort(list, left, sizeof(*list), by_importance);
    for (size_t i = 0; i < left; i++)
        shown[i] = list[i]->dialog;
    c->view.dialogs = shown;
    c->view.n_dialogs = left;
    return 0;
}

int composition_dialogs(struct composition *c)
{
    struct row *rows;
    size_t n;
    int r;

    for (size_t i = 0; i < c->n; i++)
        c->view.has_dialogs |= c->inputs[i]->document->has_dialogs;
    if (!c->view.has_dialogs)
        return 0;
    r = rows_collect(c, &rows, &n);
    if (r == 0)
        r = rows_merge(c, rows, n);
    if (r == 0)
        r = rows_name(c, rows, n);
    if (r)
        return r;
    rows_end(rows, n);
    return rows_show(c, rows, n);
}
