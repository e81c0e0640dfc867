# SPDX-License-Identifier: GPL-2.0-or-later
"""The one capability that the daemon is given."""

import ctypes

PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4  # include/uapi/linux/prctl.h


def keep_to_oneself() -> None:
    """Let no program that is started from now on have this process's capabilities, if not root's.

    Call it before there are threads: capabilities(7), each has its own. What a service manager
    gives in the ambient set stays permitted and effective here, and ends at execve(2).
    """
    ctypes.CDLL(None).prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
