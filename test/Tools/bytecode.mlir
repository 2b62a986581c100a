// Bytecode only where it is asked for.

// RUN: bfly-opt %s --emit-bytecode -o %t.mlirbc
// RUN: not bfly-run %t.mlirbc --input=2xf32=1 2>&1 | FileCheck %s
// CHECK: error: {{.*}}.mlirbc: this is bytecode, which is not allowed
// RUN: bfly-run %t.mlirbc --input=2xf32=1 --allow-bytecode | FileCheck %s --check-prefix=ALLOWED
// ALLOWED: result[0]: 2xf32=2 2

func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = arith.addf %x, %x : tensor<2xf32>
  return %y : tensor<2xf32>
}
