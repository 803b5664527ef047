// SPDX-License-Identifier: MIT
/* inbound_cases.h - tables of inbound bodies and what becomes of them. For tests only. */
#pragma once
#include "body/inbound_testing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

#define PROLOG "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define DIALOG_INFO "application/dialog-info+xml"
#define PIDF "application/pidf+xml"
#define DIFF "application/pidf-diff+xml"
#define XPIDF "application/xpidf+xml"
#define CPIM "application/cpim-pidf+xml"
#define SUMMARY "application/simple-message-summary"

struct accepted {
    const char *name;
    const char *package, *type, *body;
    const char *says; /* see event_state_dump */
};

struct refused {
    const char *name;
    const char *package, *type, *body;
    int outcome;
    const char *why; /* NULL: whatever */
};

static inline int parse_by(struct xml_parser *xml, struct buf *says, struct buf *why,
                           const char *package, const char *type, struct str body)
{
    struct event_state *s = NULL;
    int r = inbound_parse(&s, xml, str_of(package), str_of(type), body, why);

    assert_int_equal(r == 0, s != NULL);
    if (s)
        event_state_dump(says, s);
    event_state_unref(s);
    return r;
}

/* By a parser of its own, and by one that has read others: nothing of them is left. */
static inline int parse(struct buf *says, struct buf *why, const char *package, const char *type,
                        struct str body)
{
    static struct xml_parser kept;
    struct buf kept_says, kept_why;
    size_t says_n = says->n, why_n = why->n;
    int r = parse_by(NULL, says, why, package, type, body);

    buf_init(&kept_says, 1 << 20);
    buf_init(&kept_why, 1 << 10);
    assert_int_equal(parse_by(&kept, &kept_says, &kept_why, package, type, body), r);
    assert_true(str_equal(buf_str(&kept_says), str_sub(buf_str(says), says_n, says->n)));
    assert_true(str_equal(buf_str(&kept_why), str_sub(buf_str(why), why_n, why->n)));
    buf_fini(&kept_says);
    buf_fini(&kept_why);
    return r;
}

static inline void check_accepted(const struct accepted *c)
{
    struct buf says, why;

    buf_init(&says, 1 << 20);
    buf_init(&why, 1 << 10);
    if (parse(&says, &why, c->package, c->type, str_of(c->body)))
        fail_msg("%s: refused: %.*s", c->name, STR_FMT(buf_str(&why)));
    if (!str_equal(buf_str(&says), str_of(c->says)))
        fail_msg("%s: says\n%.*s, not\n%s", c->name, STR_FMT(buf_str(&says)), c->says);
    buf_fini(&says);
    buf_fini(&why);
}

static inline void check_refused(const struct refused *c)
{
    struct buf says, why;
    int r;

    buf_init(&says, 1 << 20);
    buf_init(&why, 1 << 10);
    r = parse(&says, &why, c->package, c->type, str_of(c->body));
    if (r != c->outcome)
        fail_msg("%s: %d, not %d: %.*s", c->name, r, c->outcome, STR_FMT(buf_str(&why)));
    if (c->why && !str_equal(buf_str(&why), str_of(c->why)))
        fail_msg("%s: because\n%.*s, not\n%s", c->name, STR_FMT(buf_str(&why)), c->why);
    assert_int_equal(str_find_char(buf_str(&why), '\n'), why.n);
    buf_fini(&says);
    buf_fini(&why);
}
