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
    cli_line(b, "  Entity ID:                   %.*s", STR_FMT(settings->general.entityid));
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

/* ---- dialplan show ---- */

static int by_context(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;
    int order = str_compare(answer_text(*x, "context"), answer_text(*y, "context"));

    return order ? order : str_compare(answer_text(*x, "extension"), answer_text(*y, "extension"));
}

static bool is_wanted(const json_t *row, struct str extension, struct str context)
{
    return answer_text(row, "hint").n &&
           (!context.n || str_equal(answer_text(row, "context"), context)) &&
           (!extension.n || str_equal(answer_text(row, "extension"), extension));
}

static void dialplan_line(struct buf *b, const json_t *row)
{
    char room[256];
    struct buf head;

    buf_init_on(&head, room, sizeof(room));
    buf_printf(&head, "  '%.*s' =>", STR_FMT(answer_text(row, "extension")));
    cli_line(b, "%-18.*shint: %-44.*s [%.*s:%u]", STR_FMT(buf_str(&head)),
             STR_FMT(answer_text(row, "hint")), STR_FMT(answer_text(row, "file")),
             (unsigned)answer_number(row, "line"));
}

static void dialplan_print(struct ami_session *s, json_t **rows, size_t n)
{
    struct str extension = s->argument[0], context = s->argument[1], last = STR_EMPTY;
    unsigned long long told = 0, contexts = 0;
    struct buf *b = cli_begin(s, true);

    for (size_t i = 0; i < n; i++) {
        struct str here = answer_text(rows[i], "context");

        if (!is_wanted(rows[i], extension, context))
            continue;
        if (!told || !str_equal(here, last)) {
            cli_line(b, "[ Context '%.*s' created by 'pbx_config' ]", STR_FMT(here));
            contexts++;
        }
        dialplan_line(b, rows[i]);
        last = here;
        told++;
    }
    cli_line(b, "%s", "");
    if (told)
        cli_line(b, "-= %llu extension%s (%llu priorit%s) in %llu context%s. =-", told,
                 told == 1 ? "" : "s", told, told == 1 ? "y" : "ies", contexts,
                 contexts == 1 ? "" : "s");
    else
        cli_line(b, "There is no existence of '%.*s%s%.*s'", STR_FMT(extension),
                 extension.n ? "@" : "", STR_FMT(context));
    cli_end(s);
}

static void answer_dialplan(struct ami_session *s, const struct ami_answer *a)
{
    json_t **rows;
    size_t n = rows_sort(a, ROWS_BY_EXTENSION, &rows);

    if (rows_failed(s, a, rows))
        return;
    qsort(rows, n, sizeof(*rows), by_context);
    dialplan_print(s, rows, n);
    free(rows);
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

static const struct cli_command commands[] = {
    { "core show uptime", 0, 1, run_uptime, "core show uptime [seconds]" },
    { "core show version", 0, 0, run_version, NULL },
    { "core show settings", 0, 0, run_settings, NULL },
    { "core reload", 0, 0, run_reload, NULL },
    { "module reload", 0, 1, run_reload, "module reload [module]" },
    { "dialplan reload", 0, 0, run_dialplan_reload, NULL },
    { "dialplan add extension", 3, 4, run_add,
      "dialplan add extension <exten>,hint,<text> into <context> [replace]" },
    { "dialplan remove extension", 1, 2, run_remove,
      "dialplan remove extension exten@context [hint]" },
    { "dialplan show", 0, 1, run_dialplan, "dialplan show [[exten@]context]" },
};
const struct cli_group cli_core = { commands, ARRAY_LEN(commands) };
