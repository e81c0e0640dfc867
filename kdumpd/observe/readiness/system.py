# SPDX-License-Identifier: GPL-2.0-or-later
"""Read whether kexec is allowed here, and what the next boot sets a sysctl to."""

import re

from kdumpd.model.readiness.facts import SystemFacts
from kdumpd.model.readiness.finding import Fact, Unknown
from kdumpd.observe.files import CMDLINE, EFI_VARIABLES, OSRELEASE, Files
from kdumpd.observe.readiness.kernel import uses_fadump
from kdumpd.observe.readiness.shared_files import Mounts, MountTable, SharedFiles

# A file hides its namesakes in the directories behind; all are read in the order of their names.
SYSCTL_DIRECTORIES = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d")
SYSCTL_CONF = "etc/sysctl.conf"  # read last, by sysctl(8) and by Debian's link 99-sysctl.conf


def read_sysctl_at_boot(files: Files, name: str) -> Fact[tuple[str, str]]:
    """Return the value that a boot sets, and the file that says so; None where none does."""
    found: Fact[tuple[str, str]] = None
    for path in [*files.drop_ins(SYSCTL_DIRECTORIES), SYSCTL_CONF]:
        lines = files.lines(path)
        if isinstance(lines, Unknown):
            return lines
        for line in lines or ():
            key, equals, value = line.partition("=")
            if equals and key.strip().lstrip("-").replace("/", ".") == name:
                found = value.strip(), path
    return found


CONTAINER_NAME = "run/systemd/container"  # what the service manager found it runs in
INIT_ENVIRONMENT = "proc/1/environ"
BOOTED_BY_SYSTEMD = "run/systemd/system"  # sd_booted(3)
CONTAINER_MARKS = (("run/.containerenv", "podman"), (".dockerenv", "docker"))
# the date of every kernel that gVisor claims to be
GVISOR_VERSION = b"Sun Jan 10 15:06:54 PST 2016"
WSL_RELEASE_WORD = b"microsoft"  # 4.4.0-19041-Microsoft, 5.15.153.1-microsoft-standard-WSL2
CONTAINER_KIND_PATTERN = r"[A-Za-z0-9_.-]{1,40}"
# live-boot(7), casper(7), dracut.cmdline(7), overlayroot, and Arch's and openSUSE's images.
LIVE_SYSTEM_PATTERN = (
    r"boot=(?:live|casper)|rd\.live\.image|root=live:\S{1,200}|toram"
    r"|overlayroot=tmpfs\S{0,100}|archisobasedir=\S{1,100}|kiwi_hybrid=1"
)
PERSISTENCE_OPTIONS = {"persistence", "persistent", "rd.live.overlay"}
LOCKDOWN = "sys/kernel/security/lockdown"
LOCKDOWN_MODE_PATTERN = r"\[([a-z]{1,20})\]"
EFI_GLOBAL_VENDOR = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
EFI_FLAG_BYTES = 5  # four of attributes, and one that is 0 or 1
CRASH_KEXEC_POST_NOTIFIERS = "sys/module/kernel/parameters/crash_kexec_post_notifiers"
PARAMETER_ON, PARAMETER_OFF = {"Y", "y", "1"}, {"N", "n", "0"}
SEV_SNP = "sys/module/kvm_amd/parameters/sev_snp"


def read_system(shared: SharedFiles) -> SystemFacts:
    """Return whether kexec is allowed here; nothing is raised for what is wrong."""
    files = shared.files
    return SystemFacts(
        container=_container(files, shared.mounts),
        live=_live(files),
        capturing=files.status("proc/vmcore") is not None,
        xen_dom0=_says(files, "proc/xen/capabilities", {"control_d"}) is True,
        lockdown=_lockdown(files),
        secure_boot=_secure_boot(files),
        load_disabled=_is_set(files, "proc/sys/kernel/kexec_load_disabled"),
        disabled_at_boot=_disabled_at_boot(files),
        loads_left=files.number("proc/sys/kernel/kexec_load_limit_panic"),
        post_notifiers=_notifiers(files),
        notifiers_wanted=_notifiers_wanted(files),
    )


def _disabled_at_boot(files: Files) -> Fact[str]:
    told = read_sysctl_at_boot(files, "kernel.kexec_load_disabled")
    if told is None or isinstance(told, Unknown):
        return told
    value, path = told
    return path if value == "1" else None


