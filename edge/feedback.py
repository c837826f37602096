"""Read what a person says of a stream: topic `<stream>/feedback`.

A payload is a word (`acknowledge`, `false_alarm`, `maintenance`) or JSON: `{"feedback": "maintenance", "for": 7200}`.
"""

from typing import Literal, NamedTuple, get_args

import orjson

from edge.errors import ReadingError, quote

Word = Literal["acknowledge", "false_alarm", "maintenance"]
WORDS: tuple[Word, ...] = get_args(Word)
FEEDBACK = "/feedback"  # what the topic of a stream ends with where people speak of it
USUAL = 3600.0  # seconds of maintenance where nobody says how long
LONGEST = 30.0 * 86_400.0  # nobody means more, and a stream that is forgotten must not stay mute


class Feedback(NamedTuple):
    """Hold what was said.

    Attributes:
        word: what.
        seconds: of maintenance from now on; 0 ends it.
    """

    word: Word
    seconds: float

    @property
    def is_work(self) -> bool:
        """Whether the stream is worked at, or no longer."""
        return self.word == "maintenance"


def parse(payload: bytes) -> Feedback:
    """Read one payload.

    Raises:
        ReadingError: feedback, where it says nothing of the kind.

    >>> parse(b"acknowledge"), parse(b'{"feedback": "maintenance", "for": 60}')
    (Feedback(word='acknowledge', seconds=3600.0), Feedback(word='maintenance', seconds=60.0))
    """
    word, seconds = _read(payload)
    for known in WORDS:
        if word == known:
            return Feedback(known, seconds)
    raise ReadingError("feedback", f"must be one of {', '.join(WORDS)}, got {quote(str(word)[:80])}")


def _read(payload: bytes) -> tuple[object, float]:
    said: dict[str, object]
    try:
        said = orjson.loads(payload) if payload[:1] == b"{" else {"feedback": payload.decode().strip()}
    except ValueError:  # neither JSON nor UTF-8
        raise ReadingError("feedback", quote(payload[:81])) from None
    seconds = said.get("for", USUAL)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0.0 <= seconds <= LONGEST:
        raise ReadingError("feedback", f"for: must be 0 to {LONGEST:.0f} seconds, got {quote(str(seconds)[:80])}")
    return said.get("feedback"), float(seconds)
