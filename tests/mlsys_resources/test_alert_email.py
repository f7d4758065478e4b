"""Alerts by e-mail, against mail servers that take, reject, hang, lack encryption and are not there."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from mlsys_resources.alert_channels import ChannelDown, Undelivered
from mlsys_resources.alert_email import EmailChannel
from mlsys_resources.alerts import deliver
from mlsys_resources.operations_rows import AlertRow

CANARY = "s3cr3t-canary"
ALERT = AlertRow(
    "id1", "flights", datetime(2013, 7, 1, tzinfo=UTC), "label shift: labels", "opened", "so", "warn", "ops",
    "[WARN] flights: Zürich", "what was seen: 5 °C\nOwner: ops", ("email",),
)  # fmt: skip


class Mailbox:
    """Keeps what is sent, and rejects what it is told to."""

    def __init__(self, *, rejects: str = "", data: str = "250 OK") -> None:
        self.rejects, self.data, self.got = rejects, data, list[Any]()

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:  # noqa: N802 - the library's
        if address == self.rejects:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - the library's
        if self.data.startswith("250"):
            self.got.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return self.data


class Server(Controller):
    """Takes any free port."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def serving(mailbox: Mailbox, **how: Any) -> Iterator[int]:
    server = Server(mailbox, hostname="127.0.0.1", port=0, ready_timeout=20, **how)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def channel(port: int, **changes: Any) -> EmailChannel:
    made = EmailChannel("127.0.0.1", port, "mlsys@example.org", ("a@example.org", "b@example.org"), tls="none")
    return replace(made, **{"deadline_s": 5.0, **changes})


def test_an_alert_is_sent_to_the_recipients_or_to_its_owner_if_that_is_an_address() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        assert channel(port).send(ALERT) == "127.0.0.1 took it"
        channel(port).send(replace(ALERT, owner="ann@example.org"))
    (everybody, message), (owner, _) = mailbox.got
    assert (everybody, owner) == (["a@example.org", "b@example.org"], ["ann@example.org"])
    assert message["Subject"] == "[WARN] flights: Zürich"
    assert message["Message-ID"] == "<id1@alerts.mlsys>"
    assert message.get_content().replace("\r\n", "\n").strip() == "what was seen: 5 °C\nOwner: ops"


def test_a_line_s_end_in_a_subject_is_refused_and_in_a_body_no_header() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port:
        with pytest.raises(Undelivered, match="more than one line"):
            channel(port).send(replace(ALERT, subject="temp\r\nBcc: everybody@example.org"))
        channel(port).send(replace(ALERT, body="Bcc: all@example.org\r\n.\r\nMAIL FROM: x"))
    ((to, message),) = mailbox.got
    assert to == ["a@example.org", "b@example.org"]
    assert message["Bcc"] is None
    assert "\n.\nMAIL FROM: x" in message.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("mailbox", "kind", "words"),
    [
        (Mailbox(data="451 try later"), ChannelDown, "451"),
        (Mailbox(data="554 spam"), Undelivered, "554"),
    ],
)
def test_what_is_rejected_for_now_is_told_from_what_is_for_ever(mailbox: Mailbox, kind: type, words: str) -> None:
    with serving(mailbox) as port, pytest.raises(Undelivered, match=f"rejected it: {words}") as caught:
        channel(port).send(ALERT)
    assert type(caught.value) is kind


def test_one_recipient_who_is_refused_is_named_and_the_others_are_told_once() -> None:
    mailbox = Mailbox(rejects="b@example.org")
    with serving(mailbox) as port:
        assert channel(port).send(ALERT) == "127.0.0.1 took it, but not for b@example.org"
        with pytest.raises(Undelivered, match="550"):
            channel(port, recipients=("b@example.org",)).send(ALERT)
    assert [to for to, _ in mailbox.got] == [["a@example.org"]]


def test_a_server_without_encryption_is_told_nothing_unless_it_is_allowed() -> None:
    mailbox = Mailbox()
    with serving(mailbox) as port, pytest.raises(ChannelDown, match="SMTPNotSupportedError"):
        channel(port, tls="starttls", user="m", password=CANARY).send(ALERT)
    assert mailbox.got == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate of this machine that nobody signed but itself, and the server's side of it."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.fromtimestamp(time.time(), UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "here.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


def test_over_encryption_it_logs_in_and_a_wrong_password_or_certificate_is_a_verdict_without_it(
    certificate, monkeypatch
) -> None:
    path, context = certificate

    def right(_server, _session, _envelope, _mechanism, data) -> AuthResult:
        return AuthResult(success=data.password == CANARY.encode(), handled=False)

    mailbox = Mailbox()
    with serving(mailbox, tls_context=context, auth_required=True, authenticator=right) as port:
        with pytest.raises(ChannelDown, match=r"certificate verify failed|SSLCert"):
            channel(port, tls="starttls", user="m", password=CANARY).send(ALERT)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(ChannelDown, match="SMTPAuthenticationError 535") as caught:
            channel(port, tls="starttls", user="m", password="wrong-" + CANARY).send(ALERT)
        assert CANARY not in str(caught.value)
        assert mailbox.got == []
        channel(port, tls="starttls", user="m", password=CANARY).send(ALERT)
    assert len(mailbox.got) == 1


def test_a_certificate_of_another_host_is_refused(certificate, monkeypatch) -> None:
    path, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    mailbox = Mailbox()
    with serving(mailbox, tls_context=context) as port:
        with pytest.raises(ChannelDown, match=r"certificate verify failed|SSLCert"):
            channel(port, host="localhost", tls="starttls").send(ALERT)  # it is 127.0.0.1 that the certificate names
        channel(port, tls="starttls").send(ALERT)
    assert len(mailbox.got) == 1


@contextmanager
def listening(speak: Callable[[socket.socket], None]) -> Iterator[int]:
    """Take connections, and do with them what is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                connection, _ = server.accept()
                with connection:
                    speak(connection)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join()


def trickle(connection: socket.socket) -> None:
    for _ in range(40):
        connection.sendall(b"2")
        time.sleep(0.03)


def after_data(connection: socket.socket) -> None:
    """Take the whole message, and then say nothing."""
    connection.sendall(b"220 here\r\n")
    lines, data = connection.makefile("rb"), False
    for line in lines:
        if data:
            data = line != b".\r\n"
            if not data:
                time.sleep(0.6)
                return
            continue
        data = line.startswith(b"data")
        connection.sendall(b"354 go on\r\n" if data else b"250 OK\r\n")


def test_a_server_that_hangs_after_the_message_is_left_and_the_alert_stays(sqlite_store) -> None:
    sqlite_store.record_alerts([ALERT, replace(ALERT, id="id2")])
    began = time.monotonic()
    with listening(after_data) as port:
        found = deliver(sqlite_store, "flights", {"email": channel(port, deadline_s=0.2)})
    assert (found.sent, found.left) == (0, 2)
    assert "did not take it" in found.failed["email"]
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(
    "speak", [lambda _: time.sleep(0.5), trickle, lambda c: c.sendall(b"HTTP/1.0 400 Bad\r\n\r\n")]
)
def test_a_server_that_hangs_trickles_or_is_none_is_left_in_bounded_time(speak) -> None:
    began = time.monotonic()
    with listening(speak) as port, pytest.raises(ChannelDown, match="did not take it"):
        channel(port, deadline_s=0.2).send(ALERT)
    assert time.monotonic() - began < 2.5


def test_a_server_that_is_not_there_is_down() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChannelDown, match="Connection refused"):
        channel(port).send(ALERT)
