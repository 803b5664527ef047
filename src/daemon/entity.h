// SPDX-License-Identifier: MIT
/* entity.h - who this process is among Asterisk servers. Private to the daemon folder. */
#pragma once
#include "base/str.h"
#include "publication/asterisk_event.h"

struct entity {                /* borrowed; what is not known is empty */
    struct str machine;        /* /etc/machine-id, which clones and containers of one image share */
    struct str host;           /* its name */
    struct str control_socket; /* several of us may run on one */
};
/* An entity id that is the same for the same entity only. */
void entity_id_of(char out[static ASTERISK_EID_LEN + 1], const struct entity *e);
/* That of this process, the same from start to start. */
void entity_id_make(char out[static ASTERISK_EID_LEN + 1], struct str control_socket);
