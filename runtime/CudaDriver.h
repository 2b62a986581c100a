// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The part of NVIDIA's driver API in use, declared here so that building needs
// no CUDA toolkit, and loaded from libcuda.so.1 when first needed. Where a
// toolkit is, test/unit/CudaDeclarationsTest.cpp compares the two.

#ifndef BFLY_RUNTIME_CUDADRIVER_H
#define BFLY_RUNTIME_CUDADRIVER_H

#include <cstddef>
#include <cstdint>

namespace bfly::cuda {

/// CUresult, an enumeration; 0 is success.
using Result = int;
using DevicePointer = uint64_t;
using DeviceHandle = int;
struct ContextObject;
struct ModuleObject;
struct FunctionObject;
struct StreamObject;
struct EventObject;
struct PoolObject;
struct GraphObject;
struct UserObjectHandle;
using Context = ContextObject *;
using ModuleHandle = ModuleObject *;
using FunctionHandle = FunctionObject *;
using Stream = StreamObject *;
using Event = EventObject *;
using Pool = PoolObject *;
using Graph = GraphObject *;
using UserObject = UserObjectHandle *;

enum : Result {
  kErrorInvalidValue = 1,
  kErrorOutOfMemory = 2,
  kErrorNoDevice = 100,
  kErrorNoBinaryForGpu = 209,
  kErrorInvalidPtx = 218,
  kErrorUnsupportedPtxVersion = 222,
  kErrorInvalidHandle = 400,
  kErrorNotFound = 500,
  kErrorHostMemoryAlreadyRegistered = 712,
};

enum DeviceAttribute : int {
  kDeviceClockRate = 13,
  kDeviceMultiprocessorCount = 16,
  kDeviceL2CacheSize = 38,
  kDeviceComputeCapabilityMajor = 75,
  kDeviceComputeCapabilityMinor = 76,
  kDeviceMaxSharedMemoryPerMultiprocessor = 81,
  kDeviceMaxSharedMemoryPerBlockOptin = 97,
  kDeviceMemoryPoolsSupported = 115,
};

enum FunctionAttribute : int {
  kFunctionMaxThreadsPerBlock = 0,
  kFunctionSharedSizeBytes = 1,
  kFunctionLocalSizeBytes = 3,
  kFunctionNumRegs = 4,
  kFunctionMaxDynamicSharedSizeBytes = 8,
  kFunctionRequiredClusterWidth = 11,
  kFunctionRequiredClusterHeight = 12,
  kFunctionRequiredClusterDepth = 13,
  kFunctionNonPortableClusterSizeAllowed = 14,
};

enum PointerAttribute : int {
  kPointerMemoryType = 2,
  kPointerIsManaged = 8,
  kPointerDeviceOrdinal = 9,
  kPointerRangeStartAddress = 11,
  kPointerRangeSize = 12,
};
inline constexpr int kMemoryTypeHost = 1;
inline constexpr unsigned kEventDefault = 0;
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr int kPoolReleaseThreshold = 4;
inline constexpr int kCaptureStatusNone = 0;
inline constexpr int kCaptureStatusActive = 1;
inline constexpr int kCaptureModeRelaxed = 2;
inline constexpr unsigned kUserObjectNoDestructorSync = 1;
inline constexpr unsigned kGraphUserObjectMove = 1;
inline constexpr int kJitErrorLogBuffer = 5;
inline constexpr int kJitErrorLogBufferSizeBytes = 6;

/// CUlaunchAttribute.
struct alignas(8) LaunchAttribute {
  enum Id : int { Cooperative = 2, ClusterDimension = 4 };
  Id id;
  char padding[4];
  union {
    char bytes[64];
    unsigned clusterDimension[3];
    int cooperative;
  };
};

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned sharedBytes;
  Stream stream;
  LaunchAttribute *attributes;
  unsigned numAttributes;
};

/// CUmemPoolProps: memory of one device, for this process.
struct PoolProperties {
  int allocationType = 1; // pinned, the only one
  int handleTypes = 0;
  int locationType = 1; // a device
  int locationId = 0;
  void *securityAttributes = nullptr;
  size_t maxSize = 0;
  unsigned short usage = 0;
  unsigned char reserved[54] = {};
};

/// CUtensorMap.
struct alignas(128) TensorMap {
  uint64_t words[16];
};

