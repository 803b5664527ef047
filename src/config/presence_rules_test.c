// SPDX-License-Identifier: MIT
/* RFC 5025 documents: who is granted what, when, and what is wrong with one. */
#include "config/config_test.h"
#include "config/presence_rules.h"

#define RULESET                                               \
    "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy'\n" \
    " xmlns:pr='urn:ietf:params:xml:ns:pres-rules'\n"         \
    " xmlns:x='urn:example:x'>\n"
#define RULE(conditions, handling, shown)                                                     \
    "<rule id='a'><conditions>" conditions "</conditions><actions><pr:sub-handling>" handling \
    "</pr:sub-handling></actions><transformations>" shown "</transformations></rule>\n"
#define END "</ruleset>"
#define SETS                                                     \
    "<pr:provide-devices><pr:all-devices/></pr:provide-devices>" \
    "<pr:provide-persons><pr:all-persons/></pr:provide-persons>" \
    "<pr:provide-services><pr:all-services/></pr:provide-services>"
#define ALL SETS "<pr:provide-all-attributes/>"
#define UNKNOWN(attributes, value) \
    "<pr:provide-unknown-attribute " attributes ">" value "</pr:provide-unknown-attribute>"
#define ID(members) "<identity>" members "</identity>"
#define BOB ID("<one id='sip:bob@example.com'/>")
#define ALLOW(conditions) RULESET RULE(conditions, "allow", ALL) END
#define NOON_MS 1767614400000 /* 2026-01-05T12:00:00Z */
#define DURING(from, until) "<validity><from>" from "</from><until>" until "</until></validity>"

static struct presence_rules *parse(const char *text, struct diag *diag)
{
    struct presence_rules *p = NULL;

    diag_init(diag);
    if (presence_rules_parse(&p, str_of(text), STR("r.xml"), diag))
        fail_msg("%s: %.*s", text, STR_FMT(buf_str(&diag->text)));
    return p;
}

