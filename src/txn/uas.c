// SPDX-License-Identifier: MIT
#include "txn/uas.h"

#include <stdlib.h>

#include "txn/identify.h"

#define MAX_FORWARDS_MAX 255 /* RFC 3261 section 20.22 */

struct uas_method {
    uas_handler_fn handler;
    void *ctx;
    struct str extensions;
};

struct uas {
    struct uas_config cfg;
    const struct settings *settings; /* a reference */
    struct identify_index *index;    /* NULL: for want of memory, slower */
    struct uas_method methods[SIP_METHODS];
    struct buf headers; /* of the response being made */
};

int uas_create(struct uas **out, const struct uas_config *cfg)
{
    struct uas *u = calloc(1, sizeof(*u));

    if (!u)
        return -ENOMEM;
    u->cfg = *cfg;
    buf_init(&u->headers, SIP_MESSAGE_MAX);
    uas_settings_set(u, cfg->settings);
    *out = u;
    return 0;
}

void uas_destroy(struct uas *u)
{
    if (!u)
        return;
    identify_index_destroy(u->index);
    settings_unref(u->settings);
    buf_fini(&u->headers);
    free(u);
}

void uas_settings_set(struct uas *u, const struct settings *settings)
{
    const struct settings *old = u->settings;

    identify_index_destroy(u->index);
    u->index = NULL;
    u->settings = settings_ref(settings);
    if (identify_index_create(&u->index, u->settings))
        log_warn(u->cfg.log, "uas.index_missing", KV_U("identifies", settings->n_identifies));
    if (old)
        settings_unref(old);
}

void uas_method_set(struct uas *u, enum sip_method method, struct str extensions,
                    uas_handler_fn handler, void *ctx)
{
    BUG_UNLESS(method > SIP_METHOD_OTHER && method < SIP_METHODS);
    u->methods[method] = (struct uas_method){ handler, ctx, extensions };
}

/* ---- header lines ---- */

/* RFC 3261 section 25.1 token, which a pseudonym must be: "extstate/0.1" shows as "extstate". */
static struct str pseudonym(struct str agent)
{
    struct cursor c = cursor_on(agent);
    struct str token = cursor_token(&c);

    return token.n ? token : STR("extstate");
}

void uas_print_warning(struct buf *out, struct str agent, const char *text)
{
    buf_add(out, STR("Warning: 399 "));
    buf_add(out, pseudonym(agent));
    buf_add(out, STR(" \""));
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, c < ' ' || c >= 0x7f ? '?' : (char)c);
    }
    buf_add(out, STR("\"\r\n"));
}

static void print_allow(struct uas *u)
{
    buf_add(&u->headers, STR("Allow: OPTIONS"));
    for (unsigned m = 0; m < SIP_METHODS; m++) {
        if (!u->methods[m].handler || m == SIP_OPTIONS)
            continue;
        buf_add(&u->headers, STR(", "));
        buf_add(&u->headers, sip_method_name((enum sip_method)m));
    }
    buf_add(&u->headers, STR("\r\n"));
}

static bool list_has(struct str list, struct str tag)
{
    while (list.p) {
        if (str_equal_nocase(str_next(&list, ','), tag))
            return true;
    }
    return false;
}

/* What any method understands, each tag once. */
static void print_supported(struct uas *u)
{
    struct str separator = STR("Supported: ");

    for (unsigned m = 0; m < SIP_METHODS; m++) {
        struct str rest = u->methods[m].extensions;

        while (rest.p) {
            struct str tag = str_next(&rest, ',');
            bool known = tag.n == 0;

            for (unsigned k = 0; k < m && !known; k++)
                known = list_has(u->methods[k].extensions, tag);
            if (known)
                continue;
            buf_add(&u->headers, separator);
            buf_add(&u->headers, tag);
            separator = STR(", ");
        }
    }
    if (separator.n == 2)
        buf_add(&u->headers, STR("\r\n"));
}

static void add_header(struct uas *u, struct str name, struct str value)
{
    if (value.n)
        sip_print_header(&u->headers, name, value);
}

/* Ends the request with what is in u->headers; always true, for the checks to return. */
static bool refuse(struct uas *u, const struct uas_request *rq, unsigned status, const char *why)
{
    log_debug(u->cfg.log, "uas.refused", KV_U("status", status), KV("method", rq->msg->method_text),
              KV("call_id", rq->msg->call_id));
    uas_print_warning(&u->headers, u->settings->global.user_agent, why);
    server_txn_reject(rq->txn, status, buf_str(&u->headers));
    return true;
}

/* ---- the checks, in order: each is true when it has answered ---- */

static bool check_uri(struct uas *u, struct uas_request *rq)
{
    if (sip_uri_parse(&rq->uri, rq->msg->uri))
        return refuse(u, rq, 400, "the Request-URI is not a URI");
    if (!rq->uri.sip)
        return refuse(u, rq, 416, "the Request-URI is not a SIP URI");
    if (u->settings->global.ignore_uri_user_options)
        rq->uri.user.n = str_find_char(rq->uri.user, ';');
    return false;
}

