# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# shellcheck shell=bash
#
# Sourced by what runs programs of a build with BFLY_SANITIZE. Switched off is what is wrong about a program whose
# libraries are not instrumented, and nothing else:
# - detect_container_overflow, allow_user_poisoning: libLLVM and libMLIR do not tell which bytes of a container or of an
#   arena they have just begun to use;
# - use_sigaltstack: LLVM's crash recovery has the alternate stack of a thread, and ASan would give that back;
# - allocator_may_return_null: the runtime asks for more than there is, and handles that there is not;
# - detect_leaks: MLIR's and Python's singletons, which live as long as the process, are not reachable from ours.
export ASAN_OPTIONS=detect_container_overflow=0:allow_user_poisoning=0:use_sigaltstack=0:detect_leaks=0:allocator_may_return_null=1:handle_abort=1
export UBSAN_OPTIONS=print_stacktrace=1
export ASAN_SYMBOLIZER_PATH=/usr/lib/llvm-22/bin/llvm-symbolizer
