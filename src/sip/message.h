// SPDX-License-Identifier: MIT
/* message.h - SIP messages as structs of slices: one pass, no copies, no allocation.
 *
 * Everything in a struct sip_message borrows the datagram it was parsed from. Header values stay
 * raw (a folded value still holds its line ends); field.h takes them apart when asked. Limits:
 * SIP_MESSAGE_MAX bytes, SIP_HEADERS_MAX header lines. Source: RFC 3261 sections 7, 20, 25; compact
 * forms included. Threads: pure functions. */
#pragma once
#include "base/addr.h"
#include "base/buf.h"

#define SIP_MESSAGE_MAX 65535
#define SIP_HEADERS_MAX 128

enum sip_method { /* names.c has their names */
                  SIP_METHOD_OTHER,
                  SIP_INVITE,
                  SIP_ACK,
                  SIP_BYE,
                  SIP_CANCEL,
                  SIP_OPTIONS,
                  SIP_REGISTER,
                  SIP_SUBSCRIBE,
                  SIP_NOTIFY,
                  SIP_PUBLISH,
                  SIP_MESSAGE,
                  SIP_INFO,
                  SIP_REFER,
                  SIP_UPDATE,
                  SIP_PRACK,
                  SIP_METHODS
};

enum sip_header_id { /* headers somebody asks for by name; any other is SIP_H_OTHER and found by
                        sip_header_named */
                     SIP_H_OTHER,
                     SIP_H_VIA,
                     SIP_H_FROM,
                     SIP_H_TO,
                     SIP_H_CALL_ID,
                     SIP_H_CSEQ,
                     SIP_H_CONTACT,
                     SIP_H_MAX_FORWARDS,
                     SIP_H_ROUTE,
                     SIP_H_RECORD_ROUTE,
                     SIP_H_EVENT,
                     SIP_H_EXPIRES,
                     SIP_H_MIN_EXPIRES,
                     SIP_H_SUBSCRIPTION_STATE,
                     SIP_H_ACCEPT,
                     SIP_H_ALLOW,
                     SIP_H_ALLOW_EVENTS,
                     SIP_H_SIP_ETAG,
                     SIP_H_SIP_IF_MATCH,
                     SIP_H_SUPPRESS_IF_MATCH,
                     SIP_H_CONTENT_TYPE,
                     SIP_H_CONTENT_LENGTH,
                     SIP_H_CONTENT_ENCODING,
                     SIP_H_CONTENT_DISPOSITION,
                     SIP_H_REQUIRE,
                     SIP_H_PROXY_REQUIRE,
                     SIP_H_SUPPORTED,
                     SIP_H_UNSUPPORTED,
                     SIP_H_USER_AGENT,
                     SIP_H_SERVER,
                     SIP_H_RETRY_AFTER,
                     SIP_H_WARNING,
                     SIP_H_REASON,
                     SIP_H_DATE,
                     SIP_H_PATH,
                     SIP_H_WWW_AUTHENTICATE,
                     SIP_H_PROXY_AUTHENTICATE,
                     SIP_H_AUTHORIZATION,
                     SIP_H_PROXY_AUTHORIZATION,
                     SIP_H_AUTHENTICATION_INFO,
                     SIP_H_COUNT
};

struct sip_header {
    enum sip_header_id id;
    struct str name;  /* as written */
    struct str value; /* trimmed; may be empty; may contain folds */
};

/* Of other schemes than sip and sips, user is what stands before the first ';' or '?', and host is
 * empty. */
struct sip_uri {
    struct str scheme; /* "sip", "sips", or another as written */
    bool sip, secure;  /* sip: sip or sips; secure: sips */
    struct str user;   /* still percent-encoded; may be empty */
    struct str password;
    struct str host; /* without brackets for IPv6 */
    bool host_ipv6;
    uint16_t port;      /* 0: not given */
    struct str params;  /* ";transport=tcp;lr" with the first ';', or empty */
    struct str headers; /* "?Subject=x" with the '?', or empty */
};

struct sip_name_addr {  /* From, To, Contact, Route, Record-Route */
    struct str display; /* without quotes, escapes still in it */
    struct str uri;     /* without <> */
    struct str params;  /* header parameters: ";tag=x" or empty */
    bool has_tag;       /* one of them is the tag */
    struct str tag;
};

