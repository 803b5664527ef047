// SPDX-License-Identifier: MIT
#include "publication/resource_list.h"

#include <stdlib.h>

enum {
    ITEMS_MAX = 1000, /* of a list with all the lists in it */
    LEVELS_MAX = 16,  /* how deep lists may be in each other */
    REPAIR_MS = 1000, /* until what memory was missing for is tried again */
};

struct source { /* a resource that some items are */
    struct map_node node;
    struct list items; /* item.of_source */
    const struct snapshot *newest;
    bool removed;
};

struct item {
    struct list of_source;
    struct resource_list *list;
    struct source *source; /* NULL: it is a list, or there is no such resource */
    struct str user;       /* borrows from the settings that the list was made of */
    uint16_t level;
    bool is_list;
};

struct resource_list {
    struct list link;
    struct resource_lists *all;
    const struct settings *settings; /* a reference: what its items were read from */
    const struct resource_list_settings *of;
    uint64_t resource_id, workers;
    struct list_state *shown;
    struct item *items;
    size_t n;
    size_t unfound; /* items that are no resource */
    struct timer timer;
    const struct snapshot *because; /* a reference: the newest change that it does not show yet */
    bool again;                     /* names may mean something else by now */
    bool peeks;                     /* it is only looked at: nothing is made or watched for it */
    struct resource_name name;      /* below, like `served` */
    struct str served;
    char text[];
};

struct resource_lists {
    struct resource_lists_config cfg;
    const struct settings *settings;
    struct map sources; /* by resource id */
    struct list lists;
};

/* ---- sources ---- */

static bool source_is(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct source, node)->newest->resource_id ==
           *(const uint64_t *)key;
}

static struct source *source_find(const struct resource_lists *ls, uint64_t id)
{
    struct map_node *node = map_find(&ls->sources, map_hash_u64(&ls->sources, id), source_is, &id);

    return node ? CONTAINER_OF(node, struct source, node) : NULL;
}

static struct source *source_get(struct resource_lists *ls, const struct snapshot *s)
{
    struct source *source = source_find(ls, s->resource_id);

    if (source)
        return source;
    source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    source->newest = snapshot_ref(s);
    list_init(&source->items);
    map_add(&ls->sources, &source->node, map_hash_u64(&ls->sources, s->resource_id));
    return source;
}

/* Nobody may need it any more. */
static void source_release(struct resource_lists *ls, struct source *source)
{
    if (!list_empty(&source->items))
        return;
    map_remove(&ls->sources, &source->node);
    if (!source->removed)
        state_unwatch(ls->cfg.core, source->newest->resource_id, ls->cfg.consumer);
    snapshot_unref(source->newest);
    free(source);
}

/* ---- items ---- */

struct walk { /* what a list comes to, as it is gone through */
    struct resource_list *list;
    struct item *items;
    size_t n, unfound;
};

/* As a subscription of its own would, does a compositor serve this name there? */
static bool item_is_served(const struct resource_list *l, struct str user)
{
    const struct settings *s = l->settings;

    if (!l->served.n)
        return false;
    if (settings_endpoint(s, user) || settings_aor(s, user))
        return true;
    for (size_t i = 0; i < s->n_compositors; i++)
        if (s->compositors[i].any_user && str_equal(s->compositors[i].context, l->served))
            return true;
    return false;
}

static int item_snapshot(struct resource_list *l, const struct resource_name *name, bool served,
                         const struct snapshot **out)
{
    const struct resource_lists_config *cfg = &l->all->cfg;
    int r;

    if (l->peeks)
        return state_peek(cfg->core, name, served, out);
    r = state_watch(cfg->core, name, served, cfg->consumer, out, NULL);
    if (r == 0)
        (void)snapshot_ref(*out);
    return r;
}

