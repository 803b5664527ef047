// SPDX-License-Identifier: MIT
#include "sip/grammar.h"

enum { CSEQ_MAX = INT32_MAX }; /* RFC 3261 section 8.1.1.5: less than 2^31 */

/* Fields with one value, which every element must read alike: a second, different one is an attack
 * or a bug. */
static const uint64_t single_headers =
    UINT64_C(1) << SIP_H_FROM | UINT64_C(1) << SIP_H_TO | UINT64_C(1) << SIP_H_CALL_ID |
    UINT64_C(1) << SIP_H_CSEQ | UINT64_C(1) << SIP_H_MAX_FORWARDS | UINT64_C(1) << SIP_H_EVENT |
    UINT64_C(1) << SIP_H_EXPIRES | UINT64_C(1) << SIP_H_CONTENT_LENGTH;

struct parser {
    struct sip_message *m;
    const char *p, *end;
    const char *fault; /* the first thing wrong; parsing goes on to find what an answer needs */
    bool other_version;
};

static void fault_set(struct parser *ps, const char *fault)
{
    if (!ps->fault)
        ps->fault = fault;
}

/* Folds and tabs are fine, and what a backslash quotes, except a CR: RFC 3261 section 25.1. */
static bool has_bad_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] >= ' ' || s.p[i] == '\t' || s.p[i] == '\n')
            continue; /* a line end in here is a fold: header_end saw to it */
        if (s.p[i] == '\r' ? i + 1 < s.n && s.p[i + 1] == '\n' : i > 0 && s.p[i - 1] == '\\')
            continue;
        return true;
    }
    return false;
}

static bool line_take(struct parser *ps, struct str *line)
{
    struct cursor c = { ps->p, ps->end };
    bool taken = scan_line(&c, line);

    ps->p = c.p;
    return taken;
}

/* Behind the line end of the header at ps->p and of its folds; NULL when the text ends first. */
static const char *header_end(const struct parser *ps)
{
    const char *p = ps->p;

    while (p < ps->end) {
        p = memchr(p, '\n', (size_t)(ps->end - p));
        if (!p)
            return NULL;
        p++;
        if (p < ps->end && *p != ' ' && *p != '\t')
            return p;
    }
    return p;
}

static void version_check(struct parser *ps, struct str version)
{
    if (!word_is(version, STR("SIP/2.0")))
        ps->other_version = true;
}

/* "SIP/2.0 200 OK"; the blank behind the code may be missing: RFC 4475 section 3.1.1.13. */
static void status_line_parse(struct parser *ps, struct str line)
{
    struct cursor c = scan_on(line);
    struct str code;
    uint32_t status;

    version_check(ps, cursor_until(&c, ' '));
    (void)cursor_char(&c, ' ');
    code = cursor_until(&c, ' ');
    (void)cursor_char(&c, ' ');
    ps->m->request = false;
    ps->m->uri = STR_EMPTY;
    ps->m->status = 0;
    ps->m->reason = cursor_rest(&c);
    if (code.n != 3 || str_to_u32(&status, code) || status < 100 || status > 699)
        fault_set(ps, "Bad status code");
    else
        ps->m->status = status;
    if (str_has_control(line) && has_bad_control(line))
        fault_set(ps, "Control character in the status line");
}

static void request_uri_check(struct parser *ps, struct str text)
{
    struct sip_uri *uri = &ps->m->request_uri;

    if (text.n == 0)
        fault_set(ps, "No Request-URI");
    else if (text.p[0] == ' ' || text.p[text.n - 1] == ' ')
        fault_set(ps, "Several blanks in the request line");
    else if (sip_uri_parse(uri, text))
        fault_set(ps, "Bad Request-URI");
    else if (uri->sip && uri->headers.n)
        fault_set(ps, "Headers in the Request-URI"); /* RFC 3261 section 19.1.1 */
}

/* "SUBSCRIBE sip:100@example.com SIP/2.0" with one blank each; SIP_NOT_SIP for other protocols. */
static int request_line_parse(struct parser *ps, struct str line)
{
    struct cursor c = scan_on(line);
    struct str method = scan_span(&c, CH_TOKEN);
    size_t version_at = str_trim(line).n; /* no blank leads: a method does */
    struct str version;

    if (method.n == 0 || !cursor_char(&c, ' '))
        return SIP_NOT_SIP;
    if (version_at < line.n)
        fault_set(ps, "Blanks behind the request line");
    line.n = version_at;
    while (version_at > method.n && line.p[version_at - 1] != ' ')
        version_at--;
    version = str_sub(line, version_at, line.n);
    if (!str_starts_nocase(version, STR("SIP/")))
        return SIP_NOT_SIP;
    version_check(ps, version);
    ps->m->request = true;
    ps->m->method_text = method;
    ps->m->method = sip_method_parse(method);
    ps->m->status = 0;
    ps->m->reason = STR_EMPTY;
    ps->m->uri =
        version_at > method.n + 1 ? str_sub(line, method.n + 1, version_at - 1) : STR_EMPTY;
    request_uri_check(ps, ps->m->uri);
    return 0;
}

