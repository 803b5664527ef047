// SPDX-License-Identifier: MIT
/* The value of a presence as Asterisk's setter has it: state[,subtype[,message[,options]]]. */
#include <stdlib.h>
#include <string.h>

#include "extstatectl.h"

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* In place, RFC 4648 section 4; the padding may be left out. False when it is none, or holds a NUL.
 */
static bool base64_decode(char *text)
{
    size_t n = strlen(text), padding = 0, used = 0;
    unsigned bits = 0;

    while (padding < 2 && n && text[n - 1] == '=') {
        n--;
        padding++;
    }
    if (n % 4 == 1 || (padding && (n + padding) % 4))
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text[i]);

        if (digit < 0)
            return false;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        if (i % 4 == 0)
            continue;
        text[used] = (char)(bits >> (6 - 2 * (i % 4)));
        if (!text[used++])
            return false;
    }
    text[used] = '\0';
    return true;
}

int presence_value_parse(struct presence_value *out, char *text)
{
    const char *options;

    out->state = strsep(&text, ",");
    out->subtype = text ? strsep(&text, ",") : "";
    out->message = text ? strsep(&text, ",") : "";
    options = text ? text : "";
    if (*options && strcmp(options, "e") != 0) {
        fprintf(
            stderr,
            "extstatectl: behind STATE,SUBTYPE,MESSAGE only \"e\" may follow, not \"%s\"; texts "
            "with a comma are given in base64, with \"e\"\n",
            options);
        return EXIT_USAGE;
    }
    /* Where there are options, both texts are parts of the word. */
    if (*options && (!base64_decode(out->subtype) || !base64_decode(out->message))) {
        fputs("extstatectl: with \"e\", SUBTYPE and MESSAGE are in base64\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}
