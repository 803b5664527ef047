// SPDX-License-Identifier: MIT
/* [http] of extstate.conf. */
#include "config/conf_reader.h"
#include "config/schema.h"

#define SECRET_LEAST 16

static int read_bind(struct reading *r, const struct option *o, void *object,
                     const struct conf_entry *e, struct buf *why)
{
    (void)r;
    (void)o;
    if (addr_parse(&((struct http_settings *)object)->bind, e->value, 8088))
        return option_bad(why, "not an address such as 127.0.0.1:8088 or [::]:8088");
    return 0;
}

static bool is_token_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0;
}

static const struct http_token *token_find(const struct http_settings *h, struct str name)
{
    for (size_t i = 0; i < h->n_tokens; i++)
        if (str_equal(h->tokens[i].name, name))
            return &h->tokens[i];
    return NULL;
}

/* "wallboard, read, SECRET" */
static int read_token(struct reading *r, const struct option *o, void *object,
                      const struct conf_entry *e, struct buf *why)
{
    struct http_settings *h = object;
    struct str rest = e->value, name = str_next(&rest, ','), rights = str_next(&rest, ','),
               secret = str_trim(rest);
    bool writes = str_equal_nocase(rights, STR("write"));
    struct http_token t = { .writes = writes };
    int result;

    (void)o;
    if (!is_token_text(name) || name.n > 64 || str_find_char(name, ':') < name.n)
        return option_bad(why,
                          "not NAME, read or write, SECRET with a name of at most 64 printable "
                          "characters, none of them a colon");
    if (!writes && !str_equal_nocase(rights, STR("read")))
        return option_bad(why, "not NAME, read or write, SECRET");
    if (!is_token_text(secret) || secret.n < SECRET_LEAST || secret.n > 256)
        return option_bad(why, "its secret does not have 16 to 256 printable characters without "
                               "blanks; openssl rand -hex 24 makes one");
    if (token_find(h, name))
        return option_bad(why, "a name that another token has");
    result = ARRAY_GROW_IN(r->arena, h->tokens, h->n_tokens);
    if (result == 0)
        result = arena_str(r->arena, &t.name, name);
    if (result == 0)
        result = arena_str(r->arena, &t.secret, secret);
    if (result == 0)
        h->tokens[h->n_tokens++] = t;
    return result;
}

static const struct option http_options[] = {
    { "enabled", OPTION_BOOL, AT(http_settings, enabled), .fallback = "no",
      .meaning = "Whether there is such a server." },
    { "bind", OPTION_CUSTOM, .fallback = "127.0.0.1:8088", .read = read_bind,
      .type_text = "address, with `:port` or without", .meaning = "Where it listens." },
    { "tls_cert_file", OPTION_STR, AT(http_settings, cert_file), .max = 4095,
      .meaning = "A certificate as PEM, with those between it and the root behind it: the server "
                 "then speaks TLS and nothing else. From the configuration directory." },
    { "tls_key_file", OPTION_STR, AT(http_settings, key_file), .max = 4095,
      .meaning = "Its key; in tls_cert_file when not given." },
    { "token", OPTION_CUSTOM, .read = read_token, .flags = OPTION_SECRET,
      .type_text = "NAME, `read` or `write`, SECRET; repeatable",
      .meaning = "Who proves to know the secret may read, or read and set states. The name is the "
                 "source of the states, and the user of HTTP Basic." },
    { "allow", OPTION_NETS, ARRAY_AT(http_settings, allow, n_allow),
      .meaning = "Addresses and networks that may connect; all when not given." },
    { "read_without_token", OPTION_NETS, ARRAY_AT(http_settings, readers, n_readers),
      .fallback = "127.0.0.0/8, ::1", .flags = OPTION_REPLACES,
      .meaning = "Addresses and networks that may read without a token; empty is none. Behind a "
                 "proxy on this machine all come from 127.0.0.1." },
    { "hosts", OPTION_STR, AT(http_settings, hosts), .max = 4095,
      .meaning = "Comma separated: names of this server by which who has no token may ask, besides "
                 "its addresses and localhost. A page of somebody else's whose name was made to "
                 "lead here then reads nothing." },
    { "max_connections", OPTION_U32, AT(http_settings, max_connections), .fallback = "1000",
      .min = 1, .max = 100000,
      .meaning = "How many connections at most; more are closed at once." },
    { "session_lifetime", OPTION_DURATION, AT(http_settings, session_lifetime_s), .fallback = "12h",
      .min = 60, .max = 2592000, .meaning = "How long somebody stays logged in to the page." },
};

