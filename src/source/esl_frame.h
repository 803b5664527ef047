// SPDX-License-Identifier: MIT
/* esl_frame.h - FreeSWITCH's event socket on the wire: lines `Name: value`, an empty line, and a
 * body of as many bytes as Content-Length says. Private to src/source. Threads: one owner. */
#pragma once
#include "ami/message.h"

enum { ESL_BODY_MAX = 16 << 20 };

struct esl_message {
    struct ami_message head;
    struct str body;
};

struct esl_reader {
    struct ami_reader head;
    struct ami_message message; /* the head, while its body comes */
    struct buf body;
    size_t left; /* of the body */
    bool in_body;
};

void esl_reader_init(struct esl_reader *r);
void esl_reader_fini(struct esl_reader *r);

enum esl_read {
    ESL_READ_MESSAGE = 1,
    ESL_READ_BROKEN, /* where the next one begins cannot be known */
};
/* As ami_read. 0, an enum esl_read, -ENOMEM. */
NODISCARD int esl_read(struct esl_reader *r, struct str *bytes, struct esl_message *out);
