// SPDX-License-Identifier: MIT
#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 512 };

const char *row_text(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));

    return text ? text : "";
}

long long row_number(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

void table_init(struct table *t, const struct column *columns, size_t n_columns)
{
    *t = (struct table){ .columns = columns, .n_columns = n_columns, .rows = json_array() };
}

void table_add(void *table, json_t *row)
{
    json_array_append(((struct table *)table)->rows, row);
}

void table_fini(struct table *t)
{
    json_decref(t->rows);
}

static void cell_print(const struct column *c, const json_t *row, char *out)
{
    const json_t *v = json_object_get(row, c->key ? c->key : "");

    out[0] = '\0';
    if (c->print)
        c->print(row, out, CELL_MAX);
    else if (json_is_integer(v))
        snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(v));
    else if (json_is_boolean(v))
        snprintf(out, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
    else if (json_is_string(v))
        snprintf(out, CELL_MAX, "%s", json_string_value(v));
}

void row_print(const struct column *columns, size_t n_columns, const json_t *row, char *out,
               size_t room)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t c = 0; c < n_columns && used < room; c++) {
        char cell[CELL_MAX];

        cell_print(&columns[c], row, cell);
        used += (size_t)snprintf(out + used, room - used, "%s%s", c ? "  " : "", cell);
    }
}

/* Columns on a terminal: characters, not bytes. */
static size_t cell_width(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_cell(FILE *out, const struct column *c, const char *cell, size_t width, bool last)
{
    int pad = (int)(width - cell_width(cell));

    if (c->right)
        fprintf(out, "%*s%s", pad, "", cell);
    else
        fprintf(out, "%s%*s", cell, last ? 0 : pad, "");
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *t, FILE *out)
{
    size_t *widths = calloc(t->n_columns, sizeof(*widths));
    char cell[CELL_MAX];
    size_t i;
    json_t *row;

    if (!widths)
        return;
    for (size_t c = 0; c < t->n_columns; c++)
        widths[c] = strlen(t->columns[c].title);
    json_array_foreach(t->rows, i, row)
    {
        for (size_t c = 0; c < t->n_columns; c++) {
            size_t n;

            cell_print(&t->columns[c], row, cell);
            n = cell_width(cell);
            widths[c] = n > widths[c] ? n : widths[c];
        }
    }
    for (size_t c = 0; c < t->n_columns; c++)
        print_cell(out, &t->columns[c], t->columns[c].title, widths[c], c + 1 == t->n_columns);
    json_array_foreach(t->rows, i, row)
    {
        for (size_t c = 0; c < t->n_columns; c++) {
            cell_print(&t->columns[c], row, cell);
            print_cell(out, &t->columns[c], cell, widths[c], c + 1 == t->n_columns);
        }
    }
    free(widths);
}
