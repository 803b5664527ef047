// SPDX-License-Identifier: MIT
/* Reading sections by their tables, and telling what is wrong with them. */
#include "config/schema.h"
#include "config/conf_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what has been told ---- */

const struct diag_place override_place = { STR_INIT("--set"), 0 };

bool is_override(struct diag_place at)
{
    return at.file.p == override_place.file.p;
}

struct told {
    struct map_node node;
};

int reading_init(struct reading *r, const struct settings_source *source, struct arena *arena,
                 struct diag *diag)
{
    *r = (struct reading){ .diag = diag, .arena = arena, .source = source };
    rng_init_system(&r->rng);
    return map_init(&r->reported, &r->rng);
}

void reading_fini(struct reading *r)
{
    map_fini(&r->reported);
    arena_fini(&r->scratch);
}

static bool any_equal(const struct map_node *node, const void *key)
{
    (void)node;
    (void)key;
    return true; /* 64 bits of keyed hash are enough to tell two messages apart */
}

static bool told_before(struct reading *r, struct diag_place at, struct str message)
{
    uint64_t hash =
        map_hash_mix(map_hash(&r->reported, at.file), map_hash_u64(&r->reported, at.line));
    struct told *t;

    hash = map_hash_mix(hash, map_hash(&r->reported, message));
    if (map_find(&r->reported, hash, any_equal, NULL))
        return true;
    t = arena_alloc(&r->scratch, sizeof(*t));
    if (t)
        map_add(&r->reported, &t->node, hash);
    return false;
}

PRINTF_LIKE(4, 0)
static void tell(struct reading *r, enum diag_severity severity, struct diag_place at,
                 const char *format, va_list args)
{
    char *message;
    int n = vasprintf(&message, format, args);

    if (n < 0)
        return;
    if (!told_before(r, at, (struct str){ message, (size_t)n }))
        diag_add(r->diag, severity, at, "%s", message);
    free(message);
}

void reading_tell(struct reading *r, enum diag_severity severity, struct diag_place at,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(r, severity, at, format, args);
    va_end(args);
}

void reading_tell_lack(struct reading *r, enum diag_severity severity, struct diag_place at,
                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (!r->partial)
        tell(r, severity, at, format, args);
    va_end(args);
}

void reading_fault(struct reading *r, const struct conf_entry *e, struct str part, struct str why,
                   struct str consequence)
{
    struct buf shown;

    if (r->strict)
        consequence = STR("every object with this line is discarded, as strict_objects = yes asks");
    else if (r->former)
        consequence = STR("what was loaded before goes on");
    r->faults++;
    r->override_faults += is_override(e->at);
    buf_init(&shown, 3 * part.n + 64); /* masked before it is cut */
    buf_add_masked(&shown, part);
    reading_tell(r, DIAG_ERROR, e->at, "%.*s = %.*s: %.*s; %.*s", STR_FMT(e->name),
                 STR_FMT(str_sub(buf_str(&shown), 0, 200)), STR_FMT(why), STR_FMT(consequence));
    buf_fini(&shown);
}

const char *reading_closed(const struct reading *r)
{
    return r->former ? "what was loaded before goes on" : "what it may be about is blocked";
}

int reading_place(struct reading *r, struct diag_place at, struct diag_place *out)
{
    if (at.file.p != r->file[0].p || !r->file[1].p) {
        int result = arena_str(r->arena, &r->file[1], at.file);

        if (result)
            return result;
        r->file[0] = at.file;
    }
    *out = (struct diag_place){ r->file[1], at.line };
    return 0;
}

int reading_path(struct reading *r, struct str *path, bool is_file)
{
    struct str text = STR_EMPTY;
    char room[8192];
    struct buf whole;
    int result;

    if (!path->n)
        return 0;
    buf_init_on(&whole, room, sizeof(room));
    conf_path_print(&whole, r->source->directory, *path);
    result = whole.error ? whole.error : arena_str(r->arena, path, buf_str(&whole));
    /* One that cannot be read is told by who makes use of it. */
    if (result == 0 && is_file && conf_load(&r->source->files, *path, &text) == 0)
        str_free(&text);
    return result;
}

/* ---- names ---- */

/* Two letters wrong are a slip in a long name and another word in a short one. */
static unsigned distance_allowed(struct str name)
{
    return name.n < 3 ? 0 : name.n < 6 ? 1 : 2;
}

