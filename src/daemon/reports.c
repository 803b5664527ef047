// SPDX-License-Identifier: MIT
/* What sources tell, on its way to the state thread: many reports in one message. */
#include <stdlib.h>

#include "daemon/threads.h"
#include "source/report.h"

#define FOLLOWED "source " /* and its name: a record of KEEP_SELF */
enum { FORMAT = 2 };       /* of that record; 1 had no standing */

struct reporter {
    atomic_uint refs;
    atomic_size_t waiting;
    atomic_bool lost;
    struct str source;
    char text[];
};

struct intake { /* of a source; the state thread's */
    struct list link;
    struct inbox_message sweep; /* under way while `sweeping` */
    bool sweeping;
    struct source_intake source;
    struct state_thread *state;
    char text[];
};

struct reports_message {
    struct inbox_message m;
    struct reporter *reporter; /* a reference */
    struct str bytes;
    char text[];
};

/* ---- who reports ---- */

int reporter_create(struct reporter **out, struct str source)
{
    struct reporter *r = malloc(sizeof(*r) + source.n);
    char *at;

    if (!r)
        return -ENOMEM;
    atomic_init(&r->refs, 1);
    atomic_init(&r->waiting, 0);
    atomic_init(&r->lost, false);
    r->source = source;
    at = r->text;
    str_keep(&r->source, &at);
    *out = r;
    return 0;
}

void reporter_unref(struct reporter *r)
{
    if (r && atomic_fetch_sub(&r->refs, 1) == 1)
        free(r);
}

size_t reporter_waiting(const struct reporter *r)
{
    return atomic_load(&r->waiting);
}

bool reporter_lost(struct reporter *r)
{
    return atomic_exchange(&r->lost, false);
}

/* ---- intakes ---- */

static struct intake *intake_find(const struct state_thread *s, struct str source)
{
    LIST_FOREACH (it, &s->intakes) {
        struct intake *f = CONTAINER_OF(it, struct intake, link);

        if (str_equal(f->source.source, source))
            return f;
    }
    return NULL;
}

/* What it has told survives the process, and so does its name: whoever begins without that source
 * forgets it. */
static void intake_keep(const struct intake *f, bool there)
{
    char name_room[sizeof(FOLLOWED) + NAME_MAX_LEN], room[24];
    struct buf name, bytes;

    buf_init_on(&name, name_room, sizeof(name_room));
    buf_add(&name, STR(FOLLOWED));
    buf_add(&name, f->source.source);
    buf_init_on(&bytes, room, sizeof(room));
    if (there) {
        record_add_u64(&bytes, FORMAT);
        record_add_u64(&bytes, f->source.standing.away_ms);
        record_add_u64(&bytes, f->source.standing.stale);
    }
    if (!name.error) /* one with a longer name is not listened to */
        keep_put(&f->state->engine.keep, &(struct keep_record){ .table = KEEP_SELF,
                                                                .name = buf_str(&name),
                                                                .bytes = buf_str(&bytes) });
}

static void intake_free(struct intake *f)
{
    list_remove(&f->link);
    free(f);
}

static void sweep_drop(struct inbox_message *m)
{
    CONTAINER_OF(m, struct intake, sweep)->sweeping = false;
}

/* A portion a turn, so that lamps have theirs. */
static void sweep_run(struct inbox_message *m, void *owner)
{
    struct intake *f = CONTAINER_OF(m, struct intake, sweep);
    struct state_thread *s = owner;
    int r = source_intake_sweep(&f->source, s->engine.core, s->engine.mailboxes);

    if (r)
        inbox_post_always(&s->loop.inbox, m);
    else
        f->sweeping = false;
    if (r || !f->source.gone)
        return;
    intake_keep(f, false);
    intake_free(f);
}

static void sweep_begin(struct intake *f)
{
    if (f->sweeping)
        return;
    f->sweeping = true;
    f->sweep = (struct inbox_message){ .run = sweep_run, .drop = sweep_drop };
    list_init(&f->sweep.link);
    inbox_post_always(&f->state->loop.inbox, &f->sweep);
}

static struct intake *intake_create(struct state_thread *s, struct str source)
{
    struct intake *f = calloc(1, sizeof(*f) + source.n);
    char *at;

    if (!f)
        return NULL;
    f->state = s;
    f->source.source = source;
    at = f->text;
    str_keep(&f->source.source, &at);
    list_append(&s->intakes, &f->link);
    return f;
}

static struct intake *intake_get(struct state_thread *s, struct str source)
{
    struct intake *f = intake_find(s, source);

