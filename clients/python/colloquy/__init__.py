"""A client of Colloquy: agents in Python among those in JavaScript. See docs/python.md."""

from .agent import Agent, Context
from .commands import Receipt
from .errors import ColloquyError
from .events import Subscription
from .message import Envelope
from .network import Network, join
from .queues import Outcome
from .requests import Stream

__all__ = [
    "Agent",
    "ColloquyError",
    "Context",
    "Envelope",
    "Network",
    "Outcome",
    "Receipt",
    "Stream",
    "Subscription",
    "join",
]
