"""Compiled kernels and their big-endian loads.

A load checks no bounds: every caller has compared the offset with the datagram's end first. ``tests/sensors`` proves it
with datagrams that end where readable memory ends.
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_compiler: Any = njit  # its published types leave out `_nrt`


def _digest(folder: Path) -> str:
    """Of every source that has parts of kernels: they are compiled into those of other files, which must not outlive them."""
    digest = blake2b(digest_size=16)
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        if b"traffic.decoders.loads import" in source or path.name == "loads.py":
            digest.update(path.name.encode() + source)
    return digest.hexdigest()


SOURCES = _digest(Path(__file__).parents[1])


def kernel(function: Callable[..., Any]) -> Any:
    """Compile with Numba, without the interpreter's lock; the machine code is kept between runs.

    Without Numba's own memory management too: counting references to arrays took a third of the decoders' time. So a
    kernel makes no arrays; what it needs is handed to it.
    """
    made = _compiler(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    kept = made._cache._cache_file  # Numba asks only a kernel's own file whether its machine code is old
    kept._source_stamp = (kept._source_stamp, SOURCES)
    return made


def inlined(function: Callable[..., Any]) -> Any:
    """A part of a kernel that is compiled into each of its callers: a call with two matrices costs ten nanoseconds."""
    return _compiler(nogil=True, error_model="numpy", _nrt=False, forceinline=True)(function)


def _load(bits: int) -> Any:
    """A load of a big-endian number of that many bits: ``load(bytes, offset)``."""

    @intrinsic
    def load(typingctx: Any, array: Any, offset: Any) -> Any:
        result = types.uint64 if bits == 64 else types.uint32

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            held = context.make_array(signature.args[0])(context, builder, arguments[0])
            integer = ir.IntType(bits)
            place = builder.bitcast(builder.gep(held.data, [arguments[1]]), integer.as_pointer())
            value = builder.load(place, align=1)
            swap = builder.module.declare_intrinsic("llvm.bswap", [integer])
            value = builder.call(swap, [value])
            return builder.zext(value, ir.IntType(32)) if bits == 16 else value

        return result(array, types.int64), generate

    return load


load16, load32, load64 = _load(16), _load(32), _load(64)


def _prefetch(typingctx: Any, array: Any, offset: Any) -> Any:
    """Ask for the cache line of ``array[offset]``, which will be written soon; nothing is read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(held.data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        name = "llvm.prefetch.p0i8" if "i8*" in str(place.type) else "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


prefetch: Any = intrinsic(_prefetch)
