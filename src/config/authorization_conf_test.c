// SPDX-License-Identifier: MIT
/* [authorization]: rules are tried in the order of the file. */
#include "config/settings_testing.h"

#define PJSIP "[alice]\ntype=endpoint\naors=1000\n[bob]\ntype=endpoint\n[1000]\ntype=aor\n"

static void test_rules(void **state)
{
    static const struct {
        const char *conf, *endpoint, *uri, *package, *resource; /* extension@context */
        enum watcher_handling handling;
    } cases[] = {
        { "", "alice", "sip:alice@x", "dialog", "1000@users", WATCHER_ALLOW },
        { "default=block\n", "alice", "sip:alice@x", "dialog", "1000@users", WATCHER_BLOCK },
        { "default=confirm\nallow=^alice$\n", "alice", "sip:b@x", "dialog", "1@u", WATCHER_ALLOW },
        { "default=confirm\nallow=^alice$\n", "alice2", "sip:b@x", "dialog", "1@u",
          WATCHER_CONFIRM },
        /* The URI of From counts as well; any case, not anchored. */
        { "block=EVIL\n", "pbx", "sip:mr.evil@x", "dialog", "1@u", WATCHER_BLOCK },
        { "block=^sip:b@x$\n", "pbx", "sip:b@x", "dialog", "1@u", WATCHER_BLOCK },
        /* The first that matches decides, of whatever kind. */
        { "allow=^a\nblock=^al\n", "alice", "", "dialog", "1@u", WATCHER_ALLOW },
        { "block=^al\nallow=^a\n", "alice", "", "dialog", "1@u", WATCHER_BLOCK },
        { "allow=.,^1000@\npolite-block=.\n", "alice", "", "dialog", "1000@u", WATCHER_ALLOW },
        { "allow=.,^1000@\npolite-block=.\n", "alice", "", "dialog", "10001@u",
          WATCHER_POLITE_BLOCK },
        { "confirm=.,@boss$\n", "alice", "", "dialog", "1@boss", WATCHER_CONFIRM },
        { "confirm=.,@boss$\n", "alice", "", "dialog", "1@bosses", WATCHER_ALLOW },
        { "block=.,,presence\n", "alice", "", "presence", "1@u", WATCHER_BLOCK },
        { "block=.,,presence\n", "alice", "", "dialog", "1@u", WATCHER_ALLOW },
        /* Who watches is for the owner: her id, or an AOR of hers. */
        { "", "alice", "", "presence.winfo", "alice@u", WATCHER_ALLOW },
        { "", "alice", "", "Dialog.Winfo", "1000@u", WATCHER_ALLOW },
        { "", "bob", "", "presence.winfo", "1000@u", WATCHER_BLOCK },
        { "", "nobody", "", "presence.winfo", "nobody@u", WATCHER_BLOCK },
        { "default=confirm\nblock=alice\n", "alice", "", "presence.winfo", "1000@u",
          WATCHER_ALLOW },
        { "allow=bob\n", "bob", "", "presence.winfo", "1000@u", WATCHER_BLOCK },
        { "allow=bob,,presence\n", "bob", "", "presence.winfo", "1000@u", WATCHER_BLOCK },
        { "allow=bob,,presence.winfo\n", "bob", "", "presence.winfo", "1000@u", WATCHER_ALLOW },
        { "block=.,,presence.winfo\n", "alice", "", "presence.winfo", "1000@u", WATCHER_BLOCK },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char conf[256];
        struct loaded l;
        struct str rest = str_of(cases[i].resource), extension = str_next(&rest, '@');
        enum watcher_handling got;

        snprintf(conf, sizeof(conf), "[authorization]\n%s", cases[i].conf);
        l = load(PJSIP, conf);
        assert_int_equal(l.result, 0);
        got = settings_authorize(l.s,
                                 &(struct watcher_question){ .endpoint = str_of(cases[i].endpoint),
                                                             .uri = str_of(cases[i].uri),
                                                             .package = str_of(cases[i].package),
                                                             .context = rest,
                                                             .extension = extension });
        if (got != cases[i].handling)
            fail_msg("%s for %s: %d", cases[i].conf, cases[i].endpoint, got);
        unload(&l);
    }
}

static void test_problems(void **state)
{
    static const struct {
        const char *conf, *problem;
    } cases[] = {
        { "allow=\n", "2: error: allow = : not WATCHER, RESOURCE, PACKAGE" },
        { "allow=a,b,c,d\n", "2: error: allow = a,b,c,d: not WATCHER, RESOURCE, PACKAGE" },
        { "block=(\n", "2: error: block = (: " },
        { "block=.,[\n", "2: error: block = .,[: " },
        { "default=perhaps\n",
          "2: error: default = perhaps: not one of allow, polite-block, confirm, "
          "block" },
        { "alow=.\n", "did you mean allow" },
        { "confirm_timeout=0\n", "2: error: confirm_timeout = 0" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char conf[256];
        struct loaded l;

        snprintf(conf, sizeof(conf), "[authorization]\n%s", cases[i].conf);
        l = load(PJSIP, conf);
        assert_int_equal(l.result, 0);
        if (!str_contains_nocase(buf_str(&l.diag.text), str_of(cases[i].problem)))
            fail_msg("%s: %.*s", cases[i].conf, STR_FMT(buf_str(&l.diag.text)));
        assert_int_equal(settings_authorize(l.s, &(struct watcher_question){ 0 }), WATCHER_ALLOW);
        unload(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
