// SPDX-License-Identifier: MIT
/* The page: its files, which need no right, since all that they show is asked for. */
#include "http/page.h"

#include "http/http_internal.h"

/* The name by which we were asked, where it may stand in a header. */
static struct str asked_name(struct str host)
{
    struct str name = str_sub(host, 0,
                              host.n && host.p[0] == '[' ? str_find_char(host, ']') + 1
                                                         : str_find_char(host, ':'));

    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!letter && !strchr(".-:[]", c))
            return STR_EMPTY;
    }
    return name;
}

/* The page loads nothing from anywhere else, and talks to nobody but us: by HTTP, and by SIP over
 * the WebSockets of pjsip.conf. */
static void add_policy(struct exchange *x)
{
    const struct settings *s = x->http->settings;
    struct str name = asked_name(x->rq.host);
    struct buf policy;
    char room[2048];

    buf_init_on(&policy, room, sizeof(room));
    buf_add(&policy, STR("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
                         "data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                         "connect-src 'self'"));
    for (size_t i = 0; i < s->n_transports && name.n; i++) {
        const struct transport_settings *t = &s->transports[i];

        if (t->protocol == TRANSPORT_WS || t->protocol == TRANSPORT_WSS)
            buf_printf(&policy, " %s://%.*s:%u", t->protocol == TRANSPORT_WS ? "ws" : "wss",
                       STR_FMT(name), addr_port(&t->bind));
    }
    if (policy.error) /* more transports than anybody has */
        buf_reset(&policy);
    exchange_field(x, "content-security-policy", buf_str(&policy));
}

static const struct page_file *file_find(struct str path)
{
    for (const struct page_file *f = page_files; f->path; f++)
        if (str_equal(path, str_of(f->path)))
            return f;
    return NULL;
}

void page_get(struct exchange *x)
{
    const struct page_file *f = file_find(x->rq.path);

    if (!f) { /* of JsSIP, which is not always there */
        exchange_fail(x, 404, "not_found", "there is nothing of that name");
        return;
    }
    /* Asked for again each time, since a new program may have another one. */
    exchange_field(x, "cache-control", STR("no-cache"));
    exchange_field(x, "etag", str_of(f->etag));
    add_policy(x);
    x->file = (struct str){ f->bytes, (size_t)(f->end - f->bytes) };
    if (str_equal(x->rq.if_none_match, str_of(f->etag))) {
        exchange_answer(x, 304);
        return;
    }
    x->type = f->type;
    exchange_answer(x, 200);
}
