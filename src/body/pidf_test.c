// SPDX-License-Identifier: MIT
/* Presence that was published, as pidf and xpidf, byte for byte. */
#include "body/published_testing.h"

#define PIDF "application/pidf+xml"
#define RPID "urn:ietf:params:xml:ns:pidf:rpid"

enum { ASTERISK = ES_FLAG_ASTERISK };

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

static void check(struct body_registry *r, unsigned flags, const struct published_resource *of,
                  const char *expected)
{
    check_published(r, watcher("presence", "phone"), PIDF, flags, of, expected);
}

#define PRESENCE(children)                                                            \
    PROLOG "<presence entity=\"" LOCAL_URI "\" xmlns=\"urn:ietf:params:xml:ns:pidf\"" \
           " xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"" RPID  \
           "\">\n" children "</presence>\n"
#define TUPLE(id, basic)            \
    " <tuple id=\"" id "\">\n"      \
    "  <status>\n"                  \
    "   <basic>" basic "</basic>\n" \
    "  </status>\n"                 \
    " </tuple>\n"
#define RESOURCE_TO(id, basic, contact, note)           \
    " <tuple id=\"" id "\">\n"                          \
    "  <status>\n"                                      \
    "   <basic>" basic "</basic>\n"                     \
    "  </status>\n"                                     \
    "  <contact priority=\"1\">" contact "</contact>\n" \
    "  <note>" note "</note>\n"                         \
    " </tuple>\n"
#define RESOURCE(id, basic, note) RESOURCE_TO(id, basic, LOCAL_URI, note)
#define PERSON(id) " <dm:person id=\"" id "\" />\n"
#define ACTIVE(id, activities)                                  \
    " <dm:person id=\"" id "\">\n"                              \
    "  <rpid:activities>\n" activities "  </rpid:activities>\n" \
    " </dm:person>\n"
#define ON_THE_PHONE "   <rpid:on-the-phone />\n"

/* ---- everything ---- */

static const struct es_note tuple_notes[] = {
    { .text = ES_TEXT("here & there") },
    { ES_TEXT("de"), ES_TEXT("hier") },
};
static const struct es_note notes[] = { { ES_TEXT("en"), ES_TEXT("all") } };
static const struct es_tuple tuples[] = {
    { .id = ES_TEXT("sg89ae"),
      .basic = ES_BASIC_OPEN,
      .status = ES_TEXT("<x:loc xmlns:x=\"urn:x\">desk</x:loc>"),
      .extensions = ES_TEXT("<y:caps xmlns:y=\"urn:y\"/>"),
      .contact = ES_TEXT("tel:+1&2"),
      .priority = ES_TEXT("0.8"),
      .notes = tuple_notes,
      .n_notes = 2,
      .timestamp = ES_TEXT("2026-11-28T16:04:39Z") },
    { .id = ES_TEXT("1"), .contact = ES_TEXT("sip:a@h") },
    { .id = ES_TEXT("eg92n8"), .basic = ES_BASIC_CLOSED },
};
#define AWAY "<r:away xmlns:r=\"" RPID "\"/>"
static const struct es_element away = { ES_TEXT(RPID), ES_TEXT("away"), ES_TEXT(AWAY) };
static const struct es_element mood = { ES_TEXT(RPID), ES_TEXT("mood"),
                                        ES_TEXT("<mood xmlns=\"" RPID "\"><happy/></mood>") };
static const struct es_element input = { ES_TEXT(RPID), ES_TEXT("user-input"),
                                         ES_TEXT("<user-input xmlns=\"" RPID
                                                 "\">idle</user-input>") };
static const struct es_person person = {
    .id = ES_TEXT("me"),
    .activities = &away,
    .n_activities = 1,
    .elements = &mood,
    .n_elements = 1,
    .notes = notes,
    .n_notes = 1,
    .timestamp = ES_TEXT("2026-11-28T16:04:40Z"),
};
static const struct es_device devices[] = {
    { .id = ES_TEXT("pc147"),
      .device_id = ES_TEXT("mac:8asd7d7d70"),
      .elements = &input,
      .n_elements = 1,
      .notes = notes,
      .n_notes = 1,
      .timestamp = ES_TEXT("2026-11-28T16:04:41Z") },
    { .id = ES_TEXT(""), .device_id = ES_TEXT("urn:x") },
};
static const struct es_presence everything = {
    .tuples = tuples,
    .n_tuples = ARRAY_LEN(tuples),
    .notes = notes,
    .n_notes = 1,
    .persons = &person,
    .n_persons = 1,
    .devices = devices,
    .n_devices = ARRAY_LEN(devices),
    .extensions = ES_TEXT("<z:more xmlns:z=\"urn:z\"/>"),
};

