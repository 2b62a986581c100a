// RUN: bfly-opt %s -split-input-file -bfly-rewrite-spectra | FileCheck %s

// The example of the pass's description.
// modReLU by a real gain commutes with conjugation: everything is halved, and
// the map needs no mirror.
// CHECK-LABEL: func @half
// CHECK: bfly.fft %{{.*}} : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
// CHECK: bfly.spectrum_map %{{.*}} params(%{{.*}}[channel] : tensor<4xf32>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>>
// CHECK: bfly.ifft %{{.*}} : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
func.func @half(%x: tensor<2x8x4xf32>, %bias: tensor<4xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%bias[channel] : tensor<4xf32>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %b: f32):
    %zero = arith.constant 0.0 : f32
    %eps = arith.constant 1.0e-10 : f32
    %abs = complex.abs %bin : complex<f32>
    %sum = arith.addf %abs, %b : f32
    %relu = arith.maximumf %sum, %zero : f32
    %den = arith.addf %abs, %eps : f32
    %gain = arith.divf %relu, %den : f32
    %re = complex.re %bin : complex<f32>
    %im = complex.im %bin : complex<f32>
    %gre = arith.mulf %gain, %re : f32
    %gim = arith.mulf %im, %gain : f32
    %g = complex.create %gre, %gim : complex<f32>
    bfly.yield %g : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// An odd number of tokens, and a zero imaginary part for the factor.
// CHECK-LABEL: func @half_odd
// CHECK: bfly.fft %{{.*}} : tensor<?x7x4xbf16> -> tensor<?x4x4xcomplex<f32>>
// CHECK: bfly.spectrum_map
// CHECK-NOT: hermitian
// CHECK: bfly.ifft %{{.*}} : tensor<?x4x4xcomplex<f32>> -> tensor<?x7x4xbf16>
func.func @half_odd(%x: tensor<?x7x4xbf16>) -> tensor<?x7x4xbf16> {
  %f = bfly.fft %x : tensor<?x7x4xbf16> -> tensor<?x7x4xcomplex<f32>>
  %a = bfly.spectrum_map %f tokens(7) : tensor<?x7x4xcomplex<f32>> -> tensor<?x7x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %zero = arith.constant 0.0 : f32
    %abs = complex.abs %bin : complex<f32>
    %c = complex.create %abs, %zero : complex<f32>
    %e = complex.exp %c : complex<f32>
    %r = complex.mul %bin, %e : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<?x7x4xcomplex<f32>> -> tensor<?x7x4xbf16>
  return %y : tensor<?x7x4xbf16>
}

// -----

// The index tells a bin from its mirror image; the parameter of a hermitian map
// keeps all of its N values.
// CHECK-LABEL: func @index
// CHECK: bfly.spectrum_map %{{.*}} params(%{{.*}}[bin] : tensor<8xf32>) tokens(8) hermitian : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>>
func.func @index(%x: tensor<2x8x4xf32>, %p: tensor<8xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%p[bin] : tensor<8xf32>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %pk: f32):
    %i = arith.index_cast %k : index to i32
    %ki = arith.sitofp %i : i32 to f32
    %c = complex.create %ki, %pk : complex<f32>
    %r = complex.mul %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// Each of these does not commute, or is not known to.
