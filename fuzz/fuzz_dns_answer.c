// SPDX-License-Identifier: MIT
/* The first byte chooses what was asked for; the rest is what a name server sent. */
#include "dns/answer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void name_check(struct str name)
{
    BUG_UNLESS(name.n <= DNS_NAME_MAX);
    for (size_t i = 0; i < name.n; i++)
        BUG_UNLESS(name.p[i] > ' ' && name.p[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR };
    struct dns_answer *a;

    if (!size || dns_answer_parse(&a, types[data[0] % ARRAY_LEN(types)],
                                  (struct str){ (const char *)data + 1, size - 1 }))
        return 0;
    BUG_UNLESS(a->n <= DNS_RECORDS_MAX && (a->n > 0) == (a->outcome == DNS_FOUND));
    BUG_UNLESS(a->ttl_s <= DNS_TTL_MAX_S);
    for (size_t i = 0; i < a->n; i++) {
        name_check(a->records[i].name);
        BUG_UNLESS(a->records[i].flags.n <= 255 && a->records[i].service.n <= 255);
    }
    free(a);
    return 0;
}
