// SPDX-License-Identifier: MIT
#include "config/config_test.h"
#include "config/extensions_sample.h"

#include <stdio.h>

/* ---- a dialplan as text: "[ctx]", "[ctx*]" with autohints, then its hints by line
 * "EXT=TEXT(NAME)" ---- */

static int by_line(const void *a, const void *b)
{
    const struct hint_entry *const *x = a, *const *y = b;

    return (*x)->line < (*y)->line ? -1 : (*x)->line > (*y)->line;
}

static void hints_print(struct buf *out, const struct dialplan_context *c)
{
    const struct hint_entry *hints[128] = { NULL };
    size_t n = 0;

    for (const struct hint_entry *h = dialplan_hint_next(c, NULL); h;
         h = dialplan_hint_next(c, h)) {
        assert_true(n < ARRAY_LEN(hints));
        hints[n++] = h;
    }
    qsort(hints, n, sizeof(hints[0]), by_line);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, " %.*s=%.*s", STR_FMT(hints[i]->extension), STR_FMT(hints[i]->text));
        if (hints[i]->name.n)
            buf_printf(out, "(%.*s)", STR_FMT(hints[i]->name));
    }
}

static void dialplan_print(struct buf *out, const struct dialplan *dp, const char *const *contexts)
{
    for (; *contexts; contexts++) {
        struct dialplan_context *c = dialplan_context_find(dp, str_of(*contexts));

        buf_printf(out, "%s[%s%s]", out->n ? " " : "", *contexts,
                   !c                              ? " is missing"
                   : dialplan_context_autohints(c) ? "*"
                                                   : "");
        if (c)
            hints_print(out, c);
    }
}

struct extensions_case {
    const char *name, *text;
    const char *contexts[4];
    const char *dialplan, *diag;
};

static const struct general_settings no_variables;

static int load_with(struct dialplan **dp, struct diag *diag, const char *text,
                     const char *included, const struct general_settings *general)
{
    struct test_file files[] = { { "etc/extensions.conf", text },
                                 { "etc/more.conf", included },
                                 { NULL, NULL } };
    struct settings_source source = { .directory = STR("etc"), .files = test_conf_source(files) };

    if (!included)
        files[1].path = NULL;
    diag_init(diag);
    return extensions_read(dp, &source, general, diag);
}

static int load(struct dialplan **dp, struct diag *diag, const char *text, const char *included)
{
    return load_with(dp, diag, text, included, &no_variables);
}

static void check(const struct extensions_case *c)
{
    struct dialplan *dp = NULL;
    struct diag diag;
    struct buf text;

    buf_init(&text, 1 << 16);
    assert_int_equal(load(&dp, &diag, c->text, NULL), 0);
    test_assert_text("diag", c->name, buf_str(&diag.text), c->diag ? c->diag : "");
    dialplan_print(&text, dp, c->contexts);
    test_assert_text("dialplan", c->name, buf_str(&text), c->dialplan);
    buf_fini(&text);
    diag_fini(&diag);
    dialplan_unref(dp);
}

static void check_all(const struct extensions_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check(&cases[i]);
}

#define FILE_LINE "etc/extensions.conf:"
#define HINT_LINE(line, exten) FILE_LINE #line ": warning: the hint of " exten ": "

