// What bfly-run does with a function that it can run.

// RUN: bfly-run %s --function=scale --input=2x2xf32=1,2,3,4 | FileCheck %s --check-prefix=PRINT
// PRINT: EXEC @scale
// PRINT-NEXT: result[0]: 2x2xf32=[2 4][6 8]

// The batch is that of the input.
// RUN: bfly-run %s --function=scale --input=3x2xf32=1 | FileCheck %s --check-prefix=BATCH
// BATCH: result[0]: 3x2xf32=[2 2][2 2][2 2]
// RUN: bfly-run %s --function=scale --input=0x2xf32 | FileCheck %s --check-prefix=EMPTY
// EMPTY: result[0]: 0x2xf32=

// Files, there and back.
// RUN: rm -rf %t && mkdir %t
// RUN: bfly-run %s --function=scale --input=2x2xf32=1,2,3,4 --output=@%t/y.npy | FileCheck %s --check-prefix=QUIET
// QUIET: EXEC @scale
// QUIET-NOT: result
// RUN: bfly-run %s --function=scale --input=@%t/y.npy --output=@%t/z.npy --expected_output=2x2xf32=4,8,12,16 | FileCheck %s --check-prefix=MATCH
// MATCH: result[0]: matches
// RUN: bfly-run %s --function=two --input=2xf32=1,2 --input=f32=3 --output= --output=@%t/b.npy
// RUN: bfly-run %s --function=scale --input=@%t/z.npy --expected_output=@%t/z.npy --tolerance=1.5

// A result that is off leaves no file, and says where.
// RUN: not bfly-run %s --function=scale --input=2x2xf32=1,2,3,4 --expected_output=2x2xf32=2,4,7,8 --output=@%t/off.npy 2>&1 | FileCheck %s --check-prefix=OFF
// OFF: error: result[0]: {{.*}}[1, 0]
// RUN: not ls %t/off.npy
// RUN: not bfly-run %s --function=scale --input=2x2xf32=nan,2,3,4 --expected_output=2x2xf32=nan,4,6,8 2>&1 | FileCheck %s --check-prefix=NAN
// NAN: error: result[0]:

// Scalars, and several results.
// RUN: bfly-run %s --function=two --input=2xf32=1,2 --input=f32=3 | FileCheck %s --check-prefix=TWO
// TWO: result[0]: 2xf32=4 5
// TWO-NEXT: result[1]: 2xf32=3 6
// RUN: bfly-run %s --function=two --input=2xf32=1,2 --input=f32=3 --expected_output="(ignored)" --expected_output=2xf32=3,6

// No result may be computed in an input's place.
// RUN: bfly-run %s --function=in_place --input=2xf32=1,2 --benchmark=3 --expected_output=2xf32=2,4

// Threads.
// RUN: bfly-run %s --function=scale --input=2x2xf32=1,2,3,4 --threads=1 | FileCheck %s --check-prefix=PRINT

func.func @scale(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %y = arith.addf %x, %x : tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

func.func @two(%x: tensor<2xf32>, %f: f32) -> (tensor<2xf32>, tensor<2xf32>) {
  %v = tensor.splat %f : tensor<2xf32>
  %a = arith.addf %x, %v : tensor<2xf32>
  %b = arith.mulf %x, %v : tensor<2xf32>
  return %a, %b : tensor<2xf32>, tensor<2xf32>
}

func.func @in_place(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%x : tensor<2xf32>) {
  ^bb0(%a: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<2xf32>
  return %y : tensor<2xf32>
}
