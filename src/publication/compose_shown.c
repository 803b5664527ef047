// SPDX-License-Identifier: MIT
/* How long a document is in the body that watchers get: body/dialog_info.c, body/pidf_published.c.
 * Counted with all the markup that may stand around a text, so that bodies are shorter. */
#include "publication/compose.h"

enum { /* bytes of markup, indentation and line ends; with what makes an id unique */
       DIALOG_MARKUP = 200,
       PARTY_MARKUP = 96,
       SESSION_MARKUP = 56,
       PARAM_MARKUP = 32,
       TUPLE_MARKUP = 192,
       PERSON_MARKUP = 180,
       DEVICE_MARKUP = 140,
       NOTE_MARKUP = 40,
       XML_MARKUP = 8,
       MESSAGES_SHOWN = 512, /* six lines of numbers */
};

/* Escaped: see buf_add_xml. */
static size_t text_shown(struct es_text t)
{
    size_t n = t.n;

    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] == '<' || t.p[i] == '>' || t.p[i] == '&' || t.p[i] == '"' || t.p[i] == '\'' ||
            t.p[i] == '\r' || t.p[i] == '\n')
            n += sizeof("&quot;") - 2;
    return n;
}

static size_t id_shown(struct es_text id)
{
    return 3 * id.n; /* as an xs:ID: see body/pidf_id.c */
}

static size_t party_shown(const struct es_dialog_party *p)
{
    size_t n = text_shown(p->identity) + text_shown(p->display) +
               text_shown(p->target.n ? p->target : p->identity);

    if (p->session_type.n || p->session.n)
        n += SESSION_MARKUP + text_shown(p->session_type) + text_shown(p->session);
    for (size_t i = 0; i < p->n_params; i++)
        n += PARAM_MARKUP + text_shown(p->params[i].name) + text_shown(p->params[i].value);
    return n ? PARTY_MARKUP + n : 0;
}

static size_t dialogs_shown(const struct event_state *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_dialogs; i++) {
        const struct es_dialog *d = &s->dialogs[i];

        n += DIALOG_MARKUP + text_shown(d->id) + text_shown(d->call_id) + text_shown(d->local_tag) +
             text_shown(d->remote_tag) + text_shown(d->event) + d->details.n +
             party_shown(&d->local) + party_shown(&d->remote) + d->extensions.n;
    }
    return n;
}

static size_t notes_shown(const struct es_note *notes, size_t n_notes)
{
    size_t n = 0;

    for (size_t i = 0; i < n_notes; i++)
        n += NOTE_MARKUP + text_shown(notes[i].language) + text_shown(notes[i].text);
    return n;
}

static size_t elements_shown(const struct es_element *elements, size_t n_elements)
{
    size_t n = 0;

    for (size_t i = 0; i < n_elements; i++)
        n += XML_MARKUP + elements[i].xml.n;
    return n;
}

static size_t presence_shown(const struct es_presence *e)
{
    size_t n = notes_shown(e->notes, e->n_notes) + XML_MARKUP + e->extensions.n;

    for (size_t i = 0; i < e->n_tuples; i++) {
        const struct es_tuple *t = &e->tuples[i];

        n += TUPLE_MARKUP + id_shown(t->id) + t->status.n + t->extensions.n +
             text_shown(t->contact) + text_shown(t->priority) + notes_shown(t->notes, t->n_notes) +
             text_shown(t->timestamp);
    }
    for (size_t i = 0; i < e->n_persons; i++) {
        const struct es_person *p = &e->persons[i];

        n += PERSON_MARKUP + id_shown(p->id) + elements_shown(p->activities, p->n_activities) +
             elements_shown(p->elements, p->n_elements) + notes_shown(p->notes, p->n_notes) +
             text_shown(p->timestamp);
    }
    for (size_t i = 0; i < e->n_devices; i++) {
        const struct es_device *d = &e->devices[i];

        n += DEVICE_MARKUP + id_shown(d->id) + text_shown(d->device_id) +
             elements_shown(d->elements, d->n_elements) + notes_shown(d->notes, d->n_notes) +
             text_shown(d->timestamp);
    }
    return n;
}

size_t event_state_shown(const struct event_state *s)
{
    size_t n = s->has_dialogs ? dialogs_shown(s) : 0;

    if (s->has_presence)
        n += presence_shown(&s->presence);
    for (size_t i = 0; s->has_presence && i < s->n_timed; i++) /* all may hold at once */
        n += elements_shown(&s->timed[i].element, 1) + notes_shown(&s->timed[i].note, 1);
    if (s->has_messages)
        n += MESSAGES_SHOWN + s->messages.account.n;
    if (s->has_opaque)
        n += s->opaque.body.n + s->opaque.content_type.n;
    return n;
}

bool event_states_add_up(const struct event_state *a, const struct event_state *b)
{
    return (a->has_dialogs && b->has_dialogs) || (a->has_presence && b->has_presence);
}
