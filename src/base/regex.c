// SPDX-License-Identifier: MIT
#include "base/regex.h"
#include <stdlib.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    REGEX_PATTERN_MAX = 256,
    REGEX_NESTING_MAX = 20,
    /* PCRE2 counts steps anew at each offset of an unanchored search, so the text bounds the time
     * as well: about 10 ms for the worst patterns found, where 64 kB took 0.6 s. */
    REGEX_TEXT_MAX = 1024,
    REGEX_STEPS_MAX = 10000,
    REGEX_DEPTH_MAX = 250,
    REGEX_HEAP_MAX_KB = 256,
};

struct regex {
    pcre2_code *code;
    pcre2_match_context *limits; /* only read while matching, so threads may share it */
};

static void why_print(struct buf *why, int code, size_t offset)
{
    unsigned char text[128];

    if (!why)
        return;
    if (pcre2_get_error_message(code, text, sizeof(text)) < 0)
        text[0] = '\0';
    buf_printf(why, "%s at offset %zu", (const char *)text, offset);
}

/* POSIX extended, as far as a yes or no can tell: unanchored, no groups, '.' is any byte, '$' only
 * the very end. The pattern may not switch to UTF by itself, since texts are bytes and may be
 * broken UTF-8. */
static uint32_t compile_options(bool nocase)
{
    uint32_t options = PCRE2_NO_AUTO_CAPTURE | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                       PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;

    return nocase ? options | PCRE2_CASELESS : options;
}

static int code_compile(pcre2_code **out, struct str pattern, bool nocase, struct buf *why)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    const unsigned char *text = (const unsigned char *)(pattern.n ? pattern.p : "");
    size_t offset = 0;
    int code = 0, r = -ENOMEM;

    if (!context)
        goto out;
    pcre2_set_max_pattern_length(context, REGEX_PATTERN_MAX);
    pcre2_set_parens_nest_limit(context, REGEX_NESTING_MAX);
    *out = pcre2_compile(text, pattern.n, compile_options(nocase), &code, &offset, context);
    r = *out ? 0 : code == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -EINVAL;
    if (r == -EINVAL)
        why_print(why, code, offset);
out:
    pcre2_compile_context_free(context);
    return r;
}

int regex_create(struct regex **out, struct str pattern, bool nocase, struct buf *why)
{
    struct regex *re = calloc(1, sizeof(*re));
    int r = -ENOMEM;

    if (!re)
        goto out;
    re->limits = pcre2_match_context_create(NULL);
    if (!re->limits)
        goto out;
    pcre2_set_match_limit(re->limits, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(re->limits, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(re->limits, REGEX_HEAP_MAX_KB);
    r = code_compile(&re->code, pattern, nocase, why);
    if (r)
        goto out;
    /* Only speed is lost where it cannot be had. With it the step limit still holds; depth and heap
     * are bounded by its fixed stack. */
    (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    *out = re;
    re = NULL;
out:
    regex_destroy(re);
    return r;
}

void regex_destroy(struct regex *re)
{
    if (!re)
        return;
    pcre2_code_free(re->code);
    pcre2_match_context_free(re->limits);
    free(re);
}

bool regex_matches(const struct regex *re, struct str text, bool *limit_hit)
{
    const unsigned char *bytes = (const unsigned char *)(text.n ? text.p : "");
    pcre2_match_data *data = text.n > REGEX_TEXT_MAX ? NULL : pcre2_match_data_create(1, NULL);
    int r = PCRE2_ERROR_NOMEMORY;

    if (data)
        r = pcre2_match(re->code, bytes, text.n, 0, 0, data, re->limits);
    pcre2_match_data_free(data);
    /* Whatever is neither a match nor a clear no has stopped at some limit. */
    if (limit_hit)
        *limit_hit = r < 0 && r != PCRE2_ERROR_NOMATCH;
    return r >= 0;
}
