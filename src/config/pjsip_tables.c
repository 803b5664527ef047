// SPDX-License-Identifier: MIT
/* The options of pjsip.conf that are about the program: global, system, transport, domain_alias,
 * outbound-publish; and readers for the values that only one of them has. */
#include "config/pjsip.h"

const struct option_word identifier_words[] = {
    { "username", IDENTIFY_USERNAME },
    { "auth_username", IDENTIFY_AUTH_USERNAME },
    { "ip", IDENTIFY_IP },
    { "header", IDENTIFY_HEADER },
    { "request_uri", IDENTIFY_REQUEST_URI },
    { "anonymous", IDENTIFY_ANONYMOUS },
    { NULL, 0 },
};

/* The next of the list that is known; others are told. */
static bool algorithm_next(struct reading *r, const struct conf_entry *e, struct str *rest,
                           enum digest_algorithm *a)
{
    while (rest->n) {
        struct str part = str_next(rest, ',');

        if (part.n == 0)
            continue;
        if (digest_algorithm_parse(a, part) == 0)
            return true;
        reading_fault(r, e, part, STR("not one of MD5, SHA-256, SHA-512-256"),
                      STR("it is left out"));
    }
    return false;
}

int algorithms_read(struct reading *r, const struct option *o, void *object,
                    const struct conf_entry *e, struct buf *why)
{
    struct str rest = e->value;
    uint32_t sum = 0, before;
    enum digest_algorithm a;

    while (algorithm_next(r, e, &rest, &a))
        sum |= BIT(a);
    if (sum == 0)
        return option_bad(why, "no algorithm that is known");
    memcpy(&before, (char *)object + o->at, sizeof(before));
    if (!o->fallback)
        sum |= before;
    memcpy((char *)object + o->at, &sum, sizeof(sum));
    return 0;
}

int algorithm_order_read(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why)
{
    struct digest_order order = { .n = 0 };
    struct str rest = e->value;
    unsigned seen = 0;
    enum digest_algorithm a;

    while (algorithm_next(r, e, &rest, &a)) {
        if (!(seen & BIT(a)))
            order.list[order.n++] = (uint8_t)a;
        seen |= BIT(a);
    }
    if (order.n == 0)
        return option_bad(why, "no algorithm that is known");
    memcpy((char *)object + o->at, &order, sizeof(order));
    return 0;
}

/* ---- global and system ---- */

static unsigned identifier_of(struct str name)
{
    for (const struct option_word *w = identifier_words; w->name; w++)
        if (str_equal_nocase(name, str_of(w->name)))
            return w->value;
    return 0;
}

static int read_identifier_order(struct reading *r, const struct option *o, void *object,
                                 const struct conf_entry *e, struct buf *why)
{
    struct global_settings *g = &((struct global_draft *)object)->g;
    struct str rest = e->value;
    unsigned order[ARRAY_LEN(g->identifier_order)] = { 0 }, seen = 0;
    size_t n = 0;

    (void)o;
    while (rest.n) {
        struct str part = str_next(&rest, ',');
        unsigned bit = identifier_of(part);

        if (part.n && !bit)
            reading_fault(
                r, e, part,
                STR("not one of username, auth_username, ip, header, request_uri, anonymous"),
                STR("it is left out"));
        if (!bit || seen & bit)
            continue;
        seen |= bit;
        order[n++] = bit;
    }
    if (n == 0)
        return option_bad(why, "no way to identify an endpoint that is known");
    for (const struct option_word *w = identifier_words; w->name; w++)
        if (!(seen & w->value))
            order[n++] = w->value; /* what is not named comes last, as in Asterisk */
    memcpy(g->identifier_order, order, sizeof(order));
    return 0;
}

/* yes, no, or whose messages to show; there is no looking up of names while messages pass. */
static int read_debug(struct reading *r, const struct option *o, void *object,
                      const struct conf_entry *e, struct buf *why)
{
    struct global_settings *g = &((struct global_draft *)object)->g;
    struct addr_net host;

    (void)o;
    g->debug = str_is_true(e->value);
    g->debug_host = STR_EMPTY;
    if (g->debug || e->value.n == 0 || value_is_no(e->value))
        return 0;
    if (addr_net_parse(&host, e->value))
        return option_bad(why, "neither yes or no, nor an address or network (192.0.2.1)");
    g->debug = true;
    return arena_str(r->arena, &g->debug_host, e->value);
}

