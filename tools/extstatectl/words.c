// SPDX-License-Identifier: MIT
/* The table of commands: which one a line means, and what may follow. */
#include <string.h>

#include "base/str.h"
#include "extstatectl.h"

static const struct command *const command_tables[] = { own_commands, explain_commands,
                                                        store_commands, watch_commands,
                                                        asterisk_commands };

const struct command *command_next(const struct command *previous)
{
    size_t t = 0;

    if (!previous)
        return command_tables[0];
    for (; t < ARRAY_LEN(command_tables); t++) {
        const struct command *c = command_tables[t];

        while (c->words && c != previous)
            c++;
        if (c->words)
            break;
    }
    if (previous[1].words)
        return previous + 1;
    return t + 1 < ARRAY_LEN(command_tables) ? command_tables[t + 1] : NULL;
}

/* Does the command begin with these words? `*rest` is what follows, empty when nothing does. */
static bool begins_with(const struct command *c, char **words, int n, struct str *rest)
{
    *rest = str_of(c->words);
    for (int i = 0; i < n; i++) {
        struct str word = str_sub(*rest, 0, str_find_char(*rest, ' '));

        if (!word.n || !str_equal(word, str_of(words[i])))
            return false;
        *rest = str_sub(*rest, word.n + 1, rest->n);
    }
    return true;
}

static int words_count(const struct command *c)
{
    int n = 1;

    for (const char *p = c->words; *p; p++)
        n += *p == ' ';
    return n;
}

const struct command *command_find(char **words, int n, int *used)
{
    const struct command *best = NULL;

    *used = 0;
    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        int own = words_count(c);
        struct str rest;

        if (own > *used && own <= n && begins_with(c, words, own, &rest)) {
            best = c;
            *used = own;
        }
    }
    return best;
}

static struct str word_behind(const struct command *c, char **words, int n)
{
    struct str rest;

    return begins_with(c, words, n, &rest) ? str_sub(rest, 0, str_find_char(rest, ' ')) : STR_EMPTY;
}

static bool is_first(const struct command *of, char **words, int n, struct str word)
{
    for (const struct command *c = command_next(NULL); c != of; c = command_next(c))
        if (str_equal(word_behind(c, words, n), word))
            return false;
    return true;
}

int words_print_next(FILE *out, char **words, int n, const char *separator)
{
    int printed = 0;

    for (const struct command *c = command_next(NULL); c; c = command_next(c)) {
        struct str word = word_behind(c, words, n);

        if (word.n && is_first(c, words, n, word))
            fprintf(out, "%s%.*s", printed++ ? separator : "", STR_FMT(word));
    }
    return printed;
}

int words_complete(char **words, int n)
{
    int kept = 0;

    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], "--socket") == 0)
            i++; /* with its value, which the shell completes when it comes next */
        else if (words[i][0] != '-')
            words[kept++] = words[i];
    }
    if (n && strcmp(words[n - 1], "--socket") == 0)
        return EXIT_OK;
    if (words_print_next(stdout, words, kept, "\n"))
        putchar('\n');
    return EXIT_OK;
}

/* As much of the line as some command begins with, and what may follow that. */
int words_unknown(char **words, int n)
{
    struct str rest;
    int known = 0;

    for (const struct command *c = command_next(NULL); c; c = command_next(c))
        while (known < n && begins_with(c, words, known + 1, &rest))
            known++;
    if (!known) {
        fprintf(stderr, "extstatectl: there is no command \"%s\"; see extstatectl --help\n",
                words[0]);
        return EXIT_USAGE;
    }
    fputs("extstatectl: \"", stderr);
    for (int i = 0; i < known; i++)
        fprintf(stderr, "%s%s", i ? " " : "", words[i]);
    fputs("\" must be followed by one of: ", stderr);
    words_print_next(stderr, words, known, ", ");
    fputs("\n", stderr);
    return EXIT_USAGE;
}

int usage_error(const struct command *c)
{
    fprintf(stderr, "Usage: extstatectl %s%s%s\n", c->words, *c->usage ? " " : "", c->usage);
    return EXIT_USAGE;
}

int usage_of(const char *words)
{
    for (const struct command *c = command_next(NULL); c; c = command_next(c))
        if (strcmp(c->words, words) == 0)
            return usage_error(c);
    return EXIT_USAGE;
}
