# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads IR as -mlir-print-op-generic prints it: every operation has one form there."""

import functools
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

BUILD = Path(os.environ.get("BFLY_BUILD_DIR", Path(__file__).parents[2] / "build"))


@dataclass
class Block:
    arguments: list = field(default_factory=list)  # names
    types: list = field(default_factory=list)
    operations: list = field(default_factory=list)


@dataclass
class Operation:
    name: str
    results: list
    operands: list
    attributes: dict  # texts
    regions: list  # of one block each
    operand_types: list
    result_types: list

    def walk(self):
        yield self
        for block in self.regions:
            for operation in block.operations:
                yield from operation.walk()


CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}


def split(text):
    """The parts of a list at its top level."""
    parts, depth, begin, i = [], 0, 0, 0
    while i < len(text):
        c = text[i]
        if c == '"':
            i = text.index('"', i + 1)
        elif c in "([{<":
            depth += 1
        elif c in ")]}" or c == ">" and text[i - 1] not in "-=" and text[i + 1 : i + 2] != "=":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
        i += 1
    parts.append(text[begin:].strip())
    return [part for part in parts if part]


class Reader:
    def __init__(self, text):
        self.aliases = dict(re.findall(r"^(#[\w.]+) = (.*)$", text, re.M))
        self.text = re.sub(r"^#[\w.]+ = .*$", "", text, flags=re.M)
        self.at = 0

    def skip(self):
        self.at = re.compile(r"\s*").match(self.text, self.at).end()

    def take(self, pattern):
        self.skip()
        match = re.compile(pattern).match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def bracketed(self):
        """The text inside the bracket at hand."""
        self.skip()
        begin, stack = self.at + 1, []
        while True:
            c = self.text[self.at]
            if c == '"':
                self.at = self.text.index('"', self.at + 1)
            elif c in CLOSING:
                stack.append(CLOSING[c])
            elif stack and c == stack[-1] and not (c == ">" and self.text[self.at - 1] in "-="):
                stack.pop()
                if not stack:
                    self.at += 1
                    return self.text[begin : self.at - 1]
            self.at += 1

    def attributes(self, text):
        result = {}
        for part in split(text):
            name, _, value = part.partition(" = ")
            result[name.strip('"')] = re.sub(r"#map\w*|#set\w*", lambda match: self.aliases[match.group()], value)
        return result

    def types(self):
        """A type, or a list of them in parentheses."""
        self.skip()
        if self.text[self.at] == "(":
            return split(self.bracketed())
        begin, depth = self.at, 0
        while self.at < len(self.text):
            c = self.text[self.at]
            if c in "<([":
                depth += 1
            elif c in ">)]" and self.text[self.at - 1] != "-":
                depth -= 1
            if depth < 0 or c == "\n" and depth == 0:
                break
            self.at += 1
        return [self.text[begin : self.at].strip()]

    def operation(self):
        match = self.take(r'(?:([%\w#:, ]+?) = )?"([\w.]+)"')
        assert match, self.text[self.at : self.at + 80]
        results = []
        for name in split(match.group(1) or ""):
            name, _, count = name.partition(":")
            results += [f"{name}#{i}" for i in range(int(count))] if count else [name]
        operands = split(self.bracketed())
        attributes, regions = {}, []
        if self.take(r"(?=<\{)"):
            attributes |= self.attributes(self.bracketed().strip()[1:-1])
        if self.take(r"\((?=\{)"):
            while self.take(r"\{"):
                regions.append(self.block())
                self.take(r",")
            assert self.take(r"\)")
        if self.take(r"(?=\{)"):
            attributes |= self.attributes(self.bracketed())
        assert self.take(":"), self.text[self.at : self.at + 80]
        operand_types = self.types()
        assert self.take("->")
        return Operation(match.group(2), results, operands, attributes, regions, operand_types, self.types())

    def block(self):
        block = Block()
        if self.take(r"\^bb\d+"):
            self.skip()
            if self.text[self.at] == "(":
                for argument in split(self.bracketed()):
                    name, _, of = argument.partition(":")
                    block.arguments.append(name.strip())
                    block.types.append(of.strip())
            assert self.take(":")
        while not self.take(r"\}"):
            assert not self.take(r"\^"), "only regions of one block are read"
            block.operations.append(self.operation())
        return block


@functools.cache
def print_after(text, *flags):
    """What bfly-opt prints of a text, or its message as a ValueError."""
    command = [BUILD / "bin" / "bfly-opt", "-", *flags]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def optimize(text, *flags):
    """The module that passes make of a text."""
    return Reader(print_after(text, *flags, "-mlir-print-op-generic")).operation()


def functions(module):
    return {
        operation.attributes["sym_name"].strip('"'): operation
        for operation in module.walk()
        if operation.name == "func.func"
    }


def map_of(text):
    """affine_map<...> as a function of its dimensions and symbols to a tuple."""
    inputs, _, results = text[len("affine_map<") : -1].partition("->")
    names = re.findall(r"\w+", inputs)
    results = results.strip()[1:-1].replace("floordiv", "//").replace("mod", "%")
    assert "ceildiv" not in results
    return eval(f"lambda {', '.join(names)}: ({results}{',' if results else ''})")


def set_of(text):
    """affine_set<...> as a predicate."""
    inputs, _, conditions = text[len("affine_set<") : -1].partition(" : ")
    names = re.findall(r"\w+", inputs)
    conditions = conditions.strip()[1:-1].replace("floordiv", "//").replace("mod", "%").split(",")
    return eval(f"lambda {', '.join(names)}: {' and '.join(f'({condition})' for condition in conditions)}")


def integers(text):
    """array<i64: 1, 2> or dense<...> of integers."""
    return [int(value) for value in re.findall(r"-?\d+", text.partition(":")[2].rpartition(">")[0] or "")]
