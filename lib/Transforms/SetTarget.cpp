// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The target of a module: what every later pass that wants to know asks for.
//
// Before: a module, which may say its target.
// After: it does, and it is the one that was asked for.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_SETTARGETPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct SetTargetPass : public bfly::impl::SetTargetPassBase<SetTargetPass> {
  using SetTargetPassBase::SetTargetPassBase;

  void runOnOperation() override {
    if (failed(setTarget(getOperation())))
      signalPassFailure();
  }

private:
  LogicalResult setTarget(ModuleOp module) {
    std::optional<Machine> machine = getMachine(target);
    if (!machine)
      return module.emitError("unknown target '")
             << target << "', known: " << getMachineNames();
    if (threads < 1 || threads > 4096)
      return module.emitError("threads must be between 1 and 4096");
    StringRef name = TargetAttr::attributeName;
    if (auto written = module->getAttrOfType<TargetAttr>(name)) {
      if (written.getMachine().name == machine->name)
        return success();
      return module.emitError("is for target \"")
             << written.getMachine().name << "\", by its " << name
             << ", and cannot be compiled for \"" << machine->name << '"';
    }
    if (!machine->isGPU())
      machine->threads = threads;
    module->setAttr(name, TargetAttr::get(&getContext(), *machine));
    return success();
  }
};

} // namespace
