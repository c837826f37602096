"""Say in words what a bundle is worth: the card that travels with it, and the tables of reports."""

from collections.abc import Sequence

import numpy as np

from edge.alarm import WEEK
from edge.errors import counted
from edge.experts import EXPERTS, weigh
from edge.manifest import Manifest
from edge.manifest_tables import QualityRow
from training.budget import supported
from training.evaluate import skill

WILD = 4.0  # times that the intervals had to be widened for the calibrate split: drift alone seldom takes more than 3


def card(manifest: Manifest) -> str:
    """Write the card: first what the network is worth, then what the bundle is."""
    sensors = ", ".join(f"`{sensor.name}`" for sensor in manifest.sensors)
    lines = [
        f"# {manifest.name}, version {manifest.version}",
        "",
        verdict(manifest),
        *(f"\n{text}" for text in (warning(manifest),) if text),
        "",
        f"Forecasts {sensors} every {manifest.period:g} s, {', '.join(map(str, manifest.horizons))} steps ahead, with "
        f"{manifest.interval.coverage:.0%} intervals; {manifest.network.cell} {list(manifest.network.units)}, "
        f"{manifest.quantisation}; needs {manifest.window} samples before the first forecast.",
        "",
        f"Trained on {manifest.data.rows} samples of {counted(len(manifest.data.streams), 'stream')}, "
        f"{manifest.data.start} to {manifest.data.end}, sha256 {manifest.data.sha256[:16]}.",
        "",
        *quality_table(manifest.quality),
        "",
        f"Alarm budget: {manifest.detection.false_alarms_per_week:g} a week and stream"
        f"{support(manifest)}. "
        f"Parity with Keras: {manifest.parity.correction:.3%} of the correction, {manifest.parity.forecast:.3%} of the "
        f"residual, over {manifest.parity.samples} samples.",
        "",
    ]
    return "\n".join(lines)


def warning(manifest: Manifest) -> str | None:
    """Say when the calibrate split was much wilder than the fit split; None when it was not."""
    factors = np.maximum(manifest.interval.below[0], manifest.interval.above[0])
    wildest = int(np.argmax(factors))
    if factors[wildest] < WILD:
        return None
    return (
        f"Careful: the last part of the data is {factors[wildest]:.0f} times wilder than the first "
        f"(`{manifest.sensors[wildest].name}`), so intervals are wide and alarms will be rare. If something unusual "
        "happened there, train on data without it (`--until`, `--rows`)."
    )


def support(manifest: Manifest) -> str:
    """Say where the calibration data are too few to have seen anything as rare as the alarm budget asks for."""
    seen = supported(manifest.score.samples, manifest.period)
    if manifest.detection.false_alarms_per_week >= seen:
        return ""
    return (
        f" (its {manifest.score.samples} calibration samples support one in {WEEK / seen / 3600.0:.3g} hours; what is "
        "rarer is extrapolated, and follows the alarms that are raised)"
    )


def verdict(manifest: Manifest) -> str:
    """Say in one line what the network is worth: on how many pairs of sensor and horizon it leads, and the skill."""
    leading = weigh(manifest.learned().experience).argmax(axis=0)
    pairs = leading.size
    led = [f"{name} leads {int((leading == place).sum())}" for place, name in enumerate(EXPERTS[:-1])]
    network = int((leading == len(EXPERTS) - 1).sum())
    serves = f"the recurrent correction leads on {network} of {pairs} pairs of sensor and horizon"
    if not np.any(manifest.parts.correction):
        serves = "the recurrent correction did not earn its place and is switched off"
    linear = ", ".join(led)
    if not manifest.quality:
        return f"{serves}, {linear}; nothing was held out to measure the forecasts."
    skills = [skill(row) for row in manifest.quality if row.samples]
    if not skills:
        return f"{serves}, {linear}; the test split is too short to measure the forecasts."
    won = sum(one > 0 for one in skills)
    return (
        f"{serves}, {linear}; on the test split the forecast beats persistence and ridge on {won} of {len(skills)}, "
        f"mean skill {np.mean(skills):+.1%}."
    )


QUALITY = ("sensor", "horizon", "forecast", "persistence", "seasonal", "ridge", "skill", "coverage", "width")


def quality_cells(row: QualityRow) -> tuple[str, ...]:
    """Write measured quality as the cells of a table below `QUALITY`: RMSE in sensor units, coverage, width, skill."""
    return (
        row.sensor,
        str(row.horizon),
        f"{row.forecast:.4g}",
        f"{row.persistence:.4g}",
        "–" if row.seasonal is None else f"{row.seasonal:.4g}",
        f"{row.ridge:.4g}",
        f"{skill(row):+.1%}",
        f"{row.coverage:.1%}",
        f"{row.width:.4g}",
    )


def quality_table(quality: Sequence[QualityRow]) -> list[str]:
    """Write measured quality as a Markdown table."""
    return markdown(QUALITY, [quality_cells(row) for row in quality])


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table, all but its first column to the right; nothing if it has no rows.

    >>> markdown(("stream", "rows"), [("boiler", "9")])
    ['| stream | rows |', '|---|--:|', '| boiler | 9 |']
    """
    if not rows:
        return []
    rule = "|---" + "|--:" * (len(header) - 1) + "|"
    return [_line(header), rule, *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