// CHECK-LABEL: func @not_commuting
// CHECK-COUNT-6: hermitian
func.func @not_commuting(%x: tensor<2x8x4xf32>, %q: tensor<4xcomplex<f32>>) -> (tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>) {
  // A complex parameter.
  %f0 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a0 = bfly.spectrum_map %f0 params(%q[channel] : tensor<4xcomplex<f32>>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %c: complex<f32>):
    %r = complex.add %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y0 = bfly.ifft %a0 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  // The imaginary part as a real one.
  %f1 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a1 = bfly.spectrum_map %f1 tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %re = complex.re %bin : complex<f32>
    %im = complex.im %bin : complex<f32>
    %r = complex.create %im, %re : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y1 = bfly.ifft %a1 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  // An imaginary constant.
  %f2 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a2 = bfly.spectrum_map %f2 tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %c = complex.constant [1.0 : f32, 2.0 : f32] : complex<f32>
    %r = complex.add %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y2 = bfly.ifft %a2 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  // A branch cut.
  %f3 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a3 = bfly.spectrum_map %f3 tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.sqrt %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y3 = bfly.ifft %a3 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  // A real part and an imaginary part added.
  %f4 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a4 = bfly.spectrum_map %f4 tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %zero = arith.constant 0.0 : f32
    %re = complex.re %bin : complex<f32>
    %im = complex.im %bin : complex<f32>
    %s = arith.addf %im, %re : f32
    %r = complex.create %s, %zero : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y4 = bfly.ifft %a4 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  // A choice by the sign of the imaginary part.
  %f5 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a5 = bfly.spectrum_map %f5 tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %zero = arith.constant 0.0 : f32
    %im = complex.im %bin : complex<f32>
    %up = arith.cmpf ogt, %im, %zero : f32
    %n = complex.neg %bin : complex<f32>
    %r = arith.select %up, %bin, %n : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y5 = bfly.ifft %a5 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y0, %y1, %y2, %y3, %y4, %y5 : tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>, tensor<2x8x4xf32>
}

// -----

// Only the last map of a chain may break the symmetry.
// CHECK-LABEL: func @chains
// CHECK: bfly.fft %{{.*}} -> tensor<2x5x4xcomplex<f32>>
// CHECK: bfly.spectrum_map %{{.*}} tokens(8) : tensor<2x5x4xcomplex<f32>>
// CHECK: bfly.spectrum_map %{{.*}} tokens(8) hermitian : tensor<2x5x4xcomplex<f32>>
// CHECK: bfly.fft %{{.*}} -> tensor<2x8x4xcomplex<f32>>
// CHECK: bfly.spectrum_map %{{.*}} tokens(8) : tensor<2x8x4xcomplex<f32>>
// CHECK: bfly.spectrum_map %{{.*}} tokens(8) : tensor<2x8x4xcomplex<f32>>
func.func @chains(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x8x4xf32>) {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.mul %bin, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %b = bfly.spectrum_map %a tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.log %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %b : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  %g = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %c = bfly.spectrum_map %g tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.log %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %d = bfly.spectrum_map %c tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.mul %bin, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %z = bfly.ifft %d : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y, %z : tensor<2x8x4xf32>, tensor<2x8x4xf32>
}

// -----

// The whole spectrum stays where somebody reads it, where the data or the result
// is complex, and where there is no other half.
// CHECK-LABEL: func @whole
// CHECK: bfly.fft %{{.*}} -> tensor<2x8x4xcomplex<f32>>
// CHECK: bfly.fft %{{.*}} -> tensor<2x8x4xcomplex<f32>>
// CHECK: bfly.fft %{{.*}} -> tensor<2x8x4xcomplex<f32>>
// CHECK: bfly.fft %{{.*}} -> tensor<2x2x4xcomplex<f32>>
// CHECK-NOT: hermitian
// CHECK: return
func.func @whole(%x: tensor<2x8x4xf32>, %w: tensor<2x8x4xcomplex<f32>>, %two: tensor<2x2x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x8x4xcomplex<f32>>, tensor<2x8x4xcomplex<f32>>, tensor<2x8x4xf32>, tensor<2x2x4xf32>) {
  %f0 = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %y0 = bfly.ifft %f0 : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.mul %bin, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  %g = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %b = bfly.spectrum_map %g tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.mul %bin, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %z = bfly.ifft %b : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>>
  %h = bfly.fft %w : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>>
  %c = bfly.spectrum_map %h tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.log %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %u = bfly.ifft %c : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  %i = bfly.fft %two : tensor<2x2x4xf32> -> tensor<2x2x4xcomplex<f32>>
  %d = bfly.spectrum_map %i tokens(2) : tensor<2x2x4xcomplex<f32>> -> tensor<2x2x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.mul %bin, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %v = bfly.ifft %d : tensor<2x2x4xcomplex<f32>> -> tensor<2x2x4xf32>
  return %y, %f, %z, %u, %v : tensor<2x8x4xf32>, tensor<2x8x4xcomplex<f32>>, tensor<2x8x4xcomplex<f32>>, tensor<2x8x4xf32>, tensor<2x2x4xf32>
}

