// SPDX-License-Identifier: MIT
/* extstatectl explain and history: why a lamp is as it is, and how it came about. To be read at two
 * in the morning: what it shows comes first, what is wrong stands apart. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "extstatectl.h"
#include "when.h"

enum { POLL_US = 250000 };

/* ---- times ---- */

/* "10:00:03 (2m ago)", with the date when that is not today. */
static void print_since(long long ms, char *out, size_t room)
{
    char today[16], day[16], when[32], age[32];
    bool same;

    if (!ms) {
        snprintf(out, room, "an unknown time");
        return;
    }
    when_print((long long)time(NULL) * 1000, WHEN_DAY, today, sizeof(today));
    when_print(ms, WHEN_DAY, day, sizeof(day));
    same = strcmp(today, day) == 0;
    when_print(ms, same ? WHEN_TIME : WHEN_BOTH, when, sizeof(when));
    print_age(ms, age, sizeof(age));
    snprintf(out, room, "%s (%s ago)", when, age);
}

static int time_parse(const char *option, const char *text, enum when_kind *kind, long long *ms)
{
    int r = when_parse(text, time(NULL), ms);

    if (r > 0) {
        *kind = (enum when_kind)r;
        return EXIT_OK;
    }
    fprintf(stderr,
            "extstatectl: %s \"%s\" is no time; write \"2026-11-22 10:00\", 10:00 for the last "
            "one that has been, or 15m for so long ago\n",
            option, text);
    return EXIT_USAGE;
}

/* ---- one change, on one line ---- */

static bool is_stale(const json_t *row)
{
    return json_is_true(json_object_get(row, "stale"));
}

/* Nobody has said it: it is so because its source is away. */
static bool is_away(const json_t *row)
{
    return json_object_get(row, "away_s") != NULL;
}

static void print_away(const json_t *row)
{
    printf("%s is away for longer than its grace of %llds", row_text(row, "source"),
           row_number(row, "away_s"));
}

/* What is no lamp has a package of its own. */
static bool is_lamp(const json_t *row)
{
    return !*row_text(row, "package");
}

static void print_contents(const json_t *row)
{
    if (strcmp(row_text(row, "state"), "removed") == 0)
        fputs("removed", stdout);
    else if (json_object_get(row, "members"))
        printf("a list of %lld", row_number(row, "members"));
    else if (json_object_get(row, "new"))
        printf("%lld new, %lld old", row_number(row, "new"), row_number(row, "old"));
    else
        fputs(row_text(row, "package"), stdout);
}

static void print_state_of(const json_t *row)
{
    if (!is_lamp(row)) {
        print_contents(row);
        return;
    }
    fputs(row_text(row, "state"), stdout);
    if (*row_text(row, "presence"))
        printf(", %s", row_text(row, "presence"));
    if (*row_text(row, "subtype"))
        printf("/%s", row_text(row, "subtype"));
    if (*row_text(row, "message"))
        printf(" \"%s\"", row_text(row, "message"));
}

static void print_device_change(const json_t *row)
{
    const char *said = row_text(row, "said"), *by = row_text(row, "by");

    printf("%s %s", row_text(row, "device"), row_text(row, "state"));
    if (strcmp(row_text(row, "state"), row_text(row, "former")) != 0)
        printf(", was %s", row_text(row, "former"));
    else
        fputs(", as before", stdout);
    if (*by && *said)
        printf(": %s %s %s", by, is_away(row) ? "counts as" : "says", said);
    else if (*by)
        printf(": %s says nothing any more", by);
    else
        fputs(": its default", stdout);
}

static void print_changed(const json_t *row)
{
    json_t *member;
    size_t i;

    json_array_foreach(json_object_get(row, "changed"), i, member)
    {
        printf("%s%s", i ? ", " : ", changed in ", json_string_value(member));
    }
}

