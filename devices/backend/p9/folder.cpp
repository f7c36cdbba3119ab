#include "devices/backend/p9/folder.h"

#include <fcntl.h>

#include <cerrno>
#include <climits>
#include <cstring>

namespace tandem::devices::p9 {

namespace {

constexpr unsigned kDeepest = 4096;  // folders in folders

bool same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

bool status_of(int fd, struct stat& st) { return fstatat(fd, "", &st, AT_EMPTY_PATH) == 0; }

HostFd failed(Errno error) {
  errno = error;
  return HostFd();
}

}  // namespace

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= NAME_MAX &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Result<Folder> Folder::open(const std::string& path) {
  HostFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.open()) return user_error(path + ": " + std::strerror(errno));
  return Folder(std::move(fd));
}

HostFd Folder::root() const { return HostFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)); }

bool Folder::is_root(int fd) const {
  struct stat a{}, b{};
  return status_of(fd, a) && status_of(fd_.get(), b) && same(a, b);
}

// Whether going up from a folder ends at ours before it does at the host's root.
bool Folder::below(int fd) const {
  HostFd at(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  for (unsigned i = 0; i < kDeepest && at.open(); ++i) {
    if (is_root(at.get())) return true;
    HostFd up(openat(at.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat a{}, b{};
    if (!up.open() || !status_of(at.get(), a) || !status_of(up.get(), b) || same(a, b)) return false;
    at = std::move(up);
  }
  return false;
}

HostFd Folder::step(int from, const std::string& name) const {
  if (name == "..") {
    if (is_root(from)) return root();
    HostFd up(openat(from, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return up.open() && below(up.get()) ? std::move(up) : failed(ENOENT);
  }
  if (!is_plain_name(name)) return failed(EINVAL);
  return HostFd(openat(from, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

std::string Folder::link_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

HostFd Folder::reopen(int path_fd, int flags) {
  struct stat st{};
  if (!status_of(path_fd, st)) return HostFd();
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return failed(S_ISLNK(st.st_mode) ? ELOOP : ENXIO);
  return HostFd(::open(link_of(path_fd).c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

Errno Folder::qid(int fd, Qid& qid) {
  struct stat st{};
  if (!status_of(fd, st)) return errno;
  qid.type = S_ISDIR(st.st_mode) ? Qid::kDirectory : S_ISLNK(st.st_mode) ? Qid::kSymlink : u8{0};
  qid.version = static_cast<u32>(st.st_mtim.tv_sec ^ st.st_mtim.tv_nsec ^ (st.st_size << 8));
  // Other file systems below have numbers of their own.
  qid.path = st.st_ino ^ st.st_dev << 48;
  return 0;
}

std::optional<std::vector<std::string>> Folder::steps_to(int fd) const {
  const auto path_of = [](int which) -> std::string {
    char path[PATH_MAX];
    const ssize_t n = readlink(link_of(which).c_str(), path, sizeof path);
    return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : std::string();
  };
  const std::string base = path_of(fd_.get()), path = path_of(fd);
  if (path == base) return std::vector<std::string>();
  const std::string prefix = base == "/" ? base : base + "/";
  if (!path.starts_with(prefix)) return std::nullopt;
  std::vector<std::string> steps;
  for (std::size_t at = prefix.size(); at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    steps.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return steps;
}

}  // namespace tandem::devices::p9
