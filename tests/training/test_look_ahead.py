"""What a command of the workstation says of some rows never depends on later ones: every command, every kind of future.

Recordings agree up to a row and differ after it. A fit that may read the first rows must give the same bundle, byte
for byte; whatever is said of a row up to there, by Tidegate or by what stands beside it, must be the same too. Figures
of a whole recording are made of what is said of its rows, so that is what is overheard while the command runs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

import numpy as np
import pytest

from tests.futures import FUTURES, Row, Rows, commands, futures, write_rows
from tests.training.conftest import PERIOD, RECIPE, START, Trial, chaos, quick
from training import cli, curves, known_sets, preview, quantisation_study
from training.fit import fit, serve
from training.pack import pack
from training.rehearse import Span
from training.series import read
from training.teach import teach

pytestmark = pytest.mark.training

TAUGHT, AGREED = 600, 660  # rows that are fitted, and that all recordings of a walk have
SPIKE = slice(630, 633)
SLOW = 1800.0  # seconds a row of the forecast set, so that there is a season to repeat

Said = Mapping[str, bytes]  # by what was overheard
Calls = Sequence[tuple[tuple[object, ...], object]]  # what a function was given, and what it returned


def flat(thing: object) -> bytes:
    """Write down all that something holds, bit for bit, but for the sign of a nan."""
    if isinstance(thing, np.ndarray):
        bits = np.where(np.isnan(thing), np.nan, thing) if thing.dtype.kind == "f" else thing
        return f"{thing.shape}{thing.dtype}".encode() + np.ascontiguousarray(bits, dtype=thing.dtype).tobytes()
    if is_dataclass(thing):
        return b"".join(one.name.encode() + flat(getattr(thing, one.name)) for one in fields(thing))
    if isinstance(thing, tuple | list):
        return b"(" + b",".join(map(flat, thing)) + b")"
    return repr(thing).encode()


class Once:
    """Does what it is given once: given the same again, it is the same (tests/training/test_fit.py holds fits to that).

    So a fit that looks ahead is done anew for every future, and gives another bundle; one that does not costs nothing.
    """

    def __init__(self, work: Callable[..., object], key: Callable[..., bytes]) -> None:
        self._work, self._key = work, key
        self.known: dict[bytes, object] = {}

    def __call__(self, *given: object) -> object:
        key = self._key(*given)
        if key not in self.known:
            self.known[key] = self._work(*given)
        return self.known[key]


def unnamed(recipe: object) -> bytes:
    return flat(replace(recipe, name=""))  # type: ignore[type-var]


@pytest.fixture(scope="module")
def once(chaotic: Trial) -> dict[str, Once]:
    teach_once = Once(teach, lambda prepared, recipe, say: flat((prepared.steps, prepared.cuts)) + unnamed(recipe))
    teach_once.known[flat((chaotic.prepared.steps, chaotic.prepared.cuts)) + unnamed(chaotic.recipe)] = chaotic.taught
    return {
        "fit": Once(fit, lambda recordings, recipe, say: flat(recordings) + unnamed(recipe)),
        "teach": teach_once,
        "serve": Once(serve, lambda prepared, taught, recipe, say: flat((prepared, id(taught))) + unnamed(recipe)),
    }


class Place:
    """Where commands are run: a folder, a bundle, and what is overheard."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.patch = folder, patch
        self.bundle = folder / "quick.bundle"
        self._capsys = capsys

    def run(self, *arguments: object) -> str:
        """Run a command and return what it printed."""
        self._capsys.readouterr()
        assert cli.main(list(map(str, arguments))) == 0
        return self._capsys.readouterr().out

    def overhear(self, name: str) -> list[tuple[tuple[object, ...], object]]:
        """Let a function do its work, and keep what it was given and what it returned."""
        module, _, function = name.rpartition(".")
        work, calls = getattr(import_module(module), function), []

        def listen(*given: object, **named: object) -> object:
            result = work(*given, **named)
            calls.append((given, result))
            return result

        self.patch.setattr(name, listen)
        return calls

    def scratch(self) -> Path:
        """Return an empty folder."""
        return Path(mkdtemp(dir=self.folder))

    def set_of(self, kind: str, rows: Rows, labels: str = "start,end\n") -> Path:
        """Write a folder with one known set."""
        data = self.scratch()
        (data / kind).mkdir()
        write_rows(data / kind / "one.csv.gz", "abc", rows)
        (data / kind / "one.events.csv").write_text(labels)
        return data

    def packed(self, prepared: object, fitted: object) -> bytes:
        """Return the bytes of a bundle."""
        pack(self.folder / "packed.bundle", fitted, prepared, quick(), 1)  # type: ignore[arg-type]
        return (self.folder / "packed.bundle").read_bytes()


