"""What the benchmarks share: bundles of any width, a broker, processes that are measured, and how figures are written.

Every figure stands beside a reference that was measured in the same run, the two in turn, because machines are noisy
and ratios less so. CPU is the processor time of one process, user and system, from the kernel's own account.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.bundle import Bundle, load
from edge.recording import Recording

ROOT = Path(__file__).parents[2]
RUNS = 5
PERIOD = 10.0  # seconds a step
START = 1_700_000_000.0  # Unix seconds
TAUGHT = 3000  # rows
WINDOW, UNITS = 60, (32, 32)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of a benchmark.

    Attributes:
        name: what was measured.
        unit: of the two.
        ours, reference: one number for each run, in turn.
        bound: the ratio that must be reached, in words.
    """

    name: str
    unit: str
    ours: tuple[float, ...]
    reference: tuple[float, ...] = ()
    bound: str = ""

    @property
    def ratio(self) -> float | None:
        """Return the median of ours over the reference's."""
        return statistics.median(self.ours) / statistics.median(self.reference) if self.reference else None


def machine(runtime: str = "") -> str:
    """Say what this was measured on."""
    told = (platform.machine(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}", runtime)
    return ", ".join((*filter(None, told), f"numpy {np.__version__}"))


def parser(description: str | None, *, runs: int = RUNS) -> argparse.ArgumentParser:
    """Return a parser of what every benchmark takes."""
    built = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--json", action="store_true", help="print every run as JSON")
    built.add_argument("--runs", type=int, default=runs, help=f"runs of each, in turn (default {runs})")
    return built


def tell(figures: Sequence[Figure], *, as_json: bool, runtime: str = "") -> None:
    """Print figures: median, least and most, and the ratio to the reference."""
    where = machine(runtime)
    if as_json:
        told = [
            {"name": one.name, "unit": one.unit, "ours": one.ours, "reference": one.reference, "ratio": one.ratio}
            for one in figures
        ]
        print(json.dumps({"machine": where, "figures": told}, indent=2))
        return
    print(where)
    width = max(len(one.name) for one in figures)
    for one in figures:
        beside = f"  reference {_middle(one.reference)}  ratio {one.ratio:.3g}" if one.ratio is not None else ""
        print(f"{one.name:<{width}}  {_middle(one.ours)} {one.unit}{beside}{f'  ({one.bound})' if one.bound else ''}")


def _middle(runs: Sequence[float]) -> str:
    return f"{statistics.median(runs):.4g} [{min(runs):.4g} … {max(runs):.4g}]"


def recording(sensors: int, rows: int, *, streams: int = 1, seed: int = 1, start: float = START) -> Recording:
    """Draw sensors that share a day and two slow currents; of several streams, row by row in turn."""
    random = np.random.default_rng(seed)
    seconds = PERIOD * np.arange(rows)
    currents = np.cumsum(random.normal(size=(rows, 2)) * 0.02, axis=0)
    currents -= np.linspace(0.0, 1.0, rows)[:, None] * currents[-1]
    day = np.sin(2.0 * np.pi * seconds / 86_400.0)[:, None] * random.uniform(0.5, 2.0, sensors)
    drawn = 20.0 + day + currents @ random.normal(size=(2, sensors))
    values = np.repeat(drawn, streams, axis=0) + 0.1 * random.normal(size=(rows * streams, sensors))
    times = np.repeat(start + seconds, streams)
    return Recording(
        sensors=tuple(f"s{number}" for number in range(sensors)),
        stream_names=tuple(f"m{number}" for number in range(streams)),
        streams=np.tile(np.arange(streams, dtype=np.intp), rows),
        times=times,
        values=values.round(3),
        written=(),
        refused=(),
        dropped=(),
    )


def bundle(sensors: int) -> Bundle:
    """Return a bundle of LSTM 32 + 32 with a window of 60; it is fitted where the sources of today have not made it."""
    path = bundle_path(sensors)
    if not path.exists():
        _fit(path, sensors)
    return load(path)


def bundle_path(sensors: int) -> Path:
    """Return where the bundle of these sources is kept."""
    digest = hashlib.sha256()
    for package in ("edge", "training"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return ROOT / "build" / "bench" / f"{sensors}-{digest.hexdigest()[:12]}.bundle"


def _fit(path: Path, sensors: int) -> None:
    from training.fit import fit
    from training.pack import pack
    from training.recipe import default

    recipe = default()
    recipe = replace(
        recipe,
        name=f"bench{sensors}",
        data=replace(recipe.data, window=WINDOW),
        network=replace(recipe.network, units=UNITS),
        training=replace(recipe.training, updates=40),
    )
    taught = recording(sensors, TAUGHT, start=START - PERIOD * TAUGHT)
    taught = replace(taught, written=tuple(map(repr, taught.times.tolist())))
    prepared, fitted = fit([taught], recipe, lambda _: None)
    path.parent.mkdir(parents=True, exist_ok=True)
    pack(path, fitted, prepared, recipe, 1)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Run a broker that queues without bound, so that a slow subscriber loses nothing; yield its port."""
    command = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if command is None:
        raise SystemExit("mosquitto is needed: apt-get install mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n",
        encoding="utf-8",
    )
    with subprocess.Popen([command, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as broker:
        wait_for_port(port)
        try:
            yield port
        finally:
            broker.terminate()


def wait_for_port(port: int) -> None:
    """Wait until somebody listens."""
    give_up_at = time.monotonic() + 10.0
    while time.monotonic() < give_up_at:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nobody listens on port {port}")


def cpu_seconds(process: int) -> float:
    """Return the processor time that a process has had, all its threads, user and system."""
    told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / TICKS


def resident_kb(process: int) -> int:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
