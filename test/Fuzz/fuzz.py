# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs all that fuzzes the project, and says what it found.

    fuzz.py [--minutes=60] [--build=build] [--only=PART,…] [--seed=N] [--out=FOLDER] [--record=FILE]

Parts: `programs` (random programs against their own evaluation, on every plan and level, between guard pages),
`derivatives` (their backward functions against differences of it), `ir` (libFuzzer: mutated IR of every level, read, lowered, sometimes run), `arrays` (libFuzzer: .npy, .safetensors, array
literals), `misuse` (of Python and of the C API). Two of them run at a time, each for half of the minutes or a part of
that. Exits with 1 if there is a finding of ours. A crash without any of our code on its stack is upstream's: it is
listed, and is a finding only if bfly-run does not survive the input.

Of a finding, what is kept in FOLDER is the input; `programs`, `derivatives` and `misuse` repeat one by its seed."""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# What is compiled here is no use to anybody.
os.environ.setdefault("BFLY_CACHE", "off")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# A program that takes longer than this hangs; sanitized ones take ten times as long.
PATIENCE = 300


class Findings:
    def __init__(self):
        self.ours, self.upstream = [], []
        self.counts = collections.Counter()
        self.refused = collections.Counter()

    def add(self, part, kind, where, message, upstream=False):
        # No path of one machine goes into the record.
        message = message.replace(f"{ROOT}/", "")
        entry = {"part": part, "kind": kind, "where": str(where), "message": message[:600]}
        (self.upstream if upstream else self.ours).append(entry)
        if not upstream:
            print(f"FINDING in {part}, {where}: {kind}: {message[:300]}", flush=True)


# Workers of Python: check_programs.py, check_derivatives.py and misuse.py ------------------------------------------------------------------


def lines_of(worker):
    """A queue of what a worker prints; None at its end."""
    lines = queue.Queue()

    def read():
        for line in worker.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def run_worker(script, part, first, seconds, environment, findings):
    """Runs seeds from `first` on for so many seconds, in processes that may die."""
    end, seed = time.monotonic() + seconds, first
    while time.monotonic() < end:
        command = [sys.executable, str(HERE / script), str(seed), "1000000"]
        with tempfile.TemporaryFile("w+", errors="replace") as errors:
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
            lines, current, alive = lines_of(worker), seed, True
            while alive:
                try:
                    line = lines.get(timeout=PATIENCE)
                except queue.Empty:
                    findings.add(part, "hang", f"seed {current}", f"more than {PATIENCE} s")
                    break
                if line is None:
                    status = worker.wait()
                    errors.seek(0)
                    how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
                    findings.add(part, "crash", f"seed {current}", f"{how}: {errors.read()[-500:].strip()}")
                    break
                entry = json.loads(line)
                if "begin" in entry:
                    current = entry["begin"]
                else:
                    count(part, entry, findings)
                alive = time.monotonic() < end
            worker.kill()
            worker.wait()
        seed = current + 1


def count(part, entry, findings):
    findings.counts[part] += 1
    findings.counts[f"{part}, ways that ran"] += entry["checked"]
    for message in entry["refused"].values():
        findings.refused[re.sub(r"\d+|'[^']*'|\([^()]*\)", "_", message)[:160]] += 1
    for finding in entry["findings"]:
        findings.add(part, finding["kind"], f"seed {entry['seed']}, {finding['way']}", finding["message"])


# libFuzzer -----------------------------------------------------------------------------------------------------------


def texts_of_the_tree():
    """Every module of the tests, examples and documents."""
    for path in [*ROOT.glob("test/**/*.mlir"), *ROOT.glob("examples/*.mlir"), *ROOT.glob("docs/*.mlir")]:
        if "Inputs" in path.parts:
            continue
        for i, text in enumerate(path.read_text().split("// -----")):
            kept = [line for line in text.splitlines() if not line.strip().startswith("//")]
            yield f"{path.stem}-{i}", "\n".join(kept).strip() + "\n"


LEVELS_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import bfly
from generate import generate
folder = sys.argv[2]
ways = [{}, {"fuse": False}, {"target": "sm_90a", "emulate": True}]
for seed in range(60):
    text = generate(seed).text()
    open(f"{folder}/program-{seed}.mlir", "w").write(text)
    try:
        kernel = bfly.compile(text, threads=2, **ways[seed % 3])
    except bfly.BflyError:
        continue
    for level in ("network", "schedule", "affine", "llvm"):
        printed = kernel.ir(level)
        if len(printed) < 16000:
            open(f"{folder}/program-{seed}-{level}.mlir", "w").write(printed)
"""


