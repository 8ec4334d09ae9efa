#!/bin/dash
# The peer's first process: makes the machine usable, runs the steps in order, switches off.
# Every step's output goes to the second serial port as it comes, between two marks (peer/transcript.rs).

/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /mnt /tmp /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s /proc/mounts /etc/mtab

# Burner N is the SCSI target N, whatever order they were found in. BURNERS comes on the kernel's command line.
number=0
while [ "$number" -lt "${BURNERS:-0}" ]; do
    tries=0
    until set -- /sys/bus/scsi/devices/*:0:"$number":0/block/sr*; [ -e "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "burner $number was not found"; poweroff -f; }
        sleep 0.1
    done
    until [ -b "/dev/${1##*/}" ]; do sleep 0.1; done
    ln -s "${1##*/}" "/dev/burner$number"
    number=$((number + 1))
done

stty -F /dev/ttyS1 raw -echo
mkfifo /tmp/output
for step in /steps/*; do
    name=${step#/steps/}
    echo "peer: $name"
    printf '@@peer-2f9d8c71 begin %s\n' "$name" > /dev/ttyS1
    # Through a pipe: on a terminal programs show other things, such as `?` for what is not ASCII.
    cat /tmp/output > /dev/ttyS1 &
    timeout -s KILL "${STEP_SECONDS:-120}" dash "$step" > /tmp/output 2>&1 < /dev/null
    code=$?
    wait
    printf '\n@@peer-2f9d8c71 exit %s\n' "$code" > /dev/ttyS1
done
sync
echo "peer: done"
poweroff -f
