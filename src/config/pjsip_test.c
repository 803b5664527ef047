// SPDX-License-Identifier: MIT
/* pjsip.conf: which section is what, and transport. */
#include "config/settings_testing.h"

/* ---- which section is what ---- */

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
    check_diag(
        "[a]\ntype=acl\ndeny=0.0.0.0/0\n[b]\ntype=resource_list\n", NULL,
        "etc/pjsip.conf:7: error: resource_list [b] has no event and is refused; add event = "
        "...\n"
        "etc/pjsip.conf:7: error: resource_list [b] has no list_item and is refused; add "
        "list_item = ...\n");
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
    /* What else is wrong with one that is discarded. */
    check_diag("[a]\ntype=aor\n[a]\ntype=aor\ncontact=tel:1\n", NULL,
               "etc/pjsip.conf:6: error: aor [a] is defined again, first at etc/pjsip.conf:4; the "
               "first stays; rename or remove one\n"
               "etc/pjsip.conf:8: error: contact = tel:1: not a sip: or sips: URI; it is left "
               "out\n");
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

/* ---- transports ---- */

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
        "[e]\ntype=transport\nprotocol=flow\nbind=127.0.0.1\n"
        "[f]\ntype=transport\nprotocol=ws\nbind=0.0.0.0\n"
        "[g]\ntype=transport\nprotocol=wss\nbind=[::]\ncert_file=/x\n",
        NULL);
    const struct transport_settings *t = l.s->transports;

    (void)state;
    assert_str(buf_str(&l.diag.text),
               "etc/pjsip.conf:29: warning: transport [e]: nothing listens for protocol = flow; "
               "write udp, tcp, tls, ws or wss\n");
    assert_int_equal(l.s->n_transports, 6);
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
    assert_int_equal(t[0].cos, 3);
    assert_true(t[0].symmetric);
    assert_str(t[0].domain, "example.org");
    assert_int_equal(t[0].at.line, 1);
    assert_str(t[0].at.file, "etc/pjsip.conf");
    assert_addr(&t[1].bind, "[2001:db8::1]:5070");
    assert_str(t[1].external_address, "sip.example.org");
    assert_addr(&t[2].bind, "192.0.2.1:5061");
    assert_addr(&t[3].bind, "127.0.0.1:0");
    assert_int_equal(t[3].tos, 184);
    assert_addr(&t[4].bind, "0.0.0.0:8088");
    assert_int_equal(t[5].protocol, TRANSPORT_WSS);
    assert_addr(&t[5].bind, "[::]:8089");
    assert_ptr_equal(settings_transport(l.s, STR("b")), &t[1]);
    assert_null(settings_transport(l.s, STR("B")));
    unload(&l);
}

#define METHODS                                                                                    \
    "default, unspecified, tlsv1_2, tlsv1_3, tlsv1_1, tlsv1, sslv23; the default tlsv1_2 is used " \
    "instead"

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
    check_diag("[a]\ntype=transport\nbind=127.0.0.2\nmethod=sslv2\n[b]\ntype=transport\nbind="
               "127.0.0.3\nmethod=sslv3\n",
               NULL,
               "etc/pjsip.conf:7: error: method = sslv2: not one of " METHODS "\n"
               "etc/pjsip.conf:11: error: method = sslv3: not one of " METHODS "\n");
    check_diag("[a]\ntype=transport\nbind=127.0.0.2\ncos=8\n", NULL,
               "etc/pjsip.conf:7: error: cos = 8: not a whole number from 0 to 7; the default 0 is "
               "used instead\n");
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

