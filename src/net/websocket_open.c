// SPDX-License-Identifier: MIT
/* The opening handshake: RFC 6455 section 4.2, RFC 9112 for how it is written. Strict, because
 * nobody but a WebSocket client has any business here. */
#include <openssl/evp.h>

#include "net/websocket.h"

enum { KEY_BYTES = 16, KEY_LEN = 24, HEADERS_MAX = 100 };

struct request {
    struct str host, key, origin;
    unsigned hosts, keys, versions, origins;
    bool upgrade, connection, version, sip;
};

struct status {
    unsigned code;
    const char *text, *headers;
};

static const struct status statuses[] = {
    { 400, "Bad Request", "" },
    { 403, "Forbidden", "" },
    { 405, "Method Not Allowed", "Allow: GET\r\n" },
    { 426, "Upgrade Required",
      "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: sip\r\n" },
    { 431, "Request Header Fields Too Large", "" },
    { 505, "HTTP Version Not Supported", "" },
};

void websocket_refuse(struct buf *out, unsigned status, const char *why)
{
    const struct status *s = statuses;

    while (s->code != status)
        s++;
    buf_printf(out,
               "HTTP/1.1 %u %s\r\n%sConnection: close\r\nContent-Type: text/plain\r\n"
               "Content-Length: %zu\r\n\r\n%s\n",
               s->code, s->text, s->headers, strlen(why) + 1, why);
}

/* ---- reading ---- */

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.n;
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
            return true;
    return false;
}

static bool lists(struct str list, struct str word)
{
    while (list.p)
        if (str_equal_nocase(str_next(&list, ','), word))
            return true;
    return false;
}

/* A line without its end; `rest` begins with the next one. */
static struct str line_next(struct str *rest)
{
    struct str all = *rest;
    const char *end = memmem(all.p, all.n, "\r\n", 2);
    size_t n = (size_t)(end - all.p); /* the last line is an empty one */

    *rest = str_sub(all, n + 2, all.n);
    return str_sub(all, 0, n);
}

static struct websocket_reply fault(unsigned status, const char *why)
{
    return (struct websocket_reply){ status, why };
}

static struct websocket_reply judge_line(struct str line)
{
    struct str method = str_sub(line, 0, str_find_char(line, ' '));
    struct str target = str_sub(line, method.n + 1, line.n), version;
    size_t at = str_find_char(target, ' ');

    version = str_sub(target, at + 1, target.n);
    target = str_sub(target, 0, at);
    if (!is_token(method) || !target.n || has_controls(line) || version.n != 8 ||
        !str_starts(version, STR("HTTP/")))
        return fault(400, "This is no HTTP request");
    if (!str_starts(version, STR("HTTP/1.")) || version.p[7] < '1' || version.p[7] > '9')
        return fault(505, "The version of HTTP has to be 1.1");
    if (!str_equal(method, STR("GET")))
        return fault(405, "The method has to be GET");
    return fault(0, NULL);
}

static struct websocket_reply read_header(struct request *rq, struct str line)
{
    struct str name = str_sub(line, 0, str_find_char(line, ':'));
    struct str value = str_trim(str_sub(line, name.n + 1, line.n));

    if (!is_token(name) || name.n == line.n || has_controls(line))
        return fault(400, "A header is malformed");
    if (str_equal_nocase(name, STR("Host"))) {
        rq->host = value;
        rq->hosts++;
    } else if (str_equal_nocase(name, STR("Upgrade"))) {
        rq->upgrade |= lists(value, STR("websocket"));
    } else if (str_equal_nocase(name, STR("Connection"))) {
        rq->connection |= lists(value, STR("upgrade"));
    } else if (str_equal_nocase(name, STR("Sec-WebSocket-Key"))) {
        rq->key = value;
        rq->keys++;
    } else if (str_equal_nocase(name, STR("Sec-WebSocket-Version"))) {
        rq->version = str_equal(value, STR("13"));
        rq->versions++;
    } else if (str_equal_nocase(name, STR("Sec-WebSocket-Protocol"))) {
        rq->sip |= lists(value, STR("sip"));
    } else if (str_equal_nocase(name, STR("Origin"))) {
        rq->origin = value;
        rq->origins++;
    } else if (str_equal_nocase(name, STR("Transfer-Encoding")) ||
               (str_equal_nocase(name, STR("Content-Length")) && !str_equal(value, STR("0")))) {
        return fault(400, "The request has a body");
    }
    return fault(0, NULL);
}

static bool key_is_valid(struct str key)
{
    unsigned char bytes[KEY_LEN];

    return key.n == KEY_LEN && str_ends(key, STR("==")) && key.p[KEY_LEN - 3] != '=' &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key.p, KEY_LEN) == KEY_BYTES + 2;
}

/* From a page of which site may it be opened? Programs that are no browsers name none. */
static bool origin_is_allowed(const struct request *rq, struct str origins)
{
    if (!origins.n || !rq->origins)
        return true;
    return rq->origins == 1 && lists(origins, rq->origin);
}

static struct websocket_reply judge(const struct request *rq, struct str origins)
{
    if (rq->hosts != 1 || !rq->host.n)
        return fault(400, "There has to be one Host");
    if (!rq->upgrade || !rq->connection)
        return fault(426, "Only WebSocket is spoken here");
    if (rq->versions != 1 || !rq->version)
        return fault(426, "Sec-WebSocket-Version has to be 13");
    if (rq->keys != 1 || !key_is_valid(rq->key))
        return fault(400, "There has to be one good Sec-WebSocket-Key");
    if (!rq->sip)
        return fault(400, "Sec-WebSocket-Protocol has to name sip");
    if (!origin_is_allowed(rq, origins))
        return fault(403, "The Origin is not allowed");
    return fault(0, NULL);
}

/* ---- answering ---- */

static void accept_print(struct buf *out, struct str key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_LEN + sizeof(guid)];
    unsigned char hash[EVP_MAX_MD_SIZE], base64[2 * EVP_MAX_MD_SIZE];
    unsigned n = 0;

    memcpy(text, key.p, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof(guid));
    if (EVP_Digest(text, sizeof(text) - 1, hash, &n, EVP_sha1(), NULL) == 1)
        buf_add(out, (struct str){ (const char *)base64,
                                   (size_t)EVP_EncodeBlock(base64, hash, (int)n) });
}

struct websocket_reply websocket_answer(struct buf *out, struct str request, struct str origins)
{
    struct request rq = { .hosts = 0 };
    struct websocket_reply reply = judge_line(line_next(&request));
    struct str line = reply.status ? STR_EMPTY : line_next(&request);

    for (unsigned n = 0; line.n && !reply.status; n++) {
        reply = n < HEADERS_MAX ? read_header(&rq, line) : fault(431, "There are too many headers");
        line = line_next(&request);
    }
    if (!reply.status)
        reply = judge(&rq, origins);
    if (reply.status) {
        websocket_refuse(out, reply.status, reply.why);
        return reply;
    }
    buf_add(out, STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: "));
    accept_print(out, rq.key);
    buf_add(out, STR("\r\nSec-WebSocket-Protocol: sip\r\n\r\n"));
    return fault(101, NULL);
}
