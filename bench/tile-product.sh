#!/usr/bin/env bash
# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# bench/tile-product.sh [ROWS DEPTH COLUMNS WIDTH]: GFLOP/s of bfly.tile_product on one thread of this machine, f32,
# B packed in panels of WIDTH columns, for several row blocks. Needs bfly-opt (BFLY_OPT) and LLVM's mlir-runner
# (LLVM_PREFIX, default /usr/lib/llvm-22).
set -euo pipefail
m=${1:-64} k=${2:-256} n=${3:-256} w=${4:-32}
opt=${BFLY_OPT:-$(dirname "$0")/../build/bin/bfly-opt}
llvm=${LLVM_PREFIX:-/usr/lib/llvm-22}
panels=$(((n + w - 1) / w))
repeats=$((4000000000 / (m * k * n) + 1))

source() {
  cat <<MLIR
func.func private @rtclock() -> f64
func.func private @printF64(f64)
func.func private @printNewline()
func.func @product(%a: memref<${m}x${k}xf32>, %b: memref<${panels}x${k}x${w}xf32>, %c: memref<${m}x${n}xf32>)
    attributes {no_inline} {
  bfly.tile_product %a, %b, %c : memref<${m}x${k}xf32>, memref<${panels}x${k}x${w}xf32>, memref<${m}x${n}xf32>
  return
}
func.func @main() {
  %one = arith.constant 1.0 : f32
  %a = memref.alloc() {alignment = 64} : memref<${m}x${k}xf32>
  %b = memref.alloc() {alignment = 64} : memref<${panels}x${k}x${w}xf32>
  %c = memref.alloc() {alignment = 64} : memref<${m}x${n}xf32>
  linalg.fill ins(%one : f32) outs(%a : memref<${m}x${k}xf32>)
  linalg.fill ins(%one : f32) outs(%b : memref<${panels}x${k}x${w}xf32>)
  linalg.fill ins(%one : f32) outs(%c : memref<${m}x${n}xf32>)
  %zero = arith.constant 0 : index
  %step = arith.constant 1 : index
  %repeats = arith.constant ${repeats} : index
  %passes = arith.constant 3 : index
  %infinite = arith.constant 1.0e+300 : f64
  %best = scf.for %p = %zero to %passes step %step iter_args(%least = %infinite) -> f64 {
    %from = func.call @rtclock() : () -> f64
    scf.for %i = %zero to %repeats step %step {
      func.call @product(%a, %b, %c)
          : (memref<${m}x${k}xf32>, memref<${panels}x${k}x${w}xf32>, memref<${m}x${n}xf32>) -> ()
    }
    %to = func.call @rtclock() : () -> f64
    %time = arith.subf %to, %from : f64
    %less = arith.minimumf %time, %least : f64
    scf.yield %less : f64
  }
  %flops = arith.constant $((2 * m * k * n * repeats)).0e-9 : f64
  %rate = arith.divf %flops, %best : f64
  func.call @printF64(%rate) : (f64) -> ()
  func.call @printNewline() : () -> ()
  return
}
MLIR
}

echo "tile_product ${m}x${k}x${n}, panels of ${w}: GFLOP/s"
for rows in ${ROWS:-4 6 8 10 12 14}; do
  printf 'rows=%-3s ' "$rows"
  source | "$opt" --pass-pipeline="builtin.module(func.func(bfly-expand-tile-product{rows=$rows}),\
func.func(convert-linalg-to-loops),canonicalize,cse,convert-vector-to-scf,convert-scf-to-cf,convert-vector-to-llvm,\
expand-strided-metadata,lower-affine,finalize-memref-to-llvm,convert-arith-to-llvm,convert-func-to-llvm,\
convert-cf-to-llvm,reconcile-unrealized-casts)" |
    "$llvm/bin/mlir-runner" -O3 -e main -entry-point-result=void \
      --shared-libs="$llvm/lib/libmlir_c_runner_utils.so"
done
