// SPDX-License-Identifier: MIT
#include "publication/watcher_info.h"

#include "base/list.h"
#include "base/map.h"
#include "body/sphere.h"

#include <inttypes.h>
#include <stdlib.h>

/* As XML, of all watchers of a resource: one datagram must hold it. */
enum { DOCUMENT_MAX = 48000, ELEMENT_COST = 128 };

struct watcher {
    struct map_node node; /* watcher_info.watchers */
    struct list link;     /* watcher_set.watchers */
    struct list waiting;  /* watcher_info.waiting */
    struct watcher_set *set;
    uint64_t id, waiting_ms; /* the worker and its number; since when */
    enum es_watcher_status status;
    enum es_watcher_event event;
    bool listed, listing; /* it is in the last document, and in the one being made */
    struct {
        enum es_watcher_status status;
        enum es_watcher_event event;
    } told; /* when it is listed */
    struct str endpoint, uri, display;
    char text[];
};

struct question {
    struct list link;
    unsigned worker;
    uint64_t cookie;
    bool cacheable;
};

struct watcher_set {                      /* of one resource, in one package */
    struct map_node by_name, by_resource; /* the latter while somebody watches */
    struct watcher_info *info;
    struct list watchers;       /* as they came */
    struct list questions;      /* until the first document */
    struct timer timer;         /* for the next one */
    uint64_t consumers, silent; /* workers that watch; that have still to tell whom they have */
    uint64_t generation, resource_id, made_ms;
    struct resource_name of, name; /* what is watched; "presence.winfo" of it */
    char text[];
};

struct watcher_info {
    struct watcher_info_config cfg;
    struct map sets, watched, watchers;
    struct list waiting; /* the oldest first */
    size_t n_waiting;
    struct timer give_up, rules;
    uint64_t give_up_ms, generation;
    const struct settings *settings; /* a reference; NULL: not configured yet */
};

static uint64_t now_ms(const struct watcher_info *wi)
{
    return clock_monotonic_ms(wi->cfg.clock);
}

/* ---- sets ---- */

static void set_fire(struct timer *t);

static uint64_t set_hash(const struct watcher_info *wi, const struct resource_name *of)
{
    return map_hash_mix(map_hash(&wi->sets, of->context), map_hash(&wi->sets, of->extension));
}

static bool set_is(const struct map_node *node, const void *key)
{
    const struct resource_name *a = &CONTAINER_OF(node, const struct watcher_set, by_name)->of;
    const struct resource_name *b = key;

    return str_equal(a->extension, b->extension) && str_equal(a->context, b->context) &&
           str_equal(a->package, b->package);
}

static struct watcher_set *set_find(const struct watcher_info *wi, const struct resource_name *of)
{
    struct map_node *node = map_find(&wi->sets, set_hash(wi, of), set_is, of);

    return node ? CONTAINER_OF(node, struct watcher_set, by_name) : NULL;
}

static bool resource_is(const struct map_node *node, const void *id)
{
    return CONTAINER_OF(node, const struct watcher_set, by_resource)->resource_id ==
           *(const uint64_t *)id;
}

static struct watcher_set *set_get(struct watcher_info *wi, const struct resource_name *of)
{
    struct watcher_set *set = set_find(wi, of);
    struct str suffix = STR(WINFO_SUFFIX);
    char *at;

    if (set)
        return set;
    set = calloc(1, sizeof(*set) + of->package.n + suffix.n + of->context.n + of->extension.n);
    if (!set)
        return NULL;
    set->info = wi;
    set->of = *of;
    at = set->text;
    str_keep(&set->of.package, &at);
    str_keep(&suffix, &at);
    str_keep(&set->of.context, &at);
    str_keep(&set->of.extension, &at);
    set->name = set->of;
    set->name.package.n += suffix.n;
    list_init(&set->watchers);
    list_init(&set->questions);
    timer_init(&set->timer, set_fire);
    map_add(&wi->sets, &set->by_name, set_hash(wi, of));
    return set;
}

/* Nobody is in it and nobody asks for it. */
static void set_release(struct watcher_set *set)
{
    if (set->consumers || !list_empty(&set->watchers))
        return;
    map_remove(&set->info->sets, &set->by_name);
    free(set);
}

