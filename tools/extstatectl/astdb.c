// SPDX-License-Identifier: MIT
/* What an Asterisk kept: an SQLite file with one table, astdb (key, value), whose keys are
 * /FAMILY/KEY. Its states are said to the daemon as if they came from `devstate change` and its
 * sisters, many at a time, because each of them waits until it is on disk. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "extstatectl.h"

enum { UNDER_WAY_MAX = 256 };

enum kind { DEVICES, PRESENCES, MAILBOXES, SUBSCRIPTIONS, KINDS };

struct entry { /* one that is to be taken over */
    char *key;
    json_t *request;
    enum kind kind;
};

struct import {
    const struct invocation *in;
    struct entry *entries;
    size_t n, room;
    size_t done[KINDS];
    size_t skipped; /* rows that say what nobody understands, or what the daemon refuses */
    size_t expired, connected; /* subscriptions: over; on a connection that was Asterisk's */
};

static void skip(struct import *im, const char *key, const char *why)
{
    fputs("extstatectl: ", stderr);
    printable_print(stderr, str_of(key), "");
    fprintf(stderr, ": %s; skipped\n", why);
    im->skipped++;
}

/* ---- rows ---- */

/* Takes the request. */
static int entry_add(struct import *im, const char *key, enum kind kind, json_t *request)
{
    if (!request) {
        skip(im, key, "it is not UTF-8");
        return 0;
    }
    if (im->n == im->room) {
        size_t room = im->room ? 2 * im->room : 64;
        struct entry *grown = reallocarray(im->entries, room, sizeof(*grown));

        if (!grown) {
            json_decref(request);
            return -ENOMEM;
        }
        im->entries = grown;
        im->room = room;
    }
    json_object_set_new(request, "id", json_integer((json_int_t)im->n));
    im->entries[im->n] = (struct entry){ strdup(key), request, kind };
    return im->entries[im->n++].key ? 0 : -ENOMEM;
}

static bool is_one_of(const char *text, const char *const *names)
{
    while (*names && strcasecmp(text, *names) != 0)
        names++;
    return *names;
}

static int take_device(struct import *im, const char *key, const char *label, const char *name,
                       const char *value)
{
    static const char *const states[] = { "UNKNOWN", "NOT_INUSE",   "INUSE",   "BUSY",
                                          "INVALID", "UNAVAILABLE", "RINGING", "RINGINUSE",
                                          "ONHOLD",  NULL };
    char device[256];

    if (!is_one_of(value, states)) {
        skip(im, key, "it has no device state");
        return 0;
    }
    if (snprintf(device, sizeof(device), "%s:%s", label, name) >= (int)sizeof(device)) {
        skip(im, key, "its name is too long");
        return 0;
    }
    return entry_add(
        im, key, DEVICES,
        json_pack("{ss ss ss}", "command", "devstate.set", "device", device, "state", value));
}

static int take_custom(struct import *im, const char *key, const char *name, const char *value)
{
    return take_device(im, key, "Custom", name, value);
}

static int take_stasis(struct import *im, const char *key, const char *name, const char *value)
{
    return take_device(im, key, "Stasis", name, value);
}

static int take_presence(struct import *im, const char *key, const char *name, const char *value)
{
    static const char *const states[] = { "not_set", "unavailable", "available", "away",
                                          "xa",      "chat",        "dnd",       NULL };
    struct presence_value presence;
    char *text = strdup(value);
    char provider[256];
    int r = 0;

    if (!text)
        return -ENOMEM;
    if (presence_value_parse(&presence, text) != EXIT_OK)
        skip(im, key, "it cannot be read");
    else if (!is_one_of(presence.state, states))
        skip(im, key, "it has no presence state");
    else if (snprintf(provider, sizeof(provider), "CustomPresence:%s", name) >=
             (int)sizeof(provider))
        skip(im, key, "its name is too long");
    else
        r = entry_add(im, key, PRESENCES,
                      json_pack("{ss ss ss ss ss}", "command", "presence.set", "provider", provider,
                                "state", presence.state, "subtype", presence.subtype, "message",
                                presence.message));
    free(text);
    return r;
}

/* All its values are texts. -1: it is none. */
static long long member_number(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    char *end;
    long long n;

    if (!text)
        return -1;
    errno = 0;
    n = strtoll(text, &end, 10);
    return errno || end == text || *end ? -1 : n;
}

