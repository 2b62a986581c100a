// RUN: bfly-opt %s -split-input-file -verify-diagnostics

// Every diagnostic of every verifier, under the label of the constraint in the
// operation's description.

// bfly.spectral_filter --------------------------------------------------------

func.func @f(%x: tensor<2x?x4xf32>) {
  // expected-error @+1 {{(C1) only the first dimension may be dynamic: 'tensor<2x?x4xf32>'}}
  %y = bfly.spectral_filter %x : tensor<2x?x4xf32> -> tensor<2x?x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x0x4xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1: 'tensor<2x0x4xf32>'}}
  %y = bfly.spectral_filter %x : tensor<2x0x4xf32> -> tensor<2x0x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C1) input and result must have the same shape and compute type}}
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x3xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C1) input and result must have the same shape and compute type}}
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf64> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<4xf32>) {
  // expected-error @+1 {{(C2) needs one list of dimensions a parameter, got 0 for 1}}
  %y = "bfly.spectral_filter"(%x, %p) <{param_dims = []}> ({
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }) : (tensor<2x8x4xf32>, tensor<4xf32>) -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<4xf32>) {
  // expected-error @+1 {{(C2) parameter 0 of rank 1 needs as many dimension names}}
  %y = bfly.spectral_filter %x params(%p[batch, channel] : tensor<4xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<4x8xf32>) {
  // expected-error @+1 {{(C2) the dimensions of parameter 0 must be among batch, bin, channel, in that order}}
  %y = bfly.spectral_filter %x params(%p[channel, bin] : tensor<4x8xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<3xf32>) {
  // expected-error @+1 {{(C3) parameter 0 has 3 for dimension channel of 4}}
  %y = bfly.spectral_filter %x params(%p[channel] : tensor<3xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<5xf32>) {
  // expected-error @+1 {{(C3) parameter 0 has 5 for dimension bin of 8}}
  %y = bfly.spectral_filter %x params(%p[bin] : tensor<5xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<?xf32>) {
  // expected-error @+1 {{(C3) parameter 0 has a dynamic size for dimension channel}}
  %y = bfly.spectral_filter %x params(%p[channel] : tensor<?xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<4xf64>) {
  // expected-error @+1 {{(C4) parameter of type 'tensor<4xf64>' does not compute in 'f32'}}
  %y = bfly.spectral_filter %x params(%p[channel] : tensor<4xf64>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f64):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<4xf32>) {
  // expected-error @+1 {{(C4) the region must take ('complex<f32>', 'index', 'f32'), got ('complex<f32>', 'index')}}
  %y = bfly.spectral_filter %x params(%p[channel] : tensor<4xf32>) : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C5) the region must yield one 'complex<f32>'}}
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.re %bin : complex<f32>
    bfly.yield %r : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C5) the region must yield one 'complex<f32>'}}
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield
  }
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>) {
  // expected-error @+1 {{(C6) the number of elements of 'tensor<2x4611686018427387904x4xf32>' does not fit}}
  %y = bfly.spectral_filter %x : tensor<2x4611686018427387904x4xf32> -> tensor<2x4611686018427387904x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<1x576460752303423488x1xf32>) {
  // expected-error @+1 {{(C6) the number of elements of 'tensor<1x576460752303423488x1xf32>' does not fit}}
  %y = bfly.spectral_filter %x : tensor<1x576460752303423488x1xf32> -> tensor<1x576460752303423488x1xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    // expected-error @+1 {{(C7) cannot be in the region: only operations on scalars without side effects can}}
    %t = tensor.empty() : tensor<4xf32>
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func private @impure() -> f32
func.func @f(%x: tensor<2x8x4xf32>) {
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    // expected-error @+1 {{(C7) cannot be in the region: only operations on scalars without side effects can}}
    %v = func.call @impure() : () -> f32
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  %y = bfly.spectral_filter %x : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    // expected-error @+1 {{(C7) cannot be in the region: only operations on scalars without side effects can}}
    %e = scf.execute_region -> f32 {
      %z = arith.constant 0.0 : f32
      scf.yield %z : f32
    }
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %p: tensor<4xf32>) {
  // expected-error @+1 {{expected batch, bin or channel}}
  %y = bfly.spectral_filter %x params(%p[token] : tensor<4xf32>)
  return
}

// bfly.butterfly_attention ----------------------------------------------------

// -----

func.func @f(%x: tensor<2x8x?xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) only the first dimension may be dynamic}}
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : tensor<2x8x?xf32>, tensor<3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C2) heads must divide the 4 channels, got 3}}
  %y = bfly.butterfly_attention %x, %w, %w heads(3) : tensor<2x8x4xf32>, tensor<3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C2) heads must divide the 4 channels, got 0}}
  %y = bfly.butterfly_attention %x, %w, %w heads(0) : tensor<2x8x4xf32>, tensor<3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf64>) {
  // expected-error @+1 {{(C3) weights must be of the input's element type, got 'tensor<3x4x4xf64>'}}
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : tensor<2x8x4xf32>, tensor<3x4x4xf64>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x2xf32>) {
  // expected-error @+1 {{(C4) weights 'tensor<3x4x2xf32>' are none of (L, 4, 4), (L, 2, 2, 2) and (L, 2, 2)}}
  %y = bfly.butterfly_attention %x, %w, %w heads(2) : tensor<2x8x4xf32>, tensor<3x4x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<2x4x4xf32>) {
  // expected-error @+1 {{(C4) 8 tokens have 3 stages, but there are weights for 2}}
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : tensor<2x8x4xf32>, tensor<2x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C5) scale must be finite in 'f32', which it is computed in}}
  %y = bfly.butterfly_attention %x, %w, %w heads(1) scale(0x7FF0000000000000) : tensor<2x8x4xf32>, tensor<3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xbf16>, %w: tensor<3x4x4xbf16>) {
  // expected-error @+1 {{(C5) scale must be finite in 'f32', which it is computed in}}
  %y = bfly.butterfly_attention %x, %w, %w heads(1) scale(1.0e39) : tensor<2x8x4xbf16>, tensor<3x4x4xbf16>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C6) the number of elements of}}
  %y = bfly.butterfly_attention %x, %w, %w heads(1) : tensor<2x4611686018427387904x4xf32>, tensor<3x4x4xf32>
  return
}

// bfly.layer_norm -------------------------------------------------------------

// -----

func.func @f(%x: tensor<f32>) {
  // expected-error @+1 {{(C1) the input needs a dimension to normalise over}}
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x0xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1}}
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<2x0xf32>
  return
}

// -----

func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{(C1) the number of channels must be static}}
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<?xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<3xf32>) {
  // expected-error @+1 {{(C2) weight must be tensor<4x'f32'>, got 'tensor<3xf32>'}}
  %y = bfly.layer_norm %x weight(%w : tensor<3xf32>) epsilon(1.0e-5) : tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<4xf64>) {
  // expected-error @+1 {{(C2) bias must be tensor<4x'f32'>, got 'tensor<4xf64>'}}
  %y = bfly.layer_norm %x bias(%w : tensor<4xf64>) epsilon(1.0e-5) : tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{(C3) epsilon must be positive and finite}}
  %y = bfly.layer_norm %x epsilon(0.0) : tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4611686018427387904x4xf32>) {
  // expected-error @+1 {{(C4) the number of elements of}}
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<4611686018427387904x4xf32>
  return
}

// bfly.linear -----------------------------------------------------------------

