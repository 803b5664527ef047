// SPDX-License-Identifier: MIT
#include "config/config_test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* "[a] x=1|y=2 [b!] z=3"; with ? what is partial */
static void conf_print(struct buf *out, const struct conf *c)
{
    for (size_t i = 0; i < c->n_sections; i++) {
        const struct conf_section *s = &c->sections[i];

        buf_printf(out, "%s[%.*s%s%s]", i ? " " : "", STR_FMT(s->name), s->is_template ? "!" : "",
                   s->partial ? "?" : "");
        for (size_t j = 0; j < s->n_entries; j++)
            buf_printf(out, "%s%.*s=%.*s", j ? "|" : " ", STR_FMT(s->entries[j].name),
                       STR_FMT(s->entries[j].value));
    }
    if (c->partial)
        buf_add(out, STR(" ?"));
}

struct conf_case {
    const char *name;
    struct test_file files[14]; /* the first is the main one */
    int result;
    const char *tree;
    const char *diag;
};

static void check(const struct conf_case *c)
{
    struct conf_source source = test_conf_source(c->files);
    struct conf *conf = NULL;
    struct diag diag;
    struct buf tree;
    int r;

    diag_init(&diag);
    buf_init(&tree, 1 << 20);
    r = conf_read(&conf, &source, &diag);
    test_assert_text("diag", c->name, buf_str(&diag.text), c->diag ? c->diag : "");
    assert_int_equal(r, c->result);
    if (conf)
        conf_print(&tree, conf);
    test_assert_text("tree", c->name, buf_str(&tree), c->tree ? c->tree : "");
    conf_destroy(conf);
    buf_fini(&tree);
    diag_fini(&diag);
}

static void check_all(const struct conf_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&cases[i]);
}

static void test_lines(void **state)
{
    static const struct conf_case cases[] = {
        { "empty", { { "f", "" } }, 0, "", NULL },
        { "plain", { { "f", "[a]\nx=1\ny = 2 \n\tz\t=>\t3\t\n" } }, 0, "[a] x=1|y=2|z=3", NULL },
        { "no newline at the end", { { "f", "[a]\nx=1" } }, 0, "[a] x=1", NULL },
        { "CRLF", { { "f", "[a]\r\nx=1\r\n\r\n" } }, 0, "[a] x=1", NULL },
        { "BOM", { { "f", "\xef\xbb\xbf[a]\nx=1\n" } }, 0, "[a] x=1", NULL },
        { "blanks before all", { { "f", "  [a]\n   x=1\n" } }, 0, "[a] x=1", NULL },
        { "first = counts",
          { { "f", "[a]\nx=y=z\nv==>w\nu=>=t\n" } },
          0,
          "[a] x=y=z|v==>w|u==t",
          NULL },
        { "empty value", { { "f", "[a]\nx=\ny=>\n" } }, 0, "[a] x=|y=", NULL },
        { "names keep their case", { { "f", "[Ab]\nXy=Z\n" } }, 0, "[Ab] Xy=Z", NULL },
        { "repeated names stay",
          { { "f", "[a]\nx=1\nx=2\n[a]\nx=3\n" } },
          0,
          "[a] x=1|x=2 [a] x=3",
          NULL },
        { "append",
          { { "f", "[a]\nx=1\ny=0\nx=2\nx+=3\nx += 4 \nX+=5\nz+=6\n" } },
          0,
          "[a] x=1|y=0|x=234|X=5|z=6",
          NULL },
        { "append does not reach into another section",
          { { "f", "[a]\nx=1\n[b]\nx+=2\n" } },
          0,
          "[a] x=1 [b] x=2",
          NULL },
        { "escaped first character",
          { { "f", "[a]\n\\[x]=1\n\\#y=2\n\\=z=3\n\\\\w=4\n" } },
          0,
          "[a] [x]=1|#y=2|=z=3|\\w=4",
          NULL },
        { "escape of nothing",
          { { "f", "[a]\n\\\n\\ x=1\n" } },
          CONF_DAMAGED,
          "[a]",
          "f:2: error: a backslash before nothing; it escapes the first character of a name\n"
          "f:3: error: a backslash before nothing; it escapes the first character of a name\n" },
        { "no =",
          { { "f", "[a]\nword and more\nx=1\n" } },
          0,
          "[a] x=1",
          "f:2: warning: no = in this line, which is ignored; write name = value\n" },
        { "no name",
          { { "f", "[a]\n= 1\n => 2\n+=3\n" } },
          0,
          "[a]",
          "f:2: warning: nothing before the =, the line is ignored; write name = value\n"
          "f:3: warning: nothing before the =, the line is ignored; write name = value\n"
          "f:4: warning: nothing before the =, the line is ignored; write name = value\n" },
        { "settings before any section",
          { { "f", "\nx=1\ny=2\n[a]\nz=3\n" } },
          CONF_DAMAGED,
          "[a] z=3",
          "f:2: error: a setting before any section; write [section] above it\n" },
        { "all problems are told",
          { { "f", "x=1\n[a\n[b](c)\n[d](+)\nword\n#foo\n" } },
          CONF_DAMAGED,
          "[a] [b?] [d?]",
          "f:1: error: a setting before any section; write [section] above it\n"
          "f:2: error: no ] behind the name of the section; write [name]\n"
          "f:3: error: the template [c] does not exist; define it above this line, or correct the "
          "name\n"
          "f:4: error: [d](+) adds to a section that does not exist; define it above, or drop the "
          "+\n"
          "f:5: warning: no = in this line, which is ignored; write name = value\n"
          "f:6: warning: unknown directive #foo, the line is ignored; write #include, #tryinclude "
          "or #exec, or ; for a "
          "comment\n" },
        { "control characters do not reach the terminal",
          { { "f", "[a]\n#x\x1b[31m\n" } },
          0,
          "[a]",
          "f:2: warning: unknown directive #x?[31m, the line is ignored; write #include, "
          "#tryinclude or #exec, or ; for a comment\n" },
    };
    struct conf_case none = { "no file", { { NULL, NULL } }, -ENOENT, NULL, NULL };

    (void)state;
    check_all(cases, ARRAY_LEN(cases) - 1);
    check(&none);
}

