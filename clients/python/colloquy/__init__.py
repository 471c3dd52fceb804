"""A client of Colloquy: agents in Python that find, ask, stream to and hand over work to those in JavaScript."""

from .agent import Agent, Context
from .commands import Receipt
from .errors import ColloquyError
from .message import Envelope
from .network import Network, Subscription, join
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
