"""A recognition model's ONNX file, made cheaper to run without changing what it knows; pure.

The last layer, which weighs 18,000 characters against one another at every time step, is taken out: most steps need no
more than the few hundred that Latin text consists of. ONNX is protocol buffers, of which this reads and writes as much as
that takes: the library for it would be as large as the OCR.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEATURES = "features"  # the output of the graph that `parted` makes
_GRAPH = 7  # field of a model
_NODE, _INITIALIZER, _OUTPUT, _VALUE = 1, 5, 12, 13  # of a graph
_NODE_INPUT, _NODE_OUTPUT, _OPERATION = 1, 2, 4  # of a node
_FLOAT = 1  # a type of elements
_BYTES = 2  # wire type of what has a length

Array = Any  # a NumPy array: the type checker need not know the library, which is an extra


@dataclass(frozen=True, slots=True)
class Parted:
    """A model and the layer that was taken from its end."""

    model: bytes
    weights: Array  # of each feature for each character
    bias: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    number: int
    value: int | memoryview
    whole: memoryview  # with its tag

    @property
    def data(self) -> memoryview:
        assert isinstance(self.value, memoryview)
        return self.value

    @property
    def text(self) -> str:
        return str(self.data, "utf-8")


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    operation: str
    inputs: list[str]
    outputs: list[str]


def parted(model: bytes) -> Parted:
    """The model without its last layer, and that layer. Raises ValueError where it is built in another way."""
    try:
        fields = list(_fields(memoryview(model)))
        graph = [part for field in fields if field.number == _GRAPH for part in _fields(field.data)]
        nodes = {id(part): _node(part) for part in graph if part.number == _NODE}
        makers = {name: node for node in nodes.values() for name in node.outputs}
        tensors = {_text(part, 8): part for part in graph if part.number == _INITIALIZER}
        [result] = [_text(part, 1) for part in graph if part.number == _OUTPUT]
        left_out, features, weights, bias = _last_layer(result, makers, tensors)
    except (ValueError, KeyError, IndexError, AssertionError) as e:
        raise ValueError(f"not a model of the usual shape: {e}") from None
    parts = [
        bytes(part.whole)
        for part in graph
        if part.number not in {_OUTPUT, _VALUE}
        and nodes.get(id(part)) not in left_out
        and part not in (weights, bias)
    ]
    parts += [
        _packed(_NODE, _made("Identity", [features], FEATURES)),
        _packed(_OUTPUT, _value(FEATURES, _FLOAT)),
    ]
    others = b"".join(field.whole for field in fields if field.number != _GRAPH)
    return Parted(others + _packed(_GRAPH, b"".join(parts)), _floats(weights), _floats(bias))


def _last_layer(
    result: str, makers: dict[str, _Node], tensors: dict[str, _Field]
) -> tuple[list[_Node], str, _Field, _Field]:
    """What makes the result from features: nodes, the features' name, weights and bias."""
    name, left_out = result, []
    known: list[_Field] = []
    for wanted in ("Add", "MatMul"):
        while (node := makers[name]).operation in {"Softmax", "Identity"}:
            left_out.append(node)
            name = node.inputs[0]
        if node.operation != wanted:
            raise ValueError(node.operation)
        left_out.append(node)
        [tensor] = [tensors[one] for one in node.inputs if one in tensors]
        [name] = [one for one in node.inputs if one not in tensors]
        known.append(tensor)
    return left_out, name, known[1], known[0]


# -- protocol buffers


def _fields(data: memoryview) -> Iterator[_Field]:
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        if tag & 7 == _BYTES:
            size, at = _varint(data, at)
            value: int | memoryview = data[at : at + size]
            at += size
        elif tag & 7 == 0:
            value, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}[tag & 7]
            value = data[at : at + size]
            at += size
        yield _Field(tag >> 3, value, data[start:at])


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _written(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _number(field: int, value: int) -> bytes:
    return _written(field << 3) + _written(value)


def _packed(field: int, data: bytes) -> bytes:
    return _written(field << 3 | _BYTES) + _written(len(data)) + data


def _text(message: _Field, number: int) -> str:
    return next((field.text for field in _fields(message.data) if field.number == number), "")


# -- parts of a graph


def _node(part: _Field) -> _Node:
    fields = list(_fields(part.data))
    inputs, outputs = ([f.text for f in fields if f.number == n] for n in (_NODE_INPUT, _NODE_OUTPUT))
    return _Node(_text(part, _OPERATION), inputs, outputs)


def _made(operation: str, inputs: Sequence[str], output: str) -> bytes:
    named = b"".join(_packed(_NODE_INPUT, name.encode()) for name in inputs)
    return named + _packed(_NODE_OUTPUT, output.encode()) + _packed(_OPERATION, operation.encode())


def _value(name: str, element: int) -> bytes:
    return _packed(1, name.encode()) + _packed(2, _packed(1, _number(1, element)))


def _floats(tensor: _Field) -> Array:
    fields = list(_fields(tensor.data))
    shape = [f.value for f in fields if f.number == 1 and isinstance(f.value, int)]
    data = next(f.data for f in fields if f.number == 9)
    return np.frombuffer(data, "<f4").reshape(shape).copy()
