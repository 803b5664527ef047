// SPDX-License-Identifier: MIT
/* The words that look at a message: expect, again, authorized, drop, nothing. */
#include "scenario.h"

#include <regex.h>

enum { SHOWN_MAX = 2 };

/* ---- texts ---- */

static int pattern_matches(struct script *s, struct str pattern, struct str text, bool *matches)
{
    struct str p, t;
    regex_t re;

    if (str_dup(&p, pattern))
        return -ENOMEM;
    if (str_dup(&t, text)) {
        str_free(&p);
        return -ENOMEM;
    }
    *matches = false;
    if (regcomp(&re, p.p, REG_EXTENDED | REG_NOSUB)) {
        str_free(&t);
        str_free(&p);
        return SCRIPT_FAIL(s, "this is no pattern: %.*s", STR_FMT(pattern));
    }
    *matches = regexec(&re, t.p, 0, NULL, 0) == 0;
    regfree(&re);
    str_free(&t);
    str_free(&p);
    return 0;
}

/* `wanted` has variables in it, and may be a pattern. */
static int text_fits(struct script *s, struct str wanted, bool pattern, struct str got, bool *fits)
{
    struct buf text;
    int r;

    buf_init(&text, SIP_MESSAGE_MAX);
    r = variables_print(s, wanted, &text);
    if (r == 0 && pattern)
        r = pattern_matches(s, str_trim(buf_str(&text)), got, fits);
    else if (r == 0)
        *fits = str_equal(buf_str(&text), got);
    buf_fini(&text);
    return r;
}

/* The line that was expected, with its variables filled in, and what came. */
static int fail_line(struct script *s, struct str line, struct str message)
{
    struct buf text;

    buf_init(&text, SIP_MESSAGE_MAX);
    if (variables_print(s, line, &text) == 0)
        line = buf_str(&text);
    (void)SCRIPT_FAIL(s, "expected\n%.*s\nbut what came was\n%.*s", STR_FMT(line),
                      STR_FMT(message));
    buf_fini(&text);
    return -EINVAL;
}

/* ---- expect PEER ---- */

static int check_start(struct script *s, const struct sip_message *m, struct str line)
{
    struct str start = str_sub(m->raw, 0, str_find_char(m->raw, '\r'));
    bool pattern = str_starts(line, STR("~")), fits = false;
    int r = text_fits(s, pattern ? str_sub(line, 1, line.n) : line, pattern, start, &fits);

    return r ? r : fits ? 0 : fail_line(s, line, m->raw);
}

/* "body ~ pattern", "!body ~ pattern" */
static int check_body_pattern(struct script *s, const struct sip_message *m, struct str line,
                              struct str pattern)
{
    bool fits = false;
    int r = text_fits(s, pattern, true, m->body, &fits);

    return r ? r : fits != str_starts(line, STR("!")) ? 0 : fail_line(s, line, m->raw);
}

/* "Name: value" exactly, "Name ~ pattern", "!Name" absent; or of the body. Of several header fields
 * of the name one is enough. */
static int check_header(struct script *s, const struct sip_message *m, struct str line)
{
    size_t colon = str_find_char(line, ':'), tilde = str_find_char(line, '~');
    size_t end = colon < tilde ? colon : tilde;
    bool absent = str_starts(line, STR("!"));
    struct str name = str_trim(str_sub(line, absent ? 1 : 0, end));
    struct str wanted = str_trim(str_sub(line, end + 1, line.n));

    if (str_equal(name, STR("body")) && tilde < colon)
        return check_body_pattern(s, m, line, wanted);
    if (absent && end == line.n)
        return sip_header_named(m, name) ? fail_line(s, line, m->raw) : 0;
    if (absent || end == line.n)
        return SCRIPT_FAIL(s, "neither Name: value, Name ~ pattern nor !Name: %.*s", STR_FMT(line));
    for (const struct sip_header *h = sip_header_named(m, name); h; h = sip_header_next(m, h)) {
        bool fits = false;
        int r = text_fits(s, wanted, tilde < colon, h->value, &fits);

        if (r)
            return r;
        if (fits)
            return 0;
    }
    return fail_line(s, line, m->raw);
}

/* What is behind the empty line, exactly: the block's last line end belongs to it. */
static int check_body(struct script *s, const struct sip_message *m, struct str block)
{
    struct str body = m->body;

    while (block.n || body.n) {
        bool ended = str_find_char(body, '\n')<body.n, more = block.n> 0, fits = false;
        struct str line = line_next(&block), got = line_next(&body);
        int r = text_fits(s, line, false, got, &fits);

        s->at += more;
        if (r)
            return r;
        if (!fits || !more || !ended)
            return fail_line(s, more ? line : STR("no more"), m->raw);
    }
    return 0;
}

