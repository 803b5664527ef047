// SPDX-License-Identifier: MIT
/* JSON of Asterisk servers. Whatever is accepted is written and read again as the same. */
#include "publication/asterisk_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(struct str package, struct str body)
{
    struct asterisk_event once, twice;
    struct buf text, why;

    buf_init(&why, 4096);
    buf_init(&text, 4096);
    if (asterisk_event_parse(&once, package, body, &why) == 0) {
        asterisk_event_print(&once, &text);
        BUG_UNLESS(!text.error);
        BUG_UNLESS(asterisk_event_parse(&twice, package, buf_str(&text), &why) == 0);
        BUG_UNLESS(memcmp(&once, &twice, sizeof(once)) == 0);
    } else {
        BUG_UNLESS(why.n > 0);
    }
    buf_fini(&text);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = { (const char *)data, size };

    round_trip(STR("asterisk-devicestate"), body);
    round_trip(STR("asterisk-mwi"), body);
    return 0;
}
