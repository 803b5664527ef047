// SPDX-License-Identifier: MIT
#include "config/config_test.h"

#include <stdio.h>

/* ---- reading from memory ---- */

struct loaded {
    struct settings *s;
    struct diag diag;
    int result;
};

static struct loaded load_with(const char *pjsip, const char *extstate, const struct str *overrides,
                               size_t n_overrides)
{
    struct test_file files[] = { { "etc/pjsip.conf", pjsip },
                                 { "etc/extstate.conf", extstate },
                                 { NULL, NULL } };
    struct loaded l = { .s = NULL };
    struct settings_source source = { .directory = STR("etc"),
                                      .state_directory = STR("/var/lib/extstate"),
                                      .overrides = overrides,
                                      .n_overrides = n_overrides,
                                      .resolve = test_resolve };

    if (!pjsip)
        files[0] = files[1];
    if (!pjsip || !extstate)
        files[1].path = NULL;
    if (!pjsip && !extstate)
        files[0].path = NULL;
    source.files = test_conf_source(files);
    diag_init(&l.diag);
    l.result = settings_read(&l.s, &source, &l.diag);
    return l;
}

static struct loaded load(const char *pjsip, const char *extstate)
{
    return load_with(pjsip, extstate, NULL, 0);
}

static void unload(struct loaded *l)
{
    settings_unref(l->s);
    diag_fini(&l->diag);
}

#define UDP                                                                                      \
    "[udp]\ntype=transport\nbind=127.0.0.1\n" /* lines 1 to 3, so that nobody misses a transport \
                                               */

/* Only the messages of a pjsip.conf behind UDP, whose first line is therefore 4. */
static void check_diag(const char *pjsip, const char *extstate, const char *want)
{
    char *text;
    struct loaded l;

    assert_true(asprintf(&text, "%s%s", UDP, pjsip) > 0);
    l = load(text, extstate);
    assert_int_equal(l.result, 0);
    test_assert_text("diag", pjsip, buf_str(&l.diag.text), want);
    unload(&l);
    free(text);
}

static void test_nothing(void **state)
{
    struct loaded l = load(NULL, NULL);

    (void)state;
    assert_int_equal(l.result, 0);
    assert_str(buf_str(&l.diag.text),
               "etc/pjsip.conf: warning: the file does not exist, so no SIP is served; does "
               "--config-dir name the right directory?\n");
    assert_int_equal(l.s->general.workers, 0);
    assert_str(l.s->general.control_socket, "/var/lib/extstate/extstated.sock");
    assert_str(l.s->general.log_level, "info");
    assert_int_equal(l.s->general.subscription_default_expiry_s, 3600);
    assert_int_equal(l.s->general.subscription_max_expiry_s, 3600);
    assert_int_equal(l.s->general.max_subscriptions, 1000000);
    assert_int_equal(l.s->general.publish_retry_interval_s, 30);
    assert_false(l.s->general.execincludes);
    assert_int_equal(l.s->global.max_forwards, 70);
    assert_str(l.s->global.user_agent, "extstate");
    assert_str(l.s->global.default_realm, "asterisk");
    assert_int_equal(l.s->global.timer_t1_ms, 500);
    assert_int_equal(l.s->global.timer_b_ms, 32000);
    assert_int_equal(l.s->global.identifier_order[0], IDENTIFY_IP);
    assert_int_equal(l.s->global.identifier_order[1], IDENTIFY_USERNAME);
    assert_int_equal(l.s->global.identifier_order[2], IDENTIFY_ANONYMOUS);
    assert_int_equal(l.s->global.identifier_order[3], 0);
    assert_false(l.s->compatibility.strict_objects);
    unload(&l);
}

static void test_references(void **state)
{
    struct loaded l = load(UDP, NULL);
    struct settings *again = settings_ref(l.s);

    (void)state;
    assert_ptr_equal(again, l.s);
    settings_unref(l.s);
    assert_int_equal(again->n_transports, 1);
    settings_unref(again);
    settings_unref(NULL);
    l.s = NULL;
    unload(&l);
}

/* ---- transports ---- */

static void assert_addr(const struct addr *a, const char *want)
{
    char room[80];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    addr_print(&b, a);
    assert_str(buf_str(&b), want);
}

