"""What is noticed of refusals and of silence: time is drawn, a look every 30 s."""

from edge.vigil import MOST, FirstRefusals, Notice, Vigil, Watched


def watch(*payloads: int, patience: float = 60.0, absent: tuple[int, ...] = ()) -> list[list[bool]]:
    """Look every 30 s at a table that has so many payloads; return whether what was noticed then is trouble."""
    table = Watched("plant", "plant/+", patience)
    vigil = Vigil([table])
    vigil.listen_from(0.0)
    noticed = []
    for look, table.payloads in enumerate(payloads):
        if look in absent:
            vigil.listen_from(30.0 * look)
        noticed.append([notice.is_trouble for notice in vigil.look(30.0 * look)])
    return noticed


def test_a_table_that_never_speaks_is_told_once() -> None:
    # seconds     0   30     60  90 120
    assert watch(0, 0, 0, 0, 0) == [[], [], [True], [], []]


def test_a_table_that_falls_silent_is_told_and_so_is_its_return_and_the_next_silence() -> None:
    # seconds     0  30  60  90   120 150     180 210     240
    assert watch(1, 2, 2, 2, 2, 3, 3, 3, 3) == [[], [], [], [True], [], [False], [], [True], []]


def test_a_table_that_speaks_now_and_then_is_not_silent() -> None:
    assert watch(0, 1, 1, 2, 2, 3, 3, 4) == [[]] * 8


def test_nobody_is_silent_while_the_broker_is_away() -> None:
    assert watch(1, 1, 1, 1, 1, 1, absent=(1, 2, 3)) == [[], [], [], [], [], [True]]


def test_before_anybody_listens_nobody_is_silent() -> None:
    assert Vigil([Watched("plant", "plant/+", 60.0)]).look(1e9) == []


def test_a_silence_is_told_with_its_table_its_topics_and_its_length() -> None:
    vigil = Vigil([Watched("plant", "plant/+", 60.0), Watched("boiler", "boiler", 600.0)])
    vigil.listen_from(100.0)
    assert vigil.look(175.0) == [Notice("streams.plant: no payload on plant/+ for 75 s", is_trouble=True)]


def test_the_seconds_since_the_last_payload_are_those_at_the_last_look() -> None:
    spoke = Watched("plant", "plant/+", 60.0, payloads=1)
    vigil = Vigil([spoke, Watched("boiler", "boiler", 60.0)])
    vigil.look(100.0)
    vigil.look(107.26)
    assert vigil.silences() == {"plant": 7.3, "boiler": None}


def test_refusals_are_bounded_in_number_and_length() -> None:
    firsts = FirstRefusals()
    for table in range(2 * MOST):
        firsts.note(f"table{table}", "x" * 70_000, "malformed", "''")
    told = firsts.take()
    assert len(told) == MOST
    assert max(map(len, told)) < 200
