"""What the handlers of an agent have done, for whoever asks, such as `colloquy top`."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

#: So far back the figures reach, or so many handlers, whichever is less.
_SECONDS = 20.0
_SAMPLES_MAX = 1_000


class Activity:
    def __init__(self) -> None:
        self.handled = 0
        self.failed = 0
        #: When the latest ended, and how long they took, in seconds.
        self._latest: deque[tuple[float, float]] = deque(maxlen=_SAMPLES_MAX)

    def ended(self, began: float, failed: bool) -> None:
        """`began` is of `time.monotonic()`."""
        if failed:
            self.failed += 1
        else:
            self.handled += 1
        now = time.monotonic()
        self._latest.append((now, now - began))

    def figures(self) -> dict[str, Any]:
        """Milliseconds are None where no handler has ended lately."""
        since = time.monotonic() - _SECONDS
        took = sorted(seconds * 1_000 for at, seconds in self._latest if at >= since)
        known = bool(took)
        return {
            "handled": self.handled,
            "failed": self.failed,
            "averageMs": sum(took) / len(took) if known else None,
            "p50Ms": took[(len(took) - 1) // 2] if known else None,
            "p99Ms": took[(len(took) - 1) * 99 // 100] if known else None,
        }
