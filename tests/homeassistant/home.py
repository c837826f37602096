"""A real Home Assistant in a folder of its own, set up without a browser, and asked by its own interface."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.conftest import HOST, Mosquitto, free_port
from tests.served import ROOT

HASS = ROOT / ".venv-homeassistant" / "bin" / "hass"
STARTED_WITHIN = 300.0  # seconds; the first start installs what its integrations need
WITHIN = 30.0  # seconds until what we say has become a state
CONFIGURATION = """
homeassistant:
  name: test
  latitude: 0
  longitude: 0
  elevation: 0
  unit_system: metric
  time_zone: UTC
  country: DE
  currency: EUR
http:
  server_host: {host}
  server_port: {port}
api:
config:
onboarding:
logger:
  default: warning
"""

Json = Mapping[str, object]


class Home:
    """A Home Assistant.

    Attributes:
        url: where it answers.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self._folder, self._log, self._token = folder, folder / "said.log", ""
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(host=HOST, port=port))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it is running."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with self._log.open("ab") as log:
            command = [str(HASS), "--config", str(self._folder)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.wait(self._is_running, STARTED_WITHIN)

    def stop(self) -> None:
        """End it as a service manager would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(WITHIN)
        self._process = None

    def set_up(self, broker: Mosquitto) -> None:
        """Make the first user, and add the integration MQTT."""
        client = f"{self.url}/"
        user = {"client_id": client, "name": "t", "username": "t", "password": "correct horse", "language": "en"}
        code = self.ask("/api/onboarding/users", user)["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": client}
        self._token = str(self.ask("/auth/token", urllib.parse.urlencode(form).encode())["access_token"])
        flow = self.ask("/api/config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
        entry = self.ask(
            f"/api/config/config_entries/flow/{flow['flow_id']}", {"broker": broker.host, "port": broker.port}
        )
        assert entry["type"] == "create_entry", entry

    def ask(self, path: str, said: Json | bytes | None = None) -> Json:
        """Return what it answers to a GET, or to a POST of something."""
        data = said if said is None or isinstance(said, bytes) else json.dumps(said).encode()
        request = urllib.request.Request(f"{self.url}{path}", data)
        if not isinstance(said, bytes):
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=60.0) as answer:
            told: Json = json.loads(answer.read())
            return told

    def state(self, entity: str) -> str:
        """Return the state of an entity, an empty text where there is none."""
        try:
            return str(self.ask(f"/api/states/{entity}")["state"])
        except urllib.error.HTTPError as error:
            assert error.code == 404
            return ""

    def attributes(self, entity: str) -> Json:
        """Return what else it says of an entity."""
        told = self.ask(f"/api/states/{entity}")["attributes"]
        assert isinstance(told, dict)
        return told

    def entities(self) -> set[str]:
        """Return the names of all entities that are provided by somebody."""
        states = self.ask("/api/states")
        return {str(one["entity_id"]) for one in states if "restored" not in one["attributes"]}  # type: ignore[index]

    def press(self, button: str) -> None:
        """Press a button."""
        self.ask("/api/services/button/press", {"entity_id": button})

    def wait(self, condition: Callable[[], bool], within: float = WITHIN) -> None:
        """Return as soon as a condition holds."""
        give_up_at = time.monotonic() + within
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < give_up_at, f"waited in vain\n{self.said()[-3000:]}"
            time.sleep(0.1)

    def wait_for(self, entity: str, state: str) -> None:
        """Return as soon as an entity has a state."""
        give_up_at = time.monotonic() + WITHIN
        while (found := self.state(entity)) != state:
            assert time.monotonic() < give_up_at, f"{entity} is {found!r}, not {state!r}\n{self.said()[-3000:]}"
            time.sleep(0.1)

    def said(self) -> str:
        """Return its log."""
        return self._log.read_text(errors="replace")

    def complaints(self) -> list[str]:
        """Return the lines of its log that say that MQTT, or a template, is not as it should be."""
        lines = self.said().splitlines()
        return [
            line for line in lines if ("WARNING" in line or "ERROR" in line) and ("mqtt" in line or "template" in line)
        ]

    def _is_running(self) -> bool:
        try:
            if self._token:
                return self.ask("/api/config")["state"] == "RUNNING"
            return bool(self.ask("/api/onboarding"))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