/* Something is new. */
static void set_touch(struct watcher_set *set)
{
    uint64_t now = now_ms(set->info), due = set->made_ms + WINFO_PACE_MS;

    if (set->consumers && !set->silent && !timer_running(&set->timer))
        timer_start(set->info->cfg.wheel, &set->timer, due > now ? due - now : 0);
}

/* ---- watchers ---- */

static bool watcher_is(const struct map_node *node, const void *id)
{
    return CONTAINER_OF(node, const struct watcher, node)->id == *(const uint64_t *)id;
}

static struct watcher *watcher_find(const struct watcher_info *wi, uint64_t id)
{
    struct map_node *node =
        map_find(&wi->watchers, map_hash_u64(&wi->watchers, id), watcher_is, &id);

    return node ? CONTAINER_OF(node, struct watcher, node) : NULL;
}

static struct watcher *watcher_create(struct watcher_set *set, uint64_t id,
                                      const struct watcher_report *r)
{
    struct watcher *w = malloc(sizeof(*w) + r->endpoint.n + r->uri.n + r->display.n);
    char *at;

    if (!w)
        return NULL;
    *w = (struct watcher){
        .set = set, .id = id, .endpoint = r->endpoint, .uri = r->uri, .display = r->display
    };
    at = w->text;
    str_keep(&w->endpoint, &at);
    str_keep(&w->uri, &at);
    str_keep(&w->display, &at);
    list_init(&w->waiting);
    list_init(&w->link);
    list_append(&set->watchers, &w->link);
    map_add(&set->info->watchers, &w->node, map_hash_u64(&set->info->watchers, id));
    return w;
}

static void waiting_leave(struct watcher *w)
{
    if (list_empty(&w->waiting))
        return;
    list_remove(&w->waiting);
    w->set->info->n_waiting--;
}

/* Its set stays: see set_release. */
static void watcher_destroy(struct watcher *w)
{
    waiting_leave(w);
    list_remove(&w->link);
    map_remove(&w->set->info->watchers, &w->node);
    free(w);
}

/* It is told once, if it was told before at all, and then forgotten. */
static void watcher_end(struct watcher *w, enum es_watcher_event event)
{
    waiting_leave(w);
    w->status = ES_WATCHER_TERMINATED;
    w->event = event;
    if (!w->listed)
        watcher_destroy(w);
}

/* ---- those that wait ---- */

static void waiting_end(struct watcher *w, enum es_watcher_event event)
{
    struct watcher_set *set = w->set;

    watcher_end(w, event);
    set_touch(set);
    set_release(set);
}

static struct watcher *waiting_oldest(const struct watcher_info *wi)
{
    struct list *first = wi->waiting.next;

    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed is no longer linked
    return list_empty(&wi->waiting) ? NULL : CONTAINER_OF(first, struct watcher, waiting);
}

static void give_up_arm(struct watcher_info *wi)
{
    const struct watcher *w = waiting_oldest(wi);
    uint64_t now = now_ms(wi), due = w ? w->waiting_ms + wi->give_up_ms : 0;

    if (w)
        timer_start(wi->cfg.wheel, &wi->give_up, due > now ? due - now : 0);
    else
        timer_stop(wi->cfg.wheel, &wi->give_up);
}

static void give_up_fire(struct timer *t)
{
    struct watcher_info *wi = CONTAINER_OF(t, struct watcher_info, give_up);

    LIST_FOREACH_SAFE (it, &wi->waiting) {
        struct watcher *w = CONTAINER_OF(it, struct watcher, waiting);

        if (w->waiting_ms + wi->give_up_ms > now_ms(wi))
            break;
        waiting_end(w, ES_WATCHER_GIVEUP);
    }
    give_up_arm(wi);
}

/* Whoever subscribes again is not waiting any more: RFC 3857 section 4.7.1. */
static void waiting_replace(struct watcher_info *wi, const struct watcher *by)
{
    LIST_FOREACH_SAFE (it, &wi->waiting) {
        struct watcher *w = CONTAINER_OF(it, struct watcher, waiting);

        if (w != by && w->set == by->set && str_equal(w->uri, by->uri))
            watcher_end(w, ES_WATCHER_GIVEUP);
    }
}