const char *nearest_name(struct str name, const char *const *names, size_t n)
{
    unsigned best = distance_allowed(name) + 1;
    const char *nearest = NULL;

    for (size_t i = 0; i < n; i++) {
        unsigned distance = str_distance_nocase(name, str_of(names[i]));

        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

const char *schema_nearest(const struct schema *schema, struct str name)
{
    unsigned best = distance_allowed(name) + 1;
    const char *nearest = NULL;
    struct str rest = str_of(schema->ignored);

    for (size_t i = 0; i < schema->n_options; i++) {
        unsigned distance = str_distance_nocase(name, str_of(schema->options[i].name));

        if (distance < best) {
            best = distance;
            nearest = schema->options[i].name;
        }
    }
    while (nearest && rest.n)
        if (str_distance_nocase(name, str_next(&rest, ' ')) < best)
            nearest = NULL;
    return nearest;
}

/* ---- a schema in use ---- */

struct known_name { /* in the scratch arena */
    struct map_node node;
    struct str name;
    const struct option *option; /* NULL: an ignored one */
    bool unserved_told;
};

static bool known_equal(const struct map_node *node, const void *key)
{
    return str_equal_nocase(CONTAINER_OF(node, struct known_name, node)->name,
                            *(const struct str *)key);
}

static int known_add(struct reading *r, struct schema_use *use, struct str name,
                     const struct option *option)
{
    struct known_name *k = arena_alloc(&r->scratch, sizeof(*k));

    if (!k)
        return -ENOMEM;
    k->name = name;
    k->option = option;
    map_add(&use->names, &k->node, map_hash_nocase(&use->names, name));
    return 0;
}

static struct known_name *known_find(const struct schema_use *use, struct str name)
{
    struct map_node *node =
        map_find(&use->names, map_hash_nocase(&use->names, name), known_equal, &name);

    return node ? CONTAINER_OF(node, struct known_name, node) : NULL;
}

const struct option *schema_option(const struct schema_use *use, struct str name)
{
    const struct known_name *k = known_find(use, name);

    return k ? k->option : NULL;
}

static int default_apply(struct reading *r, const struct option *o, void *object)
{
    struct conf_entry e = { .name = str_of(o->name), .value = str_of(o->fallback) };
    int result = o->fallback ? option_read(r, o, object, &e, NULL) : 0;

    BUG_UNLESS(result <= 0); /* a default that its own reader does not take */
    return result;
}

int schema_use_init(struct reading *r, struct schema_use *use, const struct schema *schema)
{
    struct str rest = str_of(schema->ignored);
    int result;

    *use = (struct schema_use){ .schema = schema };
    result = map_init(&use->names, &r->rng);
    if (result)
        return result;
    use->defaults = arena_alloc(&r->scratch, schema->object_size);
    if (!use->defaults)
        return -ENOMEM;
    for (size_t i = 0; i < schema->n_options; i++) {
        result = known_add(r, use, str_of(schema->options[i].name), &schema->options[i]);
        if (result)
            return result;
        result = default_apply(r, &schema->options[i], use->defaults);
        if (result)
            return result;
    }
    while (rest.n) {
        struct str name = str_next(&rest, ' ');

        result = name.n ? known_add(r, use, name, NULL) : 0;
        if (result)
            return result;
    }
    return known_add(r, use, STR("type"), NULL);
}

void schema_use_fini(struct schema_use *use)
{
    map_fini(&use->names);
}

/* ---- reading ---- */

static void unknown_tell(struct reading *r, const struct schema *schema, const struct conf_entry *e)
{
    const char *nearest = schema_nearest(schema, e->name);
    bool override = is_override(e->at);
    bool extended =
        str_starts(e->name, STR("@")) && !override; /* free text that any object may carry */
    enum diag_severity severity = override ? DIAG_ERROR : DIAG_WARNING;

    if (extended && nearest && nearest[0] != '@')
        nearest = NULL;
    r->override_faults += override;
    if (schema->closes) {
        r->faults++;
        reading_tell(r, DIAG_ERROR, e->at, "unknown option %.*s in %s; %s%s%s%s", STR_FMT(e->name),
                     schema->kind, reading_closed(r), nearest ? "; did you mean " : "",
                     nearest ? nearest : "", nearest ? "?" : "");
    } else if (r->strict && !extended) {
        r->faults++;
        reading_tell(r, DIAG_ERROR, e->at,
                     "unknown option %.*s in %s; every object with this line is discarded, as "
                     "strict_objects = yes asks",
                     STR_FMT(e->name), schema->kind);
    } else if (nearest) {
        reading_tell(r, severity, e->at, "unknown option %.*s in %s is ignored; did you mean %s?",
                     STR_FMT(e->name), schema->kind, nearest);
    } else if (schema->closed && !extended) {
        reading_tell(r, severity, e->at,
                     "unknown option %.*s in %s is ignored; remove it, or correct the name",
                     STR_FMT(e->name), schema->kind);
    }
}

/* The field as it was before any line. Arrays only ever grow, and a bad member is left out alone.
 */
static size_t field_size(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_U32:
    case OPTION_DURATION:
    case OPTION_WORD:
    case OPTION_WORDS:
        return sizeof(uint32_t);
    case OPTION_STR:
    case OPTION_URI:
    case OPTION_USER:
    case OPTION_HOST:
    case OPTION_ADDR:
        return sizeof(struct str);
    case OPTION_LIST:
    case OPTION_URI_LIST:
    case OPTION_NETS:
    case OPTION_CUSTOM:
        break;
    }
    return 0;
}

static int value_refuse(struct reading *r, const struct schema_use *use, const struct option *o,
                        void *object, const struct conf_entry *e, const struct buf *why)
{
    char room[128];
    struct buf consequence;
    int result = 0;

    if (field_size(o->type))
        memcpy((char *)object + o->at, (char *)use->defaults + o->at, field_size(o->type));
    else
        result = default_apply(r, o, object);
    if (o->flags & OPTION_VITAL)
        r->vital_faults++;
    buf_init_on(&consequence, room, sizeof(room));
    if (o->flags & OPTION_VITAL)
        buf_add(&consequence, STR("its section is refused"));
    else if (o->flags & OPTION_CLOSES)
        buf_add(&consequence, str_of(reading_closed(r)));
    else if (o->fallback && o->fallback[0])
        buf_printf(&consequence, "the default %s is used instead", o->fallback);
    else
        buf_add(&consequence, STR("the line is ignored"));
    reading_fault(r, e, option_shown(o, e->value), why->error ? STR("not valid") : buf_str(why),
                  buf_str(&consequence));
    return result;
}

int schema_apply(struct reading *r, const struct schema_use *use, void *object,
                 const struct conf_entry *e)
{
    struct known_name *known = known_find(use, e->name);
    const struct option *o;
    char room[200];
    struct buf why;
    int result;

    if (!known) {
        unknown_tell(r, use->schema, e);
        return 0;
    }
    o = known->option;
    if (!o)
        return 0;
    if (o->flags & OPTION_UNSERVED && !known->unserved_told) {
        known->unserved_told = true;
        reading_tell(r, DIAG_WARNING, e->at, "%s is understood, but has no effect in this version",
                     o->name);
    }
    buf_init_on(&why, room, sizeof(room));
    result = option_read(r, o, object, e, &why);
    return result == OPTION_BAD ? value_refuse(r, use, o, object, e, &why) : result;
}

static bool has_entry(const struct conf_section *s, const struct option *o)
{
    const struct conf_entry *e = conf_entry_find(s, str_of(o->name));

    return e && e->value.n;
}

int schema_read(struct reading *r, const struct schema_use *use, void *object,
                const struct conf_section *s)
{
    const struct schema *schema = use->schema;
    bool refused = false;

    r->faults = r->vital_faults = 0;
    r->partial = s->partial;
    r->section = s;
    memcpy(object, use->defaults, schema->object_size);
    for (size_t i = 0; i < s->n_entries; i++) {
        int result = schema_apply(r, use, object, &s->entries[i]);

        if (result)
            return result;
    }
    for (size_t i = 0; i < schema->n_options; i++) {
        const struct option *o = &schema->options[i];

        if (o->flags & OPTION_REQUIRED && !has_entry(s, o)) {
            reading_tell_lack(r, DIAG_ERROR, s->at,
                              "%s [%.*s] has no %s and is refused; add %s = ...", schema->kind,
                              STR_FMT(s->name), o->name, o->name);
            refused = true;
        }
    }
    return refused || r->vital_faults || (r->strict && r->faults) ? SCHEMA_REFUSED : 0;
}
