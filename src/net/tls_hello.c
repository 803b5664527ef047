// SPDX-License-Identifier: MIT
#include "net/tls_hello.h"

enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22 }; /* records: RFC 8446 section 5.1 */
enum { CLIENT_HELLO = 1 };

static struct str take(struct str *bytes, size_t n)
{
    struct str taken = str_sub(*bytes, 0, n);

    *bytes = str_sub(*bytes, taken.n, bytes->n);
    return taken;
}

/* Is the head whole now? */
static bool gather(unsigned char *head, unsigned char *n, size_t whole, struct str *bytes)
{
    struct str more = take(bytes, whole - *n);

    memcpy(head + *n, more.p, more.n);
    *n = (unsigned char)(*n + more.n);
    return *n == whole;
}

static void record_begin(struct tls_hello *h, bool is_13)
{
    bool old_form = !h->begun && h->record[0] & 0x80; /* of SSL 2: no longer than a record */

    h->record_n = 0;
    h->record_left = (uint16_t)(h->record[3] << 8 | h->record[4]);
    h->begun = true;
    /* That one means nothing in TLS 1.3 (RFC 8446 appendix D.4). */
    if (old_form || (h->record[0] == CHANGE_CIPHER_SPEC && !is_13))
        h->over = true;
}

static bool message_begin(struct tls_hello *h)
{
    h->message_n = 0;
    h->message_left = (uint32_t)h->message[1] << 16 | (uint32_t)h->message[2] << 8 | h->message[3];
    return h->message[0] != CLIENT_HELLO || h->message_left <= TLS_HELLO_MAX;
}

/* Messages go on from one record of theirs to the next, as do their heads. */
static bool messages_look(struct tls_hello *h, struct str bytes)
{
    while (bytes.n) {
        h->message_left -= (uint32_t)take(&bytes, h->message_left).n;
        if (bytes.n && gather(h->message, &h->message_n, sizeof(h->message), &bytes) &&
            !message_begin(h))
            return false;
    }
    return true;
}

bool tls_hello_look(struct tls_hello *h, struct str bytes, bool is_13)
{
    while (bytes.n && !h->over) {
        struct str content = take(&bytes, h->record_left);

        h->record_left = (uint16_t)(h->record_left - content.n);
        if (h->record[0] == HANDSHAKE && !messages_look(h, content))
            return false;
        if (bytes.n && gather(h->record, &h->record_n, sizeof(h->record), &bytes))
            record_begin(h, is_13);
    }
    return true;
}
