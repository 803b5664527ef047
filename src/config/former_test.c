// SPDX-License-Identifier: MIT
/* Reloads: what is refused goes on as it was, in memory of its own. */
#include "config/settings_testing.h"

static struct loaded reload(const struct loaded *former, const char *pjsip, const char *extstate)
{
    return load_source((struct settings_source){ .former = former->s }, pjsip, extstate);
}

/* ---- whole objects ---- */

/* By memcpy, so that a sanitizer sees what is not there any more. */
static void strs_print(struct buf *out, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_add_char(out, '|');
        buf_add(out, list[i]);
    }
}

#define TEXTS(out, ...)                                  \
    strs_print(out, (const struct str[]){ __VA_ARGS__ }, \
               sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str))

static void net_print(struct buf *out, const struct addr_net *net)
{
    addr_print(out, &net->base);
    buf_printf(out, "/%u", net->prefix);
}

static void transport_print(struct buf *out, const struct transport_settings *t)
{
    buf_printf(out, "\ntransport %d %u %u %u %d ", t->protocol, t->external_port, t->tos, t->cos,
               t->symmetric);
    addr_print(out, &t->bind);
    TEXTS(out, t->id, t->domain, t->external_address);
    for (size_t i = 0; i < t->n_local_nets; i++)
        net_print(out, &t->local_nets[i]);
}

static void endpoint_print(struct buf *out, const struct endpoint_settings *e)
{
    buf_printf(out, "\nendpoint %d %u %d %u %d %d", e->allow_subscribe, e->sub_min_expiry_s,
               e->notify_early_inuse_ringing, e->identify_by, e->force_rport, e->rewrite_contact);
    buf_printf(out, " %d %d ", e->aggregate_mwi, e->mwi_subscribe_replaces_unsolicited);
    TEXTS(out, e->id, e->context, e->transport, e->contact_user, e->callerid_name,
          e->callerid_number, e->from_domain, e->mailboxes, e->voicemail_extension,
          e->mwi_from_user, e->incoming_mwi_mailbox, e->from_user, e->outbound_proxy);
    strs_print(out, e->auths, e->n_auths);
    strs_print(out, e->aors, e->n_aors);
}

static void publish_print(struct buf *out, const struct publish_settings *p)
{
    buf_printf(out, "\npublish %u %u %d %d %d", p->expiration_s, p->max_auth_attempts,
               p->multi_user, p->context && regex_matches(p->context, STR("users"), NULL),
               p->exten && regex_matches(p->exten, STR("1000"), NULL));
    TEXTS(out, p->id, p->server_uri, p->from_uri, p->to_uri, p->event, p->outbound_proxy,
          p->transport, p->body, p->context_pattern, p->exten_pattern);
    strs_print(out, p->auths, p->n_auths);
}

static void identify_print(struct buf *out, const struct identify_settings *d)
{
    buf_add(out, STR("\nidentify "));
    TEXTS(out, d->id, d->endpoint);
    for (size_t i = 0; i < d->n_matches; i++) {
        net_print(out, &d->matches[i].net);
        buf_printf(out, ":%u %d ", d->matches[i].port, d->matches[i].negated);
    }
}

static void global_print(struct buf *out, const struct global_settings *g)
{
    buf_printf(out, "global %u %d %d %d %u %u %d %d %u %d", g->max_forwards,
               g->disable_multi_domain, g->ignore_uri_user_options, g->debug, g->timer_t1_ms,
               g->timer_b_ms, g->compact_headers, g->disable_rport, g->algorithms_uac,
               g->mwi_disable_initial_unsolicited);
    TEXTS(out, g->user_agent, g->debug_host);
    for (size_t i = 0; i < ARRAY_LEN(g->identifier_order); i++)
        buf_printf(out, " %u", g->identifier_order[i]);
}

static void print(struct buf *out, const struct settings *s)
{
    global_print(out, &s->global);
    for (size_t i = 0; i < s->n_transports; i++)
        transport_print(out, &s->transports[i]);
    for (size_t i = 0; i < s->n_auths; i++) {
        const struct digest_credential *c = &s->auths[i].credential;

        buf_printf(out, "\nauth %u ", c->algorithms);
        TEXTS(out, s->auths[i].id, c->username, c->password, c->realm);
        strs_print(out, c->hash, DIGEST_ALGORITHMS);
    }
    for (size_t i = 0; i < s->n_aors; i++) {
        const struct aor_settings *a = &s->aors[i];

        TEXTS(out, STR("\naor"), a->id, a->mailboxes, a->voicemail_extension, a->outbound_proxy);
        strs_print(out, a->contacts, a->n_contacts);
    }
    for (size_t i = 0; i < s->n_endpoints; i++)
        endpoint_print(out, &s->endpoints[i]);
    for (size_t i = 0; i < s->n_identifies; i++)
        identify_print(out, &s->identifies[i]);
    for (size_t i = 0; i < s->n_publishes; i++)
        publish_print(out, &s->publishes[i]);
    for (size_t i = 0; i < s->n_aliases; i++)
        TEXTS(out, STR("\nalias"), s->aliases[i].alias, s->aliases[i].domain);
    assert_int_equal(out->error, 0);
}

