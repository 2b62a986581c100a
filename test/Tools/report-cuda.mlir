// The report of kernels for a GPU says what their machine code needs; no GPU is needed for it (test/Inputs/fake_cuda.c).

// RUN: env BFLY_LIBCUDA=%fake_cuda bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 --output= --report=%t
// RUN: FileCheck %s --input-file=%t
// CHECK:      "matrix_flops_per_second": 700000000000000
// CHECK:      "device": "cuda:0"
// CHECK:      "bound": "memory"
// CHECK:      "launch": {
// CHECK-NEXT:   "blocks_per_multiprocessor": 1,
// CHECK-NEXT:   "code_bytes": {{[1-9][0-9]+}},
// CHECK-NEXT:   "local_bytes": 0,
// CHECK-NEXT:   "name": "attention_butterfly_attention_0",
// CHECK-NEXT:   "registers": {{[1-9][0-9]+}},
// CHECK-NEXT:   "shared_bytes": {{[1-9][0-9]+}},
// CHECK-NEXT:   "threads": 256
// CHECK:      "matrix_flops": 9437184,
// CHECK:      "matrix_seconds": 1.3
// CHECK:        "place": "{{memory|shared}}"
// CHECK:      "launches": [
// CHECK:        "name": "attention_butterfly_attention_0"
// CHECK-NOT:    "name": "attention{{.*}}_1"
// CHECK:      "multiprocessors": 132,

// What only machine code tells is left out where nothing assembles it here.
// RUN: env BFLY_LIBCUDA=%fake_cuda BFLY_CUDA=none bfly-run %s --device=cuda --function=product --input=5x8xf32=1 --input=3x8xf32=1 --output= --report=%t
// RUN: FileCheck %s --input-file=%t --check-prefix=PTX
// PTX:      "launch": {
// PTX-NEXT:   "name": "product_linear_0",
// PTX-NEXT:   "shared_bytes": {{[0-9]+}},
// PTX-NEXT:   "threads": 256

// A GPU without a target of its own gets the best portable one, and the report says so; and so it does of one that is asked for.
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_CAPABILITY=86 bfly-run %s --device=cuda --function=attention --input=2x64x64xbf16=1 --input=6x64x64xbf16=1 --input=6x64x64xbf16=1 --output= --report=%t
// RUN: FileCheck %s --input-file=%t --check-prefix=PORTABLE
// PORTABLE:      "registers": {{[1-9][0-9]+}},
// PORTABLE-NOT:  "matrix_flops":
// PORTABLE:      "name": "sm_80",
// PORTABLE:      "portable": "Fake GPU 0 has compute capability 8.6, and runs the kernels of sm_80",
// RUN: env BFLY_LIBCUDA=%fake_cuda bfly-run %s --device=cuda --compile-options=target=sm_80 --function=product --input=5x8xf32=1 --input=3x8xf32=1 --output= --report=%t
// RUN: FileCheck %s --input-file=%t --check-prefix=ASKED
// ASKED: "portable": "Fake GPU 0 has compute capability 9.0, and runs the kernels of sm_80",
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_CAPABILITY=120 bfly-run %s --device=cuda --function=product --print-level=schedule | FileCheck %s --check-prefix=LATER
// RUN: env BFLY_LIBCUDA=%fake_cuda BFLY_CUDA_TARGET=sm_80 bfly-run %s --device=cuda --function=product --print-level=schedule | FileCheck %s --check-prefix=LATER
// LATER: #bfly.target<"sm_80",
// RUN: env BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_CAPABILITY=75 bfly-run %s --device=cuda --function=product --print-level=schedule | FileCheck %s --check-prefix=OWN
// RUN: env BFLY_LIBCUDA=%fake_cuda bfly-run %s --device=cuda --function=product --print-level=schedule | FileCheck %s --check-prefix=OWN
// OWN: #bfly.target<"sm_90a",

// Nothing is run, and no driver is needed, where a level is printed.
// RUN: env BFLY_LIBCUDA=/nowhere bfly-run %s --device=cuda --function=attention --print-level=schedule --report=%t | FileCheck %s --check-prefix=LEVEL
// LEVEL: bfly.kernel "butterfly_attention"
// RUN: FileCheck %s --input-file=%t --check-prefix=ASSEMBLED
// ASSEMBLED: "launch": {
// ASSEMBLED: "registers": {{[1-9][0-9]+}},
// ASSEMBLED: "element": "bf16"

func.func @attention(%x: tensor<2x64x64xbf16>, %wq: tensor<6x64x64xbf16>, %wk: tensor<6x64x64xbf16>) -> tensor<2x64x64xbf16> {
  %y = bfly.butterfly_attention %x, %wq, %wk heads(2) : tensor<2x64x64xbf16>, tensor<6x64x64xbf16>
  return %y : tensor<2x64x64xbf16>
}

func.func @product(%x: tensor<5x8xf32>, %w: tensor<3x8xf32>) -> tensor<5x3xf32> {
  %y = bfly.linear %x, %w : tensor<5x8xf32>, tensor<3x8xf32> -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}
