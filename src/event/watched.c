// SPDX-License-Identifier: MIT
/* Resources with subscriptions, what names mean, and the fan-out of a change.
 *
 * A name is asked for once, however many want it; while the answer may be kept, later subscribers
 * get it from here. A change only moves a list: subscriptions are then attended to slice by slice,
 * so that the worker stays answerable. */
#include "body/shown.h"
#include "body/sphere.h"
#include "event/event_internal.h"

#include <stdlib.h>

struct name { /* what a name means, or the question what it means */
    struct map_node node;
    struct list link;         /* asked: notifier.questions; known: watched.names */
    struct watched *resource; /* NULL: asked */
    struct list waiting;      /* subscription.of_question, of those that want to know */
    uint64_t cookie;
    bool stale; /* asked of a dialplan that may be the former one: the answer is good for once */
    struct watched_name key; /* its texts are below */
    char text[];
};

/* ---- names ---- */

static uint64_t name_hash(const struct notifier *n, const struct watched_name *k)
{
    return map_hash_mix(map_hash(&n->names, k->name.context),
                        map_hash(&n->names, k->name.extension));
}

static bool name_is(const struct map_node *node, const void *key)
{
    const struct watched_name *m = &CONTAINER_OF(node, const struct name, node)->key;
    const struct watched_name *k = key;

    return str_equal(m->name.extension, k->name.extension) &&
           str_equal(m->name.context, k->name.context) &&
           str_equal(m->name.package, k->name.package) && str_equal(m->served, k->served);
}

static struct name *name_find(const struct notifier *n, const struct watched_name *k)
{
    struct map_node *node = map_find(&n->names, name_hash(n, k), name_is, k);

    return node ? CONTAINER_OF(node, struct name, node) : NULL;
}

/* With a question under way: the port has been asked. */
static int name_ask(struct name **out, struct notifier *n, const struct watched_name *k)
{
    struct name *m = malloc(sizeof(*m) + k->name.package.n + k->name.context.n +
                            k->name.extension.n + k->served.n);
    char *at;
    int r;

    if (!m)
        return -ENOMEM;
    *m = (struct name){ .cookie = n->next_cookie, .key = *k };
    at = m->text;
    str_keep(&m->key.name.package, &at);
    str_keep(&m->key.name.context, &at);
    str_keep(&m->key.name.extension, &at);
    str_keep(&m->key.served, &at);
    r = n->cfg.port.watch(n->cfg.port.ctx, &m->key.name, m->key.served, m->cookie);
    if (r) {
        free(m);
        return r;
    }
    n->next_cookie++;
    list_init(&m->waiting);
    list_init(&m->link);
    list_append(&n->questions, &m->link);
    map_add(&n->names, &m->node, name_hash(n, k));
    tally_add(&n->heap.resources, m);
    n->counters.watches_pending++;
    *out = m;
    return 0;
}

static void name_forget(struct notifier *n, struct name *m)
{
    BUG_UNLESS(list_empty(&m->waiting));
    if (!m->resource)
        n->counters.watches_pending--;
    list_remove(&m->link);
    map_remove(&n->names, &m->node);
    tally_remove(&n->heap.resources, m);
    free(m);
}

static void names_forget(struct watched *w)
{
    LIST_FOREACH_SAFE (it, &w->names)
        name_forget(w->notifier, CONTAINER_OF(it, struct name, link));
}

static struct name *question_find(const struct notifier *n, uint64_t cookie)
{
    LIST_FOREACH (it, &n->questions) { /* answers come in order: it is the first one */
        struct name *m = CONTAINER_OF(it, struct name, link);

        if (m->cookie == cookie)
            return m;
    }
    return NULL;
}

/* ---- resources ---- */

static bool resource_is(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct watched, node)->newest->resource_id ==
           *(const uint64_t *)key;
}

struct watched *watched_by_id(const struct notifier *n, uint64_t id)
{
    struct map_node *node =
        map_find(&n->resources, map_hash_u64(&n->resources, id), resource_is, &id);

