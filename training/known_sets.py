"""Find the recordings of a folder and say by the folder's name how each is judged.

Every kind of set has a folder: what lies below it is fitted on its first rows and judged on the others.

| folder | fitted on | judged |
|---|---|---|
| `forecast`, `weather` | first 80 % | forecasts of the last 20 % |
| `nab` | first 15 %, at most 750 rows | the score of the Numenta Anomaly Benchmark |
| `skab` | first 400 rows | point by point |
| `gecco2018`, `wsn` | first 16,000, 1,500 rows | events by overlap |
| `msl` | the rows that `train_rows.json` tells | events by overlap |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import orjson

from edge.errors import OperatorError, quote, unreadable
from edge.recording import stem

Kind = Literal["forecast", "nab", "skab", "gecco2018", "wsn", "msl"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOLDERS: dict[str, Kind] = {"weather": "forecast", **{kind: kind for kind in KINDS}}
ENDING = ".csv.gz"
FITTED_ROWS = {"skab": 400, "gecco2018": 16_000, "wsn": 1_500}
FORECAST_SHARE = 0.8
NAB_SHARE, NAB_MOST = 0.15, 750
QUICK_FILES = 2  # of a folder
QUICK_LARGEST = 400_000  # bytes of a recording, gzipped


@dataclass(frozen=True, slots=True)
class KnownSet:
    """Name one recording that is fitted and judged on its own.

    Attributes:
        name: path below the data folder, without its ending: `nab/realAdExchange/exchange-2_cpc_results`.
        kind: how it is judged.
        path: the recording.
        labels: its labelled events; None where it has none, as forecasts need none.
        told: how many rows the fit may see; None where it is a share of them.
    """

    name: str
    kind: Kind
    path: Path
    labels: Path | None
    told: int | None

    @property
    def folder(self) -> str:
        """Return the folder of the set: `nab/realAdExchange`."""
        return self.name.rpartition("/")[0]

    def fitted_rows(self, rows: int) -> int:
        """Return how many of so many rows the fit may see.

        >>> KnownSet("nab/a/b", "nab", Path("b.csv.gz"), None, None).fitted_rows(4032)
        604
        """
        if self.told is not None:
            return self.told
        return int(FORECAST_SHARE * rows) if self.kind == "forecast" else min(int(NAB_SHARE * rows), NAB_MOST)


def find(data: Path) -> list[KnownSet]:
    """Find every known set below a folder, in the order of kinds and names.

    Raises:
        OperatorError: there is none; the text lists the folders that are known.
    """
    if not data.is_dir():
        raise OperatorError(f"{data}: must be a folder with sets, there is none")
    found = [one for folder, kind in FOLDERS.items() for one in _below(data, folder, kind)]
    if not found:
        known = ", ".join(sorted(FOLDERS))
        raise OperatorError(f"{data}: must hold recordings (*{ENDING}) in a folder named {known}, has none")
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.name))


def _below(data: Path, folder: str, kind: Kind) -> list[KnownSet]:
    paths = sorted((data / folder).rglob(f"*{ENDING}"))
    told = _told(data / folder / "train_rows.json", paths) if kind == "msl" and paths else {}
    return [_known(data, path, kind, told.get(stem(path), FITTED_ROWS.get(kind))) for path in paths]


def _known(data: Path, path: Path, kind: Kind, told: int | None) -> KnownSet:
    name = path.relative_to(data).as_posix().removesuffix(ENDING)
    labels = path.with_name(f"{stem(path)}.events.csv")
    return KnownSet(name, kind, path, labels if kind != "forecast" else None, told)


def _told(path: Path, recordings: Sequence[Path]) -> dict[str, int]:
    """Read how many rows of each recording the fit may see."""
    try:
        table = orjson.loads(path.read_bytes())
    except OSError as missing:
        raise OperatorError(unreadable(path, missing)) from missing
    except orjson.JSONDecodeError as broken:
        raise OperatorError(f"{path}: must be JSON, got {quote(str(broken))}") from broken
    rows = table if isinstance(table, dict) else {}
    told = {name: rows.get(name) for name in map(stem, recordings)}
    wrong = [name for name, count in told.items() if not isinstance(count, int) or count < 1]
    if wrong:
        raise OperatorError(f"{path}: must give the rows of each recording to fit on, lacks {quote(', '.join(wrong))}")
    return {name: int(count) for name, count in told.items() if count is not None}


def choose(sets: Sequence[KnownSet], only: Sequence[str]) -> list[KnownSet]:
    """Keep what is named: a kind, a folder or one set; everything if nothing is named.

    Raises:
        OperatorError: a name fits nothing; the text lists what there is.
    """
    if not only:
        return list(sets)
    wanted = [name.strip("/") for name in only]
    lost = [name for name in wanted if not any(_is_named(one, name) for one in sets)]
    if lost:
        folders = dict.fromkeys(name for one in sets for name in (one.kind, one.folder))
        raise OperatorError(
            f"--only: must name a kind, a folder or a set, got {quote(', '.join(lost))}; there are "
            f"{', '.join(folders)} and the sets below them, such as {sets[0].name}"
        )
    return [one for one in sets if any(_is_named(one, name) for name in wanted)]


def _is_named(one: KnownSet, name: str) -> bool:
    return name in (one.kind, one.name) or one.name.startswith(f"{name}/")


def quick(sets: Sequence[KnownSet]) -> list[KnownSet]:
    """Keep the middle ones by size of each folder, of those recordings that are not large: the same ones every time."""
    kept: list[KnownSet] = []
    for folder in dict.fromkeys(one.folder for one in sets):
        small = [one for one in sets if one.folder == folder and _size(one) <= QUICK_LARGEST]
        ordered = sorted(small, key=lambda one: (_size(one), one.name))
        middle = max(0, (len(ordered) - QUICK_FILES) // 2)
        kept += ordered[middle : middle + QUICK_FILES]
    return [one for one in sets if one in kept]


def _size(one: KnownSet) -> int:
    return one.path.stat().st_size
