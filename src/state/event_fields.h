// SPDX-License-Identifier: MIT
/* event_fields.h - the fields of an event state as a table, for whoever keeps, copies or compares
 * all that one says: a new field is a row here and nothing elsewhere.
 *
 * Watchers are not among them, as nobody publishes them. Threads: constants, pure functions. */
#pragma once
#include "state/event_state.h"

enum event_field_kind {
    FIELD_NUMBER,    /* bool, an enum, an unsigned or a size_t */
    FIELD_TEXT,      /* struct es_text or struct str, which look the same */
    FIELD_TIMESTAMP, /* a text that says since when, not what */
    FIELD_ARRAY      /* a pointer to elements, and a size_t elsewhere */
};

struct event_fields { /* of one struct */
    size_t bytes;     /* of that */
    const struct event_field *rows;
    size_t n;
};

struct event_field {
    enum event_field_kind kind;
    size_t at;                           /* its offset */
    size_t bytes;                        /* FIELD_NUMBER: 1, 4 or 8 */
    uint64_t min, max;                   /* of a number that means something */
    size_t n_at;                         /* FIELD_ARRAY: offset of how many there are, */
    const struct event_fields *elements; /* and what is in each */
};

struct event_facet {
    size_t has_at;              /* offset of the bool in struct event_state that says it is told */
    struct event_fields fields; /* of struct event_state */
};

enum { EVENT_FACETS = 4 };
extern const struct event_facet event_facets[EVENT_FACETS];

static inline bool *event_facet_given(const struct event_facet *facet, struct event_state *s)
{
    return (bool *)((char *)s + facet->has_at);
}
static inline bool event_facet_has(const struct event_facet *facet, const struct event_state *s)
{
    return *(const bool *)((const char *)s + facet->has_at);
}

/* What the field of this object has. */
static inline uint64_t event_number(const struct event_field *f, const char *object)
{
    uint32_t word;
    uint64_t wide;

    if (f->bytes == 1)
        return *(const bool *)(object + f->at);
    if (f->bytes == sizeof(word)) {
        memcpy(&word, object + f->at, sizeof(word));
        return word;
    }
    memcpy(&wide, object + f->at, sizeof(wide));
    return wide;
}

/* A value of min to max. */
static inline void event_number_set(const struct event_field *f, char *object, uint64_t value)
{
    uint32_t word = (uint32_t)value;

    if (f->bytes == 1)
        *(bool *)(object + f->at) = value;
    else if (f->bytes == sizeof(word))
        memcpy(object + f->at, &word, sizeof(word));
    else
        memcpy(object + f->at, &value, sizeof(value));
}

static inline struct str event_text(const struct event_field *f, const char *object)
{
    struct str text;

    memcpy(&text, object + f->at, sizeof(text));
    return text;
}

static inline const char *event_array(const struct event_field *f, const char *object, size_t *n)
{
    const char *array;

    memcpy(&array, object + f->at, sizeof(array));
    memcpy(n, object + f->n_at, sizeof(*n));
    return array;
}

/* The array that the field of this object is from now on. */
static inline void event_array_set(const struct event_field *f, char *object, const char *array,
                                   size_t n)
{
    memcpy(object + f->at, &array, sizeof(array));
    memcpy(object + f->n_at, &n, sizeof(n));
}
