// SPDX-License-Identifier: MIT
/* The lines of a file: comments, settings, and which lines are section heads or directives. */
#include "config/conf_reader.h"

#include <stdlib.h>

struct str conf_trim(struct str s)
{
    while (s.n && conf_is_blank(s.p[s.n - 1]))
        s.n--;
    while (s.n && conf_is_blank(*s.p)) {
        s.p++;
        s.n--;
    }
    return s;
}

/* ---- comments ---- */

static char at_or_nul(struct str s, size_t i)
{
    return i < s.n ? s.p[i] : '\0';
}

static void comment_open(struct conf_reader *r, struct conf_file *f)
{
    if (f->comment_depth < CONF_COMMENT_DEPTH_MAX)
        f->comment_lines[f->comment_depth] = f->line;
    else if (f->comment_depth == CONF_COMMENT_DEPTH_MAX)
        diag_add(r->diag, DIAG_ERROR, conf_here(f),
                 "block comments nest deeper than %d; end some with --;", CONF_COMMENT_DEPTH_MAX);
    f->comment_depth++;
}

static void comment_check_end(struct conf_reader *r, const struct conf_file *f)
{
    unsigned depth =
        f->comment_depth < CONF_COMMENT_DEPTH_MAX ? f->comment_depth : CONF_COMMENT_DEPTH_MAX;

    if (depth)
        diag_add(r->diag, DIAG_WARNING, (struct diag_place){ f->path, f->comment_lines[depth - 1] },
                 "the block comment that begins here does not end; close it with --;");
}

/* What a semicolon at `at` is depends on what stands around it; the marks of block comments need
 * not be at the ends of a line. `from` is behind the last mark, whose dashes do not count twice. */
enum semicolon {
    SEMICOLON_ESCAPED,
    SEMICOLON_OPENS,
    SEMICOLON_CLOSES,
    SEMICOLON_ENDS_LINE,
    SEMICOLON_INSIDE
};

static enum semicolon semicolon_kind(const struct conf_file *f, struct str line, size_t at,
                                     size_t from)
{
    if (at > from && line.p[at - 1] == '\\')
        return SEMICOLON_ESCAPED;
    if (at_or_nul(line, at + 1) == '-' && at_or_nul(line, at + 2) == '-' &&
        at_or_nul(line, at + 3) != '-')
        return SEMICOLON_OPENS;
    if (f->comment_depth == 0)
        return SEMICOLON_ENDS_LINE;
    if (at >= from + 2 && line.p[at - 1] == '-' && line.p[at - 2] == '-')
        return SEMICOLON_CLOSES;
    return SEMICOLON_INSIDE;
}

/* "server_uri = sip:h;transport=tcp" means "sip:h". Somebody who comments has a blank somewhere. */
static void comment_check_uri(struct conf_reader *r, const struct conf_file *f, struct str before,
                              struct str comment)
{
    comment = conf_trim(comment);
    if (comment.n && before.n && before.p[before.n - 1] != ' ' && before.p[before.n - 1] != '\t' &&
        (str_contains_nocase(before, STR("sip:")) || str_contains_nocase(before, STR("sips:"))) &&
        str_find_char(comment, ' ') == comment.n && str_find_char(comment, '\t') == comment.n)
        diag_add(r->diag, DIAG_WARNING, conf_here(f),
                 "the semicolon begins a comment, and %.*s is not read; write `\\;` in a URI",
                 STR_FMT(comment));
}

/* The line without its comments, in `out`, which has room for it. */
static struct str comments_remove(struct conf_reader *r, struct conf_file *f, struct str line,
                                  char *out)
{
    size_t n = 0, from = 0;

    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ';') {
            if (f->comment_depth == 0)
                out[n++] = line.p[i];
            continue;
        }
        switch (semicolon_kind(f, line, i, from)) {
        case SEMICOLON_ESCAPED:
            if (f->comment_depth == 0)
                out[n - 1] = ';'; /* in place of the backslash */
            from = i + 1;
            break;
        case SEMICOLON_OPENS:
            comment_open(r, f);
            i += 2;
            from = i + 1;
            break;
        case SEMICOLON_CLOSES:
            f->comment_depth--;
            from = i + 1;
            break;
        case SEMICOLON_INSIDE:
            from = i + 1;
            break;
        case SEMICOLON_ENDS_LINE:
            comment_check_uri(r, f, (struct str){ out, n }, str_sub(line, i + 1, line.n));
            return (struct str){ out, n };
        }
    }
    return (struct str){ out, n };
}

