# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for kdumpdctl(1).

# Print the ids that the daemon knows; nothing where none answers.
__kdumpdctl_ids() {
    kdumpdctl list --no-legend "${__kdumpdctl_bus[@]}" 2>/dev/null |
        sed -n 's/.*[[:space:]]\([0-9a-f]\{16\}\)\([[:space:]].*\)\{0,1\}$/\1/p'
}

# Complete the last word of a list with commas between.
__kdumpdctl_list() {
    local word=$1 before='' known
    shift
    [[ $word != *,* ]] || before=${word%,*},
    for known; do
        [[ $known != "${word##*,}"* ]] || COMPREPLY+=("$before$known")
    done
}

_kdumpdctl() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs='status check list info report dmesg path watch acknowledge test'
    local states='complete incomplete dmesg-only unreadable gone untrusted'
    local classes='sysrq null-dereference page-fault general-protection kernel-bug divide-error
        invalid-opcode double-fault stack-overflow stack-corruption soft-lockup hard-lockup hung-task
        rcu-stall nmi machine-check out-of-memory init-killed root-not-mounted panic-on-warn
        list-corruption kasan ubsan kcsan user-request unknown'
    local objections='not-ready not-judged-anew too-little-space capture-being-written test-recently
        boot-loop machine-unread just-booted busy pressure dirty-pages md-rebuilding btrfs-busy
        zfs-degraded packages-changing others-logged-in inhibited'
    local options='--bus --json --no-pager --help' verb='' option='' word
    local -a __kdumpdctl_bus=() words
    COMPREPLY=()

    # Not COMP_WORDS: an address has characters at which readline parts words, and a word "path".
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ! $COMP_LINE =~ [[:space:]]--bus[=[:space:]]([^[:space:]]+) ]] ||
        __kdumpdctl_bus=("--bus=${BASH_REMATCH[1]}")
    [[ ${COMP_LINE:COMP_POINT-1:1} == ' ' ]] || unset 'words[-1]'
    for word in "${words[@]:1}"; do
        [[ -n $verb || " $verbs " != *" $word "* ]] || verb=$word
    done
    if [[ $current == = ]]; then
        option=$previous current=
    elif [[ $previous == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $previous == -* ]]; then
        option=$previous
    fi

    case $option in
    --json)
        mapfile -t COMPREPLY < <(compgen -W 'pretty short off' -- "$current")
        return
        ;;
    --bus)
        mapfile -t COMPREPLY < <(compgen -W 'system session unix:path=' -- "$current")
        return
        ;;
    --root)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --state)
        # shellcheck disable=SC2086  # a list of words
        __kdumpdctl_list "$current" $states
        return
        ;;
    --class)
        # shellcheck disable=SC2086  # a list of words
        __kdumpdctl_list "$current" $classes
        return
        ;;
    -S | --since | -U | --until)
        mapfile -t COMPREPLY < <(compgen -W 'today yesterday -1h -1d -1w' -- "$current")
        return
        ;;
    --yes)
        mapfile -t COMPREPLY < <(compgen -W "$(uname -n)" -- "$current")
        return
        ;;
    --override)
        mapfile -t COMPREPLY < <(compgen -W "$objections" -- "$current")
        return
        ;;
    -n | --lines)
        return
        ;;
    esac

    case $verb in
    '') options+=' --version' ;;
    check) options+=' --root -v --verbose' ;;
    info) options+=' --root' ;;
    list) options+=' --root -n --lines -S --since -U --until -r --reverse --untrusted --no-legend --state --class' ;;
    report) options+=' --addresses --host' ;;
    path) options+=' --directory' ;;
    acknowledge) options+=' --all' ;;
    test) options+=' --dry-run --cancel --override --yes' ;;
    esac

    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    case $verb in
    '') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current") ;;
    info | report | dmesg | path | acknowledge)
        mapfile -t COMPREPLY < <(compgen -W "$(__kdumpdctl_ids)" -- "$current")
        ;;
    esac
}

complete -F _kdumpdctl kdumpdctl
