"""Lay out and cut packets of MQTT, as far as readings need it.

Source: MQTT 3.1.1 and MQTT 5.0, sections 2.1 (the fixed header), 1.5.5 (lengths; 2.2.3 in 3.1.1) and 3.3 (PUBLISH).
"""

PUBLISH = 0x30  # the upper half of a packet's first byte; the lower: 8 repeated, 6 quality of service, 1 retained
LONGEST = 4  # bytes of a length


def lay_out(first: int, body: bytes) -> bytes:
    """Return a packet by its first byte and its body."""
    length, left = bytearray(), len(body)
    while not length or left:
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
    return bytes([first]) + bytes(length) + body


def publish(topic: str, payload: bytes, qos: int, identifier: int, properties: bytes = b"") -> bytes:
    """Return a PUBLISH packet.

    Args:
        topic: where to.
        payload: what.
        qos: its quality of service.
        identifier: of this delivery, 1..65,535; QoS 0 has none.
        properties: with their length before them, as MQTT 5 has them, an older one none.
    """
    name = topic.encode()
    return lay_out(
        PUBLISH | qos << 1,
        len(name).to_bytes(2) + name + (identifier.to_bytes(2) if qos else b"") + properties + payload,
    )


def read_length(packets: bytes, place: int) -> tuple[int, int] | None:
    """Return the length at a place, and where what follows it begins; None where it is cut off.

    Raises:
        ConnectionError: it has more bytes than a length may have.
    """
    length = shift = 0
    for cursor in range(place, min(place + LONGEST, len(packets))):
        byte = packets[cursor]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length, cursor + 1
        shift += 7
    if len(packets) - place >= LONGEST:
        raise ConnectionError("the other side sent a length of more than four bytes")
    return None


def find_body(packets: bytes, begin: int) -> tuple[int, int] | None:
    """Return where the body of the packet that begins here starts and ends; None where nobody can know yet.

    The end may lie beyond what is there.

    Raises:
        ConnectionError: its length is none.
    """
    found = read_length(packets, begin + 1)
    return None if found is None else (found[1], found[1] + found[0])
