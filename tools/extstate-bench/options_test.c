// SPDX-License-Identifier: MIT
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

enum { WORDS = 16 };

static int parse(struct options *o, char *words[WORDS])
{
    char *argv[WORDS + 1] = { "extstate-bench" };
    int argc = 1;

    for (; argc <= WORDS && words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    return options_parse(o, argc, argv);
}

static void test_phases(void **state)
{
    static const struct {
        const char *text;
        int result;
        struct phase_spec spec;
    } cases[] = {
        { "subscribe", 0, { PHASE_SUBSCRIBE } },
        { "fanout:n=2000,rate=200", 0, { PHASE_FANOUT, 2000, 200, 0 } },
        { "publish:window=7", 0, { PHASE_PUBLISH, 0, 0, 7 } },
        { "limit:n=1", 0, { PHASE_LIMIT, 1 } },
        { "prime", 0, { PHASE_PRIME } },
        { "subscribed", -EINVAL, { 0 } },
        { "", -EINVAL, { 0 } },
        { "fanout:", -EINVAL, { 0 } },
        { "fanout:n", -EINVAL, { 0 } },
        { "fanout:n=", -EINVAL, { 0 } },
        { "fanout:n=0", -EINVAL, { 0 } },
        { "fanout:m=1", -EINVAL, { 0 } },
        { "fanout:n=1,", -EINVAL, { 0 } },
        { "fanout:n=4294967296", -EINVAL, { 0 } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct phase_spec spec = { 0 };
        const char *why = NULL;

        assert_int_equal(phase_spec_parse(&spec, str_of(cases[i].text), &why), cases[i].result);
        assert_memory_equal(&spec, &cases[i].spec, sizeof(spec));
    }
}

static void test_a_whole_line(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(
        parse(&o, (char *[WORDS]){ "--server", "[::1]:5070", "--watchers=10", "--change",
                                   "ctl:/run/x.sock", "--zipf", "1.5", "--domain", "[::1]:5070",
                                   "subscribe", "fanout:n=3", NULL }),
        0);
    assert_int_equal(addr_port(&o.server), 5070);
    assert_int_equal(o.watchers, 10);
    assert_string_equal(o.domain, "[::1]:5070");
    assert_int_equal(o.change, CHANGE_CTL);
    assert_string_equal(o.change_to, "/run/x.sock");
    assert_true(o.zipf > 1.49 && o.zipf < 1.51);
    assert_int_equal(o.n_phases, 2);
    assert_int_equal(o.phases[1].n, 3);
}

static void test_transports(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(parse(&o, (char *[WORDS]){ "--server", "127.0.0.1", "--transport", "tls",
                                                "--connections", "10000", "connect", NULL }),
                     0);
    assert_int_equal(o.transport, TRANSPORT_TLS);
    assert_int_equal(o.sockets, 10000);
    assert_int_equal(o.phases[0].kind, PHASE_CONNECT);
}

static void test_defaults(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(parse(&o, (char *[WORDS]){ "--server", "127.0.0.1", NULL }), 0);
    assert_int_equal(addr_port(&o.server), 5060);
    assert_int_equal(o.change, CHANGE_PUBLISH);
    assert_int_equal(o.transport, TRANSPORT_UDP);
    assert_int_equal(o.n_phases, 4);
    assert_int_equal(parse(&o, (char *[WORDS]){ "limit", NULL }), 0); /* needs no server */
    assert_int_equal(parse(&o, (char *[WORDS]){ "--help", NULL }), OPTIONS_HELP);
    assert_int_equal(parse(&o, (char *[WORDS]){ "--version", NULL }), OPTIONS_VERSION);
}

static void test_refused(void **state)
{
    static char *lines[][WORDS] = {
        { "subscribe" },                                           /* where? */
        { "--server", "example.com", "subscribe" },                /* names are not resolved */
        { "--server", "127.0.0.1", "subscribed" },                 /* no phase */
        { "--server", "127.0.0.1", "--change", "none", "fanout" }, /* of what? */
        { "--server", "127.0.0.1", "restart" },                    /* how? */
        { "--server", "127.0.0.1", "--change", "ctl" },            /* which? */
        { "--server", "127.0.0.1", "--change", "ctl:" },           /* which? */
        { "--server", "127.0.0.1", "--change", "publish:x" },      /* takes nothing */
        { "--server", "127.0.0.1", "--from", "a>" },
        { "--server", "127.0.0.1", "--from", "" },
        { "--server", "127.0.0.1", "--domain", "a b" },
        { "--server", "127.0.0.1", "--device", "\"" },
        { "--server", "127.0.0.1", "--loss", "91" },
        { "--server", "127.0.0.1", "--resources", "0" },
        { "--server", "127.0.0.1", "--zipf", "-1" },
        { "--server", "127.0.0.1", "--zipf", "1x" },
        { "--server", "127.0.0.1", "--transport", "sctp" },
        { "--server", "127.0.0.1", "--transport", "tcp", "--loss", "5" }, /* TCP would repair it */
        { "--server", "127.0.0.1", "--connections", "1025" },             /* sockets of UDP */
        { "--server", "127.0.0.1", "connect" },                           /* over UDP? */
        { "--server", "127.0.0.1", "--watcher", "1", "--nonsense" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct options o = { .watchers = 4711 };

        assert_int_equal(parse(&o, lines[i]), -EINVAL);
        assert_int_equal(o.watchers, 4711); /* untouched */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phases),     cmocka_unit_test(test_a_whole_line),
        cmocka_unit_test(test_transports), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