static const struct option global_options[] = {
    { "max_forwards", OPTION_U32, AT(global_draft, g.max_forwards), .fallback = "70", .min = 1,
      .max = 255, .meaning = "Max-Forwards of requests we send." },
    { "user_agent", OPTION_STR, AT(global_draft, g.user_agent), .fallback = "extstate", .max = 255,
      .meaning = "User-Agent of requests and Server of responses." },
    { "endpoint_identifier_order", OPTION_CUSTOM, .fallback = "ip,username,anonymous",
      .read = read_identifier_order,
      .type_text = "list of username, auth_username, ip, header, request_uri, anonymous",
      .meaning =
          "How the endpoint behind a request is found; the first way that finds one decides. Ways "
          "that are not named come last." },
    { "disable_multi_domain", OPTION_BOOL, AT(global_draft, g.disable_multi_domain),
      .fallback = "no", .meaning = "Find endpoints by user name only, never by user@domain." },
    { "ignore_uri_user_options", OPTION_BOOL, AT(global_draft, g.ignore_uri_user_options),
      .fallback = "no", .meaning = "Drop what follows a semicolon in the user part of a URI." },
    { "debug", OPTION_CUSTOM, .fallback = "no", .read = read_debug,
      .type_text = "yes, no, an address or a network",
      .meaning = "Write SIP messages to the log: all of them, or those from and to an address." },
    { "keep_alive_interval", OPTION_U32, AT(global_draft, g.keep_alive_interval_s),
      .fallback = "90", .max = 86400,
      .meaning = "Seconds after which an empty message goes down a connection by which nothing was "
                 "sent; 0 is never." },
    { "max_initial_qualify_time", OPTION_U32, AT(global_draft, g.max_initial_qualify_time_s),
      .fallback = "0", ANY_U32,
      .meaning = "Seconds within which contacts are asked for the first time after a start or a "
                 "reload; 0, or more than qualify_frequency: qualify_frequency." },
    { "mwi_disable_initial_unsolicited", OPTION_BOOL,
      AT(global_draft, g.mwi_disable_initial_unsolicited), .fallback = "no",
      .meaning = "Tell mailboxes of endpoints unasked only when they change, not at the start." },
    { "default_auth_algorithms_uac", OPTION_CUSTOM, AT(global_draft, g.algorithms_uac),
      .fallback = "MD5", .read = algorithms_read, .type_text = "list of MD5, SHA-256, SHA-512-256",
      .meaning = "Digest algorithms we answer challenges with, where an auth section names none." },
    { "default_auth_algorithms_uas", OPTION_CUSTOM, AT(global_draft, g.algorithms_uas),
      .fallback = "MD5", .read = algorithm_order_read,
      .type_text = "list of MD5, SHA-256, SHA-512-256",
      .meaning = "Digest algorithms that who sends us requests is challenged with, the preferred "
                 "one first, where an auth section names none." },
    { "default_realm", OPTION_STR, AT(global_draft, g.default_realm), .fallback = "asterisk",
      .max = 255, .meaning = "Realm of these challenges, where an auth section has none." },
    { "default_voicemail_extension", OPTION_STR, AT(global_draft, g.default_voicemail_extension),
      .max = 79,
      .meaning = "Who is called for messages, where an aor has no voicemail_extension." },
    { "default_from_user", OPTION_USER, AT(global_draft, g.default_from_user), .max = 80,
      .meaning = "User part of From in what an endpoint without a from_user is told unasked, or "
                 "asked; none "
                 "when not given, where Asterisk says asterisk." },
};

const struct schema global_schema = {
    .file = "pjsip.conf",
    .section = "type = global",
    .kind = "global",
    .meaning = "What holds for everything. At most one section; one that is called [global] needs "
               "no type.",
    OPTIONS(global_options),
    .object_size = sizeof(struct global_draft),
    .ignored =
        "all_codecs_on_empty_reinvite allow_sending_180_after_183 "
        "contact_expiration_check_interval "
        "default_outbound_endpoint "
        "mwi_tps_queue_high "
        "mwi_tps_queue_low norefersub regcontext send_contact_status_on_update_registration "
        "taskprocessor_overload_trigger unidentified_request_count unidentified_request_period "
        "unidentified_request_prune_interval use_callerid_contact ",
};

