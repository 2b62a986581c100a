# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The modules: they train as plain PyTorch does, take public checkpoints, and can be copied and saved."""

import copy
import io
import pickle

import plain
import pytest
import torch
from torch import nn

from bfly.torch import (
    ButterflyAttention,
    FFTInspiredAttention,
    FFTNet,
    FFTNetLayer,
    SpectralFilter,
    load_checkpoint,
)

VOCABULARY, DIM, LENGTH = 11, 4, 8


def train(model, tokens, targets, steps=100):
    """The losses."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def twin(model, dtype, device, mixer=None):
    """A copy of a model; with a mixer, one that computes with that."""
    model = copy.deepcopy(model).to(device, dtype)
    return plain.Plain(model, mixer) if mixer else model


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_training_of_fftnet(device, dtype):
    """100 steps give the losses of plain PyTorch: in float32 they differ by no more than twice what two orders of its sums
    make, in float64 by 1e-9."""
    if device == "cuda" and dtype == torch.float64:
        pytest.skip("float64 is a CPU's")
    model = FFTNet(VOCABULARY, DIM, 2, hidden=5)
    tokens, targets = (torch.randint(VOCABULARY, (2, LENGTH), device=device) for _ in range(2))
    ours = train(twin(model, dtype, device), tokens, targets)
    eager = train(twin(model, dtype, device, plain.spectral_filter), tokens, targets)
    assert eager[-1] < 0.7 * eager[0]
    difference = (ours - eager).abs()
    if dtype == torch.float64:
        assert difference.max() < 1e-9
        return
    other = train(twin(model, dtype, device, plain.spectral_filter_otherwise), tokens, targets)
    # A step is no nearer than its own rounding, however near the two are at that step.
    spread = (other - eager).abs().cummax(0).values.clamp(min=8 * torch.finfo(dtype).eps * eager[0])
    assert (difference <= 2 * spread).all(), (difference / spread).max()


class Classifier(nn.Module):
    """One layer of attention, with a residual, between an embedding and a projection."""

    def __init__(self, attention):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, DIM)
        self.attention = attention
        self.output_proj = nn.Linear(DIM, VOCABULARY)

    def forward(self, tokens):
        x = self.embedding(tokens)
        return self.output_proj(x + self.attention(x))


class PlainAttention(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.to_v, self.to_q, self.to_k, self.heads = module.to_v, module.to_q, module.to_k, module.heads

    def forward(self, x):
        return plain.butterfly_attention(self.to_v(x), self.to_q.weight, self.to_k.weight, self.heads)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_training_of_fft_ia(device, dtype):
    if device == "cuda" and dtype == torch.float64:
        pytest.skip("float64 is a CPU's")
    model = Classifier(FFTInspiredAttention(DIM, heads=2, dim_head=2, max_tokens=4))
    tokens, targets = (torch.randint(VOCABULARY, (4, 4), device=device) for _ in range(2))
    ours = train(twin(model, dtype, device), tokens, targets)
    eager = twin(model, dtype, device)
    eager.attention = PlainAttention(eager.attention)
    eager = train(eager, tokens, targets)
    assert eager[-1] < 0.7 * eager[0]
    assert (ours - eager).abs().max() < (1e-9 if dtype == torch.float64 else 1e-4)


def public_fftnet(state):
    """As the public implementation saves it."""
    state = {
        name: value.view(1, 1, -1).clone() if name.endswith("W_base") else value.clone()
        for name, value in state.items()
    }
    return {**state, "pos_encoding": torch.zeros(1, 512, DIM)}


def public_fft_ia(state):
    state = dict(state)
    q, k = state.pop("to_q.weight"), state.pop("to_k.weight")
    return {**state, **{f"to_qk.{i}.weight": torch.cat([q[i], k[i]]) for i in range(len(q))}}


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("wrapped", [False, True])
def test_checkpoint_of_fftnet(tmp_path, wrapped):
    model, other = FFTNet(VOCABULARY, DIM, 2), FFTNet(VOCABULARY, DIM, 2)
    checkpoint = public_fftnet(model.state_dict())
    if wrapped:
        checkpoint = {"epoch": 3, "model_state_dict": checkpoint, "loss": 0.5}
    torch.save(checkpoint, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"unknown: pos_encoding \(ignore_unknown=True skips them\)"):
        load_checkpoint(other, tmp_path / "model.pt")
    assert load_checkpoint(other, tmp_path / "model.pt", ignore_unknown=True) == ["pos_encoding"]
    same(model.state_dict(), other.state_dict())
    # torch's own way takes them too.
    del (checkpoint["model_state_dict"] if wrapped else checkpoint)["pos_encoding"]
    other = FFTNet(VOCABULARY, DIM, 2)
    other.load_state_dict(checkpoint["model_state_dict"] if wrapped else checkpoint)
    same(model.state_dict(), other.state_dict())


def test_checkpoint_of_fft_ia():
    model, other = (FFTInspiredAttention(6, heads=2, dim_head=2, max_tokens=32) for _ in range(2))
    checkpoint = public_fft_ia(model.state_dict())
    assert "to_qk.4.weight" in checkpoint
    load_checkpoint(other, checkpoint)
    same(model.state_dict(), other.state_dict())
    # For fewer tokens; as part of a model, and of one that torch.compile and DataParallel have wrapped.
    small = nn.Sequential(FFTInspiredAttention(6, heads=2, dim_head=2, max_tokens=8))
    checkpoint = {f"module.0.{name}": value for name, value in checkpoint.items()}
    skipped = load_checkpoint(small, checkpoint, ignore_unknown=True)
    assert skipped == ["0.to_qk.3.weight", "0.to_qk.4.weight"]
    assert torch.equal(small[0].to_k.weight, model.to_k.weight[:3])


def test_checkpoints_that_do_not_fit(tmp_path):
    model = FFTNetLayer(DIM)
    before = copy.deepcopy(model.state_dict())
    state = public_fftnet(model.state_dict())
    state["modrelu.bias"] = torch.zeros(DIM + 1)
    del state["input_norm.weight"]
    message = r"missing: input_norm.weight; unknown: pos_encoding .*; modrelu.bias: shape \(5,\), expected \(4,\)"
    with pytest.raises(ValueError, match=message):
        load_checkpoint(model, state)
    same(model.state_dict(), before)
    with pytest.raises(ValueError, match="checkpoint: epoch: int, expected a tensor"):
        load_checkpoint(model, {"epoch": 3})
    with pytest.raises(ValueError, match="checkpoint: list, expected parameters by their names"):
        load_checkpoint(model, [1])
    with pytest.raises(RuntimeError, match=r"input_norm.weight[\s\S]*modrelu.bias"):
        model.load_state_dict(state)


def damaged(data):
    """One bit of a weight is another."""
    place = data.index(torch.ones(DIM).numpy().tobytes())
    return data[: place + 3] + bytes([data[place + 3] ^ 0x40]) + data[place + 4 :]


@pytest.mark.parametrize(
    "name, damage",
    [
        ("file.pt", damaged),
        ("file.pt", lambda data: data[: len(data) // 2]),
        ("file.pt", lambda data: b""),
        ("file.pt", lambda data: b"hello world"),
        ("file.safetensors", lambda data: b"hello"),
    ],
)
def test_damaged_checkpoints(tmp_path, name, damage):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
    model, path = FFTNetLayer(DIM), tmp_path / name
    torch.save(model.state_dict(), path)
    path.write_bytes(damage(path.read_bytes()))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match=rf"checkpoint: .*{name} is no .* file of tensors, or a damaged one"):
        load_checkpoint(model, path)
    same(model.state_dict(), before)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda value: value.long(), "input_norm.bias: torch.int64, but the model has torch.float32"),
        (lambda value: value.to(torch.complex64), "input_norm.bias: torch.complex64, but the model"),
        (lambda value: value.to("meta"), "input_norm.bias: a meta tensor, expected its numbers"),
        (lambda value: value.to_sparse(), "input_norm.bias: a sparse tensor, expected its numbers"),
    ],
)
def test_checkpoints_of_other_numbers(change, message):
    model = FFTNetLayer(DIM)
    before = copy.deepcopy(model.state_dict())
    state = {name: value + 1 for name, value in before.items()}
    with pytest.raises(ValueError, match=message):
        load_checkpoint(model, {**state, "input_norm.bias": change(state["input_norm.bias"])})
    with pytest.raises(ValueError, match="checkpoint: 1: expected names"):
        load_checkpoint(model, {**state, 1: torch.ones(1)})
    same(model.state_dict(), before)
    # bfloat16 is a floating-point number, and what the model does not have may be anything.
    other = {
        **{name: value.bfloat16() for name, value in state.items()},
        "table": torch.zeros(2, dtype=torch.complex64),
    }
    assert load_checkpoint(model, other, ignore_unknown=True) == ["table"]
    same(model.state_dict(), {name: value.bfloat16().float() for name, value in state.items()})


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_checkpoints_of_wrapped_models(prefix):
    model, state = FFTNetLayer(DIM), FFTNetLayer(DIM).state_dict()
    assert load_checkpoint(model, {prefix + name: value for name, value in state.items()}) == []
    same(model.state_dict(), state)


def test_stages_that_are_there_twice():
    model = FFTInspiredAttention(6, 2, 3, max_tokens=2)
    with pytest.raises(ValueError, match="unknown: to_qk.0.weight"):
        load_checkpoint(model, {**model.state_dict(), "to_qk.0.weight": torch.zeros(12, 6)})


def test_names_of_parameters():
    names = {f"layers.1.{name}" for name in FFTNetLayer(DIM).state_dict()}
    assert names <= FFTNet(VOCABULARY, DIM, 2).state_dict().keys()
    assert set(SpectralFilter(DIM).state_dict()) == {
        "adaptive_filter.W_base",
        "adaptive_filter.mlp.0.weight",
        "adaptive_filter.mlp.0.bias",
        "adaptive_filter.mlp.2.weight",
        "adaptive_filter.mlp.2.bias",
        "modrelu.bias",
    }
    assert FFTInspiredAttention(6).to_q.weight.shape == (16, 512, 512)


@pytest.mark.parametrize(
    "make, shape",
    [
        (lambda: SpectralFilter(DIM, 5, axis=1), (2, 3, DIM)),
        (lambda: FFTNetLayer(DIM, 5, dropout=0.1, norm=False).eval(), (2, 2, 3, DIM)),
        (lambda: ButterflyAttention(DIM, 2, weights="per_head", shared=True), (3, DIM)),
        (lambda: FFTInspiredAttention(6, 2, 2, max_tokens=4), (2, 3, 6)),
    ],
)
def test_copies_and_pickles(device, make, shape):
    model, x = make().to(device), torch.randn(shape, device=device)
    expected = model(x)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x), expected)
    assert model.to(torch.float32)(x).shape == expected.shape
