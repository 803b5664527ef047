// SPDX-License-Identifier: MIT
/* negotiate.c - from an Accept header field to a profile: RFC 3261 section 20.1, which has HTTP's
 * rules (RFC 2616 section 14.1, now RFC 9110 section 12.5.1). A type's weight is that of the most
 * exact range that names it. */
#include "body/registry.h"

enum {
    RANGES_MAX = 32, /* further values of an Accept are not looked at */
    WEIGHT_MAX = 1000,
};

enum exactness { RANGE_ANY, RANGE_TYPE, RANGE_EXACT };

struct range {
    struct str type, subtype; /* "*" for any */
    enum exactness exactness;
    unsigned weight; /* q in thousandths */
};

struct accept {
    struct range ranges[RANGES_MAX];
    size_t n;
    bool named; /* something other than a list's own types was there, well-formed or not */
};

/* qvalue of RFC 3261 section 25.1, in thousandths. */
static bool weight_parse(unsigned *out, struct str s)
{
    unsigned weight = 0, scale = WEIGHT_MAX;

    if (!s.n || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (i == 1)
            continue;
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        weight += (unsigned)(s.p[i] - '0') * scale;
        scale /= 10;
    }
    *out = weight;
    return weight <= WEIGHT_MAX;
}

/* The rest of a value: parameters. q counts, all others are read over. Ends at a comma or the end.
 */
static bool params_parse(struct cursor *c, unsigned *weight)
{
    bool seen = false;

    while (cursor_skip(c, ';')) {
        struct str name = cursor_token(c), value;

        if (!name.n)
            return false;
        if (!cursor_skip(c, '='))
            continue; /* accept-extension without a value */
        if (!cursor_quoted(c, &value))
            value = cursor_token(c);
        if (!value.n)
            return false;
        if (!seen && str_equal_nocase(name, STR("q"))) {
            if (!weight_parse(weight, value))
                return false;
            seen = true;
        }
    }
    cursor_blanks(c);
    return cursor_done(c) || *c->p == ',';
}

static bool range_parse(struct cursor *c, struct range *out)
{
    struct range r = { .weight = WEIGHT_MAX };

    r.type = cursor_token(c);
    if (!r.type.n || !cursor_skip(c, '/'))
        return false;
    r.subtype = cursor_token(c);
    if (!r.subtype.n || !params_parse(c, &r.weight))
        return false;
    r.exactness = RANGE_EXACT;
    if (str_equal(r.subtype, STR("*")))
        r.exactness = str_equal(r.type, STR("*")) ? RANGE_ANY : RANGE_TYPE;
    else if (str_equal(r.type, STR("*")))
        return false; /* "* / x" is nothing */
    *out = r;
    return true;
}

/* Behind the comma that ends this value; one inside a quoted string does not. An open quote
 * swallows the rest. */
static void value_skip(struct cursor *c)
{
    struct str quoted;

    while (!cursor_done(c) && *c->p != ',') {
        if (*c->p != '"')
            c->p++;
        else if (!cursor_quoted(c, &quoted))
            c->p = c->end;
    }
    cursor_char(c, ',');
}

/* What a subscriber to a resource list says beside the bodies it wants (RFC 4662 section 4.1). It
 * says nothing about the body of one resource. */
static bool range_is_list(const struct range *r)
{
    return (str_equal_nocase(r->type, STR("multipart")) &&
            str_equal_nocase(r->subtype, STR("related"))) ||
           (str_equal_nocase(r->type, STR("application")) &&
            str_equal_nocase(r->subtype, STR("rlmi+xml")));
}

static void accept_parse(struct accept *a, struct str text)
{
    struct cursor c = cursor_on(text);
    size_t values = 0;

    a->n = 0;
    a->named = false;
    for (cursor_blanks(&c); !cursor_done(&c) && values < RANGES_MAX; cursor_blanks(&c)) {
        struct range r;

        if (cursor_char(&c, ','))
            continue; /* an empty element */
        values++;
        if (!range_parse(&c, &r)) {
            a->named = true;
        } else if (!range_is_list(&r)) {
            a->named = true;
            a->ranges[a->n++] = r;
        }
        value_skip(&c);
    }
}

