# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the Python tests where there is neither pytest nor hypothesis: python3 and NumPy are enough.

    python3 test/standalone/run.py [PATH...] [-k TEXT] [--sample N] [--device cpu|cuda] [--target NAME] [--jobs N]
        [--list]

PATH      test files, or folders of them; without one test/Execution, test/Torch and test/python of this tree
-k TEXT   only tests with TEXT in their name; several, each preceded by -k, all have to be there
--sample N  N of them, drawn at random
--device NAME  those of the first two alone, on "cpu" or "cuda" alone; without it on what there is
--target NAME  of the GPU's kernels: "sm_80" tests on any GPU what every GPU runs
--jobs N    N processes at once, which share the tests
--gpus N    these processes on N GPUs in turn; without it each sees all of them and takes the first
--sanitizer TOOL  on the GPU under compute-sanitizer's memcheck, racecheck, initcheck or synccheck: a fixed small set of
          tests, unless -k, --sample or PATH says which (test/Execution: all)
--timeout S  end where a test takes more than S seconds; without it none does
--list    their names only
--verbose   a line for each test with its time, not only for those that fail

Random input is drawn afresh in each session; BFLY_SEED=<the number printed> draws the same again. Tests that need
what is not installed (scipy, torch, a GPU) are counted as not run, with what they lack. The last line says how
many passed and failed; the exit code is 0 only if none failed. pytest gives each test the same name and the same numbers."""

import argparse
import contextlib
import faulthandler
import importlib.util
import inspect
import io
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE / "modules"))
# After what is installed; for the programs that tests start too.
sys.path.append(str(HERE / "fallback"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(HERE / "fallback")]))

import pytest


def load(path, name):
    """A file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class NotRun(Exception):
    """What is missing here."""


def load_test(path, name):
    try:
        return load(path, name)
    except ModuleNotFoundError as error:
        raise NotRun(f"needs {error.name}") from None
    except pytest.Skipped as reason:
        raise NotRun(str(reason)) from None


def identity(value, name, index, ids=None):
    """A parameter's part of the test's name, as pytest writes it."""
    given = ids(value) if callable(ids) else list(ids)[index] if ids is not None else None
    if given is not None:
        value = given
    if isinstance(value, float | int | str | None):
        return str(value)
    return getattr(value, "__name__", f"{name}{index}")


def parametrized(function):
    """(id, {name: value}, marks) for each combination of the parametrize marks."""
    axes = []
    for mark in (mark for mark in getattr(function, "marks", []) if mark.name == "parametrize"):
        names, values, ids = mark.args[0], list(mark.args[1]), mark.kwargs.get("ids")
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        axis = []
        for index, value in enumerate(values):
            own = value if isinstance(value, pytest.Param) else None
            row = own.values if own else value if len(names) > 1 else (value,)
            if own and own.id is not None:
                label = own.id
            elif ids is not None and not callable(ids):
                label = identity(row, "", index, ids)
            else:
                label = "-".join(identity(part, name, index, ids) for name, part in zip(names, row))
            axis.append((label, dict(zip(names, row)), own.marks if own else ()))
        axes.append(axis)
    # The mark nearest to the function varies fastest in pytest, and stands first in the name.
    for rows in itertools.product(*reversed(axes)):
        rows = rows[::-1]
        values = {name: value for row in rows for name, value in row[1].items()}
        yield "-".join(row[0] for row in rows), values, [mark for row in rows for mark in row[2]]