static int start_line_parse(struct parser *ps)
{
    struct str line;

    /* RFC 3261 section 7.5; a keep-alive is nothing but line ends. */
    while (ps->p < ps->end && (*ps->p == '\r' || *ps->p == '\n'))
        ps->p++;
    if (!line_take(ps, &line))
        return SIP_NOT_SIP;
    if (str_starts_nocase(line, STR("SIP/"))) {
        status_line_parse(ps, line);
        return 0;
    }
    return request_line_parse(ps, line);
}

static void header_add(struct parser *ps, enum sip_header_id id, struct str name, struct str value)
{
    struct sip_message *m = ps->m;

    if (!m->first[id]) {
        m->first[id] = (uint8_t)(m->n_headers + 1);
    } else {
        m->repeated |= UINT64_C(1) << id;
        if ((single_headers >> id & 1) && !str_equal(m->headers[m->first[id] - 1].value, value))
            fault_set(ps, "Header field repeated with another value");
    }
    m->headers[m->n_headers++] = (struct sip_header){ id, name, value };
}

/* header-name *( SP / HTAB ) ":" SWS header-value, without its line end. A name that is known
 * has nothing in it that a token may not have. */
static void header_parse(struct parser *ps, struct str line)
{
    struct str value;
    size_t colon = str_find_char(line, ':');
    struct str name = str_sub(line, 0, colon);
    enum sip_header_id id;

    while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
        name.n--;
    id = sip_header_id_parse(name);
    if (colon == line.n || name.n == 0 || (id == SIP_H_OTHER && !all_of(name, CH_TOKEN))) {
        fault_set(ps, "Bad header field name");
        return;
    }
    value = str_trim(str_sub(line, colon + 1, line.n));
    if (str_has_control(value)) {
        ps->m->has_control = true;
        if (has_bad_control(value))
            fault_set(ps, "Control character in a header field");
    }
    header_add(ps, id, name, value);
}

/* Up to the empty line, which is taken too. A datagram that ends without one, but behind a whole
 * line, is complete enough: some senders forget it when there is no body. */
static void headers_parse(struct parser *ps)
{
    while (ps->p < ps->end) {
        const char *end;

        if (*ps->p == '\n' || (*ps->p == '\r' && ps->end - ps->p > 1 && ps->p[1] == '\n')) {
            ps->p += *ps->p == '\n' ? 1 : 2;
            return;
        }
        end = header_end(ps);
        if (!end || ps->m->n_headers == SIP_HEADERS_MAX) {
            fault_set(ps, end ? "Too many header fields" : "Header field without line end");
            ps->p = ps->end;
            return;
        }
        header_parse(ps, (struct str){ ps->p, (size_t)(end - 1 - ps->p) });
        ps->p = end;
    }
}

/* The body, by Content-Length when there is one: RFC 3261 sections 18.3 and 20.14. */
static void body_parse(struct parser *ps)
{
    struct str rest = { ps->p, (size_t)(ps->end - ps->p) };
    const struct sip_header *h = sip_header_first(ps->m, SIP_H_CONTENT_LENGTH);
    uint32_t length;

    ps->m->body = rest;
    if (!h)
        return;
    if (str_to_u32(&length, h->value))
        fault_set(ps, "Bad Content-Length");
    else if (length > rest.n)
        fault_set(ps, "Content-Length exceeds the message");
    else
        ps->m->body.n = length;
}

static void cseq_check(struct parser *ps)
{
    struct cursor c = scan_on(sip_header_value(ps->m, SIP_H_CSEQ));
    struct str digits = scan_span(&c, CH_DIGIT), method;
    uint32_t number;

    if (str_to_u32(&number, digits) || number > CSEQ_MAX) {
        fault_set(ps, "Bad CSeq number");
        return;
    }
    scan_blanks(&c);
    method = scan_span(&c, CH_TOKEN);
    if (method.n == 0 || method.p == digits.p + digits.n || !cursor_done(&c)) {
        fault_set(ps, "Bad CSeq method");
        return;
    }
    ps->m->cseq = number;
    if (!ps->m->request) {
        ps->m->method_text = method;
        ps->m->method = sip_method_parse(method);
    } else if (!str_equal(method, ps->m->method_text)) {
        fault_set(ps, "CSeq method is not the request's");
    }
}

