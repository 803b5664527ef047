// SPDX-License-Identifier: MIT
/* The words that make a message: send, resend, answer. */
#include "scenario.h"

/* ---- send ---- */

struct draft { /* which lines are there already */
    bool request, via, max_forwards, content_length;
};

static void head_add(struct draft *d, struct str line, struct buf *out)
{
    struct str name = str_trim(str_sub(line, 0, str_find_char(line, ':')));

    switch (sip_header_id_parse(name)) {
    case SIP_H_VIA:
        d->via = true;
        break;
    case SIP_H_MAX_FORWARDS:
        d->max_forwards = true;
        break;
    case SIP_H_CONTENT_LENGTH:
        d->content_length = true;
        break;
    default:
        break;
    }
    buf_add(out, line);
    buf_add(out, STR("\r\n"));
}

/* What every request has and no story is about. */
static void head_complete(struct script *s, const struct draft *d, const struct peer *p,
                          size_t body_n, struct buf *out)
{
    if (d->request && !d->via) {
        buf_add(out, STR("Via: SIP/2.0/UDP "));
        addr_print(out, &p->addr);
        buf_printf(out, ";rport;branch=z9hG4bKscn%u\r\n", ++s->branches);
    }
    if (d->request && !d->max_forwards)
        buf_add(out, STR("Max-Forwards: 70\r\n"));
    if (!d->content_length)
        sip_print_header_u64(out, STR("Content-Length"), body_n);
    buf_add(out, STR("\r\n"));
}

/* Lines become CRLF lines; what is behind an empty line is the body as it stands. */
static int message_make(struct script *s, const struct peer *p, struct str block, struct buf *out)
{
    struct draft d = { .request = !str_starts(block, STR("SIP/2.0 ")) };
    struct buf text;
    struct str rest;
    int r;

    buf_init(&text, SIP_MESSAGE_MAX);
    r = variables_print(s, block, &text);
    rest = buf_str(&text);
    while (r == 0 && rest.n) {
        struct str line = line_next(&rest);

        if (!line.n)
            break;
        head_add(&d, line, out);
    }
    head_complete(s, &d, p, rest.n, out);
    buf_add(out, rest);
    buf_fini(&text);
    return r ? r : out->error;
}

int script_send(struct script *s, struct str rest)
{
    struct peer *p = peer_named(s, word_next(&rest));
    struct str block = script_block(s);
    struct buf out;
    int r;

    if (!p)
        return -EINVAL;
    buf_init(&out, SIP_MESSAGE_MAX);
    r = message_make(s, p, block, &out);
    if (r == 0) {
        str_free(&p->sent);
        r = buf_take(&out, &p->sent);
    }
    if (r == 0)
        world_receive(&s->world, &p->addr, p->sent);
    buf_fini(&out);
    return r;
}

/* resend PEER: what it sent last by `send` once more, byte for byte. */
int script_resend(struct script *s, struct str rest)
{
    struct peer *p = peer_named(s, word_next(&rest));

    if (!p)
        return -EINVAL;
    if (!p->sent.n)
        return SCRIPT_FAIL(s, "%.*s has sent nothing yet", STR_FMT(p->name));
    world_receive(&s->world, &p->addr, p->sent);
    return 0;
}

/* ---- answer ---- */

static int headers_make(struct script *s, struct str block, struct buf *out)
{
    while (block.n) {
        int r = variables_print(s, line_next(&block), out);

        if (r)
            return r;
        buf_add(out, STR("\r\n"));
    }
    return out->error;
}

static int answer_make(struct script *s, const struct sip_message *request, struct str status,
                       struct str block, struct buf *out)
{
    struct sip_reply reply = { .to_tag = STR_INIT("peer") };
    struct buf headers;
    int r;

    if (str_to_u32(&reply.status, word_next(&status)) || !status.n)
        return SCRIPT_FAIL(s, "answer PEER STATUS REASON");
    reply.reason = status;
    buf_init(&headers, SIP_MESSAGE_MAX);
    r = headers_make(s, block, &headers);
    if (r == 0) {
        reply.headers = buf_str(&headers);
        sip_print_response(out, request, &s->world.local, true, &reply);
        r = out->error;
    }
    buf_fini(&headers);
    return r;
}

/* answer PEER STATUS REASON; more header lines in a block when the line ends with ':'. */
int script_answer(struct script *s, struct str rest)
{
    struct peer *p = peer_named(s, word_next(&rest));
    bool more = str_ends(rest, STR(":"));
    struct str status = more ? str_sub(rest, 0, rest.n - 1) : rest;
    struct str block = more ? script_block(s) : STR_EMPTY;
    struct sip_message request;
    struct buf out;
    int r;

    if (!p)
        return -EINVAL;
    if (!p->request.n || sip_message_parse(&request, p->request, NULL))
        return SCRIPT_FAIL(s, "%.*s has received no request", STR_FMT(p->name));
    buf_init(&out, SIP_MESSAGE_MAX);
    r = answer_make(s, &request, status, block, &out);
    if (r == 0)
        world_receive(&s->world, &p->addr, buf_str(&out));
    buf_fini(&out);
    return r;
}
