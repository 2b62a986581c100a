// RUN: bfly-opt %s -split-input-file -bfly-convert-network-to-schedule | FileCheck %s
// RUN: bfly-opt %s -split-input-file -bfly-convert-network-to-schedule="remarks=true" -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: bfly-opt %s -split-input-file -bfly-convert-network-to-schedule=fuse=false | FileCheck %s --check-prefix=APART

// FFTNet's filter: transform, context from bin 0, its dense layers, the map and
// the inverse are one kernel, and there is no other.
// CHECK-LABEL: func @fftnet
// CHECK-SAME: (%[[X:.*]]: tensor<?x8x4xf32>, %[[W1:.*]]: tensor<6x4xf32>, %[[W2:.*]]: tensor<4x6xf32>, %[[B:.*]]: tensor<4xf32>)
// CHECK-COUNT-1: bfly.kernel
// CHECK-SAME: "spectral_filter" (%[[KX:.*]] = %[[X]], %[[KW1:.*]] = %[[W1]], %[[KW2:.*]] = %[[W2]], %[[KB:.*]] = %[[B]]) : (tensor<?x8x4xf32>, tensor<6x4xf32>, tensor<4x6xf32>, tensor<4xf32>) -> tensor<?x8x4xf32> {
// CHECK-NEXT: %[[F:.*]] = bfly.fft %[[KX]]
// CHECK-NEXT: %[[M:.*]] = bfly.bin %[[F]][0]
// CHECK-NEXT: %[[H:.*]] = bfly.linear %[[M]], %[[KW1]] relu
// CHECK-NEXT: %[[D:.*]] = bfly.linear %[[H]], %[[KW2]] bias(%[[KB]]
// CHECK-NEXT: %[[A:.*]] = bfly.spectrum_map %[[F]] params(%[[D]][batch, channel]
// CHECK: %[[Y:.*]] = bfly.ifft %[[A]]
// CHECK-NEXT: bfly.yield %[[Y]]
// CHECK-NOT: bfly.kernel
// CHECK: return
// APART-LABEL: func @fftnet
// APART: bfly.kernel "fft"
// APART: bfly.kernel "bin"
// APART: bfly.kernel "linear"
// APART: bfly.kernel "linear"
// APART: bfly.kernel "spectrum_map"
// APART: bfly.kernel "ifft"
func.func @fftnet(%x: tensor<?x8x4xf32>, %w1: tensor<6x4xf32>, %w2: tensor<4x6xf32>, %b: tensor<4xf32>) -> tensor<?x8x4xf32> {
  %f = bfly.fft %x : tensor<?x8x4xf32> -> tensor<?x5x4xcomplex<f32>>
  %m = bfly.bin %f[0] factor(0.125) : tensor<?x5x4xcomplex<f32>> -> tensor<?x4xf32>
  %h = bfly.linear %m, %w1 relu : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>
  %d = bfly.linear %h, %w2 bias(%b : tensor<4xf32>) : tensor<?x6xf32>, tensor<4x6xf32> -> tensor<?x4xf32>
  %a = bfly.spectrum_map %f params(%d[batch, channel] : tensor<?x4xf32>) tokens(8) : tensor<?x5x4xcomplex<f32>> -> tensor<?x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %zero = arith.constant 0.0 : f32
    %c = complex.create %p, %zero : complex<f32>
    %r = complex.mul %bin, %c : complex<f32>
    bfly.yield %r : complex<f32>
  }
  %y = bfly.ifft %a : tensor<?x5x4xcomplex<f32>> -> tensor<?x8x4xf32>
  return %y : tensor<?x8x4xf32>
}

// -----

