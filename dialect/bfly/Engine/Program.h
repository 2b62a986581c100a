// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The compiler as a library: from a text to a program and its functions.
// bfly/Engine/Lowering.h takes a function down to any level, Executable.h runs
// it.

#ifndef BFLY_ENGINE_PROGRAM_H
#define BFLY_ENGINE_PROGRAM_H

#include "bfly/Engine/Signature.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace mlir::bfly {

struct Machine;

/// What the compiler has to say about a place in the source:
/// "model.mlir:3:5: error: message", then a line for each note.
class CompileError : public llvm::ErrorInfo<CompileError> {
public:
  static char ID;
  explicit CompileError(std::string text) : text(std::move(text)) {}
  void log(llvm::raw_ostream &os) const override { os << text; }
  std::error_code convertToErrorCode() const override {
    return llvm::inconvertibleErrorCode();
  }

private:
  std::string text;
};

/// Where a function runs.
struct Device {
  enum class Kind { CPU, CUDA };
  Kind kind = Kind::CPU;
  int ordinal = 0;

  /// "cpu", "cuda" or "cuda:1", whether this machine has it or not. An error
  /// for any other name.
  static llvm::Expected<Device> parse(llvm::StringRef name);

  /// An error if this machine does not have the device, or if functions that
  /// are compiled for it would not run there. Starts a GPU.
  llvm::Error open() const;

  bool operator==(const Device &other) const {
    return kind == other.kind && ordinal == other.ordinal;
  }

  std::string str() const;
  /// The pipeline's `target` for this device: of a GPU what BFLY_CUDA_TARGET
  /// says, else its own or the best portable one; of one that is not there the
  /// first of the table.
  std::string target() const;
  /// Why a GPU that is there cannot run code for a machine: "NVIDIA A100 has
  /// compute capability 8.0". Empty where it can.
  std::string explainRefusal(const Machine &machine) const;
  /// What to say of a GPU that runs code for a machine which is not its own;
  /// empty where it is.
  std::string explainTarget(const Machine &machine) const;
  /// What code for this device depends on: "cpu", or of a GPU the target and
  /// what it can run, whichever its number is.
  std::string describeCode() const;
};

/// Which backward function a program is read for (-bfly-differentiate).
struct Derivative {
  /// Of which function; empty: the only public one.
  std::string function;
  /// Numbers of inputs and names of parameters that get gradients, with commas
  /// between; empty: all.
  std::string of;
};

struct SourceOptions {
  /// Take MLIR's bytecode as well. Its reader trusts what it reads: only for
  /// files from people that one trusts.
  bool allowBytecode = false;
  /// Compile functions that hold anything but what is known to be harmless:
  /// calls of code outside of their module, assembly, addresses, accesses that
  /// nothing bounds. Indices are not checked then.
  bool allowForeignCalls = false;
  /// The largest file, in bytes.
  uint64_t maxBytes = uint64_t(1) << 30;
  /// The program is a backward function of the module's, and that alone.
  std::optional<Derivative> derivative;
};

struct CompileSettings {
  Device device;
  /// Threads that a function is compiled for and run with; 0 for those of the
  /// machine.
  int threads = 0;
  /// More options of -bfly-compile: "fuse=false scoring=definition".
  std::string pipelineOptions;
  /// The pipeline's target; empty: the device's. For tests, which run code for
  /// a CPU as if it were for a GPU.
  std::string target;
};

/// What a report's times are given for.
struct ReportSettings {
  /// The machine's ceilings where they were measured; 0 for nominal ones.
  double bytesPerSecond = 0;
  double flopsPerSecond = 0;
  double matrixFlopsPerSecond = 0;
  /// What dynamic sizes are.
  int64_t batch = 1;
};

/// The levels that a module can be lowered to, from "mixer" (the source, with
/// its parameters as arguments) down to "llvm".
llvm::ArrayRef<llvm::StringLiteral> getLevels();
/// Whether programs for a device go through a level: some are a GPU's alone.
bool hasLevel(Device device, llvm::StringRef level);

/// A module and what it offers. All methods may be called from any thread.
class Program {
public:
  /// Reads a file: text, or bytecode where that is allowed.
  static llvm::Expected<std::unique_ptr<Program>>
  parseFile(llvm::StringRef path, const SourceOptions &options = {});
  /// The same for a text, named `name` in errors.
  static llvm::Expected<std::unique_ptr<Program>>
  parseText(llvm::StringRef text, llvm::StringRef name,
            const SourceOptions &options = {});

  /// Every public function, in the order of the source.
  llvm::ArrayRef<Signature> functions() const { return signatures; }

  /// The function of this name, or the only one if the name is empty. Errors
  /// list what there is, or say why the function cannot be run.
  llvm::Expected<const Signature *> function(llvm::StringRef name) const;

  /// Every parameter that the module declares, used or not.
  llvm::ArrayRef<std::string> parameterNames() const { return parameters; }

  /// Whether the source has memory on the stack.
  bool usesStack() const;

  /// What messages call the source.
  llvm::StringRef sourceName() const { return name; }

  const SourceOptions &options() const { return sourceOptions; }

  /// Held while the module or its context is in use.
  std::unique_lock<std::recursive_mutex> lock() const {
    return std::unique_lock<std::recursive_mutex>(mutex);
  }

private:
  friend class Lowering;
  Program(llvm::StringRef name, const SourceOptions &options);

  static llvm::Expected<std::unique_ptr<Program>>
  parse(std::unique_ptr<llvm::MemoryBuffer> buffer,
        const SourceOptions &options);
  llvm::Error prepare();
  llvm::Error differentiate();

  std::string name;
  SourceOptions sourceOptions;
  mutable std::recursive_mutex mutex;
  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
  std::vector<Signature> signatures;
  std::vector<std::string> parameters;
};

} // namespace mlir::bfly

#endif // BFLY_ENGINE_PROGRAM_H
