"""Hold templates against the topics that a broker would deliver, and streams to names that may be published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError, ReadingError
from edge.topics import (
    TopicTemplate,
    broken_pattern_rule,
    default_pattern,
    is_stream_name,
    pattern_shape,
    stream_name,
)

LEVEL = st.text(st.characters(exclude_characters="/+#\0", exclude_categories=["Cs"]), max_size=8)


def test_a_template_says_what_to_subscribe_to() -> None:
    template = TopicTemplate("plant/{line}/{machine}/climate")
    assert template.filter == "plant/+/+/climate"
    assert template.names == ("line", "machine")
    assert template.text == "plant/{line}/{machine}/climate"


@pytest.mark.parametrize(
    ("text", "topic", "values"),
    [
        ("plant/boiler", "plant/boiler", {}),
        ("plant/{line}/{machine}/climate", "plant/a/press 7/climate", {"line": "a", "machine": "press 7"}),
        ("{site}/x", "/x", {"site": ""}),
        ("/a/{b}", "/a/c", {"b": "c"}),
        ("a.c/{b}", "a.c/\n", {"b": "\n"}),
        ("a/{b}", "a/${b}", {"b": "${b}"}),
    ],
)
def test_a_topic_of_the_template_gives_its_words(text: str, topic: str, values: dict[str, str]) -> None:
    assert TopicTemplate(text).match(topic) == values


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("plant/{line}/climate", "plant/a/b/climate"),
        ("plant/{line}/climate", "plant/climate"),
        ("plant/{line}/climate", "plant/a/climate/"),
        ("plant/{line}/climate", "plant/a/climate\n"),
        ("plant/{line}/climate", "Plant/a/climate"),
        ("a.c/{b}", "abc/x"),
        ("{a}/uptime", "$SYS/uptime"),
    ],
)
def test_another_topic_does_not_match(text: str, topic: str) -> None:
    assert TopicTemplate(text).match(topic) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must not be empty"),
        ("plant/+/climate", r"instead of \+ and #"),
        ("plant/#", r"instead of \+ and #"),
        ("plant/{}/climate", "fill a whole level"),
        ("plant/{line", "fill a whole level"),
        ("plant/line}", "fill a whole level"),
        ("plant/a{line}", "fill a whole level"),
        ("plant/{a}{b}", "fill a whole level"),
        ("plant/{a-b}", "fill a whole level"),
        ("plant/{1}", "fill a whole level"),
        ("plant/{{a}}", "fill a whole level"),
        ("plant/{a}/{a}", "twice"),
        ("$SYS/uptime", r"start with \$"),
        ("$share/g/plant", r"start with \$"),
        ("plant/\0", "NUL"),
        ("x" * 65_536, "65535 bytes"),
    ],
)
def test_a_bad_template_is_the_operators_mistake(text: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        TopicTemplate(text)


def test_filling_in_words_makes_a_topic() -> None:
    template = TopicTemplate("plant/{line}/{sensor}")
    assert template.fill({"line": "a", "sensor": "temp", "other": "/"}) == "plant/a/temp"
    with pytest.raises(ValueError, match="line: must be one level"):
        template.fill({"line": "a/b", "sensor": "temp"})
    with pytest.raises(KeyError):
        template.fill({"line": "a"})


@given(LEVEL, LEVEL)
def test_what_was_filled_in_is_found_again(line: str, sensor: str) -> None:
    template = TopicTemplate("plant/{line}/x.y/{sensor}")
    values = {"line": line, "sensor": sensor}
    assert template.match(template.fill(values)) == values


def test_a_stream_is_named_after_its_topic() -> None:
    assert stream_name("{line}-{machine}", {"line": "a", "machine": "press.7_b"}) == "a-press.7_b"
    assert stream_name("boiler", {}) == "boiler"


@pytest.mark.parametrize(
    "word", ["", ".", "..", ".hidden", "a..b", "a b", "a/b", "é", "a\n", "+", "#", "$SYS", "{line}", "x" * 65, "\0"]
)
def test_a_word_that_cannot_name_a_stream_is_refused(word: str) -> None:
    assert not is_stream_name(word)
    with pytest.raises(ReadingError) as refused:
        stream_name("{line}", {"line": word})
    assert refused.value.reason == "stream_name"


def test_a_refused_name_is_quoted_and_cut() -> None:
    with pytest.raises(ReadingError) as refused:
        stream_name("{line}", {"line": "x" * 60_000})
    assert len(refused.value.detail) < 100


def test_placeholders_joined_are_the_name_unless_a_pattern_says_otherwise() -> None:
    assert default_pattern(TopicTemplate("plant/{line}/{sensor}/{machine}")) == "{line}-{machine}"
    assert default_pattern(TopicTemplate("plant/boiler/{sensor}")) == ""


def test_patterns_that_make_the_same_names_have_one_shape() -> None:
    assert pattern_shape("{line}-{machine}") == pattern_shape("{a}-{b}") != pattern_shape("{a}_{b}")


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("{line}-{machine}", None),
        ("press-{machine}", None),
        ("press", None),
        ("", None),
        ("{site}", "placeholders of the topic alone (line, machine)"),
        ("{sensor}", "placeholders of the topic alone (line, machine)"),
        ("{line", "must be 1 to 64"),
        ("{line.__class__}", "must be 1 to 64"),
        ("a/{line}", "must be 1 to 64"),
        (".{line}", "must be 1 to 64"),
    ],
)
def test_a_name_pattern_is_held_against_its_topic(pattern: str, rule: str | None) -> None:
    broken = broken_pattern_rule(pattern, TopicTemplate("plant/{line}/{machine}/{sensor}"))
    assert broken is None if rule is None else broken is not None and rule in broken
