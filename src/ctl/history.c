// SPDX-License-Identifier: MIT
/* What has happened: as the journal has it, and what happens from now on. */
#include "ctl/subject.h"
#include "feed/change_json.h"

#include <stdio.h>

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 100000,
    CHAIN_MAX = 1000,
    CAUSES_MAX = 16,   /* of what one name means */
    WORDS_MAX = 200,   /* changes of a device in which the last of each source is looked for */
    SPEAKERS_MAX = 16, /* sources of a device */
};

static struct ctl_request *request_of(struct ctl_job *job)
{
    return CONTAINER_OF(job, struct ctl_request, job);
}

/* A time in milliseconds; 0 when it is not given. */
static bool time_given(struct ctl_request *q, const char *name, uint64_t *out)
{
    const json_t *value = json_object_get(q->arguments, name);
    json_int_t ms = value ? json_integer_value(value) : 0;

    *out = (uint64_t)ms;
    if ((!value || json_is_integer(value)) && ms >= 0)
        return true;
    request_fail(q, "usage", "\"%s\" is a time in milliseconds since 1970", name);
    return false;
}

/* All, or those that are named. */
static bool kinds_given(struct ctl_request *q, unsigned *out)
{
    const json_t *list = json_object_get(q->arguments, "kinds");

    *out = list ? CHANGE_BIT(CHANGE_LOST) : CHANGE_ALL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct str name = str_of(json_string_value(json_array_get(list, i)));
        unsigned k = 0;

        while (k < CHANGE_KINDS && !str_equal(change_kind_name((enum change_kind)k), name))
            k++;
        if (k == CHANGE_KINDS) {
            request_fail(q, "usage", "\"%.*s\" is no kind of change",
                         STR_FMT(str_sub(name, 0, 64)));
            return false;
        }
        *out |= CHANGE_BIT(k);
    }
    return true;
}

static void tell_outcome(struct ctl_request *q, int r)
{
    if (r == JOURNAL_OFF)
        request_fail(q, "not_found",
                     "no journal is kept: [journal] enabled = yes in extstate.conf");
    else if (r)
        request_fail(q, "failed", "the journal cannot be read; extstatectl status says why");
}

/* The members of the JSON object, which has some, behind those of the row. */
static void add_members(struct ctl_request *q, struct str object)
{
    buf_add_char(&q->out, ',');
    buf_add(&q->out, str_sub(object, 1, object.n - 1));
}

static void add_row(struct ctl_request *q, const char *part, const struct journal_row *r)
{
    struct json row = request_row(q);

    if (part)
        json_add_str(&row, "part", str_of(part));
    json_add_u64(&row, "number", r->number);
    json_add_u64(&row, "run", r->run);
    add_members(q, r->detail);
    request_row_end(q, &row);
}

/* ---- history ---- */

static int on_row(void *ctx, const struct journal_row *r)
{
    add_row(ctx, NULL, r);
    return 0;
}

static void history_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct journal_query query = { .name = request_text(q, "resource"), .limit = LIMIT_DEFAULT };

    if (json_object_get(q->arguments, "limit"))
        (void)!request_u32(q, "limit", &query.limit); /* has been checked */
    if (time_given(q, "since_ms", &query.since_ms) && time_given(q, "until_ms", &query.until_ms) &&
        kinds_given(q, &query.kinds))
        tell_outcome(q, journal_each(subject, &query, on_row, q));
}

void command_history(struct ctl_request *q)
{
    uint32_t limit = LIMIT_DEFAULT;

    if (json_object_get(q->arguments, "limit") &&
        (request_u32(q, "limit", &limit) || !limit || limit > LIMIT_MAX)) {
        request_fail(q, "usage", "\"limit\" is a number of rows up to %d", LIMIT_MAX);
        request_done(&q->job);
        return;
    }
    request_on_journal(q, history_run, request_done);
}

/* ---- explain, at a time ---- */