// The mean of what is transformed belongs in the kernel too, and so does
// arithmetic on the context; a splat is made again inside. A layer norm has a
// kernel of its own.
// CHECK-LABEL: func @mean
// CHECK: %[[U:.*]] = bfly.kernel "layer_norm" (%{{.*}} = %{{.*}}) : (tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
// CHECK: bfly.kernel "spectral_filter" (%[[KU:.*]] = %[[U]]) : (tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
// CHECK-DAG: %[[HALF:.*]] = arith.constant dense<5.000000e-01>
// CHECK-DAG: %[[M:.*]] = bfly.mean %[[KU]]
// CHECK: %[[S:.*]] = arith.mulf %[[M]], %[[HALF]]
// CHECK: bfly.fft %[[KU]]
// CHECK: bfly.spectrum_map %{{.*}} params(%[[S]][batch, channel]
// CHECK: bfly.ifft
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @mean(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %u = bfly.layer_norm %x epsilon(1.0e-5) : tensor<2x8x4xf32>
  %half = arith.constant dense<0.5> : tensor<2x4xf32>
  %m = bfly.mean %u : tensor<2x8x4xf32> -> tensor<2x4xf32>
  %s = arith.mulf %m, %half : tensor<2x4xf32>
  %f = bfly.fft %u : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%s[batch, channel] : tensor<2x4xf32>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %c = complex.create %p, %p : complex<f32>
    bfly.yield %c : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// A mean that is used elsewhere stays outside, with what only it makes; the
// filter is one kernel all the same.
// CHECK-LABEL: func @mean_shared
// CHECK: %[[M:.*]] = bfly.kernel "mean"
// CHECK: %[[Y:.*]] = bfly.kernel "spectral_filter" (%{{.*}} = %{{.*}}, %{{.*}} = %[[M]])
// CHECK: return %[[Y]], %[[M]]
func.func @mean_shared(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
  %m = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x4xf32>
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %a = bfly.spectrum_map %f params(%m[batch, channel] : tensor<2x4xf32>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %c = complex.create %p, %p : complex<f32>
    bfly.yield %c : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y, %m : tensor<2x8x4xf32>, tensor<2x4xf32>
}

// -----

// FNet: the real part of a transform needs no inverse.
// CHECK-LABEL: func @real_part
// CHECK-COUNT-1: bfly.kernel "spectral_filter"
// CHECK: bfly.fft
// CHECK: bfly.spectrum_map
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @real_part(%x: tensor<2x8x4xcomplex<f32>>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>>
  %y = bfly.spectrum_map %f tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.re %bin : complex<f32>
    bfly.yield %r : f32
  }
  return %y : tensor<2x8x4xf32>
}

// -----

// A spectrum that is also a result cannot stay inside one kernel.
// CHECK-LABEL: func @spectrum_used
// CHECK: bfly.kernel "fft"
// CHECK: bfly.unfused = "the spectrum is also used by 'func.return'"
// CHECK: bfly.kernel "ifft"
// REMARK: remark: not fused: the spectrum is also used by 'func.return'
func.func @spectrum_used(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x5x4xcomplex<f32>>) {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %y = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y, %f : tensor<2x8x4xf32>, tensor<2x5x4xcomplex<f32>>
}

// -----

// CHECK-LABEL: func @two_filters
// CHECK-COUNT-3: bfly.kernel
// REMARK: remark: not fused: the spectrum is filtered in two ways
func.func @two_filters(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x8x4xf32>) {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %y = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  %z = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y, %z : tensor<2x8x4xf32>, tensor<2x8x4xf32>
}

// -----

// The context goes through an operation that no kernel can hold.
// CHECK-LABEL: func @context_elsewhere
// CHECK: bfly.kernel "fft"
// CHECK: bfly.kernel "bin"
// CHECK: bfly.kernel "spectrum_map"
// CHECK: bfly.kernel "ifft"
// REMARK: remark: not fused: the result of 'bfly.bin' is also used outside the filter
func.func @context_elsewhere(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %m = bfly.bin %f[0] factor(0.125) : tensor<2x5x4xcomplex<f32>> -> tensor<2x4xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %t = linalg.exp ins(%m : tensor<2x4xf32>) outs(%e : tensor<2x4xf32>) -> tensor<2x4xf32>
  %a = bfly.spectrum_map %f params(%t[batch, channel] : tensor<2x4xf32>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %p: f32):
    %c = complex.create %p, %p : complex<f32>
    bfly.yield %c : complex<f32>
  }
  %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// -----

// All stages of an attention, its folded weights, padding, casts and cut; two
// attentions in a row are two kernels.
// CHECK-LABEL: func @attention
// CHECK-SAME: (%[[X:.*]]: tensor<?x3x4xbf16>, %[[W:.*]]: tensor<1x4x4xbf16>)
// CHECK-COUNT-1: bfly.kernel
// CHECK-SAME: "butterfly_attention" (%[[KW:.*]] = %[[W]], %[[KX:.*]] = %[[X]]) : (tensor<1x4x4xbf16>, tensor<?x3x4xbf16>) -> tensor<?x3x4xbf16> {
// CHECK-DAG: arith.constant 0 : index
// CHECK-DAG: arith.constant 0.000000e+00 : bf16
// CHECK-DAG: tensor.dim %[[KX]]
// CHECK-DAG: bfly.fold_weights %[[KW]], %[[KW]]
// CHECK: tensor.pad %[[KX]]
// CHECK: arith.extf
// CHECK-COUNT-2: bfly.attention_stage
// CHECK: arith.truncf
// CHECK: tensor.extract_slice
// CHECK-NEXT: bfly.yield
// CHECK-NOT: bfly.kernel
// CHECK: return
// APART-LABEL: func @attention
// APART: bfly.kernel "fold_weights"
// APART: tensor.pad
// APART: bfly.kernel "attention_stage"
// APART: bfly.kernel "attention_stage"
// APART: tensor.extract_slice
func.func @attention(%x: tensor<?x3x4xbf16>, %w: tensor<1x4x4xbf16>) -> tensor<?x3x4xbf16> {
  %zero = arith.constant 0.0 : bf16
  %m = bfly.fold_weights %w, %w : tensor<1x4x4xbf16> -> tensor<1x4x4xf32>
  %p = tensor.pad %x low[0, 0, 0] high[0, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : bf16
  } : tensor<?x3x4xbf16> to tensor<?x4x4xbf16>
  %v0 = arith.extf %p : tensor<?x4x4xbf16> to tensor<?x4x4xf32>
  %v1 = bfly.attention_stage %v0 weights(%m : tensor<1x4x4xf32>) stage(0) heads(1) scale(0.5) folded : tensor<?x4x4xf32>
  %v2 = bfly.attention_stage %v1 weights(%m : tensor<1x4x4xf32>) stage(1) heads(1) scale(0.5) folded : tensor<?x4x4xf32>
  %t = arith.truncf %v2 : tensor<?x4x4xf32> to tensor<?x4x4xbf16>
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x3x4xbf16>
  %y = tensor.extract_slice %t[0, 0, 0] [%d, 3, 4] [1, 1, 1] : tensor<?x4x4xbf16> to tensor<?x3x4xbf16>
  return %y : tensor<?x3x4xbf16>
}

// -----

// CHECK-LABEL: func @two_attentions
// CHECK-COUNT-2: bfly.kernel "butterfly_attention"
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @two_attentions(%x: tensor<2x2x4xf32>, %w: tensor<1x4x4xf32>) -> tensor<2x2x4xf32> {
  %y = bfly.attention_stage %x weights(%w, %w : tensor<1x4x4xf32>, tensor<1x4x4xf32>) stage(0) heads(1) scale(0.5) chained : tensor<2x2x4xf32>
  %z = bfly.attention_stage %y weights(%w, %w : tensor<1x4x4xf32>, tensor<1x4x4xf32>) stage(0) heads(1) scale(0.5) chained : tensor<2x2x4xf32>
  return %z : tensor<2x2x4xf32>
}

// -----

// A state that is used between the stages parts them.
// CHECK-LABEL: func @state_used
// CHECK: bfly.kernel "butterfly_attention"
// CHECK: bfly.unfused = "the state after stage 0 is also used by 'func.return'"
// CHECK: bfly.kernel "butterfly_attention"
// REMARK: remark: not fused: the state after stage 0 is also used by 'func.return'
func.func @state_used(%x: tensor<2x4x4xf32>, %w: tensor<1x4x4xf32>) -> (tensor<2x4x4xf32>, tensor<2x4x4xf32>) {
  %y = bfly.attention_stage %x weights(%w, %w : tensor<1x4x4xf32>, tensor<1x4x4xf32>) stage(0) heads(1) scale(0.5) chained : tensor<2x4x4xf32>
  %z = bfly.attention_stage %y weights(%w, %w : tensor<1x4x4xf32>, tensor<1x4x4xf32>) stage(1) heads(1) scale(0.5) chained : tensor<2x4x4xf32>
  return %y, %z : tensor<2x4x4xf32>, tensor<2x4x4xf32>
}

// -----

// A constant that is no splat is an operand; what nobody uses goes.
// CHECK-LABEL: func @constant
// CHECK: %[[W:.*]] = arith.constant dense<{{\[}}[
// CHECK-COUNT-1: bfly.kernel "linear" (%{{.*}} = %{{.*}}, %{{.*}} = %[[W]])
// CHECK-NOT: bfly.kernel
// CHECK-NOT: bfly.mean
// CHECK: return
func.func @constant(%x: tensor<3x2x2xf32>) -> tensor<3x2x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = bfly.linear %x, %w : tensor<3x2x2xf32>, tensor<2x2xf32> -> tensor<3x2x2xf32>
  %m = bfly.mean %x : tensor<3x2x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2x2xf32>
}

