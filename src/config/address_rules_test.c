// SPDX-License-Identifier: MIT
#include "config/settings_testing.h"

static bool permits(const struct settings *s, const struct address_rules *r, const char *address)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, str_of(address), 5060), 0);
    return address_rules_permit(s, r, &a);
}

static struct loaded load_files(const char *pjsip, const char *acl)
{
    struct test_file files[] = { { "etc/pjsip.conf", pjsip },
                                 { "etc/acl.conf", acl },
                                 { NULL, NULL } };
    struct settings_source source = { .directory = STR("etc"),
                                      .state_directory = STR("/var/lib/extstate"),
                                      .resolve = test_resolve,
                                      .files = test_conf_source(files) };
    struct loaded l = { .s = NULL };

    if (!acl)
        files[1].path = NULL;
    diag_init(&l.diag);
    l.result = settings_read(&l.s, &source, &l.diag);
    assert_int_equal(l.result, 0);
    return l;
}

static void assert_each(const struct settings *s, const char *lines, struct str addresses,
                        bool want)
{
    while (addresses.n) {
        struct str part = str_next(&addresses, ',');
        char address[64];

        snprintf(address, sizeof(address), "%.*s", STR_FMT(part));
        if (permits(s, &s->acls[0].source, address) != want)
            fail_msg("%s: %s", lines, address);
    }
}

/* The last line that matches decides, in the order of the file whichever option it is. */
static void test_rules(void **state)
{
    static const struct {
        const char *lines;
        const char *permitted, *denied; /* comma separated */
    } cases[] = {
        { "", "192.0.2.1,[2001:db8::1]", "" },
        { "deny=192.0.2.0/24\n", "192.0.3.1,[2001:db8::1]", "192.0.2.1" },
        { "permit=192.0.2.0/24\n", "192.0.2.1,192.0.3.1", "" },
        { "deny=0.0.0.0/0\npermit=192.0.2.0/24\ndeny=192.0.2.7\n", "192.0.2.1,[2001:db8::1]",
          "192.0.2.7,192.0.3.1" },
        { "permit=192.0.2.0/24\ndeny=0.0.0.0/0.0.0.0, ::/0\n", "", "192.0.2.1,[2001:db8::1]" },
        { "deny=!192.0.2.0/255.255.255.0\n", "192.0.2.1", "192.0.3.1,[2001:db8::1]" },
        { "deny=0.0.0.0/0\npermit=!192.0.2.0/24\n", "192.0.3.1", "192.0.2.1" },
        { "acl=office\n", "192.0.2.1", "192.0.3.1" },
        { "acl=office,home\n", "", "192.0.2.1,198.51.100.1" },
        { "deny=192.0.2.1\nacl=office\n", "192.0.2.2", "192.0.2.1,192.0.3.1" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str permitted = str_of(cases[i].permitted), denied = str_of(cases[i].denied);
        char text[512];
        struct loaded l;

        snprintf(text, sizeof(text), UDP "[a]\ntype=acl\n%s[e]\ntype=endpoint\ncontact_%s",
                 cases[i].lines, cases[i].lines[0] ? "deny=10.0.0.1\n" : "acl=\n");
        l = load_files(text, "[office]\ndeny=0.0.0.0/0\npermit=192.0.2.0/24\n"
                             "[home]\ndeny=0.0.0.0/0\npermit=198.51.100.0/24\n");
        assert_str(buf_str(&l.diag.text), "");
        assert_int_equal(l.s->n_acls, 1);
        assert_each(l.s, cases[i].lines, permitted, true);
        assert_each(l.s, cases[i].lines, denied, false);
        assert_true(permits(l.s, &l.s->acls[0].contact, "10.0.0.1"));
        if (cases[i].lines[0])
            assert_false(permits(l.s, &l.s->endpoints[0].contact, "10.0.0.1"));
        unload(&l);
    }
}

/* A slip opens nothing. */
static void test_problems(void **state)
{
    struct loaded l =
        load_files(UDP "[a]\ntype=acl\ndeny=10.0.0.0/8, nowhere\npermit=192.0.2.1, x\n"
                       "acl=lost\n[e]\ntype=endpoint\ncontact_acl=twice\n",
                   "[twice]\ndeny=10.0.0.1\n[twice]\npermit=10.0.0.1\n");
    const struct settings *s = l.s;

    (void)state;
    assert_str(
        buf_str(&l.diag.text),
        "etc/acl.conf:3: error: [twice] is defined again; the first stays, remove one\n"
        "etc/pjsip.conf:6: error: deny = nowhere: not an address or network (192.0.2.1, "
        "192.0.2.0/24, 2001:db8::/32); everything is denied instead\n"
        "etc/pjsip.conf:7: error: permit = x: not an address or network (192.0.2.1, 192.0.2.0/24, "
        "2001:db8::/32); it is left out\n"
        "etc/pjsip.conf:4: warning: acl [a]: acl.conf has no [lost], so everything is denied; "
        "define it or correct the name\n");
    assert_false(permits(s, &s->acls[0].source, "192.0.2.1"));
    assert_false(permits(s, &s->endpoints[0].contact, "10.0.0.1"));
    assert_true(permits(s, &s->endpoints[0].contact, "10.0.0.2"));
    unload(&l);
}

/* Nor does one that has its section discarded, or both of a name. */
static void test_discarded(void **state)
{
    static const char *const lines[] = { "permit=192.0.2.1, x\n", "[a]\ntype=acl\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char text[256];
        struct loaded l;

        snprintf(text, sizeof(text), UDP "[a]\ntype=acl\n%s", lines[i]);
        l = load(text, "[compatibility]\nstrict_objects=yes\n");
        assert_int_equal(l.s->n_acls, 1);
        assert_false(permits(l.s, &l.s->acls[0].source, "192.0.2.1"));
        assert_false(permits(l.s, &l.s->acls[0].source, "[2001:db8::1]"));
        assert_int_equal(l.diag.warnings, 1);
        unload(&l);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_discarded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
