// SPDX-License-Identifier: MIT
/* What SIGHUP and the control socket do to a running process: the configuration, and the log's
 * file. */
#include "daemon/configuration.h"
#include "daemon/daemon_internal.h"
#include "daemon/difference.h"
#include "daemon/place.h"
#include "daemon/status.h"
#include "daemon/systemd.h"

#include <stdlib.h>

/* ---- reload ---- */

/* The first line that says "error", for the log. */
static struct str first_error(struct str rest)
{
    while (rest.n) {
        struct str line = str_sub(rest, 0, str_find_char(rest, '\n'));

        for (size_t i = 0; i + 7 <= line.n; i++)
            if (memcmp(line.p + i, " error:", 7) == 0)
                return line;
        rest = str_sub(rest, line.n + 1, rest.n);
    }
    return STR_EMPTY;
}

static void log_level_follow(struct daemon *d, const struct settings *settings)
{
    enum log_level level;

    /* What an operator set at run time stays until the file says something new. */
    if (!str_equal(d->settings->general.log_level, settings->general.log_level) &&
        log_level_parse(&level, settings->general.log_level) == 0)
        log_level_set(d->log, level);
}

static int read_anew(struct daemon *d, struct configuration *c, struct listeners_draft *draft,
                     struct diag *diag)
{
    const struct configuration_former former = { d->settings, d->written, d->bodies, d->bodies_of,
                                                 draft };
    int r = configuration_check_vanished(d->files_present, configuration_present(d->options), diag);

    r = r ? r : configuration_read(c, d->options, &former, d->log, diag);
    if (r)
        return r;
    status_check_reload(d->begun_with, c->settings, diag);
    return 0;
}

/* Those of a reload that could not load them are still those of former settings. */
static void bodies_follow(struct daemon *d, const struct configuration *c)
{
    if (c->bodies == d->bodies)
        return;
    body_registry_unref(d->bodies);
    d->bodies = body_registry_ref(c->bodies);
    settings_unref(d->bodies_of);
    d->bodies_of = settings_ref(c->bodies_of);
}

static int listen_anew(struct daemon *d, struct manager_listeners *manager,
                       const struct configuration *c, struct diag *diag)
{
    return manager_listen(
        manager, &(struct manager_listen_config){
                     .settings = c->settings->manager, .former = &d->manager, .diag = diag });
}

/* Which may have been renewed in the same files. */
static void certificates_tell(const struct listeners_draft *draft, ctl_change_fn each, void *ctx)
{
    for (size_t i = 0; i < draft->n; i++) {
        const struct listener *is = &draft->list[i], *was = listeners_former(draft, is);

        if (was && !net_tls_shows_same(was->options.tls, is->options.tls))
            each(ctx, &(struct ctl_change){ .kind = "certificate of transport",
                                            .name = is->id,
                                            .change = "changed" });
    }
}

int daemon_preview(struct daemon *d, struct buf *report, ctl_change_fn each, void *ctx)
{
    const struct configuration now = { (struct settings *)(uintptr_t)d->settings, d->written,
                                       d->bodies, d->bodies_of };
    struct listeners_draft draft = { .former = d->listeners,
                                     .clock = &clock_system,
                                     .n_workers = d->n_workers };
    struct configuration c = { 0 };
    struct manager_listeners manager = MANAGER_LISTENERS_NONE;
    struct diag diag;
    int r;

    diag_init(&diag);
    r = read_anew(d, &c, &draft, &diag);
    if (r == 0)
        r = listen_anew(d, &manager, &c, &diag);
    if (r == 0) {
        difference_tell(&now, &c, each, ctx);
        certificates_tell(&draft, each, ctx);
    }
    manager_listeners_fini(&manager);
    if (r == 0 && diag.errors)
        r = CTL_RELOAD_PARTLY;
    diag_print(&diag, report);
    configuration_fini(&c);
    listeners_draft_fini(&draft); /* the sockets were opened to see whether they can be */
    diag_fini(&diag);
    return r;
}

/* What is written and what is added. Where nothing is, the two are one and were compared as they
 * were read. */
