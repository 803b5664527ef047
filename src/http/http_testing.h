// SPDX-License-Identifier: MIT
/* http_testing.h - an HTTP server without sockets: settings, and requests made of texts. */
#pragma once
#include "http/http_internal.h"

/* A request as a text: a line "METHOD PATH", then "field: value" lines, of which "query" has its
 * arguments with '&' between them, an empty line, and the body. What is not understood is left out.
 */
static inline void http_testing_read(struct exchange *x, struct str text)
{
    static const struct str methods[HTTP_METHODS] = {
        [HTTP_GET] = STR_INIT("GET"),       [HTTP_HEAD] = STR_INIT("HEAD"),
        [HTTP_PUT] = STR_INIT("PUT"),       [HTTP_POST] = STR_INIT("POST"),
        [HTTP_DELETE] = STR_INIT("DELETE"),
    };
    const struct {
        struct str name;
        struct str *to;
    } fields[] = {
        { STR("query"), &x->rq.query },   { STR("host"), &x->rq.host },
        { STR("origin"), &x->rq.origin }, { STR("authorization"), &x->rq.authorization },
        { STR("cookie"), &x->rq.cookie }, { STR("csrf"), &x->rq.csrf },
        { STR("accept"), &x->rq.accept }, { STR("type"), &x->rq.content_type },
    };
    struct str rest, line, first;

    buf_add(&x->head, text);
    rest = buf_str(&x->head);
    line = str_next(&rest, '\n');
    first = str_next(&line, ' ');
    x->rq.path = line;
    x->rq.method = HTTP_OTHER;
    for (size_t i = 0; i < HTTP_METHODS; i++)
        if (str_equal(first, methods[i]))
            x->rq.method = (enum http_method)i;
    while (rest.p && (line = str_next(&rest, '\n')).n) {
        struct str value = line, name = str_next(&value, ':');

        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            if (str_equal(name, fields[i].name))
                *fields[i].to = str_trim(value);
    }
    for (size_t i = 0; i < x->rq.query.n; i++) /* it is in our own memory */
        if (x->rq.query.p[i] == '&')
            x->head.p[x->rq.query.p - x->head.p + (ptrdiff_t)i] = '\0';
    buf_add(&x->body, rest);
}
