# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The last line of scripts/test.

    python scripts/count_results.py FOLDER true|false

adds up the JUnit files (*.xml) under FOLDER, one `<testcase>` a test, and prints what was not run, if anything, and then

    N passed, N failed

The second argument says whether every stage ended well: where one did not and no test says that it failed (a build
that broke, a program that died before it wrote its file), that is one failure more. A test that was skipped, or that
lit calls unsupported, is neither passed nor failed. Exits with 1 if anything failed."""

import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def count(folder):
    """(passed, failed, not run) over the JUnit files under `folder`."""
    passed = failed = skipped = 0
    for path in sorted(Path(folder).rglob("*.xml")):
        for case in xml.parse(path).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif case.find("skipped") is not None or case.get("status") == "notrun":
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def main():
    passed, failed, skipped = count(sys.argv[1])
    if sys.argv[2] != "true" and failed == 0:
        failed = 1
    if skipped:
        print(f"{skipped} not run: this machine lacks what they need")
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
