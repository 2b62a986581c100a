// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Launches, and what fits on the device at once.

#include "CudaModule.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bfly::cuda;

/// Clusters up to this size run on every device that has clusters.
static constexpr int64_t kPortableCluster = 8;

namespace {
struct Shape {
  int64_t grid[3], block[3], cluster[3];
  int64_t sharedBytes;
  int32_t flags;

  int64_t clusterBlocks() const { return cluster[0] * cluster[1] * cluster[2]; }
};
} // namespace

/// "kernel 'k', grid 8x1x1, block 128x1x1, cluster 2x1x1, 1024 bytes of dynamic
/// shared memory, cooperative"
static void describe(const Function &function, const Shape &shape, char *text,
                     size_t size) {
  auto number = [](int64_t value) { return static_cast<long long>(value); };
  int length = std::snprintf(
      text, size, "kernel '%s', grid %lldx%lldx%lld, block %lldx%lldx%lld",
      function.name.c_str(), number(shape.grid[0]), number(shape.grid[1]),
      number(shape.grid[2]), number(shape.block[0]), number(shape.block[1]),
      number(shape.block[2]));
  auto append = [&](const char *format, auto... values) {
    if (length >= 0 && static_cast<size_t>(length) < size)
      length += std::snprintf(text + length, size - length, format, values...);
  };
  if (shape.clusterBlocks() != 1)
    append(", cluster %lldx%lldx%lld", number(shape.cluster[0]),
           number(shape.cluster[1]), number(shape.cluster[2]));
  if (shape.sharedBytes)
    append(", %lld bytes of dynamic shared memory", number(shape.sharedBytes));
  if (shape.flags & BFLY_CUDA_COOPERATIVE)
    append("%s", ", cooperative");
}

/// Lets a function have so much dynamic shared memory and such clusters.
static bool permit(Function &function, int64_t sharedBytes,
                   int64_t clusterBlocks) {
  const Driver &cuda = *driver();
  const BflyCudaDevice &info = function.device->info;
  std::lock_guard<std::mutex> held(function.mutex);
  if (sharedBytes > function.dynamicShared) {
    int64_t total = sharedBytes + function.staticShared;
    if (total > static_cast<int64_t>(info.blockSharedBytes))
      return fail("kernel '%s' needs %lld bytes of shared memory a block, but "
                  "a block of %s may have %llu",
                  function.name.c_str(), static_cast<long long>(total),
                  info.name,
                  static_cast<unsigned long long>(info.blockSharedBytes));
    if (!check(cuda.cuFuncSetAttribute(function.handle,
                                       kFunctionMaxDynamicSharedSizeBytes,
                                       static_cast<int>(sharedBytes)),
               "cuFuncSetAttribute", function.name.c_str()))
      return false;
    function.dynamicShared = static_cast<int>(sharedBytes);
  }
  if (clusterBlocks > kPortableCluster && !function.largeClusters) {
    if (!check(cuda.cuFuncSetAttribute(
                   function.handle, kFunctionNonPortableClusterSizeAllowed, 1),
               "cuFuncSetAttribute", function.name.c_str()))
      return false;
    function.largeClusters = true;
  }
  return true;
}

/// The driver's form of a shape, whose numbers are in range.
static LaunchConfig configure(const Function &function, const Shape &shape,
                              Stream stream, LaunchAttribute *attributes) {
  LaunchConfig config = {};
  for (int i = 0; i < 3; ++i) {
    config.grid[i] = static_cast<unsigned>(shape.grid[i]);
    config.block[i] = static_cast<unsigned>(shape.block[i]);
  }
  config.sharedBytes = static_cast<unsigned>(shape.sharedBytes);
  config.stream = stream;
  config.attributes = attributes;
  auto add = [&](LaunchAttribute::Id id) -> LaunchAttribute & {
    LaunchAttribute &attribute = attributes[config.numAttributes++];
    std::memset(&attribute, 0, sizeof(attribute));
    attribute.id = id;
    return attribute;
  };
  // A kernel's own cluster must not be given again.
  if (shape.clusterBlocks() != 1 && function.cluster[0] == 0) {
    LaunchAttribute &attribute = add(LaunchAttribute::ClusterDimension);
    for (int i = 0; i < 3; ++i)
      attribute.clusterDimension[i] = static_cast<unsigned>(shape.cluster[i]);
  }
  if (shape.flags & BFLY_CUDA_COOPERATIVE)
    add(LaunchAttribute::Cooperative).cooperative = 1;
  return config;
}

