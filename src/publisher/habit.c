// SPDX-License-Identifier: MIT
/* A habit of Kamailio's presence server, seen with 5.6: a dialog document in which every dialog is
 * terminated is the publication's end for it. A later modify is answered 200 with a new entity-tag,
 * but neither stored nor told to anybody, and the next use of that tag is answered 412: an
 * extension that was idle would ring unseen.
 *
 * Our own idle documents have no dialog at all and are safe, but with [compatibility]
 * asterisk_bodies they have that one. The initial publication of a dialog that Kamailio already has
 * replaces the former one, so there we begin anew after an idle document. A server that does not
 * say that it is a Kamailio is not treated so: it would keep the idle document beside the new one
 * until it lapses. */
#include "publisher/publisher_internal.h"

static bool tells_a_dialog(const struct snapshot *s)
{
    switch (s->state) {
    case EXTENSION_INUSE:
    case EXTENSION_BUSY:
    case EXTENSION_RINGING:
    case EXTENSION_INUSE_RINGING:
    case EXTENSION_ONHOLD:
        return true;
    case EXTENSION_REMOVED:
    case EXTENSION_DEACTIVATED:
    case EXTENSION_IDLE:
    case EXTENSION_UNAVAILABLE:
        break;
    }
    return false;
}

void habit_learn(struct section *s, const struct sip_message *response)
{
    s->ends_idle = str_starts_nocase(sip_header_value(response, SIP_H_SERVER), STR("kamailio"));
}

bool habit_is_idle(const struct snapshot *told)
{
    return !tells_a_dialog(told);
}

bool habit_begins_anew(const struct publication *pub)
{
    const struct section_terms *t = &pub->section->terms;

    return pub->section->ends_idle && t->owner->compatibility.asterisk_bodies &&
           str_equal(t->settings->event, STR("dialog")) && pub->told_idle;
}
