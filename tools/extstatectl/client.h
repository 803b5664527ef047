// SPDX-License-Identifier: MIT
/* client.h - talking to the daemon's control socket: one request, rows, one answer. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

#include "base/result.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* the daemon, or the network, says no */
    EXIT_USAGE = 2,       /* the command line cannot be understood */
    EXIT_UNREACHABLE = 3, /* no daemon at that socket */
    EXIT_NOTHING = 4,     /* the question was fine, and nothing matches */
};

struct client {
    int fd;
    bool raw;
    char *buffer; /* bytes read and not yet used */
    size_t n, room;
};

/* Connects; prints why not and returns -errno otherwise. Strings of rows and answers are made
 * printable (printable.h), where answers may have lines; `raw`: they are as they came. */
NODISCARD int client_open(struct client *c, const char *path, bool raw);
void client_close(struct client *c);

typedef void (*client_row_fn)(void *ctx, json_t *row);
/* Send a request (its reference is taken) without waiting; read until the answer of any, which may
 * say no. What kept them from that has been printed; an exit code. */
NODISCARD int client_send(struct client *c, json_t *request);
NODISCARD int client_receive(struct client *c, client_row_fn row, void *ctx, json_t **answer);
/* Send `request` (its reference is taken) and read until the answer. `*answer` is the caller's.
 * Returns an exit code; what went wrong has been printed. `row` may be NULL. */
NODISCARD int client_call(struct client *c, json_t *request, client_row_fn row, void *ctx,
                          json_t **answer);
