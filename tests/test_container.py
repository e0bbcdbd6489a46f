"""What the container promises, without an engine: a user without rights, a file system that cannot be written to.

Mount and process namespaces stand for the engine, a wheel for the image. The Dockerfile itself is not built here.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_service.examples import example
from cds_service.manifest import SHIPPED_MANIFEST

from .deployment import dockerfile
from .running import ROOT, free_port
from .tokens import BASE, Json, key_set, known, signer, written

pytestmark = [
    pytest.mark.integration,
    pytest.mark.enable_socket,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made by root alone"),
]

USER = 10001
SIGN = "/cds-services/bone-health-order-sign"
# The root read-only, two folders to write to, no rights: then the program as process 1.
ENTER = """set -e
cd /
mount --make-rprivate /
for name in python packages; do mount --bind "$(readlink -f "$1/$name.source")" "$1/$name"; done
for name in python packages; do mount -o remount,bind,ro "$1/$name"; done
mount --bind "$1/data" "$1/data"
mount -t tmpfs -o size=64m,mode=0700,uid=10001,gid=10001 tmpfs "$1/tmp"
mount -t tmpfs -o ro tmpfs /dev/shm
mount -o remount,bind,ro /
cd "$1/data"
shift
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


@dataclass(frozen=True)
class Container:
    """What runs as a container would: its folder, its address, and its first process as seen from outside."""

    folder: Path
    base: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    @property
    def first(self) -> int:
        """The process that is number 1 inside."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii")
        return int(children.split()[0])

    @property
    def workers(self) -> list[int]:
        """Its children."""
        children = Path(f"/proc/{self.first}/task/{self.first}/children").read_text("ascii")
        return [int(pid) for pid in children.split()]

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command beside the service, as the same user."""
        enter = ["nsenter", "--target", str(self.first), "--mount", "--pid"]
        same = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        return subprocess.run(  # noqa: S603  # our own commands
            [*enter, *same, *command], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def call(self, token: str | None = None, hook: str = "order-sign") -> requests.Response:
        """The example call with a token, by default a new one."""
        path = f"/cds-services/bone-health-{hook}"
        headers = {"Authorization": f"Bearer {token or new_token(path)}"}
        return requests.post(self.base + path, json=body(), headers=headers, timeout=30)


def new_token(path: str = SIGN) -> str:
    return signer("ES384").token(path, now=datetime.datetime.now(datetime.UTC))


def body() -> Json:
    made: Json = example("zoledronic-acid-deficient", datetime.datetime.now(datetime.UTC).date())
    return made


def installed(folder: Path) -> None:
    """The program as the image has it: a wheel, installed with its entry point."""
    source = folder / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "manifest.json"):
        shutil.copy(ROOT / name, source / name)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "cds_service", source / "cds_service", symlinks=True, ignore=without)
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*install, "--target", str(folder / "app"), str(source)], check=True, timeout=300)  # noqa: S603
    shutil.rmtree(source)
    for name, path in (("python", sys.base_prefix), ("packages", sysconfig.get_path("purelib"))):
        (folder / name).mkdir()
        (folder / f"{name}.source").symlink_to(path)


