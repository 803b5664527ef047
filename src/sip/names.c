// SPDX-License-Identifier: MIT
/* The words of SIP: methods, header names with their compact forms, reason phrases. */
#include "sip/grammar.h"

static const struct str method_names[SIP_METHODS] = {
    [SIP_METHOD_OTHER] = STR_INIT(""),     [SIP_INVITE] = STR_INIT("INVITE"),
    [SIP_ACK] = STR_INIT("ACK"),           [SIP_BYE] = STR_INIT("BYE"),
    [SIP_CANCEL] = STR_INIT("CANCEL"),     [SIP_OPTIONS] = STR_INIT("OPTIONS"),
    [SIP_REGISTER] = STR_INIT("REGISTER"), [SIP_SUBSCRIBE] = STR_INIT("SUBSCRIBE"),
    [SIP_NOTIFY] = STR_INIT("NOTIFY"),     [SIP_PUBLISH] = STR_INIT("PUBLISH"),
    [SIP_MESSAGE] = STR_INIT("MESSAGE"),   [SIP_INFO] = STR_INIT("INFO"),
    [SIP_REFER] = STR_INIT("REFER"),       [SIP_UPDATE] = STR_INIT("UPDATE"),
    [SIP_PRACK] = STR_INIT("PRACK"),
};

static const struct str header_names[SIP_H_COUNT] = {
    [SIP_H_OTHER] = STR_INIT(""),
    [SIP_H_VIA] = STR_INIT("Via"),
    [SIP_H_FROM] = STR_INIT("From"),
    [SIP_H_TO] = STR_INIT("To"),
    [SIP_H_CALL_ID] = STR_INIT("Call-ID"),
    [SIP_H_CSEQ] = STR_INIT("CSeq"),
    [SIP_H_CONTACT] = STR_INIT("Contact"),
    [SIP_H_MAX_FORWARDS] = STR_INIT("Max-Forwards"),
    [SIP_H_ROUTE] = STR_INIT("Route"),
    [SIP_H_RECORD_ROUTE] = STR_INIT("Record-Route"),
    [SIP_H_EVENT] = STR_INIT("Event"),
    [SIP_H_EXPIRES] = STR_INIT("Expires"),
    [SIP_H_MIN_EXPIRES] = STR_INIT("Min-Expires"),
    [SIP_H_SUBSCRIPTION_STATE] = STR_INIT("Subscription-State"),
    [SIP_H_ACCEPT] = STR_INIT("Accept"),
    [SIP_H_ALLOW] = STR_INIT("Allow"),
    [SIP_H_ALLOW_EVENTS] = STR_INIT("Allow-Events"),
    [SIP_H_SIP_ETAG] = STR_INIT("SIP-ETag"),
    [SIP_H_SIP_IF_MATCH] = STR_INIT("SIP-If-Match"),
    [SIP_H_SUPPRESS_IF_MATCH] = STR_INIT("Suppress-If-Match"),
    [SIP_H_CONTENT_TYPE] = STR_INIT("Content-Type"),
    [SIP_H_CONTENT_LENGTH] = STR_INIT("Content-Length"),
    [SIP_H_CONTENT_ENCODING] = STR_INIT("Content-Encoding"),
    [SIP_H_CONTENT_DISPOSITION] = STR_INIT("Content-Disposition"),
    [SIP_H_REQUIRE] = STR_INIT("Require"),
    [SIP_H_PROXY_REQUIRE] = STR_INIT("Proxy-Require"),
    [SIP_H_SUPPORTED] = STR_INIT("Supported"),
    [SIP_H_UNSUPPORTED] = STR_INIT("Unsupported"),
    [SIP_H_USER_AGENT] = STR_INIT("User-Agent"),
    [SIP_H_SERVER] = STR_INIT("Server"),
    [SIP_H_RETRY_AFTER] = STR_INIT("Retry-After"),
    [SIP_H_WARNING] = STR_INIT("Warning"),
    [SIP_H_REASON] = STR_INIT("Reason"),
    [SIP_H_DATE] = STR_INIT("Date"),
    [SIP_H_PATH] = STR_INIT("Path"),
    [SIP_H_WWW_AUTHENTICATE] = STR_INIT("WWW-Authenticate"),
    [SIP_H_PROXY_AUTHENTICATE] = STR_INIT("Proxy-Authenticate"),
    [SIP_H_AUTHORIZATION] = STR_INIT("Authorization"),
    [SIP_H_PROXY_AUTHORIZATION] = STR_INIT("Proxy-Authorization"),
    [SIP_H_AUTHENTICATION_INFO] = STR_INIT("Authentication-Info"),
};

