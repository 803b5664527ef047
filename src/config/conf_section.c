// SPDX-License-Identifier: MIT
/* Section heads: "[name]", and in parentheses behind it templates, inheritance and additions to an
 * earlier section. */
#include "config/conf_reader.h"

#include "base/regex.h"

struct section_name { /* the sections of one name, in order; in the conf's arena */
    struct map_node node;
    struct str name;
    size_t *sections;
    size_t n_sections;
};

static bool name_equal(const struct map_node *node, const void *key)
{
    return str_equal_nocase(CONTAINER_OF(node, struct section_name, node)->name,
                            *(const struct str *)key);
}

static struct section_name *name_find(const struct conf_reader *r, struct str name)
{
    struct map_node *node =
        map_find(&r->names, map_hash_nocase(&r->names, name), name_equal, &name);

    return node ? CONTAINER_OF(node, struct section_name, node) : NULL;
}

static int name_add(struct conf_reader *r, size_t section)
{
    struct str name = r->conf->sections[section].name;
    struct section_name *known = name_find(r, name);
    int result;

    if (!known) {
        known = arena_alloc(r->arena, sizeof(*known));
        if (!known)
            return -ENOMEM;
        known->name = name;
        map_add(&r->names, &known->node, map_hash_nocase(&r->names, name));
    }
    result = ARRAY_GROW_IN(r->arena, known->sections, known->n_sections);
    if (result)
        return result;
    known->sections[known->n_sections++] = section;
    return 0;
}

int conf_names_init(struct conf_reader *r)
{
    struct rng rng;

    rng_init_system(&rng);
    return map_init(&r->names, &rng);
}

void conf_names_fini(struct conf_reader *r)
{
    map_fini(&r->names);
}

static int entry_append(struct conf_section *s, const struct conf_entry *e)
{
    int r = ARRAY_GROW(s->entries, s->n_entries);

    if (r)
        return r;
    s->entries[s->n_entries++] = *e;
    return 0;
}

int conf_section_add(struct arena *a, struct conf_section *s, struct str name, struct str value,
                     struct diag_place at)
{
    struct conf_entry e = { .at = at };
    int r = arena_str(a, &e.name, name);

    if (r)
        return r;
    r = arena_str(a, &e.value, value);
    if (r)
        return r;
    return entry_append(s, &e);
}

/* ---- (+filter) ---- */

enum { FILTER_PAIRS_MAX = 16 };

struct filter {
    struct filter_pair {
        struct regex *name, *value;
    } pairs[FILTER_PAIRS_MAX];
    size_t n;
    bool templates, only_templates;
};

static void filter_fini(struct filter *f)
{
    for (size_t i = 0; i < f->n; i++) {
        regex_destroy(f->pairs[i].name);
        regex_destroy(f->pairs[i].value);
    }
    f->n = 0;
}

static int filter_compile(struct conf_reader *r, struct conf_file *f, struct regex **out,
                          struct str pattern)
{
    struct buf why;
    int result;

    buf_init(&why, 256);
    result = regex_create(out, pattern, false, &why);
    if (result == -EINVAL)
        diag_add(r->diag, DIAG_ERROR, conf_here(f),
                 "the filter's regular expression \"%.*s\" is not valid: %.*s", STR_FMT(pattern),
                 STR_FMT(buf_str(&why)));
    buf_fini(&why);
    return result;
}

/* "name=value", both regular expressions; or the pseudo pair TEMPLATES. -EINVAL has been told. */
static int filter_add(struct conf_reader *r, struct conf_file *f, struct filter *filter,
                      struct str pair)
{
    size_t equals = str_find_char(pair, '=');
    struct str name = conf_trim(str_sub(pair, 0, equals)),
               value = conf_trim(str_sub(pair, equals + 1, pair.n));
    struct filter_pair *p = &filter->pairs[filter->n];
    int result;