struct moment { /* what is looked for in the journal */
    struct ctl_request *q;
    struct journal *journal;
    uint64_t at_ms;
    uint64_t begins_ms; /* the journal; when it has no change of it up to then */
    bool found, later;  /* what it was; a change after it */
    struct moment_cause {
        uint64_t run, cause;
        uint64_t told, there;    /* of what it led to */
    } causes[CAUSES_MAX], chain; /* chain: the one that is told */
    size_t n_causes;
    struct buf hinted; /* what its hints name, a line each */
};

static void moment_init(struct moment *m, struct ctl_request *q, struct journal *journal)
{
    *m = (struct moment){ .q = q, .journal = journal };
    buf_init(&m->hinted, 1 << 20);
}

static void hint_add(struct moment *m, struct str hint)
{
    while (hint.n) {
        char room[NAME_MAX_LEN];
        struct buf name;
        size_t end = 0;

        while (end < hint.n && hint.p[end] != '&' && hint.p[end] != ',')
            end++;
        buf_init_on(&name, room, sizeof(room));
        if (state_name_print(&name, str_sub(hint, 0, end)) == 0 &&
            !str_is_line(buf_str(&name), buf_str(&m->hinted)))
            search_add_line(&m->hinted, buf_str(&name));
        hint = str_sub(hint, end + 1, hint.n);
    }
}

static void cause_add(struct moment *m, uint64_t run, uint64_t cause)
{
    for (size_t i = 0; i < m->n_causes; i++)
        if (m->causes[i].run == run && m->causes[i].cause == cause)
            return;
    if (!cause || m->n_causes == CAUSES_MAX)
        return;
    m->causes[m->n_causes++] = (struct moment_cause){ run, cause, 0, 0 };
}

static int on_snapshot(void *ctx, const struct journal_row *r)
{
    struct moment *m = ctx;
    json_t *detail = json_loadb(r->detail.p, r->detail.n, 0, NULL);
    const char *hint = json_string_value(json_object_get(detail, "hint"));

    m->found = true;
    cause_add(m, r->run, r->cause);
    hint_add(m, str_of(hint));
    json_decref(detail);
    add_row(m->q, "resource", r);
    return 0;
}

static int on_said(void *ctx, const struct journal_row *r)
{
    add_row(((struct moment *)ctx)->q, "said", r);
    return 0;
}

static int on_member(void *ctx, const struct journal_row *r)
{
    add_row(((struct moment *)ctx)->q, "member", r);
    return 0;
}

static int on_chained(void *ctx, const struct journal_row *r)
{
    struct moment *m = ctx;

    add_row(m->q, "chain", r);
    m->chain.told++;
    m->chain.there = r->total;
    return 0;
}

static void tell_more(struct ctl_request *q, uint64_t more)
{
    struct json row = request_part(q, "trouble");
    char why[80];

    snprintf(why, sizeof(why), "%llu more changes of the same cause are not shown",
             (unsigned long long)more);
    json_add_str(&row, "what", STR("more_changes"));
    json_add_str(&row, "why", str_of(why));
    json_add_u64(&row, "more", more);
    request_row_end(q, &row);
}

/* The first cause first. */
static int chains_find(struct moment *m)
{
    uint64_t more = 0;
    int r = 0;

    for (size_t n = m->n_causes; n > 0 && r == 0; n--) {
        size_t first = 0;

        for (size_t i = 1; i < n; i++)
            if (m->causes[i].run < m->causes[first].run ||
                (m->causes[i].run == m->causes[first].run &&
                 m->causes[i].cause < m->causes[first].cause))
                first = i;
        m->chain = m->causes[first];
        m->causes[first] = m->causes[n - 1];
        r = journal_chain(m->journal,
                          &(struct journal_chain_query){ .run = m->chain.run,
                                                         .cause = m->chain.cause,
                                                         .until_ms = m->at_ms,
                                                         .names = buf_str(&m->q->of.names),
                                                         .hinted = buf_str(&m->hinted),
                                                         .members = buf_str(&m->q->of.members),
                                                         .lists = buf_str(&m->q->of.lists),
                                                         .limit = CHAIN_MAX },
                          on_chained, m);
        more += m->chain.there - m->chain.told;
    }
    if (r == 0 && more)
        tell_more(m->q, more);
    return r;
}

