// SPDX-License-Identifier: MIT
/* The sections of extensions.conf: of a dialplan only hints and what is needed to find them is
 * taken, everything else is skipped without a word. */
#include "config/extensions.h"

#include "config/conf_reader.h"
#include "config/schema.h"

enum { SUBSTITUTED_MAX = 4095 };

int extensions_substitute(struct extensions_reader *x, struct str text, struct str *out)
{
    char room[SUBSTITUTED_MAX];
    struct buf b;

    if (!str_contains_nocase(text, STR("${"))) {
        *out = text;
        return 0;
    }
    buf_init_on(&b, room, sizeof(room));
    dialplan_substitute(x->dp, text, STR_EMPTY, STR_EMPTY, 0, &b);
    return b.error ? b.error : arena_str(&x->arena, out, buf_str(&b));
}

/* ---- include ---- */

static int include_remember(struct context_reader *c, struct str included, struct diag_place at)
{
    struct extensions_reader *x = c->x;
    int r = ARRAY_GROW_IN(&x->arena, x->includes, x->n_includes);

    if (r)
        return r;
    x->includes[x->n_includes++] = (struct include_line){ c->name, included, at };
    return 0;
}

static struct str included_name(struct str text)
{
    size_t comma = str_find_char(text, ','), bar = str_find_char(text, '|');

    return str_trim(str_sub(text, 0, comma < bar ? comma : bar));
}

static int include_read(struct context_reader *c, const struct conf_entry *e)
{
    struct str text = e->value, name;
    int r = extensions_substitute(c->x, text, &text);

    if (r == -ENOMEM)
        return r;
    name = included_name(text);
    if (r || name.n == 0) {
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "include names no context and is ignored; write include => CONTEXT");
        return 0;
    }
    r = dialplan_include_add(c->context, text);
    switch (r) {
    case 0:
        return include_remember(c, name, e->at);
    case DIALPLAN_DUPLICATE:
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "[%.*s] includes \"%.*s\" already; remove this line", STR_FMT(c->name),
                 STR_FMT(text));
        return 0;
    case DIALPLAN_BAD_TIME:
        diag_add(c->x->diag, DIAG_ERROR, e->at,
                 "the times of \"%.*s\" cannot be read, nothing is included; write "
                 "CONTEXT,9:00-17:00,mon-fri,1-31,jan-dec",
                 STR_FMT(text));
        return 0;
    case DIALPLAN_TOO_LONG:
        diag_add(c->x->diag, DIAG_ERROR, e->at,
                 "a context's name has at most 79 bytes, nothing is included");
        return 0;
    default:
        return r;
    }
}

/* With a `partial` file nothing can be said. */
static void includes_check(struct extensions_reader *x, bool partial)
{
    for (size_t i = 0; i < x->n_includes; i++) {
        const struct include_line *line = &x->includes[i];

        if (!partial && !dialplan_context_find(x->dp, line->included))
            diag_add(x->diag, DIAG_WARNING, line->at,
                     "[%.*s] includes [%.*s], which does not exist; define it or correct the name",
                     STR_FMT(line->context), STR_FMT(line->included));
    }
}

/* ---- sections ---- */

static bool is_directive(const struct conf_entry *e, const char *name)
{
    return str_equal_nocase(e->name, str_of(name));
}

static bool is_switch(const struct conf_entry *e)
{
    return is_directive(e, "switch") || is_directive(e, "lswitch") || is_directive(e, "eswitch");
}

static void switch_tell(struct context_reader *c, const struct conf_entry *e)
{
    if (!c->switch_told)
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "%.*s in [%.*s] is ignored: other dialplans cannot be asked from here; hints have "
                 "to be in this one",
                 STR_FMT(e->name), STR_FMT(c->name));
    c->switch_told = true;
}

static void unknown_tell(struct context_reader *c, const struct conf_entry *e)
{
    static const char *const names[] = { "exten",  "same",    "include", "ignorepat",
                                         "switch", "lswitch", "eswitch", "autohints" };
    const char *nearest = nearest_name(e->name, names, ARRAY_LEN(names));

    if (nearest)
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "unknown directive %.*s is ignored; did you mean %s?", STR_FMT(e->name), nearest);
    else
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "unknown directive %.*s is ignored; a context has exten, same, include, "
                 "autohints, ignorepat and switch",
                 STR_FMT(e->name));
}

static void autohints_read(struct context_reader *c, const struct conf_entry *e)
{
    bool enabled = str_is_true(e->value);

    if (!enabled && !value_is_no(e->value))
        diag_add(c->x->diag, DIAG_WARNING, e->at, "autohints = %.*s counts as no; write yes or no",
                 STR_FMT(e->value));
    dialplan_autohints_set(c->context, enabled);
}

