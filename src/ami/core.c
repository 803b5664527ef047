// SPDX-License-Identifier: MIT
/* The process itself. */
#include <stdlib.h>
#include <time.h>

#include "ami/server_internal.h"

void action_ping(struct ami_session *s, const struct ami_message *m)
{
    uint64_t now_ms = clock_wall_ms(s->server->cfg.clock);
    struct buf *b = session_respond(s, "Success");

    (void)m;
    ami_add(b, STR("Ping"), STR("Pong"));
    buf_printf(b, "Timestamp: %llu.%06u\r\n", (unsigned long long)(now_ms / 1000),
               (unsigned)(now_ms % 1000 * 1000));
    ami_end(b);
    session_done(s);
}

static void add_date(struct buf *b, const char *what, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char date[20], time[20];
    struct tm tm;

    localtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    (void)strftime(time, sizeof(time), "%H:%M:%S", &tm);
    buf_printf(b, "Core%sDate: %s\r\nCore%sTime: %s\r\n", what, date, what, time);
}

void action_core_status(struct ami_session *s, const struct ami_message *m)
{
    struct buf *b = session_respond(s, "Success");

    (void)m;
    add_date(b, "Startup", s->server->cfg.started_wall_ms);
    add_date(b, "Reload", s->server->reloaded_wall_ms);
    ami_add(b, STR("CoreCurrentCalls"), STR("0"));
    ami_add(b, STR("CoreProcessedCalls"), STR("0"));
    ami_end(b);
    session_done(s);
}

void action_core_settings(struct ami_session *s, const struct ami_message *m)
{
    static const char *const nothing[][2] = {
        { "CoreMaxCalls", "0" },       { "CoreMaxLoadAvg", "0.000000" },
        { "CoreRunUser", "" },         { "CoreRunGroup", "" },
        { "CoreMaxFilehandles", "0" }, { "CoreRealTimeEnabled", "No" },
        { "CoreCDRenabled", "No" },
    };
    struct buf *b = session_respond(s, "Success");

    (void)m;
    ami_add(b, STR("AMIversion"), STR(AMI_PROTOCOL));
    buf_printf(b, "AsteriskVersion: %s (extstate %s)\r\n", AMI_ASTERISK, s->server->cfg.version);
    ami_add(b, STR("SystemName"), s->server->settings->general.systemname);
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
        ami_add(b, str_of(nothing[i][0]), str_of(nothing[i][1]));
    ami_add(b, STR("CoreHTTPenabled"), s->server->settings->http.enabled ? STR("Yes") : STR("No"));
    ami_add(b, STR("SoundsSearchCustomDir"), STR("No"));
    ami_end(b);
    session_done(s);
}

/* ---- Reload ---- */

/* All files are read whatever part is named; but what there is no such part of is told. */
bool module_is_known(struct str module)
{
    static const char *const known[] = { "pbx_config", "dialplan", "manager", "acl",   "http",
                                         "extensions", "core",     "pjsip",   "dnsmgr" };

    if (str_ends(module, STR(".so")))
        module.n -= 3;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_equal_nocase(module, str_of(known[i])))
            return true;
    return module.n == 0 || str_starts(module, STR("res_pjsip")) ||
           str_starts(module, STR("res_mwi")) || str_starts(module, STR("res_manager"));
}

static void answer_reload(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error) {
        str_free(&s->server->reloading);
        session_fail(s, "An unknown error occurred");
    } else {
        session_succeed(s, "Module Reloaded");
    }
}

void reload_ask(struct ami_session *s, struct str module,
                void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    str_free(&s->server->reloading);
    if (module.n)
        (void)!str_dup(&s->server->reloading, module);
    session_ask(s, question("reload"), answered);
}

void action_reload(struct ami_session *s, const struct ami_message *m)
{
    struct str module = ami_get(m, STR("Module"));

    if (module_is_known(module))
        reload_ask(s, module, answer_reload);
    else
        session_fail(s, "No such module");
}

/* ---- UserEvent ---- */

void action_user_event(struct ami_session *s, const struct ami_message *m)
{
    struct str name = ami_get(m, STR("UserEvent"));
    struct buf b;

    buf_init(&b, (size_t)AMI_REQUEST_LINES_MAX * (AMI_REQUEST_LINE_MAX + 4) + 4096);
    event_begin(s->server, &b, "UserEvent", MANAGER_USER);
    ami_add(&b, STR("UserEvent"), name);
    for (unsigned i = 0; i < m->n_headers; i++)
        if (m->headers[i].name.n && !str_equal_nocase(m->headers[i].name, STR("Action")) &&
            !str_equal_nocase(m->headers[i].name, STR("UserEvent")))
            ami_add(&b, m->headers[i].name, m->headers[i].value);
    ami_end(&b);
    server_tell(s->server, "UserEvent", MANAGER_USER, &b);
    buf_fini(&b);
    session_succeed(s, "Event Sent");
}