static void test_hints(void **state)
{
    static const struct extensions_case cases[] = {
        { "plain", "[c]\nexten => 100,hint,PJSIP/a\n", { "c" }, "[c] 100=PJSIP/a", NULL },
        { "several devices and presence",
          "[c]\nexten=100,hint,PJSIP/a&PJSIP/b,CustomPresence:a\n",
          { "c" },
          "[c] 100=PJSIP/a&PJSIP/b,CustomPresence:a",
          NULL },
        { "presence only",
          "[c]\nexten=100,hint,,CustomPresence:a\n",
          { "c" },
          "[c] 100=,CustomPresence:a",
          NULL },
        { "name",
          "[c]\nexten=100,hint,PJSIP/a(Alice (the boss), her desk)\n",
          { "c" },
          "[c] 100=PJSIP/a(Alice (the boss), her desk)",
          NULL },
        { "text behind the name is dropped",
          "[c]\nexten=100,hint, PJSIP/a(A) b\n",
          { "c" },
          "[c] 100=PJSIP/a(A)",
          NULL },
        { "parentheses of a variable are no name",
          "[c]\nexten=_1X,hint,PJSIP/${DB(a/${EXTEN})}\n",
          { "c" },
          "[c] _1X=PJSIP/${DB(a/${EXTEN})}",
          HINT_LINE(2,
                    "_1X") "functions are not evaluated, ${DB(a/${EXTEN})} stays as it is; write "
                           "the device itself, or a variable of [globals]\n" },
        { "nor of an expression",
          "[c]\nexten=_1X,hint,Custom:$[1+(2)]\n",
          { "c" },
          "[c] _1X=Custom:$[1+(2)]",
          HINT_LINE(2,
                    "_1X") "expressions are not evaluated, $[1+(2)] stays as it is; write what it "
                           "comes to\n" },
        { "name without an end",
          "[c]\nexten=100,hint,PJSIP/a(Alice\n",
          { "c" },
          "[c] 100=PJSIP/a(Alice)",
          FILE_LINE "2: warning: no ) behind the name of the hint; add it\n" },
        { "brackets keep commas",
          "[c]\nexten=_[1,2]X,hint,PJSIP/a\n",
          { "c" },
          "[c] _[1,2]X=PJSIP/a",
          NULL },
        { "a bracket without an end takes all",
          "[c]\nexten=_[1X,hint,PJSIP/a\n",
          { "c" },
          "[c]",
          FILE_LINE "2: warning: exten has no priority and is ignored; there is no ] behind the [ "
                    "of its pattern, add it\n" },
        { "blanks in the extension",
          "[c]\nexten => 1 0 0 , hint , PJSIP/a\n",
          { "c" },
          "[c] 100=PJSIP/a",
          NULL },
        { "dashes stay visible",
          "[c]\nexten => 1-00,hint,PJSIP/a\n",
          { "c" },
          "[c] 1-00=PJSIP/a",
          NULL },
        { "label and offset",
          "[c]\nexten => 1,hint(x),PJSIP/a\nexten => 2,hint+1,PJSIP/b\n",
          { "c" },
          "[c] 1=PJSIP/a 2=PJSIP/b",
          NULL },
        { "globals",
          "[c]\nexten => ${N}1,hint,PJSIP/a\n[globals]\nN=10\n",
          { "c" },
          "[c] 101=PJSIP/a",
          NULL },
        { "blanks between devices",
          "[c]\nexten => 1,hint,PJSIP/a & PJSIP/b , CustomPresence:x\n",
          { "c" },
          "[c] 1=PJSIP/a&PJSIP/b,CustomPresence:x",
          FILE_LINE "2: warning: blanks between the devices of 1 are left out; Asterisk would take "
                    "them for part of the "
                    "names\n" },
        { "blanks inside a device stay",
          "[c]\nexten => 1,hint,Custom:front door&PJSIP/b\n",
          { "c" },
          "[c] 1=Custom:front door&PJSIP/b",
          NULL },
        { "what is no device",
          "[c]\nexten => 1,hint,alice&custom:lamp\n",
          { "c" },
          "[c] 1=alice&custom:lamp",
          FILE_LINE "2: warning: alice is no device; write its technology too, as PJSIP/alice or "
                    "Custom:alice\n" },
        { "same",
          "[c]\nexten => 1,1,Answer\nsame => hint,PJSIP/a\nsame = n,Hangup\nexten => "
          "2,hint,PJSIP/b\nsame => 1,x\n"
          "same => n,y\nsamething => hint,PJSIP/c\n",
          { "c" },
          "[c] 1=PJSIP/a 2=PJSIP/b",
          FILE_LINE
          "4: warning: priority n after a hint has none to follow, Asterisk drops this line; write "
          "1 instead\n" FILE_LINE
          "8: warning: 2@c has its hint from etc/extensions.conf:5; remove one of the two\n" },
        { "any case of directives",
          "[c]\nEXTEN => 1,hint,PJSIP/a\nExten => 2,1,x\nSAME => hint,PJSIP/b\n",
          { "c" },
          "[c] 1=PJSIP/a 2=PJSIP/b",
          NULL },
        { "sections of one name are one context",
          "[c]\nexten => 1,hint,PJSIP/a\n[d]\n[c]\nexten => 2,hint,PJSIP/b\n",
          { "c", "d" },
          "[c] 1=PJSIP/a 2=PJSIP/b [d]",
          NULL },
        { "names of contexts have a case",
          "[c]\nexten => 1,hint,PJSIP/a\n[C]\nexten => 2,hint,PJSIP/b\n",
          { "c", "C" },
          "[c] 1=PJSIP/a [C] 2=PJSIP/b",
          NULL },
        { "general and globals are none",
          "[General]\nexten => 1,hint,PJSIP/a\n[GLOBALS]\nx=1\n[t](!)\n",
          { "General", "GLOBALS", "t" },
          "[General is missing] [GLOBALS is missing] [t is missing]",
          NULL },
        { "autohints",
          "[c]\nautohints=yes\n[d]\nAutoHints => no\n[e]\nautohints=1\nautohints=0\n",
          { "c", "d", "e" },
          "[c*] [d] [e]",
          NULL },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

static void test_problems(void **state)
{
    static const struct extensions_case cases[] = {
        { "same before all",
          "[c]\nsame => 1,x\n[d]\nexten => 1,1,x\n[c]\nsame => hint,PJSIP/a\n",
          { "c" },
          "[c]",
          FILE_LINE "2: error: same comes before any exten of this section and is ignored; write "
                    "exten => EXTENSION,... "
                    "above it\n" FILE_LINE "6: error: same comes before any exten of this section "
                    "and is ignored; write exten => EXTENSION,... "
                    "above it\n" },
        { "n after a hint, once",
          "[c]\nexten => 1,hint,PJSIP/a\nsame => n,x\nsame => n,y\nexten => 2,n,z\nexten => 2,1,w\n"
          "same => n,v\n",
          { "c" },
          "[c] 1=PJSIP/a",
          FILE_LINE "3: warning: priority n after a hint has none to follow, Asterisk drops this "
                    "line; write 1 instead\n" },
        { "Hint is no hint",
          "[c]\nexten => 1,Hint,PJSIP/a\nexten => 2,HINT,PJSIP/b\n",
          { "c" },
          "[c]",
          FILE_LINE "2: warning: priority Hint is none, the line is ignored; write hint\n" FILE_LINE
                    "3: warning: priority HINT is none, the line is ignored; write hint\n" },
        { "caller ids",
          "[c]\nexten => 1/555,hint,PJSIP/a\nsame => hint,PJSIP/b\nexten => 1/,hint,PJSIP/c\n",
          { "c" },
          "[c] 1=PJSIP/c",
          FILE_LINE "2: warning: a hint for certain callers is never found by a subscriber and is "
                    "left out; remove the / "
                    "and what follows it\n" FILE_LINE
                    "3: warning: a hint for certain callers is never found by a subscriber and is "
                    "left out; remove the / "
                    "and what follows it\n" },
        { "duplicates",
          "[c]\nexten => 1,hint,PJSIP/a\nexten => 1,hint,PJSIP/b\n[d]\nexten => 1,hint,PJSIP/c\n",
          { "c", "d" },
          "[c] 1=PJSIP/a [d] 1=PJSIP/c",
          FILE_LINE
          "3: warning: 1@c has its hint from etc/extensions.conf:2; remove one of the two\n" },
        { "nothing in it",
          "[c]\nexten => 1,hint\nexten => 2,hint, \nexten => ,hint,PJSIP/a\nexten => 3\nexten =>\n",
          { "c" },
          "[c]",
          FILE_LINE "2: warning: the hint of 1 names no device and is left out\n" FILE_LINE
                    "3: warning: the hint of 2 names no device and is left out\n" FILE_LINE
                    "4: warning: exten names no extension and is ignored\n" FILE_LINE
                    "5: warning: exten has no priority and is ignored; write exten => "
                    "EXTENSION,hint,DEVICE or a PBX's "
                    "line\n" FILE_LINE "6: warning: exten has no priority and is ignored; write "
                    "exten => EXTENSION,hint,DEVICE or a PBX's "
                    "line\n" },
        { "directives",
          "[c]\nextn => 1,hint,PJSIP/a\nfoo => bar\nignorepat => 9\n",
          { "c" },
          "[c]",
          FILE_LINE "2: warning: unknown directive extn is ignored; did you mean exten?\n" FILE_LINE
                    "3: warning: unknown directive foo is ignored; a context has exten, same, "
                    "include, autohints, ignorepat "
                    "and switch\n" },
        { "switches, once",
          "[c]\nswitch => IAX2/x\neswitch => IAX2/y\n[d]\nLSWITCH => z\n",
          { "c" },
          "[c]",
          FILE_LINE "2: warning: switch in [c] is ignored: other dialplans cannot be asked from "
                    "here; hints have to be in "
                    "this one\n" FILE_LINE "5: warning: LSWITCH in [d] is ignored: other dialplans "
                    "cannot be asked from here; hints have to be in "
                    "this one\n" },
        { "includes",
          "[c]\ninclude => d\ninclude => gone\ninclude => D,9:00-17:00,mon-fri,*,*\ninclude => d\n"
          "include => d|25:00-1:00|*|*|*\ninclude =>\n[d]\n[D]\n",
          { "c" },
          "[c]",
          FILE_LINE "5: warning: [c] includes \"d\" already; remove this line\n" FILE_LINE
                    "6: error: the times of \"d|25:00-1:00|*|*|*\" cannot be read, nothing is "
                    "included; write "
                    "CONTEXT,9:00-17:00,mon-fri,1-31,jan-dec\n" FILE_LINE
                    "7: warning: include names no context and is ignored; write include => "
                    "CONTEXT\n" FILE_LINE "3: warning: [c] includes [gone], which does not exist; "
                    "define it or correct the name\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

static void test_dark_hints(void **state)
{
    static const struct extensions_case cases[] = {
        { "variables that are not set, each once",
          "[globals]\nA=alice\n[c]\nexten => "
          "1,hint,PJSIP/${A}&PJSIP/${B}&Custom:${B}\nexten => "
          "2,hint,${NONE}\nexten => 3,hint,PJSIP/${EXTEN}@${CONTEXT}-${EPOCH}\nexten "
          "=> "
          "_4X,hint,PJSIP/${EXTEN}${exten}\nexten => 5,hint,PJSIP/${${C}}\n",
          { NULL },
          "",
          HINT_LINE(4, "1") "there is no variable B, nothing stands in its place; set it in "
                            "[globals], or correct the name\n" HINT_LINE(
                                5, "2") "there is no variable NONE, nothing stands in its "
                                        "place; set it in [globals], or correct "
                                        "the name\n" HINT_LINE(
                                            7, "_4X") "there is no variable exten, nothing stands "
                                                      "in its "
                                                      "place; set it in [globals], or correct the "
                                                      "name\n" HINT_LINE(
                                                          8, "5") "there is no variable C, nothing "
                                                                  "stands in its place; set it in "
                                                                  "[globals], or correct "
                                                                  "the name\n" },
        { "variables of the program",
          "[c]\nexten => 1,hint,Custom:${SYSTEMNAME}&Custom:${ENTITYID}\n",
          { NULL },
          "",
          HINT_LINE(2, "1") "there is no variable SYSTEMNAME, nothing stands in its "
                            "place; write "
                            "systemname = ... in [general] of extstate.conf\n" HINT_LINE(
                                2, "1") "there is no variable ENTITYID, nothing stands in "
                                        "its place; write entityid = ... in "
                                        "[general] of extstate.conf\n" },
        { "what nobody evaluates",
          "[c]\nexten => 1,hint,${DB(x/y)}&PJSIP/$[1+1]\nexten => "
          "2,hint,PJSIP/${EXTEN\nexten => "
          "3,hint,PJSIP/$[1\nexten => 4,hint,PJSIP/$4\n",
          { NULL },
          "",
          HINT_LINE(
              2, "1") "functions are not evaluated, ${DB(x/y)} stays as it is; write the "
                      "device itself, or a variable of [globals]\n" HINT_LINE(
                          2, "1") "expressions are not evaluated, $[1+1] stays as it is; "
                                  "write what it comes "
                                  "to\n" HINT_LINE(
                                      3, "2") "nothing closes ${EXTEN, it stays as it is; add "
                                              "}\n" HINT_LINE(4, "3") "nothing closes $[1, it "
                                                                      "stays as it is; add ]\n" },
        { "patterns that match nothing",
          "[globals]\nOPEN=_[1-\nBACK=_[9-1]\n[c]\nexten => "
          "${OPEN},hint,PJSIP/a\nexten => "
          "${BACK},hint,PJSIP/a\nexten => _,hint,PJSIP/a\nexten => "
          "_[]X,hint,PJSIP/a\nexten => "
          "_!,hint,PJSIP/a\nexten => _.,hint,PJSIP/a\n",
          { NULL },
          "",
          HINT_LINE(5, "_[1-") "no extension matches this pattern; close each [ with a ] and "
                               "write "
                               "something between them\n" HINT_LINE(
                                   6, "_[9-1]") "no extension matches this pattern; close "
                                                "each [ with a ] and write something between "
                                                "them\n" HINT_LINE(
                                                    7, "_") "no extension matches this pattern; "
                                                            "close each [ with a ] and "
                                                            "write something between them\n" },
        { "names without a kind, kinds without a name",
          "[globals]\nP=alice\n[c]\nexten => "
          "1,hint,PJSIP/a,alice&CustomPresence:b\nexten => "
          "2,hint,Custom:&PJSIP/,CustomPresence:\nexten => 3,hint,${P}\nexten => "
          "_4X,hint,a\n"
          "exten => _5X,hint,${EXTEN},${EXTEN}\n",
          { NULL },
          "",
          HINT_LINE(4, "1") "alice is no presence provider; write its kind too, as "
                            "CustomPresence:alice\n" HINT_LINE(
                                5, "2") "Custom: is no device; write its name behind "
                                        "it\n" HINT_LINE(5, "2") "PJSIP/ is no device; write "
                                                                 "its name behind "
                                                                 "it\n" HINT_LINE(
                                                                     5, "2") "CustomPr"
                                                                             "esence: "
                                                                             "is no "
                                                                             "presence"
                                                                             " provide"
                                                                             "r; "
                                                                             "write "
                                                                             "its "
                                                                             "name "
                                                                             "behind "
                                                                             "it"
                                                                             "\n" FILE_LINE "6: "
                                                                             "warning:"
                                                                             " alice "
                                                                             "is no "
                                                                             "device; "
                                                                             "write "
                                                                             "its "
                                                                             "technolo"
                                                                             "gy too, "
                                                                             "as "
                                                                             "PJSIP/"
                                                                             "alice "
                                                                             "or "
                                                                             "Custom:"
                                                                             "alice"
                                                                             "\n" FILE_LINE "7: "
                                                                             "warning:"
                                                                             " a is "
                                                                             "no "
                                                                             "device; "
                                                                             "write "
                                                                             "its "
                                                                             "technolo"
                                                                             "gy too, "
                                                                             "as "
                                                                             "PJSIP/a "
                                                                             "or "
                                                                             "Custom:"
                                                                             "a\n" },
        { "nothing between the separators",
          "[globals]\nNO=\n[c]\nexten => 1,hint,&,&\nexten => 2,hint,${NO}\nexten => "
          "_3X,hint,,\n",
          { NULL },
          "",
          HINT_LINE(4, "1") "\"&,&\" names neither a device nor a presence provider; "
                            "its lamp stays "
                            "dark\n" HINT_LINE(5, "2") "\"${NO}\" names neither a device nor a "
                                                       "presence provider; its lamp stays "
                                                       "dark\n" HINT_LINE(
                                                           6, "_3X") "\",\" names neither a device "
                                                                     "nor a presence provider; its "
                                                                     "lamp stays dark\n" },
        { "autohints, neither yes nor no",
          "[c]\nautohints=maybe\n[d]\nautohints=\n",
          { "c", "d" },
          "[c] [d]",
          FILE_LINE "2: warning: autohints = maybe counts as no; write yes or no\n" FILE_LINE
                    "4: warning: autohints =  counts as no; write yes or no\n" },
    };

    (void)state;
    check_all(cases, ARRAY_LEN(cases));
}

/* They are there before [globals], which may use them. */
static void test_program_variables(void **state)
{
    const struct general_settings general = { .systemname = STR_INIT("pbx-1"),
                                              .entityid = STR_INIT("02:00:5e:10:00:01") };
    struct dialplan *dp = NULL;
    struct diag diag;
    struct buf b;

    (void)state;
    assert_int_equal(load_with(&dp, &diag,
                               "[globals]\nLAMP=Custom:${SYSTEMNAME}\n[c]\nexten => "
                               "1,hint,${LAMP}&Custom:${SYSTEMNAME}-${ENTITYID}\n",
                               NULL, &general),
                     0);
    assert_str(buf_str(&diag.text), "");
    buf_init(&b, 1024);
    dialplan_substitute(dp, STR("${LAMP} ${ENTITYID}"), STR_EMPTY, STR_EMPTY, 0, &b);
    assert_str(buf_str(&b), "Custom:pbx-1 02:00:5e:10:00:01");
    buf_fini(&b);
    dialplan_unref(dp);
    diag_fini(&diag);
}

/* What nobody could follow is told while the file is read, with its line. */
static void test_long_sources(void **state)
{
    static const struct {
        const char *line; /* '@' stands for LONG, the name of 80 bytes */
        const char *told; /* NULL: nothing */
    } cases[] = {
        { "exten => 1,hint,@", "the hint of 1: the device :aaaaaaaaaaaaaaaaaaaaaaa... has 80" },
        { "exten => 1,hint,PJSIP/a&@", "the hint of 1: the device :aaa" },
        { "exten => 1,hint,PJSIP/a,@", "the hint of 1: the presence provider :aaa" },
        { "exten => 1,hint,PJSIP/a,CustomPresence:a&@", "the hint of 1: the presence provider :" },
        { "exten => 1,hint,${LONG}", "the hint of 1: the device :aaa" },
        { "exten => 1,hint,${LONG:1}/", "the hint of 1: the device aaa" },
        { "exten => 12,hint,${LONG:2}${EXTEN}", "the hint of 12: the device aaa" },
        { "exten => 1,hint,${LONG:4}/${EXTEN}", NULL },
        { "exten => _1X,hint,${LONG}/${EXTEN}", "the hint of _1X: the device :aaa" },
        { "exten => _1X,hint,${LONG:2}/${EXTEN}", NULL }, /* depends on who is asked for */
        { "exten => 1,hint,${LONG:2}/", "is no device; write its name behind it" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t at = str_find_char(str_of(cases[i].line), '@');
        bool named = cases[i].line[at] != '\0';
        char name[81] = ":", *text;
        struct dialplan *dp = NULL;
        struct diag diag;

        memset(name + 1, 'a', 79);
        assert_true(asprintf(&text, "[globals]\nLONG=%s\n[c]\n%.*s%s\n", name, (int)at,
                             cases[i].line, named ? name : "") > 0);
        assert_int_equal(load(&dp, &diag, text, NULL), 0);
        assert_int_equal(diag.errors + diag.warnings, cases[i].told != NULL);
        assert_true(!cases[i].told ||
                    str_contains_nocase(buf_str(&diag.text), str_of(cases[i].told)));
        assert_true(!cases[i].told || str_starts(buf_str(&diag.text), STR(FILE_LINE "4: ")));
        dialplan_unref(dp);
        diag_fini(&diag);
        free(text);
    }
}

static void test_long_names(void **state)
{
    struct dialplan *dp;
    struct diag diag;
    char *text;

    (void)state;
    assert_true(asprintf(&text,
                         "[c]\nexten => %079d,hint,PJSIP/a\nexten => %080d,hint,PJSIP/a\nexten => "
                         "%0256d,hint,PJSIP/a\n"
                         "same => hint,PJSIP/a\n[%079d]\n[%080d]\nexten => 1,hint,PJSIP/a\n",
                         1, 2, 3, 4, 5) > 0);
    assert_int_equal(load(&dp, &diag, text, NULL), 0);
    assert_int_equal(diag.errors, 3);
    assert_int_equal(diag.warnings, 0);
    assert_true(str_contains_nocase(buf_str(&diag.text), STR(FILE_LINE "3: error: extension 000")));
    assert_true(str_contains_nocase(
        buf_str(&diag.text), STR(FILE_LINE "4: error: the extension has more than 255 bytes")));
    assert_true(
        str_contains_nocase(buf_str(&diag.text), STR(FILE_LINE "7: error: the name of [000")));
    dialplan_unref(dp);
    diag_fini(&diag);
    free(text);
}

static void test_files(void **state)
{
    struct settings_source nowhere = { .directory = STR("etc") };
    struct test_file none = { NULL, NULL };
    const char *const contexts[] = { "c", NULL };
    struct dialplan *dp = NULL;
    struct diag diag;
    struct buf text;

    (void)state;
    nowhere.files = test_conf_source(&none);
    diag_init(&diag);
    assert_int_equal(extensions_read(&dp, &nowhere, &no_variables, &diag), 0);
    assert_str(
        buf_str(&diag.text),
        "etc/extensions.conf: warning: the file does not exist, so there are no hints; write "
        "some, or correct --config-dir\n");
    assert_null(dialplan_context_next(dp, NULL));
    dialplan_unref(dp);
    diag_fini(&diag);

    dp = NULL;
    assert_int_equal(load(&dp, &diag, "x=1\n", NULL), -EINVAL);
    assert_null(dp);
    diag_fini(&diag);

    assert_int_equal(load(&dp, &diag, "[c]\nexten => 1,hint,PJSIP/a\n#include more.conf\n",
                          "exten => 2,hint,PJSIP/b\nexten => 1,hint,PJSIP/c\n"),
                     0);
    assert_str(
        buf_str(&diag.text),
        "etc/more.conf:2: warning: 1@c has its hint from etc/extensions.conf:2; remove one of "
        "the two\n");
    buf_init(&text, 1024);
    dialplan_print(&text, dp, contexts);
    assert_str(buf_str(&text), "[c] 2=PJSIP/b 1=PJSIP/a");
    buf_fini(&text);
    dialplan_unref(dp);
    diag_fini(&diag);
}

static void test_office(void **state)
{
    const struct extensions_case c = {
        "office",
        extensions_sample,
        { "internal", "floor2", "old-stuff" },
        "[internal] 6000=PJSIP/6000(Reception) 6001=PJSIP/6001&PJSIP/6001-soft,CustomPresence:6001 "
        "6002=PJSIP/6002 "
        "6003=PJSIP/6003 _61XX=PJSIP/${EXTEN} _62[0-4,7]X=PJSIP/${EXTEN:1}&Custom:desk-${EXTEN} "
        "60019=Custom:boss(The Boss "
        "(at \"home\")) 700=park:700@parkedcalls _70[1-9]=park:${EXTEN}@parkedcalls 800=MeetMe:800 "
        "810=ConfBridge:810 "
        "900=Queue:sales *290=Custom:NIGHT(Night service) *291=${RECEPTION} "
        "alice=${RECEPTION}&PJSIP/alice "
        "alice-b=PJSIP/alice-b 6004=PJSIP/6004 [floor2*] 999=PJSIP/never 6010=PJSIP/6010 "
        "[old-stuff is missing]",
        FILE_LINE "73: warning: switch in [internal] is ignored: other dialplans cannot be asked "
                  "from here; hints have to be "
                  "in this one\n",
    };

    (void)state;
    check(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hints),        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_long_names),   cmocka_unit_test(test_files),
        cmocka_unit_test(test_dark_hints),   cmocka_unit_test(test_program_variables),
        cmocka_unit_test(test_long_sources), cmocka_unit_test(test_office),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
