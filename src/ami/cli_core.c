// SPDX-License-Identifier: MIT
/* Words about the process and its configuration. */
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- core ---- */

/* "1 day, 2 hours, 5 seconds" */
static void span_print(struct buf *b, uint64_t seconds)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {
        { "week", 604800 }, { "day", 86400 }, { "hour", 3600 }, { "minute", 60 }, { "second", 1 }
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t n = seconds / units[i].seconds;

        seconds %= units[i].seconds;
        if (n)
            buf_printf(b, "%s%llu %s%s", b->n ? ", " : "", (unsigned long long)n, units[i].name,
                       n == 1 ? "" : "s");
    }
    if (!b->n)
        buf_add(b, STR("0 seconds"));
}

static void uptime_line(struct buf *b, const char *what, uint64_t ms)
{
    char room[200];
    struct buf span;

    buf_init_on(&span, room, sizeof(room));
    span_print(&span, ms / 1000);
    cli_line(b, "%s: %.*s", what, STR_FMT(buf_str(&span)));
}

static void run_uptime(struct ami_session *s, const struct str *arguments, size_t n)
{
    const struct ami_server *a = s->server;
    uint64_t now_ms = clock_wall_ms(a->cfg.clock);
    struct buf *b = cli_begin(s, true);

    if (n && str_equal_nocase(arguments[0], STR("seconds"))) {
        cli_line(b, "System uptime: %llu",
                 (unsigned long long)(now_ms - a->cfg.started_wall_ms) / 1000);
        cli_line(b, "Last reload: %llu", (unsigned long long)(now_ms - a->reloaded_wall_ms) / 1000);
    } else {
        uptime_line(b, "System uptime", now_ms - a->cfg.started_wall_ms);
        uptime_line(b, "Last reload", now_ms - a->reloaded_wall_ms);
    }
    cli_end(s);
}

static void run_version(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)arguments;
    (void)n;
    cli_say(s, true, "Asterisk %s (extstate %s)", AMI_ASTERISK, s->server->cfg.version);
}

static void run_settings(struct ami_session *s, const struct str *arguments, size_t n)
{
    const struct settings *settings = s->server->settings;
    struct buf *b = cli_begin(s, true);

    (void)arguments;
    (void)n;
    cli_line(b, "%s", "");
    cli_line(b, "PBX Core settings");
    cli_line(b, "-----------------");
    cli_line(b, "  Version:                     %s (extstate %s)", AMI_ASTERISK,
             s->server->cfg.version);
    cli_line(b, "  System:                      %.*s", STR_FMT(settings->general.systemname));
    cli_line(b, "  Entity ID:                   %.*s",
             STR_FMT(settings_entity_id(settings, s->server->cfg.eid)));
    cli_line(b, "  Endpoints:                   %zu", settings->n_endpoints);
    cli_line(b, "  Transports:                  %zu", settings->n_transports);
    cli_line(b, "%s", "");
    cli_end(s);
}

/* ---- reload ---- */

static void answer_dialplan_reload(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Dialplan reloaded.");
}

static void run_dialplan_reload(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)arguments;
    (void)n;
    reload_ask(s, STR("pbx_config.so"), answer_dialplan_reload);
}

static void answer_core_reload(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    (void)cli_begin(s, true);
    cli_end(s);
}

static void answer_module_reload(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Module '%.*s' reloaded successfully.", STR_FMT(s->argument[0]));
}

static void run_reload(struct ami_session *s, const struct str *arguments, size_t n)
{
    session_remember(s, arguments, n);
    if (n && !module_is_known(arguments[0]))
        cli_say(s, false, "No such module '%.*s'", STR_FMT(arguments[0]));
    else if (n)
        reload_ask(s, arguments[0], answer_module_reload);
    else
        reload_ask(s, STR_EMPTY, answer_core_reload);
}

/* ---- the end ---- */

/* Nobody has a call here that there were to wait for: now, in order and when convenient are one. */
static bool is_when(const struct str *arguments, size_t n)
{
    return (n == 1 && str_is_listed(arguments[0], STR("now,gracefully"))) ||
           (n == 2 && str_equal_nocase(arguments[0], STR("when")) &&
            str_equal_nocase(arguments[1], STR("convenient")));
}

static void run_stop(struct ami_session *s, const struct str *arguments, size_t n)
{
    const struct ami_server_port *port = &s->server->cfg.port;

    if (!is_when(arguments, n)) {
        cli_usage(s);
        return;
    }
    log_warn(s->server->cfg.log, "ami.stop", KV("user", s->user->name));
    (void)cli_begin(s, true);
    cli_end(s);
    port->stop(port->ctx);
}

