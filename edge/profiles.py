"""Say what the streams of each table have in common that Home Assistant is told."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.config import Config
from edge.entities import Profile, exposed
from edge.errors import ConfigError, quote
from edge.manifest import Manifest
from edge.vigil import patience


def profiles(config: Config, manifests: Mapping[Path, Manifest]) -> dict[str, Profile]:
    """Say of each table what its streams have in common.

    Raises:
        ConfigError: a horizon is to become entities that no bundle has.
    """
    asked = config.homeassistant.horizons
    known = sorted({steps for manifest in manifests.values() for steps in manifest.horizons})
    strange = [steps for steps in asked if steps not in known]
    if strange:
        where = "" if config.file is None else f"{config.file}: "
        rule = f"must be horizons of a bundle ({', '.join(map(str, known))})"
        raise ConfigError(f"{where}homeassistant.horizons: {rule}, got {quote(strange)}")
    return {
        name: _profile(manifests[table.bundle], asked, table.publish, feedback=config.node.feedback)
        for name, table in config.streams.items()
    }


def _profile(manifest: Manifest, asked: Sequence[int], publish: tuple[str, ...], *, feedback: bool) -> Profile:
    return Profile(
        model=manifest.name,
        version=manifest.version,
        sensors={sensor.name: sensor.unit for sensor in manifest.sensors},
        period=manifest.period,
        expire_after=patience(manifest.period),
        horizons=manifest.horizons,
        exposed=exposed(asked, manifest.horizons),
        publish=publish,
        feedback=feedback,
    )
