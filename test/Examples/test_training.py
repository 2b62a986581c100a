# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The programs train: to a loss that is out of reach with a wrong gradient, and on from a checkpoint to the same bits."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from layers import ATTENTION_WEIGHTS, FILTER_WEIGHTS, break_gradient

from bfly.examples import train_fft_ia, train_fftnet

# A token in each 16 is 2.77 nats, which are left to who knows the sequence's tokens and not their places; one in 64 is
# 4.16, which are left to who knows nothing of the other tokens.
FFTNET = "--d_model 32 --num_layers 1 --num_epochs 6 --vocab_size 64 --num_samples 3000 --seq_length 16"
FFTNET += " --dropout 0 --lr 5e-3 --no-plot --device cpu"
FFTNET_REACHES = 3.5
FFTNET_BROKEN = 3.9  # is what none of the wrong gradients gets below

FFT_IA = (
    "--tokens 64 --first_tokens 16 --attention fft-ia --marks 1 --num_layers 1 --d_model 32 --values 8 --fillers 16"
)
FFT_IA += " --lr 6e-3 --steps 250 --no-plot --no-measure --device cpu"
FFT_IA_REACHES = 0.01
FFT_IA_BROKEN = 0.02


def fftnet(folder, model, more="", arguments=FFTNET):
    train_fftnet.main([*arguments.split(), *more.split(), f"--model={model}", f"--output={folder}"])
    return json.loads((folder / "history.json").read_text())


def fft_ia(folder, model, more="", arguments=FFT_IA):
    train_fft_ia.main([*arguments.split(), *more.split(), f"--model={model}", f"--output={folder}"])
    return json.loads((folder / "history.json").read_text())


def test_fftnet_learns(tmp_path, model):
    """All positions but the last see their targets: their loss falls below what the last one's can."""
    record = fftnet(tmp_path, model)
    last = record["rows"][-1]
    assert last["validation_loss"] < FFTNET_REACHES
    assert last["validation_last_loss"] > 4.0
    assert record["test"]["test_loss"] < FFTNET_REACHES
    assert [row["epoch"] for row in record["rows"]] == list(range(1, 7))


@pytest.mark.parametrize(
    "arguments, factor",
    [((0,), 0.0), ((0,), -1.0), (FILTER_WEIGHTS, 0.0), (FILTER_WEIGHTS, -1.0), ((4, 5), -1.0)],
    ids=["no x", "x the wrong way", "no weights", "weights the wrong way", "second weights the wrong way"],
)
def test_fftnet_does_not_learn_with_wrong_gradients(tmp_path, model, monkeypatch, arguments, factor):
    break_gradient(monkeypatch, model, "spectral_filter", arguments, factor)
    assert fftnet(tmp_path, model)["rows"][-1]["validation_loss"] > FFTNET_BROKEN


def test_fft_ia_learns(tmp_path, model):
    """The answer lies three quarters of the sequence away."""
    rows = fft_ia(tmp_path, model)["kinds"]["fft-ia"]["rows"]
    assert rows[-1]["loss"] < FFT_IA_REACHES and rows[-1]["accuracy"] == 1
    assert [row["tokens"] for row in rows] == sorted(row["tokens"] for row in rows)


@pytest.mark.parametrize(
    "arguments, factor",
    # Without a gradient of x this small model still learns: what projects x may as well stay random.
    [((0,), -1.0), (ATTENTION_WEIGHTS, 0.0), ((1,), -1.0), ((2,), -1.0)],
    ids=["x the wrong way", "no weights", "queries the wrong way", "keys the wrong way"],
)
def test_fft_ia_does_not_learn_with_wrong_gradients(tmp_path, model, monkeypatch, arguments, factor):
    break_gradient(monkeypatch, model, "butterfly_attention", arguments, factor)
    assert fft_ia(tmp_path, model)["kinds"]["fft-ia"]["rows"][-1]["loss"] > FFT_IA_BROKEN


SHORT = (
    "--d_model 8 --num_layers 2 --vocab_size 32 --num_samples 60 --seq_length 16 --dropout 0.1 --no-plot --device cpu"
)


