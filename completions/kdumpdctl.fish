# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for kdumpdctl(1).

set -l verbs status check list info report dmesg path watch acknowledge test
set -l states complete incomplete dmesg-only unreadable gone untrusted
set -l classes sysrq null-dereference page-fault general-protection kernel-bug divide-error \
    invalid-opcode double-fault stack-overflow stack-corruption soft-lockup hard-lockup hung-task \
    rcu-stall nmi machine-check out-of-memory init-killed root-not-mounted panic-on-warn \
    list-corruption kasan ubsan kcsan user-request unknown
set -l objections not-ready not-judged-anew too-little-space capture-being-written test-recently \
    boot-loop machine-unread just-booted busy pressure dirty-pages md-rebuilding btrfs-busy \
    zfs-degraded packages-changing others-logged-in inhibited

function __kdumpdctl_ids
    set -l bus (string match --regex -- '--bus[= ]\S+' (commandline --current-process) | string split ' ')
    kdumpdctl list --no-legend $bus 2>/dev/null | string replace --filter --regex \
        '^(.*\S)\s+([0-9a-f]{16})(\s.*)?$' '$2\t$1'
end

complete -c kdumpdctl -f
complete -c kdumpdctl -s h -l help -d 'Print a short help'
complete -c kdumpdctl -l bus -x -a 'system session' -d 'The message bus'
complete -c kdumpdctl -l json -a 'pretty short off' -d 'Print JSON'
complete -c kdumpdctl -l no-pager -d 'Do not use a pager'

set -l none "not __fish_seen_subcommand_from $verbs"
complete -c kdumpdctl -n $none -l version -d 'Print the version'
complete -c kdumpdctl -n $none -a status -d 'Show whether the next panic would leave a dump'
complete -c kdumpdctl -n $none -a check -d 'Check readiness now, and show how to fix what is wrong'
complete -c kdumpdctl -n $none -a list -d 'List captures, the newest crash last'
complete -c kdumpdctl -n $none -a info -d 'Show everything known about captures'
complete -c kdumpdctl -n $none -a report -d 'Print a crash as text for a bug report'
complete -c kdumpdctl -n $none -a dmesg -d 'Print the kernel log of a capture'
complete -c kdumpdctl -n $none -a path -d 'Print the path of the core of a capture'
complete -c kdumpdctl -n $none -a watch -d 'Print events as they happen'
complete -c kdumpdctl -n $none -a acknowledge -d 'Mark crashes as acknowledged'
complete -c kdumpdctl -n $none -a test -d 'Crash this machine to test that a dump is saved'

complete -c kdumpdctl -n '__fish_seen_subcommand_from check list info' -l root -x \
    -a '(__fish_complete_directories)' -d 'Look below this directory, without the daemon'
complete -c kdumpdctl -n '__fish_seen_subcommand_from check' -s v -l verbose -d 'List the checks that passed as well'
complete -c kdumpdctl -n '__fish_seen_subcommand_from info report dmesg path acknowledge' \
    -a '(__kdumpdctl_ids)'

set -l list '__fish_seen_subcommand_from list'
complete -c kdumpdctl -n $list -s n -l lines -x -d 'Show only the newest N'
complete -c kdumpdctl -n $list -s S -l since -x -a 'today yesterday -1h -1d -1w' -d 'Show only crashes since this time'
complete -c kdumpdctl -n $list -s U -l until -x -a 'today yesterday -1h -1d -1w' -d 'Show only crashes until this time'
complete -c kdumpdctl -n $list -s r -l reverse -d 'Show the newest first'
complete -c kdumpdctl -n $list -l untrusted -d 'List untrusted captures one by one'
complete -c kdumpdctl -n $list -l no-legend -d 'Do not print column headings'
complete -c kdumpdctl -n $list -l state -x -a "(__fish_append , $states)" -d 'Show only captures in these states'
complete -c kdumpdctl -n $list -l class -x -a "(__fish_append , $classes)" -d 'Show only crashes of these classes'

complete -c kdumpdctl -n '__fish_seen_subcommand_from report' -l addresses -d 'Keep addresses in the log'
complete -c kdumpdctl -n '__fish_seen_subcommand_from report' -l host -d 'Include the name of the machine'
complete -c kdumpdctl -n '__fish_seen_subcommand_from path' -l directory -d 'Print the directory instead'
complete -c kdumpdctl -n '__fish_seen_subcommand_from acknowledge' -l all -d 'Acknowledge every crash known now'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l dry-run -d 'Only print reasons not to crash'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l cancel -d 'Stop a test, whoever started it'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l override -x -a "$objections" -d 'Override the warning with this code'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l yes -x -a '(uname -n)' -d 'Skip the prompt'
