// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What an editor is told beyond upstream's server: operations' summaries, and
// their names behind a dialect's.

#ifndef BFLY_TOOLS_LSPSERVER_DOCUMENTS_H
#define BFLY_TOOLS_LSPSERVER_DOCUMENTS_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

#include <mutex>

namespace mlir::bfly {

/// Follows the messages of an editor to a server, and adds to the answers.
class Documents {
public:
  explicit Documents(DialectRegistry &registry);

  /// A message of the editor, before the server gets it.
  void sent(const llvm::json::Value &message);

  /// An answer of the server; true if it was changed.
  bool answered(llvm::json::Value &message);

private:
  /// What was asked for where.
  struct Question {
    bool isHover;
    /// The operation under the cursor, or the dialect and the letters behind
    /// its dot; empty if there is none.
    std::string name;
  };

  Question ask(bool isHover, const llvm::json::Object &parameters) const;
  bool addSummary(llvm::json::Object &answer, llvm::StringRef name) const;
  bool addOperations(llvm::json::Object &answer, llvm::StringRef prefix) const;
  llvm::StringRef summaryOf(llvm::StringRef name) const;
  llvm::json::Object completion(llvm::StringRef name,
                                llvm::StringRef label) const;

  /// Loaded once; asking it for its operations is no change.
  mutable MLIRContext context;
  /// By operation, from the reference of the dialect.
  llvm::StringMap<std::string> summaries;
  std::mutex mutex;
  /// By URI.
  llvm::StringMap<std::string> texts;
  /// By the request's id, as text.
  llvm::StringMap<Question> questions;
};

} // namespace mlir::bfly

#endif // BFLY_TOOLS_LSPSERVER_DOCUMENTS_H
