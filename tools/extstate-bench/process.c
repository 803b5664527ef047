// SPDX-License-Identifier: MIT
#include "process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct process {
    pid_t pid, parent;
    bool in; /* of the tree */
};

static bool read_file(const char *path, char *out, size_t room)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, room - 1, f) : 0;

    if (f)
        fclose(f);
    out[n] = '\0';
    return n > 0;
}

static bool read_parent(pid_t pid, pid_t *parent)
{
    char path[64], text[512];
    const char *name_end;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!read_file(path, text, sizeof(text)))
        return false;
    name_end = strrchr(text, ')'); /* the name may hold anything */
    if (!name_end || strlen(name_end) < 4)
        return false;
    *parent = (pid_t)strtol(name_end + 4, NULL, 10); /* ") S 123" */
    return true;
}

static int list_processes(struct process **out, size_t *n)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    int r = d ? 0 : -errno;

    *out = NULL;
    *n = 0;
    while (d && r == 0 && (e = readdir(d))) {
        struct process p = { .pid = (pid_t)strtol(e->d_name, NULL, 10) };

        if (p.pid <= 0 || !read_parent(p.pid, &p.parent))
            continue;
        r = ARRAY_GROW(*out, *n);
        if (r == 0)
            (*out)[(*n)++] = p;
    }
    if (d)
        closedir(d);
    return r;
}

static struct process_thread *thread_find(const struct process_use *use, const char *name)
{
    for (size_t i = 0; i < use->n_threads; i++)
        if (strcmp(use->threads[i].name, name) == 0)
            return (struct process_thread *)&use->threads[i];
    return NULL;
}

uint64_t process_thread_cpu_ns(const struct process_use *use, const char *name)
{
    const struct process_thread *t = thread_find(use, name);

    return t ? t->cpu_ns : 0;
}

static void thread_add(struct process_use *use, const char *name, uint64_t cpu_ns)
{
    struct process_thread *t = thread_find(use, name);

    use->cpu_ns += cpu_ns;
    if (!t && use->n_threads < PROCESS_NAMES_MAX) {
        t = &use->threads[use->n_threads++];
        snprintf(t->name, sizeof(t->name), "%s", name);
    }
    if (t)
        t->cpu_ns += cpu_ns;
}

/* The scheduler's own nanoseconds: the ticks of /proc/PID/stat are too coarse for a short phase. */
static void read_threads(struct process_use *use, pid_t pid)
{
    char path[320], text[128], name[32];
    struct dirent *e;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    d = opendir(path);
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, e->d_name);
        if (!read_file(path, name, sizeof(name)))
            continue;
        name[strcspn(name, "\n")] = '\0';
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, e->d_name);
        if (read_file(path, text, sizeof(text)))
            thread_add(use, name, strtoull(text, NULL, 10));
    }
    if (d)
        closedir(d);
}

/* The proportional set size: of a page that n processes share each has the n-th part. */
static int read_memory(pid_t pid, uint64_t *bytes)
{
    char path[64], text[2048];
    const char *pss;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    if (!read_file(path, text, sizeof(text)))
        return -EACCES;
    pss = strstr(text, "\nPss:");
    *bytes += pss ? strtoull(pss + 5, NULL, 10) * 1024 : 0;
    return 0;
}

static void mark_tree(struct process *p, size_t n, pid_t root)
{
    bool more = true;

    for (size_t i = 0; i < n; i++)
        p[i].in = p[i].pid == root;
    while (more) {
        more = false;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; !p[i].in && k < n; k++)
                if (p[k].in && p[k].pid == p[i].parent)
                    p[i].in = more = true;
    }
}

int process_tree_use(struct process_use *out, pid_t root)
{
    struct process_use use = { 0 };
    struct process *p;
    size_t n;
    int r = list_processes(&p, &n);

    if (r == 0)
        mark_tree(p, n, root);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!p[i].in)
            continue;
        use.processes++;
        read_threads(&use, p[i].pid);
        r = read_memory(p[i].pid, &use.memory_bytes);
    }
    free(p);
    if (r == 0 && !use.processes)
        r = -ESRCH;
    if (r == 0)
        *out = use;
    return r;
}
