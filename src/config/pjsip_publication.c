// SPDX-License-Identifier: MIT
/* inbound-publication and asterisk-publication: what other Asterisk servers publish to this one. */
#include "config/pjsip.h"

/* ---- the tables ---- */

static const struct option asterisk_publication_options[] = {
    { "device_state", OPTION_BOOL, AT(asterisk_publication_settings, device_state),
      .fallback = "no", .meaning = "Take device states. They are ignored otherwise." },
    { "device_state_filter", OPTION_STR, AT(asterisk_publication_settings, device_pattern),
      .max = 256, .flags = OPTION_VITAL,
      .meaning = "Regular expression (any case, not anchored) that the device must match." },
    { "mailbox_state", OPTION_BOOL, AT(asterisk_publication_settings, mailbox_state),
      .fallback = "no", .meaning = "Take the counts of mailboxes. They are ignored otherwise." },
    { "mailbox_state_filter", OPTION_STR, AT(asterisk_publication_settings, mailbox_pattern),
      .max = 256, .flags = OPTION_VITAL,
      .meaning = "Regular expression that the mailbox must match." },
    { "devicestate_publish", OPTION_STR, AT(asterisk_publication_settings, devicestate_publish),
      .meaning =
          "Id of the outbound-publish section by which the other server is asked for all its "
          "states at start and reload, and by which it gets ours when it asks." },
    { "mailboxstate_publish", OPTION_STR, AT(asterisk_publication_settings, mailboxstate_publish),
      .meaning = "The same for mailboxes." },
};

const struct schema asterisk_publication_schema = {
    .file = "pjsip.conf",
    .section = "type = asterisk-publication",
    .kind = "asterisk-publication",
    .meaning = "What becomes of the device states and mailbox counts that another Asterisk server, "
               "or extstate, publishes.",
    OPTIONS(asterisk_publication_options),
    .object_size = sizeof(struct asterisk_publication_settings),
    .ignored = "",
    .closed = true,
};

static const struct option inbound_publication_options[] = {
    { "endpoint", OPTION_STR, AT(inbound_publication_draft, p.endpoint),
      .meaning = "Id of the endpoint that may publish here; any when not given." },
    { "event_asterisk-devicestate", OPTION_STR, AT(inbound_publication_draft, devices),
      .meaning = "Id of the asterisk-publication section for the event asterisk-devicestate." },
    { "event_asterisk-mwi", OPTION_STR, AT(inbound_publication_draft, mailboxes),
      .meaning = "The same for the event asterisk-mwi." },
};

const struct schema inbound_publication_schema = {
    .file = "pjsip.conf",
    .section = "type = inbound-publication",
    .kind = "inbound-publication",
    .meaning = "Where other Asterisk servers publish to: the name of the section is the user part "
               "of the Request-URI. What phones and proxies publish is the business of "
               "[compositor] in extstate.conf.",
    OPTIONS(inbound_publication_options),
    .object_size = sizeof(struct inbound_publication_draft),
    .ignored = "",
    .closed = true,
};

/* ---- reading ---- */

bool asterisk_package_known(struct str package)
{
    return str_equal(package, ASTERISK_DEVICES) || str_equal(package, ASTERISK_MAILBOXES);
}

void asterisk_publication_fini(struct asterisk_publication_settings *a)
{
    regex_destroy(a->device_filter);
    regex_destroy(a->mailbox_filter);
}

/* A section that publishes something else would be asked for nothing, and nobody would notice. */
static void check_publish(struct pjsip_reader *p, const struct conf_section *s, struct str option,
                          struct str id, struct str event)
{
    const struct publish_settings *u;

    if (!id.n)
        return;
    pjsip_check_reference(p, s, option, PJSIP_PUBLISH, id);
    u = settings_publish(p->s, id);
    if (u && !str_equal(u->event, event))
        reading_tell(p->r, DIAG_WARNING, pjsip_place(s, option),
                     "asterisk-publication [%.*s]: %.*s names outbound-publish [%.*s], whose event "
                     "is not %.*s; it is not used",
                     STR_FMT(s->name), STR_FMT(option), STR_FMT(id), STR_FMT(event));
}