/* ---- settings ---- */

static struct conf_entry *entry_last(struct conf_section *s, struct str name)
{
    for (size_t i = s->n_entries; i-- > 0;)
        if (str_equal(s->entries[i].name, name))
            return &s->entries[i];
    return NULL;
}

/* name += value */
static int setting_append(struct conf_reader *r, struct conf_file *f, struct str name,
                          struct str value)
{
    struct conf_section *s = &r->conf->sections[f->section];
    struct conf_entry *e = entry_last(s, name);
    char *joined;

    if (!e)
        return conf_section_add(r->arena, s, name, value, conf_here(f));
    if (e->value.n + value.n > CONF_VALUE_MAX) {
        diag_add(r->diag, DIAG_ERROR, conf_here(f),
                 "%.*s has grown longer than %d bytes by +=; write several lines", STR_FMT(name),
                 CONF_VALUE_MAX);
        return 0;
    }
    joined = arena_alloc(r->arena, e->value.n + value.n + 1);
    if (!joined)
        return -ENOMEM;
    memcpy(joined, e->value.p, e->value.n);
    memcpy(joined + e->value.n, value.p, value.n);
    e->value.p = joined;
    e->value.n += value.n;
    return 0;
}

static void setting_complain_homeless(struct conf_reader *r, struct conf_file *f)
{
    if (f->homeless_reported)
        return;
    f->homeless_reported = true;
    diag_add(r->diag, DIAG_ERROR, conf_here(f),
             "a setting before any section; write [section] above it");
}

static int read_setting(struct conf_reader *r, struct conf_file *f, struct str line)
{
    bool escaped = line.p[0] == '\\', append;
    struct str name, value;
    size_t equals;

    if (f->section == CONF_NO_SECTION) {
        setting_complain_homeless(r, f);
        return 0;
    }
    if (escaped) {
        line = str_sub(line, 1, line.n);
        if (line.n == 0 || conf_is_blank(line.p[0])) {
            diag_add(r->diag, DIAG_ERROR, conf_here(f),
                     "a backslash before nothing; it escapes the first character of a name");
            return 0;
        }
    }
    equals = escaped + str_find_char(str_sub(line, escaped, line.n), '=');
    if (equals >= line.n) { /* nothing of it is told: it may be a password */
        diag_add(r->diag, DIAG_WARNING, conf_here(f),
                 "no = in this line, which is ignored; write name = value");
        return 0;
    }
    append = equals > escaped && line.p[equals - 1] == '+';
    name = conf_trim(str_sub(line, 0, equals - append));
    value = str_sub(line, equals + 1, line.n);
    if (!append && value.n && value.p[0] == '>')
        value = str_sub(value, 1, value.n);
    value = conf_trim(value);
    if (name.n == 0) {
        diag_add(r->diag, DIAG_WARNING, conf_here(f),
                 "nothing before the =, the line is ignored; write name = value");
        return 0;
    }
    if (append)
        return setting_append(r, f, name, value);
    return conf_section_add(r->arena, &r->conf->sections[f->section], name, value, conf_here(f));
}

/* ---- lines ---- */

static int read_directive(struct conf_reader *r, struct conf_file *f, struct str line)
{
    size_t n = 1;

    while (n < line.n && !conf_is_blank(line.p[n]))
        n++;
    return conf_directive(r, f, str_sub(line, 1, n), conf_trim(str_sub(line, n, line.n)));
}