// -----

func.func @f(%x: tensor<4xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{(C1) the input's rank must be at least 2, got 'tensor<4xf32>'}}
  %y = bfly.linear %x, %w : tensor<4xf32>, tensor<6x4xf32> -> tensor<6xf32>
  return
}

// -----

func.func @f(%x: tensor<2x?xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{(C1) only the first dimension may be dynamic}}
  %y = bfly.linear %x, %w : tensor<2x?xf32>, tensor<6x4xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<6x3xf32>) {
  // expected-error @+1 {{(C2) weight must be (out, 4) of 'f32', got 'tensor<6x3xf32>'}}
  %y = bfly.linear %x, %w : tensor<2x4xf32>, tensor<6x3xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<6x4xbf16>) {
  // expected-error @+1 {{(C2) weight must be (out, 4) of 'f32', got 'tensor<6x4xbf16>'}}
  %y = bfly.linear %x, %w : tensor<2x4xf32>, tensor<6x4xbf16> -> tensor<2x6xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{(C3) bias must be tensor<6x'f32'>, got 'tensor<4xf32>'}}
  %y = bfly.linear %x, %w bias(%b : tensor<4xf32>) : tensor<2x4xf32>, tensor<6x4xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{(C4) the result must be 'tensor<2x6xf32>', got 'tensor<2x4xf32>'}}
  %y = bfly.linear %x, %w : tensor<2x4xf32>, tensor<6x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<4611686018427387904x4xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{(C5) the number of elements of}}
  %y = bfly.linear %x, %w : tensor<4611686018427387904x4xf32>, tensor<6x4xf32> -> tensor<4611686018427387904x6xf32>
  return
}

// bfly.mean -------------------------------------------------------------------

// -----

func.func @f(%x: tensor<2x0x4xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1}}
  %y = bfly.mean %x : tensor<2x0x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C2) the result must be 'tensor<2x4xf32>', got 'tensor<2x8xf32>'}}
  %y = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>) {
  // expected-error @+1 {{(C3) the number of elements of}}
  %y = bfly.mean %x : tensor<2x4611686018427387904x4xf32> -> tensor<2x4xf32>
  return
}

// bfly.hadamard --------------------------------------------------------------

// -----

func.func @f(%x: tensor<2x?x4xf32>) {
  // expected-error @+1 {{(C1) only the first dimension may be dynamic}}
  %y = bfly.hadamard %x : tensor<2x?x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x12x4xf32>) {
  // expected-error @+1 {{(C2) the number of tokens must be a power of two, got 12}}
  %y = bfly.hadamard %x : tensor<2x12x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>) {
  // expected-error @+1 {{(C3) the number of elements of}}
  %y = bfly.hadamard %x : tensor<2x4611686018427387904x4xf32>
  return
}

// -----

// expected-error @below {{(P1) rows = 12: must be a power of two from 2 to 1048576}}
#part = #bfly.hadamard<rows = 12, channels = 4, radix = 2>

// -----

// expected-error @below {{(P2) channels = 0: must be from 1 to 1048576}}
#part = #bfly.hadamard<rows = 16, channels = 0, radix = 2>

// -----

// expected-error @below {{(P3) radix = 16: must be a power of two from 2 to 8}}
#part = #bfly.hadamard<rows = 8, channels = 4, radix = 16>

// bfly.fft and bfly.ifft ------------------------------------------------------

// -----

func.func @f(%x: tensor<2x?x4xf32>) {
  // expected-error @+1 {{(C1) only the first dimension may be dynamic}}
  %y = bfly.fft %x : tensor<2x?x4xf32> -> tensor<2x8x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1: 'tensor<2x0x4xcomplex<f32>>'}}
  %y = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x0x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C1) batch and channels must agree}}
  %y = bfly.fft %x : tensor<2x8x4xf32> -> tensor<3x8x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C2) 8 real tokens have 8 bins, or half of them 5, got 4}}
  %y = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x4x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xcomplex<f32>>) {
  // expected-error @+1 {{(C2) 8 complex tokens have 8 bins, got 5}}
  %y = bfly.fft %x : tensor<2x8x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xbf16>) {
  // expected-error @+1 {{(C3) the spectrum must be complex<'f32'>}}
  %y = bfly.fft %x : tensor<2x8x4xbf16> -> tensor<2x8x4xcomplex<f64>>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>) {
  // expected-error @+1 {{(C4) the number of elements of}}
  %y = bfly.fft %x : tensor<2x4611686018427387904x4xf32> -> tensor<2x4611686018427387904x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) batch and channels must agree}}
  %y = bfly.ifft %x : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x6x4xcomplex<f32>>) {
  // expected-error @+1 {{(C2) 8 real tokens have 8 bins, or half of them 5, got 6}}
  %y = bfly.ifft %x : tensor<2x6x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C2) 8 complex tokens have 8 bins, got 5}}
  %y = bfly.ifft %x : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xcomplex<f32>>) {
  // expected-error @+1 {{(C3) the spectrum must be complex<'f64'>}}
  %y = bfly.ifft %x : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf64>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xcomplex<f32>>) {
  // expected-error @+1 {{(C4) the number of elements of}}
  %y = bfly.ifft %x : tensor<2x4611686018427387904x4xcomplex<f32>> -> tensor<2x4611686018427387904x4xf32>
  return
}

// bfly.spectrum_map; (C2) to (C5) and (C7) share their checks with bfly.spectral_filter ---

// -----

func.func @f(%f: tensor<2x?x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) only the first dimension may be dynamic}}
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x?x4xcomplex<f32>> -> tensor<2x?x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) input and result must have the same shape}}
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>, %p: tensor<6xf32>) {
  // expected-error @+1 {{(C3) parameter 0 has 6 for dimension bin of 5}}
  %a = bfly.spectrum_map %f params(%p[bin] : tensor<6xf32>) tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>, %p: tensor<5xf32>) {
  // expected-error @+1 {{(C3) parameter 0 has 5 for dimension bin of 8}}
  %a = bfly.spectrum_map %f params(%p[bin] : tensor<5xf32>) tokens(8) hermitian : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index, %s: f32):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C5) the region yields 'complex<f32>', but the result is 'tensor<2x5x4xf32>'}}
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C5) the region yields 'f32', but the result is 'tensor<2x5x4xcomplex<f32>>'}}
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.re %bin : complex<f32>
    bfly.yield %r : f32
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C5) the region yields 'f32', but the result is 'tensor<2x5x4xf64>'}}
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xf64> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.re %bin : complex<f32>
    bfly.yield %r : f32
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C5) a hermitian map yields complex numbers}}
  %a = bfly.spectrum_map %f tokens(8) hermitian : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.re %bin : complex<f32>
    bfly.yield %r : f32
  }
  return
}

// -----

