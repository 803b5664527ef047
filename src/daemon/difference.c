// SPDX-License-Identifier: MIT
#include "daemon/difference.h"

#include "publisher/publisher.h"

struct telling {
    ctl_change_fn each;
    void *ctx;
};

/* ---- objects ---- */

static void on_setting(void *ctx, const struct settings_change *c)
{
    static const char *const words[] = { "added", "removed", "changed" };
    const struct telling *t = ctx;

    t->each(t->ctx,
            &(struct ctl_change){
                .kind = c->kind, .name = c->id, .change = words[c->what], .options = c->options });
}

/* ---- hints ---- */

static void on_dialplan(void *ctx, const struct dialplan_change *c)
{
    static const char *const kinds[] = { [DIALPLAN_GLOBAL] = "global variable",
                                         [DIALPLAN_INCLUDES] = "includes of context",
                                         [DIALPLAN_AUTOHINTS] = "autohints of context",
                                         [DIALPLAN_HINT] = "hint",
                                         [DIALPLAN_NAME] = "name of hint" };
    const struct telling *t = ctx;
    char room[256];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_add(&name, c->extension);
    if (c->extension.n && c->context.n)
        buf_add_char(&name, '@');
    buf_add(&name, c->context);
    t->each(t->ctx, &(struct ctl_change){ .kind = kinds[c->kind],
                                          .name = buf_str(&name),
                                          .change = c->added     ? "added"
                                                    : c->removed ? "removed"
                                                                 : "changed",
                                          .was = c->was,
                                          .is = c->is });
}

/* ---- publications ---- */

struct side { /* one section, before or after; `settings` NULL: it is not there */
    const struct publish_settings *settings;
    const struct dialplan *dialplan;
};

static struct side side_of(const struct configuration *c, struct str id)
{
    const struct publish_settings *ps = settings_publish(c->settings, id);

    return (struct side){ ps && publisher_serves(ps) ? ps : NULL, c->dialplan };
}

static bool publishes(const struct side *s, struct str context, const struct hint_entry *e)
{
    const struct dialplan_context *c =
        s->settings ? dialplan_context_find(s->dialplan, context) : NULL;

    return c && dialplan_hint_has(c, e) && publisher_matches(s->settings, context, e->extension);
}

/* Of the hints of `of` that are no patterns: how many does `one` publish, and how many of those
 * `other`, too? */
static void count(const struct side *of, const struct side *other, size_t *all, size_t *both)
{
    *all = *both = 0;
    for (const struct dialplan_context *c = NULL;
         of->settings && (c = dialplan_context_next(of->dialplan, c));) {
        struct str context = dialplan_context_name(c);

        for (const struct hint_entry *e = NULL; (e = dialplan_hint_next(c, e)) && !e->pattern;) {
            if (!publisher_matches(of->settings, context, e->extension))
                continue;
            ++*all;
            *both += publishes(other, context, e);
        }
    }
}

static void tell_publications(const struct telling *t, struct str id, const char *change, size_t n,
                              bool uncounted)
{
    if (n || uncounted)
        t->each(t->ctx, &(struct ctl_change){ .kind = "publications of outbound-publish",
                                              .name = id,
                                              .change = change,
                                              .counted = !uncounted,
                                              .count = n });
}

/* Devices and mailboxes are published as they come: nobody can count them here. */
static void section_tell(const struct telling *t, const struct configuration *from,
                         const struct configuration *to, struct str id)
{
    struct side was = side_of(from, id), is = side_of(to, id);
    const struct publish_settings *any = is.settings ? is.settings : was.settings;
    bool same, devices;
    size_t before, after, both;

    if (!any)
        return;
    devices = asterisk_package_known(any->event);
    same = was.settings && is.settings &&
           publisher_same_target(from->settings, was.settings, to->settings, is.settings);
    count(&was, &is, &before, &both);
    count(&is, &was, &after, &both);
    if (devices)
        before = after = both = 0;
    tell_publications(t, id, "start", after - both, devices && !was.settings);
    tell_publications(t, id, "stop", before - both, devices && !is.settings);
    tell_publications(t, id, "restart", same ? 0 : both,
                      devices && was.settings && is.settings && !same);
}

void difference_tell(const struct configuration *from, const struct configuration *to,
                     ctl_change_fn each, void *ctx)
{
    struct telling t = { each, ctx };

    settings_compare(from->settings, to->settings, on_setting, &t);
    if (from->bodies != to->bodies)
        settings_compare_plugins(from->bodies_of, to->bodies_of, on_setting, &t);
    dialplan_changes(to->dialplan, from->dialplan, on_dialplan, &t);
    for (size_t i = 0; i < to->settings->n_publishes; i++)
        section_tell(&t, from, to, to->settings->publishes[i].id);
    for (size_t i = 0; i < from->settings->n_publishes; i++)
        if (!settings_publish(to->settings, from->settings->publishes[i].id))
            section_tell(&t, from, to, from->settings->publishes[i].id);
}
