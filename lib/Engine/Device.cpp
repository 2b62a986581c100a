// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly-cuda.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Engine/Program.h"
#include "bfly/IR/Machine.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Process.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

llvm::Expected<Device> Device::parse(StringRef name) {
  Device device;
  auto [kind, ordinal] = name.split(':');
  if (kind == "cuda")
    device.kind = Kind::CUDA;
  else if (kind != "cpu")
    return makeError("unknown device " + quote(name) +
                     "; there are cpu and cuda");
  if (name.contains(':') && (!llvm::all_of(ordinal, llvm::isDigit) ||
                             ordinal.getAsInteger(10, device.ordinal)))
    return makeError("device " + quote(name) + " has no valid number");
  if (device.kind == Kind::CPU && device.ordinal != 0)
    return makeError("device '" + name + "' is not there: cpu has number 0");
  return device;
}

/// What the driver says of a GPU; nullopt where it is not there.
static std::optional<BflyCudaDevice> getInfo(const Device &device) {
  BflyCudaDevice info;
  if (device.kind == Device::Kind::CPU ||
      bflyCudaDescribe(device.ordinal, &info))
    return std::nullopt;
  return info;
}

/// As targets count it.
static int64_t getCapability(const BflyCudaDevice &info) {
  return 10 * info.major + info.minor;
}

/// "NVIDIA A100 has compute capability 8.0".
static std::string describe(const BflyCudaDevice &info) {
  return (Twine(info.name) + " has compute capability " + Twine(info.major) +
          "." + Twine(info.minor))
      .str();
}

llvm::Error Device::open() const {
  if (kind == Kind::CPU)
    return llvm::Error::success();
  BflyCudaDevice info;
  if (bflyCudaDeviceInfo(ordinal, &info))
    return makeError("device '" + str() +
                     "' is not there: " + bflyCudaLastError());
  if (getMachineForGPU(getCapability(info)))
    return llvm::Error::success();
  int64_t least = INT64_MAX;
  for (const Machine &machine : getMachines())
    if (machine.isPortable())
      least = std::min(least, machine.capability);
  return makeError("device '" + str() + "' is too old: " + describe(info) +
                   ", and " + Twine(least / 10) + "." + Twine(least % 10) +
                   " is needed");
}

std::string Device::str() const {
  return kind == Kind::CPU ? "cpu" : "cuda:" + std::to_string(ordinal);
}

std::string Device::target() const {
  ArrayRef<Machine> machines = getMachines();
  auto named = llvm::sys::Process::GetEnv("BFLY_CUDA_TARGET");
  if (kind == Kind::CUDA && named && !named->empty())
    return *named;
  if (std::optional<BflyCudaDevice> info = getInfo(*this))
    if (auto machine = getMachineForGPU(getCapability(*info)))
      return machine->name.str();
  return llvm::find_if(machines,
                       [&](const Machine &machine) {
                         return machine.isGPU() == (kind == Kind::CUDA);
                       })
      ->name.str();
}

std::string Device::explainRefusal(const Machine &machine) const {
  std::optional<BflyCudaDevice> info = getInfo(*this);
  return !info || machine.runsOn(getCapability(*info)) ? "" : describe(*info);
}

std::string Device::explainTarget(const Machine &machine) const {
  std::optional<BflyCudaDevice> info = getInfo(*this);
  if (!info || !machine.runsOn(getCapability(*info)) ||
      machine.capability == getCapability(*info))
    return "";
  return (describe(*info) + ", and runs the kernels of " + machine.name).str();
}

std::string Device::describeCode() const {
  if (kind == Kind::CPU)
    return "cpu";
  std::optional<BflyCudaDevice> info = getInfo(*this);
  return "cuda " + target() + " " +
         std::to_string(info ? getCapability(*info) : 0);
}
