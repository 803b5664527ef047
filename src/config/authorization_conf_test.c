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
                                                             .extension = extension },
                                 NULL);
        if (got != cases[i].handling)
            fail_msg("%s for %s: %d", cases[i].conf, cases[i].endpoint, got);
        unload(&l);
    }
}

/* At the start, what cannot be used blocks what it may be about, and nothing else. */
static void test_problems(void **state)
{
    static const struct {
        const char *conf, *problem;
        const char *blocked, *shown; /* "ENDPOINT PACKAGE EXTENSION" */
    } cases[] = {
        { "allow=\n",
          "2: error: allow = : not WATCHER, RESOURCE, PACKAGE, of which the last two may be left "
          "out; what it may be about is blocked",
          "alice presence.winfo 1000", NULL },
        { "allow=a,b,c,d\n", "2: error: allow = a,b,c,d: not WATCHER, RESOURCE, PACKAGE",
          "bob dialog 2", NULL },
        { "allow=bob\nblock=(\nallow=.\n", "3: error: block = (: ", "alice dialog 2",
          "bob dialog 2" },
        { "block=(,^1@\n", "2: error: block = (,^1@: ", "alice dialog 1", "alice dialog 2" },
        { "confirm=(,,dialog\n", "2: error: confirm = (,,dialog: ", "alice dialog 1",
          "alice presence 1" },
        { "polite-block=^bob,[\n", "2: error: polite-block = ^bob,[: ", "bob dialog 1",
          "alice dialog 1" },
        { "allow=(,,presence.winfo\n", "2: error: ", "alice presence.winfo 1000",
          "alice presence 1" },
        { "presence_rules=r.xml,[,dialog\n",
          "2: error: presence_rules = r.xml,[,dialog: ", "bob dialog 1", "bob presence 1" },
        { "allow=bob\ndefault=perhaps\n",
          "3: error: default = perhaps: not one of allow, polite-block, confirm, block; what it "
          "may "
          "be about is blocked",
          "alice dialog 1", "bob dialog 1" },
        { "allow=bob\nblok=.\n",
          "3: error: unknown option blok in [authorization]; what it may be about is blocked; did "
          "you mean block?",
          "alice dialog 1", "bob dialog 1" },
        { "allow=bob\nsomething=.\n", "3: error: unknown option something in [authorization]; ",
          "alice dialog 1", "bob dialog 1" },
        { "allow=bob\n[authorisation]\nallow=.\n",
          "3: error: unknown section [authorisation]; what it may be about is blocked; did you "
          "mean "
          "[authorization]?",
          "alice dialog 1", "bob dialog 1" },
        { "confirm_timeout=0\n", "2: error: confirm_timeout = 0", NULL, "alice dialog 1" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char conf[256];
        struct loaded l;

        snprintf(conf, sizeof(conf), "[authorization]\n%s", cases[i].conf);
        l = load(UDP PJSIP, conf);
        assert_int_equal(l.result, 0);
        if (l.diag.errors != 1 || l.diag.warnings)
            fail_msg("%s: %.*s", cases[i].conf, STR_FMT(buf_str(&l.diag.text)));
        if (!str_contains_nocase(buf_str(&l.diag.text), str_of(cases[i].problem)))
            fail_msg("%s: %.*s", cases[i].conf, STR_FMT(buf_str(&l.diag.text)));
        for (int shown = 0; shown < 2; shown++) {
            struct str rest = str_of(shown ? cases[i].shown : cases[i].blocked),
                       endpoint = str_next(&rest, ' '), package = str_next(&rest, ' ');

            if (endpoint.n && settings_authorize(l.s,
                                                 &(struct watcher_question){ .endpoint = endpoint,
                                                                             .package = package,
                                                                             .context = STR("u"),
                                                                             .extension = rest },
                                                 NULL) != (shown ? WATCHER_ALLOW : WATCHER_BLOCK))
                fail_msg("%s: %d", cases[i].conf, shown);
        }
        unload(&l);
    }
}

/* Line 2 of extstate.conf names a document. */
static struct loaded load_document(const char *line, const char *document)
{
    char conf[128];
    const struct test_file files[] = { { "etc/pjsip.conf", PJSIP },
                                       { "etc/extstate.conf", conf },
                                       { "etc/r.xml", document },
                                       { NULL, NULL } };
    struct settings_source source = { .directory = STR("etc"),
                                      .state_directory = STR("/nowhere"),
                                      .resolve = test_resolve,
                                      .files = test_conf_source(files) };
    struct loaded l = { .s = NULL };

    snprintf(conf, sizeof(conf), "[authorization]\n%s\n", line);
    diag_init(&l.diag);
    l.result = settings_read(&l.s, &source, &l.diag);
    assert_int_equal(l.result, 0);
    return l;
}

static void test_documents(void **state)
{
#define CONFIRM_ALICE                                                                    \
    "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy'><rule><conditions><identity>" \
    "<one id='sip:alice@x'/></identity></conditions><actions><sub-handling "             \
    "xmlns='urn:ietf:params:xml:ns:pres-rules'>confirm</sub-handling></actions></rule></ruleset>"
    static const struct {
        const char *line, *document, *endpoint, *package, *resource;
        enum watcher_handling handling;
        const char *problem; /* the first one begins like this */
    } cases[] = {
        { "presence_rules=r.xml", CONFIRM_ALICE, "alice", "dialog", "1@u", WATCHER_CONFIRM, "" },
        { "presence_rules=r.xml", CONFIRM_ALICE, "bob", "dialog", "1@u", WATCHER_CONFIRM, "" },
        { "presence_rules=r.xml", CONFIRM_ALICE, "anonymous", "dialog", "1@u", WATCHER_BLOCK, "" },
        { "presence_rules=r.xml,^2@", CONFIRM_ALICE, "alice", "dialog", "1@u", WATCHER_ALLOW, "" },
        { "presence_rules=r.xml,,presence", CONFIRM_ALICE, "alice", "dialog", "1@u", WATCHER_ALLOW,
          "" },
        { "polite-block=alice\npresence_rules=r.xml", CONFIRM_ALICE, "alice", "dialog", "1@u",
          WATCHER_POLITE_BLOCK, "" },
        /* Who watches is not for everybody whom a document grants something. */
        { "presence_rules=r.xml", CONFIRM_ALICE, "bob", "dialog.winfo", "1000@u", WATCHER_BLOCK,
          "" },
        { "presence_rules=r.xml", CONFIRM_ALICE, "alice", "dialog.winfo", "1000@u", WATCHER_ALLOW,
          "" },
        /* What cannot be used shows nothing to anybody. */
        { "presence_rules=r.xml", "<ruleset/>", "alice", "dialog", "1@u", WATCHER_BLOCK,
          "etc/r.xml:1: error: ruleset: not a ruleset of common-policy" },
        { "presence_rules=x.xml", "", "alice", "dialog", "1@u", WATCHER_BLOCK,
          "etc/extstate.conf:2: error: presence_rules = x.xml: there is no such file; its "
          "resources are blocked" },
        { "presence_rules=", "", "alice", "dialog", "1@u", WATCHER_BLOCK,
          "etc/extstate.conf:2: error: presence_rules = : not FILE, RESOURCE, PACKAGE" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load_document(cases[i].line, cases[i].document);
        struct str rest = str_of(cases[i].resource), extension = str_next(&rest, '@');

        assert_int_equal(
            settings_authorize(l.s,
                               &(struct watcher_question){ .endpoint = str_of(cases[i].endpoint),
                                                           .uri = STR("sip:alice@x"),
                                                           .package = str_of(cases[i].package),
                                                           .context = rest,
                                                           .extension = extension },
                               NULL),
            cases[i].handling);
        test_assert_text("problem", cases[i].line,
                         str_sub(buf_str(&l.diag.text), 0, strlen(cases[i].problem)),
                         cases[i].problem);
        assert_true((l.diag.errors > 0) == (cases[i].problem[0] != 0));
        unload(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
