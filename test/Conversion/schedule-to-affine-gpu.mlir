// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-convert-schedule-to-affine,canonicalize))' -split-input-file -verify-diagnostics | FileCheck %s

// A kernel is phases of units, units are loops over threads. The context first: sums of chunks of tokens, then of those.
// CHECK-LABEL: func @in_a_block
// CHECK: %[[M:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?x64xf32>
// CHECK: %[[PARTIAL:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?x4x1x64xf32>
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (%{{.*}}, 4, 1) sync(grid) {
// CHECK: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: affine.store %{{.*}}, %[[PARTIAL]]
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (%{{.*}}, 1) sync(grid) {
// CHECK: affine.load %[[PARTIAL]]
// CHECK: affine.store %{{.*}}, %[[M]]
// Roots of unity: of powers of two from tables.
// CHECK: bfly.table roots(64) : memref<16x2xf32>
// CHECK: bfly.table roots(32) : memref<16x2xf32>
// CHECK: bfly.table roots(16) : memref<4x2xf32>
// CHECK: bfly.table roots(8) : memref<4x2xf32>
// One unit a slab of 8 channels, two in a complex number; a row is skipped after 4, for the banks. The first pass reads
// two neighbours as one access.
// CHECK: bfly.grid (%[[B:.*]], %{{.*}}) in (%{{.*}}, 8) sync(none) {
// CHECK: %[[SLAB:.*]] = memref.alloc() {alignment = 128 : i64} : memref<2x80x4xf32, #gpu.address_space<workgroup>>
// CHECK-NEXT: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: vector.load %{{.*}}[%[[B]], %{{.*}}, %{{.*}}] {alignment = 8 : i64} : memref<?x64x64xf32>, vector<2xf32>
// CHECK: bfly.dft
// CHECK-NOT: affine.load %[[SLAB]]
// CHECK: affine.store %{{.*}}, %[[SLAB]]
// CHECK: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: affine.load %[[SLAB]]
// CHECK: bfly.dft
// The last pass, the map and its inverse for pairs of blocks.
// CHECK: bfly.threads (%{{.*}}) in (32) sync(block) {
// CHECK-COUNT-2: bfly.dft %
// CHECK: complex.mul
// CHECK: affine.if
// CHECK-COUNT-2: bfly.dft inverse
// CHECK: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: bfly.dft inverse
// CHECK: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: affine.load %[[SLAB]]
// CHECK: bfly.dft inverse
// CHECK-NOT: affine.store %{{.*}}, %[[SLAB]]
// CHECK: vector.store %{{.*}} {alignment = 8 : i64} : memref<?x64x64xf32>, vector<2xf32>
// CHECK-NOT: bfly.{{grid|threads}}
func.func @in_a_block(%x: tensor<?x64x64xf32>) -> tensor<?x64x64xf32> {
  %y = bfly.kernel "filter" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.gpu_transform<columns = 4, radices = [4, 4, 4], groups = [<0 to 2 in shared>]>] : (tensor<?x64x64xf32>) -> tensor<?x64x64xf32> {
    %f = bfly.fft %a : tensor<?x64x64xf32> -> tensor<?x33x64xcomplex<f32>>
    %c = bfly.bin %f[0] factor(1.0) : tensor<?x33x64xcomplex<f32>> -> tensor<?x64xf32>
    %m = bfly.spectrum_map %f params(%c[batch, channel] : tensor<?x64xf32>) tokens(64) : tensor<?x33x64xcomplex<f32>> -> tensor<?x33x64xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index, %wc: f32):
      %zero = arith.constant 0.0 : f32
      %g = complex.create %wc, %zero : complex<f32>
      %p = complex.mul %bin, %g : complex<f32>
      bfly.yield %p : complex<f32>
    }
    %r = bfly.ifft %m : tensor<?x33x64xcomplex<f32>> -> tensor<?x64x64xf32>
    bfly.yield %r : tensor<?x64x64xf32>
  }
  return %y : tensor<?x64x64xf32>
}

// -----

