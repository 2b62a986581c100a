// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_LIB_ENGINE_TRIAL_H
#define BFLY_LIB_ENGINE_TRIAL_H

#include "bfly/Engine/Tuning.h"

namespace mlir::bfly {

/// What the trials of one function have in common.
struct TrialSetup {
  /// Of the program, in errors; the function in it.
  std::string name, function;
  SourceOptions source;
  CompileSettings settings;
  std::vector<HostArray> inputs, parameters;
  /// What the first trial computes, which the others have to.
  std::vector<HostArray> expected;
  /// Where the others compute it, one after the other.
  std::vector<HostArray> results;
  /// Sets of arrays that timed calls use in turn; 0 until the first trial.
  int64_t copies = 0;
};

/// The text of a module as code, with calls of it to be timed.
struct Trial {
  /// Compiles, and runs once. Its results become the expected ones where there
  /// are none yet. `setup` has to outlive it.
  static llvm::Expected<std::unique_ptr<Trial>> create(TrialSetup &setup,
                                                       StringRef text);

  const TrialSetup *setup = nullptr;
  std::unique_ptr<Executable> executable;
  std::vector<Invocation> calls;
  /// Why its results are not the expected ones; empty if they are.
  std::string wrong;
  Timing timing;
};

/// Times trials of one setup in turn, so that what the machine does meanwhile
/// is in all of them.
llvm::Error timeTrials(ArrayRef<Trial *> trials, int samples);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_TRIAL_H
