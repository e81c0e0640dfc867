# SPDX-License-Identifier: GPL-2.0-or-later
"""Write what readiness is judged from into a text; runs in the machine that it is about.

usage: python3 -m tests.vm.tree_capture FILE (as root)

Of what is short and readable FILE then has the contents, of what else is on the disk the sizes and
times, and what the tools said. See tests/samples/README.md.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.machine_file import Entry, Machine, format_machine, kind_of, shown_mode

LONGEST = 400_000  # bytes of a file; a kernel's configuration has 280,000
KERNEL = """arch *panic* *nmi* kexec* sysrq osrelease ostype version hostname domainname
random/boot_id tainted softlockup* hardlockup* hung_task* *watchdog* modules_disabled oops_limit
warn_limit printk dmesg_restrict kptr_restrict perf_event_paranoid unprivileged_bpf_disabled"""
# Without what a disk has: no size, no time, no mode of their own that means anything.
KERNEL_FILES = (
    *("cmdline", "iomem", "meminfo", "version", "mounts", "modules", "filesystems", "swaps"),
    *("uptime", "consoles", "partitions", "self/mountinfo", "self/mounts", "1/comm", "1/cgroup"),
)
SYS_FILES = (
    *("kernel/kexec_*", "kernel/kexec/*", "kernel/fadump*", "kernel/fadump/*", "kernel/vmcoreinfo"),
    *("kernel/security/lockdown", "kernel/security/lsm", "kernel/crash_elfcorehdr_size"),
    *("module/kernel/parameters/*", "module/printk/parameters/*", "module/pstore/parameters/*"),
    *("module/rcupdate/parameters/*stall*", "module/apei/parameters/*"),
    *("firmware/efi/fw_platform_size", "firmware/efi/efivars/SecureBoot-*"),
    *("firmware/efi/efivars/SetupMode-*",),
    *("devices/system/memory/block_size_bytes", "devices/system/memory/auto_online_blocks"),
    *("devices/system/memory/memory*/online", "devices/system/memory/memory*/state"),
    *("devices/system/cpu/online", "devices/system/cpu/present", "devices/system/cpu/possible"),
    *("devices/system/cpu/crash_hotplug", "devices/system/memory/crash_hotplug"),
    *("class/dmi/id/sys_vendor", "class/dmi/id/product_name", "class/dmi/id/chassis_type"),
    *("class/dmi/id/bios_vendor", "hypervisor/type"),
)
VM = ("panic_on_oom", "overcommit_memory", "oom_kill_allocating_task", "min_free_kbytes")
CONTENTS = (
    *("boot/grub/grub.cfg", "boot/grub/grubenv", "boot/loader/**/*"),
    *("etc/default/grub", "etc/default/grub.d/*", "etc/default/kdump-tools", "etc/default/kexec"),
    *("etc/default/kexec.d/*", "etc/kdump/*", "etc/kdump.conf", "etc/fstab", "etc/sysctl.conf"),
    *("etc/sysctl.d/*", "usr/lib/sysctl.d/*", "etc/kernel/postinst.d/*", "etc/debian_version"),
    *("usr/lib/os-release", "etc/os-release", "etc/initramfs-tools/initramfs.conf"),
    *("etc/initramfs-tools/modules", "etc/initramfs-tools/conf.d/*", "etc/init.d/kdump-tools"),
    *("etc/systemd/system/**/kdump*", "usr/lib/systemd/system/kdump*", "usr/share/kdump-tools/*"),
    *("usr/lib/udev/rules.d/*kdump*", "var/lib/kdump/latest_sysctls-*", "var/lib/kdump/mem-*"),
    *("var/lib/kdump/size_*", "var/lib/kdump/initramfs-tools/**/*", "var/crash/kexec_cmd"),
    *("run/systemd/container", "run/systemd/system", ".dockerenv", "run/.containerenv"),
)
LISTED = (
    *("boot/**/*", "var/lib/kdump/**/*", "var/crash/**/*", "var/lib/systemd/pstore", "vmlinuz*"),
    *("initrd.img*", "bin", "sbin", "lib", "lib64", "usr/lib/modules/*", "usr/sbin/kexec"),
    *("usr/bin/makedumpfile", "usr/sbin/kdump-config", "usr/sbin/makedumpfile"),
    *("var/run", "var/crash", "var/lib/kdump", "boot", "usr/sbin/kdumpctl"),
)
UNLISTED = ("boot/grub/i386-pc/", "boot/grub/fonts/", "boot/grub/locale/")
PACKAGES = (
    *("crash", "dracut", "grub-common", "grub-efi-amd64", "grub-pc", "grub2-common", "systemd"),
    *("initramfs-tools", "initramfs-tools-core", "kexec-tools", "linux-base", "makedumpfile"),
)
COMMANDS = (
    "systemd-detect-virt",
    "df -B1 --output=source,fstype,size,used,avail,target / /boot /var/crash /var/lib/kdump",
    "journalctl -b -t kdump-config -t kdump-tools -o cat --no-pager",
    "kdump-config show",
    "kdump-config status",
    "kdump-config test",
    "du -sb /usr/lib/modules/*",
    "systemctl list-units --failed --no-pager --plain --no-legend",
    "systemctl is-enabled kdump-tools.service",
    "systemctl is-system-running",
    "systemctl show --all kdump-tools.service",
)


def main(target: Path) -> None:
    entries = sorted((*of_kernel(), *of_disk()), key=lambda entry: entry.path)
    commands = (Entry(kind="command", path=one, content=said(one)) for one in COMMANDS)
    target.write_bytes(format_machine(Machine("Not yet named.", (*entries, *commands))))


def of_kernel() -> Iterator[Entry]:
    """Yield what the kernel says, and of dpkg's words those that matter."""
    for path in kernel_files():
        content = read(path)
        if content is not None:
            yield Entry(kind="file", path=str(path), content=without_share(path, content))
    yield Entry(kind="file", path="dev/kmsg", content=kernel_log())
    yield Entry(kind="file", path="var/lib/dpkg/status", content=dpkg_status())


