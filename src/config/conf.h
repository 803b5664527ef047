// SPDX-License-Identifier: MIT
/* conf.h - Asterisk's configuration grammar: sections, templates, appends, includes, comments. The
 * text only; what a section means is settings.h's business.
 *
 * Everything is read before anything is used. Problems go to a struct diag with file and line; an
 * error makes the file unusable, a warning does not. What could be read of an unusable one is
 * handed out all the same, so that what is wrong with that is told in the same run. Threads: one
 * owner; a read tree is immutable. */
#pragma once
#include "base/buf.h"
#include "base/list.h"

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag_place {
    struct str file; /* as opened; lives as long as the struct conf it came from, or static */
    unsigned line;   /* 0: the file as a whole */
};

/* Collects problems. Each is one line "file:line: error: what; what to do". */
struct diag {
    struct buf text; /* the lines in the order found, each ending LF */
    struct diag_line {
        size_t start, end, file_len; /* in `text` */
        unsigned line;
    } * lines;
    size_t n_lines;
    unsigned errors, warnings;
};
void diag_init(struct diag *d);
void diag_fini(struct diag *d);
void diag_add(struct diag *d, enum diag_severity severity, struct diag_place at, const char *format,
              ...) PRINTF_LIKE(4, 5);
/* The lines as somebody who goes through the files wants them: by file, by line, then as found. */
void diag_print(struct diag *d, struct buf *out);

struct conf_entry {
    struct str name, value; /* value with escapes removed, trimmed */
    struct diag_place at;
};

struct conf_section {
    struct str name;
    bool is_template;
    bool partial; /* what a template, a file or the section it adds to had for it was not found:
                     what is not here may be there */
    struct conf_entry *entries; /* inherited ones first, in order */
    size_t n_entries;
    struct diag_place at;
};

struct conf { /* one main file with all it includes */
    struct conf_section
        *sections; /* in order; templates included, appended sections merged into their target */
    size_t n_sections;
    bool partial; /* so for whole sections: a file could not be read */
    void *owned;  /* texts: see conf.c */
};

struct conf_source {
    struct str directory;  /* relative names are under it */
    struct str file;       /* "pjsip.conf" */
    bool allow_exec;       /* run #exec commands; otherwise they are a warning and ignored */
    uint64_t *fingerprint; /* of what is read, see conf_fingerprint; NULL: nobody asks */
    /* For tests and fuzzing: how a file is read and a glob expanded; NULL: from the disk. `read`
     * returns 0 and a text the reader frees with str_free, or -errno. `expand` calls `each` for
     * every match in order. With `read` given #exec never runs anything. */
    int (*read)(void *ctx, struct str path, struct str *text);
    int (*expand)(void *ctx, struct str pattern, void (*each)(void *each_ctx, struct str path),
                  void *each_ctx);
    void *ctx;
};

enum {
    CONF_DAMAGED =
        1, /* `diag` got an error: what *out has is for finding more of them, not for use */
};

/* Returns 0 or CONF_DAMAGED with *out; -ENOENT when the main file does not exist (no diag line: the
 * caller knows whether that matters); another negative errno. */
NODISCARD int conf_read(struct conf **out, const struct conf_source *source, struct diag *diag);
void conf_destroy(struct conf *c);

/* Last entry of that name (any case), or NULL. */
const struct conf_entry *conf_entry_find(const struct conf_section *s, struct str name);
