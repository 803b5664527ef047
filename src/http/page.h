// SPDX-License-Identifier: MIT
/* page.h - the files of ui/, which are a part of the program (ui/embed.py makes the table). */
#pragma once

struct page_file {
    const char *path, *type, *etag; /* NULL path: the end */
    const char *bytes, *end;
};
extern const struct page_file page_files[];