/* 0, STATE_NO_HINT or -ENOMEM. */
static int item_find(struct resource_list *l, struct item *item)
{
    struct resource_lists *ls = l->all;
    struct str event = list_event(l->name.package);
    bool extension = str_equal(event, STR("dialog")) || str_equal(event, STR("presence"));
    struct resource_name name = { extension ? STR_EMPTY : event, l->name.context, item->user };
    const struct snapshot *s;
    int r = item_snapshot(l, &name, false, &s);

    if (r == STATE_NO_HINT && item_is_served(l, item->user)) {
        name.context = l->served;
        r = item_snapshot(l, &name, true, &s);
    }
    if (r)
        return r;
    item->source = source_get(ls, s);
    if (!item->source) {
        state_unwatch(ls->cfg.core, s->resource_id, ls->cfg.consumer);
        r = -ENOMEM;
    }
    snapshot_unref(s);
    return r;
}

static bool was_met(const struct walk *w, struct str user)
{
    if (str_equal(w->list->of->id, user))
        return true;
    for (size_t i = 0; i < w->n; i++)
        if (str_equal(w->items[i].user, user))
            return true;
    return false;
}

static int item_add(struct walk *w, struct str user, size_t level, bool is_list)
{
    struct item *item;
    int r = ARRAY_GROW(w->items, w->n);

    if (r)
        return r;
    item = &w->items[w->n];
    *item = (struct item){
        .list = w->list, .user = user, .level = (uint16_t)level, .is_list = is_list
    };
    r = is_list ? 0 : item_find(w->list, item);
    if (r < 0)
        return r;
    w->n++;
    w->unfound += r == STATE_NO_HINT;
    return 0;
}

/* Depth first: what was met before, at whatever depth, is left out, so that there are no loops. */
static int walk(struct walk *w, const struct resource_list_settings *of, size_t level)
{
    int r = 0;

    for (size_t i = 0; !r && i < of->n_items; i++) {
        struct str user = of->items[i];
        const struct resource_list_settings *inner;

        if (was_met(w, user))
            continue;
        if (w->n >= ITEMS_MAX) {
            log_warn(w->list->all->cfg.log, "resource_list.too_long", KV("list", w->list->of->id),
                     KV_U("items", ITEMS_MAX));
            return 0;
        }
        inner =
            level < LEVELS_MAX ? settings_resource_list(w->list->settings, user, of->event) : NULL;
        r = item_add(w, user, level, inner != NULL);
        if (!r && inner)
            r = walk(w, inner, level + 1);
    }
    return r;
}

static void items_free(struct resource_lists *ls, struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        list_remove(&items[i].of_source);
        if (items[i].source)
            source_release(ls, items[i].source);
    }
    free(items);
}

/* The new ones first: what both have is not let go of in between. */
static int items_renew(struct resource_list *l)
{
    struct walk w = { .list = l };
    int r = walk(&w, l->of, 0);

    for (size_t i = 0; i < w.n; i++) { /* they have stopped moving */
        list_init(&w.items[i].of_source);
        if (w.items[i].source)
            list_append(&w.items[i].source->items, &w.items[i].of_source);
    }
    if (r) {
        items_free(l->all, w.items, w.n);
        return r;
    }
    items_free(l->all, l->items, l->n);
    l->items = w.items;
    l->n = w.n;
    l->unfound = w.unfound;
    return 0;
}

/* ---- what is shown ---- */

static struct str item_name(const struct resource_list *l, const struct item *item)
{
    return l->of->display_name && item->source ? item->source->newest->hint_name : STR_EMPTY;
}

static int state_make(struct list_state **out, const struct resource_list *l)
{
    struct list_item *items = calloc(l->n + 1, sizeof(*items));
    int r;

    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        const struct item *item = &l->items[i];
        bool there = item->source && !item->source->removed;

        items[i] = (struct list_item){ .user = item->user,
                                       .name = item_name(l, item),
                                       .snapshot = there ? item->source->newest : NULL,
                                       .level = item->level,
                                       .is_list = item->is_list };
    }
    r = list_state_create(out, &(struct list_spec){ .full_state = l->of->full_state,
                                                    .batch_ms = l->of->batch_ms,
                                                    .items = items,
                                                    .n = l->n });
    free(items);
    return r;
}

