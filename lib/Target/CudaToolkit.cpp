// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Target/CudaToolkit.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

#include <dlfcn.h>
#include <vector>

using namespace mlir::bfly;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static std::string join(StringRef folder, const llvm::Twine &rest) {
  llvm::SmallString<256> result(folder);
  path::append(result, rest);
  return result.str().str();
}

/// The toolkit in a folder, if ptxas is there.
static std::optional<CudaToolkit> toolkitAt(StringRef root) {
  CudaToolkit toolkit{root.str(), join(root, "bin/ptxas"),
                      join(root, "bin/fatbinary"), ""};
  if (root.empty() || !fs::can_execute(toolkit.ptxas))
    return std::nullopt;
  if (!fs::can_execute(toolkit.fatbinary))
    toolkit.fatbinary.clear();
  std::string libdevice = join(root, "nvvm/libdevice/libdevice.10.bc");
  if (fs::exists(libdevice))
    toolkit.libdevice = libdevice;
  return toolkit;
}

/// The folders in a folder, in an order that does not change.
static std::vector<std::string> foldersIn(StringRef folder) {
  std::vector<std::string> result;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; entry != end && !error;
       entry.increment(error))
    if (fs::is_directory(entry->path()))
      result.push_back(entry->path());
  llvm::sort(result);
  return result;
}

/// The toolkit of NVIDIA's wheels in a site-packages: nvidia/cu13/bin/ptxas,
/// before CUDA 13 nvidia/cuda_nvcc/bin/ptxas.
static std::optional<CudaToolkit> toolkitInPackages(StringRef packages) {
  std::vector<std::string> roots = foldersIn(join(packages, "nvidia"));
  // The newest first.
  for (const std::string &root : llvm::reverse(roots))
    if (auto toolkit = toolkitAt(root))
      return toolkit;
  return std::nullopt;
}

/// The same in an environment of Python's.
static std::optional<CudaToolkit> toolkitInEnvironment(StringRef folder) {
  for (const std::string &python : foldersIn(join(folder, "lib")))
    if (path::filename(python).starts_with("python"))
      if (auto toolkit = toolkitInPackages(join(python, "site-packages")))
        return toolkit;
  return std::nullopt;
}

std::optional<CudaToolkit>
mlir::bfly::findCudaToolkit(StringRef libraryFolder) {
  auto variable = [](StringRef name) {
    return llvm::sys::Process::GetEnv(name).value_or("");
  };
  if (variable("BFLY_CUDA") == "none")
    return std::nullopt;
  for (StringRef name : {"BFLY_CUDA", "CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"})
    if (auto toolkit = toolkitAt(variable(name)))
      return toolkit;
  if (auto ptxas = llvm::sys::findProgramByName("ptxas")) {
    // A link, like /usr/bin/ptxas, has its toolkit where it points to.
    llvm::SmallString<256> real;
    if (!fs::real_path(*ptxas, real))
      if (auto toolkit = toolkitAt(path::parent_path(path::parent_path(real))))
        return toolkit;
  }
  if (auto toolkit = toolkitInEnvironment(variable("VIRTUAL_ENV")))
    return toolkit;
  // build/lib/libbfly.so beside .venv, site-packages/bfly/libbfly.so beside
  // site-packages/nvidia.
  StringRef folder = libraryFolder;
  for (int i = 0; i < 4 && !folder.empty(); ++i) {
    if (auto toolkit = toolkitInPackages(folder))
      return toolkit;
    if (auto toolkit = toolkitInEnvironment(join(folder, ".venv")))
      return toolkit;
    folder = path::parent_path(folder);
  }
  return toolkitAt("/usr/local/cuda");
}

std::optional<CudaToolkit> mlir::bfly::findCudaToolkit() {
  Dl_info info;
  static const char anchor = 0;
  llvm::SmallString<256> library;
  if (dladdr(&anchor, &info) && info.dli_fname)
    (void)fs::real_path(info.dli_fname, library);
  return findCudaToolkit(path::parent_path(library));
}
