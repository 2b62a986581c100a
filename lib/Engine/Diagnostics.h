// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// MLIR's diagnostics as one llvm::Error.

#ifndef BFLY_LIB_ENGINE_DIAGNOSTICS_H
#define BFLY_LIB_ENGINE_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::bfly {

/// Keeps the first error that is reported while it lives, with its notes; what
/// follows is mostly its consequence. Remarks and warnings are dropped.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(MLIRContext *context);

  /// The error, or one that says `otherwise` if none was reported.
  llvm::Error take(llvm::StringRef otherwise);

private:
  std::string text;
  ScopedDiagnosticHandler handler;
};

/// A CompileError at a location.
llvm::Error makeCompileError(Location location, const llvm::Twine &message);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_DIAGNOSTICS_H
