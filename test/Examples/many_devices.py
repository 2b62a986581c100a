# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One process of several that train a model together, for test_many_devices.py:

    python many_devices.py RANK COUNT one|ddp|fsdp bfly|torch fftnet|fft-ia cpu|cuda RENDEZVOUS OUTPUT

Each takes its share of the batch. OUTPUT gets the losses of the whole one, from the first process.
"""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from bfly.examples import _training, plain

STEPS, BATCH, TOKENS, VOCABULARY = 8, 4, 16, 11


def build(layers, network):
    torch.manual_seed(3)
    if network == "fftnet":
        return layers.FFTNet(VOCABULARY, 8, 2)
    return plain.Transformer(layers.FFTInspiredAttention, VOCABULARY, VOCABULARY, dim=8, layers=2, heads=2)


def shared(model, way, device):
    """The model as `way` trains it."""
    if way == "ddp":
        return torch.nn.parallel.DistributedDataParallel(
            model, device_ids=[device.index] if device.type == "cuda" else None
        )
    if way == "fsdp":
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        for layer in model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    return model


def losses(rank, count, way, layers, network, device):
    model = shared(build(layers, network).double().to(device), way, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(5)
    part = torch.randint(VOCABULARY, (BATCH, TOKENS), generator=generator).chunk(count)[rank].to(device)
    found = []
    for _ in range(STEPS):
        logits = model(part)
        targets = part if network == "fftnet" else part[:, 0]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        whole = loss.detach().clone()
        if count > 1:
            dist.all_reduce(whole)
        found.append(float(whole) / count)
    return found


def main():
    rank, count = map(int, sys.argv[1:3])
    way, model, network, kind, rendezvous, output = sys.argv[3:]
    torch.set_num_threads(1)
    device = torch.device(kind, rank) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(device)
    if count > 1:
        backend = "nccl" if kind == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=f"file://{rendezvous}", rank=rank, world_size=count)
    found = losses(rank, count, way, _training.layers_of(model), network, device)
    if rank == 0:
        Path(output).write_text(json.dumps(found))
    if count > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
