# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A picture of a report: the network, its schedule, and where the time goes.

    python -m bfly.draw report.json picture.svg [--batch=B]

The report is that of `bfly-run --report` (with `--benchmark` the picture shows what was measured), of
`bfly-opt -bfly-print-report=file=…`, or a kernel's `report` in Python; docs/report.md has its fields. The picture has

- the kernels in the order they run in, and what runs between them;
- for each mixer its network, stage by stage: lines that meet are combined. Up to 16 tokens are drawn as they are, of
  more a scheme with the true number of stages. Under it, at the same places, where the state is while they run;
- for each kernel the time at the memory's and at the arithmetic's ceiling, and, where it was measured, the whole.

Nothing but the standard library is used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["draw"]

WIDTH = 1180
MARGIN = 36
ROWS = 16  # tokens drawn
FONT = "'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif"

INK, FAINT, LINE, PAPER, PANEL = "#1d2733", "#65748a", "#d5dce5", "#ffffff", "#f6f8fb"
PLACES = {  # from the far end of the memory to the near one
    "memory": ("memory", "#8b98a9"),
    "cluster": ("cluster", "#8a6fc0"),
    "l3": ("L3", "#8a6fc0"),
    "shared": ("shared memory", "#3b82c4"),
    "l2": ("L2", "#3b82c4"),
    "l1": ("L1", "#2a9d8f"),
    "registers": ("registers", "#e08e2b"),
}
KINDS = {"transform": "#e08e2b", "attention": "#c8446a", "dense": "#52708f", "outside": "#a7b1bf"}
MEMORY, ARITHMETIC, MEASURED = "#3b82c4", "#e08e2b", "#1d2733"
PASSES = ("#d97a1d", "#b0851f")  # of a transform, in turn
REWRITES = {
    "half_spectrum": "half the spectrum",
    "two_channels_a_transform": "two channels a transform",
    "hermitian_part": "Hermitian part",
    "mean_is_bin_zero": "mean is bin 0",
    "bluestein": "Bluestein",
    "padding_in_kernel": "padding inside",
    "pair_difference": "scores of the pair's difference",
    "chained": "scores chained",
    "folded": "weights folded",
    "carried": "images carried",
}


# Text and shapes ------------------------------------------------------------------------------------------------------


def quantity(value, unit):
    """`value` with three digits and a decimal prefix: 16.4 kB."""
    for prefix in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5 or prefix == "T":
            break
        value /= 1000
    digits = f"{value:.3g}" if value < 100 else f"{value:.0f}"
    return f"{digits} {prefix}{unit}"


