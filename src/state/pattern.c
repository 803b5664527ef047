// SPDX-License-Identifier: MIT
/* Both questions about a pattern, does it match and which comes first, read it through
 * element_next, so that they can't disagree about what it says. */
#include "state/pattern.h"

enum element_kind { /* in match order; sets among each other by their members */
                    ELEMENT_SET,
                    ELEMENT_SOME, /* '.': one or more of whatever is left */
                    ELEMENT_ANY,  /* '!': zero or more of it */
                    ELEMENT_END,
                    ELEMENT_BROKEN, /* a set that does not end or has no member: never matches */
};

struct element {
    enum element_kind kind;
    unsigned count;      /* members, 1..256 */
    unsigned char first; /* the lowest member */
    uint64_t members[4];
};

static void element_add(struct element *e, unsigned char from, unsigned char to)
{
    for (unsigned c = from; c <= to; c++) {
        uint64_t bit = 1ull << (c & 63);

        if (e->members[c >> 6] & bit)
            continue;
        e->members[c >> 6] |= bit;
        if (e->count == 0 || c < e->first)
            e->first = (unsigned char)c;
        e->count++;
    }
}

static bool element_has(const struct element *e, unsigned char c)
{
    return e->members[c >> 6] >> (c & 63) & 1;
}

static struct element element_of_range(unsigned char from, unsigned char to)
{
    struct element e = { .kind = ELEMENT_SET };

    element_add(&e, from, to);
    return e;
}

/* The members of "[...]", of which `set` is the inside. */
static struct element element_of_set(struct str set)
{
    struct element e = { .kind = ELEMENT_SET };
    const unsigned char *p = (const unsigned char *)set.p;

    for (size_t i = 0; i < set.n; i++) {
        if (i + 2 < set.n && p[i + 1] == '-') {
            element_add(&e, p[i], p[i + 2]);
            i += 2;
        } else {
            element_add(&e, p[i], p[i]);
        }
    }
    if (e.count == 0)
        e.kind = ELEMENT_BROKEN;
    return e;
}

/* Behind '['. False when the set is empty and to be ignored. */
static bool element_set_read(struct element *e, struct cursor *c)
{
    struct str set = cursor_until(c, ']');

    if (!cursor_char(c, ']')) {
        *e = (struct element){ .kind = ELEMENT_BROKEN };
        return true;
    }
    if (set.n == 0)
        return false;
    *e = element_of_set(set);
    return true;
}

static struct element element_of_char(char ch)
{
    switch (ch) {
    case 'x':
    case 'X':
        return element_of_range('0', '9');
    case 'z':
    case 'Z':
        return element_of_range('1', '9');
    case 'n':
    case 'N':
        return element_of_range('2', '9');
    case '.':
        return (struct element){ .kind = ELEMENT_SOME };
    case '!':
        return (struct element){ .kind = ELEMENT_ANY };
    case '/': /* callers' numbers follow, which is none of our business */
        return (struct element){ .kind = ELEMENT_END };
    default:
        return element_of_range((unsigned char)ch, (unsigned char)ch);
    }
}

/* What the pattern asks for at its next position. After ELEMENT_END and ELEMENT_BROKEN there is no
 * more. */
static struct element element_next(struct cursor *c)
{
    struct element e = { .kind = ELEMENT_END };

    while (!cursor_done(c)) {
        char ch = *c->p++;

        if (ch == '-')
            continue;
        if (ch != '[')
            return element_of_char(ch);
        if (element_set_read(&e, c))
            return e;
    }
    return e;
}

static void dashes_skip(struct cursor *c)
{
    while (cursor_char(c, '-'))
        continue;
}

/* `pattern` comes without its underscore. */
static bool pattern_matches(struct str pattern, struct str dialled)
{
    struct cursor p = cursor_on(pattern), d = cursor_on(dialled);

    for (;;) {
        struct element e = element_next(&p);

        dashes_skip(&d);
        switch (e.kind) {
        case ELEMENT_SET:
            if (cursor_done(&d) || !element_has(&e, (unsigned char)*d.p))
                return false;
            d.p++;
            break;
        case ELEMENT_SOME:
            return !cursor_done(&d);
        case ELEMENT_ANY:
            return true;
        case ELEMENT_END:
            return cursor_done(&d);
        case ELEMENT_BROKEN:
            return false;
        }
    }
}

bool dialplan_pattern_matches(struct str extension, struct str dialled)
{
    if (!extension_is_pattern(extension))
        return extension_compare(extension, dialled) == 0;
    /* Somebody who asks for a pattern by its own name means it: _X. does not match "_X.". */
    return str_equal(extension, dialled) ||
           pattern_matches(str_sub(extension, 1, extension.n), dialled);
}

bool dialplan_pattern_works(struct str extension)
{
    struct cursor c = cursor_on(str_sub(extension, 1, extension.n));
    struct element e;
    bool any = false;

    if (!extension_is_pattern(extension))
        return true;
    for (e = element_next(&c); e.kind == ELEMENT_SET; e = element_next(&c))
        any = true;
    return e.kind != ELEMENT_BROKEN && (e.kind != ELEMENT_END || any);
}

/* Sets of the same size: where they differ first, the one that has the lower character. */
static int members_compare(const struct element *a, const struct element *b)
{
    for (size_t i = 0; i < ARRAY_LEN(a->members); i++) {
        uint64_t differ = a->members[i] ^ b->members[i];

        if (differ)
            return a->members[i] & (differ & -differ) ? -1 : 1;
    }
    return 0;
}

static int element_compare(const struct element *a, const struct element *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind != ELEMENT_SET)
        return 0;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    return members_compare(a, b);
}

static int pattern_compare(struct str a, struct str b)
{
    struct cursor ca = cursor_on(a), cb = cursor_on(b);

    for (;;) {
        struct element ea = element_next(&ca), eb = element_next(&cb);
        int order = element_compare(&ea, &eb);

        if (order)
            return order;
        if (ea.kind == ELEMENT_END)
            return 0;
        if (ea.kind == ELEMENT_BROKEN)
            return str_compare(a, b);
    }
}

int dialplan_pattern_compare(struct str a, struct str b)
{
    bool a_pattern = extension_is_pattern(a), b_pattern = extension_is_pattern(b);

    if (a_pattern != b_pattern)
        return b_pattern ? -1 : 1;
    if (!a_pattern)
        return extension_compare(a, b);
    return pattern_compare(str_sub(a, 1, a.n), str_sub(b, 1, b.n));
}

static bool is_number(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!memchr("0123456789+*#-", name.p[i], sizeof("0123456789+*#-") - 1))
            return false;
    return true;
}

int extension_compare(struct str a, struct str b)
{
    struct cursor ca = cursor_on(a), cb = cursor_on(b);
    bool a_number = is_number(a), b_number = is_number(b);

    for (;;) {
        if (a_number)
            dashes_skip(&ca);
        if (b_number)
            dashes_skip(&cb);
        if (cursor_done(&ca) || cursor_done(&cb))
            return cursor_done(&cb) - cursor_done(&ca);
        if (*ca.p != *cb.p)
            return (unsigned char)*ca.p < (unsigned char)*cb.p ? -1 : 1;
        ca.p++;
        cb.p++;
    }
}

void extension_key_init(struct extension_key *key, struct str name)
{
    bool number = is_number(name);

    BUG_UNLESS(name.n <= NAME_MAX_LEN);
    key->n = 0;
    for (size_t i = 0; i < name.n; i++)
        if (!number || name.p[i] != '-')
            key->text[key->n++] = name.p[i];
}
