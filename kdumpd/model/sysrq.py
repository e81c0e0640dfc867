# SPDX-License-Identifier: GPL-2.0-or-later
"""What kernel.sysrq lets the keyboard do (Documentation/admin-guide/sysrq.rst).

The value binds the keyboard and serial consoles only: whoever may write to /proc/sysrq-trigger,
root by default, may do all of it whatever the value says.
"""

EVERYTHING = 1
CRASH = 0x8  # of the letter c as well (drivers/tty/sysrq.c, sysrq_crash_op)
DEEDS = {
    0x2: "log level",
    0x4: "keyboard",
    CRASH: "debugging",
    0x10: "sync",
    0x20: "remount read-only",
    0x40: "ending programs",
    0x80: "reboot",
    0x100: "renice",
}


def keyboard_deeds(value: int) -> tuple[str, ...]:
    """Return in a word each what the keyboard may do, in the order of the bits."""
    if value == EVERYTHING:
        return tuple(DEEDS.values())
    return tuple(words for bit, words in DEEDS.items() if value & bit)


def keyboard_may_crash(value: int) -> bool:
    """Return whether the keys Alt, SysRq and c crash the machine."""
    return value == EVERYTHING or bool(value & CRASH)
