"""The health message and the line for systemd, from a line that heard something and a connection that never dialled."""

import json
from dataclasses import asdict

import pytest

import edge
from edge import health, message
from edge.config import BrokerConfig
from edge.connection import Connection
from edge.health import RECENT, Latencies
from edge.line import Line
from edge.trust import NO_DOUBT, Doubt
from tests.lines import climate, line_of, tell, tell_steps

PRESS = "plant/a/press/climate"


def connection() -> Connection:
    return Connection(BrokerConfig(), client_id="edge1", status_topic="tidegate/edge1/status", subscriptions=[])


def gather(line: Line, latencies: Latencies | None = None, doubt: Doubt = NO_DOUBT) -> dict[str, object]:
    table = health.table(
        health.report(line, latencies or Latencies()),
        asdict(connection().counters),
        doubt,
        silences=line.vigil.silences(),
        is_overloaded=False,
        workers=(1, 0),
        started_at=100.0,
        now=160.25,
    )
    told: dict[str, object] = json.loads(message.health("tidegate/edge1/", table).payload)
    return told


def test_a_daemon_that_heard_nothing_says_so_in_zeros_and_nulls() -> None:
    told = gather(line_of())
    assert (told["time"], told["version"], told["uptime_s"]) == ("1970-01-01T00:02:40.250Z", edge.__version__, 60.2)
    assert told["latency"] == {"p50_ms": None, "p99_ms": None}
    assert told["readings"] == {
        "received": 0,
        "retained": 0,
        "unrouted": 0,
        "streams_refused": 0,
        "repeated": 0,
        "sequence_gaps": 0,
        "rebirth_requests": 0,
        "refused": {},
        "last_refused": None,
    }
    assert set(told["connection"].values()) == {0}  # type: ignore[attr-defined]


def test_each_bundle_tells_its_streams_its_open_events_and_its_grid() -> None:
    line = line_of()
    tell_steps(line, PRESS, range(8))
    tell_steps(line, PRESS, range(7, 8))
    tell(line, PRESS, climate(8, warm=99.0), 8)
    (bundle,) = gather(line)["bundles"]  # type: ignore[misc]
    assert (bundle["streams"], bundle["events_open"], bundle["shelved"]) == (1, 1, 0)
    assert {name: count for name, count in bundle["grid"].items() if count} == {"accepted": 9, "duplicate": 1}
    assert sum(bundle["experts"].values()) == pytest.approx(1.0, abs=0.01)


def test_what_was_refused_is_told_by_reason_with_the_newest_quoted() -> None:
    line = line_of()
    for payload in (b"{", b"{", b'{"warm": null}'):
        tell(line, PRESS, payload, 0)
    readings = gather(line)["readings"]
    assert readings["refused"] == {"malformed": 2, "null": 1}  # type: ignore[index]
    assert readings["last_refused"] == f"{PRESS}: null: warm: null"  # type: ignore[index]


@pytest.mark.parametrize(
    "payload", [b'{"warm": "\\ud800"}', b'{"warm": "\xed\xa0\x80"}', b'{"warm": "\\u0000"}', b"\xff"]
)
def test_a_refusal_that_holds_any_text_can_be_told(payload: bytes) -> None:
    line = line_of()
    tell(line, PRESS, payload, 0)
    assert sum(gather(line)["readings"]["refused"].values()) == 1  # type: ignore[index]


def test_percentiles_are_of_the_newest_latencies_alone() -> None:
    latencies = Latencies()
    for _ in range(RECENT):
        latencies.add(100.0)
    for place in range(RECENT):
        latencies.add(place / 1e3)
    told = latencies.percentiles()
    assert told["p50_ms"] == pytest.approx((RECENT - 1) / 2)
    assert told["p99_ms"] == pytest.approx(0.99 * (RECENT - 1))


def test_the_status_line_counts_streams_payloads_and_open_events() -> None:
    line = line_of()
    assert health.status(health.report(line, Latencies()), NO_DOUBT, now=0.0, ready=False) == "waiting for the broker"
    tell_steps(line, PRESS, range(8))
    tell(line, PRESS, climate(8, warm=99.0), 8)
    assert (
        health.status(health.report(line, Latencies()), NO_DOUBT, now=0.0, ready=True)
        == "1 stream, 9 payloads, 1 event open"
    )


def test_each_table_tells_the_seconds_since_its_last_payload_and_null_before_the_first() -> None:
    line = line_of()
    line.vigil.look(1000.0)
    assert gather(line)["silent_s"] == {"plant": None}
    tell_steps(line, PRESS, range(3))
    line.vigil.look(1001.0)
    line.vigil.look(1011.5)
    assert gather(line)["silent_s"] == {"plant": 10.5}


def test_what_waits_for_the_clock_is_told() -> None:
    doubt = Doubt(is_trusted=False, waiting=12, dropped=0)
    assert gather(line_of(), doubt=doubt)["clock"] == {"trusted": False, "waiting": 12}
    told = health.status(health.report(line_of(), Latencies()), doubt, now=90.25, ready=True)
    assert told == "12 messages wait for the clock to be set, which says 1970-01-01T00:01:30Z"
