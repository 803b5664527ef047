// SPDX-License-Identifier: MIT
/* Subscriptions to resource lists, RFC 4662: what a list shows to one subscriber, and the
 * multipart/related body that tells it. An item's body is that which a subscription of its own
 * would get, rendered once for all of them; nothing of a list is rendered and kept. */
#include "body/shown.h"
#include "body/sphere.h"
#include "event/event_internal.h"
#include "state/list_state.h"

#include <stdlib.h>

/* ---- what is shown ---- */

static const struct list_state *list_of(const struct snapshot *snap)
{
    static const struct list_state nothing = { .n = 0 };

    return snap->published && snap->published->has_list ? snap->published->list : &nothing;
}

static bool is_restricted(const struct settings *s)
{
    return s->authorization->n_rules || s->limits_watching ||
           s->authorization->otherwise != WATCHER_ALLOW;
}

/* What the rules say of an item, as of a subscription to it. `*made` is to be given back when the
 * item is not needed any more. */
static int item_judge(const struct subscription *s, struct list_item *item, struct snapshot **made)
{
    const struct notifier *n = s->dialog->notifier;
    const struct snapshot *of = item->snapshot, *shown;
    struct str sphere = STR_EMPTY;
    struct view *view = NULL;
    char room[XML_NAME_MAX];
    int r = 0;

    if (n->settings->authorization->ask_spheres)
        r = sphere_of(&sphere, of->published, room);
    if (r)
        return -ENOMEM;
    switch (settings_authorize(
        n->settings,
        &(struct watcher_question){ .endpoint = dialog_endpoint(s->dialog),
                                    .uri = head_str(s->dialog->head, HEAD_REMOTE_URI),
                                    .package = sub_package(s),
                                    .context = of->context,
                                    .extension = of->extension,
                                    .sphere = sphere,
                                    .wall_ms = clock_wall_ms(n->cfg.clock) },
        &view)) {
    case WATCHER_ALLOW:
        if (view)
            r = snapshot_shown(&shown, of, view);
        if (view && !r)
            item->snapshot = shown;
        break;
    case WATCHER_CONFIRM:
        item->standing = LIST_ITEM_PENDING;
        break;
    case WATCHER_POLITE_BLOCK:
        r = stand_in_make(made, of, EXTENSION_UNAVAILABLE);
        item->snapshot = *made;
        break;
    case WATCHER_BLOCK:
        item->standing = LIST_ITEM_REJECTED;
        break;
    case WATCHER_UNDECIDED:
        r = -ENOMEM;
        break;
    }
    view_unref(view);
    return r;
}

/* The list as this subscriber may see it. */
static int list_make(const struct snapshot **out, const struct subscription *s,
                     const struct snapshot *whole)
{
    const struct list_state *all = list_of(whole);
    struct list_item *items = calloc(all->n + 1, sizeof(*items));
    struct snapshot **neutral = calloc(all->n + 1, sizeof(struct snapshot *));
    struct list_spec spec = {
        .full_state = all->full_state, .batch_ms = all->batch_ms, .items = items, .n = all->n
    };
    struct event_state *state = NULL;
    struct list_state *list = NULL;
    struct snapshot *made = NULL;
    int r = items && neutral ? 0 : -ENOMEM;

    for (size_t i = 0; !r && i < all->n; i++) {
        items[i] = all->items[i];
        if (items[i].snapshot)
            r = item_judge(s, &items[i], &neutral[i]);
    }
    if (!r)
        r = list_state_create(&list, &spec);
    if (!r)
        r = event_state_create(&state);
    if (!r) {
        state->has_list = true;
        state->list = list_state_ref(list);
        r = snapshot_create(&made,
                            &(struct snapshot_spec){ .resource_id = whole->resource_id,
                                                     .sequence = whole->sequence,
                                                     .changed_wall_ms = whole->changed_wall_ms,
                                                     .cause = whole->cause,
                                                     .state = whole->state,
                                                     .hint_state = whole->hint_state,
                                                     .published = state,
                                                     .package = whole->package,
                                                     .context = whole->context,
                                                     .extension = whole->extension });
    }
    event_state_unref(state);
    list_state_unref(list);
    for (size_t i = 0; neutral && i < all->n; i++)
        snapshot_unref(neutral[i]);
    free(neutral);
    free(items);
    if (!r)
        *out = made;
    return r;
}

