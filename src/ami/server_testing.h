// SPDX-License-Identifier: MIT
/* server_testing.h - for tests and fuzzing: the manager interface with a stepped clock, clients
 * that are buffers, and commands whose answers are given, now or later. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "ami/server.h"

enum { STAGE_CLIENTS = 4, STAGE_HELD = 64 };

struct stage_client {
    struct ami_session *session;
    struct buf out;
    bool closed, paused;
    uint32_t patience_ms;
};

struct stage {
    uint64_t now_ms;
    struct clock clock;
    struct wheel wheel;
    struct rng rng;
    const char *files[3][2]; /* of the configuration: name, text */
    struct settings *settings;
    struct ami_server *server;
    struct stage_client clients[STAGE_CLIENTS];
    /* What is asked is answered with these, at once or by stage_answer. */
    bool hold, stopped;
    const char *error, *rows;
    void (*asked)(struct stage *s, const char *command);
    struct commands_question held[STAGE_HELD];
    size_t n_held;
    char command[64]; /* the last one */
};

#define STAGE_MANAGER                                                     \
    "[general]\nenabled=yes\nauthlimit=3\n"                               \
    "[admin]\nsecret=secret\nread=all\nwrite=all\n"                       \
    "[wall]\nsecret=look\nread=call\nwrite=reporting\nwritetimeout=100\n" \
    "[far]\nsecret=secret\ndeny=192.0.2.0/24\n[one]\nsecret=1\nallowmultiplelogin=no\n[no]\n"

static inline uint64_t stage_clock(void *ctx)
{
    return ((struct stage *)ctx)->now_ms;
}

static inline int stage_read(void *ctx, struct str path, struct str *text)
{
    const struct stage *s = ctx;

    for (size_t i = 0; i < 3; i++)
        if (s->files[i][0] && str_ends(path, str_of(s->files[i][0])))
            return str_dup(text, str_of(s->files[i][1]));
    return -ENOENT;
}

static inline struct settings *stage_settings(struct stage *s, const char *manager)
{
    const struct settings_source source = {
        .directory = STR_INIT("etc"),
        .state_directory = STR_INIT("state"),
        .files = { .file = STR_INIT("x"), .read = stage_read, .ctx = s }
    };
    struct settings *settings = NULL;
    struct diag diag;

    s->files[0][0] = "manager.conf";
    s->files[0][1] = manager;
    diag_init(&diag);
    BUG_UNLESS(settings_read(&settings, &source, &diag) == 0);
    diag_fini(&diag);
    return settings;
}

static inline void stage_tell(const struct stage *s, const struct commands_question *q)
{
    struct str rows = str_of(s->error || !s->rows ? "" : s->rows);

    q->answered(q->ctx, q->cookie,
                &(struct commands_answer){ .error = s->error,
                                           .message = str_of(s->error ? "because" : ""),
                                           .rows = rows,
                                           .n_rows = rows.n > 0,
                                           .members = STR("{}") });
}

static inline int stage_ask(void *ctx, const struct commands_question *q)
{
    struct stage *s = ctx;

    snprintf(s->command, sizeof(s->command), "%s",
             json_string_value(json_object_get(q->arguments, "command")));
    json_decref(q->arguments);
    if (s->asked)
        s->asked(s, s->command);
    if (s->hold && s->n_held < STAGE_HELD)
        s->held[s->n_held++] = *q;
    else
        stage_tell(s, q);
    return 0;
}

/* The oldest question that waits. */
static inline void stage_answer(struct stage *s)
{
    struct commands_question q = s->held[0];

    BUG_UNLESS(s->n_held);
    s->n_held--;
    memmove(s->held, s->held + 1, s->n_held * sizeof(q));
    stage_tell(s, &q);
}

static inline void stage_send(void *ctx, void *connection, struct str bytes)
{
    struct stage_client *c = connection;

    (void)ctx;
    if (!c->closed)
        buf_add(&c->out, bytes);
}

static inline void stage_pause(void *ctx, void *connection, bool paused)
{
    (void)ctx;
    ((struct stage_client *)connection)->paused = paused;
}

static inline void stage_close(void *ctx, void *connection)
{
    (void)ctx;
    ((struct stage_client *)connection)->closed = true;
}

static inline void stage_patience(void *ctx, void *connection, uint32_t timeout_ms)
{
    (void)ctx;
    ((struct stage_client *)connection)->patience_ms = timeout_ms;
}

static inline void stage_stop(void *ctx)
{
    ((struct stage *)ctx)->stopped = true;
}

static inline void stage_init(struct stage *s, const char *manager)
{
    *s = (struct stage){ .now_ms = 1000000 };
    s->clock = (struct clock){ stage_clock, stage_clock, s };
    wheel_init(&s->wheel, s->now_ms);
    rng_init_seeded(&s->rng, 1);
    s->settings = stage_settings(s, manager);
    BUG_UNLESS(ami_server_create(&s->server,
                                 &(struct ami_server_config){ .port = { .ctx = s,
                                                                        .ask = stage_ask,
                                                                        .send = stage_send,
                                                                        .pause = stage_pause,
                                                                        .close = stage_close,
                                                                        .patience = stage_patience,
                                                                        .stop = stage_stop },
                                                              .wheel = &s->wheel,
                                                              .clock = &s->clock,
                                                              .rng = &s->rng,
                                                              .settings = s->settings,
                                                              .version = "1",
                                                              .started_wall_ms = s->now_ms }) == 0);
    for (size_t i = 0; i < STAGE_CLIENTS; i++)
        buf_init(&s->clients[i].out, 64 << 20);
}

static inline void stage_fini(struct stage *s)
{
    for (size_t i = 0; i < STAGE_CLIENTS; i++) {
        ami_session_destroy(s->clients[i].session);
        buf_fini(&s->clients[i].out);
    }
    ami_server_destroy(s->server);
    wheel_fini(&s->wheel);
    settings_unref(s->settings);
}

static inline int stage_connect(struct stage *s, size_t client)
{
    struct ami_peer peer = { .tls = false };

    BUG_UNLESS(addr_parse(&peer.remote, STR("192.0.2.1:1000"), 0) == 0);
    BUG_UNLESS(addr_parse(&peer.local, STR("192.0.2.9:5038"), 0) == 0);
    return ami_session_create(&s->clients[client].session, s->server, &peer, &s->clients[client]);
}

static inline void stage_step(struct stage *s, uint64_t ms)
{
    s->now_ms += ms;
    wheel_advance(&s->wheel, s->now_ms);
}

static inline void stage_input(struct stage *s, size_t client, struct str bytes)
{
    ami_session_receive(s->clients[client].session, bytes);
}