func.func @f(%f: tensor<2x4611686018427387904x4xcomplex<f32>>) {
  // expected-error @+1 {{(C6) the number of elements of}}
  %a = bfly.spectrum_map %f tokens(4611686018427387904) : tensor<2x4611686018427387904x4xcomplex<f32>> -> tensor<2x4611686018427387904x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C8) 5 bins are neither 7 nor half of them, 4}}
  %a = bfly.spectrum_map %f tokens(7) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C8) 5 bins are neither 0 nor half of them, 1}}
  %a = bfly.spectrum_map %f tokens(0) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C9) the region must yield a bin and 2 numbers for sums, got 1 after the bin}}
  %a:3 = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<2x4xf32>, tensor<2x4xf32>) {
  ^bb0(%bin: complex<f32>, %k: index):
    %r = complex.abs %bin : complex<f32>
    bfly.yield %bin, %r : complex<f32>, f32
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C9) the region must yield a bin and 0 numbers for sums, got 1 after the bin}}
  %a = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin, %bin : complex<f32>, complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C9) sum 0 must be (B, D) of 'f32' or complex, as the region yields, got 'tensor<2x4xf32>' of 'complex<f32>'}}
  %a:2 = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<2x4xf32>) {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin, %bin : complex<f32>, complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C9) sum 0 must be (B, D) of 'f32' or complex, as the region yields, got 'tensor<4x2xcomplex<f32>>' of 'complex<f32>'}}
  %a:2 = bfly.spectrum_map %f tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<4x2xcomplex<f32>>) {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin, %bin : complex<f32>, complex<f32>
  }
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C9) a hermitian map has no sums}}
  %a:2 = bfly.spectrum_map %f tokens(8) hermitian : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> sums(tensor<2x4xcomplex<f32>>) {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin, %bin : complex<f32>, complex<f32>
  }
  return
}

// bfly.bin --------------------------------------------------------------------

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) there is no bin 5 in}}
  %m = bfly.bin %f[5] factor(1.0) : tensor<2x5x4xcomplex<f32>> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) there is no bin -1 in}}
  %m = bfly.bin %f[-1] factor(1.0) : tensor<2x5x4xcomplex<f32>> -> tensor<2x4xf32>
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C2) the result must be (B, D) of a type that computes in 'f32', got 'tensor<2x5xf32>'}}
  %m = bfly.bin %f[0] factor(1.0) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C2) the result must be (B, D) of a type that computes in 'f32', got 'tensor<2x4xf64>'}}
  %m = bfly.bin %f[0] factor(1.0) : tensor<2x5x4xcomplex<f32>> -> tensor<2x4xf64>
  return
}

// -----

func.func @f(%f: tensor<2x5x4xcomplex<f32>>) {
  // expected-error @+1 {{(C3) factor must be finite}}
  %m = bfly.bin %f[0] factor(0x7FF8000000000000) : tensor<2x5x4xcomplex<f32>> -> tensor<2x4xf32>
  return
}

// bfly.fold_weights -----------------------------------------------------------

// -----

func.func @f(%w: tensor<4x4xf32>) {
  // expected-error @+1 {{(C1) weights must be static square matrices, of rank 3 or 4}}
  %m = bfly.fold_weights %w, %w : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @f(%w: tensor<2x4x3xf32>) {
  // expected-error @+1 {{(C1) weights must be static square matrices, of rank 3 or 4}}
  %m = bfly.fold_weights %w, %w : tensor<2x4x3xf32> -> tensor<2x4x3xf32>
  return
}

// -----

func.func @f(%w: tensor<?x4x4xf32>) {
  // expected-error @+1 {{(C1) weights must be static square matrices, of rank 3 or 4}}
  %m = bfly.fold_weights %w, %w : tensor<?x4x4xf32> -> tensor<?x4x4xf32>
  return
}

// -----

func.func @f(%w: tensor<4611686018427387904x4x4xf32>) {
  // expected-error @+1 {{(C1) the number of elements of}}
  %m = bfly.fold_weights %w, %w : tensor<4611686018427387904x4x4xf32> -> tensor<4611686018427387904x4x4xf32>
  return
}

// -----

func.func @f(%w: tensor<2x4x4xbf16>) {
  // expected-error @+1 {{(C2) the result must have the weights' shape, of their compute type, got 'tensor<2x4x4xbf16>'}}
  %m = bfly.fold_weights %w, %w : tensor<2x4x4xbf16> -> tensor<2x4x4xbf16>
  return
}

// bfly.project ----------------------------------------------------------------

// -----

func.func @f(%x: tensor<2x0x4xf32>, %w: tensor<1x2x2xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1}}
  %r = bfly.project %x, %w heads(2) : tensor<2x0x4xf32>, tensor<1x2x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<1x2x2xf32>) {
  // expected-error @+1 {{(C2) heads must divide the 4 channels, got 3}}
  %r = bfly.project %x, %w heads(3) : tensor<2x8x4xf32>, tensor<1x2x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<1x4x4xf32>) {
  // expected-error @+1 {{(C3) the matrix must be (1, 2, 2, 2) or (1, 2, 2) of 'f32', got 'tensor<1x4x4xf32>'}}
  %r = bfly.project %x, %w heads(2) : tensor<2x8x4xf32>, tensor<1x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x2x2xf32>) {
  // expected-error @+1 {{(C3) the matrix must be (1, 2, 2, 2) or (1, 2, 2) of 'f32', got 'tensor<3x2x2xf32>'}}
  %r = bfly.project %x, %w heads(2) : tensor<2x8x4xf32>, tensor<3x2x2xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<1x2x2xbf16>) {
  // expected-error @+1 {{(C3) the matrix must be (1, 2, 2, 2) or (1, 2, 2) of 'f32', got 'tensor<1x2x2xbf16>'}}
  %r = bfly.project %x, %w heads(2) : tensor<2x8x4xf32>, tensor<1x2x2xbf16>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>, %w: tensor<1x2x2xf32>) {
  // expected-error @+1 {{(C4) the number of elements of}}
  %r = bfly.project %x, %w heads(2) : tensor<2x4611686018427387904x4xf32>, tensor<1x2x2xf32>
  return
}

// bfly.attention_stage --------------------------------------------------------

// -----

func.func @f(%x: tensor<2x8x0xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x8x0xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4611686018427387904x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) the number of elements of}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x4611686018427387904x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x6x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) the number of tokens must be a power of two, got 6}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x6x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C2) heads must divide the 4 channels, got 3}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(3) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C3) 8 tokens have 3 stages, got stage 3}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(3) heads(1) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C3) 8 tokens have 3 stages, got stage -1}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(-1) heads(1) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C4) chained takes 2 weights, got 1}}
  %y = bfly.attention_stage %x weights(%w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) chained : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C4) folded takes 1 weights, got 2}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) folded : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C4) carried takes 0 weights, got 1}}
  %y = bfly.attention_stage %x weights(%w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) carried : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>, %u: tensor<1x4x4xf32>) {
  // expected-error @+1 {{(C4) query and key weights must have one type}}
  %y = bfly.attention_stage %x weights(%w, %u : tensor<3x4x4xf32>, tensor<1x4x4xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf64>) {
  // expected-error @+1 {{(C4) weights 'tensor<3x4x4xf64>' do not compute in 'f32'}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf64>, tensor<3x4x4xf64>) stage(0) heads(1) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x3x3xf32>) {
  // expected-error @+1 {{(C5) weights 'tensor<3x3x3xf32>' are none of (L, 4, 4), (L, 2, 2, 2) and (L, 2, 2)}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x3x3xf32>, tensor<3x3x3xf32>) stage(0) heads(2) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<2x4x4xf32>) {
  // expected-error @+1 {{(C5) there are weights for 2 stages, but none for stage 2}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<2x4x4xf32>, tensor<2x4x4xf32>) stage(2) heads(1) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C6) folded scores need one head or weights per head}}
  %y = bfly.attention_stage %x weights(%w : tensor<3x4x4xf32>) stage(0) heads(2) scale(1.0) folded : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C7) an image and its result, of the state's type, go with carried scores and with no others}}
  %y = bfly.attention_stage %x stage(0) heads(1) scale(1.0) carried : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>, %i: tensor<2x8x4xf32>) {
  // expected-error @+1 {{(C7) an image and its result, of the state's type, go with carried scores and with no others}}
  %y:2 = bfly.attention_stage %x image(%i : tensor<2x8x4xf32> -> tensor<2x8x4xf32>) weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) definition : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>, %i: tensor<2x8x4xf64>) {
  // expected-error @+1 {{(C7) an image and its result, of the state's type, go with carried scores and with no others}}
  %y:2 = bfly.attention_stage %x image(%i : tensor<2x8x4xf64> -> tensor<2x8x4xf64>) stage(0) heads(1) scale(1.0) carried : tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C8) scale must be finite in 'f32', which it is computed in}}
  %y = bfly.attention_stage %x weights(%w, %w : tensor<3x4x4xf32>, tensor<3x4x4xf32>) stage(0) heads(1) scale(0x7FF0000000000000) definition : tensor<2x8x4xf32>
  return
}

