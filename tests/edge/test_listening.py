"""Since when silence means something."""

from math import inf

from edge.listening import Listening


def test_we_listen_from_when_the_broker_serves_us() -> None:
    listening = Listening()
    assert listening.since(is_ready=False, now=1000.0, steady=0.0) == inf
    assert listening.since(is_ready=True, now=1001.0, steady=1.0) == 1001.0
    assert listening.since(is_ready=True, now=1500.0, steady=500.0) == 1001.0
    assert listening.since(is_ready=False, now=1600.0, steady=600.0) == inf
    assert listening.since(is_ready=True, now=1700.0, steady=700.0) == 1700.0


def test_a_clock_that_jumps_begins_anew() -> None:
    listening = Listening()
    listening.since(is_ready=True, now=100.0, steady=0.0)  # a Pi without a clock, in 1970
    assert listening.since(is_ready=True, now=1.7e9, steady=10.0) == 1.7e9
    assert listening.since(is_ready=True, now=1.7e9 + 10.0, steady=20.0) == 1.7e9
    assert listening.since(is_ready=True, now=1.7e9 - 3580.0, steady=30.0) == 1.7e9 - 3580.0