static int entry_read(struct context_reader *c, const struct conf_entry *e)
{
    if (is_directive(e, "exten"))
        return exten_read(c, e);
    if (str_starts_nocase(e->name, STR("same")))
        return same_read(c, e);
    if (is_directive(e, "include"))
        return include_read(c, e);
    if (is_directive(e, "autohints"))
        autohints_read(c, e);
    else if (is_switch(e))
        switch_tell(c, e);
    else if (!is_directive(e, "ignorepat"))
        unknown_tell(c, e);
    return 0;
}

static int context_read(struct extensions_reader *x, const struct conf_section *s)
{
    struct context_reader c = { .x = x, .name = s->name, .has_line = s->partial };
    int r = dialplan_context_get(x->dp, s->name, &c.context);

    if (r == DIALPLAN_TOO_LONG) {
        diag_add(x->diag, DIAG_ERROR, s->at,
                 "the name of [%.*s] has more than 79 bytes, the context is left out; shorten it",
                 STR_FMT(s->name));
        return 0;
    }
    for (size_t i = 0; i < s->n_entries && r == 0; i++)
        r = entry_read(&c, &s->entries[i]);
    return r;
}

static int globals_read(struct extensions_reader *x, const struct conf_section *s)
{
    for (size_t i = 0; i < s->n_entries; i++) {
        int r = dialplan_global_set(x->dp, s->entries[i].name, s->entries[i].value);

        if (r)
            return r;
    }
    return 0;
}

static bool is_globals(const struct conf_section *s)
{
    return !s->is_template && str_equal_nocase(s->name, STR("globals"));
}

static bool is_context(const struct conf_section *s)
{
    return !s->is_template && !is_globals(s) && !str_equal_nocase(s->name, STR("general"));
}

/* Variables may be used above the section that sets them, so all [globals] come first. */
static int sections_read(struct extensions_reader *x, const struct conf *conf)
{
    int r = 0;

    for (size_t i = 0; i < conf->n_sections && r == 0; i++)
        if (is_globals(&conf->sections[i]))
            r = globals_read(x, &conf->sections[i]);
    for (size_t i = 0; i < conf->n_sections && r == 0; i++)
        if (is_context(&conf->sections[i]))
            r = context_read(x, &conf->sections[i]);
    if (r == 0)
        includes_check(x, conf->partial);
    return r;
}

/* Variables that do not come from the file. One that is empty is none, so that its use is told. */
static int program_globals_set(struct dialplan *dp, const struct general_settings *general)
{
    const struct {
        struct str name, value;
    } globals[] = { { STR("SYSTEMNAME"), general->systemname },
                    { STR("ENTITYID"), general->entityid } };

    for (size_t i = 0; i < ARRAY_LEN(globals); i++) {
        int r = globals[i].value.n ? dialplan_global_set(dp, globals[i].name, globals[i].value) : 0;

        if (r)
            return r;
    }
    return 0;
}

static int dialplan_read(struct dialplan **out, const struct conf *conf,
                         const struct general_settings *general, struct diag *diag)
{
    struct extensions_reader x = { .diag = diag };
    struct rng rng;
    int r;

    rng_init_system(&rng);
    r = map_init(&x.hints, &rng);
    if (r)
        return r;
    r = dialplan_create(&x.dp);
    if (r == 0)
        r = program_globals_set(x.dp, general);
    if (r == 0 && conf)
        r = sections_read(&x, conf);
    if (r)
        dialplan_unref(x.dp);
    else
        *out = x.dp;
    map_fini(&x.hints);
    arena_fini(&x.arena);
    return r;
}

static void missing_tell(const struct conf_source *files, struct diag *diag)
{
    char room[4096];
    struct buf path;

    buf_init_on(&path, room, sizeof(room));
    conf_path_print(&path, files->directory, files->file);
    diag_add(diag, DIAG_WARNING, (struct diag_place){ buf_str(&path), 0 },
             "the file does not exist, so there are no hints; write some, or correct --config-dir");
}

int extensions_read(struct dialplan **out, const struct settings_source *source,
                    const struct general_settings *general, struct diag *diag)
{
    struct conf_source files = source->files;
    struct dialplan *dp = NULL;
    struct conf *conf = NULL;
    bool damaged;
    int r;

    files.directory = source->directory;
    files.file = STR("extensions.conf");
    files.allow_exec = general->execincludes;
    r = conf_read(&conf, &files, diag);
    damaged = r == CONF_DAMAGED;
    if (r == -ENOENT)
        missing_tell(&files, diag);
    else if (r < 0)
        return r;
    r = dialplan_read(&dp, conf, general, diag);
    conf_destroy(conf);
    if (r)
        return r;
    r = damaged ? -EINVAL : 0;
    if (r == 0 && source->former_dialplan)
        r = dialplan_compare(dp, source->former_dialplan);
    if (r)
        dialplan_unref(dp);
    else
        *out = dp;
    return r;
}
