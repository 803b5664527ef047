// SPDX-License-Identifier: MIT
/* What has happened: as the journal has it, and what happens from now on. */
#include "ctl/ctl_internal.h"

#include <stdio.h>

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 100000,
    CHAIN_MAX = 1000,
    NAMES_MAX = 100, /* of one hint */
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
    uint64_t at_ms, run, cause;
    uint64_t begins_ms;   /* the journal; when it has no change of it up to then */
    uint64_t told, there; /* of what one cause led to */
    bool found, later;    /* what it was; a change after it */
    char hint[1024];
};

static int on_snapshot(void *ctx, const struct journal_row *r)
{
    struct moment *m = ctx;
    json_t *detail = json_loadb(r->detail.p, r->detail.n, 0, NULL);
    const char *hint = json_string_value(json_object_get(detail, "hint"));

    m->found = true;
    m->run = r->run;
    m->cause = r->cause;
    snprintf(m->hint, sizeof(m->hint), "%s", hint ? hint : "");
    json_decref(detail);
    add_row(m->q, "resource", r);
    return 0;
}

static int on_said(void *ctx, const struct journal_row *r)
{
    add_row(((struct moment *)ctx)->q, "said", r);
    return 0;
}

static int on_chained(void *ctx, const struct journal_row *r)
{
    struct moment *m = ctx;

    add_row(m->q, "chain", r);
    m->told++;
    m->there = r->total;
    return 0;
}

static int chain_find(struct moment *m, struct str name)
{
    struct json row;
    char why[80];
    int r = journal_chain(m->journal,
                          &(struct journal_chain_query){ .run = m->run,
                                                         .cause = m->cause,
                                                         .until_ms = m->at_ms,
                                                         .name = name,
                                                         .hint = str_of(m->hint),
                                                         .limit = CHAIN_MAX },
                          on_chained, m);

    if (r || m->there <= m->told)
        return r;
    snprintf(why, sizeof(why), "%llu more changes of the same cause are not shown",
             (unsigned long long)(m->there - m->told));
    row = request_row(m->q);
    json_add_str(&row, "part", STR("trouble"));
    json_add_str(&row, "what", STR("more_changes"));
    json_add_str(&row, "why", str_of(why));
    json_add_u64(&row, "more", m->there - m->told);
    request_row_end(m->q, &row);
    return 0;
}

static int on_watcher(void *ctx, const struct journal_row *r)
{
    add_row(((struct moment *)ctx)->q, r->kind == CHANGE_PUBLISH ? "publisher" : "watcher", r);
    return 0;
}

