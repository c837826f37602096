"""Search for bytes that a reader of payloads neither reads nor refuses: guided by coverage (atheris), without end.

`make fuzz SECONDS=600` begins with the payloads of `tests/edge/payloads` and with what earlier runs found new, which is
kept in `build/fuzz`. What breaks a reader ends the run with status 77 and is written to `build/fuzz-crash-…`; give that
file as an argument to see it again. A run is one process: start several for several cores.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edge", "google.protobuf"]):
    from tests import fuzzed

ROOT = Path(__file__).parents[2]
CORPUS, FOUND = ROOT / "build" / "fuzz", ROOT / "build" / "fuzz-"  # libFuzzer adds `crash-…`, `timeout-…`
LONGEST = 4096  # bytes
SLOW = 5  # seconds after which one payload counts as broken


def main() -> None:
    """Fuzz for some seconds, or feed one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crash", nargs="?", type=Path, help="a file that broke a reader: feed it once")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60; 0: until Ctrl-C)")
    options = parser.parse_args()
    if options.crash is not None:
        fuzzed.feed(options.crash.read_bytes())
        return
    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(fuzzed.seeds()):
        (CORPUS / f"seed-{number:03}").write_bytes(seed)
    bounds = [f"-max_total_time={options.seconds}", f"-max_len={LONGEST}", f"-timeout={SLOW}"]
    atheris.Setup([sys.argv[0], str(CORPUS), f"-artifact_prefix={FOUND}", *bounds], fuzzed.feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
