// SPDX-License-Identifier: MIT
#include "ctl/follow.h"

#include "feed/change_json.h"

#include <stdlib.h>

enum {
    FOLLOWERS_MAX = 64,
    ROWS_MAX = 1 << 20,  /* bytes that wait for one follower */
    PATIENCE_MS = 30000, /* with one that does not ask */
    CAUSES = 64,         /* that have led to its resource lately */
    NAME_MAX_BYTES = 1024,
};

struct follower {
    struct list link;
    struct followers *of;
    struct feed_consumer consumer;
    uint64_t number, asked_ms;
    struct buf rows, told; /* told: what follow_next has given away */
    uint64_t lost;
    uint64_t causes[CAUSES];
    size_t next_cause;
    struct str resources, names, members, lists;
    char text[];
};

struct followers {
    struct feed *feed;
    const struct clock *clock;
    struct list list;
    size_t n;
    uint64_t last_number;
};

static void follower_free(struct follower *f)
{
    feed_unsubscribe(f->of->feed, &f->consumer);
    list_remove(&f->link);
    f->of->n--;
    buf_fini(&f->rows);
    buf_fini(&f->told);
    free(f);
}

static bool is_named(struct str names, struct str name)
{
    while (names.n) {
        size_t end = 0;

        while (end < names.n && names.p[end] != '&' && names.p[end] != ',')
            end++;
        if (str_equal_nocase(str_trim(str_sub(names, 0, end)), name))
            return true;
        names = str_sub(names, end + 1, names.n);
    }
    return false;
}

static bool has_cause(const struct follower *f, uint64_t cause)
{
    for (size_t i = 0; cause && i < CAUSES; i++)
        if (f->causes[i] == cause)
            return true;
    return false;
}

/* What its devices say, what it shows, and who is told; of members of a list what they show. */
static bool is_about(const struct follower *f, const struct change *c, struct str name)
{
    switch (c->kind) {
    case CHANGE_DEVICE:
    case CHANGE_PRESENCE:
    case CHANGE_MAILBOX:
        return is_named(f->names, name);
    case CHANGE_SNAPSHOT:
        return str_is_line(name, f->resources) || str_is_line(name, f->members);
    default:
        return str_is_line(name, f->resources);
    }
}

/* A mailbox that nothing names, or a list, counts when it is of the same cause. */
static bool comes_of_it(const struct follower *f, const struct change *c, struct str name)
{
    if (!has_cause(f, c->cause.number))
        return false;
    return c->kind == CHANGE_MAILBOX || ((c->kind == CHANGE_SNAPSHOT || c->kind == CHANGE_NOTIFY) &&
                                         str_is_line(name, f->lists));
}

static bool concerns(struct follower *f, const struct change *c)
{
    char room[NAME_MAX_BYTES];
    struct buf name;
    bool about;

    if (!f->resources.n || c->kind == CHANGE_LOST || c->kind == CHANGE_SOURCE)
        return true;
    buf_init_on(&name, room, sizeof(room));
    change_print_name(c, &name);
    if (name.error)
        return false;
    about = is_about(f, c, buf_str(&name));
    if (about && c->cause.number && !has_cause(f, c->cause.number))
        f->causes[f->next_cause++ % CAUSES] = c->cause.number;
    return about || comes_of_it(f, c, buf_str(&name));
}

static void on_change(void *ctx, const struct change *c)
{
    struct follower *f = ctx;
    size_t before = f->rows.n;
    struct json out = json_on(&f->rows);

    if (clock_monotonic_ms(f->of->clock) - f->asked_ms > PATIENCE_MS) {
        follower_free(f);
        return;
    }
    if (!concerns(f, c))
        return;
    json_add_object(&out, NULL);
    change_print_json(c, &out);
    json_end_object(&out);
    buf_add_char(&f->rows, '\n');
    if (f->rows.error) { /* half of a row is none */
        f->rows.error = 0;
        f->rows.n = before;
        f->lost++;
    }
}

static void forget_absent(struct followers *all)
{
    uint64_t now = clock_monotonic_ms(all->clock);

    LIST_FOREACH_SAFE (it, &all->list) {
        struct follower *f = CONTAINER_OF(it, struct follower, link);

        if (now - f->asked_ms > PATIENCE_MS)
            follower_free(f);
    }
}

int follow_begin(struct followers *all, const struct follow_spec *spec, uint64_t *number)
{
    struct follower *f;
    char *at;

    forget_absent(all);
    if (all->n >= FOLLOWERS_MAX)
        return FOLLOW_TOO_MANY;
    f = calloc(1, sizeof(*f) + spec->resources.n + spec->names.n + spec->members.n + spec->lists.n);
    if (!f)
        return -ENOMEM;
    f->of = all;
    f->resources = spec->resources;
    f->names = spec->names;
    f->members = spec->members;
    f->lists = spec->lists;
    at = f->text;
    str_keep(&f->resources, &at);
    str_keep(&f->names, &at);
    str_keep(&f->members, &at);
    str_keep(&f->lists, &at);
    buf_init(&f->rows, ROWS_MAX);
    buf_init(&f->told, ROWS_MAX);
    f->number = ++all->last_number;
    f->asked_ms = clock_monotonic_ms(all->clock);
    f->consumer = (struct feed_consumer){ .kinds = spec->kinds, .each = on_change, .ctx = f };
    list_init(&f->link);
    list_append(&all->list, &f->link);
    all->n++;
    feed_subscribe(all->feed, &f->consumer);
    *number = f->number;
    return 0;
}

static struct follower *follower_find(const struct followers *all, uint64_t number)
{
    LIST_FOREACH (it, &all->list) {
        struct follower *f = CONTAINER_OF(it, struct follower, link);

        if (f->number == number)
            return f;
    }
    return NULL;
}

int follow_next(struct followers *all, uint64_t number, struct str *rows, uint64_t *lost)
{
    struct follower *f;
    struct buf given;

    forget_absent(all);
    f = follower_find(all, number);
    if (!f)
        return FOLLOW_ENDED;
    f->asked_ms = clock_monotonic_ms(all->clock);
    given = f->rows;
    f->rows = f->told;
    f->told = given;
    buf_reset(&f->rows);
    *rows = buf_str(&f->told);
    *lost = f->lost;
    f->lost = 0;
    return 0;
}

void follow_end(struct followers *all, uint64_t number)
{
    struct follower *f = follower_find(all, number);

    if (f)
        follower_free(f);
}

int followers_create(struct followers **out, struct feed *feed, const struct clock *clock)
{
    struct followers *all = calloc(1, sizeof(*all));

    if (!all)
        return -ENOMEM;
    all->feed = feed;
    all->clock = clock;
    list_init(&all->list);
    *out = all;
    return 0;
}

void followers_destroy(struct followers *all)
{
    if (!all)
        return;
    LIST_FOREACH_SAFE (it, &all->list)
        follower_free(CONTAINER_OF(it, struct follower, link));
    free(all);
}
