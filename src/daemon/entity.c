// SPDX-License-Identifier: MIT
#include "daemon/entity.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct str machine_name(char *room, size_t size)
{
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, room, size);

    if (fd >= 0)
        close(fd);
    if (n > 0)
        return (struct str){ room, (size_t)n };
    if (gethostname(room, size))
        return STR_EMPTY;
    return (struct str){ room, strnlen(room, size) };
}

/* FNV-1a: only to tell machines apart. */
static uint64_t hash_add(uint64_t h, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 1099511628211u;
    return h;
}

void entity_id_make(char out[static ASTERISK_EID_LEN + 1], struct str control_socket)
{
    char room[256];
    uint64_t h = hash_add(14695981039346656037u, machine_name(room, sizeof(room)));

    h = hash_add(h, control_socket);
    /* 02: an address that no manufacturer has given to anything. */
    (void)snprintf(out, ASTERISK_EID_LEN + 1, "02:%02x:%02x:%02x:%02x:%02x",
                   (unsigned)(h >> 56 & 0xff), (unsigned)(h >> 48 & 0xff),
                   (unsigned)(h >> 40 & 0xff), (unsigned)(h >> 32 & 0xff),
                   (unsigned)(h >> 24 & 0xff));
}