/* Where to look for a name: nearly perfect, in that no two of ours meet (the compiler would
 * complain of the second). message_test.c checks that none is missing. */
#define HEADER_SLOT(first, last, n) \
    (((unsigned)(first) + 19u * (unsigned)(last) + 37u * (unsigned)(n)) % 128u)
static const uint8_t headers_by_slot[128] = {
    [HEADER_SLOT('v', 'a', 3)] = SIP_H_VIA,
    [HEADER_SLOT('f', 'm', 4)] = SIP_H_FROM,
    [HEADER_SLOT('t', 'o', 2)] = SIP_H_TO,
    [HEADER_SLOT('c', 'd', 7)] = SIP_H_CALL_ID,
    [HEADER_SLOT('c', 'q', 4)] = SIP_H_CSEQ,
    [HEADER_SLOT('c', 't', 7)] = SIP_H_CONTACT,
    [HEADER_SLOT('m', 's', 12)] = SIP_H_MAX_FORWARDS,
    [HEADER_SLOT('r', 'e', 5)] = SIP_H_ROUTE,
    [HEADER_SLOT('r', 'e', 12)] = SIP_H_RECORD_ROUTE,
    [HEADER_SLOT('e', 't', 5)] = SIP_H_EVENT,
    [HEADER_SLOT('e', 's', 7)] = SIP_H_EXPIRES,
    [HEADER_SLOT('m', 's', 11)] = SIP_H_MIN_EXPIRES,
    [HEADER_SLOT('s', 'e', 18)] = SIP_H_SUBSCRIPTION_STATE,
    [HEADER_SLOT('a', 't', 6)] = SIP_H_ACCEPT,
    [HEADER_SLOT('a', 'w', 5)] = SIP_H_ALLOW,
    [HEADER_SLOT('a', 's', 12)] = SIP_H_ALLOW_EVENTS,
    [HEADER_SLOT('s', 'g', 8)] = SIP_H_SIP_ETAG,
    [HEADER_SLOT('s', 'h', 12)] = SIP_H_SIP_IF_MATCH,
    [HEADER_SLOT('s', 'h', 17)] = SIP_H_SUPPRESS_IF_MATCH,
    [HEADER_SLOT('c', 'e', 12)] = SIP_H_CONTENT_TYPE,
    [HEADER_SLOT('c', 'h', 14)] = SIP_H_CONTENT_LENGTH,
    [HEADER_SLOT('c', 'g', 16)] = SIP_H_CONTENT_ENCODING,
    [HEADER_SLOT('c', 'n', 19)] = SIP_H_CONTENT_DISPOSITION,
    [HEADER_SLOT('r', 'e', 7)] = SIP_H_REQUIRE,
    [HEADER_SLOT('p', 'e', 13)] = SIP_H_PROXY_REQUIRE,
    [HEADER_SLOT('s', 'd', 9)] = SIP_H_SUPPORTED,
    [HEADER_SLOT('u', 'd', 11)] = SIP_H_UNSUPPORTED,
    [HEADER_SLOT('u', 't', 10)] = SIP_H_USER_AGENT,
    [HEADER_SLOT('s', 'r', 6)] = SIP_H_SERVER,
    [HEADER_SLOT('r', 'r', 11)] = SIP_H_RETRY_AFTER,
    [HEADER_SLOT('w', 'g', 7)] = SIP_H_WARNING,
    [HEADER_SLOT('r', 'n', 6)] = SIP_H_REASON,
    [HEADER_SLOT('d', 'e', 4)] = SIP_H_DATE,
    [HEADER_SLOT('p', 'h', 4)] = SIP_H_PATH,
    [HEADER_SLOT('w', 'e', 16)] = SIP_H_WWW_AUTHENTICATE,
    [HEADER_SLOT('p', 'e', 18)] = SIP_H_PROXY_AUTHENTICATE,
    [HEADER_SLOT('a', 'n', 13)] = SIP_H_AUTHORIZATION,
    [HEADER_SLOT('p', 'n', 19)] = SIP_H_PROXY_AUTHORIZATION,
    [HEADER_SLOT('a', 'o', 19)] = SIP_H_AUTHENTICATION_INFO,
};