/* Every option of every section has a value of its own. Behind each section comes a line that
 * refuses it. */
#define ALL(bad_number, bad_transport, bad_auth, bad_uri, bad_regex, lacking)                            \
    "[global]\nmax_forwards=60\nuser_agent=agent\ndisable_multi_domain=yes\n"                            \
    "ignore_uri_user_options=yes\ndebug=192.0.2.0/24\ndefault_auth_algorithms_uac=SHA-256\n"             \
    "endpoint_identifier_order=header,ip\nmwi_disable_initial_unsolicited=yes\n" bad_number(             \
        "max_forwards") "[system]\ntimer_t1=200\ntimer_b=20000\ncompact_headers=yes\ndisable_"           \
                        "rport=yes\n" bad_number(                                                        \
                            "timer_t1") "[t]\ntype=transport\nbind=127.0.0."                             \
                                        "1:5070\ndomain=d.example\nlocal_"                               \
                                        "net=10.0.0.0/8\n"                                               \
                                        "local_net=192.168.0.0/"                                         \
                                        "16\nexternal_signaling_address=ext."                            \
                                        "example\n"                                                      \
                                        "external_signaling_port=5090\ntos="                             \
                                        "cs3\ncos=5\nsymmetric_transport="                               \
                                        "yes\n" bad_transport "[a]\ntype=auth\nusername="                \
                                        "user\npassword=secret\nrealm="                                  \
                                        "realm\n"                                                        \
                                        "md5_cred="                                                      \
                                        "0123456789abcdef0123456789ABCDEF"                               \
                                        "\n" bad_auth "[o]\ntype=aor\ncontact=sip:x@192.0."              \
                                        "2.9,sip:y@192.0.2.9\nmailboxes=1@"                              \
                                        "default\n"                                                      \
                                        "voicemail_extension=*97\noutbound_proxy=sip:q.example\\;"       \
                                        "lr\n" bad_uri(                                                  \
                                            "contact") "[e]\ntype="                                      \
                                                       "endpoint\ncontext="                              \
                                                       "users\nallow_"                                   \
                                                       "subscribe=no\nsub_"                              \
                                                       "min_expiry=5\n"                                  \
                                                       "notify_early_inuse_"                             \
                                                       "ringing="                                        \
                                                       "yes\nidentify_by="                               \
                                                       "ip\nauth=a\naors=o,"                             \
                                                       "e\ntransport=t\n"                                \
                                                       "force_rport="                                    \
                                                       "no\nrewrite_contact="                            \
                                                       "yes\ncontact_user="                              \
                                                       "cu\ncallerid="                                   \
                                                       "\"Name\" <12>\n"                                 \
                                                       "from_domain=f."                                  \
                                                       "example"                                         \
                                                       "\nmailboxes=2@d\nvoicemail_extension=*"          \
                                                       "98\naggregate_mwi=no\nmwi_subscribe_"            \
                                                       "replaces_unsolicited=yes\nmwi_from_user="        \
                                                       "mwi\nincoming_mwi_mailbox=3@d\nfrom_user="       \
                                                       "fu\noutbound_proxy=sip:p.example\\;lr"           \
                                                       "\n" bad_number(                                  \
                                                           "sub_min_expiry") "[e]\ntype=aor\n"           \
                                                                             "[i]\ntype="                \
                                                                             "identify\nendpoint="       \
                                                                             "e\nmatch=192.0.2.0/"       \
                                                                             "25,!192.0.2.7,"            \
                                                                             "phones.example:"           \
                                                                             "5080\n" bad_uri(           \
                                                                                 "match") "[p]"          \
                                                                                          "\ntype"       \
                                                                                          "=outbo"       \
                                                                                          "und-"         \
                                                                                          "publis"       \
                                                                                          "h\nser"       \
                                                                                          "ver_"         \
                                                                                          "uri="         \
                                                                                          "sip:s@"       \
                                                                                          "192.0."       \
                                                                                          "2."           \
                                                                                          "5\nfro"       \
                                                                                          "m_uri="       \
                                                                                          "sip:f@"       \
                                                                                          "192.0."       \
                                                                                          "2.5\n"        \
                                                                                          "to_"          \
                                                                                          "uri="         \
                                                                                          "sip:t@"       \
                                                                                          "192.0."       \
                                                                                          "2."           \
                                                                                          "5\neve"       \
                                                                                          "nt="          \
                                                                                          "dialog"       \
                                                                                          "\nexpi"       \
                                                                                          "ration"       \
                                                                                          "=77\no"       \
                                                                                          "utboun"       \
                                                                                          "d_"           \
                                                                                          "auth="        \
                                                                                          "a\n"          \
                                                                                          "outbou"       \
                                                                                          "nd_"          \
                                                                                          "proxy="       \
                                                                                          "sip:"         \
                                                                                          "192.0."       \
                                                                                          "2.6\\;"       \
                                                                                          "lr\nma"       \
                                                                                          "x_"           \
                                                                                          "auth_"        \
                                                                                          "attemp"       \
                                                                                          "ts="          \
                                                                                          "3\ntra"       \
                                                                                          "nsport"       \
                                                                                          "=t\nmu"       \
                                                                                          "lti_"         \
                                                                                          "user="        \
                                                                                          "yes\n"        \
                                                                                          "@body="       \
                                                                                          "applic"       \
                                                                                          "ation/"       \
                                                                                          "dialog"       \
                                                                                          "-info+"       \
                                                                                          "xml\n@"       \
                                                                                          "contex"       \
                                                                                          "t=^"          \
                                                                                          "users$"       \
                                                                                          "\n@"          \
                                                                                          "exten="       \
                                                                                          "^10"          \
                                                                                          "\n" bad_regex \
                                                                                          "[alias"       \
                                                                                          ".examp"       \
                                                                                          "le]"          \
                                                                                          "\ntype"       \
                                                                                          "=domai"       \
                                                                                          "n_"           \
                                                                                          "alias"        \
                                                                                          "\n" lacking
