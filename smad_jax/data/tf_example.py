"""The payload of records: serialised tf.train.Example, without TensorFlow.

Protobuf builds the class at run time, so no generated module is needed.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message,
    message_factory,
    text_format,
)

Fields = Mapping[str, bytes | int]

# The parts of tensorflow/core/example/example.proto that records use. Its map is a
# list of entries here: equal on the wire, and keys keep their order.
_SCHEMA = """
name: "smad_jax/example.proto" package: "smad_jax" syntax: "proto3"
message_type { name: "BytesList"
  field { name: "value" number: 1 type: TYPE_BYTES label: LABEL_REPEATED } }
message_type { name: "Int64List"
  field { name: "value" number: 1 type: TYPE_INT64 label: LABEL_REPEATED } }
message_type { name: "Feature"
  field { name: "bytes_list" number: 1 type: TYPE_MESSAGE type_name: "BytesList" }
  field { name: "int64_list" number: 3 type: TYPE_MESSAGE type_name: "Int64List" } }
message_type { name: "Entry"
  field { name: "key" number: 1 type: TYPE_STRING }
  field { name: "value" number: 2 type: TYPE_MESSAGE type_name: "Feature" } }
message_type { name: "Features"
  field { name: "entry" number: 1 type: TYPE_MESSAGE label: LABEL_REPEATED
          type_name: "Entry" } }
message_type { name: "Example"
  field { name: "features" number: 1 type: TYPE_MESSAGE type_name: "Features" } }
"""
_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(
    text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto()).SerializeToString()
)
_descriptor = _pool.FindMessageTypeByName("smad_jax.Example")
_Example: Any = message_factory.GetMessageClass(_descriptor)  # no checker knows it


def encode(fields: Fields) -> bytes:
    """Returns `fields` as a serialised tf.train.Example, one value for each field.

    Keys are in sorted order, so equal fields give equal bytes.
    """
    example = _Example()
    for key, value in sorted(fields.items()):
        feature = example.features.entry.add(key=key).value
        values = feature.bytes_list if isinstance(value, bytes) else feature.int64_list
        values.value.append(value)
    return example.SerializeToString()


def field(key: str, value: bytes) -> bytes:
    """Returns the part of a serialised Example that holds this field.

    By hand: as a message it takes five times as long, for every record of millions.
    """
    feature = _delimited(0x0A, _delimited(0x0A, value))
    return _delimited(0x0A, key.encode()) + _delimited(0x12, feature)


def _delimited(tag: int, content: bytes) -> bytes:
    """The content behind its tag and its length, 7 bits a byte."""
    head, length = [tag], len(content)
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((*head, length)) + content


def decode(payload: bytes) -> dict[str, bytes | int]:
    """Returns the first value of each bytes or int64 feature of an Example.

    Raises:
        ValueError: if `payload` is not an Example of such features.
    """
    try:
        entries = _Example.FromString(payload).features.entry
    except message.DecodeError as error:
        raise ValueError("not a tf.train.Example") from error
    fields: dict[str, bytes | int] = {}
    for entry in entries:
        values = entry.value.bytes_list.value or entry.value.int64_list.value
        if not values:
            raise ValueError(f"field {entry.key!r} is neither bytes nor int64")
        fields[entry.key] = values[0]
    return fields
