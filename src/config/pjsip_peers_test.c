// SPDX-License-Identifier: MIT
/* pjsip.conf: who talks to us - auth, aor, endpoint, identify. */
#include "config/settings_testing.h"

/* ---- auth ---- */

#define HASH32 "0123456789abcdef0123456789ABCDEF"
#define HASH32_LOWER "0123456789abcdef0123456789abcdef"

static void test_auth(void **state)
{
    struct loaded l = load(
        UDP
        "[a]\ntype=auth\nauth_type=userpass\nusername=alice\npassword=s3cret\n"
        "[b]\ntype=auth\nauth_type=md5\nusername=bob\nmd5_cred=" HASH32 "\nrealm=r\n"
        "[c]\ntype=auth\nauth_type=digest\nusername=c\npassword_digest=SHA-256:" HASH32 HASH32 "\n"
        "password_digest = MD5:" HASH32 "\nrealm=r\nsupported_algorithms_uac=SHA-256\n"
        "[d]\ntype=auth\nauth_type=digest\nusername=d\nrealm=r\npassword_digest=SHA-512-256:" HASH32
            HASH32 "\n"
        "supported_algorithms_uas=SHA-512-256\nnonce_lifetime=300\n"
        "[e]\ntype=auth\nusername=e\npassword=p\nsupported_algorithms_uac=SHA-256\n"
        "supported_algorithms_uac=MD5\n",
        NULL);
    const struct auth_settings *a = l.s->auths;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_auths, 5);
    assert_str(a[0].credential.username, "alice");
    assert_str(a[0].credential.password, "s3cret");
    assert_int_equal(a[0].credential.algorithms, BIT(DIGEST_MD5));
    assert_str(a[1].credential.hash[DIGEST_MD5], HASH32_LOWER);
    assert_str(a[1].credential.realm, "r");
    assert_str(a[2].credential.hash[DIGEST_SHA256], HASH32_LOWER HASH32_LOWER);
    assert_int_equal(a[2].credential.algorithms, BIT(DIGEST_SHA256));
    assert_int_equal(a[3].credential.algorithms, BIT(DIGEST_SHA512_256));
    assert_int_equal(a[4].credential.algorithms, BIT(DIGEST_MD5) | BIT(DIGEST_SHA256));
    assert_ptr_equal(settings_auth(l.s, STR("c")), &a[2]);
    unload(&l);
}

static void assert_order(const struct digest_order *order, size_t n, enum digest_algorithm first,
                         enum digest_algorithm last)
{
    assert_int_equal(order->n, n);
    assert_int_equal(order->list[0], first);
    assert_int_equal(order->list[n - 1], last);
}

/* As who is challenged: what is wanted, of that what there is something to hash with, else that. */
static void test_auth_server(void **state)
{
    struct loaded l = load(
        UDP "[global]\ntype=global\ndefault_realm=office\n"
            "default_auth_algorithms_uas=SHA-256,MD5\n"
            "[a]\ntype=auth\nusername=alice\npassword=secret\nnonce_lifetime=300\n"
            "[b]\ntype=auth\nusername=bob\nmd5_cred=" HASH32 "\nrealm=r\n"
            "[c]\ntype=auth\nusername=c\npassword=p\nrealm=*\nsupported_algorithms_uas=MD5\n"
            "supported_algorithms_uas=SHA-512-256,MD5,MD5\n"
            "[d]\ntype=auth\nusername=d\nrealm=r\npassword_digest=SHA-512-256:" HASH32 HASH32 "\n"
            "[e]\ntype=endpoint\nauth=a\n[f]\ntype=endpoint\nauth=a,b\n"
            "allow_unauthenticated_options=yes\n",
        "[general]\nunknown_endpoints=challenge\n");
    const struct auth_settings *a = l.s->auths;
    struct digest_hex a1;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->general.strangers, STRANGERS_CHALLENGE);
    assert_false(l.s->endpoints[0].allow_unauthenticated_options);
    assert_true(l.s->endpoints[1].allow_unauthenticated_options);
    assert_order(&a[0].server.order, 2, DIGEST_SHA256, DIGEST_MD5);
    assert_str(a[0].server.realm, "office");
    assert_int_equal(a[0].server.nonce_lifetime_s, 300);
    assert_int_equal(digest_a1(&a1, DIGEST_SHA256, STR("alice"), STR("office"), STR("secret")), 0);
    assert_true(str_equal(a[0].server.a1[DIGEST_SHA256], digest_hex_str(&a1)));
    assert_order(&a[1].server.order, 1, DIGEST_MD5, DIGEST_MD5);
    assert_str(a[1].server.realm, "r");
    assert_str(a[1].server.a1[DIGEST_MD5], HASH32_LOWER);
    assert_int_equal(a[1].server.nonce_lifetime_s, 32);
    assert_order(&a[2].server.order, 2, DIGEST_SHA512_256, DIGEST_MD5);
    assert_str(a[2].server.realm, "office");
    assert_order(&a[3].server.order, 1, DIGEST_SHA512_256, DIGEST_SHA512_256);
    unload(&l);
}

