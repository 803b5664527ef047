// SPDX-License-Identifier: MIT
/* body_dump DIRECTORY - writes every body that the built-in generators make into files
 * TYPE.MODE.NUMBER.xml, for check_schemas.py. Modes: "default"; "digium" and "single", the same for
 * telephones that get something else; "asterisk", Asterisk's form. */
#include "body/body.h"
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *content_type, *name;
} types[] = {
    { "application/dialog-info+xml", "dialog-info" },
    { "application/pidf+xml", "pidf" },
    { "application/xpidf+xml", "xpidf" },
    { "application/cpim-pidf+xml", "cpim-pidf" },
};

static const struct {
    const char *name, *user_agent;
    unsigned flags;
} modes[] = {
    { "default", "phone", 0 },
    { "digium", "Digium D40", 0 },
    { "single", "Linksys/SPA962", 0 },
    { "asterisk", "Digium D40", ES_FLAG_ASTERISK },
};

static const enum extension_state states[] = {
    EXTENSION_REMOVED,       EXTENSION_IDLE,        EXTENSION_INUSE,
    EXTENSION_BUSY,          EXTENSION_UNAVAILABLE, EXTENSION_RINGING,
    EXTENSION_INUSE_RINGING, EXTENSION_ONHOLD,      (enum extension_state)17,
};

static const char *const extensions[] = {
    "1000", "alice", "*98", "a b", "digium-presence", "bj\xc3\xb6rn", "<>&\"'\r\n\x01", "_", "",
};

/* ---- what may be published ---- */

#define DIALOG_NS "xmlns=\"urn:ietf:params:xml:ns:dialog-info\""
#define RPID "urn:ietf:params:xml:ns:pidf:rpid"
#define FOREIGN "<x:a xmlns:x=\"urn:x\" b=\"&lt;&amp;&quot;\">\n<x:c/>text &amp; more</x:a>"

static const struct es_param no_media[] = { { ES_TEXT("+sip.rendering"), ES_TEXT("no") },
                                            { ES_TEXT("<&>"), ES_TEXT("") } };

static const struct es_dialog dialogs[] = {
    { .id = ES_TEXT("1000"),
      .call_id = ES_TEXT("a&b@h"),
      .local_tag = ES_TEXT("l"),
      .remote_tag = ES_TEXT("r"),
      .direction = ES_DIRECTION_RECIPIENT,
      .state = ES_DIALOG_EARLY,
      .event = ES_TEXT("replaced"),
      .code = 180,
      .details = ES_TEXT("<replaces " DIALOG_NS " call-id='x' local-tag='y' remote-tag='z'/>"
                         "<referred-by " DIALOG_NS ">sip:bob@h</referred-by>\n"
                         "<route-set " DIALOG_NS "><hop>sip:h;lr</hop></route-set>"),
      .local = { .identity = ES_TEXT("sip:alice@h"),
                 .display = ES_TEXT("Alice <\"&\">"),
                 .target = ES_TEXT("sip:alice@192.0.2.1"),
                 .session_type = ES_TEXT("application/sdp"),
                 .session = ES_TEXT("v=0\r\no=- <&>\r\n") },
      .remote = { .identity = ES_TEXT("sip:bob@h"), .target = ES_TEXT("sip:bob@h;a=1&b") },
      .extensions = ES_TEXT(FOREIGN FOREIGN) },
    { .id = ES_TEXT("held"),
      .direction = ES_DIRECTION_INITIATOR,
      .state = ES_DIALOG_CONFIRMED,
      .held = true,
      .local = { .params = no_media, .n_params = 2 },
      .remote = { .display = ES_TEXT("Bob") } },
    { .id = ES_TEXT("<&>\"'"), .state = ES_DIALOG_PROCEEDING },
    { .id = ES_TEXT("1000-hint"), .state = ES_DIALOG_TRYING },
    { .id = ES_TEXT(""),
      .state = ES_DIALOG_TERMINATED,
      .event = ES_TEXT("remote-bye"),
      .extensions = ES_TEXT(FOREIGN) },
};

static const struct es_note notes[] = { { .text = ES_TEXT("back <soon> & so on") },
                                        { ES_TEXT("de-CH"), ES_TEXT("bald") } };

