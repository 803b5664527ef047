// SPDX-License-Identifier: MIT
/* "exten => extension,priority,rest" and "same => priority,rest": Asterisk's splitting, of which
 * hints are kept. */
#include "config/extensions.h"

enum { EXTENSION_FIELD_MAX = 255 };

struct hint_place { /* in the arena: where an extension has got its hint */
    struct map_node node;
    struct diag_place at;
};

/* ---- splitting ---- */

/* Cut off the part before the first comma that is neither in brackets nor behind a backslash. */
static struct str extension_next(struct str *rest)
{
    unsigned brackets = 0;
    struct str part;
    size_t i;

    for (i = 0; i < rest->n; i++) {
        char c = rest->p[i];

        if (c == '[')
            brackets++;
        else if (c == ']' && brackets)
            brackets--;
        else if (c == '\\')
            i++;
        else if (c == ',' && !brackets)
            break;
    }
    part = str_sub(*rest, 0, i);
    *rest = i < rest->n ? str_sub(*rest, i + 1, rest->n) : STR_EMPTY;
    return str_trim(part);
}

/* Without blanks, and without dashes too when `canonical`; brackets keep theirs. */
static int extension_strip(struct arena *a, struct str extension, bool canonical, struct str *out)
{
    bool set = false;
    size_t n = 0;
    char *p;

    if (str_find_char(extension, ' ') == extension.n &&
        str_find_char(extension, '\t') == extension.n &&
        (!canonical || str_find_char(extension, '-') == extension.n)) {
        *out = extension;
        return 0;
    }
    p = arena_alloc(a, extension.n + 1);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < extension.n; i++) {
        char c = extension.p[i];

        set = c == '[' || (set && c != ']');
        if (set || (c != ' ' && c != '\t' && (!canonical || c != '-')))
            p[n++] = c;
    }
    *out = (struct str){ p, n };
    return 0;
}

/* The extension's field of an exten line becomes the extension of this and the following same
 * lines. */
static int extension_set(struct context_reader *c, const struct conf_entry *e, struct str field)
{
    size_t slash;
    int r = extensions_substitute(c->x, field, &field);

    c->has_extension = false;
    if (r == -ENOMEM)
        return r;
    if (r || field.n > EXTENSION_FIELD_MAX) {
        diag_add(c->x->diag, DIAG_ERROR, e->at,
                 "the extension has more than %d bytes and is ignored; shorten it",
                 EXTENSION_FIELD_MAX);
        return 0;
    }
    slash = str_find_char(field, '/');
    c->has_caller_id = str_trim(str_sub(field, slash + 1, field.n)).n > 0;
    r = extension_strip(&c->x->arena, str_sub(field, 0, slash), false, &c->extension);
    if (r)
        return r;
    c->has_extension = c->extension.n > 0;
    if (!c->has_extension)
        diag_add(c->x->diag, DIAG_WARNING, e->at, "exten names no extension and is ignored");
    return 0;
}

/* ---- hints ---- */

struct hint_text {
    struct str devices, name;
    bool unclosed;
};

/* "PJSIP/alice(Alice Smith)": what is in parentheses is a name, unless they belong to a variable or
 * function. */
static struct hint_text hint_split(struct str rest)
{
    size_t open = str_find_char(rest, '('), close;
    struct str before = str_sub(rest, 0, open), behind = str_sub(rest, open + 1, rest.n);

    if (open == rest.n || str_contains_nocase(before, STR("${")) ||
        str_contains_nocase(before, STR("$[")))
        return (struct hint_text){ str_trim(rest), STR_EMPTY, false };
    for (close = behind.n; close > 0 && behind.p[close - 1] != ')'; close--)
        continue;
    if (close == 0)
        return (struct hint_text){ str_trim(before), str_trim(behind), true };
    return (struct hint_text){ str_trim(before), str_sub(behind, 0, close - 1), false };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Blanks beside & and , would become part of a device's name, which nobody has ever meant. */
static int devices_tidy(struct context_reader *c, const struct conf_entry *e, struct str *devices)
{
    char *p;
    size_t n = 0;

    if (str_find_char(*devices, '$') < devices->n ||
        (str_find_char(*devices, ' ') == devices->n && str_find_char(*devices, '\t') == devices->n))
        return 0;
    p = arena_alloc(&c->x->arena, devices->n + 1);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < devices->n; i++) {
        char d = devices->p[i];

        if (d == '&' || d == ',')
            while (n && is_blank(p[n - 1]))
                n--;
        if (!is_blank(d) || (n && p[n - 1] != '&' && p[n - 1] != ','))
            p[n++] = d;
    }
    if (n < devices->n)
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "blanks between the devices of %.*s are left out; Asterisk would take them for "
                 "part of the names",
                 STR_FMT(c->extension));
    *devices = (struct str){ p, n };
    return 0;
}

static bool any_equal(const struct map_node *node, const void *key)
{
    (void)node;
    (void)key;
    return true; /* 64 bits of keyed hash are enough for a message */
}

static int hint_hash(struct context_reader *c, uint64_t *out)
{
    const struct map *hints = &c->x->hints;
    struct str canonical;
    int r = extension_strip(&c->x->arena, c->extension, true, &canonical);

    if (r == 0)
        *out = map_hash_mix(map_hash(hints, c->name), map_hash(hints, canonical));
    return r;
}

