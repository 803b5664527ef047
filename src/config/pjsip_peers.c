// SPDX-License-Identifier: MIT
/* The options of pjsip.conf that are about who talks to us: auth, aor, endpoint, identify. */
#include "config/pjsip.h"

/* ---- auth ---- */

static bool is_hex(struct str s, size_t n)
{
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr("0123456789abcdefABCDEF", s.p[i]) || s.p[i] == '\0')
            return false;
    return true;
}

/* Digests are compared and sent in lower case. */
static int hash_store(struct reading *r, struct auth_draft *d, enum digest_algorithm a,
                      struct str hex, struct buf *why)
{
    struct str kept;
    int result;

    if (!is_hex(hex, a == DIGEST_MD5 ? 32 : DIGEST_HEX_MAX)) {
        if (why)
            buf_printf(why, "the hash of %.*s has %d hexadecimal digits",
                       STR_FMT(digest_algorithm_name(a)), a == DIGEST_MD5 ? 32 : DIGEST_HEX_MAX);
        return OPTION_BAD;
    }
    result = arena_str(r->arena, &kept, hex);
    if (result)
        return result;
    for (size_t i = 0; i < kept.n; i++)
        ((char *)kept.p)[i] =
            (char)(kept.p[i] >= 'A' && kept.p[i] <= 'F' ? kept.p[i] + ('a' - 'A') : kept.p[i]);
    d->a.credential.hash[a] = kept;
    return 0;
}

static int read_md5_cred(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why)
{
    (void)o;
    return e->value.n ? hash_store(r, object, DIGEST_MD5, e->value, why) : 0;
}

static int read_password_digest(struct reading *r, const struct option *o, void *object,
                                const struct conf_entry *e, struct buf *why)
{
    struct str hex = e->value, name = str_next(&hex, ':');
    enum digest_algorithm a;

    (void)o;
    if (name.n == 0 || digest_algorithm_parse(&a, name))
        return option_bad(why, "not ALGORITHM:HASH with MD5, SHA-256 or SHA-512-256");
    return hash_store(r, object, a, str_trim(hex), why);
}

static const struct option_word auth_type_words[] = {
    { "userpass", AUTH_USERPASS },         { "md5", AUTH_MD5 }, { "digest", AUTH_DIGEST },
    { "google_oauth", AUTH_GOOGLE_OAUTH }, { NULL, 0 },
};

static const struct option auth_options[] = {
    { "auth_type", OPTION_WORD, AT(auth_draft, type), .fallback = "userpass",
      .words = auth_type_words, .flags = OPTION_VITAL,
      .meaning = "userpass, md5 and digest are the same: HTTP digest." },
    { "username", OPTION_STR, AT(auth_draft, a.credential.username), .flags = OPTION_REQUIRED,
      .meaning = "Name to authenticate as." },
    { "password", OPTION_STR, AT(auth_draft, a.credential.password), .flags = OPTION_SECRET,
      .meaning = "Password in plain text." },
    { "md5_cred", OPTION_CUSTOM, .read = read_md5_cred, .flags = OPTION_SECRET | OPTION_VITAL,
      .type_text = "32 hex digits",
      .meaning = "MD5 of user:realm:password instead of the password; good for this realm only." },
    { "password_digest", OPTION_CUSTOM, .read = read_password_digest,
      .flags = OPTION_SECRET | OPTION_VITAL, .type_text = "ALGORITHM:HASH, repeatable",
      .meaning = "The same for any algorithm, once for each." },
    { "supported_algorithms_uac", OPTION_CUSTOM, AT(auth_draft, algorithms),
      .read = algorithms_read, .type_text = "list of MD5, SHA-256, SHA-512-256",
      .meaning =
          "Algorithms we answer challenges with; default_auth_algorithms_uac when not given." },
    { "supported_algorithms_uas", OPTION_CUSTOM, AT(auth_draft, a.server.order),
      .read = algorithm_order_read, .type_text = "list of MD5, SHA-256, SHA-512-256",
      .meaning = "Algorithms we challenge with, the preferred one first; "
                 "default_auth_algorithms_uas when not given. Many telephones cope with one "
                 "challenge only, and with MD5 only." },
    { "realm", OPTION_STR, AT(auth_draft, a.credential.realm), .max = 255,
      .meaning = "Realm the credential is for; empty or * is any, and default_realm when we "
                 "challenge." },
    { "nonce_lifetime", OPTION_U32, AT(auth_draft, a.server.nonce_lifetime_s), .fallback = "32",
      .min = 1, .max = 86400,
      .meaning = "Seconds an answer to our challenge is good for; then there is another one." },
};

