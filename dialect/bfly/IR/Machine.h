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

/// What a GPU multiplies 16-bit matrices with, beside its ordinary arithmetic.
enum MatrixUnits : int64_t { kNoMatrixUnits, kMma, kWgmma };
/// What copies from memory to shared memory beside what threads load and store:
/// nothing, cp.async of a thread's own, or the copy engine.
enum Copies : int64_t { kThreadCopies, kAsyncCopies, kBulkCopies };

/// A machine, in bytes and elements. Passes see this description and never the
/// machine they run on, so the same IR comes out everywhere. A new fact is a
/// member, its value in the table of machines, and a row of `getMachineWords`.
struct Machine {
  /// "cpu", or the name that NVIDIA's compilers give a chip.
  llvm::StringRef name;
  /// f32 elements of a vector register, and the number of registers: of a GPU
  /// those of a warp, and a thread's.
  int64_t lanes = 0, vectorRegisters = 0;
  /// Cache sizes in bytes: first and second level of one core, and the last.
  int64_t l1 = 0, l2 = 0, l3 = 0;
  int64_t threads = 0;
  // All that follows is 0 of a CPU.
  /// Compute capability, ten times, and the version of PTX, ten times.
  int64_t capability = 0, ptx = 0;
  /// Threads of a block, and bytes of shared memory that a block may have.
  int64_t blockThreads = 0, sharedBytes = 0;
  int64_t multiprocessors = 0;
  /// Of a multiprocessor: registers, the most threads and blocks, and bytes of
  /// shared memory, of which the system has 1 KB a block.
  int64_t registers = 0, processorThreads = 0, processorBlocks = 0;
  int64_t processorShared = 0;
  /// Threads of a multiprocessor that have the registers that kernels ask for,
  /// and what a thread needs beside those.
  int64_t residentThreads = 0, workingRegisters = 0;
  /// The largest cluster of blocks; 1 where there are none.
  int64_t cluster = 0;
  /// A MatrixUnits and a Copies.
  int64_t matrix = kNoMatrixUnits, copies = kThreadCopies;
  /// The most tokens that a kernel transforms.
  int64_t longestTransform = 0;
  /// What a second holds at best, in 10^9: bytes that a copy reads and writes,
  /// f32 operations, and operations on the matrix units.
  int64_t gigabytes = 0, gigaflops = 0, matrixGigaflops = 0;

  bool isGPU() const { return blockThreads != 0; }
  /// Whether every later GPU runs the PTX too: not where the name asks for
  /// features of one architecture alone.
  bool isPortable() const { return isGPU() && !name.ends_with("a"); }
  /// Whether kernels run on a GPU of this compute capability, ten times.
  bool runsOn(int64_t device) const {
    return isPortable() ? device >= capability : device == capability;
  }
  /// Whether kernels multiply 16-bit matrices on the matrix units, which they
  /// can where a copy engine feeds them; else on ordinary arithmetic.
  bool usesMatrixUnits() const {
    return matrix == kWgmma && copies == kBulkCopies;
  }
  /// Whether kernels transform so many tokens; else a library does.
  bool transforms(int64_t tokens) const {
    return !isGPU() ||
           (llvm::isPowerOf2_64(tokens) && tokens <= longestTransform);
  }

  bool operator==(const Machine &other) const;
};
llvm::hash_code hash_value(const Machine &machine);

/// A fact of a machine as `#bfly.target` spells it, and what it is.
struct MachineWord {
  llvm::StringRef name;
  int64_t Machine::*member;
  bool onCPU, onGPU;
  llvm::StringRef what;
  /// Of a fact that is no number: the names of its values.
  llvm::ArrayRef<llvm::StringLiteral> values = {};
};
llvm::ArrayRef<MachineWord> getMachineWords();

/// Every machine that is a target.
llvm::ArrayRef<Machine> getMachines();

/// The machine of a target's name; nullopt if there is none of that name.
std::optional<Machine> getMachine(llvm::StringRef target);

/// The best target for a GPU of this compute capability, ten times: its own, or
/// the latest portable one; nullopt where there is none.
std::optional<Machine> getMachineForGPU(int64_t capability);

/// The names that `getMachine` knows, for messages.
std::string getMachineNames();

/// The machine that the module around `op` is compiled for: its `bfly.target`,
/// or where it has none the CPU of the table.
Machine getMachine(Operation *op);

} // namespace mlir::bfly

#endif // BFLY_IR_MACHINE_H
