// SPDX-License-Identifier: MIT
/* server.h - the manager interface as a machine: sessions, actions and events, without sockets and
 * threads of its own.
 *
 * Whoever has the connections makes a session of each, gives it what is read, and sends what it
 * says. What is asked and changed goes by the commands of the control socket (ctl/commands.h). A
 * session runs one action at a time, in the order they came; while one that changes something is
 * under way its events wait, so that they come behind the answer, as with Asterisk. Threads: one
 * owner. */
#pragma once
#include "base/clock.h"
#include "base/random.h"
#include "config/manager.h"
#include "ctl/commands.h"
#include "feed/change.h"
#include "loop/wheel.h"

struct ami_server;  /* opaque: see server.c */
struct ami_session; /* opaque: see session.c */

struct ami_server_port { /* `connection` is what ami_session_create was given */
    void *ctx;
    /* As commands_ask. */
    int (*ask)(void *ctx, const struct commands_question *question);
    /* The bytes are borrowed. Whoever cannot take them ends the connection, but not from inside. */
    void (*send)(void *ctx, void *connection, struct str bytes);
    /* Read no more, or go on. */
    void (*pause)(void *ctx, void *connection, bool paused);
    /* End the connection when what was sent has left; not from inside. */
    void (*close)(void *ctx, void *connection);
    /* Who has logged in, so that it is known how patient to be. */
    void (*patience)(void *ctx, void *connection, uint32_t timeout_ms);
    /* End the process in order, soon. */
    void (*stop)(void *ctx);
};

struct ami_server_config {
    struct ami_server_port port;
    struct wheel *wheel;
    const struct clock *clock;
    struct rng *rng;
    struct log *log;
    const struct settings *settings;
    const char *version;      /* of the program */
    struct str eid;           /* our entity id, where the settings have none */
    uint64_t started_wall_ms; /* when it was started */
};
NODISCARD int ami_server_create(struct ami_server **out, const struct ami_server_config *cfg);
/* Its sessions have been destroyed, and no question is under way. */
void ami_server_destroy(struct ami_server *a); /* NULL is fine */

/* Those in force from now on. Who is logged in goes on with the rights that his name has now; who
 * is no user any more, or has another secret, is let go. */
void ami_server_settings(struct ami_server *a, const struct settings *settings);
/* A reload is over. */
void ami_server_reloaded(struct ami_server *a);
/* The process ends: everybody is told and let go. */
void ami_server_shutdown(struct ami_server *a, bool restart);

struct ami_peer {
    struct addr remote, local;
    bool tls;
};
enum { AMI_TOO_MANY = 1 /* have not logged in */ };
/* It greets at once. 0, AMI_TOO_MANY, -ENOMEM. */
NODISCARD int ami_session_create(struct ami_session **out, struct ami_server *a,
                                 const struct ami_peer *peer, void *connection);
/* The connection is gone. */
void ami_session_destroy(struct ami_session *s); /* NULL is fine */
/* What was read; when paused from inside, the rest waits for its turn. */
void ami_session_receive(struct ami_session *s, struct str bytes);

/* Of the kinds that AMI_CHANGES names; each once, in order. */
#define AMI_CHANGES                                                                          \
    (CHANGE_BIT(CHANGE_DEVICE) | CHANGE_BIT(CHANGE_PRESENCE) | CHANGE_BIT(CHANGE_SNAPSHOT) | \
     CHANGE_BIT(CHANGE_MAILBOX) | CHANGE_BIT(CHANGE_CONTACT) | CHANGE_BIT(CHANGE_ENDPOINT))
void ami_server_change(struct ami_server *a, const struct change *c);

struct ami_counters {
    uint64_t sessions, logged_in;
    uint64_t actions, refused, events; /* refused: logins; events: each once, whoever hears it */
};
/* Any thread. */
void ami_counters_get(const struct ami_server *a, struct ami_counters *out);
