"""Whatever bytes come, every reader of strangers' bytes keeps its word: what `make fuzz` searches for longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReadingError
from tests import fuzzed

SEEDS = fuzzed.seeds()


def test_what_devices_really_send_is_read_or_refused_by_every_reader() -> None:
    for seed in SEEDS:
        fuzzed.feed(seed)


@given(
    st.sampled_from(SEEDS).flatmap(
        lambda seed: st.builds(
            lambda place, put, skip: seed[:1] + seed[1:place] + put + seed[place + skip :],
            st.integers(1, len(seed)),
            st.binary(max_size=8),
            st.integers(0, 8),
        )
    )
    | st.binary(max_size=300)
)
def test_what_is_damaged_is_read_or_refused_by_every_reader(data: bytes) -> None:
    fuzzed.feed(data)


@pytest.mark.parametrize("broken", [ValueError("oops"), ReadingError("nonsense", "no such reason")])
def test_a_reader_that_breaks_its_word_is_found(monkeypatch: pytest.MonkeyPatch, broken: Exception) -> None:
    def read(payload: bytes) -> None:
        raise broken

    monkeypatch.setattr(fuzzed, "READERS", {"broken": read})
    with pytest.raises((ValueError, AssertionError)):
        fuzzed.feed(b"\0anything")
