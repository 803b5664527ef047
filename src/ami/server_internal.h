// SPDX-License-Identifier: MIT
/* server_internal.h - the manager interface.
 *
 * server.c: all sessions, and what concerns them. session.c: one of them: messages in and out, one
 * action after the other. action.c: the table of actions, and who may run which. login.c: coming
 * and going. event.c: what has happened, as text. Actions: of states (state_actions.c), variables
 * (variable.c), mailboxes (mailbox_actions.c), the database (database.c), SIP's objects (pjsip.c,
 * contacts.c), the process (core.c); and Command with its words (cli.c, cli_*.c). */
#pragma once
#include "ami/message.h"
#include "ami/server.h"
#include "base/map.h"

#define AMI_BANNER "Asterisk Call Manager/11.0.0"
#define AMI_PROTOCOL "11.0.0"
#define AMI_ASTERISK "22.0.0" /* whose habits these are */

enum {
    AMI_ANSWER_MAX = 64 << 20,
    AMI_HELD_MAX = 4 << 20,    /* events behind an action that takes its time */
    AMI_PENDING_MAX = 1 << 20, /* read behind it: one turn's reading */
    AMI_ID_MAX = AMI_REQUEST_LINE_MAX,
    AMI_VARIABLES_MAX = 4096,
    AMI_FILTERS_MAX = 64, /* that a session adds */
};

struct ami_server {
    struct ami_server_config cfg;
    const struct settings *settings; /* a reference */
    struct list sessions;
    uint64_t next_session;
    struct map variables; /* struct variable by name: see variable.c */
    uint64_t reloaded_wall_ms;
    struct str reloading; /* the module that somebody asked for */
    /* Others look at them. */
    struct {
        _Atomic uint64_t sessions, strangers; /* the latter have not logged in */
        _Atomic uint64_t actions, refused, events;
    } counters;
};

struct ami_action;
struct ami_answer;

struct ami_session {
    struct list link;
    struct ami_server *server;
    void *connection;
    uint64_t id;
    struct ami_peer peer;
    struct ami_reader reader;
    struct buf pending; /* read, while an action is under way */
    struct buf out;     /* of this turn */
    struct buf held;    /* events that wait */
    bool busy, holding, closing, paused, receiving;
    struct timer timer; /* to log in, or to be told that it was not to be */
    char challenge[24];
    /* Of who has logged in. */
    struct manager_settings *manager; /* a reference; NULL: nobody has */
    const struct manager_user *user;  /* of it */
    uint32_t mask;                    /* classes of events it wants */
    struct manager_filter **filters;  /* its own */
    size_t n_filters;
    /* Of the action under way. */
    const struct ami_action *action;
    struct buf action_id;
    struct buf text; /* what it remembers */
    void (*answered)(struct ami_session *s, const struct ami_answer *a);
    struct str argument[4];            /* of `text`, by session_remember */
    const struct cli_command *command; /* of Command */
    json_t *questions;                 /* of session_ask_each */
    json_t *kept;                      /* between two questions */
    void (*all_answered)(struct ami_session *s, const struct ami_answer *a);
};

struct ami_action {
    const char *name;
    uint32_t classes; /* one of these lets a user run it; 0: everybody may */
    bool before_login;
    bool changes; /* events wait until it is answered */
    void (*run)(struct ami_session *s, const struct ami_message *m);
    const char *synopsis;
};

/* ---- session.c ---- */

struct ami_answer {    /* of a command; borrowed for the call */
    const char *error; /* NULL: ok */
    struct str message;
    json_t *rows; /* an array of objects */
};
/* Ask a command; `arguments` is taken, NULL when there was no memory for it. */
void session_ask(struct ami_session *s, json_t *arguments,
                 void (*answered)(struct ami_session *s, const struct ami_answer *a));
/* An array of them, one after the other: the first error, or the last answer, is the answer. */
void session_ask_each(struct ami_session *s, json_t *questions,
                      void (*answered)(struct ami_session *s, const struct ami_answer *a));
/* {"command": name} and texts, as they are. NULL without memory. */
json_t *question(const char *command);
void question_text(json_t *q, const char *key, struct str value);
struct str answer_text(const json_t *row, const char *key);
uint64_t answer_number(const json_t *row, const char *key);

/* Texts until the action's end, as argument[0], ... */
void session_remember(struct ami_session *s, const struct str *texts, size_t n);

