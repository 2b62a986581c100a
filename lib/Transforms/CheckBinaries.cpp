// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-check-binaries: nothing in a kernel's PTX is missing.
//
// Before: kernels are gpu.binary operations. After: the same; one that calls a
// function of libdevice that is not in it was an error.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/ADT/StringExtras.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CHECKBINARIESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

struct CheckBinariesPass
    : public bfly::impl::CheckBinariesPassBase<CheckBinariesPass> {
  void runOnOperation() override {
    for (auto binary : getOperation().getOps<gpu::BinaryOp>()) {
      for (Attribute attr : binary.getObjects()) {
        auto object = cast<gpu::ObjectAttr>(attr);
        if (object.getFormat() != gpu::CompilationTarget::Assembly)
          continue;
        StringRef text = object.getObject().getValue();
        size_t start = text.find("__nv_");
        if (start == StringRef::npos)
          continue;
        StringRef name = text.drop_front(start).take_while(
            [](char c) { return llvm::isAlnum(c) || c == '_'; });
        binary.emitError("kernel '")
            << binary.getName() << "' needs '" << name
            << "' of CUDA's libdevice, but there is no CUDA toolkit here";
        return signalPassFailure();
      }
    }
  }
};

} // namespace
