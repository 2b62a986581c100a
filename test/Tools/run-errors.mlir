// Everything that a user can get wrong is one message, and exit code 1.

// RUN: rm -rf %t && mkdir %t
// RUN: not bfly-run 2>&1 | FileCheck %s --check-prefix=NO-FILE
// NO-FILE: error: which file? bfly-run needs one, or - for stdin
// RUN: not bfly-run %s --funktion=f 2>&1 | FileCheck %s --check-prefix=FLAG
// FLAG: error: Unknown command line argument '--funktion=f'
// RUN: not bfly-run %t/none.mlir 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: {{.*}}none.mlir: No such file or directory
// RUN: not bfly-run %t 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: error: {{.*}}

// RUN: not bfly-run %s --input=2xf32 2>&1 | FileCheck %s --check-prefix=WHICH
// WHICH: error: {{.*}}: which function? There are f, batches, odd, element
// RUN: not bfly-run %s --function=g 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: {{.*}}: there is no public function 'g' with a body, but f, batches, odd, element
// RUN: not bfly-run %s --function=odd --input=2xf32 2>&1 | FileCheck %s --check-prefix=ODD
// ODD: error: {{.*}}: function 'odd' cannot be run: result 0 is not a tensor

// RUN: not bfly-run %s --function=f 2>&1 | FileCheck %s --check-prefix=COUNT
// COUNT: error: function 'f' takes 1 inputs, but 0 were given with --input: f(2x4xf32) -> (2x4xf32)
// RUN: not bfly-run %s --function=f --input=2x4xf64=1 2>&1 | FileCheck %s --check-prefix=TYPE
// TYPE: error: --input 0: {{.*}}f64{{.*}}f32
// RUN: not bfly-run %s --function=f --input=2x5xf32=1 2>&1 | FileCheck %s --check-prefix=SHAPE
// SHAPE: error: input 0 has shape 2x5xf32, but function 'f' takes 2x4xf32
// RUN: not bfly-run %s --function=f --input=8xf32=1 2>&1 | FileCheck %s --check-prefix=RANK
// RANK: error: input 0 has shape 8xf32, but function 'f' takes 2x4xf32
// RUN: not bfly-run %s --function=f --input=2x4xf32=1,2 2>&1 | FileCheck %s --check-prefix=LITERAL
// LITERAL: error: --input 0:
// RUN: not bfly-run %s --function=f --input=@%t/x.npy 2>&1 | FileCheck %s --check-prefix=NPY
// NPY: error: --input 0: {{.*}}x.npy
// RUN: not bfly-run %s --function=f --input=99999999999x99999999999xf32=0 2>&1 | FileCheck %s --check-prefix=HUGE
// HUGE: error: --input 0:
// RUN: not bfly-run %s --function=batches --input=2x4xf32=1 --input=3x4xf32=1 2>&1 | FileCheck %s --check-prefix=BATCH
// BATCH: error: input 1 has batch 3, but input 0 has batch 2, and 'arith.addf' at {{.*}}run-errors.mlir:78:8 needs them equal

// RUN: not bfly-run %s --function=f --input=2x4xf32 --output=%t/y.npy 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT: error: --output={{.*}}: write to a file with @file.npy
// RUN: not bfly-run %s --function=f --input=2x4xf32 --output=@%t/y.npy --output=@%t/z.npy 2>&1 | FileCheck %s --check-prefix=OUTPUTS
// OUTPUTS: error: function 'f' has 1 results, but 2 were given with --output
// RUN: not bfly-run %s --function=f --input=2x4xf32 --output=@%t/none/y.npy 2>&1 | FileCheck %s --check-prefix=NO-FOLDER
// NO-FOLDER: error: {{.*}}none/y.npy
// RUN: not bfly-run %s --function=f --input=2x4xf32 --expected_output=2x4xf32 --expected_output=2x4xf32 2>&1 | FileCheck %s --check-prefix=EXPECTED
// EXPECTED: error: function 'f' has 1 results, but 2 were given with --expected_output
// RUN: not bfly-run %s --function=f --input=2x4xf32 --expected_output=4x2xf32 2>&1 | FileCheck %s --check-prefix=EXPECTED-SHAPE
// EXPECTED-SHAPE: error: result[0]: {{.*}}4x2xf32
// RUN: not bfly-run %s --function=f --input=2x4xf32 --tolerance=-1 2>&1 | FileCheck %s --check-prefix=TOLERANCE
// TOLERANCE: error: --tolerance has to be a finite number from 0

// RUN: env BFLY_LIBCUDA=%t/libcuda.so.1 not bfly-run %s --function=f --input=2x4xf32 --device=cuda 2>&1 | FileCheck %s --check-prefix=CUDA
// CUDA: error: device 'cuda:0' is not there: there is no NVIDIA driver on this machine: {{.*}}libcuda.so.1: {{.*}}
// RUN: not bfly-run %s --function=f --input=2x4xf32 --device=cuda:x 2>&1 | FileCheck %s --check-prefix=CUDAX
// CUDAX: error: device 'cuda:x' has no valid number
// RUN: not bfly-run %s --function=f --input=2x4xf32 --device=tpu 2>&1 | FileCheck %s --check-prefix=TPU
// TPU: error: unknown device 'tpu'; there are cpu and cuda
// RUN: not bfly-run %s --function=f --input=2x4xf32 --device=cpu:3 2>&1 | FileCheck %s --check-prefix=CPU3
// CPU3: error: device 'cpu:3' is not there
// RUN: not bfly-run %s --function=f --input=2x4xf32 --threads=-1 2>&1 | FileCheck %s --check-prefix=THREADS
// THREADS: error: --threads has to be from 0 to 4096
// RUN: not bfly-run %s --function=f --input=2x4xf32 --benchmark=many 2>&1 | FileCheck %s --check-prefix=CALLS
// CALLS: error: --benchmark=many: not a number of calls
// RUN: not bfly-run %s --function=f --print-level=ptx 2>&1 | FileCheck %s --check-prefix=LEVEL
// LEVEL: error: --print-level=ptx: the levels are mixer, network, schedule, affine, gpu, nvvm, binary, llvm and all
// RUN: not bfly-run %s --function=f --input=2x4xf32 --compile-options=colour=red 2>&1 | FileCheck %s --check-prefix=OPTIONS
// OPTIONS: error: compile options 'colour=red': {{.*}}colour

// What the function does wrong is an error, too.
// RUN: not bfly-run %s --function=element --input=i64=100000000000 2>&1 | FileCheck %s --check-prefix=CRASH
// CRASH: error: function 'element' failed on cpu: {{.*}}run-errors.mlir:{{[0-9]+}}:14: 'tensor.extract' leaves its array

// Nothing was written by any of them.
// RUN: find %t -type f | count 0

func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  return %x : tensor<2x4xf32>
}
func.func @batches(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %z = arith.addf %x, %y : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
func.func @odd(%x: tensor<2xf32>) -> i32 {
  %c = arith.constant 1 : i32
  return %c : i32
}
func.func @element(%i: i64) -> tensor<1xf32> {
  %list = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %j = arith.index_cast %i : i64 to index
  %element = tensor.extract %list[%j] : tensor<2xf32>
  %y = tensor.from_elements %element : tensor<1xf32>
  return %y : tensor<1xf32>
}
func.func private @hidden(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
