// Too little memory, for results and in the middle of a run.

// RUN: not bfly-run %s --function=result --input=2xf32=1 2>&1 | FileCheck %s --check-prefix=STATIC
// STATIC: memory.mlir:[[@LINE+6]]:1: error: tensor<1099511627776xf32> needs 4.0 TiB, but there are {{.*}} of memory
// RUN: not bfly-run %s --function=batch --input=65536x1xf32=1 2>&1 | FileCheck %s --check-prefix=BATCH
// BATCH: error: the results of function 'batch' need {{.*}}, but there are {{.*}} of memory
// RUN: not bfly-run %s --function=scratch --input=1000000x1xf32=1 2>&1 | FileCheck %s --check-prefix=SCRATCH
// SCRATCH: error: out of memory: function 'scratch' needs another {{.*}}, but there are {{.*}}

func.func @result(%x: tensor<2xf32>) -> tensor<1099511627776xf32> {
  %y = tensor.empty() : tensor<1099511627776xf32>
  return %y : tensor<1099511627776xf32>
}
func.func @batch(%x: tensor<?x1xf32>) -> tensor<?x1073741824xf32> {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x1xf32>
  %y = tensor.empty(%d) : tensor<?x1073741824xf32>
  return %y : tensor<?x1073741824xf32>
}
func.func @scratch(%x: tensor<?x1xf32>) -> tensor<f32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %d = tensor.dim %x, %c0 : tensor<?x1xf32>
  %e = tensor.empty(%d) : tensor<?x1048576xf32>
  %a = linalg.fill ins(%zero : f32) outs(%e : tensor<?x1048576xf32>) -> tensor<?x1048576xf32>
  %s = tensor.empty() : tensor<f32>
  %b = linalg.fill ins(%zero : f32) outs(%s : tensor<f32>) -> tensor<f32>
  %r = linalg.reduce ins(%a : tensor<?x1048576xf32>) outs(%b : tensor<f32>) dimensions = [0, 1] (%u: f32, %v: f32) {
    %t = arith.addf %u, %v : f32
    linalg.yield %t : f32
  }
  return %r : tensor<f32>
}
