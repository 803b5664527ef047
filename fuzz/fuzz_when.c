// SPDX-License-Identifier: MIT
/* A time as an operator writes it: what is taken is printed, and read again, as the same one. */
#include "extstatectl/when.h"

#include "base/str.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("TZ", "UTC0", 1); /* no hour is there twice */
    tzset();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const time_t now = 1795917600;
    char text[64], printed[64];
    long long ms, again;
    int kind;

    if (size >= sizeof(text))
        return -1;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    kind = when_parse(text, now, &ms);
    if (kind < 0)
        return 0;
    BUG_UNLESS(ms >= 0);
    BUG_UNLESS(kind == WHEN_DATE || ms <= (long long)now * 1000);
    BUG_UNLESS(kind != WHEN_OF_DAY || ms > ((long long)now - 86400) * 1000);
    BUG_UNLESS(when_next_day(ms) == ms + 86400000);
    when_print(ms, WHEN_BOTH, printed, sizeof(printed));
    BUG_UNLESS(when_parse(printed, now, &again) == WHEN_DATE && again == ms);
    return 0;
}