static void test_auth_problems(void **state)
{
    (void)state;
    check_diag(
        "[a]\ntype=auth\npassword=p\n", NULL,
        "etc/pjsip.conf:4: error: auth [a] has no username and is refused; add username = ...\n");
    check_diag("[a]\ntype=auth\nusername=a\n", NULL,
               "etc/pjsip.conf:4: error: auth [a] has no password and is refused; add password, "
               "password_digest or "
               "md5_cred\n");
    check_diag("[a]\ntype=auth\nusername=a\nmd5_cred=0123\n", NULL,
               "etc/pjsip.conf:7: error: md5_cred = (not shown): the hash of MD5 has 32 "
               "hexadecimal digits; its section is "
               "refused\n");
    check_diag("[a]\ntype=auth\nusername=a\npassword_digest=SHA-1:00\n", NULL,
               "etc/pjsip.conf:7: error: password_digest = (not shown): not ALGORITHM:HASH with "
               "MD5, SHA-256 or "
               "SHA-512-256; its section is refused\n");
    check_diag("[a]\ntype=auth\nusername=a\nmd5_cred=" HASH32 "\n", NULL,
               "etc/pjsip.conf:4: warning: auth [a]: a hashed password fits the realm it was made "
               "for only; add realm = "
               "...\n");
    check_diag(
        "[a]\ntype=auth\nusername=a\nmd5_cred=" HASH32
        "\nrealm=r\nsupported_algorithms_uac=MD5\nsupported_algorithms_uac=SHA-256\n",
        NULL,
        "etc/pjsip.conf:10: error: auth [a] names an algorithm without a password_digest for "
        "it; it answers with the "
        "others, add one or the password\n");
    check_diag(
        "[a]\ntype=auth\nusername=a\nmd5_cred=" HASH32
        "\nrealm=r\nsupported_algorithms_uas=SHA-1,SHA-256\nnonce_lifetime=0\n",
        NULL,
        "etc/pjsip.conf:9: error: supported_algorithms_uas = SHA-1: not one of MD5, SHA-256, "
        "SHA-512-256; it is left out\n"
        "etc/pjsip.conf:9: error: auth [a] names an algorithm without a password_digest for "
        "it; it challenges with the others, add one or the password\n"
        "etc/pjsip.conf:10: error: nonce_lifetime = 0: not a whole number from 1 to 86400; "
        "the default 32 is used instead\n");
    check_diag("[a]\ntype=auth\nauth_type=google_oauth\nusername=a\nrefresh_token=x\n", NULL,
               "etc/pjsip.conf:4: warning: auth [a]: auth_type = google_oauth is not served; the "
               "section is idle\n");
}

/* ---- endpoint and aor ---- */

