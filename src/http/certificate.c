// SPDX-License-Identifier: MIT
/* What those who connect by TLS are shown. libwebsockets reads a certificate once, and to give it
 * another one cuts off everybody; so each handshake is given the one of now, and who is connected
 * goes on with that he began with. */
#include <openssl/err.h>

#include "http/http_internal.h"
#include "net/tls.h"

/* Nobody is there to be asked. */
static int no_password(char *out, int room, int writing, void *ctx)
{
    (void)out;
    (void)room;
    (void)writing;
    (void)ctx;
    return 0;
}

static bool load(SSL_CTX *ctx, const struct http_settings *s)
{
    const char *cert = s->cert_file.p, *key = s->key_file.n ? s->key_file.p : cert;

    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    return SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
           SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(ctx) == 1;
}

int certificate_read(SSL_CTX **out, const struct http_settings *s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int r = !ctx ? -ENOMEM : load(ctx, s) ? 0 : -EINVAL;

    /* Else libwebsockets would take it for one of the connection that it looks at next. */
    ERR_clear_error();
    if (r) {
        SSL_CTX_free(ctx);
        return r;
    }
    SSL_CTX_free(*out);
    *out = ctx;
    return 0;
}

int certificate_show(SSL *ssl, void *certificate)
{
    SSL_CTX *ctx = *(SSL_CTX **)certificate;
    STACK_OF(X509) *chain = NULL;

    SSL_certs_clear(ssl); /* one of another kind of key would stay beside it */
    return SSL_CTX_get0_chain_certs(ctx, &chain) == 1 &&
           SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(ctx), SSL_CTX_get0_privatekey(ctx),
                                chain, 1) == 1;
}

void certificate_event(const SSL *ssl, int where, int result)
{
    (void)result;
    /* Without memory OpenSSL does not get far either. */
    if (where & SSL_CB_HANDSHAKE_START)
        (void)!net_tls_guard(ssl);
}
