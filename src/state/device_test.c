// SPDX-License-Identifier: MIT
#include "state/device.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

enum { U, N, I, B, V, X, R, RI, H }; /* in the order of enum device_state */

static void assert_str(struct str got, const char *want)
{
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static enum device_state combine(const enum device_state *states, size_t n)
{
    struct device_aggregate a;

    device_aggregate_init(&a);
    for (size_t i = 0; i < n; i++)
        device_aggregate_add(&a, states[i]);
    return device_aggregate_result(&a);
}

static void test_pairs(void **state)
{
    static const int want[DEVICE_STATES][DEVICE_STATES] = {
        /*        U   N   I   B   V   X   R   RI  H */
        [U] = { U, N, I, B, U, X, R, RI, H },    [N] = { N, N, I, B, N, N, R, RI, H },
        [I] = { I, I, I, B, I, I, RI, RI, I },   [B] = { B, B, B, B, B, B, RI, RI, B },
        [V] = { U, N, I, B, V, X, R, RI, H },    [X] = { X, N, I, B, X, X, R, RI, H },
        [R] = { R, R, RI, RI, R, R, R, RI, RI }, [RI] = { RI, RI, RI, RI, RI, RI, RI, RI, RI },
        [H] = { H, H, I, B, H, H, RI, RI, H },
    };

    (void)state;
    for (int a = 0; a < DEVICE_STATES; a++)
        for (int b = 0; b < DEVICE_STATES; b++) {
            const enum device_state pair[] = { (enum device_state)a, (enum device_state)b };

            assert_int_equal(combine(pair, 2), want[a][b]);
        }
}

/* With three or more the flags show: what rings and what is busy may have been said by weaker
 * states. */
static void test_several(void **state)
{
    static const struct {
        enum device_state states[4];
        size_t n;
        enum device_state want;
    } cases[] = {
        { { 0 }, 0, DEVICE_INVALID },
        { { DEVICE_UNKNOWN }, 1, DEVICE_UNKNOWN },
        { { DEVICE_ONHOLD, DEVICE_NOT_INUSE, DEVICE_RINGING }, 3, DEVICE_RINGINUSE },
        { { DEVICE_RINGING, DEVICE_NOT_INUSE, DEVICE_UNAVAILABLE }, 3, DEVICE_RINGING },
        { { DEVICE_BUSY, DEVICE_ONHOLD, DEVICE_INUSE }, 3, DEVICE_BUSY },
        { { DEVICE_ONHOLD, DEVICE_INUSE, DEVICE_INUSE }, 3, DEVICE_INUSE },
        { { DEVICE_INVALID, DEVICE_UNKNOWN, DEVICE_UNAVAILABLE }, 3, DEVICE_UNAVAILABLE },
        { { DEVICE_INVALID, DEVICE_INVALID, DEVICE_INVALID }, 3, DEVICE_INVALID },
        { { DEVICE_RINGINUSE, DEVICE_BUSY, DEVICE_INVALID, DEVICE_ONHOLD }, 4, DEVICE_RINGINUSE },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(combine(cases[i].states, cases[i].n), cases[i].want);
}

/* Every order of every three states gives the same. */
static void test_order(void **state)
{
    (void)state;
    for (int a = 0; a < DEVICE_STATES; a++)
        for (int b = 0; b < DEVICE_STATES; b++)
            for (int c = 0; c < DEVICE_STATES; c++) {
                const enum device_state one[] = { (enum device_state)a, (enum device_state)b,
                                                  (enum device_state)c };
                const enum device_state two[] = { one[2], one[0], one[1] };
                const enum device_state three[] = { one[1], one[0], one[2] };

                assert_int_equal(combine(one, 3), combine(two, 3));
                assert_int_equal(combine(one, 3), combine(three, 3));
            }
}

static void test_device_names(void **state)
{
    static const struct {
        enum device_state value;
        const char *name, *text;
        enum extension_state extension;
    } cases[] = {
        { DEVICE_UNKNOWN, "UNKNOWN", "Unknown", EXTENSION_IDLE },
        { DEVICE_NOT_INUSE, "NOT_INUSE", "Not in use", EXTENSION_IDLE },
        { DEVICE_INUSE, "INUSE", "In use", EXTENSION_INUSE },
        { DEVICE_BUSY, "BUSY", "Busy", EXTENSION_BUSY },
        { DEVICE_INVALID, "INVALID", "Invalid", EXTENSION_UNAVAILABLE },
        { DEVICE_UNAVAILABLE, "UNAVAILABLE", "Unavailable", EXTENSION_UNAVAILABLE },
        { DEVICE_RINGING, "RINGING", "Ringing", EXTENSION_RINGING },
        { DEVICE_RINGINUSE, "RINGINUSE", "Ring+Inuse", EXTENSION_INUSE_RINGING },
        { DEVICE_ONHOLD, "ONHOLD", "On Hold", EXTENSION_ONHOLD },
    };
    enum device_state parsed = DEVICE_BUSY;

    (void)state;
    assert_int_equal(ARRAY_LEN(cases), DEVICE_STATES);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal((size_t)cases[i].value, i); /* the numbers cross the network */
        assert_str(device_state_name(cases[i].value), cases[i].name);
        assert_str(device_state_text(cases[i].value), cases[i].text);
        assert_int_equal(extension_state_of(cases[i].value), cases[i].extension);
        assert_int_equal(device_state_parse(&parsed, str_of(cases[i].name)), 0);
        assert_int_equal(parsed, cases[i].value);
    }
    assert_int_equal(device_state_parse(&parsed, STR("rInGiNuSe")), 0);
    assert_int_equal(parsed, DEVICE_RINGINUSE);
    assert_int_equal(device_state_parse(&parsed, STR("")), -EINVAL);
    assert_int_equal(device_state_parse(&parsed, STR("RING")), -EINVAL);
    assert_int_equal(device_state_parse(&parsed, STR("In use")), -EINVAL);
    assert_int_equal(parsed, DEVICE_RINGINUSE); /* untouched */
}

static void test_extension_names(void **state)
{
    static const struct {
        int value;
        const char *text, *name;
    } cases[] = {
        { 0, "Idle", "NOT_INUSE" },   { 1, "InUse", "INUSE" },
        { 2, "Busy", "BUSY" },        { 4, "Unavailable", "UNAVAILABLE" },
        { 8, "Ringing", "RINGING" },  { 9, "InUse&Ringing", "RINGINUSE" },
        { 16, "Hold", "ONHOLD" },     { 17, "InUse&Hold", "HOLDINUSE" },
        { -1, "Unknown", "UNKNOWN" }, { -2, "Unknown", "UNKNOWN" },
        { 3, "Unknown", "UNKNOWN" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_str(extension_state_text((enum extension_state)cases[i].value), cases[i].text);
        assert_str(extension_state_name((enum extension_state)cases[i].value), cases[i].name);
    }
}

static void test_presence_names(void **state)
{
    static const struct {
        enum presence_state value;
        const char *name;
        unsigned rank;
    } cases[] = {
        { PRESENCE_NOT_SET, "not_set", 1 },
        { PRESENCE_UNAVAILABLE, "unavailable", 3 },
        { PRESENCE_AVAILABLE, "available", 2 },
        { PRESENCE_AWAY, "away", 5 },
        { PRESENCE_XA, "xa", 6 },
        { PRESENCE_CHAT, "chat", 4 },
        { PRESENCE_DND, "dnd", 7 },
        { PRESENCE_INVALID, "", 0 },
    };
    enum presence_state parsed = PRESENCE_DND;

    (void)state;
    assert_int_equal(ARRAY_LEN(cases), PRESENCE_STATES);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal((size_t)cases[i].value, i);
        assert_str(presence_state_name(cases[i].value), cases[i].name);
        assert_int_equal(presence_state_rank(cases[i].value), cases[i].rank);
    }
    assert_int_equal(presence_state_parse(&parsed, STR("AWAY")), 0);
    assert_int_equal(parsed, PRESENCE_AWAY);
    assert_int_equal(presence_state_parse(&parsed, STR("")), -EINVAL); /* invalid can't be set */
    assert_int_equal(presence_state_parse(&parsed, STR("busy")), -EINVAL);
    assert_int_equal(parsed, PRESENCE_AWAY);
}

/* What came over the network as a number and is none of ours does no harm. */
static void test_out_of_range(void **state)
{
    struct device_aggregate a;

    (void)state;
    device_aggregate_init(&a);
    device_aggregate_add(&a, (enum device_state)99);
    assert_int_equal(device_aggregate_result(&a), DEVICE_INVALID);
    assert_str(device_state_name((enum device_state)99), "UNKNOWN");
    assert_str(presence_state_name((enum presence_state)99), "");
    assert_int_equal(presence_state_rank((enum presence_state)99), 0);
    assert_int_equal(extension_state_of((enum device_state)99), EXTENSION_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),           cmocka_unit_test(test_several),
        cmocka_unit_test(test_order),           cmocka_unit_test(test_device_names),
        cmocka_unit_test(test_extension_names), cmocka_unit_test(test_presence_names),
        cmocka_unit_test(test_out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