/* The registry at IANA. Those without an id here are other_compact_names below. */
static const uint8_t compact_ids[26] = {
    ['c' - 'a'] = SIP_H_CONTENT_TYPE, ['e' - 'a'] = SIP_H_CONTENT_ENCODING,
    ['f' - 'a'] = SIP_H_FROM,         ['i' - 'a'] = SIP_H_CALL_ID,
    ['k' - 'a'] = SIP_H_SUPPORTED,    ['l' - 'a'] = SIP_H_CONTENT_LENGTH,
    ['m' - 'a'] = SIP_H_CONTACT,      ['o' - 'a'] = SIP_H_EVENT,
    ['t' - 'a'] = SIP_H_TO,           ['u' - 'a'] = SIP_H_ALLOW_EVENTS,
    ['v' - 'a'] = SIP_H_VIA,
};

static const struct str other_compact_names[26] = {
    ['a' - 'a'] = STR_INIT("Accept-Contact"),
    ['b' - 'a'] = STR_INIT("Referred-By"),
    ['d' - 'a'] = STR_INIT("Request-Disposition"),
    ['j' - 'a'] = STR_INIT("Reject-Contact"),
    ['n' - 'a'] = STR_INIT("Identity-Info"),
    ['r' - 'a'] = STR_INIT("Refer-To"),
    ['s' - 'a'] = STR_INIT("Subject"),
    ['x' - 'a'] = STR_INIT("Session-Expires"),
    ['y' - 'a'] = STR_INIT("Identity"),
};

enum sip_method sip_method_parse(struct str text)
{
    for (unsigned i = SIP_METHOD_OTHER + 1; i < SIP_METHODS; i++)
        if (method_names[i].n == text.n && memcmp(method_names[i].p, text.p, text.n) == 0)
            return (enum sip_method)i;
    return SIP_METHOD_OTHER;
}

struct str sip_method_name(enum sip_method m)
{
    return method_names[m];
}

struct str sip_header_name(enum sip_header_id id)
{
    return header_names[id];
}

/* 0..25 for a name that is one letter, -1 otherwise. */
static int compact_index(struct str name)
{
    unsigned letter = name.n == 1 ? ((unsigned)(unsigned char)name.p[0] | 0x20) - 'a' : 26;

    return letter < 26 ? (int)letter : -1;
}

enum sip_header_id sip_header_id_parse(struct str name)
{
    int compact = compact_index(name);
    uint8_t id;

    if (compact >= 0)
        return (enum sip_header_id)compact_ids[compact];
    if (!name.n)
        return SIP_H_OTHER;
    id = headers_by_slot[HEADER_SLOT(name.p[0] | 0x20, name.p[name.n - 1] | 0x20, name.n)];
    return word_is(name, header_names[id]) ? (enum sip_header_id)id : SIP_H_OTHER;
}

/* Two names of headers without an id are the same kind. */
static bool same_other_name(struct str a, struct str b)
{
    int ia = compact_index(a), ib = compact_index(b);

    if (ia >= 0 && other_compact_names[ia].n)
        a = other_compact_names[ia];
    if (ib >= 0 && other_compact_names[ib].n)
        b = other_compact_names[ib];
    return str_equal_nocase(a, b);
}

const struct sip_header *sip_header_first(const struct sip_message *m, enum sip_header_id id)
{
    return m->first[id] ? &m->headers[m->first[id] - 1] : NULL;
}

const struct sip_header *sip_header_next(const struct sip_message *m,
                                         const struct sip_header *previous)
{
    if (!(m->repeated >> previous->id & 1))
        return NULL;
    for (const struct sip_header *h = previous + 1; h < m->headers + m->n_headers; h++)
        if (h->id == previous->id &&
            (h->id != SIP_H_OTHER || same_other_name(h->name, previous->name)))
            return h;
    return NULL;
}

