# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the Python tests where there is neither pytest nor hypothesis: python3 and NumPy are enough.

    python3 test/standalone/run.py [PATH...] [-k TEXT] [--sample N] [--list]

PATH      test files, or folders of them; without one test/Execution and test/python of this tree
-k TEXT   only tests with TEXT in their name; several, each preceded by -k, all have to be there
--sample N  N of them, drawn at random
--list    their names only
--verbose   a line for each test, not only for those that fail

Random input is drawn afresh in each session; BFLY_SEED=<the number printed> draws the same again. Tests that need
what is not installed (scipy, torch, a GPU) are counted as not run, with what they lack. The last line says how
many passed and failed; the exit code is 0 only if none failed. pytest gives each test the same name and the same numbers."""

import argparse
import contextlib
import faulthandler
import importlib.util
import inspect
import itertools
import os
import random
import sys
import tempfile
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
    given = ids(value) if callable(ids) else ids[index] if ids is not None else None
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
            name: value for module in modules for name, value in vars(module).items() if isinstance(value, pytest.Fixture)
        }
        self.kept = {}
        self.cleanup = contextlib.ExitStack()

    def make(self, name, test, values):
        if name in values:
            return values[name]
        if name in self.kept:
            return self.kept[name]
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
            (self.cleanup if kept else test.cleanup).callback(next, generator, None)
        (self.kept if kept else values)[name] = value
        return value

    def variants(self, function):
        """(id, values) for each combination of what the fixtures of a test are parametrized with."""
        axes = []
        for name in inspect.signature(function).parameters:
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
                label = "-".join(part for part in (fixture_id, label) if part)
                nodeid = f"{relative}::{name}" + (f"[{label}]" if values or fixture_values else "")
                tests.append(Test(function, nodeid, {**fixture_values, **values}, [*marks, *own], fixtures))
    return tests


def test_files(paths):
    for path in paths:
        path = path.resolve()
        yield from sorted(path.rglob("test_*.py")) if path.is_dir() else [path]


def main():
    parser = argparse.ArgumentParser(
        usage=__doc__.split("\n\n")[1].strip().replace("python3 ", "", 1), add_help=True, description=__doc__.split("\n")[0]
    )
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / "test/Execution", ROOT / "test/python"])
    parser.add_argument("-k", dest="texts", action="append", default=[])
    parser.add_argument("--sample", type=int)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    faulthandler.enable()
    # One seed for every folder's conftest.
    seed = os.environ.setdefault("BFLY_SEED", str(time.time_ns() % 2**32))
    start = time.monotonic()
    conftests, tests, reasons = {}, [], []
    passed = failed = 0
    for path in test_files(arguments.paths):
        try:
            tests += collect(path, conftests)
        except NotRun as reason:
            reasons.append(f"{path.name}: {reason}")
        except Exception:
            failed += 1
            print(f"FAILED {path}: cannot be read\n{traceback.format_exc()}")
    tests = [test for test in tests if all(text in test.nodeid for text in arguments.texts)]
    if arguments.sample is not None and arguments.sample < len(tests):
        drawn = set(random.Random(int(seed)).sample(range(len(tests)), arguments.sample))
        tests = [test for index, test in enumerate(tests) if index in drawn]
    if arguments.list:
        print(*(test.nodeid for test in tests), sep="\n")
        return int(failed > 0)
    print(f"{len(tests)} tests, BFLY_SEED={seed}", flush=True)
    failures = []
    for path, group in itertools.groupby(tests, lambda test: test.nodeid.partition("::")[0]):
        begin, count = time.monotonic(), 0
        group = list(group)
        for test in group:
            outcome = "passed"
            try:
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
                    failures.append(test.nodeid)
                    print(f"FAILED {test.nodeid}\n{traceback.format_exc()}", flush=True)
            count += 1
            if arguments.verbose:
                print(f"{outcome} {test.nodeid}", flush=True)
        for fixtures in {id(test.fixtures): test.fixtures for test in group}.values():
            fixtures.cleanup.close()
        print(f"{path}: {count} tests in {time.monotonic() - begin:.1f} s", flush=True)
    for reason in sorted(set(reasons)):
        print(f"not run: {reason}")
    for nodeid in failures:
        print(f"failed: {nodeid}")
    print(f"took {time.monotonic() - start:.1f} s")
    print(f"{passed} passed, {failed} failed" + (f", {len(reasons)} not run" if reasons else ""))
    return int(failed > 0 or not passed)


if __name__ == "__main__":
    sys.exit(main())
