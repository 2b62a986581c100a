// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Modules of device code, loaded when a kernel of theirs is first asked for on
// a device, and their functions, looked up once.

#include "CudaModule.h"

#include <cstdio>
#include <cstring>

using namespace bfly::cuda;

/// The first function that PTX declares and that nothing will define: a call of
/// NVIDIA's libdevice that was not linked in. Empty if there is none.
static std::string undefinedFunction(const char *ptx) {
  static const char declaration[] = ".extern .func";
  for (const char *at = ptx; (at = std::strstr(at, declaration));) {
    at += sizeof(declaration) - 1;
    while (*at == ' ' || *at == '\t' || *at == '\n')
      ++at;
    // The result's declaration comes first, in parentheses.
    if (*at == '(') {
      while (*at && *at != ')')
        ++at;
      at += *at == ')';
    }
    at += std::strspn(at, " \t\n");
    size_t length = std::strcspn(at, " \t\n(;");
    // These the driver has.
    std::string name(at, length);
    if (name != "vprintf" && name != "malloc" && name != "free" &&
        name != "__assertfail")
      return name;
  }
  return "";
}

bool Module::load(Device &device, ModuleHandle &handle) {
  for (const Loaded &one : loaded) {
    if (one.device == &device) {
      handle = one.handle;
      return true;
    }
  }
  if (isPTX) {
    std::string missing = undefinedFunction(static_cast<const char *>(data));
    if (!missing.empty())
      return fail("a module of kernels calls '%s', which nothing defines: "
                  "libdevice was not linked in",
                  missing.c_str());
  }
  char log[1024] = "";
  int options[] = {kJitErrorLogBuffer, kJitErrorLogBufferSizeBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  Result status =
      driver()->cuModuleLoadDataEx(&handle, data, 2, options, values);
  log[sizeof(log) - 1] = '\0';
  for (char &c : log)
    if (c == '\n')
      c = ' ';
  const BflyCudaDevice &info = device.info;
  char detail[sizeof(log) + sizeof(info.name) + 160];
  const char *reason = "";
  if (status == kErrorNoBinaryForGpu)
    reason = ", which the module of kernels was not compiled for";
  else if (status == kErrorUnsupportedPtxVersion)
    reason = ", whose driver is older than the module of kernels";
  std::snprintf(detail, sizeof(detail), "on %s (sm_%d%d)%s%s%s", info.name,
                info.major, info.minor, reason, log[0] ? ": " : "", log);
  if (!check(status, "cuModuleLoadData", detail))
    return false;
  loaded.push_back({&device, handle});
  return true;
}

bool Module::loadOn(Device &device) {
  std::lock_guard<std::mutex> held(mutex);
  ModuleHandle handle;
  return load(device, handle);
}

Function *Module::find(Device &device, const char *name) {
  std::lock_guard<std::mutex> held(mutex);
  for (const std::unique_ptr<Function> &function : functions)
    if (function->device == &device && function->name == name)
      return function.get();
  ModuleHandle handle;
  if (!load(device, handle))
    return nullptr;
  const Driver &cuda = *driver();
  auto function = std::make_unique<Function>();
  function->device = &device;
  function->name = name;
  if (!check(cuda.cuModuleGetFunction(&function->handle, handle, name),
             "cuModuleGetFunction",
             ("kernel '" + function->name + "'").c_str()))
    return nullptr;
  struct {
    FunctionAttribute attribute;
    int *value;
  } attributes[] = {
      {kFunctionMaxThreadsPerBlock, &function->maxThreads},
      {kFunctionSharedSizeBytes, &function->staticShared},
      {kFunctionLocalSizeBytes, &function->localBytes},
      {kFunctionNumRegs, &function->registers},
      {kFunctionMaxDynamicSharedSizeBytes, &function->dynamicShared},
      {kFunctionRequiredClusterWidth, &function->cluster[0]},
      {kFunctionRequiredClusterHeight, &function->cluster[1]},
      {kFunctionRequiredClusterDepth, &function->cluster[2]},
  };
  for (auto &[attribute, value] : attributes)
    if (!check(cuda.cuFuncGetAttribute(value, attribute, function->handle),
               "cuFuncGetAttribute"))
      return nullptr;
  functions.push_back(std::move(function));
  return functions.back().get();
}

Module::~Module() {
  for (const Loaded &one : loaded) {
    ContextScope scope(one.device);
    if (!scope)
      continue;
    // Calls return before their kernels do.
    driver()->cuCtxSynchronize();
    driver()->cuModuleUnload(one.handle);
  }
}

/// Where bflyCudaLoadModules loads, and whether it could so far.
static thread_local Device *loadingOn = nullptr;
static thread_local bool loadedAll = true;

extern "C" {

// This also runs when a program starts, GPU or not: nothing is loaded then.
void *bflyCudaLoadModule(const void *code, int32_t isPTX) {
  auto *module = new Module(code, isPTX != 0);
  if (loadingOn && loadedAll)
    loadedAll = module->loadOn(*loadingOn);
  return module;
}

int bflyCudaLoadModules(int ordinal, void (*load)(void)) {
  return onDevice(ordinal, [&](Device &device) {
    OutsideCapture outside;
    loadingOn = &device;
    loadedAll = true;
    load();
    loadingOn = nullptr;
    return loadedAll;
  });
}

void bflyCudaUnloadModule(void *module) {
  delete static_cast<Module *>(module);
}

} // extern "C"
