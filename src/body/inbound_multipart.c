// SPDX-License-Identifier: MIT
/* inbound_multipart.c - the root part of multipart/related: RFC 2387 section 3, RFC 2046 section
 * 5.1. It is the part whose Content-ID the parameter `start` names, or else the first. */
#include "body/inbound_internal.h"
#include "sip/field.h"

enum { BOUNDARY_MAX = 70 };

struct part {
    struct str content_type, id, encoding, body;
};

/* Without quotes; a boundary and a Content-ID have no use for escapes. */
static struct str param_of(struct str params, struct str name)
{
    struct str value = STR_EMPTY;

    (void)sip_param_find(params, name, &value);
    return value.n > 1 && value.p[0] == '"' ? str_sub(value, 1, value.n - 1) : value;
}

/* Cut `*rest` at its next delimiter line: what stands before it, without the line end that belongs
 * to the delimiter. False when there is none. `*last`: it was the closing one. */
static bool delimiter_next(struct str *rest, struct str boundary, struct str *before, bool *last)
{
    size_t at = 0;

    while (at < rest->n) {
        struct str text = str_sub(*rest, at, rest->n);
        size_t line = str_find_char(text, '\n');

        if (str_starts(text, STR("--")) && str_starts(str_sub(text, 2, text.n), boundary)) {
            struct str end = str_sub(text, 2 + boundary.n, line);

            *last = str_starts(end, STR("--"));
            if (str_trim(end).n == (*last ? 2u : 0u)) {
                *before = str_sub(*rest, 0, at);
                if (str_ends(*before, STR("\n")))
                    before->n--;
                if (str_ends(*before, STR("\r")))
                    before->n--;
                *rest = str_sub(text, line + 1, text.n);
                return true;
            }
        }
        at += line + 1;
    }
    return false;
}

static void field_read(struct part *p, struct str line)
{
    size_t colon = str_find_char(line, ':');
    struct str name = str_trim(str_sub(line, 0, colon));
    struct str value = str_trim(str_sub(line, colon + 1, line.n));

    if (str_equal_nocase(name, STR("Content-Type")))
        p->content_type = value;
    else if (str_equal_nocase(name, STR("Content-ID")))
        p->id = value;
    else if (str_equal_nocase(name, STR("Content-Transfer-Encoding")))
        p->encoding = value;
}

/* The end of the header field that `text` begins with: the first line end that is no fold. */
static size_t field_end(struct str text)
{
    size_t end = str_find_char(text, '\n');

    while (end + 1 < text.n && (text.p[end + 1] == ' ' || text.p[end + 1] == '\t'))
        end += 1 + str_find_char(str_sub(text, end + 1, text.n), '\n');
    return end;
}

static struct part part_parse(struct str text)
{
    struct part p = { .content_type = STR_EMPTY };

    while (text.n) {
        size_t end = field_end(text);
        struct str line = str_trim(str_sub(text, 0, end));

        text = str_sub(text, end + 1, text.n);
        if (line.n == 0)
            break;
        field_read(&p, line);
    }
    p.body = text;
    return p;
}

static bool encoding_fits(struct str encoding)
{
    return encoding.n == 0 || str_equal_nocase(encoding, STR("7bit")) ||
           str_equal_nocase(encoding, STR("8bit")) || str_equal_nocase(encoding, STR("binary"));
}

int inbound_multipart_root(struct str params, struct str body, struct str *content_type,
                           struct str *root, struct buf *why)
{
    struct str boundary = param_of(params, STR("boundary"));
    struct str start = param_of(params, STR("start")), before;
    struct part p;
    bool last;

    if (boundary.n == 0 || boundary.n > BOUNDARY_MAX)
        return xml_refuse_at(why, 1, STR_EMPTY, "multipart/related without a boundary", STR_EMPTY);
    if (!delimiter_next(&body, boundary, &before, &last) || last)
        return xml_refuse_at(why, 1, STR_EMPTY, "multipart/related without a part", STR_EMPTY);
    do {
        if (!delimiter_next(&body, boundary, &before, &last))
            return xml_refuse_at(why, 1, STR_EMPTY, "multipart/related that does not end",
                                 STR_EMPTY);
        p = part_parse(before);
    } while (!last && start.n && !str_equal(p.id, start));
    if (start.n && !str_equal(p.id, start))
        return xml_refuse_at(why, 1, STR_EMPTY, "multipart/related has no part", start);
    if (!encoding_fits(p.encoding))
        return xml_refuse_at(why, 1, STR_EMPTY, "Content-Transfer-Encoding", p.encoding);
    *content_type = p.content_type;
    *root = p.body;
    return 0;
}
