// SPDX-License-Identifier: MIT
#include "state/dialplan_internal.h"
#include <stdlib.h>

/* ---- life ---- */

int dialplan_create(struct dialplan **out)
{
    struct dialplan *dp = calloc(1, sizeof(*dp));
    int r = -ENOMEM;

    if (!dp)
        goto out;
    atomic_init(&dp->refs, 1);
    list_init(&dp->contexts);
    list_init(&dp->zones);
    rng_init_system(&dp->rng);
    r = map_init(&dp->contexts_by_name, &dp->rng);
    if (r)
        goto out;
    r = map_init(&dp->globals, &dp->rng);
    if (r)
        goto out;
    *out = dp;
    dp = NULL;
out:
    dialplan_unref(dp);
    return r;
}

static void context_destroy(struct dialplan_context *ctx)
{
    if (!ctx)
        return;
    LIST_FOREACH_SAFE (it, &ctx->hints)
        free(CONTAINER_OF(it, struct hint_record, link));
    LIST_FOREACH_SAFE (it, &ctx->includes)
        free(CONTAINER_OF(it, struct include, link));
    free(ctx->patterns);
    map_fini(&ctx->literals);
    free(ctx);
}

static void global_destroy(struct global *g)
{
    if (!g)
        return;
    str_free(&g->name);
    str_free(&g->value);
    free(g);
}

static void zone_entry_destroy(struct zone_entry *e)
{
    if (!e)
        return;
    zone_destroy(e->zone);
    free(e);
}

struct dialplan *dialplan_ref(struct dialplan *dp)
{
    atomic_fetch_add_explicit(&dp->refs, 1, memory_order_relaxed);
    return dp;
}

void dialplan_unref(struct dialplan *dp)
{
    if (!dp || atomic_fetch_sub_explicit(&dp->refs, 1, memory_order_acq_rel) > 1)
        return;
    dialplan_difference_forget(dp);
    LIST_FOREACH_SAFE (it, &dp->contexts)
        context_destroy(CONTAINER_OF(it, struct dialplan_context, link));
    LIST_FOREACH_SAFE (it, &dp->zones)
        zone_entry_destroy(CONTAINER_OF(it, struct zone_entry, link));
    MAP_FOREACH_SAFE (it, &dp->globals) {
        map_remove(&dp->globals, it);
        global_destroy(CONTAINER_OF(it, struct global, node));
    }
    map_fini(&dp->globals);
    map_fini(&dp->contexts_by_name);
    free(dp);
}

/* ---- globals ---- */

static bool global_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, struct global, node)->name, *(const struct str *)key);
}

static struct global *global_find(const struct dialplan *dp, struct str name)
{
    struct map_node *node = map_find(&dp->globals, map_hash(&dp->globals, name), global_is, &name);

    return node ? CONTAINER_OF(node, struct global, node) : NULL;
}

const struct global *dialplan_global_find(const struct dialplan *dp, struct str name)
{
    return global_find(dp, name);
}

/* `value` becomes the global's on success. */
static int global_put(struct dialplan *dp, struct str name, struct str *value)
{
    struct global *g = global_find(dp, name);
    int r;

    if (g) {
        str_free(&g->value);
        g->value = *value;
        return 0;
    }
    g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    r = str_dup(&g->name, name);
    if (r) {
        global_destroy(g);
        return r;
    }
    g->value = *value;
    map_add(&dp->globals, &g->node, map_hash(&dp->globals, name));
    return 0;
}

int dialplan_global_set(struct dialplan *dp, struct str name, struct str value)
{
    char room[SUBSTITUTED_MAX_LEN];
    struct str kept;
    struct buf b;
    int r;

    for (int i = 0; i < 2 && str_starts(name, STR("_")); i++)
        name = str_sub(name, 1, name.n);
    buf_init_on(&b, room, sizeof(room));
    dialplan_substitute(dp, value, STR_EMPTY, STR_EMPTY, 0, &b);
    r = str_dup(&kept, buf_str(&b)); /* one that is too long is cut */
    if (r)
        return r;
    r = global_put(dp, name, &kept);
    if (r)
        str_free(&kept);
    return r;
}

/* ---- contexts ---- */

static bool context_is(const struct map_node *node, const void *key)
{
    return str_equal(CONTAINER_OF(node, struct dialplan_context, node)->name,
                     *(const struct str *)key);
}

struct dialplan_context *dialplan_context_find(const struct dialplan *dp, struct str name)
{
    struct map_node *node =
        map_find(&dp->contexts_by_name, map_hash(&dp->contexts_by_name, name), context_is, &name);

    return node ? CONTAINER_OF(node, struct dialplan_context, node) : NULL;
}

