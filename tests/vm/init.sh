#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Process 1 of both kernels. What they do stands in the shared directory, so one image serves every
# scenario: /host/guest/first.sh before the panic, /host/guest/capture.sh after it.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do insmod "$module"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 host /host
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro image /image

if [ -e /proc/vmcore ]; then
    # A shell of its own: a capture that fails must not end process 1, which would panic this kernel.
    sh -e /host/guest/capture.sh
    echo $? > /host/guest/capture-status
    sync
    reboot -f
fi
# Sourced: `exit` in it ends process 1, which is one of the panics worth provoking.
. /host/guest/first.sh
echo 'init.sh: what is left to do comes from outside'
sleep 60 # for an event from QEMU's monitor
reboot -f
