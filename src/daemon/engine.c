// SPDX-License-Identifier: MIT
#include "daemon/engine.h"

#include "store/told.h"

static int engine_create_txn(struct engine *e, const struct engine_config *cfg)
{
    const struct global_settings *g = &cfg->settings->global;

    return txn_create(&e->txn, &(struct txn_config){
                                   .wheel = cfg->wheel,
                                   .rng = cfg->rng,
                                   .log = cfg->log,
                                   .port = cfg->txn,
                                   .worker = cfg->worker,
                                   .workers = cfg->workers,
                                   .t1_ms = g->timer_t1_ms,
                                   .timer_f_ms = g->timer_b_ms,
                                   .max_server_bytes = cfg->max_server_bytes,
                                   .server = g->user_agent,
                                   .compact_headers = g->compact_headers,
                                   .request = uas_request,
                                   .admit = uas_admit,
                                   .ctx = e->uas,
                               });
}

/* What OPTIONS is told. */
static void print_offer(struct engine *e, const struct body_registry *bodies)
{
    buf_reset(&e->accept);
    body_types_print(bodies, STR_EMPTY, &e->accept);
    buf_reset(&e->allow_events);
    body_packages_print(bodies, &e->allow_events);
}

static struct str on_transport(void *ctx, uint32_t number)
{
    return notifier_transport_id(((struct engine *)ctx)->notifier, number);
}

static int port_register(void *ctx, struct registration *r)
{
    const struct registrar_port *port = &((struct engine *)ctx)->registrations;

    return port->apply(port->ctx, r);
}

static int engine_create_registrar(struct engine *e, const struct engine_config *cfg)
{
    e->registrations = cfg->registrar;
    return registrar_create(
        &e->registrar, &(struct registrar_config){
                           .clock = cfg->clock,
                           .rng = cfg->rng,
                           .log = cfg->log,
                           .settings = cfg->settings,
                           .port = { .ctx = e, .apply = port_register, .transport = on_transport },
                       });
}

/* Where it is not wanted REGISTER is no method that is served. */
static void registrar_offer(struct engine *e, const struct settings *settings)
{
    bool enabled = settings->registrar.enabled;

    uas_method_set(e->uas, SIP_REGISTER, enabled ? STR(REGISTRAR_EXTENSIONS) : STR_EMPTY,
                   enabled ? registrar_register : NULL, e->registrar);
}

/* What is in no dialog of ours tells a mailbox, or nothing. */
static void on_notify(void *ctx, const struct uas_request *rq)
{
    struct engine *e = ctx;

    if (!qualifier_notify(e->qualifier, rq))
        compositor_notify(e->compositor, rq);
}

int engine_init(struct engine *e, const struct engine_config *cfg)
{
    int r;

    *e = (struct engine){ .settings = settings_ref(cfg->settings),
                          .worker = cfg->worker,
                          .workers = cfg->workers };
    buf_init(&e->accept, 1024);
    buf_init(&e->allow_events, 1024);
    print_offer(e, cfg->bodies);
    r = uas_create(&e->uas, &(struct uas_config){
                                .log = cfg->log,
                                .settings = cfg->settings,
                                .accept = buf_str(&e->accept),
                                .allow_events = buf_str(&e->allow_events),
                                .nonces = cfg->nonces,
                                .limits = cfg->limits,
                                .rng = cfg->rng,
                            });
    if (r)
        goto out;
    r = engine_create_txn(e, cfg);
    if (r)
        goto out;
    r = notifier_create(&e->notifier, &(struct notifier_config){
                                          .txn = e->txn,
                                          .wheel = cfg->wheel,
                                          .clock = cfg->clock,
                                          .rng = cfg->rng,
                                          .log = cfg->log,
                                          .bodies = cfg->bodies,
                                          .settings = cfg->settings,
                                          .net = cfg->net,
                                          .worker = cfg->worker,
                                          .workers = cfg->workers,
                                          .allow = STR("OPTIONS, SUBSCRIBE, NOTIFY, PUBLISH"),
                                          .limits = cfg->limits,
                                          .keep = cfg->keep,
                                          .words = cfg->words,
                                          .incarnation = cfg->incarnation,
                                          .changes = cfg->changes,
                                          .port = cfg->notifier,
                                      });
    if (r)
        goto out;
    uas_refused_set(e->uas, notifier_refused, e->notifier);
    uas_transport_set(e->uas, on_transport, e);
    uas_method_set(e->uas, SIP_SUBSCRIBE, STR(LIST_EXTENSION), notifier_subscribe, e->notifier);
    r = publisher_create(&e->publisher, &(struct publisher_config){
                                            .txn = e->txn,
                                            .wheel = cfg->wheel,
                                            .clock = cfg->clock,
                                            .rng = cfg->rng,
                                            .log = cfg->log,
                                            .bodies = cfg->bodies,
                                            .settings = cfg->settings,
                                            .port = cfg->publisher,
                                            .keep = cfg->keep,
                                            .words = cfg->words,
                                            .incarnation = cfg->incarnation,
                                            .changes = cfg->changes,
                                        });
    if (r)
        goto out;
    r = compositor_create(&e->compositor, &(struct compositor_config){
                                              .rng = cfg->rng,
                                              .log = cfg->log,
                                              .settings = cfg->settings,
                                              .port = cfg->compositor,
                                          });
    if (r)
        goto out;
    r = qualifier_create(&e->qualifier, &(struct qualifier_config){
                                            .txn = e->txn,
                                            .wheel = cfg->wheel,
                                            .clock = cfg->clock,
                                            .rng = cfg->rng,
                                            .log = cfg->log,
                                            .settings = cfg->settings,
                                            .port = cfg->qualifier,
                                        });
    if (r)
        goto out;
    uas_method_set(e->uas, SIP_PUBLISH, STR_EMPTY, compositor_publish, e->compositor);
    uas_method_set(e->uas, SIP_NOTIFY, STR_EMPTY, on_notify, e);
    uas_dialog_set(e->uas, qualifier_dialog_endpoint, e->qualifier);
    r = engine_create_registrar(e, cfg);
    if (r)
        goto out;
    registrar_offer(e, cfg->settings);
out:
    if (r)
        engine_fini(e);
    return r;
}