    if (equals == pair.n || filter->n == FILTER_PAIRS_MAX) {
        diag_add(r->diag, DIAG_ERROR, conf_here(f),
                 "\"%.*s\" is no filter; write (+name=value), at most %d pairs joined by &",
                 STR_FMT(pair), FILTER_PAIRS_MAX);
        return -EINVAL;
    }
    if (str_equal(name, STR("TEMPLATES"))) {
        filter->only_templates = str_equal_nocase(value, STR("restrict"));
        filter->templates = filter->only_templates || str_equal_nocase(value, STR("include"));
        return 0;
    }
    *p = (struct filter_pair){ NULL, NULL };
    filter->n++;
    result = filter_compile(r, f, &p->name, name);
    if (result)
        return result;
    return filter_compile(r, f, &p->value, value);
}

static bool pair_holds(const struct filter_pair *p, const struct conf_section *s)
{
    for (size_t i = 0; i < s->n_entries; i++)
        if (regex_matches(p->name, s->entries[i].name, NULL) &&
            regex_matches(p->value, s->entries[i].value, NULL))
            return true;
    return false;
}

static bool filter_holds(const struct filter *f, const struct conf_section *s)
{
    if (s->is_template ? !f->templates : f->only_templates)
        return false;
    for (size_t i = 0; i < f->n; i++)
        if (!pair_holds(&f->pairs[i], s))
            return false;
    return true;
}

/* The first section of that name (empty: of any) that satisfies the filter; CONF_NO_SECTION. */
static size_t filter_find(const struct conf_reader *r, const struct filter *f, struct str name)
{
    const struct section_name *known = name_find(r, name);
    size_t n = name.n == 0 ? r->conf->n_sections : known ? known->n_sections : 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = name.n == 0 ? i : known->sections[i];

        if (filter_holds(f, &r->conf->sections[at]))
            return at;
    }
    return CONF_NO_SECTION;
}

/* "[name](+)" and "[name](+filter)": the section to go on with, CONF_NO_SECTION when that has been
 * told as an error. */
static int addition_find(struct conf_reader *r, struct conf_file *f, struct str name,
                         struct str pairs, size_t *out)
{
    struct filter filter = { .n = 0 };
    struct str rest = pairs;
    int result = 0;

    *out = CONF_NO_SECTION;
    while (rest.n && result == 0)
        result = filter_add(r, f, &filter, str_next(&rest, '&'));
    if (result == 0)
        *out = filter_find(r, &filter, name);
    filter_fini(&filter);
    if (result == -EINVAL)
        return 0;
    if (result == 0 && *out == CONF_NO_SECTION)
        diag_add(
            r->diag, DIAG_ERROR, conf_here(f),
            "[%.*s](+%.*s) adds to a section that does not exist; define it above, or drop the +",
            STR_FMT(name), STR_FMT(pairs));
    return result;
}

/* ---- (template,template) ---- */

static int section_inherit(struct conf_reader *r, struct conf_file *f, size_t section,
                           struct str base_name)
{
    const struct section_name *known = name_find(r, base_name);
    size_t base, n;

    if (!known) {
        diag_add(
            r->diag, DIAG_ERROR, conf_here(f),
            "the template [%.*s] does not exist; define it above this line, or correct the name",
            STR_FMT(base_name));
        r->conf->sections[section].partial = true;
        return 0;
    }
    base = known->sections[0];
    n = r->conf->sections[base].n_entries;
    r->conf->sections[section].partial |= r->conf->sections[base].partial;
    if (n > CONF_INHERITED_MAX - r->n_inherited) {
        if (!r->inherited_told)
            diag_add(r->diag, DIAG_ERROR, conf_here(f),
                     "more than %d settings are inherited; use smaller templates",
                     CONF_INHERITED_MAX);
        r->inherited_told = true;
        r->conf->sections[section].partial = true;
        return 0;
    }
    r->n_inherited += n;
    for (size_t i = 0; i < n; i++) {
        struct conf_entry e = r->conf->sections[base]
                                  .entries[i]; /* a copy: the array may move when base is section */
        int result = entry_append(&r->conf->sections[section], &e);

        if (result)
            return result;
    }
    return 0;
}