static int check_loosely(struct script *s, const struct sip_message *m, struct str block)
{
    int r = check_start(s, m, str_trim(line_next(&block)));

    while (r == 0 && block.n) {
        struct str line = str_trim(line_next(&block));

        s->at++;
        if (!line.n)
            return check_body(s, m, block);
        r = check_header(s, m, line);
    }
    return r;
}

/* ---- expect PEER exactly ---- */

/* Every line has its line, in this order; "~ pattern" stands for one that is not the same each
 * time. In the head lines end with CRLF, in the body with LF. */
static int check_exactly(struct script *s, const struct sip_message *m, struct str block)
{
    struct str raw = m->raw;
    bool head = true;

    for (; block.n; s->at++) {
        struct str line = line_next(&block), got = line_next(&raw);
        bool pattern = str_starts(line, STR("~ ")), fits = false;
        int r;

        if (head && !str_ends(got, STR("\r")))
            return SCRIPT_FAIL(s, "a line of the head does not end with CRLF:\n%.*s",
                               STR_FMT(m->raw));
        got = head ? str_sub(got, 0, got.n - 1) : got;
        r = text_fits(s, pattern ? str_sub(line, 2, line.n) : line, pattern, got, &fits);
        if (r)
            return r;
        if (!fits)
            return fail_line(s, line, m->raw);
        head = head && got.n;
    }
    return raw.n ? SCRIPT_FAIL(s, "expected no more, but what came was\n%.*s", STR_FMT(m->raw)) : 0;
}

/* ---- the words ---- */

/* The first ones: where one is not expected there are often many. */
static void add_waiting(const struct world *w, struct buf *out)
{
    unsigned n = 0;

    LIST_FOREACH (it, &w->sent) {
        const struct waiting *m = CONTAINER_OF(it, const struct waiting, link);

        if (++n > SHOWN_MAX)
            continue;
        buf_add(out, STR("\nto "));
        addr_print(out, &m->to);
        buf_add(out, STR("\n"));
        buf_add(out, m->bytes);
    }
    if (n > SHOWN_MAX)
        buf_printf(out, "\nand %u more", n - SHOWN_MAX);
}

static int fail_silence(struct script *s, const struct peer *p, struct str block)
{
    (void)SCRIPT_FAIL(s, "nothing came to %.*s; expected\n%.*s", STR_FMT(p->name), STR_FMT(block));
    if (!list_empty(&s->world.sent))
        buf_add(&s->failure, STR("On its way is"));
    add_waiting(&s->world, &s->failure);
    return -EINVAL;
}

static void message_keep(struct peer *p, const struct sip_message *parsed, struct waiting *m)
{
    struct str *slot = parsed->request ? &p->request : &p->response;

    str_free(slot);
    *slot = m->bytes;
    p->received = m->bytes;
    m->bytes = STR_EMPTY;
}

/* The oldest on its way to the peer; `unordered`: the oldest that begins with this line. */
static struct waiting *message_take(struct script *s, const struct peer *p, struct str start,
                                    bool unordered)
{
    LIST_FOREACH (it, &s->world.sent) {
        struct waiting *m = CONTAINER_OF(it, struct waiting, link);
        struct str got = str_sub(m->bytes, 0, str_find_char(m->bytes, '\r'));

        if (!addr_equal(&m->to, &p->addr) || (unordered && !str_equal(got, start)))
            continue;
        list_remove(&m->link);
        return m;
    }
    return NULL;
}

static int message_check(struct script *s, struct peer *p, struct waiting *m, struct str block,
                         bool exactly)
{
    struct sip_message parsed;
    const char *fault = "";
    int r;

    s->at++; /* the first line of the block */
    if (sip_message_parse(&parsed, m->bytes, &fault))
        return SCRIPT_FAIL(s, "what came is not SIP (%s):\n%.*s", fault, STR_FMT(m->bytes));
    r = exactly ? check_exactly(s, &parsed, block) : check_loosely(s, &parsed, block);
    if (r == 0)
        message_keep(p, &parsed, m);
    return r;
}

