# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checkpoints of the public implementations."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

_WRAPPERS = ("model_state_dict", "state_dict", "model")


def load_checkpoint(
    model: nn.Module,
    checkpoint: str | os.PathLike[str] | Mapping[str, Any],
    *,
    ignore_unknown: bool = False,
) -> list[str]:
    """Loads the parameters of a checkpoint into a model.

    checkpoint      a file of torch.save or of safetensors, or what it holds: parameters by their names, bare or as the
                    "model_state_dict" of a dictionary. Code in a file is not run.
    ignore_unknown  skip names that the model does not have, such as a stored table of positions.

    Takes W_base as (1, 1, D), names behind "module." (of DataParallel) and "_orig_mod." (of torch.compile), and FFT-IA's
    to_qk.<stage>.weight. Returns the names that were skipped. ValueError lists names that are missing or unknown and
    shapes that differ, and then nothing is loaded.
    """
    parameters = _read(checkpoint)
    target = model.state_dict()
    parameters = _plain_names(parameters, target)
    trial = _Trial(model, parameters)
    problems = []
    if trial.missing:
        problems.append("missing: " + ", ".join(trial.missing))
    if trial.unknown and not ignore_unknown:
        problems.append("unknown: " + ", ".join(trial.unknown) + " (ignore_unknown=True skips them)")
    problems.extend(trial.wrong)
    if problems:
        raise ValueError("checkpoint: " + "; ".join(problems))
    model.load_state_dict(parameters, strict=False)
    return trial.unknown


def _read(checkpoint):
    if isinstance(checkpoint, (str, os.PathLike)):
        checkpoint = _read_file(os.fspath(checkpoint))
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"checkpoint: {type(checkpoint).__name__}, expected parameters by their names")
    for wrapper in _WRAPPERS:
        if isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
            break
    for name, value in checkpoint.items():
        if not isinstance(name, str):
            raise ValueError(f"checkpoint: {name!r}: expected names of parameters")
        if not isinstance(value, Tensor):
            raise ValueError(f"checkpoint: {name}: {type(value).__name__}, expected a tensor")
    return dict(checkpoint)


def _read_file(path):
    kind = "safetensors" if path.endswith(".safetensors") else "torch.save"
    with open(path, "rb"):  # what the system has to say of it
        pass
    try:
        if kind == "safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if zipfile.is_zipfile(path):
            # torch does not look at the sums of an archive.
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:
                    raise ValueError("a sum is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # a damaged file fails in more ways than can be listed
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"checkpoint: {path} is no {kind} file of tensors, or a damaged one: {first}") from error


def _plain_names(parameters, target):
    """Without what wrappers put before every name: DataParallel within torch.compile, or the other way round."""
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):
        wrapped = parameters and all(name.startswith(prefix) for name in parameters)
        if wrapped and not any(name.startswith(prefix) for name in target):
            parameters = {name[len(prefix) :]: value for name, value in parameters.items()}
    return parameters


class _Trial:
    """What would become of a load: the hooks of the modules see the names first, as in a load."""

    def __init__(self, model, parameters):
        target = model.state_dict()
        names = dict(parameters)
        self.wrong = []
        for name, value in names.items():
            if value.layout != torch.strided or value.is_meta:
                self.wrong.append(f"{name}: {'a meta' if value.is_meta else 'a sparse'} tensor, expected its numbers")
        if self.wrong:  # of which a load would stop half way
            self.missing = self.unknown = []
            return
        self._visit(model, names, "")
        self.missing = [name for name in target if name not in names]
        self.unknown = [name for name in parameters if name in names and name not in target]
        for name, value in target.items():
            if name in names and names[name].shape != value.shape:
                self.wrong.append(f"{name}: shape {tuple(names[name].shape)}, expected {tuple(value.shape)}")
            elif name in names and names[name].is_floating_point() != value.is_floating_point():
                self.wrong.append(f"{name}: {names[name].dtype}, but the model has {value.dtype}")

    def _visit(self, module, names, prefix):
        for child_name, child in module.named_children():
            self._visit(child, names, f"{prefix}{child_name}.")
        rename = getattr(module, "_rename_checkpoint", None)
        if rename is not None:
            rename(names, prefix)