const struct sip_header *sip_header_named(const struct sip_message *m, struct str name)
{
    enum sip_header_id id = sip_header_id_parse(name);

    if (id != SIP_H_OTHER)
        return sip_header_first(m, id);
    for (size_t i = 0; i < m->n_headers; i++)
        if (m->headers[i].id == SIP_H_OTHER && same_other_name(m->headers[i].name, name))
            return &m->headers[i];
    return NULL;
}

struct str sip_header_value(const struct sip_message *m, enum sip_header_id id)
{
    const struct sip_header *h = sip_header_first(m, id);

    return h ? h->value : STR_EMPTY;
}

struct str sip_reason_phrase(unsigned status)
{
    static const struct {
        unsigned status;
        struct str phrase;
    } phrases[] = {
        { 100, STR_INIT("Trying") },
        { 180, STR_INIT("Ringing") },
        { 181, STR_INIT("Call Is Being Forwarded") },
        { 182, STR_INIT("Queued") },
        { 183, STR_INIT("Session Progress") },
        { 200, STR_INIT("OK") },
        { 202, STR_INIT("Accepted") },
        { 204, STR_INIT("No Notification") },
        { 300, STR_INIT("Multiple Choices") },
        { 301, STR_INIT("Moved Permanently") },
        { 302, STR_INIT("Moved Temporarily") },
        { 305, STR_INIT("Use Proxy") },
        { 380, STR_INIT("Alternative Service") },
        { 400, STR_INIT("Bad Request") },
        { 401, STR_INIT("Unauthorized") },
        { 402, STR_INIT("Payment Required") },
        { 403, STR_INIT("Forbidden") },
        { 404, STR_INIT("Not Found") },
        { 405, STR_INIT("Method Not Allowed") },
        { 406, STR_INIT("Not Acceptable") },
        { 407, STR_INIT("Proxy Authentication Required") },
        { 408, STR_INIT("Request Timeout") },
        { 410, STR_INIT("Gone") },
        { 412, STR_INIT("Conditional Request Failed") },
        { 413, STR_INIT("Request Entity Too Large") },
        { 414, STR_INIT("Request-URI Too Long") },
        { 415, STR_INIT("Unsupported Media Type") },
        { 416, STR_INIT("Unsupported URI Scheme") },
        { 420, STR_INIT("Bad Extension") },
        { 421, STR_INIT("Extension Required") },
        { 422, STR_INIT("Session Interval Too Small") },
        { 423, STR_INIT("Interval Too Brief") },
        { 480, STR_INIT("Temporarily Unavailable") },
        { 481, STR_INIT("Call/Transaction Does Not Exist") },
        { 482, STR_INIT("Loop Detected") },
        { 483, STR_INIT("Too Many Hops") },
        { 484, STR_INIT("Address Incomplete") },
        { 485, STR_INIT("Ambiguous") },
        { 486, STR_INIT("Busy Here") },
        { 487, STR_INIT("Request Terminated") },
        { 488, STR_INIT("Not Acceptable Here") },
        { 489, STR_INIT("Bad Event") },
        { 491, STR_INIT("Request Pending") },
        { 493, STR_INIT("Undecipherable") },
        { 494, STR_INIT("Security Agreement Required") },
        { 500, STR_INIT("Server Internal Error") },
        { 501, STR_INIT("Not Implemented") },
        { 502, STR_INIT("Bad Gateway") },
        { 503, STR_INIT("Service Unavailable") },
        { 504, STR_INIT("Server Time-out") },
        { 505, STR_INIT("Version Not Supported") },
        { 513, STR_INIT("Message Too Large") },
        { 600, STR_INIT("Busy Everywhere") },
        { 603, STR_INIT("Decline") },
        { 604, STR_INIT("Does Not Exist Anywhere") },
        { 606, STR_INIT("Not Acceptable") },
    };
    static const struct str classes[] = {
        STR_INIT("Unknown"),        STR_INIT("Provisional"),  STR_INIT("Success"),
        STR_INIT("Redirection"),    STR_INIT("Client Error"), STR_INIT("Server Error"),
        STR_INIT("Global Failure"),
    };

    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return classes[status / 100 < ARRAY_LEN(classes) ? status / 100 : 0];
}

char sip_header_compact(enum sip_header_id id)
{
    for (size_t i = 0; i < ARRAY_LEN(compact_ids); i++)
        if (id != SIP_H_OTHER && compact_ids[i] == id)
            return (char)('a' + i);
    return 0;
}
