// SPDX-License-Identifier: MIT
/* inbound_testing.h - what the tests and fuzz targets of inbound bodies share: everything that a
 * state says, as text, and a judge of XML that is not ours. For tests only. */
#pragma once
#include "body/inbound.h"
#include <libxml/parser.h>

/* The first byte of a seed in fuzz/corpus/inbound chooses one, the rest is the body. */
static const struct inbound_kind {
    const char *package, *type;
} inbound_kinds[] = {
    { "dialog", "application/dialog-info+xml" },
    { "presence", "application/pidf+xml" },
    { "presence", "application/pidf-diff+xml" },
    { "presence", "application/xpidf+xml" },
    { "dialog", "application/cpim-pidf+xml" },
    { "message-summary", "application/simple-message-summary" },
    { "presence", "multipart/related;boundary=b;start=\"<1>\"" },
    { "message-summary", "multipart/related;boundary=b" },
};

static inline const struct inbound_kind *inbound_kind_of(uint8_t first)
{
    return &inbound_kinds[first % ARRAY_LEN(inbound_kinds)];
}

/* Content that can stand in any element? It is given a root without any declaration. */
static inline bool xml_stands_alone(struct es_text xml)
{
    struct buf b;
    xmlParserCtxt *parser = xmlNewParserCtxt();
    xmlDoc *doc;
    bool fine;

    BUG_UNLESS(parser);
    buf_init(&b, 1 << 20);
    buf_add(&b, STR("<root>"));
    buf_add(&b, es_str(xml));
    buf_add(&b, STR("</root>"));
    BUG_UNLESS(b.error == 0);
    doc = xmlCtxtReadMemory(parser, b.p, (int)b.n, "", "UTF-8",
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    fine = doc && parser->wellFormed && parser->nsWellFormed;
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(parser);
    buf_fini(&b);
    return fine;
}

static inline void dump_text(struct buf *b, const char *label, struct es_text t)
{
    if (t.n)
        buf_printf(b, " %s%.*s", label, (int)t.n, t.p);
}

static inline void dump_xml(struct buf *b, const char *label, struct es_text t)
{
    BUG_UNLESS(xml_stands_alone(t));
    if (t.n)
        buf_printf(b, " %s %.*s\n", label, (int)t.n, t.p);
}

static inline void dump_party(struct buf *b, const char *label, const struct es_dialog_party *p)
{
    if (!p->identity.n && !p->target.n && !p->n_params && !p->session.n)
        return;
    buf_printf(b, " %s", label);
    dump_text(b, "", p->identity);
    dump_text(b, "display=", p->display);
    dump_text(b, "target=", p->target);
    for (size_t i = 0; i < p->n_params; i++) {
        dump_text(b, "", p->params[i].name);
        buf_printf(b, "=%.*s", (int)p->params[i].value.n, p->params[i].value.p);
    }
    dump_text(b, "session=", p->session_type);
    dump_text(b, "", p->session);
    buf_add_char(b, '\n');
}

static inline void dump_dialog(struct buf *b, const struct es_dialog *d)
{
    static const char *const states[] = { "none",  "trying",    "proceeding",
                                          "early", "confirmed", "terminated" };
    static const char *const directions[] = { "", " initiator", " recipient" };

    buf_printf(b, "dialog %.*s %s%s%s", (int)d->id.n, d->id.p, states[d->state],
               directions[d->direction], d->held ? " held" : "");
    dump_text(b, "event=", d->event);
    if (d->code)
        buf_printf(b, " code=%u", d->code);
    dump_text(b, "call-id=", d->call_id);
    dump_text(b, "local-tag=", d->local_tag);
    dump_text(b, "remote-tag=", d->remote_tag);
    buf_add_char(b, '\n');
    dump_party(b, "local", &d->local);
    dump_party(b, "remote", &d->remote);
    dump_xml(b, "details", d->details);
    dump_xml(b, "extensions", d->extensions);
}

static inline void dump_notes(struct buf *b, const struct es_note *notes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, " note %.*s:%.*s\n", (int)notes[i].language.n, notes[i].language.p,
                   (int)notes[i].text.n, notes[i].text.p);
}

