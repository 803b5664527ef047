// SPDX-License-Identifier: MIT
/* commands.h - what can be asked and changed, whoever asks: the control socket, or another edge.
 *
 * A request is a JSON object with a "command" and its fields, as doc/control-socket.md has them. It
 * runs by jobs on the other threads and comes home with rows and an end. Threads: those of one
 * loop, but for what a port says. */
#pragma once
#include <jansson.h>

#include "ctl/ctl.h"

struct commands; /* opaque: see request.c */

/* `port` is copied; it is not called any more after commands_destroy. */
NODISCARD int commands_create(struct commands **out, uv_loop_t *loop, const struct ctl_port *port);
/* Requests under way still come home to the loop, but nobody is told. */
void commands_destroy(struct commands *c);
size_t commands_unanswered(const struct commands *c); /* requests, whoever has asked */

struct commands_answer { /* borrowed for the call */
    const char *error;   /* NULL: ok; else usage, unknown_command, not_found, busy, failed */
    struct str message;  /* then: why, in words */
    struct str rows;     /* JSON objects with commas between them */
    uint64_t n_rows;
    struct str members; /* what there is to say besides: a JSON object */
};
typedef void (*commands_answered_fn)(void *ctx, uint64_t cookie,
                                     const struct commands_answer *answer);

/* The members of a row of hints that its snapshot has (NULL: none yet). Any thread. */
void commands_print_lamp(struct json *row, const struct snapshot *s);

struct commands_question {
    json_t *arguments; /* taken, also on failure */
    void *ctx;
    uint64_t cookie;               /* with ctx: who asked */
    commands_answered_fn answered; /* on the loop's thread, perhaps from inside */
};
/* 0, or -ENOMEM: then it is not answered. */
NODISCARD int commands_ask(struct commands *c, const struct commands_question *question);
