// SPDX-License-Identifier: MIT
/* The documents of the built-in generators and supplements, byte for byte. */
#include "body/body_testing.h"

#define DIALOG_INFO "application/dialog-info+xml"
#define PIDF "application/pidf+xml"
#define XPIDF "application/xpidf+xml"
#define CPIM_PIDF "application/cpim-pidf+xml"

enum {
    EARLY = ES_FLAG_EARLY_INUSE_RINGING,
    ASTERISK = ES_FLAG_ASTERISK,
    IDLE_WHEN_GONE = ES_FLAG_REMOVED_IS_IDLE
};

static int setup(void **state)
{
    struct body_registry *r;

    if (body_registry_create(&r, NULL, NULL))
        return -1;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    body_registry_unref(*state);
    return 0;
}

static void check(struct body_registry *r, struct es_subscriber s, const char *type, unsigned flags,
                  struct snapshot_spec spec, const char *expected)
{
    char *text = body_of(r, s, type, flags, spec);

    assert_string_equal(text, expected);
    free(text);
}

/* ---- dialog-info ---- */

#define DIALOG(attributes, children)                                                         \
    PROLOG                                                                                   \
    "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" state=\"full\"" \
    " entity=\"" LOCAL_URI "\">\n"                                                           \
    " <dialog id=\"1000\"" attributes ">\n" children " </dialog>\n"                          \
    "</dialog-info>\n"
#define STATE(s) "  <state>" s "</state>\n"
#define RECIPIENT " direction=\"recipient\""
#define PARTY                                 \
    "  <local>\n"                             \
    "   <identity>" LOCAL_URI "</identity>\n" \
    "   <target uri=\"" LOCAL_URI "\" />\n"   \
    "  </local>\n"
#define HELD(value)                                             \
    "  <local>\n"                                               \
    "   <target uri=\"" LOCAL_URI "\">\n"                       \
    "    <param pname=\"+sip.rendering\" " value "=\"no\" />\n" \
    "   </target>\n"                                            \
    "  </local>\n"

/* An idle resource as published: no dialog at all. */
#define NO_DIALOG                                                                            \
    PROLOG                                                                                   \
    "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" state=\"full\"" \
    " entity=\"" LOCAL_URI "\" />\n"
#define TERMINATED DIALOG("", STATE("terminated"))
#define IDLE TERMINATED, TERMINATED, NO_DIALOG, TERMINATED

struct dialog_case {
    enum extension_state state;
    unsigned flags;
    const char *notify, *asterisk, *publish, *asterisk_publish;
};

static const struct dialog_case dialog_cases[] = {
#define EVERYWHERE(body) body, body, body, body
    { EXTENSION_IDLE, 0, IDLE },
    { EXTENSION_INUSE, 0, EVERYWHERE(DIALOG("", STATE("confirmed"))) },
    { EXTENSION_BUSY, 0, EVERYWHERE(DIALOG("", STATE("confirmed"))) },
    { EXTENSION_UNAVAILABLE, 0, IDLE },
    { EXTENSION_RINGING, 0, DIALOG(RECIPIENT, STATE("early") PARTY),
      DIALOG(RECIPIENT, PARTY STATE("early")), DIALOG(RECIPIENT, STATE("early")),
      DIALOG(RECIPIENT, STATE("early")) },
    { EXTENSION_INUSE_RINGING, 0, EVERYWHERE(DIALOG("", STATE("confirmed"))) },
    { EXTENSION_INUSE_RINGING, EARLY, DIALOG(RECIPIENT, STATE("early") PARTY),
      DIALOG(RECIPIENT, PARTY STATE("early")), DIALOG("", STATE("confirmed")),
      DIALOG("", STATE("confirmed")) },
    { EXTENSION_INUSE, EARLY, EVERYWHERE(DIALOG("", STATE("confirmed"))) },
    { EXTENSION_ONHOLD, 0, DIALOG("", STATE("confirmed") HELD("pval")),
      DIALOG("", STATE("confirmed") HELD("pvalue")), DIALOG("", STATE("confirmed") HELD("pval")),
      DIALOG("", STATE("confirmed") HELD("pvalue")) },
    { EXTENSION_REMOVED, 0, IDLE },
    { EXTENSION_REMOVED, IDLE_WHEN_GONE, IDLE },
    { (enum extension_state)17, 0, IDLE },
};

