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
complete -c kdumpdctl -l bus -x -a 'system session' -d 'Where kdumpd is'
complete -c kdumpdctl -l json -a 'pretty short off' -d 'Print JSON'
complete -c kdumpdctl -l no-pager -d 'Print all at once'

set -l none "not __fish_seen_subcommand_from $verbs"
complete -c kdumpdctl -n $none -l version -d 'Print the version'
complete -c kdumpdctl -n $none -a status -d 'Whether the next panic would leave a dump'
complete -c kdumpdctl -n $none -a check -d 'What was checked for that, a line each'
complete -c kdumpdctl -n $none -a list -d 'Captures, the newest crash last'
complete -c kdumpdctl -n $none -a info -d 'All that is known of captures'
complete -c kdumpdctl -n $none -a report -d 'One crash as a text to paste into a bug'
complete -c kdumpdctl -n $none -a dmesg -d 'The kernel log of one capture'
complete -c kdumpdctl -n $none -a path -d 'Where the core of one capture lies'
complete -c kdumpdctl -n $none -a watch -d 'What happens from now on'
complete -c kdumpdctl -n $none -a acknowledge -d 'Take note of crashes'
complete -c kdumpdctl -n $none -a test -d 'Crash this machine to prove that a dump is saved'

complete -c kdumpdctl -n '__fish_seen_subcommand_from check list info' -l root -x \
    -a '(__fish_complete_directories)' -d 'Look below this directory, without a daemon'
complete -c kdumpdctl -n '__fish_seen_subcommand_from info report dmesg path acknowledge' \
    -a '(__kdumpdctl_ids)'

set -l list '__fish_seen_subcommand_from list'
complete -c kdumpdctl -n $list -s n -l lines -x -d 'The newest N only'
complete -c kdumpdctl -n $list -s S -l since -x -a 'today yesterday -1h -1d -1w' -d 'Crashes since'
complete -c kdumpdctl -n $list -s U -l until -x -a 'today yesterday -1h -1d -1w' -d 'Crashes until'
complete -c kdumpdctl -n $list -s r -l reverse -d 'The newest first'
complete -c kdumpdctl -n $list -l untrusted -d 'Each that is not trusted'
complete -c kdumpdctl -n $list -l no-legend -d 'No headings'
complete -c kdumpdctl -n $list -l state -x -a "(__fish_append , $states)" -d 'In these states only'
complete -c kdumpdctl -n $list -l class -x -a "(__fish_append , $classes)" -d 'Of these classes only'

complete -c kdumpdctl -n '__fish_seen_subcommand_from report' -l addresses -d 'Leave addresses in'
complete -c kdumpdctl -n '__fish_seen_subcommand_from report' -l host -d 'Tell the name of the machine'
complete -c kdumpdctl -n '__fish_seen_subcommand_from path' -l directory -d 'Print the directory'
complete -c kdumpdctl -n '__fish_seen_subcommand_from acknowledge' -l all -d 'All that are known'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l dry-run -d 'Only what speaks against it'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l cancel -d 'Stop a test, whoever asked for it'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l override -x -a "$objections" -d 'In spite of this objection'
complete -c kdumpdctl -n '__fish_seen_subcommand_from test' -l yes -x -a '(uname -n)' -d 'Do not ask'
