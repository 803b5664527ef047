// SPDX-License-Identifier: MIT
/* inbound_schema.c - the schemas of dialog-info (RFC 4235 section 4.4), PIDF (RFC 3863
 * section 4.4), the data model (RFC 4479 section 5.1) and RPID (RFC 4480 section 5.1) as tables,
 * and the DTD of XPIDF (draft-rosenberg-impp-pidf-00, with what Microsoft added: [MS-SIP] section
 * 7).
 *
 * What publishers in the field are known to do otherwise is allowed here, and mended by the
 * readers: elements may come in any order; what the tables do not require may be missing, whatever
 * the schema says. Elements of other namespaces may be anything, but where they hold one of the
 * data model or RPID it is checked. */
#include "base/timestamp.h"
#include "body/inbound_internal.h"

enum schema {
    SCHEMA_DIALOG_INFO,
    SCHEMA_PIDF,
    SCHEMA_DATA_MODEL,
    SCHEMA_RPID,
    SCHEMA_DIFF,
    SCHEMA_XPIDF
};

static const struct str namespaces[] = {
    [SCHEMA_DIALOG_INFO] = STR_INIT("urn:ietf:params:xml:ns:dialog-info"),
    [SCHEMA_PIDF] = STR_INIT("urn:ietf:params:xml:ns:pidf"),
    [SCHEMA_DATA_MODEL] = STR_INIT("urn:ietf:params:xml:ns:pidf:data-model"),
    [SCHEMA_RPID] = STR_INIT("urn:ietf:params:xml:ns:pidf:rpid"),
    [SCHEMA_DIFF] = STR_INIT("urn:ietf:params:xml:ns:pidf-diff"),
    [SCHEMA_XPIDF] = STR_INIT(""),
};

enum content {
    CONTENT_ELEMENTS,
    CONTENT_TEXT,
    CONTENT_NUMBER,
    CONTENT_INTEGER,
    CONTENT_TIME,
    CONTENT_ANY
};

struct part {          /* of an element, in its namespace */
    const char *names; /* of elements, with blanks between */
    const struct type *type;
    bool required, once; /* each */
    bool alone;          /* with notes, but nothing else beside it */
};

struct type { /* of an element */
    enum schema schema;
    enum content content;
    const char *attributes; /* those without a prefix and `xml:lang`; NULL: any, of any namespace */
    const char *required;   /* of the attributes */
    const char *times, *numbers; /* attributes that are such when they are there */
    const char *words;           /* the only texts; NULL: any */
    const char *choices; /* the only values of the required attribute, in any case; NULL: any */
    const struct part *parts;
    size_t n_parts;
    bool others;  /* elements of other namespaces may stand in it */
    bool or_text; /* as in examples of RFCs */
};

#define PARTS(p) .parts = (p), .n_parts = ARRAY_LEN(p)
#define FROM_UNTIL .attributes = NULL, .times = "from until" /* the schema allows any others */

/* ---- dialog-info ---- */

#define DI .schema = SCHEMA_DIALOG_INFO

static const struct type di_text = { DI, CONTENT_TEXT, .attributes = "" };
static const struct type di_number = { DI, CONTENT_NUMBER, .attributes = "" };
/* The schema has `display-name`, text and examples have `display`. */
static const struct type di_nameaddr = { DI, CONTENT_TEXT, .attributes = "display display-name" };
static const struct type di_session = { DI, CONTENT_TEXT, .attributes = "type",
                                        .required = "type" };
static const struct type di_state = { DI, CONTENT_TEXT, .attributes = "event code reason" };
static const struct type di_replaces = { DI, .attributes = "call-id local-tag remote-tag",
                                         .required = "call-id local-tag remote-tag" };

static const struct part route_set_parts[] = { { "hop", &di_text, .required = true } };
static const struct type di_route_set = { DI, .attributes = "", PARTS(route_set_parts) };