static void waiting_join(struct watcher_info *wi, struct watcher *w)
{
    if (wi->n_waiting == WAITING_MAX) {
        log_warn(wi->cfg.log, "watcher_info.too_many_waiting", KV_U("waiting", wi->n_waiting));
        waiting_end(waiting_oldest(wi), ES_WATCHER_GIVEUP);
    }
    w->waiting_ms = now_ms(wi);
    list_append(&wi->waiting, &w->waiting);
    wi->n_waiting++;
    give_up_arm(wi);
}

/* ---- what the rules say of them ---- */

/* Of whom the watcher waits for; undefined without memory. */
static struct str sphere_in(const struct watcher_info *wi, const struct snapshot *s,
                            char room[XML_NAME_MAX])
{
    struct str sphere = STR_EMPTY;

    if (s && wi->settings->authorization->ask_spheres)
        (void)!sphere_of(&sphere, s->published, room);
    return sphere;
}

/* It has waited enough when there is a rule about it now. `s` is whom it waits for, NULL when there
 * is none. Its set stays. */
static void waiting_judge(struct watcher *w, const struct snapshot *s, uint64_t wall_ms)
{
    const struct resource_name *of = &w->set->of;
    char room[XML_NAME_MAX];
    enum watcher_handling h =
        settings_authorize(w->set->info->settings,
                           &(struct watcher_question){ .endpoint = w->endpoint,
                                                       .uri = w->uri,
                                                       .package = of->package,
                                                       .context = of->context,
                                                       .extension = of->extension,
                                                       .sphere = sphere_in(w->set->info, s, room),
                                                       .wall_ms = wall_ms },
                           NULL);

    if (h == WATCHER_CONFIRM || h == WATCHER_UNDECIDED)
        return;
    set_touch(w->set);
    watcher_end(w, h == WATCHER_BLOCK ? ES_WATCHER_REJECTED : ES_WATCHER_APPROVED);
}

static const struct snapshot *waited_for(const struct watcher *w)
{
    const struct resource_name *of = &w->set->of;

    return state_find(
        w->set->info->cfg.core,
        &(struct resource_name){ .context = of->context, .extension = of->extension });
}

/* About whom there is a rule now; and when that is asked again, for what begins and ends. */
static void rules_apply(struct watcher_info *wi)
{
    uint64_t wall_ms = clock_wall_ms(wi->cfg.clock);
    uint64_t next_ms = settings_authorization_next_ms(wi->settings, wall_ms), left_ms;

    LIST_FOREACH_SAFE (it, &wi->waiting) {
        struct watcher *w = CONTAINER_OF(it, struct watcher, waiting);
        struct watcher_set *set = w->set;

        waiting_judge(w, waited_for(w), wall_ms);
        set_release(set);
    }
    give_up_arm(wi);
    left_ms = next_ms - wall_ms;
    if (next_ms == UINT64_MAX)
        timer_stop(wi->cfg.wheel, &wi->rules);
    else /* not too long: somebody may set the clock */
        timer_start(wi->cfg.wheel, &wi->rules, left_ms < RULES_LOOK_MS ? left_ms : RULES_LOOK_MS);
}

void watcher_info_snapshot(struct watcher_info *wi, const struct snapshot *s)
{
    struct resource_name of = { STR("presence"), s->context, s->extension }; /* as rules ask it */
    struct watcher_set *set;

    if (!wi->n_waiting || !wi->settings->authorization->ask_spheres || s->package.n)
        return;
    set = set_find(wi, &of);
    if (!set)
        return;
    LIST_FOREACH_SAFE (it, &set->watchers) {
        struct watcher *w = CONTAINER_OF(it, struct watcher, link);

        if (w->status == ES_WATCHER_WAITING)
            waiting_judge(w, s, clock_wall_ms(wi->cfg.clock));
    }
    set_release(set);
}

static void rules_fire(struct timer *t)
{
    rules_apply(CONTAINER_OF(t, struct watcher_info, rules));
}

