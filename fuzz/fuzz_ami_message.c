// SPDX-License-Identifier: MIT
/* AMI messages: however the bytes are cut, the same comes out, and what is printed of it is read as
 * the same. The first byte says how they are cut, and by its highest bit that a greeting is first.
 */
#include "ami/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE = 64, LINES = 8 };

static void print(struct buf *out, const struct ami_message *m)
{
    for (unsigned i = 0; i < m->n_headers; i++)
        ami_add(out, m->headers[i].name, m->headers[i].value);
    ami_end(out);
}

/* What comes out of the stream, given in pieces of this size, printed. */
static void read_all(struct buf *out, struct str stream, size_t piece, bool greeting)
{
    struct ami_reader r;
    struct ami_message m;

    ami_reader_init(&r, LINE, LINES);
    r.greeting = greeting;
    for (size_t at = 0; at < stream.n; at += piece) {
        struct str bytes = str_sub(stream, at, at + piece);
        int rc;

        while ((rc = ami_read(&r, &bytes, &m)) != 0) {
            BUG_UNLESS(rc == (greeting ? AMI_READ_GREETING : AMI_READ_MESSAGE));
            BUG_UNLESS(m.n_headers <= LINES);
            greeting = false;
            for (unsigned i = 0; i < m.n_headers; i++)
                BUG_UNLESS(m.headers[i].name.n + m.headers[i].value.n <= LINE);
            print(out, &m);
        }
        BUG_UNLESS(bytes.n == 0);
    }
    ami_reader_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool greeting = size && data[0] & 0x80;
    struct buf whole, cut, back;
    struct str stream;

    if (!size)
        return 0;
    stream = (struct str){ (const char *)data + 1, size - 1 };
    buf_init(&whole, 8 * size + 64);
    buf_init(&cut, 8 * size + 64);
    buf_init(&back, 8 * size + 64);
    read_all(&whole, stream, stream.n + 1, greeting);
    read_all(&cut, stream, (data[0] & 0x7f) + 1u, greeting);
    BUG_UNLESS(!whole.error && str_equal(buf_str(&whole), buf_str(&cut)));
    buf_reset(&cut);
    ami_escape(&cut, stream);
    ami_unescape(&back, buf_str(&cut));
    BUG_UNLESS(!back.error && str_equal(buf_str(&back), stream));
    buf_fini(&whole);
    buf_fini(&cut);
    buf_fini(&back);
    return 0;
}