static int dialplan_make(struct daemon *d, struct dialplan *written, struct dialplan **out)
{
    int r = added_hints_merge(&d->added, written, out);

    if (r == 0 && (*out != written || d->dialplan != d->written)) {
        r = dialplan_compare(*out, d->dialplan);
        if (r)
            dialplan_unref(*out);
    }
    return r;
}

struct hints_message {
    struct inbox_message m;
    struct daemon *daemon;
    struct str source, hints;
    char text[];
};

static void hints_drop(struct inbox_message *m)
{
    free(CONTAINER_OF(m, struct hints_message, m));
}

/* Another dialplan under the same settings. Takes it, on failure too. */
static int dialplan_hand_over(struct daemon *d, struct dialplan *dp)
{
    int r = state_thread_apply(&d->state, &(struct apply){ .settings = d->settings,
                                                           .dialplan = dp,
                                                           .former = d->dialplan,
                                                           .listeners = d->listeners,
                                                           .bodies = d->bodies,
                                                           .home = &d->loop });

    if (r) {
        dialplan_unref(dp);
        return r;
    }
    dialplan_unref(d->dialplan);
    d->dialplan = dp;
    return 0;
}

static int hints_take(struct daemon *d, struct str source, struct str hints)
{
    struct dialplan *merged;
    int r = added_hints_set(&d->added, source, hints);

    if (r)
        return r;
    r = dialplan_make(d, d->written, &merged);
    if (r == 0)
        r = dialplan_hand_over(d, merged);
    if (r == 0)
        log_info(d->log, "hints.imported", KV("source", source));
    return r;
}

static void hints_run(struct inbox_message *m, void *owner)
{
    struct hints_message *h = CONTAINER_OF(m, struct hints_message, m);
    int r = hints_take(owner, h->source, h->hints);

    if (r < 0)
        log_error(h->daemon->log, "hints.not_imported", KV("source", h->source), KV_ERR(r));
    hints_drop(m);
}

void daemon_post_hints(void *ctx, struct str source, struct str text)
{
    struct daemon *d = ctx;
    struct hints_message *h = inbox_message_alloc(d->log, sizeof(*h) + source.n + text.n);
    char *at = h->text;

    *h = (struct hints_message){
        .m = { .run = hints_run, .drop = hints_drop }, .daemon = d, .source = source, .hints = text
    };
    list_init(&h->m.link);
    str_keep(&h->source, &at);
    str_keep(&h->hints, &at);
    inbox_post_always(&d->loop.inbox, &h->m);
}

int daemon_reload(struct daemon *d, struct buf *report)
{
    struct dialplan *merged = NULL;
    struct listeners_draft draft = { .former = d->listeners,
                                     .clock = &clock_system,
                                     .n_workers = d->n_workers };
    struct configuration c = { 0 };
    struct manager_listeners manager = MANAGER_LISTENERS_NONE;
    struct listeners *listeners = NULL;
    struct diag diag;
    int r;

    systemd_notify_reloading();
    diag_init(&diag);
    r = read_anew(d, &c, &draft, &diag);
    if (r == 0)
        r = listeners_make(&listeners, &draft, c.settings, c.settings->global.timer_b_ms);
    if (r == 0)
        r = listen_anew(d, &manager, &c, &diag);
    if (r == 0)
        r = dialplan_make(d, c.dialplan, &merged);
    if (r == 0)
        r = state_thread_apply(&d->state, &(struct apply){ .settings = c.settings,
                                                           .dialplan = merged,
                                                           .former = d->dialplan,
                                                           .listeners = listeners,
                                                           .bodies = c.bodies,
                                                           .home = &d->loop });
    if (r == 0) {
        manager_listeners_move(&d->manager, &manager);
        edge_post_terms(&d->edge, &(struct edge_terms){ c.settings, listeners, c.bodies },
                        &d->manager);
        listeners_unref(d->listeners);
        d->listeners = listeners_ref(listeners);
        dialplan_unref(d->dialplan);
        d->dialplan = merged;
        merged = NULL;
        dialplan_unref(d->written);
        d->written = c.dialplan;
        c.dialplan = NULL;
        atomic_store(&d->admission.limit, c.settings->general.max_subscriptions);
        log_level_follow(d, c.settings);
        d->files_present = configuration_present(d->options);
        bodies_follow(d, &c);
        settings_unref(d->settings);
        d->settings = c.settings;
        c.settings = NULL;
    }
    diag_print(&diag, report);
    if (r == 0 && diag.errors)
        r = CTL_RELOAD_PARTLY;
    if (r < 0)
        log_error(d->log, "daemon.reload_refused", KV_U("errors", diag.errors),
                  KV("first", first_error(buf_str(report))));
    else
        LOG_AT(d->log, r ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "daemon.reloaded",
               KV_U("errors", diag.errors), KV_U("warnings", diag.warnings));
    configuration_fini(&c);
    dialplan_unref(merged);
    listeners_unref(listeners);
    manager_listeners_fini(&manager);
    listeners_draft_fini(&draft);
    diag_fini(&diag);
    systemd_notify(r < 0 ? "READY=1\nSTATUS=Serving; the last reload was refused"
                   : r   ? "READY=1\nSTATUS=Serving; the last reload was applied in part"
                         : "READY=1\nSTATUS=Serving");
    return r;
}

