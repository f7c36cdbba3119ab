// Requests on names and attributes.
#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <climits>

#include "devices/backend/p9/server.h"

namespace tandem::devices::p9 {

namespace {

constexpr u64 kBasicAttributes = 0x7ff;
enum SetAttribute : u32 {
  kMode = 1,
  kUid = 2,
  kGid = 4,
  kSize = 8,
  kAtime = 0x10,
  kMtime = 0x20,
  kAtimeSet = 0x80,
  kMtimeSet = 0x100,
};
constexpr u32 kModeBits = 01777;  // no set-user-id on the host
constexpr u8 kLockGranted = 0, kUnlocked = 2;

Errno outcome(int result) { return result == 0 ? 0 : errno; }

timespec time_to_set(u32 valid, u32 bit, u32 set_bit, u64 seconds, u64 nanoseconds) {
  if (!(valid & bit)) return {0, UTIME_OMIT};
  if (!(valid & set_bit)) return {0, UTIME_NOW};
  return {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
}

}  // namespace

Errno Server::statfs(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  struct statfs s{};
  if (!fid) return EBADF;
  if (fstatfs(fid->path.get(), &s) != 0) return errno;
  out_.number(static_cast<u32>(s.f_type));
  out_.number(static_cast<u32>(s.f_bsize));
  for (const u64 v : {s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree}) out_.number(v);
  out_.number(u64{0});
  out_.number(static_cast<u32>(s.f_namelen));
  return 0;
}

Errno Server::getattr(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  struct stat s{};
  Qid qid;
  if (!fid) return EBADF;
  if (fstatat(fid->path.get(), "", &s, AT_EMPTY_PATH) != 0) return errno;
  if (const Errno error = Folder::qid(fid->path.get(), qid)) return error;
  out_.number(kBasicAttributes);
  out_.qid(qid);
  for (const u32 v : {s.st_mode, s.st_uid, s.st_gid}) out_.number(v);
  for (const u64 v : {u64{s.st_nlink}, u64{s.st_rdev}, static_cast<u64>(s.st_size),
                      static_cast<u64>(s.st_blksize), static_cast<u64>(s.st_blocks)})
    out_.number(v);
  for (const timespec& t : {s.st_atim, s.st_mtim, s.st_ctim}) {
    out_.number(static_cast<u64>(t.tv_sec));
    out_.number(static_cast<u64>(t.tv_nsec));
  }
  for (int i = 0; i < 4; ++i) out_.number(u64{0});  // birth, generation, version
  return 0;
}

Errno Server::setattr(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const u32 valid = call.in.number<u32>(), mode = call.in.number<u32>();
  const u32 uid = call.in.number<u32>(), gid = call.in.number<u32>();
  const u64 size = call.in.number<u64>();
  u64 times[4];
  for (u64& t : times) t = call.in.number<u64>();
  if (!call.in.good() || !fid) return EBADF;
  const int fd = fid->path.get();
  struct stat st{};
  if (fstatat(fd, "", &st, AT_EMPTY_PATH) != 0) return errno;
  // A link's own mode is nothing, and what it names is not ours to change.
  const bool link = S_ISLNK(st.st_mode);
  if (link && (valid & (kMode | kSize))) return EOPNOTSUPP;
  const std::string path = Folder::link_of(fd);
  if ((valid & kMode) && chmod(path.c_str(), mode & kModeBits) != 0) return errno;
  if ((valid & (kUid | kGid)) && fchownat(fd, "", valid & kUid ? uid : ~u32{0}, valid & kGid ? gid : ~u32{0},
                                          AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
    return errno;
  if (valid & kSize) {
    const HostFd file = Folder::reopen(fd, O_WRONLY);
    if (!file.open() || ftruncate(file.get(), static_cast<off_t>(size)) != 0) return errno;
  }
  if (!(valid & (kAtime | kMtime))) return 0;
  const timespec set[2] = {time_to_set(valid, kAtime, kAtimeSet, times[0], times[1]),
                           time_to_set(valid, kMtime, kMtimeSet, times[2], times[3])};
  return outcome(utimensat(fd, "", set, AT_EMPTY_PATH));
}

Errno Server::readlink(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  char target[PATH_MAX];
  if (!fid) return EBADF;
  const ssize_t n = readlinkat(fid->path.get(), "", target, sizeof target);
  if (n < 0) return errno == ENOENT ? EINVAL : errno;
  out_.string({target, static_cast<std::size_t>(n)});
  return 0;
}

Errno Server::answer_qid(int folder, const std::string& name) {
  const HostFd made = folder_.step(folder, name);
  Qid qid;
  if (!made.open()) return errno;
  if (const Errno error = Folder::qid(made.get(), qid)) return error;
  out_.qid(qid);
  return 0;
}

Errno Server::symlink(Call& call) {
  Fid* const folder = find(call.in.number<u32>());
  const std::string name = call.in.string(), target = call.in.string();
  if (!call.in.good() || !folder) return EBADF;
  if (!is_plain_name(name) || target.find('\0') != std::string::npos) return EINVAL;
  if (symlinkat(target.c_str(), folder->path.get(), name.c_str()) != 0) return errno;
  return answer_qid(folder->path.get(), name);
}

Errno Server::link(Call& call) {
  Fid* const folder = find(call.in.number<u32>());
  Fid* const fid = find(call.in.number<u32>());
  const std::string name = call.in.string();
  if (!call.in.good() || !folder || !fid) return EBADF;
  if (!is_plain_name(name)) return EINVAL;
  return outcome(linkat(AT_FDCWD, Folder::link_of(fid->path.get()).c_str(), folder->path.get(), name.c_str(),
                        AT_SYMLINK_FOLLOW));
}

// No devices: what opens them on the host would get the host's.
Errno Server::mknod(Call& call) {
  Fid* const folder = find(call.in.number<u32>());
  const std::string name = call.in.string();
  const u32 mode = call.in.number<u32>();
  if (!call.in.good() || !folder) return EBADF;
  if (!is_plain_name(name)) return EINVAL;
  if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode)) return EPERM;
  if (mknodat(folder->path.get(), name.c_str(), mode & (S_IFMT | kModeBits), 0) != 0) return errno;
  return answer_qid(folder->path.get(), name);
}

Errno Server::mkdir(Call& call) {
  Fid* const folder = find(call.in.number<u32>());
  const std::string name = call.in.string();
  const u32 mode = call.in.number<u32>();
  if (!call.in.good() || !folder) return EBADF;
  if (!is_plain_name(name)) return EINVAL;
  if (mkdirat(folder->path.get(), name.c_str(), mode & kModeBits) != 0) return errno;
  return answer_qid(folder->path.get(), name);
}

Errno Server::renameat(Call& call) {
  Fid* const from = find(call.in.number<u32>());
  const std::string old_name = call.in.string();
  Fid* const to = find(call.in.number<u32>());
  const std::string new_name = call.in.string();
  if (!call.in.good() || !from || !to) return EBADF;
  if (!is_plain_name(old_name) || !is_plain_name(new_name)) return EINVAL;
  return outcome(::renameat(from->path.get(), old_name.c_str(), to->path.get(), new_name.c_str()));
}

Errno Server::unlinkat(Call& call) {
  Fid* const folder = find(call.in.number<u32>());
  const std::string name = call.in.string();
  const u32 flags = call.in.number<u32>();
  if (!call.in.good() || !folder) return EBADF;
  if (!is_plain_name(name)) return EINVAL;
  return outcome(::unlinkat(folder->path.get(), name.c_str(), static_cast<int>(flags & u32{AT_REMOVEDIR})));
}

// The client keeps its own processes' locks apart, and there is no other client.
Errno Server::lock(Call& call) {
  if (!find(call.in.number<u32>())) return EBADF;
  out_.number(kLockGranted);
  return 0;
}

Errno Server::getlock(Call& call) {
  if (!find(call.in.number<u32>())) return EBADF;
  call.in.number<u8>();
  const u64 start = call.in.number<u64>(), length = call.in.number<u64>();
  const u32 process = call.in.number<u32>();
  const std::string client = call.in.string();
  if (!call.in.good()) return EINVAL;
  out_.number(kUnlocked);
  out_.number(start);
  out_.number(length);
  out_.number(process);
  out_.string(client);
  return 0;
}

}  // namespace tandem::devices::p9
