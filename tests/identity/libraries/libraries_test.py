#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs a client of this folder under weft against the server it is made for, started here.

libraries_test.py WEFT CASE CLIENT
"""

import http.server
import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

SKIPPED = 77


def program(*names):
    """The first that is installed; servers are not in everybody's PATH."""
    for name in names:
        if found := shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"):
            return found
    print("not installed:", names[0])
    sys.exit(SKIPPED)


def as_server():
    """The account for servers that refuse to be root's."""
    return "nobody" if os.geteuid() == 0 else None


def own(folder):
    if user := as_server():
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)


def run(command):
    done = subprocess.run(command, user=as_server(), cwd="/", capture_output=True, text=True,
                          timeout=120)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")


class Server:
    """A process that has begun when something listens on its socket, and ends with the scope."""

    def __init__(self, command, path, stop=signal.SIGTERM):
        self.log = tempfile.TemporaryFile()
        self.stop = stop
        self.process = subprocess.Popen(command, user=as_server(), cwd="/", stdout=self.log,
                                        stderr=subprocess.STDOUT)
        self.wait_until_it_listens(path)

    def wait_until_it_listens(self, path):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    return
            time.sleep(0.05)
        self.log.seek(0)
        sys.exit(f"the server does not start: {self.log.read().decode()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(self.stop)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def postgresql(client, folder):
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    where = str(versions[0]) + "/" if versions else ""
    data = folder / "data"
    run([program(where + "initdb"), "-D", data, "-U", "weft", "-A", "trust", "--no-sync"])
    with Server([program(where + "postgres"), "-D", data, "-k", folder, "-h", "", "-N", "120",
                 "-F"], folder / ".s.PGSQL.5432", signal.SIGINT):
        # One that accepts may still say that it is starting.
        client(f"host={folder} user=weft dbname=postgres", attempts=20)


def mariadb(client, folder):
    data, where = folder / "data", folder / "socket"
    run([program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal"])
    with Server([program("mariadbd"), "--no-defaults", f"--datadir={data}", f"--socket={where}",
                 "--skip-networking", "--max-connections=120", "--innodb-flush-method=nosync",
                 f"--pid-file={folder}/pid", "--innodb-buffer-pool-size=16M"], where):
        client(where)


def redis(client, folder):
    where = folder / "socket"
    with Server([program("redis-server"), "--port", "0", "--unixsocket", where, "--dir", folder,
                 "--save", ""], where):
        client(where)


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.1)
        body = f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 200

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), Answer)
        self.context = context
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        # Here, in the connection's own thread, and not where connections are accepted.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


def http_plain(client, _):
    with HttpServer(None) as server:
        client(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def https(client, folder):
    certificate, key = folder / "certificate", folder / "key"
    subprocess.run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                    "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-out", certificate, "-keyout", key], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HttpServer(context) as server:
        client(f"https://127.0.0.1:{server.server_port}", certificate)
        server.shutdown()


CASES = {"postgresql": postgresql, "mariadb": mariadb, "redis": redis, "http": http_plain,
         "https": https}


def main():
    weft, case, path = sys.argv[1:]

    def client(*arguments, attempts=1):
        for left in range(attempts, 0, -1):
            done = subprocess.run([weft, path, *arguments], capture_output=True, text=True,
                                  timeout=100)
            if done.returncode == 0:
                return
            if left == 1 or "starting up" not in done.stderr:
                sys.exit(f"status {done.returncode}: {done.stdout}{done.stderr}")
            time.sleep(0.2)

    # A short path: a socket's name has room for 108 bytes.
    with tempfile.TemporaryDirectory(prefix="weft-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        own(folder)
        CASES[case](client, folder)


if __name__ == "__main__":
    main()
