"""Hold the real import graph against the diagram of the line.

`python tests/test_imports.py` prints the real graph, to compare with DIAGRAM after a deliberate change.
"""

import ast
import graphlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("edge", "training")
TFLITE_RUNTIMES = {"ai_edge_litert", "tflite_runtime"}
CORE = (
    "topics", "reading", "counts", "grid", "window", "scale", "clock", "due", "experts", "interval", "learned",
    "cohort", "score", "evidence", "daily", "tail", "alarm", "event", "message", "rows",
    "usual", "finding", "patience", "vigil", "silence", "frozen", "limits", "quality", "condition", "watch",
    "maintenance", "feedback", "listening", "freshness", "pacing",
    "device_class", "entities", "homeassistant",
)  # fmt: skip
CORE_LIBRARIES = {"numpy", "orjson"}
SPARKPLUG = "edge.payloads.sparkplug_messages"  # and protobuf, where it is installed
# What would let a clock, a file, a socket, a thread, chance or a log into the core: ruff refuses the same list.
TIDY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"][
    "flake8-tidy-imports"
]
IMPURE = set(TIDY["banned-module-level-imports"])
IMPURE_CALLS = {"open", "print", "input", ".now", ".utcnow", ".today"}

DIAGRAM: dict[str, set[str]] = {
    "edge.addresses": {"edge.errors", "edge.payloads", "edge.stream_config", "edge.topics"},
    "edge.alarm": {"edge.rows"},
    "edge.announcer": {
        "edge.addresses",
        "edge.config",
        "edge.entities",
        "edge.homeassistant",
        "edge.manifest",
        "edge.message",
        "edge.profiles",
        "edge.retold",
        "edge.topics",
    },
    "edge.aside": {"edge.session"},
    "edge.budget": {
        "edge.config",
        "edge.daemon",
        "edge.errors",
        "edge.learned",
        "edge.load",
        "edge.machine",
        "edge.stream_config",
        "edge.tables",
        "edge.topics",
        "edge.trial",
    },
    "edge.bundle": {"edge.cohort", "edge.errors", "edge.manifest", "edge.runtime", "edge.scale", "edge.tables"},
    "edge.check": {
        "edge.announcer",
        "edge.bundle",
        "edge.cohort",
        "edge.config",
        "edge.daemon",
        "edge.errors",
        "edge.pacing",
        "edge.stream_config",
        "edge.tables",
    },
    "edge.cli": {
        "edge",
        "edge.budget",
        "edge.bundle",
        "edge.check",
        "edge.config",
        "edge.daemon",
        "edge.demo",
        "edge.discover_command",
        "edge.errors",
        "edge.history_commands",
        "edge.replay_command",
        "edge.withdrawal",
    },
    "edge.cohort": {
        "edge.clock",
        "edge.due",
        "edge.evidence",
        "edge.experts",
        "edge.interval",
        "edge.learned",
        "edge.pacing",
        "edge.rows",
        "edge.runtime",
        "edge.scale",
        "edge.score",
        "edge.window",
    },
    "edge.condition": {"edge.event", "edge.finding"},
    "edge.config": {"edge.errors", "edge.recorder_config", "edge.stream_config", "edge.tables", "edge.topics"},
    "edge.connection": {"edge.config", "edge.errors", "edge.mailbox", "edge.message", "edge.session"},
    "edge.daemon": {
        "edge.addresses",
        "edge.announcer",
        "edge.aside",
        "edge.bundle",
        "edge.config",
        "edge.connection",
        "edge.desk",
        "edge.doubted",
        "edge.errors",
        "edge.feedback",
        "edge.health",
        "edge.learned",
        "edge.message",
        "edge.notify",
        "edge.overload",
        "edge.runtime",
        "edge.shards",
        "edge.stream_config",
        "edge.tables",
        "edge.workers",
    },
    "edge.daily": {"edge.clock", "edge.rows", "edge.tail"},
    "edge.database_file": {"edge.errors"},
    "edge.demo": {
        "edge.bundle",
        "edge.clock",
        "edge.embedded",
        "edge.errors",
        "edge.manifest",
        "edge.reading",
        "edge.recording",
        "edge.replay_files",
        "edge.spans",
        "edge.subscriber",
        "edge.topics",
    },
    "edge.desk": {
        "edge.addresses",
        "edge.config",
        "edge.connection",
        "edge.health",
        "edge.learned",
        "edge.line",
        "edge.listening",
        "edge.mailbox",
        "edge.message",
        "edge.retold",
        "edge.runtime",
        "edge.trust",
        "edge.vigil",
    },
    "edge.discover.bare": {"edge.discover.excluded", "edge.discover.survey"},
    "edge.discover.content": {"edge.errors", "edge.payloads.json", "edge.reading"},
    "edge.discover.excluded": {"edge.payloads.sparkplug"},
    "edge.discover.heard": {"edge.discover.content"},
    "edge.discover.homeassistant": {"edge.discover.facts"},
    "edge.discover.names": {"edge.discover.excluded"},
    "edge.discover.page": {
        "edge.discover.facts",
        "edge.discover.heard",
        "edge.discover.proposal",
        "edge.discover.streams",
        "edge.discover.voices",
        "edge.discover.zigbee2mqtt",
        "edge.errors",
    },
    "edge.discover.proposal": {
        "edge.discover.streams",
        "edge.discover.survey",
        "edge.discover.voices",
        "edge.discover.zigbee2mqtt",
        "edge.errors",
    },
    "edge.discover.sparkplug": {
        "edge.discover.content",
        "edge.discover.facts",
        "edge.errors",
        "edge.payloads",
        "edge.payloads.sparkplug",
        "edge.payloads.sparkplug_messages",
        "edge.payloads.sparkplug_metrics",
    },
    "edge.discover.streams": {"edge.discover.names", "edge.discover.voices", "edge.topics"},
    "edge.discover.survey": {
        "edge.discover.content",
        "edge.discover.excluded",
        "edge.discover.facts",
        "edge.discover.heard",
        "edge.discover.homeassistant",
        "edge.discover.sparkplug",
        "edge.discover.zigbee2mqtt",
        "edge.payloads.sparkplug",
    },
    "edge.discover.tasmota": {"edge.discover.excluded", "edge.discover.facts", "edge.discover.heard"},
    "edge.discover.voices": {
        "edge.discover.bare",
        "edge.discover.excluded",
        "edge.discover.facts",
        "edge.discover.heard",
        "edge.discover.names",
        "edge.discover.survey",
        "edge.discover.tasmota",
        "edge.payloads.sparkplug",
        "edge.topics",
    },
    "edge.discover.zigbee2mqtt": {"edge.discover.facts"},
    "edge.discover_command": {"edge.discovery", "edge.durations", "edge.errors", "edge.topics"},
    "edge.discovery": {
        "edge.clock",
        "edge.config",
        "edge.discover.page",
        "edge.discover.proposal",
        "edge.discover.survey",
        "edge.errors",
        "edge.hearing",
        "edge.mailbox",
    },
    "edge.doubted": {"edge.clock", "edge.errors", "edge.trust", "edge.vigil"},
    "edge.due": {"edge.rows"},
    "edge.durations": {"edge.errors"},
    "edge.embedded": {"edge.errors"},
    "edge.entities": {"edge.device_class", "edge.message"},
    "edge.entity_choice": {
        "edge.clock",
        "edge.errors",
        "edge.pace",
        "edge.reading",
        "edge.recording",
        "edge.recording_arrays",
        "edge.rows",
    },
    "edge.entity_csv": {"edge.entity_choice", "edge.errors", "edge.pace", "edge.reading", "edge.recording"},
    "edge.entity_database": {
        "edge.entity_choice",
        "edge.errors",
        "edge.pace",
        "edge.reading",
        "edge.recording",
        "edge.sqlite_reading",
    },
    "edge.event": {"edge.cohort"},
    "edge.evidence": {"edge.rows", "edge.tail"},
    "edge.experts": {"edge.rows"},
    "edge.export": {
        "edge.bundle",
        "edge.errors",
        "edge.history_cells",
        "edge.history_rows",
        "edge.history_spans",
        "edge.parquet",
        "edge.recording",
        "edge.recording_arrays",
        "edge.replay_files",
        "edge.sqlite_reading",
    },
    "edge.feedback": {"edge.errors"},
    "edge.frozen": {"edge.finding", "edge.patience", "edge.rows"},
    "edge.grid": {"edge.pacing", "edge.reading"},
    "edge.health": {
        "edge",
        "edge.clock",
        "edge.counts",
        "edge.doubted",
        "edge.errors",
        "edge.line",
        "edge.message",
        "edge.trust",
    },
    "edge.hearing": {"edge.config", "edge.connection", "edge.errors", "edge.mailbox"},
    "edge.history": {"edge.errors", "edge.history_spans"},
    "edge.history_cells": {"edge.recording_arrays", "edge.rows"},
    "edge.history_commands": {"edge.config", "edge.durations", "edge.errors", "edge.export", "edge.recorder"},
    "edge.history_rows": {
        "edge.clock",
        "edge.durations",
        "edge.errors",
        "edge.history",
        "edge.history_cells",
        "edge.history_spans",
        "edge.pace",
        "edge.reading",
        "edge.recording",
        "edge.recording_arrays",
    },
    "edge.homeassistant": {"edge", "edge.entities", "edge.message"},
    "edge.intake": {
        "edge.addresses",
        "edge.clock",
        "edge.counts",
        "edge.errors",
        "edge.history",
        "edge.intake_counts",
        "edge.mailbox",
        "edge.message",
        "edge.payloads",
        "edge.payloads.numbers",
        "edge.payloads.rules",
        "edge.payloads.sparkplug",
        "edge.reading",
        "edge.repetition",
        "edge.sparkplug",
        "edge.stream_config",
        "edge.tables",
        "edge.topics",
        "edge.vigil",
    },
    "edge.intake_counts": {"edge.errors", "edge.vigil"},
    "edge.interval": {"edge.rows"},
    "edge.journal": {
        "edge.clock",
        "edge.database_file",
        "edge.durations",
        "edge.errors",
        "edge.history",
        "edge.history_spans",
        "edge.recorder_config",
        "edge.vigil",
    },
    "edge.keeper": {
        "edge.config",
        "edge.errors",
        "edge.health",
        "edge.mailbox",
        "edge.retold",
        "edge.trust",
        "edge.worker",
    },
    "edge.learned": {
        "edge.evidence",
        "edge.experts",
        "edge.interval",
        "edge.pacing",
        "edge.rows",
        "edge.scale",
        "edge.usual",
    },
    "edge.limits": {"edge.finding", "edge.patience"},
    "edge.line": {
        "edge.addresses",
        "edge.cohort",
        "edge.config",
        "edge.counts",
        "edge.errors",
        "edge.event",
        "edge.feedback",
        "edge.learned",
        "edge.message",
        "edge.payloads",
        "edge.payloads.sparkplug",
        "edge.reading",
        "edge.route",
        "edge.runtime",
        "edge.service",
        "edge.sparkplug",
        "edge.vigil",
    },
    "edge.load": {"edge.clock", "edge.learned"},
    "edge.loopback": {"edge.errors", "edge.packets"},
    "edge.mailbox": {"edge.message"},
    "edge.maintenance": {"edge.event", "edge.listening"},
    "edge.manifest": {
        "edge.errors",
        "edge.evidence",
        "edge.experts",
        "edge.interval",
        "edge.learned",
        "edge.manifest_tables",
        "edge.reading",
        "edge.scale",
    },
    "edge.manifest_tables": {"edge.errors", "edge.evidence", "edge.experts", "edge.pacing", "edge.tail", "edge.usual"},
    "edge.message": {"edge.clock", "edge.cohort", "edge.event", "edge.learned"},
    "edge.mqtt": {"edge.config", "edge.mailbox", "edge.message", "edge.wire"},
    "edge.pace": {"edge.rows"},
    "edge.parquet": {"edge.errors", "edge.history_cells", "edge.recording"},
    "edge.patience": {"edge.alarm", "edge.rows"},
    "edge.payloads": {
        "edge.errors",
        "edge.payloads.esphome",
        "edge.payloads.json",
        "edge.payloads.plain",
        "edge.payloads.tasmota",
        "edge.payloads.zigbee2mqtt",
        "edge.reading",
    },
    "edge.payloads.json": {"edge.errors", "edge.payloads.paths", "edge.reading"},
    "edge.payloads.numbers": {"edge.errors", "edge.payloads.json"},
    "edge.payloads.paths": {"edge.errors"},
    "edge.payloads.plain": {"edge.errors", "edge.reading"},
    "edge.payloads.rules": {"edge.payloads", "edge.payloads.sparkplug"},
    "edge.payloads.sparkplug_messages": {"edge.errors"},
    "edge.payloads.sparkplug_metrics": {"edge.errors", "edge.payloads.sparkplug_messages", "edge.reading"},
    "edge.payloads.tasmota": {"edge.errors", "edge.payloads.json", "edge.reading"},
    "edge.payloads.zigbee2mqtt": {"edge.payloads.json", "edge.reading"},
    "edge.process": {"edge.errors"},
    "edge.profiles": {"edge.config", "edge.entities", "edge.errors", "edge.manifest", "edge.vigil"},
    "edge.quality": {"edge.finding", "edge.patience"},
    "edge.reading": {"edge.errors"},
    "edge.recorder": {
        "edge.bundle",
        "edge.config",
        "edge.connection",
        "edge.doubted",
        "edge.errors",
        "edge.intake",
        "edge.journal",
        "edge.mailbox",
        "edge.message",
        "edge.notify",
        "edge.recorder_config",
        "edge.stream_config",
        "edge.suppressed",
        "edge.trust",
    },
    "edge.recorder_config": {"edge.tables"},
    "edge.recording": {"edge.errors", "edge.reading"},
    "edge.recording_arrays": {"edge.clock", "edge.recording", "edge.rows"},
    "edge.repetition": {"edge.freshness", "edge.history"},
    "edge.replay": {
        "edge.cohort",
        "edge.errors",
        "edge.event",
        "edge.grid",
        "edge.learned",
        "edge.pacing",
        "edge.reading",
        "edge.recording",
        "edge.rows",
        "edge.runtime",
        "edge.watch",
    },
    "edge.replay_command": {"edge.finding", "edge.replay_files", "edge.source_options"},
    "edge.replay_detection": {
        "edge.config",
        "edge.finding",
        "edge.learned",
        "edge.replay",
        "edge.stream_config",
        "edge.wanted",
        "edge.watch",
    },
    "edge.replay_files": {
        "edge.bundle",
        "edge.clock",
        "edge.cohort",
        "edge.errors",
        "edge.finding",
        "edge.grid",
        "edge.learned",
        "edge.recording",
        "edge.replay",
        "edge.replay_detection",
        "edge.runtime",
        "edge.sources",
    },
    "edge.retold": {"edge.config", "edge.entities", "edge.learned", "edge.message"},
    "edge.route": {"edge.freshness", "edge.service", "edge.stream_config", "edge.topics", "edge.vigil"},
    "edge.runtime": {"edge.errors", "edge.rows"},
    "edge.scale": {"edge.rows", "edge.window"},
    "edge.score": {"edge.alarm", "edge.daily", "edge.evidence", "edge.rows"},
    "edge.service": {
        "edge.cohort",
        "edge.event",
        "edge.feedback",
        "edge.grid",
        "edge.learned",
        "edge.maintenance",
        "edge.pacing",
        "edge.reading",
        "edge.runtime",
        "edge.stream_config",
        "edge.wanted",
        "edge.watch",
    },
    "edge.session": {
        "edge.config",
        "edge.errors",
        "edge.mailbox",
        "edge.message",
        "edge.mqtt",
        "edge.troubles",
        "edge.waker",
        "edge.wire",
    },
    "edge.shards": {
        "edge.addresses",
        "edge.counts",
        "edge.feedback",
        "edge.payloads",
        "edge.payloads.sparkplug",
        "edge.vigil",
    },
    "edge.silence": {"edge.finding", "edge.listening", "edge.patience", "edge.rows", "edge.vigil"},
    "edge.snapshot": {"edge.learned", "edge.line", "edge.runtime"},
    "edge.source_options": {"edge.entity_choice", "edge.recording", "edge.sources"},
    "edge.sources": {
        "edge.clock",
        "edge.entity_choice",
        "edge.entity_csv",
        "edge.entity_database",
        "edge.errors",
        "edge.history_cells",
        "edge.history_rows",
        "edge.parquet",
        "edge.recording",
        "edge.sqlite_reading",
    },
    "edge.spans": {"edge.errors", "edge.reading", "edge.recording"},
    "edge.sparkplug": {
        "edge.addresses",
        "edge.counts",
        "edge.errors",
        "edge.message",
        "edge.payloads.sparkplug",
        "edge.payloads.sparkplug_messages",
        "edge.payloads.sparkplug_metrics",
        "edge.reading",
    },
    "edge.sqlite_reading": {"edge.errors"},
    "edge.stream_config": {
        "edge.errors",
        "edge.finding",
        "edge.payloads",
        "edge.payloads.rules",
        "edge.payloads.sparkplug",
        "edge.tables",
        "edge.topics",
    },
    "edge.subscriber": {"edge.errors"},
    "edge.suppressed": {
        "edge.clock",
        "edge.errors",
        "edge.feedback",
        "edge.history_spans",
        "edge.mailbox",
        "edge.reading",
    },
    "edge.tables": {"edge.errors"},
    "edge.tail": {"edge.rows"},
    "edge.topics": {"edge.errors"},
    "edge.trial": {"edge.errors", "edge.load", "edge.loopback", "edge.process"},
    "edge.trust": {"edge.config", "edge.mailbox", "edge.witnesses"},
    "edge.usual": {"edge.rows"},
    "edge.vigil": {"edge.errors"},
    "edge.wanted": {"edge.learned", "edge.limits", "edge.stream_config", "edge.watch"},
    "edge.watch": {
        "edge.cohort",
        "edge.condition",
        "edge.event",
        "edge.finding",
        "edge.frozen",
        "edge.learned",
        "edge.limits",
        "edge.pacing",
        "edge.quality",
        "edge.reading",
        "edge.rows",
        "edge.silence",
    },
    "edge.window": {"edge.rows"},
    "edge.wire": {"edge.packets"},
    "edge.withdrawal": {
        "edge.announcer",
        "edge.config",
        "edge.connection",
        "edge.errors",
        "edge.homeassistant",
        "edge.mailbox",
    },
    "edge.worker": {
        "edge.bundle",
        "edge.config",
        "edge.connection",
        "edge.desk",
        "edge.health",
        "edge.line",
        "edge.mailbox",
        "edge.retold",
        "edge.snapshot",
    },
    "edge.workers": {
        "edge.addresses",
        "edge.config",
        "edge.connection",
        "edge.desk",
        "edge.doubted",
        "edge.health",
        "edge.keeper",
        "edge.learned",
        "edge.listening",
        "edge.retold",
        "edge.runtime",
        "edge.shards",
        "edge.trust",
        "edge.vigil",
        "edge.worker",
    },
    "training.accuracy": {
        "edge.errors",
        "edge.tables",
        "training.benchmark_report",
        "training.benchmark_tables",
        "training.table",
    },
    "training.baseline": {"edge.clock"},
    "training.benchmark": {
        "edge.errors",
        "edge.tables",
        "training.benchmark_report",
        "training.known_sets",
        "training.outcome",
        "training.recipe",
    },
    "training.benchmark_report": {
        "training.budget_standings",
        "training.known_sets",
        "training.outcome",
        "training.recipe",
        "training.standings",
    },
    "training.benchmark_tables": {
        "edge.errors",
        "training.benchmark_report",
        "training.budget_table",
        "training.flags",
        "training.forecasts",
        "training.notation",
        "training.outcome",
        "training.standings",
        "training.table",
    },
    "training.budget": {
        "edge.alarm",
        "edge.learned",
        "edge.recording",
        "edge.replay",
        "edge.runtime",
        "training.side_by_side",
    },
    "training.budget_standings": {"edge.alarm", "training.budget", "training.flags", "training.outcome"},
    "training.budget_table": {
        "edge.errors",
        "training.benchmark_report",
        "training.budget",
        "training.budget_standings",
        "training.budget_words",
        "training.notation",
        "training.table",
    },
    "training.budget_words": {"edge.alarm"},
    "training.calibrate": {
        "edge.daily",
        "edge.due",
        "edge.evidence",
        "edge.interval",
        "edge.learned",
        "edge.scale",
        "edge.score",
        "edge.tail",
        "training.rehearse",
        "training.tails",
    },
    "training.card": {
        "edge.alarm",
        "edge.errors",
        "edge.experts",
        "edge.manifest",
        "edge.manifest_tables",
        "training.budget",
        "training.evaluate",
    },
    "training.cli": {
        "edge",
        "edge.cli",
        "edge.errors",
        "edge.reading",
        "edge.recording",
        "edge.replay_files",
        "edge.source_options",
        "edge.sources",
        "training.benchmark",
        "training.benchmark_tables",
        "training.card",
        "training.excluded",
        "training.fit",
        "training.known_sets",
        "training.measure",
        "training.pack",
        "training.recipe",
        "training.report_command",
        "training.series",
        "training.study_cli",
        "training.terminal",
    },
    "training.controls": {"training.flags", "training.series"},
    "training.convert": {"training.lines", "training.multiply", "training.network", "training.tensorflow_quietly"},
    "training.curves": {"edge.bundle", "training.inject", "training.side_by_side"},
    "training.equal": {"training.network", "training.recipe"},
    "training.evaluate": {
        "edge.learned",
        "edge.manifest_tables",
        "edge.runtime",
        "training.baseline",
        "training.rehearse",
    },
    "training.excluded": {"edge.errors", "edge.recording", "edge.spans"},
    "training.fit": {
        "edge.bundle",
        "edge.cohort",
        "edge.errors",
        "edge.experts",
        "edge.interval",
        "edge.learned",
        "edge.manifest_tables",
        "edge.recording",
        "edge.runtime",
        "training.calibrate",
        "training.convert",
        "training.evaluate",
        "training.network",
        "training.prepare",
        "training.recipe",
        "training.rehearse",
        "training.teach",
        "training.usual",
        "training.windows",
    },
    "training.flags": {"training.nab"},
    "training.forecasts": {"edge.cohort", "training.reference"},
    "training.full_report": {
        "edge.clock",
        "edge.errors",
        "edge.reading",
        "training.budget",
        "training.budget_words",
        "training.card",
        "training.curves",
        "training.measure",
        "training.notation",
        "training.page",
        "training.preview",
        "training.side_by_side",
    },
    "training.inject": {"edge.recording"},
    "training.int8_command": {
        "edge.cli",
        "training.card",
        "training.int8_study",
        "training.known_sets",
        "training.prepare",
        "training.recipe",
        "training.series",
        "training.teach",
        "training.terminal",
    },
    "training.int8_study": {
        "training.fit",
        "training.network",
        "training.prepare",
        "training.teach",
        "training.windows",
    },
    "training.known_sets": {"edge.errors", "edge.recording"},
    "training.learn": {"training.network", "training.recipe", "training.tensorflow_quietly"},
    "training.lines": {"training.blocks", "training.robust", "training.windows"},
    "training.measure": {
        "edge.bundle",
        "edge.errors",
        "edge.learned",
        "edge.manifest",
        "edge.manifest_tables",
        "edge.reading",
        "edge.recording",
        "edge.replay",
        "edge.replay_files",
        "edge.runtime",
        "edge.sources",
        "edge.spans",
        "training.card",
        "training.evaluate",
        "training.rehearse",
        "training.series",
    },
    "training.memory_tasks": {"training.learn", "training.network"},
    "training.multiply": {"training.tensorflow_quietly"},
    "training.network": {"training.recipe", "training.tensorflow_quietly"},
    "training.outcome": {
        "edge.clock",
        "edge.errors",
        "edge.learned",
        "edge.recording",
        "edge.replay",
        "edge.runtime",
        "edge.spans",
        "training.budget",
        "training.controls",
        "training.fit",
        "training.flags",
        "training.forecasts",
        "training.known_sets",
        "training.recipe",
        "training.series",
    },
    "training.pack": {
        "edge",
        "edge.bundle",
        "edge.clock",
        "edge.evidence",
        "edge.experts",
        "edge.learned",
        "edge.manifest",
        "edge.manifest_tables",
        "edge.pacing",
        "edge.usual",
        "training.card",
        "training.fit",
        "training.prepare",
        "training.recipe",
        "training.series",
    },
    "training.page": {"training.card"},
    "training.plot": {"training.memory_tasks", "training.study"},
    "training.prepare": {
        "edge.clock",
        "edge.errors",
        "edge.grid",
        "edge.pacing",
        "edge.recording",
        "edge.scale",
        "training.recipe",
        "training.rehearse",
        "training.series",
        "training.windows",
    },
    "training.preview": {"edge.alarm", "edge.bundle", "edge.event", "training.budget", "training.side_by_side"},
    "training.quantisation_command": {
        "edge.bundle",
        "edge.cli",
        "edge.errors",
        "training.card",
        "training.known_sets",
        "training.quantisation_study",
        "training.recipe",
        "training.step_time",
        "training.terminal",
    },
    "training.quantisation_study": {
        "edge.manifest_tables",
        "edge.recording",
        "edge.replay",
        "edge.runtime",
        "training.fit",
        "training.known_sets",
        "training.prepare",
        "training.recipe",
        "training.series",
        "training.step_time",
        "training.teach",
    },
    "training.recipe": {"edge.errors", "edge.pacing", "edge.tables"},
    "training.reference": {"edge.clock", "training.baseline"},
    "training.rehearse": {
        "edge.cohort",
        "edge.experts",
        "edge.learned",
        "edge.pacing",
        "edge.runtime",
        "training.series",
    },
    "training.report_command": {
        "edge.bundle",
        "edge.cli",
        "edge.replay_files",
        "edge.source_options",
        "training.full_report",
        "training.measure",
        "training.page",
        "training.preview",
        "training.terminal",
    },
    "training.robust": {"training.blocks"},
    "training.series": {
        "edge.errors",
        "edge.grid",
        "edge.pace",
        "edge.pacing",
        "edge.reading",
        "edge.recording",
        "edge.sources",
    },
    "training.side_by_side": {"edge.bundle", "edge.event", "edge.recording", "edge.replay"},
    "training.standings": {"training.flags", "training.forecasts", "training.nab", "training.outcome"},
    "training.step_time": {"edge.runtime"},
    "training.study": {
        "training.equal",
        "training.learn",
        "training.memory_tasks",
        "training.network",
        "training.recipe",
        "training.workers",
    },
    "training.study_cells": {
        "edge.errors",
        "edge.manifest_tables",
        "edge.recording",
        "edge.runtime",
        "training.equal",
        "training.evaluate",
        "training.fit",
        "training.network",
        "training.prepare",
        "training.recipe",
        "training.rehearse",
        "training.series",
        "training.terminal",
        "training.workers",
    },
    "training.study_cli": {
        "edge.cli",
        "edge.errors",
        "training.fit",
        "training.int8_command",
        "training.plot",
        "training.quantisation_command",
        "training.recipe",
        "training.study",
        "training.study_cells",
        "training.terminal",
    },
    "training.tails": {"edge.evidence", "edge.tail"},
    "training.teach": {
        "training.learn",
        "training.lines",
        "training.network",
        "training.prepare",
        "training.recipe",
        "training.windows",
    },
    "training.terminal": {"edge.errors"},
    "training.usual": {"edge.rows", "edge.usual", "training.prepare", "training.series"},
    "training.windows": {"edge.clock", "edge.scale", "edge.window", "training.series"},
}


