// Other plans of each kernel, timed: a table, the report, and a module with the best ones.

// RUN: rm -f %t.mlir %t.json && bfly-run %s --function=two --input=2x64x8xf32=1 --tune=1 --tune-output=%t.mlir --report=%t.json | FileCheck %s
// CHECK: EXEC @two
// CHECK-NEXT: kernel "spectral_filter" at {{.*}}tune.mlir:[[#]]:8, 2 of them: bound by {{memory|arithmetic}}, {{[0-9.]+}} us
// CHECK-NEXT: us ratio noise bound plan
// CHECK-NEXT: {{^ +[0-9.]+ +1.00 +[0-9.]+% +[0-9.]+%}} chosen: [#bfly.cpu_transform<channels = 32, radices = [8, 8], groups = [<0 to 1 in slab>]>]
// CHECK-DAG: {{^ +[0-9.]+ +[0-9.]+ +[0-9.]+% +[0-9.]+%}} [#bfly.cpu_transform<channels = 16, radices = [8, 8], groups = [<0 to 1 in slab>]>]
// CHECK-DAG: {{^ +[0-9.]+ +[0-9.]+ +[0-9.]+% +[0-9.]+%}} [#bfly.cpu_transform<channels = 64, radices = [8, 8], groups = [<0 to 1 in slab>]>]
// CHECK-DAG: {{^ +[0-9.]+ +[0-9.]+ +[0-9.]+% +[0-9.]+%}} [#bfly.cpu_transform<channels = 32, radices = [8, 8], groups = [<0 to 0 in slab>, <1 to 1 in pair>]>]
// CHECK: the chosen plan is {{[0-9]\.[0-9][0-9]}} x the best: {{no neighbour is faster by more than the noise|\[#bfly.cpu_transform}}
// CHECK-NEXT: kernel "layer_norm" at {{.*}}tune.mlir:[[#]]:8: bound by
// CHECK-NEXT: us ratio noise bound plan
// CHECK-NEXT: chosen: []
// CHECK-NEXT: the chosen plan is 1.00 x the best: no neighbour is faster by more than the noise
// CHECK-NOT: result[0]

// RUN: FileCheck %s --input-file=%t.json --check-prefix=JSON
// JSON: "tuning": {
// JSON: "alike": 2,
// JSON: "best": {{[0-9]+}},
// JSON: "bound": "{{memory|arithmetic}}",
// JSON: "bound_seconds": {{[0-9.e-]+}},
// JSON: "chosen_over_best": {{[0-9.e-]+}},
// JSON: "name": "spectral_filter",
// JSON: "plans": [
// JSON-NEXT: {
// JSON-NEXT: "bound_share": {{[0-9.e-]+}},
// JSON-NEXT: "noise": {{[0-9.e-]+}},
// JSON-NEXT: "plan": "[#bfly.cpu_transform<channels = 32, radices = [8, 8], groups = [<0 to 1 in slab>]>]",
// JSON-NEXT: "ratio": 1,
// JSON-NEXT: "seconds": {{[0-9.e-]+}}

// It runs as it is, and has its target and its plans.
// RUN: bfly-run %s --function=two --input=2x64x8xf32=1 --output=@%t.npy
// RUN: bfly-run %t.mlir --input=2x64x8xf32=1 --expected_output=@%t.npy | FileCheck %s --check-prefix=AGAIN
// AGAIN: result[0]: matches
// RUN: FileCheck %s --input-file=%t.mlir --check-prefix=IR
// IR: module attributes {bfly.target = #bfly.target<"cpu",
// IR: func.func @two(
// IR-COUNT-2: bfly.kernel "spectral_filter" ({{.*}}) plan [#bfly.cpu_transform<
// RUN: bfly-run %t.mlir --input=2x64x8xf32=1 --tune=0 | FileCheck %s --check-prefix=AGAIN-TUNED
// AGAIN-TUNED: kernel "spectral_filter" at {{.*}}.mlir:[[#]]:10, 2 of them: its plan, and the neighbours that compute the same