// bfly.attention_stage_backward -----------------------------------------------

// -----

func.func @f(%v: tensor<2x8x0xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) : tensor<2x8x0xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x4611686018427387904x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) the number of elements of}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) : tensor<2x4611686018427387904x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x6x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) the number of tokens must be a power of two, got 6}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) : tensor<2x6x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x4x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) the gradients must have the shape and the compute type of the state, got 'tensor<2x4x4xf32>'}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) : tensor<2x8x4xf32>, tensor<2x4x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C1) the gradients must have the shape and the compute type of the state, got 'tensor<2x8x4xf64>'}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(1) scale(1.0) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf64>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C2) heads must divide the 4 channels, got 3}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(3) scale(1.0) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C3) 8 tokens have 3 stages, got stage 3}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(3) heads(1) scale(1.0) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf64>) {
  // expected-error @+1 {{(C4) weights 'tensor<3x4x4xf64>' do not compute in 'f32'}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf64>) stage(0) heads(1) scale(1.0) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x3x3xf32>) {
  // expected-error @+1 {{(C5) weights 'tensor<3x3x3xf32>' are none of (L, 4, 4), (L, 2, 2, 2) and (L, 2, 2)}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x3x3xf32>) stage(0) heads(2) scale(1.0) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<2x4x4xf32>) {
  // expected-error @+1 {{(C5) there are weights for 2 stages, but none for stage 2}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<2x4x4xf32>) stage(2) heads(1) scale(1.0) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// -----

func.func @f(%v: tensor<2x8x4xf32>, %g: tensor<2x8x4xf32>, %w: tensor<3x4x4xf32>) {
  // expected-error @+1 {{(C6) scale must be finite in 'f32', which it is computed in}}
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x4x4xf32>) stage(0) heads(1) scale(0x7FF0000000000000) : tensor<2x8x4xf32>, tensor<2x8x4xf32> -> tensor<2x8x4xf32>
  return
}

// bfly.row_product ------------------------------------------------------------

// -----

func.func @f(%a: tensor<4xf32>, %b: tensor<6xf32>) {
  // expected-error @+1 {{(C1) a and b must be of one element type and agree in all dimensions but the last of at least 2, got 'tensor<4xf32>' and 'tensor<6xf32>'}}
  %y = bfly.row_product %a, %b : tensor<4xf32>, tensor<6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xf32>, %b: tensor<16x6xf32>) {
  // expected-error @+1 {{(C1) a and b must be of one element type and agree in all dimensions but the last of at least 2, got 'tensor<2x8x4xf32>' and 'tensor<16x6xf32>'}}
  %y = bfly.row_product %a, %b : tensor<2x8x4xf32>, tensor<16x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xf32>, %b: tensor<2x8x6xbf16>) {
  // expected-error @+1 {{(C1) a and b must be of one element type and agree in all dimensions but the last of at least 2, got 'tensor<2x8x4xf32>' and 'tensor<2x8x6xbf16>'}}
  %y = bfly.row_product %a, %b : tensor<2x8x4xf32>, tensor<2x8x6xbf16> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xf32>, %b: tensor<2x7x6xf32>) {
  // expected-error @+1 {{(C1) a and b must be of one element type and agree in all dimensions but the last of at least 2, got 'tensor<2x8x4xf32>' and 'tensor<2x7x6xf32>'}}
  %y = bfly.row_product %a, %b : tensor<2x8x4xf32>, tensor<2x7x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x0xf32>, %b: tensor<2x8x6xf32>) {
  // expected-error @+1 {{(C1) sizes must be at least 1}}
  %y = bfly.row_product %a, %b : tensor<2x8x0xf32>, tensor<2x8x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x4611686018427387904x4xf32>, %b: tensor<2x4611686018427387904x6xf32>) {
  // expected-error @+1 {{(C4) the number of elements of}}
  %y = bfly.row_product %a, %b : tensor<2x4611686018427387904x4xf32>, tensor<2x4611686018427387904x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xf32>, %b: tensor<2x8x6xf32>) {
  // expected-error @+1 {{(C2) heads must divide 4 and 6, got 4}}
  %y = bfly.row_product %a, %b heads(4) : tensor<2x8x4xf32>, tensor<2x8x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xf32>, %b: tensor<2x8x6xf32>) {
  // expected-error @+1 {{(C2) heads must divide 4 and 6, got 0}}
  %y = bfly.row_product %a, %b heads(0) : tensor<2x8x4xf32>, tensor<2x8x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xf32>, %b: tensor<2x8x6xf32>) {
  // expected-error @+1 {{(C3) the result must be 'tensor<2x2x3xf32>', or of 'f32', got 'tensor<4x6xf32>'}}
  %y = bfly.row_product %a, %b heads(2) : tensor<2x8x4xf32>, tensor<2x8x6xf32> -> tensor<4x6xf32>
  return
}

// -----

func.func @f(%a: tensor<2x8x4xbf16>, %b: tensor<2x8x6xbf16>) {
  // expected-error @+1 {{(C3) the result must be 'tensor<4x6xf32>', or of 'bf16', got 'tensor<4x6xf16>'}}
  %y = bfly.row_product %a, %b : tensor<2x8x4xbf16>, tensor<2x8x6xbf16> -> tensor<4x6xf16>
  return
}

// bfly.kernel -----------------------------------------------------------------

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C1) the block's arguments must have the types of the operands}}
  "bfly.kernel"(%x) <{name = "k"}> ({
  ^bb0(%a: tensor<3xf32>):
    bfly.yield
  }) : (tensor<4xf32>) -> ()
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) the yielded values must have the types of the results}}
  %y = bfly.kernel "k" (%a = %x) : (tensor<4xf32>) -> tensor<3xf32> {
    bfly.yield %a : tensor<4xf32>
  }
  return
}

// -----

func.func @f(%x: tensor<4xf32>, %m: memref<4xf32>) {
  // expected-error @+1 {{(C3) operands and results are all tensors, or operands are buffers and there is no result}}
  bfly.kernel "k" (%a = %x, %b = %m) : (tensor<4xf32>, memref<4xf32>) {
  }
  return
}

// -----

