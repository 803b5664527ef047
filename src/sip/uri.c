// SPDX-License-Identifier: MIT
#include "sip/grammar.h"

#include <stdlib.h>

#include "base/map.h"

/* RFC 3261 section 25.1, "escaped", at the '%' that is there. */
static bool is_escape(struct str s, size_t at)
{
    return s.n - at >= 3 && ch_is(s.p[at + 1], CH_HEX) && ch_is(s.p[at + 2], CH_HEX);
}

/* Every '%' must begin an escape. */
static bool escapes_are_whole(struct str s)
{
    for (size_t i = str_find_char(s, '%'); i < s.n; i++)
        if (s.p[i] == '%' && !is_escape(s, i))
            return false;
    return true;
}

/* user [":" password] "@". Neither part can hold an '@', and nothing behind it can either, so that
 * the first one in the URI is the end of the user. A semicolon or question mark before it belongs
 * to the user. */
static bool userinfo_scan(struct cursor *c, struct sip_uri *u)
{
    size_t left = (size_t)(c->end - c->p);
    const char *at = left ? memchr(c->p, '@', left) : NULL;
    struct str text = { c->p, at ? (size_t)(at - c->p) : 0 };
    size_t colon = text.n;

    if (!at)
        return true;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ':' && colon == text.n)
            colon = i;
        else if (!ch_is(text.p[i], CH_USER) || (text.p[i] == '%' && !is_escape(text, i)))
            return false;
    }
    u->user = str_sub(text, 0, colon);
    u->password = str_sub(text, colon + 1, text.n);
    if (!u->user.n && colon < text.n)
        return false; /* a password of nobody */
    c->p = at + 1;
    return true;
}

static bool port_scan(struct cursor *c, uint16_t *port)
{
    if (!cursor_char(c, ':'))
        return true;
    return scan_port(c, port) && *port != 0;
}

/* *( ";" pname [ "=" pvalue ] ) */
static bool uri_params_scan(struct cursor *c, struct str *params)
{
    const char *start = c->p;

    while (cursor_char(c, ';')) {
        if (scan_span(c, CH_PARAM).n == 0)
            return false;
        if (cursor_char(c, '='))
            scan_span(c, CH_PARAM); /* ";transport=" without a value is seen */
    }
    *params = (struct str){ start, (size_t)(c->p - start) };
    return escapes_are_whole(*params);
}

static bool uri_headers_scan(struct cursor *c, struct str *headers)
{
    const char *start = c->p;

    if (!cursor_char(c, '?'))
        return true;
    if (scan_span(c, CH_HEADER).n == 0)
        return false;
    *headers = (struct str){ start, (size_t)(c->p - start) };
    return escapes_are_whole(*headers);
}

/* Of other schemes only the outer shape is known. */
static void opaque_split(struct cursor *c, struct sip_uri *u)
{
    struct str rest = cursor_rest(c);
    size_t question = str_find_char(rest, '?');
    size_t semicolon = str_find_char(str_sub(rest, 0, question), ';');

    u->user = str_sub(rest, 0, semicolon);
    u->params = str_sub(rest, semicolon, question);
    u->headers = str_sub(rest, question, rest.n);
    c->p = c->end;
}

int sip_uri_parse(struct sip_uri *out, struct str text)
{
    struct cursor c = scan_on(text);
    struct sip_uri u = { .port = 0 };

    u.scheme = scan_span(&c, CH_SCHEME);
    if (u.scheme.n == 0 || !ch_is(u.scheme.p[0], CH_ALPHA) || !cursor_char(&c, ':'))
        return -EBADMSG;
    u.secure = word_is(u.scheme, STR("sips"));
    u.sip = u.secure || word_is(u.scheme, STR("sip"));
    if (!u.sip) {
        if (cursor_done(&c) || !all_of(cursor_rest(&c), CH_OPAQUE))
            return -EBADMSG;
        opaque_split(&c, &u);
    } else if (!userinfo_scan(&c, &u) || !scan_host(&c, &u.host, &u.host_ipv6) ||
               !port_scan(&c, &u.port) || !uri_params_scan(&c, &u.params) ||
               !uri_headers_scan(&c, &u.headers) || !cursor_done(&c)) {
        return -EBADMSG;
    }
    *out = u;
    return 0;
}

