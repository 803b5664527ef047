// SPDX-License-Identifier: MIT
/* Do two states say the same? Field by field, in order: arrays that differ in nothing but their
 * order differ, because for many phones the first one is the only one. */
#include "state/event_fields.h"

int es_text_compare(struct es_text a, struct es_text b)
{
    return str_compare(es_str(a), es_str(b));
}

bool es_text_same(struct es_text a, struct es_text b)
{
    return str_equal(es_str(a), es_str(b));
}

static bool fields_same(const struct event_fields *fields, const char *a, const char *b,
                        bool timestamps);

static bool array_same(const struct event_field *f, const char *a, const char *b, bool timestamps)
{
    size_t n_a, n_b, size = f->elements->bytes;

    a = event_array(f, a, &n_a);
    b = event_array(f, b, &n_b);
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (!fields_same(f->elements, a + i * size, b + i * size, timestamps))
            return false;
    return true;
}

static bool field_same(const struct event_field *f, const char *a, const char *b, bool timestamps)
{
    switch (f->kind) {
    case FIELD_NUMBER:
        return event_number(f, a) == event_number(f, b);
    case FIELD_TEXT:
        return str_equal(event_text(f, a), event_text(f, b));
    case FIELD_TIMESTAMP:
        return !timestamps || str_equal(event_text(f, a), event_text(f, b));
    case FIELD_ARRAY:
        break;
    }
    return array_same(f, a, b, timestamps);
}

static bool fields_same(const struct event_fields *fields, const char *a, const char *b,
                        bool timestamps)
{
    for (size_t i = 0; i < fields->n; i++)
        if (!field_same(&fields->rows[i], a, b, timestamps))
            return false;
    return true;
}

static bool facet_same(const struct event_facet *facet, const struct event_state *a,
                       const struct event_state *b, bool timestamps)
{
    bool has = event_facet_has(facet, a);

    return has == event_facet_has(facet, b) &&
           (!has || fields_same(&facet->fields, (const char *)a, (const char *)b, timestamps));
}

static bool facets_same(const struct event_state *a, const struct event_state *b, bool timestamps)
{
    if (a == b)
        return true;
    if (a->device != b->device || a->spheres_differ != b->spheres_differ)
        return false;
    for (size_t i = 0; i < EVENT_FACETS; i++)
        if (!facet_same(&event_facets[i], a, b, timestamps))
            return false;
    return true;
}

bool composite_same(const struct event_state *a, const struct event_state *b)
{
    return facets_same(a, b, false);
}

bool event_state_same(const struct event_state *a, const struct event_state *b)
{
    return facets_same(a, b, true);
}
