// SPDX-License-Identifier: MIT
/* A record of a publication that was sent. What is read can be written, and reads as the same. */
#include "publisher/publisher_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str record = { (const char *)data, size }, extension;
    struct kept_publication k, again;
    struct buf first, second;

    if (kept_parse(&k, record)) {
        BUG_UNLESS(publisher_record_extension(&extension, record) == -EBADMSG);
        return 0;
    }
    BUG_UNLESS(publisher_record_extension(&extension, record) == 0);
    BUG_UNLESS(str_equal(extension, k.extension));
    buf_init(&first, 1 << 21);
    buf_init(&second, 1 << 21);
    kept_print(&k, &first);
    BUG_UNLESS(first.error == 0 && kept_parse(&again, buf_str(&first)) == 0);
    kept_print(&again, &second);
    BUG_UNLESS(str_equal(buf_str(&first), buf_str(&second)));
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
