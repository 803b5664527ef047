// SPDX-License-Identifier: MIT
/* What XML can do to whoever reads it, the limits, and elements copied out of their document. */
#include "body/inbound_cases.h"
#include "xml/xml.h"

#define P "presence", PIDF
#define OPEN "<presence xmlns='urn:ietf:params:xml:ns:pidf'"

static void test_attacks(void **state)
{
    static const struct refused cases[] = {
        { "a billion laughs", P,
          "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c "
          "'&b;&b;&b;&b;'>]>\n" OPEN "><note>&c;</note></presence>",
          INBOUND_MALFORMED, "line 1: a document type is not accepted" },
        { "a file", P,
          "<!DOCTYPE l [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" OPEN "><note>&x;</note>"
          "</presence>",
          INBOUND_MALFORMED, "line 1: a document type is not accepted" },
        { "an external subset", P,
          "<?xml version='1.0'?>\n<!DOCTYPE presence SYSTEM 'http://192.0.2.1/x.dtd'>" OPEN "/>",
          INBOUND_MALFORMED, "line 2: a document type is not accepted" },
        { "a document type that says nothing", P, "<!DOCTYPE presence>" OPEN "/>",
          INBOUND_MALFORMED, "line 1: a document type is not accepted" },
        { "an entity", P, OPEN "><note>&x;</note></presence>", INBOUND_MALFORMED,
          "line 1: Entity 'x' not defined" },
        { "an entity in an attribute", P, OPEN " entity='&x;'/>", INBOUND_MALFORMED,
          "line 1: Entity 'x' not defined" },
        { "a control character", P, OPEN ">\n<note>\x01</note></presence>", INBOUND_MALFORMED,
          "line 2: a control character" },
        { "one by reference", P, OPEN "><note>&#1;</note></presence>", INBOUND_MALFORMED, NULL },
        { "not UTF-8", P, OPEN "><note>\xe4</note></presence>", INBOUND_MALFORMED,
          "line 1: not UTF-8" },
        { "a surrogate", P, OPEN "><note>\xed\xa0\x80</note></presence>", INBOUND_MALFORMED,
          "line 1: not UTF-8" },
        { "no character at all", P, OPEN "><note>\xef\xbf\xbf</note></presence>", INBOUND_MALFORMED,
          NULL },
        { "UTF-16 declared", P, "<?xml version='1.0' encoding='UTF-16'?>" OPEN "/>",
          INBOUND_MALFORMED, "line 1: the encoding is not UTF-8 but 'UTF-16'" },
        { "Latin 1 declared", P, "<?xml version=\"1.0\" encoding = \"ISO-8859-1\"?>" OPEN "/>",
          INBOUND_MALFORMED, "line 1: the encoding is not UTF-8 but 'ISO-8859-1'" },
        { "UTF-7 behind a byte order mark", P,
          "\xef\xbb\xbf<?xml version='1.0' encoding='utf-7'?>" OPEN "/>", INBOUND_MALFORMED,
          "line 1: the encoding is not UTF-8 but 'utf-7'" },
        { "an empty prefix for nothing", P, OPEN " xmlns:a=''/>", INBOUND_MALFORMED, NULL },
        { "xml taken", P, OPEN " xmlns:xml='urn:x'/>", INBOUND_MALFORMED, NULL },
        { "a quote in a reason", P, OPEN "><a b='&#10;'></presence>", INBOUND_MALFORMED, NULL },
    };

    static const struct accepted include = {
        "XInclude is one more element", P,
        OPEN
        "><x:include xmlns:x='http://www.w3.org/2001/XInclude' href='/etc/passwd'/></presence>",
        " extensions <x:include xmlns:x=\"http://www.w3.org/2001/XInclude\" "
        "href=\"/etc/passwd\"/>\n= UNAVAILABLE\n"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_refused(&cases[i]);
    check_accepted(&include);
}

static void test_nul(void **state)
{
    struct str bodies[] = { STR(OPEN "/>\0"), STR("\0" OPEN "/>"),
                            STR(OPEN "><note>a\0b</note></presence>"),
                            /* UTF-16, in both orders */
                            STR("\xff\xfe<\0p\0/\0>\0"), STR("\0<\0p\0/\0>"), STR("<\0p\0/\0>\0") };
    struct buf says, why;

    (void)state;
    buf_init(&says, 1 << 16);
    buf_init(&why, 1 << 10);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_int_equal(parse(&says, &why, P, bodies[i]), INBOUND_MALFORMED);
    buf_fini(&says);
    buf_fini(&why);
}

/* `head`, `unit` as often as said, `tail` */
struct flood {
    const char *name, *head, *unit;
    size_t times;
    const char *tail;
    int outcome;
};

static void check_flood(const struct flood *f)
{
    struct buf body, says, why;
    int r;

    buf_init(&body, 1 << 20);
    buf_init(&says, 1 << 20);
    buf_init(&why, 1 << 10);
    buf_add(&body, str_of(f->head));
    for (size_t i = 0; i < f->times; i++)
        buf_add(&body, str_of(f->unit));
    buf_add(&body, str_of(f->tail));
    assert_int_equal(body.error, 0);
    r = parse(&says, &why, P, buf_str(&body));
    if (r != f->outcome)
        fail_msg("%s: %d, not %d: %.*s", f->name, r, f->outcome, STR_FMT(buf_str(&why)));
    buf_fini(&body);
    buf_fini(&says);
    buf_fini(&why);
}

static void test_limits(void **state)
{
    static const struct flood cases[] = {
        { "depth, allowed", OPEN ">", "<a>", 31, "", INBOUND_MALFORMED },
        { "depth", OPEN ">", "<a>", 32, "", INBOUND_TOO_LARGE },
        { "depth without end", "", "<a>", 20000, "", INBOUND_TOO_LARGE },
        { "elements, allowed", OPEN "><b xmlns='u'>", "<a/>", XML_ELEMENTS_MAX - 2,
          "</b></presence>", 0 },
        { "elements", OPEN "><b xmlns='u'>", "<a/>", XML_ELEMENTS_MAX - 1, "</b></presence>",
          INBOUND_TOO_LARGE },
        { "rows, allowed", OPEN ">", "<tuple/>", 1024, "</presence>", 0 },
        { "rows", OPEN ">", "<tuple/>", 1025, "</presence>", INBOUND_TOO_LARGE },
        { "a text, allowed", OPEN "><note>", "x", 65000, "</note></presence>", 0 },
        { "a body", OPEN "><note>", "x", 65536, "</note></presence>", INBOUND_TOO_LARGE },
        { "a text of many pieces", OPEN "><note>", "&lt;<!---->", 5000, "</note></presence>", 0 },
        { "a name, allowed", OPEN "><", "n", XML_NAME_MAX, " xmlns='u'/></presence>", 0 },
        { "a name", OPEN "><", "n", XML_NAME_MAX + 1, "/></presence>", INBOUND_TOO_LARGE },
        { "an attribute's name", OPEN " ", "n", 2000, "='1'/>", INBOUND_TOO_LARGE },
        { "a prefix", OPEN " xmlns:", "n", XML_NAME_MAX + 1, "='u'/>", INBOUND_TOO_LARGE },
        { "a namespace", OPEN "><a xmlns='", "n", XML_NAME_MAX + 1, "'/></presence>",
          INBOUND_TOO_LARGE },
        { "an attribute's value, allowed", OPEN " entity='", "v", 60000, "'/>", 0 },
        { "processing instructions", OPEN ">", "<?a?>", 10000, "</presence>", 0 },
        /* 4 bytes here are 260 there */
        { "copies of a long namespace",
          OPEN " xmlns:a='urn:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'>",
          "<tuple><a:b/><a:b/><a:b/></tuple>", 900, "</presence>", INBOUND_TOO_LARGE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_flood(&cases[i]);
}

static void test_attributes(void **state)
{
    static const size_t counts[] = { XML_ATTRIBUTES_MAX, XML_ATTRIBUTES_MAX + 1, 5000 };

    (void)state;
    for (size_t k = 0; k < 2 * ARRAY_LEN(counts); k++) {
        size_t n = counts[k / 2];
        struct buf body, says, why;

        buf_init(&body, 1 << 20);
        buf_init(&says, 1 << 20);
        buf_init(&why, 1 << 10);
        buf_add(&body, STR("<p:presence xmlns:p='urn:ietf:params:xml:ns:pidf'"));
        for (size_t i = 1; i < n; i++)
            buf_printf(&body, k % 2 ? " xmlns:a%zu='u'" : " p:a%zu='1'", i);
        buf_add(&body, STR("/>"));
        assert_int_equal(body.error, 0);
        assert_int_equal(parse(&says, &why, P, buf_str(&body)), k < 2 ? 0 : INBOUND_TOO_LARGE);
        buf_fini(&body);
        buf_fini(&says);
        buf_fini(&why);
    }
}

/* A parser is kept when all was well, and not when it has learned too many names: each of these has
 * 200 bytes. */
static void test_kept(void **state)
{
    struct xml_parser kept = { .spare = NULL };
    struct buf body, says, why;

    (void)state;
    buf_init(&body, 1 << 20);
    buf_init(&says, 1 << 20);
    buf_init(&why, 1 << 10);
    assert_int_equal(parse_by(&kept, &says, &why, P, STR(OPEN "/>")), 0);
    assert_non_null(kept.spare);
    assert_int_equal(parse_by(&kept, &says, &why, P, STR(OPEN ">")), INBOUND_MALFORMED);
    assert_null(kept.spare);
    for (size_t n = 20; n <= 100; n += 80) {
        buf_reset(&body);
        buf_add(&body, STR(OPEN ">"));
        for (size_t i = 0; i < n; i++)
            buf_printf(&body, "<a:n%0199zu xmlns:a='u'/>", i);
        buf_add(&body, STR("</presence>"));
        assert_int_equal(parse_by(&kept, &says, &why, P, buf_str(&body)), 0);
        assert_int_equal(kept.spare != NULL, n == 20);
    }
    xml_parser_fini(&kept);
    buf_fini(&body);
    buf_fini(&says);
    buf_fini(&why);
}

/* The first element in the root, copied. */
static void test_copies(void **state)
{
    static const struct {
        const char *root, *copy;
    } cases[] = {
        { "<a><b/></a>", "<b/>" },
        { "<a xmlns='u'><b/></a>", "<b xmlns=\"u\"/>" },
        { "<a xmlns='u'><b xmlns=''><c/></b></a>", "<b xmlns=\"\"><c/></b>" },
        { "<p:a xmlns:p='u' xmlns:q='v'><p:b q:c='1' d='2'/></p:a>",
          "<p:b xmlns:p=\"u\" xmlns:q=\"v\" q:c=\"1\" d=\"2\"/>" },
        /* declared once, where the copy begins; what is not used is not declared */
        { "<a xmlns:p='u' xmlns:q='v'><b><p:c/><p:c/><d><p:e/></d></b></a>",
          "<b xmlns:p=\"u\"><p:c/><p:c/><d><p:e/></d></b>" },
        /* a prefix that means something else further in */
        { "<p:a xmlns:p='u'><p:b><p:c xmlns:p='v'><p:d/></p:c><p:e/></p:b></p:a>",
          "<p:b xmlns:p=\"u\"><p:c xmlns:p=\"v\"><p:d/></p:c><p:e/></p:b>" },
        { "<a xmlns:p='u'><b><c xmlns:p='v'><p:d/></c><p:e/></b></a>",
          "<b xmlns:p=\"u\"><c xmlns:p=\"v\"><p:d/></c><p:e/></b>" },
        /* a default namespace that not all inside have */
        { "<p:a xmlns:p='u' xmlns='v'><p:b><c/><d xmlns=''/><e/></p:b></p:a>",
          "<p:b xmlns:p=\"u\"><c xmlns=\"v\"/><d xmlns=\"\"/><e xmlns=\"v\"/></p:b>" },
        { "<a xml:lang='en'><b xml:space='preserve' xml:lang='&amp;'/></a>",
          "<b xml:space=\"preserve\" xml:lang=\"&amp;\"/>" },
        { "<a><b c='&lt;&quot;&#10;&#13;&#9;&apos;'>&lt;]]&gt;&amp;&#13;\n</b></a>",
          "<b c=\"&lt;&quot;&#10;&#13;&#9;&apos;\">&lt;]]&gt;&amp;&#13;\n</b>" },
        { "<a><b><![CDATA[<c/>&amp;]]></b></a>", "<b>&lt;c/&gt;&amp;amp;</b>" },
        { "<a>\n <b>\n  <c> </c>\n  <d>x<e/> y</d>\n </b></a>", "<b><c> </c><d>x<e/> y</d></b>" },
        { "<a><b><!-- x --><?y z?><c/></b></a>", "<b><c/></b>" },
        { "<a><b>\xe2\x82\xac \xf0\x9f\x93\x9e</b></a>", "<b>\xe2\x82\xac \xf0\x9f\x93\x9e</b>" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct xml_tree t = { .root = NULL };
        struct buf b, why;

        buf_init(&b, 1 << 10);
        buf_init(&why, 1 << 10);
        assert_int_equal(xml_tree_parse(&t, str_of(cases[i].root), &why), 0);
        assert_int_equal(xml_print(&t.arena, xml_first(t.root), false, &b), 0);
        if (!str_equal(buf_str(&b), str_of(cases[i].copy)))
            fail_msg("%s gave\n%.*s, not\n%s", cases[i].root, STR_FMT(buf_str(&b)), cases[i].copy);
        assert_true(xml_stands_alone((struct es_text){ b.p, b.n }));
        xml_tree_fini(&t);
        buf_fini(&b);
        buf_fini(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attacks), cmocka_unit_test(test_nul),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_kept),    cmocka_unit_test(test_copies),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