class Fixtures:
    """The fixtures of a file, made when asked for; those of a module's scope are kept until its end."""

    def __init__(self, modules):
        self.known = {
            name: value
            for module in modules
            for name, value in vars(module).items()
            if isinstance(value, pytest.Fixture)
        }
        self.kept, self.ends = {}, {}
        self.cleanup = contextlib.ExitStack()

    def make(self, name, test, values):
        if name in values:
            return values[name]
        if name in self.kept:
            parameter, value = self.kept[name]
            if parameter == values.get((name, "param")):
                return value
            # Of the parameter before this one.
            self.ends.pop(name, lambda: None)()
        if name == "request":
            return SimpleNamespace(node=SimpleNamespace(nodeid=test.nodeid, name=test.name), function=test.function)
        if name == "tmp_path":
            values[name] = Path(test.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bfly-")))
            return values[name]
        if name == "tmp_path_factory":
            made = self.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bfly-"))
            return SimpleNamespace(mktemp=lambda name, **_: Path(tempfile.mkdtemp(prefix=name, dir=made)))
        if name == "monkeypatch":
            values[name] = pytest.MonkeyPatch()
            test.cleanup.callback(values[name].undo)
            return values[name]
        if name == "capsys":
            out = test.cleanup.enter_context(contextlib.redirect_stdout(io.StringIO()))
            err = test.cleanup.enter_context(contextlib.redirect_stderr(io.StringIO()))
            values[name] = Capture(out, err)
            return values[name]
        if name not in self.known:
            raise LookupError(f"no fixture {name!r} (test/standalone has no more than the tests in the package use)")
        fixture = self.known[name]
        arguments = {}
        for argument in inspect.signature(fixture.function).parameters:
            arguments[argument] = self.make(argument, test, values)
            if argument == "request" and (name, "param") in values:
                arguments[argument].param = values[name, "param"]
        kept = fixture.scope != "function"
        value = fixture.function(**arguments)
        if inspect.isgenerator(value):
            generator, value = value, next(value)
            if kept:
                self.ends[name] = lambda: next(generator, None)
            else:
                test.cleanup.callback(next, generator, None)
        if kept:
            self.kept[name] = values.get((name, "param")), value
        else:
            values[name] = value
        return value

    def close(self):
        """The end of the file's tests."""
        for end in reversed(self.ends.values()):
            end()
        self.cleanup.close()

    def variants(self, function):
        """(id, values) for each combination of what the fixtures of a test are parametrized with."""
        axes = []
        automatic = [name for name, fixture in self.known.items() if fixture.autouse]
        for name in dict.fromkeys([*automatic, *inspect.signature(function).parameters]):
            fixture = self.known.get(name)
            if fixture and fixture.params:
                axes.append(
                    [
                        (identity(value, name, index, fixture.ids), ((name, "param"), value))
                        for index, value in enumerate(fixture.params)
                    ]
                )
        for rows in itertools.product(*axes):
            yield "-".join(row[0] for row in rows), dict(row[1] for row in rows)


class Capture:
    """What Python prints during a test."""

    def __init__(self, out, err):
        self.streams = out, err

    def readouterr(self):
        said = SimpleNamespace(out=self.streams[0].getvalue(), err=self.streams[1].getvalue())
        for stream in self.streams:
            stream.seek(0)
            stream.truncate()
        return said


class Test:
    def __init__(self, function, nodeid, values, marks, fixtures):
        self.function, self.nodeid, self.values, self.marks, self.fixtures = function, nodeid, values, marks, fixtures
        self.name = nodeid.rpartition("::")[2]

    def run(self):
        for mark in self.marks:
            if mark.name == "skip" or (mark.name == "skipif" and mark.args and mark.args[0]):
                raise pytest.Skipped(mark.kwargs.get("reason", ""))
        with contextlib.ExitStack() as self.cleanup:
            values = dict(self.values)
            for name, fixture in self.fixtures.known.items():
                if fixture.autouse:
                    self.fixtures.make(name, self, values)
            names = inspect.signature(self.function).parameters
            self.function(**{name: self.fixtures.make(name, self, values) for name in names})


def collect(path, conftests):
    """The tests of a file; NotRun if it needs what is not here."""
    folder = path.parent
    if folder not in conftests:
        conftests[folder] = None
        if (folder / "conftest.py").exists():
            conftests[folder] = load_test(folder / "conftest.py", f"conftest_of_{folder.name}")
    conftest = conftests[folder]
    if path.name in getattr(conftest, "collect_ignore", []):
        return []
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = load_test(path, path.stem)
    fixtures = Fixtures([one for one in (conftest, module) if one])
    of_module = getattr(module, "pytestmark", [])
    of_module = of_module if isinstance(of_module, list) else [of_module]
    relative = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    tests = []
    for name, function in vars(module).items():
        if not (name.startswith("test") and inspect.isfunction(function)):
            continue
        if hasattr(function, "hypothesis"):
            function.seed = getattr(conftest, "SEED", 0)
        marks = [*of_module, *getattr(function, "marks", [])]
        for fixture_id, fixture_values in fixtures.variants(function):
            for label, values, own in parametrized(function):
                label = "-".join([fixture_id] * bool(fixture_values) + [label] * bool(values))
                nodeid = f"{relative}::{name}" + (f"[{label}]" if values or fixture_values else "")
                tests.append(Test(function, nodeid, {**fixture_values, **values}, [*marks, *own], fixtures))
    seen = set()
    if hasattr(conftest, "runs_alike"):
        for test in list(tests):
            parameters = {name[0] if isinstance(name, tuple) else name: value for name, value in test.values.items()}
            key = conftest.runs_alike(test.function, parameters)
            if key is not None and key in seen:
                tests.remove(test)
            seen.add(key)
    # One device after the other; otherwise as they stand in the file.
    return sorted(tests, key=lambda test: str(test.values.get(("device", "param"), "")))


def test_files(paths):
    for path in paths:
        path = path.resolve()
        yield from sorted(path.rglob("test_*.py")) if path.is_dir() else [path]


# What is run under compute-sanitizer, where a kernel takes up to a thousand times as long: every kind of kernel, small.
SANITIZED = (
    "test_butterfly_attention.py::test_lengths[cuda-2", "test_butterfly_attention.py::test_lengths[cuda-64",
    "test_butterfly_attention.py::test_lengths[cuda-100", "test_butterfly_attention.py::test_tiles",
    "test_butterfly_attention.py::test_16_bits[cuda", "test_butterfly_attention.py::test_batches",
    "test_dense.py::test_mean[cuda", "test_dense.py::test_layer_norm[cuda", "test_dense.py::test_linear_of_other",
    "test_examples.py::test_python", "test_general_filters.py::test_many", "test_general_filters.py::test_real_to_real",
    "test_layer.py::test_layer_of", "test_layer.py::test_layer_16", "test_spectral_filter.py::test_batches",
    "test_spectral_filter.py::test_lengths_f32[cuda-12]", "test_spectral_filter.py::test_lengths_f32[cuda-64]",
    "test_spectral_filter.py::test_lengths_f32[cuda-8192]", "test_spectral_filter.py::test_channels[cuda",
    "test_spectral_filter.py::test_lengths_bf16[cuda-128]",
)  # fmt: skip
EACH_SANITIZED = 4  # of a line above, evenly spread


def chosen_for_sanitizers(tests):
    """Of all tests, the set for compute-sanitizer."""
    chosen = []
    for text in SANITIZED:
        group = [test for test in tests if text in test.nodeid]
        step = max(1, -(-len(group) // EACH_SANITIZED))
        chosen += group[::step]
    return [test for test in tests if test in chosen]


def sanitize(tool, arguments):
    """Runs this program under compute-sanitizer; its exit code."""
    program = shutil.which("compute-sanitizer")
    for root in filter(None, [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]):
        candidate = Path(root) / "bin" / "compute-sanitizer"
        program = program or (str(candidate) if candidate.exists() else None)
    if program is None:
        print("no compute-sanitizer in PATH, CUDA_HOME, CUDA_PATH or /usr/local/cuda: it is part of the CUDA toolkit")
        return 2
    command = [program, f"--tool={tool}", "--target-processes=all", "--error-exitcode=99", "--print-limit=20"]
    # initcheck asks whether memory was written: NaN would be.
    environment = {**os.environ, "BFLY_TEST_DEVICES": "cuda", "BFLY_CUDA_POISON": "0"}
    done = subprocess.run([*command, sys.executable, str(HERE / "run.py"), *arguments], env=environment, check=False)
    print(f"compute-sanitizer {tool}: {'clean' if done.returncode == 0 else f'exit code {done.returncode}'}")
    return done.returncode


def in_parts(jobs, gpus, arguments):
    """Runs this program `jobs` times at once, which share the tests, on `gpus` GPUs in turn if that is not 0; 0 if all of
    them are right."""
    command = [sys.executable, str(HERE / "run.py"), *arguments]
    with tempfile.TemporaryDirectory(prefix="bfly-") as shared:
        parts = []
        for part in range(jobs):
            environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(part % gpus)} if gpus else None
            # To a file, which may grow as long as it likes before it is read.
            with (Path(shared) / f"{part}.txt").open("w") as output:
                parts.append(
                    subprocess.Popen(
                        [*command, f"--claims={shared}"], stdout=output, stderr=subprocess.STDOUT, env=environment
                    )
                )
        codes = [part.wait() for part in parts]
        outputs = [(Path(shared) / f"{part}.txt").read_text(errors="replace") for part in range(jobs)]
    counts, rest, failures, bad = {}, set(), [], False
    for code, output in zip(codes, outputs):
        lines = output.splitlines()
        counted = [
            found for line in lines if (found := re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) not run)?", line))
        ]
        bad |= code != 0
        failures += [line for line in lines if line.startswith("failed: ")]
        if not counted:
            counts["failed"] = counts.get("failed", 0) + 1
            print(output, f"a part of the tests ended with {code}", sep="\n")
            continue
        for name, count in zip(("passed", "failed", "not run"), counted[-1].groups()):
            counts[name] = counts.get(name, 0) + int(count or 0)
        rest |= {line for line in lines if line.startswith("not run: ")}
        for line in lines[1:]:
            if not re.search(r"^(not run: |failed: |took |\d+ passed, )|: \d+ tests in [\d.]+ s$", line):
                print(line)
    for line in sorted(rest) + failures:
        print(line)
    print(f"{counts.get('passed', 0)} passed, {counts.get('failed', 0)} failed, {counts.get('not run', 0)} not run")
    return int(bad or not counts.get("passed"))


def claim(folder, number):
    """Whether this process is the first that takes a test, of those that share `folder`."""
    if folder is None:
        return True
    try:
        os.close(os.open(folder / f"test-{number}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def at_most(seconds, nodeid):
    """Ends the process if a test takes longer: a kernel that waits for ever cannot be left otherwise."""

    def stop():
        print(f"FAILED {nodeid}: nothing came for {seconds:g} s\nfailed: {nodeid}: it hangs", flush=True)
        os._exit(3)

    timer = threading.Timer(seconds, stop) if seconds else None
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()


def main():
    parser = argparse.ArgumentParser(
        usage=__doc__.split("\n\n")[1].strip().replace("python3 ", "", 1),
        add_help=True,
        description=__doc__.split("\n")[0],
    )
    parser.add_argument("paths", nargs="*", type=Path, default=[])
    parser.add_argument("-k", dest="texts", action="append", default=[])
    parser.add_argument("--sample", type=int)
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--target")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=0)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--claims", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sanitizer", choices=("memcheck", "racecheck", "initcheck", "synccheck"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    faulthandler.enable()
    # One seed for every folder's conftest.
    seed = os.environ.setdefault("BFLY_SEED", str(time.time_ns() % 2**32))
    named = bool(arguments.paths)
    paths = arguments.paths or [ROOT / "test/Execution", ROOT / "test/Torch", ROOT / "test/python"]
    if arguments.jobs > 1 and not arguments.list:
        given = [text for index, text in enumerate(sys.argv[1:], 1)
                 if not (text.startswith(("--jobs", "--gpus")) or sys.argv[index - 1] in ("--jobs", "--gpus"))]  # fmt: skip
        return in_parts(arguments.jobs, arguments.gpus, given)
    if arguments.sanitizer and not arguments.list and "BFLY_TEST_SANITIZED" not in os.environ:
        os.environ["BFLY_TEST_SANITIZED"] = arguments.sanitizer
        return sanitize(arguments.sanitizer, sys.argv[1:])
    if arguments.target:
        os.environ["BFLY_CUDA_TARGET"] = arguments.target
    if arguments.sanitizer:
        os.environ["BFLY_TEST_DEVICES"] = "cuda"
    elif arguments.device:
        os.environ["BFLY_TEST_DEVICES"] = arguments.device
    if (arguments.device or arguments.sanitizer) and not named:
        paths = paths[:2]
    start = time.monotonic()
    conftests, tests, reasons = {}, [], []
    passed = failed = 0
    for path in test_files(paths):
        try:
            tests += collect(path, conftests)
        except NotRun as reason:
            reasons.append(f"{path.name}: {reason}")
        except Exception:
            failed += 1
            print(f"FAILED {path}: cannot be read\n{traceback.format_exc()}")
    tests = [test for test in tests if all(text in test.nodeid for text in arguments.texts)]
    if arguments.sanitizer and not (named or arguments.texts or arguments.sample):
        tests = chosen_for_sanitizers(tests)
    if arguments.sample is not None and arguments.sample < len(tests):
        drawn = set(random.Random(int(seed)).sample(range(len(tests)), arguments.sample))
        tests = [test for index, test in enumerate(tests) if index in drawn]
    if arguments.list:
        print(*(test.nodeid for test in tests), sep="\n")
        return int(failed > 0)
    print(f"{len(tests)} tests, BFLY_SEED={seed}", flush=True)
    failures = []
    for number, test in enumerate(tests):
        test.number = number
    for path, group in itertools.groupby(tests, lambda test: test.nodeid.partition("::")[0]):
        begin, count = time.monotonic(), 0
        group = list(group)
        for test in group:
            if not claim(arguments.claims, test.number):
                continue
            outcome, own = "passed", time.monotonic()
            try:
                with at_most(arguments.timeout, test.nodeid):
                    test.run()
                passed += 1
            except pytest.Skipped as reason:
                outcome = "not run"
                reasons.append(f"{test.nodeid}: {reason}")
            except KeyboardInterrupt:
                print(f"\nstopped in {test.nodeid}")
                return 130
            except BaseException as error:
                # Some import what only they need. bfly and NumPy are not among that.
                if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] not in ("bfly", "numpy"):
                    outcome = "not run"
                    reasons.append(f"{test.nodeid}: needs {error.name}")
                else:
                    outcome = "FAILED"
                    failed += 1
                    said = str(error).strip().splitlines()
                    failures.append(f"{test.nodeid}: {type(error).__name__}: {said[0] if said else ''}"[:300])
                    print(f"FAILED {test.nodeid}\n{traceback.format_exc()}", flush=True)
            count += 1
            if arguments.verbose:
                print(f"{outcome} {test.nodeid} ({time.monotonic() - own:.1f} s)", flush=True)
        for fixtures in {id(test.fixtures): test.fixtures for test in group}.values():
            fixtures.close()
        print(f"{path}: {count} tests in {time.monotonic() - begin:.1f} s", flush=True)
    for reason in sorted(set(reasons)):
        print(f"not run: {reason}")
    for failure in failures:
        print(f"failed: {failure}")
    print(f"took {time.monotonic() - start:.1f} s")
    print(f"{passed} passed, {failed} failed" + (f", {len(reasons)} not run" if reasons else ""))
    # Among processes that share the tests, one that came too late for any is right too.
    return int(failed > 0 or not (passed or arguments.claims))


if __name__ == "__main__":
    sys.exit(main())