static inline void dump_elements(struct buf *b, const char *label, const struct es_element *e,
                                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, " %s {%.*s}%.*s", label, (int)e[i].namespace.n, e[i].namespace.p,
                   (int)e[i].name.n, e[i].name.p);
        BUG_UNLESS(e[i].xml.n && e[i].name.n);
        dump_xml(b, "", e[i].xml);
    }
}

/* " during 1000-2000 of 0", and what; "-" alone is an end that is open. */
static inline void dump_timed(struct buf *b, const struct timed_part *t)
{
    static const char *const kinds[] = { "activity", "element" };

    buf_printf(b, " during ");
    if (t->from_ms)
        buf_printf(b, "%llu", (unsigned long long)t->from_ms);
    buf_add_char(b, '-');
    if (t->until_ms != UINT64_MAX)
        buf_printf(b, "%llu", (unsigned long long)t->until_ms);
    buf_printf(b, " of %zu", t->person);
    if (t->kind == TIMED_NOTE)
        dump_notes(b, &t->note, 1);
    else
        dump_elements(b, kinds[t->kind], &t->element, 1);
}

static inline void dump_presence(struct buf *b, const struct es_presence *p)
{
    static const char *const basics[] = { "none", "open", "closed" };

    for (size_t i = 0; i < p->n_tuples; i++) {
        const struct es_tuple *t = &p->tuples[i];

        buf_printf(b, "tuple %.*s %s", (int)t->id.n, t->id.p, basics[t->basic]);
        dump_text(b, "", t->contact);
        dump_text(b, "priority=", t->priority);
        dump_text(b, "at=", t->timestamp);
        buf_add_char(b, '\n');
        dump_xml(b, "status", t->status);
        dump_xml(b, "extensions", t->extensions);
        dump_notes(b, t->notes, t->n_notes);
    }
    for (size_t i = 0; i < p->n_persons; i++) {
        const struct es_person *person = &p->persons[i];

        buf_printf(b, "person %.*s", (int)person->id.n, person->id.p);
        dump_text(b, "at=", person->timestamp);
        buf_add_char(b, '\n');
        dump_elements(b, "activity", person->activities, person->n_activities);
        dump_elements(b, "element", person->elements, person->n_elements);
        dump_notes(b, person->notes, person->n_notes);
    }
    for (size_t i = 0; i < p->n_devices; i++) {
        const struct es_device *d = &p->devices[i];

        buf_printf(b, "device %.*s", (int)d->id.n, d->id.p);
        dump_text(b, "", d->device_id);
        dump_text(b, "at=", d->timestamp);
        buf_add_char(b, '\n');
        dump_elements(b, "element", d->elements, d->n_elements);
        dump_notes(b, d->notes, d->n_notes);
    }
    dump_notes(b, p->notes, p->n_notes);
    dump_xml(b, "extensions", p->extensions);
}

static inline void dump_messages(struct buf *b, const struct es_messages *m)
{
    static const char *const classes[] = { "voice", "fax", "pager", "multimedia", "text", "none" };

    buf_printf(b, "messages %s", m->waiting ? "yes" : "no");
    dump_text(b, "account=", m->account);
    for (size_t i = 0; i < ES_MESSAGE_CLASSES; i++)
        if (m->counts[i].given)
            buf_printf(b, " %s %u/%u (%u/%u)", classes[i], m->counts[i].new_count,
                       m->counts[i].old_count, m->counts[i].urgent_new, m->counts[i].urgent_old);
    buf_add_char(b, '\n');
}

/* All that a state says. */
static inline void event_state_dump(struct buf *b, const struct event_state *s)
{
    if (s->has_dialogs)
        buf_printf(b, "%s %u\n", s->partial ? "partial" : "full", s->version);
    for (size_t i = 0; i < s->n_dialogs; i++)
        dump_dialog(b, &s->dialogs[i]);
    if (s->has_presence)
        dump_presence(b, &s->presence);
    for (size_t i = 0; i < s->n_timed; i++) {
        BUG_UNLESS(s->timed[i].person < s->presence.n_persons);
        dump_timed(b, &s->timed[i]);
    }
    if (s->has_messages)
        dump_messages(b, &s->messages);
    if (s->device != DEVICE_INVALID)
        buf_printf(b, "= %.*s\n", STR_FMT(device_state_name(s->device)));
}
