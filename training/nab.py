"""Score detections as the Numenta Anomaly Benchmark does.

Every labelled window is worth one hit, the more the earlier it is found; every detection outside of windows costs,
the less the closer it follows a window; a window without a detection costs too. The score is 0 for a detector that
never speaks and 100 for one that speaks at the first row of every window and nowhere else.

Source: Lavin & Ahmad (2015), Evaluating real-time anomaly detection algorithms, ICMLA, 38-44; the scorer of
github.com/numenta/NAB.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FARTHEST = 3.0  # window lengths behind a window at which a false detection costs all


@dataclass(frozen=True, slots=True)
class Profile:
    """Say how much a hit, a false detection and a missed window weigh."""

    hit: float
    false: float
    miss: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}


@dataclass(frozen=True, slots=True)
class Earned:
    """Sum up what detections earned, before any profile weighs it.

    Attributes:
        hits: 0..1 for each window that was found, summed.
        false: -1..0 for each detection outside of windows, summed.
        missed: windows without a detection.
        windows: all windows.
    """

    hits: float
    false: float
    missed: int
    windows: int


def decay(position: float) -> float:
    """Weigh a detection by its place: 1 far before the end of a window, 0 at the end, -1 far behind it.

    >>> decay(0.0), round(decay(-1.0), 4), decay(3.1)
    (0.0, 0.9866, -1.0)
    """
    return -1.0 if position > FARTHEST else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def earn(detections: Iterable[int], windows: Sequence[tuple[int, int]], *, begin: int) -> Earned:
    """Sum up the detections of one file.

    Args:
        detections: rows, in any order.
        windows: first and last row of each labelled window; they do not overlap.
        begin: first row that counts: detections and windows that end before it are left out.
    """
    counted = sorted((left, right) for left, right in windows if right >= begin)
    lefts = [left for left, _ in counted]
    found: dict[int, float] = {}
    false = 0.0
    for row in sorted({row for row in detections if row >= begin}):
        place = bisect_right(lefts, row) - 1
        if place < 0:
            false -= 1.0
        elif row > counted[place][1]:
            false += _cost(row, counted[place])
        elif place not in found:
            found[place] = _worth(row, counted[place])
    return Earned(sum(found.values()), false, len(counted) - len(found), len(counted))


def _worth(row: int, window: tuple[int, int]) -> float:
    left, right = window
    return decay(-(right - row + 1) / (right - left + 1)) / decay(-1.0)


def _cost(row: int, window: tuple[int, int]) -> float:
    """Return -1..0: what a detection behind a window loses."""
    left, right = window
    return decay((row - right) / (right - left)) if right > left else -1.0


def total(earned: Iterable[Earned]) -> Earned:
    """Sum up files."""
    files = list(earned)
    return Earned(
        sum(one.hits for one in files),
        sum(one.false for one in files),
        sum(one.missed for one in files),
        sum(one.windows for one in files),
    )


def score(earned: Earned, profile: Profile) -> float | None:
    """Return the normalised score: 0 for silence, at most 100; None without windows.

    >>> score(Earned(1.0, 0.0, 0, 1), PROFILES["standard"]), score(Earned(0.0, 0.0, 2, 2), PROFILES["low_fn"])
    (100.0, 0.0)
    """
    if not earned.windows:
        return None
    raw = profile.hit * earned.hits + profile.false * earned.false - profile.miss * earned.missed
    worst = profile.miss * earned.windows
    return 100.0 * (raw + worst) / (earned.windows * profile.hit + worst)