const struct schema auth_schema = {
    .file = "pjsip.conf",
    .section = "type = auth",
    .kind = "auth",
    .meaning = "A credential, referred to by outbound_auth and auth.",
    OPTIONS(auth_options),
    .object_size = sizeof(struct auth_draft),
    .ignored = "oauth_clientid oauth_secret refresh_token ",
};

/* ---- aor ---- */

enum { QUALIFY_TIMEOUT_MAX_S = 3600 };

/* Seconds with a fraction, of which thousandths count. */
static int read_qualify_timeout(struct reading *r, const struct option *o, void *object,
                                const struct conf_entry *e, struct buf *why)
{
    struct str fraction = e->value, whole = str_next(&fraction, '.');
    uint32_t seconds, ms = 0, unit = 100;

    (void)r, (void)o;
    if (str_to_u32(&seconds, whole) || seconds > QUALIFY_TIMEOUT_MAX_S)
        return option_bad(why, "not a number of seconds such as 3.0, from 0 to 3600");
    for (size_t i = 0; i < fraction.n; i++, unit /= 10) {
        if (fraction.p[i] < '0' || fraction.p[i] > '9')
            return option_bad(why, "not a number of seconds such as 3.0");
        ms += unit * (uint32_t)(fraction.p[i] - '0');
    }
    ((struct aor_settings *)object)->qualify_timeout_ms = seconds * 1000 + ms;
    return 0;
}

static const struct option aor_options[] = {
    { "contact", OPTION_URI_LIST, ARRAY_AT(aor_settings, contacts, n_contacts),
      .meaning = "Static contacts; with one of them the device PJSIP/endpoint counts as there. "
                 "Write `\\;` for a semicolon." },
    { "qualify_frequency", OPTION_U32, AT(aor_settings, qualify_frequency_s), .fallback = "0",
      .max = 86400,
      .meaning =
          "Seconds after which each of its contacts is asked by OPTIONS whether it is there, "
          "where `[registrar]` is enabled; 0: never. One that does not answer does not "
          "count for the device PJSIP/endpoint." },
    { "qualify_timeout", OPTION_CUSTOM, .fallback = "3.0", .read = read_qualify_timeout,
      .type_text = "seconds, 0 to 3600, with a fraction",
      .meaning = "How long an answer may take; 0: as long as any answer may (timer_b)." },
    { "qualify_2xx_only", OPTION_BOOL, AT(aor_settings, qualify_2xx_only), .fallback = "no",
      .meaning = "Nothing but a success counts as an answer." },
    { "authenticate_qualify", OPTION_BOOL, AT(aor_settings, authenticate_qualify), .fallback = "no",
      .meaning = "A challenge is answered with the endpoint's outbound_auth; otherwise it is an "
                 "answer like any other." },
    { "mailboxes", OPTION_STR, AT(aor_settings, mailboxes),
      .meaning = "Mailboxes of a message-summary subscription." },
    { "voicemail_extension", OPTION_STR, AT(aor_settings, voicemail_extension), .max = 255,
      .meaning = "Message-Account of message-summary bodies." },
    { "outbound_proxy", OPTION_URI, AT(aor_settings, outbound_proxy),
      .meaning = "Next hop to its contacts, instead of the endpoint's. Write `\\;lr`, because a "
                 "semicolon begins a comment." },
    { "max_contacts", OPTION_U32, AT(aor_settings, max_contacts), .fallback = "0",
      .max = UINT32_MAX,
      .meaning = "How many contacts may be registered, where `[registrar]` is enabled; 0: REGISTER "
                 "is refused with 403. Static ones are not counted." },
    { "remove_existing", OPTION_BOOL, AT(aor_settings, remove_existing), .fallback = "no",
      .meaning = "One contact too many takes the place of the one that would expire first, and is "
                 "not refused." },
    { "remove_unavailable", OPTION_BOOL, AT(aor_settings, remove_unavailable), .fallback = "no",
      .meaning = "One contact too many takes the place of one that does not answer." },
    { "default_expiration", OPTION_U32, AT(aor_settings, default_expiration_s), .fallback = "3600",
      .max = UINT32_MAX, .min = 1, .meaning = "Seconds for a REGISTER that names none." },
    { "minimum_expiration", OPTION_U32, AT(aor_settings, minimum_expiration_s), .fallback = "60",
      .max = UINT32_MAX, .meaning = "Fewer seconds are answered 423 with Min-Expires." },
    { "maximum_expiration", OPTION_U32, AT(aor_settings, maximum_expiration_s), .fallback = "7200",
      .max = UINT32_MAX, .min = 1, .meaning = "More seconds are shortened to that." },
    { "support_path", OPTION_BOOL, AT(aor_settings, support_path), .fallback = "no",
      .meaning = "The Path of a REGISTER (RFC 3327) is kept, and requests to the contact go by it; "
                 "`no`: 420." },
};

