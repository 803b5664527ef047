// SPDX-License-Identifier: MIT
/* Dialogs that were published, as dialog-info, byte for byte. */
#include "body/published_testing.h"

#define DIALOG_INFO "application/dialog-info+xml"
#define NS "urn:ietf:params:xml:ns:dialog-info"

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

static struct es_subscriber publisher(void)
{
    struct es_subscriber s = watcher("dialog", "");

    s.publisher = true;
    return s;
}

#define HEAD \
    PROLOG "<dialog-info xmlns=\"" NS "\" version=\"7\" state=\"full\" entity=\"" LOCAL_URI "\""
#define DOCUMENT(dialogs) HEAD ">\n" dialogs "</dialog-info>\n"
#define EMPTY HEAD " />\n"
#define DIALOG(id, more, state)         \
    " <dialog id=\"" id "\"" more ">\n" \
    "  <state>" state "</state>\n"      \
    " </dialog>\n"
#define RECIPIENT " direction=\"recipient\""
#define INITIATOR " direction=\"initiator\""
#define PARTY                                 \
    "  <local>\n"                             \
    "   <identity>" LOCAL_URI "</identity>\n" \
    "   <target uri=\"" LOCAL_URI "\" />\n"   \
    "  </local>\n"
/* The hint's, when it rings. */
#define RINGING(id)                          \
    " <dialog id=\"" id "\"" RECIPIENT ">\n" \
    "  <state>early</state>\n" PARTY " </dialog>\n"
#define RINGING_ASTERISK(id)                                                  \
    " <dialog id=\"" id "\"" RECIPIENT ">\n" PARTY "  <state>early</state>\n" \
    " </dialog>\n"

/* ---- one dialog with everything ---- */

static const struct es_param params[] = {
    { ES_TEXT("+sip.rendering"), ES_TEXT("no") },
    { ES_TEXT("a\"b"), ES_TEXT("<&>") },
};

static const struct es_dialog whole = {
    .id = ES_TEXT("as7d<90"),
    .call_id = ES_TEXT("a84b4c76e66710@h"),
    .local_tag = ES_TEXT("1928&"),
    .remote_tag = ES_TEXT("456887766"),
    .direction = ES_DIRECTION_RECIPIENT,
    .state = ES_DIALOG_CONFIRMED,
    .event = ES_TEXT("replaced"),
    .code = 200,
    .held = true,
    .details = ES_TEXT("<referred-by xmlns=\"" NS "\">sip:bob@h</referred-by>"),
    .local = { .identity = ES_TEXT("sip:alice@h"),
               .display = ES_TEXT("Alice \"A\" <Smith>"),
               .target = ES_TEXT("sip:alice@192.0.2.1;x=\"1\""),
               .params = params,
               .n_params = ARRAY_LEN(params),
               .session_type = ES_TEXT("application/sdp"),
               .session = ES_TEXT("v=0\r\n") },
    .remote = { .identity = ES_TEXT("sip:bob&co@h") },
    .extensions = ES_TEXT("<x:mood xmlns:x=\"urn:x\">fine</x:mood>\n<x:more xmlns:x=\"urn:x\"/>"),
};

#define WHOLE                                                                                \
    " <dialog id=\"as7d&lt;90\" call-id=\"a84b4c76e66710@h\" local-tag=\"1928&amp;\""        \
    " remote-tag=\"456887766\"" RECIPIENT ">\n"                                              \
    "  <state event=\"replaced\" code=\"200\">confirmed</state>\n"                           \
    "  <referred-by xmlns=\"" NS "\">sip:bob@h</referred-by>\n"                              \
    "  <local>\n"                                                                            \
    "   <identity display=\"Alice &quot;A&quot; &lt;Smith&gt;\">sip:alice@h</identity>\n"    \
    "   <target uri=\"sip:alice@192.0.2.1;x=&quot;1&quot;\">\n"                              \
    "    <param pname=\"+sip.rendering\" pval=\"no\" />\n"                                   \
    "    <param pname=\"a&quot;b\" pval=\"&lt;&amp;&gt;\" />\n"                              \
    "   </target>\n"                                                                         \
    "   <session-description type=\"application/sdp\">v=0&#13;&#10;</session-description>\n" \
    "  </local>\n"                                                                           \
    "  <remote>\n"                                                                           \
    "   <identity>sip:bob&amp;co@h</identity>\n"                                             \
    "  </remote>\n"                                                                          \
    "  <x:mood xmlns:x=\"urn:x\">fine</x:mood>\n"                                            \
    "<x:more xmlns:x=\"urn:x\"/>\n"                                                          \
    " </dialog>\n"

