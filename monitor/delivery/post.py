"""One POST: to an address that is looked up once, within a deadline that a dripping server cannot stretch."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from monitor.delivery.address import WebAddress
from monitor.delivery.classify import Trace, classify, names_of
from monitor.delivery.patience import retry_after
from monitor.delivery.protocol import Result
from monitor.killpoints import point

_SAID: Final = 2048  # bytes of an answer that are read, for its words
_CONNECT: Final = 5.0  # seconds for one address of a host
_NAT64: Final = IPv6Network("64:ff9b::/96")
_Found = tuple[int, str]  # family, address


class ConnectTimeout(Exception):  # noqa: N818 - a name that the table in `classify` knows
    """No connection came about in time: nothing was sent."""


class Forbidden(Exception):  # noqa: N818 - an answer
    """The host leads to an address that this receiver may not be sent to."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    words: str
    retry_after: float | None


def send(
    to: WebAddress, body: bytes, headers: Mapping[str, str], seconds: float, public_only: bool = False
) -> tuple[Result, Answer | None]:
    """What came of a POST. Never raises. Redirects are not followed, proxies not used."""
    given = {"User-Agent": "overloop", "Content-Type": "application/json", "Connection": "close", **headers}
    if to.login:
        given["Authorization"] = "Basic " + b64encode(to.login.encode()).decode()
    try:
        answer = _post(to, body, given, time.monotonic() + seconds, public_only)
    except Forbidden:
        problem = "The receiver's host leads to a private or special address, which this receiver may not be sent to."
        return Result("dead", "clientError", None, problem), None
    except Exception as error:
        return classify(Trace(errors=frozenset(names_of(error)))), None
    if answer.status < 300:
        return Result("delivered"), answer
    return classify(Trace(status=answer.status, retry_after=answer.retry_after)), answer


def _post(to: WebAddress, body: bytes, headers: Mapping[str, str], ends: float, public_only: bool) -> Answer:
    connected = _connect(to, ends, public_only)
    connection = http.client.HTTPConnection(to.host, to.port)
    connection.sock = connected
    sent = False
    problem: Exception
    with _cut_at(connected, ends) as late:
        try:
            if to.secure:
                connected.settimeout(max(0.01, ends - time.monotonic()))
                connection.sock = connected = _tls().wrap_socket(connected, server_hostname=to.host)
                late.socket = connected
            sent = True
            point("before socket write")
            connection.request("POST", to.path, body, dict(headers))
            point("after socket write")
            response = connection.getresponse()
            if late.happened:  # a head that the cut has ended looks whole
                response.close()
                raise TimeoutError
            wait = retry_after(response.getheader("Retry-After"), response.getheader("Date"))
            return Answer(response.status, _words(response), wait)
        except (OSError, http.client.HTTPException) as error:
            problem = error
        finally:
            connection.close()
    if late.happened or isinstance(problem, TimeoutError):  # and not what it came from: a cut looks like a reset
        raise TimeoutError if sent else ConnectTimeout
    raise problem


def _connect(to: WebAddress, ends: float, public_only: bool) -> socket.socket:
    """To one of the host's addresses, each looked at before it is used: a second look-up could answer otherwise."""
    found = _look_up(to, ends)
    if public_only and not all(_is_public(address) for _, address in found):
        raise Forbidden
    problem: Exception = ConnectTimeout()
    for family, address in found:
        left = ends - time.monotonic()
        if left <= 0.0:
            break
        connected = socket.socket(family, socket.SOCK_STREAM)
        connected.settimeout(min(_CONNECT, left))
        try:
            connected.connect((address, to.port))
        except TimeoutError:
            connected.close()
            problem = ConnectTimeout()
        except OSError as error:
            connected.close()
            problem = error
        else:
            connected.settimeout(max(0.01, ends - time.monotonic()))
            return connected
    raise problem


def _is_public(text: str) -> bool:
    """Not on this machine or its networks, and no metadata service, also not by way of an IPv4 address in an IPv6."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address in _NAT64 or address.sixtofour or address.teredo:
            return False
        address = address.ipv4_mapped or address
    return address.is_global and not address.is_multicast


def _look_up(to: WebAddress, ends: float) -> list[_Found]:
    """In a thread of its own: the system's look-up knows no deadline, and one that is late is left behind."""
    found: list[_Found | OSError] = []

    def ask() -> None:
        try:
            asked = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
            found.extend((int(family), str(address[0])) for family, _, _, _, address in asked)
        except OSError as error:
            found.append(error)

    asking = threading.Thread(target=ask, name="look-up", daemon=True)
    asking.start()
    asking.join(max(0.0, ends - time.monotonic()))
    if asking.is_alive():
        raise ConnectTimeout
    for one in found:
        if isinstance(one, OSError):
            raise one
    return list(dict.fromkeys(one for one in found if not isinstance(one, OSError)))


class _Late:
    def __init__(self, connected: socket.socket) -> None:
        self.socket, self.happened = connected, False

    def cut(self) -> None:
        self.happened = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@contextmanager
def _cut_at(connected: socket.socket, ends: float) -> Iterator[_Late]:
    """Ends the connection when the time is over: timeouts of sockets begin anew with every byte."""
    late = _Late(connected)
    timer = threading.Timer(max(0.01, ends - time.monotonic()), late.cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _words(response: http.client.HTTPResponse) -> str:
    """What an unkind answer says. One that breaks off has said enough by its status."""
    if response.status < 300:
        return ""
    try:
        return response.read(_SAID).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""