/* ---- hints at run time ---- */

static int include_edit(struct dialplan *dp, const struct ctl_hint *edit)
{
    struct dialplan_context *context = dialplan_context_find(dp, edit->context);
    int r = 0;

    if (edit->exclude.n)
        return context && dialplan_include_remove(context, edit->exclude) == 0 ? 0
                                                                               : CTL_HINT_UNKNOWN;
    if (!context)
        r = dialplan_context_get(dp, edit->context, &context);
    r = r ? r : dialplan_include_add(context, edit->include);
    return r == DIALPLAN_DUPLICATE ? CTL_HINT_EXISTS : r > 0 ? CTL_HINT_IMPOSSIBLE : r;
}

static int hint_edit(struct dialplan *dp, const struct ctl_hint *hint)
{
    const struct hint_spec spec = {
        .extension = hint->extension, .text = hint->text, .name = hint->name, .file = STR("(added)")
    };
    struct dialplan_context *context = dialplan_context_find(dp, hint->context);
    int r = 0;

    if (!hint->context.n || !hint->extension.n)
        return CTL_HINT_IMPOSSIBLE;
    if (!hint->text.n)
        return context && dialplan_hint_remove(context, hint->extension) == 0 ? 0
                                                                              : CTL_HINT_UNKNOWN;
    if (!context)
        r = dialplan_context_get(dp, hint->context, &context);
    if (r == 0 && hint->replace)
        (void)!dialplan_hint_remove(context, hint->extension);
    r = r ? r : dialplan_hint_add(context, &spec);
    return r == DIALPLAN_DUPLICATE ? CTL_HINT_EXISTS : r > 0 ? CTL_HINT_IMPOSSIBLE : r;
}

/* Until there is another dialplan for another reason: what is written is read again, or a PBX has
 * other hints. */
int daemon_hint_port(void *ctx, const struct ctl_hint *hint)
{
    struct daemon *d = ctx;
    struct dialplan *dp;
    int r = dialplan_copy(&dp, d->dialplan);

    if (r)
        return r;
    r = hint->include.n || hint->exclude.n ? include_edit(dp, hint) : hint_edit(dp, hint);
    if (r == 0)
        r = dialplan_compare(dp, d->dialplan);
    if (r == 0)
        return dialplan_hand_over(d, dp);
    dialplan_unref(dp);
    return r;
}

/* ---- the log's file ---- */

int daemon_log_name(struct daemon *d)
{
    const struct daemon_options *o = d->options;
    struct buf b;

    buf_init_on(&b, d->log_file, sizeof(d->log_file) - 1);
    if (o->log_file.n)
        buf_add(&b, o->log_file);
    else if (o->background)
        buf_printf(&b, "%.*s/extstated.log", STR_FMT(o->state_directory));
    d->log_file[b.n] = '\0';
    return b.error;
}

int daemon_log_open(struct daemon *d)
{
    int r = *d->log_file ? place_log_to(str_of(d->log_file)) : 0;

    if (r)
        log_error(d->log, "daemon.log_file", KV("path", d->log_file), KV_ERR(r));
    return r;
}
