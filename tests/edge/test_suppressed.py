"""What people were at work on, or have confirmed to be strange, is recorded, and nothing is learnt of it."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge import cli, history_spans
from edge.clock import MICROSECONDS
from edge.errors import ReadingError
from edge.history import Heard, History, Source
from edge.history_spans import ACKNOWLEDGED, MAINTENANCE, Span
from edge.mailbox import Message
from edge.sources import Selection, read_source
from edge.sqlite_reading import reading
from edge.suppressed import Suppressed

BASE = "tidegate/edge1/"
NOW = 1_700_000_000.0
HOUR = 3600 * MICROSECONDS
FIRST = round(NOW) * MICROSECONDS


def said(topic: str, payload: object, at: float = NOW, *, retained: bool = False) -> Message:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, raw, retained, at)


@pytest.fixture
def words() -> Suppressed:
    return Suppressed(BASE, hears_feedback=True)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History(tmp_path / "recorder.db", 10_000_000)) as opened:
        yield opened


def test_maintenance_lasts_from_the_word_on(words: Suppressed) -> None:
    topic = f"{BASE}boiler/feedback"
    assert words.wants(topic)
    assert words.read(said(topic, b"maintenance")) == Span("boiler", MAINTENANCE, FIRST, FIRST + HOUR)
    two_hours = {"feedback": "maintenance", "for": 7200}
    assert words.read(said(topic, two_hours)) == Span("boiler", MAINTENANCE, FIRST, FIRST + 2 * HOUR)


def test_an_acknowledged_event_lasts_from_its_start_to_its_end_or_to_now(words: Suppressed) -> None:
    topic = f"{BASE}boiler/event"
    event = {"id": "e", "kind": "forecast", "start": "2023-11-14T21:13:20Z", "end": None, "feedback": "acknowledged"}
    assert words.read(said(topic, event)) == Span("boiler", ACKNOWLEDGED, FIRST - HOUR, FIRST)
    over = {**event, "end": "2023-11-14T22:13:20Z"}
    assert words.read(said(topic, over, NOW + 9.0)) == Span("boiler", ACKNOWLEDGED, FIRST - HOUR, FIRST)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("boiler/feedback", b"acknowledge"),
        ("boiler/feedback", b"false_alarm"),
        ("boiler/event", {"feedback": None}),
        ("boiler/event", {"feedback": "false_alarm"}),
        ("boiler/event", [1]),
    ],
)
def test_what_else_is_said_suppresses_nothing(words: Suppressed, topic: str, payload: object) -> None:
    assert words.read(said(BASE + topic, payload)) is None


def test_what_the_broker_kept_suppresses_nothing(words: Suppressed) -> None:
    assert words.read(said(f"{BASE}boiler/feedback", b"maintenance", retained=True)) is None


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("boiler/feedback", b"weekend"),
        ("boiler/feedback", {"feedback": "maintenance", "for": -1}),
        ("boiler/event", b"no json"),
        ("boiler/event", {"feedback": "acknowledged", "start": "yesterday"}),
    ],
)
def test_what_nobody_can_mean_is_refused(words: Suppressed, topic: str, payload: object) -> None:
    with pytest.raises(ReadingError) as refused:
        words.read(said(BASE + topic, payload))
    assert refused.value.reason == "feedback"


def test_where_people_may_not_speak_nothing_is_listened_to() -> None:
    words = Suppressed(BASE, hears_feedback=False)
    assert (words.subscriptions, words.wants(f"{BASE}boiler/feedback")) == ([], False)


def kept(history: History) -> list[Span]:
    with reading(history.path) as connection:
        return history_spans.read(connection)


def test_maintenance_that_is_asked_for_again_lasts_until_the_newest_word_says(history: History) -> None:
    first = Span("boiler", MAINTENANCE, FIRST, FIRST + HOUR)
    history.write_spans([first, Span("boiler", MAINTENANCE, FIRST + 10, FIRST + 2 * HOUR)])
    assert kept(history) == [first._replace(end=FIRST + 2 * HOUR)]
    history.write_spans([Span("boiler", MAINTENANCE, FIRST + 20, FIRST + 20)])
    assert kept(history) == [first._replace(end=FIRST + 20)]
    history.write_spans([Span("boiler", MAINTENANCE, FIRST + 30, FIRST + 30)])  # ends what is over
    assert kept(history) == [first._replace(end=FIRST + 20)]
    history.write_spans([later := Span("boiler", MAINTENANCE, FIRST + HOUR, FIRST + 2 * HOUR)])
    assert kept(history) == [first._replace(end=FIRST + 20), later]


def test_an_event_that_is_over_is_the_one_that_was_acknowledged(history: History) -> None:
    open_one = Span("boiler", ACKNOWLEDGED, FIRST, FIRST + 10)
    history.write_spans([open_one, open_one._replace(end=FIRST + 500)])
    assert kept(history) == [open_one._replace(end=FIRST + 500)]


def test_spans_are_bounded_and_go_with_their_readings(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_spans, "MOST_SPANS", 5)
    history.write_spans([Span("boiler", ACKNOWLEDGED, FIRST + step, FIRST + step) for step in range(20)])
    assert [span.start - FIRST for span in kept(history)] == [15, 16, 17, 18, 19]
    warm = Source("boiler", "warm", True)
    history.write([Heard(warm, FIRST + step, 20.0, None) for step in range(20)])
    history.delete_before(FIRST + 17)
    assert [span.start - FIRST for span in kept(history)] == [17, 18, 19]


def test_a_database_without_the_table_gets_it(tmp_path: Path) -> None:
    with closing(History(tmp_path / "recorder.db", 10_000_000)) as history:
        history._connection.execute("DROP TABLE spans")  # as of a recorder that knew none
    with reading(tmp_path / "recorder.db") as connection:
        assert history_spans.read(connection) == []
    with closing(History(tmp_path / "recorder.db", 10_000_000)) as history:
        history.write_spans([Span("boiler", MAINTENANCE, 1, 2)])
        assert kept(history) == [Span("boiler", MAINTENANCE, 1, 2)]


def recorded(path: Path, *, whole: bool) -> Path:
    """Record two streams for 20 minutes, the boiler in maintenance from the 5th to the 9th, both ends in it."""
    with closing(History(path, 10_000_000)) as history:
        for name in ("boiler", "pump"):
            sources = [Source(name, sensor, whole) for sensor in ("warm", "damp")]
            history.write(
                [
                    Heard(source, FIRST + 60 * step * MICROSECONDS, float(step), None)
                    for step in range(20)
                    for source in sources
                ]
            )
        five, nine = (FIRST + 60 * step * MICROSECONDS for step in (5, 9))
        history.write_spans([Span("boiler", MAINTENANCE, five, nine), Span("gone", MAINTENANCE, five, nine)])
    return path


@pytest.mark.parametrize("whole", [True, False])
def test_suppressed_readings_are_read_only_by_who_asks_for_them(tmp_path: Path, whole: bool) -> None:
    database = recorded(tmp_path / "recorder.db", whole=whole)
    everything, learnt = read_source(database), read_source(database, Selection(suppressed=False))
    assert (len(everything.times), everything.left_out) == (40, 0)
    assert (len(learnt.times), learnt.left_out) == (35, 10)
    boiler = learnt.values[learnt.streams == learnt.stream_names.index("boiler")]
    assert boiler[:, 0].tolist() == [0, 1, 2, 3, 4, *range(10, 20)]


def test_export_leaves_them_out_tells_it_and_writes_when_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = str(recorded(tmp_path / "recorder.db", whole=True))
    out, spans = tmp_path / "out.csv", tmp_path / "spans.csv"
    assert cli.main(["export", database, str(out), "--spans", str(spans)]) == 0
    told = capsys.readouterr().err
    assert "10 readings of maintenance or acknowledged anomalies left out (--suppressed keeps them)" in told
    assert len(out.read_text().splitlines()) == 1 + 35
    assert spans.read_text().splitlines() == [
        "stream,start,end,why",
        "boiler,2023-11-14T22:18:20Z,2023-11-14T22:22:20Z,maintenance",
    ]
    assert cli.main(["export", database, str(out), "--suppressed"]) == 0
    assert "left out" not in capsys.readouterr().err
    assert len(out.read_text().splitlines()) == 1 + 40
    assert np.array_equal(read_source(out).values, read_source(Path(database)).values)


def test_a_history_of_maintenance_alone_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = recorded(tmp_path / "recorder.db", whole=True)
    with closing(History(database, 10_000_000)) as history:
        history.write_spans([Span("boiler", MAINTENANCE, FIRST - 1, FIRST + HOUR)])
    assert cli.main(["export", str(database), str(tmp_path / "out.csv"), "--streams", "boiler"]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert "got 40 readings of these alone (`export --suppressed` keeps them)" in told