bool sip_param_find(struct str params, struct str name, struct str *value)
{
    struct cursor c = scan_on(params);
    struct sip_param p;

    while (!cursor_done(&c) && scan_param(&c, CH_PNAME, &p)) {
        if (!word_is(p.name, name))
            continue;
        if (value)
            *value = p.value;
        return true;
    }
    return false;
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

void sip_uri_user_decode(struct buf *out, struct str user)
{
    for (size_t i = 0; i < user.n; i++) {
        if (user.p[i] == '%' && user.n - i >= 3 && ch_is(user.p[i + 1], CH_HEX) &&
            ch_is(user.p[i + 2], CH_HEX)) {
            buf_add_char(out, (char)(hex_digit(user.p[i + 1]) << 4 | hex_digit(user.p[i + 2])));
            i += 2;
        } else {
            buf_add_char(out, user.p[i]);
        }
    }
}

void sip_host_print(struct buf *out, struct str host)
{
    bool ipv6 = str_find_char(host, ':') < host.n;

    if (ipv6)
        buf_add_char(out, '[');
    buf_add(out, host);
    if (ipv6)
        buf_add_char(out, ']');
}

static void rest_print(struct buf *out, const struct sip_uri *uri)
{
    sip_host_print(out, uri->host);
    if (uri->port) {
        buf_add_char(out, ':');
        buf_add_u64(out, uri->port);
    }
    buf_add(out, uri->params);
    buf_add(out, uri->headers);
}

/* unreserved and user-unreserved: what the strictest peer takes unescaped. */
static const bool user_kept[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true, ['_'] = true,
    ['.'] = true,         ['!'] = true,         ['~'] = true,         ['*'] = true, ['\''] = true,
    ['('] = true,         [')'] = true,         ['&'] = true,         ['='] = true, ['+'] = true,
    ['$'] = true,         [','] = true,         [';'] = true,         ['?'] = true, ['/'] = true,
};

void sip_user_print(struct buf *out, struct str user)
{
    for (size_t from = 0, at; from < user.n; from = at) {
        at = from + str_find_char(str_sub(user, from, user.n), '%');
        if (at == from && is_escape(user, at)) {
            at += 3;
            buf_add(out, str_sub(user, from, at));
        } else {
            at += at == from; /* a percent sign that is just that */
            buf_add_percent(out, str_sub(user, from, at), user_kept);
        }
    }
}

void sip_uri_print_with_user(struct buf *out, const struct sip_uri *uri, struct str user)
{
    buf_add(out, uri->scheme);
    buf_add_char(out, ':');
    buf_add_percent(out, user, user_kept);
    if (user.n && uri->password.n) {
        buf_add_char(out, ':');
        buf_add(out, uri->password);
    }
    if (user.n && uri->sip)
        buf_add_char(out, '@');
    rest_print(out, uri);
}

void sip_uri_print(struct buf *out, const struct sip_uri *uri)
{
    buf_add(out, uri->scheme);
    buf_add_char(out, ':');
    buf_add(out, uri->user);
    if (uri->password.n) {
        buf_add_char(out, ':');
        buf_add(out, uri->password);
    }
    if (uri->user.n && uri->sip)
        buf_add_char(out, '@');
    rest_print(out, uri);
}

/* Those of a URI have no quotes. */
static bool uri_param_next(struct str *rest, struct sip_param *out)
{
    struct str param;

    if (!rest->n)
        return false;
    *rest = str_sub(*rest, 1, rest->n); /* the semicolon */
    param = str_sub(*rest, 0, str_find_char(*rest, ';'));
    *rest = str_sub(*rest, param.n, rest->n);
    out->name = str_sub(param, 0, str_find_char(param, '='));
    out->value = str_sub(param, out->name.n + 1, param.n);
    return true;
}

void sip_params_print_without(struct buf *out, struct str params, struct str name)
{
    struct sip_param p;

    while (params.n) {
        struct str all = params;

        (void)uri_param_next(&params, &p);
        if (!str_equal_nocase(p.name, name))
            buf_add(out, str_sub(all, 0, all.n - params.n));
    }
}

/* ---- comparing ---- */

/* The next character; an escape is what it stands for, unless that is reserved: then it is another
 * one than what is written plainly. */
static unsigned next_character(struct str s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[*at];

    if (c != '%' || !is_escape(s, *at)) {
        ++*at;
        return c;
    }
    c = (unsigned char)(hex_digit(s.p[*at + 1]) << 4 | hex_digit(s.p[*at + 2]));
    *at += 3;
    return c && strchr(";/?:@&=+$,", c) ? 0x100u | c : c;
}

static unsigned lower(unsigned c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Of what is not hashed in one piece: no more is ever compared where it could cost. */
enum { PART_MAX = 1024 };

/* Nobody can choose many texts of the same hash, with whatever key. */
static const struct map unkeyed;

/* Equal for parts that are equal; longer ones when they are written alike. */
static uint64_t part_hash(struct str part, bool any_case)
{
    char room[2 * PART_MAX];
    size_t n = 0;

    if (part.n > PART_MAX)
        return map_hash(&unkeyed, part);
    for (size_t i = 0; i < part.n;) {
        unsigned c = next_character(part, &i);

        if (c > 0xff || c == '%')
            room[n++] = '%';
        if (c == '%')
            room[n++] = '%';
        else
            room[n++] = (char)(any_case ? lower(c & 0xff) : c & 0xff);
    }
    return map_hash(&unkeyed, (struct str){ room, n });
}

bool sip_user_equal(struct str a, struct str b)
{
    size_t i = 0, k = 0;

    while (i < a.n && k < b.n)
        if (next_character(a, &i) != next_character(b, &k))
            return false;
    return i == a.n && k == b.n;
}

/* Those that say where a request goes, or how, are part of the address even where the other URI
 * does not have them. */
static bool param_is_told_apart(struct str name)
{
    static const struct str names[] = { STR_INIT("transport"), STR_INIT("user"), STR_INIT("ttl"),
                                        STR_INIT("method"), STR_INIT("maddr") };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (word_is(name, names[i]))
            return true;
    return false;
}

static int param_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct sip_uri_key_param *)a)->name;
    uint64_t y = ((const struct sip_uri_key_param *)b)->name;

    return (x > y) - (x < y);
}

