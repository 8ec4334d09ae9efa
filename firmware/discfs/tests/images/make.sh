#!/bin/sh
# How the images of this folder came to be: made by mkudffs (udftools 2.3), mounted and written by Linux 6.12, packed by pack.py.
# Run as root on a Linux that has udf and loop devices; it writes NAME.img into the current folder.
set -e

first() {
    mkdir -p "d/e/Größe 漢字" empty/directory
    touch none
    printf x > one
    seq 1 400 > small
    seq 1 5000 > big
    ln -s ../big d/link
    ln -s /etc/./passwd absolute
    ln big d/hard
    printf end | dd of=sparse bs=1 seek=300000 2>/dev/null
    for i in $(seq 1 60); do echo "$i" > "d/e/file number $i"; done
    seq 1 10 > "$(printf 'n%.0s' $(seq 1 100))"
    for i in 1 2 3 4 5; do
        seq 1 1000 >> fragments1
        sync
        seq 1 1000 >> fragments2
        sync
    done
    seq 1 30 > "d/e/Größe 漢字/ü"
}

second() {
    for i in $(seq 1 2 60); do rm "d/e/file number $i"; done
    seq 1 3 > "d/e/later"
    mv small d/moved
    seq 1 500 > one
    chmod 640 big
    chown 1000:100 big
}

make() { # name, bytes of a block, blocks, options of mkudffs
    name=$1 size=$2 blocks=$3
    shift 3
    mkudffs --uuid=0123456789abcdef --blocksize="$size" "$@" --new-file "$name.img" "$blocks"
    device=$(losetup --find --show --sector-size "$size" "$name.img")
    folder=$(mktemp -d)
    for step in first second; do
        mount -t udf -o rw "$device" "$folder"
        (cd "$folder" && $step)
        umount "$folder"
    done
    losetup --detach "$device"
    rmdir "$folder"
}

make linux-hd102 512 8192 --media-type=hd --udfrev=1.02
make linux-hd201-1024 1024 4096 --media-type=hd --udfrev=2.01
make linux-hd201-4096 4096 1024 --media-type=hd --udfrev=2.01
make linux-dvdram201 2048 2048 --media-type=dvdram --udfrev=2.01
make linux-dvdram150-long 2048 2048 --media-type=dvdram --udfrev=1.50 --ad=long
make linux-dvdram200-table 2048 2048 --media-type=dvdram --udfrev=2.00 --ad=short --space=unalloctable
make linux-dvdrw201 2048 4096 --media-type=dvdrw --udfrev=2.01
make linux-cdrw150 2048 4096 --media-type=cdrw --udfrev=1.50
make linux-strategy4096 2048 2048 --media-type=dvdram --udfrev=2.01 --strategy=4096
