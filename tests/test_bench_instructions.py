"""Hold the count of instructions to what callgrind writes, and the kept counts to what is compared with them."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.instructions import KEPT, ROWS, Conditions, Recorded, differences, record, recorded, total

# Cut from what callgrind 3.19 writes.
WRITTEN = """# callgrind format
version: 1
creator: callgrind-3.19.0
cmd:  python -m tests.bench.counted build/bench/8.bundle 1 8 400 200
part: 1


desc: I1 cache:
desc: Trigger: Program termination

positions: line
events: Ir
summary: 1305526916

ob=(4) /usr/lib/x86_64-linux-gnu/ld-2.36.so
fl=(4) ???
fn=(4) 0x0000000000019be0
0 5
cfn=(6) 0x000000000001a920
calls=1 0
0 171024

totals: 1305526916
"""
TODAY = Conditions(machine="x86_64", python="3.11.7", numpy="2.4.6", runtime="litert", valgrind="3.19", model="ab" * 32)


def test_the_total_is_that_of_the_summary() -> None:
    assert total(WRITTEN) == 1_305_526_916


def test_of_several_events_instructions_are_the_first() -> None:
    assert total("events: Ir Dr Dw\nsummary: 17 4 2\n") == 17
    with pytest.raises(ValueError, match="must count Ir first, counts 'Dr Ir'"):
        total("events: Dr Ir\nsummary: 4 17\n")


def test_a_file_that_was_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="must end with a summary"):
        total(WRITTEN.partition("summary")[0])
    with pytest.raises(ValueError, match="counts 'nothing'"):
        total("")


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    counts = Recorded(conditions=TODAY, samples={1: 2.5e6, 100: 1.25e5})
    record(tmp_path / "kept.json", counts)
    assert recorded(tmp_path / "kept.json") == counts


def test_conditions_that_changed_are_named() -> None:
    assert differences(TODAY, TODAY) == []
    later = replace(TODAY, numpy="3.0.0", model="cd" * 32)
    assert differences(TODAY, later) == [
        "note: numpy was 2.4.6, is 3.0.0",
        f"note: model was {'ab' * 8}, is {'cd' * 8}",
    ]


def test_the_repository_keeps_a_count_for_each_that_is_made() -> None:
    kept = recorded(KEPT)
    assert set(kept.samples) == set(ROWS)
    assert kept.samples[100] < kept.samples[1]  # waves are what makes many streams cheap