static const struct option system_options[] = {
    { "timer_t1", OPTION_U32, AT(system_draft, timer_t1_ms), .fallback = "500", .min = 100,
      .max = 10000, .meaning = "T1 of RFC 3261 in milliseconds: the first retransmission." },
    { "timer_b", OPTION_U32, AT(system_draft, timer_b_ms), .fallback = "32000", .max = 640000,
      .meaning = "Timers B and F in milliseconds: when a request is given up. At least 64 times "
                 "timer_t1." },
    { "compact_headers", OPTION_BOOL, AT(system_draft, compact_headers), .fallback = "no",
      .meaning = "Send compact header names." },
    { "disable_rport", OPTION_BOOL, AT(system_draft, disable_rport), .fallback = "no",
      .meaning = "Do not ask for rport in the Via of our requests." },
    { "disable_tcp_switch", OPTION_BOOL, AT(system_draft, disable_tcp_switch), .fallback = "yes",
      .meaning = "With no, requests of more than 1300 bytes that would go by UDP go by TCP, if "
                 "there is such a transport and the peer takes it: RFC 3261 section 18.1.1. One "
                 "that does not is not asked again for ten minutes." },
};

const struct schema system_schema = {
    .file = "pjsip.conf",
    .section = "type = system",
    .kind = "system",
    .meaning = "Timers and habits of the SIP stack. At most one section; one that is called "
               "[system] needs no type.",
    OPTIONS(system_options),
    .object_size = sizeof(struct system_draft),
    .ignored =
        "accept_multiple_sdp_answers follow_early_media_fork "
        "taskpool_auto_increment "
        "taskpool_idle_timeout taskpool_initial_size taskpool_max_size taskpool_minimum_size "
        "threadpool_auto_increment threadpool_idle_timeout threadpool_initial_size "
        "threadpool_max_size threadpool_minimum_size ",
};

/* ---- transport ---- */

static const struct option_word protocol_words[] = {
    { "udp", TRANSPORT_UDP },
    { "tcp", TRANSPORT_TCP },
    { "tls", TRANSPORT_TLS },
    { "ws", TRANSPORT_WS },
    { "wss", TRANSPORT_WSS },
    { "flow", TRANSPORT_FLOW },
    { NULL, 0 },
};

static const struct option_word tos_words[] = {
    { "none", 0 },    { "lowdelay", 16 }, { "throughput", 8 }, { "reliability", 4 },
    { "mincost", 2 }, { "cs0", 0 },       { "cs1", 32 },       { "af11", 40 },
    { "af12", 48 },   { "af13", 56 },     { "cs2", 64 },       { "af21", 72 },
    { "af22", 80 },   { "af23", 88 },     { "cs3", 96 },       { "af31", 104 },
    { "af32", 112 },  { "af33", 120 },    { "cs4", 128 },      { "af41", 136 },
    { "af42", 144 },  { "af43", 152 },    { "cs5", 160 },      { "ef", 184 },
    { "cs6", 192 },   { "cs7", 224 },     { NULL, 0 },
};

static int read_tos(struct reading *r, const struct option *o, void *object,
                    const struct conf_entry *e, struct buf *why)
{
    uint32_t *tos = &((struct transport_draft *)object)->t.tos;
    uint32_t number;

    (void)r, (void)o;
    for (const struct option_word *w = tos_words; w->name; w++)
        if (str_equal_nocase(e->value, str_of(w->name))) {
            *tos = w->value;
            return 0;
        }
    if (str_to_u32(&number, e->value) || number > 255)
        return option_bad(why, "not a number from 0 to 255, nor a name such as cs3, af31 or ef");
    *tos = number;
    return 0;
}

/* In the order of enum net_tls_version. */
enum { TLS_1_2, TLS_1_3, TLS_1_1, TLS_1_0 };

static const struct option_word method_words[] = {
    { "default", TLS_1_2 }, { "unspecified", TLS_1_2 },
    { "tlsv1_2", TLS_1_2 }, { "tlsv1_3", TLS_1_3 },
    { "tlsv1_1", TLS_1_1 }, { "tlsv1", TLS_1_0 },
    { "sslv23", TLS_1_2 },  { NULL, 0 },
};

