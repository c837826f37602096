"""What a person says of a stream."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReadingError
from edge.feedback import LONGEST, USUAL, Feedback, parse


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"acknowledge", Feedback("acknowledge", USUAL)),
        (b" false_alarm\n", Feedback("false_alarm", USUAL)),
        (b'{"feedback":"maintenance"}', Feedback("maintenance", USUAL)),
        (b'{"feedback": "maintenance", "for": 7200}', Feedback("maintenance", 7200.0)),
        (b'{"feedback": "maintenance", "for": 0, "by": "ann"}', Feedback("maintenance", 0.0)),
    ],
)
def test_a_word_or_a_table_is_understood(payload: bytes, said: Feedback) -> None:
    assert parse(payload) == said


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"off",
        b"\xff",
        b"{",
        b"{}",
        b'{"feedback": 1}',
        b'{"feedback": "maintenance", "for": -1}',
        b'{"feedback": "maintenance", "for": true}',
        b'{"feedback": "maintenance", "for": "1h"}',
        b'{"feedback": "maintenance", "for": %d}' % (LONGEST + 1),
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(ReadingError) as refused:
        parse(payload)
    assert refused.value.reason == "feedback"


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: ('{"feedback":' + text).encode()))
def test_nothing_else_is_raised_whatever_comes(payload: bytes) -> None:
    with suppress(ReadingError):
        parse(payload)
