"""Several processes judge as one: the same verdicts, whoever dies, and one daemon towards broker and systemd."""

import json
import os
import pickle
import random
import signal
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest

from edge import health, keeper, snapshot
from edge.addresses import Table
from edge.config import Config
from edge.health import Latencies
from edge.line import Line
from edge.mailbox import Counters, Inbox, Message
from edge.shards import Shards
from edge.worker import Look
from tests.conftest import HOST, Mosquitto
from tests.edge.conftest import learned_by_hand
from tests.edge.test_live import Row, assert_same, in_bursts, mingled, payload
from tests.lines import BUNDLE, CLIMATE, ByHand, climate, line_of, tell, tell_steps
from tests.served import WITHIN, Sensors, Served, children, served, wait_until

TABLE = '[streams.motes]\nbundle = "{bundle}"\ntopic = "{node}/{{mote}}/climate"\nqos = 1\n'
CONFIG = '[node]\nname = "{node}"\nworkers = 2\nhealth_every = 0.2\n[broker]\nhost = "{host}"\nport = {port}\n' + TABLE


def pid(daemon: Served) -> int:
    assert daemon.process is not None
    return daemon.process.pid


def lives(process: int) -> bool:
    """Return whether a process is there, and not merely waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def bundle(bundles: Path) -> Path:
    return bundles / "stack-dynamic.bundle"


def judge(
    bundle: Path, rows: Sequence[Row], broker: Mosquitto, folder: Path, midway: Callable[[Served], None]
) -> list[tuple[str, Mapping[str, object]]]:
    """Return everything that two workers said of streams, what was said twice once; something happens midway."""
    node = f"workers-{midway.__name__}"
    sensors = Sensors(broker.port, node)
    heard: list[tuple[str, bytes]] = []
    bursts = list(in_bursts(rows, random.Random(7)))
    with served(folder / "daemon", CONFIG.format(node=node, host=HOST, port=broker.port, bundle=bundle)) as daemon:
        for number, burst in enumerate(bursts):
            for row in burst:
                sensors.post(f"{node}/{row[1]}/climate", payload(row))
            if number == len(bursts) // 2:
                midway(daemon)
            expected = {(f"{row[1]}/state", row[0]) for row in burst}
            while expected:
                heard += sensors.hear_all(until=lambda topic, _: topic.endswith("/state"))
                topic, text = heard[-1]
                expected.discard((topic, json.loads(text)["time"]))
        status, _ = daemon.end(signal.SIGTERM)
        assert status == 0
        heard += sensors.hear_all(until=lambda topic, text: (topic, text) == ("status", b"stopped"))
    sensors.close()
    of_streams = dict.fromkeys(one for one in heard if one[0] not in {"status", "health"})
    return [(topic, json.loads(text)) for topic, text in of_streams]


def leave(daemon: Served) -> None:
    """Let all go on."""


def kill_both(daemon: Served) -> None:
    """Kill the workers while they judge."""
    for worker in children(pid(daemon)):
        os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("midway", [leave, kill_both], ids=["undisturbed", "killed"])
def test_two_workers_judge_bit_for_bit_as_in_a_file_even_when_they_are_killed(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path, midway: Callable[[Served], None]
) -> None:
    rows = mingled(random.Random(5))
    told = judge(bundle, rows, mosquitto, tmp_path, midway)
    assert {topic for topic, message in told if message.get("phase") == "open"} >= {"m0/event", "m3/event"}
    assert_same(told, rows, tmp_path, bundle)


def test_the_workers_are_one_daemon_with_one_health_and_leave_nothing_behind(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    node, rows = "workers-one", mingled(random.Random(6))[:200]
    sensors = Sensors(mosquitto.port, node)
    with served(tmp_path / "daemon", CONFIG.format(node=node, host=HOST, port=mosquitto.port, bundle=bundle)) as daemon:
        assert sensors.hear("status") == b"online"
        started = children(pid(daemon))
        assert len(started) == 2
        for row in rows:
            sensors.post(f"{node}/{row[1]}/climate", payload(row))
        sensors.post(f"{node}/m0/climate", b"no reading")
        table = sensors.health(lambda told: told["readings"]["received"] == len(rows) + 1)  # type: ignore[index]
        os.kill(started[0], signal.SIGKILL)
        sensors.health(lambda told: told["workers"] == {"count": 2, "restarts": 1})
        wait_until(lambda: len(children(pid(daemon))) == 2)
        after = sensors.health(lambda told: told["readings"]["received"] == len(rows) + 1)  # type: ignore[index]
        replaced = children(pid(daemon))
        daemon.end(signal.SIGTERM)
        assert "ended with status -9; another goes on in its place" in daemon.said()
        assert "no reading in 'workers-one/m0/climate': malformed" in daemon.said()
    sensors.close()
    assert not any(map(lives, (*started, *replaced)))
    assert table["readings"]["refused"] == {"malformed": 1}  # type: ignore[index]
    assert 0.0 < table["latency"]["p50_ms"] <= table["latency"]["p99_ms"]  # type: ignore[index]
    for told in (table, after):
        (of_bundle,) = told["bundles"]  # type: ignore[misc]
        assert (of_bundle["streams"], of_bundle["grid"]["accepted"]) == (len({row[1] for row in rows}), len(rows))
        assert sum(of_bundle["experts"].values()) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("stopped", [False, True], ids=["judged", "waiting"])
def test_the_last_health_message_counts_all_that_came(
    bundle: Path, mosquitto: Mosquitto, tmp_path: Path, stopped: bool
) -> None:
    node, rows = f"workers-last-{stopped}", mingled(random.Random(8))[:300]
    sensors = Sensors(mosquitto.port, node)
    with served(tmp_path / "daemon", CONFIG.format(node=node, host=HOST, port=mosquitto.port, bundle=bundle)) as daemon:
        if stopped:  # the supervisor hears on, and nobody judges
            for worker in children(pid(daemon)):
                os.kill(worker, signal.SIGSTOP)
        for row in rows:
            sensors.post(f"{node}/{row[1]}/climate", payload(row))
        if stopped:
            sensors.health(lambda told: told["connection"]["received"] == len(rows))  # type: ignore[index]
        else:
            expected = {(f"{row[1]}/state", row[0]) for row in rows}
            while expected:
                *_, (topic, text) = sensors.hear_all(until=lambda topic, _: topic.endswith("/state"))
                expected.discard((topic, json.loads(text)["time"]))
        assert daemon.end(signal.SIGTERM)[0] == 0
    told = [text for topic, text in sensors.hear_all(until=lambda _, text: text == b"stopped") if topic == "health"]
    sensors.close()
    health = json.loads(told[-1])
    connection = health["connection"]
    assert connection["received"] == len(rows)
    assert health["readings"]["received"] + connection["dropped_inbox"] + connection["dropped_superseded"] == len(rows)


def test_workers_end_with_a_supervisor_that_is_killed(bundle: Path, mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = CONFIG.format(node="workers-orphans", host=HOST, port=mosquitto.port, bundle=bundle)
    with served(tmp_path / "daemon", config) as daemon:
        started = children(pid(daemon))
        daemon.end(signal.SIGKILL)
        wait_until(lambda: not any(map(lives, started)), WITHIN)


def test_a_refused_worker_is_the_operators_error(bundle: Path, broker: Mosquitto, tmp_path: Path) -> None:
    config = CONFIG.format(node="workers-refused", host=HOST, port=broker.port, bundle=tmp_path / "none.bundle")
    daemon = Served(tmp_path / "daemon", config)
    daemon.start()
    try:
        assert daemon.wait() == 2
        assert len(daemon.errors()) == 1
    finally:
        daemon.close()


@pytest.mark.parametrize("poison", ["die", "hang"])
def test_messages_that_two_workers_died_of_are_given_up_and_the_rest_goes_on(
    bundle: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    monkeypatch.setattr(keeper, "MAIN", "from tests.edge.poisoned import main; main()")
    if poison == "hang":  # a worker that dies is seen at once, and none that is only slow may be killed beside it
        monkeypatch.setattr(keeper, "HUNG", 5.0)
    toml = f'[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n' + TABLE
    config = Config.from_table(tomllib.loads(toml.format(bundle=bundle, node=f"poison-{poison}")))
    inbox = Inbox(100, Counters())
    kept = keeper.Keeper(config, 1, inbox)
    kept.start()

    def say(*texts: str) -> None:
        for text in texts:
            inbox.put(Message(f"poison-{poison}/m1/climate", text.encode(), False, 0.0))
        inbox.hand_over()

    def received() -> int:
        kept.kill_if_hung(time.monotonic())
        return 0 if kept.report is None else kept.report.readings.received

    say("one", "two")
    wait_until(lambda: received() == 2)
    say(poison)
    wait_until(lambda: received() == 2 and kept.poisonous == 1, 3 * WITHIN)
    say("three")
    wait_until(lambda: received() == 3, 3 * WITHIN)
    assert kept.restarts == 2
    kept.stop()
    kept.join(WITHIN)
    assert not kept.failure
    assert kept.process is not None
    assert not lives(kept.process.pid)


@pytest.fixture
def kept(bundle: Path) -> Iterator[keeper.Keeper]:
    """Return a keeper whose worker takes orders and answers nothing."""
    config = Config.from_table(tomllib.loads(TABLE.format(bundle=bundle, node="kept")))
    kept = keeper.Keeper(config, 1, Inbox(100, Counters()))
    ours, theirs = Pipe()
    with ours, theirs:
        kept._pipe = ours
        yield kept


def test_orders_are_journalled_at_their_size_though_nothing_was_heard(kept: keeper.Keeper) -> None:
    for second in range(100):
        kept._order((), look=Look(float(second), 0.0))
    assert kept._bytes >= 100 * len(pickle.dumps(kept._journal[0]))
    kept._keep_state(b"", kept._last)
    assert kept._bytes == 0


def test_an_order_that_is_given_up_is_no_longer_counted_for_the_journal(kept: keeper.Keeper) -> None:
    kept._order([Message("plant/a/climate", bytes(10_000), False, 0.0)], look=Look(0.0, 0.0))
    kept._give_up_the_poisonous()
    assert kept._bytes > 10_000
    kept._give_up_the_poisonous()
    assert (kept.poisonous, kept._journal[0].messages, kept._journal[0].look) == (1, (), None)
    assert kept._bytes < 10_000
    kept._keep_state(b"", kept._last)
    assert kept._bytes == 0


def test_a_worker_that_never_says_a_word_ends_the_daemon(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> None:
    monkeypatch.setattr(keeper, "MAIN", "raise SystemExit(3)")
    config = Config.from_table(tomllib.loads(TABLE.format(bundle=bundle, node="stillborn")))
    kept = keeper.Keeper(config, 1, Inbox(100, Counters()))
    kept.start()
    wait_until(lambda: kept.failure != "")
    with pytest.raises(RuntimeError, match="worker 1 ended 3 times before its first word"):
        kept.check()


# Sharing out


def shards(workers: int = 3, toml: str = CLIMATE) -> Shards:
    streams = Config.from_table(tomllib.loads(toml)).streams
    return Shards([Table(name, table, ["warm", "damp"]) for name, table in streams.items()], workers)


def give(share: Shards, *topics: str) -> list[int | None]:
    return [share(topic, retained=False) for topic in topics]


def test_streams_are_shared_out_evenly_and_a_stream_always_goes_to_the_same_worker() -> None:
    share = shards()
    topics = [f"plant/{number % 7}/m{number}/climate" for number in range(900)]
    first = give(share, *topics)
    assert first == give(share, *topics) == give(shards(), *topics)
    count = Counter(first)
    assert set(count) == {1, 2, 3}
    assert min(count.values()) > 240


def test_all_sensors_of_a_stream_go_to_its_worker() -> None:
    share = shards(8, CLIMATE.replace("/climate", "/{sensor}"))
    for machine in range(20):
        warm, damp = give(share, f"plant/a/m{machine}/warm", f"plant/a/m{machine}/damp")
        assert warm == damp is not None


def test_what_belongs_to_no_stream_goes_to_nobody_and_is_counted_as_one_line_would() -> None:
    toml = CLIMATE + "max_streams = 3\n"
    share, alone = shards(2, toml), line_of(toml)
    own = ["plant/a/x/climate", "plant/a/y/climate", "plant/a/x-y/climate"]
    topics = [*own, "plant/a-x/y/climate", "elsewhere", "plant/a/z/climate", "plant/a/$#/climate", "plant/a/z/climate"]
    for topic in topics:
        tell(alone, topic, climate(0), 0)
    assert [place is not None for place in give(share, *topics)] == [True] * 3 + [False] * 5
    counts, payloads = share.counted()
    assert counts == replace(alone.counts, received=5)
    assert counts.streams_refused == 2
    assert counts.unrouted == 1
    assert counts.refused.keys() == {"stream_name"}
    assert payloads == {"plant": 4}
    assert share.refusals() == alone.firsts.take()
    assert share.refusals() == []


def test_what_the_broker_had_kept_brings_no_stream_to_life() -> None:
    share = shards(2, CLIMATE + "max_streams = 1\n")
    assert share("plant/a/x/climate", retained=True) is not None  # to be counted there
    assert [place is None for place in give(share, "plant/a/y/climate", "plant/a/x/climate")] == [False, True]


# Reports and snapshots


def report(lines: Sequence[Line]) -> health.Report:
    return health.merge([health.report(line, Latencies()) for line in lines])


def test_lines_that_share_the_streams_report_together_what_one_would() -> None:
    alone, shared = line_of(), [line_of(), line_of()]
    for number, machine in enumerate(("press", "saw", "drill")):
        topic = f"plant/a/{machine}/climate"
        for line in (alone, shared[(number + 1) % 2]):
            tell_steps(line, topic, range(9 + number))
            tell(line, topic, climate(9 + number, warm=99.0), 9 + number)
            tell(line, topic, b"{", 9 + number)
    assert report(shared) == report([alone])
    assert report([alone]) == health.report(alone, Latencies())


def test_a_line_that_was_kept_goes_on_as_the_one_that_was_not() -> None:
    bundles = {BUNDLE: (learned_by_hand(), ByHand())}
    line = Line(Config.from_table(tomllib.loads(CLIMATE)), bundles)  # type: ignore[arg-type]
    topics = [f"plant/a/{machine}/climate" for machine in ("press", "saw")]
    for topic in topics:
        tell_steps(line, topic, range(12))
    tell(line, topics[0], climate(12, warm=99.0), 12)
    kept = snapshot.restore(snapshot.save(line, bundles), bundles)  # type: ignore[arg-type]
    assert kept.services[0].cohort.learned is line.services[0].cohort.learned
    for step in range(13, 30):
        for topic in topics:
            assert tell(kept, topic, climate(step, warm=20.0 + step % 3), step) == tell(
                line, topic, climate(step, warm=20.0 + step % 3), step
            )
    assert health.report(kept, Latencies()) == health.report(line, Latencies())


@pytest.mark.parametrize("at", [300, 1850])
def test_events_of_every_kind_go_on_in_a_line_that_was_kept(at: int) -> None:
    # step       0 … 199   200 … 699                  700 … 1899     1900 … 1999
    # a/press    calm      stuck, at 205 out of range  silent         calm
    # a/saw      calm      unreadable                  calm           worked at from 1800 on
    bundles = {BUNDLE: (learned_by_hand(), ByHand())}
    toml = "[node]\nfeedback = true\n" + CLIMATE + "[streams.plant.detection.sensors.warm]\nhigh = 80.0\n"
    line = Line(Config.from_table(tomllib.loads(toml)), bundles)  # type: ignore[arg-type]
    press, saw, feedback = "plant/a/press/climate", "plant/a/saw/climate", "tidegate/edge1/a-saw/feedback"
    kept, told, told_by_kept = line, [], []
    for step in range(2000):
        said: list[tuple[str, bytes]] = []
        warm = 20.0 + 0.1 * (step % 3)
        if step < 700 or step >= 1900:
            said.append(
                (press, climate(step, warm=999.0 if 205 <= step < 215 else 20.0 if 200 <= step < 700 else warm))
            )
        said.append((saw, climate(step, warm=warm) if step < 200 or step >= 700 else b"{"))
        if step == 1800:
            said.append((feedback, b'{"feedback": "maintenance", "for": 600}'))
        if step == at:
            kept = snapshot.restore(snapshot.save(line, bundles), bundles)  # type: ignore[arg-type]
        for one, news in ((line, told), (kept, told_by_kept))[: 1 + (kept is not line)]:
            news.extend(new for topic, content in said for new in tell(one, topic, content, step))
            news.extend(one.look(10.0 * step, 0.0))
    after = len(told) - len(told_by_kept)
    assert told[after:] == told_by_kept
    events = [json.loads(news.payload) for news in told if news.topic.endswith("/event")]
    assert {event["kind"] for event in events} >= {"silence", "frozen", "range", "quality", "maintenance"}
    opened, closed = ([event["id"] for event in events if event["phase"] == phase] for phase in ("open", "close"))
    assert len(opened) == len(set(opened)) == len(set(closed)) == len(closed)