static void test_dialog_info(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(dialog_cases); i++) {
        const struct dialog_case *c = &dialog_cases[i];
        struct es_subscriber w = watcher("dialog", "phone"), publisher = watcher("dialog", "");

        publisher.publisher = true;
        check(*state, w, DIALOG_INFO, c->flags, resource_in(c->state), c->notify);
        check(*state, w, DIALOG_INFO, c->flags | ASTERISK, resource_in(c->state), c->asterisk);
        check(*state, publisher, DIALOG_INFO, c->flags, resource_in(c->state), c->publish);
        check(*state, publisher, DIALOG_INFO, c->flags | ASTERISK, resource_in(c->state),
              c->asterisk_publish);
    }
}

/* ---- pidf ---- */

#define PRESENCE(children)                                                            \
    PROLOG "<presence entity=\"" LOCAL_URI "\" xmlns=\"urn:ietf:params:xml:ns:pidf\"" \
           " xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\""                     \
           " xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\">\n" children "</presence>\n"
#define NOTE(text) " <note>" text "</note>\n"
#define TUPLE(id, basic, contact)                       \
    " <tuple id=\"" id "\">\n"                          \
    "  <status>\n"                                      \
    "   <basic>" basic "</basic>\n"                     \
    "  </status>\n"                                     \
    "  <contact priority=\"1\">" contact "</contact>\n" \
    " </tuple>\n"
#define ON_THE_PHONE(id)         \
    " <dm:person" id ">\n"       \
    "  <rpid:activities>\n"      \
    "   <rpid:on-the-phone />\n" \
    "  </rpid:activities>\n"     \
    " </dm:person>\n"
#define NO_ACTIVITY(id) " <dm:person" id " />\n"

#define PIDF_VALID(basic, note, person) \
    PRESENCE(TUPLE("t1000", basic, LOCAL_URI) NOTE(note) person(" id=\"p1000\""))
#define PIDF_ASTERISK(basic, note, person) \
    PRESENCE(NOTE(note) TUPLE("1000", basic, REMOTE_URI) person(""))
#define PIDF_BOTH(basic, note, person) \
    PIDF_VALID(basic, note, person), PIDF_ASTERISK(basic, note, person)

struct presence_case {
    enum extension_state state;
    unsigned flags;
    const char *body, *asterisk;
};

static const struct presence_case pidf_cases[] = {
    { EXTENSION_IDLE, 0, PIDF_BOTH("open", "Ready", NO_ACTIVITY) },
    { EXTENSION_INUSE, 0, PIDF_BOTH("open", "On the phone", ON_THE_PHONE) },
    { EXTENSION_BUSY, 0, PIDF_BOTH("open", "On the phone", ON_THE_PHONE) },
    { EXTENSION_UNAVAILABLE, 0, PIDF_BOTH("closed", "Unavailable", NO_ACTIVITY) },
    { EXTENSION_RINGING, 0, PIDF_BOTH("open", "Ringing", ON_THE_PHONE) },
    { EXTENSION_INUSE_RINGING, 0, PIDF_BOTH("open", "Ringing", ON_THE_PHONE) },
    { EXTENSION_INUSE_RINGING, EARLY, PIDF_BOTH("open", "Ringing", ON_THE_PHONE) },
    { EXTENSION_ONHOLD, 0, PIDF_BOTH("open", "On hold", ON_THE_PHONE) },
    { EXTENSION_REMOVED, 0, PIDF_BOTH("closed", "Unavailable", NO_ACTIVITY) },
    { EXTENSION_REMOVED, IDLE_WHEN_GONE, PIDF_BOTH("open", "Ready", NO_ACTIVITY) },
    { EXTENSION_DEACTIVATED, IDLE_WHEN_GONE, PIDF_BOTH("open", "Ready", NO_ACTIVITY) },
    { (enum extension_state)17, 0, PIDF_BOTH("open", "Ready", NO_ACTIVITY) },
};