void engine_fini(struct engine *e)
{
    registrar_destroy(e->registrar);
    qualifier_destroy(e->qualifier);
    compositor_destroy(e->compositor);
    publisher_destroy(e->publisher);
    notifier_destroy(e->notifier);
    txn_destroy(e->txn);
    uas_destroy(e->uas);
    settings_unref(e->settings);
    buf_fini(&e->accept);
    buf_fini(&e->allow_events);
    *e = (struct engine){ 0 };
}

void engine_restore(struct engine *e, const struct keep_record *record)
{
    bool ours = told_worker(record->number, e->workers) == e->worker;

    if (record->table == KEEP_SUBSCRIPTION)
        notifier_restore(e->notifier, record);
    else if (record->table == KEEP_SENT_PUBLICATION)
        publisher_restore(e->publisher, record, ours);
}

int engine_record_check(const struct keep_record *record)
{
    switch (record->table) {
    case KEEP_SUBSCRIPTION:
        return notifier_record_check(record);
    case KEEP_SENT_PUBLICATION:
        return publisher_record_check(record);
    default:
        return 0;
    }
}

void engine_rewrite(struct engine *e)
{
    notifier_rewrite(e->notifier);
    publisher_rewrite(e->publisher);
}

void engine_receive(struct engine *e, const struct flow *from, struct str datagram)
{
    txn_receive(e->txn, from, datagram);
}

void engine_receive_forwarded(struct engine *e, const struct flow *from, struct str datagram)
{
    txn_receive_forwarded(e->txn, from, datagram);
}

int engine_transports_set(struct engine *e, const struct notifier_transport *list, size_t count)
{
    return notifier_transports_set(e->notifier, list, count);
}

void engine_bodies_set(struct engine *e, struct body_registry *bodies)
{
    print_offer(e, bodies);
    uas_offer_set(e->uas, buf_str(&e->accept), buf_str(&e->allow_events));
    notifier_bodies_set(e->notifier, bodies);
    publisher_bodies_set(e->publisher, bodies);
}

void engine_settings_set(struct engine *e, const struct settings *settings)
{
    const struct settings *former = e->settings;

    e->settings = settings_ref(settings);
    txn_timing_set(e->txn, settings->global.timer_t1_ms, settings->global.timer_b_ms);
    txn_server_set(e->txn, settings->global.user_agent);
    txn_compact_set(e->txn, settings->global.compact_headers);
    uas_settings_set(e->uas, settings);
    notifier_settings_set(e->notifier, settings);
    publisher_settings_set(e->publisher, settings);
    compositor_settings_set(e->compositor, settings);
    registrar_settings_set(e->registrar, settings);
    registrar_offer(e, settings);
    qualifier_settings_set(e->qualifier, settings);
    settings_unref(former);
}

void engine_stop(struct engine *e)
{
    bool for_good = notifier_is_draining(e->notifier);

    qualifier_stop(e->qualifier);
    compositor_stop(e->compositor);
    registrar_stop(e->registrar);
    notifier_stop(e->notifier);
    if (for_good)
        publisher_leave(e->publisher);
    else
        publisher_stop(e->publisher);
}

size_t engine_busy(const struct engine *e)
{
    return notifier_unanswered(e->notifier) + publisher_busy(e->publisher) +
           compositor_unanswered(e->compositor) + registrar_unanswered(e->registrar);
}
