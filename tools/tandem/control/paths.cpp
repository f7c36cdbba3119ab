#include "tools/tandem/control/paths.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tandem::tools {

Result<std::string> control_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string folder =
      runtime && *runtime ? fmt::format("{}/tandem", runtime) : fmt::format("/tmp/tandem-{}", getuid());
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return host_error(fmt::format("{}: {}", folder, std::strerror(errno)));
  // In /tmp somebody else may have made it first.
  struct stat s;
  if (lstat(folder.c_str(), &s) != 0 || !S_ISDIR(s.st_mode) || s.st_uid != getuid() || (s.st_mode & 077))
    return host_error(folder + ": is not a folder of this user alone");
  return folder;
}

Result<std::string> control_path(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  TANDEM_TRY_ASSIGN(folder, control_folder());
  return folder + "/" + name;
}

}  // namespace tandem::tools