static int take_mailbox(struct import *im, const char *key, const char *name, const char *value)
{
    json_t *object = json_loads(value, JSON_REJECT_DUPLICATES, NULL);
    long long new_count = member_number(object, "msgs_new");
    long long old_count = member_number(object, "msgs_old");
    int r = 0;

    json_decref(object);
    if (new_count < 0 || old_count < 0)
        skip(im, key, "it has no numbers of messages");
    else
        r = entry_add(im, key, MAILBOXES,
                      json_pack("{ss ss sI sI}", "command", "mailbox.set", "mailbox", name, "new",
                                new_count, "old", old_count));
    return r;
}

static const char *member_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* The highest version of a document that it says anything of: an object by resource, perhaps with
 * more of them inside. */
static long long highest_version(const json_t *value)
{
    long long highest = json_is_integer(value) ? json_integer_value(value) : 0;
    const char *key;
    json_t *inner;

    if (json_is_string(value))
        highest = strtoll(json_string_value(value), NULL, 10);
    json_object_foreach((json_t *)value, key, inner)
    {
        long long version = highest_version(inner);

        if (version > highest)
            highest = version;
    }
    return highest < 0 || highest > INT32_MAX ? 0 : highest;
}

static long long version_of(const json_t *object)
{
    json_t *data = json_loads(member_text(object, "generator_data"), 0, NULL);
    long long version = highest_version(data);

    json_decref(data);
    return version;
}

static void print_place(char *out, size_t n, const char *host, const char *port)
{
    snprintf(out, n, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static json_t *subscription_request(const json_t *object)
{
    char remote[128], local[128];

    print_place(remote, sizeof(remote), member_text(object, "src_name"),
                member_text(object, "src_port"));
    print_place(local, sizeof(local), member_text(object, "local_name"),
                member_text(object, "local_port"));
    return json_pack("{ss ss ss ss ss ss ss sI sI sI}", "command", "subscription.import", "packet",
                     member_text(object, "packet"), "endpoint", member_text(object, "endpoint"),
                     "tag", member_text(object, "tag"), "contact",
                     member_text(object, "contact_uri"), "remote", remote, "local", local, "cseq",
                     member_number(object, "cseq"), "version", version_of(object), "expires_s",
                     member_number(object, "expires"));
}

/* One that came by a connection lives as long as that, and it ended with Asterisk. */
static int take_subscription(struct import *im, const char *key, const char *name,
                             const char *value)
{
    json_t *object = json_loads(value, JSON_REJECT_DUPLICATES, NULL);
    long long expires = member_number(object, "expires");
    int r = 0;

    (void)name;
    if (expires < 0 || member_number(object, "cseq") < 0)
        skip(im, key, "it has no \"expires\" and \"cseq\"");
    else if (expires <= (long long)time(NULL))
        im->expired++;
    else if (strncasecmp(member_text(object, "transport_key"), "UDP", 3) != 0)
        im->connected++;
    else
        r = entry_add(im, key, SUBSCRIPTIONS, subscription_request(object));
    json_decref(object);
    return r;
}

static const struct family {
    const char *prefix;
    int (*take)(struct import *im, const char *key, const char *name, const char *value);
} families[] = {
    { "/CustomDevstate/", take_custom },
    { "/CustomPresence/", take_presence },
    { "/StasisDeviceState/", take_stasis },
    { "/mwi_external/mailboxes/", take_mailbox },
    { "/subscription_persistence/subscription_persistence/", take_subscription },
};

/* Other families are of no concern to a server that only tells states. */
static int take_row(struct import *im, const char *key, const char *value)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        size_t n = strlen(families[i].prefix);

        if (strncmp(key, families[i].prefix, n) != 0)
            continue;
        if (key[n])
            return families[i].take(im, key, key + n, value);
        skip(im, key, "it has no name");
    }
    return 0;
}

static int read_rows(struct import *im, sqlite3 *sql)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(sql, "SELECT key, value FROM astdb ORDER BY key", -1, &st, NULL);
    int r = 0;

    while (r == 0 && (code == SQLITE_OK || code == SQLITE_ROW)) {
        code = sqlite3_step(st);
        if (code == SQLITE_ROW) {
            const char *key = (const char *)sqlite3_column_text(st, 0);
            const char *value = (const char *)sqlite3_column_text(st, 1);

            r = take_row(im, key ? key : "", value ? value : "");
        }
    }
    sqlite3_finalize(st);
    if (r == 0 && code == SQLITE_DONE)
        return EXIT_OK;
    fprintf(stderr, "extstatectl: %s\n", r ? strerror(-r) : sqlite3_errmsg(sql));
    return EXIT_FAILED;
}

