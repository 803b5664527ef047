// SPDX-License-Identifier: MIT
/* The value of one header field, whichever it is; a URI that we take must survive being printed. */
#include "sip/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    struct sip_uri_key x, y;

    sip_uri_key_init(&x, a);
    sip_uri_key_init(&y, b);
    BUG_UNLESS(sip_uri_keys_equal(&x, &y) && sip_uri_keys_equal(&y, &x));
}

static void uri_round_trip(struct str text)
{
    struct sip_uri uri, again;
    struct buf user, b;

    if (sip_uri_parse(&uri, text))
        return;
    buf_init(&b, 4 * text.n + 64);
    buf_init(&user, 4 * text.n + 64);
    sip_uri_print(&b, &uri);
    BUG_UNLESS(b.error == 0 && sip_uri_parse(&again, buf_str(&b)) == 0);
    BUG_UNLESS(str_equal(again.host, uri.host) && again.port == uri.port &&
               str_equal(again.user, uri.user));
    uri_equal(&uri, &again);
    sip_uri_user_decode(&user, uri.user);
    if (uri.sip) {
        struct buf decoded;

        buf_reset(&b);
        sip_uri_print_with_user(&b, &uri, buf_str(&user));
        BUG_UNLESS(b.error == 0 && sip_uri_parse(&again, buf_str(&b)) == 0);
        buf_init(&decoded, 4 * text.n + 64);
        sip_uri_user_decode(&decoded, again.user);
        BUG_UNLESS(str_equal(buf_str(&decoded), buf_str(&user)));
        buf_fini(&decoded);
    }
    (void)sip_param_find(uri.params, STR("transport"), NULL);
    buf_fini(&user);
    buf_fini(&b);
}

/* Whatever is configured as a user part is one, and then stays as it is. */
static void user_round_trip(struct str text)
{
    struct buf user, again;
    struct sip_uri uri;

    buf_init(&user, 3 * text.n + 64);
    buf_init(&again, 3 * text.n + 64);
    buf_add(&user, STR("sip:"));
    sip_user_print(&user, text);
    buf_add(&user, text.n ? STR("@h") : STR("h"));
    BUG_UNLESS(user.error == 0 && sip_uri_parse(&uri, buf_str(&user)) == 0);
    BUG_UNLESS(str_equal(uri.host, STR("h")) && sip_user_equal(uri.user, uri.user));
    sip_user_print(&again, uri.user);
    BUG_UNLESS(str_equal(buf_str(&again), uri.user));
    buf_fini(&again);
    buf_fini(&user);
}

static void element_parse(struct str element)
{
    struct sip_name_addr name_addr;
    struct sip_media_range range;
    struct sip_via via;
    struct str tag;

    if (sip_name_addr_parse(&name_addr, element) == 0) {
        BUG_UNLESS(name_addr.uri.n > 0);
        (void)sip_param_find(name_addr.params, STR("tag"), &tag);
        uri_round_trip(name_addr.uri);
    }
    if (sip_via_parse(&via, element) == 0)
        BUG_UNLESS(via.host.n > 0 && via.transport.n > 0);
    if (sip_media_range_parse(&range, element) == 0)
        BUG_UNLESS(range.q <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = { (const char *)data, size }, rest = value, element;
    struct sip_challenge challenge;
    struct sip_event event;
    uint32_t seconds;
    struct buf b;

    uri_round_trip(value);
    user_round_trip(value);
    element_parse(value);
    while (sip_list_next(&rest, &element))
        element_parse(element);
    (void)!sip_event_parse(&event, value);
    (void)!sip_delta_seconds_parse(&seconds, value);
    (void)!sip_challenge_parse(&challenge, value);
    for (rest = value; sip_challenge_next(&rest, &challenge);)
        BUG_UNLESS(challenge.scheme.n > 0);
    (void)sip_next_nonce(value);
    (void)sip_param_find(value, STR("tag"), NULL);
    (void)sip_header_id_parse(value);
    (void)sip_method_parse(value);
    buf_init(&b, size + 1);
    sip_print_unfolded(&b, value);
    BUG_UNLESS(b.error == 0 && str_find_char(buf_str(&b), '\n') == b.n);
    buf_fini(&b);
    return 0;
}
