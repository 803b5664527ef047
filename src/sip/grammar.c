// SPDX-License-Identifier: MIT
#include "sip/grammar.h"

enum {
    HOST_NAME_MAX_LENGTH = 255, /* RFC 1035 section 2.3.4 */
    IPV6_TEXT_MAX = 48, /* INET6_ADDRSTRLEN, and the superfluous colon of RFC 5118 section 4.10 */

    CH_MARK = CH_USER | CH_PARAM | CH_HEADER | CH_VALUE | CH_OPAQUE, /* of "unreserved" */
    CH_ALNUM = CH_MARK | CH_TOKEN | CH_HOST | CH_DISPLAY | CH_PNAME | CH_SCHEME,
    CH_TOKEN_MARK = CH_MARK | CH_TOKEN | CH_DISPLAY | CH_PNAME,
};

/* Looser than the grammar where peers are: '#' in user parts (star codes dialled from a phone), '_'
 * in host names, UTF-8 without quotes, and '=', '@' or '/' inside parameter values. */
const uint16_t sip_chars[256] = {
    ['0' ... '9'] = CH_ALNUM | CH_HEX | CH_DIGIT,
    ['A' ... 'F'] = CH_ALNUM | CH_HEX | CH_ALPHA,
    ['G' ... 'Z'] = CH_ALNUM | CH_ALPHA,
    ['a' ... 'f'] = CH_ALNUM | CH_HEX | CH_ALPHA,
    ['g' ... 'z'] = CH_ALNUM | CH_ALPHA,
    ['!'] = CH_TOKEN_MARK,
    ['#'] = CH_USER | CH_VALUE | CH_OPAQUE,
    ['$'] = CH_MARK | CH_PNAME,
    ['%'] = CH_TOKEN_MARK,
    ['&'] = CH_MARK | CH_PNAME,
    ['\''] = CH_TOKEN_MARK,
    ['('] = CH_MARK | CH_PNAME,
    [')'] = CH_MARK | CH_PNAME,
    ['*'] = CH_TOKEN_MARK,
    ['+'] = CH_TOKEN_MARK | CH_SCHEME,
    [','] = CH_USER | CH_OPAQUE,
    ['-'] = CH_TOKEN_MARK | CH_HOST | CH_SCHEME,
    ['.'] = CH_TOKEN_MARK | CH_HOST | CH_SCHEME,
    ['/'] = CH_MARK | CH_PNAME,
    [':'] = CH_PARAM | CH_HEADER | CH_VALUE | CH_OPAQUE | CH_PNAME,
    [';'] = CH_USER | CH_OPAQUE,
    ['='] = CH_USER | CH_HEADER | CH_VALUE | CH_OPAQUE,
    ['?'] = CH_USER | CH_HEADER | CH_VALUE | CH_OPAQUE,
    ['@'] = CH_VALUE | CH_OPAQUE,
    ['['] = CH_PARAM | CH_HEADER | CH_VALUE | CH_OPAQUE | CH_PNAME,
    [']'] = CH_PARAM | CH_HEADER | CH_VALUE | CH_OPAQUE | CH_PNAME,
    ['^'] = CH_VALUE,
    ['_'] = CH_TOKEN_MARK | CH_HOST,
    ['`'] = CH_TOKEN | CH_DISPLAY | CH_VALUE | CH_PNAME,
    ['{'] = CH_VALUE,
    ['|'] = CH_VALUE,
    ['}'] = CH_VALUE,
    ['~'] = CH_TOKEN_MARK,
    [0x80 ... 0xff] = CH_USER | CH_VALUE | CH_DISPLAY,
};

