// SPDX-License-Identifier: MIT
/* What is different between two configurations, in words. */
#include "config/settings_testing.h"

static void on_change(void *ctx, const struct settings_change *c)
{
    static const char *const words[] = { "added", "removed", "changed" };
    struct buf *b = ctx;

    buf_printf(b, "%s %.*s %s %.*s\n", c->kind, STR_FMT(c->id), words[c->what],
               STR_FMT(c->options));
}

static void check(const struct settings *from, const struct settings *to, const char *expected)
{
    struct buf b;

    buf_init(&b, 4096);
    settings_compare(from, to, on_change, &b);
    buf_add_char(&b, '\0');
    assert_int_equal(b.error, 0);
    assert_string_equal(b.p, expected);
    buf_fini(&b);
}

#define TRANSPORT "[udp]\ntype=transport\nbind=192.0.2.1\n"
#define AUTH "[a]\ntype=auth\nusername=u\npassword=p\n"
#define AOR "[o]\ntype=aor\ncontact=sip:x@192.0.2.9\n"
#define ENDPOINT "[e]\ntype=endpoint\n"
#define IDENTIFY "[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.1\n"
#define PUBLISH                                                                        \
    "[p]\ntype=outbound-publish\nserver_uri=sip:esc.example\nevent=dialog\nmulti_user" \
    "=yes\n@body=application/dialog-info+xml\n"
#define DEVICES \
    "[p]\ntype=outbound-publish\nserver_uri=sip:esc.example\nevent=asterisk-devicestate\n"
#define INBOUND                                                                          \
    "[s]\ntype=asterisk-publication\ndevice_state=yes\n[in]\ntype=inbound-publication\n" \
    "event_asterisk-devicestate=s\n"

/* Each line is added to the section before it, or is one of its own; the kind of change is told by
 * the option's name. */
#define SOURCE "[a]\ntype=source\nprotocol=ami\nhost=h\nusername=u\nsecret=x\n"

