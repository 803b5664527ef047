// SPDX-License-Identifier: MIT
/* SQLite takes its log up to the first frame that is wrong, and says nothing: that is what a crash
 * leaves of a transaction that was under way. Of one that was there may be no more, since a commit
 * begins when the one before is on the disk; what is behind it was acknowledged, and is lost.
 * Source: SQLite's "Database File Format", section 4, and "WAL-mode File Format". */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store_internal.h"

enum {
    HEAD_BYTES = 32,
    FRAME_HEAD_BYTES = 24,
    MAGIC = 0x377f0682, /* the lowest bit: the checksum is of big-endian words */
    PAGE_BYTES_MAX = 65536,
    INDEX_BYTES = 32768, /* of its first part */
    INDEX_FRAMES = 4,    /* the word of its head */
    PATH_ROOM = 4096,
};

static uint32_t word_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t word_as(const unsigned char *p, bool big)
{
    return big ? word_at(p) : __builtin_bswap32(word_at(p));
}

static bool head_is_right(const unsigned char head[HEAD_BYTES])
{
    bool big = word_at(head) & 1;
    uint32_t a = 0, b = 0;

    if ((word_at(head) & ~1u) != MAGIC)
        return false;
    for (size_t i = 0; i < 24; i += 8) {
        a += word_as(head + i, big) + b;
        b += word_as(head + i + 4, big) + a;
    }
    return a == word_at(head + 24) && b == word_at(head + 28);
}

/* SQLite's index of the log says how many frames it takes, in the order of bytes of this machine.
 * It is asked for its own mapping: to close the file would give up the locks on it. */
static bool frames_taken(uint32_t *out, sqlite3 *sql)
{
    sqlite3_file *file = NULL;
    void volatile *index = NULL;

    if (sqlite3_file_control(sql, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file ||
        !file->pMethods || file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, INDEX_BYTES, 0, &index) != SQLITE_OK || !index)
        return false;
    *out = ((uint32_t volatile *)index)[INDEX_FRAMES];
    return true;
}

static unsigned commits_behind(int fd, uint32_t frames, const unsigned char head[HEAD_BYTES])
{
    off_t step = FRAME_HEAD_BYTES + (off_t)word_at(head + 8);
    unsigned char frame[FRAME_HEAD_BYTES];
    unsigned commits = 0;

    if (step > FRAME_HEAD_BYTES + PAGE_BYTES_MAX)
        return 0;
    /* Those of an earlier run have other salts; the others end a transaction, or do not. */
    for (off_t at = HEAD_BYTES + frames * step;
         pread(fd, frame, sizeof(frame), at) == sizeof(frame); at += step)
        commits += memcmp(frame + 8, head + 16, 8) == 0 && word_at(frame + 4);
    return commits ? commits - 1 : 0;
}

unsigned log_lost(sqlite3 *sql, const char *path)
{
    char log[PATH_ROOM];
    unsigned char head[HEAD_BYTES] = { 0 };
    unsigned lost = 0;
    uint32_t frames;
    int fd;

    if (snprintf(log, sizeof(log), "%s-wal", path) >= PATH_ROOM)
        return 0;
    fd = open(log, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    /* The head is written at once and within one sector, so that no crash leaves half of it. */
    if (pread(fd, head, sizeof(head), 0) != sizeof(head) || !head_is_right(head))
        lost = lseek(fd, 0, SEEK_END) > HEAD_BYTES + FRAME_HEAD_BYTES;
    else if (frames_taken(&frames, sql))
        lost = commits_behind(fd, frames, head);
    close(fd);
    return lost;
}