/* From or To; a missing tag is for the caller to judge, since RFC 2543 had none. */
static bool address_parse(struct sip_name_addr *address, struct str *tag, struct str value)
{
    if (sip_name_addr_parse(address, value))
        return false;
    *tag = address->tag;
    return !address->has_tag || tag->n;
}

static void parties_check(struct parser *ps)
{
    struct sip_message *m = ps->m;
    struct sip_uri to_uri;

    if (!address_parse(&m->from_parts, &m->from_tag, m->from) ||
        sip_uri_parse(&m->from_uri, m->from_parts.uri))
        fault_set(ps, "Bad From");
    /* Outside a dialog it mostly is the Request-URI, which was looked at. */
    if (!address_parse(&m->to_parts, &m->to_tag, m->to) ||
        (!str_equal(m->to_parts.uri, m->uri) && sip_uri_parse(&to_uri, m->to_parts.uri)))
        fault_set(ps, "Bad To");
}

/* Whether a response could find its way; sets the fault for what is wrong with the topmost Via. */
static bool via_check(struct parser *ps)
{
    struct str value = sip_header_value(ps->m, SIP_H_VIA);
    struct cursor c = scan_on(value);
    struct sip_via via;

    if (sip_via_parse(&ps->m->via, value) == 0) {
        ps->m->branch = ps->m->via.branch;
        return true;
    }
    fault_set(ps, "Bad Via");
    return scan_via_head(&c, &via);
}

static int mandatory_check(struct parser *ps)
{
    struct sip_message *m = ps->m;

    m->call_id = sip_header_value(m, SIP_H_CALL_ID);
    m->from = sip_header_value(m, SIP_H_FROM);
    m->to = sip_header_value(m, SIP_H_TO);
    if (!m->call_id.n || !m->from.n || !m->to.n || !sip_header_value(m, SIP_H_CSEQ).n) {
        fault_set(ps, "From, To, Call-ID or CSeq is missing");
        return SIP_UNANSWERABLE;
    }
    if (!via_check(ps))
        return SIP_UNANSWERABLE;
    cseq_check(ps);
    parties_check(ps);
    if (ps->other_version)
        return SIP_BAD_VERSION;
    return ps->fault ? SIP_MALFORMED : 0;
}

/* Not by one assignment: the array of headers is 5 kB, and written as far as it is used. */
static void message_clear(struct sip_message *m, struct str raw)
{
    m->raw = raw;
    m->method = SIP_METHOD_OTHER;
    m->method_text = m->branch = m->from_tag = m->to_tag = STR_EMPTY;
    m->via.host = STR_EMPTY;
    m->from_parts = m->to_parts = (struct sip_name_addr){ .uri = STR_EMPTY };
    m->request_uri.sip = m->from_uri.sip = false;
    m->n_headers = 0;
    m->repeated = 0;
    m->has_control = false;
    memset(m->first, 0, sizeof(m->first));
    m->cseq = 0;
}

int sip_message_parse(struct sip_message *out, struct str datagram, const char **fault)
{
    struct parser ps = { .m = out, .p = datagram.p, .end = scan_on(datagram).end };
    int r;

    if (datagram.n > SIP_MESSAGE_MAX) {
        fault_set(&ps, "Message too long");
        r = SIP_UNANSWERABLE;
        goto out;
    }
    message_clear(out, datagram);
    r = start_line_parse(&ps);
    if (r)
        goto out;
    headers_parse(&ps);
    body_parse(&ps);
    r = mandatory_check(&ps);
out:
    if (r == SIP_NOT_SIP)
        ps.fault = "Not SIP";
    else if (r == SIP_BAD_VERSION)
        ps.fault = "SIP version not supported";
    if (fault)
        *fault = r ? ps.fault : NULL;
    return r;
}

int sip_response_parse_rest(struct sip_message *out, struct str datagram)
{
    struct parser ps = { .m = out, .p = datagram.p, .end = scan_on(datagram).end };

    message_clear(out, datagram);
    if (start_line_parse(&ps) || out->request)
        return SIP_MALFORMED;
    headers_parse(&ps);
    body_parse(&ps);
    out->call_id = out->from = out->to = STR_EMPTY;
    return ps.fault || ps.other_version ? SIP_MALFORMED : 0;
}
