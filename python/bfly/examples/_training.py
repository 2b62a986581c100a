# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the programs that train have in common: their arguments, places, checkpoints, and how they end."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

from .._errors import BflyError

REQUIREMENTS = "python/requirements-torch.txt names what the programs need"


class Failure(Exception):
    """Ends a program with this one message."""


def require(name):
    """A module that the rest of bfly can do without."""
    try:
        return __import__(name)
    except ImportError as error:
        raise Failure(f"{name} is not installed: {REQUIREMENTS}") from error


def run(program, main):
    """main(), whose failures become one line on standard error and the exit code 1."""
    try:
        main()
    except (Failure, BflyError) as failure:
        sys.exit(f"{program}: error: {failure}")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        first = (str(error).splitlines() or [""])[0]
        sys.exit(f"{program}: error: there is not enough memory: {first}")
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def is_out_of_memory(error):
    """numpy's and Python's, a GPU's, or what torch's allocator says on a CPU."""
    return (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)
    )


# ------------------------------------------------------------------ arguments


SEEDS = 2**32 - 1  # the highest that numpy takes
THREADS = 1024  # far more of them end in a crash of the library that starts them


def whole(least, most=10**8):
    """An argument's type: a whole number of `least` to `most`."""

    def parse(text):
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        if value > most:
            raise argparse.ArgumentTypeError(f"{value} is more than {most}")
        return value

    parse.__name__ = "whole number"
    return parse


def real(least=0.0, most=math.inf, above=False):
    """An argument's type: a number of `least` (or above it) to `most`."""

    def parse(text):
        value = float(text)
        if not (least < value if above else least <= value) or not value <= most or math.isinf(value):
            begin = "above" if above else "of at least"
            raise argparse.ArgumentTypeError(
                f"{text} is no number {begin} {least:g}" + f" and at most {most:g}" * (most < math.inf)
            )
        return value

    parse.__name__ = "number"
    return parse


def add_arguments(parser, output, lr):
    """The arguments of every program that trains."""
    parser.add_argument(
        "--lr", type=real(most=1e6, above=True), default=lr, help="AdamW's, after the warm-up (%(default)s)"
    )
    parser.add_argument("--warmup", type=whole(0), default=50, help="steps in which it grows (%(default)s)")
    parser.add_argument("--weight_decay", type=real(), default=0.01, help="AdamW's (%(default)s)")
    parser.add_argument("--seed", type=whole(0, SEEDS), default=42, help="of everything that is random (%(default)s)")
    parser.add_argument("--model", choices=("bfly", "torch"), default="bfly", help="whose layers (%(default)s)")
    add_place(parser)
    parser.add_argument("--deterministic", action=argparse.BooleanOptionalAction, default=True,
                        help="the same bits in every run, which costs other libraries some speed on a GPU")  # fmt: skip
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(output),
        metavar="DIR",
        help="what is written, is written here (%(default)s)",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument("--overwrite", action="store_true", help="begin anew although DIR holds a training")
    parser.add_argument(
        "--plot", action=argparse.BooleanOptionalAction, default=True, help="draw the curves (needs matplotlib)"
    )
    parser.add_argument("--threads", type=whole(1, THREADS), help="of torch on a CPU; as many as it likes unless given")


def add_place(parser):
    parser.add_argument("--device", default="auto", help='"cpu", "cuda", "cuda:1"; a GPU if there is one unless given')
    parser.add_argument("--dtype", choices=("f32", "f64", "bf16", "f16"), default="f32",
                        help="to compute in; 16 bits by torch's autocast, with parameters in f32 (%(default)s)")  # fmt: skip