def sources() -> dict[str, Path]:
    """Return every module of the project with its file; a package is its __init__."""
    files = {path.relative_to(ROOT): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    names = {".".join(relative.with_suffix("").parts): path for relative, path in files.items()}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


SOURCES = sources()


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything a module imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def calls_of(tree: ast.AST) -> set[str]:
    """Return what a module calls: `name` for a plain function, `.name` for a method of anything.

    >>> sorted(calls_of(ast.parse("open(path); datetime.now()")))
    ['.now', 'open']
    """
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    plain = {function.id for function in called if isinstance(function, ast.Name)}
    return plain | {f".{function.attr}" for function in called if isinstance(function, ast.Attribute)}


def module_of(imported: str) -> str | None:
    """Return the project's module that holds an imported name, or None for a foreign one.

    >>> module_of("edge.errors.quote"), module_of("numpy.ndarray")
    ('edge.errors', None)
    """
    while imported and imported not in SOURCES:
        imported = imported.rpartition(".")[0]
    return imported or None


TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}
IMPORTS = {name: set(imports_of(tree)) for name, tree in TREES.items()}
GRAPH = {name: {module for module in map(module_of, imported) if module} for name, imported in IMPORTS.items()}
CORE_MODULES = [
    name
    for name in SOURCES
    if name in {f"edge.{station}" for station in CORE} or name.startswith(("edge.payloads", "edge.discover."))
]


