// SPDX-License-Identifier: MIT
/* A record of a subscription, as a disk may give it back: it is forgotten, or it is a subscription,
 * which is told. */
#include "event/keep_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture *f = fixture_create(NULL);
    struct kept_fixture k = { .puts = 0 };

    kept_attach(&k, f, 2);
    fixture_state(f, "100", EXTENSION_INUSE);
    notifier_restore(f->notifier, &(struct keep_record){ .table = KEEP_SUBSCRIPTION,
                                                         .number = 1,
                                                         .bytes = { (const char *)data, size } });
    BUG_UNLESS(live(f) + k.puts - kept_records(&k) == 1); /* put again: with the address of now */
    notifier_rewrite(f->notifier);
    fixture_answer_questions(f, 1);
    fixture_pass(f, WHEEL_TICK_MS);
    fixture_destroy(f);
    return 0;
}
