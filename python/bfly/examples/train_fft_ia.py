# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains a small transformer with FFT-IA's attention, and the same with softmax attention, to find tokens far away.

    python -m bfly.examples.train_fft_ia --tokens 4096

A sequence is of random filler, but for some marked tokens, one of each mark, anywhere in its first quarter: each
carries a value. The last token names a mark; the model has to tell the value of that marked token, three quarters of
the sequence away at least. Whoever does not look there is right once in --values times.

Training begins with short sequences; whenever a model is right about nine in ten of them, they get twice as long, up to
--tokens. Loss and accuracy are reported of other sequences, which always have --tokens. In the end the time and the
memory of a training step are measured, at --tokens and at shorter lengths.

DIR/history.json has all of it, DIR/comparison.png shows it side by side, and DIR/fft-ia and DIR/softmax have what
each goes on from (--resume).
"""

import argparse
import math
import statistics
import time

from . import _training
from ._training import Failure, Precision, progress, say, whole

PROGRAM = "train_fft_ia"
ENOUGH = 0.9  # of a step's answers right: the sequences get longer
MEASURED = 10  # steps that a time is the median of


def power_of_two(text):
    value = whole(8)(text)
    if value & (value - 1):
        raise argparse.ArgumentTypeError(f"{value} is no power of two")
    return value


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--tokens", type=power_of_two, default=1024, help="of a sequence, a power of two (%(default)s)")
    add("--first_tokens", type=power_of_two, default=64, help="of the first sequences (%(default)s)")
    add("--attention", choices=("both", "fft-ia", "softmax"), default="both", help="(%(default)s)")
    add("--d_model", type=whole(1), default=64, help="channels (%(default)s)")
    add("--heads", type=whole(1), default=4, help="(%(default)s)")
    add("--num_layers", type=whole(1), default=2, help="(%(default)s)")
    add("--marks", type=whole(1), default=2, help="marked tokens of a sequence (%(default)s)")
    add("--values", type=whole(2), default=16, help="that a marked token may carry (%(default)s)")
    add("--fillers", type=whole(1), default=32, help="kinds of other tokens (%(default)s)")
    add("--steps", type=whole(1), default=1500, help="of training (%(default)s)")
    add("--batch_size", type=whole(1), default=32, help="sequences of a step (%(default)s)")
    add("--every", type=whole(1), default=50, help="steps between reports (%(default)s)")
    add("--eval_samples", type=whole(1), default=128, help="sequences that are reported of (%(default)s)")
    add("--measure", action=argparse.BooleanOptionalAction, default=True, help="take times in the end")
    _training.add_arguments(parser, "runs/fft_ia", lr=2e-3)
    options = parser.parse_args(arguments)
    if options.d_model % options.heads:
        parser.error(f"argument --heads: {options.heads} heads do not share {options.d_model} channels equally")
    options.first_tokens = min(options.first_tokens, options.tokens)
    if options.first_tokens // 4 < options.marks:
        parser.error(f"argument --marks: a quarter of {options.first_tokens} tokens has no room for {options.marks}")
    if options.tokens > 1 << 16:
        parser.error(
            f"argument --tokens: {options.tokens} is more than the 65536 that FFT-IA's attention has stages for"
        )
    return options


def sequences(options, count, n, generator, device):
    """`count` sequences (count, n) and their answers: fillers, then tokens mark · values + value, then questions."""
    import torch

    def draw(end, *shape):
        return torch.randint(end, shape, generator=generator)

    tokens = draw(options.fillers, count, n)
    places = torch.rand(count, n // 4, generator=generator).argsort(1)[:, : options.marks]
    values = draw(options.values, count, options.marks)
    tokens.scatter_(1, places, options.fillers + torch.arange(options.marks) * options.values + values)
    asked = draw(options.marks, count)
    tokens[:, -1] = options.fillers + options.marks * options.values + asked
    return tokens.to(device), values.gather(1, asked[:, None])[:, 0].to(device)


def build(options, kind):
    from . import plain

    attention = plain.SoftmaxAttention if kind == "softmax" else _training.layers_of(options.model).FFTInspiredAttention
    vocabulary = options.fillers + options.marks * (options.values + 1)
    return plain.Transformer(attention, vocabulary, options.values, options.d_model, options.num_layers, options.heads)


def loss_of(model, tokens, answers, precision):
    from torch.nn.functional import cross_entropy

    with precision.context():
        logits = model(tokens)
    logits = logits.to(precision.parameters)
    return cross_entropy(logits, answers), (logits.argmax(1) == answers).double().mean()


def evaluate(model, options, precision, held_out):
    """Loss and accuracy of sequences that are not trained with."""
    import torch

    model.eval()
    results, total = [], 0
    with torch.no_grad():
        for tokens, answers in zip(*(part.split(options.batch_size) for part in held_out)):
            results.append(
                len(tokens) * torch.stack([part.double() for part in loss_of(model, tokens, answers, precision)])
            )
            total += len(tokens)
    return (torch.stack(results).sum(0) / total).tolist()


def train(kind, options, precision, checkpoint, record, finish):
    """Trains the model of that kind, or goes on; `finish` is called whenever something was recorded."""
    import torch

    torch.manual_seed(options.seed)  # both kinds begin alike
    model = build(options, kind).to(precision.device, precision.parameters)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    generator = torch.Generator().manual_seed(options.seed)
    apart = torch.Generator().manual_seed(options.seed + 1)
    held_out = sequences(options, options.eval_samples, options.tokens, apart, precision.device)
    record["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    step, n, seconds = 0, options.first_tokens, 0.0
    restored = checkpoint.restore(
        model, optimizer, precision, generator, step=int, tokens=int, seconds=float, rows=list
    )
    if restored:
        step, n, seconds, record["rows"] = (restored[name] for name in ("step", "tokens", "seconds", "rows"))
        say(f"{kind}: goes on after step {step}, from {checkpoint.path}")
    with progress(total=options.steps, initial=min(step, options.steps), desc=kind, unit="step") as bar:
        while step < options.steps:
            model.train()
            results, begin = [], time.perf_counter()
            for _ in range(min(options.every, options.steps - step)):
                _training.warm_up(optimizer, options, step)
                tokens, answers = sequences(options, options.batch_size, n, generator, precision.device)
                loss, right = loss_of(model, tokens, answers, precision)
                precision.step(loss, model, optimizer)
                results.append(torch.stack([loss.detach().double(), right]))
                step += 1
                bar.update()
            loss, right = torch.stack(results).mean(0).tolist()
            seconds += time.perf_counter() - begin
            if not math.isfinite(loss):
                raise Failure(f"{kind}: the loss is {loss} after {step} steps; a smaller --lr may help")
            held_loss, held_right = evaluate(model, options, precision, held_out)
            row = {"step": step, "tokens": n, "train_loss": loss, "train_accuracy": right}
            row |= {"loss": held_loss, "accuracy": held_right, "seconds": seconds}
            record["rows"].append(row)
            say(
                f"{kind:8} step {step:5} of {n:5} tokens: loss {loss:.4f}, right {right:6.1%}   of {options.tokens} "
                f"tokens: {held_loss:.4f}, {held_right:6.1%}   {seconds:.1f} s"
            )
            if right >= ENOUGH:
                n = min(2 * n, options.tokens)
            more = {"step": step, "tokens": n, "seconds": seconds, "rows": record["rows"]}
            checkpoint.write(model, optimizer, precision, generator, **more)
            finish()
    return model


def saved_bytes(model, step):
    """Bytes of memory that a step keeps for its backward pass, parameters aside."""
    import torch

    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = step()
        total = sum(kept.values())
        loss.backward()
    return total


def measure(model, options, precision, n):
    """The median time of a training step of sequences of n tokens, and its memory."""
    import torch

    cuda = precision.device.type == "cuda"
    wait = torch.cuda.synchronize if cuda else lambda: None
    generator = torch.Generator().manual_seed(options.seed)
    batch = sequences(options, options.batch_size, n, generator, precision.device)

    def forward():
        return loss_of(model, *batch, precision)[0]

    model.train()
    row = {"tokens": n, "saved_bytes": saved_bytes(model, forward)}
    if cuda:
        model.zero_grad(set_to_none=True)
        torch.cuda.reset_peak_memory_stats(precision.device)
    times = []
    for turn in range(MEASURED + 3):
        model.zero_grad(set_to_none=True)
        wait()
        begin = time.perf_counter()
        forward().backward()
        wait()
        if turn >= 3:
            times.append(1e3 * (time.perf_counter() - begin))
    row["step_ms"], row["least_ms"] = statistics.median(times), min(times)
    if cuda:
        row["peak_bytes"] = torch.cuda.max_memory_allocated(precision.device)
    model.zero_grad(set_to_none=True)
    return row


def main(arguments=None):
    options = parse(arguments)
    device = _training.begin(options)
    import torch

    from . import plots

    if options.plot:
        _training.require("matplotlib")
    precision = Precision(options.dtype, device)
    kinds = ("fft-ia", "softmax") if options.attention == "both" else (options.attention,)
    names = "tokens first_tokens d_model heads num_layers marks values fillers batch_size every eval_samples"
    names += " lr warmup weight_decay seed dtype model"
    settings = {name: getattr(options, name) for name in names.split()}
    checkpoints = {kind: _training.Checkpoint(options, settings, "FFT-IA checkpoint", kind) for kind in kinds}
    if options.resume and not any(checkpoint.stored for checkpoint in checkpoints.values()):
        raise Failure(f"--resume: there is no {checkpoints[kinds[0]].path}")
    record = {**_training.about(PROGRAM, device), "model": options.model, "dtype": options.dtype, "settings": settings}
    record["kinds"] = {kind: {"rows": [], "measured": []} for kind in kinds}

    def finish():
        _training.write_json(options.output / "history.json", record)

    models = {kind: train(kind, options, precision, checkpoints[kind], record["kinds"][kind], finish) for kind in kinds}
    lengths = [options.tokens >> shift for shift in (3, 2, 1, 0) if options.tokens >> shift >= 8]
    for n in lengths if options.measure else []:
        for kind, model in models.items():
            if device.type == "cuda":
                torch.cuda.empty_cache()
            row = measure(model, options, precision, n)
            record["kinds"][kind]["measured"].append(row)
            peak = f", at most {row['peak_bytes'] / 2**20:.0f} MiB in all" if "peak_bytes" in row else ""
            say(
                f"{kind:8} {n:5} tokens: {row['step_ms']:.2f} ms a step, forward and backward; "
                f"{row['saved_bytes'] / 2**20:.1f} MiB kept in between{peak}"
            )
    finish()
    if options.plot:
        plots.draw([record], options.output / "comparison.png")
    say(f"written to {options.output}")


if __name__ == "__main__":
    _training.run(PROGRAM, main)