def make_ir_corpus(folder, environment):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts_of_the_tree():
        if 10 < len(text) < 16000:
            (folder / f"{name}.mlir").write_text(text)
    subprocess.run([sys.executable, "-c", LEVELS_SCRIPT, str(HERE), str(folder)], env=environment, check=False)


def make_arrays_corpus(folder, build):
    import io

    import numpy as np
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    for path in (build / "test" / "unit" / "bad").glob("*"):
        if path.suffix in (".npy", ".safetensors") and path.stat().st_size < 4096:
            (folder / path.name).write_bytes(path.read_bytes())
    for i, dtype in enumerate(["f2", "<f4", ">f4", "f8", "c8", "c16", "i8", "u1", "?", "V2"]):
        for order in "CF":
            buffer = io.BytesIO()
            values = np.arange(6).reshape(2, 3).astype("u2" if dtype == "V2" else dtype)
            np.save(buffer, np.asarray(values.view(dtype), order=order))
            (folder / f"valid-{i}{order}.npy").write_bytes(buffer.getvalue())
    tensors = {"weight": np.ones((2, 3), np.float32), "b": np.zeros(0, np.float16), "c": np.array(True)}
    (folder / "valid.safetensors").write_bytes(save(tensors, {"format": "pt"}))
    literals = [
        "2x3xf32=1,2,3,4,5,6", "2x3xf32=[1 2 3][4 5 6]", "2x8x4xf32=0.5", "f32=1", "i64=-7", "i1=true", "2x3xf32",
        "2xcomplex<f32>=1+2j,-3j", "0x4xbf16", "1x1x1xf16=nan", "2xi8=-128 127", "3xf64=1e308,inf,-0",
    ]  # fmt: skip
    for i, literal in enumerate(literals):
        (folder / f"literal-{i}").write_text(literal)


def run_libfuzzer(part, harness, corpus, out, seconds, seed, environment, findings):
    artifacts = out / part
    artifacts.mkdir(parents=True, exist_ok=True)
    growing = out / f"{part}-corpus"
    growing.mkdir(parents=True, exist_ok=True)
    command = [
        str(harness), f"-max_total_time={int(seconds)}", "-fork=1", "-ignore_crashes=1", "-ignore_timeouts=1",
        "-ignore_ooms=1", "-timeout=30", "-rss_limit_mb=4096", "-max_len=16000", f"-seed={seed % 2**32 or 1}",
        f"-artifact_prefix={artifacts}/", str(growing), str(corpus),
    ]  # fmt: skip
    log = out / f"{part}.log"
    with open(log, "w") as file, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment, timeout=seconds + 180)
    executed = [int(n) for n in re.findall(r"^#(\d+)", log.read_text(errors="replace"), re.M)]
    findings.counts[part] += max(executed, default=0)
    if not executed:
        findings.add(part, "nothing ran", log, log.read_text(errors="replace")[-500:])
    return artifacts


