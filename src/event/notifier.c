// SPDX-License-Identifier: MIT
#include "event/event_internal.h"

#include <stdlib.h>

/* ---- life ---- */

static void transports_free(struct notifier_transport *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        str_free(&list[i].id);
    free(list);
}

int notifier_transports_set(struct notifier *n, const struct notifier_transport *list, size_t count)
{
    struct notifier_transport *copy = calloc(count + 1, sizeof(*copy));
    size_t done = 0;
    int r = copy ? 0 : -ENOMEM;

    for (; done < count && r == 0; done += r == 0) {
        copy[done].gone = list[done].gone;
        copy[done].protocol = list[done].protocol;
        r = str_dup(&copy[done].id, list[done].id);
    }
    if (r) {
        transports_free(copy, done);
        return r;
    }
    n->last_path = NULL;
    transports_free(n->transports, n->n_transports);
    n->transports = copy;
    n->n_transports = count;
    return 0;
}

struct str notifier_transport_id(const struct notifier *n, uint32_t number)
{
    return number < n->n_transports ? n->transports[number].id : STR_EMPTY;
}

static int transports_of(struct notifier *n, const struct settings *settings)
{
    struct notifier_transport *list = calloc(settings->n_transports + 1, sizeof(*list));
    int r;

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < settings->n_transports; i++)
        list[i] = (struct notifier_transport){
            .id = settings->transports[i].id,
            .protocol = (enum net_protocol)settings->transports[i].protocol,
        };
    r = notifier_transports_set(n, list, settings->n_transports);
    free(list);
    return r;
}

static int maps_init(struct notifier *n)
{
    struct map *maps[] = { &n->dialogs, &n->resources,         &n->names,
                           &n->winfos,  &n->unsolicited.boxes, &n->unsolicited.addressees,
                           &n->seeks,   &n->seek_questions };
    struct rng own; /* what has keys of ours only does not shift the numbers of a scenario */
    int r;

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        r = map_init(maps[i], n->cfg.rng);
        if (r)
            return r;
    }
    r = contact_requests_init(&n->unsolicited.requests, n->cfg.rng);
    if (r)
        return r;
    rng_init_system(&own);
    r = map_init(&n->quotas, &own);
    return r ? r : interned_table_init(&n->interned, n->cfg.rng);
}

/* ---- rules that begin and end ---- */

static void rules_arm(struct notifier *n)
{
    uint64_t now_ms = clock_wall_ms(n->cfg.clock), left_ms;

    n->rules_due_ms = settings_authorization_next_ms(n->settings, now_ms);
    if (n->rules_due_ms == UINT64_MAX) {
        timer_stop(n->cfg.wheel, &n->rules_timer);
        return;
    }
    left_ms = n->rules_due_ms - now_ms; /* not too long: somebody may set the clock */
    timer_start(n->cfg.wheel, &n->rules_timer, left_ms < RULES_LOOK_MS ? left_ms : RULES_LOOK_MS);
}

static void rules_fire(struct timer *t)
{
    struct notifier *n = CONTAINER_OF(t, struct notifier, rules_timer);

    if (clock_wall_ms(n->cfg.clock) >= n->rules_due_ms) {
        n->generation++;
        watched_fan_out_all(n);
    }
    rules_arm(n);
}

/* ---- life ---- */

static void print_allow_events(struct notifier *n)
{
    buf_reset(&n->allow_events);
    body_packages_print(n->cfg.bodies, &n->allow_events);
    settings_add_opaques(n->settings, &n->allow_events);
}

static void notifier_init(struct notifier *n, const struct notifier_config *cfg)
{
    (void)body_registry_ref(cfg->bodies);
    *n = (struct notifier){ .cfg = *cfg,
                            .settings = settings_ref(cfg->settings),
                            .next_cookie = 1,
                            .slice_left = FAN_OUT_SLICE };
    buf_init(&n->headers, SIP_MESSAGE_MAX);
    buf_init(&n->scratch, SIP_MESSAGE_MAX);
    buf_init(&n->allow_events, 1024);
    list_init(&n->questions);
    list_init(&n->idle);
    list_init(&n->fan_out);
    list_init(&n->promises);
    timer_init(&n->fan_out_timer, watched_fan_out_fire);
    timer_init(&n->rules_timer, rules_fire);
    drain_init(n);
    refused_init(n);
    unsolicited_init(n);
    print_allow_events(n);
}

