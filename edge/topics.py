"""Topic templates: which topics a stream listens to, and what its name is.

`plant/{line}/{machine}/climate` subscribes to `plant/+/+/climate`; the words that stand where the placeholders do
name the stream, so a new machine on the broker becomes a new stream. `{sensor}` is reserved: it says which sensor
of the stream speaks, and is never part of a stream's name.
"""

import re
from collections.abc import Mapping

from edge.errors import ConfigError, ReadingError, quote

SENSOR = "sensor"
NAME_RULE = "must be 1 to 64 of A-Z a-z 0-9 _ . -, no dot in front, no two in a row"

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
# A stream's name is a level of our topics, a key of the health message and part of file names: no separator of any.
_STREAM_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,64}")
_TOPIC_LIMIT = 65535  # bytes; MQTT 5.0, 1.5.4


class TopicTemplate:
    """A topic in which `{placeholders}` stand for whole levels.

    Attributes:
        text: the template as it was written.
        filter: what to subscribe to.
        names: the placeholders, in their order.
    """

    __slots__ = ("_pattern", "filter", "names", "text")

    def __init__(self, text: str) -> None:
        """Take a template.

        Raises:
            ConfigError: it is no topic, or its placeholders are not whole levels or not unique.
        """
        rule = broken_topic_rule(text)
        if rule is not None:
            raise ConfigError(f"{rule}, got {quote(text)}")
        self.text = text
        self.names = tuple(_PLACEHOLDER.findall(text))
        self.filter = _PLACEHOLDER.sub("+", text)
        levels = "/".join(map(_level_pattern, text.split("/")))
        self._pattern = re.compile(r"(?!\$)" + levels)  # + never stands for $SYS: MQTT 5.0, 4.7.2

    def __repr__(self) -> str:
        """Show the template as it was written."""
        return f"TopicTemplate({self.text!r})"

    def match(self, topic: str) -> dict[str, str] | None:
        """Read the placeholders from a topic; None if the topic is not of this template.

        >>> TopicTemplate("plant/{line}/{machine}/climate").match("plant/a/press/climate")
        {'line': 'a', 'machine': 'press'}
        """
        found = self._pattern.fullmatch(topic)
        return None if found is None else found.groupdict()

    def fill(self, values: Mapping[str, str]) -> str:
        """Write the topic that has these words where the placeholders are.

        Raises:
            KeyError: a placeholder has no word.
            ValueError: a word is not one level of a topic.

        >>> TopicTemplate("plant/{line}/climate").fill({"line": "a"})
        'plant/a/climate'
        """
        for name in self.names:
            if re.search(r"[/+#\0]", values[name]):
                raise ValueError(f"{name}: must be one level of a topic, got {quote(values[name])}")
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.text)


def stream_name(pattern: str, values: Mapping[str, str]) -> str:
    """Name a stream after what its topic says.

    Args:
        pattern: text with placeholders, `{line}-{machine}`.
        values: what `TopicTemplate.match` found.

    Raises:
        ReadingError: stream_name, if the result is not a name that a stream may have.

    >>> stream_name("{line}-{machine}", {"line": "a", "machine": "press"})
    'a-press'
    """
    name = _PLACEHOLDER.sub(lambda found: values[found[1]], pattern)
    if not is_stream_name(name):
        raise ReadingError("stream_name", quote(name[:81]))
    return name


def is_stream_name(name: str) -> bool:
    """Say whether a stream may have this name."""
    return _STREAM_NAME.fullmatch(name) is not None


def default_pattern(template: TopicTemplate) -> str:
    """Join the placeholders that name a stream; empty if there is none.

    >>> default_pattern(TopicTemplate("plant/{line}/{machine}/{sensor}"))
    '{line}-{machine}'
    """
    return "-".join(f"{{{name}}}" for name in template.names if name != SENSOR)


def pattern_shape(pattern: str) -> str:
    """Forget what the placeholders are called: patterns of one shape make the same names.

    >>> pattern_shape("{line}-{machine}")
    '{}-{}'
    """
    return _PLACEHOLDER.sub("{}", pattern)


def makes_name(pattern: str, name: str) -> bool:
    """Say whether some topic may make this name of a pattern.

    >>> makes_name("{line}-{machine}", "a-press"), makes_name("{line}-{machine}", "press"), makes_name("boiler", "b")
    (True, False, False)
    """
    literals = _PLACEHOLDER.split(pattern)[::2]
    return re.fullmatch(".+".join(map(re.escape, literals)), name) is not None


def broken_pattern_rule(pattern: str, template: TopicTemplate) -> str | None:
    """Find the first rule that a stream's name pattern breaks beside its topic; None if it keeps them or is empty."""
    known = [name for name in template.names if name != SENSOR]
    if not set(_PLACEHOLDER.findall(pattern)) <= set(known):
        return f"must use the placeholders of the topic alone ({', '.join(known) or 'none'})"
    if pattern != "" and not is_stream_name(_PLACEHOLDER.sub("x", pattern)):
        return f"{NAME_RULE}, and {{placeholders}}"
    return None


def broken_topic_rule(text: str) -> str | None:
    """Find the first rule that a template breaks; None if it keeps them."""
    names = _PLACEHOLDER.findall(text)
    braced = [level for level in text.split("/") if "{" in level or "}" in level]
    rules = (
        (text != "", "must not be empty"),
        (len(text.encode()) <= _TOPIC_LIMIT, f"must be at most {_TOPIC_LIMIT} bytes"),
        (not text.startswith("$"), "must not start with $"),
        ("\0" not in text, "must not hold a NUL"),
        (not re.search(r"[+#]", text), "must name its levels: {placeholders} instead of + and #"),
        (all(map(_PLACEHOLDER.fullmatch, braced)), "must have placeholders that fill a whole level, as in a/{name}/b"),
        (len(names) == len(set(names)), "must not have a placeholder twice"),
    )
    return next((rule for holds, rule in rules if not holds), None)


def _level_pattern(level: str) -> str:
    placeholder = _PLACEHOLDER.fullmatch(level)
    return re.escape(level) if placeholder is None else f"(?P<{placeholder[1]}>[^/]*)"


def broken_filter_rule(text: str) -> str | None:
    """Find the rule that a filter of topics breaks; None if it keeps them.

    >>> broken_filter_rule("plant/+/#"), broken_filter_rule("plant/#/climate")
    (None, 'must be a topic with + for a level and # for the rest')
    """
    levels = text.split("/")
    wild = [level for level in levels if "#" in level or "+" in level]
    is_whole = all(level in ("+", "#") for level in wild) and "#" not in levels[:-1]
    return None if text and "\0" not in text and is_whole else "must be a topic with + for a level and # for the rest"