    return node ? CONTAINER_OF(node, struct watched, node) : NULL;
}

static struct watched *resource_create(struct notifier *n, const struct snapshot *snap)
{
    struct watched *w = malloc(sizeof(*w));

    if (!w)
        return NULL;
    *w = (struct watched){ .notifier = n, .newest = snapshot_ref(snap) };
    list_init(&w->told);
    list_init(&w->behind);
    list_init(&w->names);
    list_init(&w->queued);
    list_init(&w->idle);
    tally_add(&n->heap.resources, w);
    map_add(&n->resources, &w->node, map_hash_u64(&n->resources, snap->resource_id));
    return w;
}

static void resource_destroy(struct notifier *n, struct watched *w)
{
    BUG_UNLESS(list_empty(&w->told) && list_empty(&w->behind));
    names_forget(w);
    list_remove(&w->queued);
    list_remove(&w->idle);
    map_remove(&n->resources, &w->node);
    tally_remove(&n->heap.resources, w);
    snapshot_unref(w->neutral);
    snapshot_unref(w->gone);
    snapshot_unref(w->newest);
    free(w);
}

bool watched_is_removed(const struct watched *w)
{
    return w->newest->state == EXTENSION_REMOVED;
}

/* Of another resource id than anybody's, so that it is told from what the resource really shows. */
int stand_in_make(struct snapshot **out, const struct snapshot *of, enum extension_state state)
{
    return snapshot_create(out, &(struct snapshot_spec){ .sequence = 1,
                                                         .changed_wall_ms = of->changed_wall_ms,
                                                         .state = state,
                                                         .hint_state = EXTENSION_UNAVAILABLE,
                                                         .has_hint = true,
                                                         .presence = PRESENCE_NOT_SET,
                                                         .package = of->package,
                                                         .context = of->context,
                                                         .extension = of->extension });
}

static const struct snapshot *stand_in(const struct snapshot **kept, const struct snapshot *s,
                                       enum extension_state state)
{
    struct snapshot *made;

    if (!*kept && !stand_in_make(&made, s, state))
        *kept = made;
    return *kept;
}

const struct snapshot *watched_view(const struct subscription *s)
{
    const struct snapshot *shown;
    struct watched *w = s->resource;

    if (s->handling != WATCHER_ALLOW || subscription_unaccepted(s, w, sub_accept(s)).n)
        return stand_in(&w->neutral, w->newest, EXTENSION_UNAVAILABLE);
    if (s->reason == END_NORESOURCE && !watched_is_removed(w))
        return stand_in(&w->gone, w->newest, EXTENSION_REMOVED);
    if (s->list)
        return list_view(s, w->newest);
    if (s->view)
        return snapshot_shown(&shown, w->newest, s->view) ? NULL : shown;
    return w->newest;
}

/* Give it back, unless a question is open: it may turn out to mean this very resource, and whoever
 * answers it may have done so already. Then an unwatch sent now would arrive behind the answer and
 * end the watch it promises. */
static void idle_settle(struct notifier *n)
{
    uint64_t oldest = n->next_cookie;

    if (n->destroying)
        return;
    if (!list_empty(&n->questions))
        oldest = CONTAINER_OF(n->questions.next, struct name, link)->cookie;
    while (!list_empty(&n->idle)) {
        struct watched *w = CONTAINER_OF(n->idle.next, struct watched, idle);
        uint64_t id = w->newest->resource_id;

        if (w->idle_cookie > oldest)
            break;
        resource_destroy(n, w);
        if (id) /* of watched_strand there is nothing to be given back */
            n->cfg.port.unwatch(n->cfg.port.ctx, id);
    }
}

static void watched_release(struct watched *w)
{
    struct notifier *n = w->notifier;

    if (w->pins || !list_empty(&w->told) || !list_empty(&w->behind) || !list_empty(&w->idle))
        return;
    w->idle_cookie = n->next_cookie;
    list_append(&n->idle, &w->idle);
    idle_settle(n);
}

