// SPDX-License-Identifier: MIT
/* pidf.c - application/pidf+xml, RFC 3863, and its two supplements: RPID activities (RFC 4480) in a
 * person of the data model (RFC 4479), which Asterisk has for eyeBeam and sends to everyone; and
 * presence states for Digium's and Sangoma's phones.
 *
 * With ES_FLAG_ASTERISK the document is Asterisk's. Without it, it is valid: tuples come first,
 * then the note, then the person; the contact is the resource, not the watcher; and there are ids,
 * which must be of type xs:ID.
 *
 * A tuple's id is the extension where that is a name in XML ("alice"). Else it is "t" and the
 * extension, in which a byte that no name has becomes "_" and two hex digits: "1000" -> "t1000",
 * "*98" -> "t_2a98". An id means nothing beyond telling tuples apart (RFC 3863 section 4.1.2). The
 * person's id is made likewise, always with "p" ("palice", "p1000"), so that it is no tuple's.
 *
 * One thing stays invalid: digium_presence is in the namespace of PIDF, where the schema lets only
 * others in. How the phones look for it is not known to us, they get it only when their User-Agent
 * says who they are, and a lamp that works counts more. */
#include "body/builtin.h"

static const char digium_id[] = "digium-presence";

struct pidf_state {
    const char *basic, *note;
    bool on_the_phone;
};

static struct pidf_state pidf_state(enum es_extension_state state)
{
    switch (state) {
    case ES_EXTENSION_INUSE:
    case ES_EXTENSION_BUSY:
        return (struct pidf_state){ "open", "On the phone", true };
    case ES_EXTENSION_UNAVAILABLE:
        return (struct pidf_state){ "closed", "Unavailable", false };
    case ES_EXTENSION_RINGING:
    case ES_EXTENSION_INUSE_RINGING:
        return (struct pidf_state){ "open", "Ringing", true };
    case ES_EXTENSION_ONHOLD:
        return (struct pidf_state){ "open", "On hold", true };
    case ES_EXTENSION_REMOVED:
    case ES_EXTENSION_IDLE:
        break;
    }
    return (struct pidf_state){ "open", "Ready", false };
}

/* ---- ids ---- */

