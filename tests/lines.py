"""The whole line over the cohort whose numbers can be followed by eye: no broker, no clock, no trained graph."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from edge.config import Config
from edge.line import Line
from edge.message import Outgoing
from tests.edge.conftest import UNITS, learned_by_hand, persist

BUNDLE = Path("by-hand.bundle")  # steps of 10 s, sensors warm and damp, first forecast after 4 samples
CLIMATE = f"""
[streams.plant]
bundle = "{BUNDLE}"
topic = "plant/{{line}}/{{machine}}/climate"
"""


class ByHand:
    """Stand for a bundle's graph: forecasts are the last value ± 1."""

    units = UNITS

    def __call__(self, x: np.ndarray, lags: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return persist(x, lags, state)


def line_of(toml: str = CLIMATE, **learned: object) -> Line:
    """Return a line with a configuration, and what training learned changed where the test wants it."""
    known = (learned_by_hand(**learned), ByHand())
    config = Config.from_table(tomllib.loads(toml))
    return Line(config, {table.bundle: known for table in config.streams.values()})  # type: ignore[misc]


def climate(step: int, warm: object = 20.0, damp: object = 50.0) -> bytes:
    """Return the payload of a step of 10 s."""
    return json.dumps({"time": 10 * step, "warm": warm, "damp": damp}).encode()


def tell(line: Line, topic: str, payload: bytes, step: int, *, retained: bool = False) -> list[Outgoing]:
    """Send one payload, received at a step, and return what is published."""
    line.receive(topic, payload, retained=retained, received_at=10.0 * step)
    return line.advance()


def tell_steps(line: Line, topic: str, steps: Iterable[int]) -> list[Outgoing]:
    """Send a calm payload for each step, one after the other."""
    return [news for step in steps for news in tell(line, topic, climate(step), step)]


def of(kind: str, published: Iterable[Outgoing]) -> list[Mapping[str, object]]:
    """Return the payloads of one kind of message: state, forecast, event or anomaly."""
    return [json.loads(news.payload) for news in published if news.topic.endswith(f"/{kind}")]
