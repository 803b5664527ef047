// SPDX-License-Identifier: MIT
/* For tests of the compositor: bodies whose first word says what becomes of them. */
#include "body/inbound.h"

bool inbound_package_known(struct str package)
{
    return str_equal(package, STR("dialog")) || str_equal(package, STR("presence")) ||
           str_equal(package, STR("message-summary"));
}

void inbound_types_print(struct str package, struct buf *out)
{
    buf_add(out, str_equal(package, STR("dialog")) ? STR("application/dialog-info+xml")
                                                   : STR("application/pidf+xml, text/x-other"));
}

int inbound_parse(struct event_state **out, struct xml_parser *xml, struct str package,
                  struct str content_type, struct str body, struct buf *why)
{
    (void)xml;
    (void)package;
    if (str_starts(content_type, STR("text/plain")))
        return INBOUND_WRONG_TYPE;
    if (str_starts(body, STR("broken")))
        buf_add(why, STR("line 1: not a document\r\nbut \"broken\""));
    if (str_starts(body, STR("broken")) || str_starts(body, STR("wordless")))
        return INBOUND_MALFORMED;
    if (str_starts(body, STR("huge")))
        return INBOUND_TOO_LARGE;
    if (str_starts(body, STR("no-memory")))
        return -ENOMEM;
    return event_state_create(out);
}

int inbound_check_xml(struct str content_type, struct str body, struct buf *why)
{
    if (!str_starts(content_type, STR("text/xml")) || !str_starts(body, STR("broken")))
        return 0;
    buf_add(why, STR("line 1: not XML"));
    return INBOUND_MALFORMED;
}

int inbound_is_diff(bool *out, struct str package, struct str content_type, struct str body)
{
    (void)content_type;
    *out = str_equal(package, STR("presence")) && str_starts(body, STR("diff"));
    return 0;
}

int inbound_root(struct str *content_type, struct str *body, struct buf *why)
{
    struct str part = STR("part ");

    if (!str_equal(*content_type, STR("multipart/related")))
        return 0;
    if (!str_starts(*body, part)) {
        buf_add(why, STR("no root part"));
        return INBOUND_MALFORMED;
    }
    *content_type = STR("application/root");
    *body = str_sub(*body, part.n, body->n);
    return 0;
}
