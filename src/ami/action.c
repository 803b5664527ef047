// SPDX-License-Identifier: MIT
/* Which actions there are, and who may run them. */
#include "ami/server_internal.h"

#define LOOKING (MANAGER_CALL | MANAGER_REPORTING)
#define SYSTEM_LOOKING (MANAGER_SYSTEM | MANAGER_REPORTING)

/* By name, as ListCommands tells them. */
const struct ami_action ami_actions[] = {
    { "Challenge", 0, .before_login = true, .run = action_challenge,
      .synopsis = "Generate Challenge for MD5 Auth." },
    { "Command", MANAGER_COMMAND, .changes = true, .run = action_command,
      .synopsis = "Execute Asterisk CLI Command." },
    { "CoreSettings", SYSTEM_LOOKING, .run = action_core_settings,
      .synopsis = "Show PBX core settings (version etc)." },
    { "CoreStatus", SYSTEM_LOOKING, .run = action_core_status,
      .synopsis = "Show PBX core status variables." },
    { "DBDel", MANAGER_SYSTEM, .changes = true, .run = action_db_del,
      .synopsis = "Delete DB entry." },
    { "DBDelTree", MANAGER_SYSTEM, .changes = true, .run = action_db_del_tree,
      .synopsis = "Delete DB Tree." },
    { "DBGet", SYSTEM_LOOKING, .run = action_db_get, .synopsis = "Get DB Entry." },
    { "DBGetTree", SYSTEM_LOOKING, .run = action_db_get_tree,
      .synopsis = "Get DB entries, optionally at a particular family/key" },
    { "DBPut", MANAGER_SYSTEM, .changes = true, .run = action_db_put, .synopsis = "Put DB entry." },
    { "DeviceStateList", LOOKING, .run = action_device_state_list,
      .synopsis = "List the current known device states." },
    { "DialplanExtensionAdd", MANAGER_SYSTEM, .changes = true, .run = action_extension_add,
      .synopsis = "Add an extension to the dialplan" },
    { "DialplanExtensionRemove", MANAGER_SYSTEM, .changes = true, .run = action_extension_remove,
      .synopsis = "Remove an extension from the dialplan" },
    { "Events", 0, .run = action_events, .synopsis = "Control Event Flow." },
    { "ExtensionState", LOOKING, .run = action_extension_state,
      .synopsis = "Check Extension Status." },
    { "ExtensionStateList", LOOKING, .run = action_extension_state_list,
      .synopsis = "List the current known extension states." },
    { "Filter", MANAGER_SYSTEM, .run = action_filter,
      .synopsis = "Dynamically add filters for the current manager session." },
    { "Getvar", LOOKING, .run = action_getvar,
      .synopsis = "Gets a channel variable or function value." },
    { "ListCommands", 0, .run = action_list_commands,
      .synopsis = "List available manager commands." },
    { "Login", 0, .before_login = true, .run = action_login, .synopsis = "Login Manager." },
    { "Logoff", 0, .before_login = true, .run = action_logoff, .synopsis = "Logoff Manager." },
    { "MailboxCount", LOOKING, .run = action_mailbox_count,
      .synopsis = "Check Mailbox Message Count." },
    { "MailboxStatus", LOOKING, .run = action_mailbox_status, .synopsis = "Check mailbox." },
    { "MWIDelete", MANAGER_CALL, .changes = true, .run = action_mwi_delete,
      .synopsis = "Delete selected mailboxes." },
    { "MWIGet", LOOKING, .run = action_mwi_get,
      .synopsis = "Get selected mailboxes with message counts." },
    { "MWIUpdate", MANAGER_CALL, .changes = true, .run = action_mwi_update,
      .synopsis = "Update the mailbox message counts." },
    { "Ping", 0, .run = action_ping, .synopsis = "Keepalive command." },
    { "PJSIPShowContacts", MANAGER_SYSTEM, .run = action_contacts,
      .synopsis = "Lists PJSIP Contacts." },
    { "PJSIPShowEndpoints", MANAGER_SYSTEM, .run = action_endpoints,
      .synopsis = "Lists PJSIP endpoints." },
    { "PJSIPShowResourceLists", MANAGER_SYSTEM, .run = action_resource_lists,
      .synopsis = "Displays settings for configured resource lists." },
    { "PJSIPShowSubscriptionsInbound", MANAGER_SYSTEM, .run = action_subscriptions_inbound,
      .synopsis = "Lists subscriptions." },
    { "PJSIPShowSubscriptionsOutbound", MANAGER_SYSTEM, .run = action_subscriptions_outbound,
      .synopsis = "Lists subscriptions." },
    { "PresenceState", LOOKING, .run = action_presence_state, .synopsis = "Check Presence State" },
    { "PresenceStateList", LOOKING, .run = action_presence_state_list,
      .synopsis = "List the current known presence states." },
    { "Reload", MANAGER_CONFIG | MANAGER_SYSTEM, .changes = true, .run = action_reload,
      .synopsis = "Send a reload event." },
    { "Setvar", MANAGER_CALL, .changes = true, .run = action_setvar,
      .synopsis = "Sets a channel variable or function value." },
    { "UserEvent", MANAGER_USER, .changes = true, .run = action_user_event,
      .synopsis = "Send an arbitrary event." },
};
const size_t ami_n_actions = ARRAY_LEN(ami_actions);

static const struct ami_action *action_find(struct str name)
{
    for (size_t i = 0; i < ami_n_actions; i++)
        if (str_equal_nocase(name, str_of(ami_actions[i].name)))
            return &ami_actions[i];
    return NULL;
}

bool action_permitted(const struct ami_session *s, const struct ami_action *action)
{
    if (!s->user)
        return action->before_login;
    return !action->classes || (s->user->write & action->classes);
}

void action_run(struct ami_session *s, const struct ami_message *m)
{
    struct str name = ami_get(m, STR("Action"));
    const struct ami_action *action = action_find(name);

    if (!name.n)
        session_fail(s, "Missing action in request");
    else if (!s->user && (!action || !action->before_login))
        session_fail(s, "Permission denied");
    else if (!action)
        session_fail(s,
                     "Invalid/unknown command: %.*s. Use Action: ListCommands to show available "
                     "commands.",
                     STR_FMT(name));
    else if (!action_permitted(s, action))
        session_fail(s, "Permission denied");
    else {
        s->action = action;
        s->holding = action->changes;
        action->run(s, m);
    }
}

void action_list_commands(struct ami_session *s, const struct ami_message *m)
{
    struct buf *b = session_respond(s, "Success");

    (void)m;
    for (size_t i = 0; i < ami_n_actions; i++) {
        const struct ami_action *a = &ami_actions[i];

        if (!action_permitted(s, a))
            continue;
        buf_printf(b, "%s: %s (Priv: ", a->name, a->synopsis);
        if (a->classes)
            manager_classes_print(b, a->classes);
        else
            buf_add(b, STR("<none>"));
        buf_add(b, STR(")\r\n"));
    }
    ami_end(b);
    session_done(s);
}
