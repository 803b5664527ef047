// SPDX-License-Identifier: MIT
#include "state/dialplan.h"
#include <stdio.h>
#include <stdlib.h>

#include "state/state_testing.h"

static const uint64_t noon_ms = 12ull * 3600 * 1000; /* of a Thursday */

/* "EXTENSION@CONTEXT" of what was found, with ! when the answer does not hold for long; or "-". */
static void assert_found_at(const struct dialplan *dp, const char *context, const char *extension,
                            uint64_t wall_ms, const char *want)
{
    struct dialplan_match m;
    char text[200] = "-";

    if (dialplan_find(dp, str_of(context), str_of(extension), wall_ms, &m) == 0) {
        snprintf(text, sizeof(text), "%.*s@%.*s%s", STR_FMT(m.hint->extension),
                 STR_FMT(dialplan_context_name(m.context)), m.cacheable ? "" : "!");
        assert_int_equal(m.pattern, m.hint->pattern);
    }
    assert_string_equal(text, want);
}

static void assert_found(const struct dialplan *dp, const char *context, const char *extension,
                         const char *want)
{
    assert_found_at(dp, context, extension, noon_ms, want);
}

static void test_order(void **state)
{
    struct dialplan *dp = plan_of("[users]\n"
                                  "_! Custom:all\n"
                                  "_1XXX PJSIP/x\n"
                                  "_1X. PJSIP/more\n"
                                  "_10[0-4]X PJSIP/few\n"
                                  "1000 PJSIP/alice\n"
                                  "10-01 PJSIP/bob\n"
                                  "_N! PJSIP/n\n"
                                  "front-door PJSIP/door\n"
                                  "[lobby]\n"
                                  "front-door PJSIP/door\n"
                                  "frontdoor PJSIP/other\n");

    (void)state;
    assert_found(dp, "users", "1000", "1000@users");
    assert_found(dp, "users", "1-000", "1000@users");
    assert_found(dp, "users", "1001", "10-01@users");
    assert_found(dp, "users", "front-door", "front-door@users");
    assert_found(dp, "users", "frontdoor", "_!@users"); /* which is no number */
    assert_found(dp, "lobby", "front-door", "front-door@lobby");
    assert_found(dp, "lobby", "frontdoor", "frontdoor@lobby");
    assert_found(dp, "lobby", "fr-ontdoor", "-");
    assert_found(dp, "users", "1002", "_10[0-4]X@users");
    assert_found(dp, "users", "1099", "_1XXX@users");
    assert_found(dp, "users", "10999", "_1X.@users");
    assert_found(dp, "users", "1", "_!@users");
    assert_found(dp, "users", "2", "_N!@users");
    assert_found(dp, "users", "_N!", "_N!@users"); /* by its own name */
    assert_found(dp, "users", "", "-");
    assert_found(dp, "Users", "1000", "-");
    assert_found(dp, "", "1000", "-");
    assert_found(dp, "users",
                 "1234567890123456789012345678901234567890123456789012345678901234567890123456789",
                 "_1X.@users");
    assert_found(dp, "users",
                 "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                 "-");
    dialplan_unref(dp);
}

/* What is taken out is not found any more, and the rest as before, in a copy too. */
static void test_removing(void **state)
{
    struct dialplan *dp = plan_of("[users]\n"
                                  "_1XXX PJSIP/x\n"
                                  "_1X. PJSIP/more\n"
                                  "1000 PJSIP/alice\n"
                                  "1001 PJSIP/bob\n");
    struct dialplan *copy;
    struct dialplan_context *ctx;

    (void)state;
    assert_int_equal(dialplan_copy(&copy, dp), 0);
    ctx = dialplan_context_find(copy, STR("users"));
    assert_non_null(ctx);
    assert_int_equal(dialplan_hint_remove(ctx, STR("1000")), 0);
    assert_int_equal(dialplan_hint_remove(ctx, STR("1000")), DIALPLAN_NO_HINT);
    assert_int_equal(dialplan_hint_remove(ctx, STR("_1XX")), DIALPLAN_NO_HINT);
    assert_found(copy, "users", "1000", "_1XXX@users");
    assert_found(copy, "users", "1001", "1001@users");
    assert_int_equal(dialplan_hint_remove(ctx, STR("_1XXX")), 0);
    assert_found(copy, "users", "1000", "_1X.@users");
    assert_int_equal(dialplan_hint_add(ctx, &(struct hint_spec){ .extension = STR("1000"),
                                                                 .text = STR("Custom:x") }),
                     0);
    assert_found(copy, "users", "1000", "1000@users");
    assert_int_equal(dialplan_hint_remove(ctx, STR("_1X.")), 0);
    assert_int_equal(dialplan_hint_remove(ctx, STR("1001")), 0);
    assert_int_equal(dialplan_hint_remove(ctx, STR("10-00")), 0);
    assert_found(copy, "users", "1001", "-");
    assert_found(dp, "users", "1000", "1000@users");
    dialplan_unref(copy);
    dialplan_unref(dp);
}

static void test_listing(void **state)
{
    static const char *const want[] = { "2", "1", "a", "_1", "_N", "_.", "_!" };
    struct dialplan *dp =
        plan_of("[a]\n_! x/1\n2 x/2(Two)\n_1 x/3\n1 x/4\n_. x/5\na x/6\n_N x/7\n[b]");
    struct dialplan_context *a = dialplan_context_find(dp, STR("a"));
    const struct hint_entry *e = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        e = dialplan_hint_next(a, e);
        assert_non_null(e);
        assert_true(str_equal(e->extension, str_of(want[i])));
    }
    assert_null(dialplan_hint_next(a, e));
    e = dialplan_hint_next(a, NULL);
    assert_true(str_equal(e->name, STR("Two")));
    assert_true(str_equal(e->text, STR("x/2")));
    assert_true(str_equal(e->file, STR("test.conf")));
    assert_int_equal(e->line, 3);
    assert_ptr_equal(dialplan_context_next(dp, NULL), a);
    assert_true(str_equal(dialplan_context_name(dialplan_context_next(dp, a)), STR("b")));
    assert_null(dialplan_context_next(dp, dialplan_context_next(dp, a)));
    assert_false(dialplan_context_autohints(a));
    dialplan_autohints_set(a, true);
    assert_true(dialplan_context_autohints(a));
    dialplan_unref(dp);
}

