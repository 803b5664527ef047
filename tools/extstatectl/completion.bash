# SPDX-License-Identifier: MIT
# bash completion: the tool itself knows its words, and which options have a value.
_extstatectl()
{
    local word=${COMP_WORDS[COMP_CWORD]}
    if [ "${COMP_WORDS[COMP_CWORD-1]}" = --socket ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$("$1" --complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "$word")
    fi
}
complete -F _extstatectl extstatectl