def cache_size(value):
    """Bytes in a cache, whose sizes are powers of two: 48 KiB."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            digits = f"{value / size:.3g}" if value < 100 * size else f"{value / size:.0f}"
            return f"{digits} {unit}"
    return f"{value} B"


def duration(seconds):
    """Seconds as ns, µs, ms or s, with three digits."""
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
    unit, size = next((pair for pair in units if seconds >= pair[1]), ("ns", 1e-9))
    value = seconds / size
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def words(part: Mapping[str, Any]) -> str:
    """The words of one part of a plan, but its groups: "columns 4, radices 16x8"."""

    def value(word):
        return "x".join(map(str, word)) if isinstance(word, list) else str(word)

    return ", ".join(f"{name} {value(word)}" for name, word in part.items() if name != "groups")


def width_of(text, size):
    """Pixels that `text` needs, on the safe side."""
    return 0.6 * size * len(text)


class Canvas:
    """An SVG document that grows downwards."""

    def __init__(self):
        self.parts = []

    def add(self, tag, content=None, **attributes):
        names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
        written = "".join(
            f' {name}="{f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))}"'
            for name, value in names.items()
        )
        self.parts.append(f"<{tag}{written}/>" if content is None else f"<{tag}{written}>{content}</{tag}>")

    def text(self, x, y, text, size=12, fill=INK, anchor="start", weight=None, title=None, **more):
        content = escape(str(text)) + (f"<title>{escape(title)}</title>" if title else "")
        anchor = None if anchor == "start" else anchor
        self.add("text", content, x=x, y=y, font_size=size, fill=fill, text_anchor=anchor, font_weight=weight, **more)

    def box(self, x, y, width, height, fill, radius=4.0, title=None, **more):
        content = f"<title>{escape(title)}</title>" if title else None
        self.add("rect", content, x=x, y=y, width=width, height=height, rx=radius, fill=fill, **more)

    def line(self, x1, y1, x2, y2, stroke=LINE, width=1.0, **more):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width, **more)

    def path(self, d, stroke, width=1.0, fill="none", **more):
        self.add("path", d=d, stroke=stroke, stroke_width=width, fill=fill, **more)

    def finish(self, height, title):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="{FONT}" role="img">\n<title>{escape(title)}</title>\n'
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>\n'
        )
        return head + "\n".join(self.parts) + "\n</svg>\n"


# What the report says -------------------------------------------------------------------------------------------------


def amount(entry, name, batch):
    return float(entry.get(name, 0)) + float(entry.get(name + "_per_batch", 0)) * batch


class Step:
    """What runs as one: a kernel, or an operation between kernels.

    count     how many times the same one runs
    numbers   its places among the kernels, from 1; none for what is no kernel
    memory, arithmetic   seconds at the ceilings, of one run; matrix units work beside the others
    """

    def __init__(self, entry, batch, bytes_per_second, flops_per_second, matrix_flops_per_second=0.0):
        self.entry = entry
        self.is_kernel = "network" in entry
        self.name = str(entry["name"])
        self.network = entry.get("network", {})
        self.kind = self.network.get("kind", "dense") if self.is_kernel else "outside"
        self.plan = entry.get("plan", {})
        # Of each group of stages.
        self.states = [state for state in entry.get("state", []) if "first" in state]
        self.bytes = amount(entry, "bytes", batch)
        self.flops = amount(entry, "flops", batch)
        if str(self.network.get("element", "")).find("f64") >= 0:
            flops_per_second /= 2
        self.memory = self.bytes / bytes_per_second if bytes_per_second > 0 else 0.0
        matrix = amount(entry, "matrix_flops", batch) if matrix_flops_per_second > 0 else 0.0
        self.arithmetic = (self.flops - matrix) / flops_per_second if flops_per_second > 0 else 0.0
        if matrix:
            self.arithmetic = max(self.arithmetic, matrix / matrix_flops_per_second)
        self.count = 1
        self.numbers = []

    @property
    def seconds(self):
        return max(self.memory, self.arithmetic)

    @property
    def color(self):
        return KINDS.get(self.kind, KINDS["dense"])

    def label(self):
        if not self.numbers:
            return self.name
        numbers = ", ".join(map(str, self.numbers[:4])) + (" …" if len(self.numbers) > 4 else "")
        return f"{numbers}  {self.name}"

    def same(self, other):
        keys = ("name", "network", "plan", "rewrites", "inputs", "results", "bytes", "flops", "unfused")
        return all(self.entry.get(key) == other.entry.get(key) for key in keys)


class Report:
    """A report's steps, ceilings and measurement, for a number of sequences."""

    def __init__(self, report, batch=None):
        if not isinstance(report, dict) or not isinstance(report.get("kernels"), list):
            raise ValueError("this is no report: it has no list of kernels")
        functions = list(dict.fromkeys(str(kernel.get("function", "")) for kernel in report["kernels"]))
        self.function = str(report.get("function") or ", ".join(functions[:4]))
        self.machine = report.get("machine", {})
        total = report.get("total", {})
        self.dynamic = float(total.get("bytes_per_batch", 0)) > 0
        benchmark = report.get("benchmark", {})
        self.batch = report.get("batch", 1) if batch is None else batch
        ceilings = report.get("ceilings", {})
        self.source = ceilings.get("source", "")
        self.bytes_per_second = float(ceilings.get("bytes_per_second", 0))
        self.flops_per_second = float(ceilings.get("flops_per_second", 0))
        self.matrix_flops_per_second = float(ceilings.get("matrix_flops_per_second", 0))
        if benchmark.get("copy_bytes_per_second"):
            self.bytes_per_second = float(benchmark["copy_bytes_per_second"])
            self.flops_per_second = float(benchmark["peak_flops_per_second"])
            self.matrix_flops_per_second = float(
                benchmark.get("matrix_flops_per_second") or self.matrix_flops_per_second
            )
            self.source = "measured"
        units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
        self.measured = None
        # What was measured says nothing of another number of sequences.
        if "real_time" in benchmark and batch is None:
            self.measured = float(benchmark["real_time"]) * units[benchmark.get("time_unit", "ns")]

        entries = report["kernels"] + report.get("outside", [])
        entries = sorted(entries, key=lambda entry: entry.get("order", 0))
        ceilings = (self.bytes_per_second, self.flops_per_second, self.matrix_flops_per_second)
        self.steps = [Step(entry, self.batch, *ceilings) for entry in entries]
        kernels = [step for step in self.steps if step.is_kernel]
        for number, step in enumerate(kernels, 1):
            step.numbers = [number]
        self.seconds = sum(step.seconds for step in self.steps)
        self.distinct = []
        for number, kernel in enumerate(kernels, 1):
            for known in self.distinct:
                if known.same(kernel):
                    known.numbers = [*known.numbers, number]
                    known.count += 1
                    break
            else:
                copy = Step(kernel.entry, self.batch, *ceilings)
                copy.numbers = [number]
                self.distinct.append(copy)
        self.outside = [step for step in self.steps if not step.is_kernel]