/* It is answered only when it is not to be: else the process is another one. */
static void answer_restart(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    (void)cli_begin(s, true);
    cli_end(s);
}

static void run_restart(struct ami_session *s, const struct str *arguments, size_t n)
{
    if (!is_when(arguments, n)) {
        cli_usage(s);
        return;
    }
    log_warn(s->server->cfg.log, "ami.restart", KV("user", s->user->name));
    session_ask(s, question("upgrade"), answer_restart);
}

/* ---- dialplan show ---- */

struct shown {
    struct buf *b;
    struct str extension;
    json_t **hints; /* by context */
    size_t n, at;   /* the next one */
    unsigned long long extensions, contexts;
};

static void hint_line(struct buf *b, const json_t *row)
{
    uint64_t line = answer_number(row, "line");
    char room[256], where_room[256];
    struct buf head, where;

    buf_init_on(&head, room, sizeof(room));
    buf_init_on(&where, where_room, sizeof(where_room));
    buf_printf(&head, "  '%.*s' =>", STR_FMT(answer_text(row, "extension")));
    buf_add(&where, answer_text(row, "file"));
    if (line)
        buf_printf(&where, ":%llu", (unsigned long long)line);
    cli_line(b, "%-18.*shint: %-44.*s [%.*s]", STR_FMT(buf_str(&head)),
             STR_FMT(answer_text(row, "hint")), STR_FMT(buf_str(&where)));
}

static void banner(struct shown *s, struct str context)
{
    cli_line(s->b, "[ Context '%.*s' created by 'pbx_config' ]", STR_FMT(context));
    s->contexts++;
}

static void include_line(struct buf *b, struct str text)
{
    char room[512];
    struct buf quoted;

    buf_init_on(&quoted, room, sizeof(room));
    buf_printf(&quoted, "'%.*s'", STR_FMT(text));
    cli_line(b, "  Include =>        %-45.*s [pbx_config]", STR_FMT(buf_str(&quoted)));
}

/* What it includes is told where all of it is asked for. */
static void context_show(struct shown *s, const json_t *row)
{
    struct str context = answer_text(row, "context");
    const json_t *includes = json_object_get(row, "includes");
    unsigned long long before = s->extensions;

    if (!s->extension.n)
        banner(s, context);
    for (; s->at < s->n && str_compare(answer_text(s->hints[s->at], "context"), context) <= 0;
         s->at++) {
        const json_t *hint = s->hints[s->at];

        if (!str_equal(answer_text(hint, "context"), context) || !answer_text(hint, "hint").n ||
            (s->extension.n && !str_equal(answer_text(hint, "extension"), s->extension)))
            continue;
        if (s->extension.n && s->extensions == before)
            banner(s, context);
        hint_line(s->b, hint);
        s->extensions++;
    }
    for (size_t i = 0; !s->extension.n && i < json_array_size(includes); i++) {
        const json_t *text = json_array_get(includes, i);

        include_line(s->b, (struct str){ json_string_value(text), json_string_length(text) });
    }
    if (!s->extension.n && json_is_true(json_object_get(row, "autohints")))
        cli_line(s->b, "Autohints support enabled");
}

static void dialplan_print(struct ami_session *s, struct shown *shown, json_t **contexts, size_t n)
{
    struct str extension = s->argument[0], context = s->argument[1];
    struct buf *b = cli_begin(s, true);

    shown->b = b;
    shown->extension = extension;
    for (size_t i = 0; i < n; i++)
        if (!context.n || str_equal(answer_text(contexts[i], "context"), context))
            context_show(shown, contexts[i]);
    cli_line(b, "%s", "");
    if (shown->contexts)
        cli_line(b, "-= %llu extension%s (%llu priorit%s) in %llu context%s. =-", shown->extensions,
                 shown->extensions == 1 ? "" : "s", shown->extensions,
                 shown->extensions == 1 ? "y" : "ies", shown->contexts,
                 shown->contexts == 1 ? "" : "s");
    else
        cli_line(b, "There is no existence of '%.*s%s%.*s'", STR_FMT(extension),
                 extension.n ? "@" : "", STR_FMT(context));
    cli_end(s);
}

static void answer_contexts(struct ami_session *s, const struct ami_answer *a)
{
    const struct ami_answer hints = { .rows = s->kept };
    struct shown shown = { .at = 0 };
    json_t **contexts;
    size_t n = rows_sort(a, ROWS_BY_CONTEXT, &contexts);

    if (rows_failed(s, a, contexts))
        return;
    shown.n = rows_sort(&hints, ROWS_BY_CONTEXT, &shown.hints);
    if (!rows_failed(s, &hints, shown.hints)) {
        dialplan_print(s, &shown, contexts, n);
        free(shown.hints);
    }
    free(contexts);
}

