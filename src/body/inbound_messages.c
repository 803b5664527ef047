// SPDX-License-Identifier: MIT
/* inbound_messages.c - application/simple-message-summary: RFC 3842 section 5.2. Words in any case,
 * lines in any order; what other RFCs add (a Video-Message) is read over, and so are the headers of
 * single messages behind the first empty line. */
#include "body/inbound_internal.h"

static const struct str classes[ES_MESSAGE_CLASSES] = {
    [ES_MESSAGES_VOICE] = STR_INIT("Voice-Message"),
    [ES_MESSAGES_FAX] = STR_INIT("Fax-Message"),
    [ES_MESSAGES_PAGER] = STR_INIT("Pager-Message"),
    [ES_MESSAGES_MULTIMEDIA] = STR_INIT("Multimedia-Message"),
    [ES_MESSAGES_TEXT] = STR_INIT("Text-Message"),
    [ES_MESSAGES_NONE] = STR_INIT("None"),
};

/* new SLASH old */
static bool pair_parse(struct cursor *c, uint32_t *new_count, uint32_t *old_count)
{
    struct str text = cursor_token(c);

    if (str_to_u32(new_count, text) || !cursor_skip(c, '/'))
        return false;
    return str_to_u32(old_count, cursor_token(c)) == 0;
}

/* 2/8 (0/2) */
static bool count_parse(struct es_message_count *out, struct str value)
{
    struct es_message_count count = { .given = true };
    struct cursor c = cursor_on(value);

    if (!pair_parse(&c, &count.new_count, &count.old_count))
        return false;
    if (cursor_skip(&c, '(') &&
        (!pair_parse(&c, &count.urgent_new, &count.urgent_old) || !cursor_skip(&c, ')')))
        return false;
    cursor_blanks(&c);
    if (!cursor_done(&c))
        return false;
    *out = count;
    return true;
}

struct summary {
    struct inbound *in;
    unsigned line;
    bool told; /* Messages-Waiting */
};

static int waiting_read(struct summary *s, struct str name, struct str value)
{
    bool yes = str_equal_nocase(value, STR("yes"));

    if (!yes && !str_equal_nocase(value, STR("no")))
        return xml_refuse_at(s->in->why, s->line, name, "neither yes nor no but", value);
    s->in->state->messages.waiting = yes;
    s->told = true;
    return 0;
}

static int account_read(struct summary *s, struct str uri)
{
    if (uri.n > 1 && uri.p[0] == '<' && uri.p[uri.n - 1] == '>')
        uri = str_sub(uri, 1, uri.n - 1);
    return event_state_text(s->in->state, &s->in->state->messages.account, uri);
}

static int line_read(struct summary *s, struct str line)
{
    size_t colon = str_find_char(line, ':');
    struct str name = str_trim(str_sub(line, 0, colon)), value;

    if (colon == line.n || name.n == 0)
        return xml_refuse_at(s->in->why, s->line, STR_EMPTY, "not a field:", line);
    value = str_trim(str_sub(line, colon + 1, line.n));
    if (str_equal_nocase(name, STR("Messages-Waiting")))
        return waiting_read(s, name, value);
    if (str_equal_nocase(name, STR("Message-Account")))
        return account_read(s, value);
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++)
        if (str_equal_nocase(name, classes[i]) &&
            !count_parse(&s->in->state->messages.counts[i], value))
            return xml_refuse_at(s->in->why, s->line, name, "no counters:", value);
    return 0;
}

int inbound_messages_read(struct inbound *in, struct str body)
{
    struct summary s = { .in = in };
    int r = 0;

    while (body.n && r == 0) {
        struct str line = str_next(&body, '\n'); /* trimmed, so CRLF or LF is the same */

        s.line++;
        if (line.n)
            r = line_read(&s, line);
        else if (s.told)
            break;
    }
    if (r == 0 && !s.told)
        r = xml_refuse_at(in->why, s.line, STR_EMPTY, "no Messages-Waiting", STR_EMPTY);
    in->state->has_messages = true;
    return r;
}