static struct str text_keep(struct str s, char **at)
{
    struct str kept = { *at, s.n };

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

int dialplan_context_get(struct dialplan *dp, struct str name, struct dialplan_context **out)
{
    struct dialplan_context *ctx = dialplan_context_find(dp, name);
    char *at;
    int r;

    if (!ctx) {
        if (name.n > NAME_MAX_LEN)
            return DIALPLAN_TOO_LONG;
        ctx = calloc(1, sizeof(*ctx) + name.n);
        if (!ctx)
            return -ENOMEM;
        r = map_init(&ctx->literals, &dp->rng);
        if (r) {
            free(ctx);
            return r;
        }
        at = ctx->text;
        ctx->name = text_keep(name, &at);
        ctx->dialplan = dp;
        list_init(&ctx->hints);
        list_init(&ctx->includes);
        list_append(&dp->contexts, &ctx->link);
        map_add(&dp->contexts_by_name, &ctx->node, map_hash(&dp->contexts_by_name, name));
    }
    *out = ctx;
    return 0;
}

void dialplan_autohints_set(struct dialplan_context *ctx, bool enabled)
{
    ctx->autohints = enabled;
}

struct str dialplan_context_name(const struct dialplan_context *ctx)
{
    return ctx->name;
}

bool dialplan_context_autohints(const struct dialplan_context *ctx)
{
    return ctx->autohints;
}

struct dialplan_context *dialplan_context_next(const struct dialplan *dp,
                                               const struct dialplan_context *previous)
{
    struct list *next = previous ? previous->link.next : dp->contexts.next;

    return next == &dp->contexts ? NULL : CONTAINER_OF(next, struct dialplan_context, link);
}

/* ---- hints ---- */

static struct hint_record *record_of(const struct hint_entry *entry)
{
    return CONTAINER_OF(entry, struct hint_record, entry);
}

static bool literal_is(const struct map_node *node, const void *key)
{
    return extension_compare(CONTAINER_OF(node, struct hint_record, node)->entry.extension,
                             *(const struct str *)key) == 0;
}

static uint64_t literal_hash(const struct dialplan_context *ctx, struct str extension)
{
    struct extension_key key;

    extension_key_init(&key, extension);
    return map_hash(&ctx->literals, extension_key_str(&key));
}

const struct hint_entry *dialplan_context_literal(const struct dialplan_context *ctx,
                                                  struct str extension)
{
    struct map_node *node =
        map_find(&ctx->literals, literal_hash(ctx, extension), literal_is, &extension);

    return node ? &CONTAINER_OF(node, struct hint_record, node)->entry : NULL;
}

const struct hint_entry *dialplan_context_pattern(const struct dialplan_context *ctx,
                                                  struct str extension)
{
    for (size_t i = 0; i < ctx->n_patterns; i++)
        if (dialplan_pattern_matches(ctx->patterns[i]->entry.extension, extension))
            return &ctx->patterns[i]->entry;
    return NULL;
}

/* Where a pattern belongs in match order; true when the same one is there already. */
static bool pattern_place(const struct dialplan_context *ctx, struct str extension, size_t *place)
{
    size_t low = 0, high = ctx->n_patterns;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = dialplan_pattern_compare(ctx->patterns[middle]->entry.extension, extension);

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return false;
}

/* Room for one more pattern. */
static int patterns_reserve(struct dialplan_context *ctx)
{
    size_t room = ctx->patterns_room ? 2 * ctx->patterns_room : 8;
    struct hint_record **bigger;

    if (ctx->n_patterns < ctx->patterns_room)
        return 0;
    bigger = reallocarray(ctx->patterns, room, sizeof(*bigger));
    if (!bigger)
        return -ENOMEM;
    ctx->patterns = bigger;
    ctx->patterns_room = room;
    return 0;
}

static int record_create(struct hint_record **out, const struct hint_spec *spec,
                         struct str extension)
{
    struct hint_record *h =
        malloc(sizeof(*h) + extension.n + spec->text.n + spec->name.n + spec->file.n);
    char *at;

    if (!h)
        return -ENOMEM;
    *h = (struct hint_record){ .entry = { .line = spec->line,
                                          .pattern = extension_is_pattern(extension) } };
    at = h->text;
    h->entry.extension = text_keep(extension, &at);
    h->entry.text = text_keep(spec->text, &at);
    h->entry.name = text_keep(spec->name, &at);
    h->entry.file = text_keep(spec->file, &at);
    *out = h;
    return 0;
}

static int literal_add(struct dialplan_context *ctx, const struct hint_spec *spec,
                       struct str extension)
{
    struct hint_record *h;
    int r;