static void print_snapshot_change(const json_t *row)
{
    printf("%s ", row_text(row, "resource"));
    print_state_of(row);
    if (!is_lamp(row)) {
        print_changed(row);
        return;
    }
    if (is_stale(row))
        fputs(" (stale)", stdout);
    if (*row_text(row, "former"))
        printf(", was %s", row_text(row, "former"));
    if (json_is_true(json_object_get(row, "published")))
        fputs(", with what is published", stdout);
}

static void print_mailbox_change(const json_t *row)
{
    if (json_is_true(json_object_get(row, "exists")))
        printf("%s %lld new, %lld old: %s says so", row_text(row, "mailbox"),
               row_number(row, "new"), row_number(row, "old"), row_text(row, "by"));
    else
        printf("%s: nobody says anything any more", row_text(row, "mailbox"));
}

static void print_why(const json_t *row)
{
    if (row_number(row, "status"))
        printf(" %lld", row_number(row, "status"));
    if (*row_text(row, "why"))
        printf(", %s", row_text(row, "why"));
}

static void print_publication_change(const json_t *row)
{
    printf("%s %s for %s by %s", row_text(row, "event"), row_text(row, "what"),
           row_text(row, "resource"), row_text(row, "publisher"));
    if (strcmp(row_text(row, "what"), "refused") == 0)
        print_why(row);
}

static void print_subscription_change(const json_t *row)
{
    const char *resource = row_text(row, "resource"), *event = row_text(row, "event");

    printf("%s %s: %s%s%s", row_text(row, "endpoint"), row_text(row, "what"), event,
           *event ? " of " : "", *resource ? resource : row_text(row, "uri"));
    if (strcmp(row_text(row, "what"), "accepted") && strcmp(row_text(row, "what"), "refreshed"))
        print_why(row);
}

/* Who is refused need not be anybody that is known. */
static void print_refusal_change(const json_t *row)
{
    const char *resource = row_text(row, "resource"), *event = row_text(row, "event");
    const char *who = *row_text(row, "endpoint") ? "endpoint" : "from";

    printf("%s", *row_text(row, who) ? row_text(row, who) : "a stranger");
    if (*row_text(row, "remote"))
        printf(" (%s)", row_text(row, "remote"));
    printf(" %s: %s%s%s", row_text(row, "what"), event, *event ? " of " : "",
           *resource ? resource : row_text(row, "uri"));
    print_why(row);
    if (row_number(row, "times"))
        printf("; %lld times", row_number(row, "times"));
}

/* "sent", "200 in 3 ms", "no answer", ... */
static void print_exchange(const json_t *row)
{
    const char *what = row_text(row, "what");
    long long status = row_number(row, "status");

    if (strcmp(what, "sent") == 0)
        fputs("sent", stdout);
    else if (strcmp(what, "answered") == 0)
        printf("%lld %sin %lld ms", status, status / 100 == 2 ? "" : "REFUSED ",
               row_number(row, "took_ms"));
    else
        printf("%s", status == 408 ? "NO ANSWER" : "COULD NOT BE SENT");
    if (json_object_get(row, "late_ms"))
        printf(", %lld ms after the change", row_number(row, "late_ms"));
    if (row_number(row, "coalesced"))
        printf(", makes up for %lld before", row_number(row, "coalesced"));
}

static void print_notify_change(const json_t *row)
{
    const char *contact = row_text(row, "contact");

    printf("%s (%s) shows ", row_text(row, "endpoint"),
           *contact ? contact : row_text(row, "remote"));
    if (json_object_get(row, "members"))
        printf("%s, ", row_text(row, "resource"));
    print_state_of(row);
    printf(": %s CSeq %lld ", row_text(row, "event"), row_number(row, "cseq"));
    print_exchange(row);
    if (json_is_true(json_object_get(row, "last")))
        fputs(", the last", stdout);
}

static void print_publish_change(const json_t *row)
{
    printf("%s (%s) %s %s ", row_text(row, "section"), row_text(row, "server"),
           row_text(row, "step"), row_text(row, "resource"));
    print_state_of(row);
    printf(": %s CSeq %lld ", row_text(row, "event"), row_number(row, "cseq"));
    print_exchange(row);
}

