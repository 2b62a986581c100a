// RUN: bfly-opt %s -split-input-file -bfly-check-bounds -verify-diagnostics
// RUN: not bfly-opt %s -split-input-file -bfly-check-bounds=on-gpu 2>&1 | FileCheck %s --check-prefix=GPU

func.func @twice() {
  %m = memref.alloc() : memref<8xf32>
  memref.dealloc %m : memref<8xf32>
  // expected-error @+1 {{'memref.dealloc' uses memory that was freed; --allow-foreign-calls runs it unchecked}}
  memref.dealloc %m : memref<8xf32>
  return
}

// -----

func.func @in_a_loop() {
  %m = memref.alloc() : memref<8xf32>
  affine.for %i = 0 to 2 {
    // expected-error @+1 {{'memref.dealloc' frees what this block has not allocated}}
    memref.dealloc %m : memref<8xf32>
  }
  return
}

// -----

func.func @stack(%c: i1) -> f32 {
  %c0 = arith.constant 0 : index
  %m = scf.if %c -> memref<8xf32> {
    // expected-error @+1 {{'memref.alloca' leaves the block that its memory is of}}
    %a = memref.alloca() : memref<8xf32>
    scf.yield %a : memref<8xf32>
  } else {
    %a = memref.alloc() : memref<8xf32>
    scf.yield %a : memref<8xf32>
  }
  %0 = memref.load %m[%c0] : memref<8xf32>
  return %0 : f32
}

// -----

func.func @input(%x: memref<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %v = memref.subview %x[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  // expected-error @+1 {{'affine.store' writes to an input}}
  affine.store %zero, %v[0] : memref<4xf32, strided<[1], offset: 4>>
  return
}

// -----

func.func @layout(%x: memref<8xf32, strided<[?], offset: ?>>) {
  // expected-error @+1 {{'memref.cast' promises a layout that nothing proves}}
  %0 = memref.cast %x : memref<8xf32, strided<[?], offset: ?>> to memref<8xf32, strided<[2], offset: ?>>
  return
}

// -----

// On a GPU nothing can fail in a kernel.
// GPU: error: 'tensor.extract' is not proven to stay within its array and cannot be checked on a GPU; --allow-foreign-calls runs it unchecked
func.func @lookup(%table: tensor<50xf32>, %rows: tensor<64xindex>) -> tensor<64xf32> {
  %e = tensor.empty() : tensor<64xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%rows : tensor<64xindex>) outs(%e : tensor<64xf32>) {
  ^bb0(%row: index, %unused: f32):
    %v = tensor.extract %table[%row] : tensor<50xf32>
    linalg.yield %v : f32
  } -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// -----

func.func @two_unknown_parts(%x: memref<?xf32>, %m: index, %n: index) {
  // expected-error @+1 {{'memref.expand_shape' has sizes that nothing proves}}
  %0 = memref.expand_shape %x [[0, 1]] output_shape [%m, %n] : memref<?xf32> into memref<?x?xf32>
  return
}

// -----

// An inverse transform to real numbers computes in its source.
func.func @inverse(%f: memref<?x501x32xcomplex<f32>>, %y: memref<?x1000x32xf32> {bufferize.result}) {
  // expected-error @+1 {{'bfly.library_transform' writes to an input}}
  bfly.library_transform inverse %f to %y : memref<?x501x32xcomplex<f32>> to memref<?x1000x32xf32>
  return
}

// -----

// The other transforms do not.
func.func @forward(%x: memref<4x1000x32xf32>, %f: memref<4x501x32xcomplex<f32>> {bufferize.result}) {
  bfly.library_transform %x to %f : memref<4x1000x32xf32> to memref<4x501x32xcomplex<f32>>
  return
}

// -----

// A choice of two arrays is seen through.
func.func @choice(%x: memref<8xf32>, %y: memref<8xf32> {bufferize.result}, %c: i1) {
  %zero = arith.constant 0.0 : f32
  %m = arith.select %c, %x, %y : memref<8xf32>
  // expected-error @+1 {{'affine.store' writes to an input}}
  affine.store %zero, %m[0] : memref<8xf32>
  return
}

// -----

// So is a kernel.
func.func @kernel(%x: memref<8xf32>) {
  bfly.kernel "k" (%a = %x) : (memref<8xf32>) {
    %zero = arith.constant 0.0 : f32
    // expected-error @+1 {{'affine.store' writes to an input}}
    affine.store %zero, %a[0] : memref<8xf32>
  }
  return
}

// -----

func.func @stack(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // expected-error @+1 {{'memref.alloca' takes memory of the stack again and again}}
    %m = memref.alloca() : memref<8xf32>
  }
  return
}

// -----

func.func @stack_of_affine() {
  affine.for %i = 0 to 1000000 {
    // expected-error @+1 {{'memref.alloca' takes memory of the stack again and again}}
    %m = memref.alloca() : memref<8xf32>
  }
  return
}

// -----

func.func @no_dimension(%x: memref<?x8xf32>) -> index {
  %c2 = arith.constant 2 : index
  // expected-error @+1 {{'memref.dim' of dimension 2, but there are 2}}
  %0 = memref.dim %x, %c2 : memref<?x8xf32>
  return %0 : index
}

// -----

// GPU: error: 'bfly.grid' is not proven to have sizes that are not negative and cannot be checked on a GPU; --allow-foreign-calls runs it unchecked
func.func @sizes(%n: index) {
  bfly.kernel "k" (%m = %n) : (index) {
    bfly.grid (%u, %v) in (%m, %m) sync(none) {
    }
  }
  return
}