/* Asterisk writes `pvalue`. */
static const struct type di_param = { DI, .attributes = "pname pval pvalue", .required = "pname" };
static const struct part target_parts[] = { { "param", &di_param } };
static const struct type di_target = { DI, .attributes = "uri", .required = "uri",
                                       PARTS(target_parts) };

static const struct part participant_parts[] = {
    { "identity", &di_nameaddr, .once = true },
    { "target", &di_target, .once = true },
    { "session-description", &di_session, .once = true },
    { "cseq", &di_number, .once = true },
    { "param", &di_param }, /* behind its target in an example of RFC 4235; is left out */
};
static const struct type di_participant = { DI, .attributes = "", PARTS(participant_parts),
                                            .others = true };

static const struct part dialog_parts[] = {
    { "state", &di_state, .required = true, .once = true },
    { "duration", &di_number, .once = true },
    { "replaces", &di_replaces, .once = true },
    { "referred-by", &di_nameaddr, .once = true },
    { "route-set", &di_route_set, .once = true },
    { "local remote", &di_participant }, /* of Asterisk, a second one says that it is on hold */
};
static const struct type di_dialog = { DI,
                                       .attributes = "id call-id local-tag remote-tag direction",
                                       .required = "id", PARTS(dialog_parts), .others = true };

static const struct part dialog_info_parts[] = { { "dialog", &di_dialog } };
/* `notify-state` is in an example of RFC 4235, as is `reason` of a state. */
static const struct type di_root = { DI, .attributes = "version state entity notify-state",
                                     PARTS(dialog_info_parts), .others = true };

/* ---- PIDF ---- */

#define PIDF .schema = SCHEMA_PIDF

static const struct type pidf_text = { PIDF, CONTENT_TEXT, .attributes = "" };
static const struct type pidf_note = { PIDF, CONTENT_TEXT, .attributes = "xml:lang" };
static const struct type pidf_time = { PIDF, CONTENT_TIME, .attributes = "" };
static const struct type pidf_contact = { PIDF, CONTENT_TEXT, .attributes = "priority" };
/* What Asterisk tells telephones of Digium. */
static const struct type pidf_digium = { PIDF, CONTENT_TEXT, .attributes = "type subtype" };

static const struct part status_parts[] = {
    { "basic", &pidf_text, .once = true },
    { "digium_presence", &pidf_digium, .once = true },
};
static const struct type pidf_status = { PIDF, .attributes = "", PARTS(status_parts),
                                         .others = true };

static const struct part tuple_parts[] = {
    { "status", &pidf_status, .once = true },
    { "contact", &pidf_contact, .once = true },
    { "note", &pidf_note },
    { "timestamp", &pidf_time, .once = true },
};
static const struct type pidf_tuple = { PIDF, .attributes = "id", PARTS(tuple_parts),
                                        .others = true };

static const struct part presence_parts[] = { { "tuple", &pidf_tuple }, { "note", &pidf_note } };
static const struct type pidf_root = { PIDF, .attributes = "entity version", PARTS(presence_parts),
                                       .others = true };

/* ---- the data model ---- */

#define DM .schema = SCHEMA_DATA_MODEL

static const struct type dm_text = { DM, CONTENT_TEXT, .attributes = "" };
static const struct type dm_note = { DM, CONTENT_TEXT, .attributes = "xml:lang" };
static const struct type dm_time = { DM, CONTENT_TIME, .attributes = "" };

static const struct part person_parts[] = {
    { "note", &dm_note },
    { "timestamp", &dm_time, .once = true },
};
static const struct type dm_person = { DM, .attributes = "id", PARTS(person_parts),
                                       .others = true };

static const struct part device_parts[] = {
    { "deviceID", &dm_text, .required = true, .once = true },
    { "note", &dm_note },
    { "timestamp", &dm_time, .once = true },
};
static const struct type dm_device = { DM, .attributes = "id", PARTS(device_parts),
                                       .others = true };

/* ---- RPID ---- */