func.func @f(%t: tensor<4xf32>, %m: memref<4xf32>) {
  // expected-error @+1 {{(C3) operands and results are all tensors, or operands are buffers and there is no result}}
  %y = bfly.kernel "k" (%b = %m) : (memref<4xf32>) -> tensor<4xf32> {
    %c = bufferization.to_tensor %b : memref<4xf32> to tensor<4xf32>
    bfly.yield %c : tensor<4xf32>
  }
  return
}

// -----

func.func @f(%m: memref<4xf32>) {
  // expected-error @+1 {{expected 1 operand types, got 2}}
  bfly.kernel "k" (%b = %m) : (memref<4xf32>, f32) {
  }
  return
}

// -----

func.func @kernel_in_kernel(%x: tensor<4x8x4xf32>) -> tensor<4x8x4xf32> {
  %y = bfly.kernel "k" (%a = %x) : (tensor<4x8x4xf32>) -> tensor<4x8x4xf32> {
    // expected-error @+1 {{(C4) a kernel cannot be in another kernel}}
    %z = bfly.kernel "k" (%b = %a) : (tensor<4x8x4xf32>) -> tensor<4x8x4xf32> {
      bfly.yield %b : tensor<4x8x4xf32>
    }
    bfly.yield %z : tensor<4x8x4xf32>
  }
  return %y : tensor<4x8x4xf32>
}

// #bfly.plan ------------------------------------------------------------------

// -----

// The parts of plans --------------------------------------------------------

// expected-error @below {{(P1) channels = 0: must be from 1 to 1048576}}
#part = #bfly.cpu_transform<channels = 0, radices = [], groups = []>

// -----

// expected-error @below {{(P2) a radix of radices = 1: must be from 2 to 64}}
#part = #bfly.cpu_transform<channels = 16, radices = [8, 1], groups = [<0 to 1 in slab>]>

// -----

// expected-error @below {{(P2) a radix of radices = 65: must be from 2 to 64}}
#part = #bfly.cpu_transform<channels = 16, radices = [65], groups = [<0 to 0 in slab>]>

// -----

// expected-error @below {{(P4) group <1 to 2> of groups: must follow one another from stage 0, and end by stage 63}}
#part = #bfly.cpu_transform<channels = 16, radices = [8], groups = [<1 to 2 in slab>]>

// -----

// expected-error @below {{(P4) group <2 to 3> of groups: must follow one another from stage 0, and end by stage 63}}
#part = #bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 2 in slab>, <2 to 3 in pair>]>

// -----

// expected-error @below {{(P4) group <0 to 9223372036854775807> of groups: must follow one another from stage 0, and end by stage 63}}
#part = #bfly.cpu_transform<channels = 16, radices = [8], groups = [<0 to 9223372036854775807 in slab>]>

// -----

// expected-error @below {{(P1) channels = 1048577: must be from 1 to 1048576}}
#part = #bfly.cpu_slabs<channels = 1048577>

// -----

// expected-error @below {{(P1) pairs = 24: must be a power of two from 1 to 1048576}}
#part = #bfly.cpu_attention<pairs = 24, parallel = "batch">

// -----

// expected-error @below {{(P2) parallel = "both": must be "batch" or "tile"}}
#part = #bfly.cpu_attention<pairs = 64, parallel = "both">

// -----

// expected-error @below {{(P1) columns = 1025: must be from 1 to 1024}}
#part = #bfly.cpu_panels<columns = 1025>

// -----

// expected-error @below {{(P1) rows = 0: must be from 1 to 1048576}}
#part = #bfly.cpu_dense<rows = 0>

// -----

// expected-error @below {{(P1) threads = 33: must be a multiple of 32 from 32 to 1024}}
#part = #bfly.gpu_block<threads = 33>

// -----

// expected-error @below {{(P1) columns = 0: must be from 1 to 1024}}
#part = #bfly.gpu_transform<columns = 0, radices = [], groups = []>

// -----

// expected-error @below {{(P2) a radix of radices = 64: must be from 2 to 32}}
#part = #bfly.gpu_transform<columns = 8, radices = [64], groups = [<0 to 0 in shared>]>

// -----

// expected-error @below {{(P4) group <1 to 1> of groups: must follow one another from stage 0, and end by stage 63}}
#part = #bfly.gpu_transform<columns = 8, radices = [8], groups = [<1 to 1 in shared>]>

// -----

// expected-error @below {{(P1) columns = 12: must be a multiple of 8 from 8 to 128}}
#part = #bfly.gpu_grid_attention<columns = 12, heads = 8, depth = 16, slots = 6>

// -----

// expected-error @below {{(P2) heads = 9: must be from 1 to 8}}
#part = #bfly.gpu_grid_attention<columns = 64, heads = 9, depth = 16, slots = 6>

// -----

// expected-error @below {{(P3) depth = 24: must be a multiple of 16 from 16 to 32}}
#part = #bfly.gpu_grid_attention<columns = 64, heads = 8, depth = 24, slots = 6>

// -----

// expected-error @below {{(P4) slots = 1: must be from 2 to 8}}
#part = #bfly.gpu_grid_attention<columns = 64, heads = 8, depth = 16, slots = 1>

// -----

// expected-error @below {{(P2) tokens = 3: must be a multiple of 2 from 2 to 1048576}}
#part = #bfly.gpu_block_attention<tokens = 3, groups = [<0 to 0 in shared>]>

// -----

// expected-error @below {{(P3) group <1 to 1> of groups: must follow one another from stage 0, and end by stage 63}}
#part = #bfly.gpu_block_attention<tokens = 256, groups = [<1 to 1 in shared>]>

// -----

// expected-error @below {{(P1) rows = 65: must be from 0 to 64}}
#part = #bfly.gpu_dense<rows = 65, depth = 16>

// -----

// expected-error @below {{(P2) depth = 0: must be from 1 to 32}}
#part = #bfly.gpu_dense<rows = 16, depth = 0>

// -----

// expected-error @below {{(P1) rows = 0: must be from 1 to 1048576}}
#part = #bfly.gpu_rows<rows = 0>

// -----

// expected-error @below {{(P1) name = "FFTW": must be "cuFFT" or "cuBLASLt"}}
#part = #bfly.library<name = "FFTW">

// -----

func.func @f(%m: memref<4xf32>) {
  // expected-error @+1 {{attribute 'plan' failed to satisfy constraint: the parts of a kernel's plan}}
  bfly.kernel "k" (%b = %m) plan ["fast"] : (memref<4xf32>) {
  }
  return
}

// -----

func.func @f(%m: memref<4xf32>) {
  // expected-error @below {{a plan is a list of parts, such as [#bfly.gpu_block<threads = 256>]; write this one anew}}
  bfly.kernel "k" (%b = %m) plan <machine = "cpu", lanes = 16, tile = 32, radices = [], groups = [], parallel = "tile"> : (memref<4xf32>) {
  }
  return
}

// bfly.dft, bfly.rotate, bfly.table, bfly.tile_product ------------------------

// -----

func.func @f(%a: f32) {
  // expected-error @+1 {{(C1) needs an even number of values, at least 2, and as many results; got 3 and 3}}
  %y:3 = "bfly.dft"(%a, %a, %a) : (f32, f32, f32) -> (f32, f32, f32)
  return
}

// -----

