// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Diagnostics.h"

#include "bfly/Engine/Program.h"
#include "bfly/IR/Bfly.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::bfly;

/// A message longer than this is somebody's whole module.
static constexpr size_t kMaxMessage = 2000;

static std::string format(Location location, StringRef kind,
                          StringRef message) {
  std::string source = describeSource(location);
  std::string text =
      (source + (source.empty() ? "" : ": ") + kind + ": ").str();
  text += message.take_front(kMaxMessage);
  if (message.size() > kMaxMessage)
    text += "…";
  return text;
}

DiagnosticCollector::DiagnosticCollector(MLIRContext *context)
    : handler(context, [this](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() != DiagnosticSeverity::Error ||
            !text.empty())
          return success();
        text = format(diagnostic.getLocation(), "error", diagnostic.str());
        for (Diagnostic &note : diagnostic.getNotes())
          text += "\n" + format(note.getLocation(), "note", note.str());
        return success();
      }) {}

llvm::Error DiagnosticCollector::take(StringRef otherwise) {
  if (text.empty())
    text = ("error: " + otherwise).str();
  return llvm::make_error<CompileError>(std::move(text));
}

llvm::Error mlir::bfly::makeCompileError(Location location,
                                         const llvm::Twine &message) {
  return llvm::make_error<CompileError>(
      format(location, "error", message.str()));
}
