// SPDX-License-Identifier: MIT
#include "printable.h"

#include <stdlib.h>

#include "base/buf.h"

/* An escape has at most four characters for a byte. */
static struct buf printable_of(struct str text, const char *kept)
{
    struct buf b;

    buf_init(&b, 4 * text.n);
    buf_add_printable(&b, text, kept);
    if (b.error) {
        fputs("extstatectl: there is no memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return b;
}

void printable_print(FILE *out, struct str text, const char *kept)
{
    struct buf b = printable_of(text, kept);

    fwrite(b.p, 1, b.n, out);
    buf_fini(&b);
}

static void make_string(json_t *value, const char *kept)
{
    struct str text = { json_string_value(value), json_string_length(value) };
    struct buf b = printable_of(text, kept);

    /* Most are what they were. */
    if (!str_equal(text, buf_str(&b)) && json_string_setn(value, b.p, b.n))
        exit(EXIT_FAILURE);
    buf_fini(&b);
}

void printable_make(json_t *value, const char *kept)
{
    const char *key;
    json_t *part;
    size_t i;

    if (json_is_string(value))
        make_string(value, kept);
    json_array_foreach(value, i, part)
    {
        printable_make(part, kept);
    }
    json_object_foreach(value, key, part)
    {
        printable_make(part, kept);
    }
}