static int on_watcher(void *ctx, const struct journal_row *r)
{
    add_row(((struct moment *)ctx)->q, r->kind == CHANGE_PUBLISH ? "publisher" : "watcher", r);
    return 0;
}

/* The last of that name and these kinds. */
static int last_find(struct moment *m, struct str name, unsigned kinds, journal_row_fn each)
{
    return journal_each(
        m->journal,
        &(struct journal_query){ .name = name, .kinds = kinds, .until_ms = m->at_ms, .limit = 1 },
        each, m);
}

struct words { /* about a device: the number of the last of each source */
    struct moment *m;
    struct speaker {
        char name[NAME_MAX_LEN];
        size_t name_n;
        uint64_t number;
        bool says; /* false: nothing any more */
    } all[SPEAKERS_MAX];
    size_t n;
    uint64_t newest;
};

/* Of too many the one whose last word is the oldest makes room. */
static struct speaker *speaker_get(struct words *w, struct str name)
{
    struct speaker *s = w->all;

    for (size_t i = 0; i < w->n; i++)
        if (str_equal((struct str){ w->all[i].name, w->all[i].name_n }, name))
            return &w->all[i];
    if (w->n < SPEAKERS_MAX)
        s = &w->all[w->n++];
    else
        for (size_t i = 1; i < w->n; i++)
            if (w->all[i].number < s->number)
                s = &w->all[i];
    s->name_n = name.n < sizeof(s->name) ? name.n : sizeof(s->name);
    memcpy(s->name, name.p, s->name_n);
    return s;
}

static int on_word(void *ctx, const struct journal_row *r)
{
    struct words *w = ctx;
    json_t *detail = json_loadb(r->detail.p, r->detail.n, 0, NULL);
    const char *by = json_string_value(json_object_get(detail, "by"));

    w->newest = r->number;
    if (by) {
        struct speaker *s = speaker_get(w, str_of(by));

        s->number = r->number;
        s->says = json_is_string(json_object_get(detail, "said"));
    }
    json_decref(detail);
    return 0;
}

static int on_last_word(void *ctx, const struct journal_row *r)
{
    const struct words *w = ctx;
    bool last = r->number == w->newest;

    for (size_t i = 0; i < w->n; i++)
        last |= w->all[i].number == r->number && w->all[i].says;
    return last ? on_said(w->m, r) : 0;
}

/* The last change, and before that what every other source said last, and still says. */
static int words_find(struct moment *m, struct str device)
{
    const struct journal_query query = {
        .name = device, .kinds = CHANGE_BIT(CHANGE_DEVICE), .until_ms = m->at_ms, .limit = WORDS_MAX
    };
    struct words w = { .m = m };
    int r = journal_each(m->journal, &query, on_word, &w);

    return r ? r : journal_each(m->journal, &query, on_last_word, &w);
}

/* The last word about each mailbox, and each device and provider of the hint. */
static int said_find(struct moment *m)
{
    struct str hinted = buf_str(&m->hinted), mailboxes = buf_str(&m->q->of.mailboxes);
    int r = 0;

    while (mailboxes.n && r == 0)
        r = last_find(m, str_next(&mailboxes, '\n'), CHANGE_BIT(CHANGE_MAILBOX), on_said);
    while (hinted.n && r == 0) {
        struct str name = str_next(&hinted, '\n');

        r = words_find(m, name);
        r = r ? r : last_find(m, name, CHANGE_BIT(CHANGE_PRESENCE), on_said);
    }
    return r;
}

