// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/masked.h"

#define A "OPTIONS sip:a SIP/2.0\r\n"

static const struct {
    const char *message, *shown; /* NULL: as it is */
} rows[] = {
    { A "From: x\r\n\r\n", NULL },
    { "", NULL },
    { "\r\n\r\n", NULL },
    { "nonsense", NULL },
    { A "Authorization: Digest username=\"a\", response=\"0123\", nc=1\r\nTo: y\r\n\r\n",
      A "Authorization: Digest username=\"a\", response=(not shown), nc=1\r\nTo: y\r\n\r\n" },
    { A "proxy-authorization :digest response=0123,nc=1\r\n\r\n",
      A "proxy-authorization :digest response=(not shown),nc=1\r\n\r\n" },
    { A "Authorization: Digest nc=1,\r\n Response = \"01\\\"23\"\r\n\r\n",
      A "Authorization: Digest nc=1,\r\n Response = (not shown)\r\n\r\n" },
    { A "Authorization: Digest response=\"0123", A "Authorization: Digest response=(not shown)" },
    { A "Authorization: Digest response=1, response=2\r\n",
      A "Authorization: Digest response=(not shown), response=(not shown)\r\n" },
    { A "Authorization: Digest response", NULL },
    { A "Authorization: Basic c2VjcmV0\r\n more\r\nTo: y\r\n",
      A "Authorization: (not shown)\r\nTo: y\r\n" },
    { A "X: response=\"0123\"\r\n\r\n", NULL },
    { A "\r\nAuthorization: Digest response=\"0123\"\r\n", NULL }, /* a body */
    { "\r\n\n" A "Authorization: Digest response=\"0123\"\r\n\r\n",
      "\r\n\n" A "Authorization: Digest response=(not shown)\r\n\r\n" },
};

static void test_masked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str want = str_of(rows[i].shown ? rows[i].shown : rows[i].message);
        struct buf b;

        buf_init(&b, 1000);
        masked_add(&b, str_of(rows[i].message));
        if (!str_equal(buf_str(&b), want))
            fail_msg("row %zu: %.*s", i, STR_FMT(buf_str(&b)));
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_masked) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
