// SPDX-License-Identifier: MIT
#include "daemon/entity.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct str machine_id(char *room, size_t size)
{
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, room, size);

    if (fd >= 0)
        close(fd);
    return n > 0 ? (struct str){ room, (size_t)n } : STR_EMPTY;
}

static struct str host_name(char *room, size_t size)
{
    return gethostname(room, size) ? STR_EMPTY : (struct str){ room, strnlen(room, size) };
}

/* FNV-1a: only to tell processes apart. A length goes first, or "a" and "bc" were "ab" and "c". */
static uint64_t hash_add(uint64_t h, struct str text)
{
    h = (h ^ text.n) * 1099511628211u;
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 1099511628211u;
    return h;
}

void entity_id_of(char out[static ASTERISK_EID_LEN + 1], const struct entity *e)
{
    const struct str parts[] = { e->machine, e->host, e->control_socket };
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        h = hash_add(h, parts[i]);
    /* 02: an address that no manufacturer has given to anything. */
    (void)snprintf(out, ASTERISK_EID_LEN + 1, "02:%02x:%02x:%02x:%02x:%02x",
                   (unsigned)(h >> 56 & 0xff), (unsigned)(h >> 48 & 0xff),
                   (unsigned)(h >> 40 & 0xff), (unsigned)(h >> 32 & 0xff),
                   (unsigned)(h >> 24 & 0xff));
}

void entity_id_make(char out[static ASTERISK_EID_LEN + 1], struct str control_socket)
{
    char machine[256], host[256];

    entity_id_of(out, &(struct entity){ .machine = machine_id(machine, sizeof(machine)),
                                        .host = host_name(host, sizeof(host)),
                                        .control_socket = control_socket });
}
