// SPDX-License-Identifier: MIT
/* Subscriptions that another server kept: the SUBSCRIBE that began one, and what has become of it
 * since, are what a record of our own would have been made of. */
#include "event/event_internal.h"

struct import {
    struct notifier *n;
    const struct notifier_import *what;
    const struct endpoint_settings *endpoint;
    struct sip_message msg;
    struct sip_event event;
    struct sip_uri uri, contact;
    struct subscription_memory m;
    struct buf routes, accept, contact_uri, texts;
    char routes_room[ROUTES_MAX], accept_room[ACCEPT_MAX], contact_room[2 * EVENT_URI_MAX],
        texts_room[8 * EVENT_URI_MAX];
    const char *why;
};

static int refuse(struct import *im, const char *why)
{
    im->why = why;
    return -EINVAL;
}

/* ---- what it says ---- */

static int read_packet(struct import *im)
{
    struct sip_message *msg = &im->msg;
    const struct sip_header *event;

    if (sip_message_parse(msg, im->what->packet, NULL) || msg->method != SIP_SUBSCRIBE)
        return refuse(im, "its packet is no SUBSCRIBE that can be read");
    if (msg->to_tag.n || !msg->from_tag.n)
        return refuse(im, "its packet does not begin a dialog");
    event = sip_header_first(msg, SIP_H_EVENT);
    if (!event || sip_event_parse(&im->event, event->value))
        return refuse(im, "its packet has no Event that can be read");
    if (sip_uri_parse(&im->uri, msg->uri))
        return refuse(im, "its Request-URI cannot be read");
    gather_routes(msg, &im->routes);
    join_accept(msg, &im->accept);
    return im->routes.error ? refuse(im, "its route set is too long") : 0;
}

/* As it was last, or as it was in the beginning. */
static int read_contact(struct import *im)
{
    struct str rest = im->what->contact.n ? im->what->contact
                                          : sip_header_value(&im->msg, SIP_H_CONTACT),
               first;
    struct sip_name_addr na;

    if (!sip_list_next(&rest, &first) || sip_name_addr_parse(&na, first) ||
        sip_uri_parse(&im->contact, na.uri) || !im->contact.sip)
        return refuse(im, "its Contact is not a SIP URI");
    buf_add(&im->contact_uri, na.uri);
    return 0;
}

static int check_kept(struct import *im)
{
    const struct notifier *n = im->n;

    if (!notifier_keeps(n))
        return refuse(im, "subscriptions are not kept here: [general] durability is none");
    if (keep_fails(&n->cfg.keep) || n->stopping)
        return refuse(im, "subscriptions cannot be kept now");
    if (im->what->expires_wall_ms <= clock_wall_ms(n->cfg.clock))
        return refuse(im, "it has expired");
    return 0;
}

/* A tag of ours belongs to another subscription. */
static int check_dialog(struct import *im)
{
    if (!im->what->tag.n || txn_tag_worker(im->what->tag) >= 0)
        return refuse(im, "its tag is none of another server");
    im->msg.to_tag = im->what->tag;
    if (!dialog_find(im->n, &im->msg))
        return 0;
    im->why = "it is here already";
    return -EEXIST;
}

static int check_endpoint(struct import *im)
{
    const struct notifier *n = im->n;
    struct address at;

    im->endpoint = settings_endpoint(n->settings, im->what->endpoint);
    if (!im->endpoint || !im->endpoint->allow_subscribe)
        return refuse(im, "there is no such endpoint that may subscribe");
    at = (struct address){ n->settings, im->endpoint, im->uri.host };
    return package_is_served(&at, im->event.package)
               ? 0
               : refuse(im, "its event package is not served");
}

static int check_way(struct import *im)
{
    const struct notifier_port *port = &im->n->cfg.port;
    struct flow flow = { .local = im->what->local };

    return port->route(port->ctx, im->endpoint->transport, NET_UDP, &im->what->remote, &flow) ==
                       0 ||
                   port->route(port->ctx, STR_EMPTY, NET_UDP, &im->what->remote, &flow) == 0
               ? 0
               : refuse(im, "no transport reaches its subscriber");
}

/* ---- what it comes to ---- */

static int choose_body(struct import *im)
{
    const struct notifier *n = im->n;
    struct str agent = str_sub(sip_header_value(&im->msg, SIP_H_USER_AGENT), 0, USER_AGENT_MAX);
    const struct es_subscriber who = { .size = sizeof(who),
                                       .package =
                                           es_text_from(package_of_bodies(n, im->event.package)),
                                       .user_agent = es_text_from(agent),
                                       .endpoint = es_text_from(im->endpoint->id) };
    const struct body_profile *profile;

    if (body_negotiate(n->cfg.bodies, &who, buf_str(&im->accept),
                       body_flags_of(n->settings, im->endpoint, agent), &profile))
        return refuse(im, "no media type that it accepts can be made");
    im->m.content_type = body_profile_content_type(profile);
    if (body_type_is_any(im->m.content_type))
        im->m.accept = buf_str(&im->accept);
    return 0;
}

