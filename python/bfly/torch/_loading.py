# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checkpoints of the public implementations."""

from __future__ import annotations

import os
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
        if os.fspath(checkpoint).endswith(".safetensors"):
            from safetensors.torch import load_file

            checkpoint = load_file(checkpoint)
        else:
            checkpoint = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"checkpoint: {type(checkpoint).__name__}, expected parameters by their names")
    for wrapper in _WRAPPERS:
        if isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
            break
    for name, value in checkpoint.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"checkpoint: {name}: {type(value).__name__}, expected a tensor")
    return dict(checkpoint)


def _plain_names(parameters, target):
    """Without what wrappers put before every name."""
    for prefix in ("_orig_mod.", "module."):
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
        self._visit(model, names, "")
        self.missing = [name for name in target if name not in names]
        self.unknown = [name for name in parameters if name in names and name not in target]
        for name, value in target.items():
            if name in names and names[name].shape != value.shape:
                self.wrong.append(f"{name}: shape {tuple(names[name].shape)}, expected {tuple(value.shape)}")

    def _visit(self, module, names, prefix):
        for child_name, child in module.named_children():
            self._visit(child, names, f"{prefix}{child_name}.")
        rename = getattr(module, "_rename_checkpoint", None)
        if rename is not None:
            rename(names, prefix)