static void test_endpoint(void **state)
{
    struct loaded l = load(
        UDP "[phone](!)\ntype=endpoint\ncontext=internal\nsubscribe_context=hints\ndisallow="
            "all\nallow=ulaw\ntransport=udp\n"
            "[6001](phone)\nauth=6001, 6002\nAORS=6001\nallow_subscribe=no\nsub_min_expiry=60\n"
            "callerid=\"Alice Smith\" "
            "<6001>\nidentify_by=ip,header\nforce_rport=no\nrewrite_contact=yes\n"
            "notify_early_inuse_ringing=yes\ncontact_user=u\nfrom_domain=d\naors=6001, "
            "other\n@custom=1\n"
            "[6001]\ntype=auth\nusername=6001\npassword=p\n[6002]\ntype=auth\nusername="
            "6002\npassword=p\n"
            "[6001]\ntype=aor\ncontact=sip:6001@192.0.2.1\\;transport=udp,sip:6001@192.0.2.2\nmax_"
            "contacts=2\n"
            "[other]\ntype=aor\nmailboxes=6001@default\nvoicemail_extension=*97\n"
            "maximum_expiration=90\nremove_unavailable=yes\nsupport_path=yes\n"
            "[6002](phone)\nsubscribe_context=\naors=other\ncallerid=Bob\n"
            "[6003]\ntype=endpoint\ncallerid=6003\n",
        NULL);
    const struct endpoint_settings *e = l.s->endpoints;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_endpoints, 3);
    assert_str(e[0].id, "6001");
    assert_str(e[0].context, "hints");
    assert_false(e[0].allow_subscribe);
    assert_int_equal(e[0].sub_min_expiry_s, 60);
    assert_true(e[0].notify_early_inuse_ringing && e[0].rewrite_contact);
    assert_false(e[0].force_rport);
    assert_int_equal(e[0].identify_by, IDENTIFY_IP | IDENTIFY_HEADER);
    assert_int_equal(e[0].n_auths, 2);
    assert_str(e[0].auths[1], "6002");
    assert_int_equal(e[0].n_aors, 2); /* of the last line */
    assert_str(e[0].aors[0], "6001");
    assert_str(e[0].aors[1], "other");
    assert_str(e[0].transport, "udp");
    assert_str(e[0].callerid_name, "Alice Smith");
    assert_str(e[0].callerid_number, "6001");
    assert_str(e[0].contact_user, "u");
    assert_str(e[0].from_domain, "d");
    assert_int_equal(e[0].at.line, 11);
    assert_str(e[1].context, "internal");
    assert_str(e[1].callerid_name, "Bob");
    assert_str(e[1].callerid_number, "");
    assert_int_equal(e[1].identify_by, IDENTIFY_USERNAME | IDENTIFY_IP);
    assert_true(e[1].allow_subscribe && e[1].force_rport);
    assert_str(e[2].context, "default");
    assert_str(e[2].callerid_number, "6003");
    assert_int_equal(settings_aor(l.s, STR("6001"))->n_contacts, 2);
    assert_str(settings_aor(l.s, STR("6001"))->contacts[0], "sip:6001@192.0.2.1;transport=udp");
    assert_str(settings_aor(l.s, STR("other"))->mailboxes, "6001@default");
    assert_int_equal(settings_aor(l.s, STR("6001"))->max_contacts, 2);
    assert_int_equal(settings_aor(l.s, STR("6001"))->default_expiration_s, 3600);
    assert_int_equal(settings_aor(l.s, STR("6001"))->minimum_expiration_s, 60);
    assert_int_equal(settings_aor(l.s, STR("6001"))->maximum_expiration_s, 7200);
    assert_int_equal(settings_aor(l.s, STR("other"))->max_contacts, 0);
    assert_int_equal(settings_aor(l.s, STR("other"))->maximum_expiration_s, 90);
    assert_true(settings_aor(l.s, STR("other"))->remove_unavailable);
    assert_false(settings_aor(l.s, STR("other"))->remove_existing);
    assert_true(settings_aor(l.s, STR("other"))->support_path);
    assert_str(settings_aor(l.s, STR("other"))->voicemail_extension, "*97");
    assert_true(settings_endpoint_reachable(l.s, settings_endpoint(l.s, STR("6001"))));
    assert_false(settings_endpoint_reachable(l.s, settings_endpoint(l.s, STR("6002"))));
    assert_false(settings_endpoint_reachable(l.s, settings_endpoint(l.s, STR("6003"))));
    assert_null(settings_endpoint(l.s, STR("phone")));
    unload(&l);
}