static bool residentBlocks(Function &function, int64_t threads,
                           int64_t sharedBytes, int64_t cluster,
                           int64_t &blocks) {
  {
    std::lock_guard<std::mutex> held(function.mutex);
    for (const Function::Residency &known : function.residencies) {
      if (known.threads == threads && known.sharedBytes == sharedBytes &&
          known.cluster == cluster) {
        blocks = known.blocks;
        return true;
      }
    }
  }
  if (threads < 1 || threads > function.maxThreads || sharedBytes < 0 ||
      cluster < 1)
    return fail("kernel '%s' cannot have %lld threads a block and clusters of "
                "%lld blocks",
                function.name.c_str(), static_cast<long long>(threads),
                static_cast<long long>(cluster));
  if (!permit(function, sharedBytes, cluster))
    return false;
  const Driver &cuda = *driver();
  int count = 0;
  if (cluster == 1) {
    if (!check(cuda.cuOccupancyMaxActiveBlocksPerMultiprocessor(
                   &count, function.handle, static_cast<int>(threads),
                   sharedBytes),
               "cuOccupancyMaxActiveBlocksPerMultiprocessor",
               function.name.c_str()))
      return false;
    blocks = int64_t(count) * function.device->info.multiprocessors;
  } else {
    Shape shape = {
        {cluster, 1, 1}, {threads, 1, 1}, {cluster, 1, 1}, sharedBytes, 0};
    // The grid has to be made of the kernel's own clusters.
    for (int i = 0; function.cluster[0] > 0 && i < 3; ++i)
      shape.grid[i] = shape.cluster[i] = function.cluster[i];
    LaunchAttribute attributes[2];
    LaunchConfig config = configure(function, shape, nullptr, attributes);
    if (!check(
            cuda.cuOccupancyMaxActiveClusters(&count, function.handle, &config),
            "cuOccupancyMaxActiveClusters", function.name.c_str()))
      return false;
    blocks = count * cluster;
  }
  if (blocks == 0)
    return fail("kernel '%s' does not fit: no block of %lld threads with %d "
                "registers each and %lld bytes of shared memory%s runs on %s",
                function.name.c_str(), static_cast<long long>(threads),
                function.registers,
                static_cast<long long>(sharedBytes) + function.staticShared,
                cluster == 1 ? "" : " in such a cluster",
                function.device->info.name);
  std::lock_guard<std::mutex> held(function.mutex);
  function.residencies.push_back({threads, sharedBytes, cluster, blocks});
  return true;
}

static bool launch(void *module, const char *kernel, Shape shape,
                   void **parameters) {
  Call *call = currentCall();
  if (!call)
    return false;
  Function *found = static_cast<Module *>(module)->find(*call->device, kernel);
  if (!found)
    return false;
  Function &function = *found;
  if (function.cluster[0] > 0 && shape.clusterBlocks() == 1)
    for (int i = 0; i < 3; ++i)
      shape.cluster[i] = function.cluster[i];
  char text[512];
  describe(function, shape, text, sizeof(text));
  static constexpr int64_t gridLimits[3] = {INT32_MAX, 65535, 65535};
  int64_t threads = 1, blocks = 1;
  for (int i = 0; i < 3; ++i) {
    if (shape.grid[i] < 0 || shape.grid[i] > gridLimits[i])
      return fail("the grid is too large: %s", text);
    if (shape.block[i] < 1 || shape.block[i] > 1024 || shape.cluster[i] < 1)
      return fail("no such block or cluster: %s", text);
    if (shape.grid[i] % shape.cluster[i])
      return fail("the grid is not made of whole clusters: %s", text);
    threads *= shape.block[i];
    blocks *= shape.grid[i];
  }
  if (blocks == 0)
    return true;
  if (threads > function.maxThreads)
    return fail("%d registers a thread leave room for %d threads a block: %s",
                function.registers, function.maxThreads, text);
  if (shape.sharedBytes < 0 || shape.sharedBytes > INT32_MAX)
    return fail("no such amount of shared memory: %s", text);
  if (!permit(function, shape.sharedBytes, shape.clusterBlocks()))
    return false;
  if (shape.flags & BFLY_CUDA_COOPERATIVE) {
    // The driver would refuse too, without numbers.
    int64_t most = 0;
    if (!residentBlocks(function, threads, shape.sharedBytes,
                        shape.clusterBlocks(), most))
      return false;
    if (blocks > most)
      return fail("%lld blocks have to run at once, but %s holds %lld: %s",
                  static_cast<long long>(blocks), call->device->info.name,
                  static_cast<long long>(most), text);
  }
  LaunchAttribute attributes[2];
  LaunchConfig config = configure(function, shape, call->stream, attributes);
  const Driver &cuda = *driver();
  Result status =
      cuda.cuLaunchKernelEx(&config, function.handle, parameters, nullptr);
  if (!check(status, "cuLaunchKernelEx", text))
    return false;
  noteLaunch(text);
  static const bool synchronous = [] {
    const char *value = std::getenv("BFLY_CUDA_SYNC");
    return value && std::strcmp(value, "1") == 0;
  }();
  if (!synchronous)
    return true;
  // What is captured does not run now.
  Graph graph = nullptr;
  return captureOf(call->stream, graph) &&
         (graph ||
          check(cuda.cuStreamSynchronize(call->stream), "cuStreamSynchronize"));
}

extern "C" {

void bflyCudaLaunch(void *module, const char *kernel, int64_t gridX,
                    int64_t gridY, int64_t gridZ, int64_t blockX,
                    int64_t blockY, int64_t blockZ, int64_t clusterX,
                    int64_t clusterY, int64_t clusterZ, int64_t sharedBytes,
                    int32_t flags, void **parameters) {
  orLeave([&] {
    return launch(module, kernel,
                  {{gridX, gridY, gridZ},
                   {blockX, blockY, blockZ},
                   {clusterX, clusterY, clusterZ},
                   sharedBytes,
                   flags},
                  parameters);
  });
}

int64_t bflyCudaResidentBlocks(void *module, const char *kernel,
                               int64_t threads, int64_t sharedBytes,
                               int64_t clusterBlocks) {
  int64_t blocks = 0;
  orLeave([&] {
    Call *call = currentCall();
    if (!call)
      return false;
    Function *function =
        static_cast<Module *>(module)->find(*call->device, kernel);
    return function && residentBlocks(*function, threads, sharedBytes,
                                      clusterBlocks, blocks);
  });
  return blocks;
}

} // extern "C"
