// SPDX-License-Identifier: MIT
/* extstate-bench: what a NOTIFY shows. Any bytes are one of the lamps or none; and in front of a
 * document without a state of its own they decide alone. */
#include "extstate-bench/lamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str document = { (const char *)data, size };
    enum lamp lamp = lamp_read(document);
    struct buf longer;

    BUG_UNLESS(lamp <= LAMP_DARK);
    buf_init(&longer, size + 16);
    buf_add(&longer, document);
    buf_add(&longer, STR("</dialog>"));
    if (lamp != LAMP_DARK && !longer.error) /* else it may have been cut off within the state */
        BUG_UNLESS(lamp_read(buf_str(&longer)) == lamp || lamp == LAMP_IDLE);
    buf_fini(&longer);
    return 0;
}
