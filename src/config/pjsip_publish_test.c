// SPDX-License-Identifier: MIT
/* pjsip.conf: outbound-publish. */
#include "config/settings_testing.h"

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
        "etc/pjsip.conf:22: warning: the semicolon begins a comment, and user=phone> is not read; "
        "write `\\;` in a URI\n"
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
        /* Whatever may be a password is not shown. */
        { PUBLISH BODY "from_uri=sip:a:pw@\n",
          "10: error: from_uri = sip:a:(not shown)@: not a sip: or sips: URI; its section is "
          "refused\n" },
        { PUBLISH BODY "from_uri=a:p@w@h\n",
          "10: error: from_uri = @h: not a sip: or sips: URI; its section is refused\n" },
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
    check_diag(PUBLISH BODY "event=Dialog\n", NULL,
               "etc/pjsip.conf:10: warning: outbound-publish [p]: event Dialog is unknown, write "
               "dialog, presence, asterisk-devicestate or asterisk-mwi; the section is idle\n");
    check_diag(PUBLISH BODY "outbound_auth=nobody\ntransport=t\noutbound_proxy=sip:h\n", NULL,
               "etc/pjsip.conf:10: error: outbound-publish [p]: outbound_auth nobody does not "
               "exist; challenges are not "
               "answered with it\n"
               "etc/pjsip.conf:11: warning: outbound-publish [p]: transport t does not exist; any "
               "transport is used\n"
               "etc/pjsip.conf:12: warning: outbound-publish [p]: outbound_proxy has no lr "
               "parameter; write \\;lr, because "
               "; alone begins a comment\n");
    check_diag(PUBLISH BODY
               "transport=page\n[page]\ntype=transport\nprotocol=ws\nbind=0.0.0.0:5088\n",
               NULL,
               "etc/pjsip.conf:10: error: outbound-publish [p]: transport page is of WebSocket, by "
               "which we are called and call nobody; any transport is used\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish),         cmocka_unit_test(test_publish_defaults),
        cmocka_unit_test(test_publish_refused), cmocka_unit_test(test_publish_warnings),
        cmocka_unit_test(test_uri_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
