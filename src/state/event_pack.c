// SPDX-License-Identifier: MIT
/* The same walk measures and copies: first without memory, then into one block of the size found.
 * Arrays stand before the texts, so that nothing is lost to alignment. */
#include "state/event_fields.h"

struct packer {
    char *arrays, *texts; /* NULL while it is only measured */
    size_t arrays_n, texts_n;
};

static void pack_text(struct packer *p, char *to, struct str text)
{
    p->texts_n += text.n;
    if (to) {
        str_keep(&text, &p->texts);
        memcpy(to, &text, sizeof(text));
    }
}

/* The fields of one object into another, which is zeroed, or NULL while it is only measured. */
static void pack_fields(struct packer *p, const struct event_fields *fields, char *to,
                        const char *from)
{
    for (const struct event_field *f = fields->rows; f < fields->rows + fields->n; f++) {
        const char *array;
        struct str text;
        char *copy;
        size_t n;

        switch (f->kind) {
        case FIELD_NUMBER:
            if (to)
                memcpy(to + f->at, from + f->at, f->bytes);
            break;
        case FIELD_TEXT:
        case FIELD_TIMESTAMP:
            text = event_text(f, from);
            if (text.n)
                pack_text(p, to ? to + f->at : NULL, text);
            break;
        case FIELD_ARRAY:
            array = event_array(f, from, &n);
            copy = to && n ? p->arrays + p->arrays_n : NULL;
            p->arrays_n += n * f->elements->bytes;
            for (size_t i = 0; i < n; i++)
                pack_fields(p, f->elements, copy ? copy + i * f->elements->bytes : NULL,
                            array + i * f->elements->bytes);
            if (to)
                event_array_set(f, to, copy, n);
            break;
        }
    }
}

static void pack(struct packer *p, struct event_state *to, const struct event_state *s)
{
    for (size_t i = 0; i < EVENT_FACETS; i++)
        if (event_facet_has(&event_facets[i], s))
            pack_fields(p, &event_facets[i].fields, (char *)to, (const char *)s);
}

enum device_state event_state_device(const struct event_state *s)
{
    if (s->has_dialogs)
        return dialogs_device_state(s->dialogs, s->n_dialogs);
    return s->has_presence ? presence_device_state(&s->presence) : DEVICE_INVALID;
}

int event_state_pack(struct event_state **out, const struct event_state *s)
{
    struct packer size = { .arrays = NULL }, p = { .arrays = NULL };
    struct event_state *packed = NULL;
    int r = event_state_create(&packed);

    if (r)
        return r;
    pack(&size, NULL, s);
    packed->arena.block_size = 1; /* no more than is asked for */
    if (size.arrays_n + size.texts_n > 0) {
        p.arrays = arena_alloc(&packed->arena, size.arrays_n + size.texts_n);
        if (!p.arrays) {
            event_state_unref(packed);
            return -ENOMEM;
        }
        p.texts = p.arrays + size.arrays_n;
    }
    for (size_t i = 0; i < EVENT_FACETS; i++)
        *event_facet_given(&event_facets[i], packed) = event_facet_has(&event_facets[i], s);
    packed->spheres_differ = s->has_presence && s->spheres_differ;
    packed->version = s->version;
    pack(&p, packed, s);
    packed->device = event_state_device(packed);
    packed->packed_bytes = sizeof(*packed) + size.arrays_n + size.texts_n;
    *out = packed;
    return 0;
}

size_t event_state_bytes(const struct event_state *s)
{
    struct packer size = { .arrays = NULL };

    if (!s || s->packed_bytes)
        return s ? s->packed_bytes : 0;
    pack(&size, NULL, s);
    return sizeof(*s) + size.arrays_n + size.texts_n;
}