// -----

// FFTNet: the context comes from bin 0, so the transform moves up to it.
// CHECK-LABEL: func @mean
// CHECK-SAME: (%[[X:.*]]: tensor<2x8x4xf32>, %[[W:.*]]: tensor<4x4xf32>)
// CHECK-NEXT: %[[F:.*]] = bfly.fft %[[X]] : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
// CHECK-NEXT: %[[M:.*]] = bfly.bin %[[F]][0] factor(1.250000e-01) : tensor<2x5x4xcomplex<f32>> -> tensor<2x4xf32>
// CHECK-NEXT: %[[D:.*]] = bfly.linear %[[M]], %[[W]]
// CHECK-NEXT: bfly.spectrum_map %[[F]] params(%[[D]][batch, channel]
func.func @mean(%x: tensor<2x8x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x8x4xf32> {
  %m = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x4xf32>
  %d = bfly.linear %m, %w relu : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%d[batch, channel] : tensor<2x4xf32>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %abs = complex.abs %bin : complex<f32>
    %c = complex.create %abs, %p : complex<f32>
    %r = complex.mul %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// A mean that others read stays a mean: bin 0 would have to leave the kernel.
// CHECK-LABEL: func @mean_read
// CHECK: bfly.mean
// CHECK-NOT: bfly.bin
// CHECK: return
func.func @mean_read(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
  %m = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x4xf32>
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%m[batch, channel] : tensor<2x4xf32>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %c = complex.create %p, %p : complex<f32>
    bfly.yield %c : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y, %m : tensor<2x8x4xf32>, tensor<2x4xf32>
}

// -----

// A bin past the middle is read at its mirror image.
// CHECK-LABEL: func @mirror_bin
// CHECK: %[[F:.*]] = bfly.fft %{{.*}} -> tensor<2x5x4xcomplex<f32>>
// CHECK: bfly.bin %[[F]][3] factor(1.000000e+00) : tensor<2x5x4xcomplex<f32>>
func.func @mirror_bin(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %m = bfly.bin %f[5] factor(1.0) : tensor<2x8x4xcomplex<f32>> -> tensor<2x4xf32>
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.mul %bin, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y, %m : tensor<2x8x4xf32>, tensor<2x4xf32>
}

// -----

// Without modReLU FFTNet's layer is a product: no transform, and the mean stays
// a mean.
// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$C:.*]] = affine_map<(d0, d1, d2) -> (d2)>
// CHECK-DAG: #[[$BC:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-LABEL: func @constant_filter
// CHECK-SAME: (%[[X:.*]]: tensor<?x8x4xbf16>, %[[W:.*]]: tensor<4xbf16>)
// CHECK: %[[M:.*]] = bfly.mean %[[X]]
// CHECK-NOT: bfly.fft
// CHECK: %[[Y:.*]] = linalg.generic
// CHECK-SAME: indexing_maps = [#[[$ALL]], #[[$C]], #[[$BC]], #[[$ALL]]]
// CHECK-SAME: ins(%[[X]], %[[W]], %[[M]] : tensor<?x8x4xbf16>, tensor<4xbf16>, tensor<?x4xbf16>)
// CHECK-NEXT: ^bb0(%[[XE:.*]]: bf16, %[[WE:.*]]: bf16, %[[ME:.*]]: bf16, %{{.*}}: bf16):
// CHECK-DAG: %[[WF:.*]] = arith.extf %[[WE]] : bf16 to f32
// CHECK-DAG: %[[MF:.*]] = arith.extf %[[ME]] : bf16 to f32
// CHECK-DAG: %[[S:.*]] = arith.addf %[[WF]], %[[MF]] : f32
// CHECK-DAG: %[[XF:.*]] = arith.extf %[[XE]] : bf16 to f32
// CHECK: %[[P:.*]] = arith.mulf %[[XF]], %[[S]] : f32
// CHECK: %[[T:.*]] = arith.truncf %[[P]] : f32 to bf16
// CHECK: linalg.yield %[[T]]
// CHECK-NOT: bfly.
// CHECK: return %[[Y]]
func.func @constant_filter(%x: tensor<?x8x4xbf16>, %w: tensor<4xbf16>) -> tensor<?x8x4xbf16> {
  %m = bfly.mean %x : tensor<?x8x4xbf16> -> tensor<?x4xbf16>
  %f = bfly.fft %x : tensor<?x8x4xbf16> -> tensor<?x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%w[channel] : tensor<4xbf16>, %m[batch, channel] : tensor<?x4xbf16>) tokens(8) : tensor<?x8x4xcomplex<f32>> -> tensor<?x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %we: f32, %me: f32):
    %zero = arith.constant 0.0 : f32
    %s = arith.addf %we, %me : f32
    %c = complex.create %s, %zero : complex<f32>
    %r = complex.mul %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<?x8x4xcomplex<f32>> -> tensor<?x8x4xbf16>
  return %y : tensor<?x8x4xbf16>
}