bool scan_port(struct cursor *c, uint16_t *out)
{
    struct cursor ahead = *c;
    struct str digits = scan_span(&ahead, CH_DIGIT);
    unsigned port = 0;

    if (digits.n == 0 || digits.n > 5)
        return false;
    for (size_t i = 0; i < digits.n; i++)
        port = port * 10 + (unsigned)(digits.p[i] - '0');
    if (port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    *c = ahead;
    return true;
}

/* What is between the brackets: not checked further, since RFC 5118 section 4.10 wants
 * "2001:db8:::192.0.2.1" to pass, and whoever needs the address parses it anyway. */
static bool scan_ipv6(struct cursor *c, struct str *host)
{
    struct cursor ahead = *c;
    const char *start = ++ahead.p;
    size_t colons = 0;

    while (ahead.p < ahead.end && (ch_is(*ahead.p, CH_HEX) || *ahead.p == ':' || *ahead.p == '.'))
        colons += *ahead.p++ == ':';
    *host = (struct str){ start, (size_t)(ahead.p - start) };
    if (colons < 2 || host->n > IPV6_TEXT_MAX || !cursor_char(&ahead, ']'))
        return false;
    *c = ahead;
    return true;
}

bool scan_host(struct cursor *c, struct str *host, bool *ipv6)
{
    struct cursor ahead = *c;
    struct str name;

    if (c->p < c->end && *c->p == '[') {
        if (!scan_ipv6(c, &name))
            return false;
        *host = name;
        *ipv6 = true;
        return true;
    }
    name = scan_span(&ahead, CH_HOST);
    if (name.n == 0 || name.n > HOST_NAME_MAX_LENGTH || name.p[0] == '.' || name.p[0] == '-')
        return false;
    *host = name;
    *ipv6 = false;
    *c = ahead;
    return true;
}

bool scan_param(struct cursor *c, unsigned name_class, struct sip_param *out)
{
    struct cursor ahead = *c;
    struct sip_param p = { .value = STR_EMPTY };

    if (!scan_separator(&ahead, ';'))
        return false;
    p.name = scan_span(&ahead, name_class);
    if (p.name.n == 0)
        return false;
    /* An empty value is against the grammar, but seen (";rport="). */
    if (scan_separator(&ahead, '=') && !cursor_quoted(&ahead, &p.value))
        p.value = scan_span(&ahead, CH_VALUE);
    *out = p;
    *c = ahead;
    return true;
}

bool scan_params(struct cursor *c, struct str *out, struct sip_wanted *wanted)
{
    struct cursor ahead = *c;
    struct sip_param p;
    const char *start;

    scan_blanks(&ahead);
    start = ahead.p;
    while (!cursor_done(&ahead) && scan_param(&ahead, CH_TOKEN, &p)) {
        if (!wanted || wanted->found || !word_is(p.name, wanted->name))
            continue;
        wanted->found = true;
        wanted->value = p.value;
    }
    *out = (struct str){ start, (size_t)(ahead.p - start) };
    scan_blanks(&ahead);
    if (ahead.p < ahead.end && *ahead.p == ';')
        return false;
    *c = ahead;
    return true;
}

/* "SIP/2.0/", as it is nearly always written. Any version: a message of another one has it here
 * too, and wants its 505. */
static bool sent_protocol_begins(struct cursor *c)
{
    if (str_starts(cursor_rest(c), STR("SIP/2.0/"))) {
        c->p += STR("SIP/2.0/").n;
        scan_blanks(c);
        return true;
    }
    scan_blanks(c);
    return str_equal_nocase(scan_span(c, CH_TOKEN), STR("SIP")) && scan_separator(c, '/') &&
           scan_span(c, CH_TOKEN).n && scan_separator(c, '/');
}

bool scan_via_head(struct cursor *c, struct sip_via *out)
{
    struct cursor ahead = *c, port;
    struct sip_via v = { .port = 0 };
    const char *transport_end;

    if (!sent_protocol_begins(&ahead))
        return false;
    v.transport = scan_span(&ahead, CH_TOKEN);
    transport_end = ahead.p;
    scan_blanks(&ahead);
    if (v.transport.n == 0 || ahead.p == transport_end || !scan_host(&ahead, &v.host, &v.host_ipv6))
        return false;
    port = ahead;
    if (scan_separator(&port, ':')) {
        if (!scan_port(&port, &v.port))
            return false;
        ahead = port;
    }
    *out = v;
    *c = ahead;
    return true;
}

struct str unquoted(struct str quoted)
{
    if (quoted.n < 2 || quoted.p[0] != '"' || quoted.p[quoted.n - 1] != '"')
        return quoted;
    return str_sub(quoted, 1, quoted.n - 1);
}
