# SPDX-License-Identifier: MIT
# bash completion: the tool itself knows its words.
_extstatectl()
{
    local words=() word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in -*) ;; *) words+=("$word") ;; esac
    done
    COMPREPLY=($(compgen -W "$(extstatectl --complete "${words[@]}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _extstatectl extstatectl
