// SPDX-License-Identifier: MIT
#include "store/carried.h"
#include "store/mapped.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, PATH_ROOM = 4096 };

static const char magic[8] = "extcarr1";

struct head { /* of the file */
    char magic[8];
    uint64_t identity, bytes;
    char boot_id[BOOT_ID_BYTES];
};

struct carried {
    int fd;
    void *map;
    size_t bytes; /* of the file */
};

void boot_id_read(char out[BOOT_ID_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(out, 0, BOOT_ID_BYTES);
    if (fd < 0)
        return;
    (void)!read(fd, out, BOOT_ID_BYTES);
    close(fd);
}

static struct head head_of(const struct carried_config *cfg)
{
    struct head h = { .identity = cfg->identity, .bytes = cfg->bytes };

    memcpy(h.magic, magic, sizeof(magic));
    boot_id_read(h.boot_id);
    return h;
}

static bool file_is(int fd, const struct head *want, size_t bytes)
{
    struct head h;

    return *want->boot_id && lseek(fd, 0, SEEK_END) == (off_t)bytes &&
           pread(fd, &h, sizeof(h), 0) == sizeof(h) && h.identity == want->identity &&
           h.bytes == want->bytes && memcmp(h.magic, want->magic, sizeof(h.magic)) == 0 &&
           memcmp(h.boot_id, want->boot_id, BOOT_ID_BYTES) == 0;
}

static int file_open(struct carried *c, const struct carried_config *cfg)
{
    const struct head head = head_of(cfg);
    char path[PATH_ROOM];
    int r;

    if (snprintf(path, sizeof(path), "%.*s/%.*s", STR_FMT(cfg->directory), STR_FMT(cfg->name)) >=
        PATH_ROOM)
        return -ENAMETOOLONG;
    c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->fd < 0)
        return -errno;
    if (!file_is(c->fd, &head, c->bytes) && ftruncate(c->fd, 0))
        return -errno;
    /* With the blocks behind it: a store into memory must not find the disk full. */
    r = posix_fallocate(c->fd, 0, (off_t)c->bytes);
    if (r)
        return -r;
    c->map = mapped_open(c->fd, c->bytes);
    if (!c->map)
        return -errno;
    memcpy(c->map, &head, sizeof(head));
    return 0;
}

int carried_open(struct carried **out, const struct carried_config *cfg)
{
    struct carried *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    *c = (struct carried){ .fd = -1, .bytes = HEAD_BYTES + cfg->bytes };
    r = file_open(c, cfg);
    if (r)
        carried_close(c);
    else
        *out = c;
    return r;
}

void carried_close(struct carried *c)
{
    if (!c)
        return;
    mapped_close(c->map, c->bytes);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

void *carried_memory(const struct carried *c)
{
    return (char *)c->map + HEAD_BYTES;
}
