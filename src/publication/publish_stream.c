// SPDX-License-Identifier: MIT
/* PUBLISH from another Asterisk server, or extstate: to an inbound-publication, whose name is the
 * user of the Request-URI whatever its domain. */
#include "publication/compositor_internal.h"

/* For lifetimes and quotas, where no compositor serves the domain. A server that publishes each
 * device by itself has many. */
static const struct compositor_settings unserved = {
    .id = STR_INIT("inbound-publication"),
    .minimum_expiry_s = 5,
    .maximum_expiry_s = 3600,
    .default_expiry_s = 3600,
    .expiry_grace_s = 10,
    .max_per_publisher = 100000,
    .max_body = 65536,
    .supersede = true,
};

bool stream_is_asked(struct ask *a)
{
    const struct sip_header *h = sip_header_first(a->rq->msg, SIP_H_EVENT);
    struct str package;

    if (!h || sip_event_parse(&a->event, h->value))
        return false;
    package = a->event.package;
    if (!asterisk_package_known(package) || !settings_takes_package(a->rq->settings, package))
        return false;
    a->by.package = a->p.package = package;
    a->p.stream = true;
    return true;
}

bool stream_check_resource(struct ask *a)
{
    const struct settings *settings = a->rq->settings;
    const struct inbound_publication_settings *in =
        settings_inbound_publication(settings, a->p.extension);

    a->section = settings_compositor(settings, a->rq->uri.host);
    if (!a->section)
        a->section = &unserved;
    if (!in)
        return ask_refuse(a, 404, "the Request-URI names no inbound-publication");
    if (in->endpoint.n && !str_equal(in->endpoint, a->rq->endpoint->id))
        return ask_refuse(a, 403, "this endpoint may not publish to this inbound-publication");
    a->asterisk = settings_asterisk_publication(settings, in, a->p.package);
    if (!a->asterisk)
        return ask_refuse(a, 404, "this inbound-publication has nothing for this event package");
    a->p.extension = in->id;
    return false;
}

bool stream_is_served(const struct settings *settings, const struct publication_place *place)
{
    const struct inbound_publication_settings *in =
        settings_inbound_publication(settings, place->extension);

    return in && settings_asterisk_publication(settings, in, place->package);
}

int stream_read_body(struct ask *a)
{
    struct str rest = a->p.content_type, type = str_next(&rest, ';');
    struct buf *why = &a->c->why;
    int r;

    if (!str_equal_nocase(type, ASTERISK_EVENT_TYPE)) {
        ask_refuse_later(a, 415, STR("what servers tell each other is application/json"));
        return 0;
    }
    r = asterisk_event_parse(&a->asterisk_event, a->p.package, a->p.body, why);
    if (r > 0)
        ask_refuse_later(a, 400, buf_str(why));
    if (r)
        return r < 0 ? r : 0;
    if (asterisk_event_wanted(a->asterisk, a->asterisk_event.type,
                              (struct str){ a->asterisk_event.name, a->asterisk_event.name_n }))
        a->p.event = &a->asterisk_event;
    a->p.answer_section = str_equal(a->p.package, ASTERISK_DEVICES)
                              ? a->asterisk->devicestate_publish
                              : a->asterisk->mailboxstate_publish;
    return 0;
}
