// SPDX-License-Identifier: MIT
#include "body/inbound_cases.h"

#define NAMESPACES                                                                         \
    " xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:p=\"urn:ietf:params:xml:ns:pidf-diff\" " \
    "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" "                                        \
    "xmlns:d=\"urn:ietf:params:xml:ns:pidf:data-model\""
#define WHOLE "<p:pidf-full" NAMESPACES " entity=\"pres:a@x\" version=\"567\">"
#define WHOLE_END "</p:pidf-full>"
#define OPS "<p:pidf-diff" NAMESPACES " entity=\"pres:a@x\" version=\"568\">"
#define OPS_END "</p:pidf-diff>"

/* Of the example in RFC 5262 section 6, in brief. */
#define BASE                                                                               \
    WHOLE "<tuple id=\"sg89ae\"><status><basic>open</basic></status></tuple>\n"            \
          "<tuple id=\"cg231jcr\"><status><basic>open</basic></status>"                    \
          "<contact priority=\"1.0\">im:pep@x</contact></tuple>\n"                         \
          "<tuple id=\"r1230d\"><status><basic>closed</basic></status></tuple>\n"          \
          "<note xml:lang=\"en\">whole</note>\n"                                           \
          "<d:person id=\"p123\"><r:activities><r:on-the-phone/><r:busy/> </r:activities>" \
          "</d:person>" WHOLE_END

static int patch(struct buf *out, struct buf *why, const char *base, const char *diff)
{
    return inbound_patch(str_of(base), str_of(diff), out, why);
}

/* Without the declaration and the line end. */
static struct str document_of(const struct buf *b)
{
    struct str prolog = STR(PROLOG), s = buf_str(b);

    assert_true(str_starts(s, prolog) && str_ends(s, STR("\n")));
    return str_sub(s, prolog.n, s.n - 1);
}

static void test_example(void **state)
{
    static const char diff[] = PROLOG OPS
        "\n"
        " <p:add sel=\"presence/note\" pos=\"before\">\n"
        "  <tuple id=\"ert4773\"><status><basic>open</basic></status>"
        "<contact priority=\"0.4\">mailto:pep@x</contact></tuple>\n"
        " </p:add>\n"
        " <p:replace sel=\"*/tuple[@id='r1230d']/status/basic/text()\"\n"
        "   >open</p:replace>\n"
        " <p:remove sel=\"*/d:person/r:activities/r:busy\" ws=\"after\"/>\n"
        " <p:replace sel=\"*/tuple[@id='cg231jcr']/contact/@priority\">0.7</p:replace>\n" OPS_END;
    static const char says[] =
        "tuple sg89ae open\ntuple cg231jcr open im:pep@x priority=0.7\ntuple r1230d open\n"
        "tuple ert4773 open mailto:pep@x priority=0.4\n"
        "person p123\n activity {urn:ietf:params:xml:ns:pidf:rpid}on-the-phone  <r:on-the-phone "
        "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/>\n note en:whole\n= INUSE\n";
    struct buf out, dump, why;

    (void)state;
    buf_init(&out, 1 << 20);
    buf_init(&dump, 1 << 20);
    buf_init(&why, 1 << 10);
    assert_int_equal(patch(&out, &why, BASE, diff), 0);
    assert_int_equal(parse(&dump, &why, "presence", DIFF, buf_str(&out)), 0);
    if (!str_equal(buf_str(&dump), str_of(says)))
        fail_msg("says\n%.*s", STR_FMT(buf_str(&dump)));
    assert_true(
        str_ends(document_of(&out),
                 STR("<r:activities><r:on-the-phone/></r:activities></d:person>" WHOLE_END)));
    buf_fini(&out);
    buf_fini(&dump);
    buf_fini(&why);
}

