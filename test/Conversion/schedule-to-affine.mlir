// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-convert-schedule-to-affine,canonicalize))' -split-input-file -verify-diagnostics | FileCheck %s

// Transform, map and inverse in one nest over batch and slabs; the slab (16 rows, real and imaginary parts, 16 lanes)
// is all that it allocates.
// CHECK-LABEL: func @filter
func.func @filter(%x: tensor<?x16x64xf32>, %w: tensor<64xf32>) -> tensor<?x16x64xf32> {
  // CHECK: bfly.kernel "filter" (%[[X:.*]] = %{{.*}}, %[[W:.*]] = %{{.*}}, %[[Y:.*]] = %{{.*}}) plan
  // CHECK-NOT: memref.alloc
  // CHECK: affine.parallel (%[[B:.*]], %[[S:.*]]) = (0, 0) to (symbol(%{{.*}}), 2)
  // CHECK-DAG: memref.alloc() {alignment = 64 : i64} : memref<16x2x16xf32>
  // The input is linear in nothing but its own channel: one that is no number must not reach its neighbour.
  // CHECK-DAG: memref.alloc() {alignment = 64 : i64} : memref<2x16xf32>
  // CHECK-NOT: memref.alloc
  // CHECK: affine.load %[[X]][%[[B]], 0, %[[S]] * 32 + %{{.*}}]
  // CHECK: affine.load %[[X]][%[[B]], 0, %[[S]] * 32 + %{{.*}} + 16]
  // CHECK: bfly.dft
  // CHECK: } {bfly.lanes}
  // Bins 0 … 8 with their mirror images.
  // CHECK: affine.for %{{.*}} = 0 to 9
  // CHECK: complex.mul
  // CHECK: bfly.dft inverse
  // CHECK: affine.store %{{.*}}, %[[Y]]
  // CHECK-NOT: affine.parallel
  %y = bfly.kernel "filter" (%a = %x, %b = %w) plan [#bfly.cpu_transform<channels = 32, radices = [16], groups = [<0 to 0 in slab>]>] : (tensor<?x16x64xf32>, tensor<64xf32>) -> tensor<?x16x64xf32> {
    %f = bfly.fft %a : tensor<?x16x64xf32> -> tensor<?x9x64xcomplex<f32>>
    %m = bfly.spectrum_map %f params(%b[channel] : tensor<64xf32>) tokens(16) : tensor<?x9x64xcomplex<f32>> -> tensor<?x9x64xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index, %wc: f32):
      %zero = arith.constant 0.0 : f32
      %g = complex.create %wc, %zero : complex<f32>
      %p = complex.mul %bin, %g : complex<f32>
      bfly.yield %p : complex<f32>
    }
    %r = bfly.ifft %m : tensor<?x9x64xcomplex<f32>> -> tensor<?x16x64xf32>
    bfly.yield %r : tensor<?x16x64xf32>
  }
  return %y : tensor<?x16x64xf32>
}

// -----