static const struct option transport_options[] = {
    { "protocol", OPTION_WORD, AT(transport_draft, t.protocol), .fallback = "udp",
      .words = protocol_words, .flags = OPTION_VITAL,
      .meaning = "What carries SIP here; ws and wss are WebSocket, without and with TLS, at any "
                 "path. With flow nothing listens." },
    { "bind", OPTION_ADDR, AT(transport_draft, bind), .flags = OPTION_REQUIRED | OPTION_VITAL,
      .meaning = "Where to listen. The port is 5060 when not given, with tls 5061, with ws 8088, "
                 "with wss 8089." },
    { "allow_reload", OPTION_BOOL, AT(transport_draft, allow_reload), .fallback = "yes",
      .meaning = "With no, a reload leaves protocol, bind, tos, cos, keep-alive and what is about "
                 "TLS as they are until the next start; a certificate that is renewed in its file "
                 "is taken up." },
    { "domain", OPTION_HOST, AT(transport_draft, t.domain),
      .meaning = "A domain that is ours in addition to the address." },
    { "external_signaling_address", OPTION_HOST, AT(transport_draft, t.external_address),
      .meaning = "Host of Contact, of Via and of a From without from_domain, towards peers outside "
                 "local_net." },
    { "external_signaling_hostname", OPTION_HOST, AT(transport_draft, external_hostname),
      .meaning = "The same as a name, instead of external_signaling_address." },
    { "external_signaling_port", OPTION_U32, AT(transport_draft, external_port), .fallback = "0",
      .max = 65535, .meaning = "Port that goes with it; 0 is the local one." },
    { "local_net", OPTION_NETS, ARRAY_AT(transport_draft, t.local_nets, t.n_local_nets),
      .meaning = "Networks that see our real address." },
    { "tos", OPTION_CUSTOM, .fallback = "0", .read = read_tos,
      .type_text = "number or name (cs3, af31, ef)", .meaning = "Type of service of the packets." },
    { "cos", OPTION_U32, AT(transport_draft, t.cos), .fallback = "0", .max = 7,
      .meaning = "Priority of the packets (SO_PRIORITY), by which this machine queues them and "
                 "writes 802.1p, where that is set up; 0: what Linux has for the tos. 7 needs "
                 "CAP_NET_ADMIN." },
    { "symmetric_transport", OPTION_BOOL, AT(transport_draft, t.symmetric), .fallback = "no",
      .meaning =
          "NOTIFY leaves by the transport the SUBSCRIBE came in by. What came by a connection "
          "is always answered and told by that." },
    { "tcp_keepalive_enable", OPTION_BOOL, AT(transport_draft, t.keepalive), .fallback = "no",
      .meaning = "Have the kernel find out whether the peers of connections are still there." },
    { "tcp_keepalive_idle_time", OPTION_U32, AT(transport_draft, t.keepalive_idle_s),
      .fallback = "30", .min = 1, .max = 32767,
      .meaning = "Seconds without a packet before it does." },
    { "tcp_keepalive_interval_time", OPTION_U32, AT(transport_draft, t.keepalive_interval_s),
      .fallback = "1", .min = 1, .max = 32767, .meaning = "Seconds between two of its questions." },
    { "tcp_keepalive_probe_count", OPTION_U32, AT(transport_draft, t.keepalive_probes),
      .fallback = "5", .min = 1, .max = 127,
      .meaning = "How many remain unanswered before the connection is over." },
    { "cert_file", OPTION_STR, AT(transport_draft, t.cert_file), .max = 4095,
      .meaning =
          "Our certificate as PEM, with those between it and the root behind it. Read again at "
          "each reload; connections that there are go on with the former one. One that is over, or "
          "in the last tenth of its time, is told then, and by --check. Like the other "
          "paths from the configuration directory." },
    { "priv_key_file", OPTION_STR, AT(transport_draft, t.key_file), .max = 4095,
      .meaning = "Its key; in cert_file when not given." },
    { "password", OPTION_STR, AT(transport_draft, t.password), .max = 255, .flags = OPTION_SECRET,
      .meaning = "What the key is encrypted with." },
    { "ca_list_file", OPTION_STR, AT(transport_draft, t.ca_file), .max = 4095,
      .meaning =
          "Who is trusted to certify peers, as PEM; whom the system trusts when neither this "
          "nor ca_list_path is given." },
    { "ca_list_path", OPTION_STR, AT(transport_draft, t.ca_path), .max = 4095,
      .meaning = "The same as a directory, with names that `openssl rehash` makes." },
    { "verify_server", OPTION_BOOL, AT(transport_draft, t.verify_server), .fallback = "no",
      .meaning =
          "Servers we connect to have to show a certificate that is good and names them: the "
          "host of server_uri or outbound_proxy as a DNS name or sip URI (RFC 5922)." },
    { "verify_client", OPTION_BOOL, AT(transport_draft, t.verify_client), .fallback = "no",
      .meaning = "Clients are asked for a certificate, and one that is shown has to be good." },
    { "require_client_cert", OPTION_BOOL, AT(transport_draft, t.require_client_cert),
      .fallback = "no", .meaning = "The same, and without one nobody gets in." },
    { "allow_wildcard_certs", OPTION_BOOL, AT(transport_draft, t.wildcards), .fallback = "no",
      .meaning =
          "With verify_server `*.example.com` names each host of that domain, which RFC 5922 "
          "forbids." },
    { "method", OPTION_WORD, AT(transport_draft, t.tls_version), .fallback = "tlsv1_2",
      .words = method_words,
      .meaning =
          "The oldest version of TLS. tlsv1 and tlsv1_1 are for telephones that have nothing "
          "newer, and set OpenSSL's security level to 0. sslv2 and sslv3 are errors." },
    { "cipher", OPTION_STR, AT(transport_draft, t.cipher), .max = 2047,
      .meaning = "Ciphers in OpenSSL's words, comma separated; those of TLS 1.3 begin with TLS_. "
                 "One before TLS 1.3 that OpenSSL does not know is left out if it knows another." },
};