#define TUPLES                                             \
    " <tuple id=\"sg89ae\">\n"                             \
    "  <status>\n"                                         \
    "   <basic>open</basic>\n"                             \
    "   <x:loc xmlns:x=\"urn:x\">desk</x:loc>\n"           \
    "  </status>\n"                                        \
    "  <y:caps xmlns:y=\"urn:y\"/>\n"                      \
    "  <contact priority=\"0.8\">tel:+1&amp;2</contact>\n" \
    "  <note>here &amp; there</note>\n"                    \
    "  <note xml:lang=\"de\">hier</note>\n"                \
    "  <timestamp>2026-11-28T16:04:39Z</timestamp>\n"      \
    " </tuple>\n"                                          \
    " <tuple id=\"t1\">\n"                                 \
    "  <status />\n"                                       \
    "  <contact>sip:a@h</contact>\n"                       \
    " </tuple>\n" TUPLE("eg92n8", "closed")
#define NOTES " <note xml:lang=\"en\">all</note>\n"
#define PERSON_AND_DEVICES(on_the_phone)                    \
    " <dm:person id=\"me\">\n"                              \
    "  <rpid:activities>\n"                                 \
    "   " AWAY "\n" on_the_phone "  </rpid:activities>\n"   \
    "  <mood xmlns=\"" RPID "\"><happy/></mood>\n"          \
    "  <dm:note xml:lang=\"en\">all</dm:note>\n"            \
    "  <dm:timestamp>2026-11-28T16:04:40Z</dm:timestamp>\n" \
    " </dm:person>\n"                                       \
    " <dm:device id=\"pc147\">\n"                           \
    "  <user-input xmlns=\"" RPID "\">idle</user-input>\n"  \
    "  <dm:deviceID>mac:8asd7d7d70</dm:deviceID>\n"         \
    "  <dm:note xml:lang=\"en\">all</dm:note>\n"            \
    "  <dm:timestamp>2026-11-28T16:04:41Z</dm:timestamp>\n" \
    " </dm:device>\n"                                       \
    " <dm:device id=\"d\">\n"                               \
    "  <dm:deviceID>urn:x</dm:deviceID>\n"                  \
    " </dm:device>\n"                                       \
    " <z:more xmlns:z=\"urn:z\"/>\n"

static void test_everything(void **state)
{
    struct published_resource of = { .state = EXTENSION_INUSE, .presence = &everything };

    check(*state, 0, &of, PRESENCE(TUPLES NOTES PERSON_AND_DEVICES("")));
    check(*state, ASTERISK, &of, PRESENCE(NOTES TUPLES PERSON_AND_DEVICES("")));
    of.has_hint = true;
    of.hint_state = EXTENSION_ONHOLD;
    check(*state, 0, &of,
          PRESENCE(TUPLES RESOURCE("t1000", "open", "On hold")
                       NOTES PERSON_AND_DEVICES(ON_THE_PHONE)));
    check(*state, ASTERISK, &of,
          PRESENCE(NOTES TUPLES RESOURCE_TO("t1000", "open", REMOTE_URI, "On hold")
                       PERSON_AND_DEVICES(ON_THE_PHONE)));
}

/* ---- the hint and the person ---- */

#define ELEMENT(ns, name, xml)                   \
    {                                            \
        ES_TEXT(ns), ES_TEXT(name), ES_TEXT(xml) \
    }
static const struct es_element unknown[] = { ELEMENT(RPID, "unknown", "<u/>") };
static const struct es_element calling[] = { ELEMENT(RPID, "on-the-phone", "<otp/>"),
                                             ELEMENT(RPID, "away", "<a/>") };
static const struct es_element foreign[] = { ELEMENT("urn:x", "unknown", "<xu/>"),
                                             ELEMENT("urn:x", "on-the-phone", "<xo/>") };
static const struct es_person persons[] = {
    { .id = ES_TEXT("me"), .activities = unknown, .n_activities = 1 },
    { .id = ES_TEXT("me"), .activities = calling, .n_activities = 2 },
    { .id = ES_TEXT("me"), .activities = foreign, .n_activities = 2 },
    { .id = ES_TEXT("me") },
    { .id = ES_TEXT("") }, /* as Asterisk writes it */
};

