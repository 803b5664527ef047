// SPDX-License-Identifier: MIT
#include "config/manager.h"
#include "config/settings_testing.h"

#define TRANSPORT "[udp]\ntype=transport\nbind=127.0.0.1\n"

static struct loaded load_manager(const char *manager, const char *acl,
                                  const struct settings *former)
{
    const struct test_file files[] = { { "etc/pjsip.conf", TRANSPORT },
                                       { "etc/manager.conf", manager },
                                       { "etc/acl.conf", acl ? acl : "" },
                                       { NULL, NULL } };
    struct settings_source source = { .directory = STR_INIT("etc"),
                                      .state_directory = STR_INIT("/var/lib/extstate"),
                                      .former = former,
                                      .files = test_conf_source(files) };
    struct loaded l = { .s = NULL };

    diag_init(&l.diag);
    l.result = settings_read(&l.s, &source, &l.diag);
    assert_int_equal(l.result, 0);
    return l;
}

static void check(const char *manager, const char *want)
{
    struct loaded l = load_manager(manager, NULL, NULL);

    test_assert_text("diag", manager, buf_str(&l.diag.text), want);
    unload(&l);
}

static const struct manager_user *user(const struct loaded *l, const char *name)
{
    const struct manager_user *u = manager_user_find(l->s->manager, str_of(name));

    assert_non_null(u);
    return u;
}

static bool permits(const struct loaded *l, const char *name, const char *address)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(address), 0), 0);
    return address_rules_permit(l->s, &user(l, name)->source, &a);
}

static void test_none(void **state)
{
    struct loaded l = load(UDP, NULL);
    const struct manager_settings *m = l.s->manager;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_false(m->enabled || m->tls || m->timestamp_events);
    assert_true(m->display_connects && m->allow_multiple_login);
    assert_addr(&m->bind, "0.0.0.0:5038");
    assert_addr(&m->tls_bind, "0.0.0.0:5039");
    assert_int_equal(m->auth_timeout_s, 30);
    assert_int_equal(m->auth_limit, 50);
    assert_int_equal(m->n_users, 0);
    assert_null(manager_user_find(m, STR("general")));
    unload(&l);
}

/* As an Asterisk has it, what means nothing here included. */
static void test_all(void **state)
{
    struct loaded l = load_manager(
        "[general]\nenabled = yes\nwebenabled = yes\nport = 5138\nbindaddr = 127.0.0.1\n"
        "displayconnects = no\ntimestampevents = yes\nauthtimeout = 20\nauthlimit = 10\n"
        "tlsenable=yes\ntlsbindaddr=[::1]:5140\ntlscertfile=keys/pbx.pem\ntlsprivatekey=/k.pem\n"
        "disabledevents = Reload,Shutdown\nchannelvars = X\n"
        "[admin]\nsecret = se\\;cret\nread = all\nwrite = system,call,command\n"
        "deny=0.0.0.0/0.0.0.0\npermit=127.0.0.1/255.255.255.0\nacl = office\n"
        "eventfilter=!Event: RTCP\neventfilter(action(include),name(Reload)) =\n"
        "[board](!)\nread=call\n[wall](board)\nsecret=x\ndisplayconnects=yes\n"
        "allowmultiplelogin=no\nwritetimeout=100\nwrite=\n",
        "[office]\ndeny=127.0.0.9\n", NULL);
    const struct manager_settings *m = l.s->manager;

    (void)state;
    assert_str(buf_str(&l.diag.text), "");
    assert_true(m->enabled && m->tls && m->timestamp_events && !m->display_connects);
    assert_addr(&m->bind, "127.0.0.1:5138");
    assert_addr(&m->tls_bind, "[::1]:5140");
    assert_str(m->cert_file, "etc/keys/pbx.pem");
    assert_str(m->key_file, "/k.pem");
    assert_int_equal(m->auth_timeout_s, 20);
    assert_int_equal(m->auth_limit, 10);
    assert_int_equal(m->n_disabled_events, 2);
    assert_int_equal(m->bind_at.line, 5);
    assert_int_equal(m->tls_at.line, 13);
    assert_int_equal(m->n_users, 2);
    assert_str(user(&l, "admin")->secret, "se;cret");
    assert_int_equal(user(&l, "admin")->read, MANAGER_ALL);
    assert_int_equal(user(&l, "admin")->write, MANAGER_SYSTEM | MANAGER_CALL | MANAGER_COMMAND);
    assert_int_equal(user(&l, "admin")->n_filters, 2);
    assert_false(user(&l, "admin")->display_connects);
    assert_true(permits(&l, "admin", "127.0.0.1"));
    assert_false(permits(&l, "admin", "127.0.0.9"));
    assert_false(permits(&l, "admin", "192.0.2.1"));
    assert_int_equal(user(&l, "wall")->read, MANAGER_CALL);
    assert_int_equal(user(&l, "wall")->write, 0);
    assert_int_equal(user(&l, "wall")->write_timeout_ms, 100);
    assert_true(user(&l, "wall")->display_connects);
    assert_false(user(&l, "wall")->allow_multiple_login);
    assert_true(permits(&l, "wall", "192.0.2.1"));
    unload(&l);
}