static int hint(struct dialplan_context *ctx, const char *extension)
{
    const struct hint_spec spec = { .extension = str_of(extension), .text = STR("x/y") };

    return dialplan_hint_add(ctx, &spec);
}

static void test_adding(void **state)
{
    char name[81];
    struct dialplan_context *a, *again;
    struct dialplan *dp = plan_of("global PREFIX=77\nglobal BLANK= \n[a]");

    (void)state;
    a = dialplan_context_find(dp, STR("a"));
    assert_int_equal(dialplan_context_get(dp, STR("a"), &again), 0);
    assert_ptr_equal(a, again);
    assert_int_equal(hint(a, "1000"), 0);
    assert_int_equal(hint(a, "1000"), DIALPLAN_DUPLICATE);
    assert_int_equal(hint(a, "1-000"), DIALPLAN_DUPLICATE);
    assert_int_equal(hint(a, "_NXX"), 0);
    assert_int_equal(hint(a, "_[2-9]xx"), DIALPLAN_DUPLICATE);
    assert_int_equal(hint(a, "1 0 0 1"), 0);
    assert_found(dp, "a", "1001", "1001@a");
    assert_int_equal(hint(a, "_5[ 1] 1"), 0); /* blanks in a set are meant */
    assert_found(dp, "a", "5 1", "_5[ 1]1@a");
    assert_int_equal(hint(a, "${PREFIX}1${EXTEN}"), 0);
    assert_found(dp, "a", "771", "771@a");
    assert_int_equal(hint(a, "${NOSUCH}"), 0); /* nothing is left of it */
    assert_int_equal(hint(a, " "), 0);

    memset(name, '7', sizeof(name));
    name[79] = '\0';
    assert_int_equal(hint(a, name), 0);
    assert_int_equal(dialplan_context_get(dp, str_of(name), &again), 0);
    name[79] = '7';
    name[80] = '\0';
    assert_int_equal(hint(a, name), DIALPLAN_TOO_LONG);
    assert_int_equal(dialplan_context_get(dp, str_of(name), &again), DIALPLAN_TOO_LONG);
    assert_int_equal(dialplan_include_add(a, str_of(name)), DIALPLAN_TOO_LONG);
    dialplan_unref(dp);
}

