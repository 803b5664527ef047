// SPDX-License-Identifier: MIT
#include "daemon/state_engine.h"

#include "body/inbound.h"
#include "publication/compositor.h"

#include <stdlib.h>

/* ---- ports ---- */

static int on_composed(void *ctx, const struct resource_name *name,
                       const struct event_state *composite, void **kept)
{
    struct state_engine *e = ctx;
    struct hint *held = *kept;
    int r = state_publish(e->core, name, composite, &held);

    BUG_UNLESS(r <= 0); /* a worker lets nobody publish for what can have no name */
    *kept = held;
    return r;
}

static void on_forgotten(void *ctx, void *kept)
{
    state_let_go(((struct state_engine *)ctx)->core, kept);
}

static bool on_served(void *ctx, const struct publication_place *place)
{
    return compositor_serves(((struct state_engine *)ctx)->settings, place);
}

static unsigned status_of(enum inbound_outcome outcome)
{
    switch (outcome) {
    case INBOUND_WRONG_TYPE:
        return 415;
    case INBOUND_TOO_LARGE:
        return 413;
    case INBOUND_MALFORMED:
        break;
    }
    return 400;
}

static int on_patch(void *ctx, const struct publication_patch *p, struct buf *body,
                    struct event_state **document, struct buf *why)
{
    int r = inbound_patch(p->base, p->diff, body, why);

    (void)ctx;
    if (!r)
        r = inbound_parse(document, NULL, p->package, p->content_type, buf_str(body), why);
    return r > 0 ? (int)status_of((enum inbound_outcome)r) : r;
}

static int on_event(void *ctx, const struct publication_event *event)
{
    return asterisk_sources_event(((struct state_engine *)ctx)->sources, event);
}

static void on_ended(void *ctx, uint64_t serial)
{
    asterisk_sources_ended(((struct state_engine *)ctx)->sources, serial);
}

static void on_resumed(void *ctx, uint64_t serial)
{
    asterisk_sources_resumed(((struct state_engine *)ctx)->sources, serial);
}

/* A change of now, for the edges. */
static void put_change(const struct state_engine *e, struct change c)
{
    c.cause = state_cause(e->core);
    feed_put(e->changes, &c);
}

static void on_published(void *ctx, const struct change_publication *c)
{
    put_change(ctx, (struct change){ .kind = CHANGE_PUBLICATION, .publication = *c });
}

static void on_publish_begin(void *ctx, struct str publisher)
{
    struct state_engine *e = ctx;
    struct buf b;

    buf_init_on(&b, e->cause, sizeof(e->cause));
    buf_add(&b, STR("publish:"));
    buf_add(&b, publisher);
    state_cause_begin(e->core, !publisher.n || b.error ? STATE_CAUSE_PUBLICATION : buf_str(&b));
}

static void on_publish_end(void *ctx)
{
    state_cause_end(((struct state_engine *)ctx)->core);
}

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    struct state_engine *e = ctx;

    if (feed_wants(e->changes, CHANGE_SNAPSHOT))
        put_change(e, (struct change){ .kind = CHANGE_SNAPSHOT, .snapshot = s, .former = former });
    if (former && former->sequence == s->sequence) /* the edges alone show what is stale */
        return;
    watcher_info_snapshot(e->watchers, s);
    resource_lists_snapshot(e->lists, s, consumers);
    e->port.state.snapshot(e->port.state.ctx, s, former,
                           consumers & ~(UINT64_C(1) << CONSUMER_LISTS));
}

static void on_device(void *ctx, const struct state_device_change *c)
{
    struct state_engine *e = ctx;

    if (feed_wants(e->changes, CHANGE_DEVICE))
        put_change(e, (struct change){ .kind = CHANGE_DEVICE,
                                       .device = { .device = c->device,
                                                   .state = c->state,
                                                   .former = c->former,
                                                   .source = c->source,
                                                   .says = c->says,
                                                   .said = c->said } });
    e->port.state.device(e->port.state.ctx, c);
}