static const struct {
    const char *before, *line, *expected;
} pjsip_cases[] = {
    { TRANSPORT, "bind=192.0.2.2\n", "transport udp changed bind\n" },
    { TRANSPORT, "domain=example.com\n", "transport udp changed domain\n" },
    { TRANSPORT, "external_signaling_address=192.0.2.7\nexternal_signaling_port=5070\n",
      "transport udp changed external_signaling_address, external_signaling_port\n" },
    { TRANSPORT, "tos=cs3\nsymmetric_transport=yes\ncos=5\n",
      "transport udp changed cos, symmetric_transport, tos\n" },
    { TRANSPORT, "local_net=10.0.0.0/8\n", "transport udp changed local_net\n" },
    { TRANSPORT "local_net=10.0.0.0/8\n", "local_net=10.0.0.0/9\n",
      "transport udp changed local_net\n" },
    { AUTH, "password=q\n", "auth a changed password\n" },
    { AUTH, "password_digest=SHA-256:"
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nrealm=r\n",
      "auth a changed realm, password_digest\n" },
    { AUTH, "supported_algorithms_uac=SHA-256\n", "auth a changed supported_algorithms_uac\n" },
    { AOR, "contact=sip:y@192.0.2.9\n", "aor o changed contact\n" },
    { AOR, "mailboxes=1@default\n", "aor o changed mailboxes\n" },
    { AOR, "max_contacts=1\nsupport_path=yes\n", "aor o changed max_contacts, support_path\n" },
    { ENDPOINT, "context=users\n", "endpoint e changed context\n" },
    { ENDPOINT, "callerid=\"Name\" <1000>\n", "endpoint e changed callerid\n" },
    { ENDPOINT, "sub_min_expiry=60\nidentify_by=ip\nrewrite_contact=yes\nfrom_user=x\n",
      "endpoint e changed sub_min_expiry, identify_by, rewrite_contact, from_user\n" },
    { IDENTIFY, "match=192.0.2.2\n", "identify i changed match\n" },
    { IDENTIFY, "match=!192.0.2.1\n", "identify i changed match\n" },
    { PUBLISH, "server_uri=sip:other.example\n",
      "outbound-publish p changed server_uri, from_uri, to_uri\n" },
    { PUBLISH, "@body=application/pidf+xml\n@exten=^1\nexpiration=60\n",
      "outbound-publish p changed @exten, expiration, @body\n" },
    { DEVICES, "@device_state_filter=^PJSIP/\n",
      "outbound-publish p changed @device_state_filter or @mailbox_state_filter\n" },
    { INBOUND, "event_asterisk-mwi=s\n", "inbound-publication in changed event_asterisk-mwi\n" },
    { "[global]\n", "debug=yes\nuser_agent=x\n", "[global]  changed user_agent, debug\n" },
    { "[global]\n", "debug=192.0.2.1\n", "[global]  changed debug\n" },
    { "[global]\n", "endpoint_identifier_order=username\n",
      "[global]  changed endpoint_identifier_order\n" },
    { "[global]\n", "default_auth_algorithms_uac=SHA-256\n",
      "[global]  changed default_auth_algorithms_uac\n" },
    { "[system]\ntype=system\n", "timer_t1=200\ntimer_b=20000\n",
      "[system]  changed timer_t1, timer_b\n" },
    { "[system]\ntype=system\n", "compact_headers=yes\ndisable_rport=yes\n",
      "[system]  changed compact_headers, disable_rport\n" },
    { "[system]\ntype=system\n", "disable_tcp_switch=no\n",
      "[system]  changed disable_tcp_switch\n" },
    { ENDPOINT, "[f]\ntype=endpoint\n", "endpoint f added \n" },
    { ENDPOINT, "[x]\ntype=domain_alias\ndomain=example.com\n", "domain_alias x added \n" },
    { ENDPOINT, "allow_subscribe=yes\n;remark\n", "" }, /* as it was by default */
}, extstate_cases[] = {
    { "[general]\n", "log_level=debug\nstop_grace=7s\n", "[general]  changed stop_grace, log_level\n" },
    { "[general]\n", "entityid=02:00:00:00:00:01\n", "[general]  changed entityid\n" },
    { "[compatibility]\n", "ringing_repeat=yes\n", "[compatibility]  changed ringing_repeat\n" },
    { "[compatibility]\n", "restart_notify=all\n", "[compatibility]  changed restart_notify\n" },
    { "[dialog-info]\n", "idle_dialog=no\n", "[dialog-info]  changed idle_dialog\n" },
    { "[registrar]\n", "enabled=yes\n", "[registrar]  changed enabled\n" },
    { "[registrar]\n", "watch_dialogs=yes\n", "[registrar]  changed watch_dialogs\n" },
    { "[authorization]\n", "block=alice\n", "[authorization]  changed \n" },
    { "[authorization]\nblock=alice\n", "block=bob\n", "[authorization]  changed \n" },
    { "[compositor]\n", "domains=example.com\nusers=known\n",
      "compositor compositor changed domains, users\n" },
    { "[compositor]\n", "packages=dialog\npublish=any\nopaque=conference\n",
      "compositor compositor changed publish, packages, opaque\n" },
    { "[compositor]\n", "[other]\ntype=compositor\ndomains=example.com\n",
      "compositor other added \n" },
    { SOURCE, "port=1\nsecret=y\nhints=import\ncalls=yes\n",
      "source a changed secret, calls, port, hints\n" },
    { "[general]\n", SOURCE, "source a added \n" },
};

static void check_case(const char *before, const char *line, const char *expected, bool pjsip)
{
    char text[2048], back[256], *added;
    struct loaded from, to, same;

    snprintf(text, sizeof(text), "%s%s", before, line);
    from = load(pjsip ? before : "", pjsip ? NULL : before);
    to = load(pjsip ? text : "", pjsip ? NULL : text);
    same = load(pjsip ? text : "", pjsip ? NULL : text);
    check(from.s, to.s, expected);
    check(to.s, same.s, "");
    snprintf(back, sizeof(back), "%s", expected);
    added = strstr(back, " added ");
    if (added) {
        memmove(added + 2, added, strlen(added) + 1);
        memcpy(added, " removed", 8);
    }
    check(to.s, from.s, back);
    unload(&from);
    unload(&to);
    unload(&same);
}

static void test_options(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pjsip_cases); i++)
        check_case(pjsip_cases[i].before, pjsip_cases[i].line, pjsip_cases[i].expected, true);
    for (size_t i = 0; i < ARRAY_LEN(extstate_cases); i++)
        check_case(extstate_cases[i].before, extstate_cases[i].line, extstate_cases[i].expected,
                   false);
}

/* An object that a reload keeps for a fault is no difference, now and when it is corrected. */
static void test_kept(void **state)
{
    struct loaded from = load(ENDPOINT TRANSPORT, NULL);
    struct loaded faulty = load_source((struct settings_source){ .former = from.s },
                                       "[e]\ntype=endpoint\ncontext=other\nsub_min_expiry=x\n"
                                       "[udp]\ntype=transport\nbind=nonsense\n",
                                       NULL);

    (void)state;
    check(from.s, faulty.s, "");
    unload(&from);
    from = load(ENDPOINT TRANSPORT, NULL);
    check(faulty.s, from.s, "");
    unload(&from);
    unload(&faulty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
