// SPDX-License-Identifier: MIT
/* Hints at run time, until the next reload. */
#include "ami/server_internal.h"

json_t *hint_question(const char *command, struct str extension, struct str context)
{
    json_t *q = question(command);

    question_text(q, "extension", extension);
    question_text(q, "context", context);
    return q;
}

static bool is_priority(struct str priority)
{
    return str_equal_nocase(priority, STR("hint"));
}

static void answer_add(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error && strcmp(a->error, "usage") == 0)
        session_fail(s, "That extension and priority already exist at that context");
    else if (a->error)
        session_fail(s, "Failed to add requested extension");
    else
        session_succeed(s, "Added requested extension");
}

void action_extension_add(struct ami_session *s, const struct ami_message *m)
{
    struct str context = ami_get(m, STR("Context")), extension = ami_get(m, STR("Extension")),
               priority = ami_get(m, STR("Priority")), hint = ami_get(m, STR("Application"));
    json_t *q;

    if (!context.n || !extension.n || !priority.n || !hint.n) {
        session_fail(s, "Context, Extension, Priority, and Application must be defined.");
        return;
    }
    if (!is_priority(priority)) {
        session_fail(s, "The priority specified was invalid.");
        return;
    }
    q = hint_question("hint.add", extension, context);
    question_text(q, "hint", hint);
    question_text(q, "name", ami_get(m, STR("ApplicationData")));
    if (q && str_is_true(ami_get(m, STR("Replace"))))
        (void)!json_object_set_new(q, "replace", json_true());
    session_ask(s, q, answer_add);
}

static void answer_remove(struct ami_session *s, const struct ami_answer *a)
{
    if (a->error)
        session_fail(s, "Failed to remove requested extension");
    else
        session_succeed(s, "Removed the requested extension");
}

void action_extension_remove(struct ami_session *s, const struct ami_message *m)
{
    struct str context = ami_get(m, STR("Context")), extension = ami_get(m, STR("Extension")),
               priority = ami_get(m, STR("Priority"));

    if (!context.n || !extension.n)
        session_fail(s, "Context and Extension must be provided in order to remove an extension");
    else if (priority.n && !is_priority(priority))
        session_fail(s, "The priority specified was invalid.");
    else
        session_ask(s, hint_question("hint.remove", extension, context), answer_remove);
}