static void on_presence(void *ctx, struct str provider, enum presence_state state,
                        struct str subtype, struct str message)
{
    struct state_engine *e = ctx;

    if (feed_wants(e->changes, CHANGE_PRESENCE))
        put_change(e, (struct change){ .kind = CHANGE_PRESENCE,
                                       .presence = { .provider = provider,
                                                     .state = state,
                                                     .subtype = subtype,
                                                     .message = message } });
    e->port.state.presence(e->port.state.ctx, provider, state, subtype, message);
}

static void on_device_here(void *ctx, struct str device, bool reported, enum device_state state)
{
    asterisk_local_device(((struct state_engine *)ctx)->locals, device, reported, state);
}

static void on_mailbox_here(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    asterisk_local_mailbox(((struct state_engine *)ctx)->locals, mailbox, counts);
}

static void on_unsolicited(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    const struct state_engine_port *port = &((struct state_engine *)ctx)->port;

    port->mailbox(port->state.ctx, mailbox, counts);
}

static void on_mailbox_changed(void *ctx, struct str mailbox, struct str source,
                               const struct mailbox_counts *counts)
{
    struct change_mailbox c = { .mailbox = mailbox, .source = source, .exists = counts };

    if (counts) {
        c.new_count = counts->new_count;
        c.old_count = counts->old_count;
    }
    put_change(ctx, (struct change){ .kind = CHANGE_MAILBOX, .mailbox = c });
}

static void on_local(void *ctx, const struct snapshot *s)
{
    struct state_engine *e = ctx;

    e->port.state.snapshot(e->port.state.ctx, s, NULL, e->port.publishers);
}

static void walk_device(void *ctx, const struct state_device_view *v)
{
    if (v->reported_here)
        asterisk_local_device(ctx, v->device, true, v->state_here);
}

static void walk_mailbox(void *ctx, const struct mailbox_view *v)
{
    if (v->here)
        asterisk_local_mailbox(ctx, v->mailbox, v->here);
}

static void on_walk(void *ctx)
{
    struct state_engine *e = ctx;

    state_devices_each(e->core, walk_device, e->locals);
    mailboxes_each(e->mailboxes, walk_mailbox, e->locals);
}

struct registering {
    const struct state_engine_port *port;
    const struct contact *now, *former;
};

static void registered_tell(void *ctx, const struct endpoint_settings *e)
{
    const struct registering *r = ctx;

    if (e->mailboxes.n)
        r->port->registered(r->port->state.ctx, e->id, r->now, r->former);
}

/* `c` is one of the others. */
static void on_registered(const struct state_engine *e, const struct contact *c,
                          const struct contact *now, const struct contact *former)
{
    struct registering r = { &e->port, now, former };

    if (!c->is_static && e->port.registered)
        contacts_endpoints_each(e->contacts, c->aor, registered_tell, &r);
}

static void put_contact(const struct state_engine *e, const struct contact *c,
                        struct change_contact change)
{
    change.aor = c->aor;
    change.contact = c->uri;
    change.endpoint = c->endpoint;
    put_change(e, (struct change){ .kind = CHANGE_CONTACT, .contact = change });
}

/* Before it has been asked. */
static enum contact_change not_asked(const struct state_engine *e, const struct contact *c)
{
    const struct aor_settings *aor = settings_aor(e->settings, c->aor);

    return aor && aor->qualify_frequency_s ? CONTACT_CHANGE_UNKNOWN : CONTACT_CHANGE_UNQUALIFIED;
}

static void on_contact_reached(void *ctx, const struct contact *c, enum contact_reach reach,
                               uint32_t rtt_ms)
{
    const struct state_engine *e = ctx;
    struct change_contact change = { .what = CONTACT_CHANGE_UNREACHABLE };

    if (!feed_wants(e->changes, CHANGE_CONTACT))
        return;
    if (reach == CONTACT_REACHED)
        change = (struct change_contact){ .what = CONTACT_CHANGE_REACHABLE, .rtt_ms = rtt_ms };
    else if (reach == CONTACT_NOT_ASKED)
        change.what = not_asked(e, c);
    put_contact(e, c, change);
}