static const struct es_tuple tuples[] = {
    { .id = ES_TEXT("1000"),
      .basic = ES_BASIC_OPEN,
      .status = ES_TEXT(FOREIGN),
      .extensions = ES_TEXT("<deviceID xmlns='urn:ietf:params:xml:ns:pidf:data-model'>urn:x:1"
                            "</deviceID>" FOREIGN),
      .contact = ES_TEXT("sip:alice@h;x=1&y"),
      .priority = ES_TEXT("0.8"),
      .notes = notes,
      .n_notes = 2,
      .timestamp = ES_TEXT("2026-11-28T16:04:39.5+01:00") },
    { .id = ES_TEXT("t1000"), .basic = ES_BASIC_CLOSED },
    { .id = ES_TEXT("1 2"), .contact = ES_TEXT("tel:+1") },
    { .id = ES_TEXT("1_202") },
    { .id = ES_TEXT("same"), .notes = notes, .n_notes = 1 },
    { .id = ES_TEXT("") },
};

#define RPID_ELEMENT(name, inside)                                              \
    {                                                                           \
        ES_TEXT(RPID), ES_TEXT(name),                                           \
            ES_TEXT("<r:" name " xmlns:r=\"" RPID "\">" inside "</r:" name ">") \
    }
static const struct es_element unknown[] = { RPID_ELEMENT("unknown", "") };
static const struct es_element activities[] = { RPID_ELEMENT("away", ""),
                                                RPID_ELEMENT("on-the-phone", ""),
                                                RPID_ELEMENT("other", "thinking"),
                                                { ES_TEXT("urn:x"), ES_TEXT("a"),
                                                  ES_TEXT(FOREIGN) } };
static const struct es_element elements[] = { RPID_ELEMENT("mood", "<r:happy/>"),
                                              RPID_ELEMENT("sphere", "<r:work/>"),
                                              { ES_TEXT("urn:x"), ES_TEXT("a"),
                                                ES_TEXT(FOREIGN) } };
static const struct es_element user_input[] = { RPID_ELEMENT("user-input", "idle") };

static const struct es_person persons[] = {
    { .id = ES_TEXT("same"),
      .activities = activities,
      .n_activities = ARRAY_LEN(activities),
      .elements = elements,
      .n_elements = ARRAY_LEN(elements),
      .notes = notes,
      .n_notes = 2,
      .timestamp = ES_TEXT("2026-11-28T16:04:39Z") },
    { .activities = unknown, .n_activities = 1 },
};

static const struct es_device devices[] = {
    { .id = ES_TEXT("same"),
      .device_id = ES_TEXT("mac:8asd7d7d70"),
      .elements = user_input,
      .n_elements = 1,
      .notes = notes,
      .n_notes = 2,
      .timestamp = ES_TEXT("2026-11-28T16:04:39Z") },
    { .id = ES_TEXT("1"), .device_id = ES_TEXT("urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599") },
};

static const struct es_presence presences[] = {
    { .n_tuples = 0 },
    { .tuples = tuples, .n_tuples = 1, .notes = notes, .n_notes = 2 },
    { .persons = &persons[1], .n_persons = 1, .devices = devices, .n_devices = 1 },
    { .tuples = tuples,
      .n_tuples = ARRAY_LEN(tuples),
      .notes = notes,
      .n_notes = 1,
      .persons = persons,
      .n_persons = 1,
      .devices = devices,
      .n_devices = ARRAY_LEN(devices),
      .extensions = ES_TEXT(FOREIGN "\n" FOREIGN) },
};

static const struct es_watcher watchers[] = {
    { ES_TEXT("1"), ES_TEXT("sip:alice@h"), ES_TEXT(""), ES_WATCHER_PENDING, ES_WATCHER_SUBSCRIBE,
      true },
    { ES_TEXT("2f"), ES_TEXT("sip:bob@h;a=1&b"), ES_TEXT("Bob <\"&\">"), ES_WATCHER_ACTIVE,
      ES_WATCHER_APPROVED, false },
    { ES_TEXT("3"), ES_TEXT("tel:+1"), ES_TEXT("Zo\xc3\xab\r\n\x01"), ES_WATCHER_WAITING,
      ES_WATCHER_TIMEOUT, true },
    { ES_TEXT("4"), ES_TEXT("sip:h"), ES_TEXT("\xff"), ES_WATCHER_TERMINATED,
      ES_WATCHER_DEACTIVATED, true },
    { ES_TEXT("5"), ES_TEXT(""), ES_TEXT(""), ES_WATCHER_TERMINATED, ES_WATCHER_PROBATION, true },
    { ES_TEXT("6"), ES_TEXT("sip:a"), ES_TEXT(""), ES_WATCHER_TERMINATED, ES_WATCHER_REJECTED,
      true },
    { ES_TEXT("7"), ES_TEXT("sip:b"), ES_TEXT(""), ES_WATCHER_TERMINATED, ES_WATCHER_GIVEUP, true },
    { ES_TEXT("8"), ES_TEXT("sip:c"), ES_TEXT(""), ES_WATCHER_TERMINATED, ES_WATCHER_NORESOURCE,
      true },
};