static bool range_covers(const struct range *r, struct str type, struct str subtype)
{
    return r->exactness == RANGE_ANY ||
           (str_equal_nocase(r->type, type) &&
            (r->exactness == RANGE_TYPE || str_equal_nocase(r->subtype, subtype)));
}

/* Of a type that is yet to come: the heaviest. */
static const struct range *accept_heaviest(const struct accept *a)
{
    const struct range *best = NULL;

    for (size_t i = 0; i < a->n; i++)
        if (a->ranges[i].weight > (best ? best->weight : 0))
            best = &a->ranges[i];
    return best;
}

/* The range that speaks for a media type: the most exact, of equals the first. NULL: it is not
 * accepted. */
static const struct range *accept_range(const struct accept *a, struct str media_type)
{
    size_t slash = str_find_char(media_type, '/');
    struct str type = str_sub(media_type, 0, slash),
               subtype = str_sub(media_type, slash + 1, media_type.n);
    const struct range *best = NULL;

    if (body_type_is_any(media_type))
        return accept_heaviest(a);
    for (size_t i = 0; i < a->n; i++)
        if (range_covers(&a->ranges[i], type, subtype) &&
            (!best || a->ranges[i].exactness > best->exactness))
            best = &a->ranges[i];
    return best && best->weight ? best : NULL;
}

struct candidate {
    const struct range *range; /* NULL: none */
    size_t row; /* in the registry's types: the preferred ones of a package come first */
};

/* Is `x` a better choice than `y`? Higher weight, then named earlier, then preferred by us. */
static bool candidate_before(struct candidate x, struct candidate y)
{
    if (x.range->weight != y.range->weight)
        return x.range->weight > y.range->weight;
    if (x.range != y.range)
        return x.range < y.range;
    return x.row < y.row;
}

/* The best type of the package that comes after `last` (the first of all when that has no range).
 */
static struct candidate candidate_next(const struct body_registry *r, struct str package,
                                       const struct accept *a, struct candidate last)
{
    struct candidate best = { NULL, 0 };

    for (size_t i = 0; i < r->types.n; i++) {
        const struct body_type *t = &r->types.rows[i];
        struct candidate c = { NULL, i };

        if (!str_equal_nocase(t->package, package))
            continue;
        c.range = accept_range(a, t->media_type);
        if (!c.range || (last.range && !candidate_before(last, c)))
            continue;
        if (!best.range || candidate_before(c, best))
            best = c;
    }
    return best;
}

unsigned body_type_weight(struct str accept, struct str media_type)
{
    const struct range *r;
    struct accept a;

    accept_parse(&a, accept);
    if (!a.named)
        return WEIGHT_MAX;
    r = accept_range(&a, str_next(&media_type, ';'));
    return r ? r->weight : 0;
}

int body_negotiate(struct body_registry *r, const struct es_subscriber *subscriber,
                   struct str accept, unsigned flags, const struct body_profile **out)
{
    struct str package = { subscriber->package.p, subscriber->package.n };
    struct candidate c = { NULL, 0 };
    struct accept a;

    /* Most want one type, and write it as we do. */
    if (body_types_know(&r->types, package, accept) && !body_type_is_any(accept))
        return body_choose(r, subscriber, accept, flags, out);
    accept_parse(&a, accept);
    if (!a.named) { /* nothing asked for: any body of ours, the package's own first */
        a.ranges[0] = (struct range){ STR("*"), STR("*"), RANGE_ANY, WEIGHT_MAX };
        a.n = 1;
    }
    while ((c = candidate_next(r, package, &a, c)).range) {
        int result = body_choose(r, subscriber, r->types.rows[c.row].media_type, flags, out);

        if (result != BODY_NO_GENERATOR)
            return result;
    }
    return BODY_NO_GENERATOR;
}
