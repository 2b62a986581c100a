// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Machine descriptions: what a plan is chosen for.

#ifndef BFLY_SCHEDULE_MACHINE_H
#define BFLY_SCHEDULE_MACHINE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MathExtras.h"
#include <cstdint>
#include <optional>

namespace mlir::bfly {

/// A machine, in bytes and elements. Passes see this description and never the
/// machine they run on, so the same IR comes out everywhere.
struct Machine {
  llvm::StringRef name;
  /// f32 elements of a vector register, and the number of registers.
  int64_t lanes;
  int64_t vectorRegisters;
  /// Cache sizes in bytes: first and second level of one core, and the last.
  int64_t l1, l2, l3;
  int64_t threads;
  /// Of a GPU: threads of a block, bytes of shared memory a block may have,
  /// multiprocessors, and threads of one that have the registers that kernels
  /// ask for. 0 of a CPU.
  int64_t blockThreads = 0, sharedBytes = 0, multiprocessors = 0;
  int64_t residentThreads = 0;
  /// Of a GPU: the most tokens that a kernel transforms.
  int64_t longestTransform = 0;

  bool isGPU() const { return blockThreads != 0; }
  /// Whether kernels transform so many tokens; else a library does.
  bool transforms(int64_t tokens) const {
    return !isGPU() ||
           (llvm::isPowerOf2_64(tokens) && tokens <= longestTransform);
  }
};

/// The machine of a target name, "cpu" or "sm_90a"; nullopt if there is none of
/// that name.
std::optional<Machine> getMachine(llvm::StringRef target, int64_t threads);

/// The names that `getMachine` knows, for messages.
llvm::StringRef getMachineNames();

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_MACHINE_H
