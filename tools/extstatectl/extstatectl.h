// SPDX-License-Identifier: MIT
/* extstatectl.h - what the tool's files share.
 *
 * main.c: options, rows.  words.c: which command a line means.  command.c, explain.c, presence.c,
 * store.c, astdb.c: our words.  when.h: times.  asterisk.c: Asterisk's words with its columns.
 * watch.c: a real SIP subscription. */
#pragma once
#include "client.h"
#include "printable.h"
#include "table.h"

struct ctl_options {
    const char *socket;
    bool json;
};

struct invocation { /* one command line: the words behind the command's own */
    const struct ctl_options *options;
    char **words;
    int n;
};

struct presence_value { /* parts of one word */
    char *state, *subtype, *message;
};
/* Takes "state[,subtype[,message[,e]]]" apart, where it stands; with "e" the texts are base64.
 * Prints what is wrong and returns EXIT_USAGE. */
int presence_value_parse(struct presence_value *out, char *text);

struct command {
    const char *words; /* "devstate change" */
    const char *usage; /* "NAME STATE [--source SOURCE]" */
    const char *what;
    int (*run)(const struct invocation *in);
    bool alias; /* Asterisk's: listed apart */
};

extern const struct command own_commands[], explain_commands[], store_commands[],
    asterisk_commands[], watch_commands[]; /* each ends with words NULL */

/* All commands one after the other: NULL gives the first, the last gives NULL. */
const struct command *command_next(const struct command *previous);
/* The command that most words of the line are the name of, `*used` many; NULL when there is none.
 */
const struct command *command_find(char **words, int n, int *used);
/* Print the words that may follow these `n` ones, each once. Returns how many. */
int words_print_next(FILE *out, char **words, int n, const char *separator);
/* The same for a shell's completion: one a line; options and their values do not count. */
int words_complete(char **words, int n);
/* Say what is wrong with a line that command_find does not know. EXIT_USAGE. */
int words_unknown(char **words, int n);

/* Call the daemon and print its rows as a table, or as they come with --json. `nothing` is printed
 * when there are none. */
int show_rows(const struct invocation *in, json_t *request, const struct column *columns,
              size_t n_columns, const char *nothing);
/* The same with the answer behind the rows, the caller's. */
int show_answer(const struct invocation *in, json_t *request, const struct column *columns,
                size_t n_columns, const char *nothing, json_t **answer);
int run_import_astdb(const struct invocation *given);
/* One row as --json prints it; a client_row_fn, `ctx` is not used. */
void print_json_line(void *ctx, json_t *row);
/* Call it for its effect; prints `done` (a format without arguments) unless --json. */
int call_simple(const struct invocation *in, json_t *request, json_t **answer);
/* Read the configuration again. The report goes to standard error; `done` to standard output when
 * all of it was applied. */
int configuration_reload(const struct invocation *in, const char *done);
int usage_error(const struct command *c);
int usage_of(const char *words); /* prints the usage of that command; EXIT_USAGE */
/* The value behind `--name`, taken out of the words; NULL when absent. */
char *take_option(struct invocation *in, const char *name);
int number_parse(const char *text, long long *out); /* 0, or not a number of at least 0 */
bool take_flag(struct invocation *in, const char *name);
/* "4m", "2h05m", "3d" since a wall clock in ms. */
void print_age(long long since_ms, char *out, size_t room);
