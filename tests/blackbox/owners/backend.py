"""A backend of some user that writes down every byte it receives.

backend.py ADDRESS UID RECORD STYLE: ADDRESS is `127.0.0.1:5000`, `[::]:5000` or a path. STYLE is a list of words:
`handed`: root opens the listener, and the user accepts; `given`: root opens and accepts, and the file of the Unix socket is
given to the user; `deferred`: TCP_DEFER_ACCEPT; `brief`: listens again and again for a moment each, until it is killed.
"""

import os, random, signal, socket, sys, threading, time

address, uid, record, style = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4].split(",")
log = os.open(record, os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def listener():
    if address.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        if os.path.lexists(address):
            os.unlink(address)
        server.bind(address)
        if "given" in style:
            os.chown(address, uid, uid)
        os.chmod(address, 0o666)
    else:
        host, port = address.rsplit(":", 1)
        family = socket.AF_INET6 if "[" in host else socket.AF_INET
        server = socket.socket(family)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if "deferred" in style:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        server.bind((host.strip("[]"), int(port)))
    server.listen(64)
    return server


def serve(connection):
    with connection:
        buffer = b""
        while True:
            try:
                got = connection.recv(65536)
            except OSError:
                return
            if not got:
                return
            os.write(log, got)
            buffer += got
            while b"\r\n\r\n" in buffer:
                buffer = buffer.split(b"\r\n\r\n", 1)[1]
                body = b"uid %d" % uid
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def accept_for_ever(server):
    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def become_user():
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


if "handed" in style:
    server = listener()
    become_user()
    accept_for_ever(server)
if "given" in style:
    accept_for_ever(listener())
become_user()
if "brief" not in style:
    accept_for_ever(listener())
# The port changes hands: a child listens for a moment and is killed, and the next one waits until it gets the port again.
random.seed(uid)
while True:
    child = os.fork()
    if child == 0:
        while True:
            try:
                server = listener()
                break
            except OSError:
                time.sleep(0.0005)
        print("held", flush=True)
        threading.Thread(target=accept_for_ever, args=(server,), daemon=True).start()
        time.sleep(random.uniform(0.001, 0.02))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    time.sleep(random.uniform(0, 0.002))
