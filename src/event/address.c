// SPDX-License-Identifier: MIT
/* What a Request-URI names: an extension of the subscriber's context, somebody in a domain that a
 * compositor serves, or a mailbox; and the watchers of one of them. */
#include "event/event_internal.h"
#include "state/list_state.h"

bool package_is_extension(struct str package)
{
    return str_equal_nocase(package, STR("dialog")) || str_equal_nocase(package, STR("presence"));
}

bool package_is_messages(struct str package)
{
    return str_equal_nocase(package, STR("message-summary"));
}

/* As the list spells it, or empty. */
static struct str list_find(const struct str *list, size_t n, struct str word)
{
    for (size_t i = 0; i < n; i++)
        if (str_equal_nocase(list[i], word))
            return list[i];
    return STR_EMPTY;
}

/* The compositor that serves this package for the domain of the Request-URI; `*spelling` is the
 * package as it is configured. */
static const struct compositor_settings *compositor_of(const struct address *at, struct str package,
                                                       struct str *spelling)
{
    const struct compositor_settings *c = settings_compositor(at->settings, at->host);

    if (!c)
        return NULL;
    *spelling = list_find(c->packages, c->n_packages, package);
    if (!spelling->n)
        *spelling = list_find(c->opaques, c->n_opaques, package);
    return spelling->n ? c : NULL;
}

struct str package_of_bodies(const struct notifier *n, struct str package)
{
    if (winfo_watched(package).n)
        return STR(BODY_TEMPLATE);
    return body_package_known(n->cfg.bodies, package) ? package : STR(BODY_OPAQUE);
}

/* Watchers can be asked for of every package that is one itself; not the watchers of watchers. */
bool package_is_served(const struct address *at, struct str package)
{
    struct str spelling, watched = winfo_watched(package);

    if (watched.n)
        package = watched;
    return package_is_extension(package) || package_is_messages(package) ||
           compositor_of(at, package, &spelling);
}

/* ---- mailboxes: the resource is an AOR, or several ---- */

/* Many telephones subscribe to the number they call to hear their messages. */
static struct str aor_of_number(const struct address *at, struct str user)
{
    for (size_t i = 0; i < at->endpoint->n_aors; i++) {
        const struct aor_settings *a = settings_aor(at->settings, at->endpoint->aors[i]);

        if (a && a->mailboxes.n && str_equal_nocase(a->voicemail_extension, user))
            return a->id;
    }
    return user;
}

/* Without a user part those of all AORs that the endpoint has. */
static struct str mailbox_owner(const struct address *at, struct str user)
{
    const struct mailbox_group *own = settings_endpoint_group(at->settings, at->endpoint->id);

    if (user.n)
        return aor_of_number(at, user);
    return own ? own->name : STR_EMPTY;
}

/* ---- resource lists ---- */

static const struct resource_list_settings *list_at(const struct address *at, struct str package,
                                                    struct str user)
{
    return at->lists && user.n ? settings_resource_list(at->settings, user, package) : NULL;
}

/* Its items are names of the same context that it would be one of itself. */
static void list_resolve(struct watched_name *out, const struct resource_list_settings *list,
                         const struct compositor_settings *c, struct buf *room)
{
    buf_add(room, list->event);
    buf_add(room, STR(LIST_SUFFIX));
    out->name.package = buf_str(room);
    out->name.extension = list->id;
    if (c)
        out->served = c->context;
}

/* ---- all of them ---- */

static bool is_known(const struct settings *s, struct str user)
{
    return settings_endpoint(s, user) || settings_aor(s, user);
}

struct str address_package(const struct address *at, struct str package, struct buf *room)
{
    struct str watched = winfo_watched(package), spelling = STR_EMPTY;
    struct str of = watched.n ? watched : package;

    if (package_is_extension(of))
        spelling = str_equal_nocase(of, STR("dialog")) ? STR("dialog") : STR("presence");
    else if (!compositor_of(at, of, &spelling))
        spelling = STR("message-summary");
    if (!watched.n)
        return package_is_extension(of) ? STR_EMPTY : spelling;
    buf_add(room, spelling);
    buf_add(room, STR(WINFO_SUFFIX));
    return buf_str(room);
}

/* A domain that a section names is its context's, whoever asks. Where any domain will do, the
 * subscriber's own dialplan is asked first. */
bool address_resolve(struct watched_name *out, const struct address *at, struct str package,
                     struct str user, struct buf *room)
{
    struct str spelling, watched = winfo_watched(package);
    struct str of = watched.n ? watched : package;
    const struct compositor_settings *c = compositor_of(at, of, &spelling);
    bool extension = package_is_extension(of);
    const struct resource_list_settings *list = list_at(at, package, user);

    if (at->list_only && !list)
        return false;
    *out = (struct watched_name){ .name = { .extension = user } };
    if (!list)
        out->name.package = address_package(at, package, room);
    if (extension)
        out->name.context = at->endpoint->context;
    if (package_is_messages(of) && !list)
        out->name.extension = mailbox_owner(at, user);
    if (c && (c->n_domains || !extension))
        out->name.context = c->context;
    if (list)
        list_resolve(out, list, c, room);
    else if (c && (c->any_user || is_known(at->settings, user)))
        out->served = c->context;
    return out->name.extension.n > 0 && !room->error;
}

bool address_again(struct watched_name *out, const struct subscription *s, struct buf *room)
{
    const struct notifier *n = s->dialog->notifier;
    const struct address at = { n->settings,
                                settings_endpoint(n->settings, dialog_endpoint(s->dialog)),
                                sub_text(s, SUB_HOST), s->list, s->list };
    struct str package = sub_package(s);

    return at.endpoint && package_is_served(&at, package) &&
           address_resolve(out, &at, package, sub_text(s, SUB_USER), room);
}
