// SPDX-License-Identifier: MIT
/* builtin.h - the generators that are always there. They know the plugin ABI and nothing else of
 * the server. */
#pragma once
#include "extstate/body.h"

extern const struct es_body_generator dialog_info_generator, pidf_generator, xpidf_generator,
    cpim_pidf_generator, messages_generator, watcher_info_generator, opaque_generator;
extern const struct es_body_supplement digium_supplement, eyebeam_supplement;

extern const struct es_plugin builtin_plugin;

/* What is told to be the state: a hint that is gone looks unavailable, unless it is to look idle as
 * with Asterisk. builtin_state is for the resource as a whole, builtin_hint_state for its hint. */
enum es_extension_state builtin_state(const struct es_body_request *rq);
enum es_extension_state builtin_hint_state(const struct es_body_request *rq);
/* How much a dialog matters to somebody with one lamp. */
unsigned builtin_dialog_rank(const struct es_dialog *d);
/* Is it in a call, as published dialogs have it? The first one matters most. */
bool builtin_has_call(const struct es_snapshot *s);

/* Is `part` (not empty) somewhere in `s`? In any case. */
bool text_contains(struct es_text s, struct es_text part);
