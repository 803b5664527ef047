// SPDX-License-Identifier: MIT
#include "sip/grammar.h"

/* False at the empty line and at the end. */
static bool line_next(struct cursor *c, struct str *line)
{
    return scan_line(c, line) && line->n > 0;
}

/* What follows the name, when the field is written as nearly everybody does, and in one line. */
static bool value_take(struct str *value, struct str line, struct str name,
                       const struct cursor *next)
{
    if (!str_starts(line, name) || (next->p < next->end && (*next->p == ' ' || *next->p == '\t')))
        return false;
    *value = str_sub(line, name.n, line.n);
    return true;
}

/* Of the first Via in the line. A parameter that may be the branch, written otherwise, is left to
 * the parser: the first one counts. */
static bool branch_take(struct str *branch, struct str via)
{
    static const struct str name = STR_INIT(";branch=");
    struct cursor c = scan_on(via);

    for (; c.p += str_find_char(cursor_rest(&c), ';'), !str_starts(cursor_rest(&c), name); c.p++)
        if (c.end - c.p < 2 || !ch_is(c.p[1], CH_TOKEN) || (c.p[1] | ' ') == 'b')
            return false;
    if (memchr(via.p, ',', (size_t)(c.p - via.p)) || memchr(via.p, '"', via.n))
        return false;
    c.p += name.n;
    *branch = scan_span(&c, CH_TOKEN);
    return branch->n > 0 && (cursor_done(&c) || *c.p == ';' || *c.p == ',');
}

static bool method_take(enum sip_method *method, struct str cseq)
{
    struct cursor c = scan_on(cseq);

    scan_blanks(&c);
    if (!scan_span(&c, CH_DIGIT).n || cursor_done(&c) || *c.p++ != ' ')
        return false;
    *method = sip_method_parse(cursor_rest(&c));
    return *method != SIP_METHOD_OTHER;
}

static bool status_take(unsigned *status, struct str line)
{
    static const struct str start = STR_INIT("SIP/2.0 2");
    enum { TENS = 9, ONES, BEHIND };

    if (line.n < BEHIND || !str_starts(line, start) || !ch_is(line.p[TENS], CH_DIGIT) ||
        !ch_is(line.p[ONES], CH_DIGIT) || (line.n > BEHIND && line.p[BEHIND] != ' '))
        return false;
    *status = 200u + (unsigned)(line.p[TENS] - '0') * 10 + (unsigned)(line.p[ONES] - '0');
    return true;
}

bool sip_success_glance(struct sip_glance *out, struct str datagram)
{
    struct cursor c = scan_on(datagram);
    struct sip_glance g = { .method = SIP_METHOD_OTHER };
    struct str line, value;

    if (datagram.n > SIP_MESSAGE_MAX || !line_next(&c, &line) || !status_take(&g.status, line))
        return false;
    while (!g.branch.n || !g.method) {
        if (!line_next(&c, &line))
            return false;
        if (!g.branch.n && (line.p[0] == 'V' || line.p[0] == 'v')) {
            if (!value_take(&value, line, STR("Via:"), &c) || !branch_take(&g.branch, value))
                return false;
        } else if (line.p[0] == 'C' && value_take(&value, line, STR("CSeq:"), &c) &&
                   !method_take(&g.method, value)) {
            return false;
        }
    }
    *out = g;
    return true;
}