void list_view_forget(struct notifier *n)
{
    snapshot_unref(n->list_view.whole);
    snapshot_unref(n->list_view.shown);
    n->list_view = (struct list_view){ .number = 0 };
}

const struct snapshot *list_view(const struct subscription *s, const struct snapshot *whole)
{
    struct notifier *n = s->dialog->notifier;
    struct list_view *v = &n->list_view;
    const struct snapshot *shown;

    if (!is_restricted(n->settings))
        return whole;
    if (v->whole == whole && v->number == s->number && v->generation == n->generation)
        return v->shown;
    if (list_make(&shown, s, whole))
        return NULL;
    if (s->sent && s->sent->published && s->sent->published->has_list &&
        s->sent->resource_id == whole->resource_id &&
        list_state_equal(list_of(s->sent), list_of(shown))) {
        snapshot_unref(shown); /* what has changed she does not see */
        shown = snapshot_ref(s->sent);
    }
    list_view_forget(n);
    *v = (struct list_view){ .number = s->number,
                             .generation = n->generation,
                             .whole = snapshot_ref(whole),
                             .shown = shown };
    return shown;
}

uint32_t list_batch_ms(const struct subscription *s)
{
    return list_of(s->resource->newest)->batch_ms;
}

/* ---- what it comes to ---- */

static int item_body(const struct subscription *s, const struct body_profile *p,
                     const struct list_item *item, const struct rendered_body **out)
{
    return body_render(p, item->snapshot, s->dialog->notifier->cfg.rng, out);
}

static bool has_body(const struct list_item *item)
{
    return item->snapshot && item->standing == LIST_ITEM_SHOWN;
}

static uint64_t mix(uint64_t digest, uint64_t word)
{
    digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return digest ^ digest >> 29;
}

static uint64_t mix_text(uint64_t digest, struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        digest = mix(digest, (unsigned char)s.p[i]);
    return mix(digest, s.n);
}

/* Of equal items equal, in every process. */
static int item_digest(const struct subscription *s, const struct body_profile *p,
                       const struct list_item *item, uint64_t *out)
{
    uint64_t digest = mix_text(mix_text(item->standing, item->user), item->name);
    const struct rendered_body *body;
    int r = 0;

    digest = mix(digest, (uint64_t)item->level << 1 | item->is_list);
    if (has_body(item)) {
        r = item_body(s, p, item, &body);
        if (!r)
            digest = mix(digest, body_digest(body));
    }
    *out = digest;
    return r;
}

int list_digest(const struct subscription *s, const struct body_profile *p,
                const struct snapshot *snap, uint64_t *out)
{
    const struct list_state *l = list_of(snap);
    uint64_t digest = UINT64_C(0xcbf29ce484222325), item;
    int r = 0;

    for (size_t i = 0; !r && i < l->n; i++) {
        r = item_digest(s, p, &l->items[i], &item);
        digest = mix(digest, item);
    }
    *out = digest;
    return r;
}

/* ---- the body ---- */

struct telling { /* of one NOTIFY */
    const struct subscription *s;
    const struct body_profile *profile;
    const struct list_state *is, *was; /* was: what she shows; NULL: everything is told */
    struct buf *out;
    int error;
};

/* The same items at the same places. */
static bool same_shape(const struct list_state *a, const struct list_state *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->items[i].level != b->items[i].level || a->items[i].is_list != b->items[i].is_list ||
            !str_equal(a->items[i].user, b->items[i].user))
            return false;
    return true;
}

/* Where what is in the list at `i` ends. */
static size_t end_of(const struct list_state *l, size_t i)
{
    size_t end = i + 1;

    while (l->items[i].is_list && end < l->n && l->items[end].level > l->items[i].level)
        end++;
    return end;
}