static const struct es_dialog trying = { .id = ES_TEXT("d"), .state = ES_DIALOG_TRYING },
                              ended = { .id = ES_TEXT("d"), .state = ES_DIALOG_TERMINATED };

static void test_person(void **state)
{
    static const struct {
        const struct es_person *person;
        const struct es_dialog *dialog;
        bool has_hint;
        enum extension_state hint;
        const char *expected; /* behind the tuple that was published */
    } cases[] = {
#define IDLE_HINT RESOURCE("t1000", "open", "Ready")
#define BUSY_HINT RESOURCE("t1000", "open", "On the phone")
        { NULL, NULL, false, 0, PRESENCE(TUPLE("t", "open") PERSON("p1000")) },
        { NULL, NULL, true, EXTENSION_IDLE,
          PRESENCE(TUPLE("t", "open") IDLE_HINT PERSON("p1000")) },
        { NULL, NULL, true, EXTENSION_UNAVAILABLE,
          PRESENCE(TUPLE("t", "open") RESOURCE("t1000", "closed", "Unavailable") PERSON("p1000")) },
        { NULL, NULL, true, EXTENSION_RINGING,
          PRESENCE(TUPLE("t", "open") RESOURCE("t1000", "open", "Ringing")
                       ACTIVE("p1000", ON_THE_PHONE)) },
        { NULL, NULL, true, EXTENSION_INUSE,
          PRESENCE(TUPLE("t", "open") BUSY_HINT ACTIVE("p1000", ON_THE_PHONE)) },
        { &persons[0], NULL, true, EXTENSION_IDLE,
          PRESENCE(TUPLE("t", "open") IDLE_HINT ACTIVE("me", "   <u/>\n")) },
        { &persons[0], NULL, true, EXTENSION_INUSE,
          PRESENCE(TUPLE("t", "open") BUSY_HINT ACTIVE("me", ON_THE_PHONE)) },
        { &persons[1], NULL, true, EXTENSION_INUSE,
          PRESENCE(TUPLE("t", "open") BUSY_HINT ACTIVE("me", "   <otp/>\n   <a/>\n")) },
        { &persons[2], NULL, true, EXTENSION_INUSE,
          PRESENCE(TUPLE("t", "open")
                       BUSY_HINT ACTIVE("me", "   <xu/>\n   <xo/>\n" ON_THE_PHONE)) },
        { &persons[3], NULL, false, 0, PRESENCE(TUPLE("t", "open") PERSON("me")) },
        { &persons[4], NULL, false, 0, PRESENCE(TUPLE("t", "open") PERSON("p1000")) },
        /* who publishes a call beside it is on the phone as well */
        { &persons[3], &trying, false, 0,
          PRESENCE(TUPLE("t", "open") BUSY_HINT ACTIVE("me", ON_THE_PHONE)) },
        { &persons[3], &trying, true, EXTENSION_IDLE,
          PRESENCE(TUPLE("t", "open") BUSY_HINT ACTIVE("me", ON_THE_PHONE)) },
        { &persons[3], &ended, false, 0, PRESENCE(TUPLE("t", "open") PERSON("me")) },
    };
    static const struct es_tuple open = { .basic = ES_BASIC_OPEN };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct es_presence presence = { .tuples = &open,
                                              .n_tuples = 1,
                                              .persons = cases[i].person,
                                              .n_persons = cases[i].person != NULL };
        const struct published_resource of = { .state = EXTENSION_INUSE,
                                               .has_hint = cases[i].has_hint,
                                               .hint_state = cases[i].hint,
                                               .presence = &presence,
                                               .has_dialogs = cases[i].dialog != NULL,
                                               .dialogs = cases[i].dialog,
                                               .n_dialogs = cases[i].dialog != NULL };

        check(*state, 0, &of, cases[i].expected);
    }
}

/* Nobody there is a closed tuple, with what else was published. */
static void test_offline(void **state)
{
    const struct es_presence presence = { .notes = notes, .n_notes = 1 }, nothing = { 0 };
    struct published_resource of = { .state = EXTENSION_IDLE, .presence = &presence };

    check(*state, 0, &of,
          PRESENCE(RESOURCE("t1000", "closed", "Unavailable") NOTES PERSON("p1000")));
    of.presence = &nothing;
    check(*state, 0, &of, PRESENCE(RESOURCE("t1000", "closed", "Unavailable") PERSON("p1000")));
    of.has_hint = true;
    check(*state, 0, &of, PRESENCE(RESOURCE("t1000", "open", "Ready") PERSON("p1000")));
}