const struct schema aor_schema = {
    .file = "pjsip.conf",
    .section = "type = aor",
    .kind = "aor",
    .meaning = "Where an endpoint can be reached.",
    OPTIONS(aor_options),
    .object_size = sizeof(struct aor_settings),
    .ignored = "",
};

/* ---- endpoint ---- */

static bool looks_dialled(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789*#+-(). ", s.p[i]))
            return false;
    return s.n > 0;
}

/* Where the number's '<' is; one in a quoted name is of the name. */
static size_t number_begins(struct str s)
{
    size_t quoted = s.n && s.p[0] == '"' ? 1 + str_find_char(str_sub(s, 1, s.n), '"') : 0;

    if (quoted >= s.n)
        quoted = 0;
    return quoted + str_find_char(str_sub(s, quoted, s.n), '<');
}

/* "Name" <number>, Name <number>, <number>, number or Name. */
static int read_callerid(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why)
{
    struct endpoint_settings *endpoint = &((struct endpoint_draft *)object)->e;
    size_t open = number_begins(e->value);
    struct str name = str_trim(str_sub(e->value, 0, open)),
               number = str_sub(e->value, open + 1, e->value.n);
    int result;

    (void)o, (void)why;
    number = str_trim(str_sub(number, 0, str_find_char(number, '>')));
    if (open == e->value.n && looks_dialled(name)) {
        number = name;
        name = STR_EMPTY;
    }
    if (name.n >= 2 && name.p[0] == '"' && name.p[name.n - 1] == '"')
        name = str_sub(name, 1, name.n - 1);
    result = arena_str(r->arena, &endpoint->callerid_name, name);
    return result ? result : arena_str(r->arena, &endpoint->callerid_number, number);
}