static void test_decide(void **state)
{
    static const struct {
        const char *text, *uri;
        enum watcher_handling handling;
        const char *sphere; /* NULL: undefined */
    } cases[] = {
        { RULESET END, "sip:bob@example.com", WATCHER_BLOCK },
        { ALLOW(BOB), "sip:bob@example.com", WATCHER_ALLOW },
        { ALLOW(BOB), "SIP:%62ob:secret@EXAMPLE.com;user=phone?a=b", WATCHER_ALLOW },
        { ALLOW(BOB), "sip:BOB@example.com", WATCHER_BLOCK },
        { ALLOW(BOB), "sips:bob@example.com", WATCHER_BLOCK },
        { ALLOW(BOB), "sip:bob@example.com:5070", WATCHER_BLOCK },
        { ALLOW(BOB), "sip:bob@example.org", WATCHER_BLOCK },
        { ALLOW(BOB), "", WATCHER_BLOCK },
        { ALLOW(ID("<one id='tel:+1-555'/>")), "tel:+1-555", WATCHER_ALLOW },
        { ALLOW(ID("<one id='tel:+1-555'/>")), "sip:+1-555@example.com", WATCHER_BLOCK },
        { ALLOW(ID("<one id='sip:a@x'/><one id='sip:b@x'/>")), "sip:b@x", WATCHER_ALLOW },
        { ALLOW(ID("<one id='sip:a@x'/>") ID("<one id='sip:b@x'/>")), "sip:b@x", WATCHER_BLOCK },
        { ALLOW(ID("<many/>")), "sip:a@x", WATCHER_ALLOW },
        { ALLOW(ID("<many/>")), "", WATCHER_BLOCK },
        { ALLOW(ID("<many domain='X'/>")), "sip:a@x", WATCHER_ALLOW },
        { ALLOW(ID("<many domain='x'/>")), "sip:a@a.x", WATCHER_BLOCK },
        { ALLOW(ID("<many domain='x'/>")), "tel:1", WATCHER_BLOCK },
        { ALLOW(ID("<many><except domain='x'/><except id='sip:c@y'/></many>")), "sip:b@x",
          WATCHER_BLOCK },
        { ALLOW(ID("<many><except domain='x'/><except id='sip:c@y'/></many>")), "sip:c@y",
          WATCHER_BLOCK },
        { ALLOW(ID("<many><except domain='x'/><except id='sip:c@y'/></many>")), "sip:b@y",
          WATCHER_ALLOW },
        { ALLOW(ID("")), "", WATCHER_ALLOW },
        { ALLOW(ID("")), "sip:a@x", WATCHER_BLOCK },
        { ALLOW(""), "", WATCHER_ALLOW },
        /* What is not known is never true. */
        { ALLOW(BOB "<x:moon/>"), "sip:bob@example.com", WATCHER_BLOCK },
        { ALLOW(ID("<x:group/>")), "sip:a@x", WATCHER_BLOCK },
        { ALLOW(ID("<x:group/>")), "", WATCHER_BLOCK },
        { ALLOW(ID("<many><x:except/></many>")), "sip:a@x", WATCHER_BLOCK },
        { ALLOW(ID("<one id='sip:a@x'><x:if/></one><one id='sip:b@x'/>")), "sip:a@x",
          WATCHER_BLOCK },
        { ALLOW(ID("<one id='sip:a@x'><x:if/></one><one id='sip:b@x'/>")), "sip:b@x",
          WATCHER_ALLOW },
        /* Any of the words, in any case. */
        { ALLOW("<sphere value='work'/>"), "sip:a@x", WATCHER_ALLOW, "work" },
        { ALLOW("<sphere value='Work'/>"), "sip:a@x", WATCHER_ALLOW, "wORK" },
        { ALLOW("<sphere value='work'/>"), "sip:a@x", WATCHER_BLOCK, "home" },
        { ALLOW("<sphere value='work'/>"), "sip:a@x", WATCHER_BLOCK, "works" },
        { ALLOW("<sphere value='work'/>"), "sip:a@x", WATCHER_BLOCK },
        { ALLOW("<sphere value=' home\n work '/>"), "sip:a@x", WATCHER_ALLOW, "work" },
        { ALLOW("<sphere value='home  work'/>"), "sip:a@x", WATCHER_ALLOW, "home" },
        { ALLOW("<sphere value='home  work'/>"), "sip:a@x", WATCHER_BLOCK },
        { ALLOW("<sphere value=' '/>"), "sip:a@x", WATCHER_BLOCK },
        { ALLOW("<sphere value=' '/>"), "sip:a@x", WATCHER_BLOCK, "work" },
        { ALLOW(BOB "<sphere value='work'/>"), "sip:a@x", WATCHER_BLOCK, "work" },
        { ALLOW(BOB "<sphere value='work'/>"), "sip:bob@example.com", WATCHER_ALLOW, "work" },
        { ALLOW("<sphere value='work'/><sphere value='home'/>"), "sip:a@x", WATCHER_BLOCK, "home" },
        { RULESET RULE("<sphere value='work'/>", "allow", ALL) RULE("", "polite-block", "") END,
          "sip:a@x", WATCHER_POLITE_BLOCK, "home" },
        /* The most that any rule grants. */
        { RULESET RULE("", "block", "") RULE("", "confirm", "") END, "sip:a@x", WATCHER_CONFIRM },
        { RULESET RULE("", "polite-block", "") RULE("", "confirm", "") END, "sip:a@x",
          WATCHER_POLITE_BLOCK },
        { RULESET RULE("", " allow\n", "") RULE("", "block", SETS)
              RULE("", "block", "<pr:provide-all-attributes>true</pr:provide-all-attributes>") END,
          "sip:a@x", WATCHER_ALLOW },
        /* Less than everything shows nothing where there are no views. */
        { RULESET RULE("", "allow", "") END, "sip:a@x", WATCHER_POLITE_BLOCK },
        { RULESET RULE("", "allow", SETS "<pr:provide-activities>true</pr:provide-activities>") END,
          "sip:a@x", WATCHER_POLITE_BLOCK },
        { RULESET RULE("", "allow",
                       SETS "<pr:provide-all-attributes>false</pr:provide-all-attributes>") END,
          "sip:a@x", WATCHER_POLITE_BLOCK },
        { RULESET RULE("", "allow", SETS) RULE(BOB, "block", ALL) END, "sip:a@x",
          WATCHER_POLITE_BLOCK },
        { RULESET RULE("", "confirm", ALL) END, "sip:a@x", WATCHER_CONFIRM },
        /* Times, the first included and the last not. */
        { ALLOW(DURING("2026-01-05T12:00:00Z", "2026-01-05T12:00:01Z")), "sip:a@x", WATCHER_ALLOW },
        { ALLOW(DURING("2026-01-05T11:00:00Z", "2026-01-05T13:00:00+01:00")), "sip:a@x",
          WATCHER_BLOCK },
        { ALLOW(DURING("2026-01-05T06:30:00.0-05:30", "2026-01-05T12:00:00.001Z")), "sip:a@x",
          WATCHER_ALLOW },
        { ALLOW("<validity/>"), "sip:a@x", WATCHER_BLOCK },
        { ALLOW("<validity><from>2020-01-01T00:00:00Z</from><until>2020-01-02T00:00:00Z</until>"
                "<from>2026-01-01T00:00:00Z</from><until>2026-02-01T00:00:00Z</until></validity>"),
          "sip:a@x", WATCHER_ALLOW },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct diag diag;
        struct presence_rules *p = parse(cases[i].text, &diag);
        enum watcher_handling got = presence_rules_decide(
            p,
            &(struct presence_question){ .uri = str_of(cases[i].uri),
                                         .sphere = str_of(cases[i].sphere ? cases[i].sphere : ""),
                                         .wall_ms = NOON_MS },
            NULL);

        if (got != cases[i].handling)
            fail_msg("%zu, %s of %s: %d", i, cases[i].uri, cases[i].text, got);
        presence_rules_destroy(p);
        diag_fini(&diag);
    }
}