/* Those that there are when the process begins are no change, nor is a refresh. */
static void put_coming_and_going(const struct state_engine *e, const struct contact *now,
                                 const struct contact *former)
{
    if (!e->settled || !feed_wants(e->changes, CHANGE_CONTACT))
        return;
    if (!former)
        put_contact(e, now, (struct change_contact){ .what = not_asked(e, now), .added = true });
    else if (!now)
        put_contact(e, former, (struct change_contact){ .what = CONTACT_CHANGE_REMOVED });
}

static void on_endpoint(void *ctx, struct str endpoint, bool reachable)
{
    const struct state_engine *e = ctx;

    if (feed_wants(e->changes, CHANGE_ENDPOINT))
        put_change(e,
                   (struct change){ .kind = CHANGE_ENDPOINT,
                                    .endpoint = { .endpoint = endpoint, .reachable = reachable } });
}

static void on_contact(void *ctx, const struct contact *now, const struct contact *former)
{
    const struct state_engine *e = ctx;

    put_coming_and_going(e, now, former);
    if (e->port.contact)
        e->port.contact(e->port.state.ctx, now, former);
    on_registered(e, now ? now : former, now, former);
}

/* To endpoints that had no mailboxes, or not this AOR. */
static void registered_again(void *ctx, const struct contact_view *v)
{
    on_registered(ctx, v->contact, v->contact, NULL);
}

static void on_refresh(void *ctx, struct str section)
{
    struct state_engine *e = ctx;

    e->port.republish(e->port.state.ctx, section);
}

/* ---- life ---- */

static struct state_switches switches_of(const struct settings *settings)
{
    const struct compatibility_settings *c = &settings->compatibility;

    return (struct state_switches){
        .ringing_repeat = c->ringing_repeat,
        .unavailable_is_silent = c->unavailable_is_silent,
        .asterisk_autohints = c->asterisk_autohints,
    };
}

static int create_locals(struct state_engine *e, const struct state_engine_config *cfg)
{
    return asterisk_locals_create(
        &e->locals, &(struct asterisk_locals_config){ .port = { e, on_local, on_walk },
                                                      .wheel = cfg->wheel,
                                                      .clock = cfg->clock,
                                                      .rng = cfg->rng,
                                                      .log = cfg->log });
}

static int create_sources(struct state_engine *e, const struct state_engine_config *cfg)
{
    return asterisk_sources_create(&e->sources,
                                   &(struct asterisk_sources_config){ .core = e->core,
                                                                      .mailboxes = e->mailboxes,
                                                                      .wheel = cfg->wheel,
                                                                      .clock = cfg->clock,
                                                                      .rng = cfg->rng,
                                                                      .log = cfg->log,
                                                                      .ctx = e,
                                                                      .refresh = on_refresh,
                                                                      .keep = cfg->keep });
}

static int create_watchers(struct state_engine *e, const struct state_engine_config *cfg)
{
    return watcher_info_create(&e->watchers,
                               &(struct watcher_info_config){ .port = cfg->workers,
                                                              .core = e->core,
                                                              .wheel = cfg->wheel,
                                                              .clock = cfg->clock,
                                                              .rng = cfg->rng,
                                                              .log = cfg->log,
                                                              .n_workers = cfg->n_workers });
}

static int create_contacts(struct state_engine *e, const struct state_engine_config *cfg)
{
    return contacts_create(&e->contacts,
                           &(struct contacts_config){ .port = { .ctx = e,
                                                                .changed = on_contact,
                                                                .reached = on_contact_reached,
                                                                .endpoint = on_endpoint },
                                                      .core = e->core,
                                                      .wheel = cfg->wheel,
                                                      .clock = cfg->clock,
                                                      .log = cfg->log,
                                                      .keep = cfg->keep,
                                                      .incarnation = cfg->incarnation });
}

