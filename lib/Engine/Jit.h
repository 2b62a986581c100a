// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// From a lowered module to machine code in this process.

#ifndef BFLY_LIB_ENGINE_JIT_H
#define BFLY_LIB_ENGINE_JIT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace llvm {
class TargetMachine;
namespace orc {
class LLJIT;
} // namespace orc
} // namespace llvm

namespace mlir::bfly {

/// Machine code, which goes when this does.
class Jit {
public:
  using Entry = void (*)(void **arguments);

  /// Compiles a module in the llvm dialect. Its code finds the runtime and the
  /// mathematical library (runtimeSymbols), and nothing else of this process
  /// unless foreign calls are allowed. `freezesLoads` is for code that may read
  /// of its stack what it has not written.
  static llvm::Expected<std::unique_ptr<Jit>> create(ModuleOp lowered,
                                                     llvm::StringRef function,
                                                     bool allowForeignCalls,
                                                     bool freezesLoads);
  ~Jit();

  /// Calls the function with each argument given by its address.
  Entry entry() const { return function; }

private:
  Jit();

  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  Entry function = nullptr;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_JIT_H