#define FINE(name) ""
#define BAD_NUMBER(name) name "=many\n"
#define BAD_URI(name) name "=http://x/y\n"

static const char all_fine[] = ALL(FINE, "", "", FINE, "", "domain=real.example\n");
static const char all_bad[] =
    ALL(BAD_NUMBER, "bind=nowhere\n", "username=\n", BAD_URI, "@exten=(\n", "");

static void test_all_of_an_object(void **state)
{
    struct loaded first = load(all_fine, NULL), second, third;
    struct buf want, got;

    (void)state;
    buf_init(&want, 1 << 16);
    buf_init(&got, 1 << 16);
    assert_int_equal(first.diag.errors, 0);
    print(&want, first.s);
    second = reload(&first, all_bad, NULL);
    assert_int_equal(second.result, 0);
    assert_int_equal(second.diag.errors, 9);
    unload(&first);
    third = reload(&second, all_bad, NULL);
    unload(&second);
    print(&got, third.s);
    if (!str_equal(buf_str(&got), buf_str(&want)))
        fail_msg("%.*s\nand not\n%.*s", STR_FMT(buf_str(&got)), STR_FMT(buf_str(&want)));
    assert_non_null(settings_publish(third.s, STR("p")));
    assert_ptr_equal(settings_endpoint(third.s, STR("e")), &third.s->endpoints[0]);
    unload(&third);
    buf_fini(&got);
    buf_fini(&want);
}

/* ---- what is told, and what counts ---- */

#define PUBLISH(lines) "[p]\ntype=outbound-publish\n" lines
#define GOOD "server_uri=sip:192.0.2.5\nevent=dialog\nmulti_user=yes\n@body=a/b\n" /* to line 9 */
#define AT(line) "etc/pjsip.conf:" #line
#define GOES_ON(line, kind, id) \
    AT(line)                    \
    ": warning: " kind " [" id "] cannot be used as it stands; what was loaded before goes on\n"

