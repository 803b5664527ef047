// SPDX-License-Identifier: MIT
#include "daemon/pbxs.h"

#include <stdlib.h>

#include "net/dial.h"
#include "net/tls.h"
#include "source/report.h"
#include "source/source.h"

enum {
    SEND_MAX = 1 << 20,
    UNHEARD_MAX = 4 << 20, /* bytes of reports that the state thread has not heard yet */
    PAUSE_MS = 20,
    HINTS_TEXT_MAX = 256 << 20,
};

struct pbx {
    struct list link;
    struct pbxs *pbxs;
    const struct settings *settings; /* a reference, for: */
    const struct source_settings *spec;
    struct source *source;
    struct reporter *reporter;
    uint64_t lookup;       /* of its addresses; 0: none */
    struct net_dial *dial; /* NULL: none */
    struct timer pause;
};

struct pbxs {
    struct pbxs_config cfg;
    struct rng rng;
    struct names names;
    uint64_t lookups; /* so far */
    struct list all;  /* struct pbx */
};

/* ---- its connection ---- */

static void on_opened(void *ctx)
{
    source_opened(((struct pbx *)ctx)->source);
}

/* Whoever tells more than can be heard has to wait, and whoever it is told by, too. */
static void on_received(void *ctx, struct str bytes)
{
    struct pbx *p = ctx;

    source_received(p->source, bytes);
    if (reporter_lost(p->reporter))
        source_lost(p->source);
    if (p->dial && reporter_waiting(p->reporter) > UNHEARD_MAX) {
        net_dial_pause(p->dial, true);
        timer_start(&p->pbxs->cfg.loop->wheel, &p->pause, PAUSE_MS);
    }
}

static void on_pause(struct timer *t)
{
    struct pbx *p = CONTAINER_OF(t, struct pbx, pause);

    if (reporter_waiting(p->reporter) > UNHEARD_MAX / 2)
        timer_start(&p->pbxs->cfg.loop->wheel, t, PAUSE_MS);
    else if (p->dial)
        net_dial_pause(p->dial, false);
}

static void on_ended(void *ctx, struct str why)
{
    source_ended(((struct pbx *)ctx)->source, why);
}

/* Read for each connection, so that a certificate that is renewed counts at the next one. */
static int tls_of(struct pbx *p, struct net_tls **out)
{
    const struct source_settings *s = p->spec;
    const char *option = "";
    char room[200];
    struct buf why;
    int r;

    buf_init_on(&why, room, sizeof(room));
    r = net_tls_create(out,
                       &(struct net_tls_spec){ .cert_file = s->cert_file,
                                               .key_file = s->key_file,
                                               .ca_file = s->ca_file,
                                               .ca_path = s->ca_path,
                                               .verify_server = s->verify_server,
                                               .wildcards = s->wildcards },
                       &option, &why);
    if (r == NET_TLS_BAD)
        log_error(p->pbxs->cfg.log, "source.tls", KV("source", s->id), KV("option", option),
                  KV("why", buf_str(&why)));
    return r == NET_TLS_BAD ? -EINVAL : r;
}

static int dial(struct pbx *p, const struct dns_targets *found)
{
    struct addr addresses[NET_DIAL_ADDRESSES];
    struct net_tls *tls = NULL;
    int r = p->spec->tls ? tls_of(p, &tls) : 0;
    size_t n = found->n < NET_DIAL_ADDRESSES ? found->n : NET_DIAL_ADDRESSES;

    if (r)
        return r;
    for (size_t i = 0; i < n; i++)
        addresses[i] = found->list[i].addr;
    r = net_dial_open(&p->dial,
                      &(struct net_dial_config){ .loop = p->pbxs->cfg.loop,
                                                 .host = p->spec->host,
                                                 .addresses = addresses,
                                                 .n_addresses = n,
                                                 .tls = tls,
                                                 .cb = { p, on_opened, on_received, on_ended },
                                                 .send_max = SEND_MAX });
    net_tls_unref(tls);
    return r;
}

/* NULL: it waits no more, or is gone. */
static struct pbx *pbx_looking(const struct pbxs *all, uint64_t lookup)
{
    LIST_FOREACH (it, &all->all) {
        struct pbx *p = CONTAINER_OF(it, struct pbx, link);

        if (p->lookup == lookup)
            return p;
    }
    return NULL;
}