static void test_transport(void **state)
{
    struct loaded l = load(
        "[a]\ntype=transport\nprotocol=UDP\nbind=0.0.0.0\nexternal_signaling_address=203.0.113.5\n"
        "external_signaling_port=5070\nlocal_net=192.168.0.0/16\nlocal_net=10.0.0.0/255.0.0.0, "
        "fd00::/8\ntos=cs3\nsymmetric_transport=yes\nallow_reload=yes\ncos=3\ndomain=example.org\n"
        "[b]\ntype=transport\nbind=[2001:db8::1]:5070\nexternal_signaling_hostname=sip.example."
        "org\n"
        "[c]\ntype=transport\nprotocol=tls\nbind=192.0.2.1\ncert_file=/x\n"
        "[d]\ntype=transport\nbind=127.0.0.1:0\ntos=184\n"
        "[e]\ntype=transport\nprotocol=flow\nbind=127.0.0.1\n",
        NULL);
    const struct transport_settings *t = l.s->transports;

    (void)state;
    assert_str(buf_str(&l.diag.text), "etc/pjsip.conf:20: warning: transport [c]: only protocol = "
                                      "udp is served in this version; nothing listens "
                                      "here\n"
                                      "etc/pjsip.conf:29: warning: transport [e]: only protocol = "
                                      "udp is served in this version; nothing listens "
                                      "here\n");
    assert_int_equal(l.s->n_transports, 4);
    assert_str(t[0].id, "a");
    assert_int_equal(t[0].protocol, TRANSPORT_UDP);
    assert_addr(&t[0].bind, "0.0.0.0:5060");
    assert_str(t[0].external_address, "203.0.113.5");
    assert_int_equal(t[0].external_port, 5070);
    assert_int_equal(t[0].n_local_nets, 3);
    assert_addr(&t[0].local_nets[1].base, "10.0.0.0:0");
    assert_int_equal(t[0].local_nets[1].prefix, 8);
    assert_int_equal(t[0].local_nets[2].prefix, 8);
    assert_int_equal(t[0].tos, 0x60);
    assert_true(t[0].symmetric && t[0].allow_reload);
    assert_str(t[0].domain, "example.org");
    assert_int_equal(t[0].at.line, 1);
    assert_str(t[0].at.file, "etc/pjsip.conf");
    assert_addr(&t[1].bind, "[2001:db8::1]:5070");
    assert_str(t[1].external_address, "sip.example.org");
    assert_addr(&t[2].bind, "192.0.2.1:5061");
    assert_addr(&t[3].bind, "127.0.0.1:0");
    assert_int_equal(t[3].tos, 184);
    assert_ptr_equal(settings_transport(l.s, STR("b")), &t[1]);
    assert_null(settings_transport(l.s, STR("B")));
    unload(&l);
}

static void test_transport_problems(void **state)
{
    (void)state;
    check_diag(
        "[a]\ntype=transport\n", NULL,
        "etc/pjsip.conf:4: error: transport [a] has no bind and is refused; add bind = ...\n");
    check_diag("[a]\ntype=transport\nbind=example.org\n", NULL,
               "etc/pjsip.conf:6: error: bind = example.org: not an IP address with or without a "
               "port (192.0.2.1:5060, "
               "[2001:db8::1]:5060); its section is refused\n");
    check_diag("[a]\ntype=transport\nbind=127.0.0.2\nprotocol=sctp\n", NULL,
               "etc/pjsip.conf:7: error: protocol = sctp: not one of udp, tcp, tls, ws, wss, flow; "
               "its section is "
               "refused\n");
    check_diag("[a]\ntype=transport\nbind=127.0.0.2\ntos=high\nlocal_net=10/8,10.0.0.0/8\n", NULL,
               "etc/pjsip.conf:7: error: tos = high: not a number from 0 to 255, nor a name such "
               "as cs3, af31 or ef; the "
               "default 0 is used instead\n"
               "etc/pjsip.conf:8: error: local_net = 10/8: not an address or network "
               "(192.0.2.0/24, 2001:db8::/32); it is "
               "left out\n");
    check_diag("[a]\ntype=transport\nbind=127.0.0.2\nexternal_signaling_address=1.2.3.4\n"
               "external_signaling_hostname=h\n",
               NULL,
               "etc/pjsip.conf:8: error: transport [a] has external_signaling_address and "
               "external_signaling_hostname; the "
               "address is used, remove one\n");
    check_diag("[a]\ntype=transport\nbind=127.0.0.2\nsymetric_transport=yes\n", NULL,
               "etc/pjsip.conf:7: warning: unknown option symetric_transport in transport is "
               "ignored; did you mean "
               "symmetric_transport?\n");
}

static void test_no_transport(void **state)
{
    struct loaded l = load("[global]\n", NULL);

    (void)state;
    assert_str(buf_str(&l.diag.text),
               "etc/pjsip.conf: warning: no transport with protocol = udp, so no SIP is served; "
               "add a section with type = transport\n");
    unload(&l);
}

/* ---- global and system ---- */

