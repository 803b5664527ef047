// SPDX-License-Identifier: MIT
#include "feed/change_json.h"

#include "state/device.h"
#include "state/event_state.h"
#include "state/list_state.h"

enum { CHANGED_MAX = 20 }; /* members of a list that are named */

/* ---- names ---- */

void change_print_resource(struct buf *out, struct str context, struct str extension)
{
    buf_add(out, extension);
    if (context.n)
        buf_add_char(out, '@');
    buf_add(out, context);
}

struct str change_uri_user(struct str uri)
{
    struct str rest = str_sub(uri, str_find_char(uri, ':') + 1, uri.n);
    size_t at = str_find_char(rest, '@');

    return at < rest.n ? str_sub(rest, 0, at) : STR_EMPTY;
}

static void print_asked(struct buf *out, const struct change_subscription *s)
{
    struct str user = change_uri_user(s->uri);

    if (user.n && s->context.n)
        change_print_resource(out, s->context, user);
    else
        buf_add(out, user);
}

void change_print_name(const struct change *c, struct buf *out)
{
    switch (c->kind) {
    case CHANGE_DEVICE:
        buf_add(out, c->device.device);
        return;
    case CHANGE_PRESENCE:
        buf_add(out, c->presence.provider);
        return;
    case CHANGE_MAILBOX:
        buf_add(out, c->mailbox.mailbox);
        return;
    case CHANGE_SOURCE:
        buf_add(out, c->source.source);
        return;
    case CHANGE_CONTACT:
        buf_add(out, c->contact.aor);
        return;
    case CHANGE_ENDPOINT:
        buf_add(out, c->endpoint.endpoint);
        return;
    case CHANGE_PUBLICATION:
        change_print_resource(out, c->publication.context, c->publication.extension);
        return;
    default:
        break;
    }
    if (c->snapshot)
        change_print_resource(out, c->snapshot->context, c->snapshot->extension);
    else if (c->kind == CHANGE_SUBSCRIPTION || c->kind == CHANGE_REFUSAL)
        print_asked(out, &c->subscription);
}

/* ---- members ---- */

static void add_given(struct json *out, const char *key, struct str text)
{
    if (text.n)
        json_add_str(out, key, text);
}

static void add_uri(struct json *out, const char *key, struct str uri)
{
    if (uri.n)
        json_add_masked(out, key, uri);
}

static void add_counted(struct json *out, const char *key, uint64_t n)
{
    if (n)
        json_add_u64(out, key, n);
}

static void add_resource(struct json *out, struct str context, struct str extension)
{
    char room[512];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    change_print_resource(&name, context, extension);
    json_add_str(out, "resource", buf_str(&name));
}

static void add_address(struct json *out, const char *key, const struct addr *a)
{
    struct buf text;
    char room[80];

    if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
        return;
    buf_init_on(&text, room, sizeof(room));
    addr_print(&text, a);
    json_add_str(out, key, buf_str(&text));
}

static struct str state_text(const struct snapshot *s)
{
    return s->state == EXTENSION_REMOVED ? STR("removed") : extension_state_text(s->state);
}

static const struct list_state *list_of(const struct snapshot *s)
{
    return s && s->published && s->published->has_list ? s->published->list : NULL;
}

void change_print_contents(const struct snapshot *s, struct json *out)
{
    const struct event_state *e = s->published;

    if (e && e->has_messages) {
        json_add_u64(out, "new", e->messages.counts[ES_MESSAGES_VOICE].new_count);
        json_add_u64(out, "old", e->messages.counts[ES_MESSAGES_VOICE].old_count);
    }
    if (list_of(s))
        json_add_u64(out, "members", list_of(s)->n);
}

/* Does the list show just that of it? Most have it in the same place. */
static bool item_is_in(const struct list_state *l, size_t at, const struct list_item *item)
{
    for (size_t n = 0; n < l->n; n++) {
        const struct list_item *other = &l->items[(at + n) % l->n];

        if (str_equal(other->user, item->user))
            return other->snapshot == item->snapshot;
    }
    return false;
}

