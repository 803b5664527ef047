// SPDX-License-Identifier: MIT
/* What of a resource's presence is left for whom it is granted in part: RFC 5025 section 3.3. */
#include "base/memory_testing.h"
#include "body/body_testing.h"
#include "body/inbound_testing.h"
#include "body/shown.h"

#define DOCUMENT                                                                                  \
    "<presence xmlns='urn:ietf:params:xml:ns:pidf' "                                              \
    "xmlns:d='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid'" \
    " xmlns:z='urn:z'>"                                                                           \
    "<tuple id='t1'><status><basic>open</basic><z:s/></status><r:class>biz</r:class>"             \
    "<d:deviceID>urn:uuid:AB</d:deviceID><r:relationship><r:self/></r:relationship>"              \
    "<r:service-class><r:electronic/></r:service-class><z:x>1</z:x>"                              \
    "<r:user-input idle-threshold='600' since='2026-01-05T12:00:00Z' x='y'>idle"                  \
    "</r:user-input><contact>sip:alice@x</contact><note>n1</note>"                                \
    "<timestamp>2026-01-05T12:00:00Z</timestamp></tuple>"                                         \
    "<tuple id='t2'><status><basic>closed</basic></status><contact>tel:1</contact></tuple>"       \
    "<d:person id='p1'><r:activities><r:meeting/></r:activities><r:class>home</r:class>"          \
    "<r:mood><r:sad/></r:mood><r:sphere><r:work/></r:sphere><z:x/><d:note>n2</d:note></d:person>" \
    "<d:device id='d1'><r:class>biz</r:class><r:user-input since='2026-01-05T12:00:00Z'>active"   \
    "</r:user-input><d:deviceID>urn:uuid:ab</d:deviceID><d:note>n3</d:note></d:device>"           \
    "<note>n4</note><z:y/></presence>"
#define R "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\""
#define D "xmlns:d=\"urn:ietf:params:xml:ns:pidf:data-model\""
#define RPID "{urn:ietf:params:xml:ns:pidf:rpid}"
#define ANYBODY     \
    {               \
        .all = true \
    }
#define ONE(kind, text)                                                          \
    {                                                                            \
        .members = &(struct view_member){ kind, STR_INIT(text) }, .n_members = 1 \
    }

struct resource {
    const char *document; /* NULL: nothing is published */
    enum extension_state state;
    bool has_hint;
    enum extension_state hint_state;
};

static struct snapshot *snapshot_make(const struct resource *of)
{
    struct snapshot_spec spec = resource_in(of->state);
    struct event_state *published = NULL;
    struct snapshot *s;
    char reason[256];
    struct buf why;

    buf_init_on(&why, reason, sizeof(reason));
    if (of->document)
        assert_int_equal(inbound_parse(&published, NULL, STR("presence"),
                                       STR("application/pidf+xml"), str_of(of->document), &why),
                         0);
    spec.published = published;
    spec.has_hint = of->has_hint;
    spec.hint_state = of->has_hint ? of->hint_state : EXTENSION_UNAVAILABLE;
    spec.presence = PRESENCE_AWAY;
    spec.presence_message = STR("lunch");
    s = snapshot_new(spec);
    event_state_unref(published);
    return s;
}

static struct view *view_make(const struct view_grants *g)
{
    _Atomic(struct view *) list = NULL;
    struct view *v = view_ref(view_intern(&list, g));

    assert_non_null(v);
    view_list_fini(&list);
    return v;
}

/* What is shown, as text: the state, the hint's, what a provider says, and what is published. */
static void shown_print(struct buf *out, const struct snapshot *s)
{
    buf_printf(out, "%.*s", STR_FMT(extension_state_text(s->state)));
    if (s->has_hint)
        buf_printf(out, " hint %.*s", STR_FMT(extension_state_text(s->hint_state)));
    if (s->presence != PRESENCE_NOT_SET)
        buf_printf(out, " %.*s", STR_FMT(presence_state_name(s->presence)));
    buf_printf(out, " %.*s\n", STR_FMT(s->presence_message));
    if (s->published)
        event_state_dump(out, s->published);
}