/* It was until then as the first change after it says that it had been. */
static int on_later(void *ctx, const struct journal_row *r)
{
    struct moment *m = ctx;
    json_t *detail = json_loadb(r->detail.p, r->detail.n, 0, NULL);
    const char *resource = json_string_value(json_object_get(detail, "resource"));
    const char *former = json_string_value(json_object_get(detail, "former"));
    const char *hint = json_string_value(json_object_get(detail, "hint"));
    struct json row;

    if (resource && former && !json_object_get(detail, "package")) {
        hint_add(m, str_of(hint));
        row = request_row(m->q);
        json_add_str(&row, "part", STR("resource"));
        json_add_str(&row, "resource", str_of(resource));
        json_add_str(&row, "state", str_of(former));
        json_add_u64(&row, "until_ms", r->at_ms);
        request_row_end(m->q, &row);
        m->found = true;
    }
    m->later = true;
    json_decref(detail);
    return 0;
}

/* Without a change up to then: what the one after it says, if the journal had begun. */
static int later_find(struct moment *m, struct str name)
{
    m->begins_ms = journal_begins(m->journal);
    if (!m->begins_ms || m->begins_ms > m->at_ms)
        return 0;
    return journal_next(m->journal, name, CHANGE_BIT(CHANGE_SNAPSHOT), m->at_ms, on_later, m);
}

static void tell_unrecorded(const struct moment *m)
{
    struct json row = request_row(m->q);

    json_add_str(&row, "part", STR("trouble"));
    json_add_str(&row, "what", STR("not_recorded"));
    json_add_str(&row, "why",
                 STR("the journal has no change of this lamp up to then, and nothing else says how "
                     "it was"));
    json_add_u64(&row, "journal_begins_ms", m->begins_ms);
    request_row_end(m->q, &row);
}

/* What has not changed since then, or whose last change the journal has forgotten. */
static void tell_unchanged(struct moment *m, const struct snapshot *s)
{
    struct json row;

    if (!s->changed_wall_ms || s->changed_wall_ms > m->at_ms)
        return;
    row = request_part(m->q, "resource");
    request_add_resource(&row, "resource", s->context, s->extension);
    if (s->package.n)
        json_add_str(&row, "package", s->package);
    else
        json_add_str(&row, "state", extension_state_text(s->state));
    change_print_contents(s, &row);
    if (s->presence != PRESENCE_NOT_SET)
        json_add_str(&row, "presence", presence_state_name(s->presence));
    if (s->has_hint)
        json_add_str(&row, "hint", s->hint);
    json_add_u64(&row, "at_ms", s->changed_wall_ms);
    json_add_u64(&row, "since_ms", s->since_wall_ms);
    request_row_end(m->q, &row);
    m->found = true;
    hint_add(m, s->hint);
}

static int resources_find(struct moment *m)
{
    struct str names = buf_str(&m->q->of.names), later = names;
    int r = 0;

    while (names.n && r == 0)
        r = last_find(m, str_next(&names, '\n'), CHANGE_BIT(CHANGE_SNAPSHOT), on_snapshot);
    while (later.n && r == 0 && !m->found)
        r = later_find(m, str_next(&later, '\n'));
    for (size_t i = 0; i < m->q->of.n && r == 0 && !m->found && !m->later; i++)
        if (!m->q->of.all[i].having)
            tell_unchanged(m, m->q->of.all[i].snapshot);
    if (r == 0 && !m->found)
        tell_unrecorded(m);
    return r;
}

static int members_find(struct moment *m)
{
    struct str members = buf_str(&m->q->of.members);
    int r = 0;

    while (members.n && r == 0)
        r = last_find(m, str_next(&members, '\n'), CHANGE_BIT(CHANGE_SNAPSHOT), on_member);
    return r;
}

static int watchers_find(struct moment *m, struct str names)
{
    int r = 0;

    while (names.n && r == 0)
        r = journal_watchers(m->journal, str_next(&names, '\n'), m->at_ms, on_watcher, m);
    return r;
}