void watcher_info_configure(struct watcher_info *wi, const struct settings *settings)
{
    const struct settings *former = wi->settings;

    wi->settings = settings_ref(settings);
    settings_unref(former);
    wi->give_up_ms = 1000ull * settings->authorization->give_up_s;
    rules_apply(wi);
}

/* ---- documents ---- */

static size_t text_cost(struct str s)
{
    size_t n = s.n;

    for (size_t i = 0; i < s.n; i++)
        n += memchr("<>&\"'\r\n", s.p[i], 7) ? 5 : 0;
    return n;
}

static int element_fill(struct event_state *document, struct es_watcher *out,
                        const struct watcher *w)
{
    char room[32];
    struct buf id;
    int r;

    buf_init_on(&id, room, sizeof(room));
    buf_printf(&id, "%u-%" PRIu64, (unsigned)(w->id >> 56), w->id & (UINT64_MAX >> 8));
    *out = (struct es_watcher){ .status = w->status,
                                .event = w->event,
                                .changed = !w->listed || w->told.status != w->status ||
                                           w->told.event != w->event };
    r = event_state_text(document, &out->id, buf_str(&id));
    if (!r)
        r = event_state_text(document, &out->uri, w->uri);
    return r ? r : event_state_text(document, &out->display, w->display);
}

/* Chooses who is in it: those about whom something may have to be decided, or who have gone, before
 * the others. */
static size_t document_choose(struct watcher_set *set, bool *changes_suffice)
{
    size_t n = 0, left = DOCUMENT_MAX;

    *changes_suffice = true;
    for (unsigned active = 0; active < 2; active++) {
        LIST_FOREACH (it, &set->watchers) {
            struct watcher *w = CONTAINER_OF(it, struct watcher, link);
            size_t cost = ELEMENT_COST + text_cost(w->uri) + text_cost(w->display);

            if ((w->status == ES_WATCHER_ACTIVE) != (active == 1))
                continue;
            w->listing = cost <= left;
            n += w->listing;
            left -= w->listing ? cost : 0;
            if (!w->listing && w->listed)
                *changes_suffice = false;
        }
    }
    return n;
}

static int document_fill(struct watcher_set *set, struct event_state *document)
{
    size_t n = document_choose(set, &document->changes_suffice), at = 0;
    struct es_watcher *list = arena_alloc(&document->arena, (n + 1) * sizeof(*list));
    int r = list ? 0 : -ENOMEM;

    for (unsigned active = 0; active < 2; active++) {
        LIST_FOREACH (it, &set->watchers) {
            const struct watcher *w = CONTAINER_OF(it, struct watcher, link);

            if (!r && w->listing && (w->status == ES_WATCHER_ACTIVE) == (active == 1))
                r = element_fill(document, &list[at++], w);
        }
    }
    document->has_watchers = true;
    document->watchers = list;
    document->n_watchers = n;
    return r;
}

/* The document is out: the next one tells what differs from it. */
static void set_settle(struct watcher_set *set)
{
    size_t left_out = 0;

    LIST_FOREACH_SAFE (it, &set->watchers) {
        struct watcher *w = CONTAINER_OF(it, struct watcher, link);

        w->listed = w->listing;
        w->told.status = w->status;
        w->told.event = w->event;
        left_out += !w->listed;
        if (w->status == ES_WATCHER_TERMINATED)
            watcher_destroy(w);
    }
    if (left_out)
        log_warn(set->info->cfg.log, "watcher_info.too_many", KV("package", set->name.package),
                 KV("resource", set->of.extension), KV_U("left_out", left_out));
}

static void answer(const struct watcher_set *set, unsigned worker, uint64_t cookie, bool cacheable)
{
    const struct watcher_info_config *cfg = &set->info->cfg;
    const struct snapshot *s = NULL;
    int r = state_watch(cfg->core, &set->name, true, worker, &s, NULL);

    if (r)
        log_error(cfg->log, "watcher_info.watch", KV("resource", set->of.extension), KV_ERR(r));
    cfg->port.answer(cfg->port.ctx, worker, cookie, r ? NULL : s, cacheable);
}