#define RPID .schema = SCHEMA_RPID

static const struct type rpid_empty = { RPID, .attributes = "" };
static const struct type rpid_text = { RPID, CONTENT_TEXT, .attributes = "" };
static const struct type rpid_note = { RPID, CONTENT_TEXT, .attributes = "xml:lang" };

/* Linphone describes an activity in it. */
static const struct type rpid_activity = { RPID, .attributes = "", .or_text = true };

static const struct part activities_parts[] = {
    { "note other", &rpid_note },
    { "unknown", &rpid_activity, .alone = true },
    { "lunch", &rpid_activity }, /* which RFC 4480 section 3.2 has, and its schema has not */
    { "appointment away breakfast busy dinner holiday in-transit looking-for-work meal meeting "
      "on-the-phone performance permanent-absence playing presentation shopping sleeping spectator "
      "steering travel tv vacation working worship",
      &rpid_activity },
};
/* An example for pua_mi of OpenSIPS has words beside them. */
static const struct type rpid_activities = { RPID, FROM_UNTIL, PARTS(activities_parts),
                                             .others = true, .or_text = true };

static const struct part mood_parts[] = {
    { "note other", &rpid_note },
    { "unknown", &rpid_empty, .alone = true },
    { "afraid amazed angry annoyed anxious ashamed bored brave calm cold confused contented cranky "
      "curious depressed disappointed disgusted distracted embarrassed excited flirtatious "
      "frustrated grumpy guilty happy hot humbled humiliated hungry hurt impressed in_awe in_love "
      "indignant interested invincible jealous lonely mean moody nervous neutral offended playful "
      "proud relieved remorseful restless sad sarcastic serious shocked shy sick sleepy stressed "
      "surprised thirsty worried",
      &rpid_empty },
};
static const struct type rpid_mood = { RPID, FROM_UNTIL, PARTS(mood_parts), .others = true };

static const struct part audio_parts[] = { { "noisy ok quiet unknown", &rpid_empty,
                                             .alone = true } };
static const struct part video_parts[] = { { "toobright ok dark unknown", &rpid_empty,
                                             .alone = true } };
static const struct part text_parts[] = { { "uncomfortable inappropriate ok unknown", &rpid_empty,
                                            .alone = true } };
static const struct type place_audio = { RPID, .attributes = "", PARTS(audio_parts) };
static const struct type place_video = { RPID, .attributes = "", PARTS(video_parts) };
static const struct type place_text = { RPID, .attributes = "", PARTS(text_parts) };
static const struct part place_is_parts[] = {
    { "note", &rpid_note },
    { "audio", &place_audio, .once = true },
    { "video", &place_video, .once = true },
    { "text", &place_text, .once = true },
};
static const struct type rpid_place_is = { RPID, FROM_UNTIL, PARTS(place_is_parts) };

static const struct part place_type_parts[] = { { "note", &rpid_note },
                                                { "other", &rpid_note, .alone = true } };
static const struct type rpid_place_type = { RPID, FROM_UNTIL, PARTS(place_type_parts),
                                             .others = true };

static const struct part privacy_parts[] = {
    { "note", &rpid_note },
    { "unknown", &rpid_empty, .alone = true },
    { "audio text video", &rpid_empty, .once = true },
};
static const struct type rpid_privacy = { RPID, FROM_UNTIL, PARTS(privacy_parts), .others = true };

static const struct part relationship_parts[] = {
    { "note", &rpid_note },
    { "other", &rpid_note, .alone = true },
    { "assistant associate family friend self supervisor unknown", &rpid_empty, .alone = true },
};
static const struct type rpid_relationship = { RPID, .attributes = "", PARTS(relationship_parts),
                                               .others = true, .or_text = true };

static const struct part service_class_parts[] = {
    { "note", &rpid_note },
    { "courier electronic freight in-person postal unknown", &rpid_empty, .alone = true },
};
static const struct type rpid_service_class = { RPID, .attributes = "", PARTS(service_class_parts),
                                                .others = true };

