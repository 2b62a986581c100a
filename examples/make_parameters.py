# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small parameters, inputs and expected outputs for the examples.

    python examples/make_parameters.py OUT [--seed=0] [--batch=2]

writes, for every example NAME, into the folder OUT (made if need be):

    NAME.safetensors     the parameters, float32 (not for fnet_mixing, which has none)
    NAME.input.npy       the input, x or tokens
    NAME.expected.npy    what the float64 oracle gives on them, rounded to float32

The same seed and batch give the same files, byte for byte but for the last bit of an expected output, which depends
on the mathematics library. Weights are (out, in); names are those of the PyTorch modules' state_dict, with the
dimensions of size 1 that FFTNet's module keeps in W_base and modrelu.bias left out.

    example                  parameter                        shape          what it is in the definition
    -----------------------  -------------------------------  -------------  ------------------------------------------
    fftnet_layer             input_norm.weight                (32)           LayerNorm_in
      x (B, 64, 32)          input_norm.bias                  (32)
      -> (B, 64, 32)         adaptive_filter.W_base           (32)           W_base
                             adaptive_filter.mlp.0.weight     (128, 32)      W1
                             adaptive_filter.mlp.0.bias       (128)          b1
                             adaptive_filter.mlp.2.weight     (32, 128)      W2
                             adaptive_filter.mlp.2.bias       (32)           b2
                             modrelu.bias                     (32)           bias
                             output_norm.weight               (32)           LayerNorm_out
                             output_norm.bias                 (32)
    fftnet_model             embedding.weight                 (50, 32)       Embedding
      tokens (B, 64) int64   layers.0.… and layers.1.…                       the ten of fftnet_layer, each
      -> (B, 64, 50)         output_norm.weight               (32)           LayerNorm
                             output_norm.bias                 (32)
                             output_proj.weight               (50, 32)       Linear
                             output_proj.bias                 (50)
    fft_ia_layer             to_q.weight                      (6, 32, 32)    Wq, one a stage; 4 heads
      x (B, 64, 32)          to_k.weight                      (6, 32, 32)    Wk
      -> (B, 64, 32)
    fft_inspired_attention   to_v.weight                      (32, 24)       Wv; 4 heads of 8 channels
      x (B, 48, 24)          to_q.weight                      (6, 32, 32)    Wq: 48 tokens, padded to 64, are 6 stages
      -> (B, 48, 32)         to_k.weight                      (6, 32, 32)    Wk
    fnet_mixing              none                                            Re(DFT over tokens of DFT over channels)
      x (B, 60, 32)
      -> (B, 60, 32)
