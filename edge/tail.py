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

from edge.rows import Doubles, Rows

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

    def surprise(self, deviation: Doubles, place: Rows) -> Doubles:
        """Return the surprise of deviations, >= 0; up to the threshold it is a line.

        Args:
            deviation: shape (values,), from the centre.
            place: shape (values,), of which statistic each is: channel * sensors + sensor.

        Source: Pickands (1975), Annals of Statistics 3, 119-131; used on streams by Siffer et al. (2017), KDD (SPOT).
        """
        threshold, least, steepness, shape, rarity = self._laws[:, np.where(deviation > 0.0, 0, 1), place]
        size = np.abs(deviation)
        within = np.minimum(size / least, 1.0) * rarity
        beyond: Doubles = within + np.log1p(np.maximum(size - threshold, 0.0) * steepness) / shape
        return beyond

    def ordinary(self, surprise: float) -> tuple[Doubles, Doubles]:
        """Return between which deviations none is as surprising, (channels, sensors) each: the lowest, the highest."""
        least = np.maximum(self.threshold, TINY)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            within = least * surprise / self.rarity
            beyond = self.threshold + np.expm1((surprise - self.rarity) * self.shape) * (self.scale / self.shape)
        above, below = np.where(surprise < self.rarity, within, beyond)
        return -below, above

    @cached_property
    def _laws(self) -> Doubles:
        """Return the law above and the law below, each as five numbers: shape (5, 2, channels * sensors)."""
        least, steepness = np.maximum(self.threshold, TINY), self.shape / self.scale
        return np.stack((self.threshold, least, steepness, self.shape, self.rarity)).reshape(5, 2, -1)


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

    def surprise(self, mean: Doubles, place: Rows) -> Doubles:
        """Return the surprise of means, >= 0; shapes as those of `Peaks.surprise`."""
        away = mean - self.middle.ravel()[place]
        away /= np.where(away > 0.0, self.above.ravel()[place], self.below.ravel()[place])
        return student(away, self.freedom.ravel()[place])

    def ordinary(self, surprise: float) -> tuple[Doubles, Doubles]:
        """Return between which means none is as surprising, (channels, sensors) each: the lowest, the highest."""
        size = gaussian_size(surprise) / _bend(self.freedom)
        with np.errstate(over="ignore", invalid="ignore"):
            ratio = np.sqrt(self.freedom * np.expm1(size * size / self.freedom))
            return self.middle - self.below * ratio, self.middle + self.above * ratio


def student(ratio: Doubles, freedom: Doubles) -> Doubles:
    """Return the surprise of a value of Student's law at least as far from 0 as `ratio`.

    Source: Wallace (1959), Annals of Mathematical Statistics 30, 1121-1130, brings Student's law to the Gaussian.

    >>> student(np.array([2.446912]), np.array([6.0])).round(2)  # probability 0.05: 3.00
    array([2.95])
    """
    size = ratio * ratio
    size /= freedom
    np.log1p(size, out=size)
    size *= freedom
    np.sqrt(size, out=size)
    size *= _bend(freedom)
    return gaussian(size)


def _bend(freedom: Doubles) -> Doubles:
    bent: Doubles = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0)
    return bent


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


def gaussian_size(surprise: float) -> float:
    """Return how far from 0 a standard Gaussian value must be to have a surprise: the inverse of `gaussian`.

    >>> round(gaussian_size(20.03), 2)
    6.0
    """
    near, far = 0.0, sqrt(2.0 * surprise) + 1.0
    for _ in range(60):  # halves; a double has 53 bits
        middle = 0.5 * (near + far)
        if gaussian(np.array([middle]))[0] < surprise:
            near = middle
        else:
            far = middle
    return near
