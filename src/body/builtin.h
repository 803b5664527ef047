// SPDX-License-Identifier: MIT
/* builtin.h - the generators that are always there. They know the plugin ABI and nothing else of
 * the server. */
#pragma once
#include "extstate/body.h"

extern const struct es_body_generator dialog_info_generator, pidf_generator, xpidf_generator,
    cpim_pidf_generator;
extern const struct es_body_supplement digium_supplement, eyebeam_supplement;

extern const struct es_plugin builtin_plugin;

/* What is told to be the state: a hint that is gone looks unavailable, unless it is to look idle as
 * with Asterisk. */
enum es_extension_state builtin_state(const struct es_body_request *rq);
