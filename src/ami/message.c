// SPDX-License-Identifier: MIT
#include "ami/message.h"

#include <stdlib.h>

bool ami_each(const struct ami_message *m, struct str name, unsigned *at, struct str *value)
{
    while (*at < m->n_headers) {
        const struct ami_header *h = &m->headers[(*at)++];

        if (str_equal_nocase(h->name, name)) {
            *value = h->value;
            return true;
        }
    }
    return false;
}

struct str ami_get(const struct ami_message *m, struct str name)
{
    struct str value = STR_EMPTY;
    unsigned at = 0;

    (void)ami_each(m, name, &at, &value);
    return value;
}

void ami_reader_init(struct ami_reader *r, unsigned line_max, unsigned lines_max)
{
    *r = (struct ami_reader){ .line_max = line_max, .lines_max = lines_max };
    buf_init(&r->text, ((size_t)lines_max + 1) * (line_max + 1)); /* and one that is too many */
}

void ami_reader_fini(struct ami_reader *r)
{
    buf_fini(&r->text);
    free(r->headers);
    r->headers = NULL;
    r->n_headers = r->room = 0;
}

static void begin(struct ami_reader *r)
{
    buf_reset(&r->text);
    r->n_lines = r->n_headers = 0;
    r->line_at = 0;
    r->fault = AMI_FAULT_NONE;
    r->given = false;
}

static void blame(struct ami_reader *r, enum ami_fault fault)
{
    if (!r->fault)
        r->fault = fault;
}

static struct ami_header header_of(struct str line)
{
    size_t colon = str_find_char(line, ':');
    struct ami_header h = { { line.p, 0 }, line };

    if (colon < line.n) {
        h.name = str_sub(line, 0, colon);
        h.value = str_sub(line, colon + 1, line.n);
        if (h.value.n && *h.value.p == ' ')
            h.value = str_sub(h.value, 1, h.value.n);
    }
    return h;
}

/* The headers are cut out when all of the text is there: it moves while it grows. */
static int cut(struct ami_reader *r)
{
    struct str rest = buf_str(&r->text);

    if (r->n_lines > r->room) {
        struct ami_header *headers = realloc(r->headers, r->n_lines * sizeof(*headers));

        if (!headers)
            return -ENOMEM;
        r->headers = headers;
        r->room = r->n_lines;
    }
    while (rest.n) {
        size_t n = str_find_char(rest, '\n');

        r->headers[r->n_headers++] = header_of(str_sub(rest, 0, n));
        rest = str_sub(rest, n + 1, rest.n);
    }
    return 0;
}

static int give(struct ami_reader *r, enum ami_read what, struct ami_message *out)
{
    int rc = cut(r);

    if (rc)
        return rc;
    *out = (struct ami_message){ r->headers, r->n_headers, r->fault };
    r->given = true;
    return (int)what;
}

/* A line is in `text` whole, or it was passed over. 0: the message goes on; or an enum ami_read. */
static int end_line(struct ami_reader *r)
{
    struct buf *b = &r->text;
    bool was_passing = r->passing;

    r->passing = false;
    if (!was_passing && b->n > r->line_at && b->p[b->n - 1] == '\r')
        b->n--;
    if (b->n - r->line_at > r->line_max) { /* its CR was the one byte above that is allowed */
        b->n = r->line_at;
        blame(r, AMI_FAULT_LINE_TOO_LONG);
        was_passing = true;
    }
    if (was_passing) /* a greeting, too, that nobody can have meant */
        return r->greeting ? AMI_READ_GREETING : 0;
    if (b->n == r->line_at)
        return r->n_lines || r->fault ? AMI_READ_MESSAGE : 0;
    if (r->n_lines == r->lines_max) {
        b->n = r->line_at;
        blame(r, AMI_FAULT_TOO_MANY_LINES);
        return 0;
    }
    buf_add_char(b, '\n');
    r->line_at = b->n;
    r->n_lines++;
    return r->greeting ? AMI_READ_GREETING : 0;
}

static void add(struct ami_reader *r, struct str part)
{
    if (r->passing)
        return;
    if (r->text.n - r->line_at + part.n <= (size_t)r->line_max + 1) {
        buf_add(&r->text, part);
        return;
    }
    r->text.n = r->line_at;
    r->passing = true;
    blame(r, AMI_FAULT_LINE_TOO_LONG);
}

int ami_read(struct ami_reader *r, struct str *bytes, struct ami_message *out)
{
    if (r->given)
        begin(r);
    while (bytes->n) {
        size_t n = str_find_char(*bytes, '\n');
        bool whole = n < bytes->n;
        int rc = 0;

        add(r, str_sub(*bytes, 0, n));
        *bytes = str_sub(*bytes, whole ? n + 1 : n, bytes->n);
        if (whole)
            rc = end_line(r);
        if (r->text.error)
            return r->text.error;
        if (rc) {
            r->greeting = false;
            return give(r, (enum ami_read)rc, out);
        }
    }
    return 0;
}

void ami_add(struct buf *b, struct str name, struct str value)
{
    buf_add(b, name);
    buf_add(b, STR(": "));
    for (size_t n; value.n; value = str_sub(value, n + 1, value.n)) {
        n = 0;
        while (n < value.n && value.p[n] != '\r' && value.p[n] != '\n' && value.p[n] != '\0')
            n++;
        buf_add(b, str_sub(value, 0, n));
        if (n < value.n)
            buf_add_char(b, ' ');
    }
    buf_add(b, STR("\r\n"));
}

void ami_add_masked(struct buf *b, struct str name, struct str value)
{
    struct buf shown;

    buf_init(&shown, 3 * value.n + 64);
    buf_add_masked(&shown, value);
    ami_add(b, name, buf_str(&shown));
    buf_fini(&shown);
}

void ami_add_u64(struct buf *b, struct str name, uint64_t value)
{
    buf_add(b, name);
    buf_add(b, STR(": "));
    buf_add_u64(b, value);
    buf_add(b, STR("\r\n"));
}

void ami_end(struct buf *b)
{
    buf_add(b, STR("\r\n"));
}

static const char escaped[] = "\a\b\f\n\r\t\v\\\'\"\?";
static const char letters[] = "abfnrtv\\\'\"?";

void ami_escape(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(escaped, s.p[i]) : NULL;

        if (at)
            buf_add_char(b, '\\');
        buf_add_char(b, at ? letters[at - escaped] : s.p[i]);
    }
}

void ami_unescape(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *at =
            s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] ? strchr(letters, s.p[i + 1]) : NULL;

        buf_add_char(b, at ? escaped[at - letters] : s.p[i]);
        i += at ? 1 : 0;
    }
}
