// Constants come with the code of the kernels that read them; what a library reads is copied to the GPU's memory.

// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_90a" | FileCheck %s
// RUN: bfly-opt %s -bfly-compile="to=binary target=sm_90a" > /dev/null

// No constant is left in the host's memory.
// CHECK-NOT: {{^}}  memref.global

// CHECK-LABEL: func.func @kernel
// CHECK-NOT: memref.get_global
// CHECK: gpu.launch_func @kernel_linear_0::@kernel_linear_0
func.func @kernel(%x: tensor<2x4x2xf32>) -> (tensor<2x4x2xf32>, tensor<2x2xf32>) {
  %w = arith.constant dense<[[2.0, 1.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = bfly.linear %x, %w : tensor<2x4x2xf32>, tensor<2x2xf32> -> tensor<2x4x2xf32>
  return %y, %w : tensor<2x4x2xf32>, tensor<2x2xf32>
}

// CHECK-LABEL: func.func @library
// CHECK-NOT: memref.get_global
// CHECK: %[[COPY:.*]] = memref.alloc() : memref<512x512xbf16>
// CHECK: gpu.launch_func @library_loops_{{[0-9]+}}::{{.*}}(%[[COPY]] : memref<512x512xbf16>
// CHECK: call @bflyCudaLinear
// CHECK: memref.dealloc %[[COPY]]
func.func @library(%x: tensor<4096x512xbf16>) -> tensor<4096x512xbf16> {
  %w = arith.constant dense<0.5> : tensor<512x512xbf16>
  %y = bfly.linear %x, %w : tensor<4096x512xbf16>, tensor<512x512xbf16> -> tensor<4096x512xbf16>
  return %y : tensor<4096x512xbf16>
}

// CHECK: gpu.module @kernel_linear_0
// CHECK: gpu.func @kernel_linear_0
// CHECK: memref.get_global @__constant_2x2xf32
// CHECK: memref.global "private" constant @__constant_2x2xf32