static void duplicate_tell(struct context_reader *c, const struct conf_entry *e, uint64_t hash)
{
    const struct map_node *node = map_find(&c->x->hints, hash, any_equal, NULL);
    const struct hint_place *first = node ? CONTAINER_OF(node, struct hint_place, node) : NULL;

    if (first)
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "%.*s@%.*s has its hint from %.*s:%u; remove one of the two",
                 STR_FMT(c->extension), STR_FMT(c->name), STR_FMT(first->at.file), first->at.line);
    else
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "%.*s@%.*s has a hint already; remove one of the two", STR_FMT(c->extension),
                 STR_FMT(c->name));
}

static int hint_remember(struct context_reader *c, const struct conf_entry *e, uint64_t hash)
{
    struct hint_place *place = arena_alloc(&c->x->arena, sizeof(*place));

    if (!place)
        return -ENOMEM;
    place->at = e->at;
    map_add(&c->x->hints, &place->node, hash);
    return 0;
}

static int hint_add(struct context_reader *c, const struct conf_entry *e,
                    const struct hint_spec *spec)
{
    uint64_t hash;
    int r = hint_hash(c, &hash);

    if (r)
        return r;
    r = dialplan_hint_add(c->context, spec);
    switch (r) {
    case 0:
        return hint_remember(c, e, hash);
    case DIALPLAN_DUPLICATE:
        duplicate_tell(c, e, hash);
        return 0;
    case DIALPLAN_TOO_LONG:
        diag_add(c->x->diag, DIAG_ERROR, e->at,
                 "extension %.*s has more than 79 bytes, its hint is left out; shorten it",
                 STR_FMT(c->extension));
        return 0;
    default:
        return r;
    }
}

static int hint_read(struct context_reader *c, const struct conf_entry *e, struct str rest)
{
    struct hint_text text = hint_split(rest);
    struct hint_spec spec;
    int r;

    if (c->has_caller_id) {
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "a hint for certain callers is never found by a subscriber and is left out; "
                 "remove the / and what follows "
                 "it");
        return 0;
    }
    if (text.devices.n == 0) {
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "the hint of %.*s names no device and is left out", STR_FMT(c->extension));
        return 0;
    }
    if (text.unclosed)
        diag_add(c->x->diag, DIAG_WARNING, e->at, "no ) behind the name of the hint; add it");
    r = devices_tidy(c, e, &text.devices);
    if (r)
        return r;
    spec = (struct hint_spec){ .extension = c->extension,
                               .text = text.devices,
                               .name = text.name,
                               .file = e->at.file,
                               .line = e->at.line };
    hint_check(c, e, &spec);
    return hint_add(c, e, &spec);
}

/* ---- lines ---- */

/* Without "(label)" and "+n". */
static struct str priority_of(struct str field)
{
    size_t label = str_find_char(field, '(');
    struct str priority = str_sub(field, 0, label);

    return str_trim(str_sub(priority, 0, str_find_char(priority, '+')));
}

/* What a hint leaves behind is priority -1, and n after it is 0, which Asterisk drops without a
 * word. */
static void dropped_tell(struct context_reader *c, const struct conf_entry *e)
{
    if (!c->after_hint_told)
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "priority n after a hint has none to follow, Asterisk drops this line; write 1 "
                 "instead");
    c->after_hint_told = true;
}

static int line_read(struct context_reader *c, const struct conf_entry *e, struct str rest)
{
    struct str priority = priority_of(str_next(&rest, ','));

    if (str_equal(priority, STR("hint"))) {
        c->after_hint = true;
        c->after_hint_told = false;
        return c->has_extension ? hint_read(c, e, rest) : 0;
    }
    if (str_equal_nocase(priority, STR("hint"))) {
        diag_add(c->x->diag, DIAG_WARNING, e->at,
                 "priority %.*s is none, the line is ignored; write hint", STR_FMT(priority));
        return 0;
    }
    if (str_equal(priority, STR("n")) || str_equal(priority, STR("next"))) {
        if (c->after_hint)
            dropped_tell(c, e);
        return 0;
    }
    c->after_hint = false;
    return 0;
}

int exten_read(struct context_reader *c, const struct conf_entry *e)
{
    struct str rest = e->value, field = extension_next(&rest);
    int r;

    c->has_line = true;
    if (!rest.p) {
        diag_add(c->x->diag, DIAG_WARNING, e->at, "exten has no priority and is ignored; %s",
                 dialplan_pattern_works(field)
                     ? "write exten => EXTENSION,hint,DEVICE or a PBX's line"
                     : "there is no ] behind the [ of its pattern, add it");
        return 0;
    }
    r = extension_set(c, e, field);
    return r ? r : line_read(c, e, rest);
}

int same_read(struct context_reader *c, const struct conf_entry *e)
{
    if (!c->has_line) {
        diag_add(c->x->diag, DIAG_ERROR, e->at,
                 "same comes before any exten of this section and is ignored; write exten => "
                 "EXTENSION,... above it");
        return 0;
    }
    return line_read(c, e, e->value);
}
