// SPDX-License-Identifier: MIT
#include "sip/print.h"
#include "sip/grammar.h"

enum { SIP_DEFAULT_PORT = 5060 };

void sip_print_header(struct buf *b, struct str name, struct str value)
{
    buf_add(b, name);
    buf_add(b, STR(": "));
    buf_add(b, value);
    buf_add(b, STR("\r\n"));
}

void sip_print_header_u64(struct buf *b, struct str name, uint64_t value)
{
    buf_add(b, name);
    buf_add(b, STR(": "));
    buf_add_u64(b, value);
    buf_add(b, STR("\r\n"));
}

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* Also what makes it safe to repeat a peer's bytes: no line end gets through. */
void sip_print_unfolded(struct buf *b, struct str value)
{
    size_t plain = 0;

    if (!str_has_control(value)) { /* the usual case */
        buf_add(b, value);
        return;
    }
    for (size_t i = 0; i < value.n; i++) {
        size_t from = i;

        if (!is_line_end(value.p[i]))
            continue;
        while (from > plain && (value.p[from - 1] == ' ' || value.p[from - 1] == '\t'))
            from--;
        buf_add(b, str_sub(value, plain, from));
        buf_add_char(b, ' ');
        while (i + 1 < value.n &&
               (is_line_end(value.p[i + 1]) || value.p[i + 1] == ' ' || value.p[i + 1] == '\t'))
            i++;
        plain = i + 1;
    }
    buf_add(b, str_sub(value, plain, value.n));
}

void sip_print_quoted(struct buf *b, struct str name, struct str value)
{
    buf_add(b, name);
    buf_add(b, STR("=\""));
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    }
    buf_add_char(b, '"');
}

/* Part of the value of a header field of the request. */
static void print_raw(struct buf *b, const struct sip_message *request, struct str text)
{
    if (request->has_control)
        sip_print_unfolded(b, text);
    else
        buf_add(b, text);
}

static void print_raw_header(struct buf *b, const struct sip_message *request,
                             enum sip_header_id id, struct str value)
{
    buf_add(b, sip_header_name(id));
    buf_add(b, STR(": "));
    print_raw(b, request, value);
    buf_add(b, STR("\r\n"));
}

/* Without brackets: the grammar of "received" has none (RFC 5118 section 4.5). */
static void print_bare_host(struct buf *b, const struct addr *a)
{
    char storage[64];
    struct buf text;
    struct str host;

    buf_init_on(&text, storage, sizeof(storage));
    addr_print_host(&text, a);
    host = buf_str(&text);
    if (host.n >= 2 && host.p[0] == '[')
        host = str_sub(host, 1, host.n - 1);
    buf_add(b, host);
}

/* RFC 3261 section 18.2.1: a name, or an address that is not where it came from. */
static bool sent_by_differs(const struct sip_via *via, const struct addr *source)
{
    struct addr sent_by;

    return addr_parse(&sent_by, via->host, addr_port(source)) || !addr_equal_host(&sent_by, source);
}

/* The topmost Via as it goes back. What it said about received and rport itself is replaced; other
 * values of the same line, which belong to the proxies before, follow untouched. */
static void print_top_via(struct buf *b, const struct sip_message *request, struct str value,
                          const struct addr *source, bool force_rport)
{
    const struct sip_via *via = &request->via;
    struct sip_param p;
    struct cursor c;
    bool rport;

    if (!via->host.n) { /* nothing of it could be read, and nothing else is set */
        print_raw(b, request, value);
        return;
    }
    rport = via->has_rport || force_rport;
    if (!rport && !sent_by_differs(via, source)) {
        print_raw(b, request, value);
        return;
    }
    c = (struct cursor){ via->params.p, value.p + value.n };
    print_raw(b, request, str_trim((struct str){ value.p, (size_t)(c.p - value.p) }));
    if (rport) {
        buf_add(b, STR(";rport="));
        buf_add_u64(b, addr_port(source));
    }
    buf_add(b, STR(";received="));
    print_bare_host(b, source);
    while (scan_param(&c, CH_TOKEN, &p)) {
        bool flag = p.value.n == 0;

        if (word_is(p.name, STR("received")) || (rport && word_is(p.name, STR("rport"))))
            continue;
        buf_add_char(b, ';');
        buf_add(b, p.name);
        if (!flag)
            buf_add_char(b, '=');
        print_raw(b, request, p.value);
    }
    print_raw(b, request, str_trim(cursor_rest(&c)));
}

static void print_vias(struct buf *b, const struct sip_message *request, const struct addr *source,
                       bool force_rport)
{
    const struct sip_header *top = sip_header_first(request, SIP_H_VIA);

    if (!top)
        return;
    buf_add(b, STR("Via: "));
    print_top_via(b, request, top->value, source, force_rport);
    buf_add(b, STR("\r\n"));
    for (const struct sip_header *h = sip_header_next(request, top); h;
         h = sip_header_next(request, h))
        print_raw_header(b, request, SIP_H_VIA, h->value);
}

/* RFC 3261 section 12.1.1, RFC 6665 section 4.2.1, RFC 3515 section 2.4.4. */
static bool forms_dialog(enum sip_method m)
{
    return m == SIP_INVITE || m == SIP_SUBSCRIBE || m == SIP_NOTIFY || m == SIP_REFER;
}