    if (dialplan_context_literal(ctx, extension))
        return DIALPLAN_DUPLICATE;
    r = record_create(&h, spec, extension);
    if (r)
        return r;
    map_add(&ctx->literals, &h->node, literal_hash(ctx, extension));
    /* The patterns come after all literals, wherever they stand in the file. */
    list_append(ctx->n_patterns ? &ctx->patterns[0]->link : &ctx->hints, &h->link);
    return 0;
}

static int pattern_add(struct dialplan_context *ctx, const struct hint_spec *spec,
                       struct str extension)
{
    struct hint_record *h;
    size_t place;
    int r;

    if (pattern_place(ctx, extension, &place))
        return DIALPLAN_DUPLICATE;
    r = patterns_reserve(ctx);
    if (r)
        return r;
    r = record_create(&h, spec, extension);
    if (r)
        return r;
    list_append(place < ctx->n_patterns ? &ctx->patterns[place]->link : &ctx->hints, &h->link);
    memmove(ctx->patterns + place + 1, ctx->patterns + place,
            (ctx->n_patterns - place) * sizeof(*ctx->patterns));
    ctx->patterns[place] = h;
    ctx->n_patterns++;
    return 0;
}

/* The extension as it is kept: variables replaced, no blanks outside sets. */
static void extension_print(struct dialplan_context *ctx, struct str extension, struct buf *out)
{
    char room[SUBSTITUTED_MAX_LEN];
    bool set = false;
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    dialplan_substitute(ctx->dialplan, extension, STR_EMPTY, STR_EMPTY, 0, &b);
    if (b.error)
        out->error = b.error;
    for (size_t i = 0; i < b.n; i++) {
        set = room[i] == '[' || (set && room[i] != ']');
        if (set || (room[i] != ' ' && room[i] != '\t'))
            buf_add_char(out, room[i]);
    }
}

int dialplan_hint_add(struct dialplan_context *ctx, const struct hint_spec *spec)
{
    char room[NAME_MAX_LEN];
    struct str extension;
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    extension_print(ctx, spec->extension, &b);
    if (b.error)
        return DIALPLAN_TOO_LONG;
    extension = buf_str(&b);
    if (extension.n == 0)
        return 0; /* nobody could ask for it */
    return extension_is_pattern(extension) ? pattern_add(ctx, spec, extension)
                                           : literal_add(ctx, spec, extension);
}

static struct hint_record *pattern_take(struct dialplan_context *ctx, struct str extension)
{
    for (size_t i = 0; i < ctx->n_patterns; i++) {
        struct hint_record *h = ctx->patterns[i];

        if (dialplan_pattern_compare(h->entry.extension, extension) != 0)
            continue;
        memmove(ctx->patterns + i, ctx->patterns + i + 1,
                (ctx->n_patterns - i - 1) * sizeof(*ctx->patterns));
        ctx->n_patterns--;
        return h;
    }
    return NULL;
}

static struct hint_record *literal_take(struct dialplan_context *ctx, struct str extension)
{
    const struct hint_entry *entry = dialplan_context_literal(ctx, extension);
    struct hint_record *h = entry ? record_of(entry) : NULL;

