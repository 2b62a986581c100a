// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Launches of a GPU's kernels, and what these need, read out of machine code.

#ifndef BFLY_TARGET_LAUNCHES_H
#define BFLY_TARGET_LAUNCHES_H

#include "bfly/IR/Machine.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace mlir::bfly {

/// A gpu.launch_func whose blocks wait for each other: all of its grid is
/// resident at once.
inline constexpr llvm::StringLiteral kCooperativeAttr = "bfly.cooperative";

/// What the assembler says of one kernel.
struct KernelResources {
  /// 32-bit registers of a thread.
  int64_t registers = 0;
  /// Bytes of a thread's stack: registers that were spilled, and arrays that
  /// did not become registers.
  int64_t localBytes = 0;
  int64_t codeBytes = 0;
};

/// The resources of `kernel` out of a cubin, or of that in a fat binary;
/// nullopt if it is none or has no such kernel.
std::optional<KernelResources> getResources(llvm::StringRef binary,
                                            llvm::StringRef kernel);

/// How many blocks a multiprocessor holds: of `threads` threads with so many
/// registers each and so many bytes of shared memory.
int64_t getBlocksPerMultiprocessor(const Machine &machine, int64_t threads,
                                   int64_t registers, int64_t sharedBytes);

/// What the names of a kernel's functions begin with, before their number:
/// letters, digits and underscores, as assemblers want them.
std::string getLaunchPrefix(llvm::StringRef function, llvm::StringRef kernel);

/// What a module with assembled kernels, at level binary, launches, in
/// order: names, threads, shared memory. Where the kernels are PTX (no
/// assembler was found), what only machine code tells is left out.
llvm::json::Array getLaunches(ModuleOp module);

/// Adds to a report its "launches", and to each of its "kernels" the "launch"
/// that is its own: there are also loops between kernels.
void addLaunches(llvm::json::Object &report, llvm::json::Array launches);

} // namespace mlir::bfly

#endif // BFLY_TARGET_LAUNCHES_H