WORK = (
    ("fit", "training.fit.fit"),
    ("fit", "training.outcome.fit"),
    ("fit", "training.study_cells.fit"),
    ("teach", "training.fit.teach"),
    ("teach", "training.teach.teach"),
    ("teach", "training.quantisation_study.teach"),
    ("serve", "training.quantisation_study.serve"),
)


@pytest.fixture
def place(
    chaotic: Trial,
    once: dict[str, Once],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Place:
    chaotic.pack(tmp_path / "quick.bundle")
    (tmp_path / "quick.toml").write_text(RECIPE)
    for work, name in WORK:
        monkeypatch.setattr(name, once[work])
    for name in ("training.recipe.default", "training.outcome.default"):
        monkeypatch.setattr(name, quick)
    monkeypatch.setitem(known_sets.FITTED_ROWS, "wsn", TAUGHT)
    return Place(tmp_path, monkeypatch, capsys)


# ---- what each command says of the rows up to a time


def fitted(place: Place, rows: Rows, until: float) -> Said:
    table = write_rows(place.folder / "one.csv.gz", "abc", rows)
    recipe, bundle = place.folder / "quick.toml", place.folder / "new.bundle"
    said = {}
    for bound, value in (("--rows", TAUGHT), ("--until", START + (TAUGHT - 1) * PERIOD + 1.0)):
        place.run("fit", "--data", table, "--recipe", recipe, "--out", bundle, bound, value)
        said[bound] = bundle.read_bytes()
    return said


def evaluated(place: Place, rows: Rows, until: float) -> Said:
    rehearsed, missed, flags = map(
        place.overhear, ("training.evaluate.rehearse", "training.evaluate._errors", "training.measure.detect")
    )
    told = json.loads(place.run("evaluate", place.bundle, *history(place, rows, until), "--json"))
    ((given, _),) = flags
    return {
        **rehearsals(rehearsed, until),
        **misses(rehearsed, missed, until),
        "flags": flat(given[1][: rows_until(rows, until) - TAUGHT]),
        "calm rows": flat([(one["flagged_share"], one["false_events"]) for one in told["streams"]]),
    }


def reported(place: Place, rows: Rows, until: float) -> Said:
    place.patch.setattr(curves, "STRENGTHS", {**dict.fromkeys(curves.KINDS, ()), "drift": (16.0,)})
    place.patch.setattr("training.full_report.preview", lambda *_: preview.Preview(1.0, (), ()))  # the next has it
    rehearsed = place.overhear("training.evaluate.rehearse")
    told = json.loads(place.run("report", place.bundle, *history(place, rows, until), "--json"))
    assert told["curves"]["points"]
    return {"injected": flat(told["curves"]), **rehearsals(rehearsed, until)}


def previewed(place: Place, rows: Rows, until: float) -> Said:
    place.patch.setattr(preview, "STRONGEST", 700)
    told = json.loads(place.run("report", place.bundle, *history(place, rows, until), "--preview", "--json"))
    strongest = [one for one in told["strongest"] if one["end"] < until]
    assert any(one["span"] == preview.NEWER for one in strongest)
    return {
        "strongest": flat(strongest),
        "rates": flat([one for one in told["rates"] if one["span"] == preview.CALIBRATED]),
    }


def benchmarked(place: Place, rows: Rows, until: float) -> Said:
    _, said = benchmark(place, "wsn", rows, until)
    return said


def forecast_set(place: Place, rows: Rows, until: float) -> Said:
    _, said = benchmark(place, "forecast", rows, until)
    return said


def cells(place: Place, rows: Rows, until: float) -> Said:
    data = place.set_of("forecast", rows)
    fits, rehearsed = place.overhear("training.study_cells.fit"), place.overhear("training.evaluate.rehearse")
    asked = ("--recipe", place.folder / "quick.toml", "--cells", "lstm", "--jobs", 1, "--json")
    (told,) = json.loads(place.run("study", "cells", "--data", data, *asked))
    ((_, found),) = fits
    served_and_without = rehearsed[-2:]  # a fit rehearses too
    return {"bundle": place.packed(*found), "size": flat(told["parameters"]), **rehearsals(served_and_without, until)}


def quantised(place: Place, rows: Rows, until: float) -> Said:
    data = place.set_of("wsn", rows)
    place.patch.setattr(quantisation_study, "MODES", ("dynamic",))
    place.patch.setattr(quantisation_study, "step_times", lambda graphs, pythons: [{} for _ in graphs])
    flags = place.overhear("training.quantisation_study._flags")
    told = json.loads(place.run("study", "quantisation", "--data", data, "--work", place.scratch(), "--json"))
    kept = ("mode", "pairs", "serving", "parity", "rmse_change", "worst_change", "size")
    return {
        "costs": flat([[cost[name] for name in kept] for cost in told]),
        "flags": flat([flagged[: rows_until(rows, until)] for _, flagged in flags]),
    }


def int8(place: Place, rows: Rows, until: float) -> Said:
    return {"table": place.run("study", "int8", "--data", place.set_of("wsn", rows)).encode()}


def history(place: Place, rows: Rows, until: float) -> tuple[object, ...]:
    """Write a recording, and label all that comes after a time: no fault is injected there, no flag there is false."""
    table = write_rows(place.folder / "one.csv.gz", "abc", rows)
    events = place.folder / "one.events.csv"
    events.write_text(f"start,end\n{until + 1.0},{until + 1e9}\n")
    return "--data", table, "--events", events


def rehearsals(calls: Calls, until: float) -> Said:
    """Cut what was said of each sample."""
    said = {}
    for number, ((_, _, (span,)), rehearsed) in enumerate(calls):
        (one,) = rehearsed.streams
        count = samples_until(span, until)
        assert count >= one.judged
        arrays = {each.name: getattr(one, each.name) for each in fields(one) if each.name != "judged"}
        said |= {f"rehearsal {number} {name}": flat(array[:count]) for name, array in arrays.items()}
    return said


def misses(rehearsed: Calls, calls: Calls, until: float) -> Said:
    """Cut what Tidegate and the baselines missed: of each horizon, the truths up to a time."""
    ((_, _, (span,)), found) = rehearsed[0]
    count = samples_until(span, until) - found.streams[0].judged
    said = {}
    for (_, _, _, horizon), missed in calls:
        for each in fields(missed):
            array = getattr(missed, each.name)
            said[f"{each.name} +{horizon}"] = flat(array if array is None else array[: count - horizon])
    return said


def rows_until(rows: Rows, until: float) -> int:
    return sum(row.time <= until for row in rows)


def samples_until(span: Span, until: float) -> int:
    return int((span.series.times[span.begin : span.end] <= until).sum())


class Here:
    """Does the work of a pool of processes in this one, where it can be overheard."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[[object], object], given: object) -> Future[object]:
        done: Future[object] = Future()
        done.set_result(work(given))
        return done


def benchmark(
    place: Place, folder: str, rows: Rows, until: float, labels: str = "start,end\n"
) -> tuple[dict[str, object], Said]:
    """Run the benchmark on one set; return its outcome, and what was said of the samples up to a time."""
    place.patch.setattr("training.benchmark.ProcessPoolExecutor", Here)
    fits, tallies, judged, ridges, seasons = map(place.overhear, OVERHEARD)
    data = place.set_of(folder, rows, labels)
    told = json.loads(place.run("benchmark", "--data", data, "--work", place.scratch(), "--jobs", 1, "--json"))
    (outcome,) = told["outcomes"]
    assert (outcome["failure"], outcome["fitted_rows"]) == ("", TAUGHT)
    ((_, found),) = fits
    said = {"bundle": place.packed(*found)}
    count = rows_until(rows, until)
    for number, ((flags, *_), _) in enumerate(tallies):
        openings = flags.openings()
        said[f"detector {number}"] = flat((flags.flagged[:count], openings[openings < count]))
    for (heard, track, *_), _ in judged:
        count = int((track.times <= until).sum())
        said["forecasts"] = flat([array[:count] for array in heard.said()])
        said["persistence"] = flat((track.fitted, track.values[:count]))
        said["ridge"] = flat([array[:count] for _, array in ridges])
        said["seasonal"] = flat([array[:count] for _, array in seasons])
    return outcome, said


OVERHEARD = (
    "training.outcome.fit",
    "training.outcome.tally",
    "training.outcome.judge",
    "training.forecasts.ridge",
    "training.forecasts.seasonal_naive",
)


# ---- the walk


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Walk a command over some futures; the first of them is what the others are held against.

    Attributes:
        tell: runs the command and returns what it said of the past.
        names: of the futures.
        agreed, whole: rows of the past, and of the recording as it was.
        period: seconds between rows.
    """

    tell: Callable[[Place, Rows, float], Said]
    names: Sequence[str]
    agreed: int = AGREED
    whole: int = 700
    period: float = PERIOD


# Where there are two pasts, one ends with the rows that are fitted, one goes on. Of a forecast set the first 80 % are
# fitted, so there are as many rows in every future.
COMMANDS: Mapping[str, Sequence[Walk] | str] = {
    "fit": (Walk(tell=fitted, names=("nothing", "wild", "words", "gap"), agreed=TAUGHT),),
    "evaluate": (Walk(tell=evaluated, names=("nothing", "spikes", "gap")),),
    "report": (
        Walk(tell=reported, names=("nothing", "spikes")),
        Walk(tell=previewed, names=("nothing", "longer")),
    ),
    "benchmark": (
        Walk(tell=benchmarked, names=("nothing", "spikes", "words", "gap")),
        Walk(tell=benchmarked, names=("as_it_was", "wild"), agreed=TAUGHT),
        Walk(tell=forecast_set, names=("as_it_was", "spikes"), whole=750, period=SLOW),
        Walk(tell=forecast_set, names=("as_it_was", "wild", "pause", "stamps"), whole=750, period=SLOW, agreed=TAUGHT),
    ),
    "study memory": "draws its own sequences and reads no recording",
    "study cells": (
        Walk(tell=cells, names=("as_it_was", "spikes", "words"), whole=750),
        Walk(tell=cells, names=("as_it_was", "wild", "pause"), whole=750, agreed=TAUGHT),
    ),
    "study quantisation": (
        Walk(tell=quantised, names=("nothing", "spikes")),
        Walk(tell=quantised, names=("as_it_was", "wild"), agreed=TAUGHT),
    ),
    "study int8": (Walk(tell=int8, names=("as_it_was", "wild", "words", "longer"), agreed=TAUGHT),),
}
WALKS = [(name, walk) for name, how in COMMANDS.items() if not isinstance(how, str) for walk in how]
NAMES = [f"{name}, {walk.tell.__name__} {walk.agreed}" for name, walk in WALKS]


def test_every_command_is_walked_or_says_why_not() -> None:
    assert set(COMMANDS) == set(commands(cli._parser()))


def recording(whole: int, period: float = PERIOD) -> list[Row]:
    """Return the rows of `chaotic` and more, with a disturbance after those; sensor c is silent."""
    values = chaos(whole)
    values[SPIKE, 1] += 80.0
    return [Row(START + period * row, "one", (repr(a), repr(b), "")) for row, (a, b) in enumerate(values.tolist())]


@pytest.mark.parametrize(("command", "walk"), WALKS, ids=NAMES)
def test_changing_the_future_never_changes_the_past(command: str, walk: Walk, place: Place) -> None:
    rows, until = recording(walk.whole, walk.period), START + walk.period * (walk.agreed - 1)
    recordings = futures(rows, walk.agreed, walk.period, walk.names)
    told = {name: walk.tell(place, each, until) for name, each in recordings.items()}
    reference = told[walk.names[0]]
    assert all(reference.values())
    for name, said in told.items():
        assert said.keys() == reference.keys()
        for channel, text in reference.items():
            assert said[channel] == text, f"{command}: {channel} depends on a future: {name}"


def test_a_bounded_fit_is_the_fit_of_the_rows_alone(chaotic: Trial, place: Place) -> None:
    rows = futures(recording(700), TAUGHT, PERIOD, ["wild"])["wild"]
    assert set(fitted(place, rows, 0.0).values()) == {place.bundle.read_bytes()}


@pytest.mark.parametrize("name", [name for name in FUTURES if name != "late"])
def test_of_rows_beyond_the_bound_nothing_is_read(name: str, tmp_path: Path) -> None:
    past = recording(TAUGHT)
    alone = read([write_rows(tmp_path / "one.csv", "abc", past)], rows=None, until=None)
    path = write_rows(tmp_path / "one.csv", "abc", futures(recording(700), TAUGHT, PERIOD, [name])[name])
    for bounded in (read([path], rows=TAUGHT, until=None), read([path], rows=None, until=past[-1].time + 1.0)):
        assert flat(bounded) == flat(alone)


def test_the_figures_of_an_evaluation_are_those_of_the_rows_that_can_be_judged(place: Place) -> None:
    # What comes holds no truth: fewer rows after a gap than the bundle needs to warm up.
    seen = {}
    for name, rows in futures(recording(AGREED + 7), AGREED, PERIOD, ("nothing", "gap")).items():
        table = write_rows(place.folder / "one.csv", "abc", rows)
        told = json.loads(place.run("evaluate", place.bundle, "--data", table, "--json"))
        figures = [value for row in told["quality"] for value in row.values() if isinstance(value, float)]
        seen[name] = [told["mean_skill"], *figures]
    # What is unknown adds nothing to a sum, but has it rounded elsewhere.
    assert all(figures == pytest.approx(seen["nothing"], rel=1e-12) for figures in seen.values())


@pytest.mark.parametrize(("folder", "whole", "period"), [("wsn", 700, PERIOD), ("forecast", 750, SLOW)])
def test_labels_change_the_scores_and_nothing_else(folder: str, whole: int, period: float, place: Place) -> None:
    rows = recording(whole, period)
    timed = ("fit_seconds", "rows_per_second")
    outcomes, told = [], []
    for first in (SPIKE.start, 680):
        labels = f"start,end\n{rows[first].time},{rows[first + 2].time}\n"
        outcome, said = benchmark(place, folder, rows, rows[-1].time, labels)
        outcomes.append({name: value for name, value in outcome.items() if name not in timed})
        told.append(said)
    scores, others = (one.pop("detectors") for one in outcomes)
    assert told[0] == told[1]
    assert outcomes[0] == outcomes[1]
    assert (scores == others) == (folder == "forecast")
