// SPDX-License-Identifier: MIT
/* table.h - rows as aligned columns for people, or as JSON lines for programs. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct column {
    const char *title;
    const char *key; /* of the row; a cell shows its text, number, yes/no */
    bool right;      /* numbers stand right */
    /* Instead of the plain value: write the cell into `out` (`room` bytes, always ended with NUL).
     */
    void (*print)(const json_t *row, char *out, size_t room);
};

struct table {
    const struct column *columns;
    size_t n_columns;
    json_t *rows; /* an array */
};

void table_init(struct table *t, const struct column *columns, size_t n_columns);
void table_add(void *table, json_t *row); /* a client_row_fn */
void table_print(const struct table *t, FILE *out);
void table_fini(struct table *t);

/* The cells of one row, two blanks apart, as far as there is room. */
void row_print(const struct column *columns, size_t n_columns, const json_t *row, char *out,
               size_t room);

/* Text of a member, or "". */
const char *row_text(const json_t *row, const char *key);
long long row_number(const json_t *row, const char *key);