static void print_record_routes(struct buf *b, const struct sip_message *request)
{
    for (const struct sip_header *h = sip_header_first(request, SIP_H_RECORD_ROUTE); h;
         h = sip_header_next(request, h))
        print_raw_header(b, request, SIP_H_RECORD_ROUTE, h->value);
}

static void print_to(struct buf *b, struct str to, struct str tag)
{
    buf_add(b, to);
    if (tag.n) {
        buf_add(b, STR(";tag="));
        buf_add(b, tag);
    }
    buf_add(b, STR("\r\n"));
}

static void print_status_line(struct buf *b, const struct sip_reply *reply)
{
    buf_add(b, STR("SIP/2.0 "));
    buf_add_u64(b, reply->status);
    buf_add_char(b, ' ');
    sip_print_unfolded(b, reply->reason.n ? reply->reason : sip_reason_phrase(reply->status));
    buf_add(b, STR("\r\n"));
}

/* Call-ID, From, and To without the end of its line. */
static void print_parties(struct buf *b, const struct sip_message *request)
{
    print_raw_header(b, request, SIP_H_CALL_ID, request->call_id);
    print_raw_header(b, request, SIP_H_FROM, request->from);
    buf_add(b, STR("To: "));
    print_raw(b, request, request->to);
}

static void print_own_lines(struct buf *b, const struct sip_reply *reply)
{
    buf_add(b, reply->headers);
    if (reply->server.n)
        sip_print_header(b, STR("Server"), reply->server);
    if (reply->body.n)
        sip_print_header(b, STR("Content-Type"), reply->content_type);
    sip_print_header_u64(b, STR("Content-Length"), reply->body.n);
    buf_add(b, STR("\r\n"));
    buf_add(b, reply->body);
}

void sip_print_echo(struct buf *b, struct sip_echo *echo, const struct sip_message *request,
                    const struct addr *source, bool force_rport)
{
    print_vias(b, request, source, force_rport);
    echo->vias_end = (uint32_t)b->n;
    if (forms_dialog(request->method))
        print_record_routes(b, request);
    echo->routes_end = (uint32_t)b->n;
    print_parties(b, request);
    echo->to_end = (uint32_t)b->n;
    print_raw_header(b, request, SIP_H_CSEQ, sip_header_value(request, SIP_H_CSEQ));
    echo->tagged = request->to_tag.n > 0;
}

void sip_print_response_from(struct buf *b, const struct sip_echo *echo, struct str text,
                             const struct sip_reply *reply)
{
    size_t parties = reply->status / 100 == 2 ? echo->vias_end : echo->routes_end;

    print_status_line(b, reply);
    buf_add(b, str_sub(text, 0, echo->vias_end));
    print_to(b, str_sub(text, parties, echo->to_end), echo->tagged ? STR_EMPTY : reply->to_tag);
    buf_add(b, str_sub(text, echo->to_end, text.n));
    print_own_lines(b, reply);
}

void sip_print_response(struct buf *b, const struct sip_message *request, const struct addr *source,
                        bool force_rport, const struct sip_reply *reply)
{
    print_status_line(b, reply);
    print_vias(b, request, source, force_rport);
    if (reply->status / 100 == 2 && forms_dialog(request->method))
        print_record_routes(b, request);
    print_parties(b, request);
    print_to(b, STR_EMPTY, request->to_tag.n ? STR_EMPTY : reply->to_tag);
    print_raw_header(b, request, SIP_H_CSEQ, sip_header_value(request, SIP_H_CSEQ));
    print_own_lines(b, reply);
}

static bool is_ip(const struct addr *a)
{
    return a && (a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6);
}

int sip_response_target(struct addr *out, const struct sip_message *request,
                        const struct addr *source, bool force_rport)
{
    const struct sip_via *via = &request->via;
    struct addr target;
    uint16_t port;

    if (!via->host.n) {
        /* Its 400 can still go back the way the request came. */
        if (!is_ip(source))
            return -EBADMSG;
        *out = *source;
        return 0;
    }
    port = via->port ? via->port : SIP_DEFAULT_PORT;
    if (is_ip(source)) {
        target = *source;
        if (!via->has_rport && !force_rport)
            addr_port_set(&target, port);
        *out = target;
        return 0;
    }
    if (addr_parse(&target, via->host, port))
        return -EBADMSG;
    *out = target;
    return 0;
}

/* Where the head ends, behind its empty line; the whole when there is none. */
static size_t head_size(struct str message)
{
    for (size_t i = 0; i + 4 <= message.n; i++)
        if (memcmp(message.p + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return message.n;
}

void sip_compact_headers(struct buf *b)
{
    size_t head = head_size(buf_str(b)), to = 0, from = 0;

    while (from < head) {
        size_t end = from + str_find_char(str_sub(buf_str(b), from, head), '\n') + 1;
        struct str line = str_sub(buf_str(b), from, end);
        size_t colon = str_find_char(line, ':');
        char letter = from && colon < line.n
                          ? sip_header_compact(sip_header_id_parse(str_sub(line, 0, colon)))
                          : 0;

        if (letter) {
            b->p[to++] = letter;
            from += colon;
        }
        end = end > b->n ? b->n : end;
        memmove(b->p + to, b->p + from, end - from);
        to += end - from;
        from = end;
    }
    memmove(b->p + to, b->p + from, b->n - from);
    b->n = to + (b->n - from);
}
