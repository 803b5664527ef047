// SPDX-License-Identifier: MIT
#include "config/settings_testing.h"

#define NEEDED "protocol=ami\nhost=192.0.2.1\nusername=extstate\nsecret=s3cret\n"
#define A "[pbx-a]\ntype=source\n" NEEDED

static struct loaded reload(const struct loaded *former, const char *extstate)
{
    return load_source((struct settings_source){ .former = former->s }, UDP, extstate);
}

static void test_defaults(void **state)
{
    struct loaded l = load(UDP, A);
    const struct source_settings *c = l.s->sources;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_sources, 1);
    assert_str(c->id, "pbx-a");
    assert_str(c->host, "192.0.2.1");
    assert_str(c->username, "extstate");
    assert_str(c->secret, "s3cret");
    assert_int_equal(c->port, 5038);
    assert_int_equal(c->login, SOURCE_LOGIN_AUTO);
    assert_int_equal(c->stale, SOURCE_STALE_UNAVAILABLE);
    assert_int_equal(c->grace_s, 30);
    assert_true(c->presence && c->mailboxes && c->verify_server);
    assert_false(c->tls || c->hints || c->calls || c->wildcards);
    assert_int_equal(c->n_devices, 0);
    assert_str(c->at.file, "etc/extstate.conf");
    assert_int_equal(c->at.line, 1);
    unload(&l);
}

static void test_given(void **state)
{
    struct loaded l =
        load(UDP, A "tls=yes\nca_list_file=ca.pem\ncert_file=/etc/c.pem\nverify_server=no\n"
                    "hints=import\ncalls=yes\ndevices=PJSIP/, Custom:\ngrace=2m\nstale=keep\n"
                    "login=md5\npresence=no\nmailboxes=no\n"
                    "[fs]\ntype=source\nprotocol=esl\nhost=fs.example.com\nsecret=ClueCon\n");
    const struct source_settings *c = l.s->sources;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_int_equal(l.s->n_sources, 2);
    assert_true(c->tls && c->hints && c->calls);
    assert_false(c->verify_server || c->presence || c->mailboxes);
    assert_int_equal(c->port, 5039);
    assert_str(c->ca_file, "etc/ca.pem");
    assert_str(c->cert_file, "/etc/c.pem");
    assert_int_equal(c->n_devices, 2);
    assert_str(c->devices[1], "Custom:");
    assert_int_equal(c->grace_s, 120);
    assert_int_equal(c->stale, SOURCE_STALE_KEEP);
    assert_int_equal(c->login, SOURCE_LOGIN_MD5);
    assert_int_equal(c[1].protocol, SOURCE_ESL);
    assert_int_equal(c[1].port, 8021);
    unload(&l);
}

static void test_faults(void **state)
{
    static const struct {
        const char *text, *told; /* the beginning */
        size_t n;
    } cases[] = {
        { "[a]\ntype=source\nprotocol=ami\nhost=h\nusername=u\n",
          "etc/extstate.conf:1: error: source [a]", 0 },
        { "[a]\ntype=source\nprotocol=amy\nhost=h\nusername=u\nsecret=x\n",
          "etc/extstate.conf:3: error: protocol = amy", 0 },
        { "[a]\ntype=source\nprotocol=ami\nhost=h\nsecret=x\n",
          "etc/extstate.conf:1: error: source [a] has no username, which protocol = ami needs and "
          "is refused\n",
          0 },
        { "[a]\ntype=source\nprotocol=ami\nhost=h:1\nusername=u\nsecret=x\n",
          "etc/extstate.conf:4: error: host = h:1: not a host name or an address without a port; "
          "its section is refused\n",
          0 },
        { "[mwi]\ntype=source\n" NEEDED,
          "etc/extstate.conf:1: error: source [mwi] has a name by which others report and is "
          "refused\n",
          0 },
        { "[phone]\ntype=source\n" NEEDED,
          "etc/extstate.conf:1: error: source [phone] has a name by which others report and is "
          "refused\n",
          0 },
        { A A,
          "etc/extstate.conf:7: error: source [pbx-a] is at etc/extstate.conf:1 already; the "
          "first is used, give this one another name\n",
          1 },
        { A "hint=import\n", "etc/extstate.conf:7: warning: ", 1 },
        { A "port=70000\n", "etc/extstate.conf:7: error: port = 70000", 1 },
        { "[a]\ntype=sourse\n" NEEDED,
          "etc/extstate.conf:1: warning: unknown section [a] is ignored; did you mean type = "
          "source?\n",
          0 },
        { "[a]\ntype=source\nprotocol=esl\nhost=h\nsecret=x\nhints=import\n",
          "etc/extstate.conf:6: warning: hints = import: protocol = esl has no hints to import\n",
          1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load(UDP, cases[i].text);

        test_assert_text("told", cases[i].text,
                         str_sub(buf_str(&l.diag.text), 0, strlen(cases[i].told)), cases[i].told);
        assert_int_equal(l.s->n_sources, cases[i].n);
        unload(&l);
    }
}

static void test_secret_is_not_told(void **state)
{
    struct loaded l = load(UDP, "[a]\ntype=source\nsecret=hidden\nsecret=hidden2\nport=x\n");

    (void)state;
    assert_false(str_contains_nocase(buf_str(&l.diag.text), STR("hidden")));
    unload(&l);
}

static void test_reload(void **state)
{
    static const struct {
        const char *text, *told; /* the beginning */
        size_t n;
        uint16_t port;
    } cases[] = {
        { A "port=1\n", "", 1, 1 },
        { "[pbx-a]\ntype=source\nprotocol=ami\nport=1\n", "etc/extstate.conf:1: error: source", 1,
          7 },
        { A "port=x\n", "etc/extstate.conf:7: error: port = x: not a whole number", 1, 7 },
        { "[pbx-a]\n" NEEDED,
          "etc/extstate.conf:1: error: [pbx-a] was a source and has not type = source any more; "
          "what was loaded before goes on, remove the section to end it\n",
          1, 7 },
        { "[general]\n", "", 0, 0 },
    };
    struct loaded former = load(UDP, A "port=7\ndevices=PJSIP/\n");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = reload(&former, cases[i].text);

        test_assert_text("told", cases[i].text,
                         str_sub(buf_str(&l.diag.text), 0, strlen(cases[i].told)), cases[i].told);
        assert_int_equal(l.s->n_sources, cases[i].n);
        if (cases[i].n) {
            assert_int_equal(l.s->sources->port, cases[i].port);
            assert_str(l.s->sources->id, "pbx-a");
        }
        unload(&l);
    }
    unload(&former);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_given),
        cmocka_unit_test(test_faults),   cmocka_unit_test(test_secret_is_not_told),
        cmocka_unit_test(test_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