static void test_includes(void **state)
{
    struct dialplan *dp = plan_of("[top]\n"
                                  "include one\n"
                                  "include nowhere\n"
                                  "include two\n"
                                  "1 x/top\n"
                                  "[one]\n"
                                  "include deep\n"
                                  "2 x/one\n"
                                  "_3X x/one\n"
                                  "[deep]\n"
                                  "include top\n"
                                  "include deep\n"
                                  "4 x/deep\n"
                                  "5 x/deep\n"
                                  "[two]\n"
                                  "30 x/two\n"
                                  "5 x/two\n"
                                  "6 x/two\n");

    (void)state;
    assert_found(dp, "top", "1", "1@top");
    assert_found(dp, "top", "2", "2@one");
    assert_found(dp, "top", "30", "_3X@one"); /* a pattern nearby before a literal further off */
    assert_found(dp, "top", "4", "4@deep");
    assert_found(dp, "top", "5", "5@deep"); /* depth first */
    assert_found(dp, "top", "6", "6@two");
    assert_found(dp, "top", "7", "-");
    assert_found(dp, "deep", "1", "1@top"); /* round the circle */
    assert_found(dp, "deep", "6", "6@two");
    assert_found(dp, "two", "1", "-");
    dialplan_unref(dp);
}

/* c0 includes c1 and so on; the hint is in the last one. */
static struct dialplan *chain(unsigned n, unsigned arms)
{
    struct dialplan *dp;
    struct dialplan_context *ctx = NULL;
    char name[32];

    assert_int_equal(dialplan_create(&dp), 0);
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "c%u", i);
        assert_int_equal(dialplan_context_get(dp, str_of(name), &ctx), 0);
        for (unsigned arm = 1; arm <= arms && i + 1 < n; arm++) {
            snprintf(name, sizeof(name), "c%u", i + arm);
            assert_int_equal(dialplan_include_add(ctx, str_of(name)), 0);
        }
    }
    assert_int_equal(hint(ctx, "1000"), 0);
    return dp;
}

static void test_depth(void **state)
{
    struct dialplan *dp = chain(128, 1);

    (void)state;
    assert_found(dp, "c0", "1000", "1000@c127");
    dialplan_unref(dp);
    dp = chain(129, 1);
    assert_found(dp, "c0", "1000", "-");
    assert_found(dp, "c1", "1000", "1000@c128");
    dialplan_unref(dp);
    dp = chain(100, 3); /* there are more ways than anybody could walk */
    assert_found(dp, "c0", "1000", "1000@c99");
    assert_found(dp, "c0", "2000", "-");
    dialplan_unref(dp);
}

static void test_times(void **state)
{
    static const uint64_t night_ms = 3ull * 3600 * 1000;
    struct dialplan *dp = plan_of("[top]\n"
                                  "include before\n"
                                  "include day,9:00-17:00,*,*,*\n"
                                  "include night|18:00-8:00\n"
                                  "include always, *\n"
                                  "include after\n"
                                  "[before]\n1 x/y\n"
                                  "[day]\ninclude deep\n2 x/y\n3 x/y\n"
                                  "[night]\n3 x/y\n"
                                  "[always]\n5 x/y\n"
                                  "[after]\n4 x/y\n"
                                  "[deep]\n6 x/y\n");

    (void)state;
    assert_found_at(dp, "top", "1", noon_ms, "1@before");
    assert_found_at(dp, "top", "2", noon_ms, "2@day!");
    assert_found_at(dp, "top", "2", night_ms, "-");
    assert_found_at(dp, "top", "3", noon_ms, "3@day!");
    assert_found_at(dp, "top", "3", night_ms, "3@night!");
    assert_found_at(dp, "top", "4", noon_ms, "4@after!"); /* at night [night] might have it */
    assert_found_at(dp, "top", "5", noon_ms, "5@always!");
    assert_found_at(dp, "top", "6", noon_ms, "6@deep!");
    assert_found_at(dp, "day", "6", night_ms, "6@deep");
    dialplan_unref(dp);
}

/* Where a context with autohints has nothing of that name, one may appear. */
static void test_autohints_may_come(void **state)
{
    struct dialplan *dp = plan_of("[top]\ninclude auto\ninclude other\n[auto]\nautohints\ninclude "
                                  "deep\n1 x/y\n[deep]\n2 x/y\n[other]\n3 x/y");

    (void)state;
    assert_found(dp, "top", "1", "1@auto");
    assert_found(dp, "top", "2", "2@deep");
    assert_found(dp, "top", "3", "3@other!");
    dialplan_unref(dp);
}

