"""Starts each proxy, as its file beside this one says, in front of the examples, and asks through it.

    python try.py FOLDER-OF-THE-EXAMPLES [PROXY...]

The client is 127.0.0.2, so that its address is another one than the proxy's. Files lie in a temporary folder, and everything
that is started here is ended.
"""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT, FORGED = "127.0.0.2", "203.0.113.7"

PROXIES = {
    "nginx": (["nginx.conf"], lambda tmp: ["nginx", "-p", tmp, "-e", f"{tmp}/error.log", "-c", f"{tmp}/nginx.conf"]),
    "haproxy": (["haproxy.cfg"], lambda tmp: ["haproxy", "-db", "-f", f"{tmp}/haproxy.cfg"]),
    "apache": (["apache.conf"], lambda tmp: ["apache2", "-DFOREGROUND", "-f", f"{tmp}/apache.conf"]),
    "caddy": (["Caddyfile"], lambda tmp: ["caddy", "run", "--config", f"{tmp}/Caddyfile", "--adapter", "caddyfile"]),
    "traefik": (["traefik.yml", "traefik-routes.yml"], lambda tmp: ["traefik", f"--configFile={tmp}/traefik.yml"]),
    "envoy": (["envoy.yaml"], lambda tmp: ["envoy", "-c", f"{tmp}/envoy.yaml", "--disable-hot-restart", "-l", "error"]),
    "varnish": (
        ["varnish.vcl"],
        lambda tmp: ["varnishd", "-F", "-j", "none", "-n", f"{tmp}/work", "-a", "127.0.0.1:8080", "-f", f"{tmp}/varnish.vcl"],
    ),
    "lighttpd": (["lighttpd.conf"], lambda tmp: ["lighttpd", "-D", "-f", f"{tmp}/lighttpd.conf"]),
    "squid": (["squid.conf"], lambda tmp: ["squid", "-N", "-f", f"{tmp}/squid.conf"]),
}

# Nothing but HTTP/1.1 goes to the application, and gRPC needs HTTP/2.
WITHOUT_GRPC = {"varnish", "lighttpd", "squid"}

# A line less, and the client's own word is believed: what the test of the address is there to find.
TRAPS = {
    "nginx": r"proxy_set_header X-Forwarded-For .*",
    "haproxy": r"option forwardfor",
    "envoy": r"use_remote_address: true",
}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def await_port(port, process, seconds=30):
    for _ in range(seconds * 20):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