"""

import argparse
import sys
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

# After PYTHONPATH, so that a built module wins; from a bare checkout this one is enough.
sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))
from bfly import reference

CHANNELS = 32
TOKENS = 64
HIDDEN = 4 * CHANNELS
HEADS = 4
LAYERS = 2
VOCABULARY = 50
UNEVEN_TOKENS = 48  # of the drop-in module: no power of two
MODULE_CHANNELS = 24  # what the drop-in module projects from
FNET_TOKENS = 60  # 4 · 3 · 5


class Random:
    """Float32 arrays from a seed and a name: an example's numbers do not depend on the other examples.

    RandomState, because NumPy promises that its streams never change, and promises nothing for default_rng.
    """

    def __init__(self, seed, name):
        self.state = np.random.RandomState([seed, zlib.crc32(name.encode())])

    def normal(self, *shape, scale=1.0, mean=0.0):
        return (mean + scale * self.state.standard_normal(shape)).astype(np.float32)

    def weight(self, *shape):
        """A weight (…, in) that keeps the variance of what it is applied to."""
        return self.normal(*shape, scale=shape[-1] ** -0.5)

    def integers(self, end, *shape):
        return self.state.randint(0, end, size=shape).astype(np.int64)

    def norm(self, prefix):
        return {
            prefix + "weight": self.normal(CHANNELS, scale=0.1, mean=1.0),
            prefix + "bias": self.normal(CHANNELS, scale=0.1),
        }


def layer_parameters(random, prefix=""):
    return {
        **random.norm(prefix + "input_norm."),
        prefix + "adaptive_filter.W_base": random.normal(CHANNELS, scale=0.2, mean=1.0),
        prefix + "adaptive_filter.mlp.0.weight": random.weight(HIDDEN, CHANNELS),
        prefix + "adaptive_filter.mlp.0.bias": random.normal(HIDDEN, scale=0.1),
        prefix + "adaptive_filter.mlp.2.weight": random.weight(CHANNELS, HIDDEN),
        prefix + "adaptive_filter.mlp.2.bias": random.normal(CHANNELS, scale=0.1),
        # Half the size of a bin, sqrt(N): some bins are silenced, some are not.
        prefix + "modrelu.bias": random.normal(CHANNELS, scale=0.5 * TOKENS**0.5),
        **random.norm(prefix + "output_norm."),
    }


def fftnet_layer(random, batch):
    parameters = layer_parameters(random)
    x = random.normal(batch, TOKENS, CHANNELS)
    return parameters, x, reference.fftnet_layer(x, parameters)


def fftnet_model(random, batch):
    parameters = {"embedding.weight": random.normal(VOCABULARY, CHANNELS)}
    for layer in range(LAYERS):
        parameters |= layer_parameters(random, f"layers.{layer}.")
    parameters |= random.norm("output_norm.")
    parameters["output_proj.weight"] = random.weight(VOCABULARY, CHANNELS)
    parameters["output_proj.bias"] = random.normal(VOCABULARY, scale=0.1)
    tokens = random.integers(VOCABULARY, batch, TOKENS)
    return parameters, tokens, reference.fftnet_model(tokens, parameters)


def query_and_key(random, tokens):
    stages = reference.stages(tokens)
    return {name: random.weight(stages, CHANNELS, CHANNELS) for name in ("to_q.weight", "to_k.weight")}


def fft_ia_layer(random, batch):
    parameters = query_and_key(random, TOKENS)
    x = random.normal(batch, TOKENS, CHANNELS)
    expected = reference.butterfly_attention(x, parameters["to_q.weight"], parameters["to_k.weight"], HEADS)
    return parameters, x, expected


def fft_inspired_attention(random, batch):
    parameters = {"to_v.weight": random.weight(CHANNELS, MODULE_CHANNELS), **query_and_key(random, UNEVEN_TOKENS)}
    x = random.normal(batch, UNEVEN_TOKENS, MODULE_CHANNELS)
    weights = (parameters[name] for name in ("to_v.weight", "to_q.weight", "to_k.weight"))
    return parameters, x, reference.fft_inspired_attention(x, *weights, HEADS)


def fnet_mixing(random, batch):
    x = random.normal(batch, FNET_TOKENS, CHANNELS)
    return {}, x, reference.fnet_mixing(x)


EXAMPLES = (fftnet_layer, fftnet_model, fft_ia_layer, fft_inspired_attention, fnet_mixing)


def write(out, seed=0, batch=2):
    """Write every example's files into the folder `out`, a Path. Returns the paths written."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for example in EXAMPLES:
        name = example.__name__
        parameters, given, expected = example(Random(seed, name), batch)
        if parameters:
            written.append(out / f"{name}.safetensors")
            save_file(parameters, written[-1])
        for what, array in (("input", given), ("expected", expected.astype(np.float32))):
            written.append(out / f"{name}.{what}.npy")
            np.save(written[-1], np.ascontiguousarray(array))
    return written


def main():
    parser = argparse.ArgumentParser(description="Write the examples' parameters, inputs and expected outputs.")
    parser.add_argument("out", type=Path, help="the folder to write into")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=2, help="sequences in an input")
    options = parser.parse_args()
    for path in write(options.out, options.seed, options.batch):
        print(path)


if __name__ == "__main__":
    main()