static void print_source_change(const json_t *row)
{
    printf("%s is %s%s", row_text(row, "name"),
           json_is_true(json_object_get(row, "up")) ? "up" : "DOWN",
           is_stale(row) ? ", what it said is stale" : "");
    print_why(row);
}

static void print_contact_change(const json_t *row)
{
    printf("%s %s %s%s", row_text(row, "aor"), row_text(row, "contact"),
           json_is_true(json_object_get(row, "added")) ? "added, " : "", row_text(row, "what"));
    if (json_object_get(row, "rtt_ms"))
        printf(" in %lld ms", row_number(row, "rtt_ms"));
}

static void print_endpoint_change(const json_t *row)
{
    printf("%s is %s", row_text(row, "endpoint"),
           json_is_true(json_object_get(row, "reachable")) ? "reachable" : "UNREACHABLE");
}

static void print_presence_change(const json_t *row)
{
    printf("%s ", row_text(row, "provider"));
    print_state_of(row);
}

static void print_lost_change(const json_t *row)
{
    printf("%lld changes are missing here", row_number(row, "n"));
}

struct lines { /* what the line before said */
    char day[16];
    size_t n;
};

static void print_change(void *ctx, json_t *row)
{
    static const struct {
        const char *kind;
        void (*print)(const json_t *row);
    } kinds[] = {
        { "device", print_device_change },
        { "presence", print_presence_change },
        { "snapshot", print_snapshot_change },
        { "mailbox", print_mailbox_change },
        { "publication", print_publication_change },
        { "contact", print_contact_change },
        { "endpoint", print_endpoint_change },
        { "subscription", print_subscription_change },
        { "refusal", print_refusal_change },
        { "notify", print_notify_change },
        { "publish", print_publish_change },
        { "source", print_source_change },
        { "lost", print_lost_change },
    };
    long long at_ms = row_number(row, "at_ms");
    struct lines *lines = ctx;
    char day[16], when[16];

    when_print(at_ms, WHEN_DAY, day, sizeof(day));
    when_print(at_ms, WHEN_TIME, when, sizeof(when));
    if (strcmp(day, lines->day) != 0)
        printf("%s\n", day);
    memcpy(lines->day, day, sizeof(day));
    lines->n++;
    printf("%s.%03lld  %-12s ", when, at_ms % 1000, row_text(row, "kind"));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].kind, row_text(row, "kind")) == 0)
            kinds[i].print(row);
    if (row_number(row, "cause") && is_away(row)) {
        fputs("  [", stdout);
        print_away(row);
        printf(", #%lld]", row_number(row, "cause"));
    } else if (row_number(row, "cause"))
        printf("  [%s #%lld]", row_text(row, "source"), row_number(row, "cause"));
    putchar('\n');
    fflush(stdout);
}

/* ---- explain: the parts of the answer ---- */

static const char *text_or(const json_t *row, const char *key, const char *otherwise)
{
    return *row_text(row, key) ? row_text(row, key) : otherwise;
}

static void print_made(const json_t *row)
{
    printf("  snapshot %lld", row_number(row, "sequence"));
    if (row_number(row, "cause") && is_away(row)) {
        printf(", made by change #%lld: ", row_number(row, "cause"));
        print_away(row);
    } else if (row_number(row, "cause")) {
        printf(", made by change #%lld of %s", row_number(row, "cause"),
               text_or(row, "source", "an unknown source"));
    }
    putchar('\n');
}

static void print_list(const json_t *row)
{
    char since[80];

    print_since(row_number(row, "changed_ms"), since, sizeof(since));
    printf("%s is a resource list of %lld for %s", row_text(row, "resource"),
           row_number(row, "members"), row_text(row, "event"));
    if (!json_is_true(json_object_get(row, "watched")))
        printf(", which nobody watches\n");
    else
        printf(", as it is since %s\n", since);
    if (json_is_true(json_object_get(row, "watched")))
        print_made(row);
    printf("  written in %s:%lld; each change tells %s", row_text(row, "file"),
           row_number(row, "line"),
           json_is_true(json_object_get(row, "full_state")) ? "all of it" : "what has changed");
    if (row_number(row, "batch_ms"))
        printf(", at most every %lld ms", row_number(row, "batch_ms"));
    putchar('\n');
}

