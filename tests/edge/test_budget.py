"""What is predicted from what was measured, and what does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge import budget
from edge.budget import Expected, Prediction, expect, gather, misfits, predict, room
from edge.config import BrokerConfig, Config
from edge.errors import OperatorError
from edge.load import Kind, Load
from edge.machine import Memory
from edge.stream_config import StreamConfig
from edge.trial import Cost, Measured
from tests.edge.conftest import cohort_by_hand, learned_by_hand

HERE = Path("mote.bundle")
LEARNED = learned_by_hand()  # two sensors, a step of 10 s
KIND = Kind(HERE, LEARNED, 0, ("state",), False)
COST = Cost(least=0.001, streams=1024, base=20e6, each=10e3)
MEASURED = Measured(resident=50e6, idle=0.01, costs=(COST,), usual=0.003)
ROOMY = Memory(1e12, "this machine has free")


def table(topic: str, **changes: object) -> StreamConfig:
    return replace(StreamConfig(bundle=HERE, topic=topic), **changes)  # type: ignore[arg-type]


def expected(topic: str, streams: int | None = None, **changes: object) -> Expected:
    return expect("plant", table(topic, **changes), LEARNED, streams)


# What is expected


def test_a_topic_without_placeholders_is_one_stream_whatever_is_asked() -> None:
    for streams in (None, 500):
        one = expected("plant/climate", streams)
        assert (one.streams, one.asked, one.rate, one.messages) == (1, 1, 0.1, 1)


def test_placeholders_are_as_many_streams_as_the_table_lets_in_or_as_is_asked() -> None:
    assert expected("plant/{line}", max_streams=400).streams == 400
    assert expected("plant/{line}", 30, max_streams=400).rate == pytest.approx(3.0)
    refused = expected("plant/{line}", 500, max_streams=400)
    assert (refused.streams, refused.asked) == (400, 500)


def test_streams_of_one_name_are_one_stream() -> None:
    assert expected("plant/{line}", stream="all").streams == 1


def test_each_sensor_with_a_topic_of_its_own_sends_a_message() -> None:
    one = expected("plant/{sensor}")
    assert (one.streams, one.messages, one.rate) == (1, 2, 0.2)
    many = expected("plant/{line}/{sensor}", 10)
    assert (many.streams, many.messages, many.rate) == (10, 20, 2.0)


def test_tables_that_cost_the_same_are_measured_once() -> None:
    topics = ("a", "b/{x}", "c/{x}", "d/{x}", "e/{sensor}")
    changes: tuple[dict[str, object], ...] = ({}, {}, {"qos": 1}, {"publish": ()}, {})
    tables = [expected(topic, 10, **change) for topic, change in zip(topics, changes, strict=True)]
    assert [(load.streams, load.rate) for load in gather(tables)] == [
        (11, pytest.approx(1.1)),
        (10, pytest.approx(1.0)),
        (10, pytest.approx(1.0)),
        (1, pytest.approx(0.2)),
    ]


def test_the_order_in_which_messages_are_published_makes_no_other_kind() -> None:
    one, other = (expected("a", publish=order) for order in (("state", "event"), ("event", "state")))
    assert len(gather([one, other])) == 1


# What is predicted


def test_processor_time_goes_with_messages_and_memory_with_room() -> None:
    predicted = predict([Load(KIND, 1024, 100.0)], MEASURED)
    assert predicted == Prediction(1024, 100.0, pytest.approx(0.31), pytest.approx(1000.0), 70e6)
    more = predict([Load(KIND, 1025, 200.0)], MEASURED)
    assert (more.share, more.resident) == (pytest.approx(0.61), 70e6 + (room(1025) - 1024) * 10e3)


def test_streams_that_were_measured_are_not_counted_again() -> None:
    few = replace(MEASURED, costs=(replace(COST, streams=1000, each=0.0),))
    assert predict([Load(KIND, 1000, 100.0)], few).resident == 70e6


def test_no_daemon_takes_more_than_the_cores_it_can_use() -> None:
    assert predict([Load(KIND, 10, 5000.0)], MEASURED).share == 1.0
    two = predict([Load(KIND, 10, 500.0)], MEASURED, cores=2.0)
    assert (two.share, two.carried) == (pytest.approx(1.51), pytest.approx(2000.0))
    assert predict([Load(KIND, 10, 5000.0)], MEASURED, cores=2.0).share == 2.0


def test_workers_take_a_process_each_and_their_supervisor_keeps_a_copy_of_what_they_remember() -> None:
    alone, two = (predict([Load(KIND, 10, 500.0)], MEASURED, workers=workers).resident for workers in (1, 2))
    assert two == 3 * MEASURED.resident + 2 * (alone - MEASURED.resident)


def test_what_a_core_carries_is_of_the_mixture_that_is_expected() -> None:
    costs = (COST, replace(COST, least=0.003, streams=1, base=1e6))
    mixed = predict([Load(KIND, 10, 30.0), Load(replace(KIND, qos=1), 1, 10.0)], replace(MEASURED, costs=costs))
    assert mixed.carried == pytest.approx(40.0 / (30.0 * 0.001 + 10.0 * 0.003))
    assert mixed.resident == 50e6 + 20e6 + 1e6


def test_streams_of_one_bundle_share_the_room_of_one_cohort() -> None:
    kinds = (KIND, replace(KIND, qos=1))
    loads = [Load(kind, 1500, 1.0) for kind in kinds]
    both = replace(MEASURED, costs=(COST, COST))
    assert predict(loads, both).resident == 50e6 + 40e6 + (room(3000) - 2048) * 10e3
    apart = [loads[0], replace(loads[1], kind=replace(kinds[1], bundle=Path("other.bundle")))]
    assert predict(apart, both).resident == 50e6 + 40e6 + 2 * (room(1500) - 1024) * 10e3


@pytest.mark.parametrize("streams", [1, 8, 9, 16, 17, 100, 129])
def test_the_room_is_what_a_cohort_really_makes(streams: int) -> None:
    cohort = cohort_by_hand(streams)
    lengths = {len(array) for array in vars(cohort).values() if isinstance(array, np.ndarray) and array.ndim == 2}
    assert room(streams) in lengths
    assert max(lengths) == room(streams)


# What does not fit


def problems(
    predicted: Prediction, *tables: Expected, inbox: int = 10_000, memory: Memory | None = ROOMY, cores: float = 1.0
) -> list[str]:
    config = Config(broker=BrokerConfig(inbox=inbox), streams={"plant": table("plant/{line}")})
    return misfits(config, tables, predicted, cores=cores, memory=memory)


FITS = Prediction(10, 100.0, 0.3, 1000.0, 60e6)


def test_what_fits_gives_no_warning() -> None:
    assert problems(FITS, expected("plant/{line}", 10)) == []
    assert problems(FITS, expected("plant/{line}", 10), memory=None) == []


def test_an_inbox_must_hold_what_all_streams_say_at_one_instant() -> None:
    tables = (expected("plant/{line}", 400), expected("boiler/{line}/{sensor}", 50))
    assert problems(FITS, *tables, inbox=500) == []
    (told,) = problems(FITS, *tables, inbox=499)
    assert told.startswith("broker.inbox: must hold a message of every stream and sensor that speaks for itself, 500, ")
    assert told.endswith("got 499")


def test_more_than_a_core_carries_is_told_before_the_prediction_errs() -> None:
    assert problems(replace(FITS, rate=666.0)) == []
    (told,) = problems(replace(FITS, rate=668.0))
    assert told == ("streams: must send at most 667 messages/s, two thirds of what one core may carry, got 668")
    (of_two,) = problems(replace(FITS, rate=668.0), cores=2.0)
    assert "of what 2 cores may carry" in of_two


def test_more_memory_than_there_is_is_told_with_who_sets_the_limit() -> None:
    memory = Memory(78e6, "this control group allows")
    assert problems(FITS, memory=memory) == []
    (told,) = problems(replace(FITS, resident=61e6), memory=memory)
    assert told == (
        "streams: must take at most 60 MB, three quarters of what this control group allows, got 61 MB for 10 streams"
    )


def test_streams_that_the_table_refuses_are_told_by_table() -> None:
    (told,) = problems(FITS, expected("plant/{line}", 500, max_streams=400), expected("boiler", 500))
    assert (
        told == "streams.plant.max_streams: must be at least 500 for as many streams, got 400: further ones are refused"
    )


# The whole


def test_a_configuration_is_reported_with_what_was_expected_measured_and_predicted(
    bundles: Path, tmp_path: Path
) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text(
        "[broker]\ninbox = 100\n"
        f'[streams.plant]\nbundle = "{bundles / "lstm-dynamic.bundle"}"\ntopic = "plant/{{line}}"\n'
    )
    told: list[str] = []
    report = budget.report(path, 200, told.append)
    assert told[0] == "starting a daemon on loopback"
    assert [line.partition(":")[0] for line in report.lines] == ["expected", *["measured"] * 2, "predicted", "assumed"]
    assert report.lines[0] == ("expected: streams.plant: 200 streams, 1 message of each every 5 s: 40 messages/s")
    assert "for 40 messages/s of 200 streams; one core may carry " in report.lines[3]
    assert [one.partition(", ")[0] for one in report.warnings if "broker.inbox" in one] == [
        f"{path}: broker.inbox: must hold a message of every stream and sensor that speaks for itself"
    ]


def test_a_busy_machine_is_told_beside_what_was_measured_on_it(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tidegate.toml"
    path.write_text(f'[streams.plant]\nbundle = "{bundles / "lstm-dynamic.bundle"}"\ntopic = "plant"\n')
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(budget, "measure", lambda *_: MEASURED)
    for load, warnings in (("0.1", 0), ("900.0", 1)):
        (tmp_path / "proc" / "loadavg").write_text(f"{load} 0 0 1/9 9")
        told = budget.report(path, None, lambda _: None, root=tmp_path).warnings
        assert len(told) == warnings
    assert told == (
        "this machine: must have little else to do while it is measured, got 900 tasks; measure again when it is calm",
    )


def test_fewer_than_one_stream_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"^--streams: must be at least 1, got 0$"):
        budget.report(tmp_path / "nowhere.toml", 0, pytest.fail)