/* Response and ActionID; fields may follow, then ami_end. */
struct buf *session_respond(struct ami_session *s, const char *response);
/* With that message, and the action is over. */
void session_succeed(struct ami_session *s, const char *message);
void session_fail(struct ami_session *s, const char *format, ...) PRINTF_LIKE(2, 3);
/* Begin a list, an event of it, end it; then the action is over. */
void session_list_begin(struct ami_session *s, const char *message);
struct buf *session_list_event(struct ami_session *s, const char *event);
void session_list_end(struct ami_session *s, const char *event, uint64_t items);
/* The action has answered. */
void session_done(struct ami_session *s);
/* Let it go once everything is sent. */
void session_close(struct ami_session *s);
/* The same, with what waits behind the action under way: that is not going to be answered. */
void session_finish(struct ami_session *s);
/* What somebody has logged in as may see. */
bool session_wants(const struct ami_session *s, uint32_t class, struct str event, struct str lines);
void session_event(struct ami_session *s, struct str lines);
/* Send what is ready. */
void session_flush(struct ami_session *s);

/* ---- server.c ---- */

struct ami_session *server_session(const struct ami_server *a, uint64_t id); /* NULL: it has gone */
/* Event, Privilege and what else all events begin with; fields and ami_end follow, then
 * server_tell. */
void event_begin(const struct ami_server *a, struct buf *b, const char *event, uint32_t class);
void server_tell(struct ami_server *a, const char *event, uint32_t class, const struct buf *b);
void session_tell(struct ami_session *s, const char *event, uint32_t class, const struct buf *b);

/* ---- state_actions.c ---- */

/* The rows as an array in that order, which the caller frees; NULL without memory. How many. */
enum rows_order { ROWS_BY_EXTENSION, ROWS_BY_CONTEXT, ROWS_BY_DEVICE, ROWS_BY_PROVIDER };
size_t rows_sort(const struct ami_answer *a, enum rows_order order, json_t ***out);
/* There are none for a reason, which is answered then. */
bool rows_failed(struct ami_session *s, const struct ami_answer *a, json_t **rows);
/* Is this row of `hints` one that has a hint and a state? */
bool hint_is_listed(const json_t *row);

/* ---- variable.c ---- */

void variables_fini(struct ami_server *a);
/* "state,subtype,message,options" as PRESENCE_STATE() takes it, into a question: false when it says
 * nothing that can be set. */
bool presence_value_question(json_t *q, struct str value);
/* What a presence is; in the answer: its row, or one that says that it is not set, or NULL. */
json_t *presence_question(struct str provider);
const json_t *presence_row(const struct ami_answer *a, struct str provider);
/* "Custom:x"? */
bool is_custom(struct str device);
/* The end of a Getvar. */
void variable_got(struct ami_session *s, struct str value);

/* ---- dialplan_actions.c, mailbox_actions.c, core.c, pjsip.c ---- */

json_t *hint_question(const char *command, struct str extension, struct str context);

json_t *mailbox_question(struct str mailbox, uint32_t new_count, uint32_t old_count);
bool module_is_known(struct str module);
/* Reload everything, in the name of that module. */
void reload_ask(struct ami_session *s, struct str module,
                void (*answered)(struct ami_session *s, const struct ami_answer *a));
/* Objects of the settings, each of that size, by the id that they begin with; the array is the
 * caller's to free, NULL without memory. */
typedef void add_field(struct buf *b, struct str name, struct str value);
/* What is told of a subscription, the state being that of its hint. Of a list there is no kind. */
void subscription_fields(struct buf *b, const struct ami_server *a, const json_t *row,
                         struct str state, add_field *add);
const void **objects_sorted(const void *objects, size_t n, size_t size);
/* "Not in use", out of the rows of devices. */
struct str endpoint_state(const json_t *devices, struct str id);

/* ---- contacts.c ---- */

struct contact_rows { /* by AOR and contact */
    json_t **rows;
    size_t n;
    json_t *owner;
};
/* Of the rows of `contacts`. 0 or -ENOMEM; contacts_end ends it. */
NODISCARD int contacts_begin(struct contact_rows *out, const struct ami_server *a, json_t *rows);
void contacts_end(struct contact_rows *c);
/* How many there are of that AOR. */
size_t contacts_of(const struct contact_rows *c, struct str aor, json_t *const **first);
enum { CONTACT_HASH_MAX = 33 };
/* MD5 of its URI in hexadecimal, by which Asterisk calls it. */
struct str contact_hash(const json_t *row, char room[CONTACT_HASH_MAX]);
void contact_line(struct buf *b, const json_t *row); /* of a table of Command's */

/* ---- database.c ---- */

/* Rows of devices or presences, whose keys begin like `prefix`; none of a family that is not ours.
 */
void database_list(struct ami_session *s, struct str family, struct str prefix,
                   void (*answered)(struct ami_session *s, const struct ami_answer *a));
