"""The catalogue in force: read anew when the manifest changes, so that a rule can be stopped without a restart."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from ..catalogue import Catalogue
from ..manifest import SHIPPED_MANIFEST, ManifestError

_log = structlog.get_logger(__name__)

# Every process looks by itself, at a call, and no more often than this.
_LOOK_SECONDS = 1.0


class Current:
    """The catalogue in force. One that cannot be used leaves the old one in force, and the log says so."""

    def __init__(self, catalogue: Catalogue, manifest: Path | None, load: Callable[[], Catalogue]) -> None:
        """``catalogue`` was made by ``load`` from the file ``manifest`` (None: the one that came with the software)."""
        self._catalogue = catalogue
        self._file = manifest or SHIPPED_MANIFEST
        self._load = load
        self._lock = threading.Lock()
        self._replacing = threading.Lock()
        self._state = self._look()
        self._looked = time.monotonic()

    def __call__(self) -> Catalogue:
        """The catalogue; a call never waits for a new one."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._looked = now
                state = self._look()
                if state != self._state:
                    self._state = state
                    threading.Thread(target=self._replace, name="manifest", daemon=True).start()
            finally:
                self._lock.release()
        return self._catalogue

    def _look(self) -> tuple[int, int, int] | None:
        """What changes with the file; None while it is not there, which is no reason to change anything."""
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _replace(self) -> None:
        # One after another: of two changes, the one that is read last must be the one in force.
        with self._replacing:
            self._replace_alone()

    def _replace_alone(self) -> None:
        try:
            catalogue = self._load()
            catalogue.fhir.warm()
        except ManifestError as error:
            _log.error("manifest not used, the old one stays in force", problems=list(error.problems)[:20])
        except Exception as error:  # nobody is above a thread
            _log.error("manifest not used, the old one stays in force", problems=[type(error).__name__])
        else:
            self._catalogue = catalogue
            disabled = catalogue.manifest["site"]["disabledRules"]
            _log.warning("manifest read anew", disabledRules=disabled, silent=[str(m) for m in catalogue.silent_modes])