/* Dialogs alone make the same document as a hint in their state. */
static void test_dialogs_only(void **state)
{
    static const enum extension_state states[] = { EXTENSION_IDLE, EXTENSION_RINGING,
                                                   EXTENSION_ONHOLD, EXTENSION_UNAVAILABLE };

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const struct published_resource of = {
            .state = states[i], .has_dialogs = true, .dialogs = &trying, .n_dialogs = 1
        };
        char *text = body_of(*state, watcher("presence", "phone"), PIDF, 0, resource_in(states[i]));

        check(*state, 0, &of, text);
        free(text);
    }
}

/* Digium's tuple is one of the tuples, with and without notes to stand before. */
static void test_digium(void **state)
{
#define DIGIUM                                  \
    " <tuple id=\"digium-presence\">\n"         \
    "  <status>\n"                              \
    "   <digium_presence type=\"not_set\" />\n" \
    "  </status>\n"                             \
    " </tuple>\n"
    static const struct es_tuple taken = { .id = ES_TEXT("digium-presence"),
                                           .basic = ES_BASIC_OPEN };
    struct es_presence presence = { .tuples = &taken, .n_tuples = 1 };
    const struct published_resource of = { .state = EXTENSION_IDLE, .presence = &presence };
    struct es_subscriber phone = watcher("presence", "Digium D40");

    check_published(*state, phone, PIDF, 0, &of,
                    PRESENCE(TUPLE("tdigium-presence", "open") DIGIUM PERSON("p1000")));
    check_published(*state, phone, PIDF, ASTERISK, &of,
                    PRESENCE(TUPLE("tdigium-presence", "open") PERSON("p1000") DIGIUM));
    presence.notes = notes;
    presence.n_notes = 1;
    check_published(*state, phone, PIDF, 0, &of,
                    PRESENCE(TUPLE("tdigium-presence", "open") DIGIUM NOTES PERSON("p1000")));
}

/* ---- ids ---- */

static void test_ids(void **state)
{
    static const struct es_tuple same[] = {
        { .id = ES_TEXT("1 2"), .basic = ES_BASIC_OPEN },   /* t1_202 */
        { .id = ES_TEXT("1_202"), .basic = ES_BASIC_OPEN }, /* t1_202 */
        { .id = ES_TEXT("t1_202-2"), .basic = ES_BASIC_OPEN },
        { .id = ES_TEXT("t1000"), .basic = ES_BASIC_OPEN }, /* the hint's */
        { .id = ES_TEXT("x"), .basic = ES_BASIC_OPEN },
    };
    static const struct es_device device = { .id = ES_TEXT("x"), .device_id = ES_TEXT("urn:d") };
    static const struct es_person x = { .id = ES_TEXT("x") };
    const struct es_presence presence = { .tuples = same,
                                          .n_tuples = 5,
                                          .persons = &x,
                                          .n_persons = 1,
                                          .devices = &device,
                                          .n_devices = 1 };
    const struct published_resource of = { .state = EXTENSION_IDLE,
                                           .has_hint = true,
                                           .presence = &presence };

    check(*state, 0, &of,
          PRESENCE(TUPLE("t1_202", "open") TUPLE("t1_202-2-2", "open") TUPLE("t1_202-2", "open")
                       TUPLE("t1000", "open") TUPLE("x", "open")
                           RESOURCE("t1000-8", "open", "Ready")
                               PERSON("x-7") " <dm:device id=\"x-6\">\n"
                                             "  <dm:deviceID>urn:d</dm:deviceID>\n"
                                             " </dm:device>\n"));
}