static int create_lists(struct state_engine *e, const struct state_engine_config *cfg)
{
    int r = resource_lists_create(&e->lists,
                                  &(struct resource_lists_config){ .core = e->core,
                                                                   .consumer = CONSUMER_LISTS,
                                                                   .wheel = cfg->wheel,
                                                                   .log = cfg->log,
                                                                   .rng = cfg->rng });

    if (r == 0)
        resource_lists_configure(e->lists, cfg->settings);
    return r;
}

int state_engine_init(struct state_engine *e, const struct state_engine_config *cfg)
{
    const struct state_port port = { .ctx = e,
                                     .snapshot = on_snapshot,
                                     .device = on_device,
                                     .presence = on_presence,
                                     .device_here = on_device_here };
    int r;

    *e = (struct state_engine){ .port = cfg->port,
                                .keep = cfg->keep,
                                .workers = cfg->workers,
                                .changes = cfg->changes,
                                .settings = settings_ref(cfg->settings),
                                .log = cfg->log };
    BUG_UNLESS(cfg->eid.n == ASTERISK_EID_LEN);
    memcpy(e->eid, cfg->eid.p, cfg->eid.n);
    r = create_locals(e, cfg);
    if (r)
        goto out;
    r = state_create(&e->core, &(struct state_config){ .port = port,
                                                       .snapshots = cfg->snapshots,
                                                       .keep = cfg->keep,
                                                       .switches = switches_of(cfg->settings),
                                                       .clock = cfg->clock,
                                                       .log = cfg->log,
                                                       .rng = cfg->rng });
    if (r)
        goto out;
    r = publication_store_create(&e->publications,
                                 &(struct publication_config){ .port = { .ctx = e,
                                                                         .served = on_served,
                                                                         .composed = on_composed,
                                                                         .forgotten = on_forgotten,
                                                                         .patch = on_patch,
                                                                         .event = on_event,
                                                                         .ended = on_ended,
                                                                         .resumed = on_resumed,
                                                                         .changed = on_published,
                                                                         .begin = on_publish_begin,
                                                                         .end = on_publish_end },
                                                               .wheel = cfg->wheel,
                                                               .clock = cfg->clock,
                                                               .rng = cfg->rng,
                                                               .log = cfg->log,
                                                               .keep = cfg->keep,
                                                               .incarnation = cfg->incarnation });
    if (r)
        goto out;
    r = mailboxes_create(&e->mailboxes, e->core, e->publications,
                         &(struct mailbox_port){ .ctx = e,
                                                 .here = on_mailbox_here,
                                                 .unsolicited = on_unsolicited,
                                                 .changed = on_mailbox_changed,
                                                 .keep = cfg->keep,
                                                 .clock = cfg->clock },
                         cfg->rng);
    if (r)
        goto out;
    r = create_sources(e, cfg);
    if (r)
        goto out;
    r = create_watchers(e, cfg);
    if (r)
        goto out;
    r = create_contacts(e, cfg);
    if (r)
        goto out;
    r = create_lists(e, cfg);
out:
    if (r)
        state_engine_fini(e);
    return r;
}

void state_engine_fini(struct state_engine *e)
{
    resource_lists_destroy(e->lists);
    contacts_destroy(e->contacts);
    watcher_info_destroy(e->watchers);
    asterisk_sources_destroy(e->sources);
    mailboxes_destroy(e->mailboxes);
    publication_store_destroy(e->publications);
    state_destroy(e->core);
    asterisk_locals_destroy(e->locals);
    settings_unref(e->settings);
    *e = (struct state_engine){ 0 };
}

/* ---- a configuration ---- */

static int device_name_of(struct buf *names, const struct endpoint_settings *e, struct str *out)
{
    size_t start = names->n;

    buf_add(names, STR("PJSIP/"));
    buf_add(names, e->id);
    *out = (struct str){ NULL, names->n - start };
    return names->error;
}

/* PJSIP/<endpoint> without a report: idle when a contact makes her reachable, otherwise not there.
 */
