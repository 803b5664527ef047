// SPDX-License-Identifier: MIT
#include "state/event_record.h"
#include "state/event_fields.h"

/* ---- written ---- */

static void add_fields(struct buf *b, const struct event_fields *fields, const char *object)
{
    for (const struct event_field *f = fields->rows; f < fields->rows + fields->n; f++) {
        const char *array;
        size_t n;

        switch (f->kind) {
        case FIELD_NUMBER:
            record_add_u64(b, event_number(f, object));
            break;
        case FIELD_TEXT:
        case FIELD_TIMESTAMP:
            record_add_str(b, event_text(f, object));
            break;
        case FIELD_ARRAY:
            array = event_array(f, object, &n);
            record_add_u64(b, n);
            for (size_t i = 0; i < n; i++)
                add_fields(b, f->elements, array + i * f->elements->bytes);
            break;
        }
    }
}

void event_record_add(struct buf *b, const struct event_state *s)
{
    for (size_t i = 0; i < EVENT_FACETS; i++)
        record_add_u64(b, event_facet_has(&event_facets[i], s));
    record_add_u64(b, s->spheres_differ);
    record_add_u64(b, s->partial);
    record_add_u64(b, s->device);
    record_add_u64(b, s->version);
    for (size_t i = 0; i < EVENT_FACETS; i++)
        if (event_facet_has(&event_facets[i], s))
            add_fields(b, &event_facets[i].fields, (const char *)s);
}

/* ---- read ---- */

struct reader {
    struct record *from;
    struct arena *arena;
    bool no_memory;
};

static void nonsense(struct reader *r)
{
    r->from->error = -EBADMSG;
    r->from->at.p = r->from->at.end;
}

/* Nothing else is ever written. */
static uint64_t read_number(struct reader *r, uint64_t min, uint64_t max)
{
    uint64_t value = record_u64(r->from);

    if (value >= min && value <= max)
        return value;
    nonsense(r);
    return min;
}

/* Each element takes a byte at least: nonsense cannot ask for more memory than that allows. */
static char *read_array(struct reader *r, size_t size, size_t *n)
{
    uint64_t count = read_number(r, 0, cursor_rest(&r->from->at).n);
    char *array = NULL;

    if (count && !r->no_memory) {
        array = arena_alloc(r->arena, (size_t)count * size);
        r->no_memory = !array;
    }
    *n = array ? (size_t)count : 0;
    return array;
}

static void read_fields(struct reader *r, const struct event_fields *fields, char *object)
{
    for (const struct event_field *f = fields->rows; f < fields->rows + fields->n; f++) {
        struct str text;
        char *array;
        size_t n;

        switch (f->kind) {
        case FIELD_NUMBER:
            event_number_set(f, object, read_number(r, f->min, f->max));
            break;
        case FIELD_TEXT:
        case FIELD_TIMESTAMP:
            text = record_str(r->from);
            memcpy(object + f->at, &text, sizeof(text));
            break;
        case FIELD_ARRAY:
            array = read_array(r, f->elements->bytes, &n);
            for (size_t i = 0; i < n; i++)
                read_fields(r, f->elements, array + i * f->elements->bytes);
            event_array_set(f, object, array, n);
            break;
        }
    }
}

static void read_state(struct reader *r, struct event_state *s)
{
    for (size_t i = 0; i < EVENT_FACETS; i++)
        *event_facet_given(&event_facets[i], s) = read_number(r, 0, 1);
    s->spheres_differ = read_number(r, 0, 1);
    s->partial = read_number(r, 0, 1);
    s->device = (enum device_state)read_number(r, 0, DEVICE_STATES - 1);
    s->version = (uint32_t)read_number(r, 0, UINT32_MAX);
    for (size_t i = 0; i < EVENT_FACETS; i++)
        if (event_facet_has(&event_facets[i], s))
            read_fields(r, &event_facets[i].fields, (char *)s);
    for (size_t i = 0; i < s->n_timed; i++)
        if (s->timed[i].person >= s->presence.n_persons)
            nonsense(r);
}

int event_record_read(struct record *r, struct event_state **out)
{
    struct event_state *s;
    int result = event_state_create(&s);
    struct reader reader = { .from = r };

    if (result)
        return result;
    reader.arena = &s->arena;
    read_state(&reader, s);
    result = reader.no_memory ? -ENOMEM : r->error;
    if (result)
        event_state_unref(s);
    else
        *out = s;
    return result;
}