// All stages in one loop: constant geometry reads rows 2p and 2p+1 and writes p and p + N/2, whatever the stage.
// CHECK-LABEL: func @attention
func.func @attention(%x: tensor<4x16x16xf32>, %q: tensor<4x16x16xf32>, %k: tensor<4x16x16xf32>) -> tensor<4x16x16xf32> {
  // CHECK: bfly.kernel "attention"
  // CHECK: %[[V:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x16x16xf32>
  // CHECK: affine.for %[[I:.*]] = 0 to 4
  // CHECK-NOT: affine.parallel
  // CHECK-DAG: affine.load %[[V]][%[[I]] mod 2, {{.*}} + 1, %{{.*}}]
  // CHECK-DAG: affine.load %[[V]][%[[I]] mod 2, %{{.*}} * 8 + %{{.*}} * 2, %{{.*}}]
  // CHECK: bfly.tile_product
  // CHECK: bfly.tile_product
  // CHECK: math.exp
  // CHECK-DAG: affine.store %{{.*}}, %[[V]][-%[[I]] + (%[[I]] floordiv 2) * 2 + 1, %{{.*}} * 4 + %{{[a-z0-9_]*}}, %{{.*}}]
  // CHECK-DAG: affine.store %{{.*}}, %[[V]][-%[[I]] + (%[[I]] floordiv 2) * 2 + 1, %{{.*}} + 8, %{{.*}}]
  // CHECK-NOT: bfly.tile_product
  %y = bfly.kernel "attention" (%a = %x, %b = %q, %c = %k) plan [#bfly.cpu_attention<pairs = 4, parallel = "batch">, #bfly.cpu_panels<columns = 32>] : (tensor<4x16x16xf32>, tensor<4x16x16xf32>, tensor<4x16x16xf32>) -> tensor<4x16x16xf32> {
    %0 = bfly.attention_stage %a weights(%b, %c : tensor<4x16x16xf32>, tensor<4x16x16xf32>) stage(0) heads(2) scale(1.0) chained : tensor<4x16x16xf32>
    %1 = bfly.attention_stage %0 weights(%b, %c : tensor<4x16x16xf32>, tensor<4x16x16xf32>) stage(1) heads(2) scale(1.0) chained : tensor<4x16x16xf32>
    %2 = bfly.attention_stage %1 weights(%b, %c : tensor<4x16x16xf32>, tensor<4x16x16xf32>) stage(2) heads(2) scale(1.0) chained : tensor<4x16x16xf32>
    %3 = bfly.attention_stage %2 weights(%b, %c : tensor<4x16x16xf32>, tensor<4x16x16xf32>) stage(3) heads(2) scale(1.0) chained : tensor<4x16x16xf32>
    bfly.yield %3 : tensor<4x16x16xf32>
  }
  return %y : tensor<4x16x16xf32>
}

// -----

// 40 channels in slabs of 32: the second moves back by 24, to end at the last channel.
// CHECK-LABEL: func @overlap
func.func @overlap(%x: tensor<2x8x40xf32>) -> tensor<2x40xf32> {
  // CHECK: affine.parallel (%[[B:.*]], %[[S:.*]]) = (0, 0) to (2, 2)
  // CHECK: affine.load %{{.*}}[%[[B]], %{{.*}}, %[[S]] * 8 + %{{.*}}]
  %y = bfly.kernel "mean" (%a = %x) plan [#bfly.cpu_slabs<channels = 32>] : (tensor<2x8x40xf32>) -> tensor<2x40xf32> {
    %m = bfly.mean %a : tensor<2x8x40xf32> -> tensor<2x40xf32>
    bfly.yield %m : tensor<2x40xf32>
  }
  return %y : tensor<2x40xf32>
}

// -----

func.func @no_plan(%x: tensor<2x8x4xf32>) -> tensor<2x4xf32> {
  // expected-error @below {{has no plan; run -bfly-choose-plan first}}
  %y = bfly.kernel "mean" (%a = %x) : (tensor<2x8x4xf32>) -> tensor<2x4xf32> {
    %m = bfly.mean %a : tensor<2x8x4xf32> -> tensor<2x4xf32>
    bfly.yield %m : tensor<2x4xf32>
  }
  return %y : tensor<2x4xf32>
}

// -----

// A declaration has no body to convert; what is returned twice is copied.
// CHECK-LABEL: func.func private @external(tensor<4xf32>)
func.func private @external(tensor<4xf32>)

// CHECK-LABEL: func.func @twice
// CHECK: %[[COPY:.*]] = bufferization.alloc_tensor() copy(%[[X:.*]]) : tensor<4xf32>
// CHECK: return %[[X]], %[[COPY]]
func.func @twice(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  return %x, %x : tensor<4xf32>, tensor<4xf32>
}

// -----

