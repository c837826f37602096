"""Turn deviations into surprises: -ln of the probability that one so large or larger comes while all is well.

Two kinds of statistic need two kinds of tail. A single value may be anything: its tail is what the largest values of
the calibration data show, continued by a generalised Pareto law. A mean over many steps is nearly Gaussian, but its
spread was estimated from few independent values, or none to speak of where a sensor drifts: its tail is Student's,
with as many degrees of freedom as there were independent values. Both laws are wide where the data say little, so that
a sensor that wanders is trusted less than one that stands still.
"""

from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt

import numpy as np

from edge.rows import Doubles

TINY = 1e-12


@dataclass(frozen=True)
class Peaks:
    """Hold the tails of single values; every array has shape (2, channels, sensors): above the centre, and below.

    Attributes:
        threshold: deviation beyond which the law holds, >= 0, of the centre.
        scale, shape: of the generalised Pareto law of what exceeds it, both > 0.
        rarity: surprise of the threshold, >= 0; half as improbable on each side.
    """

    threshold: Doubles
    scale: Doubles
    shape: Doubles
    rarity: Doubles

    def surprise(self, deviation: Doubles) -> Doubles:
        """Return the surprise of deviations, shape (wave, channels, sensors), >= 0; up to the threshold it is a line.

        Source: Pickands (1975), Annals of Statistics 3, 119-131; used on streams by Siffer et al. (2017), KDD (SPOT).
        """
        chosen: Doubles = np.where(deviation > 0.0, *self._laws)
        threshold, least, steepness, shape, rarity = chosen
        size = np.abs(deviation)
        within = np.minimum(size / least, 1.0)
        within *= rarity
        beyond: Doubles = np.maximum(size - threshold, 0.0)
        beyond *= steepness
        np.log1p(beyond, out=beyond)
        beyond /= shape
        beyond += within
        return beyond

    @cached_property
    def _laws(self) -> tuple[Doubles, Doubles]:
        """Return the law above and the law below, each as five numbers, shape (5, 1, channels, sensors)."""
        least, steepness = np.maximum(self.threshold, TINY), self.shape / self.scale
        laws: Doubles = np.stack((self.threshold, least, steepness, self.shape, self.rarity))[:, :, None]
        return laws[:, 0], laws[:, 1]


@dataclass(frozen=True)
class Means:
    """Hold the tails of exponential means; every array has shape (channels, sensors).

    Attributes:
        middle: the mean of the statistic while all is well.
        above, below: its spread on either side, > 0.
        freedom: how many independent values the spread was estimated from, less one, >= 1.
    """

    middle: Doubles
    above: Doubles
    below: Doubles
    freedom: Doubles

    def surprise(self, mean: Doubles) -> Doubles:
        """Return the surprise of means, shape (wave, channels, sensors), >= 0."""
        away = mean - self.middle
        away /= np.where(away > 0.0, self.above, self.below)
        return _student(away, self.freedom, self._bend)

    @cached_property
    def _bend(self) -> Doubles:
        return _bend(self.freedom)


def student(ratio: Doubles, freedom: Doubles) -> Doubles:
    """Return the surprise of a value of Student's law at least as far from 0 as `ratio`.

    Source: Wallace (1959), Annals of Mathematical Statistics 30, 1121-1130, brings Student's law to the Gaussian.

    >>> student(np.array([2.446912]), np.array([6.0])).round(2)  # probability 0.05: 3.00
    array([2.95])
    """
    return _student(ratio, freedom, _bend(freedom))


def _bend(freedom: Doubles) -> Doubles:
    bent: Doubles = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
    return bent


def _student(ratio: Doubles, freedom: Doubles, bend: Doubles) -> Doubles:
    size = ratio * ratio
    size /= freedom
    np.log1p(size, out=size)
    size *= freedom
    np.sqrt(size, out=size)
    size *= bend
    return gaussian(size)


def gaussian(size: Doubles) -> Doubles:
    """Return the surprise of a standard Gaussian value at least as far from 0 as `size`, at most .06 too low.

    Source: Abramowitz & Stegun (1964), 7.1.13: the upper bound of Mills' ratio.

    >>> gaussian(np.array([1.959964, 6.0])).round(2)  # probabilities 0.05 and 2e-9: 3.00 and 20.04
    array([ 2.95, 20.03])
    """
    square = size * size
    mills = np.sqrt(square + 8.0 / pi)
    mills += size
    mills *= 0.25 * sqrt(2.0 * pi)
    np.log(mills, out=mills)
    square *= 0.5
    square += mills
    return square
