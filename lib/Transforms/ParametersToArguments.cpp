// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Module parameters to arguments of the functions.
//
// Before: a module whose functions load ml_program globals, none of them
// mutable.
// After: no ml_program global is left. Functions take as trailing arguments,
// in the order of the globals' declaration, the external ones that they or the
// functions they call loaded. No function calls itself, by whatever way.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_PARAMETERSTOARGUMENTSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// What one function reads and calls.
struct Function {
  SmallVector<Operation *> loads;
  SmallVector<func::CallOp> calls;
  /// The parameters it needs, by the position of their global in the module.
  SetVector<size_t> needs;
};

class Rewriter {
public:
  Rewriter(ModuleOp module) : module(module), symbols(module) {}

  /// In this order; each reports what it cannot handle.
  LogicalResult findGlobals();
  LogicalResult findUses();
  LogicalResult sortCalls();
  LogicalResult checkAddresses();
  LogicalResult rewrite();

private:
  /// The global that a load names, and its position.
  std::pair<ml_program::GlobalOp, size_t> getGlobal(Operation *load);
  static bool isExternal(ml_program::GlobalOp global) {
    return isa<ml_program::ExternAttr>(*global.getValue());
  }

  ModuleOp module;
  SymbolTable symbols;
  SmallVector<ml_program::GlobalOp> globals;
  DenseMap<Operation *, size_t> positions;
  llvm::MapVector<func::FuncOp, Function> functions;
  /// Every function after those that it calls.
  SmallVector<func::FuncOp> order;
};

LogicalResult Rewriter::findGlobals() {
  for (auto global : module.getOps<ml_program::GlobalOp>()) {
    if (global.getIsMutable())
      return global.emitOpError("is mutable; parameters must not change");
    // The op's verifier sees to it that an immutable global has a value.
    Attribute value = *global.getValue();
    auto type = dyn_cast<RankedTensorType>(global.getType());
    if (!type)
      return global.emitOpError("must be a ranked tensor, got ")
             << global.getType();
    auto typed = dyn_cast<TypedAttr>(value);
    if (!isExternal(global) && (!isa<ElementsAttr>(value) || !typed ||
                                typed.getType() != global.getType()))
      return global.emitOpError("needs a value of its type, ") << type;
    positions[global] = globals.size();
    globals.push_back(global);
  }
  return success();
}

std::pair<ml_program::GlobalOp, size_t> Rewriter::getGlobal(Operation *load) {
  auto name = load->getAttrOfType<SymbolRefAttr>("global");
  auto global = symbols.lookup<ml_program::GlobalOp>(name.getLeafReference());
  auto position = positions.find(global);
  if (!name.getNestedReferences().empty() || position == positions.end())
    return {};
  return {global, position->second};
}