const struct schema http_schema = {
    .file = "extstate.conf",
    .section = "[http]",
    .kind = "[http]",
    .meaning = "The page, the REST interface and the metrics: see doc/http.md.",
    OPTIONS(http_options),
    .ignored = "",
    .object_size = sizeof(struct http_settings),
    .closed = true,
};

static int array_take(struct arena *a, void **array, size_t n, size_t size)
{
    void *copy;

    if (!n)
        return 0;
    copy = arena_alloc(a, n * size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, *array, n * size);
    *array = copy;
    return 0;
}

/* The former settings go, and what they have has to be here. */
static int take_former(struct reading *r, struct http_settings *h)
{
    struct str *const texts[] = { &h->cert_file, &h->key_file, &h->hosts, &h->tls_at.file };
    void *tokens, *allow, *readers;
    int result = 0;

    *h = r->source->former->http;
    tokens = h->tokens;
    allow = h->allow;
    readers = h->readers;
    for (size_t i = 0; result == 0 && i < ARRAY_LEN(texts); i++)
        result = arena_str(r->arena, texts[i], *texts[i]);
    if (result == 0)
        result = array_take(r->arena, &tokens, h->n_tokens, sizeof(*h->tokens));
    if (result == 0)
        result = array_take(r->arena, &allow, h->n_allow, sizeof(*h->allow));
    if (result == 0)
        result = array_take(r->arena, &readers, h->n_readers, sizeof(*h->readers));
    h->tokens = tokens;
    h->allow = allow;
    h->readers = readers;
    for (size_t i = 0; result == 0 && i < h->n_tokens; i++) {
        result = arena_str(r->arena, &h->tokens[i].name, h->tokens[i].name);
        if (result == 0)
            result = arena_str(r->arena, &h->tokens[i].secret, h->tokens[i].secret);
    }
    return result;
}

static int path_settle(struct reading *r, struct str *path)
{
    struct buf full;
    int result;

    if (!path->n)
        return 0;
    buf_init(&full, 8192);
    conf_path_print(&full, r->source->directory, *path);
    result = full.error ? full.error : arena_str(r->arena, path, buf_str(&full));
    buf_fini(&full);
    return result;
}

/* Where the certificate is said, for what is wrong with it. */
static int tls_place(struct reading *r, struct http_settings *h, const struct conf *conf)
{
    struct diag_place at = { .line = 0 };

    for (size_t i = 0; i < conf->n_sections; i++) {
        const struct conf_section *section = &conf->sections[i];

        for (size_t k = 0; str_equal_nocase(section->name, STR("http")) && k < section->n_entries;
             k++)
            if (str_equal(section->entries[k].name, STR("tls_cert_file")))
                at = section->entries[k].at;
    }
    return at.file.n ? reading_place(r, at, &h->tls_at) : 0;
}

int http_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct http_settings *h = &s->http;
    struct schema_use use;
    int result = schema_use_init(r, &use, &http_schema);

    if (result)
        goto out;
    memcpy(h, use.defaults, sizeof(*h));
    result = conf_sections_read(r, &use, h, conf, STR("http"));
    if (result == SECTIONS_STAY) {
        result = take_former(r, h);
        goto out;
    }
    if (result == 0)
        result = path_settle(r, &h->cert_file);
    if (result == 0)
        result = path_settle(r, &h->key_file);
    if (result == 0)
        result = tls_place(r, h, conf);
out:
    schema_use_fini(&use);
    return result;
}