static void answer_dialplan(struct ami_session *s, const struct ami_answer *a)
{
    if (cli_failed(s, a))
        return;
    s->kept = json_incref(a->rows);
    session_ask(s, question("contexts"), answer_contexts);
}

static void run_dialplan(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str rest = n ? arguments[0] : STR_EMPTY, extension = STR_EMPTY;

    if (str_find_char(rest, '@') < rest.n)
        extension = str_next(&rest, '@');
    session_remember(s, (struct str[]){ extension, rest }, 2);
    session_ask(s, question("hints"), answer_dialplan);
}

static void answer_added(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Extension '%.*s' added into '%.*s' context", STR_FMT(s->argument[0]),
                STR_FMT(s->argument[1]));
}

/* "1000,hint,PJSIP/alice,CustomPresence:alice" into users */
static void run_add(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str hint = arguments[0], extension = str_next(&hint, ','),
               priority = str_next(&hint, ',');
    bool replace = n == 4 && str_equal_nocase(arguments[3], STR("replace"));
    json_t *q;

    if (!str_equal_nocase(priority, STR("hint")) || !hint.n ||
        !str_equal_nocase(arguments[1], STR("into")) || (n == 4 && !replace)) {
        cli_usage(s);
        return;
    }
    session_remember(s, (struct str[]){ arguments[0], arguments[2] }, 2);
    q = hint_question("hint.add", extension, arguments[2]);
    question_text(q, "hint", hint);
    if (q && replace)
        (void)!json_object_set_new(q, "replace", json_true());
    session_ask(s, q, answer_added);
}

static void answer_removed(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Extension %.*s with priority hint removed", STR_FMT(s->argument[0]));
}

static void run_remove(struct ami_session *s, const struct str *arguments, size_t n)
{
    struct str context = arguments[0], extension = str_next(&context, '@');

    if (!extension.n || !context.n || (n == 2 && !str_equal_nocase(arguments[1], STR("hint")))) {
        cli_usage(s);
        return;
    }
    session_remember(s, arguments, 1);
    session_ask(s, hint_question("hint.remove", extension, context), answer_removed);
}

/* "parkedcalls into users", "parkedcalls from users" */
static void include_change(struct ami_session *s, const struct str *arguments, const char *command,
                           struct str between,
                           void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    json_t *q;

    if (!str_equal_nocase(arguments[1], between)) {
        cli_usage(s);
        return;
    }
    session_remember(s, (struct str[]){ arguments[0], arguments[2] }, 2);
    q = question(command);
    question_text(q, "context", arguments[2]);
    question_text(q, "include", arguments[0]);
    session_ask(s, q, answered);
}

static void answer_included(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "Context '%.*s' included in '%.*s' context", STR_FMT(s->argument[0]),
                STR_FMT(s->argument[1]));
}

static void run_include(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)n;
    include_change(s, arguments, "include.add", STR("into"), answer_included);
}

static void answer_excluded(struct ami_session *s, const struct ami_answer *a)
{
    if (!cli_failed(s, a))
        cli_say(s, true, "We are not including '%.*s' into '%.*s' now", STR_FMT(s->argument[0]),
                STR_FMT(s->argument[1]));
}

static void run_exclude(struct ami_session *s, const struct str *arguments, size_t n)
{
    (void)n;
    include_change(s, arguments, "include.remove", STR("from"), answer_excluded);
}

static const struct cli_command commands[] = {
    { "core show uptime", 0, 1, run_uptime, "core show uptime [seconds]" },
    { "core show version", 0, 0, run_version, NULL },
    { "core show settings", 0, 0, run_settings, NULL },
    { "core reload", 0, 0, run_reload, NULL },
    { "core stop", 1, 2, run_stop, "core stop {now|gracefully|when convenient}" },
    { "core restart", 1, 2, run_restart, "core restart {now|gracefully|when convenient}" },
    { "module reload", 0, 1, run_reload, "module reload [module]" },
    { "dialplan reload", 0, 0, run_dialplan_reload, NULL },
    { "dialplan add extension", 3, 4, run_add,
      "dialplan add extension <exten>,hint,<text> into <context> [replace]" },
    { "dialplan remove extension", 1, 2, run_remove,
      "dialplan remove extension exten@context [hint]" },
    { "dialplan add include", 3, 3, run_include, "dialplan add include <context> into <context>" },
    { "dialplan remove include", 3, 3, run_exclude,
      "dialplan remove include <context> from <context>" },
    { "dialplan show", 0, 1, run_dialplan, "dialplan show [[exten@]context]" },
};
const struct cli_group cli_core = { commands, ARRAY_LEN(commands) };
