"""The messages of Sparkplug B 3.0, from bytes and to bytes; the only importer of protobuf, and only when one is needed.

protobuf is told at run time of the fields that are read, and skips all others. So there is no generated code that would
have to fit the installed version, and data sets and templates, which may be nested as deep as somebody likes, are never
unpacked. Texts are taken as bytes, for one that is not UTF-8 must not silence its neighbours.

Source: Eclipse Sparkplug 3.0, section 6.4, and `sparkplug_b.proto` of Eclipse Tahu for the numbers of the fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, Protocol

from edge.errors import ReadingError

PACKAGE = "tidegate.sparkplug"
BOOLEAN = 11  # the data type of that name
VALUE = "value"  # the group of fields of which one is sent, of a metric and of a property
OF_ONE_VALUE = ("Metric", "PropertyValue")
MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "PropertyValue": {
        "type": (1, "UINT32"),
        "is_null": (2, "BOOL"),
        "int_value": (3, "UINT32"),
        "long_value": (4, "UINT64"),
        "float_value": (5, "FLOAT"),
        "double_value": (6, "DOUBLE"),
        "boolean_value": (7, "BOOL"),
        "string_value": (8, "BYTES"),
    },
    "PropertySet": {"keys": (1, "*BYTES"), "values": (2, "*PropertyValue")},
    "Metric": {
        "name": (1, "BYTES"),
        "alias": (2, "UINT64"),
        "timestamp": (3, "UINT64"),
        "datatype": (4, "UINT32"),
        "is_null": (7, "BOOL"),
        "properties": (9, "PropertySet"),
        "int_value": (10, "UINT32"),
        "long_value": (11, "UINT64"),
        "float_value": (12, "FLOAT"),
        "double_value": (13, "DOUBLE"),
        "boolean_value": (14, "BOOL"),
        "string_value": (15, "BYTES"),
    },
    "Payload": {"timestamp": (1, "UINT64"), "metrics": (2, "*Metric"), "seq": (3, "UINT64")},
}  # name: (number, type); an asterisk: repeated
NO_PROPERTIES: Mapping[str, "Value"] = {}


class Value(NamedTuple):
    """The value of a metric or of a property, as it was sent.

    Attributes:
        datatype: by its number in the specification, 0 where it is not sent.
        content: None where there is none, or one of another kind than is read here.
        is_null: whether it is said to be null.
    """

    datatype: int = 0
    content: float | bool | bytes | None = None
    is_null: bool = False


class Metric(NamedTuple):
    """One metric of a payload, as it was sent.

    Attributes:
        name: empty where only the alias is sent.
        alias: None where none is sent.
        time_ms: Unix milliseconds UTC; None where there are none.
        value: what it is.
        properties: by their names.
    """

    name: str
    alias: int | None
    time_ms: int | None
    value: Value
    properties: Mapping[str, Value]


class Message(NamedTuple):
    """One payload; `sequence` and `time_ms` are None where they are not sent."""

    sequence: int | None
    time_ms: int | None
    metrics: Sequence[Metric]


class _Sent(Protocol):
    """Any message of protobuf's, which has no types of its own for what was described at run time."""

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's word
        """Return whether a field was sent."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's word
        """Return its bytes."""


class _SentValue(_Sent, Protocol):
    is_null: bool

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's word
        """Return which field of a group was sent."""


class _SentProperty(_SentValue, Protocol):
    type: int


class _SentProperties(_Sent, Protocol):
    keys: Sequence[bytes]
    values: Sequence[_SentProperty]


class _SentMetric(_SentValue, Protocol):
    name: bytes
    alias: int
    timestamp: int
    datatype: int
    properties: _SentProperties
    boolean_value: bool


class _SentMetrics(Protocol):
    def __iter__(self) -> Iterator[_SentMetric]:
        """Yield the metrics in their order."""

    def add(self) -> _SentMetric:
        """Append a metric and return it."""


class _SentPayload(_Sent, Protocol):
    timestamp: int
    metrics: _SentMetrics
    seq: int

    def ParseFromString(self, payload: bytes) -> int:  # noqa: N802 - protobuf's word
        """Take the fields from bytes."""


class _MakePayload(Protocol):
    def __call__(self) -> _SentPayload:
        """Return an empty payload."""


class _Library(NamedTuple):
    """What is needed of protobuf."""

    payload: _MakePayload
    unreadable: type[Exception]


def parse(payload: bytes) -> Message:
    """Take a payload apart.

    Raises:
        ReadingError: malformed.
    """
    library = _library()
    sent = library.payload()
    try:
        sent.ParseFromString(payload)
    except library.unreadable as error:
        raise ReadingError("malformed", str(error)[:80]) from None
    return Message(
        sent.seq if sent.HasField("seq") else None,
        sent.timestamp if sent.HasField("timestamp") else None,
        [_metric(metric) for metric in sent.metrics],
    )


def empty() -> _SentPayload:
    """Return a payload to be written."""
    return _library().payload()


def command(name: str, time: float) -> bytes:
    """Write the payload that sets a metric of a node to true.

    Args:
        name: of the metric.
        time: Unix seconds UTC at which it is sent.
    """
    sent = empty()
    metric = sent.metrics.add()
    metric.name, metric.datatype, metric.boolean_value = name.encode(), BOOLEAN, True
    sent.timestamp = metric.timestamp = round(1000.0 * time)
    return sent.SerializeToString()


def _metric(sent: _SentMetric) -> Metric:
    return Metric(
        sent.name.decode(errors="replace"),
        sent.alias if sent.HasField("alias") else None,
        sent.timestamp if sent.HasField("timestamp") else None,
        _value(sent, sent.datatype),
        _properties(sent.properties) if sent.HasField("properties") else NO_PROPERTIES,
    )


def _value(sent: _SentValue, datatype: int) -> Value:
    field = sent.WhichOneof(VALUE)
    return Value(datatype, None if field is None else getattr(sent, field), sent.is_null)


def _properties(sent: _SentProperties) -> Mapping[str, Value]:
    """Pair keys and values: two lists, of one length if the sender keeps the rules."""
    return {
        key.decode(errors="replace"): _value(found, found.type)
        for key, found in zip(sent.keys, sent.values, strict=False)
    }


@cache
def _library() -> _Library:
    """Build the class of a payload from `MESSAGES`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError

    file = descriptor_pb2.FileDescriptorProto(name="tidegate/sparkplug.proto", package=PACKAGE, syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        if name in OF_ONE_VALUE:
            message.oneof_decl.add(name=VALUE)
        for field, (number, kind) in fields.items():
            label = kinds.LABEL_REPEATED if kind.startswith("*") else kinds.LABEL_OPTIONAL
            one = message.field.add(name=field, number=number, label=label)
            if name in OF_ONE_VALUE and field.endswith("_value"):
                one.oneof_index = 0
            if kind.lstrip("*") in MESSAGES:
                one.type, one.type_name = kinds.TYPE_MESSAGE, f".{PACKAGE}.{kind.lstrip('*')}"
            else:
                one.type = kinds.Type.Value(f"TYPE_{kind.lstrip('*')}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    payload: _MakePayload = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.Payload"))
    return _Library(payload, DecodeError)