static bool check_max_forwards(struct uas *u, struct uas_request *rq)
{
    const struct sip_header *h = sip_header_first(rq->msg, SIP_H_MAX_FORWARDS);
    uint32_t hops;

    if (h && (str_to_u32(&hops, h->value) || hops > MAX_FORWARDS_MAX))
        return refuse(u, rq, 400, "Max-Forwards is not a number up to 255");
    return false;
}

static bool check_method(struct uas *u, struct uas_request *rq)
{
    enum sip_method m = rq->msg->method;

    if (m == SIP_METHOD_OTHER) { /* RFC 3261 section 21.5.2 */
        print_allow(u);
        return refuse(u, rq, 501, "this method is not known here");
    }
    if (m != SIP_OPTIONS && !u->methods[m].handler) {
        print_allow(u);
        return refuse(u, rq, 405, "this method is not served here");
    }
    return false;
}

static bool check_require(struct uas *u, struct uas_request *rq)
{
    struct str separator = STR("Unsupported: ");

    for (const struct sip_header *h = sip_header_first(rq->msg, SIP_H_REQUIRE); h;
         h = sip_header_next(rq->msg, h)) {
        struct str rest = h->value, tag;

        while (sip_list_next(&rest, &tag)) {
            if (!tag.n || list_has(u->methods[rq->msg->method].extensions, tag))
                continue;
            buf_add(&u->headers, separator);
            sip_print_unfolded(&u->headers, tag);
            separator = STR(", ");
        }
    }
    if (separator.n != 2)
        return false;
    buf_add(&u->headers, STR("\r\n"));
    return refuse(u, rq, 420, "an extension in Require is not supported");
}

/* We understand bodies as they are, and nobody minds the coding of an empty one. */
static bool check_encoding(struct uas *u, struct uas_request *rq)
{
    struct str coding = sip_header_value(rq->msg, SIP_H_CONTENT_ENCODING);

    if (!coding.n || !rq->msg->body.n || str_equal_nocase(coding, STR("identity")))
        return false;
    add_header(u, STR("Accept-Encoding"), STR("identity"));
    return refuse(u, rq, 415, "a body with a content coding cannot be read");
}

/* RFC 3261 section 11.2. Anybody may ask. */
static bool answer_options(struct uas *u, struct uas_request *rq)
{
    if (rq->msg->method != SIP_OPTIONS)
        return false;
    print_allow(u);
    print_supported(u);
    add_header(u, STR("Accept"), u->cfg.accept);
    add_header(u, STR("Allow-Events"), u->cfg.allow_events);
    add_header(u, STR("Accept-Encoding"), STR("identity"));
    server_txn_reject(rq->txn, 200, buf_str(&u->headers));
    return true;
}

static bool refuse_stranger(struct uas *u, const struct uas_request *rq)
{
    struct str user = STR_EMPTY, host;
    char why_storage[160], peer_storage[64];
    struct buf why, peer;

    if (!identify_from(rq->msg, &user, &host))
        user = STR_EMPTY;
    buf_init_on(&why, why_storage, sizeof(why_storage) - 1);
    buf_add(&why, STR("no endpoint matches From "));
    user = str_sub(user, 0, 64);
    buf_add(&why, user.n ? user : STR("(no user)"));
    buf_add(&why, STR(" or the source address"));
    why_storage[why.n] = '\0';
    buf_init_on(&peer, peer_storage, sizeof(peer_storage));
    addr_print(&peer, &rq->flow->remote);
    log_info(u->cfg.log, "uas.unidentified", KV("method", rq->msg->method_text),
             KV("from_user", user), KV("source", buf_str(&peer)));
    return refuse(u, rq, 403, why_storage);
}

static bool check_identity(struct uas *u, struct uas_request *rq)
{
    rq->endpoint = identify_with(u->settings, u->index, rq->msg, &rq->flow->remote);
    if (!rq->endpoint)
        return refuse_stranger(u, rq);
    server_txn_force_rport_set(rq->txn, rq->endpoint->force_rport);
    return false;
}

void uas_request(void *uas, struct server_txn *st, const struct sip_message *msg,
                 const struct flow *from)
{
    /* A Route is not looked at: the message has arrived, and phones that name us there mean us. */
    static bool (*const checks[])(struct uas *, struct uas_request *) = {
        check_uri,      check_max_forwards, check_method,   check_require,
        check_encoding, answer_options,     check_identity,
    };
    struct uas *u = uas;
    struct uas_request rq = { .msg = msg, .flow = from, .txn = st, .settings = u->settings };

    buf_reset(&u->headers);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (checks[i](u, &rq))
            return;
    }
    u->methods[msg->method].handler(u->methods[msg->method].ctx, &rq);
}