static int apply_device_defaults(const struct state_engine *e, const struct settings *settings)
{
    size_t n = settings->n_endpoints;
    struct str *devices = calloc(n + 1, sizeof(*devices));
    enum device_state *states = calloc(n + 1, sizeof(*states));
    struct buf names;
    size_t offset = 0;
    int r = -ENOMEM;

    buf_init(&names, SIZE_MAX / 2);
    if (!devices || !states)
        goto out;
    for (size_t i = 0; i < n; i++) {
        r = device_name_of(&names, &settings->endpoints[i], &devices[i]);
        if (r)
            goto out;
        states[i] = contacts_device_default(e->contacts, &settings->endpoints[i]);
    }
    for (size_t i = 0; i < n; i++) { /* the buffer has stopped moving */
        devices[i].p = names.p + offset;
        offset += devices[i].n;
    }
    r = state_device_defaults(e->core, devices, states, n);
out:
    buf_fini(&names);
    free(states);
    free(devices);
    return r;
}

static int apply_orders(struct state_core *core, const struct settings *settings)
{
    size_t n = settings->n_compositors;
    struct context_order *orders = calloc(n + 1, sizeof(*orders));
    int r;

    if (!orders)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        orders[i] = (struct context_order){ settings->compositors[i].context,
                                            settings->compositors[i].order };
    r = state_orders_set(core, orders, n);
    free(orders);
    return r;
}

static int apply_settings(struct state_engine *e, const struct settings *settings)
{
    struct state_switches switches = switches_of(settings);
    const struct settings *former = e->settings;
    struct str eid = settings_entity_id(settings, str_of(e->eid));
    int r;

    e->settings = settings_ref(settings);
    settings_unref(former);
    state_switches_set(e->core, &switches);
    asterisk_sources_configure(e->sources, settings, eid);
    asterisk_locals_configure(e->locals, settings, eid);
    watcher_info_configure(e->watchers, settings);
    publication_store_prune(e->publications);
    r = contacts_configure(e->contacts, settings);
    if (r)
        return r;
    contacts_each(e->contacts, registered_again, e);
    r = apply_device_defaults(e, settings);
    if (r)
        return r;
    r = apply_orders(e->core, settings);
    if (r)
        return r;
    return mailboxes_configure(e->mailboxes, settings);
}

int state_engine_apply(struct state_engine *e, const struct settings *settings, struct dialplan *dp)
{
    bool anew = settings != e->settings || !e->settled;
    int r = anew ? apply_settings(e, settings) : 0;

    if (r == 0)
        r = state_dialplan_apply(e->core, dp);
    e->settled = r >= 0;
    if (e->settled)
        resource_lists_configure(e->lists, settings);
    return r == STATE_SAME_NAMES && anew ? 0 : r;
}

/* ---- watching ---- */

/* Results as state_watch. */
static int name_watch(struct state_engine *e, const struct resource_name *name, struct str served,
                      unsigned consumer, const struct snapshot **out, bool *cacheable)
{
    struct resource_name there = *name;
    int r = state_watch(e->core, name, false, consumer, out, cacheable);

    if (r != STATE_NO_HINT || !served.n)
        return r;
    there.context = served;
    r = state_watch(e->core, &there, true, consumer, out, cacheable);
    /* What the name's own context has one day must be found there. */
    *cacheable = *cacheable && str_equal(served, name->context);
    return r;
}

/* What a worker asks for may be what the name means, or who watches that. */
static int question_lookup(struct state_engine *e, const struct watch_question *q,
                           const struct snapshot **out, bool *cacheable)
{
    struct str watched = winfo_watched(q->name.package);
    struct resource_name name = q->name;

    if (list_event(q->name.package).n) {
        *cacheable = true;
        return resource_lists_watch(e->lists,
                                    &(struct list_question){ q->name, q->served, q->worker }, out);
    }
    if (!watched.n)
        return name_watch(e, &name, q->served, q->worker, out, cacheable);
    name.package = watched;
    if (str_equal(watched, STR("dialog")) || str_equal(watched, STR("presence")))
        name.package = STR_EMPTY;
    return name_watch(e, &name, q->served, CONSUMER_LOOKUP, out, cacheable);
}

