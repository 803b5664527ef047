// SPDX-License-Identifier: MIT
/* Files that do not parse: what can be read of them is judged all the same, so that one run tells
 * everything, and what they lack is not held against them. */
#include "config/config_test.h"

struct damage {
    const char *name;
    struct test_file files[5]; /* without an extensions.conf there is an empty one */
    const char *want[12];      /* how each line of the report begins */
};

static void check_lines(const char *name, struct str text, const char *const *want)
{
    struct str rest = text;

    for (; rest.n && *want; want++)
        if (!str_starts(str_next(&rest, '\n'), str_of(*want)))
            break;
    if (rest.n || *want)
        fail_msg("%s: not \"%s\" in\n%.*s", name, *want ? *want : "the end", STR_FMT(text));
}

/* As --check reads them. Every case has a file that does not parse. */
static void check(const struct damage *c)
{
    static const struct test_file no_extensions = { "extensions.conf", "" };
    struct test_file files[6];
    struct settings_source source = { .state_directory = STR("/var/lib/extstate"),
                                      .resolve = test_resolve };
    struct dialplan *dialplan = NULL;
    struct settings *settings = NULL;
    struct diag diag;
    struct buf text;
    int r, r2;

    files[0] = no_extensions;
    memcpy(files + 1, c->files, sizeof(c->files));
    for (size_t i = 0; c->files[i].path; i++)
        if (strcmp(c->files[i].path, no_extensions.path) == 0)
            files[0] = c->files[i];
    source.files = test_conf_source(files);
    diag_init(&diag);
    buf_init(&text, 1 << 16);
    r = settings_read(&settings, &source, &diag);
    assert_true(r >= 0);
    r2 = extensions_read(&dialplan, &source, &settings->general, &diag);
    diag_print(&diag, &text);
    check_lines(c->name, buf_str(&text), c->want);
    assert_true(r == SETTINGS_UNUSABLE || (r == 0 && r2 == -EINVAL));
    assert_non_null(settings);
    assert_int_equal(r2, dialplan ? 0 : -EINVAL);
    dialplan_unref(dialplan);
    settings_unref(settings);
    buf_fini(&text);
    diag_fini(&diag);
}

static void check_all(const struct damage *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&cases[i]);
}

#define UDP "[udp]\ntype=transport\nbind=127.0.0.1\n" /* lines 1 to 3 */

