// A transform and its inverse with nothing between are left out.
// CHECK-LABEL: func.func @nothing_between
// CHECK-SAME: (%[[X:.*]]: tensor<2x8x4xf32>)
// CHECK-NEXT: return %[[X]]
func.func @nothing_between(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
  %y = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}

// The real part of a complex signal is not that signal.
// CHECK-LABEL: func.func @real_part
// CHECK: bfly.fft
// CHECK: bfly.ifft
func.func @real_part(%x: tensor<2x8x4xcomplex<f32>>) -> tensor<2x8x4xf32> {
  %f = bfly.fft %x : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>>
  %y = bfly.ifft %f : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}