static void on_addresses(void *ctx, uint64_t lookup, const struct dns_targets *found)
{
    struct pbx *p = pbx_looking(ctx, lookup);
    int r;

    if (!p)
        return;
    p->lookup = 0;
    if (!found->n) {
        source_ended(p->source, found->why);
        return;
    }
    r = dial(p, found);
    if (r)
        source_ended(p->source, str_of(strerror(-r)));
}

static int port_connect(void *ctx)
{
    struct pbx *p = ctx;
    struct pbxs *all = p->pbxs;
    int r = dns_lookup(all->names.dns,
                       &(struct dns_question){ .host = p->spec->host,
                                               .port = p->spec->port,
                                               .fixed = true,
                                               .protocol = p->spec->tls ? NET_TLS : NET_TCP },
                       on_addresses, all, all->lookups + 1);

    if (r == 0)
        p->lookup = ++all->lookups;
    return r;
}

static int port_send(void *ctx, struct str bytes)
{
    return net_dial_send(((struct pbx *)ctx)->dial, bytes);
}

static void port_disconnect(void *ctx)
{
    struct pbx *p = ctx;

    timer_stop(&p->pbxs->cfg.loop->wheel, &p->pause);
    p->lookup = 0;
    net_dial_close(p->dial);
    p->dial = NULL;
}

static void port_report(void *ctx, struct str reports)
{
    struct pbx *p = ctx;

    state_post_reports(p->pbxs->cfg.state, p->reporter, reports);
}

/* A line each: context, extension and text, between tabs. */
static void port_hints(void *ctx, const struct source_hint *hints, size_t n)
{
    struct pbx *p = ctx;
    struct buf b;

    buf_init(&b, HINTS_TEXT_MAX);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%.*s\t%.*s\t%.*s\n", STR_FMT(hints[i].context), STR_FMT(hints[i].extension),
                   STR_FMT(hints[i].text));
    if (b.error)
        log_error(p->pbxs->cfg.log, "source.hints_lost", KV("source", p->spec->id),
                  KV_ERR(b.error));
    else
        p->pbxs->cfg.hints(p->pbxs->cfg.ctx, p->spec->id, buf_str(&b));
    buf_fini(&b);
}

static struct str protocol_of(const struct pbx *p)
{
    return p->spec->protocol == SOURCE_ESL ? STR("esl") : STR("ami");
}

static void port_changed(void *ctx)
{
    struct pbx *p = ctx;
    struct source_view v;

    if (!feed_wants(p->pbxs->cfg.changes, CHANGE_SOURCE))
        return;
    source_view(p->source, &v);
    feed_put(p->pbxs->cfg.changes, &(struct change){ .kind = CHANGE_SOURCE,
                                                     .source = { .source = p->spec->id,
                                                                 .protocol = protocol_of(p),
                                                                 .up = v.state == SOURCE_FOLLOWING,
                                                                 .stale = v.stale,
                                                                 .why = v.complaint } });
}

/* ---- all of them ---- */

static void pbx_destroy(struct pbx *p)
{
    if (!p)
        return;
    source_destroy(p->source);
    timer_stop(&p->pbxs->cfg.loop->wheel, &p->pause);
    reporter_unref(p->reporter);
    settings_unref(p->settings);
    list_remove(&p->link);
    free(p);
}

static int pbx_create(struct pbxs *all, const struct settings *settings,
                      const struct source_settings *spec, struct source_standing standing)
{
    struct pbx *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->pbxs = all;
    p->settings = settings_ref(settings);
    p->spec = spec;
    timer_init(&p->pause, on_pause);
    list_init(&p->link);
    r = reporter_create(&p->reporter, spec->id);
    if (r == 0)
        r = source_create(&p->source, &(struct source_config){
                                          .settings = spec,
                                          .standing = standing,
                                          .port = { p, port_connect, port_send, port_disconnect,
                                                    port_report, port_hints, port_changed },
                                          .wheel = &all->cfg.loop->wheel,
                                          .clock = all->cfg.loop->clock,
                                          .rng = &all->rng,
                                          .log = all->cfg.log });
    if (r)
        pbx_destroy(p);
    else
        list_append(&all->all, &p->link);
    return r;
}

static struct pbx *pbx_find(const struct pbxs *all, struct str id)
{
    LIST_FOREACH (it, &all->all) {
        struct pbx *p = CONTAINER_OF(it, struct pbx, link);

        if (str_equal(p->spec->id, id))
            return p;
    }
    return NULL;
}

static const struct source_settings *spec_find(const struct settings *s, struct str id)
{
    for (size_t i = 0; i < s->n_sources; i++)
        if (str_equal(s->sources[i].id, id))
            return &s->sources[i];
    return NULL;
}