/* The same for NOTIFY and PUBLISH: what differs is in the slots. */
static void check_presence(struct body_registry *r, const char *type,
                           const struct presence_case *cases, size_t n)
{
    struct es_subscriber publisher = watcher("presence", "");

    publisher.publisher = true;
    for (size_t i = 0; i < n; i++) {
        struct snapshot_spec spec = resource_in(cases[i].state);
        unsigned flags = cases[i].flags;

        check(r, watcher("presence", "phone"), type, flags, spec, cases[i].body);
        check(r, watcher("dialog", "phone"), type, flags, spec, cases[i].body);
        check(r, publisher, type, flags, spec, cases[i].body);
        check(r, watcher("presence", "phone"), type, flags | ASTERISK, spec, cases[i].asterisk);
        check(r, publisher, type, flags | ASTERISK, spec, cases[i].asterisk);
    }
}

static void test_pidf(void **state)
{
    check_presence(*state, PIDF, pidf_cases, ARRAY_LEN(pidf_cases));
}

static void test_pidf_ids(void **state)
{
    static const struct {
        struct str extension;
        const char *tuple, *person;
    } cases[] = {
        { STR_INIT("alice"), "<tuple id=\"alice\">", "<dm:person id=\"palice\" />" },
        { STR_INIT("_a.b-1"), "<tuple id=\"_a.b-1\">", "<dm:person id=\"p_a.b-1\" />" },
        { STR_INIT("*98"), "<tuple id=\"t_2a98\">", "<dm:person id=\"p_2a98\" />" },
        { STR_INIT("-1"), "<tuple id=\"t-1\">", "<dm:person id=\"p-1\" />" },
        { STR_INIT("a:b"), "<tuple id=\"ta_3ab\">", "<dm:person id=\"pa_3ab\" />" },
        { STR_INIT("bj\xc3\xb6rn"), "<tuple id=\"tbj_c3_b6rn\">",
          "<dm:person id=\"pbj_c3_b6rn\" />" },
        { STR_INIT("digium-presence"), "<tuple id=\"tdigium-presence\">",
          "<dm:person id=\"pdigium-presence\" />" },
        { STR_INIT(""), "<tuple id=\"t\">", "<dm:person id=\"p\" />" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct snapshot_spec spec = resource_in(EXTENSION_IDLE);
        char *text;

        spec.extension = cases[i].extension;
        text = body_of(*state, watcher("presence", ""), PIDF, 0, spec);
        assert_non_null(strstr(text, cases[i].tuple));
        assert_non_null(strstr(text, cases[i].person));
        free(text);
    }
}

static void test_pidf_id_is_bounded(void **state)
{
    struct snapshot_spec spec = resource_in(EXTENSION_IDLE);
    char name[1000], *text;

    memset(name, '*', sizeof(name));
    spec.extension = (struct str){ name, sizeof(name) };
    text = body_of(*state, watcher("presence", ""), PIDF, 0, spec);
    assert_true(strstr(text, "<tuple id=\"t_2a_2a") && strlen(text) < 1500);
    free(text);
}

/* ---- Digium ---- */

#define DIGIUM(attributes, message)                                      \
    " <tuple id=\"digium-presence\">\n"                                  \
    "  <status>\n"                                                       \
    "   <digium_presence " attributes ">" message "</digium_presence>\n" \
    "  </status>\n"                                                      \
    " </tuple>\n"

static void test_digium(void **state)
{
    struct es_subscriber phone = watcher("presence", "Digium D40 1_4_0_0_57389");
    struct snapshot_spec spec = resource_in(EXTENSION_IDLE);

    spec.presence = PRESENCE_DND;
    spec.presence_subtype = STR("busy");
    spec.presence_message = STR("do not disturb");
    check(*state, phone, PIDF, 0, spec,
          PRESENCE(TUPLE("t1000", "open", LOCAL_URI)
                       DIGIUM("type=\"dnd\" subtype=\"busy\"", "do not disturb") NOTE("Ready")
                           NO_ACTIVITY(" id=\"p1000\"")));
    /* On the wire Asterisk's tuple for Digium comes behind the person. */
    check(*state, phone, PIDF, ASTERISK, spec,
          PRESENCE(NOTE("Ready") TUPLE("1000", "open", REMOTE_URI) NO_ACTIVITY("")
                       DIGIUM("type=\"dnd\" subtype=\"busy\"", "do not disturb")));
    spec.presence = PRESENCE_AVAILABLE;
    spec.presence_subtype = STR_EMPTY;
    spec.presence_message = STR("on & off");
    check(*state, phone, PIDF, ASTERISK, spec,
          PRESENCE(NOTE("Ready") TUPLE("1000", "open", REMOTE_URI) NO_ACTIVITY("")
                       DIGIUM("type=\"available\"", "on &amp; off")));
}

static void test_digium_without_message(void **state)
{
    char *text =
        body_of(*state, watcher("presence", "Sangoma P330"), PIDF, 0, resource_in(EXTENSION_IDLE));

    assert_non_null(strstr(text, "   <digium_presence type=\"not_set\" />\n"));
    free(text);
}

static void test_digium_user_agents(void **state)
{
    static const struct {
        const char *user_agent;
        bool added;
    } cases[] = {
        { "Digium D40 1_4_0_0_57389", true },
        { "my DIGIUM thing", true },
        { "sangoma", true },
        { "SaNgOmA D65", true },
        { "digiu", false },
        { "igium", false },
        { "", false },
        { "eyeBeam", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = body_of(*state, watcher("presence", cases[i].user_agent), PIDF, 0,
                             resource_in(EXTENSION_IDLE));

        assert_int_equal(strstr(text, "digium_presence") != NULL, cases[i].added);
        free(text);
    }
}

/* ---- xpidf ---- */

/* The token drawn from a generator seeded with 1. */
static const char *atom_id(void)
{
    static char id[37];
    unsigned char bytes[16];
    struct rng rng;
    struct buf hex;

    rng_init_seeded(&rng, 1);
    rng_fill(&rng, bytes, sizeof(bytes));
    bytes[6] = (unsigned char)(0x40 | (bytes[6] & 15));
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 63));
    buf_init_on(&hex, id, 36);
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            buf_add_char(&hex, '-');
        buf_add_hex(&hex, bytes + i, 1);
    }
    return id;
}

