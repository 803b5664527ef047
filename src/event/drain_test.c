// SPDX-License-Identifier: MIT
/* At what rate the subscribers are moved away: that of all workers together, to the subscription.
 */
#include "event/notifier_fixture.h"

enum { WORKERS_MAX = 4, SUBSCRIPTIONS = 40 };

static struct fixture *worker_create(void)
{
    struct fixture *f = fixture_create(NULL);
    char call_id[32], tag[64];

    fixture_state(f, "100", EXTENSION_IDLE);
    for (unsigned i = 0; i < SUBSCRIPTIONS; i++) {
        struct sub s;

        snprintf(call_id, sizeof(call_id), "c%u", i);
        s = sub_plain(call_id);
        establish(f, &s, tag);
    }
    return f;
}

/* Each has had its first NOTIFY. */
static size_t told(const struct fixture *f)
{
    return fixture_counters(f).notify_sent - SUBSCRIPTIONS;
}

static void test_rate(void **state)
{
    static const struct {
        uint32_t rate_per_s;
        unsigned workers;
        uint64_t after_ms;
        size_t told;
    } cases[] = {
        { 1, 1, 10, 1 },     { 1, 1, 5010, 6 },   { 1, 4, 10, 1 },     { 1, 4, 3010, 4 },
        { 1, 4, 39010, 40 }, { 15, 1, 2010, 31 }, { 15, 4, 2110, 32 }, { 3, 2, 10010, 31 },
        { 7, 3, 10110, 71 }, { 0, 1, 3010, 4 },   { 1000, 4, 10, 11 }, { 4294967295, 2, 110, 80 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture *f[WORKERS_MAX];
        size_t all = 0;

        for (unsigned w = 0; w < cases[i].workers; w++) {
            f[w] = worker_create();
            notifier_drain(f[w]->notifier,
                           &(struct notifier_drain){ .reason = NOTIFIER_DRAIN_DEACTIVATED,
                                                     .rate_per_s = cases[i].rate_per_s,
                                                     .worker = w,
                                                     .workers = cases[i].workers });
        }
        for (unsigned w = 0; w < cases[i].workers; w++) {
            fixture_pass(f[w], cases[i].after_ms);
            assert_in_range(told(f[w]), cases[i].told / cases[i].workers,
                            cases[i].told / cases[i].workers + 1);
            all += told(f[w]);
        }
        print_message("    %u a second on %u workers: %zu in %u ms\n", cases[i].rate_per_s,
                      cases[i].workers, all, (unsigned)cases[i].after_ms);
        assert_int_equal(all, cases[i].told);
        for (unsigned w = 0; w < cases[i].workers; w++)
            fixture_destroy(f[w]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