static int read_file(struct import *im, const char *path)
{
    sqlite3 *sql = NULL;
    int r = EXIT_FAILED;

    if (sqlite3_open_v2(path, &sql, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
        (void)sqlite3_busy_timeout(sql, 5000); /* an Asterisk that runs writes now and then */
        r = read_rows(im, sql);
    } else {
        fprintf(stderr, "extstatectl: %s: %s\n", path, sqlite3_errmsg(sql));
    }
    sqlite3_close(sql);
    return r;
}

/* ---- saying them ---- */

static int receive_one(struct import *im, struct client *client)
{
    json_t *answer = NULL;
    int r = client_receive(client, NULL, NULL, &answer);
    long long id = row_number(answer, "id");

    if (r == EXIT_OK && id >= 0 && (size_t)id < im->n) {
        if (json_is_true(json_object_get(answer, "ok")))
            im->done[im->entries[id].kind]++;
        else
            skip(im, im->entries[id].key, row_text(answer, "message"));
    }
    json_decref(answer);
    return r;
}

static int say_all(struct import *im)
{
    size_t under_way = 0;
    struct client client;
    int r = EXIT_OK;

    if (client_open(&client, im->in->options->socket, im->in->options->json))
        return EXIT_UNREACHABLE;
    for (size_t i = 0; i < im->n && r == EXIT_OK; i++) {
        if (under_way == UNDER_WAY_MAX) {
            r = receive_one(im, &client);
            under_way--;
        }
        if (r == EXIT_OK) {
            r = client_send(&client, json_incref(im->entries[i].request));
            under_way++;
        }
    }
    for (; under_way && r == EXIT_OK; under_way--)
        r = receive_one(im, &client);
    client_close(&client);
    return r;
}

/* ---- the report ---- */

static void say_nothing(struct import *im)
{
    for (size_t i = 0; i < im->n; i++) {
        im->done[im->entries[i].kind]++;
        if (im->in->options->json)
            continue;
        printable_print(stdout, str_of(im->entries[i].key), "");
        putchar('\n');
    }
}

static void report(const struct import *im, bool dry_run)
{
    if (im->in->options->json) {
        json_t *row = json_pack(
            "{sI sI sI sI sI sI sI}", "devices", (json_int_t)im->done[DEVICES], "presences",
            (json_int_t)im->done[PRESENCES], "mailboxes", (json_int_t)im->done[MAILBOXES],
            "subscriptions", (json_int_t)im->done[SUBSCRIPTIONS], "skipped",
            (json_int_t)im->skipped, "subscriptions_expired", (json_int_t)im->expired,
            "subscriptions_connected", (json_int_t)im->connected);

        print_json_line(NULL, row);
        json_decref(row);
        return;
    }
    printf("%s: %zu device states, %zu presences, %zu mailboxes, %zu subscriptions; %zu skipped\n",
           dry_run ? "Would be imported" : "Imported", im->done[DEVICES], im->done[PRESENCES],
           im->done[MAILBOXES], im->done[SUBSCRIPTIONS], im->skipped);
    if (im->connected)
        printf("%zu subscriptions came by a connection that was Asterisk's: their telephones "
               "subscribe anew\n",
               im->connected);
    if (im->expired)
        printf("%zu subscriptions have expired\n", im->expired);
}

int run_import_astdb(const struct invocation *given)
{
    struct invocation in = *given;
    bool dry_run = take_flag(&in, "--dry-run");
    struct import im = { .in = &in };
    int r;

    if (in.n != 1)
        return usage_of("import astdb");
    r = read_file(&im, in.words[0]);
    if (r == EXIT_OK && dry_run)
        say_nothing(&im);
    else if (r == EXIT_OK)
        r = say_all(&im);
    if (r == EXIT_OK)
        report(&im, dry_run);
    if (r == EXIT_OK && im.skipped)
        r = EXIT_FAILED;
    for (size_t i = 0; i < im.n; i++) {
        free(im.entries[i].key);
        json_decref(im.entries[i].request);
    }
    free(im.entries);
    return r;
}
