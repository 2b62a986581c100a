// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The flags that MLIR's opt tools have.

// Bytecode holds all that text holds.
// RUN: bfly-opt %s -bfly-compile="to=schedule" -o %t.mlir
// RUN: bfly-opt %t.mlir --emit-bytecode -o %t.mlirbc
// RUN: bfly-opt %t.mlirbc | diff %t.mlir -
// RUN: bfly-opt %t.mlirbc | FileCheck %s --check-prefix=BYTECODE
// BYTECODE: bfly.kernel "spectral_filter" ({{.*}}) plan [#bfly.cpu_transform<

// RUN: bfly-opt %s -bfly-compile="to=network" --mlir-print-ir-after-all -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --check-prefix=AFTER
// AFTER: IR Dump After ConvertMixerToNetworkPass (bfly-convert-mixer-to-network)
// AFTER: bfly.spectrum_map
// AFTER: IR Dump After RewriteSpectraPass (bfly-rewrite-spectra)
// AFTER: tensor<2x5x4xcomplex<f32>>

// RUN: bfly-opt %s -bfly-compile="to=network" --mlir-timing 2>&1 | FileCheck %s --check-prefix=TIMING
// TIMING: Execution time report
// TIMING: ConvertMixerToNetwork

// RUN: bfly-opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC
// GENERIC: "bfly.spectral_filter"(%{{.*}}) <{param_dims = []}> ({

// A pipeline in text is the same as flags.
// RUN: bfly-opt %s -bfly-compile="to=affine" -o %t.flags
// RUN: bfly-opt %s --pass-pipeline="builtin.module(bfly-compile{to=affine})" | diff %t.flags -
// RUN: bfly-opt %s -bfly-compile="to=affine" --dump-pass-pipeline 2>&1 -o /dev/null \
// RUN:   | FileCheck %s --check-prefix=DUMP
// DUMP: bfly-convert-network-to-schedule{fuse=true
// DUMP: bfly-convert-schedule-to-affine

func.func @filter(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %y = bfly.spectral_filter %x params() : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %a = complex.mul %bin, %bin : complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<2x8x4xf32>
}