/* ---- bodies ---- */

/* One document: which of everything it is for. */
struct dump {
    const char *directory;
    struct body_registry *registry;
    struct rng rng;
    unsigned number;
};

static int write_file(const struct dump *d, const char *type, const char *mode, struct str text)
{
    char path[4096];
    struct buf b;
    FILE *f;
    bool ok;

    buf_init_on(&b, path, sizeof(path));
    buf_printf(&b, "%s/%s.%s.%05u.xml", d->directory, type, mode, d->number);
    buf_add_char(&b, '\0');
    f = b.error ? NULL : fopen(path, "w");
    if (!f)
        return -EIO;
    ok = fwrite(text.p, 1, text.n, f) == text.n;
    return fclose(f) == 0 && ok ? 0 : -EIO;
}

static int dump_profile(struct dump *d, const struct body_profile *profile, const char *type,
                        const char *mode, const struct snapshot *s)
{
    const struct body_slots slots = { d->number, STR("sip:a&amp;b%20c@pbx.example:5160"),
                                      STR("sip:bob@pbx.example") };
    const struct rendered_body *body;
    struct buf out;
    int r = body_render(profile, s, &d->rng, &body);

    if (r)
        return -EIO;
    buf_init(&out, 1 << 17);
    body_print(body, &slots, &out);
    r = out.error ? out.error : write_file(d, type, mode, buf_str(&out));
    buf_fini(&out);
    d->number++;
    return r;
}

static int dump_body(struct dump *d, size_t type, size_t mode, unsigned flags,
                     const struct snapshot *s)
{
    const struct es_subscriber subscriber = { .package = ES_TEXT("presence"),
                                              .user_agent = es_text_of(modes[mode].user_agent) };
    const struct body_profile *profile;
    int r = body_choose(d->registry, &subscriber, str_of(types[type].content_type),
                        modes[mode].flags | flags, &profile);

    return r ? -EIO : dump_profile(d, profile, types[type].name, modes[mode].name, s);
}

enum { N_FLAGS = 4 };

/* With the first `n_flags` of what a PUBLISH, an endpoint and the configuration can ask for. */
static int dump_snapshot(struct dump *d, const struct snapshot *s, size_t n_flags)
{
    static const unsigned flags[N_FLAGS] = { 0, ES_FLAG_PUBLISH, ES_FLAG_EARLY_INUSE_RINGING,
                                             ES_FLAG_REMOVED_IS_IDLE };
    int r = 0;

    for (size_t type = 0; !r && type < ARRAY_LEN(types); type++)
        for (size_t mode = 0; !r && mode < ARRAY_LEN(modes); mode++)
            for (size_t i = 0; !r && i < n_flags; i++)
                r = dump_body(d, type, mode, flags[i], s);
    return r;
}

static int dump_state(struct dump *d, enum extension_state state, enum presence_state presence,
                      const char *extension)
{
    const struct snapshot_spec spec = {
        .state = state,
        .presence = presence,
        .context = STR("users"),
        .extension = str_of(extension),
        .hint_name = STR("Alice <&> Smith"),
        .presence_subtype = presence % 2 ? STR("\"busy\"") : STR_EMPTY,
        .presence_message = presence % 3 ? STR("back at 5 & <later>\r\n\x01") : STR_EMPTY,
    };
    struct snapshot *s;
    int r = snapshot_create(&s, &spec);

    if (r)
        return r;
    r = dump_snapshot(d, s, N_FLAGS);
    snapshot_unref(s);
    return r;
}