int notifier_create(struct notifier **out, const struct notifier_config *cfg)
{
    struct notifier *n = malloc(sizeof(*n));
    int r = -ENOMEM;

    if (!n)
        return r;
    notifier_init(n, cfg);
    r = n->allow_events.error;
    if (r)
        goto out;
    r = maps_init(n);
    if (r)
        goto out;
    r = transports_of(n, cfg->settings);
    if (r)
        goto out;
    r = notify_tail_create(&n->tail, n);
    if (r)
        goto out;
    r = unsolicited_configure(n, n->settings->global.mwi_disable_initial_unsolicited);
    if (r)
        goto out;
    rules_arm(n);
    *out = n;
    n = NULL;
out:
    notifier_destroy(n);
    return r;
}

static void drop_dialogs(struct notifier *n)
{
    MAP_FOREACH_SAFE (node, &n->dialogs) {
        struct dialog *d = CONTAINER_OF(node, struct dialog, node);

        dialog_pin(d);
        while (!list_empty(&d->usages))
            subscription_destroy(CONTAINER_OF(d->usages.next, struct subscription, of_dialog));
        dialog_unpin(d);
    }
}

void notifier_destroy(struct notifier *n)
{
    if (!n)
        return;
    n->destroying = true;
    watched_refuse_all(n);
    promises_drop(n);
    if (n->dialogs.buckets)
        drop_dialogs(n);
    if (n->names.buckets)
        watched_fini(n);
    BUG_UNLESS(n->counters.subscriptions == 0 && n->outstanding == 0);
    timer_stop(n->cfg.wheel, &n->fan_out_timer);
    timer_stop(n->cfg.wheel, &n->rules_timer);
    timer_stop(n->cfg.wheel, &n->drain.timer);
    refused_fini(n);
    map_fini(&n->dialogs);
    map_fini(&n->quotas);
    interned_table_fini(&n->interned);
    map_fini(&n->resources);
    map_fini(&n->names);
    map_fini(&n->seeks);
    map_fini(&n->seek_questions);
    winfo_fini(n);
    unsolicited_fini(n);
    notify_fini(n);
    list_view_forget(n);
    BUG_UNLESS(!(n->heap.subscriptions.bytes | n->heap.dialogs.bytes | n->heap.resources.bytes |
                 n->heap.notifies.bytes));
    notify_tail_unref(n->tail);
    transports_free(n->transports, n->n_transports);
    buf_fini(&n->allow_events);
    buf_fini(&n->headers);
    buf_fini(&n->scratch);
    settings_unref(n->settings);
    body_registry_unref(n->cfg.bodies);
    free(n);
}

/* ---- changes from outside ---- */

void notifier_bodies_set(struct notifier *n, struct body_registry *bodies)
{
    struct body_registry *former = n->cfg.bodies;

    if (bodies == former)
        return;
    n->cfg.bodies = body_registry_ref(bodies);
    body_registry_unref(former);
    n->bodies_changed = true;
}

/* Each subscription is checked against them in its turn: subscription_recheck. */
void notifier_settings_set(struct notifier *n, const struct settings *settings)
{
    const struct settings *former = n->settings;
    struct notify_tail *tail;

    if (settings == former && !n->bodies_changed) {
        if (!n->stopping)
            unsolicited_retry(n);
        return;
    }
    n->settings = settings_ref(settings);
    settings_unref(former);
    n->bodies_changed = false;
    n->last_path = NULL;
    n->generation++;
    print_allow_events(n);
    if (notify_tail_create(&tail, n) == 0) {
        notify_tail_unref(n->tail);
        n->tail = tail;
    } else {
        log_warn(n->cfg.log, "notifier.head_kept", KV_ERR(-ENOMEM));
    }
    unsolicited_settings_set(n);
    rules_arm(n);
    watched_refuse_barred(n);
    watched_fan_out_all(n);
    if (!n->stopping)
        (void)unsolicited_configure(n, false);
}

void notifier_stop(struct notifier *n)
{
    if (n->stopping)
        return;
    n->quiet = notifier_keeps(n) && !n->drain.active;
    notifier_resume(n);
    n->stopping = true;
    log_info(n->cfg.log, "notifier.stop", KV_U("subscriptions", n->counters.subscriptions));
    watched_refuse_all(n);
    if (!n->quiet)
        watched_fan_out_all(n);
    unsolicited_stop(n);
}