static void test_comments(void **state)
{
    static const struct conf_case cases[] = {
        { "to the end of the line",
          { { "f", "; c\n[a] ; c\nx=1;c\ny=2 ; c ; d\n;z=3\n" } },
          0,
          "[a] x=1|y=2",
          NULL },
        { "escaped",
          { { "f", "[a]\nx=sip:h\\;lr ; c\ny=\\;\\;\nz=\\\\;v\n" } },
          0,
          "[a] x=sip:h;lr|y=;;|z=\\;v",
          NULL },
        { "in a URI",
          { { "f", "[a]\n x = sip:h;transport=tcp;lr\ny=<SIPS:h>;lr \nz=sip:h ;c\nw=sip:h;a "
                   "comment\nv=h;transport=tcp\nu=sip:h;\n" } },
          0,
          "[a] x=sip:h|y=<SIPS:h>|z=sip:h|w=sip:h|v=h|u=sip:h",
          "f:2: warning: the semicolon begins a comment, and transport=tcp;lr is not read; write "
          "`\\;` in a URI\n"
          "f:3: warning: the semicolon begins a comment, and lr is not read; write `\\;` in a "
          "URI\n" },
        { "block", { { "f", "[a]\n;-- x=1\ny=2\n--;z=3\nw=4\n" } }, 0, "[a] z=3|w=4", NULL },
        { "block in a line",
          { { "f", "[a]\nx=1;-- 2 --;3\n;----;\ny=2\n" } },
          0,
          "[a] x=13|y=2",
          NULL },
        { "nested",
          { { "f", "[a]\n;-- 1 ;-- 2 --; x=1\n;-- --; --; y=2\n" } },
          0,
          "[a] y=2",
          NULL },
        { "three dashes are a line",
          { { "f", "[a]\n;--- x=1\ny=2\n;-----\nz=3\n" } },
          0,
          "[a] y=2|z=3",
          NULL },
        { "three dashes inside a block are nothing",
          { { "f", "[a]\n;--\n;--- x\n--;\ny=2\n" } },
          0,
          "[a] y=2",
          NULL },
        { "dashes do not count twice", { { "f", "[a]\n;--;x=1\n--;y=2\n" } }, 0, "[a] y=2", NULL },
        { "an end without a beginning is a comment",
          { { "f", "[a]\nx=1--;y\n" } },
          0,
          "[a] x=1--",
          NULL },
        { "escaped inside", { { "f", "[a]\n;-- \\;-- --\\; x\n--;y=1\n" } }, 0, "[a] y=1", NULL },
        { "a section head inside is none",
          { { "f", "[a]\n;--\n[b]\n--;\nx=1\n" } },
          0,
          "[a] x=1",
          NULL },
        { "unterminated",
          { { "f", "[a]\nx=1\n;--\ny=2\n;-- z=3\n" } },
          0,
          "[a] x=1",
          "f:5: warning: the block comment that begins here does not end; close it with --;\n" },
        { "a comment ends with its file",
          { { "f", "[a]\n#include g\ny=2\n" }, { "g", ";-- x" } },
          0,
          "[a] y=2",
          "g:1: warning: the block comment that begins here does not end; close it with --;\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

static void test_long_lines(void **state)
{
    static const char warning[] =
        "f:3: warning: the line has more than 8191 bytes and is ignored; shorten it\n";
    struct test_file files[] = { { "f", NULL }, { NULL, NULL } };
    struct conf_source source = test_conf_source(files);

    (void)state;
    for (size_t n = 8191; n <= 8192; n++) {
        char *text = malloc(n + 32);
        struct conf *conf;
        struct diag diag;

        assert_non_null(text);
        memcpy(text, "[a]\ny=2\nx=", 10);
        memset(text + 10, 'v', n - 2);
        memcpy(text + 8 + n, "\nz=3\n", 6);
        files[0].text = text;
        diag_init(&diag);
        assert_int_equal(conf_read(&conf, &source, &diag), 0);
        assert_str(buf_str(&diag.text), n > 8191 ? warning : "");
        assert_int_equal(conf->sections[0].n_entries, n > 8191 ? 2 : 3);
        conf_destroy(conf);
        diag_fini(&diag);
        free(text);
    }
}

static void test_deep_comments(void **state)
{
    struct test_file files[] = { { "f", NULL }, { NULL, NULL } };
    struct conf_source source = test_conf_source(files);

    (void)state;
    for (size_t depth = 128; depth <= 129; depth++) {
        struct buf text;
        struct str kept;
        struct conf *conf = NULL;
        struct diag diag;

        buf_init(&text, 8192);
        buf_add(&text, STR("[a]\n"));
        for (size_t i = 0; i < depth; i++)
            buf_add(&text, STR(";--\n"));
        for (size_t i = 0; i < depth; i++)
            buf_add(&text, STR("--;\n"));
        buf_add(&text, STR("x=1\n"));
        assert_int_equal(buf_take(&text, &kept), 0);
        files[0].text = kept.p;
        diag_init(&diag);
        assert_int_equal(conf_read(&conf, &source, &diag), depth > 128 ? CONF_DAMAGED : 0);
        assert_str(buf_str(&diag.text),
                   depth > 128
                       ? "f:130: error: block comments nest deeper than 128; end some with --;\n"
                       : "");
        conf_destroy(conf);
        diag_fini(&diag);
        str_free(&kept);
    }
}

static void test_sections(void **state)
{
    static const struct conf_case cases[] = {
        { "text behind the bracket",
          { { "f", "[a] (b)\nx=1\n[c]d(e)\n" } },
          0,
          "[a] x=1 [c]",
          NULL },
        { "template", { { "f", "[t](!)\nx=1\n[a](t)\ny=2\n" } }, 0, "[t!] x=1 [a] x=1|y=2", NULL },
        { "several, in order",
          { { "f", "[t](!)\nx=1\n[u](!)\nx=2\n[a](u,t)\nx=3\n[b]( t , u )\n" } },
          0,
          "[t!] x=1 [u!] x=2 [a] x=2|x=1|x=3 [b] x=1|x=2",
          NULL },
        { "template of a template",
          { { "f", "[t](!)\nx=1\n[u](!,t)\ny=2\n[a](u)\n" } },
          0,
          "[t!] x=1 [u!] x=1|y=2 [a] x=1|y=2",
          NULL },
        { "inheriting from no template",
          { { "f", "[a]\nx=1\n[b](a)\ny=2\n" } },
          0,
          "[a] x=1 [b] x=1|y=2",
          NULL },
        { "any case, the first",
          { { "f", "[T](!)\nx=1\n[t](!)\nx=2\n[a](t)\n" } },
          0,
          "[T!] x=1 [t!] x=2 [a] x=1",
          NULL },
        { "what a template has at the time",
          { { "f", "[t](!)\nx=1\n[a](t)\n[t](+TEMPLATES=include)\ny=2\n[b](t)\n" } },
          0,
          "[t!] x=1|y=2 [a] x=1 [b] x=1|y=2",
          NULL },
        { "appending to an inherited value",
          { { "f", "[t](!)\nx=1\n[a](t)\nx+=2\n[b](t)\n" } },
          0,
          "[t!] x=1 [a] x=12 [b] x=1",
          NULL },
        { "not from itself",
          { { "f", "[a](a)\n" } },
          CONF_DAMAGED,
          "[a?]",
          "f:1: error: the template [a] does not exist; define it above this line, or correct the "
          "name\n" },
        { "from its namesake",
          { { "f", "[a]\nx=1\n[a](a)\ny=2\n" } },
          0,
          "[a] x=1 [a] x=1|y=2",
          NULL },
        { "addition",
          { { "f", "[a]\nx=1\n[b]\ny=2\n[a](+)\nz=3\n" } },
          0,
          "[a] x=1|z=3 [b] y=2",
          NULL },
        { "addition in any case",
          { { "f", "[Ab]\nx=1\n[aB](+)\nz=3\n" } },
          0,
          "[Ab] x=1|z=3",
          NULL },
        { "addition goes to no template",
          { { "f", "[a](!)\nx=1\n[a]\ny=2\n[a](+)\nz=3\n" } },
          0,
          "[a!] x=1 [a] y=2|z=3",
          NULL },
        { "addition to nothing",
          { { "f", "[a](!)\nx=1\n[a](+)\nz=3\n" } },
          CONF_DAMAGED,
          "[a!] x=1 [a?] z=3",
          "f:3: error: [a](+) adds to a section that does not exist; define it above, or drop the "
          "+\n" },
        { "addition with a template",
          { { "f", "[t](!)\nx=1\n[a]\ny=2\n[a](+,t)\nz=3\n" } },
          0,
          "[t!] x=1 [a] y=2|x=1|z=3",
          NULL },
        { "filter",
          { { "f", "[a]\ntype=aor\n[a]\ntype=endpoint\n[a](+type=endpoint)\nz=3\n" } },
          0,
          "[a] type=aor [a] type=endpoint|z=3",
          NULL },
        { "filter with expressions",
          { { "f",
              "[a]\ntype=aor\nn=12\n[a]\ntype=auth\nn=13\n[a](+t.pe=^a(or|uth)$&n=3)\nz=3\n" } },
          0,
          "[a] type=aor|n=12 [a] type=auth|n=13|z=3",
          NULL },
        { "filter case counts",
          { { "f", "[a]\ntype=aor\n[a](+type=AOR)\n" } },
          CONF_DAMAGED,
          "[a] type=aor [a?]",
          "f:3: error: [a](+type=AOR) adds to a section that does not exist; define it above, or "
          "drop the +\n" },
        { "filter on templates",
          { { "f", "[a]\nx=1\n[a](!)\nx=1\n[a](+TEMPLATES=restrict&x=1)\ny=2\n" } },
          0,
          "[a] x=1 [a!] x=1|y=2",
          NULL },
        { "filter that is none",
          { { "f", "[a]\nx=1\n[a](+x)\n" } },
          CONF_DAMAGED,
          "[a] x=1 [a?]",
          "f:3: error: \"x\" is no filter; write (+name=value), at most 16 pairs joined by &\n" },
        { "filter that does not compile",
          { { "f", "[a]\nx=1\n[a](+x=[)\n" } },
          CONF_DAMAGED,
          "[a] x=1 [a?]",
          "f:3: error: the filter's regular expression \"[\" is not valid: missing terminating ] "
          "for character class at "
          "offset 1\n" },
        { "no )",
          { { "f", "[a](!\nx=1\n" } },
          CONF_DAMAGED,
          "[a!] x=1",
          "f:1: error: no ) behind the templates of [a]\n" },
        { "no ]",
          { { "f", "[t](!)\nx=1\n[a (t)\ny=2\n[b(t\n" } },
          CONF_DAMAGED,
          "[t!] x=1 [a] x=1|y=2 [b] x=1",
          "f:3: error: no ] behind the name of the section; write [name]\n"
          "f:5: error: no ] behind the name of the section; write [name]\n"
          "f:5: error: no ) behind the templates of [b]\n" },
        { "heirs of what is partial",
          { { "f", "[t](!,gone)\nx=1\n[a](t)\n[b](a)\n[c]\n[b](+)\ny=2\n" } },
          CONF_DAMAGED,
          "[t!?] x=1 [a?] x=1 [b?] x=1|y=2 [c]",
          "f:1: error: the template [gone] does not exist; define it above this line, or correct "
          "the name\n" },
        { "empty parts are nothing", { { "f", "[a](,)\nx=1\n[b]()\n" } }, 0, "[a] x=1 [b]", NULL },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

static void test_includes(void **state)
{
    static const struct conf_case cases[] = {
        { "quotes or none",
          { { "f",
              "[a]\n#include \"g\"\n#include <g>\n#include g ; c\n#INCLUDE 'g'\n#tryinclude g\n" },
            { "g", "x=1\n" } },
          0,
          "[a] x=1|x=1|x=1|x=1|x=1",
          NULL },
        { "back in its own section",
          { { "f", "[a]\n#include g\ny=2\n" }, { "g", "x=1\n[b]\nz=3\n" } },
          0,
          "[a] x=1|y=2 [b] z=3",
          NULL },
        { "starts in the section opened last, wherever that was",
          { { "f", "[a]\n#include g\n#include h\ny=2\n" }, { "g", "[b]\n" }, { "h", "w=4\n" } },
          0,
          "[a] y=2 [b] w=4",
          NULL },
        { "no section of its own",
          { { "f", "#include g\ny=2\n" }, { "g", "[b]\n" } },
          CONF_DAMAGED,
          "[b]",
          "f:2: error: a setting before any section; write [section] above it\n" },
        { "templates reach across files",
          { { "f", "#include t\n[a](t)\n" }, { "t", "[t](!)\nx=1\n" } },
          0,
          "[t!] x=1 [a] x=1",
          NULL },
        { "missing",
          { { "f", "[a]\n#include g\nx=1\n#tryinclude g\n" } },
          CONF_DAMAGED,
          "[a?] x=1 ?",
          "f:2: error: \"g\" does not exist; correct the name, or write #tryinclude when it may be "
          "absent\n" },
        { "missing, where its settings would have gone",
          { { "f", "[a]\n#include g\n#include h\ny=2\n" }, { "g", "[b]\nx=1\n" } },
          CONF_DAMAGED,
          "[a] y=2 [b?] x=1 ?",
          "f:3: error: \"h\" does not exist; correct the name, or write #tryinclude when it may be "
          "absent\n" },
        { "pattern",
          { { "f", "[a]\n#include d/*.conf\ny=1\n" },
            { "d/1.conf", "x=1\n" },
            { "d/2.txt", "x=2\n" },
            { "d/3.conf", "x=3\n" } },
          0,
          "[a] x=1|x=3|y=1",
          NULL },
        { "pattern without a match",
          { { "f", "[a]\n#tryinclude d/*\n#include d/*\n" } },
          CONF_DAMAGED,
          "[a?] ?",
          "f:3: error: no file matches \"d/*\"; correct the pattern, or write #tryinclude when "
          "there may be none\n" },
        { "loop",
          { { "f", "[a]\n#include g\nx=1\n" }, { "g", "#include f\n" } },
          CONF_DAMAGED,
          "[a] x=1",
          "g:1: error: #include loop: \"f\" is included from within itself; remove one of them\n" },
        { "ten deep",
          { { "0", "[a]\n#include 1" },
            { "1", "#include 2" },
            { "2", "#include 3" },
            { "3", "#include 4" },
            { "4", "#include 5" },
            { "5", "#include 6" },
            { "6", "#include 7" },
            { "7", "#include 8" },
            { "8", "#include 9" },
            { "9", "#include 10" },
            { "10", "x=1" } },
          0,
          "[a] x=1",
          NULL },
        { "eleven deep",
          { { "0", "[a]\n#include 1" },
            { "1", "#include 2" },
            { "2", "#include 3" },
            { "3", "#include 4" },
            { "4", "#include 5" },
            { "5", "#include 6" },
            { "6", "#include 7" },
            { "7", "#include 8" },
            { "8", "#include 9" },
            { "9", "#include 10" },
            { "10", "#include 11" },
            { "11", "x=1" } },
          CONF_DAMAGED,
          "[a?] ?",
          "10:1: error: \"11\" is not included: includes nest deeper than 10; nest fewer\n" },
        { "an argument is needed",
          { { "f", "[a]\n#include\n#exec\n#include \"\"\n" } },
          0,
          "[a]",
          "f:2: warning: #include needs a file name, the line is ignored\n"
          "f:3: warning: #exec needs a command, the line is ignored\n"
          "f:4: warning: #include needs a file name, the line is ignored\n" },
        { "exec is not allowed",
          { { "f", "[a]\n#exec echo x=1\n" } },
          0,
          "[a]",
          "f:2: warning: #exec is not carried out; allow it with execincludes = yes in [general] "
          "of extstate.conf\n" },
        { "places are those of the included file",
          { { "f", "[a]\n#include g\n" }, { "g", "\n\noops\n" } },
          0,
          "[a]",
          "g:3: warning: no = in this line, which is ignored; write name = value\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

/* Two files that include others many times over would never be done. */
static void test_too_many_files(void **state)
{
    struct test_file files[] = { { "f", NULL }, { "g", NULL }, { "h", "x=1" }, { NULL, NULL } };
    struct conf_source source = test_conf_source(files);
    struct conf *conf = NULL;
    struct buf text;
    struct str f, g;
    struct diag diag;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_add(&text, STR("[a]\n"));
    for (size_t i = 0; i < 1000; i++)
        buf_add(&text, STR("#include g\n"));
    assert_int_equal(buf_take(&text, &f), 0);
    for (size_t i = 0; i < 1000; i++)
        buf_add(&text, STR("#include h\n"));
    assert_int_equal(buf_take(&text, &g), 0);
    files[0].text = f.p;
    files[1].text = g.p;
    diag_init(&diag);
    assert_int_equal(conf_read(&conf, &source, &diag), CONF_DAMAGED);
    assert_int_equal(diag.errors, 1);
    assert_str(buf_str(&diag.text),
               "g:991: error: more than 10000 files are included; include fewer\n");
    conf_destroy(conf);
    diag_fini(&diag);
    str_free(&f);
    str_free(&g);
}

/* Each template doubles the one before. */
static void test_too_many_inherited(void **state)
{
    struct test_file files[] = { { "f", NULL }, { NULL, NULL } };
    struct conf_source source = test_conf_source(files);
    struct conf *conf = NULL;
    struct buf text;
    struct str kept;
    struct diag diag;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_add(&text, STR("[t0](!)\nx=1\n"));
    for (unsigned i = 1; i < 64; i++)
        buf_printf(&text, "[t%u](!,t%u,t%u)\n", i, i - 1, i - 1);
    assert_int_equal(buf_take(&text, &kept), 0);
    files[0].text = kept.p;
    diag_init(&diag);
    assert_int_equal(conf_read(&conf, &source, &diag), CONF_DAMAGED);
    assert_str(buf_str(&diag.text),
               "f:23: error: more than 4000000 settings are inherited; use smaller templates\n");
    conf_destroy(conf);
    diag_fini(&diag);
    str_free(&kept);
}

static void test_values_that_grow(void **state)
{
    struct test_file files[] = { { "f", NULL }, { NULL, NULL } };
    struct conf_source source = test_conf_source(files);
    struct conf *conf = NULL;
    struct buf text;
    struct str kept;
    struct diag diag;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_add(&text, STR("[a]\n"));
    for (unsigned i = 0; i < 66; i++)
        buf_printf(&text, "x+=%01000u\n", i);
    assert_int_equal(buf_take(&text, &kept), 0);
    files[0].text = kept.p;
    diag_init(&diag);
    assert_int_equal(conf_read(&conf, &source, &diag), CONF_DAMAGED);
    assert_str(buf_str(&diag.text),
               "f:67: error: x has grown longer than 65535 bytes by +=; write several lines\n");
    conf_destroy(conf);
    diag_fini(&diag);
    str_free(&kept);
}

static void test_entry_find(void **state)
{
    static const struct test_file files[] = { { "f", "[a]\nx=1\nX=2\ny=3\n" }, { NULL, NULL } };
    struct conf_source source = test_conf_source(files);
    const struct conf_entry *e;
    struct conf *conf;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(conf_read(&conf, &source, &diag), 0);
    e = conf_entry_find(&conf->sections[0], STR("x"));
    assert_non_null(e);
    assert_str(e->value, "2");
    assert_str(e->at.file, "f");
    assert_int_equal(e->at.line, 3);
    assert_int_equal(conf->sections[0].at.line, 1);
    assert_null(conf_entry_find(&conf->sections[0], STR("z")));
    conf_destroy(conf);
    diag_fini(&diag);
}

/* ---- the disk ---- */

struct directory {
    char path[32];
};

static struct directory directory_make(void)
{
    struct directory d = { "/tmp/conf_test.XXXXXX" };

    assert_non_null(mkdtemp(d.path));
    return d;
}

static void file_write(const struct directory *d, const char *name, const char *text)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void directory_remove(const struct directory *d, const char *const *names)
{
    char path[300];

    for (; *names; names++) {
        snprintf(path, sizeof(path), "%s/%s", d->path, *names);
        remove(path);
    }
    assert_int_equal(rmdir(d->path), 0);
}

static void read_from(const struct directory *d, bool allow_exec, int result, const char *tree,
                      const char *diag_end)
{
    struct conf_source source = { .directory = str_of(d->path),
                                  .file = STR("main.conf"),
                                  .allow_exec = allow_exec };
    struct conf *conf = NULL;
    struct buf text;
    struct diag diag;

    diag_init(&diag);
    buf_init(&text, 1 << 20);
    assert_int_equal(conf_read(&conf, &source, &diag), result);
    if (conf)
        conf_print(&text, conf);
    assert_str(buf_str(&text), tree);
    if (!str_ends(buf_str(&diag.text), str_of(diag_end)) || (diag.text.n && !diag_end[0]))
        fail_msg("diag is %.*s", STR_FMT(buf_str(&diag.text)));
    conf_destroy(conf);
    buf_fini(&text);
    diag_fini(&diag);
}

static void test_disk(void **state)
{
    static const char *const names[] = { "main.conf", "1.inc", "2.inc", "d.inc", NULL };
    struct directory d = directory_make();
    char path[100];

    (void)state;
    read_from(&d, false, -ENOENT, "", "");
    file_write(&d, "1.inc", "x=1\n");
    file_write(&d, "2.inc", "x=2\n");
    snprintf(path, sizeof(path), "%s/d.inc", d.path);
    assert_int_equal(mkdir(path, 0700), 0);
    file_write(&d, "main.conf", "[a]\n#include *.inc\n#include {2,1}.inc\n");
    read_from(&d, false, 0, "[a] x=1|x=2|x=2|x=1", "");
    file_write(&d, "main.conf", "[a]\n#include d.inc\n");
    read_from(&d, false, CONF_DAMAGED, "[a?] ?",
              "cannot be read: Is a directory; correct it or its rights\n");
    file_write(&d, "main.conf", "[a]\n#include /dev/zero\n");
    read_from(&d, false, CONF_DAMAGED, "[a?] ?",
              "\"/dev/zero\" cannot be read: not a regular file; correct it or its rights\n");
    directory_remove(&d, names);
}

static void test_exec(void **state)
{
    static const char *const names[] = { "main.conf", NULL };
    struct directory d = directory_make();

    (void)state;
    file_write(&d, "main.conf", "[a]\n#exec \"printf 'x=%s\\n[b]\\n' 1\"\ny=2\n");
    read_from(&d, true, 0, "[a] x=1|y=2 [b]", "");
    read_from(&d, false, 0, "[a] y=2",
              "#exec is not carried out; allow it with execincludes = yes in [general] of "
              "extstate.conf\n");
    file_write(&d, "main.conf", "[a]\n#exec echo x=1\\; exit 3\n");
    read_from(&d, true, 0, "[a] x=1", "exit status 3, its output is used as far as it came\n");
    file_write(&d, "main.conf", "[a]\n#exec echo x=1\\; kill -9 $$\n");
    read_from(&d, true, 0, "[a] x=1", "ended by signal 9, its output is used as far as it came\n");
    file_write(&d, "main.conf", "[a]\n#exec yes\n");
    read_from(&d, true, CONF_DAMAGED, "[a?] ?",
              "it prints more than 1048576 bytes; make it print less\n");
    file_write(&d, "main.conf", "[a]\n#exec echo oops\n");
    read_from(&d, true, 0, "[a]",
              "#exec \"echo oops\":1: warning: no = in this line, which is ignored; write name = "
              "value\n");
    file_write(&d, "main.conf", "[a]\n#exec printf 'x=1\\0\\ny=2\\n'\n");
    read_from(&d, true, 0, "[a] y=2",
              "the line has a NUL byte and is ignored; is this a text file in UTF-8?\n");
    directory_remove(&d, names);
}

/* Takes ten seconds, so only when asked for. */
static void test_exec_time(void **state)
{
    static const char *const names[] = { "main.conf", NULL };
    struct directory d;

    (void)state;
    if (!getenv("EXTSTATE_SLOW_TESTS"))
        skip();
    d = directory_make();
    file_write(&d, "main.conf", "[a]\n#exec sleep 60\n");
    read_from(&d, true, CONF_DAMAGED, "[a?] ?", "ended after 10 seconds; make it faster\n");
    file_write(&d, "main.conf", "[a]\n#exec \"exec >&-\\; sleep 60\"\n");
    read_from(&d, true, CONF_DAMAGED, "[a?] ?", "ended after 10 seconds; make it faster\n");
    directory_remove(&d, names);
}

static void test_diag(void **state)
{
    struct diag diag;
    struct buf sorted;

    (void)state;
    diag_init(&diag);
    diag_add(&diag, DIAG_ERROR, (struct diag_place){ STR("f"), 0 }, "a %d", 1);
    diag_add(&diag, DIAG_WARNING, (struct diag_place){ STR("f"), 7 }, "b");
    assert_str(buf_str(&diag.text), "f: error: a 1\nf:7: warning: b\n");
    assert_int_equal(diag.errors, 1);
    assert_int_equal(diag.warnings, 1);
    for (size_t i = 0; i < 200000; i++)
        diag_add(&diag, DIAG_WARNING, (struct diag_place){ STR("f"), 7 }, "line %zu", i);
    assert_int_equal(diag.warnings, 200001);
    assert_true(diag.text.n <= 1 << 20);
    assert_int_equal(diag.text.p[diag.text.n - 1], '\n');
    buf_init(&sorted, 2 << 20);
    diag_print(&diag, &sorted);
    assert_true(str_equal(buf_str(&sorted), buf_str(&diag.text)));
    buf_fini(&sorted);
    diag_fini(&diag);
}

static void test_diag_order(void **state)
{
    static const struct {
        const char *file;
        unsigned line;
        const char *text;
    } found[] = { { "p", 20, "1" },  { "p", 3, "2" }, { "p", 20, "3" }, { "p.d", 1, "4" },
                  { "e", 100, "5" }, { "p", 0, "6" }, { "", 0, "7" },   { "e", 9, "8" } };
    struct diag diag;
    struct buf b;

    (void)state;
    diag_init(&diag);
    buf_init(&b, 1000);
    diag_print(&diag, &b);
    assert_str(buf_str(&b), "");
    for (size_t i = 0; i < ARRAY_LEN(found); i++)
        diag_add(&diag, DIAG_ERROR, (struct diag_place){ str_of(found[i].file), found[i].line },
                 "%s", found[i].text);
    diag_print(&diag, &b);
    assert_str(buf_str(&b), "configuration: error: 7\ne:9: error: 8\ne:100: error: 5\n"
                            "p: error: 6\np:3: error: 2\np:20: error: 1\np:20: error: 3\n"
                            "p.d:1: error: 4\n");
    buf_fini(&b);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_deep_comments),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_too_many_files),
        cmocka_unit_test(test_too_many_inherited),
        cmocka_unit_test(test_values_that_grow),
        cmocka_unit_test(test_entry_find),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_exec_time),
        cmocka_unit_test(test_diag),
        cmocka_unit_test(test_diag_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