const struct schema transport_schema = {
    .file = "pjsip.conf",
    .section = "type = transport",
    .kind = "transport",
    .meaning = "A socket for SIP. Without any transport no SIP is served.",
    OPTIONS(transport_options),
    .object_size = sizeof(struct transport_draft),
    .ignored = "async_operations external_media_address "
               "websocket_write_timeout ",
};

/* ---- outbound-publish ---- */

/* type/subtype: RFC 3261 section 25.1, media-type without parameters. */
static int read_media_type(struct reading *r, const struct option *o, void *object,
                           const struct conf_entry *e, struct buf *why)
{
    struct cursor c = cursor_on(e->value);
    struct str type = cursor_token(&c), subtype;

    if (type.n == 0 || !cursor_char(&c, '/'))
        return option_bad(why, "not a media type such as application/dialog-info+xml");
    subtype = cursor_token(&c);
    if (subtype.n == 0 || !cursor_done(&c))
        return option_bad(why, "not a media type such as application/dialog-info+xml");
    return arena_str(r->arena, (struct str *)(void *)((char *)object + o->at), e->value);
}

static const struct option publish_options[] = {
    { "server_uri", OPTION_URI, AT(publish_draft, p.server_uri),
      .flags = OPTION_REQUIRED | OPTION_VITAL,
      .meaning = "Where to publish; its user part is replaced by the extension." },
    { "from_uri", OPTION_URI, AT(publish_draft, p.from_uri), .flags = OPTION_VITAL,
      .meaning = "From, user part replaced as well; server_uri when not given." },
    { "to_uri", OPTION_URI, AT(publish_draft, p.to_uri), .flags = OPTION_VITAL,
      .meaning = "To, user part replaced as well; server_uri when not given." },
    { "event", OPTION_STR, AT(publish_draft, p.event), .flags = OPTION_REQUIRED,
      .meaning = "Event package: dialog or presence; asterisk-devicestate or asterisk-mwi to tell "
                 "other servers every device or mailbox of ours, with the URIs as they are." },
    { "@body", OPTION_CUSTOM, AT(publish_draft, p.body), .read = read_media_type,
      .flags = OPTION_VITAL, .type_text = "media type",
      .meaning = "What to publish, as `application/dialog-info+xml`. Required for dialog and "
                 "presence." },
    { "@context", OPTION_STR, AT(publish_draft, p.context_pattern), .max = 256,
      .flags = OPTION_VITAL,
      .meaning =
          "Regular expression (any case, not anchored) that the hint's context must match." },
    { "@exten", OPTION_STR, AT(publish_draft, p.exten_pattern), .max = 256, .flags = OPTION_VITAL,
      .meaning = "Regular expression that the extension must match." },
    { "expiration", OPTION_U32, AT(publish_draft, p.expiration_s), .fallback = "3600", ANY_U32,
      .meaning = "Seconds a publication lives unless it is refreshed; not 0." },
    { "outbound_auth", OPTION_LIST, ARRAY_AT(publish_draft, p.auths, p.n_auths),
      .meaning = "Credentials for challenges; ids of auth sections." },
    { "outbound_proxy", OPTION_URI, AT(publish_draft, p.outbound_proxy), .flags = OPTION_VITAL,
      .meaning = "Next hop. Write `\\;lr`, because a semicolon begins a comment." },
    { "max_auth_attempts", OPTION_U32, AT(publish_draft, p.max_auth_attempts), .fallback = "5",
      ANY_U32, .meaning = "Challenges in a row before a pause." },
    { "transport", OPTION_STR, AT(publish_draft, p.transport),
      .meaning = "Id of the transport to send by." },
    { "multi_user", OPTION_BOOL, AT(publish_draft, p.multi_user), .fallback = "no",
      .meaning = "One section for many users. Users are replaced in any case; write yes to say "
                 "that you know." },
    { "@device_state_filter", OPTION_STR, AT(publish_draft, device_state_filter), .max = 256,
      .flags = OPTION_VITAL,
      .meaning = "Regular expression that the device must match: event asterisk-devicestate." },
    { "@mailbox_state_filter", OPTION_STR, AT(publish_draft, mailbox_state_filter), .max = 256,
      .flags = OPTION_VITAL,
      .meaning = "Regular expression that the mailbox must match: event asterisk-mwi." },
};

