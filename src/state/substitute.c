// SPDX-License-Identifier: MIT
/* Variables in the text of hints. What they stand for is not looked at again, so a value can bring
 * in no variable; only a name may be made of variables: ${${x}}. */
#include "state/dialplan_internal.h"

enum { VARIABLE_DEPTH_MAX = 16 };

struct substitution {
    const struct dialplan *dialplan;
    struct str context, extension;
    uint64_t wall_ms;
    struct buf *out;
    size_t limit; /* beyond which the result is too long anyway */
    dialplan_fault_fn fault;
    void *fault_ctx;
};

static void substitute(const struct substitution *s, struct str text, unsigned depth);

/* Offset of the bracket that closes what was opened just before `text`; text.n when none does. */
static size_t closing(struct str text, char open, char close)
{
    size_t nested = 1;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == open)
            nested++;
        else if (text.p[i] == close && --nested == 0)
            return i;
    }
    return text.n;
}

/* Optional sign and digits; anything else ends the number, and none is 0. */
static int64_t number(struct str s)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t value = 0;

    for (size_t i = negative || (s.n > 0 && s.p[0] == '+'); i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || value > INT32_MAX)
            break;
        value = value * 10 + (s.p[i] - '0');
    }
    return negative ? -value : value;
}

/* "offset" or "offset:length" of ${VAR:offset:length}. A negative offset counts from the end, a
 * negative length leaves out that many characters at the end. */
static struct str slice(struct str value, struct str spec)
{
    int64_t n = (int64_t)value.n, from, to = n;
    struct str rest = spec, part = str_next(&rest, ':');

    from = number(part);
    if (from < 0)
        from = from + n < 0 ? 0 : from + n;
    if (from >= n)
        return STR_EMPTY;
    rest = str_trim(rest);
    if (rest.n) {
        int64_t length = number(rest);

        to = length < 0 ? n + length : length < n - from ? from + length : n;
    }
    return to > from ? str_sub(value, (size_t)from, (size_t)to) : STR_EMPTY;
}

static void fault_tell(const struct substitution *s, enum dialplan_fault fault, struct str what)
{
    if (s->fault)
        s->fault(s->fault_ctx, fault, what);
}

static struct str value_of(const struct substitution *s, struct str name, char digits[20])
{
    const struct global *g;

    if (s->extension.n && str_equal(name, STR("EXTEN")))
        return s->extension;
    if (s->context.n && str_equal(name, STR("CONTEXT")))
        return s->context;
    if (str_equal(name, STR("EPOCH"))) {
        struct buf b;

        buf_init_on(&b, digits, 20);
        buf_add_u64(&b, s->wall_ms / 1000);
        return buf_str(&b);
    }
    g = dialplan_global_find(s->dialplan, name); /* SYSTEMNAME is one, when there is one */
    if (g)
        return g->value;
    if (name.n) /* otherwise it was to be made of others, which have been told */
        fault_tell(s, DIALPLAN_NO_VARIABLE, name);
    return STR_EMPTY;
}

/* `inside` is what stands between "${" and "}", its own variables already replaced. */
static void variable_add(const struct substitution *s, struct str inside)
{
    size_t colon = str_find_char(inside, ':');
    char digits[20]; /* of 2^64 - 1 */
    struct str value = value_of(s, str_trim(str_sub(inside, 0, colon)), digits);

    if (colon < inside.n)
        value = slice(value, str_sub(inside, colon + 1, inside.n));
    buf_add(s->out, value);
}

static void nested_variable_add(const struct substitution *s, struct str inside, unsigned depth)
{
    char room[SUBSTITUTED_MAX_LEN];
    struct substitution nested = *s;
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    nested.out = &b;
    nested.limit = sizeof(room);
    substitute(&nested, inside, depth + 1);
    if (b.error)
        s->out->error = b.error;
    else
        variable_add(s, buf_str(&b));
}

/* Behind "$". Returns how much of `text` was used. */
static size_t dollar(const struct substitution *s, struct str text, unsigned depth)
{
    bool variable = text.n > 0 && text.p[0] == '{', expression = text.n > 0 && text.p[0] == '[';
    struct str inside;
    size_t end;

    if (!variable && !expression) {
        buf_add_char(s->out, '$');
        return 0;
    }
    text = str_sub(text, 1, text.n);
    end = variable ? closing(text, '{', '}') : closing(text, '[', ']');
    inside = str_sub(text, 0, end);
    if (end == text.n) { /* never closed: this is no variable */
        fault_tell(s, DIALPLAN_UNCLOSED, (struct str){ text.p - 1, text.n + 1 });
        buf_add_char(s->out, '$');
        return 0;
    }
    if (expression || str_find_char(inside, '(') < inside.n) {
        struct str whole = { text.p - 1, end + 2 };

        fault_tell(s, expression ? DIALPLAN_EXPRESSION : DIALPLAN_FUNCTION, whole);
        buf_add(s->out, STR("$"));
        buf_add(s->out, whole);
    } else if (str_find_char(inside, '$') == inside.n) {
        variable_add(s, inside);
    } else if (depth < VARIABLE_DEPTH_MAX) {
        nested_variable_add(s, inside, depth);
    }
    return end + 2;
}

static void substitute(const struct substitution *s, struct str text, unsigned depth)
{
    while (text.n && !s->out->error && s->out->n <= s->limit) {
        size_t at = str_find_char(text, '$');

        buf_add(s->out, str_sub(text, 0, at));
        if (at == text.n)
            break;
        text = str_sub(text, at + 1, text.n);
        text = str_sub(text, dollar(s, text, depth), text.n);
    }
}

static void substitute_all(const struct substitution *s, struct str text)
{
    substitute(s, text, 0);
    if (!s->out->error && s->out->n > s->limit)
        s->out->error = -EMSGSIZE;
}

void dialplan_substitute(const struct dialplan *dp, struct str text, struct str context,
                         struct str extension, uint64_t wall_ms, struct buf *out)
{
    struct substitution s = { .dialplan = dp,
                              .context = context,
                              .extension = extension,
                              .wall_ms = wall_ms,
                              .out = out,
                              .limit = out->n + SUBSTITUTED_MAX_LEN };

    substitute_all(&s, text);
}

void dialplan_text_check(const struct dialplan_context *ctx, const struct hint_spec *spec,
                         dialplan_fault_fn fault, void *fault_ctx, struct buf *out)
{
    struct substitution s = { .dialplan = ctx->dialplan,
                              .context = ctx->name,
                              .extension = extension_is_pattern(spec->extension) ? STR_EMPTY
                                                                                 : spec->extension,
                              .out = out,
                              .limit = out->n + SUBSTITUTED_MAX_LEN,
                              .fault = fault,
                              .fault_ctx = fault_ctx };

    substitute_all(&s, spec->text);
}
