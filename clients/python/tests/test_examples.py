"""The examples, run as the page says, and the command line that reaches the agent in Python."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

from .fabric import NODE, ROOT, shared

PAGES = ("README.md", "docs/python.md", "clients/python/README.md")


def code_in(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", ROOT.joinpath(page).read_text(), re.DOTALL)


class Examples(unittest.TestCase):
    def start(self, *command: str, cwd: Path = Path(__file__).parents[1]) -> Any:
        environment = {**os.environ, "COLLOQUY_URL": shared().url}
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_the_greeter_is_asked_from_python_and_from_the_command_line(self) -> None:
        greeter = self.start(sys.executable, "-m", "examples.greeter")
        self.assertIn(b"greeter is here", greeter.stdout.readline())
        request = ("src/cli/main.ts", "request", "agent:greeter", "greet", '"you"', "--json")
        command = self.start(*NODE, *request, cwd=ROOT)
        asker = self.start(sys.executable, "-m", "examples.asker")
        self.assertEqual(
            asker.stdout.read().decode().splitlines(),
            [
                "Hello, world, from Python!",
                *("1", "2", "3"),
                "done {'remembered': 'world', 'attempt': 1}",
                "the greeter remembers world",
                "NO_HANDLER False",
            ],
        )
        self.assertIn(b"Hello, you, from Python!", command.stdout.read())
        [adder] = code_in("README.md")
        adder = self.start(sys.executable, "-uc", adder.replace("tcp://127.0.0.1", shared().url, 1))
        self.assertEqual(adder.stdout.readline(), b"Hello, Python, from Python!\n")
        greeter.send_signal(signal.SIGINT)
        self.assertEqual(greeter.wait(), 0)

    def test_the_code_in_the_documentation_is_python(self) -> None:
        for page in PAGES:
            for code in code_in(page):
                compile(code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


if __name__ == "__main__":
    unittest.main()