static void test_callerid(void **state)
{
    static const struct {
        const char *value, *name, *number;
    } cases[] = {
        { "\"Alice Smith\" <6001>", "Alice Smith", "6001" },
        { "Alice Smith <6001>", "Alice Smith", "6001" },
        { "\"Bob & Co <b>\" <6002>", "Bob & Co <b>", "6002" },
        { "\"Half <6003>", "\"Half", "6003" },
        { "\"Alone\"", "Alone", "" },
        { "<6004>", "", "6004" },
        { "\"", "\"", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        struct loaded l;

        snprintf(text, sizeof(text), "[e]\ntype=endpoint\ncallerid=%s\n", cases[i].value);
        l = load(text, NULL);
        assert_str(l.s->endpoints[0].callerid_name, cases[i].name);
        assert_str(l.s->endpoints[0].callerid_number, cases[i].number);
        unload(&l);
    }
}

static void test_endpoint_problems(void **state)
{
    (void)state;
    check_diag("[e]\ntype=endpoint\nauth=x\naors=y\ntransport=z\n[x]\ntype=auth\nusername=x\n",
               NULL,
               "etc/pjsip.conf:6: warning: endpoint [e]: auth x is refused (see its own message); "
               "define it or correct the name\n"
               "etc/pjsip.conf:7: warning: endpoint [e]: aor y does not exist; define it or "
               "correct the name\n"
               "etc/pjsip.conf:8: warning: endpoint [e]: transport z does not exist; define it or "
               "correct the name\n"
               "etc/pjsip.conf:9: error: auth [x] has no password and is refused; add password, "
               "password_digest or md5_cred\n");
    check_diag("[e]\ntype=endpoint\nsub_min_expiry=-1\nallow_subscribe=maybe\nidentify_by=name\n",
               NULL,
               "etc/pjsip.conf:6: error: sub_min_expiry = -1: not a whole number from 0 to "
               "4294967295; the default 0 is "
               "used instead\n"
               "etc/pjsip.conf:7: warning: allow_subscribe = maybe counts as no; write yes or no\n"
               "etc/pjsip.conf:8: error: identify_by = name: not one of username, auth_username, "
               "ip, header, request_uri, "
               "anonymous; the default username,ip is used instead\n");
    check_diag("[e]\ntype=endpoint\nsubscribe_contxt=a\ndisalow=all\nbrand_new_option=1\n@anything="
               "1\n@auth=1\n",
               NULL,
               "etc/pjsip.conf:6: warning: unknown option subscribe_contxt in endpoint is ignored; "
               "did you mean "
               "subscribe_context?\n");
    check_diag("[e]\ntype=endpoint\npermit=10.0.0.0/8\ndeny=0.0.0.0/"
               "0\n[f]\ntype=endpoint\npermit=10.0.0.0/8\n",
               NULL, "");
    check_diag("[e]\ntype=endpoint\n@watch_allow=^1\n@watch_deny=(\n", NULL,
               "etc/pjsip.conf:7: error: endpoint [e] is refused: @watch_deny = ( is no regular "
               "expression: missing closing parenthesis at offset 1\n");
    /* What a template has wrong is told once. */
    check_diag("[t](!)\ntype=endpoint\nsub_min_expiry=x\nallow_subscribes=1\n[e](t)\n[f](t)\n",
               NULL,
               "etc/pjsip.conf:6: error: sub_min_expiry = x: not a whole number from 0 to "
               "4294967295; the default 0 is "
               "used instead\n"
               "etc/pjsip.conf:7: warning: unknown option allow_subscribes in endpoint is ignored; "
               "did you mean "
               "allow_subscribe?\n");
    check_diag(
        "[a]\ntype=aor\ncontact=tel:1,sip:a@b,sip:@@,http://a:pw@h\n", NULL,
        "etc/pjsip.conf:6: error: contact = tel:1: not a sip: or sips: URI; it is left out\n"
        "etc/pjsip.conf:6: error: contact = sip:@@: not a sip: or sips: URI; it is left out\n"
        "etc/pjsip.conf:6: error: contact = @h: not a sip: or sips: URI; it is left out\n");
}

/* ---- whether contacts are there ---- */

static void test_qualify(void **state)
{
    struct loaded l = load(UDP "[global]\ntype=global\nmax_initial_qualify_time=20\n"
                               "[a]\ntype=endpoint\naors=a,b\noutbound_auth=x,y\n"
                               "[x]\ntype=auth\nusername=x\npassword=p\n"
                               "[y]\ntype=auth\nusername=y\npassword=p\n"
                               "[a]\ntype=aor\nqualify_frequency=60\nqualify_timeout=2.5\n"
                               "qualify_2xx_only=yes\nauthenticate_qualify=yes\n[b]\ntype=aor\n",
                           NULL);
    const struct aor_settings *a = settings_aor(l.s, STR("a")), *b = settings_aor(l.s, STR("b"));

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->global.max_initial_qualify_time_s, 20);
    assert_int_equal(a->qualify_frequency_s, 60);
    assert_int_equal(a->qualify_timeout_ms, 2500);
    assert_true(a->qualify_2xx_only && a->authenticate_qualify);
    assert_int_equal(b->qualify_frequency_s, 0);
    assert_int_equal(b->qualify_timeout_ms, 3000);
    assert_false(b->qualify_2xx_only || b->authenticate_qualify);
    assert_int_equal(l.s->endpoints[0].n_outbound_auths, 2);
    assert_str(l.s->endpoints[0].outbound_auths[1], "y");
    unload(&l);
}