static void test_global(void **state)
{
    struct loaded l = load(
        UDP "[global]\nmax_forwards=20\nuser_agent=Acme \\; 1\ndefault_realm=r\ndebug=192.0.2.9\n"
            "endpoint_identifier_order=username,IP,username,header\ndisable_multi_domain=yes\n"
            "keep_alive_interval=90\ndefault_auth_algorithms_uac=sha-256,MD5\n"
            "[anything]\ntype=system\ntimer_t1=1000\ncompact_headers=yes\n"
            "[x]\ntype=auth\nusername=u\npassword=p\n[example.net]\ntype=domain_alias\n"
            "domain=example.org\n",
        NULL);

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->global.max_forwards, 20);
    assert_str(l.s->global.user_agent, "Acme ; 1");
    assert_str(l.s->global.default_realm, "r");
    assert_true(l.s->global.debug);
    assert_str(l.s->global.debug_host, "192.0.2.9");
    assert_int_equal(l.s->global.identifier_order[0], IDENTIFY_USERNAME);
    assert_int_equal(l.s->global.identifier_order[1], IDENTIFY_IP);
    assert_int_equal(l.s->global.identifier_order[2], IDENTIFY_HEADER);
    assert_int_equal(l.s->global.identifier_order[3], 0);
    assert_true(l.s->global.disable_multi_domain);
    assert_int_equal(l.s->global.timer_t1_ms, 1000);
    assert_int_equal(l.s->global.timer_b_ms, 64000);
    assert_true(l.s->global.compact_headers);
    assert_int_equal(l.s->auths[0].credential.algorithms, BIT(DIGEST_SHA256) | BIT(DIGEST_MD5));
    assert_int_equal(l.s->n_aliases, 1);
    assert_str(l.s->aliases[0].alias, "example.net");
    assert_str(l.s->aliases[0].domain, "example.org");
    unload(&l);
}

static void test_global_problems(void **state)
{
    struct loaded l;

    (void)state;
    check_diag("[global]\n[g]\ntype=global\n[global]\ntype=global\n", NULL,
               "etc/pjsip.conf:5: error: another section of type = global; the defaults are used "
               "instead of all of them, "
               "keep one\n"
               "etc/pjsip.conf:7: error: another section of type = global; the defaults are used "
               "instead of all of them, "
               "keep one\n");
    check_diag("[system]\ntimer_t1=50\ntimer_b=100\n", NULL,
               "etc/pjsip.conf:5: error: timer_t1 = 50: not a whole number from 100 to 10000; the "
               "default 500 is used "
               "instead\n"
               "etc/pjsip.conf:6: warning: timer_b = 100 is less than 64 times timer_t1; 32000 is "
               "used instead\n");
    check_diag("[global]\nmax_forward=10\nendpoint_identifier_order=name,ip\ndefault_auth_"
               "algorithms_uac=crc\n",
               NULL,
               "etc/pjsip.conf:5: warning: unknown option max_forward in global is ignored; did "
               "you mean max_forwards?\n"
               "etc/pjsip.conf:6: error: endpoint_identifier_order = name: not one of username, "
               "auth_username, ip, header, "
               "request_uri, anonymous; it is left out\n"
               "etc/pjsip.conf:7: error: default_auth_algorithms_uac = crc: not one of MD5, "
               "SHA-256, SHA-512-256; it is "
               "left out\n"
               "etc/pjsip.conf:7: error: default_auth_algorithms_uac = crc: no algorithm that is "
               "known; the default MD5 is "
               "used instead\n");
    /* A section of that name with another type is not the one. */
    l = load(UDP "[global]\ntype=endpoint\nmax_forwards=3\n", NULL);
    assert_int_equal(l.s->global.max_forwards, 70);
    assert_int_equal(l.s->n_endpoints, 1);
    unload(&l);
}

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
        "supported_algorithms_uas=MD5\nnonce_lifetime=32\n",
        NULL);
    const struct auth_settings *a = l.s->auths;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_auths, 4);
    assert_str(a[0].credential.username, "alice");
    assert_str(a[0].credential.password, "s3cret");
    assert_int_equal(a[0].credential.algorithms, BIT(DIGEST_MD5));
    assert_str(a[1].credential.hash[DIGEST_MD5], HASH32_LOWER);
    assert_str(a[1].credential.realm, "r");
    assert_str(a[2].credential.hash[DIGEST_SHA256], HASH32_LOWER HASH32_LOWER);
    assert_int_equal(a[2].credential.algorithms, BIT(DIGEST_SHA256));
    assert_int_equal(a[3].credential.algorithms, BIT(DIGEST_SHA512_256));
    assert_ptr_equal(settings_auth(l.s, STR("c")), &a[2]);
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
    check_diag("[a]\ntype=auth\nusername=a\nmd5_cred=" HASH32
               "\nrealm=r\nsupported_algorithms_uac=MD5,SHA-256\n",
               NULL,
               "etc/pjsip.conf:9: error: auth [a] names an algorithm without a password_digest for "
               "it; it answers with the "
               "others, add one or the password\n");
    check_diag("[a]\ntype=auth\nauth_type=google_oauth\nusername=a\nrefresh_token=x\n", NULL,
               "etc/pjsip.conf:4: warning: auth [a]: auth_type = google_oauth is not served; the "
               "section is idle\n");
}

/* ---- endpoints, aors, identify ---- */

