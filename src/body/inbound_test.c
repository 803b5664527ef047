// SPDX-License-Identifier: MIT
/* What a body is taken for, multipart/related, and message-summary. */
#include "body/inbound_cases.h"

#define M "message-summary", SUMMARY
#define IDLE "<dialog-info xmlns='urn:ietf:params:xml:ns:dialog-info' version='1'/>"
#define OPENED                                       \
    "<presence xmlns='urn:ietf:params:xml:ns:pidf'>" \
    "<tuple id='a'><status><basic>open</basic></status></tuple></presence>"

static void test_packages(void **state)
{
    static const struct {
        const char *package, *types; /* "": not known */
    } cases[] = {
        { "dialog", DIALOG_INFO ", " PIDF ", " XPIDF ", " CPIM ", multipart/related" },
        { "presence", PIDF ", " DIFF ", " XPIDF ", " CPIM ", " DIALOG_INFO ", multipart/related" },
        { "message-summary", SUMMARY ", multipart/related" },
        { "presence.winfo", "" },
        { "Dialog", "" },
        { "", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str package = str_of(cases[i].package);
        struct buf b;

        buf_init(&b, 1 << 10);
        inbound_types_print(package, &b);
        assert_int_equal(b.n, strlen(cases[i].types));
        assert_true(b.n == 0 || memcmp(b.p, cases[i].types, b.n) == 0);
        assert_int_equal(inbound_package_known(package), b.n > 0);
        buf_fini(&b);
    }
}

static void test_types(void **state)
{
    static const struct refused cases[] = {
        { "plain text", "dialog", "text/plain", IDLE, INBOUND_WRONG_TYPE,
          "not a type, or not a charset, for this package: 'text/plain'" },
        { "no type", "dialog", "", IDLE, INBOUND_WRONG_TYPE,
          "not a type, or not a charset, for this package: ''" },
        { "half a type", "dialog", "application", IDLE, INBOUND_WRONG_TYPE, NULL },
        { "another package's", "presence", SUMMARY, "Messages-Waiting: no\r\n", INBOUND_WRONG_TYPE,
          NULL },
        { "another package's", "message-summary", DIALOG_INFO, IDLE, INBOUND_WRONG_TYPE, NULL },
        { "a package that is not known", "reg", "application/reginfo+xml", "<reginfo/>",
          INBOUND_WRONG_TYPE, NULL },
        { "another main type", "dialog", "text/dialog-info+xml", IDLE, INBOUND_WRONG_TYPE, NULL },
        { "a charset", "dialog", DIALOG_INFO ";charset=ISO-8859-1", IDLE, INBOUND_WRONG_TYPE,
          "not a type, or not a charset, for this package: "
          "'application/dialog-info+xml;charset=ISO-8859-1'" },
        { "a charset, quoted", "dialog", DIALOG_INFO ";charset=\"utf-16\"", IDLE,
          INBOUND_WRONG_TYPE, NULL },
        { "one type's body under another's name", "presence", DIALOG_INFO, OPENED,
          INBOUND_MALFORMED, NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(&cases[i]);
}

#define MULTIPART "multipart/related;type=\"" PIDF "\";boundary=\"b 1\""
#define PLAIN "multipart/related; boundary=xyz"

static void test_multipart(void **state)
{
    static const struct accepted cases[] = {
        { "the first part", "presence", MULTIPART,
          "preamble\r\n--b 1\r\nContent-Type: " PIDF "\r\nContent-ID: <1@x>\r\n\r\n" OPENED
          "\r\n--b 1\r\nContent-Type: image/png\r\n\r\n\r\n--b 1--\r\nepilogue",
          "tuple a open\n= NOT_INUSE\n" },
        { "the one that start names; line ends of both kinds", "presence",
          MULTIPART ";start=\"<2@x>\"",
          "--b 1\nContent-Type: image/png\nContent-ID: <1@x>\n\n--b 12\n--b 1x\n"
          "--b 1 \ncontent-type:\n " PIDF ";\n charset=utf-8\nContent-Transfer-Encoding: 8BIT\n"
          "CONTENT-ID:<2@x>\n\n" OPENED "\n--b 1--",
          "tuple a open\n= NOT_INUSE\n" },
        { "summary in a part", "message-summary", PLAIN,
          "--xyz\r\nContent-Type: " SUMMARY "\r\n\r\nMessages-Waiting: no\r\n--xyz--\r\n",
          "messages no\n" },
    };
    static const struct refused wrong[] = {
        { "no boundary", "presence", "multipart/related", OPENED, INBOUND_MALFORMED,
          "line 1: multipart/related without a boundary" },
        { "no part", "presence", PLAIN, OPENED, INBOUND_MALFORMED,
          "line 1: multipart/related without a part" },
        { "only the end", "presence", PLAIN, "--xyz--\r\n", INBOUND_MALFORMED,
          "line 1: multipart/related without a part" },
        { "no end", "presence", PLAIN, "--xyz\r\nContent-Type: " PIDF "\r\n\r\n" OPENED,
          INBOUND_MALFORMED, "line 1: multipart/related that does not end" },
        { "start names none", "presence", PLAIN ";start=\"<9@x>\"",
          "--xyz\r\nContent-ID: <1@x>\r\n\r\n\r\n--xyz--\r\n", INBOUND_MALFORMED,
          "line 1: multipart/related has no part '<9@x>'" },
        { "base64", "presence", PLAIN,
          "--xyz\r\nContent-Type: " PIDF "\r\nContent-Transfer-Encoding: base64\r\n\r\n"
          "PHByZXNlbmNlLz4=\r\n--xyz--\r\n",
          INBOUND_MALFORMED, "line 1: Content-Transfer-Encoding 'base64'" },
        { "no type in the part", "presence", PLAIN, "--xyz\r\n\r\n" OPENED "\r\n--xyz--\r\n",
          INBOUND_WRONG_TYPE, NULL },
        { "one in another", "presence", PLAIN,
          "--xyz\r\nContent-Type: " PLAIN "\r\n\r\n--xyz--\r\n", INBOUND_WRONG_TYPE, NULL },
        { "mixed", "presence", "multipart/mixed;boundary=xyz",
          "--xyz\r\nContent-Type: " PIDF "\r\n\r\n" OPENED "\r\n--xyz--\r\n", INBOUND_WRONG_TYPE,
          NULL },
        { "broken in the part", "presence", PLAIN,
          "--xyz\r\nContent-Type: " PIDF "\r\n\r\n<presence\r\n--xyz--\r\n", INBOUND_MALFORMED,
          NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_accepted(&cases[i]);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        check_refused(&wrong[i]);
}

static void test_messages(void **state)
{
    static const struct accepted cases[] = {
        { "Asterisk", M, "Messages-Waiting: yes\r\nVoice-Message: 2/1 (0/0)\r\n",
          "messages yes voice 2/1 (0/0)\n" },
        { "the example of RFC 3842", M,
          "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n"
          "Voice-Message: 4/8 (1/2)\r\n\r\nTo: <alice@atlanta.example.com>\r\n"
          "Voice-Message: x\r\n",
          "messages yes account=sip:alice@vmail.example.com voice 4/8 (1/2)\n" },
        { "bare line ends, any case, no urgent ones, no end", M,
          "\nmessages-waiting:NO\nMESSAGE-ACCOUNT : <sip:a@x>\nvoice-message:0/0\nFax-Message: 1 / "
          "2( 3 / 4 )\nPager-Message: 5/6\nMultimedia-Message: 7/8\nText-Message: 9/10\nNone: "
          "4294967295/0\nVideo-Message: 1/1\nX: y",
          "messages no account=sip:a@x voice 0/0 (0/0) fax 1/2 (3/4) pager 5/6 (0/0) "
          "multimedia 7/8 (0/0) text 9/10 (0/0) none 4294967295/0 (0/0)\n" },
        { "the flag alone", M, "Messages-Waiting: yes", "messages yes\n" },
        { "the flag last", M, "Voice-Message: 1/0\r\nMessages-Waiting: yes\r\n",
          "messages yes voice 1/0 (0/0)\n" },
    };
    static const struct refused wrong[] = {
        { "no flag", M, "Voice-Message: 1/0\r\n", INBOUND_MALFORMED,
          "line 1: no Messages-Waiting" },
        { "nothing", M, "", INBOUND_MALFORMED, "line 0: no Messages-Waiting" },
        { "neither yes nor no", M, "\r\nMessages-Waiting: maybe\r\n", INBOUND_MALFORMED,
          "line 2, Messages-Waiting: neither yes nor no but 'maybe'" },
        { "no field", M, "Messages-Waiting: yes\r\nVoice-Message 1/0\r\n", INBOUND_MALFORMED,
          "line 2: not a field: 'Voice-Message 1/0'" },
        { "over 32 bits", M, "Messages-Waiting: yes\r\nVoice-Message: 4294967296/0\r\n",
          INBOUND_MALFORMED, "line 2, Voice-Message: no counters: '4294967296/0'" },
        { "over 32 bits, urgent", M, "Messages-Waiting: yes\nFax-Message: 1/0 (0/99999999999)",
          INBOUND_MALFORMED, NULL },
        { "one counter", M, "Messages-Waiting: yes\nFax-Message: 1", INBOUND_MALFORMED, NULL },
        { "negative", M, "Messages-Waiting: yes\nFax-Message: -1/0", INBOUND_MALFORMED, NULL },
        { "open", M, "Messages-Waiting: yes\nFax-Message: 1/0 (1/0", INBOUND_MALFORMED, NULL },
        { "more", M, "Messages-Waiting: yes\nFax-Message: 1/0 (1/0) x", INBOUND_MALFORMED, NULL },
        { "not UTF-8", M, "Messages-Waiting: yes\nMessage-Account: sip:\xff@x", INBOUND_MALFORMED,
          "line 2: not UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_accepted(&cases[i]);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        check_refused(&wrong[i]);
}

/* Bodies of packages that nobody here understands. */
static void test_check_xml(void **state)
{
    static const struct {
        const char *type, *body;
        int outcome;
    } cases[] = {
        { "application/reginfo+xml", "<a b='1'>&lt;</a>", 0 },
        { "application/reginfo+xml;charset=utf-8", "<a><b></a>", INBOUND_MALFORMED },
        { "Application/Reginfo+XML", "<!DOCTYPE a><a/>", INBOUND_MALFORMED },
        { "text/xml", "", INBOUND_MALFORMED },
        { "text/xml", "<a>\xff</a>", INBOUND_MALFORMED },
        { "text/plain", "<a>", 0 },
        { "application/xmlish", "<a>", 0 },
        { "a/xml-b", "<a>", 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf why;
        int r;

        buf_init(&why, 1 << 10);
        r = inbound_check_xml(str_of(cases[i].type), str_of(cases[i].body), &why);
        if (r != cases[i].outcome || (why.n > 0) != (r != 0))
            fail_msg("%s, %s: %d %.*s", cases[i].type, cases[i].body, r, STR_FMT(buf_str(&why)));
        buf_fini(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_xml), cmocka_unit_test(test_packages),
        cmocka_unit_test(test_types),     cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_messages),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
