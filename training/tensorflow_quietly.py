"""Import TensorFlow and Keras without what their C++ writes to stderr; import them from here."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced() -> Iterator[None]:
    """Keep from the user what TensorFlow's C++ writes to stderr; exceptions pass as ever."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silenced():  # it tells of the graphics cards that are not there before it reads its log level
    import keras
    import tensorflow as tf
tf.get_logger().setLevel("ERROR")

__all__ = ["keras", "silenced", "tf"]
