// SPDX-License-Identifier: MIT
#include "registrar/bindings.h"

#include <stdlib.h>

enum {
    MALFORMED_EXPIRES_S = 3600, /* RFC 3261 sections 20.10 and 20.19 */
    BRIEF_S = 3600,             /* as much is never too brief: section 10.3, step 7 */
};

static int fault_set(struct bindings_fault *fault, unsigned status, const char *why)
{
    *fault = (struct bindings_fault){ status, why };
    return 1;
}

/* ---- Path ---- */

static bool names_extension(const struct sip_message *msg, enum sip_header_id id, struct str tag)
{
    for (const struct sip_header *h = sip_header_first(msg, id); h; h = sip_header_next(msg, h))
        if (str_is_listed(tag, h->value))
            return true;
    return false;
}

static bool is_route(struct str value)
{
    struct sip_name_addr na;
    struct sip_uri uri;

    return sip_name_addr_parse(&na, value) == 0 && sip_uri_parse(&uri, na.uri) == 0 && uri.sip;
}

int bindings_read_path(struct buf *out, const struct sip_message *msg,
                       const struct aor_settings *aor, struct bindings_fault *fault)
{
    const struct sip_header *h = sip_header_first(msg, SIP_H_PATH);

    if (names_extension(msg, SIP_H_REQUIRE, STR("path")) && !aor->support_path)
        return fault_set(fault, 420, "this AOR does not support Path");
    if (!h)
        return 0;
    if (!aor->support_path)
        return fault_set(fault, 420, "this AOR does not support Path");
    if (!names_extension(msg, SIP_H_SUPPORTED, STR("path")) &&
        !names_extension(msg, SIP_H_REQUIRE, STR("path")))
        return fault_set(fault, 420, "a proxy has added a Path, which the client does not support");
    for (; h; h = sip_header_next(msg, h)) {
        struct str rest = h->value, value;

        while (sip_list_next(&rest, &value)) {
            if (!is_route(value))
                return fault_set(fault, 400, "the Path cannot be read");
            if (out->n)
                buf_add(out, STR(", "));
            sip_print_unfolded(out, value);
        }
    }
    if (!contact_text_is_line(buf_str(out)))
        return fault_set(fault, 400, "the Path cannot be read");
    return out->error;
}

/* ---- Contact ---- */

/* "0.5" in thousandths. */
static bool read_q(uint16_t *out, struct str params)
{
    unsigned q = 0, unit = 1000;
    struct str text;

    *out = CONTACT_NO_Q;
    if (!sip_param_find(params, STR("q"), &text))
        return true;
    if (!text.n || text.n > 5 || (text.p[0] != '0' && text.p[0] != '1') ||
        (text.n > 1 && text.p[1] != '.'))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (i == 1)
            continue;
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        q += unit * (unsigned)(text.p[i] - '0');
        unit /= 10;
    }
    *out = (uint16_t)q;
    return q <= 1000;
}

/* What is asked for: by the Contact, else by Expires, else what is usual. */
static uint32_t asked_s(const struct sip_message *msg, struct str params,
                        const struct aor_settings *aor)
{
    const struct sip_header *h = sip_header_first(msg, SIP_H_EXPIRES);
    uint32_t seconds = aor->default_expiration_s;
    struct str text = h ? h->value : STR_EMPTY;

    if ((sip_param_find(params, STR("expires"), &text) || h) &&
        sip_delta_seconds_parse(&seconds, text))
        seconds = MALFORMED_EXPIRES_S;
    return seconds;
}

/* What is granted, or 0 for a removal. */
static int grant(uint32_t *seconds, const struct aor_settings *aor, struct bindings_fault *fault)
{
    if (!*seconds)
        return 0;
    if (*seconds < aor->minimum_expiration_s) {
        if (*seconds < BRIEF_S)
            return fault_set(fault, 423, "the expiry is below the minimum");
        *seconds = aor->minimum_expiration_s;
    }
    if (*seconds > aor->maximum_expiration_s)
        *seconds = aor->maximum_expiration_s;
    return 0;
}

/* Of one that is named twice the last counts. 0 or -ENOMEM. */
static int add(struct registration *r, const struct contact *what, const struct sip_uri *uri)
{
    struct sip_uri_key key;
    struct contact *c;
    size_t at = 0;
    int r_create = contact_create(&c, what);

    if (r_create)
        return r_create;
    sip_uri_key_init(&key, uri);
    while (at < r->n && !sip_uri_keys_equal(&r->keys[at], &key))
        at++;
    if (at < r->n)
        contact_unref(r->contacts[at]);
    else
        r->n++;
    r->contacts[at] = c;
    r->keys[at] = key;
    return 0;
}

static void print_target(struct buf *out, const struct sip_uri *uri, bool rewritten,
                         const struct flow *flow)
{
    struct sip_uri plain = *uri;

    plain.headers = STR_EMPTY;
    if (rewritten)
        txn_print_uri_at(out, &plain, flow);
    else
        sip_uri_print(out, &plain);
}

/* Nothing, unless both are there and can be kept. */
static void print_outbound(struct buf *out, struct str params)
{
    struct str instance, number;
    uint32_t id;

    if (!sip_param_find(params, STR("+sip.instance"), &instance) || instance.n < 3 ||
        !sip_param_find(params, STR("reg-id"), &number) || str_to_u32(&id, number) || !id)
        return;
    buf_add(out, STR(";+sip.instance="));
    sip_print_unfolded(out, instance);
    buf_printf(out, ";reg-id=%u", id);
    if (out->error || !contact_text_is_line(buf_str(out)))
        buf_reset(out);
}

