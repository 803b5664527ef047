// SPDX-License-Identifier: MIT
/* Each allocation fails in turn, ours and libxml2's: nothing is given out, nothing leaks, and what
 * is accepted all the same says what it always says. */
#include "base/memory_testing.h"
#include "body/inbound_cases.h"

static bool theirs; /* the one that failed was libxml2's */

static void *xml_realloc(void *p, size_t n)
{
    theirs = theirs || memory.left == 0;
    p = realloc(p, n);
    if (!p && !memory.failed) /* what reads bodies for the test only would crash */
        exit(1);
    return p;
}

static void *xml_malloc(size_t n)
{
    return xml_realloc(NULL, n);
}

static char *xml_strdup(const char *text)
{
    char *copy = xml_malloc(strlen(text) + 1);

    return copy ? memcpy(copy, text, strlen(text) + 1) : NULL;
}

/* ---- cases ---- */

static const struct {
    const char *package, *type, *body;
} bodies[] = {
    { "dialog", DIALOG_INFO,
      "<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='1' xmlns:z='urn:z'>"
      "<dialog id='a' call-id='c' local-tag='l' remote-tag='r' direction='recipient'>"
      "<state event='timeout' code='408'>early</state><replaces call-id='1' local-tag='2' "
      "remote-tag='3'/>"
      "<local><identity display='A &amp; B'>sip:a@x</identity><target uri='sip:a@x'>"
      "<param pname='+sip.rendering' pval='no'/></target><session-description type='t'>s"
      "</session-description></local><z:x><z:y a='&lt;'/></z:x></dialog>"
      "<dialog id='b'><state>confirmed</state></dialog><dialog id='c'><state>confirmed</state>"
      "</dialog><dialog id='d'><state>confirmed</state></dialog><dialog id='e'><state>confirmed"
      "</state></dialog></dialog-info>" },
    { "presence", PIDF,
      "<presence xmlns='urn:ietf:params:xml:ns:pidf' "
      "xmlns:d='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid'>"
      "<tuple id='a'><status><basic>open</basic><r:x/><e:activities "
      "xmlns:e='urn:ietf:params:xml:ns:pidf:status:rpid-status'><e:activity>away</e:activity>"
      "</e:activities></status><r:y/><contact priority='0.5'>sip:a@x</contact><note "
      "xml:lang='en'>n</note><timestamp>2026-03-01T09:12:44Z</timestamp></tuple>"
      "<d:person><r:activities><r:busy/></r:activities><r:mood><r:sad/></r:mood><d:note>n</d:note>"
      "<r:activities until='2026-03-01T09:12:44Z'><r:note>t</r:note><r:away/></r:activities>"
      "<r:mood from='2026-03-01T09:12:44Z'><r:happy/></r:mood>"
      "</d:person><d:device id='d'><d:deviceID>u</d:deviceID><r:user-input>idle</r:user-input>"
      "</d:device><note>&#65;&gt;</note><z xmlns='urn:z'/></presence>" },
    { "presence", XPIDF,
      "<presence><atom id='1'><address uri='sip:a@x;user=ip' priority='0.80000'>"
      "<status status='inuse'/><msnsubstatus "
      "substatus='onthephone'/></address></atom></presence>" },
    { "message-summary", "multipart/related;boundary=b",
      "--b\r\nContent-Type: " SUMMARY
      "\r\n\r\nMessages-Waiting: yes\r\nMessage-Account: sip:a@x\r\n"
      "Voice-Message: 1/2 (3/4)\r\n--b--\r\n" },
};

#define PATCHED \
    "<presence xmlns='urn:ietf:params:xml:ns:pidf'><tuple id='a'>x</tuple><note/></presence>"
#define DIFFERENCE                                                \
    "<d:pidf-diff xmlns='urn:ietf:params:xml:ns:pidf' "           \
    "xmlns:d='urn:ietf:params:xml:ns:pidf-diff' xmlns:q='urn:q'>" \
    "<d:add sel='*/tuple'><q:a q:b='&amp;'>1</q:a></d:add>"       \
    "<d:add sel='*/note' type='@q:x'>2</d:add>"                   \
    "<d:add sel='*/tuple/q:a' type='namespace::n'>urn:n</d:add>"  \
    "<d:replace sel='*/tuple/text()'>y</d:replace></d:pidf-diff>"

