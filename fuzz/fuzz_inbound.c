// SPDX-License-Identifier: MIT
/* Bodies of PUBLISH. The first byte chooses package and type, the rest is the body. A refusal has a
 * reason of one line; what is accepted says nothing but UTF-8, the XML in it can stand alone
 * (event_state_dump asks libxml2's own tree parser), and it says the same every time. */
#include "body/inbound_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *package, *type;
} kinds[] = {
    { "dialog", "application/dialog-info+xml" },
    { "presence", "application/pidf+xml" },
    { "presence", "application/pidf-diff+xml" },
    { "presence", "application/xpidf+xml" },
    { "dialog", "application/cpim-pidf+xml" },
    { "message-summary", "application/simple-message-summary" },
    { "presence", "multipart/related;boundary=b;start=\"<1>\"" },
    { "message-summary", "multipart/related;boundary=b" },
};

static bool is_utf8(struct str s)
{
    size_t length = 1;

    for (; s.n && length; s = str_sub(s, length, s.n))
        length = str_utf8_length(s);
    return length > 0;
}

static int parse(const char *package, const char *type, struct str body, struct buf *says,
                 struct buf *why)
{
    struct event_state *s = NULL;
    int r = inbound_parse(&s, str_of(package), str_of(type), body, why);

    BUG_UNLESS(r >= 0 && (r == 0) == (s != NULL));
    if (s)
        event_state_dump(says, s);
    event_state_unref(s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf says, again, why;
    const char *package, *type;
    struct str body;
    bool diff;
    int r;

    if (!size)
        return 0;
    xml_init();
    package = kinds[data[0] % ARRAY_LEN(kinds)].package;
    type = kinds[data[0] % ARRAY_LEN(kinds)].type;
    body = (struct str){ (const char *)data + 1, size - 1 };
    buf_init(&says, 1 << 22);
    buf_init(&again, 1 << 22);
    buf_init(&why, 1 << 10);
    r = parse(package, type, body, &says, &why);
    BUG_UNLESS(why.error == 0 && (r != 0) == (why.n > 0));
    BUG_UNLESS(is_utf8(buf_str(&why)) && str_find_char(buf_str(&why), '\n') == why.n);
    BUG_UNLESS(says.error == 0 && is_utf8(buf_str(&says)));
    BUG_UNLESS(parse(package, type, body, &again, &why) == r);
    BUG_UNLESS(str_equal(buf_str(&says), buf_str(&again)));
    BUG_UNLESS(inbound_is_diff(&diff, str_of(package), str_of(type), body) == 0);
    BUG_UNLESS(!diff || r == INBOUND_MALFORMED);
    buf_fini(&says);
    buf_fini(&again);
    buf_fini(&why);
    return 0;
}
