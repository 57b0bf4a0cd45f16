"""Inside the namespace of caddy's CA: what it validates at ports 80 and 443, and whom it asks for names, leads outside
through Unix sockets in the folder that is the only argument."""

import fcntl
import socket
import struct
import sys
import threading


def loopback_up():
    """ip link set lo up, without needing ip(8): SIOCSIFFLAGS with IFF_UP | IFF_RUNNING (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x41))


def outside(name):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(f"{sys.argv[1]}/{name}.sock")
    return stream


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def relay(client, name):
    with client, outside(name) as stream:
        back = threading.Thread(target=pump, args=(stream, client), daemon=True)
        back.start()
        pump(client, stream)
        back.join()


def serve(listener, name):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=relay, args=(client, name), daemon=True).start()


def answer(server, question, peer):
    # By TCP outside: each message after its length (RFC 1035 section 4.2.2).
    with outside("dns") as stream, stream.makefile("rb") as reader:
        stream.sendall(struct.pack(">H", len(question)) + question)
        (length,) = struct.unpack(">H", reader.read(2))
        server.sendto(reader.read(length), peer)


loopback_up()
for port, name in [(80, "http"), (443, "tls")]:
    listener = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=serve, args=(listener, name), daemon=True).start()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
# Everything listens: the test waits for this file.
open(f"{sys.argv[1]}/relayed", "w").close()
while True:
    question, peer = server.recvfrom(4096)
    threading.Thread(target=answer, args=(server, question, peer), daemon=True).start()