static void pbx_follow_settings(struct pbx *p, const struct settings *settings,
                                const struct source_settings *spec)
{
    const struct settings *former = p->settings;

    p->settings = settings_ref(settings);
    p->spec = spec;
    source_settings_set(p->source, spec);
    settings_unref(former);
}

/* Its hints, too. */
static void forget(struct pbx *p)
{
    char room[64];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    report_gone(&b);
    state_post_reports(p->pbxs->cfg.state, p->reporter, buf_str(&b));
}

static void pbx_begin(struct pbxs *all, const struct settings *settings,
                      const struct source_settings *spec, struct source_standing standing)
{
    int r = pbx_create(all, settings, spec, standing);

    if (r)
        log_error(all->cfg.log, "source.not_followed", KV("source", spec->id), KV_ERR(r));
}

/* A source that is the same but for what it says of itself connects anew, and what it told stays:
 * by difference. */
void pbxs_apply(struct pbxs *all, const struct settings *settings)
{
    struct list former;

    names_servers_set(&all->names, settings->general.nameservers);
    list_init(&former);
    list_splice(&former, &all->all);
    LIST_FOREACH_SAFE (it, &former) {
        struct pbx *p = CONTAINER_OF(it, struct pbx, link);
        const struct source_settings *spec = spec_find(settings, p->spec->id);
        struct source_standing standing = source_standing(p->source);

        if (spec && settings_source_equal(spec, p->spec)) {
            pbx_follow_settings(p, settings, spec);
            list_remove(&p->link);
            list_append(&all->all, &p->link);
            continue;
        }
        if (!spec)
            forget(p);
        if (p->spec->hints && !(spec && spec->hints))
            all->cfg.hints(all->cfg.ctx, p->spec->id, STR_EMPTY);
        pbx_destroy(p);
        if (spec)
            pbx_begin(all, settings, spec, standing);
    }
    for (size_t i = 0; i < settings->n_sources; i++)
        if (!pbx_find(all, settings->sources[i].id))
            pbx_begin(all, settings, &settings->sources[i],
                      (struct source_standing){ .stale = false });
}

void pbxs_each(const struct pbxs *all, ctl_source_fn each, void *ctx)
{
    LIST_FOREACH (it, &all->all) {
        const struct pbx *p = CONTAINER_OF(it, const struct pbx, link);
        struct source_view v;

        source_view(p->source, &v);
        each(ctx, &(struct ctl_source){
                      .source = p->spec->id,
                      .protocol = protocol_of(p),
                      .state = str_of(source_state_name(v.state)),
                      .server = v.server,
                      .complaint = v.complaint,
                      .stale = v.stale,
                      .since_ms = v.since_ms,
                      .synced_ms = v.synced_ms,
                      .connections = v.connections,
                      .events = v.events,
                      .reports = v.reports,
                      .retry_ms = v.retry_ms,
                  });
    }
}

/* A PBX is wherever its name says: nothing of ours has to lead there. */
static bool is_reached(void *ctx, enum net_protocol protocol, const struct addr *remote)
{
    (void)ctx;
    (void)protocol;
    (void)remote;
    return true;
}

static bool is_spoken(void *ctx, enum net_protocol protocol)
{
    (void)ctx;
    return protocol == NET_TCP || protocol == NET_TLS;
}

int pbxs_create(struct pbxs **out, const struct pbxs_config *cfg)
{
    struct pbxs *all = calloc(1, sizeof(*all));
    int r;

    if (!all)
        return -ENOMEM;
    all->cfg = *cfg;
    rng_init_system(&all->rng);
    list_init(&all->all);
    r = names_init(&all->names,
                   &(struct names_config){ .loop = cfg->loop,
                                           .rng = &all->rng,
                                           .log = cfg->log,
                                           .servers = cfg->settings->general.nameservers,
                                           .port = { all, is_reached, is_spoken } });
    if (r) {
        pbxs_destroy(all);
        return r;
    }
    for (size_t i = 0; i < cfg->settings->n_sources; i++)
        pbx_begin(all, cfg->settings, &cfg->settings->sources[i],
                  state_intake_standing(cfg->state, cfg->settings->sources[i].id));
    *out = all;
    return 0;
}

void pbxs_destroy(struct pbxs *all)
{
    if (!all)
        return;
    LIST_FOREACH_SAFE (it, &all->all)
        pbx_destroy(CONTAINER_OF(it, struct pbx, link));
    names_fini(&all->names);
    free(all);
}
