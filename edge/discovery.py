"""The command `tidegate discover`: listen to a broker, say who speaks there, and propose a configuration."""

import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.clock import iso
from edge.config import BrokerConfig
from edge.discover.page import page
from edge.discover.proposal import Proposal, propose
from edge.discover.survey import Survey
from edge.errors import ConfigError, OperatorError, counted
from edge.hearing import listen
from edge.mailbox import Counters, Message

MOST_WAITING = 50_000  # messages: all that a broker keeps for a large house comes in one burst
LARGEST = 8 * 2**20  # bytes of a payload; the list of a Zigbee network of some hundred devices takes two million
FILE = "tidegate.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to listen to, for how long.

    Attributes:
        broker: HOST[:PORT].
        username, password_file: who we are; empty for nobody.
        lasts: seconds.
        filters: of topics.
        out: the file to write; None for the terminal.
        replaces: whether a file that is there may go.
    """

    broker: str
    username: str = ""
    password_file: str = ""
    lasts: float = 600.0
    filters: tuple[str, ...] = ("#",)
    out: Path | None = Path(FILE)
    replaces: bool = False


def run(search: Search) -> int:
    """Listen, write what is proposed, and return 0 if there is something to propose, else 1.

    Raises:
        OperatorError: broker or file need the user.
    """
    broker, out = _broker(search), search.out
    if out is not None:
        _check_file(out, search)
    survey, began_at = Survey(), time.time()

    def take(message: Message) -> None:
        survey.take(message.topic, message.payload, retained=message.retained, received_at=message.received_at)

    def tell() -> str:
        return f"{_heard(survey)}, {propose(survey).tally} so far"

    counters = listen(broker, search.filters, lasts=search.lasts, take=take, tell=tell)
    proposal = propose(survey)
    title = (
        f"{_heard(survey)}, {(time.time() - began_at) / 60.0:.3g} minutes of {search.broker} from {iso(began_at)} on"
    )
    lost = _lost(counters)
    _tell_rest(survey, [*lost, *proposal.remarks])
    if not proposal.streams:
        print(
            f"nothing to propose of {_heard(survey)}: listen longer (--for 2h) or elsewhere (--topic)", file=sys.stderr
        )
        return 1
    _write(out, page(proposal, broker, told=[title, *lost], file=FILE if out is None else out.name), proposal)
    return 0


def _heard(survey: Survey) -> str:
    return f"{counted(survey.messages, 'message')} on {counted(survey.topics, 'topic')}"


def _broker(search: Search) -> BrokerConfig:
    """Say how to connect, in words of the options where they are wrong."""
    host, port = _address(search.broker)
    try:
        broker = BrokerConfig(
            host=host,
            port=port,
            client_id=f"tidegate-discover-{os.getpid()}-{secrets.token_hex(4)}",  # nobody else's: it would be cut off
            username=search.username,
            password_file=str(Path(search.password_file).resolve()) if search.password_file else "",
            session_expiry=0,
            inbox=MOST_WAITING,
            max_latency=1e9,  # what waits is as good as what is new
            payload_limit=LARGEST,
        )
        broker.read_password()
    except ConfigError as wrong:
        raise OperatorError([_as_option(problem) for problem in wrong.problems]) from None
    return broker


def _as_option(problem: str) -> str:
    """Name options instead of the keys of a configuration.

    >>> _as_option("broker.password_file: must be a text file, got x")
    '--password-file: must be a text file, got x'
    """
    where, colon, rest = problem.removeprefix("broker.").partition(":")
    option = "--broker" if where in ("host", "port") else f"--{where.replace('_', '-')}"
    return f"{option}{colon}{rest.replace('password_file', '--password-file')}"


def _address(text: str) -> tuple[str, int]:
    """Read HOST[:PORT]; an address of IPv6 stands in brackets.

    >>> _address("pi.local"), _address("[::1]:8883")
    (('pi.local', 1883), ('::1', 8883))
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "1883"
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        raise OperatorError(f"--broker: must be HOST or HOST:PORT, got {text!r}")
    return host, int(port)


def _check_file(out: Path, search: Search) -> None:
    """Refuse a file that cannot be written before ten minutes are spent on it."""
    if out.is_dir() or not out.parent.is_dir():
        raise OperatorError(f"--out: must be a file in a folder that exists, got {out}")
    if out.exists() and not search.replaces:
        raise OperatorError(f"--out: must be a new file unless --force is given, got {out}, which exists")
    if not os.access(out if out.exists() else out.parent, os.W_OK):
        raise OperatorError(f"--out: must be a file that can be written, got {out}")


def _lost(counters: Counters) -> list[str]:
    """Say what never reached the survey."""
    counts = {
        "dropped: they came faster than they could be read": counters.dropped_inbox + counters.dropped_superseded,
        f"not looked at: their payloads have more than {LARGEST} bytes": counters.too_large,
        "not looked at: their topics are not UTF-8": counters.bad_topic,
    }
    return [f"{counted(count, 'message')} {why}" for why, count in counts.items() if count]


def _tell_rest(survey: Survey, remarks: Sequence[str]) -> None:
    for remark in remarks:
        print(remark, file=sys.stderr)
    if survey.kept:
        print(
            f"{counted(len(survey.kept), 'topic')} that the broker keeps said nothing new; what runs on a battery may "
            "speak once an hour: listen longer (--for 2h)",
            file=sys.stderr,
        )


def _write(out: Path | None, text: str, proposal: Proposal) -> None:
    """Write the file whole, or leave what was there."""
    if out is None:
        sys.stdout.write(text)
        return
    part = out.with_name(f"{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise OperatorError(f"--out: must be a file that can be written, got {out}: {error.strerror}") from error
    print(f"wrote {out}: {proposal.tally}")