/* The last word about each device and provider of the hint. */
static int said_find(struct moment *m)
{
    struct str rest = str_of(m->hint);
    int r = 0;

    for (unsigned i = 0; rest.n && i < NAMES_MAX && r == 0; i++) {
        size_t end = 0;

        while (end < rest.n && rest.p[end] != '&' && rest.p[end] != ',')
            end++;
        r = journal_each(m->journal,
                         &(struct journal_query){ .name = str_trim(str_sub(rest, 0, end)),
                                                  .kinds = CHANGE_BIT(CHANGE_DEVICE) |
                                                           CHANGE_BIT(CHANGE_PRESENCE),
                                                  .until_ms = m->at_ms,
                                                  .limit = 1 },
                         on_said, m);
        rest = str_sub(rest, end + 1, rest.n);
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

    if (resource && former) {
        snprintf(m->hint, sizeof(m->hint), "%s", hint ? hint : "");
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

static void add_name(struct json *row, const struct snapshot *s)
{
    char room[512];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_printf(&name, "%.*s@%.*s", STR_FMT(s->extension), STR_FMT(s->context));
    json_add_str(row, "resource", buf_str(&name));
}

/* A lamp that has not changed since then, or whose last change the journal has forgotten. */
static void tell_unchanged(struct moment *m)
{
    const struct snapshot *s = m->q->of;
    struct json row;

    if (m->later || !s || !s->changed_wall_ms || s->changed_wall_ms > m->at_ms) {
        tell_unrecorded(m);
        return;
    }
    row = request_row(m->q);
    json_add_str(&row, "part", STR("resource"));
    add_name(&row, s);
    json_add_str(&row, "state", extension_state_text(s->state));
    if (s->presence != PRESENCE_NOT_SET)
        json_add_str(&row, "presence", presence_state_name(s->presence));
    if (s->has_hint)
        json_add_str(&row, "hint", s->hint);
    json_add_u64(&row, "at_ms", s->changed_wall_ms);
    json_add_u64(&row, "since_ms", s->since_wall_ms);
    request_row_end(m->q, &row);
    snprintf(m->hint, sizeof(m->hint), "%.*s", STR_FMT(s->hint));
}

/* What is asked about, by what the name that was given leads to. */
static void name_asked(struct ctl_request *q, struct buf *out)
{
    buf_add(out, q->of ? q->of->extension : request_text(q, "extension"));
    buf_add_char(out, '@');
    buf_add(out, q->of ? q->of->context : request_text(q, "context"));
}

static void moment_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct moment m = { .q = q, .journal = subject };
    char room[512];
    struct buf name;
    int r;

    buf_init_on(&name, room, sizeof(room));
    name_asked(q, &name);
    if (!time_given(q, "at_ms", &m.at_ms))
        return;
    r = journal_each(subject,
                     &(struct journal_query){ .name = buf_str(&name),
                                              .kinds = CHANGE_BIT(CHANGE_SNAPSHOT),
                                              .until_ms = m.at_ms,
                                              .limit = 1 },
                     on_snapshot, &m);
    if (r == 0 && !m.found)
        r = later_find(&m, buf_str(&name));
    if (r == 0 && !m.found)
        tell_unchanged(&m);
    r = r ? r : said_find(&m);
    if (r == 0 && m.cause)
        r = chain_find(&m, buf_str(&name));
    r = r ? r : journal_watchers(subject, buf_str(&name), m.at_ms, on_watcher, &m);
    tell_outcome(q, r);
}

void history_chain(struct ctl_job *job, void *journal)
{
    struct ctl_request *q = request_of(job);
    struct moment m = {
        .q = q, .journal = journal, .run = journal_run(journal), .cause = q->of->cause.number
    };
    char room[512];
    struct buf name;
    int r;

    buf_init_on(&name, room, sizeof(room));
    name_asked(q, &name);
    snprintf(m.hint, sizeof(m.hint), "%.*s", STR_FMT(q->of->hint));
    r = chain_find(&m, buf_str(&name));
    if (r == JOURNAL_FAILS)
        tell_outcome(q, r);
}

/* A name may lead to another context. What it leads to now is what it is asked about. */
static void moment_resolve(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);

    q->of = state_look_up(subject, request_text(q, "context"), request_text(q, "extension"));
}

static void moment_resolved(struct ctl_job *job)
{
    request_on_journal(request_of(job), moment_run, request_done);
}

void history_explain(struct ctl_request *q)
{
    request_on_state(q, moment_resolve, moment_resolved);
}

/* ---- following ---- */

static void names_device(void *ctx, const struct state_device_view *v)
{
    struct ctl_request *q = ctx;

    buf_add(&q->message, v->device);
    buf_add_char(&q->message, '&');
}

static void names_presence(void *ctx, const struct state_presence_view *v, bool known)
{
    struct ctl_request *q = ctx;

    (void)known;
    buf_add(&q->message, v->provider);
    buf_add_char(&q->message, '&');
}

static void names_hint(void *ctx, const struct state_hint_view *v, enum composition_order order)
{
    struct ctl_request *q = ctx;

    (void)order;
    q->of = snapshot_ref(v->snapshot);
}

static void follow_state(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    const struct state_look look = {
        .hint = names_hint, .device = names_device, .presence = names_presence, .ctx = q
    };
    const struct resource_name name = { .context = request_text(q, "context"),
                                        .extension = request_text(q, "extension") };

    (void)!state_look(((struct ctl_state *)subject)->core, &name, &look); /* it may come later */
}

static void print_follow(struct ctl_request *q, struct json *out)
{
    json_add_u64(out, "follow", q->follow);
}

static void follow_run(struct ctl_job *job, void *subject)
{
    struct ctl_request *q = request_of(job);
    struct follow_spec spec = { .names = buf_str(&q->message) };
    char room[512];
    struct buf name;
    int r;

    buf_init_on(&name, room, sizeof(room));
    buf_add(&name, q->of ? q->of->extension : request_text(q, "extension"));
    buf_add_char(&name, '@');
    buf_add(&name, request_text(q, "context"));
    if (request_text(q, "resource").n)
        spec.resource = buf_str(&name);
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