// -----

// The real part of a complex factor is what a real result sees of it; other
// parameters of the map are not read.
// CHECK-LABEL: func @complex_factor
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<2x8x4xf32>, tensor<4xcomplex<f32>>)
// CHECK: %[[R:.*]] = complex.re
// CHECK: arith.mulf %{{.*}}, %[[R]]
func.func @complex_factor(%x: tensor<2x8x4xf32>, %c: tensor<4xcomplex<f32>>, %p: tensor<8xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%c[channel] : tensor<4xcomplex<f32>>, %p[bin] : tensor<8xf32>) tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %ce: complex<f32>, %pk: f32):
    %r = complex.mul %ce, %bin : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// CHECK-LABEL: func @identity
// CHECK-SAME: (%[[X:.*]]: tensor<2x8x4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @identity(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// Of half a spectrum a complex factor turns the phases; a real one, or the
// Hermitian part of a complex one, is a product.
// CHECK-LABEL: func @complex_factor_of_half
// CHECK: bfly.fft
// CHECK: bfly.ifft
func.func @complex_factor_of_half(%x: tensor<2x8x4xf32>, %w: tensor<4xcomplex<f32>>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%w[channel] : tensor<4xcomplex<f32>>) tokens(8)
      : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: complex<f32>):
    %r = complex.mul %bin, %p : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// CHECK-LABEL: func @hermitian_factor_of_half
// CHECK-NOT: bfly.fft
// CHECK: linalg.generic
func.func @hermitian_factor_of_half(%x: tensor<2x8x4xf32>, %w: tensor<4xcomplex<f32>>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%w[channel] : tensor<4xcomplex<f32>>) tokens(8) hermitian
      : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: complex<f32>):
    %r = complex.mul %bin, %p : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// CHECK-LABEL: func @real_factor_of_half
// CHECK-NOT: bfly.fft
// CHECK: linalg.generic
func.func @real_factor_of_half(%x: tensor<2x8x4xf32>, %w: tensor<4xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%w[channel] : tensor<4xf32>) tokens(8)
      : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %zero = arith.constant 0.0 : f32
    %c = complex.create %p, %zero : complex<f32>
    %r = complex.mul %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}
