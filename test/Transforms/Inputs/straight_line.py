# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs what bfly-opt prints: an interpreter of straight-line arith and math.

The expansions of registers end in a function of scalars with no control flow,
so their numbers can be checked on any machine, operation by operation, with no
code generator between. Products and sums are rounded separately (a fused one
is at least as accurate). f32 is emulated by rounding each f64 result, which
gives the correctly rounded f32 result for +, -, *, / and sqrt.
"""

import ctypes
import math
import re
import struct
import subprocess


def to_type(value, type_name):
    """`value` rounded to f32 or f64 (overflow gives an infinity)."""
    return ctypes.c_float(value).value if type_name == "f32" else value


def divide(a, b):
    """IEEE division, which Python's is not for a zero divisor."""
    if b == 0:
        if a == 0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


ARITHMETIC = {
    "arith.addf": lambda a, b: a + b,
    "arith.subf": lambda a, b: a - b,
    "arith.mulf": lambda a, b: a * b,
    "arith.divf": divide,
    "arith.negf": lambda a: -a,
    "math.absf": abs,
    "math.sqrt": lambda a: math.sqrt(a) if a >= 0 else math.nan,
    "math.exp": math.exp,
    "math.cos": math.cos,
    "math.sin": math.sin,
}
COMPARISON = {
    "oeq": lambda a, b: a == b,
    "ogt": lambda a, b: a > b,
    "olt": lambda a, b: a < b,
}


def parse_constant(text, type_name):
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("0x"):
        form = "f" if type_name == "f32" else "d"
        size = struct.calcsize(form)
        return struct.unpack(form, int(text, 16).to_bytes(size, "little"))[0]
    return to_type(float(text), type_name)


class Function:
    """One printed function: `call(values)` runs it, `count(names)` counts."""

    def __init__(self, arguments, lines):
        self.arguments = arguments
        self.lines = lines

    def count(self, *names):
        return sum(name in names for _, name, _, _ in self.lines)

    def call(self, values):
        env = dict(zip(self.arguments, values))
        for result, name, operands, type_name in self.lines:
            if name == "return":
                return [env[operand] for operand in operands]
            if name == "arith.constant":
                env[result] = parse_constant(operands[0], type_name)
            elif name == "arith.cmpf":
                args = [env[operand] for operand in operands[1:]]
                env[result] = COMPARISON[operands[0]](*args)
            elif name == "arith.select":
                condition, a, b = [env[operand] for operand in operands]
                env[result] = a if condition else b
            else:
                args = [env[operand] for operand in operands]
                env[result] = to_type(ARITHMETIC[name](*args), type_name)
        raise ValueError("a function without a return")


def parse(text):
    """The functions of a printed module, by name. ValueError on any line that
    is not straight-line arith or math on scalars."""
    functions, current = {}, None
    for line in text.splitlines():
        line = line.strip()
        if line in ("", "}", "module {"):
            continue
        header = re.match(r"func\.func @(\w+)\((.*?)\)", line)
        if header:
            current = Function(re.findall(r"%\w+", header[2]), [])
            functions[header[1]] = current
            continue
        match = re.match(r"(?:(%\w+) = )?([a-z_.]+)\s*(.*)$", line)
        if not match:
            raise ValueError("cannot read: " + line)
        result, name, rest = match.groups()
        if not (name in ARITHMETIC or name in ("return", "arith.constant", "arith.cmpf", "arith.select")):
            raise ValueError("not straight-line arithmetic: " + line)
        body, _, type_name = rest.rpartition(" : ")
        body = re.sub(r"fastmath<[\w,]*>", "", body or rest)
        operands = [part.strip() for part in body.split(",") if part.strip()]
        current.lines.append((result, name, operands, type_name))
    return functions


def compile_functions(source, passes):
    """Pipes a module's text through passes on its functions; returns them."""
    pipeline = f"--pass-pipeline=builtin.module(func.func({passes}))"
    done = subprocess.run(["bfly-opt", pipeline], input=source, text=True, stdout=subprocess.PIPE, check=True)
    return parse(done.stdout)