static bool item_is_told(struct telling *t, size_t i)
{
    const struct list_item *is = &t->is->items[i], *was;
    uint64_t a = 0, b = 0;
    int r;

    if (!t->was)
        return true;
    was = &t->was->items[i];
    if (is->snapshot == was->snapshot && is->standing == was->standing &&
        str_equal(is->name, was->name))
        return false;
    r = item_digest(t->s, t->profile, is, &a);
    if (!r)
        r = item_digest(t->s, t->profile, was, &b);
    if (r)
        t->error = r;
    return r || a != b;
}

static bool is_told(struct telling *t, size_t i)
{
    for (size_t at = i, end = end_of(t->is, i); at < end; at++)
        if (item_is_told(t, at))
            return true;
    return false;
}

/* As she has named the list, with another user part; escaped. */
static void print_uri(struct telling *t, struct str user)
{
    struct str list = sub_text(t->s, SUB_LOCAL);
    size_t colon = str_find_char(list, ':'), at = str_find_char(list, '@');
    const struct sip_uri name = { .scheme = str_sub(list, 0, colon) };
    char room[4 * RESOURCE_MAX + 32];
    struct buf text;

    buf_init_on(&text, room, sizeof(room));
    sip_uri_print_with_user(&text, &name, user);
    buf_add_xml(t->out, buf_str(&text));
    buf_add(t->out, str_sub(list, at, list.n));
}

/* No line of a body begins like that: the tag is ours, and nobody else's to know. All of it may
 * stand without quotes, which Linphone takes for a part of it. */
static void print_boundary(struct telling *t, size_t list)
{
    buf_printf(t->out, "L%zu-%.*s", list, STR_FMT(head_str(t->s->dialog->head, HEAD_LOCAL_TAG)));
}

/* Content-ID without its brackets; `meta`: of what is said about the list at `i`, whose number is
 * one more than its place, and 0 the whole. */
static void print_id(struct telling *t, bool meta, size_t i)
{
    buf_printf(t->out, "%s%zu.%.*s@", meta ? "list" : "", i,
               STR_FMT(head_str(t->s->dialog->head, HEAD_LOCAL_TAG)));
    buf_add_xml(t->out, sub_text(t->s, SUB_HOST));
}

static void print_type(struct telling *t, size_t list)
{
    buf_add(t->out, STR("multipart/related;type=\"application/rlmi+xml\";start=\"<"));
    print_id(t, true, list);
    buf_add(t->out, STR(">\";boundary="));
    print_boundary(t, list);
}

static void print_reason(struct telling *t, const struct list_item *item)
{
    if (item->standing == LIST_ITEM_PENDING)
        buf_add(t->out, STR("state=\"pending\" />\n"));
    else if (item->standing == LIST_ITEM_REJECTED)
        buf_add(t->out, STR("state=\"terminated\" reason=\"rejected\" />\n"));
    else
        buf_add(t->out, STR("state=\"terminated\" reason=\"noresource\" />\n"));
}

static void print_resource(struct telling *t, size_t i)
{
    const struct list_item *item = &t->is->items[i];

    buf_add(t->out, STR(" <resource uri=\""));
    print_uri(t, item->user);
    buf_add(t->out, STR("\">\n  <name>"));
    buf_add_xml(t->out, item->name.n ? item->name : item->user);
    buf_add(t->out, STR("</name>\n  <instance id=\"1\" "));
    if (item->is_list || has_body(item)) {
        buf_add(t->out, STR("state=\"active\" cid=\""));
        print_id(t, false, i);
        buf_add(t->out, STR("\" />\n"));
    } else {
        print_reason(t, item);
    }
    buf_add(t->out, STR(" </resource>\n"));
}

/* A list within a list is told as a whole, so that nobody has to know which of its versions have
 * not been told. */
