// SPDX-License-Identifier: MIT
#include "sip/grammar.h"

/* [ display-name ] "<". False leaves the cursor where it was, for an addr-spec without brackets. */
static bool display_scan(struct cursor *c, struct str *display)
{
    struct cursor ahead = *c;
    struct str text;

    if (cursor_quoted(&ahead, &text)) {
        text = unquoted(text);
        scan_blanks(&ahead);
    } else {
        while (ahead.p < ahead.end && (ch_is(*ahead.p, CH_DISPLAY) || *ahead.p == ' ' ||
                                       *ahead.p == '\t' || *ahead.p == '\r' || *ahead.p == '\n'))
            ahead.p++;
        text = str_trim((struct str){ c->p, (size_t)(ahead.p - c->p) });
    }
    if (!cursor_char(&ahead, '<'))
        return false;
    *display = text;
    *c = ahead;
    return true;
}

/* Without brackets, commas, question marks and semicolons do not belong to the URI: RFC 3261
 * section 20. The first two then have no meaning here, and fail in the caller. */
static struct str addr_spec_scan(struct cursor *c)
{
    const char *start = c->p;

    while (c->p < c->end && ch_is(*c->p, CH_OPAQUE | CH_USER) && *c->p != ',' && *c->p != '?' &&
           *c->p != ';')
        c->p++;
    return (struct str){ start, (size_t)(c->p - start) };
}

int sip_name_addr_parse(struct sip_name_addr *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct sip_name_addr n = { .uri = STR_EMPTY };
    struct sip_wanted tag = { .name = STR_INIT("tag") };

    scan_blanks(&c);
    if (display_scan(&c, &n.display)) {
        n.uri = scan_span(&c, CH_OPAQUE | CH_USER | CH_PARAM | CH_HEADER);
        if (!cursor_char(&c, '>'))
            return -EBADMSG;
    } else {
        n.uri = addr_spec_scan(&c);
    }
    if (n.uri.n == 0 || !scan_params(&c, &n.params, &tag) || !cursor_done(&c))
        return -EBADMSG;
    n.has_tag = tag.found;
    n.tag = tag.value;
    *out = n;
    return 0;
}

/* To the next comma that is neither quoted nor in brackets, or to the end. */
static void list_element_skip(struct cursor *c)
{
    struct str quoted;
    bool brackets = false;

    if (str_find_char(cursor_rest(c), ',') == (size_t)(c->end - c->p)) { /* the usual case */
        c->p = c->end;
        return;
    }
    while (!cursor_done(c) && (brackets || *c->p != ',')) {
        if (*c->p == '"' && !brackets) {
            if (!cursor_quoted(c, &quoted))
                c->p = c->end; /* never closed: no comma behind it can be trusted */
            continue;
        }
        if (*c->p == '<')
            brackets = true;
        else if (*c->p == '>')
            brackets = false;
        c->p++;
    }
}

bool sip_list_next(struct str *rest, struct str *value)
{
    struct cursor c = scan_on(*rest);

    while (!cursor_done(&c)) {
        const char *start = c.p;
        struct str element;

        list_element_skip(&c);
        element = str_trim((struct str){ start, (size_t)(c.p - start) });
        (void)cursor_char(&c, ',');
        if (element.n) {
            *value = element;
            *rest = cursor_rest(&c);
            return true;
        }
    }
    *rest = STR_EMPTY;
    return false;
}

/* RFC 5118 section 4.5: "received" comes with and without brackets. */
static struct str without_brackets(struct str host)
{
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        return str_sub(host, 1, host.n - 1);
    return host;
}

static bool via_param_apply(struct sip_via *v, const struct sip_param *p)
{
    switch (p->name.n) {
    case 5:
        if (word_is(p->name, STR("rport"))) {
            struct cursor c = scan_on(p->value);

            v->has_rport = true;
            return cursor_done(&c) || (scan_port(&c, &v->rport) && cursor_done(&c));
        }
        break;
    case 6:
        if (word_is(p->name, STR("branch"))) {
            if (v->branch.p) /* RFC 3261 section 7.3.1; whose transaction would it be? */
                return false;
            v->branch = p->value;
        }
        break;
    case 8:
        if (word_is(p->name, STR("received")))
            v->received = without_brackets(p->value);
        break;
    default:
        break;
    }
    return true;
}

int sip_via_parse(struct sip_via *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct sip_param p;
    struct sip_via v;

    if (!scan_via_head(&c, &v))
        return -EBADMSG;
    scan_blanks(&c);
    v.params.p = c.p;
    while (scan_param(&c, CH_TOKEN, &p))
        if (!via_param_apply(&v, &p))
            return -EBADMSG;
    v.params.n = (size_t)(c.p - v.params.p);
    scan_blanks(&c);
    if (!cursor_done(&c) && *c.p != ',')
        return -EBADMSG;
    *out = v;
    return 0;
}