// The first pass through memory; the context is a sum of what it left of bin 0; then pairs of sub-transforms in shared
// memory, and the last pass.
// CHECK-LABEL: func @through_memory
// CHECK: %[[SCRATCH:.*]] = memref.alloc() {alignment = 64 : i64} : memref<3x8x64x4x2xf32>
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (3, 4, 2) sync(grid) {
// CHECK: vector.load %{{.*}} : memref<3x64x64xf32>, vector<2xf32>
// CHECK: bfly.dft
// CHECK: vector.store %{{.*}}, %[[SCRATCH]]
// CHECK: bfly.grid {{.*}} sync(grid) {
// CHECK: affine.load %[[SCRATCH]]
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (3, 8, 2) sync(grid) {
// CHECK: memref.alloc() {alignment = 128 : i64} : memref<2x40x4xf32, #gpu.address_space<workgroup>>
// CHECK: vector.load %[[SCRATCH]]
// CHECK: bfly.dft
// CHECK: bfly.threads
// CHECK-COUNT-2: bfly.dft %
// CHECK: complex.mul
// CHECK-COUNT-2: bfly.dft inverse
// CHECK: bfly.threads
// CHECK: bfly.dft inverse
// CHECK: vector.store %{{.*}}, %[[SCRATCH]]
// CHECK: bfly.grid (%{{.*}}, %{{.*}}, %{{.*}}) in (3, 4, 2) sync(none) {
// CHECK: vector.load %[[SCRATCH]]
// CHECK: bfly.dft inverse
// CHECK: vector.store %{{.*}} : memref<3x64x64xf32>, vector<2xf32>
func.func @through_memory(%x: tensor<3x64x64xf32>) -> tensor<3x64x64xf32> {
  %y = bfly.kernel "filter" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.gpu_transform<columns = 4, radices = [4, 4, 4], groups = [<0 to 0 in memory>, <1 to 2 in shared>]>] : (tensor<3x64x64xf32>) -> tensor<3x64x64xf32> {
    %f = bfly.fft %a : tensor<3x64x64xf32> -> tensor<3x33x64xcomplex<f32>>
    %c = bfly.bin %f[0] factor(1.0) : tensor<3x33x64xcomplex<f32>> -> tensor<3x64xf32>
    %m = bfly.spectrum_map %f params(%c[batch, channel] : tensor<3x64xf32>) tokens(64) : tensor<3x33x64xcomplex<f32>> -> tensor<3x33x64xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index, %wc: f32):
      %zero = arith.constant 0.0 : f32
      %g = complex.create %wc, %zero : complex<f32>
      %p = complex.mul %bin, %g : complex<f32>
      bfly.yield %p : complex<f32>
    }
    %r = bfly.ifft %m : tensor<3x33x64xcomplex<f32>> -> tensor<3x64x64xf32>
    bfly.yield %r : tensor<3x64x64xf32>
  }
  return %y : tensor<3x64x64xf32>
}

// -----

// Maps alone, of any length: from memory to memory.
// CHECK-LABEL: func @elements
// CHECK: bfly.grid (%{{.*}}) in (1) sync(none) {
// CHECK-NEXT: bfly.threads (%{{.*}}) in (190) sync(block) {
// CHECK-NOT: bfly.{{grid|threads}}
// CHECK-NOT: memref.alloc
// CHECK: complex.conj
func.func @elements(%f: tensor<2x19x5xcomplex<f32>>) -> tensor<2x19x5xcomplex<f32>> {
  %y = bfly.kernel "map" (%a = %f) plan [#bfly.gpu_block<threads = 64>] : (tensor<2x19x5xcomplex<f32>>) -> tensor<2x19x5xcomplex<f32>> {
    %m = bfly.spectrum_map %a tokens(37) : tensor<2x19x5xcomplex<f32>> -> tensor<2x19x5xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      %p = complex.conj %bin : complex<f32>
      bfly.yield %p : complex<f32>
    }
    bfly.yield %m : tensor<2x19x5xcomplex<f32>>
  }
  return %y : tensor<2x19x5xcomplex<f32>>
}

// -----

// Few rows: threads of a dot product side by side along W's row, each weight read once for both rows, a tree of sums.
// CHECK-LABEL: func @few_rows
// CHECK: bfly.grid (%{{.*}}) in (16) sync(none) {
// CHECK: memref.alloc() {alignment = 128 : i64} : memref<2x64xf32, #gpu.address_space<workgroup>>
// CHECK-NEXT: bfly.threads (%[[T:.*]]) in (64) sync(block) {
// CHECK-NEXT: %[[W:.*]] = affine.load %{{.*}}[{{.*}}, symbol(%[[T]]) mod 64] : memref<16x256xf32>
// CHECK: arith.mulf %{{.*}}, %[[W]]
// CHECK: arith.mulf %{{.*}}, %[[W]]
// CHECK: bfly.threads (%{{.*}}) in (16) sync(block) {
// CHECK: bfly.threads (%{{.*}}) in (2) sync(block) {
// CHECK: bfly.threads (%{{.*}}) in (1) sync(block) {
// CHECK: arith.maximumf
func.func @few_rows(%x: tensor<2x256xf32>, %w: tensor<16x256xf32>) -> tensor<2x16xf32> {
  %y = bfly.kernel "linear" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 64>, #bfly.gpu_dense<rows = 16, depth = 16>] : (tensor<2x256xf32>, tensor<16x256xf32>) -> tensor<2x16xf32> {
    %m = bfly.linear %a, %b relu : tensor<2x256xf32>, tensor<16x256xf32> -> tensor<2x16xf32>
    bfly.yield %m : tensor<2x16xf32>
  }
  return %y : tensor<2x16xf32>
}