static void test_qualify_timeouts(void **state)
{
    static const struct {
        const char *text;
        uint32_t ms; /* UINT32_MAX: none */
    } cases[] = {
        { "0", 0 },         { "3", 3000 },           { "3.0", 3000 },        { "0.25", 250 },
        { "1.2345", 1234 }, { "3600.999", 3600999 }, { "3601", UINT32_MAX }, { "-1", UINT32_MAX },
        { "", UINT32_MAX }, { "1.5s", UINT32_MAX },  { ".5", UINT32_MAX },   { "1.", 1000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[128];
        struct loaded l;
        bool bad = cases[i].ms == UINT32_MAX;

        snprintf(text, sizeof(text), UDP "[a]\ntype=aor\nqualify_timeout=%s\n", cases[i].text);
        l = load(text, NULL);
        assert_int_equal(l.diag.errors, bad);
        assert_int_equal(settings_aor(l.s, STR("a"))->qualify_timeout_ms, bad ? 3000 : cases[i].ms);
        unload(&l);
    }
    check_diag("[a]\ntype=endpoint\noutbound_auth=nobody\n", NULL,
               "etc/pjsip.conf:6: warning: endpoint [a]: auth nobody does not exist; define it or "
               "correct the name\n");
}

/* ---- what we call ourselves ---- */

#define FIVE "%20%20%20%20%20"
#define LONG \
    FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE FIVE "1234567890"

static void test_users(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "us", "us" },           { "*98", "*98" },
        { "a\\;b", "a;b" },       { "a b<>\\;\"@", "a%20b%3C%3E;%22%40" },
        { "50%20%", "50%20%25" }, { "b\xc3\xbcro", "b%C3%BCro" },
        { "a\x7f", "" },          { LONG "12345", LONG "12345" },
        { LONG "123456", "" },
    };
    char text[1000];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loaded l;

        snprintf(text, sizeof(text),
                 UDP "[g]\ntype=global\n[e]\ntype=endpoint\ncontact_user=%s\nfrom_user=%s\n"
                     "mwi_from_user=%s\n",
                 rows[i].text, rows[i].text, rows[i].text);
        l = load(text, NULL);
        assert_int_equal(l.diag.errors, rows[i].want[0] ? 0 : 3);
        assert_str(l.s->endpoints[0].contact_user, rows[i].want);
        assert_str(l.s->endpoints[0].from_user, rows[i].want);
        assert_str(l.s->endpoints[0].mwi_from_user, rows[i].want);
        unload(&l);
    }
    check_diag("[e]\ntype=endpoint\ncontact_user=a\x01z\naors=a\x02z,a\n[a]\ntype=aor\n"
               "[global]\ntype=global\ndefault_from_user=\"" FIVE FIVE FIVE FIVE FIVE "123\n",
               NULL,
               "etc/pjsip.conf:6: error: contact_user = a?z: a control character; the line is "
               "ignored\n"
               "etc/pjsip.conf:7: error: aors = a?z: a control character; it is left out\n"
               "etc/pjsip.conf:12: error: default_from_user = \"" FIVE FIVE FIVE FIVE FIVE
               "123: longer than 80 bytes as it stands in a URI; the line is ignored\n");
}

