// RUN: bfly-opt %s -split-input-file -bfly-convert-binary-to-llvm -verify-diagnostics | FileCheck %s

// A launch is one call with all that it has; what it is given lies in the
// function's frame, once for a loop's launches.
// CHECK-LABEL: func.func @launches
// CHECK-SAME:    (%[[X:.*]]: memref<?x4xf32>, %[[S:.*]]: f32, %[[N:.*]]: index)
// CHECK-COUNT-10: llvm.alloca
// CHECK:         scf.for
// CHECK-NOT:       llvm.alloca
// CHECK:           %[[ARRAY:.*]] = builtin.unrealized_conversion_cast %[[X]] : memref<?x4xf32> to !llvm.struct
// CHECK:           %[[BASE:.*]] = llvm.extractvalue %[[ARRAY]][0]
// CHECK:           llvm.store %[[BASE]]
// CHECK:           llvm.store %[[S]]
// CHECK:           %[[HANDLE:.*]] = llvm.mlir.addressof @k_module
// CHECK:           %[[MODULE:.*]] = llvm.load %[[HANDLE]]
// CHECK:           %[[NAME:.*]] = llvm.mlir.addressof @main_name
// CHECK:           %[[BYTES:.*]] = llvm.zext %{{.*}} : i32 to i64
// CHECK:           %[[FLAGS:.*]] = llvm.mlir.constant(1 : i32)
// CHECK:           llvm.call @bflyCudaLaunch(%[[MODULE]], %[[NAME]], {{.*}}, %[[BYTES]], %[[FLAGS]], %{{.*}})
// A cluster, and no flags.
// CHECK-COUNT-9: builtin.unrealized_conversion_cast %{{.*}} : index to i64
// CHECK:         %[[NONE:.*]] = llvm.mlir.constant(0 : i64)
// CHECK:         %[[PLAIN:.*]] = llvm.mlir.constant(0 : i32)
// CHECK:         llvm.call @bflyCudaLaunch({{.*}}, %[[NONE]], %[[PLAIN]], %{{.*}})
// CHECK-NOT:     gpu.

// Modules are made when the program is loaded; PTX has an end.
// CHECK:         llvm.mlir.global internal @k_module()
// CHECK:         llvm.func internal @bfly_load_kernels()
// CHECK:           llvm.mlir.addressof @k_code
// CHECK:           llvm.mlir.constant(0 : i32)
// CHECK:           llvm.call @bflyCudaLoadModule
// CHECK:           llvm.mlir.addressof @ptx_code
// CHECK:           llvm.mlir.constant(1 : i32)
// CHECK:           llvm.call @bflyCudaLoadModule
// CHECK:         llvm.mlir.global_ctors ctors = [@bfly_load_kernels]
// CHECK:         llvm.mlir.global internal constant @k_code("code") {{.*}}alignment = 8
// CHECK:         llvm.mlir.global internal constant @ptx_code(".version 8.0\00")
// CHECK:         llvm.func internal @bfly_unload_kernels()
// CHECK-COUNT-2:   llvm.call @bflyCudaUnloadModule
// CHECK:         llvm.mlir.global_dtors dtors = [@bfly_unload_kernels]
// CHECK:         llvm.mlir.global internal constant @main_name("main\00")
module attributes {gpu.container_module} {
  gpu.binary @k [#gpu.object<#nvvm.target<chip = "sm_90a">, bin = "code">]
  gpu.binary @ptx [#gpu.object<#nvvm.target<chip = "sm_90a">, assembly = ".version 8.0">]
  func.func @launches(%x: memref<?x4xf32>, %s: f32, %n: index) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %bytes = arith.constant 1024 : i32
    scf.for %i = %c0 to %n step %c1 {
      gpu.launch_func @k::@main blocks in (%n, %c1, %c1) threads in (%c4, %c1, %c1)
          dynamic_shared_memory_size %bytes args(%x : memref<?x4xf32>, %s : f32) {bfly.cooperative}
    }
    gpu.launch_func @ptx::@main clusters in (%c4, %c1, %c1) blocks in (%c4, %c1, %c1) threads in (%c1, %c1, %c1)
    return
  }
}

// -----

// Without kernels there is nothing to load.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT:    return
// CHECK-NOT:     llvm.
func.func @nothing() {
  return
}

// -----

module attributes {gpu.container_module} {
  gpu.module @k {
    gpu.func @main() kernel {
      gpu.return
    }
  }
  func.func @early(%n: index) {
    // expected-error @below {{has no binary "k": -gpu-module-to-binary has to be run first}}
    gpu.launch_func @k::@main blocks in (%n, %n, %n) threads in (%n, %n, %n)
    return
  }
}

// -----

module attributes {gpu.container_module} {
  gpu.binary @k [#gpu.object<#nvvm.target<chip = "sm_90a">, bin = "code">]
  func.func @asynchronous(%n: index) {
    %token = gpu.wait async
    // expected-error @below {{names a stream: a launch goes to its caller's}}
    %done = gpu.launch_func async [%token] @k::@main blocks in (%n, %n, %n) threads in (%n, %n, %n)
    return
  }
}
