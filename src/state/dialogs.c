// SPDX-License-Identifier: MIT
#include "state/dialogs.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- dialogs by id ---- */

static int by_id(const void *x, const void *y)
{
    const struct es_dialog *a = *(const struct es_dialog *const *)x,
                           *b = *(const struct es_dialog *const *)y;
    int order = es_text_compare(a->id, b->id);

    return order ? order : (a > b) - (a < b);
}

int dialog_index_make(struct arena *scratch, struct dialog_index *out, const struct event_state *s)
{
    size_t n = s->has_dialogs ? s->n_dialogs : 0;
    const struct es_dialog **list = arena_alloc(scratch, (n + 1) * sizeof(*list));

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        list[i] = &s->dialogs[i];
    qsort(list, n, sizeof(*list), by_id);
    *out = (struct dialog_index){ list, n };
    return 0;
}

const struct es_dialog *dialog_index_find(const struct dialog_index *x, struct es_text id)
{
    size_t from = 0, to = x->n; /* the first one behind `id` is in between */

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (es_text_compare(x->by_id[middle]->id, id) > 0)
            to = middle;
        else
            from = middle + 1;
    }
    return from && es_text_same(x->by_id[from - 1]->id, id) ? x->by_id[from - 1] : NULL;
}

/* ---- partial documents: RFC 4235 section 4.1 ---- */

/* What `former` said of its dialogs, as the change leaves it, and what is new in the change. With
 * `ended` also those that had ended before. */
static size_t merged_list(struct es_dialog *out, const struct event_state *former,
                          const struct event_state *change, const struct dialog_index *known,
                          const struct dialog_index *changed, bool ended)
{
    size_t n = 0;

    for (size_t i = 0; former->has_dialogs && i < former->n_dialogs; i++) {
        const struct es_dialog *d = dialog_index_find(changed, former->dialogs[i].id);

        if (!d)
            d = &former->dialogs[i];
        if (dialog_is_live(&former->dialogs[i]) || dialog_is_live(d) || ended)
            out[n++] = *d;
    }
    for (size_t i = 0; change->has_dialogs && i < change->n_dialogs; i++) {
        const struct es_dialog *d = &change->dialogs[i];

        if (dialog_is_live(d) && d == dialog_index_find(changed, d->id) &&
            !dialog_index_find(known, d->id))
            out[n++] = *d;
    }
    return n;
}

int dialogs_merge(struct event_state **out, const struct event_state *former,
                  const struct event_state *change)
{
    _Alignas(max_align_t) char scratch_room[4096];
    struct arena scratch = { .block_size = sizeof(scratch_room) };
    struct event_state view = { .has_dialogs = true, .version = change->version };
    struct es_dialog *list = NULL;
    struct dialog_index known, changed;
    size_t room = former->n_dialogs + change->n_dialogs;
    int r;

    arena_lend(&scratch, scratch_room, sizeof(scratch_room));
    r = dialog_index_make(&scratch, &known, former);
    if (r == 0)
        r = dialog_index_make(&scratch, &changed, change);
    if (r)
        goto out;
    r = -ENOMEM;
    list = arena_alloc(&scratch, (room + 1) * sizeof(*list));
    if (!list)
        goto out;
    view.dialogs = list;
    view.n_dialogs = merged_list(list, former, change, &known, &changed, false);
    if (!view.n_dialogs)
        view.n_dialogs = merged_list(list, former, change, &known, &changed, true);
    r = event_state_pack(out, &view);
out:
    arena_fini(&scratch);
    return r;
}