// -----

// Many: tiles, 4 x 4 elements in a thread's registers; the last tile of rows is cut off.
// CHECK-LABEL: func @many_rows
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (4, 2) sync(none) {
// CHECK: memref.alloc() : memref<64x16xf32, #gpu.address_space<private>>
// CHECK: memref.alloc() {alignment = 128 : i64} : memref<16x33xf32, #gpu.address_space<workgroup>>
// CHECK: affine.for
// CHECK: bfly.threads (%{{.*}}) in (512) sync(block) {
// CHECK: affine.if
// CHECK: bfly.threads (%{{.*}}) in (512) sync(block) {
// CHECK-NOT: affine.if
// CHECK: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: affine.for
// CHECK: bfly.threads (%{{.*}}) in (64) sync(block) {
// CHECK: affine.if
func.func @many_rows(%x: tensor<100x32xf32>, %w: tensor<64x32xf32>) -> tensor<100x64xf32> {
  %y = bfly.kernel "linear" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 64>, #bfly.gpu_dense<rows = 16, depth = 16>] : (tensor<100x32xf32>, tensor<64x32xf32>) -> tensor<100x64xf32> {
    %m = bfly.linear %a, %b : tensor<100x32xf32>, tensor<64x32xf32> -> tensor<100x64xf32>
    bfly.yield %m : tensor<100x64xf32>
  }
  return %y : tensor<100x64xf32>
}

// -----

// A transform that the library does: it stands between kernels. f32 goes there as it is; the inverse may overwrite
// scratch alone.
// CHECK-LABEL: func @library
// CHECK-SAME: (%[[X:.*]]: tensor<?x12x8xf32>
// CHECK: %[[SOURCE:.*]] = bufferization.to_buffer %[[X]] read_only
// CHECK: %[[F:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?x7x8xcomplex<f32>>
// CHECK-NEXT: bfly.library_transform %[[SOURCE]] to %[[F]] : memref<?x12x8xf32> to memref<?x7x8xcomplex<f32>>
// CHECK: %[[Y:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?x12x8xf32>
// CHECK: %[[A:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?x7x8xcomplex<f32>>
// CHECK: bfly.kernel "scale" (%[[BINS:.*]] = %[[F]], %[[SCALED:.*]] = %[[A]]) plan
// CHECK: bfly.grid {{.*}} sync(none)
// CHECK: bfly.threads
// CHECK: %[[BIN:.*]] = affine.load %[[BINS]]
// CHECK: %[[RE:.*]] = complex.re %[[BIN]]
// CHECK: %[[IM:.*]] = complex.im %[[BIN]]
// CHECK: %[[SRE:.*]] = arith.mulf %[[RE]]
// CHECK: %[[SIM:.*]] = arith.mulf %[[IM]]
// CHECK: %[[OWN:.*]] = arith.cmpi eq
// CHECK: %[[KEPT:.*]] = arith.select %[[OWN]], %{{.*}}, %[[SIM]]
// CHECK: complex.create %[[SRE]], %[[KEPT]]
// CHECK: bfly.library_transform inverse %[[A]] to %[[Y]] : memref<?x7x8xcomplex<f32>> to memref<?x12x8xf32>
// CHECK: memref.dealloc %[[A]]
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @library(%x: tensor<?x12x8xf32>) -> tensor<?x12x8xf32> {
  %f = bfly.kernel "fft" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<?x12x8xf32>) -> tensor<?x7x8xcomplex<f32>> {
    %m = bfly.fft %a : tensor<?x12x8xf32> -> tensor<?x7x8xcomplex<f32>>
    bfly.yield %m : tensor<?x7x8xcomplex<f32>>
  }
  %y = bfly.kernel "ifft" (%a = %f) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<?x7x8xcomplex<f32>>) -> tensor<?x12x8xf32> {
    %m = bfly.ifft %a : tensor<?x7x8xcomplex<f32>> -> tensor<?x12x8xf32>
    bfly.yield %m : tensor<?x12x8xf32>
  }
  return %y : tensor<?x12x8xf32>
}

