"""What the tests run against: a hub of its own process, and an agent in JavaScript beside it."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NODE = [
    os.environ.get("COLLOQUY_NODE", str(ROOT / "node_modules/.bin/node")),
    "--conditions=@colloquy/source",
    "--disable-warning=ExperimentalWarning",
]


class Process:
    """A program in JavaScript, ready when it has printed its first line, gone when its stdin ends."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [*NODE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        self.line = self._process.stdout.readline().decode()
        if not self.line:
            self.kill()
            raise AssertionError(f"{arguments[0]} ended before it was ready")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


class Hub:
    """`colloquy serve` with a store of its own, on a Unix socket and on TCP."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.place = tempfile.mkdtemp(prefix="colloquy-python-")
        self._options = options
        self._environment = environment
        self.socket = f"{self.place}/hub.sock"
        self.url = f"unix:{self.socket}"
        self.start()

    def start(self) -> None:
        options = [
            "--json",
            "--dir",
            f"{self.place}/data",
            "--unix",
            self.socket,
            "--http",
            "0",
            *self._options,
        ]
        self._process = Process("src/cli/main.ts", "serve", *options, **self._environment)
        self.endpoints = {
            it["kind"]: it["url"] for it in json.loads(self._process.line)["endpoints"]
        }

    def peer(self) -> Process:
        return Process(str(Path(__file__).with_name("peer.ts")), self.url)

    def kill(self) -> None:
        self._process.kill()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.place, ignore_errors=True)


TOKEN = "open sesame, please"
CERTIFICATES = ROOT / "test/support/certificates"


@functools.cache
def shared() -> Hub:
    """One for all tests, which also speaks TLS to those who know its token; an agent is there."""
    key_pair = (
        "--tls-cert",
        str(CERTIFICATES / "hub.crt"),
        "--tls-key",
        str(CERTIFICATES / "hub.key"),
    )
    hub = Hub("--tcp", "127.0.0.1:0", *key_pair, COLLOQUY_TOKEN=TOKEN)
    atexit.register(hub.remove)
    peer = hub.peer()
    atexit.register(peer.kill)
    return hub