def foreign(name: str) -> set[str]:
    """Return the top-level packages outside the project that a module imports."""
    return {imported.partition(".")[0] for imported in IMPORTS[name] if module_of(imported) is None}


def importers(*packages: str) -> set[str]:
    """Return the modules that import any of these foreign packages."""
    return {name for name in SOURCES if foreign(name) & set(packages)}


def test_the_import_graph_is_the_diagram() -> None:
    assert {name: modules for name, modules in GRAPH.items() if modules} == DIAGRAM


def test_no_module_imports_itself_by_way_of_others() -> None:
    list(graphlib.TopologicalSorter(GRAPH).static_order())


def test_every_import_is_absolute() -> None:
    assert [(name, imported) for name in SOURCES for imported in IMPORTS[name] if imported.startswith(".")] == []


def test_edge_imports_neither_training_nor_its_libraries() -> None:
    device = {name for name in SOURCES if name.partition(".")[0] == "edge"}
    assert device & importers("tensorflow", "keras", "tqdm") == set()
    assert device & importers("pyarrow") == {"edge.parquet"}  # at a call: a device need not have it
    assert [(name, module) for name in device for module in GRAPH[name] if module.startswith("training")] == []


def test_only_runtime_imports_a_tflite_runtime() -> None:
    assert importers(*TFLITE_RUNTIMES) <= {"edge.runtime"}