static void test_xpidf(void **state)
{
    static const struct {
        enum extension_state state;
        unsigned flags;
        const char *status, *substatus;
    } cases[] = {
        { EXTENSION_IDLE, 0, "open", "online" },
        { EXTENSION_INUSE, 0, "inuse", "onthephone" },
        { EXTENSION_BUSY, 0, "inuse", "onthephone" },
        { EXTENSION_UNAVAILABLE, 0, "closed", "offline" },
        { EXTENSION_RINGING, 0, "inuse", "onthephone" },
        { EXTENSION_INUSE_RINGING, 0, "inuse", "onthephone" },
        { EXTENSION_INUSE_RINGING, EARLY, "inuse", "onthephone" },
        { EXTENSION_ONHOLD, 0, "inuse", "onthephone" },
        { EXTENSION_REMOVED, 0, "closed", "offline" },
        { EXTENSION_REMOVED, IDLE_WHEN_GONE, "open", "online" },
        { (enum extension_state)17, 0, "open", "online" },
    };
    char room[1024];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct presence_case c = { cases[i].state, cases[i].flags, room, room };
        struct buf expected;

        buf_init_on(&expected, room, sizeof(room));
        buf_printf(&expected,
                   PROLOG "<presence>\n"
                          " <presentity uri=\"" LOCAL_URI ";method=SUBSCRIBE\" />\n"
                          " <atom atomid=\"%s\" id=\"1000\">\n"
                          "  <address uri=\"" REMOTE_URI ";user=ip\" priority=\"0.80000\">\n"
                          "   <status status=\"%s\" />\n"
                          "   <msnsubstatus substatus=\"%s\" />\n"
                          "  </address>\n"
                          " </atom>\n"
                          "</presence>\n",
                   atom_id(), cases[i].status, cases[i].substatus);
        buf_add_char(&expected, '\0');
        assert_int_equal(expected.error, 0);
        check_presence(*state, XPIDF, &c, 1);
        check_presence(*state, CPIM_PIDF, &c, 1);
    }
}