/* Both times of activities, one of which is there already. */
static void test_times(void **state)
{
    static const char base[] =
        WHOLE "<d:person id=\"p\"><r:activities until=\"2026-01-05T13:00:00Z\"><r:busy/>"
              "</r:activities></d:person>" WHOLE_END;
    static const char diff[] =
        OPS "<p:replace sel=\"*/d:person/r:activities/@until\">1970-01-01T00:00:02Z</p:replace>"
            "<p:add sel=\"*/d:person/r:activities\" "
            "type=\"@from\">1970-01-01T00:00:01Z</p:add>" OPS_END;
    static const char wrong[] =
        OPS "<p:replace sel=\"*/d:person/r:activities/@until\">later</p:replace>" OPS_END;
    struct buf out, dump, why;

    (void)state;
    buf_init(&out, 1 << 20);
    buf_init(&dump, 1 << 20);
    buf_init(&why, 1 << 10);
    assert_int_equal(patch(&out, &why, base, diff), 0);
    assert_int_equal(parse(&dump, &why, "presence", DIFF, buf_str(&out)), 0);
    assert_true(str_starts(buf_str(&dump), STR("person p\n during 1000-2000 of 0 activity ")));
    buf_reset(&out);
    assert_int_equal(patch(&out, &why, base, wrong), 0);
    assert_int_equal(parse(&dump, &why, "presence", DIFF, buf_str(&out)), INBOUND_MALFORMED);
    buf_fini(&out);
    buf_fini(&dump);
    buf_fini(&why);
}

/* A document, the operations on it, and what it is then. */
#define DOC(content) "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\">" content "</presence>"
#define ADD(attributes, content) "<p:add " attributes ">" content "</p:add>"
#define REPLACE(attributes, content) "<p:replace " attributes ">" content "</p:replace>"
#define REMOVE(attributes) "<p:remove " attributes "/>"

