# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints the IR of the README's tour and examples again, as the compiler prints it now.

    python scripts/update_readme.py [--build=build]

rewrites what is between `<!-- tour -->` and `<!-- /tour -->`, and between `<!-- examples -->` and `<!-- /examples -->`, in
README.md. A level is shortened to the lines that say something new: whatever opens or closes a region, and of each kind
of operation the first few in that region; an ellipsis stands for the rest."""

import argparse
import os
import re
import subprocess
import textwrap
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
WIDTH = 118
LEVELS = ["mixer", "network", "schedule", "affine", "llvm"]
SAYS = {
    "mixer": "what people write",
    "network": "transforms, spectra and attention stages, after the exact rewrites",
    "schedule": "one kernel a mixer, each with its plan",
    "affine": "loops over buffers; `bfly.lanes` are channels",
    "llvm": "vectors, threads and memory, ready for LLVM",
}
# What a region shows of each kind of operation, and lines at most.
KEEP = {"mixer": (99, 60), "network": (2, 40), "schedule": (2, 40), "affine": (1, 64), "llvm": (2, 20)}
# Constants say nothing new, nor do the addresses and descriptors around a nest's vectors.
DULL = {"affine": r"arith\.constant", "llvm": r"(?!llvm\.func|omp\.|llvm\.return).*(?<!vector<16xf32>)$|llvm\.mlir"}
EXAMPLES = [
    ("fftnet_layer", "An FFTNet layer: norm, context, filter with modReLU, residual, norm"),
    ("fftnet_model", "A whole FFTNet model: embedding, positions, two layers, norm, vocabulary"),
    ("fft_ia_layer", "An FFT-IA layer: butterfly attention with dense weights, 4 heads"),
    ("fft_inspired_attention", "The drop-in module's forward: a value projection, then attention on 48 tokens, padded to 64"),
    ("fnet_mixing", "FNet's mixing: the real part of a transform over tokens and channels, to show that the filter is general"),
]


def ir(build, path, level):
    """The module at a level, as bfly-opt prints it."""
    command = [build / "bin" / "bfly-opt", path]
    if level != "mixer":
        command.append(f"-bfly-compile=to={level}")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def function(text):
    """The last function of a module, without the module around it and indented to the left."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"  (func|llvm)\.func .*\{$", line)
              and "_mlir_ciface" not in line and "omp" not in line.split("(")[0]]
    body = []
    for line in lines[starts[-1]:]:
        body.append(line[2:])
        if line == "  }":
            break
    return body


def shorten(lines, level):
    """The lines that say something new; in each region one "…" for others."""
    keep, most = KEEP[level]
    dull = re.compile(DULL.get(level, r"$ "))
    shown, regions = [], [{}]
    for number, line in enumerate(lines):
        code = line.strip()
        indent = line[:len(line) - len(code)]
        opens, closes = code.endswith("{"), code.startswith("}")
        if closes and len(regions) > 1:
            regions.pop()
        bare = re.sub(r"^%[\w:#, %]+ = ", "", code)
        kind = re.match(r"[\w.]*", bare)[0]
        seen = regions[-1]
        wanted = opens or closes or code.startswith("^") and level != "llvm"
        if not wanted and not dull.match(bare):
            seen[kind] = seen.get(kind, 0) + 1
            wanted = seen[kind] <= keep
        if opens:
            regions.append({})
        if number == len(lines) - 1:
            shown.append(line)
        elif wanted and len(shown) < most:
            if "bfly.kernel" in line:
                # The plan is the point of this level.
                shown += textwrap.wrap(line, WIDTH, subsequent_indent=indent + "    ", break_long_words=False)
            else:
                shown.append(line if len(line) <= WIDTH else line[:WIDTH - 4].rstrip() + " …" + (" {" if opens else ""))
        elif not seen.get("…") and len(shown) <= most:
            seen["…"] = True
            shown.append(indent + "…")
    return shown


def show(build, path, levels):
    """Markdown: the function at each of the levels."""
    text = []
    for level in levels:
        command = "bfly-opt " + str(path.relative_to(SOURCE))
        if level != "mixer":
            command += f" -bfly-compile=to={level}"
        text += [f"**{level}**: {SAYS[level]} (`{command}`)", "", "```",
                 *shorten(function(ir(build, path, level)), level), "```", ""]
    return text


def machine_code(build, path):
    """The first additions of vectors, as LLVM's code generator writes them for a machine with AVX-512."""
    lowered = ir(build, path, "llvm")
    llvm = subprocess.run(["mlir-translate", "--mlir-to-llvmir"], input=lowered, check=True, capture_output=True,
                          text=True).stdout
    code = subprocess.run(["clang", "-O3", "-march=x86-64-v4", "-mprefer-vector-width=512", "-S", "-x", "ir", "-", "-o",
                           "-"], input=llvm, check=True, capture_output=True, text=True).stdout.splitlines()
    code = [line.split("#")[0].rstrip().expandtabs(8) for line in code]
    first = next(i for i, line in enumerate(code) if "vaddps" in line and "zmm" in line)
    return ["**machine code**: the radix-4 butterfly, an instruction for 16 channels "
            "(`bfly-opt … | mlir-translate-22 --mlir-to-llvmir | clang-22 -O3 -march=x86-64-v4 -S -x ir -`)", "", "```",
            *code[first:first + 10], "        …", "```", ""]


def replace(text, name, lines):
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = text.split(begin)
    return before + begin + "\n" + "\n".join(lines) + end + rest.split(end)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("BFLY_BUILD_DIR", SOURCE / "build")))
    parser.add_argument("--llvm", type=Path, default=Path("/usr/lib/llvm-22"))
    flags = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(flags.llvm / "bin"), os.environ["PATH"]])
    build = flags.build.resolve()
    tour = SOURCE / "docs" / "tour.mlir"
    examples = ["| example | what it is |", "|---|---|"]
    examples += [f"| [{name}](examples/{name}.mlir) | {what} |" for name, what in EXAMPLES]
    examples.append("")
    for name, _ in EXAMPLES:
        examples += ["<details>", f"<summary><b>{name}</b> at every level</summary>", "",
                     *show(build, SOURCE / "examples" / f"{name}.mlir", LEVELS), "</details>", ""]
    readme = SOURCE / "README.md"
    text = replace(readme.read_text(), "tour", show(build, tour, LEVELS) + machine_code(build, tour))
    readme.write_text(replace(text, "examples", examples))


if __name__ == "__main__":
    main()
