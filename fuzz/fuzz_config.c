// SPDX-License-Identifier: MIT
/* Configuration files: one input is pjsip.conf, extensions.conf and extstate.conf at once. Lines
 * ">>>NAME" cut it into files of those names, for includes; NAME may then be one of the three, too.
 * Nothing is run and no name is looked up. */
#include <fnmatch.h>
#include <stdlib.h>

#include "config/settings.h"
#include "sip/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool next_file(struct str *rest, struct str *name, struct str *text)
{
    const char *mark, *end;

    if (rest->n == 0)
        return false;
    *name = STR_EMPTY;
    if (str_starts(*rest, STR(">>>"))) {
        *name = str_sub(*rest, 3, str_find_char(*rest, '\n'));
        *rest = str_sub(*rest, name->n + 4, rest->n);
    }
    mark = rest->n ? memmem(rest->p, rest->n, "\n>>>", 4) : NULL;
    end = mark ? mark + 1 : rest->p + rest->n;
    *text = (struct str){ rest->p, (size_t)(end - rest->p) };
    *rest = str_sub(*rest, text->n, rest->n);
    return true;
}

static bool is_main(struct str name)
{
    return str_equal(name, STR("pjsip.conf")) || str_equal(name, STR("acl.conf")) ||
           str_equal(name, STR("extensions.conf")) || str_equal(name, STR("extstate.conf"));
}

static int read_file(void *ctx, struct str path, struct str *out)
{
    struct str rest = *(const struct str *)ctx, name, text, nameless = STR_EMPTY;

    while (next_file(&rest, &name, &text)) {
        if (name.n && str_equal(name, path))
            return str_dup(out, text);
        if (name.n == 0)
            nameless = text;
    }
    return is_main(path) ? str_dup(out, nameless) : -ENOENT;
}

static int expand(void *ctx, struct str pattern, void (*each)(void *each_ctx, struct str path),
                  void *each_ctx)
{
    struct str rest = *(const struct str *)ctx, name, text, wanted = STR_EMPTY, candidate;
    int r = str_dup(&wanted, pattern);

    while (r == 0 && next_file(&rest, &name, &text)) {
        r = str_dup(&candidate, name);
        if (r)
            break;
        if (fnmatch(wanted.p, candidate.p, 0) == 0)
            each(each_ctx, name);
        str_free(&candidate);
    }
    str_free(&wanted);
    return r;
}

static int resolve(void *ctx, struct str host, bool srv,
                   void (*each)(void *each_ctx, const struct addr *address), void *each_ctx,
                   const char **why)
{
    struct addr a;

    (void)ctx, (void)srv;
    if (host.n % 2 == 0 && addr_parse(&a, STR("192.0.2.1"), 0) == 0) {
        each(each_ctx, &a);
        return 0;
    }
    *why = "not asked";
    return -ENOENT;
}

/* Do these make a URI, where they stand as they are? */
static void parts_check(struct str user, struct str host)
{
    struct sip_uri uri;
    struct buf b;

    buf_init(&b, user.n + host.n + 64);
    buf_add(&b, STR("sip:"));
    buf_add(&b, user.n ? user : STR("u"));
    buf_add_char(&b, '@');
    sip_host_print(&b, host.n ? host : STR("h"));
    BUG_UNLESS(b.error == 0 && sip_uri_parse(&uri, buf_str(&b)) == 0);
    BUG_UNLESS(str_equal(uri.user, user.n ? user : STR("u")));
    BUG_UNLESS(str_equal(uri.host, host.n ? host : STR("h")));
    buf_fini(&b);
}

static void settings_check(const struct settings *s)
{
    for (size_t i = 0; i < s->n_endpoints; i++) {
        const struct endpoint_settings *e = &s->endpoints[i];

        (void)settings_endpoint_reachable(s, e);
        parts_check(e->contact_user, e->from_domain);
        parts_check(e->from_user, STR_EMPTY);
        parts_check(e->mwi_from_user, STR_EMPTY);
    }
    for (size_t i = 0; i < s->n_transports; i++)
        parts_check(s->global.default_from_user, s->transports[i].external_address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str overrides[] = { STR_INIT("general.workers=2"),
                                            STR_INIT("compatibility.asterisk_bodies=yes") };
    struct str input = { (const char *)data, size };
    struct settings_source source = {
        .state_directory = STR("/nowhere"),
        .overrides = overrides,
        .n_overrides = size % 2 ? 0 : ARRAY_LEN(overrides),
        .files = { .read = read_file, .expand = expand, .ctx = &input },
        .resolve = resolve
    };
    const struct general_settings general = { .systemname = STR_INIT("pbx") };
    struct settings *settings = NULL;
    struct dialplan *dialplan = NULL;
    struct diag diag;
    struct buf report;

    diag_init(&diag);
    if (settings_read(&settings, &source, &diag) >= 0) /* what is left of a damaged file, too */
        settings_check(settings);
    if (extensions_read(&dialplan, &source, &general, &diag) == 0)
        for (struct dialplan_context *c = dialplan_context_next(dialplan, NULL); c;
             c = dialplan_context_next(dialplan, c))
            for (const struct hint_entry *h = dialplan_hint_next(c, NULL); h;
                 h = dialplan_hint_next(c, h))
                BUG_UNLESS(h->extension.n <= 79);
    BUG_UNLESS(diag.text.n == 0 || diag.text.p[diag.text.n - 1] == '\n');
    buf_init(&report, diag.text.ceiling);
    diag_print(&diag, &report);
    BUG_UNLESS(report.n == diag.text.n);
    buf_fini(&report);
    settings_unref(settings);
    dialplan_unref(dialplan);
    diag_fini(&diag);
    return 0;
}
