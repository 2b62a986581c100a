# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Two processes train a model by torch's own engines to the losses of one: on two GPUs where there are two, and on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("many_devices.py")
PLACES = ["cpu", *(["cuda"] if torch.cuda.device_count() > 1 else [])]


def losses(folder, count, *arguments):
    """The losses that `count` processes have found."""
    output = folder / f"{'-'.join(map(str, arguments))}.json"
    rendezvous = folder / f"{output.name}.rendezvous"
    commands = [[sys.executable, WORKER, rank, count, *arguments, rendezvous, output] for rank in range(count)]
    processes = [subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        said = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(process.returncode == 0 for process in processes), "\n".join(said)
    return json.loads(output.read_text())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("network", ["fftnet", "fft-ia"])
def test_two_are_as_one(tmp_path, model, network, place):
    one = losses(tmp_path, 1, "one", model, network, place)
    assert one[-1] < one[0]
    for way in ("ddp", "fsdp"):
        assert losses(tmp_path, 2, way, model, network, place) == pytest.approx(one, rel=1e-9)