struct sip_via {
    struct str transport; /* "UDP" */
    struct str host;      /* without brackets */
    bool host_ipv6;
    uint16_t port; /* 0: not given */
    struct str params, branch;
    struct str received; /* without brackets */
    bool has_rport;      /* with or without a value */
    uint16_t rport;      /* 0: no value */
};

struct sip_message {
    bool request;
    enum sip_method method; /* of the request line, or of CSeq in a response */
    struct str method_text;
    struct str uri;             /* Request-URI, unparsed */
    struct sip_uri request_uri; /* the same, if it is one */
    unsigned status;            /* responses: 100..699 */
    struct str reason;
    struct sip_header headers[SIP_HEADERS_MAX];
    size_t n_headers;
    uint8_t first[SIP_H_COUNT]; /* index + 1 of the first header of each kind, 0: none */
    uint64_t repeated;          /* a bit for each kind that there are several of */
    bool has_control;           /* some value has a fold or a tab */
    struct str call_id, from_tag, to_tag, branch; /* parsed always; branch is the topmost Via's */
    struct str from, to;                          /* whole header values */
    struct sip_name_addr from_parts, to_parts;    /* of them */
    struct sip_uri from_uri;
    struct sip_via via; /* the topmost, or without a host when that cannot be read */
    uint32_t cseq;
    struct str body; /* cut to Content-Length when that is present */
    struct str raw;  /* the whole datagram */
};

enum sip_message_outcome {
    /* No SIP message at all, or a keep-alive: drop it silently. */
    SIP_NOT_SIP = 1,
    /* No response can be made (no usable Via, From, To, Call-ID or CSeq): drop it, count it. */
    SIP_UNANSWERABLE,
    /* Broken, but those five are there: answer 400 with `fault`. */
    SIP_MALFORMED,
    /* SIP/3.0 and friends, otherwise answerable: 505. */
    SIP_BAD_VERSION,
};

/* Parse one datagram: start line, header fields, and of the values those named in the struct. A
 * Request-URI, From and To hold URIs that sip_uri_parse takes, and the topmost Via is one that
 * sip_via_parse takes. Single-valued fields may be repeated only with the same value. A response
 * that is not 0 is dropped, whatever the outcome. 0 or a sip_message_outcome; `*fault` (may be
 * NULL) is then a constant text that says what is wrong. The struct is filled as far as it went for
 * SIP_MALFORMED and SIP_BAD_VERSION. Content-Length larger than what is there is SIP_MALFORMED;
 * smaller cuts the body (RFC 3261 section 18.3). */
NODISCARD int sip_message_parse(struct sip_message *out, struct str datagram, const char **fault);

struct sip_glance { /* what RFC 3261 section 17.1.3 matches, and a status */
    unsigned status;
    enum sip_method method;
    struct str branch; /* of the topmost Via; borrows the datagram */
};
/* A 2xx, as far as it takes to match it: an eighth of the work of sip_message_parse, and no opinion
 * on the rest. False: it is something else, or not written in the usual way; parse it. */
bool sip_success_glance(struct sip_glance *out, struct str datagram);
/* What a glance at a response leaves out, as far as whoever waits for it asks: the struct as
 * sip_message_parse fills it, but nothing is looked at in Via, From, To and CSeq, and what those
 * say is empty. 0, or SIP_MALFORMED: parse it. */
NODISCARD int sip_response_parse_rest(struct sip_message *out, struct str datagram);

/* First header of that kind; NULL when absent. */
const struct sip_header *sip_header_first(const struct sip_message *m, enum sip_header_id id);
/* The next of the same kind behind `previous`. */
const struct sip_header *sip_header_next(const struct sip_message *m,
                                         const struct sip_header *previous);
/* By name (any case), for kinds not in the enum. */
const struct sip_header *sip_header_named(const struct sip_message *m, struct str name);
/* Value of the first header of that kind; empty when absent. */
struct str sip_header_value(const struct sip_message *m, enum sip_header_id id);

/* Case-sensitive, as RFC 3261 section 7.1 wants. */
enum sip_method sip_method_parse(struct str text);
struct str sip_method_name(enum sip_method m);
/* Canonical long name: "Call-ID". */
struct str sip_header_name(enum sip_header_id id);
enum sip_header_id sip_header_id_parse(struct str name); /* long or compact, any case */
/* Its letter: 'i' for Call-ID; 0 when there is no compact form. */
char sip_header_compact(enum sip_header_id id);
/* Default reason phrase of a status code; never empty. */
struct str sip_reason_phrase(unsigned status);