static const struct option endpoint_options[] = {
    { "context", OPTION_STR, AT(endpoint_draft, context), .fallback = "default", .max = 79,
      .meaning = "Where the extensions are that it subscribes to, unless subscribe_context says." },
    { "subscribe_context", OPTION_STR, AT(endpoint_draft, subscribe_context), .max = 79,
      .meaning = "Where the extensions are that it subscribes to." },
    { "allow_subscribe", OPTION_BOOL, AT(endpoint_draft, e.allow_subscribe), .fallback = "yes",
      .meaning = "May it subscribe?" },
    { "sub_min_expiry", OPTION_U32, AT(endpoint_draft, e.sub_min_expiry_s), .fallback = "0",
      ANY_U32, .meaning = "Shortest subscription in seconds; a shorter wish is answered 423." },
    { "notify_early_inuse_ringing", OPTION_BOOL, AT(endpoint_draft, e.notify_early_inuse_ringing),
      .fallback = "no", .meaning = "In use and ringing at once is told as ringing." },
    { "identify_by", OPTION_WORDS, AT(endpoint_draft, e.identify_by), .fallback = "username,ip",
      .words = identifier_words,
      .meaning = "By which names it may be found as the sender of a request: that of From "
                 "(`username`), that of Authorization (`auth_username`). The others need not be "
                 "here: an identify section, or the id `anonymous`, suffices." },
    { "auth", OPTION_LIST, ARRAY_AT(endpoint_draft, e.auths, e.n_auths),
      .meaning =
          "Credentials, one of which it must prove with each request; ids of auth sections." },
    { "outbound_auth", OPTION_LIST, ARRAY_AT(endpoint_draft, e.outbound_auths, e.n_outbound_auths),
      .meaning = "Credentials, as one of which its challenges are answered; ids of auth sections. "
                 "See authenticate_qualify." },
    { "allow_unauthenticated_options", OPTION_BOOL,
      AT(endpoint_draft, e.allow_unauthenticated_options), .fallback = "no",
      .meaning = "Its OPTIONS are answered without." },
    { "aors", OPTION_LIST, ARRAY_AT(endpoint_draft, e.aors, e.n_aors), .flags = OPTION_REPLACES,
      .meaning = "Where it can be reached; ids of aor sections." },
    { "transport", OPTION_STR, AT(endpoint_draft, e.transport),
      .meaning = "Id of the transport to send by; otherwise, and where that one is of another "
                 "protocol or IP version than the telephone, the one the request came in by." },
    { "force_rport", OPTION_BOOL, AT(endpoint_draft, e.force_rport), .fallback = "yes",
      .meaning = "Answer to where the request came from, even if it did not ask (RFC 3581)." },
    { "rewrite_contact", OPTION_BOOL, AT(endpoint_draft, e.rewrite_contact), .fallback = "no",
      .meaning = "Send NOTIFY to where the SUBSCRIBE came from, not to its Contact." },
    { "contact_user", OPTION_USER, AT(endpoint_draft, e.contact_user), .max = 255,
      .meaning = "User part of our Contact." },
    { "from_domain", OPTION_HOST, AT(endpoint_draft, e.from_domain),
      .meaning = "Domain in the From of requests outside a dialog." },
    { "from_user", OPTION_USER, AT(endpoint_draft, e.from_user), .max = 255,
      .meaning = "User part in it." },
    { "outbound_proxy", OPTION_URI, AT(endpoint_draft, e.outbound_proxy),
      .meaning =
          "Next hop of requests outside a dialog. Write `\\;lr`, because a semicolon begins a "
          "comment." },
    { "callerid", OPTION_CUSTOM, .read = read_callerid, .type_text = "`\"Name\" <number>`",
      .meaning = "Name and number for listings." },
    { "mailboxes", OPTION_STR, AT(endpoint_draft, e.mailboxes),
      .meaning =
          "Its mailboxes, comma separated, whose states it is told without a subscription." },
    { "voicemail_extension", OPTION_STR, AT(endpoint_draft, e.voicemail_extension), .max = 255,
      .meaning = "User part of the Message-Account that it is told then." },
    { "aggregate_mwi", OPTION_BOOL, AT(endpoint_draft, e.aggregate_mwi), .fallback = "yes",
      .meaning = "One message with the sum of its mailboxes, not one for each." },
    { "mwi_subscribe_replaces_unsolicited", OPTION_BOOL,
      AT(endpoint_draft, e.mwi_subscribe_replaces_unsolicited), .fallback = "no",
      .meaning = "A subscription to one of its mailboxes ends what it is told unasked; otherwise "
                 "that subscription is refused." },
    { "mwi_from_user", OPTION_USER, AT(endpoint_draft, e.mwi_from_user), .max = 255,
      .meaning = "User part of From in what it is told unasked; otherwise from_user." },
    { "incoming_mwi_mailbox", OPTION_STR, AT(endpoint_draft, e.incoming_mwi_mailbox), .max = 79,
      .meaning = "Mailbox whose state this endpoint tells us by NOTIFY, as box@context." },
    { "@watch_allow", OPTION_STR, AT(endpoint_draft, e.watch_allow_pattern), .max = 256,
      .flags = OPTION_VITAL,
      .meaning = "Regular expression (any case, not anchored) for `extension@context`: what it may "
                 "watch of its context; all when not given." },
    { "@watch_deny", OPTION_STR, AT(endpoint_draft, e.watch_deny_pattern), .max = 256,
      .flags = OPTION_VITAL, .meaning = "The same for what it may not watch, which wins." },
    ADDRESS_RULES("", endpoint_draft, e.source, "it sends from"),
    ADDRESS_RULES("contact_", endpoint_draft, e.contact,
                  "its Contact, first Record-Route or Path names"),
};