def device_of(name):
    """The torch.device of that name, which is there."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Failure(f"--device: {name!r} is no device of torch's") from error
    if device.type not in ("cpu", "cuda"):
        raise Failure(f"--device: {name!r}, expected cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Failure(f"--device: torch finds no {name} here")
    return device


class Precision:
    """How a model is computed in a --dtype: autocast, and the scaling of losses that float16 needs."""

    def __init__(self, dtype, device):
        import torch

        self.parameters = torch.float64 if dtype == "f64" else torch.float32
        self.cast = {"bf16": torch.bfloat16, "f16": torch.float16}.get(dtype)
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == "f16")

    def context(self):
        import torch

        if self.cast is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.cast)

    def step(self, loss, model, optimizer, clip=1.0):
        """A step of the optimizer down the gradient of `loss`, whose norm is cut at `clip`."""
        import torch

        optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        self.scaler.step(optimizer)
        self.scaler.update()


def layers_of(model):
    """The module with FFTNet and FFTInspiredAttention: ours, or the plain one."""
    if model == "torch":
        from . import plain

        return plain
    try:
        import bfly.torch
    except ImportError as error:
        raise Failure(f"--model=bfly: {error}; --model=torch needs none of bfly's libraries") from error
    return bfly.torch


def begin(options):
    """Seeds everything; returns the device."""
    # Read when cuBLAS is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch = require("torch")
    device = device_of(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    if options.deterministic:
        warnings.filterwarnings("ignore", message=".*deterministic", category=UserWarning)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
    if options.output.exists() and not options.output.is_dir():
        raise Failure(f"--output: {options.output} is no folder")
    if options.resume and options.overwrite:
        raise Failure("--resume and --overwrite exclude each other")
    return device


def warm_up(optimizer, options, step):
    for group in optimizer.param_groups:
        group["lr"] = options.lr * min(1.0, (step + 1) / max(options.warmup, 1))


# ---------------------------------------------------------------------- files


def write(path, save):
    """The file `path`, whole or not at all: save(temporary path) writes it."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        try:
            save(name)
            # mkstemp's files are for nobody else.
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except (OSError, RuntimeError) as error:
        # torch.save reports a full disk as a RuntimeError.
        raise Failure(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def write_json(path, value):
    write(path, lambda name: Path(name).write_text(json.dumps(value, indent=1) + "\n"))


def save(path, kind, values):
    import torch

    write(path, lambda name: torch.save({"format": f"bfly {kind} 1", **values}, name))


def load(path, kind, argument):
    """What `save` has written as `kind`."""
    import torch

    if not Path(path).exists():
        raise Failure(f"{argument}: there is no file {path}")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Failure(f"{argument}: cannot read {path}: {error.strerror or error}") from error
    try:
        # torch does not look at the sums of an archive.
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.testzip() is not None:
                raise ValueError("a sum is wrong")
        values = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive fails in more ways than can be listed
        raise Failure(f"{argument}: {path} is no {kind} file, or a damaged one") from error
    if not isinstance(values, dict) or values.get("format") != f"bfly {kind} 1":
        raise Failure(f"{argument}: {path} is no {kind} file of these programs")
    return values


def load_state(target, state, path, what):
    """target.load_state_dict(state), whose many complaints become one message."""
    try:
        target.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        first = str(error).strip().splitlines()
        raise Failure(f"{path}: its {what} does not fit: {' '.join(line.strip() for line in first[:2])}") from error


class Checkpoint:
    """A training that can go on where it was, bit for bit: the model, the optimizer, both random generators, and what
    was recorded. `settings` are the arguments, by name, that the training depends on: they have to be the same again."""

    def __init__(self, options, settings, kind, folder=None):
        self.path = options.output / folder / "checkpoint.pt" if folder else options.output / "checkpoint.pt"
        self.settings = settings
        self.kind = kind
        self.stored = None
        # One of several trainings may not have begun yet.
        if options.resume and (folder is None or self.path.exists()):
            self.stored = load(self.path, kind, "--resume")
            before = self.stored.get("settings")
            for name, value in self.settings.items():
                if not isinstance(before, dict) or before.get(name) != value:
                    was = before.get(name) if isinstance(before, dict) else None
                    raise Failure(f"--resume: {self.path} is of a training with --{name} {was}, not {value}")
        elif self.path.exists() and not (options.resume or options.overwrite):
            raise Failure(f"--output: {options.output} holds a training: --resume goes on, --overwrite begins anew")

    def write(self, model, optimizer, precision, generator, **more):
        import torch

        values = {
            "settings": self.settings,
            "model_state_dict": model.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "scaler_state_dict": precision.scaler.state_dict(),
            "generator_state": generator.get_state(),
            "torch_state": torch.get_rng_state(),
            "cuda_state": torch.cuda.get_rng_state(precision.device) if precision.device.type == "cuda" else None,
            **more,
        }
        save(self.path, self.kind, values)

    def restore(self, model, optimizer, precision, generator, **kinds):
        """What else was written, of a training that goes on, by name and kind; None where it begins."""
        import torch

        stored = self.stored
        if stored is None:
            return None
        for name, kind in kinds.items():
            value = stored.get(name)
            if not isinstance(value, kind) or (kind is int and value < 0):
                raise Failure(f"--resume: {self.path} is no checkpoint of these programs: {name} is {value!r}")
        try:
            load_state(model, stored["model_state_dict"], self.path, "model")
            load_state(optimizer, stored["optimizer_state_dict"], self.path, "optimizer")
            load_state(precision.scaler, stored["scaler_state_dict"], self.path, "loss scale")
            generator.set_state(stored["generator_state"])
            torch.set_rng_state(stored["torch_state"])
            if precision.device.type == "cuda" and stored["cuda_state"] is not None:
                torch.cuda.set_rng_state(stored["cuda_state"], precision.device)
        except (KeyError, TypeError, RuntimeError) as error:
            raise Failure(f"--resume: {self.path} is no checkpoint of these programs: {error}") from error
        return stored


# -------------------------------------------------------------------- records


def commit():
    """The commit of the checkout or of the package that this is part of; None where it is part of neither."""
    root = Path(__file__).resolve().parents[3]
    if (root / "COMMIT").exists():
        return (root / "COMMIT").read_text().strip()
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def machine(device):
    """What figures are of."""
    import torch

    if device.type == "cuda":
        card = torch.cuda.get_device_name(device)
    else:
        card = platform.processor() or platform.machine()
        with contextlib.suppress(OSError):
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            card = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), card)
        card += f", {torch.get_num_threads()} threads"
    return {"device": card, "torch": torch.__version__, "python": platform.python_version()}


def about(program, device):
    """The head of a record."""
    import datetime

    return {
        "program": program,
        "command": shlex.join(["python", "-m", f"bfly.examples.{program}", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(device),
    }


def progress(iterable=None, **options):
    """tqdm's bar, which is not drawn where nobody would see it move."""
    tqdm = require("tqdm")
    return tqdm.tqdm(iterable, dynamic_ncols=True, leave=False, disable=None, **options)


def say(text):
    """A line, above the bar if there is one."""
    require("tqdm").tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()
