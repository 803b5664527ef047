// SPDX-License-Identifier: MIT
#include "daemon/choose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIST_MAX 4
#define V4_A "192.0.2.1"
#define V4_B "192.0.2.2"
#define V6_A "[2001:db8::1]"
#define V6_B "[2001:db8::2]"
#define UNIX "unix" /* a family that is none of ours */

static const struct {
    const char *list, *reached, *chosen; /* chosen NULL: none */
} cases[] = {
    { V4_A, V4_A, V4_A },
    { V4_A " " V4_B, V4_A " " V4_B, V4_A },
    { V6_A " " V4_A, V4_A " " V6_A, V6_A },
    /* IPv6 comes first, and we have IPv4 only; and the other way round. */
    { V6_A " " V4_A, V4_A, V4_A },
    { V6_A " " V6_B " " V4_A " " V4_B, V4_A " " V4_B, V4_A },
    { V4_A " " V6_A, V6_A, V6_A },
    { V4_A " " V4_B, V4_B, V4_B },
    { UNIX " " V4_A, UNIX " " V4_A, V4_A },
    { V6_A " " V4_A, V4_B, NULL },
    { V6_A " " V4_A, "", NULL },
    { UNIX, UNIX, NULL },
    { "", V4_A, NULL },
};

struct list {
    struct addrinfo info[LIST_MAX];
    struct addr addresses[LIST_MAX];
};

static const struct addrinfo *list_fill(struct list *l, const char *text)
{
    struct str rest = str_of(text);
    size_t n = 0;

    for (; rest.n; n++) {
        struct str word = str_next(&rest, ' ');

        assert_true(n < LIST_MAX);
        l->info[n] = (struct addrinfo){ .ai_addr = &l->addresses[n].sa };
        l->addresses[n].sa.sa_family = AF_UNIX;
        if (!str_equal(word, STR(UNIX))) /* the resolver leaves the port 0 */
            assert_int_equal(addr_parse(&l->addresses[n], word, 0), 0);
        if (n)
            l->info[n - 1].ai_next = &l->info[n];
    }
    return n ? &l->info[0] : NULL;
}

static const char *printed(const struct addr *a, char room[80])
{
    struct buf b;

    buf_init_on(&b, room, 80);
    addr_print_host(&b, a);
    buf_add_char(&b, '\0');
    assert_int_equal(b.error, 0);
    return room;
}

static bool is_reached(void *ctx, const struct addr *remote)
{
    char room[80];

    assert_int_equal(addr_port(remote), 5070);
    return strstr(ctx, printed(remote, room)) != NULL;
}

static void test_choose(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct list l = { 0 };
        const struct addrinfo *first = list_fill(&l, cases[i].list);
        char reached[80], room[80];
        struct addr out;
        bool found;

        (void)snprintf(reached, sizeof(reached), "%s", cases[i].reached);
        assert_int_equal(addr_parse(&out, STR("198.51.100.1:1"), 0), 0);
        found = address_choose(&out, first, 5070, is_reached, reached);
        if (found != (cases[i].chosen != NULL))
            fail_msg("\"%s\": %s", cases[i].list, found ? "one is chosen" : "none is");
        if (strcmp(printed(&out, room), found ? cases[i].chosen : "198.51.100.1") != 0)
            fail_msg("\"%s\" with \"%s\" in reach: %s", cases[i].list, reached, room);
        assert_int_equal(addr_port(&out), found ? 5070 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_choose) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