static void answer_questions(struct watcher_set *set)
{
    LIST_FOREACH_SAFE (it, &set->questions) {
        struct question *q = CONTAINER_OF(it, struct question, link);

        list_remove(&q->link);
        answer(set, q->worker, q->cookie, q->cacheable);
        free(q);
    }
}

static void set_make(struct watcher_set *set)
{
    struct watcher_info *wi = set->info;
    struct event_state *document = NULL;
    int r = event_state_create(&document);

    if (!r)
        r = document_fill(set, document);
    if (!r)
        r = state_published(wi->cfg.core, &set->name, document);
    event_state_unref(document);
    set->made_ms = now_ms(wi);
    if (r) {
        log_error(wi->cfg.log, "watcher_info.make", KV("resource", set->of.extension), KV_ERR(r));
        set_touch(set);
        return;
    }
    set_settle(set);
    answer_questions(set);
}

static void set_fire(struct timer *t)
{
    set_make(CONTAINER_OF(t, struct watcher_set, timer));
}

/* ---- watching ---- */

static void set_start(struct watcher_set *set, uint64_t resource_id, uint64_t inner_id)
{
    struct watcher_info *wi = set->info;

    set->resource_id = resource_id;
    set->generation = ++wi->generation;
    set->silent = UINT64_MAX >> (64 - wi->cfg.n_workers);
    map_add(&wi->watched, &set->by_resource, map_hash_u64(&wi->watched, resource_id));
    wi->cfg.port.start(wi->cfg.port.ctx, &set->of, inner_id, set->generation);
}

/* The state core lets go of a resource that nobody watches and nobody tells anything of. */
static void set_stop(struct watcher_set *set)
{
    struct watcher_info *wi = set->info;
    int r;

    map_remove(&wi->watched, &set->by_resource);
    timer_stop(wi->cfg.wheel, &set->timer);
    wi->cfg.port.stop(wi->cfg.port.ctx, &set->of);
    LIST_FOREACH_SAFE (it, &set->watchers) {
        struct watcher *w = CONTAINER_OF(it, struct watcher, link);

        w->listed = false;
        if (w->status != ES_WATCHER_WAITING)
            watcher_destroy(w);
    }
    r = state_published(wi->cfg.core, &set->name, NULL);
    if (r) /* the next document replaces it */
        log_warn(wi->cfg.log, "watcher_info.kept", KV("resource", set->of.extension), KV_ERR(r));
    set_release(set);
}

/* 0 or -ENOMEM. */
static int watch(struct watcher_info *wi, struct watcher_set *set,
                 const struct watcher_info_question *q)
{
    struct question *asked = malloc(sizeof(*asked));
    bool ready = !set->silent && list_empty(&set->questions);
    const struct snapshot *s;
    int r = asked ? state_watch(wi->cfg.core, &set->name, true, q->worker, &s, NULL) : -ENOMEM;

    if (r) {
        free(asked);
        return r;
    }
    *asked =
        (struct question){ .worker = q->worker, .cookie = q->cookie, .cacheable = q->cacheable };
    list_init(&asked->link);
    list_append(&set->questions, &asked->link);
    if (!set->consumers)
        set_start(set, s->resource_id, q->resource_id);
    else if (ready)
        answer_questions(set);
    set->consumers |= 1ull << q->worker;
    return 0;
}

void watcher_info_watch(struct watcher_info *wi, const struct watcher_info_question *q)
{
    struct watcher_set *set = set_get(wi, &q->of);
    int r = set ? watch(wi, set, q) : -ENOMEM;

    if (r) {
        log_error(wi->cfg.log, "watcher_info.watch", KV("resource", q->of.extension), KV_ERR(r));
        wi->cfg.port.answer(wi->cfg.port.ctx, q->worker, q->cookie, NULL, false);
    }
    if (set)
        set_release(set);
}

void watcher_info_unwatch(struct watcher_info *wi, uint64_t resource_id, unsigned worker)
{
    struct map_node *node =
        map_find(&wi->watched, map_hash_u64(&wi->watched, resource_id), resource_is, &resource_id);
    struct watcher_set *set = node ? CONTAINER_OF(node, struct watcher_set, by_resource) : NULL;

    if (!set)
        return;
    set->consumers &= ~(1ull << worker);
    if (!set->consumers)
        set_stop(set);
}

