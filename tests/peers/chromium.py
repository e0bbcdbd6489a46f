"""A Chromium without a window, as Debian's package chromium has it: what it shows of a page, and what it asked for."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

# It looks up no name, so that nothing leaves the machine whatever it or a page wants.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
# How the browser marks what it wants for itself (the time, updates) and not for a page.
_OWN = (None, "not an origin")


@dataclass(frozen=True, slots=True)
class Seen:
    """The page as the browser understood it, and the addresses it asked for because of the page."""

    dom: str
    asked: frozenset[str]


def opened(page: Path) -> Seen:
    """Opens a file."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "net.json"
        dom = _run(folder, f"--log-net-log={log}", "--dump-dom", page.as_uri())
        events = json.loads(log.read_text("utf-8"))["events"]
        params = [event["params"] for event in events if "url" in event.get("params", {})]
        asked = {one["url"] for one in params if one.get("initiator") not in _OWN}
    return Seen(dom, frozenset(url for url in asked if url != page.as_uri()))


def photographed(page: Path, to: Path, width: int, height: int, *, dark: bool = False) -> None:
    """A picture of a page of a file in a window of so many pixels, in the colours for light or for dark."""
    with tempfile.TemporaryDirectory() as folder:
        colours = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        _run(folder, colours, f"--window-size={width},{height}", f"--screenshot={to}", page.as_uri())


def _run(folder: str, *arguments: str) -> str:
    program = shutil.which("chromium")
    assert program, "this test opens the report in a real browser: install Debian's package chromium"
    command = [program, *_FLAGS, f"--user-data-dir={folder}/profile", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603  # our own page
    return done.stdout