FRAME = re.compile(r"^\s+#\d+ 0x[0-9a-f]+ (?:in )?(.*?)(?: \(|$)", re.M)
# Frames that say nothing of whose fault it is.
NOISE = re.compile(r"__sanitizer|__asan|__ubsan|fuzzer::|LLVMFuzzer|__libc|raise|abort|_start|main\b|gsignal|pthread")
# Ours, without what merely calls the parser or a pass manager.
OURS = re.compile(r"mlir::bfly::|bfly_fuzz|bfly[A-Z]\w+\(|\.\./(lib|runtime|tools)/")
CALLERS = re.compile(r"bfly::Program::|bfly::Executable::|TestOneInput|\(anonymous namespace\)::run\(|bfly::lower")


def triage(part, harness, artifacts, build, environment, findings):
    seen = set()
    for artifact in sorted(artifacts.iterdir()):
        kind = artifact.name.split("-")[0]
        done = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [str(harness), "-timeout=30", "-rss_limit_mb=4096", str(artifact)],
                capture_output=True, text=True, errors="replace", env=environment, timeout=120,
            )  # fmt: skip
        output = done.stderr if done else ""
        if done and done.returncode == 0 and kind in ("crash", "leak"):
            findings.counts[f"{part}, crashes that did not come again"] += 1
            continue
        if done and done.returncode == 0:
            continue  # slow only beside others
        frames = [frame for frame in FRAME.findall(output) if not NOISE.search(frame)]
        summary = next((line for line in output.splitlines() if "FINDING" in line or "runtime error" in line), "")
        summary = summary or next((line for line in output.splitlines() if "ERROR:" in line), kind)
        key = (kind, re.sub(r"0x[0-9a-f]+|\d+", "_", summary)[:80], *frames[:3])
        if key in seen:
            continue
        seen.add(key)
        ours = "FINDING" in summary or "runtime error" in summary or part == "arrays" or kind == "timeout"
        ours = ours or (kind == "oom" and not parser_gives_up(artifact, build, environment))
        ours = ours or any(OURS.search(frame) and not CALLERS.search(frame) for frame in frames)
        message = f"{summary}; {' < '.join(frame[:60] for frame in frames[:4])}"
        if not ours and not survives(artifact, build, environment):
            ours, message = True, "bfly-run does not survive it: " + message
        findings.add(part, kind, artifact, message, upstream=not ours)


def parser_gives_up(artifact, build, environment):
    """Whether it is upstream's parser that wants more memory than there is: for 2^31 operands of an operation, say."""
    command, environment = f"exec {build}/bin/bfly-run {artifact}", dict(environment)
    if "ASAN_OPTIONS" in environment:
        # Its shadow memory is larger than any limit of addresses.
        environment["ASAN_OPTIONS"] += ":max_allocation_size_mb=8192"
    else:
        command = f"ulimit -v {8 << 20}; {command}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, errors="replace", env=environment, timeout=120
    )
    return done.returncode == 1 and "the parser gave up on this file" in done.stderr


def survives(artifact, build, environment):
    """Whether bfly-run ends with an exit code of its own."""
    try:
        command = [str(build / "bin" / "bfly-run"), str(artifact), "--print-level=affine"]
        return subprocess.run(command, capture_output=True, env=environment, timeout=120).returncode >= 0
    except subprocess.TimeoutExpired:
        return False


# All ----------------------------------------------------------------------------------------------------------------


def environment_of(build):
    """With a sanitized build its options; and for Python its runtime, preloaded."""
    # Threads that wait for others sleep: this machine has more to do.
    environment = dict(os.environ, PYTHONPATH=str(build / "python"), BFLY_BUILD_DIR=str(build), KMP_BLOCKTIME="0")
    python = dict(environment)
    runtime = build / "asan-runtime"
    if runtime.exists():
        script = f". {ROOT}/scripts/sanitizer-options.sh && env -0"
        options = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
        environment = dict(line.split("=", 1) for line in options.stdout.split("\0") if "=" in line)
        compiler = subprocess.run(["clang++-22", "-print-file-name=libstdc++.so.6"], capture_output=True, text=True)
        python = dict(environment, LD_PRELOAD=f"{runtime.read_text()} {compiler.stdout.strip()}")
    return environment, python


