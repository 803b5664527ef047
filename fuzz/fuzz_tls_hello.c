// SPDX-License-Identifier: MIT
/* What a TLS client says first: however the bytes are cut, the same is found. The first byte says
 * how they are cut and which version it is. */
#include <stdlib.h>

#include "net/tls_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool looks_fine(struct str bytes, size_t piece, bool is_13)
{
    struct tls_hello h = { 0 };

    for (size_t at = 0; at < bytes.n; at += piece)
        if (!tls_hello_look(&h, str_sub(bytes, at, at + piece), is_13))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = { (const char *)data + 1, size ? size - 1 : 0 };
    bool is_13;

    if (!size)
        return 0;
    is_13 = data[0] & 1;
    BUG_UNLESS(looks_fine(bytes, size, is_13) == looks_fine(bytes, (data[0] >> 1) + 1u, is_13));
    return 0;
}
