"""Packs an image as the number of its blocks and those that are not zeros, each behind its number; compressed with zstd."""
import struct
import subprocess
import sys

BLOCK = 2048
image, packed = sys.argv[1:]
with open(image, "rb") as file:
    data = file.read()
parts = [struct.pack("<I", len(data) // BLOCK)]
for number in range(len(data) // BLOCK):
    block = data[number * BLOCK:(number + 1) * BLOCK]
    if block.strip(b"\0"):
        parts.append(struct.pack("<I", number) + block)
subprocess.run(["zstd", "-19", "-q", "-f", "-o", packed], input=b"".join(parts), check=True)
