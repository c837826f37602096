"""Hold the search for numbers to real payloads."""

import pytest

from edge.errors import ReadingError
from edge.payloads.numbers import MOST, find_numbers


def test_tasmota_s_sensors_are_found_below_their_names() -> None:
    payload = b'{"Time":"2017-02-16T10:13:52","DS18B20":{"Id":"0115","Temperature":20.6},"TempUnit":"C"}'
    said = find_numbers(payload, 61.0, "Time", zone=None)
    assert (said.time, said.values) == (1487240032.0, {"DS18B20.Temperature": 20.6})


def test_of_zigbee2mqtt_truth_values_texts_and_nulls_are_no_numbers() -> None:
    payload = b'{"temperature":27.34,"contact":false,"update":{"state":"idle","installed_version":12},"battery":null}'
    assert find_numbers(payload, 61.0, "time", zone=None).values == {
        "temperature": 27.34,
        "update.installed_version": 12.0,
    }


def test_numbers_that_are_not_finite_are_left_out() -> None:
    assert find_numbers(b'{"a": NaN, "b": 1e999, "c": 3, "d": 1' + b"0" * 400 + b"}", 61.0, None, zone=None).values == {
        "c": 3.0
    }


def test_a_lone_number_and_a_list_have_names() -> None:
    assert find_numbers(b"21.5", 61.0, None, zone=None).values == {"value": 21.5}
    assert find_numbers(b"[1, [2]]", 61.0, "time", zone=None).values == {"0": 1.0, "1.0": 2.0}


def test_the_event_time_is_no_sensor_and_another_time_is_one() -> None:
    assert find_numbers(b'{"ts": 60, "uptime": 5}', 61.0, "ts", zone=None) == (60.0, {"uptime": 5.0}, 0)
    assert find_numbers(b'{"ts": 60, "uptime": 5}', 61.0, None, zone=None) == (None, {"ts": 60.0, "uptime": 5.0}, 0)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "malformed"),
        (b"", "malformed"),
        (b'"a"', "missing"),
        (b"{}", "missing"),
        (b'{"time": 5}', "missing"),
        (b'{"time": "x", "a": 1}', "time"),
    ],
)
def test_a_payload_without_a_reading_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(ReadingError) as refused:
        find_numbers(payload, 61.0, "time", zone=None)
    assert refused.value.reason == reason


def test_a_payload_of_too_many_numbers_is_cut_and_counted() -> None:
    said = find_numbers(b"[" + b",".join([b"1"] * (MOST + 3)) + b"]", 61.0, None, zone=None)
    assert (len(said.values), said.left_out) == (MOST, 3)


def test_what_is_nested_too_deep_is_not_looked_into() -> None:
    assert find_numbers(b'{"near": 1, "far": ' + b"[" * 50 + b"2" + b"]" * 50 + b"}", 61.0, None, zone=None).values == {
        "near": 1.0
    }
