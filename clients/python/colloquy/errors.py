"""The one error of this package. Failures are told apart by `code`: see docs/errors.md."""

from __future__ import annotations

from typing import Any

_RETRYABLE = frozenset(
    ("NO_ELIGIBLE_AGENT", "AGENT_UNREACHABLE", "QUEUE_FULL", "RATE_LIMITED", "CIRCUIT_OPEN")
)


class ColloquyError(Exception):
    """Any failure that Colloquy reports, of this process or of another.

    `code`       "TIMEOUT", "NO_HANDLER" and so on
    `message`    for people
    `retryable`  a repeat may succeed and cannot do the work twice
    `details`    plain facts: the field, the limit, the outcome
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = code in _RETRYABLE if retryable is None else retryable
        self.details: dict[str, Any] = details or {}

    def to_data(self) -> dict[str, Any]:
        """As it travels: without a traceback."""
        data = {"code": self.code, "message": self.message, "retryable": self.retryable}
        return {**data, "details": self.details} if self.details else data


def error_from(data: Any) -> ColloquyError:
    """The error that another process sent: whatever it says, it is data."""
    data = data if isinstance(data, dict) else {}
    code, message, details = data.get("code"), data.get("message"), data.get("details")
    return ColloquyError(
        code if isinstance(code, str) else "HANDLER_FAILED",
        message if isinstance(message, str) else "the handler failed",
        retryable=data.get("retryable") is True,
        details=details if isinstance(details, dict) else None,
    )


def error_of(thrown: BaseException) -> ColloquyError:
    """A `ColloquyError` as it is; anything else as HANDLER_FAILED with its name and message."""
    if isinstance(thrown, ColloquyError):
        return thrown
    name = type(thrown).__name__
    return ColloquyError("HANDLER_FAILED", str(thrown) or name, details={"name": name})


def invalid(field: str, expected: str, code: str = "INVALID_MESSAGE") -> ColloquyError:
    details = {"field": field, "limit": expected}
    return ColloquyError(code, f"{field}: expected {expected}", details=details)


def too_large(field: str, limit: int, unit: str = "bytes") -> ColloquyError:
    details = {"field": field, "limit": limit, "unit": unit}
    return ColloquyError("MESSAGE_TOO_LARGE", f"{field}: more than {limit} {unit}", details=details)


def unreachable(name: str, agent: str, outcome: str, operation: str) -> ColloquyError:
    """Nobody is there, or nobody can say what became of it."""
    return ColloquyError(
        "AGENT_UNREACHABLE",
        f"{name}: {agent} cannot be reached; the work is {outcome}",
        retryable=outcome == "not-started",
        details={"name": name, "agent": agent, "outcome": outcome, "id": operation},
    )