static void test_hosts(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: it is none */
    } rows[] = {
        { "", "" },
        { "localhost", "localhost" },
        { "Blf-1.Example.com.", "Blf-1.Example.com." },
        { "sip_proxy", "sip_proxy" },
        { "4.example", "4.example" },
        { "192.0.2.1", "192.0.2.1" },
        { "2001:db8::1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" },
        { "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
        { "192.0.2.1:5060", NULL },
        { "[2001:db8::1]:5060", NULL },
        { "example.com:5060", NULL },
        { "192.0.2.256", NULL },
        { "192.0.2", NULL },
        { "5060", NULL },
        { "[192.0.2.1]", NULL },
        { "[example.com]", NULL },
        { "[::1", NULL },
        { "::1]", NULL },
        { "[[::1]]", NULL },
        { "fe80::1%eth0", NULL },
        { "::g", NULL },
        { "[]", NULL },
        { ".", NULL },
        { "..", NULL },
        { "a..b", NULL },
        { "a..", NULL },
        { ".a", NULL },
        { "-a", NULL },
        { "a-.b", NULL },
        { "a b", NULL },
        { "a>", NULL },
        { "<a", NULL },
        { "a,b", NULL },
        { "a\\;b", NULL },
        { "\"a\"", NULL },
        { "a@b", NULL },
        { "a/b", NULL },
        { "a%2eb", NULL },
        { "b\xc3\xbcro.example", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool bad = !rows[i].want;
        struct loaded l;
        char text[600];

        snprintf(text, sizeof(text),
                 "[t]\ntype=transport\nbind=127.0.0.1\ndomain=%s\n"
                 "external_signaling_address=%s\n[u]\ntype=transport\nbind=127.0.0.2\n"
                 "external_signaling_hostname=%s\n[e]\ntype=endpoint\nfrom_domain=%s\n",
                 rows[i].text, rows[i].text, rows[i].text, rows[i].text);
        l = load(text, NULL);
        if (l.diag.errors != (bad ? 4 : 0))
            fail_msg("%s: %.*s", rows[i].text, STR_FMT(buf_str(&l.diag.text)));
        assert_str(l.s->transports[0].domain, bad ? "" : rows[i].want);
        assert_str(l.s->transports[0].external_address, bad ? "" : rows[i].want);
        assert_str(l.s->transports[1].external_address, bad ? "" : rows[i].want);
        assert_str(l.s->endpoints[0].from_domain, bad ? "" : rows[i].want);
        unload(&l);
    }
    check_diag("[e]\ntype=endpoint\nfrom_domain=a>\n[a]\ntype=domain_alias\ndomain=b@c\n", NULL,
               "etc/pjsip.conf:6: error: from_domain = a>: not a host name or an address without a "
               "port; the line is ignored\n"
               "etc/pjsip.conf:9: error: domain = b@c: not a host name or an address without a "
               "port; its section is refused\n");
}

/* ---- mailboxes ---- */

static void test_mailboxes(void **state)
{
    struct loaded l = load(UDP "[a]\ntype=endpoint\nmailboxes=1@default,2@default\n"
                               "voicemail_extension=*97\naggregate_mwi=no\n"
                               "mwi_subscribe_replaces_unsolicited=yes\nmwi_from_user=voicemail\n"
                               "from_user=pbx\noutbound_proxy=sip:192.0.2.6\\;lr\nincoming_mwi_"
                               "mailbox=3@default\n[b]\ntype=endpoint\n",
                           NULL);
    const struct endpoint_settings *a = settings_endpoint(l.s, STR("a")),
                                   *b = settings_endpoint(l.s, STR("b"));

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_str(a->mailboxes, "1@default,2@default");
    assert_str(a->voicemail_extension, "*97");
    assert_false(a->aggregate_mwi);
    assert_true(a->mwi_subscribe_replaces_unsolicited);
    assert_str(a->mwi_from_user, "voicemail");
    assert_str(a->from_user, "pbx");
    assert_str(a->outbound_proxy, "sip:192.0.2.6;lr");
    assert_str(a->incoming_mwi_mailbox, "3@default");
    assert_str(b->mailboxes, "");
    assert_str(b->voicemail_extension, "");
    assert_true(b->aggregate_mwi);
    assert_false(b->mwi_subscribe_replaces_unsolicited);
    assert_str(b->mwi_from_user, "");
    assert_str(b->incoming_mwi_mailbox, "");
    unload(&l);
    check_diag("[e]\ntype=endpoint\naggregate_mwi=some\nmailbox=1\n", NULL,
               "etc/pjsip.conf:6: warning: aggregate_mwi = some counts as no; write yes or no\n"
               "etc/pjsip.conf:7: warning: unknown option mailbox in endpoint is ignored; did you "
               "mean mailboxes?\n");
    check_diag("[a]\ntype=aor\noutbound_proxy=sip:h\n", NULL,
               "etc/pjsip.conf:6: warning: aor [a]: outbound_proxy has no lr parameter; write "
               "\\;lr, because ; alone begins a comment\n");
    check_diag("[e]\ntype=endpoint\noutbound_proxy=sip:h\n", NULL,
               "etc/pjsip.conf:6: warning: endpoint [e]: outbound_proxy has no lr parameter; write "
               "\\;lr, because ; alone begins a comment\n");
}

static void test_mailbox_names(void **state)
{
    char list[120];
    struct str rest, name;

    (void)state;
    snprintf(list, sizeof(list), " 1@a ,,%080d,2", 7);
    rest = str_of(list);
    assert_true(mailbox_next(&rest, &name));
    assert_str(name, "1@a");
    assert_true(mailbox_next(&rest, &name));
    assert_str(name, "2");
    assert_false(mailbox_next(&rest, &name));
    assert_true(mailboxes_meet(STR("1@a,2"), STR("3,2")));
    assert_false(mailboxes_meet(STR("1@a,,2"), STR("1@b,,3")));
    assert_false(mailboxes_meet(STR_EMPTY, STR_EMPTY));
}

static void assert_group(const struct mailbox_group *g, const char *name, const char *mailboxes,
                         const char *account)
{
    assert_non_null(g);
    assert_str(g->name, name);
    assert_str(g->mailboxes, mailboxes);
    assert_str(g->account, account);
}

static void test_mailbox_groups(void **state)
{
    struct loaded l = load(UDP "[desk]\ntype=aor\nmailboxes=1@d,2@d\nvoicemail_extension=*97\n"
                               "[home]\ntype=aor\nmailboxes=2@d,3@d\nvoicemail_extension=*98\n"
                               "[attic]\ntype=aor\nmailboxes=4@d\n"
                               "[none]\ntype=aor\n"
                               "[a]\ntype=endpoint\naors=none,desk,desk\n"
                               "[b]\ntype=endpoint\naors=desk,home\n"
                               "[c]\ntype=endpoint\naors=none,desk,home\n"
                               "[d]\ntype=endpoint\naors=attic,desk\n"
                               "[e]\ntype=endpoint\naors=none\n",
                           NULL);
    const struct settings *s = l.s;

    (void)state;
    assert_group(settings_mailbox_group(s, STR("desk")), "desk", "1@d,2@d", "*97");
    assert_null(settings_mailbox_group(s, STR("none")));
    assert_group(settings_endpoint_group(s, STR("a")), "desk", "1@d,2@d", "*97");
    assert_group(settings_endpoint_group(s, STR("b")), "desk,home", "1@d,2@d,2@d,3@d", "");
    assert_ptr_equal(settings_endpoint_group(s, STR("b")), settings_endpoint_group(s, STR("c")));
    assert_group(settings_endpoint_group(s, STR("d")), "attic,desk", "4@d,1@d,2@d", "*97");
    assert_null(settings_endpoint_group(s, STR("e")));
    unload(&l);
    l = load(UDP "[global]\ntype=global\ndefault_voicemail_extension=*99\n"
                 "[attic]\ntype=aor\nmailboxes=4@d\n",
             NULL);
    assert_group(settings_mailbox_group(l.s, STR("attic")), "attic", "4@d", "*99");
    unload(&l);
}

/* ---- identify ---- */

static void test_identify(void **state)
{
    struct loaded l =
        load(UDP "[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\n"
                 "match=192.0.2.1, 192.0.2.0/24:x,!192.0.2.9:5070\n"
                 "match=10.0.0.0/255.0.0.0,[2001:db8::1]:5060/64,2001:db8::2,10.1.2.3:5061/16\n"
                 "match=phones.example:5090\nmatch=gone.example\n"
                 "match=!10.0.0.0/99,10.9.9.9\nmatch=!gone.example\n",
             NULL);
    const struct identify_settings *i = &l.s->identifies[0];

    (void)state;
    assert_str(buf_str(&l.diag.text), "etc/pjsip.conf:9: error: match = 192.0.2.0/24:x: not an "
                                      "address or network (192.0.2.1, 192.0.2.0/24, "
                                      "[2001:db8::1]:5060); it is left out\n"
                                      "etc/pjsip.conf:12: warning: match = gone.example cannot be "
                                      "looked up (no such name); it is left out until "
                                      "a reload finds it\n"
                                      "etc/pjsip.conf:13: error: match = !10.0.0.0/99: not an "
                                      "address or network (192.0.2.1, 192.0.2.0/24, "
                                      "[2001:db8::1]:5060); it excludes everything instead\n"
                                      "etc/pjsip.conf:14: warning: match = !gone.example cannot be "
                                      "looked up (no such name); it excludes everything until "
                                      "a reload finds it\n");
    assert_int_equal(l.s->n_identifies, 1);
    assert_str(i->endpoint, "e");
    assert_int_equal(i->n_matches, 13);
    assert_addr(&i->matches[0].net.base, "192.0.2.1:0");
    assert_int_equal(i->matches[0].net.prefix, 32);
    assert_true(i->matches[1].negated);
    assert_int_equal(i->matches[1].port, 5070);
    assert_int_equal(i->matches[2].net.prefix, 8);
    assert_addr(&i->matches[3].net.base, "[2001:db8::]:0");
    assert_int_equal(i->matches[3].net.prefix, 64);
    assert_int_equal(i->matches[3].port, 5060);
    assert_int_equal(i->matches[4].net.prefix, 128);
    assert_addr(&i->matches[5].net.base, "10.1.0.0:0");
    assert_int_equal(i->matches[5].port, 5061);
    assert_addr(&i->matches[6].net.base, "192.0.2.77:0");
    assert_int_equal(i->matches[6].net.prefix, 32);
    assert_int_equal(i->matches[6].port, 5090);
    assert_addr(&i->matches[7].net.base, "[2001:db8::77]:0");
    assert_int_equal(i->matches[7].net.prefix, 128);
    for (size_t k = 8; k < 13; k++) {
        assert_int_equal(i->matches[k].net.prefix, k == 10 ? 32 : 0);
        assert_int_equal(i->matches[k].negated, k != 10);
    }
    assert_int_equal(i->matches[8].net.base.sa.sa_family, AF_INET);
    assert_int_equal(i->matches[9].net.base.sa.sa_family, AF_INET6);
    unload(&l);
}

/* A name without a port is a domain's, unless the section says otherwise, wherever that stands. */
static void test_identify_servers(void **state)
{
    static const struct {
        const char *lines, *address;
    } cases[] = {
        { "match=served.example\n", "192.0.2.79:0" },
        { "srv_lookups=yes\nmatch=served.example\n", "192.0.2.79:0" },
        { "match=served.example\nsrv_lookups=no\n", "192.0.2.78:0" },
        { "srv_lookups=no\nmatch=!served.example\n", "192.0.2.78:0" },
        { "match=served.example:5061\n", "192.0.2.78:0" },
    };

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
        char conf[256];
        struct loaded l;

        snprintf(conf, sizeof(conf), "%s[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\n%s",
                 UDP, cases[k].lines);
        l = load(conf, NULL);
        assert_str(buf_str(&l.diag.text), "");
        assert_int_equal(l.s->identifies[0].n_matches, 1);
        assert_addr(&l.s->identifies[0].matches[0].net.base, cases[k].address);
        unload(&l);
    }
}