static void moment_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct moment m;
    int r;

    moment_init(&m, q, subject);
    if (!time_given(q, "at_ms", &m.at_ms))
        return;
    r = resources_find(&m);
    r = r ? r : said_find(&m);
    r = r ? r : members_find(&m);
    r = r ? r : chains_find(&m);
    r = r ? r : watchers_find(&m, buf_str(&q->of.names));
    if (m.hinted.error)
        request_fail(q, "failed", "there is no memory");
    else
        tell_outcome(q, r);
    buf_fini(&m.hinted);
}

void history_chain(struct ctl_job *job, void *journal)
{
    struct ctl_request *q = request_of(job);
    struct moment m;
    int r;

    moment_init(&m, q, journal);
    for (size_t i = 0; i < q->of.n; i++) {
        const struct snapshot *s = q->of.all[i].snapshot;

        if (q->of.all[i].having)
            continue;
        cause_add(&m, journal_run(journal), s->cause.number);
        if (s->has_hint)
            hint_add(&m, s->hint);
    }
    r = chains_find(&m);
    buf_fini(&m.hinted);
    if (r == JOURNAL_FAILS)
        tell_outcome(q, r);
}

/* A name may lead to another context. What it leads to now is what it is asked about. */
static void moment_resolve(struct ctl_job *job, void *subject)
{
    subjects_find(request_of(job), subject, false);
}

static void moment_resolved(struct ctl_job *job)
{
    if (request_of(job)->error)
        request_done(job);
    else
        request_on_journal(request_of(job), moment_run, request_done);
}

void history_explain(struct ctl_request *q)
{
    request_on_state(q, moment_resolve, moment_resolved);
}

/* ---- following ---- */

/* What is not there may come later. */
static void follow_state(struct ctl_job *job, void *subject)
{
    subjects_find(request_of(job), subject, false);
}

static void print_follow(struct ctl_request *q, struct json *out)
{
    json_add_u64(out, "follow", q->follow);
}

static void follow_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct follow_spec spec = { .resources = buf_str(&q->of.names),
                                .names = buf_str(&q->of.words),
                                .members = buf_str(&q->of.members),
                                .lists = buf_str(&q->of.lists) };
    int r;

    if (!kinds_given(q, &spec.kinds))
        return;
    r = follow_begin(q->seen(subject)->followers, &spec, &q->follow);
    if (r)
        request_fail(q, r == FOLLOW_TOO_MANY ? "busy" : "failed",
                     r == FOLLOW_TOO_MANY ? "too many follow already" : "there is no memory");
}

static void follow_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    request_finish(q, q->error ? NULL : print_follow);
    request_answer(q);
}

static void follow_named(struct ctl_job *job)
{
    if (request_of(job)->error)
        request_done(job);
    else
        request_on_edge(request_of(job), follow_run, follow_done);
}

void command_follow(struct ctl_request *q)
{
    if (!request_text(q, "resource").n)
        follow_named(&q->job);
    else if (request_resource(q))
        request_on_state(q, follow_state, follow_named);
    else
        request_done(&q->job);
}

static void print_lost(struct ctl_request *q, struct json *out)
{
    json_add_u64(out, "lost", q->lost);
}

static void next_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct str rows;
    uint32_t number;

    if (request_u32(q, "follow", &number) ||
        follow_next(q->seen(subject)->followers, number, &rows, &q->lost)) {
        request_fail(q, "not_found", "nothing is followed under this number any more");
        return;
    }
    while (rows.n) {
        buf_add(&q->out, q->before_row);
        buf_add(&q->out, str_next(&rows, '\n'));
        buf_add(&q->out, q->after_row);
        q->rows++;
    }
}

static void next_done(struct ctl_job *job)
{
    struct ctl_request *q = request_of(job);

    request_finish(q, q->error ? NULL : print_lost);
    request_answer(q);
}

void command_follow_next(struct ctl_request *q)
{
    request_on_edge(q, next_run, next_done);
}

static void end_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    uint32_t number;

    if (request_u32(q, "follow", &number) == 0)
        follow_end(q->seen(subject)->followers, number);
}

void command_follow_end(struct ctl_request *q)
{
    request_on_edge(q, end_run, request_done);
}
