// Figures as Google Benchmark prints them, and the report.

// RUN: bfly-run %s --input=2x8x4xf32=1 --benchmark=5 | FileCheck %s
// CHECK: EXEC @mix
// CHECK: Benchmark {{ *}}Time {{ *}}CPU {{ *}}Iterations UserCounters...
// CHECK: BM_mix/cpu/real_time {{.*}} 5 GB/s={{.*}} GFLOP/s={{.*}} bound_share={{.*}}

// JSON alone on the standard output.
// RUN: bfly-run %s --input=2x8x4xf32=1 --benchmark=5 --benchmark_format=json > %t.json
// RUN: python3 -c "import json; b, = json.load(open('%t.json'))['benchmarks']; assert b['iterations'] == 5 and b['run_type'] == 'iteration' and b['real_time'] > 0 and b['copy_bytes_per_second'] > 1e8 and b['peak_flops_per_second'] > 1e8, b"

// RUN: bfly-run %s --input=2x8x4xf32=1 --report=%t.report --benchmark=2
// RUN: python3 -c "import json; r = json.load(open('%t.report')); assert r['function'] == 'mix' and r['device'] == 'cpu' and r['compile_seconds'] > 0 and r['benchmark']['iterations'] == 2 and len(r['kernels']) == 1 and r['batch'] == 2 and r['ceilings']['source'] == 'measured' and r['benchmark']['bytes'] == 512 and 0 < r['benchmark']['bound_share'] < 1, r"

// No report of a run that failed.
// RUN: rm -f %t.report
// RUN: not bfly-run %s --input=2x8x4xf32=1 --report=%t.report --expected_output=2x8x4xf32=3
// RUN: not ls %t.report

func.func @mix(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xf32> {
  %y = bfly.spectral_filter %x params() : tensor<?x8x4xf32> -> tensor<?x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    bfly.yield %m : complex<f32>
  }
  return %y : tensor<?x8x4xf32>
}
