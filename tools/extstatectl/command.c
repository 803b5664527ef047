// SPDX-License-Identifier: MIT
/* The tool's own words. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "extstatectl.h"

void print_age(long long since_ms, char *out, size_t room)
{
    long long s = (long long)time(NULL) - since_ms / 1000;

    s = s < 0 ? 0 : s;
    if (since_ms == 0)
        snprintf(out, room, "-");
    else if (s < 120)
        snprintf(out, room, "%llds", s);
    else if (s < 7200)
        snprintf(out, room, "%lldm", s / 60);
    else if (s < 172800)
        snprintf(out, room, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, room, "%lldd", s / 86400);
}

int number_parse(const char *text, long long *out)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno || end == text || *end || *out < 0 ? -1 : 0;
}

static void cell_since(const json_t *row, char *out, size_t room)
{
    print_age(row_number(row, "changed_ms"), out, room);
}

static const char *stale_mark(const json_t *row)
{
    return json_is_true(json_object_get(row, "stale")) ? " (stale)" : "";
}

static void cell_state(const json_t *row, char *out, size_t room)
{
    snprintf(out, room, "%s%s", row_text(row, "state"), stale_mark(row));
}

/* ---- devices ---- */

static void cell_sources(const json_t *row, char *out, size_t room)
{
    size_t i, used = 0;
    json_t *source;

    json_array_foreach(json_object_get(row, "sources"), i, source)
    {
        int n = snprintf(out + used, room - used, "%s%s=%s%s", i ? " " : "",
                         row_text(source, "source"), row_text(source, "state"), stale_mark(source));

        used += n > 0 ? (size_t)n : 0;
        if (used >= room)
            return;
    }
}

static const struct column device_columns[] = {
    { .title = "DEVICE", .key = "device" },
    { .title = "STATE", .print = cell_state },
    { .title = "SINCE", .print = cell_since },
    { .title = "SOURCES", .print = cell_sources },
};

static int run_devstate_list(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("devstate list");
    return show_rows(
        in, json_pack("{ss ss}", "command", "devstate.list", "prefix", in->n ? in->words[0] : ""),
        device_columns, ARRAY_LEN(device_columns),
        in->n ? "no device begins with that" : "no device has a state yet");
}

static int run_devstate_change(const struct invocation *given)
{
    struct invocation in = *given;
    char *source = take_option(&in, "--source");
    int r;

    if (in.n != 2)
        return usage_of("devstate change");
    r = call_simple(&in,
                    json_pack("{ss ss ss ss}", "command", "devstate.set", "device", in.words[0],
                              "state", in.words[1], "source", source ? source : ""),
                    NULL);
    if (r == EXIT_OK && !in.options->json)
        printf("Changing %s to %s\n", in.words[0], in.words[1]);
    return r;
}

static int run_devstate_forget(const struct invocation *given)
{
    struct invocation in = *given;
    char *source = take_option(&in, "--source");

    if (in.n != 1)
        return usage_of("devstate forget");
    return call_simple(&in,
                       json_pack("{ss ss ss}", "command", "devstate.forget", "device", in.words[0],
                                 "source", source ? source : ""),
                       NULL);
}

/* ---- presence ---- */

static const struct column presence_columns[] = {
    { .title = "PROVIDER", .key = "provider" }, { .title = "STATE", .print = cell_state },
    { .title = "SUBTYPE", .key = "subtype" },   { .title = "MESSAGE", .key = "message" },
    { .title = "SINCE", .print = cell_since },
};

static int run_presencestate_list(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("presencestate list");
    return show_rows(
        in, json_pack("{ss ss}", "command", "presence.list", "prefix", in->n ? in->words[0] : ""),
        presence_columns, ARRAY_LEN(presence_columns),
        in->n ? "no provider begins with that" : "no presence has been set yet");
}

static int run_presencestate_change(const struct invocation *in)
{
    struct presence_value value;
    int r;

    if (in->n != 2)
        return usage_of("presencestate change");
    r = presence_value_parse(&value, in->words[1]);
    if (r == EXIT_OK)
        r = call_simple(in,
                        json_pack("{ss ss ss ss ss}", "command", "presence.set", "provider",
                                  in->words[0], "state", value.state, "subtype", value.subtype,
                                  "message", value.message),
                        NULL);
    if (r == EXIT_OK && !in->options->json)
        printf("Changing %s to %s\n", in->words[0], value.state);
    return r;
}

