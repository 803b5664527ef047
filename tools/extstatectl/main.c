// SPDX-License-Identifier: MIT
/* extstatectl: the operator's tool. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "extstatectl.h"

static void print_help(FILE *out)
{
    bool alias = false;

    fputs("Usage: extstatectl [--socket PATH] [--json] COMMAND [ARGUMENT]...\n\nCommands:\n", out);
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        if (c->alias && !alias)
            fputs("\nAsterisk's words, with its columns:\n", out);
        alias = c->alias;
        fprintf(out, "  %s%s%s\n      %s\n", c->words, *c->usage ? " " : "", c->usage, c->what);
    }
    fputs("\n--json prints one JSON object a line. The socket is $EXTSTATE_SOCKET, "
          "or " EXTSTATE_SOCKET ".\n"
          "Exit status: 0 done, 1 refused or failed, 2 usage, 3 no daemon there, 4 nothing "
          "matches.\n",
          out);
}

static void drop_words(struct invocation *in, int at, int n)
{
    for (int i = at; i + n < in->n; i++)
        in->words[i] = in->words[i + n];
    in->n -= n;
}

char *take_option(struct invocation *in, const char *name)
{
    for (int i = 0; i + 1 < in->n; i++) {
        char *value = in->words[i + 1];

        if (strcmp(in->words[i], name) != 0)
            continue;
        drop_words(in, i, 2);
        return value;
    }
    return NULL;
}

bool take_flag(struct invocation *in, const char *name)
{
    for (int i = 0; i < in->n; i++) {
        if (strcmp(in->words[i], name) != 0)
            continue;
        drop_words(in, i, 1);
        return true;
    }
    return false;
}

void print_json_line(void *ctx, json_t *row)
{
    (void)ctx;
    json_dumpf(row, stdout, JSON_COMPACT);
    putchar('\n');
}

/* Rows that match the regular expression `like`: as they are shown, or in any one text of theirs.
 */
struct filter {
    client_row_fn next;
    void *ctx;
    const struct column *columns;
    size_t n_columns;
    regex_t like;
    bool active;
    size_t shown;
};

static bool filter_matches(const struct filter *f, json_t *row)
{
    char text[8192];
    const char *key;
    json_t *value;

    row_print(f->columns, f->n_columns, row, text, sizeof(text));
    if (regexec(&f->like, text, 0, NULL, 0) == 0)
        return true;
    json_object_foreach(row, key, value)
    {
        if (json_is_string(value) && regexec(&f->like, json_string_value(value), 0, NULL, 0) == 0)
            return true;
    }
    return false;
}

static void filter_row(void *ctx, json_t *row)
{
    struct filter *f = ctx;

    if (f->active && !filter_matches(f, row))
        return;
    f->shown++;
    f->next(f->ctx, row);
}

static int filter_init(struct filter *f, const char *like)
{
    char why[128];
    int r;

    f->active = *like != '\0';
    if (!f->active)
        return EXIT_OK;
    r = regcomp(&f->like, like, REG_EXTENDED | REG_NOSUB);
    if (r == 0)
        return EXIT_OK;
    regerror(r, &f->like, why, sizeof(why));
    fprintf(stderr, "extstatectl: \"%s\" is no regular expression: %s\n", like, why);
    return EXIT_USAGE;
}

int show_answer(const struct invocation *in, json_t *request, const struct column *columns,
                size_t n_columns, const char *nothing, json_t **answer)
{
    struct filter filter = { .columns = columns, .n_columns = n_columns };
    struct client client;
    struct table table;
    int r = filter_init(&filter, row_text(request, "like"));

    if (r != EXIT_OK) {
        json_decref(request);
        return r;
    }
    table_init(&table, columns, n_columns);
    filter.next = in->options->json ? print_json_line : table_add;
    filter.ctx = &table;
    r = client_open(&client, in->options->socket, in->options->json) ? EXIT_UNREACHABLE : EXIT_OK;
    if (r == EXIT_OK)
        r = client_call(&client, request, filter_row, &filter, answer);
    else
        json_decref(request);
    if (r == EXIT_OK && !in->options->json && filter.shown)
        table_print(&table, stdout);
    else if (r == EXIT_OK && !in->options->json)
        printf("%s\n", nothing);
    if (r == EXIT_OK && !filter.shown)
        r = EXIT_NOTHING;
    table_fini(&table);
    if (filter.active)
        regfree(&filter.like);
    client_close(&client);
    return r;
}

int show_rows(const struct invocation *in, json_t *request, const struct column *columns,
              size_t n_columns, const char *nothing)
{
    json_t *answer = NULL;
    int r = show_answer(in, request, columns, n_columns, nothing, &answer);

    json_decref(answer);
    return r;
}

int call_simple(const struct invocation *in, json_t *request, json_t **answer)
{
    json_t *got = NULL;
    struct client client;
    int r;

    if (client_open(&client, in->options->socket, in->options->json)) {
        json_decref(request);
        return EXIT_UNREACHABLE;
    }
    r = client_call(&client, request, NULL, NULL, &got);
    client_close(&client);
    if (r == EXIT_OK && in->options->json)
        print_json_line(NULL, got);
    if (answer)
        *answer = got;
    else
        json_decref(got);
    return r;
}

static int run(struct ctl_options *options, char **words, int n)
{
    struct invocation in = { .options = options, .words = words, .n = n };
    const struct command *c;
    int used;

    while (take_flag(&in, "--json")) /* behind the command as well as before it */
        options->json = true;
    if (!in.n)
        return EXIT_USAGE;
    c = command_find(in.words, in.n, &used);
    if (!c)
        return words_unknown(in.words, in.n);
    in.words += used;
    in.n -= used;
    return c->run(&in);
}

int main(int argc, char **argv)
{
    struct ctl_options options = { .socket = getenv("EXTSTATE_SOCKET") };
    int i = 1;

    if (!options.socket || !*options.socket)
        options.socket = EXTSTATE_SOCKET;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
            options.socket = argv[++i];
        } else if (strcmp(argv[i], "--complete") == 0) {
            return words_complete(argv + i + 1, argc - i - 1);
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return EXIT_OK;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("extstatectl " EXTSTATE_VERSION);
            return EXIT_OK;
        } else {
            fprintf(stderr, "extstatectl: unknown option %s\n", argv[i]);
            return EXIT_USAGE;
        }
    }
    if (i == argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    return run(&options, argv + i, argc - i);
}