// -----

// 16 bits are widened and narrowed by kernels, before and after. All bins of a real sequence are those of a complex one;
// a real result is that of half the spectrum.
// CHECK-LABEL: func @library_of_other_types
// CHECK: %[[X:.*]] = bufferization.to_buffer
// CHECK: %[[F:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x7x8xcomplex<f32>>
// CHECK: %[[WIDE:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x7x8xcomplex<f32>>
// CHECK: bfly.kernel "widen" (%{{.*}} = %[[X]], %{{.*}} = %[[WIDE]])
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: bfly.library_transform %[[WIDE]] to %[[F]] : memref<2x7x8xcomplex<f32>> to memref<2x7x8xcomplex<f32>>
// CHECK: memref.dealloc %[[WIDE]]
// CHECK: %[[Y:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x7x8xbf16>
// CHECK: %[[HALF:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x4x8xcomplex<f32>>
// CHECK: bfly.kernel "scale" (%{{.*}} = %[[F]], %{{.*}} = %[[HALF]])
// CHECK: %[[LONG:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x7x8xf32>
// CHECK: bfly.library_transform inverse %[[HALF]] to %[[LONG]] : memref<2x4x8xcomplex<f32>> to memref<2x7x8xf32>
// CHECK: bfly.kernel "narrow" (%{{.*}} = %[[LONG]], %{{.*}} = %[[Y]])
// CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func @library_of_other_types(%x: tensor<2x7x8xbf16>) -> tensor<2x7x8xbf16> {
  %f = bfly.kernel "fft" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<2x7x8xbf16>) -> tensor<2x7x8xcomplex<f32>> {
    %m = bfly.fft %a : tensor<2x7x8xbf16> -> tensor<2x7x8xcomplex<f32>>
    bfly.yield %m : tensor<2x7x8xcomplex<f32>>
  }
  %y = bfly.kernel "ifft" (%a = %f) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<2x7x8xcomplex<f32>>) -> tensor<2x7x8xbf16> {
    %m = bfly.ifft %a : tensor<2x7x8xcomplex<f32>> -> tensor<2x7x8xbf16>
    bfly.yield %m : tensor<2x7x8xbf16>
  }
  return %y : tensor<2x7x8xbf16>
}

// -----

// CHECK-LABEL: func @library_of_complex_data
// CHECK: bfly.library_transform %{{.*}} to %[[F:[a-z_0-9]+]] : memref<2x7x8xcomplex<f64>> to memref<2x7x8xcomplex<f64>>
// CHECK: bfly.kernel "scale" (%{{.*}} = %[[F]], %{{.*}} = %[[A:[a-z_0-9]+]])
// CHECK: bfly.library_transform inverse %[[A]] to %{{.*}} : memref<2x7x8xcomplex<f64>> to memref<2x7x8xcomplex<f64>>
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @library_of_complex_data(%x: tensor<2x7x8xcomplex<f64>>) -> tensor<2x7x8xcomplex<f64>> {
  %f = bfly.kernel "fft" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<2x7x8xcomplex<f64>>) -> tensor<2x7x8xcomplex<f64>> {
    %m = bfly.fft %a : tensor<2x7x8xcomplex<f64>> -> tensor<2x7x8xcomplex<f64>>
    bfly.yield %m : tensor<2x7x8xcomplex<f64>>
  }
  %y = bfly.kernel "ifft" (%a = %f) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<2x7x8xcomplex<f64>>) -> tensor<2x7x8xcomplex<f64>> {
    %m = bfly.ifft %a : tensor<2x7x8xcomplex<f64>> -> tensor<2x7x8xcomplex<f64>>
    bfly.yield %m : tensor<2x7x8xcomplex<f64>>
  }
  return %y : tensor<2x7x8xcomplex<f64>>
}

// -----

func.func @not_alone(%x: tensor<2x12x8xf32>) -> tensor<2x12x8xf32> {
  // expected-error @below {{a transform that it does must be a kernel of its own: cuFFT transforms N = 12, which is no power of two}}
  %y = bfly.kernel "both" (%a = %x) plan [#bfly.gpu_block<threads = 64>, #bfly.library<name = "cuFFT">] : (tensor<2x12x8xf32>) -> tensor<2x12x8xf32> {
    %f = bfly.fft %a : tensor<2x12x8xf32> -> tensor<2x7x8xcomplex<f32>>
    %m = bfly.ifft %f : tensor<2x7x8xcomplex<f32>> -> tensor<2x12x8xf32>
    bfly.yield %m : tensor<2x12x8xf32>
  }
  return %y : tensor<2x12x8xf32>
}