static const struct part sphere_parts[] = { { "home work unknown", &rpid_empty, .alone = true } };
static const struct type rpid_sphere = { RPID, FROM_UNTIL, PARTS(sphere_parts), .others = true,
                                         .or_text = true };

static const struct type rpid_status_icon = { RPID, CONTENT_TEXT, FROM_UNTIL };
static const struct type rpid_time_offset = { RPID, CONTENT_INTEGER, FROM_UNTIL };
static const struct type rpid_user_input = { RPID, CONTENT_TEXT, .words = "active idle",
                                             .numbers = "idle-threshold", .times = "last-input" };

/* ---- changes of a PIDF document: RFC 5262 section 7 ---- */

#define DIFF .schema = SCHEMA_DIFF

static const struct type diff_add = { DIFF, CONTENT_ANY, .attributes = "sel pos type",
                                      .required = "sel" };
static const struct type diff_replace = { DIFF, CONTENT_ANY, .attributes = "sel",
                                          .required = "sel" };
static const struct type diff_remove = { DIFF, .attributes = "sel ws", .required = "sel" };
static const struct part diff_parts[] = { { "add", &diff_add },
                                          { "replace", &diff_replace },
                                          { "remove", &diff_remove } };
static const struct type diff_root = { DIFF, .attributes = "entity version", PARTS(diff_parts) };

/* ---- XPIDF ---- */

#define XPIDF .schema = SCHEMA_XPIDF

static const struct type xpidf_any = { XPIDF, CONTENT_TEXT, .attributes = NULL };
static const struct type xpidf_text = { XPIDF, CONTENT_TEXT, .attributes = "uri" };
static const struct type xpidf_status = { XPIDF, .attributes = "status", .required = "status",
                                          .choices = "open closed inuse" };
/* `offline` is Asterisk's. */
static const struct type xpidf_substatus = {
    XPIDF, .attributes = "substatus", .required = "substatus",
    .choices = "unknown away online idle busy berightback onthephone outtolunch offline"
};

static const struct part address_parts[] = {
    { "status", &xpidf_status, .once = true },
    { "msnsubstatus", &xpidf_substatus, .once = true },
    { "class duplex feature mobility note", &xpidf_any },
};
static const struct type xpidf_address = { XPIDF, .attributes = "uri priority",
                                           PARTS(address_parts), .others = true };

static const struct part atom_parts[] = { { "address", &xpidf_address },
                                          { "postal", &xpidf_any, .once = true } };
/* The example has `id`, the DTD `atomid`, and Asterisk both. */
static const struct type xpidf_atom = { XPIDF, .attributes = "id atomid expires",
                                        .numbers = "expires", PARTS(atom_parts), .others = true };

static const struct part xpidf_parts[] = {
    { "presentity", &xpidf_text, .once = true },
    { "atom", &xpidf_atom },
    { "display", &xpidf_any, .once = true },
};
static const struct type xpidf_root = { XPIDF, .attributes = "", PARTS(xpidf_parts),
                                        .others = true };

/* ---- where an element may be of any other namespace ---- */

static const struct element {
    enum schema schema;
    const char *name;
    const struct type *type;
} elements[] = {
    { SCHEMA_PIDF, "timestamp", &pidf_time }, /* of a person or device, taken for their own */
    { SCHEMA_RPID, "timestamp", &pidf_time },
    { SCHEMA_DATA_MODEL, "person", &dm_person },
    { SCHEMA_DATA_MODEL, "device", &dm_device },
    { SCHEMA_DATA_MODEL, "deviceID", &dm_text },
    { SCHEMA_RPID, "activities", &rpid_activities },
    { SCHEMA_RPID, "class", &rpid_text },
    { SCHEMA_RPID, "mood", &rpid_mood },
    { SCHEMA_RPID, "place-is", &rpid_place_is },
    { SCHEMA_RPID, "place-type", &rpid_place_type },
    { SCHEMA_RPID, "privacy", &rpid_privacy },
    { SCHEMA_RPID, "relationship", &rpid_relationship },
    { SCHEMA_RPID, "service-class", &rpid_service_class },
    { SCHEMA_RPID, "sphere", &rpid_sphere },
    { SCHEMA_RPID, "status-icon", &rpid_status_icon },
    { SCHEMA_RPID, "time-offset", &rpid_time_offset },
    { SCHEMA_RPID, "user-input", &rpid_user_input },
};

