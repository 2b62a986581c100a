# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bad arguments, missing files and damaged ones: one message, an exit code that is not 0, and nothing written."""

import json
import os
import tarfile

import pytest
import torch

from bfly.examples import _training, generate, plots, train_fft_ia, train_fftnet

PROGRAMS = {"train_fftnet": train_fftnet, "generate": generate, "train_fft_ia": train_fft_ia, "plots": plots}
SHORT = (
    "--d_model 8 --num_layers 1 --vocab_size 32 --num_samples 40 --seq_length 16 --num_epochs 1 --no-plot --device cpu"
)
SHORT += " --model torch"


def fails(capsys, program, arguments):
    """What a program says at its end, which is a failure."""
    with pytest.raises(SystemExit) as end:
        _training.run(program, lambda: PROGRAMS[program].main([str(argument) for argument in arguments]))
    said = end.value.code if isinstance(end.value.code, str) else capsys.readouterr().err.strip().splitlines()[-1]
    assert end.value.code not in (0, None)
    assert said.startswith(f"{program}: error: ") and "\n" not in said
    return said


def trained(folder, more=""):
    train_fftnet.main([*SHORT.split(), *more.split(), f"--output={folder}"])
    return folder


def listing(folder):
    return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.mark.parametrize(
    "program, arguments, message",
    [
        ("train_fftnet", "--d_model 0", "argument --d_model: 0 is less than 1"),
        ("train_fftnet", "--d_model many", "argument --d_model: invalid whole number value: 'many'"),
        ("train_fftnet", "--lr 0", "argument --lr: 0 is no number above 0 and at most 1e+06"),
        ("train_fftnet", "--lr nan", "argument --lr: nan is no number above 0"),
        ("train_fftnet", "--dropout 1.5", "argument --dropout: 1.5 is no number of at least 0 and at most 1"),
        ("train_fftnet", "--dtype f8", "argument --dtype: invalid choice: 'f8'"),
        ("train_fftnet", "--device tpu", "--device: 'tpu' is no device of torch's"),
        ("train_fftnet", "--device meta", "--device: 'meta', expected cpu or cuda"),
        ("train_fftnet", "--device cuda:99", "--device: torch finds no cuda:99 here"),
        ("train_fftnet", "--corpus nowhere.txt", "--corpus: there is no nowhere.txt"),
        ("train_fftnet", "--corpus . --corpus_files *.nothing", "no file in . has a name like '*.nothing'"),
        ("train_fftnet", "--corpus x --vocab_size 100", "argument --vocab_size: 100 is less than the 256 bytes"),
        ("train_fftnet", "--resume", "--resume: there is no file"),
        ("train_fftnet", "--resume --overwrite", "--resume and --overwrite exclude each other"),
        ("train_fftnet", "--seed 4294967296", "argument --seed: 4294967296 is more than 4294967295"),
        ("generate", "--seed 4294967296", "argument --seed: 4294967296 is more than 4294967295"),
        ("train_fftnet", "--threads 100000", "argument --threads: 100000 is more than 1024"),
        ("train_fftnet", "--vocab_size 99999999999999999999", "argument --vocab_size: 99999999999999999999 is more"),
        ("train_fftnet", "--num_samples 100000000 --seq_length 100000000", "there is not enough memory: Unable to"),
        (
            "train_fftnet",
            "--num_samples 40 --d_model 100000000 --vocab_size 100000000 --device cpu",
            "there is not enough memory: ",
        ),
        ("train_fftnet", "--nonsense", "unrecognized arguments: --nonsense"),
        ("generate", "--checkpoint nowhere.pt", "--checkpoint: there is no file nowhere.pt"),
        ("generate", "--temperature -1", "argument --temperature: -1 is no number of at least 0"),
        ("train_fft_ia", "--tokens 100", "argument --tokens: 100 is no power of two"),
        ("train_fft_ia", "--tokens 131072", "argument --tokens: 131072 is more than the 65536"),
        ("train_fft_ia", "--d_model 30 --heads 4", "argument --heads: 4 heads do not share 30 channels"),
        ("train_fft_ia", "--first_tokens 8 --marks 3", "argument --marks: a quarter of 8 tokens has no room for 3"),
        ("train_fft_ia", "--resume", "--resume: there is no"),
        ("plots", "nowhere.json", "cannot read nowhere.json: No such file or directory"),
    ],
)
def test_arguments(capsys, tmp_path, monkeypatch, program, arguments, message):
    monkeypatch.chdir(tmp_path)
    output = [] if program in ("generate", "plots") else ["--output=out", "--no-plot"]
    assert message in fails(capsys, program, [*arguments.split(), *output])
    assert listing(tmp_path) == []


