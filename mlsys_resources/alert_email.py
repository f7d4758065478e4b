"""Alerts by e-mail: one message over SMTP, encrypted unless it is said otherwise, bounded in time."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, Final

from mlsys_resources.alert_channels import DEADLINE_S, ChannelDown, Undelivered, deadline
from mlsys_resources.operations_rows import AlertRow

STARTTLS, PLAIN = "starttls", "none"
"""How a mail server is spoken to."""
OWN_DOMAIN: Final = "alerts.mlsys"
"""In message ids, which name the alert, so that one sent twice can be told."""
REJECTED: Final = (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPSenderRefused)
"""What the server says of one message, not of all."""
TEMPORARY: Final = range(400, 500)
"""SMTP's codes for what may go well later."""


@dataclass(frozen=True)
class EmailChannel:
    """Sends alerts to whoever owns them, if that is an address, else to the recipients of all.

    Parameters
    ----------
    host, port
        The mail server.
    sender, recipients
        Addresses, one line each.
    user, password
        To log in with, if the server wants it; never over a connection that is not encrypted.
    tls
        ``starttls``, or ``none`` for a server on this machine.
    deadline_s
        Seconds for one message in all.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: str = STARTTLS
    deadline_s: float = DEADLINE_S

    def __post_init__(self) -> None:
        for address in (self.sender, *self.recipients):
            if not is_address(address):
                raise ValueError(f"{address!r} is no address for alerts by e-mail; give name@host, one line")
        if not self.recipients:
            raise ValueError("alerts by e-mail have no recipient; give at least one address")
        if self.tls not in (STARTTLS, PLAIN):
            raise ValueError(f"alerts by e-mail: {self.tls!r} is no way to speak to a server; {STARTTLS} or {PLAIN}")
        if self.user and self.tls == PLAIN:
            raise ValueError("alerts by e-mail would log in over a connection that is not encrypted; use starttls")

    def send(self, alert: AlertRow) -> str:
        """Send the alert to all its recipients; one that is refused while others are not is named."""
        message = self._message(alert, (alert.owner,) if is_address(alert.owner) else self.recipients)
        server = smtplib.SMTP(timeout=self.deadline_s)
        try:
            with deadline(self.deadline_s, lambda: server.sock):
                refused = self._sent(server, message)
        except REJECTED as error:
            raise self._rejected(error) from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # Not the error's own text: it may repeat what was said in logging in.
            code = getattr(error, "smtp_code", "")
            why = getattr(error, "strerror", None) or f"{type(error).__name__} {code}".strip()
            raise ChannelDown(f"the mail server {self.host} did not take it: {why}") from None
        finally:
            server.close()
        return f"{self.host} took it" + (f", but not for {', '.join(sorted(refused))}" if refused else "")

    def _sent(self, server: smtplib.SMTP, message: EmailMessage) -> list[str]:
        server.connect(self.host, self.port)
        if self.tls == STARTTLS:
            server.starttls(context=_Verified.of(self.host))
        if self.user:
            server.login(self.user, self.password)
        return list(server.send_message(message))

    def _message(self, alert: AlertRow, recipients: tuple[str, ...]) -> EmailMessage:
        """Return the message; raises Undelivered for a subject of two lines, which would be a header of its own."""
        message = EmailMessage()
        try:
            message["Subject"], message["From"], message["To"] = alert.subject, self.sender, ", ".join(recipients)
        except ValueError:
            raise Undelivered("the alert's subject has more than one line") from None
        message["Message-ID"] = f"<{alert.id}@{OWN_DOMAIN}>"
        message.set_content(alert.body)
        return message

    def _rejected(self, error: Exception) -> Undelivered:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            codes = {code for code, _ in error.recipients.values()}
        else:
            codes = {getattr(error, "smtp_code", 0)}
        kind = ChannelDown if all(code in TEMPORARY for code in codes) else Undelivered
        return kind(f"the mail server {self.host} rejected it: {', '.join(map(str, sorted(codes)))}")


class _Verified(ssl.SSLContext):
    """Verifies that the server is the one that was asked for: ``SMTP.connect`` alone leaves STARTTLS no name."""

    host: str

    @classmethod
    def of(cls, host: str) -> "_Verified":
        """Return what ``ssl.create_default_context`` does, for one host."""
        found = cls(ssl.PROTOCOL_TLS_CLIENT)
        found.load_default_certs()
        found.host = host
        return found

    def wrap_socket(self, sock: Any, *args: Any, **how: Any) -> ssl.SSLSocket:
        """Encrypt a connection to the host."""
        return super().wrap_socket(sock, *args, **(how | {"server_hostname": self.host}))


def is_address(text: str) -> bool:
    r"""Return whether a text is one e-mail address in one line.

    >>> is_address("ops@example.org"), is_address("ops"), is_address("a@b.c\nBcc: d@e.f")
    (True, False, False)
    """
    return (
        text.isprintable() and parseaddr(text)[1] == text and text.count("@") == 1 and all(text.split("@"))
        and not set(text) & set(" ,;<>")
    )  # fmt: skip
