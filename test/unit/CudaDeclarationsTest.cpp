// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The runtime's own declarations of the driver API, beside NVIDIA's, where a
// toolkit is installed. All that is tested is tested by the compiler.

#include "CudaDriver.h"

#if __has_include(<cuda.h>)
#include <cuda.h>

using namespace bfly::cuda;

#define SAME(own, theirs)                                                      \
  static_assert(static_cast<int>(own) == static_cast<int>(theirs), #theirs)
SAME(kErrorInvalidValue, CUDA_ERROR_INVALID_VALUE);
SAME(kErrorOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY);
SAME(kErrorNoDevice, CUDA_ERROR_NO_DEVICE);
SAME(kErrorNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU);
SAME(kErrorInvalidPtx, CUDA_ERROR_INVALID_PTX);
SAME(kErrorUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
SAME(kErrorInvalidHandle, CUDA_ERROR_INVALID_HANDLE);
SAME(kErrorNotFound, CUDA_ERROR_NOT_FOUND);
SAME(kErrorHostMemoryAlreadyRegistered,
     CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
SAME(kDeviceClockRate, CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
SAME(kDeviceMultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
SAME(kDeviceL2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
SAME(kDeviceComputeCapabilityMajor,
     CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
SAME(kDeviceComputeCapabilityMinor,
     CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
SAME(kDeviceMaxSharedMemoryPerMultiprocessor,
     CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
SAME(kDeviceMaxSharedMemoryPerBlockOptin,
     CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(kDeviceMemoryPoolsSupported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);
SAME(kFunctionMaxThreadsPerBlock, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
SAME(kFunctionSharedSizeBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
SAME(kFunctionLocalSizeBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
SAME(kFunctionNumRegs, CU_FUNC_ATTRIBUTE_NUM_REGS);
SAME(kFunctionMaxDynamicSharedSizeBytes,
     CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(kFunctionRequiredClusterWidth, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH);
SAME(kFunctionRequiredClusterHeight, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT);
SAME(kFunctionRequiredClusterDepth, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH);
SAME(kFunctionNonPortableClusterSizeAllowed,
     CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
SAME(kPointerMemoryType, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
SAME(kPointerIsManaged, CU_POINTER_ATTRIBUTE_IS_MANAGED);
SAME(kPointerDeviceOrdinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
SAME(kPointerRangeStartAddress, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR);
SAME(kPointerRangeSize, CU_POINTER_ATTRIBUTE_RANGE_SIZE);
SAME(kMemoryTypeHost, CU_MEMORYTYPE_HOST);
SAME(kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
SAME(kCaptureStatusNone, CU_STREAM_CAPTURE_STATUS_NONE);
SAME(kCaptureStatusActive, CU_STREAM_CAPTURE_STATUS_ACTIVE);
SAME(kCaptureModeRelaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(kUserObjectNoDestructorSync, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
SAME(kGraphUserObjectMove, CU_GRAPH_USER_OBJECT_MOVE);
SAME(kPoolReleaseThreshold, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
SAME(kJitErrorLogBuffer, CU_JIT_ERROR_LOG_BUFFER);
SAME(kJitErrorLogBufferSizeBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
SAME(LaunchAttribute::Cooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
SAME(LaunchAttribute::ClusterDimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
SAME(PoolProperties().allocationType, CU_MEM_ALLOCATION_TYPE_PINNED);
SAME(PoolProperties().locationType, CU_MEM_LOCATION_TYPE_DEVICE);

SAME(sizeof(LaunchAttribute), sizeof(CUlaunchAttribute));
SAME(offsetof(LaunchAttribute, cooperative),
     offsetof(CUlaunchAttribute, value));
SAME(sizeof(LaunchConfig), sizeof(CUlaunchConfig));
SAME(offsetof(LaunchConfig, sharedBytes),
     offsetof(CUlaunchConfig, sharedMemBytes));
SAME(offsetof(LaunchConfig, stream), offsetof(CUlaunchConfig, hStream));
SAME(offsetof(LaunchConfig, attributes), offsetof(CUlaunchConfig, attrs));
SAME(offsetof(LaunchConfig, numAttributes), offsetof(CUlaunchConfig, numAttrs));
SAME(sizeof(PoolProperties), sizeof(CUmemPoolProps));
SAME(offsetof(PoolProperties, locationId),
     offsetof(CUmemPoolProps, location) + offsetof(CUmemLocation, id));
SAME(offsetof(PoolProperties, maxSize), offsetof(CUmemPoolProps, maxSize));
SAME(sizeof(TensorMap), sizeof(CUtensorMap));
static_assert(alignof(TensorMap) >= alignof(CUtensorMap));
SAME(sizeof(DevicePointer), sizeof(CUdeviceptr));
#endif