static void test_whole(void **state)
{
    const struct published_resource of = {
        .state = EXTENSION_ONHOLD, .has_dialogs = true, .dialogs = &whole, .n_dialogs = 1
    };

    check_published(*state, watcher("dialog", ""), DIALOG_INFO, 0, &of, DOCUMENT(WHOLE));
    check_published(*state, watcher("presence", ""), DIALOG_INFO, 0, &of, DOCUMENT(WHOLE));
    check_published(*state, publisher(), DIALOG_INFO, 0, &of, DOCUMENT(WHOLE));
    check_published(*state, watcher("dialog", ""), DIALOG_INFO, ASTERISK, &of, DOCUMENT(WHOLE));
}

/* Each part of a party stands for itself; a target without a URI is where its party is. */
static void test_parties(void **state)
{
    static const struct {
        struct es_dialog_party party;
        const char *printed;
    } cases[] = {
        { { .display = ES_TEXT("Bob") }, "   <identity display=\"Bob\" />\n" },
        { { .target = ES_TEXT("sip:b@h") }, "   <target uri=\"sip:b@h\" />\n" },
        { { .identity = ES_TEXT("sip:bob@h"), .params = params, .n_params = 1 },
          "   <identity>sip:bob@h</identity>\n"
          "   <target uri=\"sip:bob@h\">\n"
          "    <param pname=\"+sip.rendering\" pval=\"no\" />\n"
          "   </target>\n" },
        { { .params = params, .n_params = 1 },
          "   <target uri=\"\">\n"
          "    <param pname=\"+sip.rendering\" pval=\"no\" />\n"
          "   </target>\n" },
        { { .session_type = ES_TEXT("application/sdp") },
          "   <session-description type=\"application/sdp\" />\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct es_dialog d = { .id = ES_TEXT("d"),
                                     .state = ES_DIALOG_CONFIRMED,
                                     .remote = cases[i].party };
        const struct published_resource of = { .has_dialogs = true, .dialogs = &d, .n_dialogs = 1 };
        char room[1024];
        struct buf expected;

        buf_init_on(&expected, room, sizeof(room));
        buf_printf(&expected,
                   HEAD ">\n"
                        " <dialog id=\"d\">\n"
                        "  <state>confirmed</state>\n"
                        "  <remote>\n%s  </remote>\n"
                        " </dialog>\n"
                        "</dialog-info>\n",
                   cases[i].printed);
        buf_add_char(&expected, '\0');
        assert_int_equal(expected.error, 0);
        check_published(*state, watcher("dialog", ""), DIALOG_INFO, 0, &of, room);
    }
}

/* ---- several, and the hint among them ---- */

static const struct es_dialog dialogs[] = {
    { .id = ES_TEXT("a"), .state = ES_DIALOG_EARLY, .direction = ES_DIRECTION_INITIATOR },
    { .id = ES_TEXT("1000"), .state = ES_DIALOG_CONFIRMED, .direction = ES_DIRECTION_RECIPIENT },
    { .id = ES_TEXT("c"), .state = ES_DIALOG_PROCEEDING },
    { .id = ES_TEXT("1000-hint"), .state = ES_DIALOG_TRYING },
    { .id = ES_TEXT("e"), .state = ES_DIALOG_TERMINATED, .event = ES_TEXT("remote-bye") },
};
#define A DIALOG("a", INITIATOR, "early")
#define B DIALOG("1000", RECIPIENT, "confirmed")
#define C DIALOG("c", "", "proceeding")
#define D DIALOG("1000-hint", "", "trying")
#define E                                                \
    " <dialog id=\"e\">\n"                               \
    "  <state event=\"remote-bye\">terminated</state>\n" \
    " </dialog>\n"
#define TERMINATED DIALOG("1000", "", "terminated")