    if (h)
        map_remove(&ctx->literals, &h->node);
    return h;
}

int dialplan_hint_remove(struct dialplan_context *ctx, struct str extension)
{
    struct hint_record *h = extension_is_pattern(extension) ? pattern_take(ctx, extension)
                                                            : literal_take(ctx, extension);

    if (!h)
        return DIALPLAN_NO_HINT;
    list_remove(&h->link);
    free(h);
    return 0;
}

const struct hint_entry *dialplan_hint_next(const struct dialplan_context *ctx,
                                            const struct hint_entry *previous)
{
    struct list *next = previous ? record_of(previous)->link.next : ctx->hints.next;

    return next == &ctx->hints ? NULL : &CONTAINER_OF(next, struct hint_record, link)->entry;
}

/* ---- includes ---- */

static int zone_get(struct dialplan *dp, struct str name, const struct zone **out)
{
    struct zone_entry *e;
    int r;

    LIST_FOREACH (it, &dp->zones) {
        e = CONTAINER_OF(it, struct zone_entry, link);
        if (str_equal(zone_name(e->zone), name)) {
            *out = e->zone;
            return 0;
        }
    }
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    r = zone_create(&e->zone, name);
    if (r) {
        zone_entry_destroy(e);
        return r < 0 ? r : DIALPLAN_BAD_TIME;
    }
    list_append(&dp->zones, &e->link);
    *out = e->zone;
    return 0;
}

static int rule_read(struct dialplan *dp, struct str spec, struct time_rule *out)
{
    struct str zone;
    int r = time_rule_parse(out, spec, &zone);

    if (r == 0 && zone.n)
        r = zone_get(dp, zone, &out->zone);
    return r;
}

static bool include_exists(const struct dialplan_context *ctx, struct str text)
{
    LIST_FOREACH (it, &ctx->includes)
        if (str_equal_nocase(CONTAINER_OF(it, struct include, link)->text, text))
            return true;
    return false;
}

int dialplan_include_add(struct dialplan_context *ctx, struct str text)
{
    size_t comma, bar, end;
    struct include *inc;
    struct str times;
    char *at;
    int r = 0;

    text = str_trim(text);
    comma = str_find_char(text, ',');
    bar = str_find_char(text, '|');
    end = bar < comma ? bar : comma;
    times = str_trim(str_sub(text, end + 1, text.n));
    if (str_trim(str_sub(text, 0, end)).n > NAME_MAX_LEN)
        return DIALPLAN_TOO_LONG;
    if (include_exists(ctx, text))
        return DIALPLAN_DUPLICATE;
    inc = calloc(1, sizeof(*inc) + text.n);
    if (!inc)
        return -ENOMEM;
    inc->timed = times.n > 0;
    if (inc->timed)
        r = rule_read(ctx->dialplan, times, &inc->rule);
    if (r) {
        free(inc);
        return r;
    }
    at = inc->room;
    inc->text = text_keep(text, &at);
    inc->name = str_trim(str_sub(inc->text, 0, end));
    list_append(&ctx->includes, &inc->link);
    return 0;
}

void dialplan_includes_each(const struct dialplan_context *context,
                            void (*each)(void *ctx, struct str text), void *ctx)
{
    LIST_FOREACH (it, &context->includes)
        each(ctx, CONTAINER_OF(it, const struct include, link)->text);
}

int dialplan_include_remove(struct dialplan_context *ctx, struct str text)
{
    int r = DIALPLAN_NO_INCLUDE;

    text = str_trim(text);
    LIST_FOREACH_SAFE (it, &ctx->includes) {
        struct include *inc = CONTAINER_OF(it, struct include, link);

        if (!str_equal_nocase(inc->text, text) && !str_equal_nocase(inc->name, text))
            continue;
        list_remove(it);
        free(inc);
        r = 0;
    }
    return r;
}

void dialplan_check(const struct dialplan *dp,
                    void (*missing)(void *ctx, struct str from, struct str include), void *ctx)
{
    LIST_FOREACH (c, &dp->contexts) {
        const struct dialplan_context *context = CONTAINER_OF(c, struct dialplan_context, link);

        LIST_FOREACH (i, &context->includes) {
            const struct include *inc = CONTAINER_OF(i, struct include, link);

            if (!dialplan_context_find(dp, inc->name))
                missing(ctx, context->name, inc->name);
        }
    }
}

/* ---- copies ---- */

static int context_copy(struct dialplan_context *to, const struct dialplan_context *from)
{
    int r = 0;

    to->autohints = from->autohints;
    LIST_FOREACH (it, &from->hints) {
        const struct hint_entry *e = &CONTAINER_OF(it, const struct hint_record, link)->entry;

        if (r < 0)
            break;
        r = dialplan_hint_add(
            to, &(struct hint_spec){ e->extension, e->text, e->name, e->file, e->line });
    }
    LIST_FOREACH (it, &from->includes)
        if (r >= 0)
            r = dialplan_include_add(to, CONTAINER_OF(it, const struct include, link)->text);
    return r < 0 ? r : 0;
}

static int globals_copy(struct dialplan *to, const struct dialplan *from)
{
    MAP_FOREACH (node, &from->globals) {
        const struct global *g = CONTAINER_OF(node, const struct global, node);
        struct str value;
        int r = str_dup(&value, g->value);

        if (r)
            return r;
        r = global_put(to, g->name, &value);
        if (r) {
            str_free(&value);
            return r;
        }
    }
    return 0;
}

int dialplan_copy(struct dialplan **out, const struct dialplan *from)
{
    struct dialplan *dp;
    int r = dialplan_create(&dp);

    if (r)
        return r;
    r = globals_copy(dp, from);
    LIST_FOREACH (it, &from->contexts) {
        const struct dialplan_context *c = CONTAINER_OF(it, const struct dialplan_context, link);
        struct dialplan_context *mine;

        r = r ? r : dialplan_context_get(dp, c->name, &mine);
        r = r ? r : context_copy(mine, c);
    }
    if (r)
        dialplan_unref(dp);
    else
        *out = dp;
    return r;
}
