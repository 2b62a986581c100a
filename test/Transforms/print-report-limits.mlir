// A plan is reported as it is written, whatever it says: nobody has checked it yet.
// RUN: bfly-opt %s -bfly-print-report="file=-" -o /dev/null 2>&1 | FileCheck %s
// RUN: not bfly-opt %s -bfly-print-report="file=%t.none/report.json remarks=false" -o /dev/null 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not bfly-opt %s -bfly-print-report="bytes-per-second=inf" -o /dev/null 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not bfly-opt %s -bfly-print-report="batch=-1" -o /dev/null 2>&1 | FileCheck %s --check-prefix=OPTION

// Below schedule level kernels no longer say what they compute.
// RUN: bfly-opt %S/../../examples/fft_ia_layer.mlir -bfly-compile=to=affine -bfly-print-report=file=- -o /dev/null 2>&1 | FileCheck %s --check-prefix=AFFINE
// AFFINE-NOT: remark
// AFFINE: "kernels": [],

// FILE: error: cannot write the report to '{{.*}}.none/report.json'
// OPTION: error: batch must not be negative, and ceilings finite

// CHECK: remark: kernel "fft": 256 B moved, {{[0-9]+}} Pflop; state 9223 PB in memory, then 9223 PB in memory; bluestein
// CHECK: remark: kernel "map": 256 B moved, 0 flop; memory bound
// CHECK: remark: kernel "norm": 128 B moved, 80 flop; memory bound
// CHECK: remark: kernel "nothing": 128 B moved, 0 flop{{$}}
// CHECK: "bytes": 9223372036854775807,
func.func @odd(%x: tensor<1x4x4xcomplex<f32>>, %g: tensor<2x8xf32>) -> (tensor<1x4x4xcomplex<f32>>, tensor<1x4x4xcomplex<f32>>, tensor<2x8xf32>) {
  %y = bfly.kernel "fft" (%a = %x) plan [#bfly.cpu_transform<channels = 1048576, radices = [64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64],
      groups = [<0 to 1 in slab>, <2 to 5 in pair>]>] : (tensor<1x4x4xcomplex<f32>>) -> tensor<1x4x4xcomplex<f32>> {
    %f = bfly.fft %a : tensor<1x4x4xcomplex<f32>> -> tensor<1x4x4xcomplex<f32>>
    bfly.yield %f : tensor<1x4x4xcomplex<f32>>
  }
  %m = bfly.kernel "map" (%a = %y) plan [#bfly.cpu_slabs<channels = 1048576>] : (tensor<1x4x4xcomplex<f32>>) -> tensor<1x4x4xcomplex<f32>> {
    %f = bfly.spectrum_map %a tokens(4) : tensor<1x4x4xcomplex<f32>> -> tensor<1x4x4xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      bfly.yield %bin : complex<f32>
    }
    bfly.yield %f : tensor<1x4x4xcomplex<f32>>
  }
  %n = bfly.kernel "norm" (%a = %g) plan [#bfly.cpu_slabs<channels = 1048576>] : (tensor<2x8xf32>) -> tensor<2x8xf32> {
    %f = bfly.layer_norm %a epsilon(1.0e-5) : tensor<2x8xf32>
    bfly.yield %f : tensor<2x8xf32>
  }
  %e = bfly.kernel "nothing" (%a = %g) : (tensor<2x8xf32>) -> tensor<2x8xf32> {
    bfly.yield %a : tensor<2x8xf32>
  }
  return %y, %m, %e : tensor<1x4x4xcomplex<f32>>, tensor<1x4x4xcomplex<f32>>, tensor<2x8xf32>
}
