// SPDX-License-Identifier: MIT
#include "config/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIAG_TEXT_MAX = 1 << 20 }; /* what comes after it is counted, but not kept */

void diag_init(struct diag *d)
{
    *d = (struct diag){ .errors = 0 };
    buf_init(&d->text, DIAG_TEXT_MAX);
}

void diag_fini(struct diag *d)
{
    buf_fini(&d->text);
}

/* Messages quote what stands in the files, which must neither break the line nor reach a terminal
 * as an escape. */
static void add_printable(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add_char(b, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i]);
}

void diag_add(struct diag *d, enum diag_severity severity, struct diag_place at, const char *format,
              ...)
{
    size_t start = d->text.n;
    char *message = NULL;
    va_list args;
    int n;

    if (severity == DIAG_ERROR)
        d->errors++;
    else
        d->warnings++;
    va_start(args, format);
    n = vasprintf(&message, format, args);
    va_end(args);
    if (n < 0)
        return; /* counted all the same */
    if (at.file.n)
        add_printable(&d->text, at.file.p, at.file.n);
    else
        buf_add(&d->text, STR("configuration"));
    if (at.line)
        buf_printf(&d->text, ":%u", at.line);
    buf_add(&d->text, severity == DIAG_ERROR ? STR(": error: ") : STR(": warning: "));
    add_printable(&d->text, message, (size_t)n);
    buf_add_char(&d->text, '\n');
    if (d->text.error)
        d->text.n = start; /* whole lines only */
    free(message);
}