def mounted(folder: Path, manifest: Json) -> Path:
    """A manifest as a ConfigMap is mounted: a link to a link to a folder that is exchanged as a whole."""
    place = folder / "manifest"
    place.mkdir(exist_ok=True)
    version = place / f"..{time.monotonic_ns()}"
    version.mkdir()
    (version / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (place / "..new").symlink_to(version.name)
    (place / "..new").rename(place / "..data")
    if not (place / "manifest.json").is_symlink():
        (place / "manifest.json").symlink_to("..data/manifest.json")
    return place / "manifest.json"


def shipped() -> Json:
    document: Json = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    return document


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    with contained() as started:
        yield started


@contextlib.contextmanager
def contained() -> Iterator[Container]:
    """The service in a container of its own while the block runs."""
    with tempfile.TemporaryDirectory(prefix="cds-container-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        installed(folder)
        for writable in ("data", "tmp"):
            (folder / writable).mkdir()
        os.chown(folder / "data", USER, USER)
        (folder / "data").chmod(0o700)
        (folder / "site").mkdir()
        clients = written(folder / "site", known(), keys=key_set(signer("ES384")))
        script = folder / "enter.sh"
        script.write_text(ENTER, "utf-8")
        image = dockerfile(ROOT / "Dockerfile")
        port = free_port()
        python = next((folder / "python.source").resolve().glob(f"bin/python3.{sys.version_info.minor}")).name
        settings = {k: v.replace("/data/", f"{folder}/data/") for k, v in image.environment.items() if k != "PATH"}
        environment = {
            **settings,
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": f"{folder}/app:{folder}/packages",
            "LD_LIBRARY_PATH": f"{folder}/python/lib",
            "TMPDIR": str(folder / "tmp"),
            "CDS_CLIENTS": str(clients),
            "CDS_BASE_URL": BASE,
            "CDS_MANIFEST": str(mounted(folder, shipped())),
        }
        entry = [f"{folder}/python/bin/{python}", f"{folder}/app/bin/{image.entrypoint[0]}", *image.command]
        entry = [str(port) if word == "8000" else "127.0.0.1" if word == "0.0.0.0" else word for word in entry]  # noqa: S104
        command = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  # our own program
                [*command, "sh", str(script), str(folder), *entry], env=environment, stdout=log, stderr=log
            )
        started = Container(folder, f"http://127.0.0.1:{port}", process, environment)
        try:
            for _ in range(600):
                with contextlib.suppress(requests.ConnectionError):
                    requests.get(f"{started.base}/health/live", timeout=1)
                    break
                assert process.poll() is None, (folder / "log").read_text("utf-8")
                time.sleep(0.1)
            yield started
        finally:
            process.kill()
            process.wait(20)


def test_every_process_has_no_rights_and_can_get_none(container: Container) -> None:
    assert waited(lambda: len(container.workers) == 2)
    for pid in (container.first, *container.workers):
        status = dict(re.findall(r"^(\w+):\s+(.*)$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE))
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(USER)}
        assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"


def test_nothing_can_be_written_but_data_and_temporary_files(container: Container) -> None:
    """That a folder is closed to a user shows nothing: the file system itself must be read-only for root too."""
    for place in (container.folder / "app", container.folder / "site", Path("/var/tmp"), Path("/dev/shm")):  # noqa: S108
        enter = ["nsenter", "--target", str(container.first), "--mount", "touch", f"{place}/probe"]
        tried = subprocess.run(enter, capture_output=True, text=True, check=False)  # noqa: S603
        assert "Read-only file system" in tried.stderr, place
    for place in ("data", "tmp"):
        assert container.inside("touch", f"{container.folder}/{place}/probe").returncode == 0


def test_it_is_live_and_ready_and_the_images_own_check_says_so(container: Container) -> None:
    assert requests.get(f"{container.base}/health/ready", timeout=30).status_code == 200
    check = [word.replace("http://127.0.0.1:8000", container.base) for word in dockerfile(ROOT / "Dockerfile").check]
    python = next((container.folder / "python.source").resolve().glob(f"bin/python3.{sys.version_info.minor}")).name
    assert check[0] == "python"
    healthy = container.inside(f"{container.folder}/python/bin/{python}", *check[1:])
    assert healthy.returncode == 0, healthy.stderr
    nobody = [word.replace(container.base, "http://127.0.0.1:1") for word in check]
    assert container.inside(f"{container.folder}/python/bin/{python}", *nobody[1:]).returncode != 0


def test_it_answers_whom_it_knows_once_for_each_token(container: Container) -> None:
    token = new_token()
    answer = container.call(token)
    assert answer.status_code == 200, answer.text
    assert "14 ng/mL" in answer.text
    assert container.call(token).status_code == 401
    assert requests.post(container.base + SIGN, json=body(), timeout=30).status_code == 401


def test_it_records_and_counts_in_its_own_folders(container: Container) -> None:
    before = recorded(container)
    for _ in range(5):
        assert container.call().status_code == 200
    assert waited(lambda: recorded(container) >= before + 5)
    metrics = requests.get(f"{container.base}/metrics", timeout=30).text
    written_calls = re.search(r"^cds_records_written_total ([0-9.]+)$", metrics, re.MULTILINE)
    assert written_calls is not None
    assert float(written_calls[1]) >= 5
    owners = {file.stat().st_uid for file in (container.folder / "data").iterdir()}
    assert owners == {USER}
    assert (container.folder / "data" / "tokens.sqlite").is_file()


def test_a_rule_is_stopped_through_a_mounted_manifest_without_a_restart(container: Container) -> None:
    def speaks() -> bool:
        return "iv-bisphosphonate-vitamin-d" in container.call().text

    assert speaks()
    stopped = shipped()
    stopped["site"]["disabledRules"].append("iv-bisphosphonate-vitamin-d")
    mounted(container.folder, stopped)
    # Each worker looks by itself: several answers in a row without it are from both of them.
    assert waited(lambda: not any(speaks() for _ in range(10)))
    mounted(container.folder, shipped())
    assert waited(speaks)


def test_what_it_needs_of_a_machine_is_what_is_asked_for(container: Container) -> None:
    for _ in range(30):
        container.call()
    pages = (Path(f"/proc/{pid}/smaps_rollup").read_text("ascii") for pid in (container.first, *container.workers))
    used = sum(int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) for text in pages) / 1024
    print(f"memory of {len(container.workers)} workers and their parent: {used:.0f} MiB")
    assert used < 512


def test_it_stops_when_it_is_told_to_with_every_record_written() -> None:
    """Process 1 hears only what it listens for."""
    with contained() as container:
        for _ in range(20):
            assert container.call().status_code == 200
        os.kill(container.first, signal.SIGTERM)
        container.process.wait(30)
        assert recorded(container) == 20
        log = (container.folder / "log").read_text("utf-8")
        assert "Traceback" not in log
        assert not [line for line in log.splitlines() if '"level":"error"' in line]


def recorded(container: Container) -> int:
    with closing(sqlite3.connect(container.folder / "data" / "records.sqlite", timeout=30)) as connection:
        with contextlib.suppress(sqlite3.OperationalError):
            return int(connection.execute("SELECT count(*) FROM invocation").fetchone()[0])
        return 0


def waited(holds: Any) -> bool:
    for _ in range(100):
        if holds():
            return True
        time.sleep(0.3)
    return False