    if (f)
        return f;
    f = intake_create(s, source);
    if (f)
        intake_keep(f, true);
    return f;
}

void state_intakes_keep_all(const struct state_thread *s)
{
    LIST_FOREACH (it, &s->intakes)
        intake_keep(CONTAINER_OF(it, const struct intake, link), true);
}

static const struct source_settings *followed_find(const struct settings *settings,
                                                   struct str source)
{
    for (size_t i = 0; i < settings->n_sources; i++)
        if (str_equal(settings->sources[i].id, source))
            return &settings->sources[i];
    return NULL;
}

/* What it has told is marked once more, or forgotten as when a reload takes the source away. */
static int intake_end(struct intake *f, const struct source_settings *settings)
{
    char room[24];
    struct buf b;
    int r;

    buf_init_on(&b, room, sizeof(room));
    if (settings)
        report_stale(&b, settings->stale == SOURCE_STALE_KEEP, settings->grace_s);
    else
        report_gone(&b);
    r = source_intake_apply(&f->source, f->state->engine.core, f->state->engine.mailboxes,
                            buf_str(&b));
    if (r == INTAKE_SWEEPS)
        sweep_begin(f);
    return r < 0 ? r : 0;
}

static struct source_standing standing_of(struct str bytes)
{
    struct record r = record_of(bytes);
    struct source_standing standing;
    uint64_t format = record_u64(&r);

    standing.away_ms = record_u64(&r);
    standing.stale = record_u64(&r);
    if (r.error || format != FORMAT)
        standing = (struct source_standing){ .stale = false };
    return standing;
}

int state_intake_restore(struct state_thread *s, const struct keep_record *record,
                         const struct settings *settings)
{
    struct str source = str_sub(record->name, sizeof(FOLLOWED) - 1, record->name.n);
    const struct source_settings *followed = followed_find(settings, source);
    struct intake *f;

    if (!str_starts(record->name, STR(FOLLOWED)))
        return 0; /* something else about this server */
    f = intake_create(s, source);
    if (!f)
        return -ENOMEM;
    f->source.standing = standing_of(record->bytes);
    return followed && !f->source.standing.stale ? 0 : intake_end(f, followed);
}

struct source_standing state_intake_standing(const struct state_thread *s, struct str source)
{
    const struct intake *f = intake_find(s, source);

    return f ? f->source.standing : (struct source_standing){ .stale = false };
}

void state_intakes_fini(struct state_thread *s)
{
    LIST_FOREACH_SAFE (it, &s->intakes)
        intake_free(CONTAINER_OF(it, struct intake, link));
}

/* ---- messages ---- */

static void reports_drop(struct inbox_message *m)
{
    struct reports_message *rm = CONTAINER_OF(m, struct reports_message, m);

    atomic_fetch_sub(&rm->reporter->waiting, rm->bytes.n);
    reporter_unref(rm->reporter);
    free(rm);
}

static bool standing_equal(const struct source_standing *a, const struct source_standing *b)
{
    return a->away_ms == b->away_ms && a->stale == b->stale;
}

static void reports_run(struct inbox_message *m, void *owner)
{
    struct reports_message *rm = CONTAINER_OF(m, struct reports_message, m);
    struct state_thread *s = owner;
    struct intake *f = intake_get(s, rm->reporter->source);
    struct source_standing former = f ? f->source.standing : (struct source_standing){ 0 };
    int r = f ? source_intake_apply(&f->source, s->engine.core, s->engine.mailboxes, rm->bytes)
              : -ENOMEM;

    if (r < 0) {
        log_error(s->log, "source.reports_lost", KV("source", rm->reporter->source), KV_ERR(r));
        atomic_store(&rm->reporter->lost, true);
    }
    if (r == INTAKE_SWEEPS)
        sweep_begin(f);
    if (f && !standing_equal(&f->source.standing, &former))
        intake_keep(f, true);
    reports_drop(m);
}

void state_post_reports(struct state_thread *s, struct reporter *r, struct str reports)
{
    struct reports_message *rm = inbox_message_alloc(s->log, sizeof(*rm) + reports.n);
    char *at = rm->text;

    *rm = (struct reports_message){ .m = { .run = reports_run, .drop = reports_drop },
                                    .reporter = r,
                                    .bytes = reports };
    list_init(&rm->m.link);
    str_keep(&rm->bytes, &at);
    atomic_fetch_add(&r->refs, 1);
    atomic_fetch_add(&r->waiting, reports.n);
    inbox_post_always(&s->loop.inbox, &rm->m);
}