/* Those of the URI, in order; false when they are too many, or one is there twice. */
static bool params_take(struct sip_uri_key *k, struct str params)
{
    struct sip_param p;

    while (uri_param_next(&params, &p)) {
        if (k->n == ARRAY_LEN(k->params))
            return false;
        k->params[k->n++] =
            (struct sip_uri_key_param){ part_hash(p.name, true), part_hash(p.value, true),
                                        param_is_told_apart(p.name) };
    }
    qsort(k->params, k->n, sizeof(k->params[0]), param_compare);
    for (size_t i = 1; i < k->n; i++)
        if (k->params[i - 1].name == k->params[i].name)
            return false;
    return true;
}

static void address_add(struct sip_uri_key *k, uint64_t hash)
{
    k->address = map_hash_mix(k->address, hash);
}

void sip_uri_key_init(struct sip_uri_key *k, const struct sip_uri *uri)
{
    k->address = map_hash_nocase(&unkeyed, uri->scheme);
    k->n = 0;
    if (!uri->sip) {
        address_add(k, map_hash(&unkeyed, uri->user));
        address_add(k, map_hash(&unkeyed, uri->params));
        address_add(k, map_hash(&unkeyed, uri->headers));
        return;
    }
    address_add(k, part_hash(uri->user, false));
    address_add(k, part_hash(uri->password, false));
    address_add(k, map_hash_nocase(&unkeyed, uri->host));
    address_add(k, uri->port | (uint64_t)uri->host_ipv6 << 16);
    address_add(k, part_hash(uri->headers, true));
    if (!params_take(k, uri->params)) {
        address_add(k, map_hash(&unkeyed, uri->params));
        k->n = 0;
    }
}

/* What only one of them has does not count, unless it says where to go. */
bool sip_uri_keys_equal(const struct sip_uri_key *a, const struct sip_uri_key *b)
{
    size_t i = 0, k = 0;

    if (a->address != b->address)
        return false;
    while (i < a->n || k < b->n) {
        const struct sip_uri_key_param *p = i < a->n ? &a->params[i] : NULL;
        const struct sip_uri_key_param *q = k < b->n ? &b->params[k] : NULL;

        if (p && q && p->name == q->name) {
            if (p->value != q->value)
                return false;
            i++;
            k++;
        } else if (p && (!q || p->name < q->name)) {
            if (p->told_apart)
                return false;
            i++;
        } else {
            BUG_UNLESS(q);
            if (q->told_apart)
                return false;
            k++;
        }
    }
    return true;
}