static void test_told(void **state)
{
    static const struct {
        const char *name, *former, *text, *told;
        size_t publishes;
    } cases[] = {
        { "another scheme", PUBLISH(GOOD), PUBLISH(GOOD "server_uri=http:192.0.2.5\n"),
          AT(10) ": error: server_uri = http:192.0.2.5: not a sip: or sips: URI; what was loaded "
                 "before goes on\n",
          1 },
        { "no event", PUBLISH(GOOD), PUBLISH("server_uri=sip:192.0.2.5\n@body=a/b\n"),
          AT(4) ": error: outbound-publish [p] has no event and is refused; add event = "
                "...\n" GOES_ON(4, "outbound-publish", "p"),
          1 },
        { "an unknown event", PUBLISH(GOOD), PUBLISH(GOOD "event=dialogue\n"),
          GOES_ON(4, "outbound-publish", "p")
              AT(10) ": warning: outbound-publish [p]: event dialogue is unknown, write dialog, "
                     "presence, asterisk-devicestate or asterisk-mwi; the section is idle\n",
          1 },
        { "a pattern that is none", PUBLISH(GOOD), PUBLISH(GOOD "@context=(\n"),
          GOES_ON(4, "outbound-publish", "p")
              AT(10) ": error: outbound-publish [p] is refused: @context = ( is no regular "
                     "expression: missing closing parenthesis at offset 1\n",
          1 },
        { "a line for which at the start there is a default", PUBLISH(GOOD),
          PUBLISH(GOOD "expiration=long\n"),
          AT(10) ": error: expiration = long: not a whole number from 0 to 4294967295; what was "
                 "loaded before goes on\n",
          1 },
        { "absent", PUBLISH(GOOD), "", "", 0 },
        { "a template now", PUBLISH(GOOD), "[p](!)\ntype=outbound-publish\n", "", 0 },
        { "another type now", PUBLISH(GOOD), "[p]\ntype=aor\n", "", 0 },
        { "a type that there is not", PUBLISH(GOOD), "[p]\ntype=outbound-publsh\n" GOOD,
          GOES_ON(4, "outbound-publish", "p")
              AT(5) ": error: unknown type outbound-publsh; did you mean outbound-publish?\n",
          1 },
        { "a type that is like none", PUBLISH(GOOD), "[p]\ntype=x\n" GOOD,
          GOES_ON(4, "outbound-publish", "p")
              AT(5) ": error: unknown type x; did you mean outbound-publish?\n",
          1 },
        { "no type", PUBLISH(GOOD), "[p]\n" GOOD,
          AT(4) ": error: [p] has no type; add type = outbound-publish\n" GOES_ON(
              4, "outbound-publish", "p"),
          1 },
        { "a type that there is not, beside one that is there", PUBLISH(GOOD),
          "[p]\ntype=outbound-publsh\n" PUBLISH(GOOD),
          AT(5) ": warning: unknown type outbound-publsh, the section is ignored; did you mean "
                "outbound-publish?\n",
          1 },
        { "a type that there was not", "", "[p]\ntype=outbound-publsh\n" GOOD,
          AT(5) ": warning: unknown type outbound-publsh, the section is ignored; did you mean "
                "outbound-publish?\n",
          0 },
        { "new and faulty", "", PUBLISH(GOOD "server_uri=http:192.0.2.5\n"),
          AT(10) ": error: server_uri = http:192.0.2.5: not a sip: or sips: URI; its section is "
                 "refused\n",
          0 },
        { "another one of the same type", PUBLISH(GOOD),
          PUBLISH(GOOD) "[q]\ntype=outbound-publish\nserver_uri=sip:a\n",
          AT(10) ": error: outbound-publish [q] has no event and is refused; add event = ...\n",
          1 },
        { "twice, the first of them faulty", PUBLISH(GOOD), PUBLISH(GOOD "event=\n") PUBLISH(GOOD),
          AT(4) ": error: outbound-publish [p] has no event and is refused; add event = "
                "...\n" GOES_ON(4, "outbound-publish", "p")
                    AT(11) ": error: outbound-publish [p] is defined again, first at "
                           "etc/pjsip.conf:4; the "
                           "first stays; rename or remove one\n",
          1 },
        { "what it refers to is gone",
          "[a]\ntype=auth\nusername=u\npassword=p\n" PUBLISH(GOOD "outbound_auth=a\n"),
          PUBLISH(GOOD "outbound_auth=a\nevent=\n"),
          AT(4) ": error: outbound-publish [p] has no event and is refused; add event = "
                "...\n" GOES_ON(4, "outbound-publish", "p")
                    AT(10) ": error: outbound-publish [p]: outbound_auth a does not exist; "
                           "challenges are "
                           "not answered with it\n",
          1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded former, l;
        struct buf told;
        char *texts[2];

        assert_true(asprintf(&texts[0], UDP "%s", cases[i].former) > 0);
        assert_true(asprintf(&texts[1], UDP "%s", cases[i].text) > 0);
        former = load(texts[0], NULL);
        assert_int_equal(former.diag.errors, 0);
        l = reload(&former, texts[1], NULL);
        unload(&former);
        buf_init(&told, 1 << 16);
        diag_print(&l.diag, &told);
        test_assert_text("diag", cases[i].name, buf_str(&told), cases[i].told);
        assert_int_equal(l.s->n_publishes, cases[i].publishes);
        if (cases[i].publishes) {
            assert_str(l.s->publishes[0].server_uri, "sip:192.0.2.5");
            assert_str(l.s->publishes[0].event, "dialog");
            assert_int_equal(l.s->publishes[0].expiration_s, 3600);
            assert_int_equal(l.s->publishes[0].n_auths, 0);
        }
        buf_fini(&told);
        unload(&l);
        free(texts[0]);
        free(texts[1]);
    }
}

/* As Asterisk does it: the whole type is discarded, and what there was stays. */
static void test_strict(void **state)
{
    static const char strict[] = "[compatibility]\nstrict_objects=yes\n";
    struct loaded former = load(UDP "[a]\ntype=aor\nmailboxes=1\n[b]\ntype=aor\n", strict), l;

    (void)state;
    l = reload(&former, UDP "[a]\ntype=aor\nmailboxes=2\n[b]\ntype=aor\n[a]\ntype=aor\n", strict);
    assert_int_equal(l.s->n_aors, 2);
    assert_str(settings_aor(l.s, STR("a"))->mailboxes, "1");
    assert_int_equal(l.diag.warnings, 2);
    unload(&l);
    l = reload(&former, UDP "[a]\ntype=aor\nmailboxes=2\nnew=1\n", strict);
    assert_int_equal(l.s->n_aors, 1);
    assert_str(l.s->aors[0].mailboxes, "1");
    unload(&l);
    unload(&former);
}

/* An address that cannot be looked up at the moment is no reason to forget who somebody is. */
static void test_lost_name(void **state)
{
    static const char text[] = UDP "[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\nmatch=";
    char room[200];
    struct loaded former, l;

    (void)state;
    snprintf(room, sizeof(room), "%sphones.example\n", text);
    former = load(room, NULL);
    assert_int_equal(former.s->identifies[0].n_matches, 2);
    snprintf(room, sizeof(room), "%sphones.invalid\n", text);
    l = reload(&former, room, NULL);
    unload(&former);
    assert_int_equal(l.s->identifies[0].n_matches, 2);
    assert_str(buf_str(&l.diag.text),
               AT(9) ": warning: match = phones.invalid cannot be looked up (no such name); what "
                     "was loaded before goes on\n");
    unload(&l);
}

/* What is the same in every byte is not taken over again. */
static void test_same(void **state)
{
    static const char text[] =
        UDP "[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\n"
            "match=phones.example\n[bad]\ntype=endpoint\nallow_subscribe=x\n";
    static const struct {
        const char *pjsip, *extstate;
        bool overridden, same;
    } cases[] = {
        { text, "[general]\n", false, true },         { text, "[general]\n ", false, false },
        { text, "[general]\n", true, false },         { text, NULL, false, false },
        { UDP "[e]\n", "[general]\n", false, false },
    };
    static const struct str overrides[] = { STR_INIT("general.max_subscriptions=7") };
    struct loaded former = load(text, "[general]\n");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = load_source(
            (struct settings_source){
                .former = former.s, .overrides = overrides, .n_overrides = cases[i].overridden },
            cases[i].pjsip, cases[i].extstate);

        assert_int_equal(l.s == former.s, cases[i].same);
        assert_true(l.diag.errors + l.diag.warnings > 0); /* told each time */
        unload(&l);
    }
    unload(&former);
}

