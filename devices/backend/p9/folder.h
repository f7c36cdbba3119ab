// Files below a folder of the host, reached step by step: each by a descriptor of its own. No step follows a
// symbolic link or has a slash in its name, so nothing outside is reached, whatever is renamed meanwhile.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "core/base/host_fd.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "devices/backend/p9/message.h"

namespace tandem::devices::p9 {

// Errors are the host's numbers (errno); 0: all went well.
using Errno = int;

// A name that is one step down: no slash, no dots alone, not empty.
bool is_plain_name(const std::string& name);

class Folder {
 public:
  static Result<Folder> open(const std::string& path);

  // These give O_PATH descriptors; not open() with errno set where it fails.
  HostFd root() const;
  HostFd step(int from, const std::string& name) const;  // ".." stays in the folder
  // What step() gave, opened for use. Regular files and folders only: opening others acts on the host.
  static HostFd reopen(int path_fd, int flags);
  static Errno qid(int fd, Qid& qid);
  // The name of a descriptor, as seen by the host's calls.
  static std::string link_of(int fd);

  // Where it is, below the folder; nothing where it is there no more.
  std::optional<std::vector<std::string>> steps_to(int fd) const;

 private:
  explicit Folder(HostFd fd) : fd_(std::move(fd)) {}
  bool is_root(int fd) const;
  bool below(int fd) const;

  HostFd fd_;
};

}  // namespace tandem::devices::p9
