// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly as a plugin of upstream's tools, which have upstream's dialects and
// passes already:
//
//   mlir-opt --load-dialect-plugin=BflyDialectPlugin.so
//       --load-pass-plugin=BflyDialectPlugin.so
//       --pass-pipeline="builtin.module(bfly-compile{to=affine})"

#include "bfly/IR/Bfly.h"
#include "bfly/Pipelines/Pipelines.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

using namespace mlir;

extern "C" LLVM_ATTRIBUTE_WEAK LLVM_EXTERNAL_VISIBILITY DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "bfly", LLVM_VERSION_STRING,
          [](DialectRegistry *registry) {
            // bfly-opt has it already.
            if (!registry->getDialectAllocator(
                    bfly::BflyDialect::getDialectNamespace()))
              registry->insert<bfly::BflyDialect>();
          }};
}

extern "C" LLVM_ATTRIBUTE_WEAK LLVM_EXTERNAL_VISIBILITY PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "bfly", LLVM_VERSION_STRING,
          [] { bfly::registerBflyPasses(); }};
}