static int show(struct resource_list *l)
{
    struct event_state *state = NULL;
    struct list_state *made;
    int r = state_make(&made, l);

    if (r)
        return r;
    if (l->shown && list_state_equal(made, l->shown)) {
        list_state_unref(made);
        return 0;
    }
    r = event_state_create(&state);
    if (r == 0) {
        state->has_list = true;
        state->list = list_state_ref(made);
        r = state_published(l->all->cfg.core, &l->name, state);
    }
    event_state_unref(state);
    if (r) {
        list_state_unref(made);
        return r;
    }
    list_state_unref(l->shown);
    l->shown = made;
    return 0;
}

/* What it shows has the cause of the item that has changed last; when none has: `otherwise`.
 * Looking for items may make some, which touches it again. */
static int list_renew(struct resource_list *l, struct str otherwise)
{
    struct state_core *core = l->all->cfg.core;
    const struct snapshot *because = l->because;
    int r;

    l->because = NULL;
    if (because && because->cause.number)
        state_cause_resume(core, &because->cause);
    else
        state_cause_begin(core, otherwise);
    r = l->again ? items_renew(l) : 0;
    if (r == 0) {
        l->again = false;
        r = show(l);
    }
    state_cause_end(core);
    if (r) {
        log_error(l->all->cfg.log, "resource_list.make", KV("list", l->of->id), KV_ERR(r));
        timer_start(l->all->cfg.wheel, &l->timer, REPAIR_MS);
    }
    if (r && !l->because)
        l->because = because;
    else
        snapshot_unref(because);
    return r;
}

static void list_fire(struct timer *t)
{
    (void)list_renew(CONTAINER_OF(t, struct resource_list, timer), STATE_CAUSE_CONFIGURATION);
}

/* After the operation that is under way, with whatever else it changes. */
static void list_touch(struct resource_list *l, const struct snapshot *because)
{
    snapshot_unref(l->because);
    l->because = snapshot_ref(because);
    if (!timer_running(&l->timer))
        timer_start(l->all->cfg.wheel, &l->timer, 0);
}

/* It may be what an item has been waiting for. */
static bool waits_for(const struct resource_list *l, struct str user)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->items[i].source && !l->items[i].is_list && str_equal(l->items[i].user, user))
            return true;
    return false;
}

void resource_lists_snapshot(struct resource_lists *ls, const struct snapshot *s,
                             uint64_t consumers)
{
    struct source *source =
        consumers >> ls->cfg.consumer & 1 ? source_find(ls, s->resource_id) : NULL;

    if (source) {
        snapshot_unref(source->newest);
        source->newest = snapshot_ref(s);
        source->removed = s->state == EXTENSION_REMOVED;
        LIST_FOREACH (it, &source->items) {
            struct resource_list *l = CONTAINER_OF(it, struct item, of_source)->list;

            l->again |= source->removed;
            list_touch(l, s);
        }
    }
    LIST_FOREACH (it, &ls->lists) {
        struct resource_list *l = CONTAINER_OF(it, struct resource_list, link);

        if (l->unfound && waits_for(l, s->extension)) {
            l->again = true;
            list_touch(l, s);
        }
    }
}

/* ---- lists ---- */

static struct resource_list *list_create(struct resource_lists *ls, const struct list_question *q,
                                         const struct resource_list_settings *of)
{
    const struct resource_name *n = &q->name;
    struct resource_list *l =
        malloc(sizeof(*l) + n->package.n + n->context.n + n->extension.n + q->served.n);
    char *at;

    if (!l)
        return NULL;
    *l = (struct resource_list){ .all = ls,
                                 .settings = settings_ref(ls->settings),
                                 .of = of,
                                 .again = true,
                                 .name = *n,
                                 .served = q->served };
    at = l->text;
    str_keep(&l->name.package, &at);
    str_keep(&l->name.context, &at);
    str_keep(&l->name.extension, &at);
    str_keep(&l->served, &at);
    list_init(&l->link);
    list_append(&ls->lists, &l->link);
    timer_init(&l->timer, list_fire);
    return l;
}