static void test_include_refusals(void **state)
{
    struct dialplan *dp = plan_of("[a]");
    struct dialplan_context *a = dialplan_context_find(dp, STR("a"));

    (void)state;
    assert_int_equal(dialplan_include_add(a, STR("b")), 0);
    assert_int_equal(dialplan_include_add(a, STR(" B ")), DIALPLAN_DUPLICATE);
    assert_int_equal(dialplan_include_add(a, STR("b,9:00-17:00")), 0);
    assert_int_equal(dialplan_include_add(a, STR("B,9:00-17:00")), DIALPLAN_DUPLICATE);
    assert_int_equal(dialplan_include_add(a, STR("b,9:00-18:00")), 0);
    assert_int_equal(dialplan_include_add(a, STR("b,9")), DIALPLAN_BAD_TIME);
    assert_int_equal(dialplan_include_add(a, STR("b,9")), DIALPLAN_BAD_TIME); /* was not kept */
    assert_int_equal(dialplan_include_add(a, STR("b,*,*,*,*,No/Such")), DIALPLAN_BAD_TIME);
    dialplan_unref(dp);
}

static void test_include_remove(void **state)
{
    struct dialplan *dp = plan_of("[a]\ninclude b\ninclude c,9:00-17:00,*,*,*\ninclude c\n[b]\n"
                                  "1 x/y\n[c]\n2 x/y\n");
    struct dialplan_context *a = dialplan_context_find(dp, STR("a"));
    struct dialplan_match m;

    (void)state;
    assert_int_equal(dialplan_find(dp, STR("a"), STR("1"), 0, &m), 0);
    assert_int_equal(dialplan_include_remove(a, STR("x")), DIALPLAN_NO_INCLUDE);
    assert_int_equal(dialplan_include_remove(a, STR("B")), 0);
    assert_int_equal(dialplan_include_remove(a, STR("b")), DIALPLAN_NO_INCLUDE);
    assert_int_equal(dialplan_find(dp, STR("a"), STR("1"), 0, &m), DIALPLAN_NO_HINT);
    assert_int_equal(dialplan_include_remove(a, STR("c,9:00-17:00,*,*,*")), 0);
    assert_int_equal(dialplan_find(dp, STR("a"), STR("2"), 0, &m), 0);
    assert_true(m.cacheable);
    assert_int_equal(dialplan_include_remove(a, STR("c")), 0);
    assert_int_equal(dialplan_find(dp, STR("a"), STR("2"), 0, &m), DIALPLAN_NO_HINT);
    dialplan_unref(dp);
}

static void missing(void *ctx, struct str from, struct str include)
{
    buf_printf(ctx, "%.*s>%.*s ", STR_FMT(from), STR_FMT(include));
}

static void test_check(void **state)
{
    struct dialplan *dp = plan_of("[a]\ninclude b\ninclude c,*\n[b]\ninclude a\ninclude B");
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    dialplan_check(dp, missing, &b);
    assert_true(str_equal(buf_str(&b), STR("a>c b>B ")));
    buf_fini(&b);
    dialplan_unref(dp);
    dialplan_unref(NULL);
}

/* Many patterns stay in order however they come. */
static void test_many_patterns(void **state)
{
    struct dialplan *dp = plan_of("[a]");
    struct dialplan_context *a = dialplan_context_find(dp, STR("a"));
    const struct hint_entry *e = NULL, *last;
    struct rng rng;
    char name[32];
    size_t n = 0, added = 0;

    (void)state;
    rng_init_seeded(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        static const char parts[] = "123XNZ.!";
        size_t len = 1 + rng_below(&rng, 5);

        name[0] = '_';
        for (size_t k = 1; k <= len; k++)
            name[k] = parts[rng_below(&rng, sizeof(parts) - 1)];
        name[len + 1] = '\0';
        added += hint(a, name) == 0;
        if (i % 10 == 0)
            added += hint(a, name + 1) == 0;
    }
    for (last = NULL; (e = dialplan_hint_next(a, e)); last = e, n++) {
        if (last && last->pattern)
            assert_true(dialplan_pattern_compare(last->extension, e->extension) < 0);
        if (last)
            assert_true(last->pattern <= e->pattern);
    }
    assert_int_equal(n, added);
    dialplan_unref(dp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_removing),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_autohints_may_come),
        cmocka_unit_test(test_include_refusals),
        cmocka_unit_test(test_include_remove),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_many_patterns),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
