// IR of a level below affine is printed for people and for MLIR's tools. As a
// source it is refused, and the message says why.

// RUN: bfly-run %s --print-level=llvm > %t.llvm.mlir
// RUN: not bfly-run %t.llvm.mlir --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=LLVM
// RUN: not bfly-run %t.llvm.mlir --input=2x4xf32=1 --allow-foreign-calls 2>&1 | FileCheck %s --check-prefix=LLVM
// LLVM: error: {{.*}}there is no public function with a body; this is IR of level llvm; only IR of the levels mixer, network, schedule and affine is compiled

// RUN: bfly-run %s --device=cuda --print-level=llvm > %t.host.mlir
// RUN: not bfly-run %t.host.mlir --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=LLVM

// RUN: bfly-run %s --device=cuda --print-level=gpu > %t.gpu.mlir
// RUN: not bfly-run %t.gpu.mlir --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=GPU
// GPU: error: {{.*}}; this is IR of level gpu; only IR of the levels mixer
// RUN: bfly-run %s --device=cuda --print-level=nvvm > %t.nvvm.mlir
// RUN: not bfly-run %t.nvvm.mlir --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=NVVM
// NVVM: error: {{.*}}; this is IR of level nvvm; only IR of the levels mixer
// RUN: bfly-run %s --device=cuda --print-level=binary > %t.binary.mlir
// RUN: not bfly-run %t.binary.mlir --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=BINARY
// BINARY: error: {{.*}}; this is IR of level binary; only IR of the levels mixer

// Who is trusted is told too, where nothing can run it.
// RUN: not bfly-run %t.gpu.mlir --input=2x4xf32=1 --allow-foreign-calls 2>&1 | FileCheck %s --check-prefix=TRUSTED
// TRUSTED: error: {{.*}}: this is IR of level gpu; only IR of the levels mixer

func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