/* The resource itself is left alone: its watchers are told by name, whichever resource has it. */
static void watch_watchers(struct state_engine *e, const struct watch_question *q,
                           const struct snapshot *of, bool cacheable)
{
    const struct snapshot *s = snapshot_ref(of);

    state_unwatch(e->core, s->resource_id, CONSUMER_LOOKUP);
    watcher_info_watch(e->watchers, &(struct watcher_info_question){
                                        .of = { .package = winfo_watched(q->name.package),
                                                .context = s->context,
                                                .extension = s->extension },
                                        .resource_id = s->resource_id,
                                        .worker = q->worker,
                                        .cookie = q->cookie,
                                        .cacheable = cacheable });
    snapshot_unref(s);
}

void state_engine_watch(struct state_engine *e, const struct watch_question *q)
{
    const struct snapshot *s = NULL;
    bool cacheable = false;
    int r = question_lookup(e, q, &s, &cacheable);

    if (r < 0)
        log_error(e->log, "state.watch", KV("context", q->name.context),
                  KV("extension", q->name.extension), KV_ERR(r));
    if (!r && winfo_watched(q->name.package).n)
        watch_watchers(e, q, s, cacheable);
    else
        e->workers.answer(e->workers.ctx, q->worker, q->cookie, r ? NULL : s, cacheable);
}

void state_engine_unwatch(struct state_engine *e, uint64_t resource_id, unsigned worker)
{
    state_unwatch(e->core, resource_id, worker);
    watcher_info_unwatch(e->watchers, resource_id, worker);
    resource_lists_unwatch(e->lists, resource_id, worker);
}

/* ---- what survives ---- */

static int restore(struct state_engine *e, const struct keep_record *record)
{
    switch (record->table) {
    case KEEP_DEVICE:
    case KEEP_PRESENCE:
    case KEEP_AUTOHINT:
        return state_restore(e->core, record);
    case KEEP_MAILBOX:
        return mailbox_restore(e->mailboxes, record);
    case KEEP_SOURCE_STATE:
        return asterisk_source_restore(e->sources, record);
    case KEEP_PUBLICATION:
    case KEEP_PUBLICATION_BODY:
        return publication_restore(e->publications, record);
    case KEEP_CONTACT:
    case KEEP_SILENT_CONTACT:
        return contacts_restore(e->contacts, record);
    default:
        return 0;
    }
}

void state_engine_restore(struct state_engine *e, const struct keep_record *record)
{
    int r = restore(e, record);

    if (r == 0 || r == STATE_UNCHANGED)
        return;
    log_error(e->log, "state.restore", KV("record", record->name), KV_U("table", record->table),
              KV_I("result", r));
    if (r != -ENOMEM)
        keep_put(&e->keep, &(struct keep_record){ .table = record->table,
                                                  .number = record->number,
                                                  .name = record->name });
}

int state_engine_restored(struct state_engine *e)
{
    asterisk_sources_restored(e->sources);
    return publications_restored(e->publications);
}

int state_engine_record_check(const struct keep_record *record)
{
    switch (record->table) {
    case KEEP_DEVICE:
    case KEEP_PRESENCE:
    case KEEP_AUTOHINT:
        return state_record_check(record);
    case KEEP_MAILBOX:
        return mailbox_record_check(record);
    case KEEP_SOURCE_STATE:
        return asterisk_source_record_check(record);
    case KEEP_PUBLICATION:
    case KEEP_PUBLICATION_BODY:
        return publication_record_check(record);
    case KEEP_CONTACT:
    case KEEP_SILENT_CONTACT:
        return contact_record_check(record);
    default:
        return 0;
    }
}

void state_engine_rewrite(struct state_engine *e)
{
    state_keep_all(e->core);
    mailboxes_keep_all(e->mailboxes);
    asterisk_sources_keep_all(e->sources);
    publications_keep_all(e->publications);
    contacts_keep_all(e->contacts);
}