func.func @f(%a: f32) {
  // expected-error @+1 {{(C1) the denominator must be positive}}
  %r, %i = bfly.rotate %a, %a by 1 of 0 : f32
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) the order must be positive and the table (rows, 2), got 0}}
  %w = bfly.table roots(0) : memref<8x2xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) the order must be positive and the table (rows, 2), got 8}}
  %w = bfly.table roots(8) : memref<8x3xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C2) the spectrum of a chirp of 5 needs a power of two of at least 9 rows, got 8}}
  %w = bfly.table chirp_spectrum(5) : memref<8x2xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C2) the spectrum of a chirp of 5 needs a power of two of at least 9 rows, got 12}}
  %w = bfly.table chirp_spectrum(5) : memref<12x2xf32>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C3) a table of order 4 has at most as many rows, got 8}}
  %w = bfly.table roots(4) : memref<8x2xf32>
  return
}

// -----

func.func @f(%a: memref<3x8xf32>, %b: memref<2x8x4xf32>, %c: memref<4x8xf32>) {
  // expected-error @+1 {{(C1) rows or depth differ}}
  bfly.tile_product %a, %b, %c : memref<3x8xf32>, memref<2x8x4xf32>, memref<4x8xf32>
  return
}

// -----

func.func @f(%a: memref<4x7xf32>, %b: memref<2x8x4xf32>, %c: memref<4x8xf32>) {
  // expected-error @+1 {{(C1) rows or depth differ}}
  bfly.tile_product %a, %b, %c : memref<4x7xf32>, memref<2x8x4xf32>, memref<4x8xf32>
  return
}

// -----

func.func @f(%a: memref<4x8xf32>, %b: memref<3x8x4xf32>, %c: memref<4x8xf32>) {
  // expected-error @+1 {{(C2) 'memref<3x8x4xf32>' has no panels for 'memref<4x8xf32>'}}
  bfly.tile_product %a, %b, %c : memref<4x8xf32>, memref<3x8x4xf32>, memref<4x8xf32>
  return
}

// -----

func.func @f(%a: memref<4x8xf32>, %b: memref<2x8x4xf64>, %c: memref<4x8xf32>) {
  // expected-error @+1 {{(C3) element types differ}}
  bfly.tile_product %a, %b, %c : memref<4x8xf32>, memref<2x8x4xf64>, memref<4x8xf32>
  return
}

// bfly.grid, bfly.threads ------------------------------------------------------

// -----

func.func @f() {
  // expected-error @+1 {{(C1) needs a number for each size, at least one, and no size that is negative}}
  bfly.grid (%u, %v) in (4) sync(none) {
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) needs a number for each size, at least one, and no size that is negative}}
  bfly.grid () in () sync(none) {
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) needs a number for each size, at least one, and no size that is negative}}
  bfly.threads (%t) in (-4) sync(none) {
  }
  return
}

// -----

func.func @f(%n: index) {
  // expected-error @+1 {{(C1) needs a number for each size, at least one, and no size that is negative}}
  "bfly.threads"(%n) <{static_sizes = array<i64: 4>, sync = #bfly<sync none>}> ({
  ^bb0(%t: index):
    bfly.yield
  }) : (index) -> ()
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) needs a number for each size, at least one, and no size that is negative}}
  "bfly.grid"() <{static_sizes = array<i64: 4>, sync = #bfly<sync none>}> ({
  ^bb0(%u: i32):
    bfly.yield
  }) : () -> ()
  return
}

// -----

func.func @f() {
  bfly.grid (%u) in (4) sync(none) {
    // expected-error @+1 {{(C2) cannot be in another bfly.grid or bfly.threads}}
    bfly.grid (%v) in (4) sync(none) {
    }
  }
  return
}

// -----

func.func @f() {
  bfly.threads (%t) in (4) sync(none) {
    // expected-error @+1 {{(C2) cannot be in another bfly.grid or bfly.threads}}
    bfly.grid (%v) in (4) sync(none) {
    }
  }
  return
}

// -----

func.func @f() {
  bfly.grid (%u) in (4) sync(none) {
    bfly.threads (%t) in (4) sync(none) {
      // expected-error @+1 {{(C2) cannot be in another bfly.threads}}
      bfly.threads (%i) in (4) sync(none) {
      }
    }
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C3) ends in a barrier of the grid or in none}}
  bfly.grid (%u) in (4) sync(block) {
  }
  return
}

// -----

func.func @f() {
  bfly.grid (%u) in (4) sync(none) {
    // expected-error @+1 {{(C3) ends in a barrier of the block in a bfly.grid, of the grid elsewhere, or in none}}
    bfly.threads (%t) in (4) sync(grid) {
    }
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C3) ends in a barrier of the block in a bfly.grid, of the grid elsewhere, or in none}}
  bfly.threads (%t) in (4) sync(block) {
  }
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{expected none, block or grid}}
  bfly.threads (%t) in (4) sync(warp) {
  }
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  bfly.grid (%u) in (4) sync(none) {
  bfly.threads (%t) in (128) sync(none) {
    // expected-error @+1 {{(C4) must be in a bfly.grid and in no bfly.threads: all threads of a block do it together}}
    bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  }
  }
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xf32>, %b: memref<3x1x4x2x8x8xf32>, %c: memref<128x16xf32, #gpu.address_space<private>>, %ring: memref<2x20480xi8, #gpu.address_space<workgroup>>) {
    // expected-error @+1 {{(C6) must be in a bfly.grid and in no bfly.threads: all threads of a block do it together}}
    bfly.stream_product %a, %b, %c through %ring products [0, 0] : memref<3x2x1x8x2x8x8xf32>, memref<3x1x4x2x8x8xf32>, memref<128x16xf32, #gpu.address_space<private>>, memref<2x20480xi8, #gpu.address_space<workgroup>>
  return
}

// bfly.matrix_product, bfly.stream_product ---------------------------------------

// -----

// Half a warpgroup's rows.
func.func @f(%a: memref<1x4x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<?x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<?x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x4x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x4x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x2x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x2x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<33x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x132xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<33x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x132xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<0x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x0xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<0x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x0xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x32xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x32xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<256x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<256x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, strided<[256, 64, 1, 8]>, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{have no product in fragments}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, strided<[256, 64, 1, 8]>, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x3x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x3x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C2) the depth must be a multiple of 16, got 24}}
  bfly.matrix_product %a, %b, %c : memref<1x8x3x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x3x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C3) element types differ}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{or the memory is not workgroup, workgroup and private}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{or the memory is not workgroup, workgroup and private}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

// Nothing that is computed from the sizes overflows.
func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<1152921504606846980x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C1)}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<1152921504606846980x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<144115188075855873x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<?x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C1)}}
  bfly.matrix_product %a, %b, %c : memref<144115188075855873x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<?x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x1152921504606846980x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C1)}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x1152921504606846980x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<128x16xf32>) {
  // expected-error @+1 {{or the memory is not workgroup, workgroup and private}}
  bfly.matrix_product %a, %b, %c : memref<1x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<128x16xf32>
  return
}

// -----