static void list_free(struct resource_list *l)
{
    struct resource_lists *ls = l->all;

    timer_stop(ls->cfg.wheel, &l->timer);
    list_remove(&l->link);
    items_free(ls, l->items, l->n);
    list_state_unref(l->shown);
    snapshot_unref(l->because);
    settings_unref(l->settings);
    free(l);
}

static struct resource_list *list_find(struct resource_lists *ls, const struct list_question *q)
{
    LIST_FOREACH (it, &ls->lists) {
        struct resource_list *l = CONTAINER_OF(it, struct resource_list, link);

        if (resource_name_equal(&l->name, &q->name) && str_equal(l->served, q->served))
            return l;
    }
    return NULL;
}

int resource_lists_watch(struct resource_lists *ls, const struct list_question *q,
                         const struct snapshot **out)
{
    const struct resource_list_settings *of =
        settings_resource_list(ls->settings, q->name.extension, list_event(q->name.package));
    struct resource_list *l = of ? list_find(ls, q) : NULL;
    int r = 0;

    if (!of)
        return STATE_NO_HINT;
    if (!l) {
        l = list_create(ls, q, of);
        if (!l)
            return -ENOMEM;
    }
    if (l->again)
        r = list_renew(l, STATE_CAUSE_WATCHED);
    if (!r)
        r = state_watch(ls->cfg.core, &l->name, true, q->worker, out, NULL);
    if (r) {
        if (!l->workers)
            list_free(l);
        return r;
    }
    l->resource_id = (*out)->resource_id;
    l->workers |= UINT64_C(1) << q->worker;
    return 0;
}

/* The core lets go of a resource that nobody watches and nobody tells anything of. */
void resource_lists_unwatch(struct resource_lists *ls, uint64_t resource_id, unsigned worker)
{
    LIST_FOREACH (it, &ls->lists) {
        struct resource_list *l = CONTAINER_OF(it, struct resource_list, link);
        int r;

        if (l->resource_id != resource_id)
            continue;
        l->workers &= ~(UINT64_C(1) << worker);
        if (l->workers)
            return;
        state_cause_begin(ls->cfg.core, STATE_CAUSE_UNWATCHED);
        r = state_published(ls->cfg.core, &l->name, NULL);
        state_cause_end(ls->cfg.core);
        if (r) /* the next one of its name replaces it */
            log_warn(ls->cfg.log, "resource_list.kept", KV("list", l->of->id), KV_ERR(r));
        list_free(l);
        return;
    }
}

static void list_configure(struct resource_list *l)
{
    struct resource_lists *ls = l->all;
    const struct settings *former = l->settings;
    const struct resource_list_settings *of =
        settings_resource_list(ls->settings, l->name.extension, list_event(l->name.package));
    int r;

    if (!of) {
        r = state_resource_end(ls->cfg.core, &l->name);
        if (r)
            log_error(ls->cfg.log, "resource_list.end", KV("list", l->of->id), KV_ERR(r));
        list_free(l);
        return;
    }
    l->settings = settings_ref(ls->settings);
    l->of = of;
    l->again = true;
    r = list_renew(l, STATE_CAUSE_CONFIGURATION);
    if (r == 0) {
        settings_unref(former);
    } else { /* its items still borrow from the former ones */
        settings_unref(l->settings);
        l->settings = former;
        l->of = settings_resource_list(former, l->name.extension, list_event(l->name.package));
    }
}

void resource_lists_configure(struct resource_lists *ls, const struct settings *settings)
{
    const struct settings *former = ls->settings;

    ls->settings = settings_ref(settings);
    settings_unref(former);
    LIST_FOREACH_SAFE (it, &ls->lists)
        list_configure(CONTAINER_OF(it, struct resource_list, link));
}

/* ---- looking ---- */

typedef void (*view_fn)(void *ctx, const struct resource_list_view *v);

