// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One function on its way from the source to code: IR of each level, the
// report, launches.

#ifndef BFLY_ENGINE_LOWERING_H
#define BFLY_ENGINE_LOWERING_H

#include "bfly/Engine/Program.h"

#include "llvm/ADT/StringMap.h"

namespace mlir::bfly {

struct CompileOptions;

/// A function of a program, and what it calls, lowered once: a level is made of
/// the nearest one above it that is there, when it is first asked for. All
/// methods may be called from any thread. The program has to outlive it.
class Lowering {
public:
  /// `function` is one of `program` (see Program::function).
  Lowering(const Program &program, const Signature &function,
           CompileSettings settings);

  const Program &program() const { return source; }
  const Signature &function() const { return signature; }
  const CompileSettings &settings() const { return compileSettings; }

  /// The module at a level: this object's, which others may read while they
  /// hold the program's lock.
  llvm::Expected<ModuleOp> at(llvm::StringRef level);

  /// The text of the module at a level.
  llvm::Expected<std::string> ir(llvm::StringRef level);

  /// The report of the schedule (bfly/Schedule/Report.h) as an object, with
  /// "function", "signature" and "device".
  llvm::Expected<llvm::json::Object>
  report(const ReportSettings &reportSettings = {});

  /// The launches of a function on a GPU (bfly/Target/Launches.h), which need
  /// none to be there; none on a CPU.
  llvm::Expected<llvm::json::Array> launches();

  /// What the sizes of the function's arguments have to fulfil, and what they
  /// make the results'. Errors name the operation whose size they do not
  /// determine.
  llvm::Expected<SizeRules> sizeRules();

  /// Drops the levels below schedule, which are large. Who asks for one of them
  /// after this waits for it again.
  void forgetCode();

private:
  llvm::Expected<OwningOpRef<ModuleOp>> makeMixer() const;
  llvm::Error readOptions(llvm::StringRef level, CompileOptions &options,
                          llvm::SmallVectorImpl<llvm::StringRef> &path) const;
  llvm::Error checkBounds(ModuleOp module) const;
  bool onGPU() const {
    return compileSettings.device.kind == Device::Kind::CUDA;
  }

  const Program &source;
  const Signature &signature;
  CompileSettings compileSettings;
  /// By level: what was asked for, and on the way there mixer, schedule and
  /// binary, which the report is made of.
  llvm::StringMap<OwningOpRef<ModuleOp>> modules;
};

} // namespace mlir::bfly

#endif // BFLY_ENGINE_LOWERING_H
