// SPDX-License-Identifier: MIT
#include "drops.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

static bool among(const uint16_t *ports, size_t n, unsigned long port)
{
    for (size_t i = 0; i < n; i++)
        if (ports[i] == port)
            return true;
    return false;
}

/* "  77: 0100007F:C350 00000000:0000 07 ... 0000000000000000 3 \n": the local port is hexadecimal,
 * the drops come last. */
static uint64_t drops_in(const char *path, const uint16_t *ports, size_t n)
{
    FILE *f = fopen(path, "re");
    uint64_t sum = 0;
    char line[512];

    while (f && fgets(line, sizeof(line), f)) {
        struct str text = str_trim(str_of(line)), rest = text;
        size_t last = text.n;

        while (last && text.p[last - 1] != ' ')
            last--;
        str_next(&rest, ':'); /* the slot */
        str_next(&rest, ':'); /* the local address */
        if (rest.p && among(ports, n, strtoul(rest.p, NULL, 16)))
            sum += strtoull(text.p + last, NULL, 10);
    }
    if (f)
        fclose(f);
    return sum;
}

uint64_t drops_count(const uint16_t *ports, size_t n)
{
    return drops_in("/proc/net/udp", ports, n) + drops_in("/proc/net/udp6", ports, n);
}
