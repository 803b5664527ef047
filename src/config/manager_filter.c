// SPDX-License-Identifier: MIT
/* Which events a client of the manager interface is shown: eventfilter of manager.conf, and the
 * action Filter. */
#include "config/manager.h"

#include <stdlib.h>

enum {
    FILTER_TEXT_MAX = 1024,
    REGEX_LINES_MAX = 1024, /* what regex_matches looks at */
};

enum filter_method {
    FILTER_REGEX,
    FILTER_EXACT,
    FILTER_STARTS_WITH,
    FILTER_ENDS_WITH,
    FILTER_CONTAINS,
    FILTER_NONE,
    FILTER_METHODS
};

static const char *const method_names[FILTER_METHODS] = {
    [FILTER_REGEX] = "regex",
    [FILTER_EXACT] = "exact",
    [FILTER_STARTS_WITH] = "starts_with",
    [FILTER_ENDS_WITH] = "ends_with",
    [FILTER_CONTAINS] = "contains",
    [FILTER_NONE] = "none",
};

struct manager_filter {
    bool exclude;
    enum filter_method method;
    struct str event;  /* empty: any */
    struct str header; /* what the text is compared with; empty: all lines */
    struct str text;
    struct regex *regex;
    char room[];
};

/* ---- making ---- */

struct criteria { /* borrowed */
    struct str action, event, header, method;
};

static int bad(struct buf *why, const char *text)
{
    if (why)
        buf_add(why, str_of(text));
    return -EINVAL;
}

/* "name(Newexten),method(exact)": values may have commas, but no parentheses. */
static int criteria_read(struct criteria *out, struct str text, struct buf *why)
{
    static const char form[] = "not a list of action(), name(), header() and method()";
    struct cursor c = cursor_on(text);

    while (cursor_skip(&c, ','))
        ;
    while (!cursor_done(&c)) {
        struct str name = str_trim(cursor_until(&c, '(')), value;
        struct str *field = str_equal_nocase(name, STR("action"))   ? &out->action
                            : str_equal_nocase(name, STR("name"))   ? &out->event
                            : str_equal_nocase(name, STR("header")) ? &out->header
                            : str_equal_nocase(name, STR("method")) ? &out->method
                                                                    : NULL;

        if (!field || !cursor_char(&c, '('))
            return bad(why, form);
        value = str_trim(cursor_until(&c, ')'));
        if (!cursor_char(&c, ')') || !value.n || field->n)
            return bad(why, form);
        *field = value;
        cursor_blanks(&c);
        if (!cursor_done(&c) && !cursor_skip(&c, ','))
            return bad(why, form);
    }
    return 0;
}

static int method_read(enum filter_method *out, struct str name, struct buf *why)
{
    for (size_t i = 0; i < FILTER_METHODS; i++)
        if (str_equal_nocase(name, str_of(method_names[i]))) {
            *out = (enum filter_method)i;
            return 0;
        }
    return bad(why, "the method is none of regex, exact, starts_with, ends_with, contains, none");
}

/* Of a header "Device" and "Device:" are meant alike. */
static struct str header_name(struct str header)
{
    return str_ends(header, STR(":")) ? str_trim(str_sub(header, 0, header.n - 1)) : header;
}

int manager_filter_create(struct manager_filter **out, struct str criteria, struct str text,
                          struct buf *why)
{
    struct criteria c = { .action = STR_EMPTY };
    enum filter_method method = text.n ? FILTER_REGEX : FILTER_NONE;
    struct manager_filter *f;
    bool exclude = false;
    char *at;
    int r = criteria_read(&c, criteria, why);

    if (r == 0 && c.method.n)
        r = method_read(&method, c.method, why);
    if (r)
        return r;
    if (c.action.n && !str_equal_nocase(c.action, STR("include")) &&
        !str_equal_nocase(c.action, STR("exclude")))
        return bad(why, "the action is neither include nor exclude");
    exclude = str_equal_nocase(c.action, STR("exclude"));
    if (!criteria.n && str_starts(text, STR("!"))) {
        exclude = true;
        text = str_trim(str_sub(text, 1, text.n));
    }
    if (text.n > FILTER_TEXT_MAX)
        return bad(why, "it is too long");
    if (!text.n && (method != FILTER_NONE || !c.event.n))
        return bad(why, "it says nothing about what it is to match");
    c.header = header_name(c.header);
    f = calloc(1, sizeof(*f) + c.event.n + c.header.n + text.n);
    if (!f)
        return -ENOMEM;
    f->exclude = exclude;
    f->method = method;
    f->event = c.event;
    f->header = c.header;
    f->text = text;
    at = f->room;
    str_keep(&f->event, &at);
    str_keep(&f->header, &at);
    str_keep(&f->text, &at);
    r = method == FILTER_REGEX ? regex_create(&f->regex, f->text, false, why) : 0;
    if (r) {
        manager_filter_destroy(f);
        return r;
    }
    *out = f;
    return 0;
}

void manager_filter_destroy(struct manager_filter *f)
{
    if (!f)
        return;
    regex_destroy(f->regex);
    free(f);
}

/* ---- asking ---- */

static bool contains(struct str s, struct str part)
{
    return part.n == 0 || (s.n && memmem(s.p, s.n, part.p, part.n));
}

static bool text_matches(const struct manager_filter *f, struct str value)
{
    switch (f->method) {
    case FILTER_REGEX:
        return regex_matches(f->regex, str_sub(value, 0, REGEX_LINES_MAX), NULL);
    case FILTER_EXACT:
        return str_equal(value, f->text);
    case FILTER_STARTS_WITH:
        return str_starts(value, f->text);
    case FILTER_ENDS_WITH:
        return str_ends(value, f->text);
    case FILTER_CONTAINS:
        return contains(value, f->text);
    case FILTER_NONE:
    case FILTER_METHODS:
        break;
    }
    return true;
}

/* In any of the lines with that name. */
static bool header_matches(const struct manager_filter *f, struct str lines)
{
    while (lines.n) {
        struct str line = str_next(&lines, '\n'), value = line;
        struct str name = str_next(&value, ':');

        if (value.p && str_equal_nocase(name, f->header) && text_matches(f, str_trim(value)))
            return true;
    }
    return false;
}

static bool filter_matches(const struct manager_filter *f, struct str event, struct str lines)
{
    if (f->event.n && !str_equal(f->event, event))
        return false;
    return f->header.n ? header_matches(f, lines) : text_matches(f, lines);
}

bool manager_filters_pass(struct manager_filter *const *filters, size_t n, struct str event,
                          struct str lines)
{
    bool include = false, included = false;

    for (size_t i = 0; i < n; i++) {
        const struct manager_filter *f = filters[i];
        bool matches = (f->exclude || !included) && filter_matches(f, event, lines);

        if (f->exclude && matches)
            return false;
        include |= !f->exclude;
        included |= !f->exclude && matches;
    }
    return included || !include;
}