static void print_meta(struct telling *t, struct str name, size_t from, size_t end)
{
    buf_add(t->out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                        "<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\""));
    print_uri(t, name);
    buf_printf(t->out, "\" version=\"%u\" fullState=\"%s\">\n <name>", t->s->version,
               t->was ? "false" : "true");
    buf_add_xml(t->out, name);
    buf_add(t->out, STR("</name>\n"));
    for (size_t i = from; i < end; i = end_of(t->is, i))
        if (is_told(t, i))
            print_resource(t, i);
    buf_add(t->out, STR("</list>\n"));
}

static void print_delimiter(struct telling *t, size_t list)
{
    buf_add(t->out, STR("\r\n--"));
    print_boundary(t, list);
}

static void part_begin(struct telling *t, size_t list, bool meta, size_t i)
{
    print_delimiter(t, list);
    buf_add(t->out, STR("\r\nContent-ID: <"));
    print_id(t, meta, i);
    buf_add(t->out, STR(">\r\nContent-Type: "));
}

static void print_item(struct telling *t, size_t list, size_t i)
{
    const struct list_item *item = &t->is->items[i];
    const struct rendered_body *body;
    char room[2 * EVENT_URI_MAX];
    struct buf uri, *out = t->out;
    int r = item_body(t->s, t->profile, item, &body);

    if (r) {
        t->error = r;
        return;
    }
    buf_init_on(&uri, room, sizeof(room));
    t->out = &uri;
    print_uri(t, item->user);
    t->out = out;
    part_begin(t, list, false, i);
    buf_add(out, body_content_type(body));
    buf_add(out, STR("\r\n\r\n"));
    body_print(body,
               &(struct body_slots){ .version = t->s->version,
                                     .local = buf_str(&uri),
                                     .remote = sub_text(t->s, SUB_REMOTE) },
               out);
}

/* The items in [from, end) as the list that is at `list - 1`, or as the whole with 0. */
static void print_list(struct telling *t, size_t list, struct str name, size_t from, size_t end)
{
    part_begin(t, list, true, list);
    buf_add(t->out, STR("application/rlmi+xml;charset=\"UTF-8\"\r\n\r\n"));
    print_meta(t, name, from, end);
    for (size_t i = from; i < end && !t->error; i = end_of(t->is, i)) {
        const struct list_item *item = &t->is->items[i];
        const struct list_state *was = t->was;

        if (!is_told(t, i))
            continue;
        if (item->is_list) {
            t->was = NULL;
            part_begin(t, list, false, i);
            print_type(t, i + 1);
            buf_add(t->out, STR("\r\n"));
            print_list(t, i + 1, item->user, i + 1, end_of(t->is, i));
            t->was = was;
        } else if (has_body(item)) {
            print_item(t, list, i);
        }
    }
    print_delimiter(t, list);
    buf_add(t->out, STR("--\r\n"));
}

static int telling_print(struct telling *t, const struct snapshot *snap)
{
    print_list(t, 0, snap->extension, 0, t->is->n);
    return t->error ? t->error : t->out->error;
}

int list_print(const struct subscription *s, const struct list_news *news, struct buf *out)
{
    struct notifier *n = s->dialog->notifier;
    struct telling t = { .s = s,
                         .profile = news->profile,
                         .is = list_of(news->is),
                         .was = news->was ? list_of(news->was) : NULL,
                         .out = &n->scratch };
    int r;

    if (t.was && (t.is->full_state || !same_shape(t.is, t.was)))
        t.was = NULL;
    buf_reset(&n->scratch);
    r = telling_print(&t, news->is);
    if (r)
        return r;
    buf_add(out, STR("Content-Type: "));
    t.out = out;
    print_type(&t, 0);
    buf_add(out, STR("\r\n"));
    sip_print_header_u64(out, STR("Content-Length"), n->scratch.n);
    buf_add(out, STR("\r\n"));
    buf_add(out, buf_str(&n->scratch));
    return out->error;
}

int list_check(const struct subscription *s, const struct snapshot *snap)
{
    struct notifier *n = s->dialog->notifier;
    struct telling t = { .s = s, .profile = s->profile, .is = list_of(snap), .out = &n->scratch };

    buf_reset(&n->scratch);
    return telling_print(&t, snap);
}
