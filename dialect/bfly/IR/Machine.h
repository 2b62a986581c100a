// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Machine descriptions: what a plan is chosen for, and what `bfly.target` on a
// module says.

#ifndef BFLY_IR_MACHINE_H
#define BFLY_IR_MACHINE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MathExtras.h"
#include <cstdint>
#include <optional>
#include <string>

namespace mlir {
class Operation;
} // namespace mlir

namespace mlir::bfly {

/// A machine, in bytes and elements. Passes see this description and never the
/// machine they run on, so the same IR comes out everywhere. A new fact is a
/// member, its value in the table of machines, and a row of `getMachineWords`.
struct Machine {
  /// "cpu", or the name that NVIDIA's compilers give a chip.
  llvm::StringRef name;
  /// f32 elements of a vector register, and the number of registers.
  int64_t lanes = 0, vectorRegisters = 0;
  /// Cache sizes in bytes: first and second level of one core, and the last.
  int64_t l1 = 0, l2 = 0, l3 = 0;
  int64_t threads = 0;
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

  bool operator==(const Machine &other) const;
};
llvm::hash_code hash_value(const Machine &machine);

/// A fact of a machine as `#bfly.target` spells it.
struct MachineWord {
  llvm::StringRef name;
  int64_t Machine::*member;
  bool onCPU, onGPU;
};
llvm::ArrayRef<MachineWord> getMachineWords();

/// The machine of a target's name; nullopt if there is none of that name.
std::optional<Machine> getMachine(llvm::StringRef target);

/// The names that `getMachine` knows, for messages.
std::string getMachineNames();

/// The machine that the module around `op` is compiled for: its `bfly.target`,
/// or where it has none the CPU of the table.
Machine getMachine(Operation *op);

} // namespace mlir::bfly

#endif // BFLY_IR_MACHINE_H
