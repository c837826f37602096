"""The recipe: the file that says how a bundle is trained.

One frozen dataclass a table; every default of training lives here and nowhere else. `recipes/default.toml` shows
them all, and a test holds it to these classes.
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.errors import ConfigError, quote
from edge.pacing import Combine
from edge.tables import structure


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is forecast, and from what: the table [data]."""

    period: float = 0.0  # seconds of one step; 0: found in the recording
    window: int = 0  # steps that prime the state and explain an event; 0: chosen by the length of the recording
    horizons: tuple[int, ...] = ()  # steps ahead, rising; 1 is always added; empty: 1, 6, 24 where data suffices
    lags: int = 24  # newest samples that the linear highway sees
    means: tuple[float, ...] = (6.0, 24.0, 144.0)  # steps that each slow mean reaches back
    max_gap: int = 16  # missing steps in a row that are bridged; a longer gap restarts the window
    sensors: tuple[str, ...] = ()  # columns to forecast; empty: every numeric column
    units: Mapping[str, str] = field(default_factory=dict)  # of sensors, for those who show their numbers
    combine: Mapping[str, Combine] = field(default_factory=dict)  # of sensors, what several readings in a step become
    hold: Mapping[str, float] = field(default_factory=dict)  # of sensors, seconds that silence means: as it was

    def __post_init__(self) -> None:
        """Hold every key to its range."""
        rising = all(near < far for near, far in zip(self.horizons, self.horizons[1:], strict=False))
        _must(
            (0 <= self.period < math.inf, f"period: must be 0 (found in the recording) or more, got {self.period}"),
            (self.window == 0 or self.window >= 2, f"window: must be 0 (chosen) or at least 2, got {self.window}"),
            (min(self.horizons, default=1) >= 1, f"horizons: must be at least 1, got {min(self.horizons, default=1)}"),
            (rising, f"horizons: must rise, got {list(self.horizons)}"),
            (self.lags >= 1, f"lags: must be at least 1, got {self.lags}"),
            (min(self.means, default=1.0) >= 1, f"means: must be at least 1, got {list(self.means)}"),
            (self.max_gap >= 0, f"max_gap: must be at least 0, got {self.max_gap}"),
            (min(self.hold.values(), default=0.0) >= 0, f"hold: must be at least 0, got {quote(dict(self.hold))}"),
            (all(self.sensors), f"sensors: must be names, got {quote(list(self.sensors))}"),
            (len(set(self.sensors)) == len(self.sensors), f"sensors: must differ, got {quote(list(self.sensors))}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """How the recording is cut in time, oldest part first: the table [splits]."""

    fit: float = 0.60  # share that the weights and the scaling are fitted on
    stop: float = 0.15  # share that ends the training and shrinks the correction
    calibrate: float = 0.15  # share that sets intervals and thresholds
    test: float = 0.10  # share that only the report sees; may be 0

    def __post_init__(self) -> None:
        """Hold the shares to a whole."""
        whole = self.fit + self.stop + self.calibrate + self.test
        _must(
            (self.fit > 0, f"fit: must be > 0, got {self.fit}"),
            (self.stop > 0, f"stop: must be > 0, got {self.stop}"),
            (self.calibrate > 0, f"calibrate: must be > 0, got {self.calibrate}"),
            (self.test >= 0, f"test: must be at least 0, got {self.test}"),
            (abs(whole - 1.0) < 1e-9, f"fit + stop + calibrate + test: must be 1, got {whole:.6g}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What the recurrent correction is made of: the table [network]."""

    cell: Literal["lstm", "gru", "rnn", "none"] = "lstm"  # none: a correction without memory
    units: tuple[int, ...] = (32,)  # one recurrent layer for each number
    dropout: float = 0.1  # share of what a layer hands upwards that is dropped in training
    recurrent_dropout: float = 0.0  # share of the state that is dropped in training
    dense: tuple[int, ...] = ()  # hidden layers of the head, with rectifiers
    interval: float = 0.9  # central probability between the lower and the upper bound

    def __post_init__(self) -> None:
        """Hold every key to its range."""
        remembers = self.cell != "none"
        _must(
            (len(self.units) > 0 or not remembers, f"units: must name a layer for cell {self.cell}, got []"),
            (min(self.units, default=1) >= 1, f"units: must be at least 1, got {min(self.units, default=1)}"),
            (0 <= self.dropout < 1, f"dropout: must be in 0..1, 1 excluded, got {self.dropout}"),
            (
                0 <= self.recurrent_dropout < 1,
                f"recurrent_dropout: must be in 0..1, 1 excluded, got {self.recurrent_dropout}",
            ),
            (min(self.dense, default=1) >= 1, f"dense: must be at least 1, got {min(self.dense, default=1)}"),
            (0 < self.interval < 1, f"interval: must be between 0 and 1, got {self.interval}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the correction is fitted: the table [training].

    The budget is counted in updates, not in seconds, so that one seed gives one bundle on a slow machine too.
    """

    optimiser: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: float = 0.001  # at the start; it falls to 0 along half a cosine
    loss: Literal["mse", "huber", "mae"] = "mse"  # of the point forecast; huber bends at 1 residual spread
    updates: int = 240  # steps of the optimiser, whatever the length of the recording
    epochs: int = 100  # passes over the fit part, if they end before `updates` do
    patience: int = 8  # looks at the stop part, of 20 in the whole budget, without a better loss that end the training
    batch: int = 32  # subsequences in an update
    subsequence: int = 128  # steps in a subsequence
    stride: int = 32  # steps from the start of a subsequence to the start of the next
    burn_in: int = 32  # first steps of a subsequence that fill the state and carry no loss
    clip_norm: float = 1.0  # longest gradient

    def __post_init__(self) -> None:
        """Hold every key to its range."""
        inside = 0 <= self.burn_in < self.subsequence
        _must(
            (0 < self.learning_rate < math.inf, f"learning_rate: must be > 0, got {self.learning_rate}"),
            (self.updates >= 0, f"updates: must be at least 0, got {self.updates}"),
            (self.epochs >= 0, f"epochs: must be at least 0, got {self.epochs}"),
            (self.patience >= 1, f"patience: must be at least 1, got {self.patience}"),
            (self.batch >= 1, f"batch: must be at least 1, got {self.batch}"),
            (self.subsequence >= 2, f"subsequence: must be at least 2, got {self.subsequence}"),
            (self.stride >= 1, f"stride: must be at least 1, got {self.stride}"),
            (inside, f"burn_in: must be in 0..{self.subsequence - 1} (subsequence - 1), got {self.burn_in}"),
            (0 < self.clip_norm < math.inf, f"clip_norm: must be > 0, got {self.clip_norm}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """How the weights are stored on the device: the table [quantisation]."""

    mode: Literal["auto", "dynamic", "float32", "float16", "int8"] = "auto"
    parity: float = 0.02  # bound of the relative RMSE between the quantised and the float correction

    def __post_init__(self) -> None:
        """Hold the bound above zero."""
        _must((self.parity > 0, f"parity: must be > 0, got {self.parity}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """When a stream is flagged, unless the device's configuration says otherwise: the table [detection]."""

    false_alarms_per_week: float = 1.0  # the alarm budget of one stream
    close_after: int = 12  # calm samples that end an event

    def __post_init__(self) -> None:
        """Hold every key to its range."""
        budget = self.false_alarms_per_week
        _must(
            (0 < budget < math.inf, f"false_alarms_per_week: must be > 0, got {budget}"),
            (self.close_after >= 1, f"close_after: must be at least 1, got {self.close_after}"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides a bundle, besides the recording."""

    name: str = ""  # of the bundle; empty: the file's name
    seed: int = 1  # of everything random
    data: Data = field(default_factory=Data)
    splits: Splits = field(default_factory=Splits)
    network: Architecture = field(default_factory=Architecture)
    training: Training = field(default_factory=Training)
    quantisation: Quantisation = field(default_factory=Quantisation)
    detection: Detection = field(default_factory=Detection)
    home_assistant: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # stream: sensor: id of its entity

    def __post_init__(self) -> None:
        """Hold the seed to what every generator takes."""
        _must((0 <= self.seed < 2**32, f"seed: must be in 0..4294967295, got {self.seed}"))


def default() -> Recipe:
    """Return the recipe of a `fit` that names none.

    >>> default().network.cell
    'lstm'
    """
    return Recipe()


def load(path: Path) -> Recipe:
    """Read a recipe; a key that is not in the file keeps its default.

    Raises:
        ConfigError: the file cannot be read, or some of it is no recipe; it holds every problem.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: must be a readable file, got {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or not TOML: both are ValueErrors
        raise ConfigError(f"{path}: must be TOML, got {error}") from error
    return structure(table, Recipe)


def _must(*rules: tuple[bool, str]) -> None:
    """Raise the text of every rule that does not hold."""
    problems = [text for holds, text in rules if not holds]
    if problems:
        raise ConfigError(problems)
