// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/CrashGuard.h"

#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"

#include <csignal>
#include <memory>
#include <mutex>

using namespace llvm;

/// Deep enough for whatever the parser lets through.
static constexpr unsigned kStackBytes = 64u << 20;
static constexpr size_t kSignalStackBytes = 64u << 10;

/// Where the fatal error of the guard on this thread is kept.
static thread_local std::string *reason = nullptr;

static void onFatalError(void *, const char *message, bool) {
  CrashRecoveryContext *context = CrashRecoveryContext::GetCurrent();
  if (context && reason) {
    *reason = message;
    context->HandleExit(1);
  }
  // Somebody else's: what LLVM does without a handler.
  errs() << "LLVM ERROR: " << message << "\n";
}

namespace {

/// The process's handlers are ours while any guard is at work.
class Handlers {
public:
  Handlers() {
    std::lock_guard<std::mutex> held(mutex());
    if (users()++ > 0)
      return;
    CrashRecoveryContext::Enable();
    // An overflow of the stack leaves no stack to handle it on.
    for (int signal : {SIGSEGV, SIGBUS}) {
      struct sigaction action;
      if (sigaction(signal, nullptr, &action) == 0) {
        action.sa_flags |= SA_ONSTACK;
        sigaction(signal, &action, nullptr);
      }
    }
    install_fatal_error_handler(onFatalError);
    install_bad_alloc_error_handler(onFatalError);
  }

  ~Handlers() {
    std::lock_guard<std::mutex> held(mutex());
    if (--users() > 0)
      return;
    remove_bad_alloc_error_handler();
    remove_fatal_error_handler();
    CrashRecoveryContext::Disable();
  }

private:
  static std::mutex &mutex() {
    static std::mutex &mutex = *new std::mutex();
    return mutex;
  }
  static int &users() {
    static int users = 0;
    return users;
  }
};

} // namespace

/// Runs `body` with the thread's signals on a stack of their own.
static void runWithSignalStack(llvm::function_ref<void()> body) {
  std::unique_ptr<char[]> memory(new char[kSignalStackBytes]);
  stack_t stack = {}, before = {};
  stack.ss_sp = memory.get();
  stack.ss_size = kSignalStackBytes;
  bool set = sigaltstack(&stack, &before) == 0;
  body();
  if (set)
    sigaltstack(&before, nullptr);
}

bool mlir::bfly::survives(llvm::function_ref<void()> body, std::string &why) {
  Handlers handlers;
  why.clear();
  return CrashRecoveryContext().RunSafelyOnThread(
      [&] {
        reason = &why;
        runWithSignalStack(body);
      },
      kStackBytes);
}

bool mlir::bfly::survivesHere(llvm::function_ref<void()> body,
                              std::string &why) {
  Handlers handlers;
  why.clear();
  std::string *outer = reason;
  reason = &why;
  bool lives = CrashRecoveryContext().RunSafely(body);
  reason = outer;
  return lives;
}

std::string mlir::bfly::crashMessage(StringRef what, StringRef why) {
  if (why.empty())
    return what.str() + " failed on this file: there is too little memory, or "
                        "bfly has a bug";
  return what.str() + " gave up on this file: " + why.split('\n').first.str();
}