def test_places_where_nothing_can_be_written(capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("here already")
    assert "is no folder" in fails(capsys, "train_fftnet", [*SHORT.split(), f"--output={file}"])
    assert "cannot write" in fails(capsys, "train_fftnet", [*SHORT.split(), f"--output={file}/out"])
    assert file.read_text() == "here already" and listing(tmp_path) == ["file"]


def test_a_training_is_not_overwritten(capsys, tmp_path):
    trained(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    assert "holds a training: --resume goes on" in fails(
        capsys, "train_fftnet", [*SHORT.split(), f"--output={tmp_path}"]
    )
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    trained(tmp_path, "--overwrite --seed=1")
    assert (tmp_path / "checkpoint.pt").read_bytes() != before


@pytest.mark.parametrize(
    "more, message",
    [
        ("--lr 0.5", "is of a training with --lr 0.001, not 0.5"),
        ("--seed 7", "is of a training with --seed 42, not 7"),
        ("--d_model 16", "is of a training with --d_model 8, not 16"),
        # Its optimizer numbers the parameters as the layers have them.
        ("--model bfly", "is of a training with --model torch, not bfly"),
        ("--dtype bf16", "is of a training with --dtype f32, not bf16"),
    ],
)
def test_another_training_does_not_go_on(capsys, tmp_path, more, message):
    trained(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    assert message in fails(capsys, "train_fftnet", [*SHORT.split(), *more.split(), "--resume", f"--output={tmp_path}"])
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize(
    "name, value", [("epoch", None), ("epoch", -3), ("step", 1.5), ("best", None), ("rows", 3), ("rows", {})]
)
def test_progress_that_is_none(capsys, tmp_path, name, value):
    path = trained(tmp_path) / "checkpoint.pt"
    torch.save({**torch.load(path, weights_only=True), name: value}, path)
    before = path.read_bytes()
    said = fails(capsys, "train_fftnet", [*SHORT.split(), "--resume", f"--output={tmp_path}"])
    assert f"checkpoint.pt is no checkpoint of these programs: {name} is {value!r}" in said
    assert path.read_bytes() == before


def cut(data):
    return data[: len(data) // 2]


def other_bytes(data):
    """Some in the middle are others: of an archive whose sums are checked."""
    middle = len(data) // 2
    return data[:middle] + bytes(255 - byte for byte in data[middle : middle + 64]) + data[middle + 64 :]


@pytest.mark.parametrize(
    "damage", [cut, other_bytes, lambda data: b"", lambda data: b"no archive at all", lambda data: data[:1]]
)
def test_damaged_files(capsys, tmp_path, damage):
    trained(tmp_path, "--save_model")
    for name, program, arguments in (
        ("checkpoint.pt", "train_fftnet", [*SHORT.split(), "--resume", f"--output={tmp_path}"]),
        ("model.pt", "generate", [f"--checkpoint={tmp_path / 'model.pt'}", "--device=cpu"]),
    ):
        path = tmp_path / name
        path.write_bytes(damage(path.read_bytes()))
        before, names = path.read_bytes(), listing(tmp_path)
        assert "or a damaged one" in fails(capsys, program, arguments)
        assert path.read_bytes() == before and listing(tmp_path) == names


def test_files_of_something_else(capsys, tmp_path):
    folder = trained(tmp_path / "run", "--save_model")
    generating = ["--device=cpu", "--model=torch"]
    for values in ([1, 2], {"weights": torch.ones(3)}, {"format": "bfly FFTNet model 2"}):
        torch.save(values, tmp_path / "other.pt")
        assert "is no FFTNet model file" in fails(
            capsys, "generate", [f"--checkpoint={tmp_path / 'other.pt'}", *generating]
        )
    assert "is no FFTNet model" in fails(capsys, "generate", [f"--checkpoint={folder / 'checkpoint.pt'}", *generating])
    good = torch.load(folder / "model.pt", weights_only=True)
    for change, message in (
        (lambda v: v.pop("config"), "does not say what model it is of: 'config'"),
        (lambda v: v["config"].pop("d_model"), "does not say what model it is of: 'd_model'"),
        (lambda v: v["config"].update(d_model="8"), "does not say what model it is of"),
        (lambda v: v["config"].update(d_model=16), "its model does not fit"),
        (lambda v: v["model_state_dict"].pop("embedding.weight"), 'Missing key(s) in state_dict: "embedding.weight"'),
        (lambda v: v["tokenizer"].update(kind="words"), "its tokenizer is of an unknown kind, 'words'"),
        (lambda v: v["tokenizer"].update(kind="bpe", text="{"), "its tokenizer is damaged"),
    ):
        values = {**good, "config": dict(good["config"]), "tokenizer": dict(good["tokenizer"])}
        values["model_state_dict"] = dict(good["model_state_dict"])
        change(values)
        torch.save(values, tmp_path / "changed.pt")
        assert message in fails(capsys, "generate", [f"--checkpoint={tmp_path / 'changed.pt'}", *generating])


def test_no_code_of_a_file_is_run(capsys, tmp_path):
    class Code:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save(Code(), tmp_path / "code.pt")
    assert "or a damaged one" in fails(capsys, "generate", [f"--checkpoint={tmp_path / 'code.pt'}"])
    assert not (tmp_path / "made").exists()


def test_prompts(capsys, tmp_path):
    trained(tmp_path, "--save_model")
    model = [f"--checkpoint={tmp_path / 'model.pt'}", "--device=cpu", "--model=torch"]
    assert "--prompt: it is empty" in fails(capsys, "generate", [*model, "--prompt="])
    assert "--prompt: numbers are expected" in fails(capsys, "generate", [*model, "--prompt=To be"])
    assert "--prompt: 32 is outside 0 … 31" in fails(capsys, "generate", [*model, "--prompt=32"])


def test_a_loss_that_is_no_number_ends_it(capsys, tmp_path):
    said = fails(capsys, "train_fftnet", [*SHORT.split(), "--lr=1e6", "--weight_decay=1e6", "--warmup=0", "--dropout=0", "--num_epochs=9",
                                          f"--output={tmp_path}"])  # fmt: skip
    assert "a smaller --lr may help" in said


def test_corpora_that_are_none(capsys, tmp_path):
    (tmp_path / "short.txt").write_text("To be")
    path = tmp_path / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tmp_path / "short.txt", "short.txt")
    arguments = [*SHORT.split(), "--vocab_size=256", f"--output={tmp_path / 'out'}"]
    assert "is shorter than --seq_length 16 + 1" in fails(capsys, "train_fftnet", [*arguments, f"--corpus={path}"])
    path.write_bytes(cut(path.read_bytes()))
    said = fails(capsys, "train_fftnet", [*arguments, f"--corpus={path}"])
    assert "--corpus: " in said
    assert not (tmp_path / "out").exists()


def test_records_that_are_none(capsys, tmp_path):
    path = tmp_path / "record.json"
    output = f"--output={tmp_path / 'plot.svg'}"
    path.write_text("{")
    assert "is no record of a training" in fails(capsys, "plots", [path, output])
    for value in ({}, [], {"program": "train_fftnet"}, {"program": "train_fftnet", "rows": 1}):
        path.write_text(json.dumps(value))
        assert "is no record of a training" in fails(capsys, "plots", [path, output])
    path.write_text('{"program": "other"}')
    assert "are expected, got other" in fails(capsys, "plots", [path, output])
    folder = trained(tmp_path / "run")
    assert "--output: " in fails(capsys, "plots", [folder / "history.json", f"--output={tmp_path / 'plot.xyz'}"])
    assert listing(tmp_path) == ["record.json", "run"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")

    def half(name):
        with open(name, "w") as file:
            file.write("half of")
        raise OSError(28, "No space left on device")

    with pytest.raises(_training.Failure, match="cannot write .*file.txt: No space left on device"):
        _training.write(path, half)
    assert path.read_text() == "before" and listing(tmp_path) == ["file.txt"]