static void print_other(const json_t *row)
{
    char since[80];

    print_since(row_number(row, "changed_ms"), since, sizeof(since));
    printf("%s has ", row_text(row, "resource"));
    print_contents(row);
    if (json_object_get(row, "new"))
        fputs(" messages", stdout);
    printf(" since %s\n", since);
    print_made(row);
}

static void print_resource(const json_t *row)
{
    char since[80];

    if (!is_lamp(row)) {
        if (json_object_get(row, "watched"))
            print_list(row);
        else
            print_other(row);
        return;
    }
    print_since(row_number(row, "since_ms"), since, sizeof(since));
    printf("%s is %s%s", row_text(row, "resource"), row_text(row, "state"),
           is_stale(row) ? " (stale)" : "");
    if (strcmp(row_text(row, "presence"), "not_set") != 0)
        printf(", %s%s%s%s%s", row_text(row, "presence"), *row_text(row, "subtype") ? "/" : "",
               row_text(row, "subtype"), *row_text(row, "message") ? ": " : "",
               row_text(row, "message"));
    printf(" since %s\n", since);
    print_made(row);
    if (!json_is_true(json_object_get(row, "has_hint"))) {
        puts("  no hint: it shows what is published for it");
        return;
    }
    printf("  hint %s", row_text(row, "hint"));
    if (*row_text(row, "name"))
        printf("  \"%s\"", row_text(row, "name"));
    if (json_is_true(json_object_get(row, "autohint")))
        fputs("  (an autohint)", stdout);
    else if (row_number(row, "line"))
        printf("  (%s:%lld)", row_text(row, "file"), row_number(row, "line"));
    else if (*row_text(row, "file"))
        printf(*row_text(row, "file") == '(' ? "  %s" : "  (of %s)", row_text(row, "file"));
    putchar('\n');
    if (json_is_true(json_object_get(row, "published")))
        printf("  the hint alone is %s; with what is published: %s\n", row_text(row, "hint_state"),
               strcmp(row_text(row, "order"), "hint") == 0 ? "the hint alone counts"
               : strcmp(row_text(row, "order"), "publication") == 0
                   ? "what is published alone counts"
                   : "both are combined as two devices are");
}

#define STALE "  (stale: the source is away)"

static void print_device(const json_t *row)
{
    json_t *source;
    char since[80];
    size_t i;

    printf("  %-24s %s\n", row_text(row, "device"), row_text(row, "state"));
    json_array_foreach(json_object_get(row, "sources"), i, source)
    {
        print_since(row_number(source, "changed_ms"), since, sizeof(since));
        printf("    %s %s %s since %s%s\n", row_text(source, "source"),
               is_stale(source) ? "counts as" : "says", row_text(source, "state"), since,
               is_stale(source) ? STALE : "");
    }
    if (i == 0 && json_is_true(json_object_get(row, "known")))
        puts("    its default: no source reports it");
}

static void print_contact(const json_t *row)
{
    const char *status = row_text(row, "status");
    bool gone = strcmp(status, "unreachable") == 0;
    char since[80];

    print_since(row_number(row, "since_ms"), since, sizeof(since));
    printf("  %c %-16s %s  %s, %s", gone ? '!' : ' ', row_text(row, "endpoint"),
           row_text(row, "contact"),
           json_is_true(json_object_get(row, "static")) ? "static" : "registered", status);
    if (row_number(row, "last_status"))
        printf(" (OPTIONS: %lld)", row_number(row, "last_status"));
    printf(" since %s\n", since);
}

static void print_presence(const json_t *row)
{
    char since[80];

    print_since(row_number(row, "changed_ms"), since, sizeof(since));
    printf("  %-24s %s", row_text(row, "provider"),
           text_or(row, "state", "nothing is known of it"));
    if (json_is_true(json_object_get(row, "known")))
        printf(" since %s", since);
    puts(is_stale(row) ? STALE : "");
}

