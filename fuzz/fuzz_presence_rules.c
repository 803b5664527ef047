// SPDX-License-Identifier: MIT
/* Presence authorization documents. What is refused has one error and what is taken none; the same
 * answer holds until the next moment at which it may change. The first line is the watcher's URI.
 */
#include "config/presence_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Once more, by a copy of what is asked: the same grants are the same view. */
static enum watcher_handling decide(const struct presence_rules *p, struct str uri, uint64_t now_ms,
                                    struct view **view)
{
    const struct presence_question q = { .uri = uri, .wall_ms = now_ms };
    struct view *again = NULL;
    enum watcher_handling h = presence_rules_decide(p, &q, view);

    BUG_UNLESS(h <= WATCHER_ALLOW && presence_rules_decide(p, &q, &again) == h && again == *view);
    BUG_UNLESS(!again || (h == WATCHER_ALLOW && !view_grants_all(&again->grants)));
    view_unref(again);
    return h;
}

static void check_times(const struct presence_rules *p, struct str uri)
{
    uint64_t now_ms = 0, next_ms;

    for (int steps = 0; steps < 16; steps++, now_ms = next_ms) {
        struct view *view = NULL, *later = NULL;
        enum watcher_handling h = decide(p, uri, now_ms, &view);

        next_ms = presence_rules_next_ms(p, now_ms);
        BUG_UNLESS(next_ms > now_ms && decide(p, uri, next_ms - 1, &later) == h && later == view);
        view_unref(view);
        view_unref(later);
        if (next_ms == UINT64_MAX)
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size }, uri = str_next(&text, '\n');
    struct presence_rules *p = NULL;
    struct diag diag;
    int r;

    diag_init(&diag);
    r = presence_rules_parse(&p, text, STR("r.xml"), &diag);
    BUG_UNLESS(r >= 0 && (r == 0) == (p != NULL) && diag.errors == (r != 0));
    if (p)
        check_times(p, uri);
    presence_rules_destroy(p);
    diag_fini(&diag);
    return 0;
}
