// SPDX-License-Identifier: MIT
/* field.h - the values of header fields, taken apart on demand, and URIs. Slices borrow the input.
 * All parsers accept folded values. They return 0 or -EBADMSG unless said otherwise, and touch
 * `*out` only on 0. Threads: pure functions. */
#pragma once
#include "sip/message.h"

NODISCARD int sip_uri_parse(struct sip_uri *out, struct str text);
/* Value of a parameter in ";a=1;b" (any case of the name, the first of several). False when absent;
 * a flag has an empty value. A quoted value keeps its quotes. `value` may be NULL. */
bool sip_param_find(struct str params, struct str name, struct str *value);
/* Percent-decoded user part, at most `out`'s room. */
void sip_uri_user_decode(struct buf *out, struct str user);
/* A text as the user part of a URI: what cannot stand there is escaped, an escape that there is
 * stays. */
void sip_user_print(struct buf *out, struct str user);
/* Do these user parts of URIs mean the same? */
bool sip_user_equal(struct str a, struct str b);
/* A host as sip_uri.host has it: IPv6 gets its brackets. */
void sip_host_print(struct buf *out, struct str host);
/* The URI with `user` in place of its own (percent-escaped as needed), everything else as it was.
 * RFC 3261 section 19.1. */
void sip_uri_print_with_user(struct buf *out, const struct sip_uri *uri, struct str user);
void sip_uri_print(struct buf *out, const struct sip_uri *uri);
/* Parameters as sip_uri.params has them, but for that one. */
void sip_params_print_without(struct buf *out, struct str params, struct str name);
/* What two URIs are compared by, made once of each, so that many can be compared with many: hashes
 * of what has to be equal, and of the parameters in the order of their names'. */
struct sip_uri_key {
    uint64_t address; /* all but the parameters; with them, when they are not in `params` */
    size_t n;
    struct sip_uri_key_param {
        uint64_t name, value;
        bool told_apart; /* a URI without it is another one */
    } params[16];
};
void sip_uri_key_init(struct sip_uri_key *k, const struct sip_uri *uri);
/* Are they the same contact? RFC 3261 section 19.1.4; where there are more than 16 parameters, one
 * of them twice, or in another scheme, when these are written alike. */
bool sip_uri_keys_equal(const struct sip_uri_key *a, const struct sip_uri_key *b);

/* One value. Contact's "*" gives uri "*". The URI is found, not checked: see sip_uri_parse. */
NODISCARD int sip_name_addr_parse(struct sip_name_addr *out, struct str value);

/* Values of a comma-separated field one by one, commas inside quotes and <> respected, empty ones
 * skipped: call until false. */
bool sip_list_next(struct str *rest, struct str *value);

NODISCARD int sip_via_parse(struct sip_via *out, struct str value); /* the first of a list */

struct sip_event {
    struct str package; /* "dialog" */
    struct str id;      /* empty when absent */
    bool has_id;
    struct str params; /* all of them, as written */
};
NODISCARD int sip_event_parse(struct sip_event *out, struct str value);

/* delta-seconds, RFC 3261 section 25: larger than 2^32-1 counts as 2^32-1. -EBADMSG otherwise.
 * Retry-After's comment and parameters are skipped. */
NODISCARD int sip_delta_seconds_parse(uint32_t *out, struct str value);

struct sip_media_range {      /* one value of Accept, or a Content-Type */
    struct str type, subtype; /* "*" possible in Accept */
    unsigned q;               /* thousandths, 1000 when absent */
    struct str params;
};
NODISCARD int sip_media_range_parse(struct sip_media_range *out, struct str value);

/* WWW-Authenticate, Proxy-Authenticate: RFC 7616. Values come without quotes, escapes still in
 * them; what is absent is empty with a NULL pointer. */
struct sip_challenge {
    struct str scheme, realm, nonce, opaque, algorithm, qop;
    bool stale;
};
NODISCARD int sip_challenge_parse(struct sip_challenge *out, struct str value);
/* Challenges of one value one by one, call until false: sip_list_next would cut at the commas
 * inside them. */
bool sip_challenge_next(struct str *rest, struct sip_challenge *out);

/* Authentication-Info: RFC 7615. Its nextnonce, without quotes, escapes
 * still in it; empty: it has none, or cannot be read. */
struct str sip_next_nonce(struct str value);

/* Authorization, Proxy-Authorization: RFC 7616 section 3.4, one of them a value. As in a challenge,
 * tokens may be quoted and quoted strings be tokens. Of another scheme than Digest nothing but that
 * is read. A parameter that comes twice is -EBADMSG. */
struct sip_credentials {
    struct str scheme, username, realm, nonce, uri, response, algorithm, opaque, qop, nc, cnonce;
};
NODISCARD int sip_credentials_parse(struct sip_credentials *out, struct str value);
/* Is a quoted-string, its quotes dropped and its escapes still in it, this text? */
bool sip_quoted_equals(struct str quoted, struct str plain);
/* That text itself. */
void sip_quoted_decode(struct buf *out, struct str quoted);