/* It outlives the snapshot it is made from. */
static void check(const struct resource *of, const struct view_grants *grants, const char *want)
{
    struct snapshot *s = snapshot_make(of);
    struct view *v = view_make(grants);
    const struct snapshot *shown, *again;
    struct buf got;

    buf_init(&got, 1 << 16);
    assert_int_equal(snapshot_shown(&shown, s, v), 0);
    assert_int_equal(snapshot_shown(&again, s, v), 0);
    assert_ptr_equal(shown, again);
    assert_int_equal(shown->sequence, s->sequence);
    snapshot_ref(shown);
    snapshot_unref(s);
    view_unref(v);
    shown_print(&got, shown);
    snapshot_unref(shown);
    buf_add_char(&got, '\0');
    assert_int_equal(got.error, 0);
    assert_string_equal(got.p, want);
    buf_fini(&got);
}

static void test_published(void **state)
{
    const struct {
        struct view_grants grants;
        const char *want;
    } cases[] = {
        { { .attributes = 0 }, "Unavailable \n= UNAVAILABLE\n" },
        /* Without any attribute: what is always told. */
        { { ANYBODY, ANYBODY, ANYBODY },
          "Idle \ntuple t1 open sip:alice@x at=2026-01-05T12:00:00Z\n"
          " extensions <r:service-class " R "><r:electronic/></r:service-class>\n"
          "tuple t2 closed tel:1\nperson p1\ndevice d1 urn:uuid:ab\n= NOT_INUSE\n" },
        { { ANYBODY, ANYBODY, ONE(VIEW_SERVICE_URI_SCHEME, "sip"),
            .attributes = VIEW_ACTIVITIES | VIEW_CLASSES | VIEW_DEVICE_IDS | VIEW_NOTE,
            .user_input = VIEW_USER_INPUT_THRESHOLDS },
          "Idle away lunch\ntuple t1 open sip:alice@x at=2026-01-05T12:00:00Z\n"
          " extensions <r:class " R ">biz</r:class><d:deviceID " D ">urn:uuid:AB</d:deviceID>"
          "<r:service-class " R "><r:electronic/></r:service-class>"
          "<r:user-input " R " idle-threshold=\"600\" x=\"y\">idle</r:user-input>\n"
          " note :n1\nperson p1\n activity " RPID "meeting  <r:meeting " R "/>\n"
          " element " RPID "class  <r:class " R ">home</r:class>\n note :n2\n"
          "device d1 urn:uuid:ab\n element " RPID "class  <r:class " R ">biz</r:class>\n"
          " element " RPID "user-input  <r:user-input " R ">active</r:user-input>\n"
          " note :n3\n note :n4\n= NOT_INUSE\n" },
        { { .persons = ANYBODY,
            .attributes = VIEW_MOOD | VIEW_SPHERE,
            .others = &(struct view_name){ STR_INIT("urn:z"), STR_INIT("x") },
            .n_others = 1 },
          "Unavailable \nperson p1\n"
          " element " RPID "mood  <r:mood " R "><r:sad/></r:mood>\n"
          " element " RPID "sphere  <r:sphere " R "><r:work/></r:sphere>\n"
          " element {urn:z}x  <z:x xmlns:z=\"urn:z\"/>\n= UNAVAILABLE\n" },
        { { .services = ONE(VIEW_CLASS, "biz"), .user_input = VIEW_USER_INPUT_BARE },
          "Idle \ntuple t1 open sip:alice@x at=2026-01-05T12:00:00Z\n"
          " extensions <r:service-class " R "><r:electronic/></r:service-class>"
          "<r:user-input " R " x=\"y\">idle</r:user-input>\n= NOT_INUSE\n" },
        { { .services = ONE(VIEW_OCCURRENCE_ID, "t2"), .all_attributes = true },
          "Unavailable \ntuple t2 closed tel:1\n note :n4\n= UNAVAILABLE\n" },
        { { .services = ONE(VIEW_SERVICE_URI, "TEL:1") },
          "Unavailable \ntuple t2 closed tel:1\n= UNAVAILABLE\n" },
        { { .devices = ONE(VIEW_DEVICE_ID, "urn:uuid:AB") },
          "Unavailable \ndevice d1 urn:uuid:ab\n= UNAVAILABLE\n" },
        { { .devices = ONE(VIEW_CLASS, "home") }, "Unavailable \n= UNAVAILABLE\n" },
        { { .persons = ONE(VIEW_CLASS, "home") }, "Unavailable \nperson p1\n= UNAVAILABLE\n" },
        { { .persons = ONE(VIEW_OCCURRENCE_ID, "P1") }, "Unavailable \n= UNAVAILABLE\n" },
    };
    const struct resource of = { .document = DOCUMENT, .state = EXTENSION_IDLE };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(&of, &cases[i].grants, cases[i].want);
}

