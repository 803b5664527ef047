// SPDX-License-Identifier: MIT
/* Hints that do not say what their author meant: variables that are not set, functions, names that
 * nobody can report. All of them are told while the file is read, because later nobody looks. */
#include "config/extensions.h"

enum { TEXT_MAX = 4095 };

struct hint_judge {
    struct diag *diag;
    struct diag_place at;
    const struct hint_spec *spec;
    bool pattern;
    unsigned faults;
    bool stuck; /* something stays in the text that was to be replaced */
    const struct map *hash;
    uint64_t told; /* the hash of what was told last */
};

#define WARN(judge, format, ...)                                                    \
    diag_add((judge)->diag, DIAG_WARNING, (judge)->at, "the hint of %.*s: " format, \
             STR_FMT((judge)->spec->extension), __VA_ARGS__)

/* ---- variables ---- */

static const char *remedy_of(struct str variable)
{
    if (str_equal(variable, STR("SYSTEMNAME")))
        return "write systemname = ... in [general] of extstate.conf";
    if (str_equal(variable, STR("ENTITYID")))
        return "write entityid = ... in [general] of extstate.conf";
    return "set it in [globals], or correct the name";
}

static void on_fault(void *ctx, enum dialplan_fault fault, struct str what)
{
    struct hint_judge *j = ctx;

    if (fault == DIALPLAN_NO_VARIABLE && j->pattern && str_equal(what, STR("EXTEN")))
        return;
    j->faults++;
    j->stuck |= fault != DIALPLAN_NO_VARIABLE;
    if (j->told == map_hash(j->hash, what))
        return;
    j->told = map_hash(j->hash, what);
    switch (fault) {
    case DIALPLAN_NO_VARIABLE:
        WARN(j, "there is no variable %.*s, nothing stands in its place; %s", STR_FMT(what),
             remedy_of(what));
        break;
    case DIALPLAN_FUNCTION:
        WARN(j,
             "functions are not evaluated, $%.*s stays as it is; write the device itself, or a "
             "variable of [globals]",
             STR_FMT(what));
        break;
    case DIALPLAN_EXPRESSION:
        WARN(j, "expressions are not evaluated, $%.*s stays as it is; write what it comes to",
             STR_FMT(what));
        break;
    case DIALPLAN_UNCLOSED:
        WARN(j, "nothing closes $%.*s, it stays as it is; add %s", STR_FMT(what),
             what.p[0] == '{' ? "}" : "]");
        break;
    }
}

/* ---- names ---- */

static bool length_check(const struct hint_judge *j, const char *kind, struct str name)
{
    if (name.n <= NAME_MAX_LEN)
        return true;
    diag_add(j->diag, DIAG_ERROR, j->at,
             "the hint of %.*s: the %s %.*s... has %zu bytes and is not followed; shorten it to %d",
             STR_FMT(j->spec->extension), kind, STR_FMT(str_sub(name, 0, 24)), name.n,
             NAME_MAX_LEN);
    return false;
}

static bool nothing_behind(struct str name)
{
    return str_ends(name, STR(":")) || str_ends(name, STR("/"));
}

static void device_check(const struct hint_judge *j, struct str name)
{
    if (str_find_char(name, '/') == name.n && str_find_char(name, ':') == name.n)
        diag_add(j->diag, DIAG_WARNING, j->at,
                 "%.*s is no device; write its technology too, as PJSIP/%.*s or Custom:%.*s",
                 STR_FMT(name), STR_FMT(name), STR_FMT(name));
    else if (nothing_behind(name))
        WARN(j, "%.*s is no device; write its name behind it", STR_FMT(name));
}

static void provider_check(const struct hint_judge *j, struct str name)
{
    if (str_find_char(name, ':') == name.n)
        WARN(j, "%.*s is no presence provider; write its kind too, as CustomPresence:%.*s",
             STR_FMT(name), STR_FMT(name));
    else if (nothing_behind(name))
        WARN(j, "%.*s is no presence provider; write its name behind it", STR_FMT(name));
}

/* Returns how many names there are. */
static unsigned names_check(const struct hint_judge *j, const char *kind, struct str list,
                            void (*check)(const struct hint_judge *j, struct str name))
{
    unsigned n = 0;

    while (list.p) {
        struct str name = str_next(&list, '&');

        n += name.n > 0;
        if (name.n && length_check(j, kind, name) && check)
            check(j, name);
    }
    return n;
}

static void text_check(const struct hint_judge *j, struct str text)
{
    bool final =
        j->faults == 0 && !(j->pattern && str_find_char(j->spec->text, '$') < j->spec->text.n);
    size_t comma = str_find_char(text, ',');
    unsigned n = names_check(j, "device", str_sub(text, 0, comma), final ? device_check : NULL);

    n += names_check(j, "presence provider", str_sub(text, comma + 1, text.n),
                     final ? provider_check : NULL);
    if (n == 0 && final)
        WARN(j, "\"%.*s\" names neither a device nor a presence provider; its lamp stays dark",
             STR_FMT(j->spec->text));
}

void hint_check(struct context_reader *c, const struct conf_entry *e, const struct hint_spec *spec)
{
    struct hint_judge j = { .diag = c->x->diag,
                            .at = e->at,
                            .spec = spec,
                            .hash = &c->x->hints,
                            .pattern = str_starts(spec->extension, STR("_")) };
    char room[TEXT_MAX];
    struct buf b;

    if (!dialplan_pattern_works(spec->extension))
        WARN(&j, "%s",
             "no extension matches this pattern; close each [ with a ] and write "
             "something between them");
    if (str_find_char(spec->text, '$') == spec->text.n) {
        text_check(&j, spec->text);
        return;
    }
    buf_init_on(&b, room, sizeof(room));
    dialplan_text_check(c->context, spec, on_fault, &j, &b);
    if (b.error)
        diag_add(j.diag, DIAG_ERROR, j.at,
                 "the hint of %.*s has more than %d bytes with its variables replaced, and names "
                 "nothing; shorten it",
                 STR_FMT(spec->extension), TEXT_MAX);
    else if (!j.stuck)
        text_check(&j, buf_str(&b));
}
