// SPDX-License-Identifier: MIT
#include "source/esl_frame.h"

enum { LINE_MAX_BYTES = 8192, LINES_MAX = 64 };

void esl_reader_init(struct esl_reader *r)
{
    *r = (struct esl_reader){ .left = 0 };
    ami_reader_init(&r->head, LINE_MAX_BYTES, LINES_MAX);
    buf_init(&r->body, ESL_BODY_MAX);
}

void esl_reader_fini(struct esl_reader *r)
{
    ami_reader_fini(&r->head);
    buf_fini(&r->body);
}

/* The head is whole. False: it cannot be. */
static bool body_begin(struct esl_reader *r)
{
    struct str length = ami_get(&r->message, STR("Content-Length"));
    uint32_t n = 0;

    if (r->message.fault || (length.n && (str_to_u32(&n, length) || n > ESL_BODY_MAX)))
        return false;
    buf_reset(&r->body);
    r->left = n;
    r->in_body = true;
    return true;
}

int esl_read(struct esl_reader *r, struct str *bytes, struct esl_message *out)
{
    size_t n;

    if (!r->in_body) {
        int rc = ami_read(&r->head, bytes, &r->message);

        if (rc <= 0)
            return rc;
        if (!body_begin(r))
            return ESL_READ_BROKEN;
    }
    n = bytes->n < r->left ? bytes->n : r->left;
    buf_add(&r->body, str_sub(*bytes, 0, n));
    if (r->body.error)
        return r->body.error;
    *bytes = str_sub(*bytes, n, bytes->n);
    r->left -= n;
    if (r->left)
        return 0;
    r->in_body = false;
    *out = (struct esl_message){ r->message, buf_str(&r->body) };
    return ESL_READ_MESSAGE;
}