static void print_member(const json_t *row)
{
    int indent = 4 * (int)row_number(row, "level");
    char since[80];

    print_since(row_number(row, is_lamp(row) ? "since_ms" : "changed_ms"), since, sizeof(since));
    if (json_is_true(json_object_get(row, "is_list"))) {
        printf("    %*s%s, a list itself:\n", indent, "", row_text(row, "item"));
    } else if (!json_is_true(json_object_get(row, "known"))) {
        printf("  ! %*s%-16s there is nothing of that name\n", indent, "", row_text(row, "item"));
    } else {
        printf("    %*s%-16s ", indent, "", row_text(row, "resource"));
        print_state_of(row);
        printf("%s since %s", is_stale(row) ? " (stale)" : "", since);
        if (row_number(row, "cause"))
            printf(", change #%lld of %s", row_number(row, "cause"),
                   text_or(row, "source", "an unknown source"));
        putchar('\n');
    }
}

static void print_mailbox(const json_t *row)
{
    json_t *source;
    char since[80];
    size_t i;

    printf("  %-24s %lld new, %lld old\n", row_text(row, "mailbox"), row_number(row, "new"),
           row_number(row, "old"));
    json_array_foreach(json_object_get(row, "sources"), i, source)
    {
        print_since(row_number(source, "changed_ms"), since, sizeof(since));
        printf("    %s says %lld new, %lld old since %s%s%s\n", row_text(source, "source"),
               row_number(source, "new"), row_number(source, "old"), since,
               i ? ", before the newest, which counts" : "", is_stale(source) ? STALE : "");
    }
}

static void print_having(const json_t *row)
{
    printf("  %s\n", row_text(row, "resource"));
}

static void print_notice(const json_t *row)
{
    const char *state = row_text(row, "state");
    bool fails = strcmp(state, "waiting") == 0 && row_number(row, "failures");

    printf("  %s %-16s %s  %s, %s", fails ? "!" : " ", row_text(row, "endpoint"),
           row_text(row, "contact"), text_or(row, "mailbox", "all its mailboxes"), state);
    if (row_number(row, "last_status"))
        printf(", CSeq %lld answered %lld", row_number(row, "cseq"),
               row_number(row, "last_status"));
    if (fails)
        printf(", tried again in %lld s", row_number(row, "retry_s"));
    putchar('\n');
}

static void print_publication(const json_t *row)
{
    char since[80];

    print_since(row_number(row, "changed_ms"), since, sizeof(since));
    printf("  %s published by %s since %s, %s, for %lld s more\n", row_text(row, "event"),
           row_text(row, "publisher"), since, row_text(row, "content_type"),
           row_number(row, "expires_s"));
}

static void print_watcher(const json_t *row)
{
    bool newest = row_number(row, "told_sequence") == row_number(row, "current_sequence");
    bool kept_from = json_is_true(json_object_get(row, "list")) && row_number(row, "told_sequence");
    long long failures = row_number(row, "failures");

    printf("  %s %-16s %s%s%s\n", newest ? " " : "!", row_text(row, "endpoint"),
           row_text(row, "contact"), *row_text(row, "user_agent") ? "  " : "",
           row_text(row, "user_agent"));
    printf("      %s", row_text(row, "event"));
    if (json_is_true(json_object_get(row, "list")))
        printf(" of list %s%s%s", row_text(row, "resource"), *row_text(row, "context") ? "@" : "",
               row_text(row, "context"));
    printf(", %s: shows %s%s%s, ", row_text(row, "state"),
           text_or(row, "shows", kept_from ? "nothing of it" : "nothing yet"),
           *row_text(row, "shows_presence") ? ", " : "", row_text(row, "shows_presence"));
    if (json_is_true(json_object_get(row, "outstanding")))
        printf("NOTIFY CSeq %lld has no answer yet", row_number(row, "cseq"));
    else if (newest && !row_number(row, "cseq"))
        fputs("told before the last start", stdout);
    else if (newest)
        printf("acknowledged CSeq %lld in %lld ms", row_number(row, "cseq"),
               row_number(row, "acknowledged_after_ms"));
    else if (row_number(row, "unconnected"))
        printf("there is no connection to it, %lld times in a row", row_number(row, "unconnected"));
    else
        fputs("which is not the newest", stdout);
    if (failures)
        printf(", refused %lld times", failures);
    printf("; for %lld s more\n", row_number(row, "expires_s"));
}

