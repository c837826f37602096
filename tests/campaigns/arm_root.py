"""Make small Debian roots of the two ARM machines a Pi can be, and run commands in them under qemu-user.

Packages are only unpacked, and wheels are placed by this machine's own pip, so that nothing is installed under
emulation: a root takes a minute. A command runs in namespaces of its own, where the kernel is told to start ARM
programs with qemu; the machine outside learns nothing of it and nothing is left mounted.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from tests.tflite_requirements import TOOLS, name_of

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "arm"
SITE = "opt/site"  # where the wheels lie in a root
SOURCES = "mnt/tidegate"  # where this tree is seen in a root
# What tests/edge needs of Debian: Python, what LiteRT and numpy link to, and a broker.
PACKAGES = (
    "base-files", "bash", "ca-certificates", "coreutils", "dash", "libc-bin", "libgcc-s1", "libpython3-stdlib",
    "libstdc++6", "mosquitto", "python3", "python3-minimal", "tzdata", "zlib1g",
)  # fmt: skip
# LiteRT 2.3 for aarch64 crashes under Bookworm's qemu 7.2; Trixie's qemu 10 runs it.
QEMU_SUITE = "trixie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One kind of Raspberry Pi OS.

    Attributes:
        name: Debian's word for the architecture.
        says: what `platform.machine()` says on it.
        suite, python: the Debian release, and the version of its Python.
        qemu: the emulator's program.
        elf: what the kernel recognises its programs by: bytes and mask, as binfmt_misc wants them.
        wheels: platforms whose wheels fit it.
        debian: distributions that have no wheel, and the Debian package that stands for each.
    """

    name: str
    says: str
    suite: str
    python: str
    qemu: str
    elf: tuple[str, str]
    wheels: tuple[str, ...]
    debian: Mapping[str, str]

    @property
    def root(self) -> Path:
        """Return where its root is kept."""
        return KEPT / self.name


_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"


def _elf(bits: str, machine: str) -> tuple[str, str]:
    """Return the ELF header of little-endian programs, shared objects included, and what of it counts."""
    return rf"\x7fELF\x{bits}\x01\x01" + r"\x00" * 9 + rf"\x02\x00\x{machine}\x00", _MASK


MACHINES = {
    one.name: one
    for one in (
        Machine(
            name="arm64", says="aarch64", suite="trixie", python="3.13", qemu="qemu-aarch64", elf=_elf("02", "b7"),
            wheels=tuple(f"manylinux_2_{minor}_aarch64" for minor in (39, 34, 28, 27, 26, 17)), debian={},
        ),
        # The last Python that tflite-runtime has a wheel for is Bookworm's, and no numpy has one for 32 bits.
        Machine(
            name="armhf", says="armv7l", suite="bookworm", python="3.11", qemu="qemu-arm", elf=_elf("01", "28"),
            wheels=tuple(f"manylinux_2_{minor}_armv7l" for minor in (36, 34, 31, 28, 17)),
            debian={"numpy": "python3-numpy", "psutil": "python3-psutil"},
        ),
    )
}  # fmt: skip


class RootError(Exception):
    """A root cannot be made here; the text says what the operator must change."""