class Process:
    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **options)

    def stop(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(5)
                return
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                self.process.wait(5)
                return


class Examples:
    """The four applications, each on a port of its own."""

    def __init__(self, folder, log):
        self.running, self.ports = [], {}
        for number, name in (("3000", "my_devices"), ("3001", "event_stream"), ("3002", "websocket"), ("50051", "tonic_service")):
            port = free_port()
            env = {
                "PATH": os.environ["PATH"],
                "ADDR": f"127.0.0.1:{port}",
                "DATABASE_URL": "memory:",
                "SESSION_SECRET": "a secret of more than thirty-two bytes",
                "TRANSPORT": "both",
                "TRUSTED_PROXIES": "127.0.0.1",
            }
            started = Process([os.path.join(folder, name)], env=env, stdout=log, stderr=log)
            self.running.append(started)
            await_port(port, started.process)
            self.ports[number] = port

    def stop(self):
        for one in self.running:
            one.stop()


class Proxy:
    def __init__(self, name, examples, without=None):
        files, command = PROXIES[name]
        self.tmp = tempfile.mkdtemp(prefix="proxy-")
        os.chmod(self.tmp, 0o777)
        self.ports = dict(examples.ports, **{"8080": free_port(), "8081": free_port()})
        numbers = re.compile(r"\b(%s)\b" % "|".join(self.ports))
        fill = lambda text: numbers.sub(lambda found: str(self.ports[found[1]]), text).replace("TMP", self.tmp)
        for file in files:
            with open(os.path.join(HERE, file)) as source:
                text = source.read()
            if without:
                text = re.sub(without, "", text)
            with open(os.path.join(self.tmp, file), "w") as target:
                target.write(fill(text))
        self.log = open(os.path.join(self.tmp, "log"), "w+")
        env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin", XDG_DATA_HOME=self.tmp, XDG_CONFIG_HOME=self.tmp)
        self.process = Process([fill(part) for part in command(self.tmp)], env=env, cwd=self.tmp, stdout=self.log, stderr=self.log)
        self.http, self.rpc = self.ports["8080"], self.ports["8081"]
        try:
            await_port(self.http, self.process.process)
            self.await_routes()
        except RuntimeError as error:
            said = self.said()
            self.stop()
            raise RuntimeError(f"{error}\n{said}") from None

    def await_routes(self):
        """It may listen before it knows where to."""
        for _ in range(100):
            if ask(self.http, "GET", "/health")[0] == 200:
                return
            time.sleep(0.1)
        raise RuntimeError("it does not reach the application")

    def said(self):
        self.log.flush()
        text = ""
        for file in ("log", "error.log", "cache.log"):
            path = os.path.join(self.tmp, file)
            if os.path.exists(path):
                text += open(path, errors="replace").read()[-1500:]
        return text

    def stop(self):
        self.process.stop()
        self.log.close()
        shutil.rmtree(self.tmp, ignore_errors=True)


def ask(port, method, path, headers=(), body=None, client=CLIENT):
    """Status, headers and body of one request over HTTP/1.1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15, source_address=(client, 0))
    data = None if body is None else json.dumps(body)
    fields = dict(headers)
    if data is not None:
        fields["Content-Type"] = "application/json"
    connection.request(method, path, data, fields)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.headers, text


def sign_in(port, headers=()):
    form = {"email": "demo@example.com", "password": "correct horse battery staple"}
    status, fields, text = ask(port, "POST", "/api/auth/login", headers, form)
    assert status == 200, f"sign-in: {status} {text[:200]}"
    return json.loads(text), fields


def shown_address(port):
    """The address that the list shows after a sign-in whose client claims another one."""
    started, _ = sign_in(port, {"X-Forwarded-For": FORGED})
    status, _, text = ask(port, "GET", "/api/sessions", {"Authorization": f"Bearer {started['token']}"})
    assert status == 200, f"the bearer token did not arrive: {status} {text[:200]}"
    return next(one["ipAddress"] for one in json.loads(text) if one["isCurrent"])


def address(proxy):
    shown = shown_address(proxy.http)
    assert shown == CLIENT, f"the list shows {shown}"


def cookies(proxy):
    _, fields = sign_in(proxy.http)
    lines = [line for line in fields.get_all("Set-Cookie") if line.startswith("__Host-session=")]
    assert len(lines) == 1 and "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=" in lines[0], lines
    cookie = {"Cookie": "theme=dark; " + lines[0].split(";")[0]}
    assert ask(proxy.http, "GET", "/api/sessions", cookie)[0] == 200
    # A browser on plain HTTP says no more than this, and the origin is compared with the `Host` that arrives.
    logout = lambda origin: ask(proxy.http, "POST", "/api/logout", {**cookie, "Origin": origin})[0]
    assert logout("http://elsewhere.example") == 403, "a foreign form was taken"
    assert logout(f"http://127.0.0.1:{proxy.http}") == 204, "the application's own form was refused"


def token_of(proxy, number):
    """A session of one of the smaller examples, started beside the proxy."""
    status, _, text = ask(proxy.ports[number], "POST", "/login?user=ann")
    assert status == 200, text
    return {"Authorization": "Bearer " + json.loads(text)["token"]}


def events(proxy):
    token = token_of(proxy, "3001")
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=10, source_address=(CLIENT, 0))
    connection.request("GET", "/events", headers=token)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    received, began = b"", time.monotonic()
    while b"event: tick" not in received:
        received += answer.read1(1024)
    assert time.monotonic() - began < 8, "the first event was kept back"
    assert ask(proxy.ports["3001"], "POST", "/api/logout", token)[0] == 204
    while True:
        more = answer.read1(1024)
        if not more:
            break
        received += more
    assert b"event: session-ended\ndata: signed_out" in received, received[-200:]
    connection.close()


def exactly(stream, count):
    received = b""
    while len(received) < count:
        more = stream.recv(count - len(received))
        assert more, "the connection was cut"
        received += more
    return received


def websocket(proxy):
    token = token_of(proxy, "3002")
    stream = socket.create_connection(("127.0.0.1", proxy.http), 10, source_address=(CLIENT, 0))
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET /echo HTTP/1.1\r\nHost: 127.0.0.1:{proxy.http}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: {token['Authorization']}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(stream, 1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    stream.sendall(b"\x81\x85\0\0\0\0hello")
    assert exactly(stream, 7) == b"\x81\x05hello"
    assert ask(proxy.ports["3002"], "POST", "/api/logout", token)[0] == 204
    first, length = exactly(stream, 2)
    assert (first, exactly(stream, length)) == (0x88, struct.pack("!H", 4401) + b"signed_out")
    stream.close()


def grpc_calls(proxy):
    import grpc

    field = lambda number, text: bytes([number << 3 | 2, len(text)]) + text.encode()

    def texts(message):
        """The texts of a message that has nothing else."""
        found, at = {}, 0
        while at < len(message):
            number, at = message[at] >> 3, at + 1
            length = shift = 0
            while True:
                byte, at = message[at], at + 1
                length, shift = length | (byte & 127) << shift, shift + 7
                if byte < 128:
                    break
            found[number], at = message[at : at + length].decode(), at + length
        return found

    with grpc.insecure_channel(f"127.0.0.1:{proxy.rpc}") as channel:
        who_am_i = channel.unary_unary("/example.v1.Account/WhoAmI")
        try:
            who_am_i(b"", timeout=10)
            raise AssertionError("anonymous, and answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
        sign_in = channel.unary_unary("/example.v1.Account/SignIn")
        token = lambda user: texts(sign_in(field(1, user) + field(2, "secret"), timeout=10))[1]
        metadata, admin = ([("authorization", "Bearer " + token(user))] for user in ("ann", "admin"))
        assert texts(who_am_i(b"", timeout=10, metadata=metadata))[1] == "ann"

        stream = channel.unary_stream("/example.v1.Account/Watch")(b"", timeout=30, metadata=metadata)
        heard = threading.Event()

        def announce():
            """Until it is heard: nobody knows when the stream has begun."""
            while not heard.wait(0.1):
                channel.unary_unary("/example.v1.Account/Announce")(field(1, "lunch"), timeout=10, metadata=admin)

        announcing = threading.Thread(target=announce)
        announcing.start()
        try:
            assert texts(next(stream))[1] == "lunch"
        finally:
            heard.set()
            announcing.join()
        logout = ask(proxy.ports["50051"], "POST", "/api/logout", {"Authorization": metadata[0][1]})
        assert logout[0] == 204, logout
        try:
            for _ in stream:
                pass
            raise AssertionError("the stream ended as if all were well")
        except grpc.RpcError as error:
            trailers = dict(error.trailing_metadata())
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
            assert trailers.get("session-end-reason") == "signed_out", trailers


CHECKS = {"address": address, "cookies": cookies, "events": events, "websocket": websocket, "gRPC": grpc_calls}


def attempt(name, examples, without, checks):
    """What is wrong, by name."""
    try:
        proxy = Proxy(name, examples, without)
    except (RuntimeError, OSError) as error:
        return {"start": error}
    wrong = {}
    try:
        for check, run in checks.items():
            try:
                run(proxy)
            except Exception as error:  # noqa: BLE001, whatever it is, the others are tried as well
                wrong[check] = error
        if wrong:
            print(proxy.said())
    finally:
        proxy.stop()
    return wrong


def main(folder, chosen):
    passed = failed = 0
    with tempfile.TemporaryFile("w") as log:
        examples = Examples(folder, log)
        try:
            for name in chosen or PROXIES:
                fits = {check: run for check, run in CHECKS.items() if not (check == "gRPC" and name in WITHOUT_GRPC)}
                wrong = attempt(name, examples, None, fits)
                print(f"{name}: {', '.join(fits)}" if not wrong else f"{name}: {wrong}", flush=True)
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if name in TRAPS:
                    wrong = attempt(name, examples, TRAPS[name], {"address": address})
                    told = str(wrong.get("address", "")) == f"the list shows {FORGED}"
                    print(f"{name} without its line: the test {'finds' if told else 'misses'} the forged address", flush=True)
                    passed, failed = passed + told, failed + (not told)
        finally:
            examples.stop()
    print(f"{passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], sys.argv[2:]) else 0)
