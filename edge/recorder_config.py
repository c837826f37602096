"""How history is kept: the table [recorder] of `tidegate.toml`."""

from dataclasses import dataclass
from pathlib import Path

from edge.tables import require

ENDINGS = (".db", ".sqlite", ".sqlite3")
LEAST_BYTES = 4_000_000  # below it the write-ahead log and one batch would be most of what is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderConfig:
    """Where readings are kept, how much of them, and how often they are written: the table [recorder]."""

    database: Path = Path("recorder.db")
    commit_every: float = 60.0  # seconds of readings that an end without warning loses at most
    max_bytes: int = 1_000_000_000  # of the database and its log together; the oldest readings make room
    max_age_days: float = 365.0  # days before the newest reading; what is older is deleted

    def __post_init__(self) -> None:
        """Hold the rules."""
        require(
            self,
            # A damaged file is moved aside and begun anew: nothing but a database may be meant.
            database=(self.database.suffix in ENDINGS, f"must end in {' or '.join(ENDINGS)}"),
            commit_every=(0.0 < self.commit_every <= 3600.0, "must be > 0 and at most 3600"),
            max_bytes=(self.max_bytes >= LEAST_BYTES, f"must be at least {LEAST_BYTES}"),
            max_age_days=(self.max_age_days > 0.0, "must be > 0"),
        )
