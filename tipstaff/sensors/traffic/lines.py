"""Several words of a cache line at once, which the compiler by itself takes one by one. Arrays are flat, of 64-bit words; no bounds
are checked."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WORD = ir.IntType(64)


def _words(context: Any, builder: Any, kind: Any, array: Any, at: Any, count: int) -> Any:
    """A pointer to ``count`` words from ``array[at]`` on."""
    held = context.make_array(kind)(context, builder, array)
    return builder.bitcast(builder.gep(held.data, [at]), ir.VectorType(WORD, count).as_pointer())


def _all(builder: Any, word: Any, count: int) -> Any:
    """That word ``count`` times."""
    whole = ir.Constant(ir.VectorType(WORD, count), ir.Undefined)
    for place in range(count):
        whole = builder.insert_element(whole, word, ir.IntType(32)(place))
    return whole


def _line(change: str) -> Any:
    """Change the eight words from ``array[at]`` on by those from ``lines[of]`` on."""

    @intrinsic
    def change_line(typingctx: Any, array: Any, at: Any, lines: Any, of: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            into, of = (_words(context, builder, signature.args[n], arguments[n], arguments[n + 1], 8) for n in (0, 2))
            changed = getattr(builder, change)(builder.load(into, align=8), builder.load(of, align=8))
            builder.store(changed, into, align=8)
            return context.get_dummy_value()

        return types.void(array, types.int64, lines, types.int64), generate

    return change_line


add_line, take_line = _line("add"), _line("sub")


def _add_to_one(typingctx: Any, array: Any, at: Any, keep: Any, which: Any, amount: Any) -> Any:
    """Of the four words from ``array[at]`` on, keep the bits of ``keep``, then add ``amount`` to the one of that number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        into = _words(context, builder, signature.args[0], arguments[0], arguments[1], 4)
        keep, which, amount = (_all(builder, one, 4) for one in arguments[2:])
        four = ir.VectorType(WORD, 4)
        chosen = builder.icmp_signed("==", which, ir.Constant(four, [ir.Constant(WORD, n) for n in range(4)]))
        added = builder.select(chosen, amount, ir.Constant(four, [ir.Constant(WORD, 0)] * 4))
        builder.store(builder.add(builder.and_(builder.load(into, align=8), keep), added), into, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64, types.int64, types.uint64), generate


add_to_one: Any = intrinsic(_add_to_one)