static void print_publisher(const json_t *row)
{
    bool newest = row_number(row, "told_sequence") == row_number(row, "current_sequence");

    printf("  %s %-16s %s  %s, %s", newest ? " " : "!", row_text(row, "section"),
           row_text(row, "server_uri"), row_text(row, "event"), row_text(row, "state"));
    if (*row_text(row, "entity_tag"))
        printf(", entity-tag %s", row_text(row, "entity_tag"));
    if (row_number(row, "last_status"))
        printf(", CSeq %lld answered %lld %s", row_number(row, "cseq"),
               row_number(row, "last_status"), row_text(row, "last_reason"));
    putchar('\n');
}

static void print_source(const json_t *row)
{
    char since[80];

    print_since(row_number(row, "since_ms"), since, sizeof(since));
    printf("  ! source %s (%s) is %s since %s%s%s\n", row_text(row, "source"),
           row_text(row, "protocol"),
           json_is_true(json_object_get(row, "up")) ? "up, but stale" : "down", since,
           *row_text(row, "why") ? ": " : "", row_text(row, "why"));
}

static void print_trouble(const json_t *row)
{
    json_t *name;
    size_t i;

    printf("  ! %s\n", row_text(row, "why"));
    json_array_foreach(json_object_get(row, "nearest"), i, name)
    {
        printf("%s%s", i ? ", " : "    perhaps ", json_string_value(name));
    }
    if (i)
        putchar('\n');
    if (row_number(row, "journal_begins_ms")) {
        char begins[80];

        print_since(row_number(row, "journal_begins_ms"), begins, sizeof(begins));
        printf("    the journal begins %s\n", begins);
    }
}

static void print_refusal(const json_t *row)
{
    char since[80];

    print_since(row_number(row, "at_ms"), since, sizeof(since));
    printf("  ! %s: ", since);
    print_refusal_change(row);
    putchar('\n');
}

static void print_line(const json_t *row)
{
    struct lines lines = { .n = 0 };

    when_print(row_number(row, "at_ms"), WHEN_DAY, lines.day, sizeof(lines.day));
    fputs("  ", stdout);
    print_change(&lines, (json_t *)row);
}

/* Where the journal has no change before it has what was before one. */
static void print_then(const json_t *row)
{
    bool before = row_number(row, "until_ms") != 0;
    const char *time = before ? "until_ms" : row_number(row, "since_ms") ? "since_ms" : "at_ms";
    char when[40];

    when_print(row_number(row, time), WHEN_BOTH, when, sizeof(when));
    printf("%s %s ", row_text(row, "resource"), is_lamp(row) ? "was" : "had");
    print_state_of(row);
    if (is_stale(row))
        fputs(" (stale)", stdout);
    printf(before ? " until %s, by the first change that the journal has of it\n" : " since %s\n",
           when);
    if (*row_text(row, "hint"))
        printf("  hint %s\n", row_text(row, "hint"));
}

/* Who had left by then shows nothing. */
static bool has_left(const json_t *row)
{
    const char *what = row_text(row, "what");

    return strcmp(row_text(row, "part"), "watcher") == 0 &&
           strcmp(row_text(row, "kind"), "notify") != 0 &&
           (strcmp(what, "ended") == 0 || strcmp(what, "given-up") == 0);
}

struct section {
    const char *part, *title;
    void (*print)(const json_t *row);
};

