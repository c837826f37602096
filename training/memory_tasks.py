"""Tasks that only a memory can solve: what is shown in the first steps is asked for after a gap.

Both are drawn as the subsequences that `training.learn` is taught from. A *mark* says what of the first `SHOWN` steps
must be kept, noise of the same kind fills the gap, a *cue* says when the answer is due, and only there has the target a
weight. So the answer follows from nothing but what was kept over at least `gap` steps of distraction.

Source: Hochreiter & Schmidhuber (1997), Neural Computation 9, 1735-1780, experiments 4 (adding) and 6 (symbols among
distractors). There the marked values lie anywhere in the first half of a sequence; here they lie in its first steps, so
that the gap is what its name says and a sequence is no longer than it must be.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.learn import Sequences
from training.network import Floats

Integers = NDArray[np.intp]

SHOWN = 5  # first steps, among which some are marked
SYMBOLS = 4  # that `copy` draws from
SUM_SPREAD = math.sqrt(2 / 3)  # standard deviation of the sum of two values uniform in -1..1
SYMBOL_SPREAD = math.sqrt(SYMBOLS - 1) / SYMBOLS  # of a number that is 1 for one symbol and 0 for the others
LONG_SHARE = 0.2  # of the sequences of `growing` that have the whole gap


@dataclass(frozen=True, slots=True)
class Task:
    """Say how a task is drawn and how its answers are judged.

    Attributes:
        name: what tables call it.
        measure: what `judge` returns, in words.
        inputs, outputs: numbers that a step takes and gives.
        chance: what answers are worth that know nothing of what was shown.
        draw: sequences, from the gap of each, shape (sequences,), and a seed.
        judge: answers and targets where they are due, both (answers, outputs); 1 is perfect.
    """

    name: str
    measure: str
    inputs: int
    outputs: int
    chance: float
    draw: Callable[[Integers, int], Sequences]
    judge: Callable[[Floats, Floats], float]


def growing(count: int, gap: int, seed: int) -> Integers:
    """Draw gaps to learn from: `LONG_SHARE` of them the whole gap, the others of every scale up to it.

    Short gaps are learned first and show the way to long ones, within one fit.

    Returns:
        Shape (count,), in 1..gap; the first is the whole gap.
    """
    random = np.random.default_rng((seed, gap))
    shorter = np.floor(np.exp(random.uniform(0.0, math.log(gap + 1), count))).astype(np.intp)
    whole = (random.uniform(size=count) < LONG_SHARE) | (np.arange(count) == 0)
    return np.where(whole, gap, np.minimum(shorter, gap))


def adding(gaps: Integers, seed: int) -> Sequences:
    """Draw sequences that ask for the sum of the two marked values, in standard deviations of that sum.

    Returns:
        Inputs are value, mark and cue; the answer is due `gap` steps after the last that may be marked.
    """
    random = np.random.default_rng(seed)
    x = np.zeros((len(gaps), SHOWN + int(gaps.max()), 3), np.float32)
    x[:, :, 0] = random.uniform(-1.0, 1.0, x.shape[:2])
    rows, marked, due = _places(random, gaps, marks=2)
    x[rows, marked, 1] = 1.0
    x[rows, due, 2] = 1.0
    return _asked(x, due, x[rows, marked, 0].sum(axis=1, keepdims=True) / SUM_SPREAD)


def copy(gaps: Integers, seed: int) -> Sequences:
    """Draw sequences that ask for the marked symbol.

    Returns:
        Inputs are the symbols (1 for the one that is shown), mark and cue; the answer is due `gap` steps after the last
        that may be marked. A target is 1 for the right symbol and 0 for the others, less its mean, in its spread.
    """
    random = np.random.default_rng(seed)
    shown = np.eye(SYMBOLS)[random.integers(SYMBOLS, size=(len(gaps), SHOWN + int(gaps.max())))]
    x = np.zeros((*shown.shape[:2], SYMBOLS + 2), np.float32)
    x[:, :, :SYMBOLS] = shown
    rows, marked, due = _places(random, gaps, marks=1)
    x[rows, marked, SYMBOLS] = 1.0
    x[rows, due, SYMBOLS + 1] = 1.0
    return _asked(x, due, (shown[rows, marked][:, 0] - 1 / SYMBOLS) / SYMBOL_SPREAD)


def _places(random: np.random.Generator, gaps: Integers, *, marks: int) -> tuple[Integers, Integers, Integers]:
    """Return indices of the sequences (n, 1), of their marked steps (n, marks), of the step of the answer (n, 1)."""
    rows = np.arange(len(gaps))[:, None]
    orders = random.permuted(np.tile(np.arange(SHOWN), (len(gaps), 1)), axis=1)
    return rows, orders[:, :marks], SHOWN - 1 + gaps[:, None]


def _asked(x: Floats, due: Integers, answers: NDArray[np.float64]) -> Sequences:
    """Put answers (n, outputs) where they are due, and a weight nowhere else."""
    target = np.zeros((*x.shape[:2], 1, answers.shape[1]), np.float32)
    weight = np.zeros_like(target)
    rows = np.arange(len(x))
    target[rows, due[:, 0], 0] = answers
    weight[rows, due[:, 0]] = 1.0
    return Sequences(x, target, weight)


def explained(answers: Floats, targets: Floats) -> float:
    """Return the share of the targets' variance that the answers explain; below 0 is worse than their mean."""
    return 1.0 - float(np.mean((answers - targets) ** 2) / np.var(targets))


def recalled(answers: Floats, targets: Floats) -> float:
    """Return the share of answers whose largest number stands at the right symbol."""
    return float(np.mean(answers.argmax(axis=1) == targets.argmax(axis=1)))


ADDING = Task("adding", "share of the variance explained", 3, 1, 0.0, adding, explained)
COPY = Task("copy", "share of the symbols recalled", SYMBOLS + 2, SYMBOLS, 1 / SYMBOLS, copy, recalled)
TASKS = (ADDING, COPY)
