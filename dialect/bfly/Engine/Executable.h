// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A function in machine code, and calls of it.

#ifndef BFLY_ENGINE_EXECUTABLE_H
#define BFLY_ENGINE_EXECUTABLE_H

#include "bfly/Arrays/HostArray.h"
#include "bfly/Engine/Lowering.h"

#include <memory>
#include <vector>

namespace mlir::bfly {

struct CompiledCode;
class Executable;
class Jit;
class StagedArrays;

/// An array of the caller's, row-major without gaps, wherever it is.
struct ArrayView {
  ElementType type = ElementType::F32;
  llvm::ArrayRef<int64_t> shape;
  void *data = nullptr;
  bool writable = true;
  Device device = {};

  ArrayView() = default;
  /// One in the memory of the host.
  ArrayView(const HostArray &array);

  uint64_t sizeInBytes() const;
  std::string typeString() const { return formatType(type, shape); }
};

/// A call with its arrays checked and bound. They have to outlive it.
class Invocation {
public:
  Invocation();
  Invocation(Invocation &&);
  Invocation &operator=(Invocation &&);
  ~Invocation();

  /// Runs the function. An error if it ran out of memory or something else
  /// failed; the results are unspecified then. Not to be run by two threads at
  /// once.
  ///
  /// On a GPU it runs on `stream`, one of that device's. Arrays of the host are
  /// copied there and back, and waited for; with none this returns at once, and
  /// the arrays have to live until the stream has come this far.
  llvm::Error run(void *stream = nullptr);

  /// The same without copies, for arrays of the host that were copied by a
  /// `run` before: to measure what the device does.
  llvm::Error launch(void *stream = nullptr);

private:
  friend class Executable;
  const Executable *executable = nullptr;
  /// What has to be copied to a GPU; null on a CPU.
  std::unique_ptr<StagedArrays> staged;
  /// Memref descriptors and scalars, one word after the other.
  std::vector<int64_t> words;
  /// For each argument its address, or that of the pointer to its descriptor.
  std::vector<void *> pointers, packed;
};

/// A compiled function. Keeps nothing of the program that it came from. All
/// methods may be called from any thread, and calls may run at the same time.
class Executable {
public:
  /// Compiles what a lowering ends in, and takes its levels below schedule.
  static llvm::Expected<std::unique_ptr<Executable>> create(Lowering &lowering);
  /// The two halves of `create`: what is made, which another process may have
  /// made as well, and its way into this one, which takes the object code.
  static llvm::Expected<CompiledCode> compile(Lowering &lowering);
  static llvm::Expected<std::unique_ptr<Executable>>
  load(CompiledCode &code, const CompileSettings &settings,
       bool allowForeignCalls);
  ~Executable();

  const Signature &signature() const { return interface; }
  const CompileSettings &settings() const { return compileSettings; }

  /// Adds to the report of this function what is launched on a GPU, and what
  /// its machine code needs (bfly/Target/Launches.h).
  void addLaunchesTo(llvm::json::Object &report) const;

  /// The shapes of the results for inputs and parameters of these shapes.
  llvm::Expected<std::vector<llvm::SmallVector<int64_t, 4>>> resultShapes(
      llvm::ArrayRef<llvm::SmallVector<int64_t, 4>> inputShapes,
      llvm::ArrayRef<llvm::SmallVector<int64_t, 4>> parameterShapes) const;

  /// Memory for the results. An error if there is not enough.
  llvm::Expected<std::vector<HostArray>>
  allocateResults(llvm::ArrayRef<const HostArray *> inputs,
                  llvm::ArrayRef<const HostArray *> parameters) const;

  /// Checks a call: counts, types, shapes that fit together, results that
  /// overlap nothing else. Errors name the array.
  llvm::Expected<Invocation> bind(llvm::ArrayRef<const HostArray *> inputs,
                                  llvm::ArrayRef<const HostArray *> parameters,
                                  llvm::ArrayRef<HostArray *> results) const;

  /// The same for arrays anywhere. On a GPU, those of the host are copied there
  /// and back at every run, and those of a GPU have to be on this one.
  llvm::Expected<Invocation> bind(llvm::ArrayRef<ArrayView> inputs,
                                  llvm::ArrayRef<ArrayView> parameters,
                                  llvm::ArrayRef<ArrayView> results) const;

  /// Binds and runs.
  llvm::Error invoke(llvm::ArrayRef<const HostArray *> inputs,
                     llvm::ArrayRef<const HostArray *> parameters,
                     llvm::ArrayRef<HostArray *> results) const;

private:
  friend class Invocation;
  Executable();

  Signature interface;
  CompileSettings compileSettings;
  llvm::json::Array kernelLaunches;
  std::unique_ptr<Jit> jit;
};

} // namespace mlir::bfly

#endif // BFLY_ENGINE_EXECUTABLE_H
