// SPDX-License-Identifier: MIT
#include "body/registry.h"
#include "body/builtin.h"
#include <stdlib.h>

/* How large a struct was when ABI 1 was settled: a plugin that says less was not built with this
 * header. */
#define SIZE_UP_TO(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))

int body_registry_create(struct body_registry **out, struct log *log,
                         const struct body_registry *former)
{
    struct body_registry *r = calloc(1, sizeof(*r));
    struct buf why;
    char reason[256];
    int result;

    if (!r)
        return -ENOMEM;
    if (pthread_mutex_init(&r->lock, NULL)) {
        free(r);
        return -ENOMEM;
    }
    r->refs = 1;
    r->generation = former ? former->generation + 1 : 0;
    r->log = log;
    r->published = body_part_published(r);
    buf_init_on(&why, reason, sizeof(reason));
    result = body_registry_add(r, &builtin_plugin, NULL, &why);
    if (result) {
        BUG_UNLESS(result == -ENOMEM);
        body_registry_unref(r);
        return result;
    }
    *out = r;
    return 0;
}

static void parts_free(struct body_part *p)
{
    while (p) {
        struct body_part *next = p->next;

        free(p);
        p = next;
    }
}

static void registry_destroy(struct body_registry *r)
{
    for (struct body_profile *p = r->profiles, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    parts_free(r->generators);
    parts_free(r->supplements);
    plugins_close(r->plugins); /* last: the parts' names are theirs */
    pthread_mutex_destroy(&r->lock);
    free(r);
}

struct body_registry *body_registry_ref(struct body_registry *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void body_registry_unref(struct body_registry *r)
{
    if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
        registry_destroy(r);
}

/* ---- what a plugin brings, checked before any of it is used ---- */

static bool text_given(const char *s)
{
    return s && *s;
}

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-.!%*_+`'~", c));
}

static bool token_given(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!token_char(s.p[i]))
            return false;
    return s.n > 0;
}

static bool media_type_valid(const char *text)
{
    struct str rest = str_of(text), type;

    if (!text || str_find_char(rest, '/') == rest.n)
        return false;
    type = str_sub(rest, 0, str_find_char(rest, '/'));
    return token_given(type) && token_given(str_sub(rest, type.n + 1, rest.n));
}

static struct body_part *part_new(struct body_registry *r, const struct es_plugin *plugin,
                                  const void *options)
{
    struct body_part *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->registry = r;
    p->plugin = plugin->name;
    p->options = options;
    return p;
}

static int generator_part(struct body_part *p, const struct es_body_generator *from,
                          struct buf *why)
{
    struct es_body_generator g = { 0 };

    if (from->size < SIZE_UP_TO(struct es_body_generator, generate)) {
        buf_printf(why, "a generator has size %zu, which is too small", from->size);
        return -EINVAL;
    }
    memcpy(&g, from, from->size < sizeof(g) ? from->size : sizeof(g));
    if (!text_given(g.name) || !text_given(g.package) || !media_type_valid(g.content_type) ||
        !g.generate) {
        buf_printf(
            why,
            "generator %s lacks a name, package, content_type (type/subtype) or generate function",
            g.name ? g.name : "without name");
        return -EINVAL;
    }
    p->name = g.name;
    p->package = g.package;
    p->packages = str_of(g.package);
    p->content_type = g.content_type;
    p->media_type = str_of(g.content_type);
    p->rank = g.priority;
    p->accepts = g.accepts;
    p->generate = g.generate;
    return 0;
}

static int supplement_part(struct body_part *p, const struct es_body_supplement *from,
                           struct buf *why)
{
    struct es_body_supplement s = { 0 };

    if (from->size < SIZE_UP_TO(struct es_body_supplement, supplement)) {
        buf_printf(why, "a supplement has size %zu, which is too small", from->size);
        return -EINVAL;
    }
    memcpy(&s, from, from->size < sizeof(s) ? from->size : sizeof(s));
    if (!text_given(s.name) || !media_type_valid(s.content_type) || !s.supplement) {
        buf_printf(why,
                   "supplement %s lacks a name, content_type (type/subtype) or supplement function",
                   s.name ? s.name : "without name");
        return -EINVAL;
    }
    p->name = s.name;
    p->content_type = s.content_type;
    p->media_type = str_of(s.content_type);
    p->rank = s.order;
    p->accepts = s.accepts;
    p->supplement = s.supplement;
    return 0;
}

/* High priorities before low ones, low orders before high ones; equals as they came. */
static void part_insert(struct body_part **list, struct body_part *p)
{
    while (*list && (p->generate ? (*list)->rank >= p->rank : (*list)->rank <= p->rank))
        list = &(*list)->next;
    p->next = *list;
    *list = p;
}

struct parts { /* of one plugin, until all of them are known to be good */
    struct body_part *generators, *supplements;
    size_t n_generators, n_supplements;
};

static int parts_collect(struct parts *out, struct body_registry *r, const struct es_plugin *plugin,
                         const void *options, struct buf *why)
{
    for (size_t i = 0; plugin->generators && plugin->generators[i]; i++, out->n_generators++) {
        struct body_part *p = part_new(r, plugin, options);
        int result = p ? generator_part(p, plugin->generators[i], why) : -ENOMEM;

        if (result) {
            free(p);
            return result;
        }
        part_insert(&out->generators, p);
    }
    for (size_t i = 0; plugin->supplements && plugin->supplements[i]; i++, out->n_supplements++) {
        struct body_part *p = part_new(r, plugin, options);
        int result = p ? supplement_part(p, plugin->supplements[i], why) : -ENOMEM;

        if (result) {
            free(p);
            return result;
        }
        part_insert(&out->supplements, p);
    }
    if (out->n_generators + r->n_generators > BODY_PARTS_MAX ||
        out->n_supplements + r->n_supplements > BODY_PARTS_MAX) {
        buf_printf(why, "there are more than %d generators or supplements", BODY_PARTS_MAX);
        return -EINVAL;
    }
    return 0;
}

/* A list in order into a list in order. */
static void parts_merge(struct body_part **into, struct body_part *parts)
{
    while (parts) {
        struct body_part *next = parts->next;

        part_insert(into, parts);
        parts = next;
    }
}

/* ---- the media types of each package ---- */

static int type_add(struct body_types *types, struct str package, struct str media_type,
                    bool primary)
{
    size_t at = types->n;

    if (body_types_know(types, package, media_type))
        return 0;
    if (types->n >= BODY_TYPES_MAX)
        return -EINVAL;
    for (size_t i = 0; primary && i < types->n; i++) {
        if (!str_equal_nocase(types->rows[i].package, package))
            continue;
        if (!types->rows[i].primary)
            at = i; /* the first that is primary goes to the head of its package */
        break;
    }
    memmove(types->rows + at + 1, types->rows + at, (types->n - at) * sizeof(*types->rows));
    types->rows[at] = (struct body_type){ package, media_type, primary };
    types->n++;
    return 0;
}

static int types_of_generator(struct body_types *types, const struct body_part *g, struct buf *why)
{
    struct str rest = str_of(g->package);
    bool first = true;

    while (rest.p) {
        struct str package = str_next(&rest, ' ');

        if (!package.n)
            continue;
        if (!token_given(package) || type_add(types, package, str_of(g->content_type), first)) {
            buf_printf(why, "generator %s: '%.*s' is no event package, or there are more than %d",
                       g->name, STR_FMT(package), BODY_TYPES_MAX);
            return -EINVAL;
        }
        first = false;
    }
    return 0;
}

/* The registry's types and those of more generators. The caller frees `*out`. */
static int types_extend(struct body_types **out, const struct body_registry *r,
                        const struct body_part *generators, struct buf *why)
{
    struct body_types *types = malloc(sizeof(*types));
    int result = 0;

    if (!types)
        return -ENOMEM;
    *types = r->types;
    for (const struct body_part *g = generators; !result && g; g = g->next)
        result = types_of_generator(types, g, why);
    if (result)
        free(types);
    else
        *out = types;
    return result;
}

/* ---- the whole plugin, or nothing of it ---- */

int plugin_check(const struct body_registry *r, const struct es_plugin *plugin, struct buf *why)
{
    if (plugin->abi != ES_PLUGIN_ABI) {
        buf_printf(why, "it was built for version %u of the plugin ABI, this program has %d",
                   plugin->abi, ES_PLUGIN_ABI);
        return -EINVAL;
    }
    if (plugin->size < SIZE_UP_TO(struct es_plugin, options_size)) {
        buf_printf(why, "its es_plugin has size %zu, which is too small", plugin->size);
        return -EINVAL;
    }
    if (!text_given(plugin->name)) {
        buf_add(why, STR("it has no name"));
        return -EINVAL;
    }
    for (const struct body_plugin *p = r->plugins; p; p = p->next) {
        if (str_equal(str_of(p->name), str_of(plugin->name))) {
            buf_printf(why, "a plugin named %s is loaded already", plugin->name);
            return -EINVAL;
        }
    }
    return 0;
}

static void parts_commit(struct body_registry *r, struct parts *parts)
{
    r->n_generators += parts->n_generators;
    r->n_supplements += parts->n_supplements;
    parts_merge(&r->generators, parts->generators);
    parts_merge(&r->supplements, parts->supplements);
    *parts = (struct parts){ 0 };
}

int body_registry_add(struct body_registry *r, const struct es_plugin *plugin,
                      const void *option_values, struct buf *why)
{
    struct body_plugin *record = NULL;
    struct body_types *types = NULL;
    struct parts parts = { 0 };
    void *defaults = NULL;
    int result;

    result = plugin_check(r, plugin, why);
    if (!result && !option_values)
        result = plugin_options_create(&defaults, plugin, NULL, 0, why);
    if (!result)
        result = parts_collect(&parts, r, plugin, option_values ? option_values : defaults, why);
    if (!result)
        result = types_extend(&types, r, parts.generators, why);
    if (result)
        goto out;
    record = calloc(1, sizeof(*record));
    if (!record) {
        result = -ENOMEM;
        goto out;
    }
    *record = (struct body_plugin){ .next = r->plugins, .name = plugin->name, .values = defaults };
    defaults = NULL;
    r->plugins = record;
    r->types = *types;
    parts_commit(r, &parts);
out:
    parts_free(parts.generators);
    parts_free(parts.supplements);
    free(types);
    free(defaults);
    return result;
}

/* ---- Allow-Events ---- */

static void add_packages(void *ctx, const char *kind, const char *name, const char *package,
                         const char *content_type, const char *plugin)
{
    struct buf *out = ctx;
    struct str rest = str_of(package);

    (void)name;
    (void)content_type;
    (void)plugin;
    if (!str_equal(str_of(kind), STR("generator")))
        return;
    while (rest.p) {
        struct str word = str_next(&rest, ' ');

        if (!word.n || str_is_listed(word, buf_str(out)) || str_equal(word, STR(BODY_TEMPLATE)) ||
            str_equal(word, STR(BODY_OPAQUE)))
            continue;
        if (out->n)
            buf_add(out, STR(", "));
        buf_add(out, word);
    }
}

void body_packages_print(const struct body_registry *r, struct buf *out)
{
    body_registry_each(r, add_packages, out);
}
