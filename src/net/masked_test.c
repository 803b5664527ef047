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
    { "HTTP\r\nauthentication-info: qop=auth, rspauth=\"0123\", nc=1\r\n\r\n",
      "HTTP\r\nauthentication-info: qop=auth, rspauth=(not shown), nc=1\r\n\r\n" },
    { "OPTIONS sip:a:pw@h:5060 SIP/2.0\r\nContact: <SIPS:b:@h>, <sip:c:x,y@h;q=z>;sip:h:1\r\n\r\n",
      "OPTIONS sip:a:(not shown)@h:5060 SIP/2.0\r\n"
      "Contact: <SIPS:b:(not shown)@h>, <sip:c:(not shown)@h;q=z>;sip:h:1\r\n\r\n" },
    { "OPTIONS sip:h:5060 SIP/2.0\r\nFrom: <sip:a@h:5060>\r\nTo: \"sip:a:b\" <sip:b@h>\r\n\r\n",
      NULL },
    { A "X: sip:a:b", NULL },
    { A "X: sip:sip:sip:a sip:a:b@c", A "X: sip:sip:sip:a sip:a:(not shown)@c" },
    { A "Authorization: Digest uri=\"sip:a:b@h\", response=1, b=\"sip:a:b@h\"\r\n",
      A "Authorization: Digest uri=\"sip:a:(not shown)@h\", response=(not shown), "
        "b=\"sip:a:(not shown)@h\"\r\n" },
    { A "X: sip:a:b@", A "X: sip:a:(not shown)@" },
    { A "\r\nX: sip:a:b@h\r\n", NULL },                            /* a body */
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
