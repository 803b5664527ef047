// SPDX-License-Identifier: MIT
/* A document that was kept, as it may come back from a damaged disk: what can be read can be
 * written, and says the same when it is read again. */
#include "state/event_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_record(struct buf *b, const struct event_state *s)
{
    buf_init(b, 1 << 24);
    event_record_add(b, s);
    BUG_UNLESS(b->error == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record r = record_of((struct str){ (const char *)data, size });
    struct event_state *s, *again;
    struct buf first, second;

    if (event_record_read(&r, &s)) {
        BUG_UNLESS(r.error);
        return 0;
    }
    write_record(&first, s);
    r = record_of(buf_str(&first));
    BUG_UNLESS(event_record_read(&r, &again) == 0 && cursor_done(&r.at));
    write_record(&second, again);
    BUG_UNLESS(str_equal(buf_str(&first), buf_str(&second)));
    event_state_unref(s);
    event_state_unref(again);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
