// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "daemon/certificates.h"

#define DAY_S 86400L
#define NOW_S 1790000000L /* 2026-09-21 14:13:20 UTC */

static void write_certificate(const char *path, long begins_s, long ends_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *c = X509_new();
    FILE *f = fopen(path, "we");

    assert_true(key && c && f);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(c), NOW_S + begins_s));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(c), NOW_S + ends_s));
    assert_int_equal(X509_set_pubkey(c, key), 1);
    assert_true(X509_sign(c, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(f, c), 1);
    fclose(f);
    X509_free(c);
    EVP_PKEY_free(key);
}

static void check(const char *path, enum transport_protocol protocol, const char *said)
{
    struct transport_settings t = { .protocol = protocol,
                                    .cert_file = str_of(path),
                                    .at = { STR_INIT("pjsip.conf"), 7 } };
    const struct settings s = { .transports = &t, .n_transports = 1 };
    struct diag d;

    diag_init(&d);
    certificates_check(&s, (uint64_t)NOW_S * 1000, &d);
    if (!str_equal(buf_str(&d.text), str_of(said)))
        fail_msg("%.*s instead of %s", STR_FMT(buf_str(&d.text)), said);
    assert_int_equal(d.warnings, *said != '\0');
    diag_fini(&d);
}

static void test_dates(void **state)
{
    static const struct {
        long begins_s, ends_s;
        const char *said;
    } cases[] = {
        { -50 * DAY_S, 40 * DAY_S, "" },
        { 0, DAY_S, "" },
        { -85 * DAY_S, 5 * DAY_S,
          "pjsip.conf:7: warning: cert_file: the certificate holds until 2026-09-26 14:13 UTC, "
          "which is soon; renew it\n" },
        { -90 * DAY_S, 0,
          "pjsip.conf:7: warning: cert_file: the certificate holds until 2026-09-21 14:13 UTC, and "
          "is over; who looks at it does not connect\n" },
    };
    char path[] = "/tmp/extstate-certificate-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_certificate(path, cases[i].begins_s, cases[i].ends_s);
        check(path, TRANSPORT_TLS, cases[i].said);
        check(path, TRANSPORT_WSS, cases[i].said);
        check(path, TRANSPORT_TCP, "");
    }
    unlink(path);
    check(path, TRANSPORT_TLS, ""); /* which is an error elsewhere */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_dates) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