/* ---- special characters ---- */

#define SPECIAL "<>&\"'\r\n\x01\xff\xe2\x82\xac"
#define ESCAPED "&lt;&gt;&amp;&quot;&apos;&#13;&#10;??\xe2\x82\xac"

static void test_escaping(void **state)
{
    struct snapshot_spec spec = resource_in(EXTENSION_INUSE);

    spec.extension = STR(SPECIAL);
    spec.presence = PRESENCE_AWAY;
    spec.presence_subtype = spec.presence_message = STR(SPECIAL);
    check(*state, watcher("presence", "Digium"), PIDF, ASTERISK, spec,
          PRESENCE(NOTE("On the phone") TUPLE(ESCAPED, "open", REMOTE_URI) ON_THE_PHONE("")
                       DIGIUM("type=\"away\" subtype=\"" ESCAPED "\"", ESCAPED)));
    check(*state, watcher("dialog", ""), DIALOG_INFO, 0, spec,
          PROLOG
          "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"7\" state=\"full\""
          " entity=\"" LOCAL_URI "\">\n"
          " <dialog id=\"" ESCAPED "\">\n" STATE("confirmed") " </dialog>\n"
                                                              "</dialog-info>\n");
}

/* Asterisk cut messages at 1023 bytes; we don't. */
static void test_long_message(void **state)
{
    struct snapshot_spec spec = resource_in(EXTENSION_IDLE);
    char message[3000], *text, *at;

    memset(message, '&', sizeof(message));
    spec.presence = PRESENCE_CHAT;
    spec.presence_message = (struct str){ message, sizeof(message) };
    text = body_of(*state, watcher("presence", "Digium"), PIDF, 0, spec);
    at = strstr(text, "<digium_presence type=\"chat\">");
    assert_non_null(at);
    assert_int_equal(strcspn(at + 29, "<"), sizeof(message) * 5);
    free(text);
}

/* Slot values come escaped, and are put where they belong as often as they are named. */
static void test_slots(void **state)
{
    const struct body_slots slots = { UINT32_MAX, STR("sip:a&amp;b@h"), STR("sip:o&apos;neil@h") };
    const struct body_profile *p = profile_for(*state, watcher("presence", ""), PIDF, ASTERISK);
    struct snapshot *s = snapshot_new(resource_in(EXTENSION_IDLE));
    const struct rendered_body *body;
    struct rng rng;
    char room[1024];
    struct buf out;

    rng_init_seeded(&rng, 1);
    assert_int_equal(body_render(p, s, &rng, &body), 0);
    buf_init_on(&out, room, sizeof(room) - 1);
    body_print(body, &slots, &out);
    assert_int_equal(out.n, body_length(body, &slots));
    room[out.n] = '\0';
    assert_non_null(strstr(room, "<presence entity=\"sip:a&amp;b@h\" "));
    assert_non_null(strstr(room, "<contact priority=\"1\">sip:o&apos;neil@h</contact>"));
    p = profile_for(*state, watcher("dialog", ""), DIALOG_INFO, 0);
    assert_int_equal(body_render(p, s, &rng, &body), 0);
    buf_init_on(&out, room, sizeof(room) - 1);
    body_print(body, &slots, &out);
    assert_int_equal(out.n, body_length(body, &slots));
    room[out.n] = '\0';
    assert_non_null(
        strstr(room, " version=\"4294967295\" state=\"full\" entity=\"sip:a&amp;b@h\">"));
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialog_info),
        cmocka_unit_test(test_pidf),
        cmocka_unit_test(test_pidf_ids),
        cmocka_unit_test(test_pidf_id_is_bounded),
        cmocka_unit_test(test_digium),
        cmocka_unit_test(test_digium_without_message),
        cmocka_unit_test(test_digium_user_agents),
        cmocka_unit_test(test_xpidf),
        cmocka_unit_test(test_escaping),
        cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_slots),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