int sip_event_parse(struct sip_event *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct sip_event e = { .has_id = false };
    struct sip_wanted id = { .name = STR_INIT("id") };

    scan_blanks(&c);
    e.package = scan_span(&c, CH_TOKEN);
    if (e.package.n == 0 || !scan_params(&c, &e.params, &id) || !cursor_done(&c))
        return -EBADMSG;
    e.has_id = id.found;
    e.id = id.value;
    *out = e;
    return 0;
}

/* "(" text ")", nested, with backslash escapes. */
static bool comment_skip(struct cursor *c)
{
    struct cursor ahead = *c;
    size_t depth = 0;

    if (!cursor_char(&ahead, '('))
        return false;
    for (depth = 1; depth && !cursor_done(&ahead); ahead.p++) {
        if (*ahead.p == '(')
            depth++;
        else if (*ahead.p == ')')
            depth--;
        else if (*ahead.p == '\\' && ahead.end - ahead.p > 1)
            ahead.p++;
    }
    if (depth)
        return false;
    *c = ahead;
    return true;
}

int sip_delta_seconds_parse(uint32_t *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct str digits, params;
    uint64_t seconds = 0;

    scan_blanks(&c);
    digits = scan_span(&c, CH_DIGIT);
    if (digits.n == 0)
        return -EBADMSG;
    for (size_t i = 0; i < digits.n && seconds <= UINT32_MAX; i++)
        seconds = seconds * 10 + (uint64_t)(digits.p[i] - '0');
    scan_blanks(&c);
    (void)comment_skip(&c);
    if (!scan_params(&c, &params, NULL) || !cursor_done(&c))
        return -EBADMSG;
    *out = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    return 0;
}

/* ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); digits beyond the third are seen, and cut
 * off. */
static bool qvalue_parse(unsigned *out, struct str text)
{
    struct cursor c = scan_on(text);
    struct str whole = scan_span(&c, CH_DIGIT), part = STR_EMPTY;
    unsigned q, weight = 100;

    if (cursor_char(&c, '.'))
        part = scan_span(&c, CH_DIGIT);
    if (!cursor_done(&c) || whole.n != 1 || whole.p[0] > '1')
        return false;
    q = whole.p[0] == '1' ? 1000 : 0;
    for (size_t i = 0; i < part.n; i++, weight /= 10)
        q += weight * (unsigned)(part.p[i] - '0');
    if (q > 1000)
        return false;
    *out = q;
    return true;
}

int sip_media_range_parse(struct sip_media_range *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct sip_media_range m = { .q = 1000 };
    struct str q;

    scan_blanks(&c);
    m.type = scan_span(&c, CH_TOKEN);
    if (m.type.n == 0 || !scan_separator(&c, '/'))
        return -EBADMSG;
    m.subtype = scan_span(&c, CH_TOKEN);
    if (m.subtype.n == 0 || !scan_params(&c, &m.params, NULL) || !cursor_done(&c))
        return -EBADMSG;
    if (str_equal(m.type, STR("*")) && !str_equal(m.subtype, STR("*")))
        return -EBADMSG;
    if (sip_param_find(m.params, STR("q"), &q) && !qvalue_parse(&m.q, q))
        return -EBADMSG;
    *out = m;
    return 0;
}

/* auth-param = token EQUAL ( token / quoted-string ) */
static bool auth_param_scan(struct cursor *c, struct sip_param *out)
{
    struct cursor ahead = *c;
    struct sip_param p = { .name = scan_span(&ahead, CH_TOKEN) };

    if (p.name.n == 0 || !scan_separator(&ahead, '='))
        return false;
    if (!cursor_quoted(&ahead, &p.value)) {
        p.value = scan_span(&ahead, CH_VALUE);
        if (p.value.n == 0)
            return false;
    }
    *out = p;
    *c = ahead;
    return true;
}

static void challenge_param_apply(struct sip_challenge *ch, const struct sip_param *p)
{
    const struct {
        struct str name;
        struct str *to;
    } known[] = {
        { STR("realm"), &ch->realm },   { STR("nonce"), &ch->nonce },
        { STR("opaque"), &ch->opaque }, { STR("algorithm"), &ch->algorithm },
        { STR("qop"), &ch->qop },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_equal_nocase(p->name, known[i].name))
            *known[i].to = unquoted(p->value);
    if (word_is(p->name, STR("stale")))
        ch->stale = str_equal_nocase(unquoted(p->value), STR("true"));
}