static void test_everything_is_told(void **state)
{
    static const struct damage cases[] = {
        { "a setting without a section",
          { { "pjsip.conf", "x=1\ny=2\n" UDP "[e]\ntype=endpoint\nsub_min_expiry=x\naors=nobody\n"
                            "subscribe_contxt=a\n" } },
          { "pjsip.conf:1: error: a setting before any section",
            "pjsip.conf:8: error: sub_min_expiry = x: not a whole number",
            "pjsip.conf:9: warning: endpoint [e]: aor nobody does not exist",
            "pjsip.conf:10: warning: unknown option subscribe_contxt in endpoint" } },
        { "a template that is not there, between other sections",
          { { "pjsip.conf", UDP "[a]\ntype=auth\nusername=u\n[e](gone)\ntype=endpoint\n"
                                "sub_min_expiry=x\n[b]\ntype=auth\npassword=p\n" } },
          { "pjsip.conf:4: error: auth [a] has no password",
            "pjsip.conf:7: error: the template [gone] does not exist",
            "pjsip.conf:9: error: sub_min_expiry = x: not a whole number",
            "pjsip.conf:10: error: auth [b] has no username" } },
        { "a file that is not there",
          { { "pjsip.conf", UDP "#include gone.conf\n[global]\nmax_forwards=70 hops\n" } },
          { "pjsip.conf:4: error: \"gone.conf\" does not exist",
            "pjsip.conf:6: error: max_forwards = 70 hops: not a whole number" } },
        { "(+) onto nothing",
          { { "pjsip.conf", UDP "[e](+)\ntype=endpoint\nallow_subscribe=maybe\n" } },
          { "pjsip.conf:4: error: [e](+) adds to a section that does not exist",
            "pjsip.conf:6: warning: allow_subscribe = maybe counts as no" } },
        { "no ]",
          { { "pjsip.conf", UDP "[t](!)\ntype=aor\n[a(t)\ncontact=tel:1\n" } },
          { "pjsip.conf:6: error: no ] behind the name of the section",
            "pjsip.conf:7: error: contact = tel:1: not a sip: or sips: URI" } },
        { "every file, and of each both kinds",
          { { "pjsip.conf", UDP "#include more.conf\n[g]\ntype=global\nmax_forwards=x\n[g](+\n" },
            { "more.conf", "[e](gone)\ntype=endpoint\nallow_subscribe=maybe\n" },
            { "extstate.conf", "workers=2\n[general]\nworkers=many\nlog_levl=info\n" },
            { "extensions.conf", "[c]\nexten => 1,hint,PJSIP/a\nexten => 1,hint,PJSIP/b\n"
                                 "#include gone.conf\nlswitch => x\n" } },
          { "extensions.conf:3: warning: 1@c has its hint from extensions.conf:2",
            "extensions.conf:4: error: \"gone.conf\" does not exist",
            "extensions.conf:5: warning: lswitch in [c] is ignored",
            "extstate.conf:1: error: a setting before any section",
            "extstate.conf:3: error: workers = many: not a whole number",
            "extstate.conf:4: warning: unknown option log_levl in [general]",
            "more.conf:1: error: the template [gone] does not exist",
            "more.conf:3: warning: allow_subscribe = maybe counts as no",
            "pjsip.conf:7: error: max_forwards = x: not a whole number",
            "pjsip.conf:8: error: no ) behind the templates of [g]" } },
        { "what extstate.conf says is heeded",
          { { "pjsip.conf", UDP "[e]\ntype=endpoint\nnew_option=1\n" },
            { "extstate.conf", "x=1\n[compatibility]\nstrict_objects=yes\n" } },
          { "extstate.conf:1: error: a setting before any section",
            "pjsip.conf:6: error: unknown option new_option in endpoint; every object with" } },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

/* One cause, one message; what would be wrong in any case is told. */
static void test_no_consequences(void **state)
{
    static const struct damage cases[] = {
        { "what the template would have had",
          { { "pjsip.conf", UDP "[a](gone)\ntype=auth\nsupported_algorithms_uac=SHA-256\n"
                                "[i](gone)\ntype=identify\nendpoint=a\n"
                                "[p](gone)\ntype=outbound-publish\nserver_uri=sip:a@b\n"
                                "[q](gone)\ntype=outbound-publish\nserver_uri=sip:a@b\n"
                                "event=dialog\n[t](gone)\ntype=transport\n"
                                "[e]\ntype=endpoint\nauth=a\ntransport=t\n" } },
          { "pjsip.conf:4: error: the template", "pjsip.conf:7: error: the template",
            "pjsip.conf:9: warning: identify [i]: endpoint a does not exist",
            "pjsip.conf:10: error: the template", "pjsip.conf:13: error: the template",
            "pjsip.conf:17: error: the template" } },
        { "even its type",
          { { "pjsip.conf", UDP "[a](gone)\nusername=a\n[b](+)\npassword=b\n[c]\ntype=endpoint\n"
                                "auth=a,b,c\naors=a,d\n[i]\ntype=identify\nendpoint=a\n"
                                "match=1.2.3.4\n" } },
          { "pjsip.conf:4: error: the template", "pjsip.conf:6: error: [b](+) adds",
            "pjsip.conf:10: warning: endpoint [c]: auth c does not exist",
            "pjsip.conf:11: warning: endpoint [c]: aor d does not exist" } },
        { "through other templates",
          { { "pjsip.conf", UDP "[base](!,gone)\n[t](!,base)\ntype=auth\n[a](t)\n[b](t)\n" } },
          { "pjsip.conf:4: error: the template" } },
        { "what the file would have had",
          { { "pjsip.conf", "#include gone.conf\n[e]\ntype=endpoint\nauth=a\naors=b\n"
                            "transport=udp\n[p]\ntype=outbound-publish\nserver_uri=sip:a@b\n"
                            "event=dialog\nmulti_user=yes\n@body=a/b\noutbound_auth=c\n"
                            "transport=udp\n" } },
          { "pjsip.conf:1: error: \"gone.conf\" does not exist" } },
        { "in the midst of a section",
          { { "pjsip.conf", UDP "[a]\ntype=auth\n#include secret.conf\n[b]\ntype=auth\n"
                                "username=b\n" } },
          { "pjsip.conf:6: error: \"secret.conf\" does not exist",
            "pjsip.conf:7: error: auth [b] has no password" } },
        { "plugins of a file that is not there",
          { { "pjsip.conf", UDP },
            { "extstate.conf", "#include plugins.conf\n[acme]\nx=1\n[genral]\n" } },
          { "extstate.conf:1: error: \"plugins.conf\" does not exist",
            "extstate.conf:4: warning: unknown section [genral]" } },
        { "plugins of a template that is not there",
          { { "pjsip.conf", UDP }, { "extstate.conf", "[acme]\nx=1\n[plugins](gone)\n" } },
          { "extstate.conf:3: error: the template" } },
        { "contexts, and lines before same",
          { { "pjsip.conf", UDP },
            { "extensions.conf", "[a](gone)\nsame => n,NoOp\n[b]\n#include gone.conf\n"
                                 "include => there\nsame => n,NoOp\n[c]\nsame => n,NoOp\n" } },
          { "extensions.conf:1: error: the template",
            "extensions.conf:4: error: \"gone.conf\" does not exist",
            "extensions.conf:8: error: same comes before any exten" } },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_told),
        cmocka_unit_test(test_no_consequences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