void asterisk_publication_settle(struct pjsip_reader *p, void *publication,
                                 const struct conf_section *s)
{
    struct asterisk_publication_settings *a = publication;

    check_publish(p, s, STR("devicestate_publish"), a->devicestate_publish, ASTERISK_DEVICES);
    check_publish(p, s, STR("mailboxstate_publish"), a->mailboxstate_publish, ASTERISK_MAILBOXES);
}

int asterisk_publication_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct asterisk_publication_settings *a = draft;
    int r;

    asterisk_publication_settle(p, a, s);
    r = pjsip_compile(p, s, "asterisk-publication", STR("device_state_filter"), a->device_pattern,
                      &a->device_filter);
    if (r == 0)
        r = pjsip_compile(p, s, "asterisk-publication", STR("mailbox_state_filter"),
                          a->mailbox_pattern, &a->mailbox_filter);
    if (r == 0)
        r = pjsip_keep(p, PJSIP_ASTERISK_PUBLICATION, s, a);
    if (r)
        asterisk_publication_fini(a);
    return r;
}

static void check_event(struct pjsip_reader *p, const struct conf_section *s,
                        const struct inbound_event *e)
{
    char option[sizeof("event_asterisk-devicestate")];
    struct buf name;

    buf_init_on(&name, option, sizeof(option));
    buf_add(&name, STR("event_"));
    buf_add(&name, e->package);
    pjsip_check_reference(p, s, buf_str(&name), PJSIP_ASTERISK_PUBLICATION, e->publication);
}

void inbound_publication_settle(struct pjsip_reader *p, void *publication,
                                const struct conf_section *s)
{
    const struct inbound_publication_settings *i = publication;

    if (i->endpoint.n)
        pjsip_check_reference(p, s, STR("endpoint"), PJSIP_ENDPOINT, i->endpoint);
    for (size_t e = 0; e < i->n_events; e++)
        check_event(p, s, &i->events[e]);
}

static void event_add(struct inbound_publication_settings *i, struct str package,
                      struct str publication)
{
    if (publication.n)
        i->events[i->n_events++] = (struct inbound_event){ package, publication };
}

int inbound_publication_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct inbound_publication_draft *d = draft;

    event_add(&d->p, ASTERISK_DEVICES, d->devices);
    event_add(&d->p, ASTERISK_MAILBOXES, d->mailboxes);
    inbound_publication_settle(p, &d->p, s);
    if (!d->p.n_events)
        reading_tell_lack(p->r, DIAG_WARNING, s->at,
                          "inbound-publication [%.*s] takes nothing; add "
                          "event_asterisk-devicestate or event_asterisk-mwi",
                          STR_FMT(s->name));
    return pjsip_keep(p, PJSIP_INBOUND_PUBLICATION, s, &d->p);
}

/* ---- finding ---- */

const struct inbound_publication_settings *settings_inbound_publication(const struct settings *s,
                                                                        struct str id)
{
    size_t i;

    return settings_id_find(s, PJSIP_INBOUND_PUBLICATION, id, &i) ? &s->inbound_publications[i]
                                                                  : NULL;
}

const struct asterisk_publication_settings *settings_asterisk_publication(
    const struct settings *s, const struct inbound_publication_settings *p, struct str package)
{
    size_t found;

    for (size_t i = 0; i < p->n_events; i++)
        if (str_equal(p->events[i].package, package) &&
            settings_id_find(s, PJSIP_ASTERISK_PUBLICATION, p->events[i].publication, &found))
            return &s->asterisk_publications[found];
    return NULL;
}

bool settings_takes_package(const struct settings *s, struct str package)
{
    for (size_t i = 0; i < s->n_inbound_publications; i++) {
        const struct inbound_publication_settings *p = &s->inbound_publications[i];

        for (size_t e = 0; e < p->n_events; e++)
            if (str_equal(p->events[e].package, package))
                return true;
    }
    return false;
}

bool settings_publish_asks(const struct settings *s, const struct publish_settings *p)
{
    bool devices = str_equal(p->event, ASTERISK_DEVICES);

    for (size_t i = 0; i < s->n_asterisk_publications; i++) {
        const struct asterisk_publication_settings *a = &s->asterisk_publications[i];

        if (str_equal(devices ? a->devicestate_publish : a->mailboxstate_publish, p->id))
            return true;
    }
    return false;
}
