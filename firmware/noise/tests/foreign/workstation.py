"""A workstation written from docs/protocol.md alone, on other people's Noise and SPAKE2.

Usage: workstation.py PORT PROLOGUE_HEX [CODE]. It shakes hands, sends "ping" and 100,000 bytes, and prints what it is sent.
"""

import socket
import struct
import sys

from noise.connection import Keypair, NoiseConnection
from spake2 import SPAKE2_A


def send(stream, record):
    stream.sendall(struct.pack(">H", len(record)) + record)


def exactly(stream, length):
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        if not part:
            sys.exit("the box closed")
        data += part
    return data


def receive(stream):
    (length,) = struct.unpack(">H", exactly(stream, 2))
    return exactly(stream, length)


def main():
    stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
    prologue = bytes.fromhex(sys.argv[2])
    if len(sys.argv) > 3:
        pake = SPAKE2_A(sys.argv[3].encode(), idA=b"spindle workstation", idB=b"spindle box")
        send(stream, pake.start())
        key = pake.finish(receive(stream))
        noise = NoiseConnection.from_name(b"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2s")
        noise.set_psks(key)
    else:
        noise = NoiseConnection.from_name(b"Noise_XX_25519_ChaChaPoly_BLAKE2s")
    noise.set_as_initiator()
    noise.set_prologue(prologue)
    noise.set_keypair_from_private_bytes(Keypair.STATIC, bytes(range(32)))
    noise.start_handshake()
    send(stream, noise.write_message())
    noise.read_message(receive(stream))
    send(stream, noise.write_message())
    send(stream, noise.encrypt(b"ping"))
    big = bytes(at % 251 for at in range(100_000))
    for start in range(0, len(big), 65519):
        send(stream, noise.encrypt(big[start : start + 65519]))
    print(noise.decrypt(receive(stream)).decode())


main()
