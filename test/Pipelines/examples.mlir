// Each mixer of the examples is one kernel: a transform, its context, the filter and the inverse; all six stages.

// RUN: bfly-opt %S/../../examples/fftnet_layer.mlir -bfly-compile=to=schedule | FileCheck %s --check-prefix=LAYER
// LAYER-LABEL: func @layer
// LAYER-SAME: {bfly.parameter = "input_norm.weight"}
// LAYER: bfly.kernel "layer_norm"
// LAYER: bfly.kernel "spectral_filter"
// LAYER-NEXT: bfly.fft {{.*}} : tensor<?x64x32xf32> -> tensor<?x33x32xcomplex<f32>>
// LAYER-NEXT: bfly.bin {{.*}}[0]
// LAYER-NEXT: bfly.linear {{.*}} relu
// LAYER-NEXT: bfly.linear
// LAYER-NEXT: bfly.spectrum_map
// LAYER: bfly.ifft
// LAYER-NEXT: bfly.yield
// LAYER: arith.addf
// LAYER-NEXT: bfly.kernel "layer_norm"
// LAYER-NOT: bfly.kernel

// RUN: bfly-opt %S/../../examples/fftnet_model.mlir -bfly-compile=to=schedule | FileCheck %s --check-prefix=MODEL
// The layer is a function of its own, called twice: both calls are gone.
// MODEL-NOT: call
// MODEL-LABEL: func @model
// MODEL: tensor.extract
// MODEL-COUNT-2: bfly.kernel "spectral_filter"
// MODEL-NOT: bfly.kernel "spectral_filter"
// MODEL: bfly.kernel "linear"

// RUN: bfly-opt %S/../../examples/fft_ia_layer.mlir -bfly-compile=to=schedule | FileCheck %s --check-prefix=FFTIA
// FFTIA-LABEL: func @layer
// FFTIA: bfly.kernel "butterfly_attention"
// FFTIA-COUNT-6: bfly.attention_stage
// FFTIA-NEXT: bfly.yield
// FFTIA-NOT: bfly.kernel

// RUN: bfly-opt %S/../../examples/fft_inspired_attention.mlir -bfly-compile=to=schedule | FileCheck %s --check-prefix=MODULE
// Padding and cutting are part of the kernel.
// MODULE-LABEL: func @forward
// MODULE: bfly.kernel "linear"
// MODULE: bfly.kernel "butterfly_attention"
// MODULE: tensor.pad
// MODULE-COUNT-6: bfly.attention_stage
// MODULE: tensor.extract_slice
// MODULE-NEXT: bfly.yield
// MODULE-NOT: bfly.kernel

// RUN: bfly-opt %S/../../examples/fnet_mixing.mlir -bfly-compile=to=schedule | FileCheck %s --check-prefix=FNET
// A transform over the channels, and one over the tokens with the map that ends it.
// FNET-LABEL: func @mix
// FNET: bfly.kernel "fft"
// FNET: bfly.kernel "spectral_filter"
// FNET: bfly.spectrum_map
// FNET-NOT: bfly.ifft
// FNET-NOT: bfly.kernel

// Down to LLVM, nothing of tensors, loops or this dialect is left.
// RUN: bfly-opt %S/../../examples/fftnet_layer.mlir -bfly-compile | FileCheck %s --check-prefix=LLVM
// RUN: bfly-opt %S/../../examples/fftnet_model.mlir -bfly-compile | FileCheck %s --check-prefix=LLVM
// RUN: bfly-opt %S/../../examples/fft_ia_layer.mlir -bfly-compile | FileCheck %s --check-prefix=LLVM
// RUN: bfly-opt %S/../../examples/fft_inspired_attention.mlir -bfly-compile | FileCheck %s --check-prefix=LLVM
// RUN: bfly-opt %S/../../examples/fnet_mixing.mlir -bfly-compile | FileCheck %s --check-prefix=LLVM
// LLVM-NOT: {{(tensor|affine|scf|memref|bfly)\.[a-z]}}
// LLVM: llvm.func @_mlir_ciface_
// LLVM-NOT: {{(tensor|affine|scf|memref)\.[a-z]}}

// And for a GPU down to machine code.
// RUN: bfly-opt %S/../../examples/fftnet_layer.mlir -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %S/../../examples/fftnet_model.mlir -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %S/../../examples/fft_ia_layer.mlir -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %S/../../examples/fft_inspired_attention.mlir -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %S/../../examples/fnet_mixing.mlir -bfly-compile="to=binary target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %S/../../examples/fftnet_layer.mlir -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=PORTABLE
// RUN: bfly-opt %S/../../examples/fftnet_model.mlir -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=PORTABLE
// RUN: bfly-opt %S/../../examples/fft_ia_layer.mlir -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=PORTABLE
// RUN: bfly-opt %S/../../examples/fft_inspired_attention.mlir -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=PORTABLE
// RUN: bfly-opt %S/../../examples/fnet_mixing.mlir -bfly-compile="to=binary target=sm_80" | FileCheck %s --check-prefix=PORTABLE
// PORTABLE: gpu.binary @{{.*}}chip = "sm_80"
// PORTABLE-NOT: assembly =
// GPU: gpu.binary @{{.*}} bin = "
// GPU-NOT: assembly = "