/* The order in which they are read. */
static const struct section live_sections[] = {
    { "resource", NULL, print_resource },
    { "device", "Devices of the hint:", print_device },
    { "contact", "Contacts of its devices:", print_contact },
    { "presence", "Presence:", print_presence },
    { "member", "Members (\"extstatectl explain\" says why one of them is so):", print_member },
    { "mailbox", "Mailboxes:", print_mailbox },
    { "publication", "Published here:", print_publication },
    { "list", "In resource lists:", print_having },
    { "watcher", "Shown by:", print_watcher },
    { "notice", "Told without a subscription:", print_notice },
    { "publisher", "Published to:", print_publisher },
    { "chain", "What made it so, and what came of it:", print_line },
    { "trouble", "Trouble:", print_trouble },
    { "source", "Sources that are away:", print_source },
    { "refusal", "Refused or given up lately:", print_refusal },
};

static const struct section past_sections[] = {
    { "resource", NULL, print_then },
    { "trouble", NULL, print_trouble },
    { "said", "What was said of its devices and mailboxes last:", print_line },
    { "member", "What its members of today showed:", print_line },
    { "chain", "What made it so, and what came of it:", print_line },
    { "watcher", "The last of each watcher:", print_line },
    { "publisher", "The last of each publication:", print_line },
};

static void print_sections(const json_t *rows, const struct section *sections, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        bool titled = false;
        json_t *row;
        size_t i;

        json_array_foreach(rows, i, row)
        {
            if (strcmp(row_text(row, "part"), sections[s].part) != 0 || has_left(row))
                continue;
            if (!titled && sections[s].title)
                puts(sections[s].title);
            titled = true;
            sections[s].print(row);
        }
    }
}

static void collect(void *rows, json_t *row)
{
    json_array_append(rows, row);
}

static bool is_anything(const json_t *rows)
{
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (strcmp(row_text(row, "part"), "resource") == 0 ||
            strcmp(row_text(row, "part"), "mailbox") == 0)
            return true;
    }
    return false;
}

static int explain(const struct invocation *in, json_t *request, bool past)
{
    json_t *rows = json_array(), *answer = NULL;
    struct client client;
    int r;

    if (client_open(&client, in->options->socket, in->options->json)) {
        json_decref(request);
        json_decref(rows);
        return EXIT_UNREACHABLE;
    }
    r = client_call(&client, request, in->options->json ? print_json_line : collect, rows, &answer);
    client_close(&client);
    if (r == EXIT_OK && !in->options->json) {
        if (past)
            print_sections(rows, past_sections, sizeof(past_sections) / sizeof(past_sections[0]));
        else
            print_sections(rows, live_sections, sizeof(live_sections) / sizeof(live_sections[0]));
        if (!is_anything(rows))
            r = EXIT_NOTHING;
    }
    json_decref(answer);
    json_decref(rows);
    return r;
}

