// SPDX-License-Identifier: MIT
#include "body/body_testing.h"

#define WATCHERINFO "application/watcherinfo+xml"
#define ROOT(state)                                                     \
    PROLOG "<watcherinfo xmlns=\"urn:ietf:params:xml:ns:watcherinfo\" " \
           "version=\"7\" state=\"" state "\">\n"                       \
           " <watcher-list resource=\"" LOCAL_URI "\" package=\"presence\""
#define END " </watcher-list>\n</watcherinfo>\n"

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

static const struct es_watcher watchers[] = {
    { ES_TEXT("1"), ES_TEXT("sip:bob@h"), ES_TEXT(""), ES_WATCHER_PENDING, ES_WATCHER_SUBSCRIBE,
      true },
    { ES_TEXT("2"), ES_TEXT("sip:c&d@h"), ES_TEXT("C \"&\" D"), ES_WATCHER_ACTIVE,
      ES_WATCHER_APPROVED, false },
    { ES_TEXT("3"), ES_TEXT("sip:eve@h"), ES_TEXT("Eve"), ES_WATCHER_WAITING, ES_WATCHER_TIMEOUT,
      false },
    { ES_TEXT("4"), ES_TEXT("sip:fay@h"), ES_TEXT(""), ES_WATCHER_TERMINATED, ES_WATCHER_NORESOURCE,
      true },
};

static struct snapshot *snapshot_with(size_t n)
{
    struct snapshot_spec spec = resource_in(EXTENSION_UNAVAILABLE);
    struct event_state *published = NULL;
    struct snapshot *s;

    spec.package = STR("presence.winfo");
    if (n) {
        assert_int_equal(event_state_create(&published), 0);
        published->has_watchers = true;
        published->watchers = watchers;
        published->n_watchers = n;
        spec.published = published;
    }
    s = snapshot_new(spec);
    event_state_unref(published);
    return s;
}

static void check(const struct body_profile *p, size_t n, const char *expected)
{
    struct snapshot *s = snapshot_with(n);
    char *text = body_text(p, s);

    assert_string_equal(text, expected);
    free(text);
    snapshot_unref(s);
}

static void test_full(void **state)
{
    const struct body_profile *p = profile_for(*state, watcher("winfo", ""), WATCHERINFO, 0);

    check(p, 0, ROOT("full") " />\n</watcherinfo>\n");
    check(p, ARRAY_LEN(watchers),
          ROOT("full") ">\n"
                       "  <watcher id=\"1\" status=\"pending\" "
                       "event=\"subscribe\">sip:bob@h</watcher>\n"
                       "  <watcher id=\"2\" status=\"active\" event=\"approved\" display-name=\"C "
                       "&quot;&amp;&quot; D\">sip:c&amp;d@h</watcher>\n"
                       "  <watcher id=\"3\" status=\"waiting\" event=\"timeout\" "
                       "display-name=\"Eve\">sip:eve@h</watcher>\n" END);
}

/* The same choice otherwise, and the same pointer each time. */
static void test_partial(void **state)
{
    const struct body_profile *p = profile_for(*state, watcher("winfo", ""), WATCHERINFO, 0);
    const struct body_profile *partial, *again;

    assert_int_equal(body_profile_with(p, ES_FLAG_PARTIAL, &partial), 0);
    assert_ptr_not_equal(p, partial);
    assert_int_equal(body_profile_with(p, ES_FLAG_PARTIAL, &again), 0);
    assert_ptr_equal(partial, again);
    check(partial, 0, ROOT("partial") " />\n</watcherinfo>\n");
    check(partial, ARRAY_LEN(watchers),
          ROOT("partial") ">\n"
                          "  <watcher id=\"1\" status=\"pending\" "
                          "event=\"subscribe\">sip:bob@h</watcher>\n"
                          "  <watcher id=\"4\" status=\"terminated\" "
                          "event=\"noresource\">sip:fay@h</watcher>\n" END);
}

/* It is no package that could be subscribed to by its own name. */
static void test_not_listed(void **state)
{
    char room[256];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    body_packages_print(*state, &b);
    assert_false(str_contains_nocase(buf_str(&b), STR("winfo")));
    assert_true(body_package_known(*state, STR(BODY_TEMPLATE)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_partial),
        cmocka_unit_test(test_not_listed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