/* The members that show something else than before; none when it is told first. */
static void add_changed(struct json *out, const struct snapshot *now, const struct snapshot *former)
{
    const struct list_state *l = list_of(now), *before = list_of(former);
    unsigned told = 0;

    if (!l || !before)
        return;
    json_add_array(out, "changed");
    for (size_t i = 0; i < l->n && told < CHANGED_MAX; i++)
        if (!item_is_in(before, i, &l->items[i])) {
            json_add_str(out, NULL, l->items[i].user);
            told++;
        }
    json_end_array(out);
}

/* What a lamp shows by it. */
static void add_shown(struct json *out, const struct snapshot *s)
{
    add_resource(out, s->context, s->extension);
    add_given(out, "package", s->package);
    json_add_u64(out, "sequence", s->sequence);
    if (!s->package.n || s->state == EXTENSION_REMOVED)
        json_add_str(out, "state", state_text(s));
    if (s->presence != PRESENCE_NOT_SET)
        json_add_str(out, "presence", presence_state_name(s->presence));
    add_given(out, "subtype", s->presence_subtype);
    add_given(out, "message", s->presence_message);
    change_print_contents(s, out);
}

static void print_device(const struct change_device *d, struct json *out)
{
    json_add_str(out, "device", d->device);
    json_add_str(out, "state", device_state_name(d->state));
    json_add_str(out, "former", device_state_name(d->former));
    add_given(out, "by", d->source);
    if (d->says)
        json_add_str(out, "said", device_state_name(d->said));
    else
        json_add_null(out, "said");
}

static void print_presence(const struct change_presence *p, struct json *out)
{
    json_add_str(out, "provider", p->provider);
    json_add_str(out, "state", presence_state_name(p->state));
    add_given(out, "subtype", p->subtype);
    add_given(out, "message", p->message);
}

static void print_snapshot(const struct change *c, struct json *out)
{
    const struct snapshot *s = c->snapshot;

    add_shown(out, s);
    if (c->former && !s->package.n)
        json_add_str(out, "former", state_text(c->former));
    if (s->has_hint)
        json_add_str(out, "hint", s->hint);
    if (s->has_hint && s->published)
        json_add_str(out, "hint_state", extension_state_text(s->hint_state));
    json_add_bool(out, "published", s->published != NULL);
    if (s->stale)
        json_add_bool(out, "stale", true);
    add_counted(out, "since_ms", s->since_wall_ms);
    add_changed(out, s, c->former);
}

static void print_mailbox(const struct change_mailbox *m, struct json *out)
{
    json_add_str(out, "mailbox", m->mailbox);
    add_given(out, "by", m->source);
    json_add_bool(out, "exists", m->exists);
    json_add_u64(out, "new", m->new_count);
    json_add_u64(out, "old", m->old_count);
}

static void print_publication(const struct change_publication *p, struct json *out)
{
    json_add_str(out, "what", publication_change_name(p->what));
    add_resource(out, p->context, p->extension);
    json_add_str(out, "event", p->package);
    json_add_str(out, "publisher", p->publisher);
    add_given(out, "content_type", p->content_type);
    add_given(out, "entity_tag", p->entity_tag);
    add_given(out, "call_id", p->call_id);
    json_add_u64(out, "expires_s", p->expires_s);
    json_add_u64(out, "status", p->status);
    add_given(out, "why", p->why);
}

static void print_watcher(const struct change_watcher *w, struct json *out)
{
    json_add_str(out, "endpoint", w->endpoint);
    json_add_str(out, "event", w->package);
    add_uri(out, "contact", w->contact);
    add_address(out, "remote", &w->remote);
    json_add_str(out, "call_id", w->call_id);
}

static void print_subscription(const struct change *c, struct json *out)
{
    const struct change_subscription *s = &c->subscription;

    json_add_str(out, "what", subscription_change_name(s->what));
    if (c->snapshot)
        add_resource(out, c->snapshot->context, c->snapshot->extension);
    else if (s->context.n && change_uri_user(s->uri).n)
        add_resource(out, s->context, change_uri_user(s->uri));
    add_uri(out, "uri", s->uri);
    add_uri(out, "from", s->from);
    print_watcher(&s->watcher, out);
    add_given(out, "user_agent", s->user_agent);
    add_counted(out, "status", s->status);
    add_given(out, "why", s->why);
    if (c->kind == CHANGE_SUBSCRIPTION)
        json_add_u64(out, "expires_s", s->expires_s);
}

