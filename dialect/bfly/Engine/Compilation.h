// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// One function of a source, compiled, or found compiled in the cache on disk
// (docs/cache.md).

#ifndef BFLY_ENGINE_COMPILATION_H
#define BFLY_ENGINE_COMPILATION_H

#include "bfly/Engine/Executable.h"

#include <memory>
#include <string>

namespace mlir::bfly {

struct CompiledCode;

/// What the cache has is known without reading the source; the source is parsed
/// when something else is asked for. Not to be used by two threads at once.
class Compilation {
public:
  /// `source` is a text, or bytecode where that is allowed; messages call it by
  /// its buffer's name. `function` may be empty: the only one.
  Compilation(std::unique_ptr<llvm::MemoryBuffer> source,
              const SourceOptions &options, llvm::StringRef function,
              CompileSettings settings);
  ~Compilation();

  /// Looks into the cache, once, and says whether the function is there. Never
  /// fails: what is wrong with a cache is said with BFLY_CACHE_VERBOSE=1.
  bool find();

  /// What the function takes: of the cache after `find`, or of the source.
  llvm::Expected<const Signature *> signature();
  /// Every parameter that the module declares, used or not.
  llvm::Expected<llvm::ArrayRef<std::string>> parameterNames();

  /// The function on its way from the source to code, parsed when this is first
  /// called.
  llvm::Expected<Lowering *> lowering();

  /// The code: that of the cache, or else new code, which the cache gets where
  /// `find` was called before.
  llvm::Expected<std::unique_ptr<Executable>> compile();

  /// Whether the code came out of the cache.
  bool isFromCache() const { return fromCache; }

  const CompileSettings &settings() const { return compileSettings; }

private:
  struct Cached;

  std::unique_ptr<llvm::MemoryBuffer> source;
  SourceOptions options;
  std::string function;
  CompileSettings compileSettings;
  bool fromCache = false;
  /// Where the cache has or gets the code; null where there is none.
  std::unique_ptr<Cached> cached;
  std::unique_ptr<Program> program;
  std::unique_ptr<Lowering> parsed;
};

} // namespace mlir::bfly

#endif // BFLY_ENGINE_COMPILATION_H
