// SPDX-License-Identifier: MIT
/* The words about what outlives the daemon. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extstatectl.h"

/* The daemon's working directory is not ours. */
static int absolute_path(const char *given, char *out, size_t room)
{
    char here[4096] = "";
    int n;

    if (*given != '/' && !getcwd(here, sizeof(here)))
        return -errno;
    n = snprintf(out, room, "%s%s%s", here, *given == '/' ? "" : "/", given);
    return n < 0 || (size_t)n >= room ? -ENAMETOOLONG : 0;
}

static int run_backup(const struct invocation *in)
{
    char path[8192];
    int r;

    if (in->n != 1)
        return usage_of("backup");
    r = absolute_path(in->words[0], path, sizeof(path));
    if (r) {
        fprintf(stderr, "extstatectl: %s: %s\n", in->words[0], strerror(-r));
        return EXIT_FAILED;
    }
    r = call_simple(in, json_pack("{ss ss}", "command", "backup", "file", path), NULL);
    if (r == EXIT_OK && !in->options->json)
        printf("Written to %s\n", path);
    return r;
}

/* ---- verify ---- */

static const struct column table_columns[] = {
    { .title = "TABLE", .key = "table" },
    { .title = "RECORDS", .key = "records", .right = true },
    { .title = "WRONG", .key = "wrong", .right = true },
    { .title = "THE FIRST OF THESE", .key = "first" },
};

static int run_verify(const struct invocation *in)
{
    json_t *answer = NULL;
    int r;

    if (in->n)
        return usage_of("verify");
    r = show_answer(in, json_pack("{ss}", "command", "verify"), table_columns,
                    ARRAY_LEN(table_columns), "", &answer);
    if (r == EXIT_OK && !json_is_true(json_object_get(answer, "sound"))) {
        const char *why = row_text(answer, "why");

        fprintf(stderr, "extstatectl: %s\n",
                *why ? why : "there are records that cannot be read; a restart forgets them");
        r = EXIT_FAILED;
    }
    json_decref(answer);
    return r;
}

/* ---- upgrade ---- */

static json_t *upgrade_request(const char *binary, const char *timeout)
{
    char path[8192];
    long long s;
    json_t *request;

    if (binary && absolute_path(binary, path, sizeof(path))) {
        fprintf(stderr, "extstatectl: %s: its path is too long\n", binary);
        return NULL;
    }
    if (timeout && (number_parse(timeout, &s) || s < 1)) {
        fprintf(stderr, "extstatectl: --timeout is a number of seconds, not \"%s\"\n", timeout);
        return NULL;
    }
    request = json_pack("{ss ss*}", "command", "upgrade", "binary", binary ? path : NULL);
    if (request && timeout)
        json_object_set_new(request, "timeout_s", json_integer(s));
    return request;
}

static int run_upgrade(const struct invocation *given)
{
    struct invocation in = *given;
    char *binary = take_option(&in, "--binary"), *timeout = take_option(&in, "--timeout");
    json_t *request, *answer = NULL;
    int r;

    if (in.n)
        return usage_of("upgrade");
    request = upgrade_request(binary, timeout);
    if (!request)
        return EXIT_FAILED;
    r = call_simple(&in, request, &answer);
    if (r == EXIT_OK && !in.options->json)
        printf("extstated %s has taken the place of %s in %lld ms\n", row_text(answer, "version"),
               row_text(answer, "former"), row_number(answer, "took_ms"));
    json_decref(answer);
    return r;
}

const struct command store_commands[] = {
    { "backup", "FILE", "copy what is kept, while the daemon goes on", run_backup, false },
    { "upgrade", "[--binary PATH] [--timeout SECONDS]",
      "have the new program take over, and lose nothing", run_upgrade, false },
    { "verify", "", "check what is kept: the file, and every record", run_verify, false },
    { "import astdb", "FILE [--dry-run]",
      "take over what an Asterisk kept: custom states, presence, mailboxes", run_import_astdb,
      false },
    { 0 },
};
