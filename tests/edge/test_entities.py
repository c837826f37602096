"""Hold entities to what the messages really say."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.entities import Profile, buttons, forecasts, identifier, verdicts

BASE = "tidegate/edge1/boiler/"
PROFILE = Profile(
    model="mote",
    version=7,
    sensors={"temperature": "°C", "flow": ""},
    period=1800.0,
    expire_after=18_000.0,
    horizons=(1, 6),
    exposed=(1, 6),
    publish=("state", "forecast", "event", "anomaly"),
    feedback=True,
)


def only(publish: tuple[str, ...]) -> Mapping[str, Mapping[str, object]]:
    profile = replace(PROFILE, publish=publish)
    return {**verdicts(BASE, profile), **forecasts(BASE, profile)}


def test_a_forecast_says_which_sensor_and_when_and_in_which_unit() -> None:
    assert forecasts(BASE, PROFILE)["forecast_temperature_6"] == {
        "p": "sensor",
        "name": "temperature in 3 h",
        "unit_of_meas": "°C",
        "dev_cla": "temperature",
        "stat_cla": "measurement",
        "sug_dsp_prc": 2,
        "exp_aft": 18_000,
        "stat_t": f"{BASE}forecast",
        "val_tpl": '{{ value_json.horizons[1].sensors["temperature"].forecast }}',
    }


def test_the_next_step_is_read_from_the_state_which_says_it_too() -> None:
    following = forecasts(BASE, PROFILE)["forecast_flow_1"]
    assert following["val_tpl"] == '{{ value_json.next["flow"].forecast }}'
    assert "stat_t" not in following  # the device's: the state
    assert not {"unit_of_meas", "dev_cla"} & set(following)


@pytest.mark.parametrize(
    ("publish", "keys"),
    [
        ((), set()),
        (("anomaly",), {"anomaly"}),
        (("event",), {"event"}),
        (("state",), {"anomaly", "score", "forecast_temperature_1", "forecast_flow_1"}),
        (("forecast",), {f"forecast_{one}_{steps}" for one in ("temperature", "flow") for steps in (1, 6)}),
    ],
)
def test_an_entity_is_there_only_where_its_message_is_published(publish: tuple[str, ...], keys: set[str]) -> None:
    assert set(only(publish)) == keys


def test_what_is_said_with_every_sample_expires_and_what_is_said_on_change_does_not() -> None:
    assert only(("state",))["anomaly"]["exp_aft"] == 18_000
    assert "exp_aft" not in only(("anomaly", "state"))["anomaly"]


def test_the_anomaly_follows_what_is_kept_for_that_knows_events_of_all_kinds() -> None:
    assert only(("anomaly", "state"))["anomaly"]["stat_t"] == f"{BASE}anomaly"


def test_a_score_that_is_absent_is_no_calm() -> None:
    assert only(("state",))["anomaly"]["val_tpl"] == (
        "{{ 'None' if value_json.score is none else 'ON' if value_json.anomaly else 'OFF' }}"
    )


def test_buttons_say_what_the_daemon_understands() -> None:
    pressed = {key: button["pl_prs"] for key, button in buttons(f"{BASE}feedback").items()}
    assert pressed == {
        "acknowledge": '{"feedback":"acknowledge"}',
        "false_alarm": '{"feedback":"false_alarm"}',
        "maintenance": '{"feedback":"maintenance","for":3600}',
    }
    assert {button["cmd_t"] for button in buttons(f"{BASE}feedback").values()} == {f"{BASE}feedback"}


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=8))
def test_ids_of_different_names_differ_and_hold_nothing_that_an_id_must_not(names: list[str]) -> None:
    made = [identifier(name) for name in names]
    assert len(set(made)) == len(made)
    assert all(
        one.isascii() and set(one) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
        for one in made
    )
