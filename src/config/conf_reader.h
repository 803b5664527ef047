// SPDX-License-Identifier: MIT
/* conf_reader.h - private to src/config: a configuration file while it is being read. conf.c has
 * the lines, conf_section.c the section heads, conf_include.c the files. Functions return 0 or a
 * negative errno that ends the reading; what is wrong with the text goes to the diag. */
#pragma once
#include "base/arena.h"
#include "base/clock.h"
#include "base/map.h"
#include "config/conf.h"

enum {
    CONF_LINE_MAX = 8191,
    CONF_PATH_MAX = 16384, /* the directory and what a line can hold */
    CONF_COMMENT_DEPTH_MAX = 128,
    CONF_INCLUDE_DEPTH_MAX = 10,
    /* Not Asterisk's: what keeps a few files that include each other, or templates of templates,
     * from using up the machine. */
    CONF_FILES_MAX = 10000,
    CONF_FILE_SIZE_MAX = 256 << 20,
    CONF_INHERITED_MAX = 4000000,
    CONF_VALUE_MAX = 65535,
    CONF_EXEC_OUTPUT_MAX = 1 << 20,
    CONF_EXEC_TIMEOUT_MS = 10000,
};
#define CONF_NO_SECTION SIZE_MAX

struct conf_reader {
    const struct conf_source *source;
    struct diag *diag;
    struct conf *conf;
    struct arena *arena; /* of the conf */
    struct map names;    /* struct section_name by name, any case: see conf_section.c */
    size_t newest;       /* the section most recently opened anywhere; CONF_NO_SECTION */
    size_t n_files, n_inherited;
    bool inherited_told; /* that there are too many */
};

struct conf_file { /* one file being read; they stack up as they include each other */
    const struct conf_file *includer;
    unsigned depth; /* how many includers */
    struct str path;
    unsigned line;
    size_t section;         /* where its settings go; CONF_NO_SECTION */
    bool homeless_reported; /* a setting before any section: told once */
    unsigned comment_depth;
    unsigned comment_lines[CONF_COMMENT_DEPTH_MAX]; /* where each open block comment began */
};

static inline struct diag_place conf_here(const struct conf_file *f)
{
    return (struct diag_place){ f->path, f->line };
}

/* A file is missing from here on: it might have gone on with the newest section, and had more. */
static inline void conf_lose_file(struct conf_reader *r)
{
    r->conf->partial = true;
    if (r->newest != CONF_NO_SECTION)
        r->conf->sections[r->newest].partial = true;
}

/* Bytes that count as blank at the ends of names and values. */
static inline bool conf_is_blank(char c)
{
    return (unsigned char)c <= ' ';
}
struct str conf_trim(struct str s);

/* conf.c: the text of one file, line by line. */
NODISCARD int conf_read_text(struct conf_reader *r, struct conf_file *f, struct str text);

/* conf_section.c */
int conf_names_init(struct conf_reader *r);
void conf_names_fini(struct conf_reader *r);
/* "[name](options)" */
NODISCARD int conf_section_open(struct conf_reader *r, struct conf_file *f, struct str line);
/* Entry names and values are copied. */
NODISCARD int conf_section_add(struct arena *a, struct conf_section *s, struct str name,
                               struct str value, struct diag_place at);

/* conf_include.c: part of what is being read. Equal fingerprints: the same was read. */
void conf_fingerprint(const struct conf_source *source, struct str part);
/* The text of a file, to be freed with str_free; -ENOENT, -EISDIR, ... are the
 * caller's to tell. */
NODISCARD int conf_load(const struct conf_source *source, struct str path, struct str *text);
const char *conf_load_error(int result);
/* Read a text as a file below `includer` (NULL: the main file), which starts in the newest section.
 */
NODISCARD int conf_read_file(struct conf_reader *r, const struct conf_file *includer,
                             struct str path, struct str text);
/* `name` below the directory, unless it begins with a slash. */
void conf_path_print(struct buf *out, struct str directory, struct str name);
NODISCARD int conf_path(struct conf_reader *r, struct str name, struct str *out);
/* "#include" and its like; `word` and `argument` as written. */
NODISCARD int conf_directive(struct conf_reader *r, struct conf_file *f, struct str word,
                             struct str argument);

/* conf_exec.c: standard output of a shell command, to be freed with str_free. `why` receives what
 * went wrong, also when it returns 0 (an exit status other than 0). -EIO when the output cannot be
 * used. */
NODISCARD int conf_exec(struct str command, struct str *output, struct buf *why);

/* For extstate.conf, which --set may complete: a conf without sections, and one more entry at the
 * end of the (last) section of that name, which is made when there is none. */
NODISCARD int conf_create(struct conf **out);
NODISCARD int conf_set(struct conf *c, struct str section, struct str name, struct str value,
                       struct diag_place at);
