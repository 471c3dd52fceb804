"""The examples, run as the page says, and the command line that reaches the agent in Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from .fabric import NODE, ROOT, shared


class Examples(unittest.TestCase):
    def test_the_greeter_is_asked_from_python_and_from_the_command_line(self) -> None:
        place = Path(__file__).parents[1]
        environment = {**os.environ, "COLLOQUY_URL": shared().url}
        python = [sys.executable, "-m"]
        with subprocess.Popen(
            [*python, "examples.greeter"], cwd=place, env=environment, stdout=subprocess.PIPE
        ) as greeter:
            assert greeter.stdout is not None
            self.assertIn(b"greeter is here", greeter.stdout.readline())
            asked = subprocess.run(
                [*python, "examples.asker"], cwd=place, env=environment, stdout=subprocess.PIPE, timeout=30
            )
            self.assertEqual(
                asked.stdout.decode().splitlines(),
                [
                    "Hello, world, from Python!",
                    *("1", "2", "3"),
                    "done {'remembered': 'world', 'attempt': 1}",
                    "the greeter remembers world",
                    "NO_HANDLER False",
                ],
            )
            command = [*NODE, "src/cli/main.ts", "request", "agent:greeter", "greet", '"you"', "--json"]
            answer = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, timeout=30)
            self.assertIn("Hello, you, from Python!", answer.stdout.decode())
            greeter.send_signal(signal.SIGINT)
            self.assertEqual(greeter.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main()
