"""Turn the outcomes of single sets into what a table says: the means of the forecasts, the counts of the flags."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from training.flags import Tally, event_f, point_f1, share, total
from training.forecasts import Missed, Pair
from training.nab import PROFILES, Earned, score
from training.outcome import OURS, Outcome

POOR = -0.05  # skill below which a pair is a bad surprise


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastStanding:
    """Say how good the forecasts of a set were, or of all sets: then every set counts alike.

    Attributes:
        name: of the set, or `all sets`.
        pairs: of sensor and horizon that moved, and so were judged.
        still: names of those that did not.
        won: pairs with a skill above 0.
        poor: pairs with a skill below -5 %.
        skill, worst: mean and least of the pairs.
        persistence, ridge, seasonal: mean skill of each baseline against the better of the first two.
        coverage, width: of the 90 % intervals; the width as a share of seasonal naive's, mean of the pairs.
        seasonal_coverage: of seasonal naive's intervals.
    """

    name: str
    pairs: int
    still: tuple[str, ...]
    won: int
    poor: int
    skill: float | None
    worst: float | None
    persistence: float | None
    ridge: float | None
    seasonal: float | None
    coverage: float | None
    width: float | None
    seasonal_coverage: float | None


def forecast_standing(one: Outcome) -> ForecastStanding:
    """Sum up one set."""
    judged = [pair for pair in one.pairs if pair.samples and not pair.still]
    skills = [pair.skill() for pair in judged]
    return ForecastStanding(
        name=one.set,
        pairs=len(judged),
        still=tuple(f"{pair.sensor} +{pair.horizon}" for pair in one.pairs if not pair.samples or pair.still),
        won=sum(found > 0.0 for found in skills),
        poor=sum(found < POOR for found in skills),
        skill=_mean(skills),
        worst=min(skills, default=None),
        persistence=_mean(pair.skill(pair.persistence) for pair in judged),
        ridge=_mean(pair.skill(pair.ridge) for pair in judged),
        seasonal=_mean(pair.skill(pair.seasonal) for pair in judged if pair.seasonal is not None),
        coverage=_mean(pair.interval.coverage for pair in judged),
        width=_mean(ratio for pair in judged if (ratio := _ratio(pair)) is not None),
        seasonal_coverage=_mean(pair.seasonal_interval.coverage for pair in judged if pair.seasonal_interval),
    )


def _ratio(pair: Pair) -> float | None:
    return share(pair.interval.width, pair.seasonal_interval.width) if pair.seasonal_interval else None


def all_forecasts(sets: Sequence[ForecastStanding]) -> ForecastStanding:
    """Sum up all sets; every set counts alike in a mean."""

    def mean(name: str) -> float | None:
        return _mean(found for one in sets if (found := getattr(one, name)) is not None)

    return ForecastStanding(
        name="all sets",
        pairs=sum(one.pairs for one in sets),
        still=tuple(f"{one.name} {pair}" for one in sets for pair in one.still),
        won=sum(one.won for one in sets),
        poor=sum(one.poor for one in sets),
        skill=mean("skill"),
        worst=min((one.worst for one in sets if one.worst is not None), default=None),
        persistence=mean("persistence"),
        ridge=mean("ridge"),
        seasonal=mean("seasonal"),
        coverage=mean("coverage"),
        width=mean("width"),
        seasonal_coverage=mean("seasonal_coverage"),
    )


def _mean(found: Iterable[float]) -> float | None:
    every = list(found)
    return float(np.mean(every)) if every else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NabScores:
    """Hold the normalised NAB score in each profile; None without labelled windows."""

    standard: float | None
    low_fp: float | None
    low_fn: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagStanding:
    """Say how good one detector's flags were over some sets.

    Attributes:
        kind: how the sets are judged.
        group: which sets: a set, a folder, or `all`.
        detector: `tidegate`, or the control's name.
        failed: how many of the sets could not be fitted; they count as silent.
        tally: rights and wrongs, added up.
        point_f1, false_alarm_rate, missed_alarm_rate: of rows.
        precision, recall, f05: of events by overlap, false episodes counted.
        f05_runs: the same with every run of flagged rows counted, however the detector joins them.
        false_a_day: false episodes in a normal day.
        median_delay: seconds from the start of a found event to its first flagged row.
        openings, rows: the NAB score of episode openings, and of flagged rows.
    """

    kind: str
    group: str
    detector: str
    failed: int
    tally: Tally
    point_f1: float | None
    false_alarm_rate: float | None
    missed_alarm_rate: float | None
    precision: float | None
    recall: float | None
    f05: float | None
    f05_runs: float | None
    false_a_day: float | None
    median_delay: float | None
    openings: NabScores
    rows: NabScores


def flag_standings(kind: str, group: str, outcomes: Sequence[Outcome]) -> list[FlagStanding]:
    """Sum up some sets: a standing for each detector, Tidegate first."""
    names = dict.fromkeys((OURS, *(detector.name for one in outcomes for detector in one.detectors)))
    failed = sum(bool(one.failure) for one in outcomes)
    return [_flag_standing(kind, group, name, failed if name == OURS else 0, outcomes) for name in names]


def _flag_standing(kind: str, group: str, detector: str, failed: int, outcomes: Sequence[Outcome]) -> FlagStanding:
    one = total(each.tally for outcome in outcomes for each in outcome.detectors if each.name == detector)
    return FlagStanding(
        kind=kind,
        group=group,
        detector=detector,
        failed=failed,
        tally=one,
        point_f1=point_f1(one),
        false_alarm_rate=share(one.false_rows, one.false_rows + one.calm_rows),
        missed_alarm_rate=share(one.missed_rows, one.hits + one.missed_rows),
        precision=share(one.found, one.found + one.false_episodes),
        recall=share(one.found, one.labels),
        f05=event_f(one, one.false_episodes),
        f05_runs=event_f(one, one.false_runs),
        false_a_day=share(one.false_episodes, one.normal_days),
        median_delay=float(np.median(one.delays)) if one.delays else None,
        openings=_nab(one.openings),
        rows=_nab(one.rows),
    )


def _nab(earned: Earned) -> NabScores:
    return NabScores(**{name: score(earned, profile) for name, profile in PROFILES.items()})


def method_skill(pair: Pair, missed: Missed | None) -> float | None:
    """Return the skill of a method on a pair, or None where it could not forecast or nothing moved."""
    return None if missed is None or pair.still or not pair.samples else pair.skill(missed)
