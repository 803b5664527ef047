// SPDX-License-Identifier: MIT
#include "net/tls_hello.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include "net/tls.h"

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

/* ---- OpenSSL's ---- */

static long on_bytes(BIO *bio, int what, const char *p, size_t n, int argi, long argl, int result,
                     size_t *read)
{
    struct tls_hello *h = (struct tls_hello *)(void *)BIO_get_callback_arg(bio);

    (void)n;
    (void)argi;
    (void)argl;
    if (what == BIO_CB_FREE && h->owned)
        free(h);
    if (what != (BIO_CB_READ | BIO_CB_RETURN) || result <= 0 ||
        tls_hello_look(h, (struct str){ p, *read }, SSL_version(h->ssl) == TLS1_3_VERSION))
        return result;
    h->refused = true;
    BIO_clear_retry_flags(bio);
    return -1;
}

void tls_hello_watch(struct tls_hello *h, const SSL *ssl)
{
    BIO *bio = SSL_get_rbio(ssl);

    h->ssl = ssl;
    BIO_set_callback_arg(bio, (char *)h);
    BIO_set_callback_ex(bio, on_bytes);
}

void tls_hello_ignore(const SSL *ssl)
{
    BIO_set_callback_ex(SSL_get_rbio(ssl), NULL);
}

int net_tls_guard(const SSL *ssl)
{
    struct tls_hello *h;

    if (BIO_get_callback_ex(SSL_get_rbio(ssl)))
        return 0;
    h = calloc(1, sizeof(*h));
    if (!h)
        return -ENOMEM;
    h->owned = true;
    tls_hello_watch(h, ssl);
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the BIO has it, and its end is the end of it
    return 0;
}