// What a nest would read from memory that nobody wrote.
func.func @rounded_between(%x: tensor<2x4x8xf32>, %w: tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
  %y = bfly.kernel "attention" (%a = %x, %b = %w) plan [#bfly.cpu_attention<pairs = 4, parallel = "batch">, #bfly.cpu_panels<columns = 32>] : (tensor<2x4x8xf32>, tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
    %v = bfly.attention_stage %a weights(%b, %b : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x4x8xf32>
    // expected-error @below {{is used in a way that no nest of this kernel computes; put it into a kernel of its own}}
    %h = arith.truncf %v : tensor<2x4x8xf32> to tensor<2x4x8xbf16>
    %e = arith.extf %h : tensor<2x4x8xbf16> to tensor<2x4x8xf32>
    %r = bfly.attention_stage %e weights(%b, %b : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(1) heads(1) scale(1.0) definition : tensor<2x4x8xf32>
    bfly.yield %r : tensor<2x4x8xf32>
  }
  return %y : tensor<2x4x8xf32>
}

// -----

func.func @padded_with_ones(%x: tensor<2x3x8xf32>, %w: tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
  %y = bfly.kernel "attention" (%a = %x, %b = %w) plan [#bfly.cpu_attention<pairs = 4, parallel = "batch">, #bfly.cpu_panels<columns = 32>] : (tensor<2x3x8xf32>, tensor<2x8x8xf32>) -> tensor<2x4x8xf32> {
    %one = arith.constant 1.0 : f32
    // expected-error @below {{cannot be part of a kernel: one may append zeros to the tokens, nothing else}}
    %p = tensor.pad %a low[0, 0, 0] high[0, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index):
      tensor.yield %one : f32
    } : tensor<2x3x8xf32> to tensor<2x4x8xf32>
    %r = bfly.attention_stage %p weights(%b, %b : tensor<2x8x8xf32>, tensor<2x8x8xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x4x8xf32>
    bfly.yield %r : tensor<2x4x8xf32>
  }
  return %y : tensor<2x4x8xf32>
}

// -----

// Two spectra: a slab for each. The second is transformed whole, then the map reads the bins of both where those of the
// first are, and adds terms to sums that take turns.
// CHECK-LABEL: func @two_spectra
// CHECK: affine.parallel
// CHECK: %[[G:.*]] = memref.alloc() {alignment = 64 : i64} : memref<8x2x2xf32>
// CHECK: %[[X:.*]] = memref.alloc() {alignment = 64 : i64} : memref<8x2x2xf32>
// CHECK: %[[FLAGS:.*]] = memref.alloc() {alignment = 64 : i64} : memref<4x2xf32>
// CHECK: %[[SUMS:.*]] = memref.alloc() {alignment = 64 : i64} : memref<16x2x2xf32>
// CHECK: bfly.dft %
// CHECK: affine.store %{{.*}}, %[[X]]
// CHECK: bfly.dft %
// CHECK: affine.store %{{.*}}, %[[G]]
// CHECK: affine.load %[[G]]
// CHECK: affine.load %[[X]]
// CHECK: complex.mul
// CHECK: affine.store %{{.*}}, %[[SUMS]]
// CHECK: affine.store %{{.*}}, %[[G]]
// CHECK: bfly.dft inverse
// CHECK: affine.load %[[SUMS]]
// CHECK-COUNT-2: affine.store %{{.*}} : memref<2x4xf32>
func.func @two_spectra(%g: tensor<2x8x4xf32>, %x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
  %y:2 = bfly.kernel "filter" (%a = %g, %b = %x) plan [#bfly.cpu_transform<channels = 32, radices = [8], groups = [<0 to 0 in slab>]>] : (tensor<2x8x4xf32>, tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
    %f = bfly.fft %a : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
    %h = bfly.fft %b : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
    %p, %s = bfly.spectrum_map %f params(%h[batch, bin, channel] : tensor<2x5x4xcomplex<f32>>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<2x4xf32>) {
    ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
      %m = complex.mul %bin, %other : complex<f32>
      %t = complex.re %m : complex<f32>
      bfly.yield %m, %t : complex<f32>, f32
    }
    %r = bfly.ifft %p : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
    bfly.yield %r, %s : tensor<2x8x4xf32>, tensor<2x4xf32>
  }
  return %y#0, %y#1 : tensor<2x8x4xf32>, tensor<2x4xf32>
}