static const struct type *type_of(const struct xml_node *n)
{
    for (size_t i = 0; i < ARRAY_LEN(elements); i++)
        if (xml_is(n, namespaces[elements[i].schema], str_of(elements[i].name)))
            return elements[i].type;
    return NULL;
}

/* ---- checking ---- */

static int check(const struct xml_node *n, const struct type *type, struct buf *why);

static bool is_one_of(struct str word, const char *list)
{
    for (const char *end; *list; list = end + (*end == ' ')) {
        end = strchrnul(list, ' ');
        if ((size_t)(end - list) == word.n && memcmp(list, word.p, word.n) == 0)
            return true;
    }
    return false;
}

static bool is_known(const struct xml_attribute *a, const char *list)
{
    if (!a->name.namespace.n)
        return is_one_of(a->name.local, list);
    return str_equal(a->name.namespace, NS_XML) && str_equal(a->name.local, STR("lang")) &&
           is_one_of(STR("xml:lang"), list);
}

static bool is_choice(struct str word, const char *list)
{
    struct str words = str_of(list);

    while (words.p)
        if (str_equal_nocase(str_next(&words, ' '), word))
            return true;
    return false;
}

/* A plus is of XML Schema's nonNegativeInteger, too. */
static bool is_number(struct str text, bool negative)
{
    if (text.n && (*text.p == '+' || (negative && *text.p == '-')))
        text = str_sub(text, 1, text.n);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    return text.n > 0;
}

static int text_check(const struct xml_node *n, const struct type *type, struct buf *why)
{
    struct str text = str_trim(xml_text(n));
    struct timestamp t;

    if (!text.p)
        text = STR(""); /* shown as that */
    if (type->content == CONTENT_TIME && !timestamp_parse(&t, text))
        return xml_refuse(why, n, "not a date and time:", text);
    if ((type->content == CONTENT_NUMBER || type->content == CONTENT_INTEGER) &&
        !is_number(text, type->content == CONTENT_INTEGER))
        return xml_refuse(why, n, "not a number:", text);
    if (type->words && !is_one_of(text, type->words))
        return xml_refuse(why, n, "none of its words:", text);
    return 0;
}

static int value_check(const struct xml_node *n, const struct xml_attribute *a,
                       const struct type *type, struct buf *why)
{
    struct timestamp t;

    if (a->name.namespace.n)
        return 0;
    if (type->times && is_one_of(a->name.local, type->times) && !timestamp_parse(&t, a->value))
        return xml_refuse(why, n, "not a date and time:", a->value);
    if (type->numbers && is_one_of(a->name.local, type->numbers) &&
        !is_number(str_trim(a->value), false))
        return xml_refuse(why, n, "not a number:", a->value);
    if (type->choices && is_one_of(a->name.local, type->required) &&
        !is_choice(str_trim(a->value), type->choices))
        return xml_refuse(why, n, "none of its words:", a->value);
    return 0;
}

