// SPDX-License-Identifier: MIT
/* entity.h - who this process is among Asterisk servers. Private to the daemon folder. */
#pragma once
#include "base/str.h"
#include "publication/asterisk_event.h"

/* An entity id that stays the same from start to start: of the machine (/etc/machine-id, else its
 * host name), and of the control socket, because several of us may run on one. */
void entity_id_make(char out[static ASTERISK_EID_LEN + 1], struct str control_socket);