static void test_endpoint(void **state)
{
    struct loaded l = load(
        UDP "[phone](!)\ntype=endpoint\ncontext=internal\nsubscribe_context=hints\ndisallow="
            "all\nallow=ulaw\ntransport=udp\n"
            "[6001](phone)\nauth=6001, 6002\nAORS=6001\nallow_subscribe=no\nsub_min_expiry=60\n"
            "callerid=\"Alice Smith\" "
            "<6001>\nidentify_by=ip,header\nforce_rport=no\nrewrite_contact=yes\n"
            "notify_early_inuse_ringing=yes\ncontact_user=u\nfrom_domain=d\naors=other\n@custom=1\n"
            "[6001]\ntype=auth\nusername=6001\npassword=p\n[6002]\ntype=auth\nusername="
            "6002\npassword=p\n"
            "[6001]\ntype=aor\ncontact=sip:6001@192.0.2.1\\;transport=udp,sip:6001@192.0.2.2\nmax_"
            "contacts=1\n"
            "[other]\ntype=aor\nmailboxes=6001@default\nvoicemail_extension=*97\n"
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
    assert_int_equal(e[0].n_aors, 2);
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
    assert_str(settings_aor(l.s, STR("other"))->voicemail_extension, "*97");
    assert_true(settings_endpoint_reachable(l.s, settings_endpoint(l.s, STR("6001"))));
    assert_false(settings_endpoint_reachable(l.s, settings_endpoint(l.s, STR("6002"))));
    assert_false(settings_endpoint_reachable(l.s, settings_endpoint(l.s, STR("6003"))));
    assert_null(settings_endpoint(l.s, STR("phone")));
    unload(&l);
}

static void test_endpoint_problems(void **state)
{
    (void)state;
    check_diag("[e]\ntype=endpoint\nauth=x\naors=y\ntransport=z\n[x]\ntype=auth\nusername=x\n",
               NULL,
               "etc/pjsip.conf:9: error: auth [x] has no password and is refused; add password, "
               "password_digest or "
               "md5_cred\n"
               "etc/pjsip.conf:6: warning: endpoint [e]: auth x is refused (see its own message); "
               "define it or correct the "
               "name\n"
               "etc/pjsip.conf:7: warning: endpoint [e]: aor y does not exist; define it or "
               "correct the name\n"
               "etc/pjsip.conf:8: warning: endpoint [e]: transport z does not exist; define it or "
               "correct the name\n");
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
    check_diag(
        "[e]\ntype=endpoint\npermit=10.0.0.0/8\ndeny=0.0.0.0/"
        "0\n[f]\ntype=endpoint\npermit=10.0.0.0/8\n",
        NULL,
        "etc/pjsip.conf:6: warning: permit is understood, but has no effect in this version\n"
        "etc/pjsip.conf:7: warning: deny is understood, but has no effect in this version\n");
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
        "[a]\ntype=aor\ncontact=tel:1,sip:a@b,sip:@@\n", NULL,
        "etc/pjsip.conf:6: error: contact = tel:1: not a sip: or sips: URI; it is left out\n"
        "etc/pjsip.conf:6: error: contact = sip:@@: not a sip: or sips: URI; it is left out\n");
}

static void test_types(void **state)
{
    (void)state;
    check_diag("[a]\ntype=registration\nserver_uri=x\n[b]\nfoo=bar\n[c]\ntype=whatever\n", NULL,
               "");
    check_diag("[a]\ntype=endpont\n[b]\ntype=Endpoint\n[c]\ntype=outbound_publish\n", NULL,
               "etc/pjsip.conf:5: warning: unknown type endpont, the section is ignored; did you "
               "mean endpoint?\n"
               "etc/pjsip.conf:7: warning: unknown type Endpoint, the section is ignored; did you "
               "mean endpoint?\n"
               "etc/pjsip.conf:9: warning: unknown type outbound_publish, the section is ignored; "
               "did you mean "
               "outbound-publish?\n");
    check_diag("[a]\ntype=acl\ndeny=0.0.0.0/0\n[b]\ntype=resource_list\n", NULL,
               "etc/pjsip.conf:4: warning: [a]: type = acl is not served in this version; the "
               "section is idle\n"
               "etc/pjsip.conf:7: warning: [b]: type = resource_list is not served in this "
               "version; the section is "
               "idle\n");
}

static void test_duplicates(void **state)
{
    static const char text[] =
        UDP "[a]\ntype=aor\ncontact=sip:1@b\n[a]\ntype=endpoint\n[a]\ntype=aor\n[b]\ntype=aor\n";
    struct loaded l = load(text, NULL);

    (void)state;
    assert_str(buf_str(&l.diag.text),
               "etc/pjsip.conf:9: error: aor [a] is defined again, first at etc/pjsip.conf:4; the "
               "first stays; rename or remove one\n");
    assert_int_equal(l.s->n_aors, 2);
    assert_int_equal(settings_aor(l.s, STR("a"))->n_contacts, 1);
    unload(&l);

    l = load(text, "[compatibility]\nstrict_objects=yes\n");
    assert_str(buf_str(&l.diag.text),
               "etc/pjsip.conf:9: error: aor [a] is defined again, first at etc/pjsip.conf:4; "
               "every section of this type "
               "is discarded, as strict_objects = yes asks; rename or remove one\n");
    assert_int_equal(l.s->n_aors, 0);
    assert_int_equal(l.s->n_endpoints, 1);
    unload(&l);
}