/* ---- the head ---- */

/* The next comma-separated part; commas inside parentheses belong to a regular expression. */
static struct str part_next(struct str *rest)
{
    unsigned depth = 0;
    struct str part;
    size_t i;

    for (i = 0; i < rest->n; i++) {
        if (rest->p[i] == '(')
            depth++;
        else if (rest->p[i] == ')' && depth)
            depth--;
        else if (rest->p[i] == ',' && depth == 0)
            break;
    }
    part = conf_trim(str_sub(*rest, 0, i));
    *rest = str_sub(*rest, i + 1, rest->n);
    return part;
}

/* What stands between the parenthesis that `text` begins with and its counterpart, or the end, then
 * false. */
static bool parenthesized(struct str text, struct str *inside)
{
    unsigned depth = 0;

    *inside = str_sub(text, 1, text.n);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '(') {
            depth++;
        } else if (text.p[i] == ')' && --depth == 0) {
            *inside = str_sub(text, 1, i);
            return true;
        }
    }
    return false;
}

static int section_create(struct conf_reader *r, struct conf_file *f, struct str name, size_t *out)
{
    struct conf_section s = { .at = conf_here(f) };
    int result = arena_str(r->arena, &s.name, name);

    if (result)
        return result;
    result = ARRAY_GROW(r->conf->sections, r->conf->n_sections);
    if (result)
        return result;
    *out = r->conf->n_sections;
    r->conf->sections[r->conf->n_sections++] = s;
    return 0;
}

/* The (+) among the options decides whether there is a new section at all. */
static int section_find_addition(struct conf_reader *r, struct conf_file *f, struct str name,
                                 struct str options, size_t *out)
{
    for (struct str rest = options; rest.n;) {
        struct str part = part_next(&rest);

        if (str_starts(part, STR("+")))
            return addition_find(r, f, name, str_sub(part, 1, part.n), out);
    }
    *out = CONF_NO_SECTION;
    return 0;
}

static int section_apply(struct conf_reader *r, struct conf_file *f, size_t section, bool fresh,
                         struct str options)
{
    int result = 0;

    for (struct str rest = options; rest.n && result == 0;) {
        struct str part = part_next(&rest);

        if (str_equal(part, STR("!")))
            r->conf->sections[section].is_template = true;
        else if (str_starts(part, STR("+")))
            r->conf->sections[section].partial |= fresh; /* without what it was to be added to */
        else if (part.n)
            result = section_inherit(r, f, section, part);
    }
    return result;
}

int conf_section_open(struct conf_reader *r, struct conf_file *f, struct str line)
{
    size_t bracket = str_find_char(line, ']'), section;
    struct str name = str_sub(line, 1, bracket), rest = str_sub(line, bracket + 1, line.n),
               options = STR_EMPTY;
    bool fresh;
    int result;

    if (bracket == line.n) {
        bracket = str_find_char(line, '(');
        name = conf_trim(str_sub(line, 1, bracket));
        rest = str_sub(line, bracket, line.n);
        diag_add(r->diag, DIAG_ERROR, conf_here(f),
                 "no ] behind the name of the section; write [name]");
    }
    if (str_starts(rest, STR("(")) && !parenthesized(rest, &options))
        diag_add(r->diag, DIAG_ERROR, conf_here(f), "no ) behind the templates of [%.*s]",
                 STR_FMT(name));
    result = section_find_addition(r, f, name, options, &section);
    if (result)
        return result;
    fresh =
        section ==
        CONF_NO_SECTION; /* a head with an error opens one too, so that its settings have a home */
    if (fresh) {
        result = section_create(r, f, name, &section);
        if (result)
            return result;
    }
    result = section_apply(r, f, section, fresh, options);
    if (result)
        return result;
    f->section = r->newest = section;
    return fresh ? name_add(r, section) : 0; /* only now: a section does not inherit from itself */
}