/* ---- following ---- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int poll_once(const struct invocation *in, struct client *client, long long follow,
                     struct lines *lines)
{
    json_t *answer = NULL;
    int r = client_call(
        client, json_pack("{ss sI}", "command", "follow.next", "follow", (json_int_t)follow),
        in->options->json ? print_json_line : print_change, lines, &answer);

    if (r == EXIT_OK && row_number(answer, "lost"))
        fprintf(stderr, "extstatectl: %lld changes were too many to be shown\n",
                row_number(answer, "lost"));
    fflush(stdout);
    json_decref(answer);
    return r;
}

static int follow(const struct invocation *in, const char *resource)
{
    json_t *request = json_pack("{ss}", "command", "follow"), *answer = NULL;
    struct lines lines = { .n = 0 };
    struct client client;
    long long number;
    int r;

    if (resource)
        json_object_set_new(request, "resource", json_string(resource));
    if (client_open(&client, in->options->socket, in->options->json)) {
        json_decref(request);
        return EXIT_UNREACHABLE;
    }
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    r = client_call(&client, request, NULL, NULL, &answer);
    number = row_number(answer, "follow");
    json_decref(answer);
    while (r == EXIT_OK && !interrupted) {
        r = poll_once(in, &client, number, &lines);
        if (r == EXIT_OK && !interrupted)
            usleep(POLL_US);
    }
    client_close(&client);
    return r;
}

static int run_explain(const struct invocation *given)
{
    struct invocation in = *given;
    char *at = take_option(&in, "--at"), *who = take_option(&in, "--for");
    bool follows = take_flag(&in, "--follow");
    json_t *request;
    enum when_kind kind = WHEN_DATE;
    long long at_ms = 0;
    int r = EXIT_OK;

    if (in.n != 1 || (at && (follows || who)))
        return usage_of("explain");
    if (at)
        r = time_parse("--at", at, &kind, &at_ms);
    if (r == EXIT_OK && at_ms > (long long)time(NULL) * 1000) {
        fprintf(stderr, "extstatectl: --at \"%s\" has not been yet\n", at);
        r = EXIT_USAGE;
    }
    if (r)
        return r;
    request = json_pack("{ss ss}", "command", "explain", "resource", in.words[0]);
    if (at)
        json_object_set_new(request, "at_ms", json_integer(at_ms + 999));
    if (who)
        json_object_set_new(request, "endpoint", json_string(who));
    r = explain(&in, request, at != NULL);
    return r == EXIT_OK && follows ? follow(&in, in.words[0]) : r;
}

static int run_follow(const struct invocation *in)
{
    if (in->n > 1)
        return usage_of("follow");
    return follow(in, in->n ? in->words[0] : NULL);
}

/* ---- history ---- */

/* Until 10:30 is the next one after that, and what is in its second counts. */
static int add_times(json_t *request, const char *since, const char *until)
{
    long long since_ms = 0, until_ms = 0;
    enum when_kind kind = WHEN_DATE;
    int r = since ? time_parse("--since", since, &kind, &since_ms) : EXIT_OK;

    if (r == EXIT_OK && until)
        r = time_parse("--until", until, &kind, &until_ms);
    if (r)
        return r;
    if (until && kind == WHEN_OF_DAY && until_ms < since_ms)
        until_ms = when_next_day(until_ms);
    if (since)
        json_object_set_new(request, "since_ms", json_integer(since_ms));
    if (until)
        json_object_set_new(request, "until_ms", json_integer(until_ms + 999));
    return EXIT_OK;
}

static int run_history(const struct invocation *given)
{
    struct invocation in = *given;
    const char *since = take_option(&in, "--since"), *until = take_option(&in, "--until");
    const char *limit = take_option(&in, "--limit");
    struct lines lines = { .n = 0 };
    json_t *request, *answer = NULL;
    struct client client;
    long long n = 0;
    int r;

    if (in.n > 1 || (limit && number_parse(limit, &n)))
        return usage_of("history");
    request = json_pack("{ss}", "command", "history");
    if (in.n)
        json_object_set_new(request, "resource", json_string(in.words[0]));
    if (limit)
        json_object_set_new(request, "limit", json_integer(n));
    r = add_times(request, since, until);
    if (r || client_open(&client, in.options->socket, in.options->json)) {
        json_decref(request);
        return r ? r : EXIT_UNREACHABLE;
    }
    r = client_call(&client, request, in.options->json ? print_json_line : print_change, &lines,
                    &answer);
    client_close(&client);
    json_decref(answer);
    if (r == EXIT_OK && !in.options->json && !lines.n) {
        puts("the journal has nothing of that");
        r = EXIT_NOTHING;
    }
    return r;
}

const struct command explain_commands[] = {
    { "explain", "EXTENSION@CONTEXT [--for ENDPOINT] [--follow] | --at TIME",
      "why a lamp is as it is, and who shows it; or shows nothing", run_explain, false },
    { "history", "[EXTENSION@CONTEXT | NAME] [--since TIME] [--until TIME] [--limit N]",
      "what the journal has of it", run_history, false },
    { "follow", "[EXTENSION@CONTEXT]", "what happens, as it happens", run_follow, false },
    { 0 },
};