// -----

// What is no network stays as it is.
// CHECK-LABEL: func @affine_level
// CHECK-NOT: bfly.kernel
// CHECK: bfly.rotate
// CHECK-NOT: bfly.kernel
// CHECK: return
func.func @affine_level(%a: f32) -> (f32, f32) {
  %r, %i = bfly.rotate %a, %a by 1 of 3 : f32
  return %r, %i : f32, f32
}

// -----

// Bins that are read as those of other tokens are another transform's.
// CHECK-LABEL: func @resample
// CHECK: bfly.kernel "fft"
// CHECK-NEXT: bfly.fft
// CHECK: bfly.kernel "ifft"
// CHECK-NEXT: bfly.ifft
func.func @resample(%x: tensor<2x8x4xf32>) -> tensor<2x9x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %y = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x9x4xf32>
  return %y : tensor<2x9x4xf32>
}

// -----

// Two transforms, a map of both, its sums and the inverse of its bins are one kernel, that of a filter's derivative; what
// adds up the sums is not in it.
// CHECK-LABEL: func @two_spectra
// CHECK-SAME: (%[[G:.*]]: tensor<?x8x4xf32>, %[[X:.*]]: tensor<?x8x4xf32>)
// CHECK-COUNT-1: bfly.kernel
// CHECK-SAME: "spectral_filter" (%[[KG:.*]] = %[[G]], %[[KX:.*]] = %[[X]]) : (tensor<?x8x4xf32>, tensor<?x8x4xf32>) -> (tensor<?x8x4xf32>, tensor<?x4xf32>) {
// CHECK-NEXT: %[[Y:.*]] = bfly.fft %[[KG]]
// CHECK-NEXT: %[[F:.*]] = bfly.fft %[[KX]]
// CHECK-NEXT: %[[P:.*]], %[[S:.*]] = bfly.spectrum_map %[[Y]] params(%[[F]][batch, bin, channel]
// CHECK: %[[R:.*]] = bfly.ifft %[[P]]
// CHECK-NEXT: bfly.yield %[[R]], %[[S]]
// CHECK-NOT: bfly.kernel
// CHECK: arith.negf
func.func @two_spectra(%g: tensor<?x8x4xf32>, %x: tensor<?x8x4xf32>) -> (tensor<?x8x4xf32>, tensor<?x4xf32>) {
  %y = bfly.fft %g : tensor<?x8x4xf32> -> tensor<?x5x4xcomplex<f32>>
  %f = bfly.fft %x : tensor<?x8x4xf32> -> tensor<?x5x4xcomplex<f32>>
  %p, %s = bfly.spectrum_map %y params(%f[batch, bin, channel] : tensor<?x5x4xcomplex<f32>>) tokens(8)
      : tensor<?x5x4xcomplex<f32>> -> tensor<?x5x4xcomplex<f32>> sums(tensor<?x4xf32>) {
  ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
    %m = complex.mul %bin, %other : complex<f32>
    %r = complex.re %m : complex<f32>
    bfly.yield %m, %r : complex<f32>, f32
  }
  %o = bfly.ifft %p : tensor<?x5x4xcomplex<f32>> -> tensor<?x8x4xf32>
  %n = arith.negf %s : tensor<?x4xf32>
  return %o, %n : tensor<?x8x4xf32>, tensor<?x4xf32>
}