static void test_next(void **state)
{
    struct diag diag;
    struct presence_rules *p =
        parse(RULESET RULE(DURING("2026-01-05T12:00:02Z", "2026-01-05T12:00:03Z"), "allow", ALL)
                  RULE(DURING("2026-01-05T11:00:00Z", "2026-01-05T12:00:05Z"), "allow", ALL) END,
              &diag);

    (void)state;
    assert_int_equal(presence_rules_next_ms(p, NOON_MS), NOON_MS + 2000);
    assert_int_equal(presence_rules_next_ms(p, NOON_MS + 2000), NOON_MS + 3000);
    assert_int_equal(presence_rules_next_ms(p, NOON_MS + 3000), NOON_MS + 5000);
    assert_true(presence_rules_next_ms(p, NOON_MS + 5000) == UINT64_MAX);
    presence_rules_destroy(p);
    diag_fini(&diag);
}

/* `want` is the beginning of what is told; the rule is line 4. */
static void test_problems(void **state)
{
    static const struct {
        const char *text, *want;
        int result;
    } cases[] = {
        { ALLOW(""), "", 0 },
        { "", "r.xml:1: error: no document", PRESENCE_RULES_FAULTY },
        { "<a>\n<b></a>", "r.xml:2: error: ", PRESENCE_RULES_FAULTY },
        { "<a/>", "r.xml:1: error: a: not a ruleset", PRESENCE_RULES_FAULTY },
        { "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
          "r.xml:1: error: a document type is not accepted", PRESENCE_RULES_FAULTY },
        { RULESET "<x:rule/>" END, "r.xml:4: error: rule: not a rule", PRESENCE_RULES_FAULTY },
        { RULESET "<rule><x:y/></rule>" END, "r.xml:4: error: y: has no place",
          PRESENCE_RULES_FAULTY },
        { RULESET RULE("", "permit", ALL) END, "r.xml:4: error: sub-handling: not one of",
          PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<one/>")), "r.xml:4: error: one: names nobody", PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<one domain='x'/>")), "r.xml:4: error: one: domain has",
          PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<many id='sip:a@x'/>")), "r.xml:4: error: many: id has",
          PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<many domain=' '/>")), "r.xml:4: error: many: the domain is empty",
          PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<many x:domain='x'/>")), "r.xml:4: error: many: an attribute",
          PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<many><except/></many>")), "r.xml:4: error: except: names nobody",
          PRESENCE_RULES_FAULTY },
        { ALLOW(ID("<one id=' '/>")), "r.xml:4: error: one: not a URI", PRESENCE_RULES_FAULTY },
        { ALLOW(DURING("2026-01-05T12:00:00", "2026-01-06T12:00:00Z")),
          "r.xml:4: error: from: not a date", PRESENCE_RULES_FAULTY },
        { ALLOW(DURING("2026-01-05T12:00:00Z", "2026-02-30T12:00:00Z")),
          "r.xml:4: error: until: not a date", PRESENCE_RULES_FAULTY },
        { ALLOW("<validity><from>2026-01-05T12:00:00Z</from></validity>"),
          "r.xml:4: error: validity: a from without", PRESENCE_RULES_FAULTY },
        { ALLOW("<validity><until>2026-01-05T12:00:00Z</until></validity>"),
          "r.xml:4: error: until: not a from", PRESENCE_RULES_FAULTY },
        { ALLOW("<sphere/>"), "r.xml:4: error: sphere: without a value", PRESENCE_RULES_FAULTY },
        { ALLOW("<sphere value='work' x:y='z'/>"), "r.xml:4: error: sphere: without a value",
          PRESENCE_RULES_FAULTY },
        { ALLOW("<sphere value='work'><x:not/></sphere>"),
          "r.xml:4: error: sphere: without a value", PRESENCE_RULES_FAULTY },
        { ALLOW("<sphere value='work'/>"), "", 0 },
        /* What is taken, and not carried out. */
        { ALLOW("<x:moon/>"), "r.xml:4: warning: moon: ", 0 },
        { ALLOW(ID("<x:group/>")), "r.xml:4: warning: group: ", 0 },
        { RULESET RULE("", "allow", SETS) END, "", 0 },
        { RULESET RULE("", "allow", "<pr:provide-smell>true</pr:provide-smell>") END,
          "r.xml:4: warning: provide-smell: ", 0 },
        { RULESET RULE("", "allow", "<pr:provide-persons><pr:shoe/></pr:provide-persons>") END,
          "r.xml:4: warning: shoe: ", 0 },
        { RULESET RULE("", "allow", "<pr:provide-mood>maybe</pr:provide-mood>") END,
          "r.xml:4: error: provide-mood: neither", PRESENCE_RULES_FAULTY },
        { RULESET RULE("", "allow", "<pr:provide-all-attributes>x</pr:provide-all-attributes>") END,
          "r.xml:4: error: provide-all-attributes: neither", PRESENCE_RULES_FAULTY },
        { RULESET RULE("", "allow", "<pr:provide-user-input>true</pr:provide-user-input>") END,
          "r.xml:4: error: provide-user-input: not one of", PRESENCE_RULES_FAULTY },
        { RULESET RULE("", "allow", UNKNOWN("name='a'", "true")) END,
          "r.xml:4: error: provide-unknown-attribute: without", PRESENCE_RULES_FAULTY },
        { RULESET "<rule><actions><x:do/></actions></rule>" END, "r.xml:4: warning: do: ", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct presence_rules *p = NULL;
        struct diag diag;

        diag_init(&diag);
        assert_int_equal(presence_rules_parse(&p, str_of(cases[i].text), STR("r.xml"), &diag),
                         cases[i].result);
        if (!str_starts(buf_str(&diag.text), str_of(cases[i].want)) ||
            diag.errors + diag.warnings != (cases[i].want[0] != 0))
            fail_msg("%s: %.*s", cases[i].text, STR_FMT(buf_str(&diag.text)));
        presence_rules_destroy(p);
        diag_fini(&diag);
    }
}