/* One challenge; the cursor stops at what is behind it. */
static bool challenge_scan(struct cursor *c, struct sip_challenge *out)
{
    struct sip_challenge ch = { .stale = false };
    struct sip_param p;

    scan_blanks(c);
    ch.scheme = scan_span(c, CH_TOKEN);
    if (ch.scheme.n == 0)
        return false;
    scan_blanks(c);
    while (auth_param_scan(c, &p)) {
        struct cursor comma = *c, ahead;
        struct sip_param next;

        challenge_param_apply(&ch, &p);
        if (!scan_separator(&comma, ','))
            break;
        ahead = comma;
        if (!auth_param_scan(&ahead, &next))
            break; /* "Digest a=1, Digest b=2": the comma ends this challenge */
        *c = comma;
    }
    scan_blanks(c);
    *out = ch;
    return true;
}

int sip_challenge_parse(struct sip_challenge *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct sip_challenge ch;

    if (!challenge_scan(&c, &ch) || !cursor_done(&c))
        return -EBADMSG;
    *out = ch;
    return 0;
}

bool sip_challenge_next(struct str *rest, struct sip_challenge *out)
{
    struct cursor c = scan_on(*rest);
    struct sip_challenge ch;

    while (scan_separator(&c, ','))
        ;
    if (!challenge_scan(&c, &ch) || (!cursor_done(&c) && *c.p != ',')) {
        *rest = STR_EMPTY;
        return false;
    }
    *out = ch;
    *rest = cursor_rest(&c);
    return true;
}

struct str sip_next_nonce(struct str value)
{
    struct cursor c = scan_on(value);
    struct str found = STR_EMPTY;
    struct sip_param p;

    scan_blanks(&c);
    do {
        if (!auth_param_scan(&c, &p))
            return STR_EMPTY;
        if (word_is(p.name, STR("nextnonce")))
            found = unquoted(p.value);
    } while (scan_separator(&c, ','));
    scan_blanks(&c);
    return cursor_done(&c) ? found : STR_EMPTY;
}

/* A missing one keeps its NULL pointer. */
static int credential_take(struct str *field, struct str value)
{
    if (field->p)
        return -EBADMSG;
    *field = unquoted(value);
    return 0;
}

static int credential_apply(struct sip_credentials *c, const struct sip_param *p)
{
    const struct {
        struct str name;
        struct str *to;
    } known[] = {
        { STR("username"), &c->username },
        { STR("realm"), &c->realm },
        { STR("nonce"), &c->nonce },
        { STR("uri"), &c->uri },
        { STR("response"), &c->response },
        { STR("algorithm"), &c->algorithm },
        { STR("opaque"), &c->opaque },
        { STR("qop"), &c->qop },
        { STR("nc"), &c->nc },
        { STR("cnonce"), &c->cnonce },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (word_is(p->name, known[i].name))
            return credential_take(known[i].to, p->value);
    return 0; /* auth-param: others are for others */
}

int sip_credentials_parse(struct sip_credentials *out, struct str value)
{
    struct cursor c = scan_on(value);
    struct sip_credentials found = { .scheme = STR_EMPTY };
    struct sip_param p;

    scan_blanks(&c);
    found.scheme = scan_span(&c, CH_TOKEN);
    if (found.scheme.n == 0)
        return -EBADMSG;
    if (!str_equal_nocase(found.scheme, STR("Digest"))) {
        *out = found;
        return 0;
    }
    scan_blanks(&c);
    do {
        if (!auth_param_scan(&c, &p) || credential_apply(&found, &p))
            return -EBADMSG;
    } while (scan_separator(&c, ','));
    scan_blanks(&c);
    if (!cursor_done(&c))
        return -EBADMSG;
    *out = found;
    return 0;
}

/* The character at `*i`, behind the backslash of a quoted-pair. */
static char quoted_char(struct str quoted, size_t *i)
{
    if (quoted.p[*i] == '\\' && *i + 1 < quoted.n)
        ++*i;
    return quoted.p[(*i)++];
}

bool sip_quoted_equals(struct str quoted, struct str plain)
{
    size_t at = 0;

    for (size_t i = 0; i < quoted.n; at++)
        if (at >= plain.n || plain.p[at] != quoted_char(quoted, &i))
            return false;
    return at == plain.n;
}

void sip_quoted_decode(struct buf *out, struct str quoted)
{
    for (size_t i = 0; i < quoted.n;)
        buf_add_char(out, quoted_char(quoted, &i));
}