/* expect PEER [exactly | unordered] */
int script_expect(struct script *s, struct str rest)
{
    struct peer *p = peer_named(s, word_next(&rest));
    struct str block = script_block(s);
    struct str start = str_sub(block, 0, str_find_char(block, '\n'));
    bool exactly = str_equal(rest, STR("exactly")), unordered = str_equal(rest, STR("unordered"));
    struct waiting *m;
    int r;

    if (!p)
        return -EINVAL;
    if (rest.n && !exactly && !unordered)
        return SCRIPT_FAIL(s, "expect PEER, or PEER exactly, or PEER unordered");
    m = message_take(s, p, start, unordered);
    if (!m)
        return fail_silence(s, p, block);
    r = message_check(s, p, m, block, exactly);
    waiting_free(m);
    return r;
}

/* again PEER: the last message it received came once more, byte for byte. */
int script_again(struct script *s, struct str rest)
{
    struct peer *p = peer_named(s, word_next(&rest));
    struct waiting *m = p ? message_take(s, p, STR_EMPTY, false) : NULL;
    int r = 0;

    if (!p)
        return -EINVAL;
    if (!m)
        return fail_silence(s, p, p->received);
    if (!str_equal(m->bytes, p->received))
        r = SCRIPT_FAIL(s, "expected once more\n%.*s\nbut what came was\n%.*s",
                        STR_FMT(p->received), STR_FMT(m->bytes));
    waiting_free(m);
    return r;
}

int script_drop(struct script *s, struct str rest)
{
    const struct peer *p = peer_named(s, word_next(&rest));
    struct waiting *m = p ? message_take(s, p, STR_EMPTY, false) : NULL;

    if (!p)
        return -EINVAL;
    if (!m)
        return SCRIPT_FAIL(s, "nothing is on its way to %.*s that could be lost", STR_FMT(p->name));
    waiting_free(m);
    return 0;
}

int script_nothing(struct script *s, struct str rest)
{
    (void)rest;
    if (list_empty(&s->world.sent))
        return 0;
    (void)SCRIPT_FAIL(s, "nothing was expected, but on its way is");
    add_waiting(&s->world, &s->failure);
    return -EINVAL;
}

/* ---- authorized PEER USER PASSWORD ---- */

/* A parameter of a digest header field; quotes are not part of it. */
static struct str digest_param(struct str value, struct str name)
{
    struct cursor c = cursor_on(value);
    struct str rest, one;

    (void)cursor_token(&c); /* "Digest" */
    rest = cursor_rest(&c);
    while (sip_list_next(&rest, &one)) {
        struct str got = str_next(&one, '=');

        if (!str_equal_nocase(got, name))
            continue;
        return one.n > 1 && one.p[0] == '"' ? str_sub(one, 1, one.n - 1) : one;
    }
    return STR_EMPTY;
}

static int check_digest(struct script *s, const struct sip_message *m, struct str value,
                        struct str user, struct str password)
{
    struct digest_question q = { .nonce = digest_param(value, STR("nonce")),
                                 .method = m->method_text,
                                 .uri = digest_param(value, STR("uri")),
                                 .nc = digest_param(value, STR("nc")),
                                 .cnonce = digest_param(value, STR("cnonce")) };
    struct digest_hex a1, wanted;

    if (!str_equal(digest_param(value, STR("username")), user) || !str_equal(q.uri, m->uri))
        return SCRIPT_FAIL(s, "other credentials than expected:\n%.*s", STR_FMT(m->raw));
    if (digest_algorithm_parse(&q.algorithm, digest_param(value, STR("algorithm"))) ||
        digest_a1(&a1, q.algorithm, user, digest_param(value, STR("realm")), password))
        return SCRIPT_FAIL(s, "an unknown digest algorithm:\n%.*s", STR_FMT(m->raw));
    q.a1 = digest_hex_str(&a1);
    if (digest_response(&wanted, &q) ||
        !str_equal(digest_hex_str(&wanted), digest_param(value, STR("response"))))
        return SCRIPT_FAIL(s, "the response of the digest is wrong:\n%.*s", STR_FMT(m->raw));
    return 0;
}

/* The last request it received proves that the sender knows the password. */
int script_authorized(struct script *s, struct str rest)
{
    const struct peer *p = peer_named(s, word_next(&rest));
    struct str user = word_next(&rest), value;
    struct sip_message m;

    if (!p)
        return -EINVAL;
    if (!p->request.n || sip_message_parse(&m, p->request, NULL))
        return SCRIPT_FAIL(s, "%.*s has received no request", STR_FMT(p->name));
    value = sip_header_value(&m, SIP_H_AUTHORIZATION);
    if (!value.n)
        value = sip_header_value(&m, SIP_H_PROXY_AUTHORIZATION);
    if (!value.n)
        return SCRIPT_FAIL(s, "there are no credentials in\n%.*s", STR_FMT(m.raw));
    return check_digest(s, &m, value, user, rest);
}
