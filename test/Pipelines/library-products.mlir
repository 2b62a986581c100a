// RUN: bfly-opt %s -bfly-compile="to=affine target=sm_90a" | FileCheck %s --check-prefix=AFFINE
// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_90a" | FileCheck %s
// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_90a" -bfly-print-report -o /dev/null 2>&1 | FileCheck %s --check-prefix=REPORT
// RUN: bfly-opt %s -bfly-compile="to=affine" | FileCheck %s --check-prefix=CPU

// A large product is no mixer's business: cuBLASLt is called with what the weights and the batch are, for a bf16 of number 2.
// AFFINE-LABEL: func.func @projection
// AFFINE: bfly.library_product %{{.*}}, %{{.*}} bias(%{{.*}} : memref<512xbf16>) to %{{.*}} : memref<?x40x256xbf16>, memref<512x256xbf16> to memref<?x40x512xbf16>
// REPORT: remark: kernel "linear": {{.*}} bound, {{.*}}; by cuBLASLt
// CHECK: llvm.func @bflyCudaRowProduct(!llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64, i64, i64, i32, i32)
// CHECK: llvm.func @bflyCudaLinear(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64, i64, i32, i32)
// CHECK-LABEL: func.func @projection
// CHECK-DAG: %[[NO:.*]] = llvm.mlir.constant(0 : i32) : i32
// CHECK-DAG: %[[BF16:.*]] = llvm.mlir.constant(2 : i32) : i32
// CHECK-DAG: %[[OUT:.*]] = llvm.mlir.constant(512 : i64) : i64
// CHECK-DAG: %[[IN:.*]] = llvm.mlir.constant(256 : i64) : i64
// CHECK-DAG: %[[EACH:.*]] = llvm.mlir.constant(40 : i64) : i64
// CHECK: %[[ROWS:.*]] = arith.muli %{{.*}}, %[[EACH]] : i64
// CHECK: llvm.call @bflyCudaLinear(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[ROWS]], %[[IN]], %[[OUT]], %[[BF16]], %[[NO]])
// CHECK-NOT: gpu.launch_func
// CHECK-LABEL: func.func @relu
// CPU-NOT: library_product
func.func @projection(%x: tensor<?x40x256xbf16>, %w: tensor<512x256xbf16>, %b: tensor<512xbf16>) -> tensor<?x40x512xbf16> {
  %y = bfly.linear %x, %w bias(%b : tensor<512xbf16>) : tensor<?x40x256xbf16>, tensor<512x256xbf16> -> tensor<?x40x512xbf16>
  return %y : tensor<?x40x512xbf16>
}

// The library's relu would make a number of a NaN.
// CHECK: gpu.launch_func
func.func @relu(%x: tensor<64x256xf32>, %w: tensor<512x256xf32>) -> tensor<64x512xf32> {
  %y = bfly.linear %x, %w relu : tensor<64x256xf32>, tensor<512x256xf32> -> tensor<64x512xf32>
  return %y : tensor<64x512xf32>
}

// Too little work for a call, and rows that it is slow with.
// CHECK-LABEL: func.func @small
// CHECK: gpu.launch_func
func.func @small(%x: tensor<8x256xf32>, %w: tensor<512x256xf32>) -> tensor<8x512xf32> {
  %y = bfly.linear %x, %w : tensor<8x256xf32>, tensor<512x256xf32> -> tensor<8x512xf32>
  return %y : tensor<8x512xf32>
}
// CHECK-LABEL: func.func @odd
// CHECK: gpu.launch_func
func.func @odd(%x: tensor<64x257xf32>, %w: tensor<512x257xf32>) -> tensor<64x512xf32> {
  %y = bfly.linear %x, %w : tensor<64x257xf32>, tensor<512x257xf32> -> tensor<64x512xf32>
  return %y : tensor<64x512xf32>
}

// One tensor may be both.
// AFFINE-LABEL: func.func @gram
// AFFINE: bfly.library_product %[[X:.*]], %[[X]] to
func.func @gram(%x: tensor<256x256xf32>) -> tensor<256x256xf32> {
  %y = bfly.linear %x, %x : tensor<256x256xf32>, tensor<256x256xf32> -> tensor<256x256xf32>
  return %y : tensor<256x256xf32>
}

// A gradient of weights: a sum over all rows, of f32 where it is asked for.
// AFFINE-LABEL: func.func @rows
// AFFINE: bfly.library_row_product %{{.*}}, %{{.*}} to %{{.*}} heads 2 : memref<?x80x256xbf16>, memref<?x80x512xbf16> to memref<2x128x256xf32>
// CHECK-LABEL: func.func @rows
// CHECK-DAG: %[[F32:.*]] = llvm.mlir.constant(1 : i32) : i32
// CHECK-DAG: %[[BF16:.*]] = llvm.mlir.constant(2 : i32) : i32
// CHECK-DAG: %[[HEADS:.*]] = llvm.mlir.constant(2 : i64) : i64
// CHECK-DAG: %[[IN:.*]] = llvm.mlir.constant(256 : i64) : i64
// CHECK-DAG: %[[OUT:.*]] = llvm.mlir.constant(128 : i64) : i64
// CHECK-DAG: %[[EACH:.*]] = llvm.mlir.constant(80 : i64) : i64
// CHECK: %[[ROWS:.*]] = arith.muli %{{.*}}, %[[EACH]] : i64
// CHECK: llvm.call @bflyCudaRowProduct(%{{.*}}, %{{.*}}, %{{.*}}, %[[ROWS]], %[[OUT]], %[[IN]], %[[HEADS]], %[[BF16]], %[[F32]])
// CHECK-NOT: gpu.launch_func
func.func @rows(%a: tensor<?x80x256xbf16>, %b: tensor<?x80x512xbf16>) -> tensor<2x128x256xf32> {
  %y = bfly.row_product %a, %b heads(2) : tensor<?x80x256xbf16>, tensor<?x80x512xbf16> -> tensor<2x128x256xf32>
  return %y : tensor<2x128x256xf32>
}
