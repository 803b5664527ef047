// SPDX-License-Identifier: MIT
/* The action Command: what one would type at Asterisk's console. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ami/server_internal.h"

static const struct cli_group *const groups[] = { &cli_core, &cli_states, &cli_database, &cli_pjsip,
                                                  &cli_history };

/* ---- answers ---- */

struct buf *cli_begin(struct ami_session *s, bool success)
{
    struct buf *b = session_respond(s, success ? "Success" : "Error");

    ami_add(b, STR("Message"), STR("Command output follows"));
    return b;
}

/* For people at a terminal, who did not send what is in it. */
void cli_output(struct buf *b, struct str line)
{
    buf_add(b, STR("Output: "));
    buf_add_printable(b, line, "\t");
    buf_add(b, STR("\r\n"));
}

void cli_line(struct buf *b, const char *format, ...)
{
    char text[4 * AMI_REQUEST_LINE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_output(b, str_of(text));
}

void cli_end(struct ami_session *s)
{
    ami_end(&s->out);
    session_done(s);
}

void cli_say(struct ami_session *s, bool success, const char *format, ...)
{
    char text[4 * AMI_REQUEST_LINE_MAX];
    struct buf *b = cli_begin(s, success);
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_output(b, str_of(text));
    cli_end(s);
}

bool cli_failed(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        cli_say(s, false, "%.*s", STR_FMT(a->message));
    return a->error;
}

void cli_usage(struct ami_session *s)
{
    struct str rest = str_of(s->command->usage ? s->command->usage : s->command->words);
    struct buf *b = cli_begin(s, false);
    bool first = true;

    while (rest.n) {
        size_t end = str_find_char(rest, '\n');
        struct str line = str_sub(rest, 0, end);

        cli_line(b, "%s%.*s", first ? "Usage: " : "", STR_FMT(line));
        rest = str_sub(rest, end + 1, rest.n);
        first = false;
    }
    cli_end(s);
}

/* ---- words ---- */

/* Blanks separate them; quotes keep them together. -1: more than anybody types. */
static int words_read(struct str line, struct str *words, size_t max)
{
    size_t n = 0;

    for (;;) {
        size_t end = 0;
        bool quoted;

        line = str_trim(line);
        if (!line.n)
            return (int)n;
        if (n == max)
            return -1;
        quoted = *line.p == '"';
        if (quoted)
            line = str_sub(line, 1, line.n);
        if (quoted)
            end = str_find_char(line, '"');
        else
            while (end < line.n && !str_is_blank(line.p[end]))
                end++;
        words[n++] = str_sub(line, 0, end);
        line = str_sub(line, quoted ? end + 1 : end, line.n);
    }
}

/* How many of the words a command begins with are these; `*all`: it has no more. */
static size_t words_match(const struct cli_command *c, const struct str *words, size_t n, bool *all)
{
    struct str rest = str_of(c->words);
    size_t i = 0;

    *all = false;
    while (rest.p && i < n && str_equal_nocase(str_next(&rest, ' '), words[i]))
        i++;
    *all = !rest.p && i > 0;
    if (*all) { /* the last one may have been another */
        struct str again = str_of(c->words);
        size_t count = 0;

        while (again.p) {
            (void)str_next(&again, ' ');
            count++;
        }
        *all = count == i;
    }
    return i;
}

/* The one with the most words, and how many there are that some command has. */
static const struct cli_command *command_find(const struct str *words, size_t n, size_t *used,
                                              size_t *near)
{
    const struct cli_command *best = NULL;

    *used = *near = 0;
    for (size_t g = 0; g < ARRAY_LEN(groups); g++)
        for (size_t i = 0; i < groups[g]->n; i++) {
            const struct cli_command *c = &groups[g]->commands[i];
            bool all;
            size_t match = words_match(c, words, n, &all);

            if (match > *near)
                *near = match;
            if (all && match > *used) {
                best = c;
                *used = match;
            }
        }
    return best;
}

static void say_unknown(struct ami_session *s, struct str line, const struct str *words, size_t n,
                        size_t near)
{
    char room[AMI_REQUEST_LINE_MAX];
    struct buf known;

    buf_init_on(&known, room, sizeof(room));
    /* With one word more than might have been meant, as Asterisk has it. */
    for (size_t i = 0; i < n && i <= near + 1; i++)
        buf_printf(&known, "%s%.*s", i ? " " : "", STR_FMT(words[i]));
    cli_say(s, false,
            "No such command '%.*s' (type 'core show help %.*s' for other possible commands)",
            STR_FMT(line), STR_FMT(buf_str(&known)));
}

void action_command(struct ami_session *s, const struct ami_message *m)
{
    struct str line = str_trim(ami_get(m, STR("Command"))), words[CLI_WORDS_MAX];
    int n = words_read(line, words, ARRAY_LEN(words));
    const struct cli_command *c;
    size_t used, near;

    if (!line.n) {
        session_fail(s, "No command provided");
        return;
    }
    if (n < 0) {
        cli_say(s, false, "Too many words");
        return;
    }
    c = command_find(words, (size_t)n, &used, &near);
    if (!c) {
        say_unknown(s, line, words, (size_t)n, near);
        return;
    }
    s->command = c;
    if ((size_t)n - used < c->least || (size_t)n - used > c->most)
        cli_usage(s);
    else
        c->run(s, words + used, (size_t)n - used);
}