def record(path, arguments, findings, took):
    command = ["git", "-C", ROOT, "log", "-1", "--format=%h %s"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    sanitized = (arguments.build / "asan-runtime").exists()
    lines = [
        "<!-- Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions. -->",
        "<!-- SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception -->",
        "# The last run of scripts/fuzz",
        "",
        f"Commit {commit}; `scripts/fuzz {arguments.minutes:g}`, seed {arguments.seed}, {took / 60:.0f} minutes, "
        + ("with AddressSanitizer and UndefinedBehaviorSanitizer." if sanitized else "without sanitizers."),
        "",
        "| part | inputs |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in sorted(findings.counts.items())),
        "",
        f"Findings: {len(findings.ours)}.",
        "",
        *(f"- {f['part']}, {Path(f['where']).name}: {f['kind']}: {f['message'][:200]}" for f in findings.ours),
        "" if findings.ours else None,
        f"Crashes of upstream's alone, which bfly-run survives: {len(findings.upstream)}.",
        "",
        *(f"- {f['message'][:200]}" for f in findings.upstream),
    ]
    Path(path).write_text("\n".join(line for line in lines if line is not None).rstrip() + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("BFLY_BUILD_DIR", ROOT / "build")))
    parser.add_argument("--only", default="programs,derivatives,ir,arrays,misuse")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--record")
    arguments = parser.parse_args()
    arguments.build = arguments.build.resolve()
    out = arguments.out or arguments.build / "fuzz"
    parts, seed = arguments.only.split(","), arguments.seed
    tools, python = environment_of(arguments.build)
    binaries = arguments.build / "bin"
    findings, begin = Findings(), time.monotonic()
    corpus = out / "corpus"
    if "ir" in parts:
        make_ir_corpus(corpus / "ir", python)
    if "arrays" in parts:
        make_arrays_corpus(corpus / "arrays", arguments.build)
    print(f"fuzzing {', '.join(parts)} for {arguments.minutes:g} minutes, seed {seed}, in {out}", flush=True)
    seconds = 60 * arguments.minutes
    # Seeds that earlier runs did not have.
    first = seed % 10**6 * 10**6
    # Two at a time: programs, derivatives and then misuse beside ir and then arrays.
    share = {"programs": 0.5, "derivatives": 0.3, "misuse": 0.2, "ir": 0.85, "arrays": 0.15}
    if arguments.minutes <= 2:
        share = dict.fromkeys(share, 1.0)
    for group in (("programs", "derivatives", "misuse"), ("ir", "arrays")):
        total = sum(share[part] for part in group if part in parts)
        share |= {part: share[part] / total for part in group if part in parts}

    def of_python():
        scripts = {"programs": "check_programs.py", "derivatives": "check_derivatives.py", "misuse": "misuse.py"}
        for part, script in scripts.items():
            if part in parts:
                run_worker(script, part, first, seconds * share[part], python, findings)

    def of_libfuzzer():
        for part in ("ir", "arrays"):
            if part in parts:
                harness = binaries / f"bfly-fuzz-{part}"
                time_of = seconds * share[part]
                folder = run_libfuzzer(part, harness, corpus / part, out, time_of, seed, tools, findings)
                triage(part, harness, folder, arguments.build, tools, findings)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(of_python), pool.submit(of_libfuzzer)]:
            future.result()
    took = time.monotonic() - begin
    for name, count in sorted(findings.counts.items()):
        print(f"{name}: {count}")
    for message, count in findings.refused.most_common(12):
        print(f"refused {count} times: {message}")
    for finding in findings.upstream:
        print(f"upstream's, survived: {finding['message'][:300]}")
    print(f"{len(findings.ours)} findings, {len(findings.upstream)} of upstream's alone, in {took:.0f} s; seed {seed}")
    if arguments.record:
        record(arguments.record, arguments, findings, took)
    sys.exit(1 if findings.ours else 0)


if __name__ == "__main__":
    main()