const struct schema endpoint_schema = {
    .file = "pjsip.conf",
    .section = "type = endpoint",
    .kind = "endpoint",
    .meaning = "Somebody who sends us requests: a telephone, a proxy, another PBX.",
    OPTIONS(endpoint_options),
    .object_size = sizeof(struct endpoint_draft),
    .ignored =
        "100rel accept_multiple_sdp_answers accountcode allow allow_overlap "
        "allow_transfer "
        "asymmetric_rtp_codec bind_rtp_to_media_address bundle "
        "call_group callerid_privacy "
        "callerid_tag codec_prefs_incoming_answer codec_prefs_incoming_offer "
        "codec_prefs_outgoing_answer "
        "codec_prefs_outgoing_offer connected_line_method cos_audio cos_video device_state_busy_at "
        "direct_media "
        "direct_media_glare_mitigation direct_media_method disable_direct_media_on_nat disallow "
        "dtls_auto_generate_cert "
        "dtls_ca_file dtls_ca_path dtls_cert_file dtls_cipher dtls_fingerprint dtls_private_key "
        "dtls_rekey dtls_setup "
        "dtls_verify dtmf_mode fax_detect fax_detect_timeout follow_early_media_fork "
        "follow_redirect_methods force_avp "
        "g726_non_standard geoloc_incoming_call_profile geoloc_outgoing_call_profile "
        "ice_support "
        "ignore_183_without_sdp inband_progress incoming_call_offer_pref "
        "language "
        "max_audio_streams max_video_streams media_address media_encryption "
        "media_encryption_optimistic "
        "media_use_received_transport message_context moh_passthrough moh_suggest "
        "named_call_group named_pickup_group "
        "one_touch_recording "
        "outgoing_call_offer_pref overlap_context pickup_group preferred_codec_only "
        "record_off_feature "
        "record_on_feature redirect_method refer_blind_progress rpid_immediate rtcp_mux rtp_engine "
        "rtp_ipv6 rtp_keepalive "
        "rtp_port_end rtp_port_start rtp_symmetric rtp_timeout rtp_timeout_hold sdp_owner "
        "sdp_session security_mechanisms "
        "security_negotiation send_aoc send_connected_line send_diversion send_history_info "
        "send_pai send_rpid set_var "
        "srtp_tag_32 stir_shaken stir_shaken_profile suppress_moh_on_sendonly "
        "suppress_q850_reason_headers "
        "t38_bind_udptl_to_media_address t38_udptl t38_udptl_ec t38_udptl_ipv6 "
        "t38_udptl_maxdatagram t38_udptl_nat "
        "tenantid timers timers_min_se timers_sess_expires tone_zone tos_audio tos_video "
        "trust_connected_line "
        "trust_id_inbound trust_id_outbound use_avpf use_ptime user_eq_phone "
        "webrtc ",
};

/* ---- identify ---- */

static int read_match(struct reading *r, const struct option *o, void *object,
                      const struct conf_entry *e, struct buf *why)
{
    struct identify_settings *i = &((struct identify_draft *)object)->i;
    struct str rest = e->value;

    (void)o, (void)why;
    while (rest.n) {
        struct str part = str_next(&rest, ',');
        char room[150];
        struct buf reason;
        int result;

        if (part.n == 0)
            continue;
        buf_init_on(&reason, room, sizeof(room));
        result = match_read(r, i, part, e, &reason);
        if (result == OPTION_BAD) { /* a slip lets nobody in */
            bool negated = part.p[0] == '!';

            reading_fault(r, e, part, buf_str(&reason),
                          negated ? STR("it excludes everything instead") : STR("it is left out"));
            result = negated ? match_exclude_all(r, i) : 0;
        }
        if (result)
            return result;
    }
    return 0;
}

static const struct option identify_options[] = {
    { "endpoint", OPTION_STR, AT(identify_draft, i.endpoint), .flags = OPTION_REQUIRED,
      .meaning = "Id of the endpoint that a matching request is from." },
    { "match", OPTION_CUSTOM, .read = read_match,
      .type_text = "list of addresses, networks and host names",
      .meaning = "Where the request came from; `:port` may follow, `!` in front excludes "
                 "(everything, when it cannot be read). Names are looked up at load, as the system "
                 "does it: see srv_lookups." },
    { "srv_lookups", OPTION_BOOL, AT(identify_draft, srv_lookups), .fallback = "yes",
      .meaning = "A name in `match` without a port, and with a dot, is that of a domain: the "
                 "addresses of its servers for `_sip._udp`, `_sip._tcp` and `_sips._tcp` match, "
                 "whatever their ports. Its own do with `no`, or where there are none." },
    { "match_header", OPTION_STR, AT(identify_draft, match_header), .max = 511,
      .flags = OPTION_VITAL,
      .meaning = "A header field and its value, `Name: value`, or `Name: /PATTERN/`, a regular "
                 "expression that is not anchored. Anybody can write any header field: let "
                 "somebody in front remove it, or ask for credentials too." },
    { "match_request_uri", OPTION_STR, AT(identify_draft, match_request_uri), .max = 511,
      .flags = OPTION_VITAL, .meaning = "The request's URI as it was sent, or `/PATTERN/`." },
    { "@match_certificate", OPTION_LIST, ARRAY_AT(identify_draft, i.certificates, i.n_certificates),
      .meaning =
          "Whom the certificate of a TLS client names: a domain, `example.com`, or a SIP URI, "
          "`alice@example.com` (RFC 5922). Needs `verify_client` of the transport, comes "
          "before `endpoint_identifier_order`, and is proof." },
};

const struct schema identify_schema = {
    .file = "pjsip.conf",
    .section = "type = identify",
    .kind = "identify",
    .meaning = "Finds the endpoint of a request by its source address, a header field or its URI; "
               "one of them suffices.",
    OPTIONS(identify_options),
    .object_size = sizeof(struct identify_draft),
    .ignored = "",
};