static void test_problems(void **state)
{
    (void)state;
    check("[general]\nport=x\nenable=yes\ncolour=red\ntlsenable=yes\n",
          "etc/manager.conf:2: error: port = x: not a whole number from 1 to 65535; the default "
          "5038 is used instead\n"
          "etc/manager.conf:3: warning: unknown option enable in [general] is ignored; did you "
          "mean enabled?\n"
          "etc/manager.conf:5: error: tlsenable without tlscertfile; there is no TLS without a "
          "certificate\n");
    check("[a]\nread=call,cal\nsecret=x\nacl=nobody\n[a]\n[b]\n[c]\nsecret=a\x01z\n",
          "etc/manager.conf:2: error: read = cal: no class of events or actions; it is left out\n"
          "etc/manager.conf:1: warning: user [a]: acl.conf has no [nobody], so everything is "
          "denied; define it or correct the name\n"
          "etc/manager.conf:5: error: [a] is defined again; the first stays, remove one\n"
          "etc/manager.conf:6: warning: user [b] has no secret, so nobody can log in as it; add "
          "secret = ...\n"
          "etc/manager.conf:8: error: secret = (not shown): a control character; the line is "
          "ignored\n"
          "etc/manager.conf:7: warning: user [c] has no secret, so nobody can log in as it; add "
          "secret = ...\n");
}

/* A filter that cannot be used shows nothing. */
static void test_blind(void **state)
{
    struct loaded l = load_manager("[a]\nsecret=x\nread=all\neventfilter=!(\n"
                                   "[b]\nsecret=x\nread=all\neventfilter(color(red))=x\n",
                                   NULL, NULL);

    (void)state;
    assert_int_equal(l.diag.errors, 2);
    assert_int_equal(user(&l, "a")->read, 0);
    assert_int_equal(user(&l, "b")->read, 0);
    unload(&l);
}

static void test_reload(void **state)
{
    struct loaded a = load_manager("[general]\nport=1000\n[x]\nsecret=1\n", NULL, NULL);
    struct loaded b = load_manager("[general]\nport=ten\n[y]\nsecret=1\n", NULL, a.s);
    struct loaded c = load_manager("[general]\nport=2000\n[y]\nsecret=1\n", NULL, b.s);

    (void)state;
    assert_int_equal(b.diag.errors, 1);
    assert_ptr_equal(a.s->manager, b.s->manager);
    unload(&a);
    assert_int_equal(addr_port(&b.s->manager->bind), 1000);
    assert_non_null(manager_user_find(b.s->manager, STR("x")));
    assert_null(manager_user_find(b.s->manager, STR("y")));
    assert_int_equal(addr_port(&c.s->manager->bind), 2000);
    assert_non_null(manager_user_find(c.s->manager, STR("y")));
    unload(&b);
    unload(&c);
}

static void on_change(void *ctx, const struct settings_change *c)
{
    assert_string_equal(c->kind, "manager.conf");
    ++*(unsigned *)ctx;
}

static void test_difference(void **state)
{
    struct loaded a = load_manager("[x]\nsecret=1\n", NULL, NULL);
    struct loaded b = load_manager("[x]\nsecret=2\n", NULL, NULL);
    struct loaded c = load_manager("; a remark\n[x]\nsecret = 1\n", NULL, NULL);
    unsigned n = 0;

    (void)state;
    settings_compare(a.s, b.s, on_change, &n);
    assert_int_equal(n, 1);
    settings_compare(a.s, c.s, on_change, &n);
    assert_int_equal(n, 1);
    unload(&a);
    unload(&b);
    unload(&c);
}

static void test_classes(void **state)
{
    static const struct {
        const char *text;
        int result;
        uint32_t want;
    } cases[] = {
        { "on", 0, MANAGER_ALL },
        { "off", 0, 0 },
        { "ALL", 0, MANAGER_ALL },
        { "none", 0, 0 },
        { "system,Call", 0, MANAGER_SYSTEM | MANAGER_CALL },
        { "call, nothing", 0, MANAGER_CALL },
        { "3", 0, MANAGER_SYSTEM | MANAGER_CALL },
        { "0", 0, 0 },
        { "4294967295", 0, MANAGER_ALL },
        { "nothing", -EINVAL, 77 },
        { "", -EINVAL, 77 },
    };
    char room[200];
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t got = 77;

        if (manager_classes_parse(&got, str_of(cases[i].text)) != cases[i].result ||
            got != cases[i].want)
            fail_msg("%s: %x", cases[i].text, got);
    }
    buf_init_on(&b, room, sizeof(room));
    manager_classes_print(&b, MANAGER_CALL | MANAGER_REPORTING);
    assert_str(buf_str(&b), "call,reporting,all");
    buf_reset(&b);
    manager_classes_print(&b, 0);
    assert_str(buf_str(&b), "all");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),     cmocka_unit_test(test_all),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_blind),
        cmocka_unit_test(test_reload),   cmocka_unit_test(test_difference),
        cmocka_unit_test(test_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
