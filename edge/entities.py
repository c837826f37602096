"""Lay out what a stream has in Home Assistant: its entities, each a component of the device.

Source: https://www.home-assistant.io/integrations/mqtt/ and the pages of `binary_sensor`, `button`, `event` and
`sensor` there; keys are abbreviated as listed there.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

import orjson

from edge.device_class import Quantity, quantity
from edge.message import Json

EVENT_TYPES = ("open", "update", "close")  # the phases of `edge.event`
MAINTENANCE = 3600  # seconds that the button asks for
ANOMALY = "{{ 'ON' if value_json.anomaly else 'OFF' }}"
# A score is absent while warming up: then nothing is known, which is not the same as calm.
ANOMALY_OF_STATE = f"{{{{ 'None' if value_json.score is none else {ANOMALY[3:-3]} }}}}"
EVENT = "{{ dict(value_json, event_type=value_json.phase) | to_json }}"

Component: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Say what the streams of one table [streams.NAME] have in common.

    Attributes:
        model, version: name and version of the bundle.
        sensors: each with its unit, which may be empty.
        period: seconds a step.
        expire_after: seconds of silence after which a value counts for nothing.
        horizons: steps ahead that are forecast.
        exposed: those that become entities.
        publish: which messages there are.
        feedback: whether people are heard.
    """

    model: str
    version: int
    sensors: Mapping[str, str]
    period: float
    expire_after: float
    horizons: tuple[int, ...]
    exposed: tuple[int, ...]
    publish: tuple[str, ...]
    feedback: bool


def exposed(asked: Sequence[int], horizons: Sequence[int]) -> tuple[int, ...]:
    """Choose the horizons that become entities: those that were asked for, or the first.

    >>> exposed((), (1, 6, 24)), exposed((24, 1, 7), (1, 6, 24))
    ((1,), (1, 24))
    """
    return tuple(steps for steps in horizons if steps in asked) if asked else tuple(horizons[:1])


def sources(publish: Sequence[str], horizons: Sequence[int], shown: Sequence[int]) -> tuple[str, ...]:
    """Return which messages the numbers of a stream's entities are taken from, of those that no broker keeps.

    Args:
        publish: which messages there are.
        horizons: steps ahead that are forecast.
        shown: those that become entities.

    >>> sources(("state", "forecast"), (1, 6), (1,)), sources(("state", "forecast"), (1, 6), (1, 6))
    (('state',), ('state', 'forecast'))
    """
    said_by_state = [1 for steps in shown if "state" in publish and steps == horizons[0]]
    needed = {"state": True, "forecast": len(said_by_state) < len(shown)}
    return tuple(kind for kind, is_needed in needed.items() if is_needed and kind in publish)


def buttons(topic: str) -> dict[str, Component]:
    """Lay out what the user may say of a stream.

    Args:
        topic: `<stream>/feedback`, in full.
    """
    pressed: dict[str, tuple[str, Mapping[str, Json]]] = {
        "acknowledge": ("Acknowledge", {"feedback": "acknowledge"}),
        "false_alarm": ("False alarm", {"feedback": "false_alarm"}),
        "maintenance": ("Maintenance for an hour", {"feedback": "maintenance", "for": MAINTENANCE}),
    }
    return {
        key: {"p": "button", "name": name, "cmd_t": topic, "pl_prs": orjson.dumps(payload).decode()}
        for key, (name, payload) in pressed.items()
    }


def verdicts(base: str, profile: Profile) -> dict[str, Component]:
    """Lay out what is said of a stream: whether it is strange, how strange, and what happened.

    What is kept at `anomaly` knows events of all kinds, a silence too; it is said on change alone, so it must not
    expire. Streams that do not publish it have the flag of their newest sample instead.

    Args:
        base: what the stream's topics begin with; those whose topic is not named here follow its state.
        profile: what it has.
    """
    expires = ceil(profile.expire_after)
    anomaly: Component = {"p": "binary_sensor", "name": "Anomaly", "dev_cla": "problem"}
    said: dict[str, Component] = {}
    if "anomaly" in profile.publish:
        said["anomaly"] = anomaly | {"stat_t": f"{base}anomaly", "val_tpl": ANOMALY}
    elif "state" in profile.publish:
        said["anomaly"] = anomaly | {"exp_aft": expires, "val_tpl": ANOMALY_OF_STATE}
    if "state" in profile.publish:
        score = _number("Anomaly score", Quantity(None, None, is_measurement=True))
        said["score"] = score | {"ic": "mdi:pulse", "exp_aft": expires, "val_tpl": "{{ value_json.score }}"}
    if "event" in profile.publish:
        event: Component = {"p": "event", "name": "Event", "evt_typ": EVENT_TYPES}
        said["event"] = event | {"stat_t": f"{base}event", "val_tpl": EVENT}
    return said


def forecasts(base: str, profile: Profile) -> dict[str, Component]:
    """Lay out a sensor for each horizon that is exposed and each of the stream's own, as `verdicts` does."""
    laid: dict[str, Component] = {}
    for steps in profile.exposed:
        place = profile.horizons.index(steps)
        is_next = place == 0 and "state" in profile.publish  # then the state says it too
        if not is_next and "forecast" not in profile.publish:
            continue
        path = "next" if is_next else f"horizons[{place}].sensors"
        for sensor, unit in profile.sensors.items():
            component = _number(f"{sensor} in {span(steps * profile.period)}", quantity(sensor, unit))
            # JSON's way to write a text is Jinja's too.
            value = f"{{{{ value_json.{path}[{orjson.dumps(sensor).decode()}].forecast }}}}"
            component |= {"exp_aft": ceil(profile.expire_after), "val_tpl": value}
            if not is_next:
                component["stat_t"] = f"{base}forecast"
            laid[f"forecast_{identifier(sensor)}_{steps}"] = component
    return laid


def span(seconds: float) -> str:
    """Write a time in the largest unit of which it is a whole number.

    >>> [span(seconds) for seconds in (0.5, 90.0, 1800.0, 7200.0, 86400.0)]
    ['0.5 s', '90 s', '30 min', '2 h', '1 d']
    """
    for length, unit in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds % length == 0.0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def identifier(name: str) -> str:
    """Make an id of A-Z a-z 0-9 _ - of a name, another one for every name.

    >>> identifier("living_room"), identifier("living room")
    ('living_room', 'living_room_4c1666c3ad')
    """
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else digested(name)


def digested(name: str) -> str:
    """Take out of a name what an id must not hold; the digest tells it from others that look the same then."""
    return f"{slug(name)}_{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def slug(name: str) -> str:
    """Take out of a name all but letters and digits.

    >>> slug("plant/a.press")
    'plant_a_press'
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:160]


def _number(name: str, kind: Quantity) -> Component:
    component: Component = {"p": "sensor", "name": name, "sug_dsp_prc": 2}
    if kind.unit is not None:
        component["unit_of_meas"] = kind.unit
    if kind.device_class is not None:
        component["dev_cla"] = kind.device_class
    if kind.is_measurement:
        component["stat_cla"] = "measurement"
    return component