static const struct dialogs_case {
    size_t first, n; /* of the dialogs above */
    bool has_hint;
    enum extension_state hint;
    const char *notify, *single, *publish;
    bool asterisk; /* ask in Asterisk's form */
} dialogs_cases[] = {
#define SAME(body) body, body, body
    /* without a hint */
    { 0, 5, false, 0, DOCUMENT(A B C D E), DOCUMENT(A), DOCUMENT(A B C D E), false },
    { 0, 5, false, 0, DOCUMENT(A B C D E), DOCUMENT(A), DOCUMENT(A B C D E), true },
    { 2, 1, false, 0, SAME(DOCUMENT(C)), false },
    { 4, 1, false, 0, DOCUMENT(E), DOCUMENT(E), EMPTY, false },
    { 4, 1, false, 0, SAME(DOCUMENT(E)), true },
    { 0, 0, false, 0, DOCUMENT(TERMINATED), DOCUMENT(TERMINATED), EMPTY, false },
    { 0, 0, false, 0, SAME(DOCUMENT(TERMINATED)), true },
    /* a hint with nothing to say is left out, unless there is nothing else */
    { 0, 2, true, EXTENSION_IDLE, DOCUMENT(A B), DOCUMENT(A), DOCUMENT(A B), false },
    { 0, 2, true, EXTENSION_UNAVAILABLE, DOCUMENT(A B), DOCUMENT(A), DOCUMENT(A B), false },
    { 4, 1, true, EXTENSION_IDLE, DOCUMENT(E), DOCUMENT(E), EMPTY, false },
    { 0, 0, true, EXTENSION_IDLE, DOCUMENT(TERMINATED), DOCUMENT(TERMINATED), EMPTY, false },
    { 0, 0, true, EXTENSION_IDLE, SAME(DOCUMENT(TERMINATED)), true },
    /* else it stands before those that matter less, under a name of its own */
    { 0, 0, true, EXTENSION_INUSE, SAME(DOCUMENT(DIALOG("1000", "", "confirmed"))), false },
    { 0, 3, true, EXTENSION_INUSE, DOCUMENT(A B DIALOG("1000-hint", "", "confirmed") C),
      DOCUMENT(A), DOCUMENT(A B DIALOG("1000-hint", "", "confirmed") C), false },
    { 1, 4, true, EXTENSION_RINGING, DOCUMENT(RINGING("1000-hint2") B C D E),
      DOCUMENT(RINGING("1000-hint2")), DOCUMENT(DIALOG("1000-hint2", RECIPIENT, "early") B C D E),
      false },
    { 1, 4, true, EXTENSION_RINGING, DOCUMENT(RINGING_ASTERISK("1000-hint2") B C D E),
      DOCUMENT(RINGING_ASTERISK("1000-hint2")),
      DOCUMENT(DIALOG("1000-hint2", RECIPIENT, "early") B C D E), true },
    { 0, 1, true, EXTENSION_RINGING, DOCUMENT(RINGING("1000") A), DOCUMENT(RINGING("1000")),
      DOCUMENT(DIALOG("1000", RECIPIENT, "early") A), false },
    { 2, 1, true, EXTENSION_BUSY, DOCUMENT(DIALOG("1000", "", "confirmed") C),
      DOCUMENT(DIALOG("1000", "", "confirmed")), DOCUMENT(DIALOG("1000", "", "confirmed") C),
      false },
    { 4, 1, true, EXTENSION_INUSE, DOCUMENT(DIALOG("1000", "", "confirmed") E),
      DOCUMENT(DIALOG("1000", "", "confirmed")), DOCUMENT(DIALOG("1000", "", "confirmed") E),
      false },
};

static void test_several(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(dialogs_cases); i++) {
        const struct dialogs_case *c = &dialogs_cases[i];
        const struct published_resource of = {
            .state = EXTENSION_INUSE_RINGING, /* it is not what is told */
            .has_hint = c->has_hint,
            .hint_state = c->hint,
            .has_dialogs = true,
            .dialogs = dialogs + c->first,
            .n_dialogs = c->n,
        };
        unsigned flags = c->asterisk ? ASTERISK : 0;

        check_published(*state, watcher("dialog", "a phone"), DIALOG_INFO, flags, &of, c->notify);
        check_published(*state, watcher("dialog", "a phone"), DIALOG_INFO,
                        flags | ES_FLAG_ONE_DIALOG, &of, c->single);
        check_published(*state, publisher(), DIALOG_INFO, flags, &of, c->publish);
    }
}

/* Somebody who publishes presence only is shown by the state of the whole. */
static void test_presence_only(void **state)
{
    static const struct es_presence presence = { .n_tuples = 0 };
    const struct published_resource of = { .state = EXTENSION_INUSE,
                                           .has_hint = true,
                                           .hint_state = EXTENSION_IDLE,
                                           .presence = &presence };

    check_published(*state, watcher("dialog", ""), DIALOG_INFO, 0, &of,
                    DOCUMENT(DIALOG("1000", "", "confirmed")));
}

