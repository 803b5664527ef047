// SPDX-License-Identifier: MIT
/* Bodies of PUBLISH. The first byte chooses package and type, the rest is the body. A refusal has a
 * reason of one line; what is accepted says nothing but UTF-8, the XML in it can stand alone
 * (event_state_dump asks libxml2's own tree parser), it says the same every time, and the same when
 * it has been kept. */
#include "body/inbound_testing.h"
#include "state/event_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_utf8(struct str s)
{
    size_t length = 1;

    for (; s.n && length; s = str_sub(s, length, s.n))
        length = str_utf8_length(s);
    return length > 0;
}

/* What it says when it has been written and read. */
static void keep(struct buf *says, const struct event_state *s)
{
    struct event_state *again;
    struct buf record;
    struct record r;

    buf_init(&record, 1 << 22);
    event_record_add(&record, s);
    BUG_UNLESS(record.error == 0);
    r = record_of(buf_str(&record));
    BUG_UNLESS(event_record_read(&r, &again) == 0 && cursor_done(&r.at));
    event_state_dump(says, again);
    event_state_unref(again);
    buf_fini(&record);
}

static int parse(const char *package, const char *type, struct str body, bool kept,
                 struct buf *says, struct buf *why)
{
    static struct xml_parser xml; /* one that has read others reads no different */
    struct event_state *s = NULL;
    int r = inbound_parse(&s, kept ? &xml : NULL, str_of(package), str_of(type), body, why);

    BUG_UNLESS(r >= 0 && (r == 0) == (s != NULL));
    if (s && kept)
        keep(says, s);
    else if (s)
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
    package = inbound_kind_of(data[0])->package;
    type = inbound_kind_of(data[0])->type;
    body = (struct str){ (const char *)data + 1, size - 1 };
    buf_init(&says, 1 << 22);
    buf_init(&again, 1 << 22);
    buf_init(&why, 1 << 10);
    r = parse(package, type, body, false, &says, &why);
    BUG_UNLESS(why.error == 0 && (r != 0) == (why.n > 0));
    BUG_UNLESS(is_utf8(buf_str(&why)) && str_find_char(buf_str(&why), '\n') == why.n);
    BUG_UNLESS(says.error == 0 && is_utf8(buf_str(&says)));
    BUG_UNLESS(parse(package, type, body, true, &again, &why) == r);
    BUG_UNLESS(str_equal(buf_str(&says), buf_str(&again)));
    BUG_UNLESS(inbound_is_diff(&diff, str_of(package), str_of(type), body) == 0);
    BUG_UNLESS(!diff || r == INBOUND_MALFORMED);
    buf_fini(&says);
    buf_fini(&again);
    buf_fini(&why);
    return 0;
}