/* ---- hints ---- */

static void cell_extension(const json_t *row, char *out, size_t room)
{
    snprintf(out, room, "%s@%s", row_text(row, "extension"), row_text(row, "context"));
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void cell_where(const json_t *row, char *out, size_t room)
{
    if (json_is_true(json_object_get(row, "autohint")))
        snprintf(out, room, "autohint");
    else if (row_number(row, "line"))
        snprintf(out, room, "%s:%lld", file_name(row_text(row, "file")), row_number(row, "line"));
    else /* a PBX has it, or it was added by hand */
        snprintf(out, room, "%s", row_text(row, "file"));
}

/* As long as its state is what it is, whatever becomes of its presence. */
static void cell_lamp_since(const json_t *row, char *out, size_t room)
{
    print_age(row_number(row, "since_ms"), out, room);
}

static const struct column hint_columns[] = {
    { .title = "EXTENSION", .print = cell_extension },
    { .title = "STATE", .print = cell_state },
    { .title = "PRESENCE", .key = "presence" },
    { .title = "WATCHERS", .key = "watchers", .right = true },
    { .title = "SINCE", .print = cell_lamp_since },
    { .title = "HINT", .key = "hint" },
    { .title = "NAME", .key = "name" },
    { .title = "FROM", .print = cell_where },
};

static int run_hints(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("hints");
    return show_rows(in,
                     json_pack("{ss ss}", "command", "hints", "prefix", in->n ? in->words[0] : ""),
                     hint_columns, ARRAY_LEN(hint_columns),
                     in->n ? "no hint begins with that" : "there are no hints");
}

/* ---- subscriptions and publications ---- */

static void cell_told(const json_t *row, char *out, size_t room)
{
    bool newest = row_number(row, "told_sequence") == row_number(row, "current_sequence");

    if (json_is_true(json_object_get(row, "outstanding")))
        snprintf(out, room, "waiting for the answer");
    else if (row_number(row, "unconnected"))
        snprintf(out, room, "no connection");
    else
        snprintf(out, room, newest ? "newest, in %lldms" : "older",
                 row_number(row, "acknowledged_after_ms"));
}

static const struct column subscription_columns[] = {
    { .title = "RESOURCE", .key = "resource" },
    { .title = "CONTEXT", .key = "context" },
    { .title = "EVENT", .key = "event" },
    { .title = "BODY", .key = "content_type" },
    { .title = "ENDPOINT", .key = "endpoint" },
    { .title = "PEER", .key = "remote" },
    { .title = "BY", .key = "protocol" },
    { .title = "STATE", .key = "state" },
    { .title = "EXPIRES", .key = "expires_s", .right = true },
    { .title = "CSEQ", .key = "cseq", .right = true },
    { .title = "VERSION", .key = "version", .right = true },
    { .title = "TOLD", .print = cell_told },
};

static int run_subscriptions(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("subscriptions");
    return show_rows(
        in, json_pack("{ss ss}", "command", "subscriptions", "like", in->n ? in->words[0] : ""),
        subscription_columns, ARRAY_LEN(subscription_columns), "no subscriptions");
}

static void cell_answer(const json_t *row, char *out, size_t room)
{
    if (row_number(row, "last_status"))
        snprintf(out, room, "%lld %s", row_number(row, "last_status"),
                 row_text(row, "last_reason"));
    else
        snprintf(out, room, "-");
}

static const struct column publication_columns[] = {
    { .title = "EXTENSION", .print = cell_extension },
    { .title = "SECTION", .key = "section" },
    { .title = "EVENT", .key = "event" },
    { .title = "SERVER", .key = "remote" },
    { .title = "STATE", .key = "state" },
    { .title = "TAG", .key = "entity_tag" },
    { .title = "EXPIRES", .key = "expires_s", .right = true },
    { .title = "LAST ANSWER", .print = cell_answer },
    { .title = "QUEUED", .key = "queued", .right = true },
    { .title = "FAILURES", .key = "failures", .right = true },
    { .title = "RETRY IN", .key = "retry_s", .right = true },
};

static int run_publications(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("publications");
    return show_rows(
        in, json_pack("{ss ss}", "command", "publications", "like", in->n ? in->words[0] : ""),
        publication_columns, ARRAY_LEN(publication_columns), "no publications");
}

static const struct column received_columns[] = {
    { .title = "RESOURCE", .print = cell_extension },
    { .title = "EVENT", .key = "event" },
    { .title = "PUBLISHER", .key = "publisher" },
    { .title = "BODY", .key = "content_type" },
    { .title = "BYTES", .key = "body_len", .right = true },
    { .title = "TAG", .key = "entity_tag" },
    { .title = "EXPIRES", .key = "expires_s", .right = true },
    { .title = "SINCE", .print = cell_since },
};

static int run_publications_inbound(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("publications inbound");
    return show_rows(
        in,
        json_pack("{ss ss}", "command", "publications.inbound", "like", in->n ? in->words[0] : ""),
        received_columns, ARRAY_LEN(received_columns), "nobody publishes here");
}

/* ---- contacts ---- */

static void cell_kind(const json_t *row, char *out, size_t room)
{
    snprintf(out, room, "%s",
             json_is_true(json_object_get(row, "static")) ? "static" : "registered");
}

static void cell_registered(const json_t *row, char *out, size_t room)
{
    if (row_number(row, "registered_ms"))
        print_age(row_number(row, "registered_ms"), out, room);
    else
        snprintf(out, room, "-");
}

static void cell_rtt(const json_t *row, char *out, size_t room)
{
    if (strcmp(row_text(row, "status"), "reachable") == 0)
        snprintf(out, room, "%lld ms", row_number(row, "rtt_ms"));
    else if (row_number(row, "last_status"))
        snprintf(out, room, "%lld", row_number(row, "last_status"));
    else
        snprintf(out, room, "-");
}

/* "watched", and otherwise why not. */
static void cell_watch(const json_t *row, char *out, size_t room)
{
    const char *watch = row_text(row, "watch"), *why = row_text(row, "watch_why");
    long long status = row_number(row, "watch_status");

    if (strcmp(watch, "off") == 0 || strcmp(watch, "watched") == 0)
        snprintf(out, room, "%s", watch);
    else if (*why)
        snprintf(out, room, "%s: %s", watch, why);
    else if (status)
        snprintf(out, room, "%s: %lld", watch, status);
    else
        snprintf(out, room, "%s", watch);
}

static const struct column contact_columns[] = {
    { .title = "AOR", .key = "aor" },
    { .title = "CONTACT", .key = "contact" },
    { .title = "ENDPOINT", .key = "endpoint" },
    { .title = "KIND", .print = cell_kind },
    { .title = "STATUS", .key = "status" },
    { .title = "ANSWER", .print = cell_rtt, .right = true },
    { .title = "DIALOGS", .print = cell_watch },
    { .title = "EXPIRES", .key = "expires_s", .right = true },
    { .title = "SINCE", .print = cell_registered },
    { .title = "SOURCE", .key = "source" },
    { .title = "USER AGENT", .key = "user_agent" },
};

static int run_contacts(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("contacts");
    return show_rows(
        in, json_pack("{ss ss}", "command", "contacts", "prefix", in->n ? in->words[0] : ""),
        contact_columns, ARRAY_LEN(contact_columns),
        in->n ? "no aor with a contact begins with that" : "there are no contacts");
}

/* ---- mailboxes ---- */

static void cell_reporter(const json_t *row, char *out, size_t room)
{
    snprintf(out, room, "%s%s", row_text(row, "source"), stale_mark(row));
}

static const struct column mailbox_columns[] = {
    { .title = "MAILBOX", .key = "mailbox" },
    { .title = "NEW", .key = "new", .right = true },
    { .title = "OLD", .key = "old", .right = true },
    { .title = "SOURCE", .print = cell_reporter },
    { .title = "SOURCES", .key = "sources", .right = true },
};

static int run_mailbox_list(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("mailbox list");
    return show_rows(
        in, json_pack("{ss ss}", "command", "mailbox.list", "prefix", in->n ? in->words[0] : ""),
        mailbox_columns, ARRAY_LEN(mailbox_columns),
        in->n ? "no mailbox begins with that" : "there are no mailboxes");
}

static int run_mailbox_change(const struct invocation *given)
{
    struct invocation in = *given;
    char *source = take_option(&in, "--source");
    long long counts[2] = { 0, 0 };
    int r;

    if (in.n < 2 || in.n > 3)
        return usage_of("mailbox change");
    for (int i = 1; i < in.n; i++)
        if (number_parse(in.words[i], &counts[i - 1]))
            return usage_of("mailbox change");
    r = call_simple(&in,
                    json_pack("{ss ss sI sI ss}", "command", "mailbox.set", "mailbox", in.words[0],
                              "new", counts[0], "old", counts[1], "source", source ? source : ""),
                    NULL);
    if (r == EXIT_OK && !in.options->json)
        printf("Changing %s to %lld new, %lld old\n", in.words[0], counts[0], counts[1]);
    return r;
}

static int run_mailbox_forget(const struct invocation *given)
{
    struct invocation in = *given;
    char *source = take_option(&in, "--source");

    if (in.n != 1)
        return usage_of("mailbox forget");
    return call_simple(&in,
                       json_pack("{ss ss ss}", "command", "mailbox.forget", "mailbox", in.words[0],
                                 "source", source ? source : ""),
                       NULL);
}

static void cell_mailbox(const json_t *row, char *out, size_t room)
{
    const char *mailbox = row_text(row, "mailbox");

    snprintf(out, room, "%s", *mailbox ? mailbox : "all");
}

static const struct column notice_columns[] = {
    { .title = "ENDPOINT", .key = "endpoint" },
    { .title = "CONTACT", .key = "contact" },
    { .title = "MAILBOX", .print = cell_mailbox },
    { .title = "STATE", .key = "state" },
    { .title = "LAST ANSWER", .key = "last_status", .right = true },
    { .title = "FAILURES", .key = "failures", .right = true },
    { .title = "RETRY IN", .key = "retry_s", .right = true },
    { .title = "CSEQ", .key = "cseq", .right = true },
};

static int run_mailbox_told(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("mailbox told");
    return show_rows(
        in, json_pack("{ss ss}", "command", "mailbox.told", "like", in->n ? in->words[0] : ""),
        notice_columns, ARRAY_LEN(notice_columns), "nobody is told without a subscription");
}

/* ---- other servers ---- */

static void cell_heard(const json_t *row, char *out, size_t room)
{
    print_age(row_number(row, "heard_ms"), out, room);
}

/* A server whose publications live has no end to come. */
static void cell_lapses(const json_t *row, char *out, size_t room)
{
    const json_t *lapses = json_object_get(row, "lapses_s");

    if (lapses)
        snprintf(out, room, "lapses in %lld s", row_number(row, "lapses_s"));
    else
        snprintf(out, room, "%s", row_number(row, "publications") ? "alive" : "silent");
}

static bool is_pbx(const json_t *row)
{
    return json_object_get(row, "source") != NULL;
}

static void cell_source(const json_t *row, char *out, size_t room)
{
    snprintf(out, room, "%s", row_text(row, is_pbx(row) ? "source" : "eid"));
}

/* Since when it is what it is, or when it was heard last. */
static void cell_source_age(const json_t *row, char *out, size_t room)
{
    if (is_pbx(row))
        print_age(row_number(row, "since_ms"), out, room);
    else
        cell_heard(row, out, room);
}

static void cell_source_state(const json_t *row, char *out, size_t room)
{
    if (is_pbx(row))
        snprintf(out, room, "%s%s", row_text(row, "state"),
                 json_is_true(json_object_get(row, "stale")) ? ", stale" : "");
    else
        cell_lapses(row, out, room);
}

static void cell_source_told(const json_t *row, char *out, size_t room)
{
    if (is_pbx(row))
        snprintf(out, room, "%lld reports", row_number(row, "reports"));
    else
        snprintf(out, room, "%lld devices, %lld mailboxes, %lld publications",
                 row_number(row, "devices"), row_number(row, "mailboxes"),
                 row_number(row, "publications"));
}

static const struct column source_columns[] = {
    { .title = "SOURCE", .print = cell_source },
    { .title = "PROTOCOL", .key = "protocol" },
    { .title = "STATE", .print = cell_source_state },
    { .title = "SINCE", .print = cell_source_age },
    { .title = "TOLD", .print = cell_source_told },
    { .title = "COMPLAINT", .key = "complaint" },
};

static int run_sources(const struct invocation *in)
{
    if (in->n)
        return usage_of("sources");
    return show_rows(in, json_pack("{ss}", "command", "sources"), source_columns,
                     ARRAY_LEN(source_columns),
                     "no PBX is followed, and no other server publishes here");
}

/* ---- moving the subscribers away ---- */

static int drain_number(const char *text, const char *what, long long otherwise, long long *out)
{
    *out = otherwise;
    if (!text || number_parse(text, out) == 0)
        return 0;
    fprintf(stderr, "extstatectl: %s is a number, not \"%s\"\n", what, text);
    return -1;
}

static int run_drain(const struct invocation *given)
{
    struct invocation in = *given;
    char *reason = take_option(&in, "--reason"), *after = take_option(&in, "--retry-after"),
         *per_second = take_option(&in, "--rate");
    long long retry_after_s, rate;
    int r;

    if (take_flag(&in, "--stop"))
        return in.n ? usage_of("drain")
                    : call_simple(&in, json_pack("{ss}", "command", "drain.stop"), NULL);
    if (in.n)
        return usage_of("drain");
    if (drain_number(after, "--retry-after", 30, &retry_after_s) ||
        drain_number(per_second, "--rate", 200, &rate))
        return EXIT_USAGE;
    r = call_simple(&in,
                    json_pack("{ss ss sI sI}", "command", "drain", "reason",
                              reason ? reason : "deactivated", "retry_after_s", retry_after_s,
                              "rate", rate),
                    NULL);
    if (r == EXIT_OK && !in.options->json)
        printf("Moving subscribers away, %lld a second; extstatectl drain --stop ends that\n",
               rate);
    return r;
}

/* ---- the daemon ---- */

static void print_value(const char *key, const json_t *v, int indent)
{
    if (json_is_integer(v))
        printf("%*s%-24s %lld\n", indent, "", key, (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        printf("%*s%-24s %s\n", indent, "", key, json_is_true(v) ? "yes" : "no");
    else if (json_is_string(v))
        printf("%*s%-24s %s\n", indent, "", key, json_string_value(v));
}

static void print_numbers(const char *key, const json_t *array, int indent)
{
    size_t i;
    json_t *v;

    printf("%*s%-24s", indent, "", key);
    json_array_foreach(array, i, v)
    {
        printf(" %lld", (long long)json_integer_value(v));
    }
    printf("\n");
}

static void print_object(const json_t *object, int indent)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        if (strcmp(key, "id") == 0 || strcmp(key, "ok") == 0 || strcmp(key, "rows") == 0)
            continue;
        if (json_is_integer(json_array_get(v, 0))) {
            print_numbers(key, v, indent);
        } else if (json_is_object(v) || json_is_array(v)) {
            size_t i;
            json_t *item;

            printf("%*s%s\n", indent, "", key);
            if (json_is_object(v))
                print_object(v, indent + 2);
            json_array_foreach(v, i, item)
            {
                print_object(item, indent + 2);
                printf("\n");
            }
        } else {
            print_value(key, v, indent);
        }
    }
}

static int run_status(const struct invocation *in)
{
    json_t *answer = NULL;
    int r = in->n ? usage_of("status")
                  : call_simple(in, json_pack("{ss}", "command", "status"), &answer);

    if (r == EXIT_OK && !in->options->json)
        print_object(answer, 0);
    json_decref(answer);
    return r;
}

int configuration_reload(const struct invocation *in, const char *done)
{
    json_t *answer = NULL;
    int r = call_simple(in, json_pack("{ss}", "command", "reload"), &answer);
    bool partly = json_is_true(json_object_get(answer, "partly"));

    if (r == EXIT_OK && !in->options->json) {
        fputs(row_text(answer, "report"), stderr);
        if (!partly && *done)
            puts(done);
    }
    if (r == EXIT_OK && partly) {
        fputs("extstatectl: what these errors are about was refused; the rest is applied\n",
              stderr);
        r = EXIT_FAILED;
    } else if (r == EXIT_FAILED) {
        fputs("extstatectl: nothing has changed\n", stderr);
    }
    json_decref(answer);
    return r;
}

/* "endpoint alice changed: context, aors"; "hint 1000@users changed: Custom:1 -> Custom:2";
 * "publications of outbound-publish esc: 12 start". */
static void print_change(void *ctx, json_t *row)
{
    const char *name = row_text(row, "name"), *options = row_text(row, "options");
    const char *was = row_text(row, "was"), *is = row_text(row, "is");

    ++*(size_t *)ctx;
    printf("%s%s%s", row_text(row, "kind"), *name ? " " : "", name);
    if (json_object_get(row, "count"))
        printf(": %lld %s\n", row_number(row, "count"), row_text(row, "change"));
    else if (*was && *is)
        printf(" %s: %s -> %s\n", row_text(row, "change"), was, is);
    else
        printf(" %s%s%s%s%s\n", row_text(row, "change"), *options || *was || *is ? ": " : "",
               options, was, is);
}

static int run_dry(const struct invocation *in)
{
    json_t *answer = NULL;
    struct client client;
    bool partly;
    size_t n = 0;
    int r;

    if (client_open(&client, in->options->socket, in->options->json))
        return EXIT_UNREACHABLE;
    r = client_call(&client, json_pack("{ss sb}", "command", "reload", "dry_run", 1),
                    in->options->json ? print_json_line : print_change, &n, &answer);
    client_close(&client);
    partly = json_is_true(json_object_get(answer, "partly"));
    if (r == EXIT_OK && in->options->json) {
        print_json_line(NULL, answer);
    } else if (r == EXIT_OK) {
        fputs(row_text(answer, "report"), stderr);
        if (!n)
            puts("nothing would change");
    }
    if (r == EXIT_OK && partly) {
        fputs("extstatectl: what these errors are about would be refused\n", stderr);
        r = EXIT_FAILED;
    } else if (r == EXIT_FAILED) {
        fputs("extstatectl: a reload would change nothing\n", stderr);
    }
    json_decref(answer);
    return r;
}

static int run_reload(const struct invocation *given)
{
    struct invocation in = *given;
    bool dry = take_flag(&in, "--dry-run");

    if (in.n)
        return usage_of("reload");
    return dry ? run_dry(&in) : configuration_reload(&in, "reloaded");
}

static int run_log(const struct invocation *in)
{
    if (in->n != 1)
        return usage_of("log");
    return call_simple(in, json_pack("{ss ss}", "command", "log.level", "level", in->words[0]),
                       NULL);
}

static int run_trace(const struct invocation *in)
{
    json_t *request = json_pack("{ss}", "command", "trace");
    json_t *peers = json_array();

    if (in->n == 0) {
        json_decref(request);
        json_decref(peers);
        return usage_of("trace");
    }
    if (strcmp(in->words[0], "all") == 0)
        json_object_set_new(request, "all", json_true());
    else if (strcmp(in->words[0], "off") != 0)
        for (int i = 0; i < in->n; i++)
            json_array_append_new(peers, json_string(in->words[i]));
    json_object_set_new(request, "peers", peers);
    return call_simple(in, request, NULL);
}

const struct command own_commands[] = {
    { "devstate list", "[PREFIX]", "devices, their states and who reports them", run_devstate_list,
      false },
    { "devstate change", "DEVICE STATE [--source NAME]", "say what a device does",
      run_devstate_change, false },
    { "devstate forget", "DEVICE [--source NAME]", "say nothing about a device any more",
      run_devstate_forget, false },
    { "presencestate list", "[PREFIX]", "presence providers and their states",
      run_presencestate_list, false },
    { "presencestate change", "CustomPresence:NAME STATE[,SUBTYPE[,MESSAGE[,e]]]", "set a presence",
      run_presencestate_change, false },
    { "hints", "[PREFIX]", "hints, their states and watchers", run_hints, false },
    { "subscriptions", "[LIKE]", "who watches what, and what they were told", run_subscriptions,
      false },
    { "publications inbound", "[LIKE]", "what others publish here", run_publications_inbound,
      false },
    { "publications", "[LIKE]", "what is published where, and how that goes", run_publications,
      false },
    { "mailbox list", "[PREFIX]", "mailboxes and their messages", run_mailbox_list, false },
    { "mailbox change", "MAILBOX NEW [OLD] [--source NAME]", "say how many messages there are",
      run_mailbox_change, false },
    { "mailbox forget", "MAILBOX [--source NAME]", "say nothing about a mailbox any more",
      run_mailbox_forget, false },
    { "mailbox told", "[LIKE]", "who is told without a subscription, and how that goes",
      run_mailbox_told, false },
    { "contacts", "[PREFIX]", "where each aor can be reached: registered and static contacts",
      run_contacts, false },
    { "sources", "", "PBXs and other servers, what they tell, and whether they live", run_sources,
      false },
    { "drain", "[--reason deactivated|probation] [--retry-after S] [--rate N] | --stop",
      "have subscribers go elsewhere before this server stops", run_drain, false },
    { "status", "", "the daemon: listeners, counters, switches", run_status, false },
    { "reload", "[--dry-run]", "read the configuration again, or say what that would change",
      run_reload, false },
    { "log", "error|warn|info|debug", "how much is logged", run_log, false },
    { "trace", "all | off | ADDRESS[/BITS]...", "log the messages from and to these peers",
      run_trace, false },
    { 0 },
};
