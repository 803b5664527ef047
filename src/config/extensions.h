// SPDX-License-Identifier: MIT
/* extensions.h - private to src/config: extensions.conf while it becomes a dialplan. extensions.c
 * has the sections and includes, exten.c the exten and same lines, hint_check.c judges hints. */
#pragma once
#include "base/arena.h"
#include "base/map.h"
#include "config/settings.h"

struct include_line {
    struct str context, included;
    struct diag_place at;
};

struct extensions_reader {
    struct diag *diag;
    struct dialplan *dp;
    struct arena arena;            /* for the time of reading */
    struct map hints;              /* struct hint_place by context and extension: see exten.c */
    struct include_line *includes; /* all of them: whether their contexts exist shows at the end */
    size_t n_includes;
};

struct context_reader { /* one section */
    struct extensions_reader *x;
    struct dialplan_context *context;
    struct str name;
    struct str extension; /* of the last exten line, for same; without blanks and caller id */
    bool has_line;        /* there has been an exten line, or may have been */
    bool has_extension, has_caller_id;
    bool after_hint; /* the line before was a hint: n has nothing to follow */
    bool after_hint_told, switch_told;
};

/* Text with its variables replaced, in the arena; as it is when it has none. 0, -EMSGSIZE or
 * -ENOMEM. */
NODISCARD int extensions_substitute(struct extensions_reader *x, struct str text, struct str *out);

/* exten.c: "exten => ..." and "same => ...". 0 or a negative errno. */
NODISCARD int exten_read(struct context_reader *c, const struct conf_entry *e);
NODISCARD int same_read(struct context_reader *c, const struct conf_entry *e);

/* hint_check.c: tells what of a hint cannot work. */
void hint_check(struct context_reader *c, const struct conf_entry *e, const struct hint_spec *spec);