// Fewer steps than the other operand has.
func.func @f(%a: memref<2x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{have no 2 products in fragments}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<2x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<0x2x1x8x2x8x8xbf16>, %b: memref<0x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{have no 2 products in fragments}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<0x2x1x8x2x8x8xbf16>, memref<0x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x4x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{have no 2 products in fragments}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x4x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x4x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{have no 2 products in fragments}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x4x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x16xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{have no 2 products in fragments}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x16xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16, strided<[4096, 2048, 1024, 128, 64, 8, 1]>>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{have no 2 products in fragments}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16, strided<[4096, 2048, 1024, 128, 64, 8, 1]>>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x1x8x8xbf16>, %b: memref<3x1x4x1x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C2) the depth of a step must be a multiple of 16, got 8}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x1x8x8xbf16>, memref<3x1x4x1x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C3) element types differ, or the result is not in private memory}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C3) element types differ, or the result is not in private memory}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C4) products must be pairs}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0, 1] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C4) there is no part 2}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 2, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C4) there is no part 1}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 1] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C4) there is no part -1}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, -1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C4) minus must say something of each product}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] minus [0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C4) there is no part 2}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] minus [-1, 2] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5119xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C5) a step needs 5120 bytes of at least two rows}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5119xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<1x5120xi8, #gpu.address_space<workgroup>>) {
  // expected-error @+1 {{(C5) a step needs 5120 bytes of at least two rows}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<1x5120xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<3x2x1x8x2x8x8xbf16>, %b: memref<3x1x4x2x8x8xbf16>, %c: memref<128x32xf32, #gpu.address_space<private>>, %r: memref<2x5120xi8>) {
  // expected-error @+1 {{(C5) a step needs 5120 bytes of at least two rows}}
  bfly.stream_product %a, %b, %c through %r products [0, 0, 1, 0] : memref<3x2x1x8x2x8x8xbf16>, memref<3x1x4x2x8x8xbf16>, memref<128x32xf32, #gpu.address_space<private>>, memref<2x5120xi8>
  return
}

// -----

// The gpu level ----------------------------------------------------------------

func.func @f() {
  // expected-error @+1 {{(C1) must be of dynamic size in workgroup memory}}
  %s = bfly.shared_memory : memref<?xi8>
  return
}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) must be of dynamic size in workgroup memory}}
  %s = bfly.shared_memory : memref<64xi8, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%b: memref<2xi64>, %i: index) {
  // expected-error @+1 {{(C1) barriers must be in workgroup memory}}
  bfly.mbarrier_init %b[%i] count 1 : memref<2xi64>
  return
}

// -----

func.func @f(%b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{(C2) the count must be between 1 and 2^20 - 1, got 0}}
  bfly.mbarrier_init %b[%i] count 0 : memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%b: memref<2xi64>, %i: index) {
  // expected-error @+1 {{(C1) barriers must be in workgroup memory}}
  bfly.mbarrier_arrive %b[%i] : memref<2xi64>
  return
}

// -----

func.func @f(%b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{(C2) the bytes must be between 1 and 2^20 - 1, got 1048576}}
  bfly.mbarrier_arrive %b[%i] bytes 1048576 : memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%b: memref<2xi64>, %i: index, %p: i32) {
  // expected-error @+1 {{(C1) barriers must be in workgroup memory}}
  bfly.mbarrier_wait %b[%i] parity %p : memref<2xi64>
  return
}

// -----

func.func @f(%x: memref<?xbf16>, %y: memref<16xi8, #gpu.address_space<workgroup>>, %b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{(C1) needs contiguous memory of static size}}
  bfly.bulk_copy %x to %y counted at %b[%i] : memref<?xbf16>, memref<16xi8, #gpu.address_space<workgroup>>, memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%x: memref<8x8xbf16, strided<[16, 1]>>, %y: memref<128xi8, #gpu.address_space<workgroup>>, %b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{(C1) needs contiguous memory of static size}}
  bfly.bulk_copy %x to %y counted at %b[%i] : memref<8x8xbf16, strided<[16, 1]>>, memref<128xi8, #gpu.address_space<workgroup>>, memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%x: memref<8x8xbf16>, %y: memref<64xi8, #gpu.address_space<workgroup>>, %b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{they must be the same multiple of 16}}
  bfly.bulk_copy %x to %y counted at %b[%i] : memref<8x8xbf16>, memref<64xi8, #gpu.address_space<workgroup>>, memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%x: memref<12xi8>, %y: memref<12xi8, #gpu.address_space<workgroup>>, %b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{they must be the same multiple of 16}}
  bfly.bulk_copy %x to %y counted at %b[%i] : memref<12xi8>, memref<12xi8, #gpu.address_space<workgroup>>, memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%x: memref<16xi8>, %y: memref<16xi8>, %b: memref<2xi64, #gpu.address_space<workgroup>>, %i: index) {
  // expected-error @+1 {{(C2) copies from global memory to workgroup memory}}
  bfly.bulk_copy %x to %y counted at %b[%i] : memref<16xi8>, memref<16xi8>, memref<2xi64, #gpu.address_space<workgroup>>
  return
}

// -----

func.func @f(%a: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C1)}}
  bfly.wgmma %a, %b, %c : memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x2x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C1)}}
  bfly.wgmma %a, %b, %c : memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x2x8x8xbf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<8xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C1)}}
  bfly.wgmma %a, %b, %c : memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<8xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<8x3x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x3x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C2) the depth must be a multiple of 16, got 24}}
  bfly.wgmma %a, %b, %c : memref<8x3x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x3x8x8xbf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xf16, #gpu.address_space<workgroup>>, %c: memref<16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C3)}}
  bfly.wgmma %a, %b, %c : memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  return
}

// -----

func.func @f(%a: memref<8x4x8x8xbf16>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, %c: memref<16xf32, #gpu.address_space<private>>) {
  // expected-error @+1 {{(C3)}}
  bfly.wgmma %a, %b, %c : memref<8x4x8x8xbf16>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  return
}

// bfly.library_transform ------------------------------------------------------

// -----

func.func @f(%a: memref<2x?x4xf32>, %b: memref<2x4x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) needs whole buffers of static tokens and channels in the default memory, got 'memref<2x?x4xf32>'}}
  bfly.library_transform %a to %b : memref<2x?x4xf32> to memref<2x4x4xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<2x4x4xcomplex<f32>, strided<[32, 8, 1]>>) {
  // expected-error @+1 {{(C1) needs whole buffers of static tokens and channels in the default memory}}
  bfly.library_transform %a to %b : memref<2x6x4xf32> to memref<2x4x4xcomplex<f32>, strided<[32, 8, 1]>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32, 3>, %b: memref<2x4x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) needs whole buffers of static tokens and channels in the default memory}}
  bfly.library_transform %a to %b : memref<2x6x4xf32, 3> to memref<2x4x4xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<3x4x4xcomplex<f32>>) {
  // expected-error @+1 {{(C1) batch and channels of source and target differ}}
  bfly.library_transform %a to %b : memref<2x6x4xf32> to memref<3x4x4xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<2x4x5xcomplex<f32>>) {
  // expected-error @+1 {{(C1) batch and channels of source and target differ}}
  bfly.library_transform %a to %b : memref<2x6x4xf32> to memref<2x4x5xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<2x6x4xf32>) {
  // expected-error @+1 {{(C2) a real source is transformed forward, to a complex target}}
  bfly.library_transform %a to %b : memref<2x6x4xf32> to memref<2x6x4xf32>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<2x4x4xcomplex<f32>>) {
  // expected-error @+1 {{(C2) a real source is transformed forward, to a complex target}}
  bfly.library_transform inverse %a to %b : memref<2x6x4xf32> to memref<2x4x4xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x4x4xcomplex<f32>>, %b: memref<2x6x4xf32>) {
  // expected-error @+1 {{(C2) a real target is an inverse's}}
  bfly.library_transform %a to %b : memref<2x4x4xcomplex<f32>> to memref<2x6x4xf32>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<2x6x4xcomplex<f32>>) {
  // expected-error @+1 {{(C3) a transform of 6 needs 4 tokens or bins, got 'memref<2x6x4xcomplex<f32>>'}}
  bfly.library_transform %a to %b : memref<2x6x4xf32> to memref<2x6x4xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xcomplex<f32>>, %b: memref<2x6x4xf32>) {
  // expected-error @+1 {{(C3) a transform of 6 needs 4 tokens or bins, got 'memref<2x6x4xcomplex<f32>>'}}
  bfly.library_transform inverse %a to %b : memref<2x6x4xcomplex<f32>> to memref<2x6x4xf32>
  return
}