/* A name of any length gets its ending. */
static void test_long_name(void **state)
{
    static char name[300];
    struct es_dialog d = { .id = { name, sizeof(name) }, .state = ES_DIALOG_CONFIRMED };
    struct snapshot_spec spec = resource_in(EXTENSION_INUSE);
    struct event_state *published;
    struct snapshot *s;
    char *text;

    memset(name, 'x', sizeof(name));
    assert_int_equal(event_state_create(&published), 0);
    published->has_dialogs = true;
    published->dialogs = &d;
    published->n_dialogs = 1;
    spec.published = published;
    spec.has_hint = true;
    spec.hint_state = EXTENSION_INUSE;
    spec.extension = (struct str){ name, sizeof(name) };
    s = snapshot_new(spec);
    text = body_text(profile_for(*state, watcher("dialog", ""), DIALOG_INFO, 0), s);
    assert_non_null(strstr(text, "xx-hint\">\n"));
    free(text);
    snapshot_unref(s);
    event_state_unref(published);
}

/* The calls of a hint are told in its place, among what is published. */
static void test_calls(void **state)
{
    static const struct es_dialog calls[] = {
        { .id = ES_TEXT("call"), .state = ES_DIALOG_EARLY, .direction = ES_DIRECTION_RECIPIENT },
        { .id = ES_TEXT("other"), .state = ES_DIALOG_TRYING },
    };
    struct published_resource of = { .state = EXTENSION_RINGING,
                                     .has_hint = true,
                                     .hint_state = EXTENSION_RINGING,
                                     .calls = calls,
                                     .n_calls = 2 };
#define CALL DIALOG("call", RECIPIENT, "early")
#define OTHER DIALOG("other", "", "trying")

    check_published(*state, watcher("dialog", "any"), DIALOG_INFO, 0, &of, DOCUMENT(CALL OTHER));
    check_published(*state, watcher("dialog", "any"), DIALOG_INFO, ES_FLAG_ONE_DIALOG, &of,
                    DOCUMENT(CALL));
    check_published(*state, publisher(), DIALOG_INFO, 0, &of, DOCUMENT(CALL OTHER));
    of.has_dialogs = true;
    of.dialogs = dialogs;
    of.n_dialogs = 3;
    check_published(*state, watcher("dialog", "any"), DIALOG_INFO, 0, &of,
                    DOCUMENT(CALL A B C OTHER));
}

/* ---- flags ---- */

/* Those whose User-Agent is listed, or everybody but a compositor, which can do with all. */
static void test_one_dialog(void **state)
{
    const struct published_resource of = { .has_dialogs = true,
                                           .dialogs = dialogs,
                                           .n_dialogs = 2 };

    check_published(*state, watcher("dialog", "any"), DIALOG_INFO, ES_FLAG_ONE_DIALOG, &of,
                    DOCUMENT(A));
    check_published(*state, watcher("presence", ""), DIALOG_INFO, ES_FLAG_ONE_DIALOG, &of,
                    DOCUMENT(A));
    check_published(*state, watcher("dialog", "any"), DIALOG_INFO, 0, &of, DOCUMENT(A B));
}

static void test_idle_dialog(void **state)
{
    static const struct published_resource nothing = { .has_dialogs = true },
                                           idle = { .state = EXTENSION_IDLE, .has_hint = true },
                                           inuse = { .state = EXTENSION_INUSE, .has_hint = true },
                                           ended = { .has_dialogs = true,
                                                     .dialogs = &dialogs[4],
                                                     .n_dialogs = 1 },
                                           ending = { .has_dialogs = true,
                                                      .dialogs = &dialogs[3],
                                                      .n_dialogs = 2 };
    static const unsigned none = ES_FLAG_NO_IDLE_DIALOG, forms[] = { 0, ES_FLAG_ONE_DIALOG };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const struct es_subscriber w = watcher("dialog", "phone");
        unsigned flags = none | forms[i];

        check_published(*state, w, DIALOG_INFO, flags, &nothing, EMPTY);
        check_published(*state, w, DIALOG_INFO, flags, &idle, EMPTY);
        check_published(*state, w, DIALOG_INFO, flags | ASTERISK, &nothing, DOCUMENT(TERMINATED));
        check_published(*state, w, DIALOG_INFO, flags | ASTERISK, &idle, DOCUMENT(TERMINATED));
        check_published(*state, w, DIALOG_INFO, flags, &inuse,
                        DOCUMENT(DIALOG("1000", "", "confirmed")));
        check_published(*state, w, DIALOG_INFO, flags, &ended, EMPTY);
        check_published(*state, w, DIALOG_INFO, flags | ES_FLAG_ENDED, &ended, DOCUMENT(E));
        check_published(*state, w, DIALOG_INFO, flags | ASTERISK, &ended, DOCUMENT(E));
        check_published(*state, w, DIALOG_INFO, flags, &ending, DOCUMENT(D));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_parties),
        cmocka_unit_test(test_several),       cmocka_unit_test(test_calls),
        cmocka_unit_test(test_presence_only), cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_one_dialog),    cmocka_unit_test(test_idle_dialog),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