/* What a compositor has, which has read something before. */
static struct xml_parser *parser_used(void)
{
    static struct xml_parser parser;
    struct event_state *s;
    char reason[64];
    struct buf why;

    buf_init_on(&why, reason, sizeof(reason));
    assert_int_equal(inbound_parse(&s, &parser, str_of(bodies[0].package), str_of(bodies[0].type),
                                   str_of(bodies[0].body), &why),
                     0);
    event_state_unref(s);
    return &parser;
}

/* A run with allocation `n` failing (-1: none). Returns whether one failed. `says` has its room
 * beforehand. */
static bool run(size_t i, bool used, long n, struct buf *says, struct buf *why, int *result)
{
    struct xml_parser *parser = used ? parser_used() : NULL;
    struct event_state *s = NULL;
    bool failed;

    buf_reset(says);
    buf_reset(why);
    theirs = false;
    memory.left = n;
    if (i < ARRAY_LEN(bodies))
        *result = inbound_parse(&s, parser, str_of(bodies[i].package), str_of(bodies[i].type),
                                str_of(bodies[i].body), why);
    else
        *result = inbound_patch(STR(PATCHED), STR(DIFFERENCE), says, why);
    failed = n >= 0 && memory.left < 0;
    memory.left = -1;
    assert_int_equal(s != NULL, *result == 0 && i < ARRAY_LEN(bodies));
    if (s)
        event_state_dump(says, s);
    event_state_unref(s);
    return failed;
}

/* How often it was refused. */
static long fail_each(size_t i, bool used, struct buf *says, struct buf *expected, struct buf *why)
{
    long refused = 0;
    int r;

    assert_false(run(i, used, -1, says, why, &r));
    assert_int_equal(r, 0);
    buf_reset(expected);
    buf_add(expected, buf_str(says));
    for (long n = 0; run(i, used, n, says, why, &r); n++) {
        if (r == 0 && !str_equal(buf_str(says), buf_str(expected)))
            fail_msg("%zu, allocation %ld: %.*s", i, n, STR_FMT(buf_str(says)));
        /* libxml2 2.9 takes a name that it has no memory for as one that is missing */
        if (r && r != -ENOMEM && !(theirs && r == INBOUND_MALFORMED))
            fail_msg("%zu, allocation %ld: %d, %.*s", i, n, r, STR_FMT(buf_str(why)));
        refused += r != 0;
    }
    return refused;
}

static void test_all(void **state)
{
    static char room[1 << 16];
    struct buf says, expected, why;
    char reason[256];
    long total = 0;

    (void)state;
    buf_init(&says, sizeof(room));
    buf_init(&expected, sizeof(room));
    buf_add(&says, (struct str){ room, sizeof(room) });
    buf_init_on(&why, reason, sizeof(reason));
    for (size_t i = 0; i <= 2 * ARRAY_LEN(bodies); i++) {
        long refused = fail_each(i / 2, i % 2, &says, &expected, &why);

        assert_true(refused > 1);
        total += refused;
    }
    assert_true(total > 100);
    buf_fini(&says);
    buf_fini(&expected);
}

static void test_is_diff(void **state)
{
    bool diff = false, failed;
    long n = 0;
    int r;

    (void)state;
    do {
        theirs = false;
        memory.left = n++;
        r = inbound_is_diff(&diff, STR("presence"), STR(DIFF), STR(DIFFERENCE));
        failed = memory.left < 0;
        assert_true(r == -ENOMEM ? failed : diff || (failed && theirs));
    } while (failed);
    memory.left = -1;
    assert_true(n > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_is_diff),
    };

    memory.armed = true;

    if (xmlMemSetup(free, xml_malloc, xml_realloc, xml_strdup))
        return 1;
    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