static int read_line(struct conf_reader *r, struct conf_file *f, struct str line)
{
    char room[CONF_LINE_MAX + 1];

    if (line.n > CONF_LINE_MAX) {
        diag_add(r->diag, DIAG_WARNING, conf_here(f),
                 "the line has more than %d bytes and is ignored; shorten it", CONF_LINE_MAX);
        return 0;
    }
    if (line.n && memchr(line.p, '\0', line.n)) {
        diag_add(r->diag, DIAG_WARNING, conf_here(f),
                 "the line has a NUL byte and is ignored; is this a text file in UTF-8?");
        return 0;
    }
    line = conf_trim(comments_remove(r, f, line, room));
    if (line.n == 0)
        return 0;
    if (line.p[0] == '[')
        return conf_section_open(r, f, line);
    if (line.p[0] == '#')
        return read_directive(r, f, line);
    return read_setting(r, f, line);
}

int conf_read_text(struct conf_reader *r, struct conf_file *f, struct str text)
{
    struct str rest = str_starts(text, STR("\xef\xbb\xbf")) ? str_sub(text, 3, text.n) : text;

    while (rest.n) {
        size_t end = str_find_char(rest, '\n');
        int result;

        f->line++;
        result = read_line(r, f, str_sub(rest, 0, end));
        if (result)
            return result;
        rest = str_sub(rest, end + 1, rest.n);
    }
    comment_check_end(r, f);
    return 0;
}

/* ---- the whole ---- */

int conf_create(struct conf **out)
{
    struct conf *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->owned = calloc(1, sizeof(struct arena));
    if (!c->owned) {
        free(c);
        return -ENOMEM;
    }
    *out = c;
    return 0;
}

void conf_destroy(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_sections; i++)
        free(c->sections[i].entries);
    free(c->sections);
    arena_fini(c->owned);
    free(c->owned);
    free(c);
}

static int read_main_file(struct conf_reader *r)
{
    struct str path, text;
    int result = conf_path(r, r->source->file, &path);

    if (result)
        return result;
    result = conf_load(r->source, path, &text);
    if (result == -ENOENT || result == -ENOMEM)
        return result;
    if (result) {
        diag_add(r->diag, DIAG_ERROR, (struct diag_place){ path, 0 },
                 "cannot be read: %s; correct it or its rights", conf_load_error(result));
        conf_lose_file(r);
        return 0;
    }
    result = conf_read_file(r, NULL, path, text);
    str_free(&text);
    return result;
}

int conf_read(struct conf **out, const struct conf_source *source, struct diag *diag)
{
    struct conf_reader r = { .source = source, .diag = diag, .newest = CONF_NO_SECTION };
    unsigned errors = diag->errors;
    int result = conf_create(&r.conf);

    if (result)
        return result;
    r.arena = r.conf->owned;
    result = conf_names_init(&r);
    if (result)
        goto out;
    result = read_main_file(&r);
    if (result)
        goto out;
    *out = r.conf;
    r.conf = NULL;
    result = diag->errors > errors ? CONF_DAMAGED : 0;
out:
    conf_names_fini(&r);
    conf_destroy(r.conf);
    return result;
}

const struct conf_entry *conf_entry_find(const struct conf_section *s, struct str name)
{
    for (size_t i = s->n_entries; i-- > 0;)
        if (str_equal_nocase(s->entries[i].name, name))
            return &s->entries[i];
    return NULL;
}

int conf_set(struct conf *c, struct str section, struct str name, struct str value,
             struct diag_place at)
{
    struct conf_section *s = NULL;
    int r;

    for (size_t i = c->n_sections; !s && i-- > 0;)
        if (str_equal_nocase(c->sections[i].name, section) && !c->sections[i].is_template)
            s = &c->sections[i];
    if (!s) {
        struct str owned;

        r = arena_str(c->owned, &owned, section);
        if (r)
            return r;
        r = ARRAY_GROW(c->sections, c->n_sections);
        if (r)
            return r;
        s = &c->sections[c->n_sections++];
        *s = (struct conf_section){ .name = owned, .at = at };
    }
    return conf_section_add(c->owned, s, name, value, at);
}