/* Something published for a name, with a hint or without. */
static int dump_published(struct dump *d, const char *extension, bool has_hint,
                          enum extension_state state, struct event_state *published)
{
    struct snapshot_spec spec = { .state = state,
                                  .has_hint = has_hint,
                                  .hint_state = has_hint ? state : EXTENSION_UNAVAILABLE,
                                  .published = published,
                                  .extension = str_of(extension) };
    struct snapshot *s;
    int r = snapshot_create(&s, &spec);

    if (r)
        return r;
    r = dump_snapshot(d, s, 2);
    snapshot_unref(s);
    return r;
}

/* Every hint, and none, and every name. */
static int dump_names(struct dump *d, struct event_state *published)
{
    int r = dump_published(d, extensions[0], false, EXTENSION_INUSE, published);

    for (size_t i = 0; !r && i < ARRAY_LEN(states); i++)
        r = dump_published(d, extensions[0], true, states[i], published);
    for (size_t i = 1; !r && i < ARRAY_LEN(extensions); i++)
        r = dump_published(d, extensions[i], true, EXTENSION_RINGING, published);
    return r;
}

/* Any number of dialogs, and every presence, with dialogs and without. */
static int dump_publications(struct dump *d)
{
    struct event_state *s;
    int r = event_state_create(&s);

    if (r)
        return r;
    s->has_dialogs = true;
    s->dialogs = dialogs;
    for (size_t i = 0; !r && i <= ARRAY_LEN(dialogs); i++) {
        s->n_dialogs = i;
        r = dump_names(d, s);
    }
    s->has_presence = true;
    for (size_t i = 0; !r && i < 2 * ARRAY_LEN(presences); i++) {
        s->has_dialogs = i % 2;
        s->presence = presences[i / 2];
        r = dump_names(d, s);
    }
    event_state_unref(s);
    return r;
}

/* Every state with every presence state, and every name with every state. */
static int dump_all(struct dump *d)
{
    int r = 0;

    for (size_t i = 0; !r && i < ARRAY_LEN(states); i++) {
        for (unsigned p = 0; !r && p < PRESENCE_STATES; p++)
            r = dump_state(d, states[i], (enum presence_state)p, extensions[0]);
        for (size_t k = 1; !r && k < ARRAY_LEN(extensions); k++)
            r = dump_state(d, states[i], PRESENCE_DND, extensions[k]);
    }
    return r;
}

/* Nobody, and any number of watchers, in full and in part. */
static int dump_watcher_list(struct dump *d, const struct body_profile *full,
                             const struct body_profile *partial, struct event_state *published)
{
    const struct snapshot_spec spec = { .package = STR("presence.winfo"),
                                        .extension = str_of(extensions[0]),
                                        .published = published };
    struct snapshot *s;
    int r = snapshot_create(&s, &spec);

    if (r)
        return r;
    r = dump_profile(d, full, "watcherinfo", "default", s);
    if (!r)
        r = dump_profile(d, partial, "watcherinfo", "default", s);
    snapshot_unref(s);
    return r;
}

static int dump_watchers(struct dump *d)
{
    const struct es_subscriber subscriber = { .package = ES_TEXT(BODY_TEMPLATE) };
    const struct body_profile *full, *partial;
    struct event_state *s = NULL;
    int r = body_choose(d->registry, &subscriber, STR("application/watcherinfo+xml"), 0, &full);

    if (!r)
        r = body_profile_with(full, ES_FLAG_PARTIAL, &partial);
    if (!r)
        r = event_state_create(&s);
    if (r)
        return -EIO;
    r = dump_watcher_list(d, full, partial, NULL);
    s->has_watchers = true;
    s->watchers = watchers;
    for (size_t i = 0; !r && i <= ARRAY_LEN(watchers); i++) {
        s->n_watchers = i;
        r = dump_watcher_list(d, full, partial, s);
    }
    event_state_unref(s);
    return r;
}

int main(int argc, char **argv)
{
    struct dump d = { .number = 0 };
    int r;

    if (argc != 2)
        return 2;
    d.directory = argv[1];
    rng_init_seeded(&d.rng, 1);
    r = body_registry_create(&d.registry, NULL, NULL);
    if (!r)
        r = dump_all(&d);
    if (!r)
        r = dump_publications(&d);
    if (!r)
        r = dump_watchers(&d);
    body_registry_unref(d.registry);
    if (r)
        fprintf(stderr, "body_dump: %s\n", strerror(-r));
    return r ? 1 : 0;
}