/* What its sockets are stays until the next start, what they call themselves does not. */
static void test_allow_reload(void **state)
{
    static const struct {
        const char *before, *after;
        bool stays;
    } rows[] = {
        { "bind=127.0.0.2\n", "bind=127.0.0.3\n", false },
        { "bind=127.0.0.2\n", "allow_reload=yes\nbind=127.0.0.3\n", false },
        { "bind=127.0.0.2\n", "allow_reload=no\nbind=127.0.0.3\n", true },
        { "allow_reload=no\nbind=127.0.0.2\n", "allow_reload=yes\nbind=127.0.0.3\n", false },
        { "bind=127.0.0.2\n", "allow_reload=no\nbind=127.0.0.2\nprotocol=tcp\n", true },
        { "bind=127.0.0.2\n", "allow_reload=no\nbind=127.0.0.2\ntos=cs3\n", true },
        { "bind=127.0.0.2\n", "allow_reload=no\nbind=127.0.0.2\ncos=3\n", true },
        { "bind=127.0.0.2\n", "allow_reload=no\nbind=127.0.0.2\ntcp_keepalive_enable=yes\n", true },
        { "bind=127.0.0.2\nprotocol=tls\ncert_file=/a\n",
          "allow_reload=no\nbind=127.0.0.2\nprotocol=tls\ncert_file=/b\n", true },
        { "bind=127.0.0.2\nprotocol=tls\ncert_file=/a\n",
          "allow_reload=no\nbind=127.0.0.2\nprotocol=tls\ncert_file=/a\nmethod=tlsv1_3\n", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct transport_settings *t, *former;
        struct loaded before, after;
        char text[400];

        snprintf(text, sizeof(text), "[t]\ntype=transport\n%s", rows[i].before);
        before = load(text, NULL);
        former = settings_transport(before.s, STR("t"));
        assert_non_null(former);
        snprintf(text, sizeof(text),
                 "[t]\ntype=transport\n%sdomain=d.example\nexternal_signaling_address=e.example\n"
                 "external_signaling_port=5099\nlocal_net=10.0.0.0/8\nsymmetric_transport=yes\n",
                 rows[i].after);
        after = load_source((struct settings_source){ .former = before.s }, text, NULL);
        t = settings_transport(after.s, STR("t"));
        assert_non_null(t);
        assert_str(buf_str(&after.diag.text),
                   rows[i].stays ? "etc/pjsip.conf:3: warning: transport [t] goes on as it is, as "
                                   "allow_reload = no asks; what has changed of its socket counts "
                                   "from the next start\n"
                                 : "");
        if (rows[i].stays) {
            assert_int_equal(t->protocol, former->protocol);
            assert_true(addr_equal(&t->bind, &former->bind));
            assert_true(str_equal(t->cert_file, former->cert_file));
            assert_int_equal(t->tos + t->cos + t->keepalive + t->tls_version, 0);
        } else {
            assert_addr(&t->bind, "127.0.0.3:5060");
        }
        unload(&before); /* nothing of it is borrowed */
        assert_str(t->domain, "d.example");
        assert_str(t->external_address, "e.example");
        assert_int_equal(t->external_port, 5099);
        assert_int_equal(t->n_local_nets, 1);
        assert_true(t->symmetric);
        assert_true(t->cert_file.n == 0 || str_equal(t->cert_file, STR("/a")));
        unload(&after);
    }
}

static void test_domain_alias(void **state)
{
    struct loaded l = load(UDP "[example.net]\ntype=domain_alias\ndomain=example.org\n"
                               "[x]\ntype=domain_alias\n",
                           NULL);

    (void)state;
    assert_str(buf_str(&l.diag.text), "etc/pjsip.conf:7: error: domain_alias [x] has no domain and "
                                      "is refused; add domain = ...\n");
    assert_int_equal(l.s->n_aliases, 1);
    assert_str(l.s->aliases[0].alias, "example.net");
    assert_str(l.s->aliases[0].domain, "example.org");
    unload(&l);
}

static void test_no_transport(void **state)
{
    struct loaded l = load("[global]\n", NULL);

    (void)state;
    assert_str(buf_str(&l.diag.text), "etc/pjsip.conf: warning: no transport, so no SIP is "
                                      "served; add a section with type = transport\n");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_allow_reload),
        cmocka_unit_test(test_domain_alias),
        cmocka_unit_test(test_transport),
        cmocka_unit_test(test_transport_problems),
        cmocka_unit_test(test_no_transport),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
