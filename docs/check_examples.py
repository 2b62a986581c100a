# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the IR in the documentation of the dialect, of the passes, and in the Markdown files.

    python docs/check_examples.py [--build=build] [--llvm=/usr/lib/llvm-22] [--verbose]

takes every ```mlir block of the descriptions in dialect/**/*.td and of README.md and docs/**/*.md, and has bfly-opt parse
and verify it. A block is a whole module, or a fragment that uses values from around it: those become arguments of a
function around the fragment. Their types are asked of the parser itself, which says what type a use expects.

- every operation has an example, and the operation is in it;
- every pass that has a "Before:" has an "After:", and the pass turns the one into the other: the operations are the
  same, in the same order, once both are cleaned up (-canonicalize -cse).

Prints one line for each block that is wrong and exits with 1 if there is one."""

import argparse
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
DEFINITIONS = ["IR/BflyOps.td", "Transforms/Passes.td", "Conversion/Passes.td"]
# Comments and strings hold no values.
NOISE = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"')
WHOLE = re.compile(r"^(builtin\.module|module|func\.func|ml_program\.|memref\.global|llvm\.|gpu\.module)", re.M)
SEPARATOR = "// -----\n"


@dataclass
class Example:
    """One block of IR, and the argument types that make it parse."""

    where: str
    text: str
    types: dict = field(default_factory=dict)
    results: list = field(default_factory=list)
    error: str = ""

    def __post_init__(self):
        code = NOISE.sub("", self.text)
        self.whole = bool(WHOLE.search(code))
        self.attribute = code.lstrip().startswith("#")
        if self.whole or self.attribute:
            return
        # What the fragment makes and does not use itself counts as used: a pass that cleans up must not drop it.
        for line in code.splitlines():
            if match := re.match(r"((?:%\w+(?::\d+)?,? *)+)=", line):
                for name, count in re.findall(r"(%\w+)(?::(\d+))?", match[1]):
                    names = [f"{name}#{i}" for i in range(int(count))] if count else [name]
                    if len(re.findall(re.escape(name) + r"\b", code)) == 1:
                        self.results += names
        self.types.update((name, "none") for name in self.results)

    def module(self):
        """The block as a module of its own. One line goes before the block, none inside it."""
        if self.attribute:
            return f"module attributes {{bfly.example =\n{self.text}}} {{}}\n"
        if self.text.startswith("module"):
            return f"//\n{self.text}"
        if self.whole:
            return self.text if self.text.startswith("module ") else f"module {{\n{self.text}}}\n"
        arguments = ", ".join(f"{name}: {type}" for name, type in self.types.items() if name not in self.results)
        types = ", ".join(self.types[name] for name in self.results)
        end = (
            ""
            if re.search(r"^return\b", self.text, re.M)
            else f"return {', '.join(self.results)} : {types}\n"
            if self.results
            else "return\n"
        )
        result = f" -> ({types})" if self.results and end else ""
        return f"module {{ func.func @example({arguments}){result} {{\n{self.text}{end}}} }}\n"


def blocks(text):
    """(heading, IR) of the ```mlir blocks; a heading is the last word before the block if that ends in a colon."""
    for match in re.finditer(r"^( *)```mlir\n(.*?)^ *```", text, re.M | re.S):
        before = re.search(r"(\w+):\s*$", text[: match.start()])
        lines = match[2].splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        yield before and before[1], "".join(line[indent:] + "\n" for line in lines)


def run(command, text):
    return subprocess.run(command, input=text, capture_output=True, text=True)


def settle(examples):
    """Finds the types of the values that come from outside, all examples at once, one mistake of each a round."""
    unsettled = [example for example in examples if not example.error]
    while unsettled:
        starts, modules, line = [], [], 1
        for example in unsettled:
            starts.append(line)
            modules.append(example.module())
            line += modules[-1].count("\n") + 1
        errors = run(
            ["bfly-opt", "-split-input-file", "-allow-unregistered-dialect", "-o", "/dev/null"], SEPARATOR.join(modules)
        ).stderr
        found = [
            (int(line), int(column), message)
            for line, column, message in re.findall(r"^<stdin>:(\d+):(\d+): error: (.*)$", errors, re.M)
        ]
        if errors and not found:
            sys.exit(f"bfly-opt: {errors}")
        again = []
        for example, start, module in zip(unsettled, starts, modules):
            lines = module.splitlines()
            mine = [error for error in found if start <= error[0] < start + len(lines)]
            progress = False
            for line, column, message in mine:
                here = lines[line - start][column - 1 :]
                name = re.match(r"%\w+(#\d+)?", here)
                if clash := re.match(
                    r"use of value '(%[\w#]+)' expects different type than prior uses: "
                    r"'(.*)' vs '(.*)'$",
                    message,
                ):
                    name, expected, prior = clash.groups()
                    # Of a group of results the parser names the group; the first that is open is meant.
                    if name not in example.types:
                        name = next(
                            (n for n in example.types if n.startswith(f"{name}#") and example.types[n] == "none"), name
                        )
                    # An argument is declared before it is used, a result is returned after it is made.
                    right = prior if name in example.results else expected
                    if example.types.get(name) == "none" and right != "none":
                        example.types[name] = right
                        progress = True
                elif "undeclared SSA value" in message and name and name[0] not in example.types:
                    example.types[name[0]] = "none"
                    progress = True
            if progress:
                again.append(example)
            elif mine:
                line, _, message = mine[0]
                example.error = f"line {line - start}: {message}"
        unsettled = again


def operations(module, pipeline):
    """The names of the operations after `pipeline`, constants and the frame aside; or what went wrong."""
    done = run(["bfly-opt", f"--pass-pipeline=builtin.module({pipeline})", "--mlir-print-op-generic"], module)
    if done.returncode:
        return done.stderr.splitlines()[0]
    names = re.findall(r'^ *(?:%[\w:, %]+ = )?"([\w.]+)"\(', done.stdout, re.M)
    frame = {"builtin.module", "func.func", "func.return", "arith.constant"}
    return [name for name in names if name not in frame]


def check_pass(name, anchor, before, after):
    """Why the pass does not turn one example into the other, or None."""
    wanted = operations(after.module(), "canonicalize,cse")
    nested = {"module": "{}", "kernels": "gpu.module({})"}.get(anchor, "func.func({})").format(name)
    made = operations(before.module(), f"{nested},canonicalize,cse")
    if wanted != made:
        return f"the pass makes {made} of Before, After has {wanted}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("BFLY_BUILD_DIR", SOURCE / "build")))
    parser.add_argument("--llvm", type=Path, default=Path("/usr/lib/llvm-22"))
    parser.add_argument("--verbose", action="store_true", help="print every example as it is checked")
    flags = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(flags.build / "bin"), str(flags.llvm / "bin"), os.environ["PATH"]])
    examples, operation_names, transformations = [], {}, []
    for file in DEFINITIONS:
        command = ["llvm-tblgen", "--dump-json", "-I", SOURCE / "dialect", "-I", flags.llvm / "include"]
        records = run([*command, SOURCE / "dialect" / "bfly" / file], "")
        if records.returncode:
            sys.exit(records.stderr)
        records = json.loads(records.stdout)
        kinds = records["!instanceof"]
        documented = kinds.get("Bfly_Op", []) + kinds.get("Bfly_Attr", []) + kinds.get("PassBase", [])
        for name in dict.fromkeys(documented):
            record = records[name]
            mine = {}
            for number, (heading, text) in enumerate(blocks(record.get("description") or "")):
                example = Example(f"{record['!locs'][0]}: {name}, {heading or f'block {number + 1}'}", text)
                examples.append(example)
                mine[heading] = example
            if name in kinds.get("Bfly_Op", []):
                operation_names[name] = (f"bfly.{record['opName']}", mine.get("Example"))
            if "Before" in mine:
                base = record["baseClass"]
                anchor = "kernels" if "GPUModuleOp" in base else "module" if "ModuleOp" in base else "function"
                transformations.append((record["argument"], anchor, mine["Before"], mine.get("After")))
    for path in [SOURCE / "README.md", *sorted((SOURCE / "docs").rglob("*.md"))]:
        for number, (_, text) in enumerate(blocks(path.read_text())):
            examples.append(Example(f"{path.name}: block {number + 1}", text))

    settle(examples)
    for name, (mnemonic, example) in operation_names.items():
        if example is None:
            examples.append(Example(name, "", error="no example"))
        elif mnemonic not in example.text:
            example.error = example.error or f"{mnemonic} is not in its example"
    for name, anchor, before, after in transformations:
        if after is None:
            before.error = before.error or "Before without After"
        elif not before.error and not after.error:
            after.error = check_pass(name, anchor, before, after) or ""

    wrong = [example for example in examples if example.error]
    for example in wrong:
        print(f"{example.where}: {example.error}")
    if flags.verbose:
        for example in examples:
            print(f"--- {example.where}\n{example.module()}")
    print(
        f"{len(examples)} examples, {len(operation_names)} operations, {len(transformations)} passes with before and "
        f"after: {len(wrong)} wrong"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