size_t notifier_unanswered(const struct notifier *n)
{
    return n->unsolicited.outstanding + n->n_promises +
           (n->stopping && !n->quiet ? (size_t)n->counters.subscriptions : n->outstanding);
}

/* ---- listings ---- */

static const char *state_name(const struct subscription *s)
{
    switch (s->state) {
    case SUB_RESP_WAIT:
    case SUB_KEEPING:
        return "resp_wait";
    case SUB_PENDING:
        return "pending";
    case SUB_ACTIVE:
        return "active";
    default:
        return "terminated";
    }
}

static void view_dialog(struct subscription_view *v, const struct dialog *d)
{
    const struct dialog_head *h = d->head;
    const struct endpoint_settings *e =
        settings_endpoint(d->notifier->settings, dialog_endpoint(d));

    v->endpoint = dialog_endpoint(d);
    if (e) {
        v->callerid_name = e->callerid_name;
        v->callerid_number = e->callerid_number;
    }
    v->user_agent = dialog_user_agent(d);
    v->call_id = head_str(h, HEAD_CALL_ID);
    v->remote_uri = head_str(h, HEAD_REMOTE_URI);
    v->local_tag = head_str(h, HEAD_LOCAL_TAG);
    v->remote_tag = head_str(h, HEAD_REMOTE_TAG);
    v->contact = head_str(h, HEAD_TARGET);
    v->remote = head_remote(h);
    v->protocol = (enum net_protocol)head_flow(h).protocol;
    v->unconnected = d->reopened == UINT8_MAX ? 0 : d->reopened;
}

static void view_print(struct subscription_view *v, const struct subscription *s)
{
    *v = (struct subscription_view){
        .package = sub_package(s),
        .event_id = sub_event_id(s),
        .content_type = body_profile_content_type(s->profile),
        .state = state_name(s),
        .expires_s = sub_runs(s) ? subscription_left_s(s) : 0,
        .cseq = s->cseq,
        .version = s->version,
        .told_sequence = s->told_sequence,
        .acknowledged_after_ms = s->acknowledged_after_ms,
        .failures = s->failures,
        .outstanding = s->notify != NULL,
        .shown = s->sent,
        .list = s->list,
    };
    if (s->resource) {
        v->resource = s->resource->newest->extension;
        v->context = s->resource->newest->context;
        v->current_sequence = s->resource->newest->sequence;
    }
    view_dialog(v, s->dialog);
}

void notifier_each(const struct notifier *n,
                   void (*each)(void *ctx, const struct subscription_view *v), void *ctx)
{
    MAP_FOREACH (node, &n->dialogs) {
        const struct dialog *d = CONTAINER_OF(node, const struct dialog, node);

        LIST_FOREACH (it, &d->usages) {
            struct subscription_view v;

            view_print(&v, CONTAINER_OF(it, const struct subscription, of_dialog));
            each(ctx, &v);
        }
    }
}

static void watchers_each(const struct list *subscriptions,
                          void (*each)(void *ctx, const struct subscription_view *v), void *ctx)
{
    LIST_FOREACH (it, subscriptions) {
        struct subscription_view v;

        view_print(&v, CONTAINER_OF(it, const struct subscription, of_resource));
        each(ctx, &v);
    }
}

void notifier_resource_each(const struct notifier *n, uint64_t resource_id,
                            void (*each)(void *ctx, const struct subscription_view *v), void *ctx)
{
    const struct watched *w = watched_by_id(n, resource_id);

    if (!w)
        return;
    watchers_each(&w->told, each, ctx);
    watchers_each(&w->behind, each, ctx);
}

void notifier_counters_get(const struct notifier *n, struct notifier_counters *out)
{
    *out = n->counters;
    out->resources = n->resources.count - (n->limbo != NULL);
    out->dialogs = n->dialogs.count;
    out->subscription_bytes = n->heap.subscriptions.bytes;
    out->dialog_bytes = n->heap.dialogs.bytes;
    out->resource_bytes = n->heap.resources.bytes;
    out->notify_bytes = n->heap.notifies.bytes;
    out->interned = n->interned.tally.objects;
    out->interned_bytes = n->interned.tally.bytes;
    out->table_bytes = map_bytes(&n->dialogs) + map_bytes(&n->resources) + map_bytes(&n->names) +
                       map_bytes(&n->winfos) + map_bytes(&n->interned.map);
}