// -----

// Two spectra: a slab for each, and in a third the flags of what the threads read of both. They are added up before the
// bins are mapped, the terms of the sums behind that, and one thread a lane stores the sums of its two channels.
// CHECK-LABEL: func @two_spectra
// CHECK: bfly.grid (%{{.*}}, %{{.*}}) in (2, 1) sync(none) {
// CHECK: %[[G:.*]] = memref.alloc() {alignment = 128 : i64} : memref<2x20x2xf32, #gpu.address_space<workgroup>>
// CHECK: %[[X:.*]] = memref.alloc() {alignment = 128 : i64} : memref<2x20x2xf32, #gpu.address_space<workgroup>>
// CHECK: %[[FLAGS:.*]] = memref.alloc() {alignment = 128 : i64} : memref<8x4xf32, #gpu.address_space<workgroup>>
// CHECK: bfly.threads (%{{.*}}) in (8) sync(block) {
// CHECK: affine.store %{{.*}}, %[[FLAGS]]
// CHECK: affine.store %{{.*}}, %[[G]]
// CHECK: bfly.threads (%{{.*}}) in (8) sync(block) {
// CHECK: affine.store %{{.*}}, %[[FLAGS]]
// CHECK: affine.store %{{.*}}, %[[X]]
// CHECK: %[[FLAG:.*]] = memref.alloc() {alignment = 128 : i64} : memref<8x1xf32, #gpu.address_space<workgroup>>
// CHECK: bfly.threads (%{{.*}}) in (8) sync(block) {
// CHECK: affine.store %{{.*}}, %[[FLAG]]
// CHECK: %[[TERMS:.*]] = memref.alloc() {alignment = 128 : i64} : memref<4x2xf32, #gpu.address_space<workgroup>>
// CHECK: bfly.threads (%{{.*}}) in (4) sync(block) {
// CHECK: affine.load %[[G]]
// CHECK-COUNT-2: bfly.dft %
// CHECK: affine.load %[[X]]
// CHECK-COUNT-2: bfly.dft %
// CHECK: affine.load %[[FLAG]]
// CHECK: complex.mul
// CHECK-COUNT-2: bfly.dft inverse
// CHECK: affine.store %{{.*}}, %[[G]]
// CHECK: affine.store %{{.*}}, %[[TERMS]]
// CHECK: bfly.threads (%{{.*}}) in (4) sync(block) {
// CHECK: affine.load %[[TERMS]]
// CHECK: bfly.threads (%{{.*}}) in (2) sync(block) {
// CHECK-COUNT-2: affine.store %{{.*}} : memref<2x4xf32>
// CHECK: bfly.threads (%{{.*}}) in (8) sync(block) {
// CHECK: bfly.dft inverse
// CHECK: vector.store %{{.*}} : memref<2x16x4xf32>, vector<2xf32>
// CHECK-NOT: bfly.{{grid|threads}}
func.func @two_spectra(%g: tensor<2x16x4xf32>, %x: tensor<2x16x4xf32>) -> (tensor<2x16x4xf32>, tensor<2x4xf32>) {
  %y:2 = bfly.kernel "filter" (%a = %g, %b = %x) plan [#bfly.gpu_block<threads = 32>, #bfly.gpu_transform<columns = 2, radices = [4, 4], groups = [<0 to 1 in shared>]>] : (tensor<2x16x4xf32>, tensor<2x16x4xf32>) -> (tensor<2x16x4xf32>, tensor<2x4xf32>) {
    %f = bfly.fft %a : tensor<2x16x4xf32> -> tensor<2x9x4xcomplex<f32>>
    %h = bfly.fft %b : tensor<2x16x4xf32> -> tensor<2x9x4xcomplex<f32>>
    %p, %s = bfly.spectrum_map %f params(%h[batch, bin, channel] : tensor<2x9x4xcomplex<f32>>) tokens(16) : tensor<2x9x4xcomplex<f32>> -> tensor<2x9x4xcomplex<f32>> sums(tensor<2x4xf32>) {
    ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
      %m = complex.mul %bin, %other : complex<f32>
      %t = complex.re %m : complex<f32>
      bfly.yield %m, %t : complex<f32>, f32
    }
    %r = bfly.ifft %p : tensor<2x9x4xcomplex<f32>> -> tensor<2x16x4xf32>
    bfly.yield %r, %s : tensor<2x16x4xf32>, tensor<2x4xf32>
  }
  return %y#0, %y#1 : tensor<2x16x4xf32>, tensor<2x4xf32>
}