static void test_identify_problems(void **state)
{
    (void)state;
    check_diag("[i]\ntype=identify\nmatch=192.0.2.1\n", NULL,
               "etc/pjsip.conf:4: error: identify [i] has no endpoint and is refused; add endpoint "
               "= ...\n");
    check_diag("[i]\ntype=identify\nendpoint=e\n", NULL,
               "etc/pjsip.conf:4: error: identify [i] has nothing to match and is refused; add "
               "match = ADDRESS\n"
               "etc/pjsip.conf:6: warning: identify [i]: endpoint e does not exist; define it or "
               "correct the name\n");
    check_diag("[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.1\n", NULL,
               "etc/pjsip.conf:6: warning: identify [i]: endpoint e does not exist; define it or "
               "correct the name\n");
    check_diag("[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\nmatch_header=X-A b\n", NULL,
               "etc/pjsip.conf:9: error: identify [i] is refused: match_header is not Name: "
               "value\n");
    check_diag("[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\nmatch_request_uri=/(/\n", NULL,
               "etc/pjsip.conf:9: error: identify [i] is refused: ( is no pattern: missing closing "
               "parenthesis at offset 1\n");
    check_diag(
        "[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.256,a "
        "b,h/24,[::1,1.2.3.4/,/8,:1\n",
        NULL,
        "etc/pjsip.conf:9: error: match = 192.0.2.256: not an address or network (192.0.2.1, "
        "192.0.2.0/24, "
        "[2001:db8::1]:5060); it is left out\n"
        "etc/pjsip.conf:9: error: match = a b: not [!]ADDRESS[:PORT][/PREFIX], nor a host name; it "
        "is left out\n"
        "etc/pjsip.conf:9: error: match = h/24: not [!]ADDRESS[:PORT][/PREFIX], nor a host name; "
        "it is left out\n"
        "etc/pjsip.conf:9: error: match = [::1: not [!]ADDRESS[:PORT][/PREFIX], nor a host name; "
        "it is left out\n"
        "etc/pjsip.conf:9: error: match = 1.2.3.4/: not [!]ADDRESS[:PORT][/PREFIX], nor a host "
        "name; it is left "
        "out\n"
        "etc/pjsip.conf:9: error: match = /8: not an address or network (192.0.2.1, 192.0.2.0/24, "
        "[2001:db8::1]:5060); it is left out\n"
        "etc/pjsip.conf:9: error: match = :1: not an address or network (192.0.2.1, 192.0.2.0/24, "
        "[2001:db8::1]:5060); it is left out\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_auth_server),
        cmocka_unit_test(test_auth_problems),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_callerid),
        cmocka_unit_test(test_endpoint_problems),
        cmocka_unit_test(test_qualify),
        cmocka_unit_test(test_qualify_timeouts),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_mailbox_names),
        cmocka_unit_test(test_identify),
        cmocka_unit_test(test_identify_servers),
        cmocka_unit_test(test_identify_problems),
        cmocka_unit_test(test_mailbox_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
