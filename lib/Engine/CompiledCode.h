// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A compiled function outside of any process: object code, and what its callers
// have to know beside it.

#ifndef BFLY_LIB_ENGINE_COMPILEDCODE_H
#define BFLY_LIB_ENGINE_COMPILEDCODE_H

#include "bfly/Engine/Signature.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mlir::bfly {

struct CompiledCode {
  /// With the rules of its sizes.
  Signature signature;
  /// Every parameter of the module, used or not.
  std::vector<std::string> parameterNames;
  /// On a GPU what is launched (bfly/Target/Launches.h).
  llvm::json::Array launches;
  /// What Jit::load takes.
  std::unique_ptr<llvm::MemoryBuffer> object;

  /// All but the object, as bytes.
  std::string writeHeader() const;
  /// What `writeHeader` and the object's bytes after it say; none if they are
  /// not that.
  static std::optional<CompiledCode> read(llvm::StringRef bytes);
};

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_COMPILEDCODE_H
