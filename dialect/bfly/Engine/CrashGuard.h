// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The compiler in a process that must live on: LLVM ends the process where it
// gives up, and upstream's passes have assertions and bugs.

#ifndef BFLY_ENGINE_CRASHGUARD_H
#define BFLY_ENGINE_CRASHGUARD_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace mlir::bfly {

/// Runs `body` on a thread of its own with a large stack, and returns whether
/// it came back. A fatal error of LLVM's, an abort, a signal and an overflow of
/// the stack all end the body instead of the process; `why` is then LLVM's
/// reason, or empty. What the body owned is lost and must not be touched, nor
/// anything that it may have left half done.
///
/// Signals are taken only while a guard is at work, and those of other threads
/// go to whom they went before. Guards may run on several threads at once.
bool survives(llvm::function_ref<void()> body, std::string &why);

/// The same on this thread.
bool survivesHere(llvm::function_ref<void()> body, std::string &why);

/// One line on the compiler's end: "WHAT failed on this file: …".
std::string crashMessage(llvm::StringRef what, llvm::StringRef why);

} // namespace mlir::bfly

#endif // BFLY_ENGINE_CRASHGUARD_H
