// SPDX-License-Identifier: MIT
/* A PIDF document and a diff, with "====" between them. A refusal has a reason of one line; what
 * comes out is XML, if not of its schema, and patching it with nothing leaves it as it is. */
#include "body/inbound_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void result_check(struct str result)
{
    struct str nothing = STR("<pidf-diff xmlns='urn:ietf:params:xml:ns:pidf-diff'/>");
    struct event_state *s = NULL;
    struct buf says, why, again;
    int r;

    buf_init(&says, 1 << 22);
    buf_init(&why, 1 << 10);
    buf_init(&again, 1 << 18);
    r = inbound_parse(&s, NULL, STR("presence"), STR("application/pidf-diff+xml"), result, &why);
    /* Not of its schema; more rows, or copies, than one may have. */
    BUG_UNLESS(r == 0 || r == INBOUND_MALFORMED || r == INBOUND_TOO_LARGE);
    if (s)
        event_state_dump(&says, s);
    BUG_UNLESS(says.error == 0);
    event_state_unref(s);
    buf_reset(&why);
    BUG_UNLESS(inbound_patch(result, nothing, &again, &why) == 0);
    BUG_UNLESS(str_equal(result, buf_str(&again)));
    buf_fini(&says);
    buf_fini(&why);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = { (const char *)data, size }, between = STR("===="), base, diff;
    const char *at = size ? memmem(input.p, input.n, between.p, between.n) : NULL;
    struct buf out, why;
    int r;

    if (!at)
        return 0;
    xml_init();
    base = str_sub(input, 0, (size_t)(at - input.p));
    diff = str_sub(input, base.n + between.n, input.n);
    buf_init(&out, 1 << 18);
    buf_init(&why, 1 << 10);
    r = inbound_patch(base, diff, &out, &why);
    BUG_UNLESS(r >= 0 && why.error == 0 && (r != 0) == (why.n > 0));
    BUG_UNLESS(str_find_char(buf_str(&why), '\n') == why.n);
    if (r == 0)
        result_check(buf_str(&out));
    buf_fini(&out);
    buf_fini(&why);
    return 0;
}
