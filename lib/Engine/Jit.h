// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// From a lowered module to object code, and from that to machine code in this
// process.

#ifndef BFLY_LIB_ENGINE_JIT_H
#define BFLY_LIB_ENGINE_JIT_H

#include "bfly/Engine/Program.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace llvm::orc {
class ExecutionSession;
class RTDyldObjectLinkingLayer;
} // namespace llvm::orc

namespace mlir::bfly {

/// Machine code, which goes when this does.
class Jit {
public:
  using Entry = void (*)(void **arguments);
  using Object = std::unique_ptr<llvm::MemoryBuffer>;

  /// The object code of a function of a module in the llvm dialect, for the
  /// processor at hand. Unless foreign calls are allowed, it names nothing but
  /// runtimeSymbols(). `freezesLoads` is for code that may read of its stack
  /// what it has not written.
  static llvm::Expected<Object> compile(ModuleOp lowered,
                                        llvm::StringRef function,
                                        bool allowForeignCalls,
                                        bool freezesLoads);

  /// Links what `compile` made, here or in another process. The code finds the
  /// runtime and the mathematical library (runtimeSymbols), and nothing else of
  /// this process unless foreign calls are allowed: whatever its object asks
  /// for. A GPU's kernels are loaded on `device` now.
  static llvm::Expected<std::unique_ptr<Jit>>
  load(Object object, bool allowForeignCalls, Device device = {});
  ~Jit();

  /// Calls the function with each argument given by its address.
  Entry entry() const { return function; }

private:
  Jit();

  std::unique_ptr<llvm::orc::ExecutionSession> session;
  std::unique_ptr<llvm::orc::RTDyldObjectLinkingLayer> linker;
  /// Gives back what the code loaded; null where it was not linked.
  void (*unload)() = nullptr;
  Entry function = nullptr;
};

/// What code from `Jit::compile` depends on beside the module: the processor at
/// hand and its features, as text.
std::string describeHost();

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_JIT_H