// -----

func.func @f(%a: memref<2x6x4xcomplex<f32>>, %b: memref<2x7x4xcomplex<f32>>) {
  // expected-error @+1 {{(C3) a transform of 6 needs 6 tokens or bins, got 'memref<2x7x4xcomplex<f32>>'}}
  bfly.library_transform %a to %b : memref<2x6x4xcomplex<f32>> to memref<2x7x4xcomplex<f32>>
  return
}

// -----

func.func @f(%a: memref<2x6x4xf32>, %b: memref<2x4x4xcomplex<f64>>) {
  // expected-error @+1 {{(C4) source and target are of different types}}
  bfly.library_transform %a to %b : memref<2x6x4xf32> to memref<2x4x4xcomplex<f64>>
  return
}

// -----

// bfly.library_product --------------------------------------------------------
func.func @f(%x: memref<2x?x4xf32>, %w: memref<5x4xf32>, %y: memref<2x3x5xf32>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<2x?x4xf32>'}}
  bfly.library_product %x, %w to %y : memref<2x?x4xf32>, memref<5x4xf32> to memref<2x3x5xf32>
  return
}

// -----

func.func @f(%x: memref<2x4xf32>, %w: memref<?x4xf32>, %y: memref<2x5xf32>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<?x4xf32>'}}
  bfly.library_product %x, %w to %y : memref<2x4xf32>, memref<?x4xf32> to memref<2x5xf32>
  return
}

// -----

func.func @f(%x: memref<2x4xf32, 3>, %w: memref<5x4xf32>, %y: memref<2x5xf32>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<2x4xf32, 3>'}}
  bfly.library_product %x, %w to %y : memref<2x4xf32, 3>, memref<5x4xf32> to memref<2x5xf32>
  return
}

// -----

func.func @f(%x: memref<2x4xf32>, %w: memref<5x4xf32>, %y: memref<2x5xf32, strided<[8, 1]>>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<2x5xf32, strided<[8, 1]>>'}}
  bfly.library_product %x, %w to %y : memref<2x4xf32>, memref<5x4xf32> to memref<2x5xf32, strided<[8, 1]>>
  return
}

// -----

func.func @f(%x: memref<2x4xf32>, %w: memref<5x3xf32>, %y: memref<2x5xf32>) {
  // expected-error @+1 {{(C2) 'memref<2x4xf32>' and 'memref<5x3xf32>' have no product 'memref<2x5xf32>'}}
  bfly.library_product %x, %w to %y : memref<2x4xf32>, memref<5x3xf32> to memref<2x5xf32>
  return
}

// -----

func.func @f(%x: memref<2x4xf32>, %w: memref<5x4xf32>, %y: memref<3x5xf32>) {
  // expected-error @+1 {{(C2) 'memref<2x4xf32>' and 'memref<5x4xf32>' have no product 'memref<3x5xf32>'}}
  bfly.library_product %x, %w to %y : memref<2x4xf32>, memref<5x4xf32> to memref<3x5xf32>
  return
}

// -----

func.func @f(%x: memref<2x4xf32>, %w: memref<5x4xf32>, %b: memref<4xf32>, %y: memref<2x5xf32>) {
  // expected-error @+1 {{(C2) 'memref<2x4xf32>' and 'memref<5x4xf32>' have no product 'memref<2x5xf32>' with this bias}}
  bfly.library_product %x, %w bias(%b : memref<4xf32>) to %y : memref<2x4xf32>, memref<5x4xf32> to memref<2x5xf32>
  return
}

// -----

func.func @f(%x: memref<2x4xf32>, %w: memref<5x4xbf16>, %y: memref<2x5xf32>) {
  // expected-error @+1 {{(C3) element types differ}}
  bfly.library_product %x, %w to %y : memref<2x4xf32>, memref<5x4xbf16> to memref<2x5xf32>
  return
}

// bfly.library_row_product ----------------------------------------------------

// -----

func.func @f(%a: memref<2x?x4xf32>, %b: memref<2x6xf32>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<2x?x4xf32>'}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x?x4xf32>, memref<2x6xf32> to memref<4x6xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<2x6xf32, 3>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<2x6xf32, 3>'}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x4xf32>, memref<2x6xf32, 3> to memref<4x6xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<2x6xf32>, %y: memref<?x6xf32>) {
  // expected-error @+1 {{(C1) needs whole buffers of static sizes in the default memory, got 'memref<?x6xf32>'}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x4xf32>, memref<2x6xf32> to memref<?x6xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<2x6xf32>, %y: memref<4x5xf32>) {
  // expected-error @+1 {{(C2) 'memref<2x4xf32>' and 'memref<2x6xf32>' have no product 'memref<4x5xf32>' of 1 heads}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x4xf32>, memref<2x6xf32> to memref<4x5xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<2x6xf32>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{(C2) 'memref<2x4xf32>' and 'memref<2x6xf32>' have no product 'memref<4x6xf32>' of 4 heads}}
  bfly.library_row_product %a, %b to %y heads 4 : memref<2x4xf32>, memref<2x6xf32> to memref<4x6xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<3x6xf32>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{(C2) 'memref<2x4xf32>' and 'memref<3x6xf32>' have no product 'memref<4x6xf32>' of 1 heads}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x4xf32>, memref<3x6xf32> to memref<4x6xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<2x6xbf16>, %y: memref<4x6xf32>) {
  // expected-error @+1 {{(C3) element types differ}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x4xf32>, memref<2x6xbf16> to memref<4x6xf32>
  return
}

// -----

func.func @f(%a: memref<2x4xf32>, %b: memref<2x6xf32>, %y: memref<4x6xf16>) {
  // expected-error @+1 {{(C3) element types differ}}
  bfly.library_row_product %a, %b to %y heads 1 : memref<2x4xf32>, memref<2x6xf32> to memref<4x6xf16>
  return
}

// -----

// expected-error @below {{unknown target "abacus", known: cpu, sm_90a, sm_80}}
module attributes {bfly.target = #bfly.target<"abacus">} {}

// -----

// expected-error @below {{"cpu" has no fact 'shared', known: lanes, vector_registers, l1, l2, l3, threads}}
module attributes {bfly.target = #bfly.target<"cpu", shared = 4>} {}

// -----

// expected-error @below {{'lanes' stands here twice}}
module attributes {bfly.target = #bfly.target<"cpu", lanes = 4, lanes = 8>} {}

// -----

// expected-error @below {{lanes = 0: must be between 1 and 2^40}}
module attributes {bfly.target = #bfly.target<"cpu", lanes = 0>} {}

// -----

// expected-error @below {{matrix = tensor: must be none, mma, wgmma}}
module attributes {bfly.target = #bfly.target<"sm_80", matrix = tensor>} {}

// -----

// expected-error @below {{has bfly.target, which is a #bfly.target of a module}}
module attributes {bfly.target = "cpu"} {}
