# SPDX-License-Identifier: GPL-2.0-or-later
"""How many times as much as the bare thing each figure may be, by its name; no other is held.

Where the bare thing does nothing, the target is of the figure itself.
"""

TARGETS: dict[str, float] = {
    "READY, no captures": 1.5,
    "READY by processor time, no captures": 2.2,
    "READY, 10000 captures": 2.0,
    "RSS, no captures": 1.3,
    "PSS, no captures": 1.3,
    "RSS by firewalld's": 1.0,
    "RSS by tuned's": 1.0,
    # One poll: the loop and a thread hand over to each other; what wakes in between is seen.
    "idle: wake-ups in a minute": 30.0,
    "notice, p99": 3.0,
    "rescan of 10000 unchanged": 2.0,
    "GetManagedObjects of 10000": 4.0,
    "log of kdump-compressed": 5.0,
    "log of flattened": 5.0,
    "log of elf": 5.0,
    "log of kdump-compressed, 8 GiB by 17 MB": 1.5,
    "log of flattened, 8 GiB by 17 MB": 1.5,
    "log of elf, 8 GiB by 104 MB": 1.5,
    "kdumpdctl status": 4.0,
}
