"""The network as a test sees it: names that are asked for, addresses that are connected to, and hostile DNS.

What the program does is observed at the sockets themselves; only loopback is let through.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"
_LOOPBACK = ("127.", "::1")

_watching: list[Network] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    # What goes past the functions replaced below is seen here, whoever calls it from wherever.
    if event in ("socket.connect", "socket.sendto") and _watching and not _watching[-1].inside.entered:
        _watching[-1].bypassed.append(arguments[1])


sys.addaudithook(_audit)


class _Inside(threading.local):
    entered = False


class Network:
    """What was asked of it, and how it answers.

    ``names``: for a name the addresses of each lookup in turn, the last for ever; any other name is ``stranger``.
    ``routes``: where a connection to a public address ends on loopback; without a route it is refused.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.stranger = ["127.0.0.1"]
        self.routes: dict[str, tuple[str, int]] = {}
        self.looked_up: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.bypassed: list[Any] = []
        self.inside = _Inside()
        self._getaddrinfo = socket.getaddrinfo

    def lookup(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[Any, ...]]:
        """socket.getaddrinfo: numbers in all spellings as the system reads them, names as the test says."""
        if host not in self.names:
            with contextlib.suppress(socket.gaierror):
                return [*self._getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)]
        self.looked_up.append(str(host))
        turns = self.names.get(host, [self.stranger])
        addresses = turns.pop(0) if len(turns) > 1 else turns[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (one, int(port or 0), 0, 0))
            if ":" in one
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, int(port or 0)))
            for one in addresses
        ]

    def connect(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """socket.connect or connect_ex, which notes and lets nothing but loopback through."""

        def connect(this: socket.socket, address: Any) -> Any:
            host, port = address[0], address[1]
            self.connected.append((host, port))
            target = self.routes.get(host) or ((host, port) if host.startswith(_LOOPBACK) else None)
            if target is None:
                raise ConnectionRefusedError(f"no connection to {host}")
            self.inside.entered = True
            try:
                return real(this, target)
            finally:
                self.inside.entered = False

        return connect

    @property
    def silent(self) -> bool:
        """Whether nobody was asked for anything: no name, no connection."""
        return not (self.looked_up or self.connected or self.bypassed)


@contextlib.contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[Network]:
    """The network while the block runs."""
    network = Network()
    patch.setattr(socket, "getaddrinfo", network.lookup)
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, network.connect(getattr(socket.socket, name)), raising=False)
    _watching.append(network)
    try:
        yield network
    finally:
        _watching.remove(network)
        patch.undo()


class Trap:
    """A listener on loopback that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._socket.accept()
                self.visits += 1
                caller.close()

    def close(self) -> None:
        """Stops listening."""
        self._socket.close()