void watched_join(struct watched *w, struct subscription *s)
{
    list_remove(&w->idle);
    s->resource = w;
    list_append(&w->told, &s->of_resource);
}

/* The last one who waited has gone: the answer, if it ever comes, finds nobody. */
static void leave_question(struct notifier *n, struct subscription *s)
{
    struct list *neighbour = s->of_question.next;
    bool alone = neighbour != &s->of_question && neighbour == s->of_question.prev;

    list_remove(&s->of_question);
    if (alone) /* but for the head of the list */
        name_forget(n, CONTAINER_OF(neighbour, struct name, waiting));
}

void watched_leave(struct notifier *n, struct subscription *s)
{
    leave_question(n, s);
    if (!s->resource) {
        idle_settle(n);
        return;
    }
    list_remove(&s->of_resource);
    watched_release(s->resource);
}

/* ---- from one to another ---- */

static void fan_out_wake(struct notifier *n)
{
    if (!list_empty(&n->fan_out) && !timer_running(&n->fan_out_timer))
        timer_start(n->cfg.wheel, &n->fan_out_timer, 0);
}

/* Those of the same resource wait for each other. */
static void behind_add(struct watched *w, struct subscription *s)
{
    list_append(&w->behind, &s->of_resource);
    if (list_empty(&w->queued))
        list_append(&w->notifier->fan_out, &w->queued);
    fan_out_wake(w->notifier);
}

void watched_move(struct subscription *s, struct watched *to)
{
    struct watched *former = s->resource;

    if (to == former)
        return;
    log_debug(to->notifier->cfg.log, "subscription.follows",
              KV("call_id", head_str(s->dialog->head, HEAD_CALL_ID)),
              KV("context", to->newest->context), KV("extension", to->newest->extension));
    winfo_follows(s, to);
    list_remove(&s->of_resource);
    list_remove(&to->idle);
    s->resource = to;
    subscription_resolicit(s);
    subscription_doubt(s); /* there are rules about this one, too */
    if (s->restored && subscription_settle(s))
        list_append(&to->told, &s->of_resource); /* as most do: without a turn of its own */
    else
        behind_add(to, s);
    watched_release(former);
}

/* ---- from a former process ---- */

static int limbo_open(struct notifier *n)
{
    struct snapshot *nothing;
    int r = snapshot_create(&nothing,
                            &(struct snapshot_spec){ .sequence = 1, .state = EXTENSION_REMOVED });

    if (r)
        return r;
    n->limbo = resource_create(n, nothing);
    snapshot_unref(nothing);
    if (!n->limbo)
        return -ENOMEM;
    n->limbo->pins++;
    return 0;
}

/* Who watches is asked when those who do are here again. */
int watched_recall(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;
    int r = n->limbo ? 0 : limbo_open(n);
    struct watched_name key;
    char package_room[128];
    struct buf package;

    if (r)
        return r;
    s->restored = true;
    s->resource = n->limbo;
    s->lookup = n->lookup - 1;
    list_append(&n->limbo->told, &s->of_resource);
    buf_init_on(&package, package_room, sizeof(package_room));
    if (!s->winfo && address_again(&key, s, &package) && watched_find_again(s, &key) == 0)
        return 0;
    list_remove(&s->of_resource);
    behind_add(n->limbo, s);
    return 0;
}

void watched_strand(struct subscription *s)
{
    struct notifier *n = s->dialog->notifier;
    struct snapshot *nothing;
    struct watched *w;

    if (!watched_is_limbo(s->resource) ||
        snapshot_create(&nothing, &(struct snapshot_spec){ .sequence = 1,
                                                           .state = EXTENSION_REMOVED,
                                                           .extension = sub_text(s, SUB_USER) }))
        return;
    w = resource_create(n, nothing);
    snapshot_unref(nothing);
    if (!w)
        return;
    leave_question(n, s);
    list_remove(&s->of_resource);
    watched_join(w, s);
}

