"""Hold what training learned besides the graph: all that a cohort needs to serve a bundle."""

from dataclasses import dataclass

from edge.evidence import Calibration
from edge.experts import Experience
from edge.interval import Leeway
from edge.pacing import Pacing
from edge.rows import Doubles
from edge.scale import Scaling
from edge.usual import Usual


@dataclass(frozen=True, slots=True)
class Learned:
    """Hold what training learned besides the graph.

    Attributes:
        sensors: their names, in the order of every array.
        period: seconds a step.
        window: steps kept, and steps to hear before the first forecast.
        lags: newest steps of the window that the linear highway reads.
        max_gap: empty steps in a row over which the state is carried.
        horizons: steps ahead, increasing; the first is 1.
        means: steps that each slow mean reaches back.
        cycles: seconds of the cycles that the clock tells, such as a day.
        scaling: the scale of each sensor.
        correction: shape (horizons, sensors), 0..1: how much of it earned its place on data it never saw.
        experience: what a new stream is told of the experts.
        until: Unix seconds UTC, the end of what was trained on; of truths up to then nothing is learned, for forecasts
            of what was seen in training are better than they will ever be again.
        coverage: probability that the truth lies between the bounds of the interval.
        leeway: what a new stream is told of its intervals.
        below, above: shape (horizons, sensors), > 0: what makes the interval's half-widths honest.
        calibration: what the scorer knows.
        false_alarms_per_week: the alarm budget of one stream.
        close_after: calm samples that end an event.
        usual: what the sensors showed beside their forecasts.
        units: of the sensors; empty where nobody knows.
        pacing: how the sensors are brought to the period.
    """

    sensors: tuple[str, ...]
    period: float
    window: int
    lags: int
    max_gap: int
    horizons: tuple[int, ...]
    means: tuple[float, ...]
    cycles: tuple[float, ...]
    scaling: Scaling
    correction: Doubles
    experience: Experience
    until: float
    coverage: float
    leeway: Leeway
    below: Doubles
    above: Doubles
    calibration: Calibration
    false_alarms_per_week: float
    close_after: int
    usual: Usual
    units: tuple[str, ...]
    pacing: Pacing
