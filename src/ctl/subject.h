// SPDX-License-Identifier: MIT
/* subject.h - the search for what a name means, in subject.c: extensions; and in subject_other.c:
 * what is no lamp. Threads: the state thread. */
#pragma once
#include "ctl/ctl_internal.h"

struct search {
    struct ctl_request *q;
    const struct ctl_state *state;
    bool tells;        /* rows, too */
    bool found, shown; /* anything; the mailbox in something */
    struct str name;   /* of the list that is looked at */
    size_t unknown;    /* of that list's members */
    char first[80];    /* of those */
};

/* subject.c */
void search_add_line(struct buf *lines, struct str line);
/* A device, provider or mailbox. */
void search_add_word(struct search *f, struct str name);
void search_add(struct search *f, const struct snapshot *s, bool having);
/* The lists that it is in. */
void search_having(struct search *f, const struct snapshot *s);
void search_publications(struct search *f, const struct snapshot *s); /* received for it */
/* Members of rows. */
void search_add_given(struct json *row, const char *key, struct str text);
void search_add_made(struct json *row, const struct snapshot *s);

/* subject_other.c */
void search_others(struct search *f);