def _container(files: Files, mounts: Mounts) -> str:
    said = files.text(CONTAINER_NAME)
    if isinstance(said, str) and said:
        return _named(said)
    return _of_first_process(files) or _of_kernel(files) or _of_marks(files, mounts)


def _of_first_process(files: Files) -> str:
    for variable in _bytes(files, INIT_ENVIRONMENT).split(b"\0"):
        name, _, value = variable.partition(b"=")
        if name == b"container" and value:
            return _named(value.decode("ascii", "replace"))
    return ""


def _of_kernel(files: Files) -> str:
    if WSL_RELEASE_WORD in _bytes(files, OSRELEASE).lower():
        return "wsl"
    if GVISOR_VERSION in _bytes(files, "proc/version"):
        return "gvisor"
    guest_of_openvz = files.status("proc/vz") is not None and files.status("proc/bc") is None
    return "openvz" if guest_of_openvz else ""


def _has_its_own_disk(mounts: Mounts) -> bool:
    """Return whether / lies on a disk: a container's is a view of its host's files."""
    table = mounts.table
    mounted = table.mounts if isinstance(table, MountTable) else ()
    return any(one.point == b"/" and one.source.startswith(b"/dev/") for one in mounted)


def _of_marks(files: Files, mounts: Mounts) -> str:
    # Disks made from an image keep its mark, and are booted like any other.
    if files.status(BOOTED_BY_SYSTEMD) is not None or _has_its_own_disk(mounts):
        return ""
    return next((kind for mark, kind in CONTAINER_MARKS if files.status(mark) is not None), "")


def _named(kind: str) -> str:
    return kind if re.fullmatch(CONTAINER_KIND_PATTERN, kind) else "unknown"


def _live(files: Files) -> str:
    words = _bytes(files, CMDLINE).decode("ascii", "backslashreplace").split()
    if any(word.partition("=")[0] in PERSISTENCE_OPTIONS for word in words):
        return ""
    return next(
        (word for word in words if re.fullmatch(LIVE_SYSTEM_PATTERN, word) and word.isprintable()),
        "",
    )


def _lockdown(files: Files) -> Fact[str]:
    said = files.text(LOCKDOWN)
    if not isinstance(said, str):
        return said
    chosen = re.search(LOCKDOWN_MODE_PATTERN, said)
    return chosen[1] if chosen else files.unknown(LOCKDOWN, "names no mode")


def _secure_boot(files: Files) -> Fact[bool]:
    on, setup = (_efi(files, name) for name in ("SecureBoot", "SetupMode"))
    return on if on is not True else setup is not True


def _efi(files: Files, variable: str) -> Fact[bool]:
    name = f"{EFI_VARIABLES}/{variable}-{EFI_GLOBAL_VENDOR}"
    content = files.content(name)
    if not isinstance(content, bytes):
        return content
    if len(content) != EFI_FLAG_BYTES or content[-1] > 1:
        return files.unknown(name, "is no variable of one byte that is 0 or 1")
    return content[-1] == 1


def _is_set(files: Files, name: str) -> Fact[bool]:
    number = files.number(name)
    return number != 0 if isinstance(number, int) else number


def _notifiers(files: Files) -> Fact[bool]:
    said = files.text(CRASH_KEXEC_POST_NOTIFIERS)
    if not isinstance(said, str):
        return said
    if said in PARAMETER_ON | PARAMETER_OFF:
        return said in PARAMETER_ON
    return files.unknown(CRASH_KEXEC_POST_NOTIFIERS, "says neither Y nor N")


def _notifiers_wanted(files: Files) -> str:
    # drivers/hv/hv_common.c, arch/powerpc/kernel/fadump.c, arch/x86/virt/svm/sev.c
    if files.status("sys/bus/vmbus") is not None:
        return "Hyper-V, which must hear of the panic first"
    if uses_fadump(files):
        return "fadump, which a notifier starts"
    if _says(files, SEV_SNP, PARAMETER_ON):
        return "SEV-SNP, to open its memory first"
    return ""


def _says(files: Files, name: str, words: set[str]) -> bool:
    said = files.text(name)
    return isinstance(said, str) and said in words


def _bytes(files: Files, name: str) -> bytes:
    content = files.content(name)
    return content if isinstance(content, bytes) else b""