/* ---- sections of which there is one ---- */

static void test_singles(void **state)
{
    static const char good[] = UDP "[global]\nuser_agent=mine\nmax_forwards=20\n[system]\n"
                                   "timer_t1=300\n";
    static const struct {
        const char *text, *agent;
        uint32_t forwards, t1_ms;
        unsigned problems;
    } cases[] = {
        { good, "mine", 20, 300, 0 },
        { UDP, "extstate", 70, 500, 0 }, /* not written any more */
        { UDP "[global]\nuser_agent=other\nmax_forwards=x\n", "mine", 20, 500, 1 },
        { UDP "[global]\n[g]\ntype=global\n", "mine", 20, 500, 1 },
        { UDP "[global]\ntype=golbal\nmax_forwards=30\n", "mine", 20, 500, 2 },
        { UDP "[g]\ntype=globl\nmax_forwards=30\n", "mine", 20, 500, 2 },
        { UDP "[system]\ntimer_t1=1\n[global]\nmax_forwards=30\n", "extstate", 30, 300, 1 },
    };
    struct loaded former = load(good, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = reload(&former, cases[i].text, NULL);

        test_assert_text("agent", cases[i].text, l.s->global.user_agent, cases[i].agent);
        assert_int_equal(l.s->global.max_forwards, cases[i].forwards);
        assert_int_equal(l.s->global.timer_t1_ms, cases[i].t1_ms);
        assert_int_equal(l.diag.errors + l.diag.warnings, cases[i].problems);
        unload(&l);
    }
    unload(&former);
}

