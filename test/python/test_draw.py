# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The picture of a report: well-formed, complete, and drawn from any report, or refused with one message."""

import copy
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "python"))
from bfly import draw as module
from bfly.draw import draw

SVG = "{http://www.w3.org/2000/svg}"


def kernel(name, kind, order, **network):
    return {
        "name": name,
        "function": "layer",
        "location": f"layer.mlir:{order + 1}:8",
        "inputs": ["tensor<?x64x32xf32>"],
        "results": ["tensor<?x64x32xf32>"],
        "network": {"kind": kind, "element": "f32", "batch": None, "tokens": 64, "channels": 32, **network},
        "ops": [],
        "rewrites": [],
        "bytes": 100,
        "bytes_per_batch": 1000,
        "flops": 0,
        "flops_per_batch": 50000,
        "order": order,
        "plan": {},
        "state": [],
    }


def spectral(order, tokens=64, radices=(8, 8), groups=None, length=None):
    entry = kernel("spectral_filter", "transform", order, tokens=tokens, length=length or tokens)
    names = ["bfly.fft", "bfly.bin", "bfly.linear", "bfly.linear", "bfly.spectrum_map", "bfly.ifft"]
    entry["ops"] = [{"name": name} for name in names]
    entry["rewrites"] = ["half_spectrum", "mean_is_bin_zero"]
    entry["plan"] = {"cpu_transform": {"channels": 32, "radices": list(radices)}}
    groups = groups or [(0, len(radices) - 1, "l1")]
    entry["state"] = [
        {"first": a, "last": b, "bytes": 8192, "capacity": 49152, "place": place} for a, b, place in groups
    ]
    return entry


def attention(order, stages=6, tokens=64):
    entry = kernel("butterfly_attention", "attention", order, tokens=tokens, stages=stages, first_stage=0, heads=4)
    entry["plan"] = {"cpu_attention": {"pairs": 64, "parallel": "tile"}, "cpu_panels": {"columns": 32}}
    entry["state"] = [{"first": 0, "last": stages - 1, "bytes": 16384, "capacity": 1 << 20, "place": "l2"}]
    entry["rewrites"] = ["chained"]
    return entry


def report(*kernels, outside=()):
    return {
        "function": "layer",
        "batch": 2,
        "machine": {"name": "cpu", "threads": 2, "lanes": 16, "l1": 49152, "l2": 1 << 20, "l3": 32 << 20},
        "ceilings": {"bytes_per_second": 2e10, "flops_per_second": 3.2e11, "source": "nominal"},
        "kernels": list(kernels),
        "outside": list(outside),
        "total": {
            "bytes": sum(entry["bytes"] for entry in kernels),
            "bytes_per_batch": sum(entry["bytes_per_batch"] for entry in kernels),
            "kernels": len(kernels),
        },
    }


def texts(picture):
    """Everything that the picture says; it has to be well-formed for that."""
    return [element.text or "" for element in ET.fromstring(picture).iter(SVG + "text")]


def measured(subject, batch, seconds):
    subject = copy.deepcopy(subject)
    subject["batch"] = batch
    subject["benchmark"] = {
        "real_time": seconds * 1e6,
        "time_unit": "us",
        "copy_bytes_per_second": 1e10,
        "peak_flops_per_second": 5e11,
    }
    return subject


def test_everything_is_named():
    between = {"name": "arith.addf", "order": 2, "bytes": 0, "bytes_per_batch": 24576}
    norm = kernel("layer_norm", "dense", 0)
    said = texts(draw(report(norm, spectral(1), attention(3), outside=[between])))
    assert "layer" in said
    for text in ("1  layer_norm", "2  spectral_filter", "arith.addf", "3  butterfly_attention"):
        assert text in said
    for text in (
        "radix 8",
        "s = 32",
        "L1",
        "L2",
        "registers",
        "8 KiB of 48 KiB",
        "context: 2 layers",
        "scores chained",
    ):
        assert text in said
    assert any(text.startswith("between kernels: 1 operation") for text in said)


def test_kernels_in_the_order_they_run_in():
    said = texts(draw(report(attention(5), spectral(1))))
    assert said.index("1  spectral_filter") < said.index("2  butterfly_attention")


def test_one_drawing_for_the_same_kernel():
    said = texts(draw(report(spectral(0), kernel("layer_norm", "dense", 1), {**spectral(2), "location": "elsewhere"})))
    assert said.count("filter every bin") == 1
    assert "1, 3  spectral_filter  × 2" in said


def test_measurement():
    subject = measured(report(spectral(0)), batch=7, seconds=1e-5)
    said = texts(draw(subject))
    assert "10 µs" in said and "measured" in said
    assert any("7 sequences" in text and "10 GB/s, 500 Gflop/s (measured)" in text for text in said)
    # (100 + 7 · 1000) bytes at 10 GB/s are 0.71 µs, 7 % of 10 µs.
    assert "710 ns" in said and "the bound is 7% of it" in said
    other = texts(draw(subject, batch=100))
    assert "measured" not in other and any("100 sequences" in text for text in other)


