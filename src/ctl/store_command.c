// SPDX-License-Identifier: MIT
/* What reads the whole store takes seconds: it runs on a thread of libuv's pool. */
#include "ctl/ctl_internal.h"

#include <stdlib.h>

struct store_work {
    uv_work_t uv;
    struct ctl_request *q;
    struct ctl_port port; /* the ctl may be gone when it begins */
    int result;
    char why[256];
    struct ctl_verification found;
};

static void answer(struct store_work *w, void (*more)(struct ctl_request *q, struct json *out))
{
    struct ctl_request *q = w->q;

    free(w);
    request_finish(q, more);
    request_answer(q);
}

static void begin(struct ctl_request *q, uv_work_cb work, uv_after_work_cb done)
{
    const struct ctl_port *port = request_port(q);
    struct store_work *w = calloc(1, sizeof(*w));
    int r = -ENOMEM;

    if (w) {
        *w = (struct store_work){ .uv.data = w, .q = q, .port = *port };
        r = uv_queue_work(request_loop(q), &w->uv, work, done);
    }
    if (r == 0)
        return;
    free(w);
    request_fail(q, "failed", "there is no memory for it");
    request_finish(q, NULL);
    request_answer(q);
}

/* ---- backup ---- */

static void backup_work(uv_work_t *uv)
{
    struct store_work *w = uv->data;

    w->result = w->port.backup(w->port.ctx, request_text(w->q, "file"), w->why, sizeof(w->why));
}

static void backup_done(uv_work_t *uv, int status)
{
    struct store_work *w = uv->data;

    (void)status; /* nobody cancels it */
    if (w->result)
        request_fail(w->q, "failed", "%s", w->why);
    answer(w, NULL);
}

void command_backup(struct ctl_request *q)
{
    struct str file = request_text(q, "file");

    if (file.n && file.p[0] == '/') {
        begin(q, backup_work, backup_done);
        return;
    }
    request_fail(q, "usage", "\"file\" is a path that begins with /");
    request_finish(q, NULL);
    request_answer(q);
}

/* ---- verify ---- */

static void verify_work(uv_work_t *uv)
{
    struct store_work *w = uv->data;

    w->result = w->port.verify(w->port.ctx, &w->found, w->why, sizeof(w->why));
}

static void print_table(struct ctl_request *q, const struct ctl_table *t)
{
    struct json row = request_row(q);

    json_add_str(&row, "table", str_of(t->name));
    json_add_u64(&row, "records", t->records);
    json_add_u64(&row, "wrong", t->wrong);
    if (t->wrong)
        json_add_str(&row, "first", str_of(t->first));
    request_row_end(q, &row);
}

static void print_sound(struct ctl_request *q, struct json *out)
{
    json_add_bool(out, "sound", !q->partly);
    json_add_str(out, "why", buf_str(&q->message));
}

static void verify_done(uv_work_t *uv, int status)
{
    struct store_work *w = uv->data;
    struct ctl_request *q = w->q;

    (void)status;
    for (size_t i = 0; i < w->found.n; i++) {
        print_table(q, &w->found.tables[i]);
        q->partly = q->partly || w->found.tables[i].wrong;
    }
    if (w->result == -EUCLEAN) {
        q->partly = true;
        buf_add(&q->message, str_of(w->why));
    } else if (w->result) {
        request_fail(q, "failed", "%s", w->why);
    }
    answer(w, print_sound);
}

void command_verify(struct ctl_request *q)
{
    begin(q, verify_work, verify_done);
}
