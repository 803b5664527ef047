// SPDX-License-Identifier: MIT
/* What SIGHUP and the control socket do to a running process: the configuration, and the log's
 * file. */
#include "daemon/configuration.h"
#include "daemon/daemon_internal.h"
#include "daemon/place.h"
#include "daemon/status.h"
#include "daemon/systemd.h"

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

int daemon_reload(struct daemon *d, struct buf *report)
{
    const struct configuration_former former = { d->settings, d->dialplan, d->bodies };
    struct configuration c = { 0 };
    struct diag diag;
    int r;

    systemd_notify("RELOADING=1");
    diag_init(&diag);
    r = configuration_check_vanished(d->files_present, configuration_present(d->options), &diag);
    r = r ? r : configuration_read(&c, d->options, &former, &diag);
    if (r == 0) {
        configuration_check_bodies(c.settings, d->bodies, &diag);
        status_check_reload(d->begun_with, c.settings, &diag);
        r = state_thread_apply(&d->state, c.settings, dialplan_ref(c.dialplan), d->dialplan,
                               &d->loop);
        if (r)
            dialplan_unref(c.dialplan);
    }
    if (r == 0) {
        dialplan_unref(d->dialplan);
        d->dialplan = c.dialplan;
        c.dialplan = NULL;
        atomic_store(&d->admission.limit, c.settings->general.max_subscriptions);
        log_level_follow(d, c.settings);
        d->files_present = configuration_present(d->options);
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
    diag_fini(&diag);
    systemd_notify("READY=1");
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