/* As make_usage has them. */
static int print_texts(struct import *im)
{
    struct buf *b = &im->texts;
    struct sip_message *msg = &im->msg;
    size_t ends[SUB_TEXTS], from = 0;
    char room[RESOURCE_MAX];
    struct buf user;

    buf_init_on(&user, room, sizeof(room));
    sip_uri_user_decode(&user, im->uri.user);
    sip_print_unfolded(b, im->event.package);
    sip_print_unfolded(b, im->event.params);
    ends[SUB_EVENT] = b->n;
    print_resource_uri(b, &im->uri, buf_str(&user));
    ends[SUB_LOCAL] = b->n;
    print_subscriber_uri(b, &msg->from_uri);
    ends[SUB_REMOTE] = b->n;
    add_display(b, msg->from_parts.display);
    ends[SUB_DISPLAY] = b->n;
    buf_add(b, im->uri.host);
    ends[SUB_HOST] = b->n;
    buf_add(b, buf_str(&user));
    ends[SUB_USER] = b->n;
    if (b->error || user.error)
        return refuse(im, "its header is too long to be kept");
    im->m.list = understands_lists(msg) &&
                 settings_resource_list(im->n->settings, buf_str(&user), im->event.package);
    for (unsigned i = 0; i < SUB_TEXTS; i++) {
        im->m.text[i] = (struct str){ b->p + from, ends[i] - from };
        from = ends[i];
    }
    return 0;
}

static int compose(struct import *im)
{
    const struct notifier_import *what = im->what;
    const struct notifier *n = im->n;
    const struct sip_message *msg = &im->msg;
    struct subscription_memory *m = &im->m;
    uint64_t left_s = (what->expires_wall_ms - clock_wall_ms(n->cfg.clock) + 999) / 1000;
    bool secure = im->uri.secure || im->contact.secure;

    m->incarnation = n->cfg.incarnation;
    m->expires_wall_ms = what->expires_wall_ms;
    m->expires_s = left_s < UINT32_MAX ? (uint32_t)left_s : UINT32_MAX;
    m->flags = secure ? RECORD_SECURE : 0;
    m->handling = WATCHER_ALLOW;
    m->version = what->version;
    m->number = n->last_number + 1;
    m->unwritten = true;
    m->dialog = (struct dialog_memory){
        .target = { .transport = im->endpoint->transport,
                    .protocol = NET_UDP,
                    .routes = buf_str(&im->routes),
                    .remote = what->remote,
                    .local = what->local,
                    .uri = buf_str(&im->contact_uri),
                    .secure = secure },
        .endpoint = im->endpoint->id,
        .user_agent = str_sub(sip_header_value(msg, SIP_H_USER_AGENT), 0, USER_AGENT_MAX),
        .routes = buf_str(&im->routes),
        .text = { [HEAD_LOCAL_TAG] = what->tag,
                  [HEAD_CALL_ID] = msg->call_id,
                  [HEAD_REMOTE_TAG] = msg->from_tag,
                  [HEAD_REMOTE_URI] = msg->from_parts.uri,
                  [HEAD_LOCAL_URI] = msg->to_parts.uri },
        .local_cseq = what->cseq,
        .remote_cseq = msg->cseq,
    };
    return subscription_memory_is_sane(m) && what->tag.n <= TAG_MAX && msg->from_tag.n <= TAG_MAX &&
                   msg->call_id.n <= CALL_ID_MAX
               ? 0
               : refuse(im, "what is known of it is not sound");
}

static int begin(struct import *im)
{
    const struct keep_words *words = &im->n->cfg.words;
    uint64_t number = words->take_foreign(words->ctx, txn_foreign_class(im->what->tag));
    int r = number ? subscription_recall(im->n, &im->m, number) : -ENOSPC;

    if (!r)
        return 0;
    im->why = strerror(-r);
    if (number)
        words->give(words->ctx, number);
    return r;
}

int notifier_import(struct notifier *n, const struct notifier_import *what, const char **why)
{
    static int (*const steps[])(
        struct import * im) = { check_kept, read_packet, read_contact, check_dialog, check_endpoint,
                                check_way,  choose_body, print_texts,  compose,      begin };
    struct import im;
    int r = 0;

    im.n = n;
    im.what = what;
    im.m = (struct subscription_memory){ .number = 0 };
    buf_init_on(&im.routes, im.routes_room, sizeof(im.routes_room));
    buf_init_on(&im.accept, im.accept_room, sizeof(im.accept_room));
    buf_init_on(&im.contact_uri, im.contact_room, sizeof(im.contact_room));
    buf_init_on(&im.texts, im.texts_room, sizeof(im.texts_room));
    for (size_t i = 0; i < ARRAY_LEN(steps) && r == 0; i++)
        r = steps[i](&im);
    if (r)
        *why = im.why;
    return r;
}
