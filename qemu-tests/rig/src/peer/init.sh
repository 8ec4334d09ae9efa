#!/bin/dash
# The peer's first process: makes the machine usable, then serves its lines (peer/line.rs).
# The kernel's command line brings BURNERS, how many there are, and ADDRESSES of the network interfaces.

/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s /proc/mounts /etc/mtab

# What comes over a line is the length of a script and of its input, the seconds it may take, and both; what goes
# back is the script's exit code, the length of what it wrote, and that.
serve() {
    own=/tmp/line$2
    mkdir -p "$own"
    exec 3<> "$1"
    echo ready >&3
    while read -r script input seconds <&3; do
        head -c "$((script + input))" <&3 > "$own/message"
        head -c "$script" "$own/message" > "$own/script"
        tail -c "+$((script + 1))" "$own/message" > "$own/input"
        # Of coreutils, which kills the whole group. To a file: on a terminal programs write other things.
        /usr/bin/timeout -s KILL "$seconds" dash "$own/script" < "$own/input" > "$own/output" 2>&1 3<&-
        code=$?
        echo "$code $(stat -c %s "$own/output")" >&3
        cat "$own/output" >&3
    done
}

ip link set lo up
number=0
for address in $(echo "$ADDRESSES" | tr , ' '); do
    ip link set "eth$number" up
    ip addr add "$address" dev "eth$number"
    number=$((number + 1))
done

# Burner N is the SCSI target N, whatever order they were found in.
number=0
while [ "$number" -lt "${BURNERS:-0}" ]; do
    tries=0
    until set -- /sys/bus/scsi/devices/*:0:"$number":0/block/sr*; [ -e "$1" ] && [ -b "/dev/${1##*/}" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "burner $number was not found"; poweroff -f; }
        sleep 0.1
    done
    ln -s "${1##*/}" "/dev/burner$number"
    number=$((number + 1))
done

number=0
for port in /sys/class/virtio-ports/*; do
    serve "/dev/${port##*/}" "$number" &
    number=$((number + 1))
done
echo "peer: $number lines"
wait
poweroff -f