def of_disk() -> Iterator[Entry]:
    kept = set(found(Path("/"), CONTENTS))
    for path in found(Path("/"), LISTED + CONTENTS):
        if path in kept or not str(path.relative_to("/")).startswith(UNLISTED):
            yield from on_disk(path, is_kept=path in kept)


def kernel_files() -> Iterator[Path]:
    """Return paths below / in proc and sys."""
    kernel = found(Path("/proc/sys/kernel"), KERNEL.split())
    rest = found(Path("/sys"), SYS_FILES)
    named = [Path("/proc") / name for name in KERNEL_FILES]
    vm = [Path("/proc/sys/vm") / name for name in VM]
    for path in sorted({*kernel, *rest, *named, *vm}):
        if path.is_file():
            yield path.relative_to("/")


def found(directory: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in directory.glob(pattern)})


def read(path: Path) -> bytes | None:
    """Return what the file says, None where it says nothing to root."""
    try:
        with (Path("/") / path).open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError:
        return None
    return content if len(content) <= LONGEST else None


def without_share(path: Path, content: bytes) -> bytes:
    """Leave out the mount by which all this leaves the machine."""
    if path.name not in {"mounts", "mountinfo"}:
        return content
    return b"".join(line for line in content.splitlines(keepends=True) if b" /host " not in line)


def kernel_log() -> bytes:
    """Return the records of /dev/kmsg, which gives one at each read, and never ends."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    records = []
    try:
        while True:
            records.append(os.read(fd, 8192))
    except BlockingIOError:
        return b"".join(records)
    finally:
        os.close(fd)


def on_disk(path: Path, *, is_kept: bool) -> Iterator[Entry]:
    """Yield what a path is, with its content where that is kept; nothing for a device."""
    about = path.lstat()
    kind = kind_of(about.st_mode)
    if kind is None:
        return
    content = read(path.relative_to("/")) if kind == "file" and is_kept else None
    yield Entry(
        kind=kind,
        path=str(path.relative_to("/")),
        mode=shown_mode(kind, about.st_mode),
        mtime=int(about.st_mtime),
        size=about.st_size if kind == "file" and content is None else 0,
        content=content or b"",
        target=str(path.readlink()) if kind == "link" else "",
    )


def dpkg_status() -> bytes:
    """Return what dpkg knows of PACKAGES and of the kernels, as in its own file."""
    stanzas = Path("/var/lib/dpkg/status").read_text().split("\n\n")
    kept = []
    for stanza in stanzas:
        name = stanza.partition("\n")[0].removeprefix("Package: ")
        if name in PACKAGES or name.startswith(("linux-image-", "kdump")):
            kept.append(stanza.strip("\n"))
    return ("\n\n".join(kept) + "\n").encode()


def said(command: str) -> bytes:
    # Every command is one of ours; the shell expands the patterns in them.
    done = subprocess.run(  # noqa: S602
        command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    end = f"exit status {done.returncode}\n"
    return done.stdout + end.encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