/* ---- reports ---- */

static void set_listed(struct watcher_set *set, unsigned worker)
{
    uint64_t was = set->silent;

    set->silent &= ~(1ull << worker);
    if (was && !set->silent)
        set_make(set);
}

static void watcher_move(struct watcher_info *wi, struct watcher *w, const struct watcher_report *r)
{
    if (r->status == ES_WATCHER_TERMINATED) {
        watcher_end(w, r->event);
        return;
    }
    w->status = r->status;
    w->event = r->event;
    waiting_replace(wi, w);
    if (w->status == ES_WATCHER_WAITING) {
        waiting_join(wi, w);
        /* What decides about it may have come while its worker told that it waits. */
        waiting_judge(w, waited_for(w), clock_wall_ms(wi->cfg.clock));
    }
}

/* Of one that ended before it was known there is nothing to tell. */
static void set_report(struct watcher_set *set, uint64_t id, const struct watcher_report *r)
{
    struct watcher_info *wi = set->info;
    struct watcher *w = watcher_find(wi, id);

    if (!w && r->status == ES_WATCHER_TERMINATED)
        return;
    if (w && w->status == r->status && w->event == r->event)
        return; /* told again */
    w = w ? w : watcher_create(set, id, r);
    if (!w) {
        log_error(wi->cfg.log, "watcher_info.report", KV("resource", r->of.extension),
                  KV_ERR(-ENOMEM));
        return;
    }
    watcher_move(wi, w, r);
    set_touch(set);
}

void watcher_info_report(struct watcher_info *wi, unsigned worker, const struct watcher_report *r)
{
    bool waits = r->number && r->status == ES_WATCHER_WAITING;
    struct watcher_set *set = waits ? set_get(wi, &r->of) : set_find(wi, &r->of);

    /* What was under way when it was stopped, and perhaps started anew, counts no more. */
    if (!set || (!waits && (!set->consumers || set->generation != r->generation)))
        return;
    if (r->number)
        set_report(set, (uint64_t)worker << 56 | r->number, r);
    else
        set_listed(set, worker);
    set_release(set);
}

/* ---- life ---- */

int watcher_info_create(struct watcher_info **out, const struct watcher_info_config *cfg)
{
    struct watcher_info *wi = calloc(1, sizeof(*wi));
    int r = -ENOMEM;

    if (!wi)
        return r;
    BUG_UNLESS(cfg->n_workers > 0 && cfg->n_workers < 64);
    wi->cfg = *cfg;
    list_init(&wi->waiting);
    timer_init(&wi->give_up, give_up_fire);
    timer_init(&wi->rules, rules_fire);
    r = map_init(&wi->sets, cfg->rng);
    if (!r)
        r = map_init(&wi->watched, cfg->rng);
    if (!r)
        r = map_init(&wi->watchers, cfg->rng);
    if (r)
        watcher_info_destroy(wi);
    else
        *out = wi;
    return r;
}

static void set_destroy(struct watcher_set *set)
{
    LIST_FOREACH_SAFE (it, &set->watchers)
        watcher_destroy(CONTAINER_OF(it, struct watcher, link));
    LIST_FOREACH_SAFE (it, &set->questions)
        free(CONTAINER_OF(it, struct question, link));
    timer_stop(set->info->cfg.wheel, &set->timer);
    map_remove(&set->info->sets, &set->by_name);
    free(set);
}

void watcher_info_destroy(struct watcher_info *wi)
{
    if (!wi)
        return;
    if (wi->watchers.buckets)
        MAP_FOREACH_SAFE (node, &wi->sets)
            set_destroy(CONTAINER_OF(node, struct watcher_set, by_name));
    timer_stop(wi->cfg.wheel, &wi->give_up);
    timer_stop(wi->cfg.wheel, &wi->rules);
    settings_unref(wi->settings);
    map_fini(&wi->sets);
    map_fini(&wi->watched);
    map_fini(&wi->watchers);
    free(wi);
}
