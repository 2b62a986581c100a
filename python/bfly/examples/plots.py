# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws what a training has recorded.

    python -m bfly.examples.plots runs/fftnet/history.json --output loss.svg

Several records of one program are drawn beside each other.
"""

import argparse
import json
from pathlib import Path

from . import _training
from ._training import Failure

PROGRAM = "plots"
COLOURS = {"fft-ia": "#1b6ca8", "softmax": "#c8553d"}
LABELS = {"fft-ia": "FFT-IA", "softmax": "softmax"}


def title_of(record):
    layers = "bfly's layers" if record["model"] == "bfly" else "layers of plain PyTorch"
    return f"{layers}, {record['dtype']}, {record['machine']['device']}"


def of_fftnet(figure, records):
    """Losses, and beside them how often the model is right, a row for each record."""
    axes = figure.subplots(len(records), 2, squeeze=False)
    for (losses, hits), record in zip(axes, records):
        rows = record["rows"]
        epochs = [row["epoch"] for row in rows]

        def curve(axis, name, label, colour, style="-", epochs=epochs, rows=rows):
            axis.plot(epochs, [row[name] for row in rows], style, color=colour, label=label, linewidth=1.5)

        curve(losses, "train_loss", "training, all positions", "#1b6ca8", "--")
        curve(losses, "validation_loss", "validation, all positions", "#1b6ca8")
        curve(losses, "train_last_loss", "training, last position", "#c8553d", "--")
        curve(losses, "validation_last_loss", "validation, last position", "#c8553d")
        curve(hits, "validation_accuracy", "validation, all positions", "#1b6ca8")
        curve(hits, "validation_last_accuracy", "validation, last position", "#c8553d")
        what = "a text" if record["settings"].get("corpus") else "synthetic sequences"
        losses.set(title=f"FFTNet on {what}: loss", xlabel="epoch", ylabel="cross entropy, nats")
        hits.set(title=title_of(record), xlabel="epoch", ylabel="right")
        for axis in (losses, hits):
            axis.legend(fontsize=7)
    return 10, 4 * len(records)


def of_fft_ia(figure, records):
    """Loss and accuracy over the steps; time and memory over the length."""
    axes = figure.subplots(len(records), 4, squeeze=False)
    for (loss, accuracy, step, memory), record in zip(axes, records):
        for kind, of in record["kinds"].items():
            style = {"color": COLOURS[kind], "label": LABELS[kind], "linewidth": 1.5}
            steps = [row["step"] for row in of["rows"]]
            loss.plot(steps, [row["loss"] for row in of["rows"]], **style)
            accuracy.plot(steps, [row["accuracy"] for row in of["rows"]], **style)
            lengths = [row["tokens"] for row in of["measured"]]
            step.plot(lengths, [row["step_ms"] for row in of["measured"]], "o-", markersize=3, **style)
            memory.plot(lengths, [row["saved_bytes"] / 2**20 for row in of["measured"]], "o-", markersize=3, **style)
        n = record["settings"]["tokens"]
        loss.set(title=f"loss at {n} tokens", xlabel="step", ylabel="cross entropy, nats")
        accuracy.set(title=f"accuracy at {n} tokens", xlabel="step", ylabel="right", ylim=(0, 1.02))
        step.set(title="time of a training step", xlabel="tokens", ylabel="ms", xscale="log", yscale="log")
        memory.set(title="kept for the backward pass", xlabel="tokens", ylabel="MiB", xscale="log", yscale="log")
        for axis in (step, memory):
            lengths = [row["tokens"] for of in record["kinds"].values() for row in of["measured"]]
            axis.set_xticks(sorted(set(lengths)), [str(length) for length in sorted(set(lengths))])
            axis.minorticks_off()
        for axis in (loss, accuracy, step, memory):
            axis.legend(fontsize=7)
    figure.suptitle("\n".join(title_of(record) for record in records), fontsize=9)
    return 14, 3.6 * len(records)


def draw(records, path):
    """The file `path`, as its suffix says, of records of one program. The same records give the same bytes."""
    _training.require("matplotlib")
    import matplotlib
    from matplotlib.figure import Figure

    kinds = {"train_fftnet": of_fftnet, "train_fft_ia": of_fft_ia}
    programs = {record["program"] for record in records}
    if len(programs) != 1 or not programs <= set(kinds):
        raise Failure(f"records of one of {', '.join(kinds)} are expected, got {', '.join(sorted(programs))}")
    with matplotlib.rc_context({"svg.hashsalt": "bfly", "axes.grid": True, "grid.alpha": 0.3, "font.size": 8}):
        figure = Figure(layout="constrained", dpi=120)
        figure.set_size_inches(*kinds[programs.pop()](figure, records))
        kind = Path(path).suffix[1:] or "png"
        metadata = {"Date": None} if kind == "svg" else {}
        try:
            _training.write(path, lambda name: figure.savefig(name, format=kind, metadata=metadata))
        except ValueError as error:
            raise Failure(f"--output: {error}") from error


def main(arguments=None):
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.splitlines()[0])
    parser.add_argument("records", nargs="+", type=Path, metavar="history.json", help="what a training wrote")
    parser.add_argument("--output", type=Path, default=Path("training.png"), help="png, svg or pdf (%(default)s)")
    options = parser.parse_args(arguments)
    records = []
    for path in options.records:
        try:
            records.append(json.loads(path.read_text()))
        except OSError as error:
            raise Failure(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise Failure(f"{path} is no record of a training: {error}") from error
    try:
        draw(records, options.output)
    except (KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{options.records[0]} is no record of a training: {error} is missing") from error


if __name__ == "__main__":
    _training.run(PROGRAM, main)
