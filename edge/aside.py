"""Put messages that are no readings into an inbox of their own."""

from collections.abc import Callable

from edge.session import Route


class Aside:
    """Say into which inbox a message goes, as `edge.session.Route` does."""

    def __init__(self, wants: Callable[[str], bool], place: int, others: Route | None) -> None:
        """Take apart what is wanted.

        Args:
            wants: says of a topic whether its messages are no readings.
            place: the inbox where those go.
            others: says where the others go; without it, into the first.
        """
        self._wants, self._place, self._others = wants, place, others

    def __call__(self, topic: str, *, retained: bool) -> int | None:
        """Return the place of a topic's inbox."""
        if self._wants(topic):
            return self._place
        return 0 if self._others is None else self._others(topic, retained=retained)