/* ---- asking ---- */

/* A question asked of the former dialplan tells nothing about this one. */
static void question_join(struct name *m, struct subscription *s)
{
    s->lookup = s->dialog->notifier->lookup - (m->stale ? 1 : 0);
    list_append(&m->waiting, &s->of_question);
}

void watched_find(struct subscription *s, const struct watched_name *key)
{
    struct notifier *n = s->dialog->notifier;
    struct name *m = name_find(n, key);

    if (m && m->resource) {
        s->lookup = n->lookup;
        subscription_accept(s, m->resource);
        return;
    }
    if (!m) {
        int r = name_ask(&m, n, key);

        if (r) {
            log_warn(n->cfg.log, "notifier.watch_failed", KV("resource", key->name.extension),
                     KV_ERR(r));
            subscription_refuse(s, 503, "the state of this resource cannot be asked for now");
            return;
        }
    }
    question_join(m, s);
}

int watched_find_again(struct subscription *s, const struct watched_name *key)
{
    struct notifier *n = s->dialog->notifier;
    struct name *m = name_find(n, key);
    int r = 0;

    if (!m)
        r = name_ask(&m, n, key);
    if (!r && m->resource)
        watched_move(s, m->resource);
    else if (!r)
        question_join(m, s);
    return r;
}

/* Those who waited, while they are dealt with. `end` stays behind them: nobody is alone in it, and
 * who leaves it is not taken for the last who wants to know a name. */
struct handed {
    struct list waiting, end;
};

static void handed_init(struct handed *h)
{
    list_init(&h->waiting);
    list_init(&h->end);
    list_append(&h->waiting, &h->end);
}

static void handed_add(struct handed *h, struct list *of_question)
{
    list_remove(of_question);
    list_append(&h->end, of_question); /* before it */
}

/* Each is unlinked first: accepting or refusing one may end it, and even another. */
static struct subscription *handed_take(struct handed *h)
{
    struct subscription *s;

    if (h->waiting.next == &h->end)
        return NULL;
    s = CONTAINER_OF(h->waiting.next, struct subscription, of_question);
    list_remove(&s->of_question);
    return s;
}

static void handed_refuse(struct handed *h, unsigned status, const char *why)
{
    struct subscription *s;

    while ((s = handed_take(h)))
        if (s->state == SUB_RESP_WAIT)
            subscription_refuse(s, status, why);
}

/* The name is no question any more; who waited for it is handed out. */
static void question_close(struct notifier *n, struct name *m, struct watched *w, bool cacheable,
                           struct handed *waiting)
{
    LIST_FOREACH_SAFE (it, &m->waiting)
        handed_add(waiting, it);
    if (!w || !cacheable || m->stale) {
        name_forget(n, m);
        return;
    }
    n->counters.watches_pending--;
    m->resource = w;
    list_remove(&m->link);
    list_append(&w->names, &m->link);
}

/* Is the sphere that rules ask for another one now? */
static bool sphere_changed(const struct watched *w, const struct snapshot *former)
{
    const struct event_state *is = w->newest->published, *was = former->published;
    char is_room[XML_NAME_MAX], was_room[XML_NAME_MAX];
    struct str is_in, was_in;

    if (!w->notifier->settings->authorization->ask_spheres || is == was)
        return false;
    return sphere_of(&is_in, is, is_room) || sphere_of(&was_in, was, was_room) ||
           !str_equal(is_in, was_in);
}

static void doubt_all(struct list *subscriptions)
{
    LIST_FOREACH (it, subscriptions)
        subscription_doubt(CONTAINER_OF(it, struct subscription, of_resource));
}

static void newest_set(struct watched *w, const struct snapshot *snap)
{
    const struct snapshot *former = w->newest;

    w->newest = snapshot_ref(snap);
    if (sphere_changed(w, former)) {
        doubt_all(&w->told);
        doubt_all(&w->behind);
    }
    snapshot_unref(former);
    if (watched_is_removed(w))
        names_forget(w); /* whoever asks again asks for its successor */
}