#define CALL                                                                             \
    " activity " RPID "on-the-phone  <on-the-phone xmlns=\"urn:ietf:params:xml:ns:pidf:" \
    "rpid\"/>\n"
#define OPEN                                                                                  \
    "<presence xmlns='urn:ietf:params:xml:ns:pidf'><tuple id='t'><status><basic>open</basic>" \
    "</status></tuple></presence>"

/* A hint is a service and, in a call, an activity of the person. */
static void test_hint(void **state)
{
    const struct {
        struct view_grants grants;
        struct resource of;
        const char *want;
    } cases[] = {
#define RINGS { NULL, EXTENSION_RINGING, true, EXTENSION_RINGING }
        { { .services = ANYBODY }, RINGS, "Idle hint Idle \n" },
        { { .services = ONE(VIEW_SERVICE_URI_SCHEME, "sip") }, RINGS, "Idle hint Idle \n" },
        { { .services = ONE(VIEW_OCCURRENCE_ID, "1000") }, RINGS, "Idle hint Idle \n" },
        { { .services = ONE(VIEW_SERVICE_URI_SCHEME, "tel") },
          RINGS,
          "Unavailable \n= UNAVAILABLE\n" },
        { { .services = ANYBODY, .persons = ANYBODY }, RINGS, "Idle hint Idle \n" },
        { { .services = ANYBODY, .attributes = VIEW_ACTIVITIES }, RINGS, "Idle hint Idle \n" },
        { { .services = ANYBODY, .persons = ANYBODY, .attributes = VIEW_ACTIVITIES },
          RINGS,
          "Ringing hint Ringing away \n" },
        { { .services = ANYBODY,
            .persons = ONE(VIEW_OCCURRENCE_ID, "1000"),
            .attributes = VIEW_ACTIVITIES | VIEW_NOTE },
          RINGS,
          "Ringing hint Ringing away lunch\n" },
        { { .persons = ANYBODY, .attributes = VIEW_ACTIVITIES },
          RINGS,
          "Unavailable away \nperson \n" CALL "= UNAVAILABLE\n" },
        { { .services = ANYBODY },
          { NULL, EXTENSION_UNAVAILABLE, true, EXTENSION_UNAVAILABLE },
          "Unavailable hint Unavailable \n" },
        { { .services = ANYBODY },
          { NULL, EXTENSION_REMOVED, true, EXTENSION_REMOVED },
          "Unknown hint Unknown \n" },
        /* Beside a published tuple. */
        { { .services = ONE(VIEW_OCCURRENCE_ID, "t"),
            .persons = ANYBODY,
            .attributes = VIEW_ACTIVITIES },
          { OPEN, EXTENSION_INUSE, true, EXTENSION_INUSE },
          "InUse away \ntuple t open\nperson \n" CALL "= INUSE\n" },
        { { .services = ONE(VIEW_OCCURRENCE_ID, "t") },
          { OPEN, EXTENSION_INUSE, true, EXTENSION_INUSE },
          "Idle \ntuple t open\n= NOT_INUSE\n" },
        { { .services = ONE(VIEW_OCCURRENCE_ID, "1000") },
          { OPEN, EXTENSION_INUSE, true, EXTENSION_INUSE },
          "Idle hint Idle \n= UNAVAILABLE\n" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(&cases[i].of, &cases[i].grants, cases[i].want);
}

/* Each allocation fails in turn: it is shown as ever, or not at all; libxml2 may leave out more. */
static void test_no_memory(void **state)
{
    const struct resource of = { .document = DOCUMENT, .state = EXTENSION_IDLE };
    const struct view_grants grants = { ANYBODY, ANYBODY, ONE(VIEW_CLASS, "biz"),
                                        .attributes = VIEW_NOTE };
    struct view *v = view_make(&grants);
    long refused = 0;
    int r = -1;

    (void)state;
    for (long n = 0; r || memory.failed; n++) {
        struct snapshot *s = snapshot_make(&of);
        const struct snapshot *shown = NULL;

        memory.failed = false;
        memory.left = n;
        memory_guard(true);
        r = snapshot_shown(&shown, s, v);
        memory_guard(false);
        memory.left = -1;
        assert_true(r == 0 || (r == -ENOMEM && memory.failed && !shown));
        refused += r != 0;
        snapshot_unref(s);
    }
    assert_true(refused > 10);
    view_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