LogicalResult Rewriter::findUses() {
  for (auto function : module.getOps<func::FuncOp>())
    functions.try_emplace(function);
  WalkResult result = module.walk([&](Operation *op) {
    auto function = op->getParentOfType<func::FuncOp>();
    auto *known = functions.find(function);
    if (isa<ml_program::GlobalLoadConstOp, ml_program::GlobalLoadOp>(op)) {
      auto [global, position] = getGlobal(op);
      if (!global || known == functions.end()) {
        op->emitOpError("must be in a function of the module and name one of "
                        "its globals");
        return WalkResult::interrupt();
      }
      known->second.loads.push_back(op);
      if (isExternal(global))
        known->second.needs.insert(position);
    } else if (isa<ml_program::GlobalStoreOp, ml_program::GlobalStoreGraphOp,
                   ml_program::GlobalLoadGraphOp>(op)) {
      op->emitOpError("is not supported: parameters are only loaded");
      return WalkResult::interrupt();
    } else if (auto call = dyn_cast<func::CallOp>(op)) {
      if (known != functions.end())
        known->second.calls.push_back(call);
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Takes the functions whose callees are all done, until none is left; what
/// then remains calls itself. Not recursive: call chains may be long.
LogicalResult Rewriter::sortCalls() {
  DenseMap<func::FuncOp, size_t> open;
  DenseMap<func::FuncOp, SmallVector<func::FuncOp>> callers;
  for (auto &[function, info] : functions) {
    open[function] = 0;
    for (func::CallOp call : info.calls)
      if (auto callee = symbols.lookup<func::FuncOp>(call.getCallee())) {
        ++open[function];
        callers[callee].push_back(function);
      }
  }
  for (auto &[function, info] : functions)
    if (open[function] == 0)
      order.push_back(function);
  // NOLINTNEXTLINE(modernize-loop-convert): it grows meanwhile.
  for (size_t i = 0; i < order.size(); ++i) {
    func::FuncOp callee = order[i];
    for (func::FuncOp caller : callers[callee]) {
      const SetVector<size_t> &needs = functions.find(callee)->second.needs;
      functions.find(caller)->second.needs.insert(needs.begin(), needs.end());
      if (--open[caller] == 0)
        order.push_back(caller);
    }
  }
  for (auto &[function, info] : functions)
    if (open[function] != 0)
      return function.emitOpError("calls itself, directly or through others; "
                                  "recursion is not supported");
  return success();
}

LogicalResult Rewriter::checkAddresses() {
  std::optional<SymbolTable::UseRange> uses =
      SymbolTable::getSymbolUses(&module.getBodyRegion());
  if (!uses)
    return module.emitOpError("holds symbols that cannot be followed");
  for (const SymbolTable::SymbolUse &use : *uses) {
    auto function =
        symbols.lookup<func::FuncOp>(use.getSymbolRef().getRootReference());
    auto *known = functions.find(function);
    if (known != functions.end() && !known->second.needs.empty() &&
        !isa<func::CallOp>(use.getUser()))
      return use.getUser()->emitOpError("uses '")
             << function.getSymName()
             << "', which has parameters, other than by func.call";
  }
  return success();
}

LogicalResult Rewriter::rewrite() {
  OpBuilder builder(module.getContext());
  for (func::FuncOp function : order) {
    Function &info = functions.find(function)->second;
    SmallVector<size_t> needs = llvm::to_vector(info.needs);
    llvm::sort(needs);
    DenseMap<size_t, Value> arguments;
    for (size_t position : needs) {
      ml_program::GlobalOp global = globals[position];
      DictionaryAttr name = builder.getDictionaryAttr(
          builder.getNamedAttr("bfly.parameter", global.getSymNameAttr()));
      unsigned index = function.getNumArguments();
      if (failed(function.insertArgument(index, global.getType(), name,
                                         global.getLoc())))
        return failure();
      arguments[position] = function.getArgument(index);
    }
    for (Operation *load : info.loads) {
      auto [global, position] = getGlobal(load);
      Value value = arguments.lookup(position);
      if (!value) {
        builder.setInsertionPoint(load);
        value = arith::ConstantOp::create(builder, load->getLoc(),
                                          cast<TypedAttr>(*global.getValue()));
      }
      load->getResult(0).replaceAllUsesWith(value);
      load->erase();
    }
    for (func::CallOp call : info.calls) {
      auto callee = symbols.lookup<func::FuncOp>(call.getCallee());
      auto *known = functions.find(callee);
      if (known == functions.end())
        continue;
      SmallVector<size_t> passed = llvm::to_vector(known->second.needs);
      llvm::sort(passed);
      for (size_t position : passed)
        call.getOperandsMutable().append(arguments.lookup(position));
    }
  }
  for (ml_program::GlobalOp global : globals)
    global.erase();
  return success();
}

struct ParametersToArgumentsPass
    : public bfly::impl::ParametersToArgumentsPassBase<
          ParametersToArgumentsPass> {
  using ParametersToArgumentsPassBase::ParametersToArgumentsPassBase;

  void runOnOperation() override {
    Rewriter rewriter(getOperation());
    if (failed(rewriter.findGlobals()) || failed(rewriter.findUses()) ||
        failed(rewriter.sortCalls()) || failed(rewriter.checkAddresses()) ||
        failed(rewriter.rewrite()))
      signalPassFailure();
  }
};

} // namespace
