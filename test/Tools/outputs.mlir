// Several files are written together or not at all.

// RUN: rm -rf %t && mkdir %t && mkdir %t/folder
// RUN: bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/y.npy --report=%t/report.json
// RUN: ls %t | FileCheck %s --check-prefix=ALL
// ALL: folder
// ALL-NEXT: report.json
// ALL-NEXT: x.npy
// ALL-NEXT: y.npy
// ALL-NOT: {{.}}
// RUN: bfly-run %s --input=@%t/x.npy --expected_output=2xf32=1 --expected_output=2xf32=2
// RUN: rm %t/*.npy %t/report.json

// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/none/y.npy 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: {{.*}}none/y.npy: No such file or directory
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/none/x.npy --output=@%t/y.npy 2>&1 | FileCheck %s --check-prefix=NONE-FIRST
// NONE-FIRST: error: {{.*}}none/x.npy
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/y.npy --report=%t/none/report.json 2>&1 | FileCheck %s --check-prefix=REPORT
// REPORT: error: {{.*}}none/report.json
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/y.npy --report=%t/folder 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: error: {{.*}}folder: is a folder, not a file
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/folder/../x.npy 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: error: {{.*}}folder/../x.npy: is to be written twice
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output= --report=%t/x.npy 2>&1 | FileCheck %s --check-prefix=TWICE-REPORT
// TWICE-REPORT: error: {{.*}}x.npy: is to be written twice
// RUN: ln -s /dev/full %t/full.npy
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/full.npy 2>&1 | FileCheck %s --check-prefix=FULL
// FULL: error: {{.*}}full.npy: No space left on device
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/full.npy --output=@%t/y.npy --report=%t/report.json 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: find %t -type f | count 0

// What was there before stays as it was.
// RUN: echo before > %t/x.npy
// RUN: not bfly-run %s --input=2xf32=1 --output=@%t/x.npy --output=@%t/none/y.npy
// RUN: FileCheck %s --check-prefix=BEFORE --input-file=%t/x.npy
// BEFORE: before

// A module may come through a pipe.
// RUN: bfly-opt %s | bfly-run - --input=2xf32=1 | FileCheck %s --check-prefix=PIPE
// PIPE: result[1]: 2xf32=2 2
// RUN: echo 'func.func @f(' | not bfly-run - 2>&1 | FileCheck %s --check-prefix=PIPE-ERROR
// PIPE-ERROR: <stdin>:1:{{[0-9]+}}: error: {{.*}}
// RUN: bfly-opt %s --emit-bytecode | not bfly-run - 2>&1 | FileCheck %s --check-prefix=PIPE-BYTECODE
// PIPE-BYTECODE: error: <stdin>: this is bytecode, which is not allowed

func.func @f(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %y = arith.addf %x, %x : tensor<2xf32>
  return %x, %y : tensor<2xf32>, tensor<2xf32>
}
