// RUN: bfly-opt %s -split-input-file -bfly-set-target="target=sm_90a" -verify-diagnostics | FileCheck %s
// RUN: bfly-opt %S/../Inputs/empty.mlir -bfly-set-target | FileCheck %s --check-prefix=CPU
// RUN: bfly-opt %S/../Inputs/empty.mlir -bfly-set-target=threads=96 | FileCheck %s --check-prefix=THREADS
// RUN: not bfly-opt %S/../Inputs/empty.mlir -bfly-set-target=target=abacus 2>&1 | FileCheck %s --check-prefix=ABACUS

// CPU: module attributes {bfly.target = #bfly.target<"cpu", lanes = 16, vector_registers = 32, l1 = 49152, l2 = 1048576, l3 = 33554432, threads = 2>}
// THREADS: threads = 96>
// ABACUS: error: unknown target 'abacus', known: cpu, sm_90a, sm_80

// CHECK: module attributes {bfly.target = #bfly.target<"sm_90a", warp = 32,
module {}

// -----

// What somebody wrote stays, and what they left out is the table's.
// CHECK: module attributes {bfly.target = #bfly.target<"sm_90a", warp = 32,
// CHECK-SAME: multiprocessors = 114,
// CHECK-SAME: matrix = none, copies = bulk
module attributes {bfly.target = #bfly.target<"sm_90a", multiprocessors = 114, matrix = none>} {}

// -----

// expected-error @below {{is for target "cpu", by its bfly.target, and cannot be compiled for "sm_90a"}}
module attributes {bfly.target = #bfly.target<"cpu">} {}