/* The resource an answer names. One that we know may have changed since we asked, never the other
 * way round. */
static struct watched *answer_resource(struct notifier *n, const struct snapshot *snap)
{
    struct watched *w = watched_by_id(n, snap->resource_id);

    if (w)
        return w;
    w = resource_create(n, snap);
    if (!w) {
        log_error(n->cfg.log, "notifier.resource", KV("resource", snap->extension),
                  KV_ERR(-ENOMEM));
        n->cfg.port.unwatch(n->cfg.port.ctx, snap->resource_id);
    }
    return w;
}

/* RFC 4662 section 4.1: there is a list of that name, which this subscriber does not understand. */
static bool is_list_only(const struct subscription *s)
{
    return !s->list && sub_text(s, SUB_USER).n &&
           settings_resource_list(s->dialog->notifier->settings, sub_text(s, SUB_USER),
                                  sub_package(s));
}

static void answer_new(struct subscription *s, const struct watched_answer *a)
{
    bool there = a->exists && !(a->resource && watched_is_removed(a->resource));

    if (!there && is_list_only(s))
        subscription_refuse(s, 421, "this is a resource list: Supported: eventlist is needed");
    else if (!there)
        subscription_refuse(s, 404, "nothing of that name can be watched");
    else if (!a->resource)
        subscription_refuse(s, 503, "there is no memory for this resource");
    else
        subscription_accept(s, a->resource);
}

static void answer_waiting(struct handed *waiting, const struct watched_answer *a)
{
    struct subscription *s;

    while ((s = handed_take(waiting))) {
        if (s->state == SUB_RESP_WAIT)
            answer_new(s, a);
        else
            follow_answer(s, a);
    }
}

/* ---- the fan-out ---- */

/* What may still be attended to in this tick: others wait meanwhile. */
static size_t slice_left(struct notifier *n)
{
    uint64_t tick = notifier_now(n) / WHEEL_TICK_MS;

    if (tick != n->slice_tick)
        n->slice_left = FAN_OUT_SLICE;
    n->slice_tick = tick;
    return n->slice_left;
}

/* Attends to at most `budget`. To be followed by attended(). */
static void attend(struct watched *w, size_t budget)
{
    size_t *left = &w->notifier->slice_left, done = 0;

    w->pins++;
    while (done < budget && !list_empty(&w->behind)) {
        struct subscription *s = CONTAINER_OF(w->behind.next, struct subscription, of_resource);

        list_remove(&s->of_resource);
        list_append(&w->told, &s->of_resource);
        subscription_attend(s);
        done++;
    }
    w->pins--;
    *left -= done < *left ? done : *left;
}

/* A resource with few subscriptions need not wait for large ones. */
static void attend_at_once(struct watched *w)
{
    size_t left = slice_left(w->notifier);

    attend(w, left < FAN_OUT_SMALL ? FAN_OUT_SMALL : left < FAN_OUT_TURN ? left : FAN_OUT_TURN);
}

/* Everybody of this resource is behind. */
static void fan_out_add(struct watched *w)
{
    list_splice(&w->behind, &w->told);
    if (list_empty(&w->queued) && !list_empty(&w->behind))
        list_append(&w->notifier->fan_out, &w->queued);
}

static void attended(struct watched *w)
{
    list_remove(&w->queued);
    if (!list_empty(&w->behind))
        list_append(&w->notifier->fan_out,
                    &w->queued); /* its next slice comes after those of others */
    watched_release(w);
}

/* Part of a slice, which the resources have in turns. */
static void fan_out_turn(struct notifier *n)
{
    size_t left = slice_left(n), end = left < FAN_OUT_TURN ? 0 : left - FAN_OUT_TURN;

    while (n->slice_left > end && !list_empty(&n->fan_out)) {
        struct watched *w = CONTAINER_OF(n->fan_out.next, struct watched, queued);

        attend(w, n->slice_left - end);
        attended(w);
    }
    fan_out_wake(n);
}