static void test_strict(void **state)
{
    struct loaded l = load(
        UDP "[a]\ntype=endpoint\nsub_min_expiry=x\n[b]\ntype=endpoint\nnew_option=1\n@free=1\n[c]\n"
            "type=endpoint\n@free=1\ndisallow=all\n",
        "[compatibility]\nstrict_objects=yes\n");

    (void)state;
    assert_str(buf_str(&l.diag.text), "etc/pjsip.conf:6: error: sub_min_expiry = x: not a whole "
                                      "number from 0 to 4294967295; every object with "
                                      "this line is discarded, as strict_objects = yes asks\n"
                                      "etc/pjsip.conf:9: error: unknown option new_option in "
                                      "endpoint; every object with this line is discarded, "
                                      "as strict_objects = yes asks\n");
    assert_int_equal(l.s->n_endpoints, 1);
    assert_str(l.s->endpoints[0].id, "c");
    unload(&l);
}

static void test_identify(void **state)
{
    struct loaded l =
        load(UDP "[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\n"
                 "match=192.0.2.1, 192.0.2.0/24:x,!192.0.2.9:5070\n"
                 "match=10.0.0.0/255.0.0.0,[2001:db8::1]:5060/64,2001:db8::2,10.1.2.3:5061/16\n"
                 "match=phones.example:5090\nmatch=gone.example\n",
             NULL);
    const struct identify_settings *i = &l.s->identifies[0];

    (void)state;
    assert_str(buf_str(&l.diag.text), "etc/pjsip.conf:9: error: match = 192.0.2.0/24:x: not an "
                                      "address or network (192.0.2.1, 192.0.2.0/24, "
                                      "[2001:db8::1]:5060); it is left out\n"
                                      "etc/pjsip.conf:12: warning: match = gone.example cannot be "
                                      "looked up (no such name); it is left out until "
                                      "a reload finds it\n");
    assert_int_equal(l.s->n_identifies, 1);
    assert_str(i->endpoint, "e");
    assert_int_equal(i->n_matches, 8);
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
    unload(&l);
}