def requirements(pyproject: Path, machine: Machine) -> list[Requirement]:
    """Return what the device and its tests need on a machine, and have no Debian package for there."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tools = [wanted for wanted in extras["dev"] if name_of(wanted) in TOOLS]
    there = {"platform_machine": machine.says, "python_version": machine.python, "sys_platform": "linux"}
    wanted = [Requirement(text) for text in (*project["dependencies"], *extras["sparkplug"], *tools)]
    return [
        one for one in wanted if (one.marker is None or one.marker.evaluate(there)) and one.name not in machine.debian
    ]


def make(machine: Machine) -> None:
    """Make a machine's root, unless one stands that was made as this file and pyproject.toml say.

    Raises:
        RootError: a program is missing, or one of them failed; the text is its own.
    """
    for program in ("mmdebstrap", "unshare"):
        if shutil.which(program) is None:
            raise RootError(f"{program} is missing; install it: sudo apt-get install mmdebstrap util-linux")
    _qemu()
    recipe = "\n".join((Path(__file__).read_text(encoding="utf-8"), *map(str, _wanted(machine))))
    stamp = machine.root / "made-from"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == recipe:
        return
    shutil.rmtree(machine.root, ignore_errors=True)
    packages = (*PACKAGES, *machine.debian.values())
    _unpack(machine.suite, machine.root, packages, architecture=machine.name)
    _settle(machine.root)
    _place_wheels(machine)
    stamp.write_text(recipe, encoding="utf-8")


def _wanted(machine: Machine) -> list[Requirement]:
    return requirements(ROOT / "pyproject.toml", machine)


def _qemu() -> None:
    """Fetch the emulators, two programs that need nothing of the machine they run on."""
    names = [machine.qemu for machine in MACHINES.values()]
    if all((KEPT / name).exists() for name in names):
        return
    whole = KEPT / "qemu"
    shutil.rmtree(whole, ignore_errors=True)
    _unpack(QEMU_SUITE, whole, ("qemu-user",))
    for name in names:
        shutil.move(whole / "usr" / "bin" / name, KEPT / name)
    shutil.rmtree(whole)


def _unpack(suite: str, root: Path, packages: Sequence[str], *, architecture: str | None = None) -> None:
    """Unpack Debian packages and what they depend on; their scripts are not run."""
    root.parent.mkdir(parents=True, exist_ok=True)
    told = [f"--architecture={architecture}"] if architecture else []
    _do(["mmdebstrap", "--variant=extract", *told, f"--include={','.join(packages)}", suite, str(root), *_mirror()])


def _mirror() -> list[str]:
    """Return the Debian archive that this machine itself uses, if it does; mmdebstrap knows one otherwise.

    Named, it is the only one: a root without security updates, which nobody logs into, is one index less to fetch.
    """
    if "MIRROR" in os.environ:
        return [os.environ["MIRROR"]]
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return told[:1]


def _settle(root: Path) -> None:
    """Do what the packages' scripts would have done, as far as the tests need it."""
    for name in ("proc", "sys", "dev", "tmp", SOURCES, SITE):
        (root / name).mkdir(parents=True, exist_ok=True)
    etc = root / "etc"
    (etc / "passwd").write_text("root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for name in ("blas", "lapack"):  # Debian's numpy looks for them where update-alternatives would link to
        for library in root.glob(f"usr/lib/*/{name}/lib{name}.so.3"):
            (library.parents[1] / library.name).symlink_to(Path(name) / library.name)


def _place_wheels(machine: Machine) -> None:
    target = ["--target", str(machine.root / SITE), "--only-binary=:all:", "--implementation", "cp"]
    target += ["--python-version", machine.python]
    for platform in (*machine.wheels, "any"):
        target += ["--platform", platform]
    wanted = _wanted(machine)
    # A runtime would fetch the numpy that Debian stands for.
    alone = [str(one).partition(";")[0] for one in wanted if machine.debian and one.name == "tflite-runtime"]
    together = [f"{one.name}{one.specifier}" for one in wanted if str(one).partition(";")[0] not in alone]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *target]
    _do([*pip, *together])
    if alone:
        _do([*pip, "--no-deps", *alone])


def _do(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RootError(f"{command[0]}: {' '.join(done.stderr.strip().splitlines()[-5:])}")


# $1 the root, $2 this tree, $3 what is bound for writing or nothing, $4 what to tell binfmt_misc; then the command.
_ENTER = f"""
set -e
root=$1 tree=$2 out=$3 format=$4
shift 4
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf %s "$format" >/proc/sys/fs/binfmt_misc/register
mount -t tmpfs tmp "$root/tmp"
for place in proc dev sys; do mount --rbind "/$place" "$root/$place"; done
mkdir "$root/tmp/.written" "$root/tmp/.work"
mount -t overlay tree -o "lowerdir=$tree,upperdir=$root/tmp/.written,workdir=$root/tmp/.work" "$root/{SOURCES}"
if [ -n "$out" ]; then mkdir "$root/tmp/out"; mount --bind "$out" "$root/tmp/out"; fi
exec chroot "$root" "$@"
"""


def inside(machine: Machine, command: Sequence[str], *, out: Path | None = None) -> list[str]:
    """Return the command that runs another in a machine's root, in this tree; what it writes there is forgotten.

    Args:
        machine: whose root was made.
        command: what to run.
        out: a folder that is seen there as /tmp/out and can be written to.
    """
    magic, mask = machine.elf
    # F: the kernel opens qemu now, outside of the root. O: qemu finds the program open. P: argv[0] stays as it was.
    told = f":tidegate-{machine.name}:M::{magic}:{mask}:{KEPT / machine.qemu}:FP"
    there = [
        "/usr/bin/env", "-i", "-C", f"/{SOURCES}", "HOME=/tmp", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
        f"PYTHONPATH=/{SITE}", "PYTHONPYCACHEPREFIX=/var/pycache", "HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis",
        f"TIDEGATE_BUNDLES=/{SOURCES}/build/test-bundles",
    ]  # fmt: skip
    # Since Linux 6.7 a user namespace has formats of its own.
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _ENTER, "sh"]
    return [*enter, str(machine.root), str(ROOT), str(out or ""), told, *there, *command]
