# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Continues a text with a model that train_fftnet has saved.

    python -m bfly.examples.generate --checkpoint runs/fftnet/model.pt --prompt "To be, or" --length 100

FFTNet has learnt sequences of one length, and its transform is of the length at hand: it cannot be padded at the end,
and another length is another kernel. So the model always sees its --window of last tokens, seq_length of the training
unless given, which the first token fills up in front of a shorter prompt: one length, one kernel, however much is
generated. --grow takes the text as it is instead, one token longer each time, up to the window.
"""

import argparse
import contextlib
import sys
from pathlib import Path

from . import _training
from ._text import tokenizer_of
from ._training import Failure, Precision, real, whole
from .train_fftnet import build

PROGRAM = "generate"


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, default=Path("runs/fftnet/model.pt"), metavar="FILE", help="the model (%(default)s)")
    add("--prompt", default="\n", help="what to continue; of a model of synthetic sequences, numbers")
    add("--length", type=whole(0), default=200, help="tokens to generate (%(default)s)")
    add("--temperature", type=real(), default=0.8, help="0 always takes the likeliest token (%(default)s)")
    add("--top_k", type=whole(0), default=40, help="choose among so many likeliest tokens; 0: all (%(default)s)")
    add("--window", type=whole(1), help="tokens that the model sees; those it was trained with unless given")
    add("--grow", action="store_true", help="do not fill up the window")
    add("--seed", type=whole(0, _training.SEEDS), default=42, help="of the choices (%(default)s)")
    add("--model", choices=("bfly", "torch"), default="bfly", help="whose layers (%(default)s)")
    _training.add_place(parser)
    return parser.parse_args(arguments)


def load(path, model):
    """The saved model, and its tokenizer."""
    saved = _training.load(path, "FFTNet model", "--checkpoint")
    try:
        config, state, tokens = saved["config"], saved["model_state_dict"], saved["tokenizer"]
        network = build(config, model)
        window = config["seq_length"]
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"--checkpoint: {path} does not say what model it is of: {error}") from error
    _training.load_state(network, state, path, "model")
    return network, tokenizer_of(tokens, path), window


def growing(options):
    """Where the text grows no length is worth a kernel of its own (docs/torch.md)."""
    if options.model != "bfly" or not options.grow:
        return contextlib.nullcontext()
    from bfly.torch import changing_lengths

    return changing_lengths()


def choose(logits, temperature, top_k, generator):
    """A token by its logits (vocabulary)."""
    import torch

    if temperature == 0:
        return int(logits.argmax())
    if 0 < top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)
    # The highest at 0: a small temperature overflows nothing.
    return int(torch.multinomial(((logits - logits.max()) / temperature).softmax(0), 1, generator=generator))


def stream(network, tokenizer, tokens, options, window, precision):
    """Yields the pieces of text after `tokens`, as soon as they are whole characters."""
    import torch

    generator = torch.Generator().manual_seed(options.seed)
    first, shown = len(tokens), ""
    network.eval()
    for _ in range(options.length):
        seen = tokens[-window:]
        if not options.grow:
            seen = [seen[0]] * (window - len(seen)) + seen
        with torch.inference_mode(), precision.context(), growing(options):
            logits = network(torch.tensor([seen], device=precision.device))[0, -1]
        tokens.append(choose(logits.double().cpu(), options.temperature, options.top_k, generator))
        text = tokenizer.decode(tokens[first:])
        # A character of several bytes may not be whole yet.
        if not text.endswith("\ufffd"):
            yield text[len(shown) :]
            shown = text
    yield tokenizer.decode(tokens[first:])[len(shown) :]


def main(arguments=None):
    options = parse(arguments)
    torch = _training.require("torch")
    device = _training.device_of(options.device)
    precision = Precision(options.dtype, device)
    torch.manual_seed(options.seed)
    network, tokenizer, window = load(options.checkpoint, options.model)
    network = network.to(device, precision.parameters)
    tokens = tokenizer.encode(options.prompt)
    if not tokens:
        raise Failure("--prompt: it is empty")
    print(options.prompt, end=tokenizer.between, flush=True)
    for piece in stream(network, tokenizer, tokens, options, options.window or window, precision):
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()


if __name__ == "__main__":
    _training.run(PROGRAM, main)