static int list_look(const struct resource_list *l, view_fn each, void *each_ctx)
{
    struct list_state *state;
    int r = state_make(&state, l);

    if (r)
        return r;
    each(each_ctx, &(struct resource_list_view){ .of = l->of,
                                                 .name = l->name,
                                                 .snapshot = state_find(l->all->cfg.core, &l->name),
                                                 .state = state });
    list_state_unref(state);
    return 0;
}

/* Where a list for that event is found from the context: see address_resolve. */
static struct list_question question_from(const struct resource_lists *ls, struct str context,
                                          const struct resource_list_settings *of, struct buf *room)
{
    bool extensions = str_equal(of->event, STR("dialog")) || str_equal(of->event, STR("presence"));
    struct list_question q = { .name.extension = of->id };

    buf_add(room, of->event);
    buf_add(room, STR(LIST_SUFFIX));
    q.name.package = buf_str(room);
    for (size_t i = 0; i < ls->settings->n_compositors; i++)
        if (str_equal(ls->settings->compositors[i].context, context))
            q.served = context;
    if (extensions || q.served.n)
        q.name.context = context;
    return q;
}

static int unwatched_look(struct resource_lists *ls, const struct list_question *q,
                          const struct resource_list_settings *of, view_fn each, void *each_ctx)
{
    struct resource_list *l = list_create(ls, q, of);
    int r;

    if (!l)
        return -ENOMEM;
    l->peeks = true;
    r = items_renew(l);
    if (r == 0)
        r = list_look(l, each, each_ctx);
    list_free(l);
    return r;
}

int resource_lists_look(struct resource_lists *ls, struct str context, struct str name,
                        view_fn each, void *each_ctx)
{
    int r = 0;

    for (size_t i = 0; i < ls->settings->n_resource_lists && r == 0; i++) {
        const struct resource_list_settings *of = &ls->settings->resource_lists[i];
        char room[LIST_ITEM_MAX];
        struct list_question q;
        bool watched = false;
        struct buf package;

        if (!str_equal(of->id, name))
            continue;
        buf_init_on(&package, room, sizeof(room));
        q = question_from(ls, context, of, &package);
        LIST_FOREACH (it, &ls->lists) {
            struct resource_list *l = CONTAINER_OF(it, struct resource_list, link);

            if (r || l->of != settings_resource_list(l->settings, name, of->event) ||
                (l->name.context.n && !str_equal(l->name.context, q.name.context)))
                continue;
            watched = true;
            r = list_look(l, each, each_ctx);
        }
        if (!watched && r == 0)
            r = unwatched_look(ls, &q, of, each, each_ctx);
    }
    return r;
}

void resource_lists_having(const struct resource_lists *ls, uint64_t resource_id,
                           void (*each)(void *ctx, const struct snapshot *list), void *each_ctx)
{
    const struct source *source = source_find(ls, resource_id);
    const struct resource_list *told = NULL;

    if (!source)
        return;
    LIST_FOREACH (it, &source->items) { /* those of one list follow each other */
        const struct resource_list *l = CONTAINER_OF(it, const struct item, of_source)->list;
        const struct snapshot *s = l == told ? NULL : state_find(ls->cfg.core, &l->name);

        told = l;
        if (s)
            each(each_ctx, s);
    }
}

/* ---- life ---- */

int resource_lists_create(struct resource_lists **out, const struct resource_lists_config *cfg)
{
    struct resource_lists *ls = calloc(1, sizeof(*ls));
    int r;

    if (!ls)
        return -ENOMEM;
    ls->cfg = *cfg;
    list_init(&ls->lists);
    r = map_init(&ls->sources, cfg->rng);
    if (r) {
        free(ls);
        return r;
    }
    *out = ls;
    return 0;
}

void resource_lists_destroy(struct resource_lists *ls)
{
    if (!ls)
        return;
    LIST_FOREACH_SAFE (it, &ls->lists)
        list_free(CONTAINER_OF(it, struct resource_list, link));
    map_fini(&ls->sources);
    settings_unref(ls->settings);
    free(ls);
}
