"""A process seen from outside, held against what it does."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.errors import OperatorError
from edge.process import Process

MB = 1e6


@contextmanager
def running(program: str) -> Iterator[tuple[Process, "subprocess.Popen[str]"]]:
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as process:
        try:
            yield Process(process.pid), process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_a_process_ran_is_what_it_says_itself() -> None:
    program = "import time\nwhile time.process_time() < 0.3: pass\nprint(time.process_time(), flush=True)\ninput()"
    with running(program) as (watched, process):
        said = float(heard(process))
        assert said <= watched.ran() <= said + 0.05


def test_settling_waits_for_the_end_of_the_work_and_not_of_the_process() -> None:
    program = "import time\nbegun = time.process_time()\nwhile time.process_time() < begun + 0.4: pass\ntime.sleep(60)"
    with running(program) as (watched, _):
        watched.settle()
        assert 0.4 <= watched.ran() < 2.0


def test_what_a_process_occupies_grows_by_what_it_fills() -> None:
    program = "print(1, flush=True)\ninput()\nkept = b'x' * 50_000_000\nprint(2, flush=True)\ninput()"
    with running(program) as (watched, process):
        heard(process)
        before = watched.resident()
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        heard(process)
        assert 49 * MB < watched.resident() - before < 52 * MB


def test_a_process_that_sleeps_takes_nothing_at_rest_and_one_that_works_much() -> None:
    with running("import time; time.sleep(60)") as (idle, _), running("while True: pass") as (busy, _):
        time.sleep(0.2)
        idle.settle()
        assert idle.rest() < 0.01
        assert 0.05 < busy.rest() < 1.2


def test_a_process_that_has_gone_is_told_by_its_id() -> None:
    with running("") as (watched, process):
        process.wait()
        with pytest.raises(OperatorError, match=rf"^process {process.pid}: must run, and on Linux, got "):
            watched.ran()
