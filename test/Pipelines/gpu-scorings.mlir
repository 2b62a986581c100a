// Scorings that a GPU's nests do not have are refused at the operation, in every type.
// RUN: not bfly-opt %s -bfly-compile="to=affine target=sm_90a scoring=carried" 2>&1 | FileCheck %s --check-prefixes=CHECK,CARRIED
// RUN: not bfly-opt %s -bfly-compile="to=affine target=sm_90a scoring=folded" 2>&1 | FileCheck %s --check-prefixes=CHECK,FOLDED
// RUN: not bfly-opt %s -bfly-compile="to=affine target=sm_80 scoring=carried" 2>&1 | FileCheck %s --check-prefixes=CHECK,CARRIED

// CARRIED: gpu-scorings.mlir:[[@LINE+4]]:8: error: 'bfly.attention_stage' op scores as carried
// FOLDED: gpu-scorings.mlir:[[@LINE+3]]:8: error: 'bfly.attention_stage' op scores as folded
// CHECK-SAME: which does not run on a GPU; definition and pair_difference do
func.func @f(%x: tensor<2x16x32xbf16>, %q: tensor<1x32x32xbf16>) -> tensor<2x16x32xbf16> {
  %y = bfly.butterfly_attention %x, %q, %q heads(1) : tensor<2x16x32xbf16>, tensor<1x32x32xbf16>
  return %y : tensor<2x16x32xbf16>
}
