// SPDX-License-Identifier: MIT
/* Presence authorization documents. What is refused has one error and what is taken none; the same
 * answer holds until the next moment at which it may change. The first line is the watcher's URI.
 */
#include "config/presence_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_times(const struct presence_rules *p, struct str uri)
{
    uint64_t now_ms = 0, next_ms;

    for (int steps = 0; steps < 16; steps++, now_ms = next_ms) {
        enum watcher_handling h = presence_rules_decide(p, uri, now_ms);

        BUG_UNLESS(h <= WATCHER_ALLOW);
        next_ms = presence_rules_next_ms(p, now_ms);
        if (next_ms == UINT64_MAX)
            break;
        BUG_UNLESS(next_ms > now_ms && presence_rules_decide(p, uri, next_ms - 1) == h);
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
