// SPDX-License-Identifier: MIT
/* The elements of `match`: [!]ADDRESS[:PORT][/PREFIX or /MASK], or a host name with or without a
 * port. One without is that of a domain, too, whose servers are looked for (srv_lookups). */
#include "config/conf_reader.h"
#include "config/pjsip.h"

struct match_parts {
    bool negated;
    struct str host, mask; /* host without brackets */
    uint16_t port;
};

static bool is_numeric(struct str host)
{
    bool digits = true;

    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == ':')
            return true;
        digits = digits && strchr("0123456789.", host.p[i]);
    }
    return digits;
}

static bool port_parse(uint16_t *out, struct str text)
{
    uint32_t port;

    if (str_to_u32(&port, text) || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

static bool split(struct match_parts *m, struct str text)
{
    size_t slash, colon;
    struct str rest;

    *m = (struct match_parts){ .negated = str_starts(text, STR("!")) };
    text = str_trim(str_sub(text, m->negated, text.n));
    slash = str_find_char(text, '/');
    m->mask = str_sub(text, slash + 1, text.n);
    if (slash < text.n && m->mask.n == 0)
        return false;
    m->host = text = str_sub(text, 0, slash);
    if (str_starts(text, STR("["))) {
        size_t bracket = str_find_char(text, ']');

        m->host = str_sub(text, 1, bracket);
        rest = str_sub(text, bracket + 1, text.n);
        return bracket < text.n &&
               (rest.n == 0 ||
                (rest.p[0] == ':' && port_parse(&m->port, str_sub(rest, 1, rest.n))));
    }
    colon = str_find_char(text, ':');
    rest = str_sub(text, colon + 1, text.n);
    if (colon == text.n || str_find_char(rest, ':') < rest.n)
        return true; /* no port, or bare IPv6, which has no place for one */
    m->host = str_sub(text, 0, colon);
    return port_parse(&m->port, rest);
}

static int match_add(struct reading *r, struct identify_settings *i, const struct match_parts *m,
                     const struct addr_net *net)
{
    int result = ARRAY_GROW_IN(r->arena, i->matches, i->n_matches);

    if (result)
        return result;
    i->matches[i->n_matches++] =
        (struct identify_match){ .net = *net, .port = m->port, .negated = m->negated };
    return 0;
}

int match_exclude_all(struct reading *r, struct identify_settings *i)
{
    const struct match_parts all = { .negated = true };
    static const char *const nets[] = { "0.0.0.0/0", "::/0" };
    int result = 0;

    for (size_t n = 0; n < ARRAY_LEN(nets) && result == 0; n++) {
        struct addr_net net;

        result = addr_net_parse(&net, str_of(nets[n])) ? -EINVAL : match_add(r, i, &all, &net);
    }
    return result;
}

/* ---- addresses ---- */

static int add_numeric(struct reading *r, struct identify_settings *i, const struct match_parts *m,
                       struct buf *why)
{
    char room[160];
    struct addr_net net;
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    buf_add(&text, m->host);
    if (m->mask.n) {
        buf_add_char(&text, '/');
        buf_add(&text, m->mask);
    }
    if (text.error || addr_net_parse(&net, buf_str(&text))) {
        buf_add(why,
                STR("not an address or network (192.0.2.1, 192.0.2.0/24, [2001:db8::1]:5060)"));
        return OPTION_BAD;
    }
    return match_add(r, i, m, &net);
}

/* ---- names ---- */

struct resolution {
    struct reading *reading;
    struct identify_settings *identify;
    const struct match_parts *parts;
    size_t n;
    int error;
};

static void resolved(void *ctx, const struct addr *address)
{
    struct resolution *x = ctx;
    struct addr_net net = { *address, address->sa.sa_family == AF_INET6 ? 128 : 32 };
    char room[64];
    struct buf text;

    addr_port_set(&net.base, 0);
    buf_init_on(&text, room, sizeof(room));
    addr_print_host(&text, &net.base);
    conf_fingerprint(&x->reading->source->files, buf_str(&text));
    if (!x->error)
        x->error = match_add(x->reading, x->identify, x->parts, &net);
    x->n++;
}

/* Wherever the option is in the section. */
static bool wants_servers(const struct reading *r)
{
    const struct conf_entry *e = conf_entry_find(r->section, STR("srv_lookups"));

    return !e || !value_is_no(e->value);
}

static int add_name(struct reading *r, struct identify_settings *i, const struct match_parts *m,
                    const struct conf_entry *e)
{
    struct resolution x = { .reading = r, .identify = i, .parts = m };
    const char *why = "it has no address";
    bool srv = !m->port && wants_servers(r);
    int result = r->source->resolve
                     ? r->source->resolve(r->source->ctx, m->host, srv, resolved, &x, &why)
                     : match_addresses(m->host, srv, resolved, &x, &why);

    if (x.error)
        return x.error;
    if (result && result != -ENOENT)
        return result;
    if (x.n)
        return 0;
    r->faults += r->former; /* who somebody is is not forgotten over that */
    reading_tell(r, DIAG_WARNING, e->at, "match = %s%.*s cannot be looked up (%s); %s",
                 m->negated ? "!" : "", STR_FMT(m->host), why,
                 r->former    ? "what was loaded before goes on"
                 : m->negated ? "it excludes everything until a reload finds it"
                              : "it is left out until a reload finds it");
    return m->negated ? match_exclude_all(r, i) : 0;
}

int match_read(struct reading *r, struct identify_settings *i, struct str part,
               const struct conf_entry *e, struct buf *why)
{
    struct match_parts m;
    bool parts = split(&m, part);

    if (parts && is_numeric(m.host))
        return add_numeric(r, i, &m, why);
    if (parts && host_parse(&m.host, m.host) && m.mask.n == 0)
        return add_name(r, i, &m, e);
    buf_add(why, STR("not [!]ADDRESS[:PORT][/PREFIX], nor a host name"));
    return OPTION_BAD;
}