/* For people only: what is no text in it may go. */
static void print_agent(struct buf *out, const struct sip_message *msg)
{
    struct str agent = sip_header_value(msg, SIP_H_USER_AGENT);

    sip_print_unfolded(out, str_sub(agent, 0, CONTACT_AGENT_MAX));
    for (size_t i = 0; i < out->n; i++)
        if ((unsigned char)out->p[i] < ' ')
            out->p[i] = '?';
}

static int read_one(struct registration *r, const struct sip_message *msg, struct str value,
                    struct str route, const struct bindings_terms *t, struct bindings_fault *fault)
{
    struct contact what = { .aor = r->aor,
                            .endpoint = r->endpoint,
                            .call_id = r->call_id,
                            .cseq = r->cseq,
                            .route = route,
                            .flow = *t->flow,
                            .transport = t->transport,
                            .rewritten = t->endpoint->rewrite_contact && !route.n };
    char target_room[CONTACT_URI_MAX], agent_room[CONTACT_AGENT_MAX];
    char outbound_room[CONTACT_OUTBOUND_MAX];
    struct buf target, agent, outbound;
    struct sip_name_addr na;
    struct sip_uri uri;

    if (sip_name_addr_parse(&na, value) || sip_uri_parse(&uri, na.uri))
        return fault_set(fault, 400, "a Contact cannot be read");
    if (!uri.sip)
        return fault_set(fault, 400, "a Contact is not a SIP URI");
    if (!read_q(&what.q, na.params))
        return fault_set(fault, 400, "q of a Contact is not a number from 0 to 1");
    what.uri = na.uri;
    what.expires_s = asked_s(msg, na.params, t->aor);
    if (grant(&what.expires_s, t->aor, fault))
        return 1;
    if (what.expires_s && !uas_contact_permitted(t->settings, t->endpoint, &uri))
        return fault_set(fault, 403, "this contact is denied");
    buf_init_on(&target, target_room, sizeof(target_room));
    print_target(&target, &uri, what.rewritten, t->flow);
    if (target.error || na.uri.n > CONTACT_URI_MAX)
        return fault_set(fault, 400, "a Contact is longer than 1024 bytes");
    what.target = buf_str(&target);
    buf_init_on(&agent, agent_room, sizeof(agent_room));
    print_agent(&agent, msg);
    what.user_agent = buf_str(&agent);
    buf_init_on(&outbound, outbound_room, sizeof(outbound_room));
    print_outbound(&outbound, na.params);
    what.outbound = buf_str(&outbound);
    return add(r, &what, &uri);
}

/* Step 6: "*" stands alone, with Expires: 0. */
static int read_all(struct registration *r, const struct sip_message *msg, bool alone,
                    struct bindings_fault *fault)
{
    uint32_t seconds = 1;

    if (!alone || sip_delta_seconds_parse(&seconds, sip_header_value(msg, SIP_H_EXPIRES)) ||
        seconds)
        return fault_set(fault, 400, "Contact: * goes with nothing but Expires: 0");
    r->all = true;
    return 0;
}

/* How many values, as far as it matters, and is one of them "*"? */
static size_t count(const struct sip_message *msg, bool *star)
{
    size_t n = 0;

    *star = false;
    for (const struct sip_header *h = sip_header_first(msg, SIP_H_CONTACT); h;
         h = sip_header_next(msg, h)) {
        struct str rest = h->value, value;

        while (n <= REGISTRAR_CONTACTS_MAX && sip_list_next(&rest, &value)) {
            *star |= str_equal(value, STR("*"));
            n++;
        }
    }
    return n;
}

int bindings_read(struct registration *r, const struct sip_message *msg, struct str route,
                  const struct bindings_terms *terms, struct bindings_fault *fault)
{
    bool star;
    size_t n = count(msg, &star);
    int result = 0;

    if (n > REGISTRAR_CONTACTS_MAX)
        return fault_set(fault, 400, "there are more than 64 Contacts");
    if (star)
        return read_all(r, msg, n == 1, fault);
    r->contacts = calloc(n + 1, sizeof(struct contact *));
    r->keys = calloc(n + 1, sizeof(*r->keys));
    if (!r->contacts || !r->keys)
        return -ENOMEM;
    for (const struct sip_header *h = sip_header_first(msg, SIP_H_CONTACT); h && !result;
         h = sip_header_next(msg, h)) {
        struct str rest = h->value, value;

        while (!result && sip_list_next(&rest, &value))
            result = read_one(r, msg, value, route, terms, fault);
    }
    return result;
}

void bindings_print(struct buf *out, const struct bound *b)
{
    uint16_t q = b->contact->q;

    buf_add(out, STR("Contact: <"));
    buf_add(out, b->contact->uri);
    buf_add_char(out, '>');
    if (q != CONTACT_NO_Q)
        buf_printf(out, ";q=%u.%03u", q / 1000u, q % 1000u);
    buf_add(out, b->contact->outbound);
    buf_add(out, STR(";expires="));
    buf_add_u64(out, b->left_s);
    buf_add(out, STR("\r\n"));
}
