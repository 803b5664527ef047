// SPDX-License-Identifier: MIT
/* A whole datagram: parse it, every field parser on every header value, and what we answer must be
 * SIP again. */
#include "sip/digest.h"
#include "sip/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fields_parse(struct str value)
{
    struct sip_name_addr name_addr;
    struct sip_challenge challenge;
    struct sip_media_range range;
    struct sip_event event;
    struct sip_via via;
    struct sip_uri uri;
    uint32_t seconds;
    struct str rest = value, element;

    (void)!sip_event_parse(&event, value);
    (void)!sip_delta_seconds_parse(&seconds, value);
    while (sip_list_next(&rest, &element)) {
        if (sip_name_addr_parse(&name_addr, element) == 0)
            (void)!sip_uri_parse(&uri, name_addr.uri);
        (void)!sip_via_parse(&via, element);
        (void)!sip_media_range_parse(&range, element);
    }
    rest = value;
    while (sip_challenge_next(&rest, &challenge))
        ;
}

static void answer(const struct sip_message *m, bool force_rport)
{
    const struct sip_reply reply = {
        .status = 200, .to_tag = STR("t"), .server = STR("fuzz"), .body = STR("x")
    };
    struct sip_message again;
    struct addr source, target;
    struct buf b;

    BUG_UNLESS(addr_parse(&source, STR("192.0.2.1:5062"), 0) == 0);
    BUG_UNLESS(sip_response_target(&target, m, &source, force_rport) == 0);
    buf_init(&b, SIP_MESSAGE_MAX);
    sip_print_response(&b, m, &source, force_rport, &reply);
    if (b.error == 0) {
        BUG_UNLESS(sip_message_parse(&again, buf_str(&b), NULL) == 0);
        BUG_UNLESS(again.cseq == m->cseq && again.status == 200 && again.to_tag.n > 0);
        BUG_UNLESS(str_equal(again.method_text, m->method_text));
    }
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct digest_credential credential = { .username = STR_INIT("u"),
                                                         .password = STR_INIT("p"),
                                                         .algorithms =
                                                             BIT(DIGEST_MD5) | BIT(DIGEST_SHA256) };
    const struct digest_credential *credentials[] = { &credential };
    struct digest_session session = { .count = 0 };
    struct sip_message m;
    struct str datagram = { (const char *)data, size };
    int r = sip_message_parse(&m, datagram, NULL);
    struct sip_glance g;

    if (sip_success_glance(&g, datagram) && r == 0) {
        struct sip_message rest;

        BUG_UNLESS(!m.request && g.status == m.status && g.method == m.method);
        BUG_UNLESS(str_equal(g.branch, m.branch));
        BUG_UNLESS(sip_response_parse_rest(&rest, datagram) == 0);
        BUG_UNLESS(rest.n_headers == m.n_headers && str_equal(rest.body, m.body));
    }
    if (r == SIP_NOT_SIP || r == SIP_UNANSWERABLE)
        return 0;
    for (size_t i = 0; i < m.n_headers; i++)
        fields_parse(m.headers[i].value);
    if (r == 0 && m.request) {
        answer(&m, false);
        answer(&m, true);
    }
    if (!m.request && digest_session_choose(&session, &m, credentials, 1, NULL) == 0)
        digest_session_fini(&session);
    return 0;
}