/* The root may have those of other namespaces as well: nothing of it is passed on. */
static int attributes_check(const struct xml_node *n, const struct type *type, struct buf *why)
{
    struct str words = type->required ? str_of(type->required) : STR_EMPTY;
    int r = 0;

    for (size_t i = 0; i < n->n_attributes && r == 0; i++) {
        const struct xml_attribute *a = &n->attributes[i];

        if (type->attributes && !is_known(a, type->attributes) &&
            (n->parent || !a->name.namespace.n))
            return xml_refuse(why, n, "may not have the attribute", a->name.local);
        r = value_check(n, a, type, why);
    }
    while (words.p && r == 0) {
        struct str name = str_next(&words, ' ');

        if (!xml_attribute_of(n, STR_EMPTY, name))
            return xml_refuse(why, n, "must have the attribute", name);
    }
    return r;
}

static const struct part *part_find(const struct type *type, const struct xml_node *n)
{
    if (str_equal(n->name.namespace, namespaces[type->schema]))
        for (size_t i = 0; i < type->n_parts; i++)
            if (is_one_of(n->name.local, type->parts[i].names))
                return &type->parts[i];
    return NULL;
}

/* What stands beside it. */
static int part_check(const struct xml_node *n, const struct part *part, struct buf *why)
{
    for (const struct xml_node *it = xml_first(n->parent); it; it = xml_next(it)) {
        bool same_schema = str_equal(it->name.namespace, n->name.namespace);

        if (it == n)
            continue;
        if (part->once && same_schema && str_equal(it->name.local, n->name.local))
            return xml_refuse(why, n, "may be there once in", n->parent->name.local);
        if (part->alone && !(same_schema && str_equal(it->name.local, STR("note"))))
            return xml_refuse(why, n, "may not stand beside", it->name.local);
    }
    return 0;
}

static int foreign_check(const struct xml_node *n, struct buf *why)
{
    const struct type *type = type_of(n);
    int r = 0;

    if (type)
        return check(n, type, why);
    for (const struct xml_node *c = xml_first(n); c && r == 0; c = xml_next(c))
        r = foreign_check(c, why);
    return r;
}

static int child_check(const struct xml_node *n, const struct type *type, struct buf *why)
{
    const struct part *part = part_find(type, n);
    int r;

    if (part) {
        r = part->once || part->alone ? part_check(n, part, why) : 0;
        return r ? r : check(n, part->type, why);
    }
    if (!type->others || !n->name.namespace.n ||
        str_equal(n->name.namespace, namespaces[type->schema]))
        return xml_refuse(why, n, "may not stand in", n->parent->name.local);
    return foreign_check(n, why);
}

static int required_check(const struct xml_node *n, const struct type *type, struct buf *why)
{
    for (size_t i = 0; i < type->n_parts; i++) {
        struct str name = str_of(type->parts[i].names);

        if (type->parts[i].required && !xml_child(n, namespaces[type->schema], name))
            return xml_refuse(why, n, "must have the element", name);
    }
    return 0;
}

static int children_check(const struct xml_node *n, const struct type *type, struct buf *why)
{
    int r = 0;

    if (type->content == CONTENT_ANY)
        return 0;
    for (const struct xml_node *c = xml_first_node(n); c && r == 0; c = xml_next_node(c)) {
        if (!xml_is_text(c))
            r = child_check(c, type, why);
        else if (type->content == CONTENT_ELEMENTS && !type->or_text && str_trim(c->text).n)
            r = xml_refuse(why, n, "may not have text:", str_trim(c->text));
    }
    return r ? r : required_check(n, type, why);
}

static int check(const struct xml_node *n, const struct type *type, struct buf *why)
{
    int r = attributes_check(n, type, why);

    if (r == 0)
        r = children_check(n, type, why);
    return r ? r : text_check(n, type, why);
}

int inbound_dialog_check(const struct xml_node *root, struct buf *why)
{
    return check(root, &di_root, why);
}

int inbound_diff_check(const struct xml_node *root, struct buf *why)
{
    return check(root, &diff_root, why);
}

int inbound_pidf_check(const struct xml_node *root, struct buf *why)
{
    return check(root, &pidf_root, why);
}

int inbound_xpidf_check(const struct xml_node *root, struct buf *why)
{
    return check(root, &xpidf_root, why);
}