bool notifier_turn(struct notifier *n)
{
    if (list_empty(&n->fan_out))
        return false;
    fan_out_turn(n);
    return n->slice_left && !list_empty(&n->fan_out);
}

/* Wakes only: see notifier_turn. */
void watched_fan_out_fire(struct timer *t)
{
    (void)t;
}

void watched_fan_out_all(struct notifier *n)
{
    MAP_FOREACH (node, &n->resources)
        fan_out_add(CONTAINER_OF(node, struct watched, node));
    fan_out_turn(n);
}

void notifier_snapshot(struct notifier *n, const struct snapshot *snap)
{
    struct watched *w = watched_by_id(n, snap->resource_id);

    if (!w || snap->sequence <= w->newest->sequence)
        return;
    newest_set(w, snap);
    fan_out_add(w);
    attend_at_once(w);
    attended(w);
    fan_out_wake(n);
}

void notifier_watch_result(struct notifier *n, uint64_t cookie, const struct snapshot *snap,
                           bool cacheable)
{
    struct watched_answer a = { .exists = snap && snap->state != EXTENSION_REMOVED,
                                .always = cacheable };
    struct watched *w = a.exists ? answer_resource(n, snap) : NULL;
    struct handed waiting;
    struct name *m;

    a.resource = w;
    handed_init(&waiting);
    if (w) {
        w->pins++;
        list_remove(&w->idle);      /* nobody gives back what is in use here */
        notifier_snapshot(n, snap); /* nothing new, unless a change was lost on its way */
    }
    m = question_find(n, cookie); /* that change may have ended whoever asked */
    if (m)
        question_close(n, m, w, cacheable, &waiting);
    answer_waiting(&waiting, &a);
    if (w) {
        attend_at_once(w); /* those that have come here from elsewhere */
        w->pins--;
        attended(w);
        fan_out_wake(n);
    }
    idle_settle(n);
}

void notifier_dialplan_changed(struct notifier *n)
{
    n->lookup++;
    MAP_FOREACH_SAFE (node, &n->names) {
        struct name *m = CONTAINER_OF(node, struct name, node);

        if (m->resource)
            name_forget(n, m);
        else
            m->stale = true;
    }
    watched_fan_out_all(n);
}

/* ---- all that wait ---- */

/* Of each question those who are to go; they go when all are found. */
static void refuse_waiting(struct notifier *n,
                           bool (*goes)(const struct notifier *n, const struct subscription *s),
                           const char *why)
{
    struct handed going;

    handed_init(&going);
    LIST_FOREACH (it, &n->questions) {
        LIST_FOREACH_SAFE (at, &CONTAINER_OF(it, struct name, link)->waiting)
            if (goes(n, CONTAINER_OF(at, const struct subscription, of_question)))
                handed_add(&going, at);
    }
    handed_refuse(&going, 503, why);
}

static bool goes_always(const struct notifier *n, const struct subscription *s)
{
    (void)n;
    (void)s;
    return true;
}

void watched_refuse_all(struct notifier *n)
{
    refuse_waiting(n, goes_always, "this server is about to stop");
}

static bool is_barred(const struct notifier *n, const struct subscription *s)
{
    const struct endpoint_settings *e = settings_endpoint(n->settings, dialog_endpoint(s->dialog));

    return !e || !e->allow_subscribe;
}

void watched_refuse_barred(struct notifier *n)
{
    refuse_waiting(n, is_barred, "the configuration has changed meanwhile");
}

void watched_fini(struct notifier *n)
{
    MAP_FOREACH_SAFE (node, &n->names)
        name_forget(n, CONTAINER_OF(node, struct name, node));
    MAP_FOREACH_SAFE (node, &n->resources)
        resource_destroy(n, CONTAINER_OF(node, struct watched, node));
}