const struct schema publish_schema = {
    .file = "pjsip.conf",
    .section = "type = outbound-publish",
    .kind = "outbound-publish",
    .meaning = "Sends a PUBLISH for each change of a matching extension to an event state "
               "compositor (RFC 3903).",
    OPTIONS(publish_options),
    .object_size = sizeof(struct publish_draft),
    .ignored = "",
    .closed = true,
};

/* ---- resource_list ---- */

static const struct option resource_list_options[] = {
    { "event", OPTION_STR, AT(resource_list_settings, event), .max = 31,
      .flags = OPTION_REQUIRED | OPTION_VITAL,
      .meaning =
          "`dialog`, `presence` or `message-summary`: what its items are subscribed to for." },
    { "list_item", OPTION_LIST, ARRAY_AT(resource_list_settings, items, n_items),
      .flags = OPTION_REQUIRED,
      .meaning = "Names in the subscriber's context, or of other lists for the same event; for "
                 "`message-summary` AORs." },
    { "full_state", OPTION_BOOL, AT(resource_list_settings, full_state), .fallback = "no",
      .meaning = "Tell every item with each change, not only those that are different." },
    { "notification_batch_interval", OPTION_U32, AT(resource_list_settings, batch_ms),
      .fallback = "0", .max = 3600000,
      .meaning =
          "Milliseconds from a change to the NOTIFY that tells it, with those that have come "
          "meanwhile. Of lists within each other that of the outermost." },
    { "resource_display_name", OPTION_BOOL, AT(resource_list_settings, display_name),
      .fallback = "no", .meaning = "Show the names of hints as those of the items." },
};

const struct schema resource_list_schema = {
    .file = "pjsip.conf",
    .section = "type = resource_list",
    .kind = "resource_list",
    .meaning =
        "One subscription for many resources (RFC 4662); the section's name is the user part "
        "that is subscribed to, with `Supported: eventlist`.",
    OPTIONS(resource_list_options),
    .object_size = sizeof(struct resource_list_settings),
    .ignored = "",
    .closed = true,
};

/* ---- domain_alias ---- */

static const struct option domain_alias_options[] = {
    { "domain", OPTION_HOST, AT(domain_alias, domain), .flags = OPTION_REQUIRED | OPTION_VITAL,
      .meaning = "The real domain; the section's name is the alias." },
};

const struct schema domain_alias_schema = {
    .file = "pjsip.conf",
    .section = "type = domain_alias",
    .kind = "domain_alias",
    .meaning = "Another name of a domain.",
    OPTIONS(domain_alias_options),
    .object_size = sizeof(struct domain_alias),
    .ignored = "",
};
