// Parameters come by name from safetensors files.

// RUN: rm -rf %t && mkdir %t
// RUN: python3 %S/../Inputs/make_safetensors.py %t/w.safetensors w=4xf32=1,2,3,4
// RUN: python3 %S/../Inputs/make_safetensors.py %t/b.safetensors b=4xf32=10,20,30,40
// RUN: bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/w.safetensors --parameters=%t/b.safetensors | FileCheck %s
// CHECK: result[0]: 2x4xf32=[11 22 33 44][11 22 33 44]

// A function needs those that it loads; others of the module may be there.
// RUN: bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/w.safetensors --parameters=%t/b.safetensors | FileCheck %s --check-prefix=SCALE
// SCALE: result[0]: 2x4xf32=[1 2 3 4][1 2 3 4]

// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: function 'layer' needs parameters that --parameters has to give: 'w', 'b'
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: function 'layer' needs parameters that are in no file of --parameters: 'b'
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/w.safetensors --parameters=%t/b.safetensors --parameters=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: error: parameter 'w' is in {{.*}}w.safetensors and in {{.*}}w.safetensors
// RUN: python3 %S/../Inputs/make_safetensors.py %t/extra.safetensors w=4xf32=1,2,3,4 b=4xf32=1,2,3,4 c=1xf32=1 d=1xf32=1
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/extra.safetensors 2>&1 | FileCheck %s --check-prefix=EXTRA
// EXTRA: error: {{.*}}extra.safetensors: unknown parameters: 'c', 'd'
// RUN: python3 %S/../Inputs/make_safetensors.py %t/type.safetensors w=4xf64=1,2,3,4
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/type.safetensors 2>&1 | FileCheck %s --check-prefix=TYPE
// TYPE: error: {{.*}}type.safetensors: parameter 'w' has type 4xf64, but the module declares 4xf32
// RUN: python3 %S/../Inputs/make_safetensors.py %t/shape.safetensors w=2x2xf32=1,2,3,4
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/shape.safetensors 2>&1 | FileCheck %s --check-prefix=SHAPE
// SHAPE: error: w has shape 2x2xf32, but function 'scale' takes 4xf32
// RUN: head -c 20 %t/w.safetensors > %t/cut.safetensors
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/cut.safetensors 2>&1 | FileCheck %s --check-prefix=CUT
// CUT: error: {{.*}}cut.safetensors
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/none.safetensors 2>&1 | FileCheck %s --check-prefix=NO-FILE
// NO-FILE: error: {{.*}}none.safetensors: No such file or directory

ml_program.global private @w(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
ml_program.global private @b(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>

func.func @scale(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %wide = linalg.broadcast ins(%w : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %y = arith.mulf %x, %wide : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
func.func @layer(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  %b = ml_program.global_load_const @b : tensor<4xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %ww = linalg.broadcast ins(%w : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %bw = linalg.broadcast ins(%b : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %p = arith.mulf %x, %ww : tensor<2x4xf32>
  %y = arith.addf %p, %bw : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