/* What a row is in the database; an empty key: it is not in it. */
const char *database_family(const json_t *row);
struct str database_key(const json_t *row);
void database_value_print(struct buf *b, const json_t *row);
/* NULL: that cannot be. */
json_t *database_set_question(struct str family, struct str key, struct str value);
json_t *database_del_question(struct str family, struct str key);
json_t *database_del_questions(const json_t *rows, struct str prefix); /* an array */
/* For Getvar, whose argument[3] is the key. */
void database_get(struct ami_session *s, struct str family);

/* ---- event.c ---- */

void event_extension_fields(struct buf *b, struct str extension, struct str context,
                            struct str hint, enum extension_state state);
void event_presence_fields(struct buf *b, struct str provider, struct str state, struct str subtype,
                           struct str message);
/* Of its text, as rows have it: "InUse". */
enum extension_state extension_state_of_text(struct str text);

/* ---- action.c ---- */

void action_run(struct ami_session *s, const struct ami_message *m);
bool action_permitted(const struct ami_session *s, const struct ami_action *action);
extern const struct ami_action ami_actions[];
extern const size_t ami_n_actions;
void action_list_commands(struct ami_session *s, const struct ami_message *m);

/* ---- login.c ---- */

void action_login(struct ami_session *s, const struct ami_message *m);
void action_logoff(struct ami_session *s, const struct ami_message *m);
void action_challenge(struct ami_session *s, const struct ami_message *m);
void action_events(struct ami_session *s, const struct ami_message *m);
void action_filter(struct ami_session *s, const struct ami_message *m);
void login_expired(struct timer *t); /* of a session */
void session_log_off(struct ami_session *s);

/* ---- actions ---- */

void action_ping(struct ami_session *s, const struct ami_message *m);
void action_core_status(struct ami_session *s, const struct ami_message *m);
void action_core_settings(struct ami_session *s, const struct ami_message *m);
void action_reload(struct ami_session *s, const struct ami_message *m);
void action_user_event(struct ami_session *s, const struct ami_message *m);
void action_extension_state(struct ami_session *s, const struct ami_message *m);
void action_extension_state_list(struct ami_session *s, const struct ami_message *m);
void action_device_state_list(struct ami_session *s, const struct ami_message *m);
void action_presence_state(struct ami_session *s, const struct ami_message *m);
void action_presence_state_list(struct ami_session *s, const struct ami_message *m);
void action_setvar(struct ami_session *s, const struct ami_message *m);
void action_getvar(struct ami_session *s, const struct ami_message *m);
void action_mwi_update(struct ami_session *s, const struct ami_message *m);
void action_mwi_delete(struct ami_session *s, const struct ami_message *m);
void action_mwi_get(struct ami_session *s, const struct ami_message *m);
void action_mailbox_status(struct ami_session *s, const struct ami_message *m);
void action_mailbox_count(struct ami_session *s, const struct ami_message *m);
void action_db_get(struct ami_session *s, const struct ami_message *m);
void action_db_get_tree(struct ami_session *s, const struct ami_message *m);
void action_db_put(struct ami_session *s, const struct ami_message *m);
void action_db_del(struct ami_session *s, const struct ami_message *m);
void action_db_del_tree(struct ami_session *s, const struct ami_message *m);
void action_subscriptions_inbound(struct ami_session *s, const struct ami_message *m);
void action_subscriptions_outbound(struct ami_session *s, const struct ami_message *m);
void action_resource_lists(struct ami_session *s, const struct ami_message *m);
void action_contacts(struct ami_session *s, const struct ami_message *m);
void action_endpoints(struct ami_session *s, const struct ami_message *m);
void action_extension_add(struct ami_session *s, const struct ami_message *m);
void action_extension_remove(struct ami_session *s, const struct ami_message *m);

/* ---- Command: cli.c ---- */

enum { CLI_WORDS_MAX = 32 };
struct cli_command {
    const char *words;    /* "core show hints" */
    unsigned least, most; /* arguments behind them */
    void (*run)(struct ami_session *s, const struct str *arguments, size_t n);
    const char *usage; /* lines; NULL: the words */
};
struct cli_group { /* of one file */
    const struct cli_command *commands;
    size_t n;
};
extern const struct cli_group cli_core, cli_states, cli_database, cli_pjsip, cli_history;
void action_command(struct ami_session *s, const struct ami_message *m);
/* The head of the answer; lines follow, then cli_end. */
struct buf *cli_begin(struct ami_session *s, bool success);
/* One line of output: whatever could steer a terminal is an escape. */
void cli_output(struct buf *b, struct str line);
void cli_line(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void cli_end(struct ami_session *s);
/* One line, and that is all. */
void cli_say(struct ami_session *s, bool success, const char *format, ...) PRINTF_LIKE(3, 4);
/* True when there was an error, which is said then. */
bool cli_failed(struct ami_session *s, const struct ami_answer *a);
void cli_usage(struct ami_session *s);
