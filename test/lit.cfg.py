# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""lit configuration: tools from the build, FileCheck and not from LLVM."""

import os

import lit.formats

config.name = "bfly"
config.test_format = lit.formats.ShTest(True)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "Execution", "Proofs", "Fuzz", "python", "unit", "OutOfTree", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.bfly_build_dir, "test")
path = os.pathsep.join([os.path.join(config.bfly_build_dir, "bin"), config.llvm_tools_dir, config.environment["PATH"]])
config.environment["PATH"] = path
# What tests compile is no use to anybody; tests of the cache have folders of their own.
config.environment["BFLY_CACHE"] = "off"
config.substitutions.append(("%bad", os.path.join(config.test_exec_root, "bad")))
config.substitutions.append(("%bfly_libs", os.path.join(config.bfly_build_dir, "lib")))
config.substitutions.append(("%bfly_build", config.bfly_build_dir))
config.substitutions.append(("%llvm_prefix", os.path.dirname(config.llvm_tools_dir)))
config.substitutions.append(("%fake_cuda", os.path.join(config.test_exec_root, "fake", "libcuda.so.1")))
config.substitutions.append(("%bfly_docs", os.path.join(config.bfly_build_dir, "docs")))
config.substitutions.append(("%bfly_source", config.bfly_source_dir))
# A plugin shares libMLIR with the tool that loads it, which a static build does not.
# Nor does the tool have the runtime of a plugin's sanitizers.
if config.bfly_plugins and not config.bfly_sanitize:
    config.available_features.add("plugins")
