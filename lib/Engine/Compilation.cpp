// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Compilation.h"

#include "CacheKey.h"
#include "CodeCache.h"
#include "CompiledCode.h"

using namespace mlir;
using namespace mlir::bfly;

/// The place of one function in a cache.
struct Compilation::Cached {
  CodeCache cache;
  CacheKey key;
  /// What it has, until it is taken; its signature stays.
  std::optional<CompiledCode> code;
};

Compilation::Compilation(std::unique_ptr<llvm::MemoryBuffer> source,
                         const SourceOptions &options, StringRef function,
                         CompileSettings settings)
    : source(std::move(source)), options(options), function(function),
      compileSettings(std::move(settings)) {}

Compilation::~Compilation() = default;

bool Compilation::find() {
  if (cached)
    return cached->code.has_value();
  std::string problem;
  auto cache = CodeCache::fromEnvironment(problem);
  if (!cache) {
    if (!problem.empty())
      noteCacheProblem(problem);
    return false;
  }
  auto key = makeCacheKey(source->getBuffer(), source->getBufferIdentifier(),
                          options, function, compileSettings);
  if (!key) {
    noteCacheProblem("this build of bfly has no build id");
    return false;
  }
  cached.reset(new Cached{std::move(*cache), *key, std::nullopt});
  auto payload = cached->cache.find(*key);
  if (payload)
    cached->code = CompiledCode::read(payload->getBuffer());
  if (!cached->code)
    countMiss(*key);
  return cached->code.has_value();
}

llvm::Expected<const Signature *> Compilation::signature() {
  if (cached && cached->code)
    return &cached->code->signature;
  auto made = lowering();
  if (!made)
    return made.takeError();
  return &(*made)->function();
}

llvm::Expected<ArrayRef<std::string>> Compilation::parameterNames() {
  if (cached && cached->code)
    return ArrayRef(cached->code->parameterNames);
  auto made = lowering();
  if (!made)
    return made.takeError();
  return program->parameterNames();
}

llvm::Expected<Lowering *> Compilation::lowering() {
  if (parsed)
    return parsed.get();
  auto read = Program::parseText(source->getBuffer(),
                                 source->getBufferIdentifier(), options);
  if (!read)
    return read.takeError();
  auto selected = (*read)->function(function);
  if (!selected)
    return selected.takeError();
  program = std::move(*read);
  parsed = std::make_unique<Lowering>(*program, **selected, compileSettings);
  return parsed.get();
}

llvm::Expected<std::unique_ptr<Executable>> Compilation::compile() {
  if (cached && cached->code && cached->code->object) {
    if (llvm::Error error = compileSettings.device.open())
      return std::move(error);
    auto executable = Executable::load(*cached->code, compileSettings,
                                       options.allowForeignCalls);
    if (executable) {
      fromCache = true;
      countHit(cached->key);
      return executable;
    }
    // Whatever it is, new code says it better or does not have it.
    noteCacheProblem("an entry cannot be linked: " +
                     toString(executable.takeError()));
    cached->cache.remove(cached->key);
    countMiss(cached->key);
  }
  auto made = lowering();
  if (!made)
    return made.takeError();
  if (llvm::Error error = compileSettings.device.open())
    return std::move(error);
  auto code = Executable::compile(**made);
  if (!code)
    return code.takeError();
  code->parameterNames = program->parameterNames().vec();
  if (cached) {
    std::string header = code->writeHeader();
    if (cached->cache.store(cached->key, {header, code->object->getBuffer()}))
      countStore(cached->key);
  }
  return Executable::load(*code, compileSettings, options.allowForeignCalls);
}