/* Ids that are too long for us are cut, and still differ. */
static void test_long_ids(void **state)
{
    static char name[1000];
    struct es_tuple both[2] = { { .id = { name, sizeof(name) }, .basic = ES_BASIC_OPEN },
                                { .id = { name, sizeof(name) }, .basic = ES_BASIC_OPEN } };
    const struct es_presence presence = { .tuples = both, .n_tuples = 2 };
    const struct published_resource of = { .presence = &presence };
    struct snapshot *s;
    char *text, *first, *second;

    memset(name, 'x', sizeof(name));
    s = published_snapshot(&of);
    text = body_text(profile_for(*state, watcher("presence", ""), PIDF, 0), s);
    first = strstr(text, "<tuple id=\"txxx");
    assert_non_null(first);
    second = strstr(first + 1, "<tuple id=\"txxx");
    assert_non_null(second);
    assert_true(strcspn(first + 11, "\"") <= 256 && strcspn(second + 11, "\"") <= 256);
    assert_memory_equal(second + 11 + strcspn(second + 11, "\"") - 2, "-2", 2);
    free(text);
    snapshot_unref(s);
}

/* ---- a generator of somebody else ---- */

static int generate_person(const struct es_body_request *rq, struct es_document *out)
{
    rq->api->child(rq->api->root(out, "presence"), "dm:person");
    return 0;
}

static const struct es_body_generator *const own[] = {
    GENERATOR(.name = "own", .package = "presence", .content_type = PIDF, .priority = 1,
              .generate = generate_person),
    NULL
};

/* A document with a person gets no second one. */
static void test_one_person(void **state)
{
    const struct published_resource of = { .state = EXTENSION_INUSE };
    static struct es_plugin plugin;
    struct body_registry *r;

    (void)state;
    assert_int_equal(body_registry_create(&r, NULL, NULL), 0);
    plug(r, &plugin, "own", own, NULL);
    check(r, 0, &of, PROLOG "<presence>\n <dm:person />\n</presence>\n");
    body_registry_unref(r);
}

/* ---- xpidf ---- */

static void test_xpidf(void **state)
{
    static const struct es_tuple closed[] = { { .basic = ES_BASIC_CLOSED }, { .basic = 0 } },
                                 open[] = { { .basic = ES_BASIC_CLOSED },
                                            { .basic = ES_BASIC_OPEN } };
    static const struct {
        const struct es_tuple *tuples; /* two; NULL: none */
        enum extension_state state;
        bool has_hint;
        enum extension_state hint;
        const char *status;
        const struct es_dialog *dialog;
    } cases[] = {
        { open, EXTENSION_IDLE, false, 0, "status=\"open\"" },
        { open, EXTENSION_INUSE, false, 0, "status=\"inuse\"" },
        { closed, EXTENSION_UNAVAILABLE, false, 0, "status=\"closed\"" },
        { closed, EXTENSION_IDLE, false, 0, "status=\"closed\"" },
        { NULL, EXTENSION_IDLE, false, 0, "status=\"closed\"" },
        { closed, EXTENSION_IDLE, true, EXTENSION_IDLE, "status=\"open\"" },
        { closed, EXTENSION_IDLE, true, EXTENSION_UNAVAILABLE, "status=\"closed\"" },
        { closed, EXTENSION_INUSE, true, EXTENSION_INUSE, "status=\"inuse\"" },
        { closed, EXTENSION_INUSE, false, 0, "status=\"inuse\"", &trying },
        { closed, EXTENSION_INUSE, false, 0, "status=\"closed\"", &ended },
    };
    static const char *const types[] = { "application/xpidf+xml", "application/cpim-pidf+xml" };

    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(types); i++) {
        const struct es_presence presence = { .tuples = cases[i / 2].tuples,
                                              .n_tuples = cases[i / 2].tuples ? 2 : 0 };
        const struct published_resource of = { .state = cases[i / 2].state,
                                               .has_hint = cases[i / 2].has_hint,
                                               .hint_state = cases[i / 2].hint,
                                               .presence = &presence,
                                               .has_dialogs = cases[i / 2].dialog != NULL,
                                               .dialogs = cases[i / 2].dialog,
                                               .n_dialogs = cases[i / 2].dialog != NULL };
        struct snapshot *s = published_snapshot(&of);
        char *text = body_text(profile_for(*state, watcher("presence", ""), types[i % 2], 0), s);

        if (!strstr(text, cases[i / 2].status))
            fail_msg("case %zu: no %s in\n%s", i / 2, cases[i / 2].status, text);
        free(text);
        snapshot_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_person),
        cmocka_unit_test(test_offline),    cmocka_unit_test(test_dialogs_only),
        cmocka_unit_test(test_digium),     cmocka_unit_test(test_ids),
        cmocka_unit_test(test_long_ids),   cmocka_unit_test(test_one_person),
        cmocka_unit_test(test_xpidf),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