// name, exported symbol, parameters
#define BFLY_DRIVER_FUNCTIONS(X)                                               \
  X(cuInit, cuInit, (unsigned))                                                \
  X(cuDriverGetVersion, cuDriverGetVersion, (int *))                           \
  X(cuGetErrorName, cuGetErrorName, (Result, const char **))                   \
  X(cuGetErrorString, cuGetErrorString, (Result, const char **))               \
  X(cuDeviceGetCount, cuDeviceGetCount, (int *))                               \
  X(cuDeviceGet, cuDeviceGet, (DeviceHandle *, int))                           \
  X(cuDeviceGetName, cuDeviceGetName, (char *, int, DeviceHandle))             \
  X(cuDeviceGetAttribute, cuDeviceGetAttribute, (int *, int, DeviceHandle))    \
  X(cuDeviceTotalMem, cuDeviceTotalMem_v2, (size_t *, DeviceHandle))           \
  X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain,                        \
    (Context *, DeviceHandle))                                                 \
  X(cuCtxPushCurrent, cuCtxPushCurrent_v2, (Context))                          \
  X(cuCtxPopCurrent, cuCtxPopCurrent_v2, (Context *))                          \
  X(cuCtxSynchronize, cuCtxSynchronize, ())                                    \
  X(cuModuleLoadDataEx, cuModuleLoadDataEx,                                    \
    (ModuleHandle *, const void *, unsigned, int *, void **))                  \
  X(cuModuleUnload, cuModuleUnload, (ModuleHandle))                            \
  X(cuModuleGetFunction, cuModuleGetFunction,                                  \
    (FunctionHandle *, ModuleHandle, const char *))                            \
  X(cuFuncGetAttribute, cuFuncGetAttribute, (int *, int, FunctionHandle))      \
  X(cuFuncSetAttribute, cuFuncSetAttribute, (FunctionHandle, int, int))        \
  X(cuLaunchKernelEx, cuLaunchKernelEx,                                        \
    (const LaunchConfig *, FunctionHandle, void **, void **))                  \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor,                               \
    cuOccupancyMaxActiveBlocksPerMultiprocessor,                               \
    (int *, FunctionHandle, int, size_t))                                      \
  X(cuOccupancyMaxActiveClusters, cuOccupancyMaxActiveClusters,                \
    (int *, FunctionHandle, const LaunchConfig *))                             \
  X(cuStreamCreate, cuStreamCreate, (Stream *, unsigned))                      \
  X(cuStreamDestroy, cuStreamDestroy_v2, (Stream))                             \
  X(cuStreamSynchronize, cuStreamSynchronize, (Stream))                        \
  X(cuStreamGetCtx, cuStreamGetCtx, (Stream, Context *))                       \
  X(cuStreamGetId, cuStreamGetId, (Stream, unsigned long long *))              \
  X(cuStreamGetCaptureInfo, cuStreamGetCaptureInfo_v2,                         \
    (Stream, int *, uint64_t *, Graph *, const void **, size_t *))             \
  X(cuThreadExchangeStreamCaptureMode, cuThreadExchangeStreamCaptureMode,      \
    (int *))                                                                   \
  X(cuUserObjectCreate, cuUserObjectCreate,                                    \
    (UserObject *, void *, void (*)(void *), unsigned, unsigned))              \
  X(cuUserObjectRelease, cuUserObjectRelease, (UserObject, unsigned))          \
  X(cuGraphRetainUserObject, cuGraphRetainUserObject,                          \
    (Graph, UserObject, unsigned, unsigned))                                   \
  X(cuEventCreate, cuEventCreate, (Event *, unsigned))                         \
  X(cuEventDestroy, cuEventDestroy_v2, (Event))                                \
  X(cuEventRecord, cuEventRecord, (Event, Stream))                             \
  X(cuEventSynchronize, cuEventSynchronize, (Event))                           \
  X(cuEventElapsedTime, cuEventElapsedTime, (float *, Event, Event))           \
  X(cuMemGetInfo, cuMemGetInfo_v2, (size_t *, size_t *))                       \
  X(cuMemAlloc, cuMemAlloc_v2, (DevicePointer *, size_t))                      \
  X(cuMemFree, cuMemFree_v2, (DevicePointer))                                  \
  X(cuMemPoolCreate, cuMemPoolCreate, (Pool *, const PoolProperties *))        \
  X(cuMemPoolSetAttribute, cuMemPoolSetAttribute, (Pool, int, void *))         \
  X(cuMemPoolTrimTo, cuMemPoolTrimTo, (Pool, size_t))                          \
  X(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync,                          \
    (DevicePointer *, size_t, Pool, Stream))                                   \
  X(cuMemFreeAsync, cuMemFreeAsync, (DevicePointer, Stream))                   \
  X(cuMemcpyAsync, cuMemcpyAsync,                                              \
    (DevicePointer, DevicePointer, size_t, Stream))                            \
  X(cuMemsetD32Async, cuMemsetD32Async,                                        \
    (DevicePointer, unsigned, size_t, Stream))                                 \
  X(cuMemsetD16Async, cuMemsetD16Async,                                        \
    (DevicePointer, unsigned short, size_t, Stream))                           \
  X(cuPointerGetAttributes, cuPointerGetAttributes,                            \
    (unsigned, const int *, void **, DevicePointer))                           \
  X(cuTensorMapEncodeTiled, cuTensorMapEncodeTiled,                            \
    (TensorMap *, int, unsigned, void *, const uint64_t *, const uint64_t *,   \
     const unsigned *, const unsigned *, int, int, int, int))

struct Driver {
  // NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration has none.
#define BFLY_DECLARE(name, symbol, parameters) Result(*name) parameters;
  BFLY_DRIVER_FUNCTIONS(BFLY_DECLARE)
#undef BFLY_DECLARE
  int version; ///< 13000 for CUDA 13.0
};

/// The driver, initialised; null with a recorded error if there is none, which
/// is tried again by the next call.
const Driver *driver();

/// Opens the first of `names` that is there, or the one that the environment
/// variable names. Null with the loader's words in `problem`.
void *openLibrary(const char *variable, const char *const *names, char *problem,
                  size_t problemSize);

} // namespace bfly::cuda

#endif // BFLY_RUNTIME_CUDADRIVER_H
