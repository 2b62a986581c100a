// RUN: bfly-opt %s -bfly-check-binaries -split-input-file -verify-diagnostics

gpu.binary @fine [#gpu.object<#nvvm.target<chip = "sm_90a">, assembly = ".visible .entry fine() {}">]

// -----

// expected-error @below {{kernel 'filter' needs '__nv_erff' of CUDA's libdevice, but there is no CUDA toolkit here}}
gpu.binary @filter [#gpu.object<#nvvm.target<chip = "sm_90a">, assembly = ".extern .func __nv_erff\0Acall __nv_erff">]
