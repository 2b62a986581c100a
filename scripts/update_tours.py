# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the pages under docs/tours/, docs/images/mixers.svg, and what README.md shows of both, as the compiler has it now.

    python scripts/update_tours.py [--build=build] [--check]

A tour is one module at every level. A level is shortened to the lines that say something new: whatever opens or closes a
region, and of each kind of operation the first few in that region; an ellipsis stands for the rest. The picture is that
of the report on docs/mixers.mlir. In README.md, what is between `<!-- sample -->` and `<!-- /sample -->` is two levels of
docs/tour.mlir, and what is between `<!-- numbers -->` and `<!-- /numbers -->` comes from the newest files of
bench/results. With --check nothing is written; the exit code is 1 if something is not as it would be."""

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
HEAD = """<!-- Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions. -->
<!-- SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception -->
"""
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
TOURS = [
    ("tour", "Every bin of a spectrum is squared, which convolves a sequence with itself"),
    ("fftnet_layer", "An FFTNet layer: norm, context, filter with modReLU, residual, norm"),
    ("fftnet_model", "A whole FFTNet model: embedding, positions, two layers, norm, vocabulary"),
    ("fft_ia_layer", "An FFT-IA layer: butterfly attention with dense weights, 4 heads"),
    (
        "fft_inspired_attention",
        "The drop-in module's forward: a value projection, then attention on 48 tokens, padded to 64",
    ),
    (
        "fnet_mixing",
        "FNet's mixing: the real part of a transform over tokens and channels, to show that the filter is general",
    ),
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
    starts = [
        i
        for i, line in enumerate(lines)
        if re.match(r"  (func|llvm)\.func .*\{$", line)
        and "_mlir_ciface" not in line
        and "omp" not in line.split("(")[0]
    ]
    body = []
    for line in lines[starts[-1] :]:
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
        indent = line[: len(line) - len(code)]
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
                shown.append(
                    line.rstrip() if len(line) <= WIDTH else line[: WIDTH - 4].rstrip() + " …" + (" {" if opens else "")
                )
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
        text += [
            f"**{level}**: {SAYS[level]} (`{command}`)",
            "",
            "```",
            *shorten(function(ir(build, path, level)), level),
            "```",
            "",
        ]
    return text


def machine_code(build, path):
    """The first additions of vectors, as LLVM's code generator writes them for a machine with AVX-512."""
    lowered = ir(build, path, "llvm")
    llvm = subprocess.run(
        ["mlir-translate", "--mlir-to-llvmir"], input=lowered, check=True, capture_output=True, text=True
    ).stdout
    code = subprocess.run(
        ["clang", "-O3", "-march=x86-64-v4", "-mprefer-vector-width=512", "-S", "-x", "ir", "-", "-o", "-"],
        input=llvm,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    code = [line.split("#")[0].rstrip().expandtabs(8) for line in code]
    first = next(i for i, line in enumerate(code) if "vaddps" in line and "zmm" in line)
    command = "bfly-opt … | mlir-translate-22 --mlir-to-llvmir | clang-22 -O3 -march=x86-64-v4 -S -x ir -"
    title = f"**machine code**: the radix-4 butterfly, an instruction for 16 channels (`{command}`)"
    return [title, "", "```", *code[first : first + 10], "        …", "```", ""]


def module_of(name):
    return SOURCE / "docs" / "tour.mlir" if name == "tour" else SOURCE / "examples" / f"{name}.mlir"


def tour(build, name, what):
    """The page of one tour."""
    path = module_of(name)
    source = path.relative_to(SOURCE)
    intro = (
        f"{what}: [{source}](../../{source}). The IR is shortened here; the command above each level prints all of it."
    )
    title = "A tour: one operation at every level" if name == "tour" else f"{name}, at every level"
    text = [f"# {title}", "", intro, "", *show(build, path, LEVELS)]
    if name == "tour":
        more = "[dialect.md](../dialect.md) follows the same operation through the files that do each step."
        text += [*machine_code(build, path), more, ""]
    text.append("Written by `scripts/update_tours.py`; do not edit.")
    return HEAD + "\n".join(line for paragraph in text for line in wrap(paragraph)) + "\n"


def wrap(line):
    """A paragraph of a page in lines of its width; code and whole links as they are."""
    if not re.match(r"[A-Z\[].*\.$", line):
        return [line]
    kept = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", "\0"), line)
    wrapped = textwrap.wrap(kept, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [part.replace("\0", " ") for part in wrapped]


def picture(build):
    """The picture of the report on docs/mixers.mlir, as `python -m bfly.draw` draws it."""
    with tempfile.TemporaryDirectory() as folder:
        report, svg = Path(folder) / "report.json", Path(folder) / "picture.svg"
        subprocess.run(
            [
                build / "bin" / "bfly-opt",
                "docs/mixers.mlir",
                "-bfly-compile=to=schedule threads=2",
                f"-bfly-print-report=file={report}",
                "-o",
                os.devnull,
            ],
            check=True,
            cwd=SOURCE,
            stderr=subprocess.DEVNULL,
        )
        # As a file, so that nothing but the standard library is needed.
        subprocess.run([sys.executable, SOURCE / "python" / "bfly" / "draw.py", report, svg], check=True)
        return svg.read_text(encoding="utf-8")


def newest(kind):
    return max((SOURCE / "bench" / "results").glob(f"{kind}-*.json"))


def numbers():
    """Three measured numbers, each beside torch.compile, and where they come from."""
    cpu_file, cuda_file = newest("cpu"), newest("cuda")
    cpu, cuda = json.loads(cpu_file.read_text()), json.loads(cuda_file.read_text())
    lines = ["| medians | bfly | torch.compile | |", "|---|---:|---:|---:|"]

    def row(what, mine, other):
        lines.append(f"| {what} | {mine:#.3g} ms | {other:#.3g} ms | {other / mine:.1f} times faster |")

    shape = "({batch}, {tokens}, {channels})"
    times = {(entry["op"], entry["contender"]): entry["median_ms"] for entry in cpu["mixers"]}
    for op, what in (
        ("spectral_filter", "FFTNet's filter"),
        ("butterfly_attention", "FFT-IA's attention, dense weights"),
    ):
        where = f"{cpu['machine']['processor']}, {cpu['shape']['threads']} threads"
        row(
            f"{what}, {shape.format(**cpu['shape'])} {cpu['shape']['dtype']}, {where}",
            times[op, "bfly"],
            times[op, "torch.compile"],
        )

    def ratios(entries, dtype, suffix=""):
        """{shape: (bfly's median, torch.compile's)} of what was measured in a type."""
        medians = {}
        for entry in entries:
            if entry["dtype"] == dtype:
                medians.setdefault(shape.format(**entry), {})[entry["contender"]] = entry["median_ms"]
        return {name: (row["bfly" + suffix], row["torch.compile" + suffix]) for name, row in medians.items()}

    def span(pairs):
        factors = [other / mine for mine, other in pairs.values()]
        return f"{min(factors):.2f} to {max(factors):.2f} times"

    filters, dense = ratios(cuda["filter"], "f32"), ratios(cuda["butterfly"], "bf16", ", dense")
    name = "(8, 4096, 768)"
    row(f"FFTNet's filter, {name} f32, {cuda['machine']['card']}", *filters[name])
    text = (
        f"Shapes are (batch, tokens, channels). Over all shapes on that card bfly is {span(filters)} as fast as "
        f"torch.compile for the filter in f32, and {span(dense)} for attention with dense weights in bf16. Sources: "
        f"`{cpu['command']}` at commit {cpu['commit']}, `{cuda['command']}` at commit {cuda['commit']}; all figures, also "
        f"those where bfly is slower, are in [bench/RESULTS.md](bench/RESULTS.md), the raw ones in "
        f"[bench/results](bench/results)."
    )
    return [*lines, "", *wrap(text), ""]


def replace(text, name, lines):
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = text.split(begin)
    return before + begin + "\n" + "\n".join(lines) + end + rest.split(end)[1]


def pages(build):
    """{path: text} of all that this script writes."""
    readme = (SOURCE / "README.md").read_text()
    readme = replace(readme, "sample", show(build, module_of("tour"), ["mixer", "schedule"]))
    made = {
        SOURCE / "README.md": replace(readme, "numbers", numbers()),
        SOURCE / "docs" / "images" / "mixers.svg": picture(build),
    }
    for name, what in TOURS:
        made[SOURCE / "docs" / "tours" / f"{name}.md"] = tour(build, name, what)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("BFLY_BUILD_DIR", SOURCE / "build")))
    parser.add_argument("--llvm", type=Path, default=Path("/usr/lib/llvm-22"))
    parser.add_argument("--check", action="store_true", help="write nothing, say what is out of date")
    flags = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(flags.llvm / "bin"), os.environ["PATH"]])
    outdated = False
    for path, text in pages(flags.build.resolve()).items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old == text:
            continue
        outdated = True
        if flags.check:
            name = str(path.relative_to(SOURCE))
            sys.stdout.writelines(
                difflib.unified_diff(old.splitlines(True), text.splitlines(True), name, "as it is now")
            )
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(flags.check and outdated)


if __name__ == "__main__":
    sys.exit(main())
