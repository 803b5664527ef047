// SPDX-License-Identifier: MIT
#include "base/arena.h"
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
    free(d->lines);
}

static void add_printable(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_add_char(b, (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?' : s.p[i]);
}

void diag_add(struct diag *d, enum diag_severity severity, struct diag_place at, const char *format,
              ...)
{
    struct diag_line l = { .start = d->text.n, .line = at.line };
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
        add_printable(&d->text, at.file);
    else
        buf_add(&d->text, STR("configuration"));
    l.file_len = d->text.n - l.start;
    if (at.line)
        buf_printf(&d->text, ":%u", at.line);
    buf_add(&d->text, severity == DIAG_ERROR ? STR(": error: ") : STR(": warning: "));
    /* Messages quote what stands in the files, which must neither break the line nor reach a
     * terminal as an escape, nor tell a password. */
    buf_add_masked_by(&d->text, (struct str){ message, (size_t)n }, add_printable);
    buf_add_char(&d->text, '\n');
    l.end = d->text.n;
    if (d->text.error || ARRAY_GROW(d->lines, d->n_lines))
        d->text.n = l.start; /* whole lines only */
    else
        d->lines[d->n_lines++] = l;
    free(message);
}

/* ---- in order ---- */

static struct str file_of(const struct diag *d, const struct diag_line *l)
{
    return (struct str){ d->text.p + l->start, l->file_len };
}

static int compare(const void *left, const void *right, void *diag)
{
    const struct diag_line *a = left, *b = right;
    int order = str_compare(file_of(diag, a), file_of(diag, b));

    if (order == 0)
        order = (a->line > b->line) - (a->line < b->line);
    return order ? order : (a->start > b->start) - (a->start < b->start);
}

void diag_print(struct diag *d, struct buf *out)
{
    if (d->n_lines)
        qsort_r(d->lines, d->n_lines, sizeof(*d->lines), compare, d);
    for (size_t i = 0; i < d->n_lines; i++)
        buf_add(out, str_sub(buf_str(&d->text), d->lines[i].start, d->lines[i].end));
}
