"""A scalar that remembers how it was made, so that blame can be handed back through it.

One number a node: slow, and small enough to be read whole. notebooks/foundations/neural_networks.ipynb builds
the same class a few lines at a time; a test holds the two equal. For arrays use torch.autograd.
"""

from __future__ import annotations

import math

__all__ = ["Value"]


class Value:
    """A number `data`, the parts that it was made of, and `grad`, the derivative of the last result by it.

    `slopes` holds, for each part, by how much this number grows when the part grows by one: the derivative
    of one operation. `grad` is 0 until `backward` is called on a number that was made of this one.
    """

    def __init__(self, data: float, parts: tuple[Value, ...] = (), slopes: tuple[float, ...] = ()) -> None:
        self.data, self.parts, self.slopes = float(data), parts, slopes
        self.grad = 0.0

    def __repr__(self) -> str:
        return f"Value({self.data:.4g}, grad={self.grad:.4g})"

    def __add__(self, other: Value | float) -> Value:
        other = _as_value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Value | float) -> Value:
        other = _as_value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, power: float) -> Value:
        """A constant power; ZeroDivisionError at 0 where the power is negative."""
        return Value(self.data**power, (self,), (power * self.data ** (power - 1),))

    def __neg__(self) -> Value:
        return self * -1

    def __sub__(self, other: Value | float) -> Value:
        return self + -_as_value(other)

    def __truediv__(self, other: Value | float) -> Value:
        return self * _as_value(other) ** -1

    def __radd__(self, other: float) -> Value:
        return self + other

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __rsub__(self, other: float) -> Value:
        return -self + other

    def __rtruediv__(self, other: float) -> Value:
        return self**-1 * other

    def exp(self) -> Value:
        """The exponential; OverflowError beyond about 709."""
        y = math.exp(self.data)
        return Value(y, (self,), (y,))

    def log(self) -> Value:
        """The natural logarithm; ValueError where the number is not positive."""
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def tanh(self) -> Value:
        """The hyperbolic tangent."""
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,))

    def relu(self) -> Value:
        """The number itself where it is positive, else 0, with slope 0 at 0."""
        return Value(max(0.0, self.data), (self,), (float(self.data > 0),))

    def order(self) -> list[Value]:
        """All numbers that this one was made of, each behind its parts; this one is the last."""
        done: set[int] = set()
        found: list[Value] = []
        stack: list[tuple[Value, bool]] = [(self, False)]
        while stack:  # a loop, since a chain may be longer than Python lets functions nest
            value, ready = stack.pop()
            if ready:
                found.append(value)
            elif id(value) not in done:
                done.add(id(value))
                stack.append((value, True))
                stack.extend((part, False) for part in value.parts)
        return found

    def backward(self) -> None:
        """Set `grad` of every number that this one was made of; what was there before is written over."""
        nodes = self.order()
        for value in nodes:
            value.grad = 0.0
        self.grad = 1.0
        for value in reversed(nodes):
            for part, slope in zip(value.parts, value.slopes, strict=True):
                part.grad += slope * value.grad


def _as_value(number: Value | float) -> Value:
    return number if isinstance(number, Value) else Value(number)
