// SPDX-License-Identifier: MIT
/* scenario.h - what the runner's files share.
 *
 * world.c: a state core and one engine on a stepped clock, the network being one queue. ports.c:
 * what the engine and the state core see of it. keep.c: what is kept while nothing runs. script.c:
 * the words of a .scn file that change the world. message.c: those that make a message. expect.c:
 * those that look at one. variable.c: what
 * ${...} means. failing.c: memory that runs out. scenario.c: reading files line by line. The
 * language is described in README.md beside this file. */
#pragma once
#include "daemon/engine.h"
#include "daemon/state_engine.h"
#include "state/state.h"

enum { PEERS_MAX = 16, FILES_MAX = 16, OVERRIDES_MAX = 16, VARIABLES_MAX = 32 };
enum { WORDS_MAX = 1024, SAID_MAX = 256 };

/* ---- whose code runs ---- */

/* Memory may run out (failing.c): in what is tested, and not in what is the test's. Until the end
 * of the block. */
#define SUBJECT bool guarded_ __attribute__((cleanup(guard_back), unused)) = guard_set(true)
#define OUTSIDE bool guarded_ __attribute__((cleanup(guard_back), unused)) = guard_set(false)
bool guard_set(bool subject); /* what it was */
void guard_back(const bool *former);

/* ---- the world ---- */

struct waiting { /* a message on its way to a peer */
    struct list link;
    struct addr to;
    struct str bytes;
};

struct peer {
    struct str name;
    struct addr addr;
    struct str request, response; /* the last of each that it received */
    struct str received;          /* the last of them, a slice of one of the two */
    struct str sent;              /* the last that it sent by `send` */
};

enum world_store {
    STORE_NONE,
    STORE_WORKS,
    STORE_SLOW, /* nothing becomes durable, and nothing fails */
    STORE_FAILS
};

struct kept_word { /* of struct keep_words */
    uint64_t number, word;
    bool taken;
};

struct world {
    uint64_t now_ms;
    int64_t wrong_ms; /* the wall clock, which goes with it otherwise */
    struct clock clock;
    struct rng rng;
    struct log *log;
    struct wheel wheel;
    struct state_engine state;
    struct body_registry *bodies;
    struct settings *settings;
    struct dialplan *dialplan;
    struct engine engine;
    struct nonces *nonces;
    struct limits *limits;
    void *nonces_memory; /* survives the process if anything does */
    bool started, verbose, finishing;
    bool killed;    /* nothing runs until the next start */
    bool restoring; /* no thread runs yet: what is posted waits until everything is read */
    enum world_store store;
    uint64_t incarnation;
    struct list kept, unwritten; /* records */
    struct list waits;           /* keep_wait.link */
    struct kept_word words[WORDS_MAX];
    size_t n_words;
    struct str said[SAID_MAX]; /* the lines about devices, presence and mailboxes */
    size_t n_said;
    bool networkless;    /* sending fails */
    uint32_t admitted;   /* subscriptions */
    struct list sent;    /* struct waiting, oldest first */
    struct list posted;  /* answers of ports that come later, oldest first */
    struct list answers; /* those that are not durable yet */
    struct addr local;
    struct {
        struct str name, text;
    } files[FILES_MAX];
    size_t n_files;
    struct peer peers[PEERS_MAX];
    size_t n_peers;
    struct str overrides[OVERRIDES_MAX]; /* "compatibility.asterisk=yes" */
    size_t n_overrides;
};

void world_init(struct world *w, uint64_t seed, bool verbose);
void world_fini(struct world *w);
/* Read the files and begin. Result as settings_read; `problems` gets what is wrong with the files.
 * Then world_restore, when all is said that sources say before anybody is restored; also 0 or
 * -ENOMEM, and then the process has ended. */
NODISCARD int world_start(struct world *w, struct buf *problems);
NODISCARD int world_restore(struct world *w);
/* The process ends here; with `power` the machine does. */
void world_kill(struct world *w, bool power);
/* Read the files again. -EINVAL: nothing changed. */
NODISCARD int world_reload(struct world *w, struct buf *problems);
/* Everything that is due happens in order; what was posted happens within the same tick. */
void world_advance(struct world *w, uint64_t ms);
/* What was posted, until nothing is. */
void world_settle(struct world *w);
void world_receive(struct world *w, const struct addr *from, struct str datagram);
void waiting_free(struct waiting *m);

