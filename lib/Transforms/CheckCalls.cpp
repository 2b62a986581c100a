// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Calls that can be inlined.
//
// Before: a module.
// After: the same; no function calls itself, by whatever way, and none has more
// operations than a limit once what it calls is inlined.

#include "bfly/Transforms/Passes.h"

#include "mlir/Interfaces/CallInterfaces.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CHECKCALLSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// A function on the way.
struct Visit {
  Operation *function;
  SmallVector<Operation *> callees;
  /// The next callee to visit.
  size_t next = 0;
};

class CallChecker {
public:
  explicit CallChecker(uint64_t maxOperations) : maxOperations(maxOperations) {}

  LogicalResult visit(Operation *root);

private:
  /// Starts with the function's own operations, and lists what it calls.
  Visit enter(Operation *function) {
    Visit visit{function, {}};
    uint64_t &size = sizes[function];
    active.insert(function);
    function->walk([&](Operation *op) {
      ++size;
      auto call = dyn_cast<CallOpInterface>(op);
      Operation *callee =
          call ? call.resolveCallableInTable(&symbols) : nullptr;
      if (isa_and_nonnull<FunctionOpInterface>(callee))
        visit.callees.push_back(callee);
    });
    return visit;
  }

  uint64_t maxOperations;
  SymbolTableCollection symbols;
  /// Operations of each function with all that it calls, once it was visited.
  DenseMap<Operation *, uint64_t> sizes;
  DenseSet<Operation *> active;
};

/// Depth first, without recursion of its own: call chains may be long.
LogicalResult CallChecker::visit(Operation *root) {
  if (sizes.contains(root))
    return success();
  SmallVector<Visit> stack{enter(root)};
  while (!stack.empty()) {
    Visit &top = stack.back();
    if (top.next == top.callees.size()) {
      uint64_t &size = sizes[top.function];
      for (Operation *callee : top.callees)
        size = llvm::SaturatingAdd(size, sizes.lookup(callee));
      if (size > maxOperations)
        return top.function->emitError("has ")
               << (size == UINT64_MAX ? std::string("far more")
                                      : std::to_string(size))
               << " operations once the functions that it calls are "
                  "inlined, more than "
               << maxOperations;
      active.erase(top.function);
      stack.pop_back();
      continue;
    }
    Operation *callee = top.callees[top.next++];
    if (active.contains(callee))
      return callee->emitError("a function that calls itself");
    if (!sizes.contains(callee))
      stack.push_back(enter(callee));
  }
  return success();
}

struct CheckCallsPass : public bfly::impl::CheckCallsPassBase<CheckCallsPass> {
  using CheckCallsPassBase::CheckCallsPassBase;

  void runOnOperation() override {
    CallChecker checker(maxOperations);
    for (Operation &op : getOperation().getOps())
      if (isa<FunctionOpInterface>(op) && failed(checker.visit(&op)))
        return signalPassFailure();
  }
};

} // namespace