def test_a_gpu():
    subject = report(attention(0))
    subject["machine"] = {"name": "sm_90a", "multiprocessors": 132, "shared": 227 << 10, "l2": 50 << 20}
    subject["ceilings"]["matrix_flops_per_second"] = 7e14
    one = subject["kernels"][0]
    one["plan"] = {"gpu_block": {"threads": 256}, "gpu_block_attention": {"tokens": 512}}
    one["state"][0]["place"] = "shared"
    launch = {"threads": 256, "shared_bytes": 100 << 10, "registers": 140, "local_bytes": 16}
    one["launch"] = launch | {"blocks_per_multiprocessor": 2}
    one["matrix_flops"] = 100
    said = texts(draw(subject))
    for text in ("shared memory", "100 KiB of shared memory a block", "140 registers a thread, 16 B spilled"):
        assert text in said
    assert "2 blocks a multiprocessor" in said and any("132 multiprocessors" in text for text in said)
    assert any("700 Tflop/s of matrix units" in text for text in said)


def test_reasons_are_wrapped():
    entry = spectral(0)
    entry["unfused"] = "what it makes is read by 'linalg.transpose', which no kernel holds"
    said = " ".join(text.strip() for text in texts(draw(report(entry))))
    assert "not fused: what it makes is read by 'linalg.transpose', which no kernel holds" in said


@pytest.mark.parametrize(
    "entry",
    [
        spectral(0, 65536, (16, 16, 16, 16), [(0, 0, "l3"), (1, 3, "l2")]),
        spectral(0, 60, (4, 5, 3)),
        spectral(0, 12, (4, 3)),
        spectral(0, 47, (16, 8), length=128),
        spectral(0, 13, (13,)),
        spectral(0, 2, (2,)),
        spectral(0, 1, ()),
        attention(0, 16, 65536),
        attention(0, 1, 2),
        attention(0, 3, 8),
    ],
)
def test_any_size(entry):
    picture = draw(report(entry))
    root = ET.fromstring(picture)
    # Nothing leaves the page.
    width, height = float(root.get("width")), float(root.get("height"))
    for box in root.iter(SVG + "rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x >= 0 and y >= 0
        assert x + float(box.get("width")) <= width and y + float(box.get("height")) <= height


def test_eight_tokens_are_drawn_as_they_are():
    """Three stages of attention over 8 tokens: each combines every token with the one s away."""
    rows, columns = module.attention_columns(8, 0, 3)
    assert rows == 8
    for stage, (_, groups) in enumerate(columns):
        assert sorted(map(tuple, groups)) == sorted({tuple(sorted((j, j ^ (1 << stage)))) for j in range(8)})


def test_twelve_points_are_drawn_as_they_are():
    """Radices 4 and 3: two stages of pairs 6 and 3 apart, then threes that are neighbours."""
    rows, columns = module.transform_columns(12, [4, 3], forward=True)
    assert rows == 12
    assert [sorted(map(tuple, groups)) for _, groups in columns] == [
        [(j, j + 6) for j in range(6)],
        [(j, j + 3) for j in (0, 1, 2, 6, 7, 8)],
        [(j, j + 1, j + 2) for j in (0, 3, 6, 9)],
    ]


def test_names_are_escaped():
    entry = kernel("<script>&\"'", "dense", 0)
    assert "1  <script>&\"'" in texts(draw(report(entry)))


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {},
        None,
        {"kernels": 3},
        {"kernels": [3]},
        {"kernels": [{}]},
        {"kernels": [{"name": "x", "network": {"kind": "attention"}}]},
        {"kernels": [], "total": [1]},
    ],
)
def test_what_is_no_report(bad):
    with pytest.raises(ValueError, match="no report"):
        draw(bad)


def run(*arguments):
    source = Path(module.__file__)
    return subprocess.run([sys.executable, source, *map(str, arguments)], capture_output=True, text=True)


def test_command(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report(spectral(0))))
    done = run(tmp_path / "report.json", tmp_path / "picture.svg", "--batch=3")
    assert done.returncode == 0 and not done.stderr
    assert any("3 sequences" in text for text in texts((tmp_path / "picture.svg").read_text(encoding="utf-8")))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kernels": 1}', "\ufffe"])
def test_command_with_a_bad_file(tmp_path, content):
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    done = run(tmp_path / "report.json", tmp_path / "picture.svg")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "report.json" in done.stderr
    assert not (tmp_path / "picture.svg").exists()


def test_command_without_a_file(tmp_path):
    done = run(tmp_path / "none.json", tmp_path / "picture.svg")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("batch", ["-1", "0x2", "1e3", "nan", "", "٣", "9" * 20])
def test_command_with_a_wrong_batch(tmp_path, batch):
    (tmp_path / "report.json").write_text(json.dumps(report(spectral(0))))
    done = run(tmp_path / "report.json", tmp_path / "picture.svg", f"--batch={batch}")
    assert done.returncode == 2 and "is no number of sequences" in done.stderr
    assert not (tmp_path / "picture.svg").exists()
