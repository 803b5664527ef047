// SPDX-License-Identifier: MIT
/* The same walk measures and copies: first without memory, then into one block of the size found.
 * Arrays stand before the texts, so that nothing is lost to alignment. */
#include "publication/compose_internal.h"

struct packer {
    char *arrays, *texts; /* NULL while it is only measured */
    size_t arrays_n, texts_n;
};

union packed { /* any element of an array */
    struct es_dialog dialog;
    struct es_param param;
    struct es_tuple tuple;
    struct es_person person;
    struct es_device device;
    struct es_element element;
    struct es_note note;
    struct timed_part timed;
};

typedef void (*pack_fn)(struct packer *p, union packed *u);

static void pack_text(struct packer *p, struct es_text *t)
{
    char *to = p->texts && t->n ? p->texts + p->texts_n : NULL;

    if (to)
        memcpy(to, t->p, t->n);
    p->texts_n += t->n;
    t->p = to;
}

/* A copy of the array in which each element has been packed by `fn`; NULL while it is only
 * measured. */
static void *pack_array(struct packer *p, const void *from, size_t n, size_t size, pack_fn fn)
{
    char *to = p->arrays && n ? p->arrays + p->arrays_n : NULL;

    p->arrays_n += n * size;
    for (size_t i = 0; i < n; i++) {
        union packed u;

        memcpy(&u, (const char *)from + i * size, size);
        fn(p, &u);
        if (to)
            memcpy(to + i * size, &u, size);
    }
    return to;
}
#define PACK_ARRAY(p, array, n, fn) ((array) = pack_array(p, array, n, sizeof(*(array)), fn))

static void pack_note(struct packer *p, union packed *u)
{
    pack_text(p, &u->note.language);
    pack_text(p, &u->note.text);
}

static void pack_element(struct packer *p, union packed *u)
{
    pack_text(p, &u->element.namespace);
    pack_text(p, &u->element.name);
    pack_text(p, &u->element.xml);
}

static void pack_timed(struct packer *p, union packed *u)
{
    union packed part = { .element = u->timed.element };

    pack_element(p, &part);
    u->timed.element = part.element;
    part.note = u->timed.note;
    pack_note(p, &part);
    u->timed.note = part.note;
}

static void pack_param(struct packer *p, union packed *u)
{
    pack_text(p, &u->param.name);
    pack_text(p, &u->param.value);
}

static void pack_party(struct packer *p, struct es_dialog_party *party)
{
    pack_text(p, &party->identity);
    pack_text(p, &party->display);
    pack_text(p, &party->target);
    PACK_ARRAY(p, party->params, party->n_params, pack_param);
    pack_text(p, &party->session_type);
    pack_text(p, &party->session);
}

static void pack_dialog(struct packer *p, union packed *u)
{
    struct es_dialog *d = &u->dialog;

    pack_text(p, &d->id);
    pack_text(p, &d->call_id);
    pack_text(p, &d->local_tag);
    pack_text(p, &d->remote_tag);
    pack_text(p, &d->event);
    pack_text(p, &d->details);
    pack_party(p, &d->local);
    pack_party(p, &d->remote);
    pack_text(p, &d->extensions);
}

static void pack_tuple(struct packer *p, union packed *u)
{
    struct es_tuple *t = &u->tuple;

    pack_text(p, &t->id);
    pack_text(p, &t->status);
    pack_text(p, &t->extensions);
    pack_text(p, &t->contact);
    pack_text(p, &t->priority);
    PACK_ARRAY(p, t->notes, t->n_notes, pack_note);
    pack_text(p, &t->timestamp);
}

static void pack_person(struct packer *p, union packed *u)
{
    struct es_person *person = &u->person;

    pack_text(p, &person->id);
    PACK_ARRAY(p, person->activities, person->n_activities, pack_element);
    PACK_ARRAY(p, person->elements, person->n_elements, pack_element);
    PACK_ARRAY(p, person->notes, person->n_notes, pack_note);
    pack_text(p, &person->timestamp);
}

static void pack_device(struct packer *p, union packed *u)
{
    struct es_device *d = &u->device;

    pack_text(p, &d->id);
    pack_text(p, &d->device_id);
    PACK_ARRAY(p, d->elements, d->n_elements, pack_element);
    PACK_ARRAY(p, d->notes, d->n_notes, pack_note);
    pack_text(p, &d->timestamp);
}

static void pack_presence(struct packer *p, struct es_presence *e)
{
    PACK_ARRAY(p, e->tuples, e->n_tuples, pack_tuple);
    PACK_ARRAY(p, e->notes, e->n_notes, pack_note);
    PACK_ARRAY(p, e->persons, e->n_persons, pack_person);
    PACK_ARRAY(p, e->devices, e->n_devices, pack_device);
    pack_text(p, &e->extensions);
}

/* The facets of `s` into `to`, which may be nothing but a place to write to. */
static void pack(struct packer *p, struct event_state *to, const struct event_state *s)
{
    to->has_dialogs = s->has_dialogs;
    to->has_presence = s->has_presence;
    to->has_messages = s->has_messages;
    to->has_opaque = s->has_opaque;
    to->version = s->version;
    if (s->has_dialogs) {
        to->dialogs = s->dialogs;
        to->n_dialogs = s->n_dialogs;
        PACK_ARRAY(p, to->dialogs, to->n_dialogs, pack_dialog);
    }
    if (s->has_presence) {
        to->spheres_differ = s->spheres_differ;
        to->presence = s->presence;
        pack_presence(p, &to->presence);
        to->timed = s->timed;
        to->n_timed = s->n_timed;
        PACK_ARRAY(p, to->timed, to->n_timed, pack_timed);
    }
    if (s->has_messages) {
        to->messages = s->messages;
        pack_text(p, &to->messages.account);
    }
    if (s->has_opaque) {
        struct es_text type = es_text_from(s->opaque.content_type),
                       body = es_text_from(s->opaque.body);

        pack_text(p, &type);
        pack_text(p, &body);
        to->opaque = (struct opaque_state){ es_str(type), es_str(body) };
    }
}

enum device_state event_state_device(const struct event_state *s)
{
    if (s->has_dialogs)
        return dialogs_device_state(s->dialogs, s->n_dialogs);
    return s->has_presence ? presence_device_state(&s->presence) : DEVICE_INVALID;
}

static struct packer measure(const struct event_state *s)
{
    struct packer p = { .arrays = NULL };
    struct event_state nowhere = { .n_dialogs = 0 };

    pack(&p, &nowhere, s);
    return p;
}

int event_state_pack(struct event_state **out, const struct event_state *s)
{
    struct packer size = measure(s), p = { .arrays = NULL };
    struct event_state *packed = NULL;
    int r = event_state_create(&packed);

    if (r)
        return r;
    packed->arena.block_size = 1; /* no more than is asked for */
    if (size.arrays_n + size.texts_n > 0) {
        p.arrays = arena_alloc(&packed->arena, size.arrays_n + size.texts_n);
        if (!p.arrays) {
            event_state_unref(packed);
            return -ENOMEM;
        }
        p.texts = p.arrays + size.arrays_n;
    }
    pack(&p, packed, s);
    packed->device = event_state_device(packed);
    *out = packed;
    return 0;
}

size_t event_state_bytes(const struct event_state *s)
{
    struct packer size;

    if (!s)
        return 0;
    size = measure(s);
    return sizeof(*s) + size.arrays_n + size.texts_n;
}
