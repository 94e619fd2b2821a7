"""A server with a certificate of choice, and a proxy, both on this machine."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n" + b'{"id": "x"}'


def name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Contoso")]
    )


class Authority:
    """Issues certificates for `localhost` and 127.0.0.1, or for others."""

    def __init__(self, folder: Path, common: str = "Contoso Proxy CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name(common)
        certificate = self._signed(self._name, self._key.public_key(), [], authority=True)
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(self, subject, public_key, hosts, *, authority=False, days=30):
        now = dt.datetime.now(dt.UTC)
        names = [x509.DNSName(h) for h in hosts if h != "127.0.0.1"]
        names += [x509.IPAddress(ipaddress.ip_address(h)) for h in hosts if h == "127.0.0.1"]
        building = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(True, False, False, False, False, authority, authority, False, False), critical=True
            )
        )
        if names:
            building = building.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return building.sign(self._key, hashes.SHA256())

    def issue(self, *hosts: str, days: int = 30) -> ssl.SSLContext:
        """Return a server's context with a certificate for these hosts."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name("the server"), key.public_key(), list(hosts), days=days)
        file = self._folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


class Server:
    """Answers every connection with `ANSWER`; `received` has what came over each whose handshake went well."""

    def __init__(self, context: ssl.SSLContext | None, answer: bytes = ANSWER) -> None:
        self._context = context
        self._answer = answer
        self.connections = 0
        self.received: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                if self._context is None:
                    self._talk(connection)
                else:
                    with self._context.wrap_socket(connection, server_side=True) as secured:
                        self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        got = b""
        try:
            got = connection.recv(65_536)
        finally:
            self.received.append(got)
        if got:
            connection.sendall(self._answer)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(timeout=10)


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None, answer: bytes = ANSWER) -> Iterator[Server]:
    server = Server(context, answer)
    try:
        yield server
    finally:
        server.close()


class Proxy(Server):
    """Connects whoever asks to one port of this machine, whatever host is asked for."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.asked: list[bytes] = []
        super().__init__(None)

    def _talk(self, connection: socket.socket) -> None:
        self.asked.append(connection.recv(65_536))
        with socket.create_connection(("127.0.0.1", self._to_port), timeout=10) as onwards:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(onwards, connection), daemon=True)
            back.start()
            _pass_on(connection, onwards)
            back.join(timeout=10)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxying(to_port: int) -> Iterator[Proxy]:
    proxy = Proxy(to_port)
    try:
        yield proxy
    finally:
        proxy.close()