enum { ID_MAX = 256 }; /* longer ones are cut: an extension has less than 80 bytes */

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_char(char c)
{
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static bool is_name(struct es_text s)
{
    if (!s.n || s.n >= ID_MAX || (!letter(s.p[0]) && s.p[0] != '_'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!name_char(s.p[i]))
            return false;
    return s.n != sizeof(digium_id) - 1 || memcmp(s.p, digium_id, s.n); /* that one is taken */
}

/* `prefix` and the extension as a part of an xs:ID. */
static struct es_text id_print(char room[static ID_MAX], const char *prefix,
                               struct es_text extension)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(prefix);

    memcpy(room, prefix, n);
    for (size_t i = 0; i < extension.n && n + 3 <= ID_MAX; i++) {
        unsigned char c = (unsigned char)extension.p[i];

        if (name_char(extension.p[i])) {
            room[n++] = extension.p[i];
        } else {
            room[n++] = '_';
            room[n++] = digits[c >> 4];
            room[n++] = digits[c & 15];
        }
    }
    return (struct es_text){ room, n };
}

static void tuple_id(const struct es_body_request *rq, struct es_node *tuple)
{
    struct es_text extension = rq->snapshot->extension;
    char room[ID_MAX];

    if ((rq->flags & ES_FLAG_ASTERISK) || is_name(extension))
        rq->api->attribute(tuple, "id", extension);
    else
        rq->api->attribute(tuple, "id", id_print(room, "t", extension));
}

/* ---- the generator ---- */

static void tuple_print(const struct es_body_request *rq, struct es_node *presence,
                        const struct pidf_state *state)
{
    const struct es_document_api *api = rq->api;
    struct es_node *tuple = api->child(presence, "tuple"), *contact;

    tuple_id(rq, tuple);
    api->text(api->child(api->child(tuple, "status"), "basic"), es_text_of(state->basic));
    contact = api->child(tuple, "contact");
    api->attribute(contact, "priority", ES_TEXT("1"));
    api->text_slot(contact, rq->flags & ES_FLAG_ASTERISK ? ES_SLOT_REMOTE : ES_SLOT_LOCAL);
}

static int pidf_generate(const struct es_body_request *rq, struct es_document *out)
{
    const struct es_document_api *api = rq->api;
    struct pidf_state state = pidf_state(builtin_state(rq));
    struct es_node *presence = api->root(out, "presence");

    api->attribute_slot(presence, "entity", ES_SLOT_LOCAL, NULL);
    api->attribute(presence, "xmlns", ES_TEXT("urn:ietf:params:xml:ns:pidf"));
    if (!(rq->flags & ES_FLAG_ASTERISK))
        tuple_print(rq, presence, &state);
    api->text(api->child(presence, "note"), es_text_of(state.note));
    if (rq->flags & ES_FLAG_ASTERISK)
        tuple_print(rq, presence, &state);
    return 0;
}

const struct es_body_generator pidf_generator = {
    .size = sizeof(struct es_body_generator),
    .name = "pidf",
    .package = "presence dialog",
    .content_type = "application/pidf+xml",
    .generate = pidf_generate,
};

/* ---- Digium, Sangoma ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool contains(struct es_text s, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= s.n; i++) {
        size_t k = 0;

        while (k < n && lower(s.p[i + k]) == part[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

static bool digium_accepts(const struct es_subscriber *s)
{
    return contains(s->user_agent, "digium") || contains(s->user_agent, "sangoma");
}

static int digium_add(const struct es_body_request *rq, struct es_document *d)
{
    const struct es_document_api *api = rq->api;
    const struct es_snapshot *s = rq->snapshot;
    struct es_node *presence = api->root(d, "presence"), *note = api->find(presence, "note"),
                   *tuple, *state;

    if ((rq->flags & ES_FLAG_ASTERISK) || !note)
        tuple = api->child(presence, "tuple");
    else
        tuple = api->child_before(note, "tuple");
    api->attribute(tuple, "id", es_text_of(digium_id));
    state = api->child(api->child(tuple, "status"), "digium_presence");
    api->attribute(state, "type", s->presence);
    if (s->presence_subtype.n)
        api->attribute(state, "subtype", s->presence_subtype);
    api->text(state, s->presence_message);
    return 0;
}

const struct es_body_supplement digium_supplement = {
    .size = sizeof(struct es_body_supplement),
    .name = "digium",
    .content_type = "application/pidf+xml",
    .order = 100,
    .accepts = digium_accepts,
    .supplement = digium_add,
};

/* ---- eyeBeam ---- */

/* Asterisk has the person directly behind the resource's tuple, before any that another supplement
 * added. */
static struct es_node *person_place(const struct es_body_request *rq, struct es_node *presence)
{
    const struct es_document_api *api = rq->api;
    struct es_node *behind = api->next(api->find(presence, "tuple"));

    if ((rq->flags & ES_FLAG_ASTERISK) && behind)
        return api->child_before(behind, "dm:person");
    return api->child(presence, "dm:person");
}

static int eyebeam_add(const struct es_body_request *rq, struct es_document *d)
{
    const struct es_document_api *api = rq->api;
    struct es_node *presence = api->root(d, "presence"), *person;
    char room[ID_MAX];

    api->attribute(presence, "xmlns:dm", ES_TEXT("urn:ietf:params:xml:ns:pidf:data-model"));
    api->attribute(presence, "xmlns:rpid", ES_TEXT("urn:ietf:params:xml:ns:pidf:rpid"));
    person = person_place(rq, presence);
    if (!(rq->flags & ES_FLAG_ASTERISK))
        api->attribute(person, "id", id_print(room, "p", rq->snapshot->extension));
    if (pidf_state(builtin_state(rq)).on_the_phone)
        api->child(api->child(person, "rpid:activities"), "rpid:on-the-phone");
    return 0;
}

const struct es_body_supplement eyebeam_supplement = {
    .size = sizeof(struct es_body_supplement),
    .name = "eyebeam",
    .content_type = "application/pidf+xml",
    .order = 200,
    .supplement = eyebeam_add,
};
