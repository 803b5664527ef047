// SPDX-License-Identifier: MIT
/* body_dump DIRECTORY - writes every body that the built-in generators make into files
 * TYPE.MODE.NUMBER.xml, for check_schemas.py. Modes: "default"; "digium", the same for a telephone
 * of that name; "asterisk", Asterisk's form. */
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

/* One document: which of everything it is for. */
struct dump {
    const char *directory;
    struct body_registry *registry;
    struct rng rng;
    unsigned number;
};

static int write_file(const struct dump *d, size_t type, size_t mode, struct str text)
{
    char path[4096];
    struct buf b;
    FILE *f;
    bool ok;

    buf_init_on(&b, path, sizeof(path));
    buf_printf(&b, "%s/%s.%s.%05u.xml", d->directory, types[type].name, modes[mode].name,
               d->number);
    buf_add_char(&b, '\0');
    f = b.error ? NULL : fopen(path, "w");
    if (!f)
        return -EIO;
    ok = fwrite(text.p, 1, text.n, f) == text.n;
    return fclose(f) == 0 && ok ? 0 : -EIO;
}

static int dump_body(struct dump *d, size_t type, size_t mode, unsigned flags,
                     const struct snapshot *s)
{
    const struct body_slots slots = { d->number, STR("sip:a&amp;b%20c@pbx.example:5160"),
                                      STR("sip:bob@pbx.example") };
    const struct es_subscriber subscriber = { .package = ES_TEXT("presence"),
                                              .user_agent = es_text_of(modes[mode].user_agent) };
    const struct body_profile *profile;
    const struct rendered_body *body;
    struct buf out;
    int r;

    r = body_choose(d->registry, &subscriber, str_of(types[type].content_type),
                    modes[mode].flags | flags, &profile);
    if (!r)
        r = body_render(profile, s, &d->rng, &body);
    if (r)
        return -EIO;
    buf_init(&out, 1 << 17);
    body_print(body, &slots, &out);
    r = out.error ? out.error : write_file(d, type, mode, buf_str(&out));
    buf_fini(&out);
    d->number++;
    return r;
}

static int dump_snapshot(struct dump *d, const struct snapshot *s)
{
    /* What an endpoint or the configuration can ask for, and a PUBLISH. */
    static const unsigned flags[] = { 0, ES_FLAG_EARLY_INUSE_RINGING, ES_FLAG_REMOVED_IS_IDLE,
                                      ES_FLAG_PUBLISH };
    int r = 0;

    for (size_t type = 0; !r && type < ARRAY_LEN(types); type++)
        for (size_t mode = 0; !r && mode < ARRAY_LEN(modes); mode++)
            for (size_t i = 0; !r && i < ARRAY_LEN(flags); i++)
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
    r = dump_snapshot(d, s);
    snapshot_unref(s);
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

int main(int argc, char **argv)
{
    struct dump d = { .number = 0 };
    int r;

    if (argc != 2)
        return 2;
    d.directory = argv[1];
    rng_init_seeded(&d.rng, 1);
    r = body_registry_create(&d.registry, NULL, NULL, 0, NULL);
    if (!r)
        r = dump_all(&d);
    body_registry_destroy(d.registry);
    if (r)
        fprintf(stderr, "body_dump: %s\n", strerror(-r));
    return r ? 1 : 0;
}