def without_times(value):
    """A record, but for what is never the same again."""
    if isinstance(value, dict):
        left_out = ("seconds", "tokens_per_second", "date", "command")
        return {name: without_times(entry) for name, entry in value.items() if name not in left_out}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def same(one, other):
    """Whether two checkpoints have the same bits."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def checkpoint(path):
    stored = torch.load(path, weights_only=True)
    return without_times({name: value for name, value in stored.items() if name != "seconds"})


@pytest.mark.parametrize(
    "more", ["--dtype=f32", "--dtype=f64", "--dtype=bf16", "--dtype=f16", "--targets=last --save_model"]
)
def test_fftnet_goes_on_to_the_same_bits(tmp_path, model, more):
    whole = fftnet(tmp_path / "whole", model, f"{more} --num_epochs=4", SHORT)
    fftnet(tmp_path / "parts", model, f"{more} --num_epochs=1", SHORT)
    fftnet(tmp_path / "parts", model, f"{more} --num_epochs=3 --resume", SHORT)
    parts = fftnet(tmp_path / "parts", model, f"{more} --num_epochs=4 --resume", SHORT)
    assert without_times(whole) == without_times(parts)
    one, other = (checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    assert same(one, other)
    # And it could have been otherwise: neither random generator is where it began.
    begun = checkpoint(tmp_path / "whole" / "checkpoint.pt")
    fftnet(tmp_path / "parts", model, f"{more} --num_epochs=5 --resume", SHORT)
    for name in ("generator_state", "torch_state", "optimizer_state_dict", "model_state_dict"):
        assert not same(begun[name], checkpoint(tmp_path / "parts" / "checkpoint.pt")[name])


def test_fft_ia_goes_on_to_the_same_bits(tmp_path, model):
    short = "--tokens 32 --first_tokens 16 --d_model 8 --heads 2 --marks 1 --values 2 --every 3 --eval_samples 8"
    short += " --batch_size 4 --no-plot --no-measure --device cpu"
    whole = fft_ia(tmp_path / "whole", model, "--steps=12", short)
    fft_ia(tmp_path / "parts", model, "--steps=6 --attention=softmax", short)
    fft_ia(tmp_path / "parts", model, "--steps=9 --resume", short)
    parts = fft_ia(tmp_path / "parts", model, "--steps=12 --resume", short)
    assert without_times(whole) == without_times(parts)
    for kind in ("fft-ia", "softmax"):
        assert same(*(checkpoint(tmp_path / name / kind / "checkpoint.pt") for name in ("whole", "parts")))


def test_an_interrupted_training_goes_on(tmp_path):
    """^C ends it with one line; what it wrote is whole."""
    command = [
        sys.executable,
        "-m",
        "bfly.examples.train_fftnet",
        *SHORT.split(),
        "--model=torch",
        f"--output={tmp_path}",
        "--threads=1",
    ]
    path = tmp_path / "checkpoint.pt"
    process = subprocess.Popen(
        [*command, "--num_epochs=100000"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "train_fftnet: interrupted" and "Traceback" not in errors
    assert all(not name.startswith(".") for name in os.listdir(tmp_path))
    done = torch.load(path, weights_only=True)["epoch"]
    fftnet(tmp_path, "torch", f"--num_epochs={done + 1} --resume", SHORT)


def test_losses_are_the_same_for_one_seed_alone(tmp_path, model):
    rows = [fftnet(tmp_path / name, model, f"--num_epochs=1 --seed={seed}", SHORT)["rows"]
            for name, seed in (("a", 1), ("b", 1), ("c", 2))]  # fmt: skip
    assert without_times(rows[0]) == without_times(rows[1]) != without_times(rows[2])


def test_both_kinds_are_measured_and_drawn(tmp_path, model):
    short = (
        "--tokens 64 --first_tokens 16 --d_model 8 --heads 2 --marks 1 --values 2 --every 2 --steps 4 --eval_samples 8"
    )
    record = fft_ia(tmp_path, model, "--batch_size=4 --device=cpu", short)
    for kind in ("fft-ia", "softmax"):
        measured = record["kinds"][kind]["measured"]
        assert [row["tokens"] for row in measured] == [8, 16, 32, 64]
        assert all(0 < row["least_ms"] <= row["step_ms"] for row in measured)
        # Twice the tokens are twice the memory at least.
        assert measured[3]["saved_bytes"] >= 1.9 * measured[2]["saved_bytes"] > 0
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