static void test_operations(void **state)
{
    static const struct {
        const char *before, *operations, *after;
    } cases[] = {
        { DOC("<a/>"), "", DOC("<a/>") },
        /* add: section 4.3 */
        { DOC("<a/>"), ADD("sel='*'", "<b/>"), DOC("<a/><b/>") },
        { DOC("<a/>"), ADD("sel='/presence'", " <b/><c/>"), DOC("<a/> <b/><c/>") },
        { DOC("<a/>"), ADD("sel='*' pos='prepend'", "<b/><c/>"), DOC("<b/><c/><a/>") },
        { DOC("<a/><b/>"), ADD("sel='*/b' pos='before'", "x<c/>"), DOC("<a/>x<c/><b/>") },
        { DOC("<a/><b/>"), ADD("sel='*/a' pos='after'", "<c/>"), DOC("<a/><c/><b/>") },
        { DOC("<a>x</a>"), ADD("sel='*/a/text()' pos='before'", "<c/>"), DOC("<a><c/>x</a>") },
        { DOC("<a>x</a>"), ADD("sel='*/a'", "y") ADD("sel='*/a/text()' pos='after'", "<c/>"),
          DOC("<a>xy<c/></a>") },
        { DOC("<a/>"), ADD("sel='*/a' type='@b'", "1 &lt; 2"), DOC("<a b=\"1 &lt; 2\"/>") },
        { DOC("<a/>"), ADD("sel='*/a' type='@r:b'", ""),
          "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
          "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"><a r:b=\"\"/></presence>" },
        { DOC("<a/>"), ADD("sel='*/a' type='@xml:lang'", "en"), DOC("<a xml:lang=\"en\"/>") },
        { DOC("<a/>"), ADD("sel='*/a' type='namespace::q'", "urn:q"),
          DOC("<a xmlns:q=\"urn:q\"/>") },
        { DOC("<a/>"), ADD("sel='*/a'", "<r:b/>"),
          "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
          "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"><a><r:b/></a></presence>" },
        { DOC("<r:a xmlns:r=\"urn:else\"/>"), ADD("sel=\"*/*\"", "<r:b/>"),
          DOC("<r:a xmlns:r=\"urn:else\"><r:b "
              "xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\"/></r:a>") },
        { DOC("<a/>"), ADD("sel='*/a'", "<b xmlns=''/>"), DOC("<a><b xmlns=\"\"/></a>") },
        /* replace: section 4.4 */
        { DOC("<a/>"), REPLACE("sel='*/a'", " <b/>\n"), DOC("<b/>") },
        { DOC("<a/>"), REPLACE("sel='*'", "<presence><c/></presence>"), DOC("<c/>") },
        { DOC("<a b='1' c='2'/>"), REPLACE("sel='*/a/@b'", "3"), DOC("<a b=\"3\" c=\"2\"/>") },
        { DOC("<a>x</a>"), REPLACE("sel='*/a/text()'", "y"), DOC("<a>y</a>") },
        { DOC("<a>x</a>"), REPLACE("sel='*/a/text()'", ""), DOC("<a/>") },
        { DOC("<a>x<b/>y<b/></a>"), REPLACE("sel='*/a/text()[2]'", "z"), DOC("<a>x<b/>z<b/></a>") },
        { DOC("<q:a xmlns:q='urn:q' q:b='1'><q:c/><q:d xmlns:q='urn:z'/></q:a>"),
          REPLACE("sel='*/*/namespace::q'", "urn:new"),
          DOC("<q:a xmlns:q=\"urn:new\" q:b=\"1\"><q:c/><q:d xmlns:q=\"urn:z\"/></q:a>") },
        { DOC("<q:a xmlns:q='urn:q'><q:b xmlns:q='urn:q'/></q:a>"),
          REPLACE("sel='*/*/namespace::q'", "urn:new"),
          DOC("<q:a xmlns:q=\"urn:new\"><q:b xmlns:q=\"urn:q\"/></q:a>") },
        /* remove: section 4.5 */
        { DOC("<a/><b/>"), REMOVE("sel='*/a'"), DOC("<b/>") },
        { DOC(" <a/>\n<b/>"), REMOVE("sel='*/a' ws='before'"), DOC("\n<b/>") },
        { DOC(" <a/>\n<b/>"), REMOVE("sel='*/a' ws='after'"), DOC(" <b/>") },
        { DOC(" <a/>\n<b/>"), REMOVE("sel='*/a' ws='both'"), DOC("<b/>") },
        { DOC("x<a/>y"), REMOVE("sel='*/a'") REPLACE("sel='*/text()'", "z"), DOC("z") },
        { DOC("x <a/>\ny<a/> "), REMOVE("sel='*/a[2]' ws='after'"), DOC("x <a/>\ny") },
        { DOC("<a b='1' c='2'/>"), REMOVE("sel='*/a/@b'"), DOC("<a c=\"2\"/>") },
        { DOC("<a>x</a>"), REMOVE("sel='*/a/text()'"), DOC("<a/>") },
        { DOC("<a xmlns:q='urn:q'/>"), REMOVE("sel='*/a/namespace::q'"), DOC("<a/>") },
        { DOC("<a xmlns:q='urn:q'><q:b/></a>"), REMOVE("sel='*/a/namespace::q'"),
          "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:q=\"urn:q\"><a><q:b/></a>"
          "</presence>" },
        /* selectors: section 4.1 */
        { DOC("<a/><a/><a/>"), REMOVE("sel='presence/a[2]'") REMOVE("sel='presence/a[2]'"),
          DOC("<a/>") },
        { DOC("<a b='1'/><a b='2'/>"), REMOVE("sel='*/a[@b=\"2\"]'"), DOC("<a b=\"1\"/>") },
        { DOC("<a b='1'/><a b='2'/><a b='2' c=''/>"), REMOVE("sel='*/a[@b=\"2\"][2]'"),
          DOC("<a b=\"1\"/><a b=\"2\"/>") },
        { DOC("<a b='1'/><a b='2'/><a b='2' c=''/>"), REMOVE("sel='*/a[ 2 ][@b = \"2\"]'"),
          DOC("<a b=\"1\"/><a b=\"2\" c=\"\"/>") },
        { DOC("<a><b>1</b></a><a><b>0</b><b>2</b></a>"), REMOVE("sel='*/*[b=\"2\"]'"),
          DOC("<a><b>1</b></a>") },
        { DOC("<a>1</a><a>1<b>2</b>3</a>"), REMOVE("sel='*/a[.=\"123\"]'"), DOC("<a>1</a>") },
        { DOC("<a id='x'/><b><c id='y'><d/><e/></c></b>"), REMOVE("sel=\"id('y')/e\""),
          DOC("<a id=\"x\"/><b><c id=\"y\"><d/></c></b>") },
        { DOC("<a id='x'/><b id='y'/>"), REMOVE("sel='id(\"y\")'"), DOC("<a id=\"x\"/>") },
        { DOC("<a><b><a/></b></a>"), REMOVE("sel='*/a/b/a'"), DOC("<a><b/></a>") },
        { DOC("<q:a xmlns:q='urn:ietf:params:xml:ns:pidf:rpid'/><a/>"), REMOVE("sel='*/r:a'"),
          DOC("<a/>") },
        { DOC("<a>]</a><a>'</a>"), REMOVE("sel='*/a[.=\"]\"]'"), DOC("<a>&apos;</a>") },
        { DOC("<a>\xc3\xa4</a>"), REMOVE("sel='*/a[.=\"\xc3\xa4\"]'"),
          "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"/>" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf diff, out, why;

        buf_init(&diff, 1 << 16);
        buf_init(&out, 1 << 16);
        buf_init(&why, 1 << 10);
        buf_printf(&diff, OPS "%s" OPS_END "%c", cases[i].operations, '\0');
        if (patch(&out, &why, cases[i].before, diff.p))
            fail_msg("%s: refused: %.*s", cases[i].operations, STR_FMT(buf_str(&why)));
        if (!str_equal(document_of(&out), str_of(cases[i].after)))
            fail_msg("%s gave\n%.*s, not\n%s", cases[i].operations, STR_FMT(document_of(&out)),
                     cases[i].after);
        buf_fini(&diff);
        buf_fini(&out);
        buf_fini(&why);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *before, *operations;
        const char *why; /* behind "line 1, " */
    } cases[] = {
        { DOC("<a/>"), "<p:move sel='*/a'/>", "move: may not stand in 'pidf-diff'" },
        { DOC("<a/>"), "<add sel='*/a'/>", "add: may not stand in 'pidf-diff'" },
        { DOC("<a/>"), ADD("sel='*/a' mine='1'", "x"), "add: may not have the attribute 'mine'" },
        { DOC("<a/>"), "x" REMOVE("sel='*/a'"), "pidf-diff: may not have text: 'x'" },
        { DOC("<a/>"), "<p:remove/>", "remove: must have the attribute 'sel'" },
        { DOC("<a/>"), "<p:add/>", "add: must have the attribute 'sel'" },
        { DOC("<a/>"), REMOVE("sel='*/b'"), "remove: unlocated-node: not exactly one '*/b'" },
        { DOC("<a/><a/>"), REMOVE("sel='*/a'"), "remove: unlocated-node: not exactly one '*/a'" },
        { DOC("<a/>"), REMOVE("sel='a'"), "remove: unlocated-node: not exactly one 'a'" },
        { DOC("<a/>"), REMOVE("sel='*/a/@b'"), "remove: unlocated-node: not exactly one '*/a/@b'" },
        { DOC("<a>x<b/>y</a>"), REMOVE("sel='*/a/text()'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a/text()'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[0]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[2]'"), NULL },
        { DOC("<a/>"), REMOVE("sel=\"id('a')\""), NULL },
        { DOC("<a xmlns=''/>"), REMOVE("sel='*/a'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/z:a'"),
          "remove: invalid-namespace-prefix: not declared in '*/z:a'" },
        /* more of XPath than there should be */
        { DOC("<a/>"), REMOVE("sel='//a'"), "remove: not a selector of RFC 5261: '//a'" },
        { DOC("<a/>"), REMOVE("sel='*//a'"), "remove: not a selector of RFC 5261: '*//a'" },
        { DOC("<a/>"), REMOVE("sel=''"), "remove: not a selector of RFC 5261: ''" },
        { DOC("<a/>"), REMOVE("sel='*/a[position()=1]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[last()]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a | */b'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/child::a'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a/..'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[@b]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[b=c]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[1'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[b=\"1]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a[1][1]'"),
          "remove: two positions in one step of "
          "'*/a[1][1]'" },
        { DOC("<a/>"), REMOVE("sel='*/a[.=\"\"][.=\"\"][.=\"\"][.=\"\"][.=\"\"]'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a/comment()'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/@a/b'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/namespace::'"), NULL },
        { DOC("<a/>"), REMOVE("sel='id(a)'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a/'"), NULL },
        { DOC("<a/>"),
          REMOVE("sel='*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*'"), NULL },
        /* content and target that do not go together */
        { DOC("<a/>"), ADD("sel='*' pos='before'", "<b/>"),
          "add: invalid-xml-prolog-operation: '*'" },
        { DOC("<a b='1'/>"), ADD("sel='*/a/@b'", "<b/>"),
          "add: invalid-patch-directive: '*/a/@b'" },
        { DOC("<a>x</a>"), ADD("sel='*/a/text()'", "<b/>"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' pos='below'", "<b/>"), "add: unknown pos 'below'" },
        { DOC("<a/>"), ADD("sel='*/a' type='b'", "1"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='@b'", "<b/>"), NULL },
        { DOC("<a b='1'/>"), ADD("sel='*/a' type='@b'", "2"),
          "add: is there already, or cannot be: 'b'" },
        { DOC("<a/>"), ADD("sel='*/a' type='@b c'", "2"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='@'", "2"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='@1'", "2"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='@xmlns'", "urn:x"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='@xmlns:x'", "urn:x"), NULL },
        { DOC("<r:a xmlns:r='urn:x'/>"), ADD("sel='*/*' type='@r:b'", "1"),
          "add: invalid-namespace-prefix: means something else there: 'r:b'" },
        { DOC("<a xmlns:r='urn:x'/>"), ADD("sel='*/a' type='@r:b'", "1"), NULL },
        { DOC("<a xmlns:r='urn:x'/>"), ADD("sel='*/a' type='namespace::r'", "urn:y"), NULL },
        { DOC("<r:a xmlns:r='urn:x'><r:b/></r:a>"), ADD("sel='*/*/*' type='namespace::r'", "urn:y"),
          NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='namespace::q'", ""), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='namespace::q'", "http://www.w3.org/2000/xmlns/"),
          NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='namespace::xml'", "urn:x"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='namespace::'", "urn:x"), NULL },
        { DOC("<a/>"), ADD("sel='*/a' type='namespace::q'", "%"), NULL },
        { DOC("<a xmlns:q='urn:q'/>"), REPLACE("sel='*/a/namespace::q'", ""), NULL },
        { DOC("<a xmlns:q='urn:q' xmlns:s='urn:s' q:b='' s:b=''/>"),
          REPLACE("sel='*/a/namespace::q'", "urn:s"), NULL },
        { DOC("<a/>"), REPLACE("sel='*/a'", "x"), NULL },
        { DOC("<a/>"), REPLACE("sel='*/a'", ""), NULL },
        { DOC("<a/>"), REPLACE("sel='*/a'", "<b/><c/>"), NULL },
        { DOC("<a/>"), REPLACE("sel='*/a'", "<b/>x"), NULL },
        { DOC("<a>x</a>"), REPLACE("sel='*/a/text()'", "<b/>"), NULL },
        { DOC("<a b='1'/>"), REPLACE("sel='*/a/@b'", "<b/>"), NULL },
        { DOC("<a/>"), REPLACE("sel='*'", "<tuple/>"),
          "pidf-diff: invalid-root-element-operation: 'tuple'" },
        { DOC("<a/>"), REMOVE("sel='*'"), "remove: invalid-root-element-operation: '*'" },
        { DOC("x<a/> "), REMOVE("sel='*/a' ws='before'"),
          "remove: invalid-whitespace-directive: 'before'" },
        { DOC("x<a/> "), REMOVE("sel='*/a' ws='both'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a' ws='after'"), NULL },
        { DOC("<a/>"), REMOVE("sel='*/a' ws='all'"), NULL },
        /* the documents themselves */
        { "<a/>", "", "a: what was published before is no PIDF document" },
        { "<presence/>", "", NULL },
        { "<a>", "", NULL },
        { DOC("<a/>"), "<p:add>", NULL },
        { DOC("<a/>"), "<p:add>\x02</p:add>", "not" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf diff, out, why, want;

        buf_init(&diff, 1 << 16);
        buf_init(&out, 1 << 16);
        buf_init(&why, 1 << 10);
        buf_init(&want, 1 << 10);
        buf_printf(&diff, OPS "%s" OPS_END "%c", cases[i].operations, '\0');
        if (patch(&out, &why, cases[i].before, diff.p) != INBOUND_MALFORMED)
            fail_msg("%s: not refused", cases[i].operations);
        buf_printf(&want, "line 1, %s", cases[i].why ? cases[i].why : "");
        if (cases[i].why && strcmp(cases[i].why, "not") != 0 &&
            !str_equal(buf_str(&why), buf_str(&want)))
            fail_msg("%s: because\n%.*s", cases[i].operations, STR_FMT(buf_str(&why)));
        assert_true(why.n > 0 && str_find_char(buf_str(&why), '\n') == why.n);
        buf_fini(&diff);
        buf_fini(&out);
        buf_fini(&why);
        buf_fini(&want);
    }
}

/* A diff made of `unit`, so many times. */
static int flooded(const char *base, const char *unit, size_t times)
{
    struct buf diff, out, why;
    int r;

    buf_init(&diff, 1 << 16);
    buf_init(&out, 1 << 20);
    buf_init(&why, 1 << 10);
    buf_add(&diff, STR(OPS));
    for (size_t i = 0; i < times; i++)
        buf_add(&diff, str_of(unit));
    buf_add(&diff, STR(OPS_END));
    assert_int_equal(diff.error, 0);
    r = inbound_patch(str_of(base), buf_str(&diff), &out, &why);
    assert_int_equal(r != 0, why.n > 0);
    buf_fini(&diff);
    buf_fini(&out);
    buf_fini(&why);
    return r;
}

static void test_limits(void **state)
{
    struct buf base, bomb;

    (void)state;
    /* each goes one level further in */
    assert_int_equal(flooded(DOC("<a/>"), ADD("sel=\"id('x')\"", "<b/>"), 1), INBOUND_MALFORMED);
    assert_int_equal(flooded(DOC("<a id='x'/>"),
                             ADD("sel=\"id('x')\"", "<b id='x'/>") REMOVE("sel=\"id('x')/@id\""),
                             40),
                     INBOUND_TOO_LARGE);
    /* much to look at: 500 * 3000 elements */
    buf_init(&base, 1 << 16);
    buf_add(&base, STR("<presence xmlns='urn:ietf:params:xml:ns:pidf'>"));
    for (size_t i = 0; i < 3000; i++)
        buf_add(&base, STR("<a/>"));
    buf_add(&base, STR("<b/></presence>"));
    buf_add_char(&base, '\0');
    assert_int_equal(flooded(base.p, REPLACE("sel='*/b'", "<b/>"), 100), 0);
    assert_int_equal(flooded(base.p, REPLACE("sel='*/b'", "<b/>"), 500), INBOUND_TOO_LARGE);
    /* a result that is too large */
    buf_init(&bomb, 1 << 16);
    buf_add(&bomb, STR("<p:add sel='*'>"));
    for (size_t i = 0; i < 55000; i++)
        buf_add_char(&bomb, 'x');
    buf_add(&bomb, STR("</p:add>"));
    buf_add_char(&bomb, '\0');
    assert_int_equal(flooded(DOC(""), bomb.p, 1), 0);
    assert_int_equal(flooded(base.p, bomb.p, 1), INBOUND_TOO_LARGE);
    buf_fini(&base);
    buf_fini(&bomb);
}

/* Each operation looks at all that may be of the namespace. */
static void test_work_of_namespaces(void **state)
{
    struct buf base;

    (void)state;
    buf_init(&base, 1 << 16);
    buf_add(&base, STR("<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:z='z'>"));
    for (size_t i = 0; i < 4000; i++)
        buf_add(&base, STR("<z:e/>"));
    buf_add(&base, STR("</presence>"));
    buf_add_char(&base, '\0');
    assert_int_equal(flooded(base.p, REPLACE("sel='*/namespace::z'", "y"), 200), 0);
    assert_int_equal(flooded(base.p, REPLACE("sel='*/namespace::z'", "y"), 300), INBOUND_TOO_LARGE);
    /* Children that a predicate does not mean. */
    assert_int_equal(flooded(base.p, ADD("sel=\"*[e='']\" type='@a'", "1"), 1), INBOUND_MALFORMED);
    assert_int_equal(flooded(base.p,
                             "<p:remove sel=\"*[@a='1']/b[e='']/@a\"/>"
                             "<p:add sel='*' type='@a'>1</p:add>",
                             1),
                     INBOUND_MALFORMED);
    buf_fini(&base);
}

/* An element with so many declarations. */
static void print_declaring(struct buf *out, const char *element, unsigned n, const char *content)
{
    buf_printf(out, "<%s xmlns=\"urn:ietf:params:xml:ns:pidf\"", element);
    for (unsigned i = 1; i < n; i++)
        buf_printf(out, " xmlns:%s%u=\"u\"", element, i);
    buf_printf(out, ">%s</%s>", content, element);
    buf_add_char(out, '\0'); /* of a C string */
    assert_int_equal(out->error, 0);
}

/* A document with `n` of them is patched by `operation`, so many times; # is how many before. */
static int declared(const char *content, unsigned n, const char *operation, unsigned times)
{
    struct buf base, diff, out, why;
    int r;

    buf_init(&base, 1 << 16);
    buf_init(&diff, 1 << 16);
    buf_init(&out, 1 << 20);
    buf_init(&why, 1 << 10);
    print_declaring(&base, "presence", n, content);
    buf_add(&diff, STR(OPS));
    for (unsigned i = 0; i < times; i++)
        for (const char *c = operation; *c; c++)
            if (*c == '#')
                buf_add_u64(&diff, i);
            else
                buf_add_char(&diff, *c);
    buf_add(&diff, STR(OPS_END));
    assert_int_equal(diff.error, 0);
    r = inbound_patch(str_of(base.p), buf_str(&diff), &out, &why);
    buf_fini(&base);
    buf_fini(&diff);
    buf_fini(&out);
    buf_fini(&why);
    return r;
}

/* As many as may be in force, in what is read and in what is made of it. */
static void test_declarations(void **state)
{
    static const char adds[] = "<p:add sel='*' type='namespace::n#'>u#</p:add>";
    static const char adds_inside[] = "<p:add sel='*/note' type='namespace::n#'>u#</p:add>";
    static const char needs[] = "<p:add sel='*' xmlns:n#='u'><n#:x/></p:add>";
    struct buf inner;

    (void)state;
    assert_int_equal(declared("", XML_BINDINGS_MAX, "", 0), 0);
    assert_int_equal(declared("", XML_BINDINGS_MAX + 1, "", 0), INBOUND_TOO_LARGE);
    buf_init(&inner, 1 << 16);
    print_declaring(&inner, "note", XML_BINDINGS_MAX / 2, "");
    assert_int_equal(declared(inner.p, XML_BINDINGS_MAX / 2, "", 0), 0);
    assert_int_equal(declared(inner.p, XML_BINDINGS_MAX / 2 + 1, "", 0), INBOUND_TOO_LARGE);
    assert_int_equal(declared("<note/>", 1, adds, XML_BINDINGS_MAX - 1), 0);
    assert_int_equal(declared("<note/>", 1, adds, XML_BINDINGS_MAX), INBOUND_TOO_LARGE);
    assert_int_equal(declared("<note/>", 32, adds_inside, 32), 0);
    assert_int_equal(declared("<note/>", 32, adds_inside, 33), INBOUND_TOO_LARGE);
    assert_int_equal(declared("", 1, needs, XML_BINDINGS_MAX - 1), 0);
    assert_int_equal(declared("", 1, needs, 900), INBOUND_TOO_LARGE);
    buf_fini(&inner);
}

/* As many operations as fit into a body, in a document that is as large. */
static void test_many(void **state)
{
    enum { TUPLES = 700, OPERATIONS = 650 };
    struct buf base, diff, out, why;
    struct str rest;
    size_t closed = 0;

    (void)state;
    buf_init(&base, INBOUND_BODY_MAX);
    buf_init(&diff, INBOUND_BODY_MAX);
    buf_init(&out, 1 << 20);
    buf_init(&why, 1 << 10);
    buf_add(&base, STR(WHOLE));
    for (unsigned i = 0; i < TUPLES; i++)
        buf_printf(&base,
                   "<tuple id=\"t%u\"><status><basic>open</basic></status>"
                   "<contact>x</contact></tuple>\n",
                   i);
    buf_add(&base, STR(WHOLE_END));
    buf_add(&diff, STR(OPS));
    for (unsigned i = 0; i < OPERATIONS; i++)
        buf_printf(&diff,
                   "<p:replace sel=\"*/tuple[@id='t%u']/status/basic/text()\">closed</p:replace>",
                   TUPLES - 1 - i);
    buf_add(&diff, STR(OPS_END));
    assert_int_equal(base.error, 0);
    assert_int_equal(diff.error, 0);
    assert_int_equal(inbound_patch(buf_str(&base), buf_str(&diff), &out, &why), 0);
    for (rest = buf_str(&out); rest.p; (void)str_next(&rest, '>'))
        closed += str_starts(rest, STR("closed<"));
    assert_int_equal(closed, OPERATIONS);
    buf_fini(&base);
    buf_fini(&diff);
    buf_fini(&out);
    buf_fini(&why);
}

static void test_is_diff(void **state)
{
    static const struct {
        const char *package, *type, *body;
        bool diff;
    } cases[] = {
        { "presence", DIFF, PROLOG OPS OPS_END, true },
        { "presence", DIFF ";charset=utf-8",
          "<pidf-diff xmlns='urn:ietf:params:xml:ns:pidf-diff'/>", true },
        { "presence", DIFF, WHOLE WHOLE_END, false },
        { "presence", DIFF, "<pidf-diff/>", false },
        { "presence", DIFF, OPS, false },
        { "presence", DIFF, "", false },
        { "presence", DIFF, "<pidf-diff xmlns='urn:ietf:params:xml:ns:pidf-diff'>\xff", false },
        { "presence", PIDF, PROLOG OPS OPS_END, false },
        { "presence", "", PROLOG OPS OPS_END, false },
        { "dialog", DIFF, PROLOG OPS OPS_END, false },
        { "reg", DIFF, PROLOG OPS OPS_END, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool diff = !cases[i].diff;

        assert_int_equal(inbound_is_diff(&diff, str_of(cases[i].package), str_of(cases[i].type),
                                         str_of(cases[i].body)),
                         0);
        assert_int_equal(diff, cases[i].diff);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),      cmocka_unit_test(test_times),
        cmocka_unit_test(test_operations),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_is_diff),      cmocka_unit_test(test_work_of_namespaces),
        cmocka_unit_test(test_declarations),
    };

    xml_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