static void test_general(void **state)
{
    struct loaded former = load(UDP, "[general]\nmax_subscriptions=7\ncontrol_socket=/a\n"
                                     "plugin_directory=/b\nlog_level=warn\nsystemname=pbx\n"
                                     "entityid=02:00:00:00:00:01\n"),
                  l = reload(&former, UDP, "[general]\nmax_subscriptions=many\nsystemname=other\n");

    (void)state;
    unload(&former);
    assert_str(buf_str(&l.diag.text),
               "etc/extstate.conf:2: error: max_subscriptions = many: not a whole number from 0 to "
               "4294967295; what was loaded before goes on\n");
    assert_int_equal(l.s->general.max_subscriptions, 7);
    assert_str(l.s->general.control_socket, "/a");
    assert_str(l.s->general.plugin_directory, "/b");
    assert_str(l.s->general.log_level, "warn");
    assert_str(l.s->general.systemname, "pbx");
    assert_str(l.s->general.entityid, "02:00:00:00:00:01");
    former = l;
    l = reload(&former, UDP, "[general]\n");
    unload(&former);
    assert_int_equal(l.s->general.max_subscriptions, 1000000);
    unload(&l);
}

static void test_own_sections(void **state)
{
    static const struct {
        const char *text, *told;
        const char *agents, *plugins; /* afterwards, each plugin with a blank behind it */
        bool repeat, swap, idle, registers;
    } cases[] = {
        { "[compatibility]\nasterisk=yes\nringing_repeat=perhaps\n",
          "etc/extstate.conf:3: error: ringing_repeat = perhaps: not yes or no; what was loaded "
          "before goes on\n",
          "SPA962", "", true, false, true },
        { "[dialog-info]\nsingle_dialog_agents=X\nidle_dialog=perhaps\n",
          "etc/extstate.conf:3: error: idle_dialog = perhaps: not yes or no; what was loaded "
          "before goes on\n",
          "Old, Older", "", false, false, false },
        { "[plugins]\nload=one\nload=a/b\n[two]\noption=1\n",
          "etc/extstate.conf:3: error: load = a/b: not the name of a plugin: letters, digits, _ - "
          "and ., at most 64; what was loaded before goes on\n",
          "SPA962", "one two three ", false, false, true },
        { "[compatibility]\nasterisk=yes\nringing_repeat=no\n[dialog-info]\nidle_dialog=no\n"
          "[plugins]\nload=four\n",
          "", "SPA962", "four ", false, true, false },
        { "[registrar]\nenabled=perhaps\n",
          "etc/extstate.conf:2: error: enabled = perhaps: not yes or no; what was loaded before "
          "goes on\n",
          "SPA962", "", false, false, true, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded former = load(UDP, "[compatibility]\nringing_repeat=yes\n[dialog-info]\n"
                                         "single_dialog_agents=Old, Older\nidle_dialog=no\n"
                                         "[plugins]\nload=one\nload=two\nload=three\n"
                                         "[registrar]\nenabled=yes\n"),
                      l = reload(&former, UDP, cases[i].text);
        char room[100];
        struct buf names;

        unload(&former);
        assert_str(buf_str(&l.diag.text), cases[i].told);
        assert_int_equal(l.s->compatibility.ringing_repeat, cases[i].repeat);
        assert_int_equal(l.s->compatibility.publish_swaps_from_to, cases[i].swap);
        assert_str(l.s->dialog_info.single_dialog_agents, cases[i].agents);
        assert_int_equal(l.s->dialog_info.idle_dialog, cases[i].idle);
        assert_int_equal(l.s->registrar.enabled, cases[i].registers);
        buf_init_on(&names, room, sizeof(room));
        for (size_t k = 0; k < l.s->n_plugins; k++) {
            const struct plugin_settings *p = &l.s->plugins[k];

            buf_add(&names, p->name);
            buf_add_char(&names, ' ');
            assert_str(p->at.file, "etc/extstate.conf");
            assert_true((p->options != NULL) == str_equal(p->name, STR("two")));
        }
        assert_str(buf_str(&names), cases[i].plugins);
        unload(&l);
    }
}

/* ---- who publishes, who watches ---- */

static void test_compositors(void **state)
{
    static const struct {
        const char *text;
        const char *told; /* the beginning */
        uint32_t max_body;
        bool served; /* example.com, by the section */
    } cases[] = {
        { "[compositor]\nmax_body=many\ndomains=example.org\n",
          "etc/extstate.conf:2: error: max_body = many: not a whole number from 1 to 65536; what "
          "was loaded before goes on\n",
          7, true },
        { "[compositor]\nmax_body=8\ndomains=a b\n",
          "etc/extstate.conf:3: error: domains = a b: not a host name or an address without a "
          "port; what was loaded before goes on\n",
          7, true },
        { "[compositor]\nmax_body=8\ndomains=,\n",
          "etc/extstate.conf:3: error: compositor [compositor] is refused: none of its domains is "
          "one; what was loaded before goes on\n",
          7, true },
        { "[compositor]\nmax_body=8\ndomains=example.com\n", "", 8, true },
        /* A new one has no form but this. */
        { "[new]\ntype=compositor\nmax_body=many\ndomains=example.org\n",
          "etc/extstate.conf:3: error: max_body = many: not a whole number from 1 to 65536; the "
          "default 65536 is used instead\n",
          65536, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded former =
                          load(UDP, "[compositor]\ndomains=example.com\ncontext=users\nmax_body=7\n"
                                    "packages=dialog\nopaque=conference\npublishers=a,b\n"
                                    "priority=c,d\n"),
                      l = reload(&former, UDP, cases[i].text);
        const struct compositor_settings *c;

        unload(&former);
        test_assert_text("told", cases[i].text,
                         str_sub(buf_str(&l.diag.text), 0, strlen(cases[i].told)), cases[i].told);
        assert_int_equal(l.s->n_compositors, 1);
        c = l.s->compositors;
        assert_int_equal(c->max_body, cases[i].max_body);
        assert_true((settings_compositor(l.s, STR("example.com")) == c) == cases[i].served);
        if (c->max_body == 7) {
            assert_str(c->id, "compositor");
            assert_str(c->context, "users");
            assert_str(c->packages[0], "dialog");
            assert_str(c->opaques[0], "conference");
            assert_str(c->publishers[1], "b");
            assert_str(c->priorities[1], "d");
        }
        unload(&l);
    }
}

static void test_compositor_type(void **state)
{
    static const struct {
        const char *text;
        const char *told;
        size_t n;
    } cases[] = {
        { "[own]\ntype=compositr\ndomains=example.org\n",
          "etc/extstate.conf:2: error: [own] was a compositor and has not type = compositor any "
          "more; what was loaded before goes on, remove the section to end it\n",
          1 },
        { "[own]\ndomains=example.org\n",
          "etc/extstate.conf:1: error: [own] was a compositor and has not type = compositor any "
          "more; what was loaded before goes on, remove the section to end it\n",
          1 },
        { "[plugins]\nload=own\n[own]\ndomains=example.org\n", "", 0 },
        { "[general]\n", "", 0 },
    };
    struct loaded former = load(UDP, "[own]\ntype=compositor\ndomains=example.com\nmax_body=7\n");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loaded l = reload(&former, UDP, cases[i].text);

        assert_str(buf_str(&l.diag.text), cases[i].told);
        assert_int_equal(l.s->n_compositors, cases[i].n);
        if (cases[i].n)
            assert_int_equal(settings_compositor(l.s, STR("example.com"))->max_body, 7);
        unload(&l);
    }
    unload(&former);
}

static enum watcher_handling bob_watching(const struct loaded *l)
{
    return settings_authorize(l->s,
                              &(struct watcher_question){ .endpoint = STR("bob"),
                                                          .uri = STR("sip:bob@x"),
                                                          .package = STR("dialog"),
                                                          .context = STR("c"),
                                                          .extension = STR("1") },
                              NULL);
}

static void test_authorization(void **state)
{
    struct loaded former = load(UDP, "[authorization]\nconfirm=^bob$,^1@c$,dialog\n"
                                     "confirm_timeout=9\n"),
                  l = reload(&former, UDP, "[authorization]\nallow=.\nblock=(\n");

    (void)state;
    unload(&former);
    assert_true(str_ends(buf_str(&l.diag.text), STR("; what was loaded before goes on\n")));
    assert_int_equal(l.s->authorization->give_up_s, 9);
    assert_int_equal(bob_watching(&l), WATCHER_CONFIRM);
    former = l;
    l = reload(&former, UDP, "[authorization]\ndefault=perhaps\n");
    unload(&former);
    assert_int_equal(bob_watching(&l), WATCHER_CONFIRM);
    former = l;
    l = reload(&former, UDP, "[authorization]\nallow=.\ncomfirm=^bob\n");
    unload(&former);
    assert_int_equal(bob_watching(&l), WATCHER_CONFIRM);
    former = l;
    l = reload(&former, UDP, "[autorization]\nallow=.\n");
    unload(&former);
    assert_str(buf_str(&l.diag.text),
               "etc/extstate.conf:1: error: unknown section [autorization]; what was loaded before "
               "goes on; did you mean [authorization]?\n");
    assert_int_equal(bob_watching(&l), WATCHER_CONFIRM);
    former = l;
    l = reload(&former, UDP, "");
    unload(&former);
    assert_int_equal(bob_watching(&l), WATCHER_ALLOW);
    unload(&l);
}

/* ---- servers that tell each other states ---- */

#define SERVERS(publish, asterisk, inbound)                                          \
    UDP "[e]\ntype=endpoint\n[p]\ntype=outbound-publish\nserver_uri=sip:192.0.2.5\n" \
        "event=asterisk-devicestate\n@device_state_filter=^PJSIP\n" publish          \
        "[a]\ntype=asterisk-publication\ndevice_state=yes\ndevicestate_publish=p\n"  \
        "device_state_filter=^Custom\nmailbox_state_filter=@default$\n" asterisk     \
        "[i]\ntype=inbound-publication\nendpoint=e\nevent_asterisk-devicestate=a\n" inbound

static void test_servers(void **state)
{
    struct loaded former = load(SERVERS("", "", ""), NULL),
                  l = reload(&former,
                             SERVERS("expiration=x\n", "device_state_filter=(\n", "endpiont=f\n"),
                             NULL);
    const struct asterisk_publication_settings *a;
    const struct inbound_publication_settings *i;
    const struct publish_settings *p;

    (void)state;
    assert_int_equal(former.diag.errors + former.diag.warnings, 0);
    unload(&former);
    p = settings_publish(l.s, STR("p"));
    assert_non_null(p);
    assert_str(p->state_pattern, "^PJSIP");
    assert_true(regex_matches(p->state, STR("PJSIP/1"), NULL));
    assert_false(regex_matches(p->state, STR("Custom:1"), NULL));
    i = settings_inbound_publication(l.s, STR("i"));
    assert_non_null(i);
    assert_str(i->endpoint, "e");
    a = settings_asterisk_publication(l.s, i, ASTERISK_DEVICES);
    assert_non_null(a);
    assert_true(a->device_state);
    assert_str(a->devicestate_publish, "p");
    assert_str(a->device_pattern, "^Custom");
    assert_str(a->mailbox_pattern, "@default$");
    assert_true(regex_matches(a->device_filter, STR("Custom:1"), NULL));
    assert_false(regex_matches(a->mailbox_filter, STR("1@other"), NULL));
    unload(&l);
}

/* ---- bodies ---- */

static bool only_ab(void *ctx, struct str event, struct str type)
{
    (void)ctx;
    return str_equal(event, STR("dialog")) && str_equal(type, STR("a/b"));
}

static void test_bodies(void **state)
{
    struct loaded former = load(UDP PUBLISH(GOOD), NULL), l;

    (void)state;
    l = load_source((struct settings_source){ .former = former.s, .body_known = only_ab },
                    UDP PUBLISH(GOOD "@body=a/c\n"), NULL);
    unload(&former);
    assert_str(buf_str(&l.diag.text),
               AT(10) ": error: outbound-publish [p] is refused: nothing makes @body = a/c for "
                      "event dialog; correct it, or load the plugin that does\n" GOES_ON(
                          4, "outbound-publish", "p"));
    assert_str(l.s->publishes[0].body, "a/b");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_an_object),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_lost_name),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_singles),
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_own_sections),
        cmocka_unit_test(test_compositor_type),
        cmocka_unit_test(test_compositors),
        cmocka_unit_test(test_authorization),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