// Without rounds every neighbour is compiled and checked, and nothing is timed: that a GPU's emulated plans can have too.
// RUN: bfly-run %s --function=one --input=2x64x8xf32=1 --tune=0 --compile-options="target=sm_90a emulate=true" | FileCheck %s --check-prefix=CHECKED
// CHECKED: kernel "spectral_filter" at {{.*}}: its plan, and the neighbours that compute the same
// CHECKED-NEXT: chosen: [#bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns =
// CHECKED-DAG: {{^}} [#bfly.gpu_block<threads = 128>]
// CHECKED-DAG: {{^}} [#bfly.gpu_block<threads = 512>]
// CHECKED-DAG: {{^}} [#bfly.gpu_transform<columns = 4, radices = [8, 8], groups = [<0 to 0 in memory>, <1 to 1 in shared>]>]
// CHECKED-NOT: {{chosen plan|function}}

// On a GPU's driver whose kernels do nothing (test/Inputs/fake_cuda.c) all plans are alike.
// RUN: env BFLY_LIBCUDA=%fake_cuda BFLY_CUDA=none bfly-run %s --device=cuda --function=one --input=2x64x8xf32=1 --tune | FileCheck %s --check-prefix=GPU
// GPU: kernel "spectral_filter" at {{.*}}: bound by {{memory|arithmetic}}
// GPU: 1.00 0.0% {{.*}} chosen: [#bfly.gpu_block<threads = 256>,
// GPU: 1.00 0.0% {{.*}} [#bfly.gpu_block<threads = 512>]
// GPU: the chosen plan is 1.00 x the best: no neighbour is faster by more than the noise

// What cannot be tuned leaves no file.
// RUN: rm -f %t.none && not bfly-run %s --function=none --input=4xf32=1 --tune --tune-output=%t.none 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: function 'none' has no kernel with a plan, so that there is nothing to tune
// RUN: not bfly-run %s --function=one --input=2x64x8xf32=1 --tune --tune-output=%t.none --compile-options="target=sm_90a emulate=true" 2>&1 | FileCheck %s --check-prefix=EMULATED
// EMULATED: error: function 'one' is compiled for "sm_90a" and emulated, whose times say nothing: it is tuned on a GPU, or checked in 0 rounds
// RUN: env BFLY_LIBCUDA=/nowhere not bfly-run %s --device=cuda --function=one --input=2x64x8xf32=1 --tune --tune-output=%t.none 2>&1 | FileCheck %s --check-prefix=NO-GPU
// NO-GPU: error: {{.*}}/nowhere
// RUN: not bfly-run %s --function=one --input=2x64x8xf32=1 --tune=0 --output=@%t.none --tune-output=%t/none/best.mlir 2>&1 | FileCheck %s --check-prefix=NO-FOLDER
// NO-FOLDER: error: {{.*}}none: write to a file with @file.npy
// RUN: not bfly-run %s --function=one --input=2x64x8xf32=1 --tune=0 --report=%t.none --tune-output=%t/none/best.mlir 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: error: {{.*}}none/best.mlir: No such file or directory
// RUN: not ls %t.none

// RUN: not bfly-run %s --tune=-1 2>&1 | FileCheck %s --check-prefix=ROUNDS
// ROUNDS: error: --tune=-1: not a number of rounds from 0 to 1000
// RUN: not bfly-run %s --tune-output=%t.none 2>&1 | FileCheck %s --check-prefix=OF-TUNE
// OF-TUNE: error: --tune-output is of --tune
// RUN: not bfly-run %s --tune --benchmark 2>&1 | FileCheck %s --check-prefix=BOTH
// BOTH: error: --tune and --benchmark measure different things: give one of them
// RUN: not bfly-run %s --function=one --tune --print-level=schedule 2>&1 | FileCheck %s --check-prefix=PRINTS
// PRINTS: error: --tune is of a run, and --print-level without --input runs nothing

func.func @one(%x: tensor<?x64x8xf32>) -> tensor<?x64x8xf32> {
  %y = bfly.spectral_filter %x params() : tensor<?x64x8xf32> -> tensor<?x64x8xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    bfly.yield %m : complex<f32>
  }
  return %y : tensor<?x64x8xf32>
}

func.func @two(%x: tensor<?x64x8xf32>) -> tensor<?x64x8xf32> {
  %y = call @one(%x) : (tensor<?x64x8xf32>) -> tensor<?x64x8xf32>
  %n = bfly.layer_norm %y epsilon(1.0e-5) : tensor<?x64x8xf32>
  %z = call @one(%n) : (tensor<?x64x8xf32>) -> tensor<?x64x8xf32>
  return %z : tensor<?x64x8xf32>
}

func.func @none(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
