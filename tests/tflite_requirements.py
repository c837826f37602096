"""Print what the second test environment needs: the device part on tflite-runtime alone, and the test tools.

The extra `tflite` puts tflite-runtime beside LiteRT. This environment must hold only tflite-runtime, so that a bundle
that loads in it owes nothing to LiteRT or TensorFlow. The versions stand in pyproject.toml, nowhere else.
"""

import re
import tomllib
from pathlib import Path

RUNTIMES = ("ai-edge-litert", "tflite-runtime")
TOOLS = ("hypothesis", "jsonschema", "packaging", "psutil", "pytest", "pytest-timeout", "pytest-xdist", "pyyaml")


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement asks for.

    >>> name_of("numpy<2; python_version < '3.12'")
    'numpy'
    """
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match.group() if match else ""


def requirements(pyproject: Path) -> list[str]:
    """Return the device's requirements on tflite-runtime and its dialects', then those of the test tools."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    device = [wanted for wanted in project["dependencies"] if name_of(wanted) not in RUNTIMES]
    tools = [wanted for wanted in extras["dev"] if name_of(wanted) in TOOLS]
    return [*device, *extras["tflite"], *extras["sparkplug"], *tools]


if __name__ == "__main__":
    print("\n".join(requirements(Path(__file__).parent.parent / "pyproject.toml")))