def test_only_the_messages_of_sparkplug_need_protobuf_and_only_when_there_are_any() -> None:
    assert importers("google") == {SPARKPLUG}
    done = run_without(("google.protobuf",), "import edge.cli, edge.line, edge.sparkplug")
    assert (done.returncode, done.stderr) == (0, "")


def test_only_mqtt_and_the_demo_import_an_mqtt_library() -> None:
    assert importers("paho") <= {"edge.mqtt", "edge.subscriber"}
    assert importers("amqtt") <= {"edge.embedded"}


@pytest.mark.parametrize("name", CORE_MODULES)
def test_the_core_is_pure(name: str) -> None:
    assert foreign(name) & IMPURE == set()
    allowed = CORE_LIBRARIES | ({"google"} if name == SPARKPLUG else set())
    assert foreign(name) - set(sys.stdlib_module_names) <= allowed
    assert calls_of(TREES[name]) & IMPURE_CALLS == set()
    assert not any(imported.startswith("numpy.random") for imported in IMPORTS[name])


@pytest.mark.parametrize("name", CORE_MODULES)
def test_the_core_imports_nothing_of_the_shell_but_the_shape_of_a_step(name: str) -> None:
    shell = {
        imported
        for imported in IMPORTS[name]
        if module_of(imported) not in {None, *CORE_MODULES, "edge", "edge.errors"}
    }
    assert shell <= {"edge.runtime.Step"}


def run_without(absent: tuple[str, ...], statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement in a fresh Python in which some packages cannot be imported."""
    block = f"import sys; sys.modules.update(dict.fromkeys({absent!r}))"
    command = [sys.executable, "-c", f"{block}\n{statement}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_device_command_starts_without_training_and_its_libraries() -> None:
    done = run_without(("tensorflow", "keras", "training", "pyarrow", "tqdm", "amqtt"), "import edge.cli")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_module_of_the_device_needs_training_to_be_imported() -> None:
    device = sorted(name for name in SOURCES if name.partition(".")[0] == "edge" and not name.endswith("__main__"))
    done = run_without(("tensorflow", "keras", "training", "pyarrow"), f"import {', '.join(device)}")
    assert (done.returncode, done.stderr) == (0, "")


if __name__ == "__main__":
    print("DIAGRAM: dict[str, set[str]] = {")
    for module_name, modules in sorted(GRAPH.items()):
        if modules:
            print(f'    "{module_name}": {{' + ", ".join(f'"{module}"' for module in sorted(modules)) + "},")
    print("}")
