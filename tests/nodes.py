"""What a Sparkplug node sends: payloads by the protobuf that the device part uses."""

from collections.abc import Mapping

from edge.payloads.sparkplug_messages import empty

START = 1_768_469_445.0  # Unix seconds; a morning of January 2026


def metric(name: str = "", alias: int | None = None, at: float | None = None, **fields: object) -> Mapping[str, object]:
    """Lay out a metric; what is not given is not sent, and `quality` becomes a property."""
    sent: dict[str, object] = dict(fields)
    if name:
        sent["name"] = name.encode()
    if alias is not None:
        sent["alias"] = alias
    if at is not None:
        sent["timestamp"] = round(1000.0 * at)
    return sent


def payload(seq: int | None, *metrics: Mapping[str, object], at: float | None = START) -> bytes:
    """Write a payload."""
    sent = empty()
    if seq is not None:
        sent.seq = seq
    if at is not None:
        sent.timestamp = round(1000.0 * at)
    for wanted in metrics:
        one = sent.metrics.add()
        for key, value in wanted.items():
            if key == "quality":
                one.properties.keys.append(b"Quality")
                one.properties.values.add().int_value = value
            else:
                setattr(one, key, value)
    return sent.SerializeToString()


def session(number: int) -> Mapping[str, object]:
    """Return the metric that tells the session of a birth or a death."""
    return metric("bdSeq", datatype=8, long_value=number)


def birth(seq: int, *, at: float = START) -> bytes:
    """Return the birth of a device: warm has the alias 1, damp the alias 2."""
    return payload(
        seq,
        metric("warm", 1, at, datatype=10, double_value=20.0),
        metric("damp", 2, at, datatype=10, double_value=50.0),
        metric("spare", 3, at, datatype=3, int_value=0),
    )


def data(seq: int, warm: float, at: float = START) -> bytes:
    """Return what a device says of one metric by its alias."""
    return payload(seq, metric(alias=1, at=at, double_value=warm))