static void test_identify_problems(void **state)
{
    (void)state;
    check_diag("[i]\ntype=identify\nmatch=192.0.2.1\n", NULL,
               "etc/pjsip.conf:4: error: identify [i] has no endpoint and is refused; add endpoint "
               "= ...\n");
    check_diag("[i]\ntype=identify\nendpoint=e\n", NULL,
               "etc/pjsip.conf:4: error: identify [i] has nothing to match and is refused; add "
               "match = ADDRESS\n");
    check_diag("[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.1\n", NULL,
               "etc/pjsip.conf:6: warning: identify [i]: endpoint e does not exist; define it or "
               "correct the name\n");
    check_diag("[i]\ntype=identify\nendpoint=e\nmatch_header=X-A: b\n", NULL,
               "etc/pjsip.conf:4: warning: identify [i]: match_header and match_request_uri are "
               "not served in this "
               "version; the section is idle\n");
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

/* ---- outbound-publish ---- */

#define PUBLISH \
    "[p]\ntype=outbound-publish\nserver_uri=sip:esc@192.0.2.5\nevent=dialog\nmulti_user=yes\n"
#define BODY "@body=application/dialog-info+xml\n" /* with PUBLISH lines 4 to 9 */

static void test_publish(void **state)
{
    struct loaded l = load(
        UDP PUBLISH BODY
        "@context=^users\n@exten=^1[0-9]+$\nfrom_uri=<sip:a@b>\nto_uri=sips:c@d\n"
        "outbound_auth=x,y\noutbound_auth=x\noutbound_proxy=sip:192.0.2.6\\;lr\n"
        "expiration=120\nmax_auth_attempts=2\ntransport=udp\n"
        "[q]\ntype=outbound-publish\nserver_uri=\"Name\" <sip:q@h;user=phone>\nevent=presence\n"
        "multi_user=yes\n@body=application/pidf+xml\n"
        "[x]\ntype=auth\nusername=x\npassword=x\n[y]\ntype=auth\nusername=y\n"
        "password=y\n",
        NULL);
    const struct publish_settings *p = l.s->publishes;

    (void)state;
    /* The semicolon of [q] begins a comment, as in Asterisk. */
    assert_str(
        buf_str(&l.diag.text),
        "etc/pjsip.conf:22: error: server_uri = \"Name\" <sip:q@h: not a sip: or sips: URI; its "
        "section is refused\n");
    assert_int_equal(l.s->n_publishes, 1);
    assert_str(p[0].id, "p");
    assert_str(p[0].server_uri, "sip:esc@192.0.2.5");
    assert_str(p[0].from_uri, "sip:a@b");
    assert_str(p[0].to_uri, "sips:c@d");
    assert_str(p[0].event, "dialog");
    assert_str(p[0].body, "application/dialog-info+xml");
    assert_int_equal(p[0].expiration_s, 120);
    assert_int_equal(p[0].max_auth_attempts, 2);
    assert_int_equal(p[0].n_auths, 3);
    assert_str(p[0].auths[1], "y");
    assert_str(p[0].outbound_proxy, "sip:192.0.2.6;lr");
    assert_str(p[0].transport, "udp");
    assert_true(p[0].multi_user);
    assert_str(p[0].context_pattern, "^users");
    assert_true(regex_matches(p[0].context, STR("USERS-b"), NULL));
    assert_false(regex_matches(p[0].exten, STR("2000"), NULL));
    assert_ptr_equal(settings_publish(l.s, STR("p")), &p[0]);
    unload(&l);
}

static void test_publish_defaults(void **state)
{
    struct loaded l = load(UDP PUBLISH BODY, NULL);
    const struct publish_settings *p = l.s->publishes;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_str(p->from_uri, "sip:esc@192.0.2.5");
    assert_str(p->to_uri, "sip:esc@192.0.2.5");
    assert_int_equal(p->expiration_s, 3600);
    assert_int_equal(p->max_auth_attempts, 5);
    assert_null(p->context);
    assert_null(p->exten);
    unload(&l);
}

static void test_publish_refused(void **state)
{
    static const struct {
        const char *text, *diag;
    } cases[] = {
        { "[p]\ntype=outbound-publish\nevent=dialog\n" BODY,
          "4: error: outbound-publish [p] has no server_uri and is refused; add server_uri = "
          "...\n" },
        { "[p]\ntype=outbound-publish\nserver_uri=sip:a@b\n" BODY,
          "4: error: outbound-publish [p] has no event and is refused; add event = ...\n" },
        { PUBLISH, "4: error: outbound-publish [p] has no @body and is refused; add @body = "
                   "application/dialog-info+xml or "
                   "another media type\n" },
        { PUBLISH "@body=dialog\n",
          "9: error: @body = dialog: not a media type such as application/dialog-info+xml; its "
          "section is refused\n" },
        { PUBLISH "@body=a/b/c\n",
          "9: error: @body = a/b/c: not a media type such as application/dialog-info+xml; its "
          "section is refused\n" },
        { PUBLISH BODY "from_uri=tel:1\n",
          "10: error: from_uri = tel:1: not a sip: or sips: URI; its section is refused\n" },
        { PUBLISH BODY "to_uri=sip:\n",
          "10: error: to_uri = sip:: not a sip: or sips: URI; its section is refused\n" },
        { PUBLISH BODY "@context=(\n",
          "10: error: outbound-publish [p] is refused: @context = ( is no regular expression: "
          "missing closing parenthesis at offset 1\n" },
        { PUBLISH BODY "@context=x\n@exten=[\n",
          "11: error: outbound-publish [p] is refused: @exten = [ is no regular expression: "
          "missing terminating ] for "
          "character class at offset 1\n" },
        { PUBLISH BODY "expiration=0\n",
          "10: error: outbound-publish [p] is refused: expiration = 0 would end each "
          "publication at once; write seconds, as 3600\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text, *want;
        struct loaded l;

        assert_true(asprintf(&text,
                             UDP
                             "%s[p2]\ntype=outbound-publish\nserver_uri=sip:x@y\nevent=presence\n"
                             "@body=application/pidf+xml\nmulti_user=yes\n",
                             cases[i].text) > 0);
        assert_true(asprintf(&want, "etc/pjsip.conf:%s", cases[i].diag) > 0);
        l = load(text, NULL);
        assert_int_equal(l.result, 0);
        test_assert_text("diag", cases[i].text, buf_str(&l.diag.text), want);
        assert_int_equal(l.s->n_publishes, 1); /* the other one runs */
        assert_str(l.s->publishes[0].id, "p2");
        unload(&l);
        free(text);
        free(want);
    }
}

static void test_publish_warnings(void **state)
{
    (void)state;
    check_diag(PUBLISH BODY "multi_user=no\n", NULL,
               "etc/pjsip.conf:10: warning: outbound-publish [p]: the user part of its URIs is "
               "replaced by the extension "
               "although multi_user is no; write multi_user = yes\n");
    check_diag(PUBLISH BODY "event=asterisk-devicestate\n", NULL,
               "etc/pjsip.conf:10: warning: outbound-publish [p]: event asterisk-devicestate is "
               "not served in this version; "
               "the section is idle\n");
    check_diag(PUBLISH BODY "event=Dialog\n", NULL,
               "etc/pjsip.conf:10: warning: outbound-publish [p]: event Dialog is unknown, write "
               "dialog or presence; the "
               "section is idle\n");
    check_diag(PUBLISH BODY "outbound_auth=nobody\ntransport=t\noutbound_proxy=sip:h\n", NULL,
               "etc/pjsip.conf:12: warning: outbound-publish [p]: outbound_proxy has no lr "
               "parameter; write \\;lr, because "
               "; alone begins a comment\n"
               "etc/pjsip.conf:10: error: outbound-publish [p]: outbound_auth nobody does not "
               "exist; challenges are not "
               "answered with it\n"
               "etc/pjsip.conf:11: warning: outbound-publish [p]: transport t does not exist; any "
               "transport is used\n");
    check_diag(PUBLISH BODY "expires=10\nexpirations=10\n@contxt=a\n@mine=1\nexpiration=x\n", NULL,
               "etc/pjsip.conf:10: warning: unknown option expires in outbound-publish is ignored; "
               "remove it, or correct "
               "the name\n"
               "etc/pjsip.conf:11: warning: unknown option expirations in outbound-publish is "
               "ignored; did you mean "
               "expiration?\n"
               "etc/pjsip.conf:12: warning: unknown option @contxt in outbound-publish is ignored; "
               "did you mean "
               "@context?\n"
               "etc/pjsip.conf:14: error: expiration = x: not a whole number from 0 to 4294967295; "
               "the default 3600 is used "
               "instead\n");
}

static void test_uri_limits(void **state)
{
    struct loaded l;
    char *text;

    (void)state;
    for (int host = 255; host <= 256; host++) {
        assert_true(asprintf(&text,
                             UDP "[p]\ntype=outbound-publish\nevent=dialog\nmulti_user=yes\n" BODY
                                 "server_uri=sip:u@%0*d.a\n",
                             host - 2, 0) > 0);
        l = load(text, NULL);
        assert_int_equal(l.s->n_publishes, host <= 255);
        unload(&l);
        free(text);
    }
    for (int uri = 512; uri <= 513; uri++) {
        assert_true(asprintf(&text,
                             UDP "[p]\ntype=outbound-publish\nevent=dialog\nmulti_user=yes\n" BODY
                                 "server_uri=sip:%0*d@h\n",
                             uri - 6, 0) > 0);
        l = load(text, NULL);
        assert_int_equal(l.s->n_publishes, uri <= 512);
        unload(&l);
        free(text);
    }
}

/* ---- extstate.conf ---- */

static void test_general(void **state)
{
    struct loaded l = load(
        UDP, "[general]\nworkers=4\ncontrol_socket=/run/x\nplugin_directory=/p\nlog_level=debug\n"
             "subscription_default_expiry=10m\nsubscription_max_expiry=2h\nmax_subscriptions=5\n"
             "execincludes=yes\n[GENERAL]\nworkers=5\n");

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->general.workers, 5);
    assert_str(l.s->general.control_socket, "/run/x");
    assert_str(l.s->general.plugin_directory, "/p");
    assert_str(l.s->general.log_level, "debug");
    assert_int_equal(l.s->general.subscription_default_expiry_s, 600);
    assert_int_equal(l.s->general.subscription_max_expiry_s, 7200);
    assert_int_equal(l.s->general.max_subscriptions, 5);
    assert_true(l.s->general.execincludes);
    unload(&l);
}

static void test_general_problems(void **state)
{
    (void)state;
    check_diag("",
               "[general]\nworkers=2000\nlog_level=loud\nsubscription_max_expiry=1w\nworker="
               "1\nshoes=2\n@x=1\n",
               "etc/extstate.conf:2: error: workers = 2000: not a whole number from 0 to 1024; the "
               "default 0 is used "
               "instead\n"
               "etc/extstate.conf:3: error: log_level = loud: not one of error, warn, info, debug; "
               "the default info is used "
               "instead\n"
               "etc/extstate.conf:4: error: subscription_max_expiry = 1w: not a time in seconds "
               "(or 90s, 15m, 2h, 7d) from "
               "1 to 4294967295; the default 3600 is used instead\n"
               "etc/extstate.conf:5: warning: unknown option worker in [general] is ignored; did "
               "you mean workers?\n"
               "etc/extstate.conf:6: warning: unknown option shoes in [general] is ignored; remove "
               "it, or correct the "
               "name\n");
    check_diag("", "[genral]\nworkers=2\n[cluster]\nx=1\n",
               "etc/extstate.conf:1: warning: unknown section [genral] is ignored; did you mean "
               "[general]?\n"
               "etc/extstate.conf:3: warning: unknown section [cluster] is ignored; for the "
               "options of a plugin write load "
               "= cluster in [plugins]\n");
}

static void test_compatibility(void **state)
{
    static const struct {
        const char *text;
        bool swaps, bodies, strict;
    } cases[] = {
        { "", false, false, false },
        { "[compatibility]\nasterisk=yes\n", true, true, true },
        { "[compatibility]\nasterisk=no\n", false, false, false },
        { "[compatibility]\nasterisk=yes\nasterisk_bodies=no\n", true, false, true },
        { "[compatibility]\nasterisk_bodies=no\nstrict_objects=no\nasterisk=yes\n", true, false,
          false },
        { "[compatibility]\nasterisk_bodies=no\n[compatibility]\nasterisk=yes\nasterisk_bodies="
          "yes\n",
          true, true, true },
        { "[compatibility]\nPublish_Swaps_From_To=on\n", true, false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load(UDP, cases[i].text);

        assert_int_equal(l.result, 0);
        assert_int_equal(l.s->compatibility.publish_swaps_from_to, cases[i].swaps);
        assert_int_equal(l.s->compatibility.asterisk_bodies, cases[i].bodies);
        assert_int_equal(l.s->compatibility.strict_objects, cases[i].strict);
        unload(&l);
    }
}

static void test_plugins(void **state)
{
    struct loaded l = load(
        UDP, "[acme]\ncolour=red\n[plugins]\nload=acme\nload = other\nload=acme\nload=../evil\n"
             "[acme]\nsize=1\n[t](!)\nx=1\n");

    (void)state;
    assert_str(
        buf_str(&l.diag.text),
        "etc/extstate.conf:6: warning: plugin acme is loaded already; remove one of the lines\n"
        "etc/extstate.conf:7: error: load = ../evil: not the name of a plugin: letters, digits, _ "
        "- and ., at most "
        "64; the line is ignored\n"
        "etc/extstate.conf:8: warning: [acme] again; its options are added to the first\n");
    assert_int_equal(l.s->n_plugins, 2);
    assert_str(l.s->plugins[0].name, "acme");
    assert_int_equal(l.s->plugins[0].at.line, 4);
    assert_int_equal(l.s->plugins[0].options->n_entries, 2);
    assert_str(conf_entry_find(l.s->plugins[0].options, STR("size"))->value, "1");
    assert_null(l.s->plugins[1].options);
    unload(&l);
}

static void test_overrides(void **state)
{
    static const struct str good[] = { STR_INIT("general.workers=7"),
                                       STR_INIT("compatibility.asterisk=yes"),
                                       STR_INIT("plugins.load=acme"),
                                       STR_INIT("acme.colour = a=b") };
    static const struct str bad[] = { STR_INIT("general.workers"),   STR_INIT("workers=1"),
                                      STR_INIT("general.worker=1"),  STR_INIT("genral.workers=1"),
                                      STR_INIT("general.workers=x"), STR_INIT("acme.x=1"),
                                      STR_INIT("general.@x=1") };
    struct loaded l =
        load_with(UDP, "[general]\nworkers=1\n[acme]\ncolour=red\n", good, ARRAY_LEN(good));

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->general.workers, 7);
    assert_true(l.s->compatibility.asterisk_bodies);
    assert_int_equal(l.s->n_plugins, 1);
    assert_str(conf_entry_find(l.s->plugins[0].options, STR("colour"))->value, "a=b");
    unload(&l);

    l = load_with(UDP, NULL, good, ARRAY_LEN(good));
    assert_int_equal(l.result, 0);
    assert_int_equal(l.s->general.workers, 7);
    unload(&l);

    l = load_with(UDP, NULL, bad, ARRAY_LEN(bad));
    assert_int_equal(l.result, -EINVAL);
    assert_null(l.s);
    assert_str(
        buf_str(&l.diag.text),
        "--set: error: \"general.workers\" is not SECTION.OPTION=VALUE, as general.workers=4\n"
        "--set: error: \"workers=1\" is not SECTION.OPTION=VALUE, as general.workers=4\n"
        "--set: error: unknown option worker in [general] is ignored; did you mean workers?\n"
        "--set: error: workers = x: not a whole number from 0 to 1024; the default 0 is used "
        "instead\n"
        "--set: error: unknown option @x in [general] is ignored; remove it, or correct the name\n"
        "--set: error: unknown section [genral] is ignored; did you mean [general]?\n"
        "--set: error: unknown section [acme] is ignored; for the options of a plugin write load = "
        "acme in "
        "[plugins]\n");
    unload(&l);
}

/* Files that do not parse give nothing; both are told. */
static void test_unusable(void **state)
{
    struct loaded l = load("x=1\n", "y=2\n");

    (void)state;
    assert_int_equal(l.result, -EINVAL);
    assert_null(l.s);
    assert_str(
        buf_str(&l.diag.text),
        "etc/extstate.conf:1: error: a setting before any section; write [section] above it\n"
        "etc/pjsip.conf:1: error: a setting before any section; write [section] above it\n");
    unload(&l);
}

static void test_reference(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    settings_print_reference(&b);
    assert_int_equal(b.error, 0);
    assert_true(str_contains_nocase(buf_str(&b), STR("### pjsip.conf: `type = outbound-publish`")));
    assert_true(str_contains_nocase(
        buf_str(&b), STR("| `expiration` | number | `3600` | Seconds a publication")));
    assert_true(str_contains_nocase(buf_str(&b), STR("| `server_uri` | SIP URI | required |")));
    assert_true(str_contains_nocase(buf_str(&b), STR("Accepted without effect: `100rel`, ")));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),           cmocka_unit_test(test_references),
        cmocka_unit_test(test_transport),         cmocka_unit_test(test_transport_problems),
        cmocka_unit_test(test_no_transport),      cmocka_unit_test(test_global),
        cmocka_unit_test(test_global_problems),   cmocka_unit_test(test_auth),
        cmocka_unit_test(test_auth_problems),     cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_endpoint_problems), cmocka_unit_test(test_types),
        cmocka_unit_test(test_duplicates),        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_identify),          cmocka_unit_test(test_identify_problems),
        cmocka_unit_test(test_publish),           cmocka_unit_test(test_publish_defaults),
        cmocka_unit_test(test_publish_refused),   cmocka_unit_test(test_publish_warnings),
        cmocka_unit_test(test_uri_limits),        cmocka_unit_test(test_general),
        cmocka_unit_test(test_general_problems),  cmocka_unit_test(test_compatibility),
        cmocka_unit_test(test_plugins),           cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_unusable),          cmocka_unit_test(test_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