static void print_notify(const struct change *c, struct json *out)
{
    const struct change_notify *n = &c->notify;

    json_add_str(out, "what", exchange_change_name(n->what));
    if (c->snapshot)
        add_shown(out, c->snapshot);
    print_watcher(&n->watcher, out);
    json_add_u64(out, "cseq", n->cseq);
    if (n->what != EXCHANGE_SENT) {
        json_add_u64(out, "status", n->status);
        json_add_u64(out, "took_ms", n->took_ms);
    }
    if (n->caused)
        json_add_u64(out, "late_ms", n->late_ms);
    add_counted(out, "coalesced", n->coalesced);
    if (n->last)
        json_add_bool(out, "last", true);
}

static void print_publish(const struct change *c, struct json *out)
{
    const struct change_publish *p = &c->publish;

    json_add_str(out, "what", exchange_change_name(p->what));
    json_add_str(out, "step", publish_step_name(p->step));
    if (c->snapshot)
        add_shown(out, c->snapshot);
    json_add_str(out, "section", p->section);
    json_add_str(out, "event", p->package);
    json_add_masked(out, "server", p->server);
    add_given(out, "entity_tag", p->entity_tag);
    json_add_u64(out, "cseq", p->cseq);
    if (p->what != EXCHANGE_SENT) {
        json_add_u64(out, "status", p->status);
        add_given(out, "reason", p->reason);
        json_add_u64(out, "took_ms", p->took_ms);
    }
    add_counted(out, "coalesced", p->coalesced);
}

static void print_contact(const struct change_contact *c, struct json *out)
{
    json_add_str(out, "aor", c->aor);
    json_add_masked(out, "contact", c->contact);
    json_add_str(out, "what", contact_change_name(c->what));
    if (c->added)
        json_add_bool(out, "added", true);
    add_given(out, "endpoint", c->endpoint);
    if (c->what == CONTACT_CHANGE_REACHABLE)
        json_add_u64(out, "rtt_ms", c->rtt_ms);
}

static void print_endpoint(const struct change_endpoint *e, struct json *out)
{
    json_add_str(out, "endpoint", e->endpoint);
    json_add_bool(out, "reachable", e->reachable);
}

static void print_source(const struct change_source *s, struct json *out)
{
    json_add_str(out, "name", s->source);
    add_given(out, "protocol", s->protocol);
    json_add_bool(out, "up", s->up);
    json_add_bool(out, "stale", s->stale);
    add_given(out, "why", s->why);
}

static void print_lost(const struct change_lost *l, struct json *out)
{
    json_add_u64(out, "n", l->n);
    json_add_array(out, "kinds");
    for (unsigned k = 0; k < CHANGE_KINDS; k++)
        if (l->kinds & CHANGE_BIT(k))
            json_add_str(out, NULL, change_kind_name((enum change_kind)k));
    json_end_array(out);
}

void change_print_json(const struct change *c, struct json *out)
{
    json_add_u64(out, "at_ms", c->wall_ms);
    json_add_str(out, "kind", change_kind_name(c->kind));
    add_counted(out, "cause", c->cause.number);
    add_given(out, "source", c->cause.source);
    if (c->cause.away)
        json_add_u64(out, "away_s", c->cause.grace_s);
    switch (c->kind) {
    case CHANGE_DEVICE:
        print_device(&c->device, out);
        break;
    case CHANGE_PRESENCE:
        print_presence(&c->presence, out);
        break;
    case CHANGE_SNAPSHOT:
        print_snapshot(c, out);
        break;
    case CHANGE_MAILBOX:
        print_mailbox(&c->mailbox, out);
        break;
    case CHANGE_PUBLICATION:
        print_publication(&c->publication, out);
        break;
    case CHANGE_SUBSCRIPTION:
    case CHANGE_REFUSAL:
        print_subscription(c, out);
        break;
    case CHANGE_NOTIFY:
        print_notify(c, out);
        break;
    case CHANGE_PUBLISH:
        print_publish(c, out);
        break;
    case CHANGE_SOURCE:
        print_source(&c->source, out);
        break;
    case CHANGE_CONTACT:
        print_contact(&c->contact, out);
        break;
    case CHANGE_ENDPOINT:
        print_endpoint(&c->endpoint, out);
        break;
    case CHANGE_LOST:
        print_lost(&c->lost, out);
        break;
    case CHANGE_KINDS:
        break;
    }
}