// -----

// A second spectrum that others read is in memory, and so are the bins beside it.
// CHECK-LABEL: func @second_used
// CHECK: bfly.kernel "fft"
// CHECK: bfly.unfused = "the second spectrum is also used by 'func.return'"
// CHECK: bfly.kernel "fft"
// CHECK: bfly.kernel "spectrum_map"
// CHECK: bfly.kernel "ifft"
// REMARK: remark: not fused: the second spectrum is also used by 'func.return'
func.func @second_used(%g: tensor<2x8x4xf32>, %x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x5x4xcomplex<f32>>) {
  %y = bfly.fft %g : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %p = bfly.spectrum_map %y params(%f[batch, bin, channel] : tensor<2x5x4xcomplex<f32>>) tokens(8)
      : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
    %m = complex.mul %bin, %other : complex<f32>
    bfly.yield %m : complex<f32>
  }
  %o = bfly.ifft %p : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %o, %f : tensor<2x8x4xf32>, tensor<2x5x4xcomplex<f32>>
}

// -----

// A kernel stands where its last operation does: a sum may not be read before.
// CHECK-LABEL: func @sum_used_before
// CHECK: bfly.kernel "fft"
// CHECK: bfly.unfused = "a sum over bins is used before the filter ends"
// CHECK: bfly.kernel "spectrum_map"
// CHECK: arith.negf
// CHECK: bfly.kernel "ifft"
func.func @sum_used_before(%x: tensor<2x8x4xf32>) -> (tensor<2x8x4xf32>, tensor<2x4xf32>) {
  %y = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %p, %s = bfly.spectrum_map %y tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<2x4xf32>) {
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    %r = complex.re %m : complex<f32>
    bfly.yield %m, %r : complex<f32>, f32
  }
  %n = arith.negf %s : tensor<2x4xf32>
  %o = bfly.ifft %p : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %o, %n : tensor<2x8x4xf32>, tensor<2x4xf32>
}
