// SPDX-License-Identifier: MIT
/* Message counts of mailboxes. */
#include <stdlib.h>

#include "ami/server_internal.h"

/* As ours are called: with a context. */
static struct str full_name(struct str mailbox, char *room, size_t size)
{
    struct buf b;

    if (str_find_char(mailbox, '@') < mailbox.n)
        return mailbox;
    buf_init_on(&b, room, size);
    buf_printf(&b, "%.*s@default", STR_FMT(mailbox));
    return buf_str(&b);
}

/* A name, or a pattern in slashes. */
static bool mailbox_matches(const json_t *row, struct str wanted, const struct regex *pattern)
{
    struct str mailbox = answer_text(row, "mailbox");

    return pattern ? regex_matches(pattern, mailbox, NULL) : str_equal(mailbox, wanted);
}

static struct regex *pattern_of(struct str wanted)
{
    struct regex *pattern = NULL;

    if (wanted.n > 2 && str_starts(wanted, STR("/")) && str_ends(wanted, STR("/")) &&
        regex_create(&pattern, str_sub(wanted, 1, wanted.n - 1), false, NULL))
        return NULL;
    return pattern;
}

json_t *mailbox_question(struct str mailbox, uint32_t new_count, uint32_t old_count)
{
    json_t *q = question("mailbox.set");

    question_text(q, "mailbox", mailbox);
    if (q) {
        (void)!json_object_set_new(q, "new", json_integer(new_count));
        (void)!json_object_set_new(q, "old", json_integer(old_count));
    }
    return q;
}

static void answer_change(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        session_fail(s, "%.*s", STR_FMT(a->message));
    else
        session_succeed(s, NULL);
}

/* ---- MWIUpdate, MWIDelete, MWIGet ---- */

static bool count_read(const struct ami_message *m, struct str name, uint32_t *out)
{
    struct str text = ami_get(m, name);

    return !text.n || str_to_u32(out, text) == 0;
}

/* False: it has been answered. */
static bool mailbox_named(struct ami_session *s, struct str mailbox)
{
    if (!mailbox.n)
        session_fail(s, "Missing mailbox parameter in request");
    return mailbox.n;
}

void action_mwi_update(struct ami_session *s, const struct ami_message *m)
{
    struct str mailbox = ami_get(m, STR("Mailbox"));
    uint32_t new_count = 0, old_count = 0;

    if (!mailbox_named(s, mailbox))
        return;
    if (!count_read(m, STR("OldMessages"), &old_count))
        session_fail(s, "Invalid OldMessages count");
    else if (!count_read(m, STR("NewMessages"), &new_count))
        session_fail(s, "Invalid NewMessages count");
    else
        session_ask(s, mailbox_question(mailbox, new_count, old_count), answer_change);
}

/* Whoever shows one is to see that it is empty: nobody would say so of one that is not known. */
static void answer_delete(struct ami_session *s, const struct ami_answer *a)
{
    struct regex *pattern = pattern_of(s->argument[0]);
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        const json_t *row = json_array_get(a->rows, i);

        if (mailbox_matches(row, s->argument[0], pattern))
            (void)!json_array_append_new(list, mailbox_question(answer_text(row, "mailbox"), 0, 0));
    }
    regex_destroy(pattern);
    if (json_array_size(list)) {
        session_ask_each(s, list, answer_change);
        return;
    }
    json_decref(list);
    answer_change(s, a);
}

void action_mwi_delete(struct ami_session *s, const struct ami_message *m)
{
    struct str mailbox = ami_get(m, STR("Mailbox"));

    if (!mailbox_named(s, mailbox))
        return;
    session_remember(s, &mailbox, 1);
    session_ask(s, question("mailbox.list"), answer_delete);
}

static void answer_get(struct ami_session *s, const struct ami_answer *a)
{
    struct regex *pattern = pattern_of(s->argument[0]);
    uint64_t told = 0;

    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        regex_destroy(pattern);
        return;
    }
    session_list_begin(s, "Mailboxes will follow");
    for (size_t i = 0; i < json_array_size(a->rows); i++) {
        const json_t *row = json_array_get(a->rows, i);
        struct buf *b = &s->out;

        if (!mailbox_matches(row, s->argument[0], pattern))
            continue;
        ami_add(b, STR("Event"), STR("MWIGet"));
        ami_add(b, STR("Mailbox"), answer_text(row, "mailbox"));
        ami_add_u64(b, STR("OldMessages"), answer_number(row, "old"));
        ami_add_u64(b, STR("NewMessages"), answer_number(row, "new"));
        if (s->action_id.n)
            ami_add(b, STR("ActionID"), buf_str(&s->action_id));
        ami_end(b);
        told++;
    }
    regex_destroy(pattern);
    session_list_end(s, "MWIGetComplete", told);
}

void action_mwi_get(struct ami_session *s, const struct ami_message *m)
{
    struct str mailbox = ami_get(m, STR("Mailbox"));

    if (!mailbox_named(s, mailbox))
        return;
    session_remember(s, &mailbox, 1);
    session_ask(s, question("mailbox.list"), answer_get);
}

/* ---- MailboxStatus, MailboxCount ---- */

struct messages {
    uint64_t new_count, old_count;
};

/* Of all mailboxes of the list together. One that nobody has told anything about is empty. */
static struct messages messages_of(const struct ami_answer *a, struct str list)
{
    struct messages sum = { 0 };

    while (list.p) {
        char room[AMI_REQUEST_LINE_MAX + 16];
        struct str name = full_name(str_next(&list, ','), room, sizeof(room));

        for (size_t i = 0; i < json_array_size(a->rows); i++) {
            const json_t *row = json_array_get(a->rows, i);

            if (!str_equal(answer_text(row, "mailbox"), name))
                continue;
            sum.new_count += answer_number(row, "new");
            sum.old_count += answer_number(row, "old");
        }
    }
    return sum;
}

static struct buf *mailbox_respond(struct ami_session *s, const char *message)
{
    struct buf *b = session_respond(s, "Success");

    ami_add(b, STR("Message"), str_of(message));
    ami_add(b, STR("Mailbox"), s->argument[0]);
    return b;
}

static void answer_status(struct ami_session *s, const struct ami_answer *a)
{
    struct buf *b = mailbox_respond(s, "Mailbox Status");

    ami_add_u64(b, STR("Waiting"), messages_of(a, s->argument[0]).new_count > 0);
    ami_end(b);
    session_done(s);
}

static void answer_count(struct ami_session *s, const struct ami_answer *a)
{
    struct messages sum = messages_of(a, s->argument[0]);
    struct buf *b = mailbox_respond(s, "Mailbox Message Count");

    ami_add_u64(b, STR("UrgMessages"), 0);
    ami_add_u64(b, STR("NewMessages"), sum.new_count);
    ami_add_u64(b, STR("OldMessages"), sum.old_count);
    ami_end(b);
    session_done(s);
}

static void mailbox_look(struct ami_session *s, const struct ami_message *m,
                         void (*answered)(struct ami_session *s, const struct ami_answer *a))
{
    struct str mailbox = ami_get(m, STR("Mailbox"));

    if (!mailbox.n) {
        session_fail(s, "Mailbox not specified");
        return;
    }
    session_remember(s, &mailbox, 1);
    session_ask(s, question("mailbox.list"), answered);
}

void action_mailbox_status(struct ami_session *s, const struct ami_message *m)
{
    mailbox_look(s, m, answer_status);
}

void action_mailbox_count(struct ami_session *s, const struct ami_message *m)
{
    mailbox_look(s, m, answer_count);
}
