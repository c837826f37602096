"""Predict what a configuration takes of this machine, and warn of what does not fit: `tidegate check --budget`.

The costs are measured by `edge.trial`; here they are multiplied. Processor time goes with messages: what one costs at
the rate that is expected, and at the least, in long waves, which is what decides how many a core carries. Memory goes
with streams: a cohort's arrays double, so between two powers of two streams cost nothing, and the next one much.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import config as configs
from edge import machine
from edge.config import Config
from edge.daemon import open_bundles
from edge.errors import OperatorError, counted
from edge.learned import Learned
from edge.load import Kind, Load
from edge.stream_config import StreamConfig
from edge.tables import join_path
from edge.topics import pattern_shape
from edge.trial import Cost, Measured, measure

CPU_ERRS, MEMORY_ERRS = 1.5, 1.3  # factors by which a prediction may be wrong; `tests/bench/budget.py` measures them
MB = 1e6


@dataclass(frozen=True, slots=True)
class Expected:
    """Say what a table [streams.NAME] will bring.

    Attributes:
        name: NAME.
        kind: of its streams.
        streams: how many will be served.
        asked: how many there will be.
    """

    name: str
    kind: Kind
    streams: int
    asked: int

    @property
    def rate(self) -> float:
        """Return the messages a second, if each stream speaks once a period."""
        return self.messages / self.kind.learned.period

    @property
    def messages(self) -> int:
        """Return the messages that come at once, if all streams speak at the same instant."""
        return self.streams * self.kind.messages


@dataclass(frozen=True, slots=True)
class Prediction:
    """Say what the daemon will take.

    Attributes:
        streams, rate: what is expected, the rate in messages a second.
        share: of one core; never more than the cores that it may use.
        carried: messages a second that those cores carry.
        resident: bytes of memory.
    """

    streams: int
    rate: float
    share: float
    carried: float
    resident: float


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what is told, in lines, and what does not fit, as `where: what must hold, got what`."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]


def report(path: Path, streams: int | None, tell: Callable[[str], None], *, root: Path = machine.ROOT) -> Report:
    """Measure this machine for some seconds and predict what a configuration takes.

    Args:
        path: the configuration; it must be without problems.
        streams: how many each table with placeholders will have; None takes `max_streams`.
        tell: is told what is being done.
        root: where /proc and /sys are.

    Raises:
        OperatorError: the configuration has problems, or a daemon cannot be tried out here.
    """
    if streams is not None and streams < 1:
        raise OperatorError(f"--streams: must be at least 1, got {streams}")
    config = configs.load(path)
    bundles = {name: loaded.manifest.learned() for name, loaded in open_bundles(config.streams, path).items()}
    tables = [expect(name, table, bundles[table.bundle], streams) for name, table in config.streams.items()]
    loads = gather(tables)
    busy = machine.busy(root)
    measured = measure(loads, config.broker.protocol, tell)
    cores = min(float(config.node.workers), machine.cores(root))
    predicted = predict(loads, measured, cores=cores, workers=config.node.workers)
    found = misfits(config, tables, predicted, cores=cores, memory=machine.memory(root))
    warnings = [f"{path}: {one}" for one in found]
    if busy is not None:
        warnings.append(
            f"this machine: must have little else to do while it is measured, got {_short(busy)} tasks; "
            "measure again when it is calm"
        )
    if streams is not None and not any(one.asked == streams for one in tables):
        warnings.append(f"--streams: must have a table whose topic has placeholders, got {streams} for none")
    return Report(tuple(_lines(tables, loads, measured, predicted, cores=cores)), tuple(warnings))


def expect(name: str, table: StreamConfig, learned: Learned, streams: int | None) -> Expected:
    """Say what a table will bring: one stream, unless its streams are named after placeholders."""
    kind = Kind(table.bundle, learned, table.qos, tuple(sorted(table.publish)), table.has_sensor_in_topic)
    if pattern_shape("{x}") not in pattern_shape(table.pattern(name)):
        return Expected(name, kind, 1, 1)
    asked = table.max_streams if streams is None else streams
    return Expected(name, kind, min(asked, table.max_streams), asked)


def gather(tables: Sequence[Expected]) -> list[Load]:
    """Put tables together whose streams cost the same: one bundle serves them in one cohort."""
    # A kind holds arrays, and cannot be a key itself.
    alike: dict[tuple[object, ...], list[Expected]] = {}
    for one in tables:
        alike.setdefault((one.kind.bundle, one.kind.qos, one.kind.publish, one.kind.is_split), []).append(one)
    return [
        Load(each[0].kind, sum(one.streams for one in each), sum(one.rate for one in each)) for each in alike.values()
    ]


def predict(loads: Sequence[Load], measured: Measured, *, cores: float = 1.0, workers: int = 1) -> Prediction:
    """Multiply what was measured.

    Several workers are as many processes and their supervisor, which keeps what each remembers a second time.
    """
    processes, copies = (1, 1) if workers == 1 else (1 + workers, 2)
    both = list(zip(loads, measured.costs, strict=True))
    rate = sum(load.rate for load in loads)
    least = sum(load.rate * cost.least for load, cost in both)
    cohorts = {load.kind.bundle: [pair for pair in both if pair[0].kind.bundle == load.kind.bundle] for load in loads}
    return Prediction(
        streams=sum(load.streams for load in loads),
        rate=rate,
        share=min(cores, measured.idle + rate * measured.usual),
        carried=cores * rate / least,
        resident=processes * measured.resident + copies * sum(map(_cohort, cohorts.values())),
    )


def _cohort(kinds: Sequence[tuple[Load, Cost]]) -> float:
    """Return the bytes that all streams of one bundle occupy."""
    streams, measured = sum(load.streams for load, _ in kinds), sum(cost.streams for _, cost in kinds)
    further = max(0, room(streams) - measured) if streams > measured else 0
    return sum(cost.base for _, cost in kinds) + further * max(cost.each for _, cost in kinds)


def room(streams: int) -> int:
    """Return for how many streams a cohort of so many has room: it grows by an eighth (`edge.cohort.Cohort.admit`).

    >>> room(1), room(9), room(1000), room(1025)
    (8, 16, 1045, 1045)
    """
    rows = 0
    while rows < streams:
        rows += max(8, rows // 8)
    return rows


def misfits(
    config: Config,
    tables: Sequence[Expected],
    predicted: Prediction,
    *,
    cores: float,
    memory: machine.Memory | None,
) -> list[str]:
    """List what does not fit; a prediction that fits by less than it may be wrong does not."""
    found = [
        f"{join_path('streams', one.name)}.max_streams: must be at least {one.asked} for as many streams, "
        f"got {one.streams}: further ones are refused"
        for one in tables
        if one.asked > one.streams
    ]
    burst = sum(one.messages for one in tables)
    if burst > config.broker.inbox:
        found.append(
            f"broker.inbox: must hold a message of every stream and sensor that speaks for itself, {burst}, "
            f"or what comes at one instant is dropped, got {config.broker.inbox}"
        )
    if predicted.rate > predicted.carried / CPU_ERRS:
        found.append(
            f"streams: must send at most {_short(predicted.carried / CPU_ERRS)} messages/s, two thirds of what "
            f"{_cores(cores)} may carry, got {_short(predicted.rate)}"
        )
    if memory is not None and predicted.resident * MEMORY_ERRS > memory.bytes:
        found.append(
            f"streams: must take at most {memory.bytes / MEMORY_ERRS / MB:.0f} MB, three quarters of what "
            f"{memory.of}, got {predicted.resident / MB:.0f} MB for {counted(predicted.streams, 'stream')}"
        )
    return found


def _lines(
    tables: Sequence[Expected], loads: Sequence[Load], measured: Measured, predicted: Prediction, *, cores: float
) -> list[str]:
    """Say what is expected, what was measured, and what follows."""
    costs = [
        f"measured: {_of(tables, load)}: a message takes {1e6 * cost.least:.0f} us of a core among many; "
        f"{counted(cost.streams, 'stream')} {cost.base / MB:.1f} MB"
        + (f", a further one {cost.each / 1e3:.1f} KB" if cost.streams < load.streams else "")
        for load, cost in zip(loads, measured.costs, strict=True)
    ]
    return [
        *(_expected(one) for one in tables),
        f"measured: at rest {measured.resident / MB:.0f} MB; at this rate a message takes "
        f"{1e6 * measured.usual:.0f} us of a core",
        *costs,
        f"predicted: {_short(100.0 * predicted.share)} % of one core, {_short(100.0 * measured.idle)} % of it at rest, "
        f"and {predicted.resident / MB:.0f} MB for "
        f"{_short(predicted.rate)} messages/s of {counted(predicted.streams, 'stream')}; "
        f"{_cores(cores)} may carry {_short(predicted.carried)} messages/s",
        "assumed: each stream, and each sensor with a topic of its own, speaks once a period, all evenly; messages as "
        "short as can be, no event; nothing else runs, and the broker's own share is not counted. Processor time may "
        "be wrong by half, memory by a third",
    ]


def _of(tables: Sequence[Expected], load: Load) -> str:
    """Name the tables whose streams cost the same."""
    mine = (load.kind.bundle, load.kind.qos, load.kind.publish, load.kind.is_split)
    return ", ".join(
        join_path("streams", one.name)
        for one in tables
        if (one.kind.bundle, one.kind.qos, one.kind.publish, one.kind.is_split) == mine
    )


def _expected(one: Expected) -> str:
    period = one.kind.learned.period
    return (
        f"expected: {join_path('streams', one.name)}: {counted(one.streams, 'stream')}, "
        f"{counted(one.kind.messages, 'message')} of each every {period:g} s: {_short(one.rate)} messages/s"
    )


def _short(number: float) -> str:
    """Write a number with three digits, and no powers of ten."""
    return f"{number:.0f}" if number >= 100.0 else f"{number:.3g}"


def _cores(cores: float) -> str:
    return "one core" if cores == 1.0 else f"{cores:g} cores"