/* ports.c: NULL-free tables for the engine and the state core, all with the world as ctx. */
struct txn_port world_txn_port(struct world *w);
struct notifier_port world_notifier_port(struct world *w);
struct watcher_info_port world_workers_port(struct world *w);
struct compositor_port world_compositor_port(struct world *w);
struct registrar_port world_registrar_port(struct world *w);
struct qualifier_port world_qualifier_port(struct world *w);
struct publisher_port world_publisher_port(struct world *w);
struct state_engine_port world_state_port(struct world *w);
/* To be told after all that was posted before: names may mean other resources. */
void world_post_dialplan_changed(struct world *w);
void world_drop_posted(struct world *w);

/* keep.c: the ports, empty without a store. */
struct keep world_keep(struct world *w);
struct keep_words world_words(struct world *w);
void world_keep_init(struct world *w);
void world_keep_fini(struct world *w);
bool world_keep_settle(struct world *w);
void world_keep_restore_states(struct world *w);
NODISCARD int world_keep_restore(struct world *w);
void world_keep_lose(struct world *w);
void world_words_lose(struct world *w, bool power);
void world_words_settle(struct world *w);

/* ---- the script ---- */

struct script {
    struct world world;
    const char *file;
    unsigned line;     /* where we read */
    unsigned at;       /* the line to blame */
    struct str rest;   /* of the file */
    bool endless;      /* it ended within a block */
    unsigned branches; /* made so far */
    bool failing;
    struct {
        struct str name, value;
    } variables[VARIABLES_MAX];
    size_t n_variables;
    struct buf failure;
};

/* Why the script ends; always -EINVAL. */
#define SCRIPT_FAIL(s, ...) \
    (buf_reset(&(s)->failure), buf_printf(&(s)->failure, __VA_ARGS__), -EINVAL)

/* One line of the file, with its block. 0, or -EINVAL with the reason in s->failure. */
NODISCARD int script_line(struct script *s, struct str line);
struct how { /* a scenario is run */
    uint64_t seed;
    bool verbose, kept;
    bool failing; /* what is not as it should be is not told, and does not end it */
};
/* scenario.c. 0, or a negative errno; what is wrong goes to stderr. */
NODISCARD int scenario_run(const char *path, const struct how *how);
/* failing.c: once for every `every`-th allocation, from the `first`, which fails then, in a process
 * of its own. How many of them did not end in order. */
NODISCARD unsigned scenario_fail(const char *path, const struct how *how, uint64_t first,
                                 uint64_t every);
/* The n-th, counted from 0, in this process. As scenario_run. */
NODISCARD int scenario_fail_one(const char *path, const struct how *how, uint64_t n);

/* scenario.c: the lines of a block, up to one that is just ".". Without one the script ends. */
struct str script_block(struct script *s);

/* The first line of `*text`, without its end; `*text` moves behind it. */
struct str line_next(struct str *text);
/* The first word of `*text`; `*text` moves to the next one. */
struct str word_next(struct str *text);
/* NULL: nobody of that name, and s->failure says so. */
struct peer *peer_named(struct script *s, struct str name);

/* variable.c: `text` with ${...} replaced. 0 or -EINVAL. */
NODISCARD int variables_print(struct script *s, struct str text, struct buf *out);
NODISCARD int script_let(struct script *s, struct str rest);

/* message.c */
NODISCARD int script_send(struct script *s, struct str rest);
NODISCARD int script_resend(struct script *s, struct str rest);
NODISCARD int script_answer(struct script *s, struct str rest);

/* expect.c */
NODISCARD int script_expect(struct script *s, struct str rest);
NODISCARD int script_again(struct script *s, struct str rest);
NODISCARD int script_authorized(struct script *s, struct str rest);
NODISCARD int script_drop(struct script *s, struct str rest);
NODISCARD int script_nothing(struct script *s, struct str rest);
