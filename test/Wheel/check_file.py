# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check_file.py WHEEL VERSION: what a wheel is before it is installed. scripts/test-package runs it with any Python."""

import base64
import csv
import hashlib
import re
import sys
import zipfile
from email.parser import Parser

LIMIT = 30_000_000


def main(path, version):
    name = path.rsplit("/", 1)[-1]
    parts = re.fullmatch(rf"bfly-{re.escape(version)}-py3-none-(manylinux_2_\d+_x86_64)\.whl", name)
    assert parts, f"{name} is no name of this version's wheel"
    info = f"bfly-{version}.dist-info/"
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None, f"{wheel.testzip()} is broken"
        members = {member.filename: member for member in wheel.infolist() if not member.is_dir()}
        assert sum(member.compress_size for member in members.values()) < LIMIT

        # What pip goes by: every file, with its hash and size.
        record = {row[0]: row[1:] for row in csv.reader(wheel.read(info + "RECORD").decode().splitlines())}
        assert record.keys() == members.keys(), record.keys() ^ members.keys()
        assert record.pop(info + "RECORD") == ["", ""]
        for file, (sum_, size) in record.items():
            content = wheel.read(file)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (sum_, int(size)) == (f"sha256={digest}", len(content)), file

        tools = {"bfly/bin/bfly-lsp-server", "bfly/bin/bfly-opt", "bfly/bin/bfly-run"}
        needed = {*tools, "bfly/libbfly.so", "bfly/libomp.so.5", "bfly/py.typed", "bfly/__init__.py"}
        needed |= {info + "licenses/LICENSE", info + "licenses/THIRD-PARTY"}
        assert needed <= members.keys(), needed - members.keys()
        strange = [file for file in members if not re.search(r"\.py$|\.dist-info/", file) and file not in needed]
        assert not strange, strange
        assert all(members[tool].external_attr >> 16 & 0o111 == 0o111 for tool in tools), "tools that cannot be run"

        tags = Parser().parsestr(wheel.read(info + "WHEEL").decode())
        assert tags.get_all("Tag") == [f"py3-none-{parts[1]}"] and tags["Root-Is-Purelib"] == "false", tags.as_string()


if __name__ == "__main__":
    main(*sys.argv[1:])