/* ---- what is granted ---- */

static void set_print(struct buf *out, const char *name, const struct view_set *set)
{
    static const char *const by[] = { "class", "id", "device", "uri", "scheme" };

    if (set->all)
        buf_printf(out, "%s=all ", name);
    for (size_t i = 0; i < set->n_members; i++)
        buf_printf(out, "%s=%s:%.*s ", name, by[set->members[i].by],
                   STR_FMT(set->members[i].value));
}

static void grants_print(struct buf *out, const struct view_grants *g)
{
    set_print(out, "devices", &g->devices);
    set_print(out, "persons", &g->persons);
    set_print(out, "services", &g->services);
    buf_printf(out, "%u,%d%s", g->attributes, g->user_input, g->all_attributes ? ",all" : "");
    for (size_t i = 0; i < g->n_others; i++)
        buf_printf(out, " {%.*s}%.*s", STR_FMT(g->others[i].namespace), STR_FMT(g->others[i].name));
}

static struct view *view_of(const struct presence_rules *p, const char *uri)
{
    struct view *v = NULL;

    assert_int_equal(
        presence_rules_decide(
            p, &(struct presence_question){ .uri = str_of(uri), .wall_ms = NOON_MS }, &v),
        WATCHER_ALLOW);
    return v;
}

static void test_grants(void **state)
{
    static const struct {
        const char *text, *want; /* "": everything */
    } cases[] = {
        { ALLOW(""), "" },
        { RULESET RULE("", "allow", "") END, "0,0" },
        { RULESET RULE("", "allow",
                       "<pr:provide-activities>true</pr:provide-activities>"
                       "<pr:provide-note> 1 </pr:provide-note>"
                       "<pr:provide-mood>false</pr:provide-mood>") END,
          "2049,0" },
        { RULESET RULE("", "allow", SETS) END, "devices=all persons=all services=all 0,0" },
        { RULESET RULE("", "allow", "<pr:provide-all-attributes/>") END, "4095,3,all" },
        /* A set is the union, in the order of the document; all is all. RFC 5025 section 3.3.1.1.
         */
        { RULESET RULE(
              "", "allow",
              "<pr:provide-devices><pr:deviceID>urn:a</pr:deviceID><pr:class> biz </pr:class>"
              "</pr:provide-devices>"
              "<pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme>"
              "<pr:service-uri>sip:a@x</pr:service-uri></pr:provide-services>"
              "<pr:provide-persons><pr:class>biz</pr:class></pr:provide-persons>")
              RULE("", "block",
                   "<pr:provide-devices><pr:class>home</pr:class><pr:class>biz</pr:class>"
                   "</pr:provide-devices>"
                   "<pr:provide-persons><pr:all-persons/></pr:provide-persons>"
                   "<pr:provide-services><pr:occurrence-id>t1</pr:occurrence-id>"
                   "</pr:provide-services>") END,
          "devices=device:urn:a devices=class:biz devices=class:home persons=all "
          "services=scheme:sip services=uri:sip:a@x services=id:t1 0,0" },
        /* The most of user-input, and of each boolean. */
        { RULESET RULE("", "allow", "<pr:provide-user-input>thresholds</pr:provide-user-input>")
              RULE("", "block",
                   "<pr:provide-user-input>bare</pr:provide-user-input>"
                   "<pr:provide-class>true</pr:provide-class>")
                  RULE("", "block", "<pr:provide-class>false</pr:provide-class>") END,
          "2,2" },
        { RULESET RULE("", "allow",
                       UNKNOWN("name='a' ns='urn:x'", "true")
                           UNKNOWN("name='b' ns='urn:x'", "false"))
              RULE("", "block",
                   UNKNOWN("name='a' ns='urn:x'", "true") UNKNOWN("name='a' ns='urn:y'", "true"))
                  END,
          "0,0 {urn:x}a {urn:y}a" },
        /* A rule that does not apply grants nothing. */
        { RULESET RULE("", "allow", "<pr:provide-mood>true</pr:provide-mood>")
              RULE(BOB, "allow", ALL) END,
          "8,0" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct diag diag;
        struct presence_rules *p = parse(cases[i].text, &diag);
        struct view *v = view_of(p, "sip:a@x");
        char room[1024];
        struct buf got;

        buf_init_on(&got, room, sizeof(room));
        if (v)
            grants_print(&got, &v->grants);
        assert_str(buf_str(&got), cases[i].want);
        view_unref(v);
        presence_rules_destroy(p);
        diag_fini(&diag);
    }
}

/* The same grants are the same view, whoever asks and by whatever rules; it may outlive them. */
static void test_views(void **state)
{
    struct diag diag;
    struct presence_rules *p =
        parse(RULESET RULE("", "allow", "<pr:provide-mood>true</pr:provide-mood>")
                  RULE(BOB, "block", "<pr:provide-mood>true</pr:provide-mood>")
                      RULE(ID("<one id='sip:c@x'/>"), "block", SETS) END,
              &diag);
    struct view *a = view_of(p, "sip:a@x"), *b = view_of(p, "sip:bob@example.com"),
                *c = view_of(p, "sip:c@x"), *again = view_of(p, "sip:a@x");

    (void)state;
    assert_ptr_equal(a, b);
    assert_ptr_equal(a, again);
    assert_ptr_not_equal(a, c);
    presence_rules_destroy(p);
    assert_int_equal(a->grants.attributes, VIEW_MOOD);
    assert_true(c->grants.devices.all);
    view_unref(a);
    view_unref(b);
    view_unref(c);
    view_unref(again);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decide),   cmocka_unit_test(test_next),
        cmocka_unit_test(test_grants),   cmocka_unit_test(test_views),
        cmocka_unit_test(test_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