# The network ----------------------------------------------------------------------------------------------------------


class Column:
    """One column of a kernel's drawing.

    kind    load, stage, map or store
    lines   for a stage: groups of rows, each of which is combined
    group   of the plan, whose place the state has
    radix_pass   which pass of a transform, or stage of attention
    """

    def __init__(self, kind, width, group=None, lines=(), radix_pass=None, label=""):
        self.kind, self.width, self.group, self.lines = kind, width, group, lines
        self.radix_pass, self.label = radix_pass, label
        self.x = 0.0


def log2_exact(n):
    """log2 of n, or None if n is no power of two."""
    return n.bit_length() - 1 if n > 0 and n & (n - 1) == 0 else None


def combined(rows, block, radix):
    """The groups of rows that a butterfly of `radix` combines in blocks of `block` rows."""
    sub = max(1, block // radix)
    groups = []
    for start in range(0, rows - block + 1, block):
        groups += [[start + j + q * sub for q in range(radix)] for j in range(sub)]
    return groups


def transform_columns(length, radices, forward):
    """The stages of a transform as (pass, groups of rows); radix 2^m is m stages. Rows drawn, too."""
    exact = length <= ROWS
    rows = length if exact else ROWS
    powers = [log2_exact(radix) for radix in radices]
    total = sum(m if m else 1 for m in powers)
    columns, block = [], length
    for index, (radix, m) in enumerate(zip(radices, powers)):
        for _ in range(m or 1):
            two = 2 if m else radix
            if exact:
                groups = combined(rows, block, two)
            elif m:
                # As many strides as there is room for, in the true order.
                shown = rows >> (len(columns) * 4 // max(1, total))
                groups = combined(rows, max(2, shown), 2)
            else:
                groups = combined(rows, radix, radix) if radix <= rows else []
            columns.append((index, groups))
            block //= two
    return rows, columns if forward else columns[::-1]


def attention_columns(tokens, first, stages):
    exact = tokens <= ROWS
    rows = tokens if exact else ROWS
    total = max(1, (tokens - 1).bit_length())
    columns = []
    for stage in range(first, first + stages):
        stride = 1 << stage if exact else 1 << (stage * 4 // total)
        columns.append((stage, combined(rows, 2 * stride, 2)))
    return rows, columns


def radices_of(step):
    return next(([int(radix) for radix in part["radices"]] for part in step.plan.values() if "radices" in part), [])


def group_of(states, index):
    for number, state in enumerate(states):
        if state["first"] <= index <= state["last"]:
            return number
    return None


def columns_of(step):
    """A mixer's columns from left to right, and the rows drawn."""
    names = [op.get("name") for op in step.entry.get("ops", [])]
    network, states = step.network, step.states
    last = len(states) - 1 if states else None
    columns = []
    if step.kind == "attention":
        first, stages = int(network.get("first_stage", 0)), int(network["stages"])
        rows, stage_columns = attention_columns(int(network["tokens"]), first, stages)
        for stage, lines in stage_columns:
            columns.append(Column("stage", 1.0, group_of(states, stage - first), lines, stage, f"s = {1 << stage}"))
    else:
        length = int(network.get("length", network["tokens"]))
        radices = radices_of(step) or ([length] if length > 1 else [])
        rows = min(length, ROWS)
        for forward, name in ((True, "bfly.fft"), (False, "bfly.ifft")):
            if not forward and "bfly.spectrum_map" in names:
                columns.append(Column("map", 1.6, last))
            if name in names:
                rows, stage_columns = transform_columns(length, radices, forward)
                for index, lines in stage_columns:
                    label = f"radix {radices[index]}"
                    columns.append(Column("stage", 1.0, group_of(states, index), lines, (forward, index), label))
    return [Column("load", 1.0), *columns, Column("store", 1.0)], rows


# Drawing --------------------------------------------------------------------------------------------------------------


class Picture:
    def __init__(self, report):
        self.report = report
        self.canvas = Canvas()
        self.y = float(MARGIN)

    def draw(self):
        self.header()
        self.steps()
        mixers = [step for step in self.report.distinct if step.kind in ("transform", "attention")]
        if mixers:
            self.section("The network and its schedule", "stage by stage, and where the state is meanwhile")
            for step in mixers:
                self.mixer(step)
        self.times()
        name = self.report.function or "report"
        return self.canvas.finish(self.y + MARGIN / 2, f"{name}: network, schedule and time")

    def section(self, title, note=""):
        self.y += 26
        self.canvas.text(MARGIN, self.y, title, size=16, weight="bold")
        if note:
            self.canvas.text(MARGIN + 14 + width_of(title, 17), self.y, note, size=12, fill=FAINT)
        self.y += 16

    def header(self):
        report, canvas = self.report, self.canvas
        self.y += 12
        canvas.text(MARGIN, self.y, report.function or "report", size=24, weight="bold")
        if report.measured is not None:
            canvas.text(WIDTH - MARGIN, self.y, duration(report.measured), size=24, weight="bold", anchor="end")
        facts = []
        machine = report.machine
        if "multiprocessors" in machine:
            facts.append(f"{machine.get('name', '')}, {machine['multiprocessors']} multiprocessors")
            facts += [
                f"{cache_size(machine[c])} {name}" for c, name in (("shared", "shared"), ("l2", "L2")) if c in machine
            ]
        elif machine:
            facts.append(f"{machine.get('name', '')}, {machine.get('threads', '?')} threads")
            facts.append(f"{machine.get('lanes', '?')} lanes")
            caches = [f"{PLACES[c][0]} {cache_size(machine[c])}" for c in ("l1", "l2", "l3") if machine.get(c)]
            facts.append(", ".join(caches))
        if report.bytes_per_second > 0:
            ceilings = f"{quantity(report.bytes_per_second, 'B/s')}, {quantity(report.flops_per_second, 'flop/s')}"
            if any(step.entry.get("matrix_flops") or step.entry.get("matrix_flops_per_batch") for step in report.steps):
                ceilings += f", {quantity(report.matrix_flops_per_second, 'flop/s')} of matrix units"
            facts.append(f"ceilings {ceilings} ({report.source})")
        if report.dynamic:
            facts.append(f"{report.batch} sequence{'s' if report.batch != 1 else ''}")
        self.y += 22
        canvas.text(MARGIN, self.y, "   ·   ".join(facts), size=12, fill=FAINT)
        if report.measured is not None:
            canvas.text(WIDTH - MARGIN, self.y, "measured, one call", size=12, fill=FAINT, anchor="end")
        self.y += 12

    def steps(self):
        """Everything in the order it runs in, as a row of boxes."""
        canvas, x, height = self.canvas, float(MARGIN), 46.0
        self.section("What runs", "each box one kernel; grey: between kernels")
        for step in self.report.steps:
            title = f"{step.numbers[0]}  {step.name}" if step.numbers else step.name
            detail = quantity(step.bytes, "B")
            if step.is_kernel:
                detail += ", " + quantity(step.flops, "flop")
            width = 24 + max(width_of(title, 13), width_of(detail, 10.5))
            if x > MARGIN and x + width > WIDTH - MARGIN:
                x = float(MARGIN)
                self.y += height + 12
            if x > MARGIN:
                self.arrow(x - 18, self.y + height / 2, x - 3)
            fill = step.color if step.is_kernel else PANEL
            ink = "#ffffff" if step.is_kernel else FAINT
            where = str(step.entry.get("location", ""))
            canvas.box(x, self.y, width, height, fill, 8.0, where, stroke=None if step.is_kernel else LINE)
            weight = "bold" if step.is_kernel else None
            canvas.text(x + width / 2, self.y + 20, title, 13, ink, "middle", weight)
            canvas.text(x + width / 2, self.y + 36, detail, 10.5, ink, "middle")
            x += width + 22
        self.y += height + 10

    def arrow(self, x1, y, x2, color=FAINT):
        self.canvas.path(f"M{x1:.1f} {y:.1f}H{x2 - 5:.1f}", color, 1.4)
        self.canvas.path(f"M{x2:.1f} {y:.1f}l-7 -4v8z", "none", fill=color)

    # One mixer -----------------------------------------------------------------------------------------------------

    def mixer(self, step):
        canvas = self.canvas
        columns, rows = columns_of(step)
        pitch = 10.0 if rows > 8 else 16.0
        network_height = pitch * (rows - 1)
        top = self.y + 52
        bottom = top + network_height
        places = self.places_of(step)
        rung = 26.0
        ladder = bottom + 34
        height = max(ladder + rung * len(places) + 14 - self.y, 250.0)
        canvas.box(MARGIN - 12.0, self.y, WIDTH - 2 * MARGIN + 24.0, height, PANEL, 10.0)
        self.facts(step, MARGIN + 6.0, self.y + 30)

        left, right, end = 400.0, WIDTH - MARGIN - 14.0, 54.0
        inner = columns[1:-1]
        unit = (right - left - 2 * end) / max(1.0, sum(column.width for column in inner))
        unit = min(unit, 84.0)
        x = left
        for column in columns:
            column.x, column.width = x, column.width * unit if column in inner else end
            x += column.width
        self.network(step, columns, rows, top, pitch)
        self.ladder(step, columns, places, ladder, rung)
        self.y += height + 16

    def places_of(self, step):
        used = {state["place"] for state in step.states} | {"memory", "registers"}
        used |= {"shared"} if "gpu_block" in step.plan else {"l1", "l2", "l3"}
        return [place for place in PLACES if place in used]

    def facts(self, step, x, y):
        """What stands to the left of a mixer's drawing."""
        canvas, network = self.canvas, step.network
        canvas.text(x, y, step.label(), 15, step.color, weight="bold")
        lines = []
        location = str(step.entry.get("location", ""))
        if location:
            lines.append(location if len(location) < 40 else "…" + location[-38:])
        lines.append(f"{network.get('tokens')} tokens × {network.get('channels')} channels, {network.get('element')}")
        if step.kind == "attention":
            lines.append(f"{network.get('heads')} heads, {network.get('stages')} stages in one kernel")
        elif network.get("length", network.get("tokens")) != network.get("tokens"):
            lines.append(f"Bluestein: a convolution of {network['length']}")
        lines += [f"{name.split('_', 1)[-1]}: {words(part)}" for name, part in step.plan.items()]
        lines += self.launch(step)
        lines.append(f"{quantity(step.bytes, 'B')} moved, {quantity(step.flops, 'flop')}")
        for line in lines:
            y += 18
            canvas.text(x, y, line, 12, FAINT)
        y += 12
        for rewrite in step.entry.get("rewrites", []):
            text = REWRITES.get(rewrite, str(rewrite))
            width = width_of(text, 11) + 16
            canvas.box(x, y, width, 19.0, "#ffffff", 9.0, stroke=step.color)
            canvas.text(x + width / 2, y + 13.5, text, 11, step.color, "middle")
            y += 24
        unfused = step.entry.get("unfused")
        if unfused:
            said, line = ("not fused: " + str(unfused)).split(), ""
            y += 4
            for word in [*said, None]:
                if word is None or len(line) + len(word) > 40:
                    y += 14
                    canvas.text(x, y, line, 11, "#b3372f")
                    line = ""
                line += (word or "") + " "

    def launch(self, step):
        """What a block and a thread have, on a GPU."""
        launch = step.entry.get("launch")
        if not launch:
            return []
        lines = [f"{cache_size(launch.get('shared_bytes', 0))} of shared memory a block"]
        if "registers" in launch:
            spilled = launch.get("local_bytes", 0)
            lines.append(f"{launch['registers']} registers a thread" + (f", {spilled} B spilled" if spilled else ""))
        if "blocks_per_multiprocessor" in launch:
            count = launch["blocks_per_multiprocessor"]
            lines.append(f"{count} block{'s' if count != 1 else ''} a multiprocessor")
        return lines

    def network(self, step, columns, rows, top, pitch):
        canvas = self.canvas
        bottom = top + pitch * (rows - 1)

        def y_of(row):
            return top + pitch * row

        load, store = columns[0], columns[-1]
        ends = {"load": (12.0, 0.0), "store": (0.0, 12.0), "map": (0.0, 0.0)}
        for column in columns:
            if column.kind in ends:
                before, after = ends[column.kind]
                x1, x2 = column.x + before, column.x + column.width - after
                canvas.path("".join(f"M{x1:.1f} {y_of(row):.1f}H{x2:.1f}" for row in range(rows)), "#b6c1cf")
        canvas.text(load.x + load.width / 2 + 6, top - 16, "x", 13, INK, "middle", font_style="italic")
        canvas.text(store.x + store.width / 2 - 6, top - 16, "y", 13, INK, "middle", font_style="italic")

        stages = [column for column in columns if column.kind == "stage"]
        for column in stages:
            attention = step.kind == "attention"
            index = column.radix_pass if attention else column.radix_pass[1]
            color = KINDS["attention"] if attention else PASSES[index % 2]
            x1, x2 = column.x, column.x + column.width
            straight, crossing = [], []
            touched = set()
            for group in column.lines:
                for a in group:
                    touched.add(a)
                    for b in group:
                        part = f"M{x1:.1f} {y_of(a):.1f}L{x2:.1f} {y_of(b):.1f}"
                        (straight if a == b else crossing).append(part)
            straight += [f"M{x1:.1f} {y_of(r):.1f}H{x2:.1f}" for r in range(rows) if r not in touched]
            dense = 0.75 if column.width > 16 else 0.45
            canvas.path("".join(straight), "#b6c1cf", 1.0)
            canvas.path("".join(crossing), color, 1.0, opacity=dense)
            if column.width > 14:
                radius = 2.6 if attention else 1.7
                for row in sorted(touched):
                    canvas.add("circle", cx=x2, cy=y_of(row), r=radius, fill=color)
        self.stage_labels(step, stages, top)

        for column in columns:
            if column.kind == "map":
                self.filter(step, column, top, bottom)
        if rows < int(step.network.get("length", step.network["tokens"])):
            text = f"a scheme: {rows} of {step.network.get('length', step.network['tokens'])} rows, all stages"
            canvas.text(store.x + store.width, bottom + 24, text, 10, FAINT, "end")

    def stage_labels(self, step, stages, top):
        """Over the columns: the stride of each attention stage, a bracket for each radix pass."""
        canvas = self.canvas
        if step.kind == "attention":
            for column in stages:
                text = column.label if column.width > 44 else column.label.removeprefix("s = ")
                if column.width > width_of(text, 10) - 2:
                    canvas.text(column.x + column.width / 2, top - 16, text, 10, FAINT, "middle")
            return
        runs = []
        for column in stages:
            if runs and runs[-1][0].radix_pass == column.radix_pass:
                runs[-1].append(column)
            else:
                runs.append([column])
        for run in runs:
            x1, x2 = run[0].x + 3, run[-1].x + run[-1].width - 3
            color = PASSES[run[0].radix_pass[1] % 2]
            canvas.path(f"M{x1:.1f} {top - 8:.1f}v-4H{x2:.1f}v4", color, 1.4)
            text = run[0].label
            if x2 - x1 < width_of(text, 10.5):
                text = text.removeprefix("radix ")
            canvas.text((x1 + x2) / 2, top - 17, text, 10.5, color, "middle")

    def filter(self, step, column, top, bottom):
        """The map between a transform and its inverse, and the context that decides it."""
        canvas = self.canvas
        x, width = column.x + column.width * 0.14, column.width * 0.72
        canvas.box(x, top - 8, width, bottom - top + 16, "#ffffff", 6.0, stroke=KINDS["transform"], stroke_width=1.4)
        middle_x, middle = x + width / 2, (top + bottom) / 2
        names = [op.get("name") for op in step.entry.get("ops", [])]
        verb = "filter" if "bfly.ifft" in names else "map"
        text = f"{verb} every bin" if bottom - top > 90 else verb
        turn = f"rotate(-90 {middle_x:.1f} {middle:.1f})"
        canvas.text(middle_x, middle + 4, text, 11, INK, "middle", transform=turn)
        layers = names.count("bfly.linear")
        if {"bfly.bin", "bfly.mean"} & set(names):
            label = "context" + (f": {layers} layers" if layers else "")
            width = width_of(label, 10.5) + 10
            box_y = top - 46
            canvas.box(middle_x - width / 2, box_y, width, 18.0, "#ffffff", 9.0, stroke=FAINT, stroke_dasharray="3 2")
            canvas.text(middle_x, box_y + 12.5, label, 10.5, FAINT, "middle")
            canvas.path(f"M{middle_x:.1f} {box_y + 18:.1f}V{top - 12:.1f}", FAINT, 1.2)
            canvas.path(f"M{middle_x:.1f} {top - 8:.1f}l-4 -6h8z", "none", fill=FAINT)

    def ladder(self, step, columns, places, top, rung):
        """Where the state is, under the columns it is there for: far from the arithmetic at the top, near below."""
        canvas = self.canvas
        left, right = columns[0].x, columns[-1].x + columns[-1].width
        center = {place: top + rung * (number + 0.5) for number, place in enumerate(places)}
        for place, y in center.items():
            name, color = PLACES[place]
            canvas.line(left - 8, y, right, y, LINE, 1.0, stroke_dasharray="2 3")
            canvas.text(left - 14, y + 4, name, 11, color, "end", "bold")

        # The state's way from memory and back.
        spans = []
        for column in columns:
            place = "memory"
            if column.group is not None:
                place = step.states[column.group]["place"]
            elif column.kind in ("stage", "map"):
                place = None
            if place is None:
                continue
            key = (place, column.group)
            if spans and spans[-1][0] == key:
                spans[-1][2] = column.x + column.width
            else:
                spans.append([key, column.x, column.x + column.width])
        d = ""
        for (place, _), x1, x2 in spans:
            d += f"{'L' if d else 'M'}{x1 + 6:.1f} {center[place]:.1f}L{x2 - 6:.1f} {center[place]:.1f}"
        canvas.path(d, "#9aa7b8", 2.0, stroke_linejoin="round")

        for (place, group), x1, x2 in spans:
            color, y = PLACES[place][1], center[place]
            canvas.box(x1 + 3, y - 9, x2 - x1 - 6, 18.0, color, 5.0)
            text = "read" if x1 == left else "write"
            if group is not None:
                state = step.entry.get("state", [])
                text = ""
                if group < len(state):
                    options = [cache_size(state[group]["bytes"])]
                    if state[group].get("capacity"):
                        options.insert(0, f"{options[0]} of {cache_size(state[group]['capacity'])}")
                    text = next((o for o in options if width_of(o, 10) < x2 - x1 - 8), "")
            if text and width_of(text, 10) < x2 - x1 + 4:
                canvas.text((x1 + x2) / 2, y + 3.5, text, 10, "#ffffff", "middle", "bold")

        # What registers hold at a time: the values of one radix, or a block of a tile's product.
        color, y = PLACES["registers"][1], center["registers"]
        runs = []
        for column in columns:
            if column.kind == "stage":
                if runs and runs[-1][0] == column.radix_pass:
                    runs[-1][2] = column.x + column.width
                else:
                    runs.append([column.radix_pass, column.x, column.x + column.width, column.label])
        for _, x1, x2, label in runs:
            gap = 2.0 if x2 - x1 > 10 else 0.8
            canvas.box(x1 + gap, y - 8, x2 - x1 - 2 * gap, 16.0, "#ffffff", 4.0, stroke=color, stroke_width=1.2)
            text = label.removeprefix("radix ") if step.kind == "transform" else "product"
            if text and x2 - x1 > width_of(text, 10):
                canvas.text((x1 + x2) / 2, y + 3.5, text, 10, color, "middle", "bold")

    # Times ---------------------------------------------------------------------------------------------------------

    def times(self):
        report, canvas = self.report, self.canvas
        if not report.seconds > 0:
            return
        self.section("Where the time goes", "at the machine's ceilings; the longer bar is the kernel's bound")
        canvas.box(WIDTH - MARGIN - 236.0, self.y - 26, 12.0, 12.0, MEMORY, 3.0)
        canvas.text(WIDTH - MARGIN - 218.0, self.y - 16, "moving bytes", 12, FAINT)
        canvas.box(WIDTH - MARGIN - 100.0, self.y - 26, 12.0, 12.0, ARITHMETIC, 3.0)
        canvas.text(WIDTH - MARGIN - 82.0, self.y - 16, "arithmetic", 12, FAINT)
        left, right = MARGIN + 300.0, WIDTH - MARGIN - 110.0
        rows = list(report.distinct)
        longest = max(step.seconds * step.count for step in rows)
        outside = sum(step.memory for step in report.outside)
        longest = max(longest, outside)
        for step in rows:
            self.y += 6
            label = step.label() + (f"  × {step.count}" if step.count > 1 else "")
            canvas.text(left - 14, self.y + 17, label, 12.5, step.color, "end", "bold")
            for seconds, color in ((step.memory, MEMORY), (step.arithmetic, ARITHMETIC)):
                width = (right - left) * seconds * step.count / longest
                bound = seconds == step.seconds
                canvas.box(left, self.y, max(width, 1.5), 11.0, color, 2.5, opacity=None if bound else 0.55)
                weight = "bold" if bound else None
                text = duration(seconds * step.count)
                canvas.text(left + width + 8, self.y + 9.5, text, 10.5, INK if bound else FAINT, weight=weight)
                self.y += 13
        if outside > 0:
            self.y += 6
            count = len(report.outside)
            label = f"between kernels: {count} operation{'s' if count > 1 else ''}"
            canvas.text(left - 14, self.y + 10, label, 12, FAINT, "end")
            width = (right - left) * outside / longest
            canvas.box(left, self.y, max(width, 1.5), 11.0, KINDS["outside"], 2.5)
            canvas.text(left + width + 8, self.y + 9.5, duration(outside), 10.5, FAINT)
            self.y += 13
        self.whole(left, right)

    def whole(self, left, right):
        """Everything at its bound in one bar, and what was measured in another, to one scale."""
        report, canvas = self.report, self.canvas
        self.y += 14
        canvas.line(MARGIN, self.y, WIDTH - MARGIN, self.y)
        self.y += 14
        longest = max(report.seconds, report.measured or 0.0)
        canvas.text(left - 14, self.y + 13, "everything at its bound", 12.5, INK, "end", "bold")
        x = left
        for step in report.steps:
            width = (right - left) * step.seconds / longest
            title = f"{step.name}: {duration(step.seconds)}"
            canvas.box(x, self.y, max(width - 1, 0.8), 18.0, step.color, 2.0, title)
            text = str(step.numbers[0]) if step.numbers else ""
            if text and width > width_of(text, 11) + 4:
                canvas.text(x + width / 2, self.y + 13, text, 11, "#ffffff", "middle", "bold")
            x += width
        canvas.text(x + 8, self.y + 13, duration(report.seconds), 11, weight="bold")
        self.y += 26
        if report.measured is not None:
            width = (right - left) * report.measured / longest
            canvas.text(left - 14, self.y + 13, "measured", 12.5, INK, "end", "bold")
            canvas.box(left, self.y, width, 18.0, MEASURED, 2.0)
            share = report.seconds / report.measured
            if width > 200:
                text = f"the bound is {share:.0%} of it"
                canvas.text(left + 12, self.y + 13, text, 11, "#ffffff")
            canvas.text(left + width + 8, self.y + 13, duration(report.measured), 11, weight="bold")
            self.y += 26


def draw(report: Mapping[str, Any], batch: int | None = None) -> str:
    """The picture of a report, as the text of an SVG document.

    report  what `bfly-run --report` writes, as a dict
    batch   sequences that times are for where the batch is dynamic; None: as measured, or the report's own

    ValueError if it is no report.
    """
    try:
        return Picture(Report(report, batch)).draw()
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as problem:
        raise ValueError(f"this is no report that can be drawn: {type(problem).__name__}: {problem}") from problem


def _sequences(word):
    if not word.isascii() or not word.isdigit() or not 1 <= len(word) <= 15:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of sequences")
    return int(word)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bfly.draw", description="Draw a report: the network, its schedule, and where the time goes."
    )
    parser.add_argument("report", type=Path, help="report.json, from bfly-run --report")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    parser.add_argument("--batch", type=_sequences, help="sequences, where the batch is dynamic")
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.report.read_text(encoding="utf-8"))
        picture = draw(report, options.batch)
        options.picture.write_text(picture, encoding="utf-8")
    except (OSError, ValueError, RecursionError) as problem:
        print(f"bfly.draw: {options.report}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
