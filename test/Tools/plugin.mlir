// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Upstream's own mlir-opt, with bfly as a plugin: dialect, passes, and the whole pipeline.

// REQUIRES: plugins

// RUN: mlir-opt --load-dialect-plugin=%bfly_libs/BflyDialectPlugin.so %s | FileCheck %s --check-prefix=DIALECT
// RUN: mlir-opt --load-dialect-plugin=%bfly_libs/BflyDialectPlugin.so \
// RUN:   --load-pass-plugin=%bfly_libs/BflyDialectPlugin.so \
// RUN:   --pass-pipeline="builtin.module(func.func(bfly-convert-mixer-to-network))" %s \
// RUN:   | FileCheck %s --check-prefix=PASS
// RUN: mlir-opt --load-dialect-plugin=%bfly_libs/BflyDialectPlugin.so \
// RUN:   --load-pass-plugin=%bfly_libs/BflyDialectPlugin.so \
// RUN:   --pass-pipeline="builtin.module(bfly-compile{to=llvm})" %s | FileCheck %s --check-prefix=PIPELINE

// Another plugin may bring the same, as a copy of this one does; so may bfly-opt, which has it all.
// RUN: cp %bfly_libs/BflyDialectPlugin.so %t.so
// RUN: mlir-opt --load-dialect-plugin=%bfly_libs/BflyDialectPlugin.so --load-dialect-plugin=%t.so \
// RUN:   --load-pass-plugin=%bfly_libs/BflyDialectPlugin.so --load-pass-plugin=%t.so \
// RUN:   --pass-pipeline="builtin.module(bfly-compile{to=llvm})" %s | FileCheck %s --check-prefix=PIPELINE
// RUN: bfly-opt --load-dialect-plugin=%bfly_libs/BflyDialectPlugin.so \
// RUN:   --load-pass-plugin=%bfly_libs/BflyDialectPlugin.so -bfly-compile=to=llvm %s \
// RUN:   | FileCheck %s --check-prefix=PIPELINE

// DIALECT: bfly.spectral_filter
// PASS: bfly.fft
// PIPELINE: llvm.func @_mlir_ciface_filter
// PIPELINE-NOT: bfly.

func.func @filter(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %y = bfly.spectral_filter %x params() : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %a = complex.mul %bin, %bin : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<2x8x4xf32>
}
