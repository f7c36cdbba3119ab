#include "devices/backend/p9/server.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace tandem::devices::p9 {

namespace {

constexpr u32 kLargestMessage = 512 * KiB, kSmallestMessage = 4096;
constexpr u64 kCopied = 32 * KiB;  // of a request: all but what is written to a file
constexpr u64 kDataAt = 11;        // in the answer to a read: header, count[4]
constexpr u64 kWrittenAt = 23;     // in a write: header, fid[4], offset[8], count[4]
constexpr std::size_t kMaxFids = 1 << 16, kMaxSteps = 16;
constexpr u32 kNoFid = ~u32{0};
// Of what a client says on opening a file; the numbers are Linux' own on x86.
constexpr u32 kOpenFlags = O_ACCMODE | O_TRUNC | O_DSYNC | O_SYNC;
constexpr u32 kModeBits = 01777;  // no set-user-id on the host

bool changes(Type type) {
  switch (type) {
    case Type::Lcreate:
    case Type::Symlink:
    case Type::Mknod:
    case Type::Setattr:
    case Type::Link:
    case Type::Mkdir:
    case Type::Renameat:
    case Type::Unlinkat:
    case Type::Write: return true;
    default: return false;
  }
}

Errno outcome(bool good) { return good ? 0 : errno; }

// The host takes so many pieces a call; the rest is the client's to ask for again.
int pieces(const Buffers& b) { return static_cast<int>(std::min<std::size_t>(b.size(), IOV_MAX)); }

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const std::string& path, bool read_only) {
  TANDEM_TRY_ASSIGN(folder, Folder::open(path));
  return std::unique_ptr<Server>(new Server(std::move(folder), read_only));
}

u64 Server::serve(const Buffers& request, const Buffers& answer) {
  const u64 request_size = total_size(request), room = total_size(answer);
  request_.resize(std::min(request_size, kCopied));
  copy_from(request_, request);
  if (request_.size() < kHeader || room < kHeader + 4) return 0;
  const u32 size = load_le<u32>(request_.data());
  const Type type{request_[4]};
  const u16 tag = load_le<u16>(&request_[5]);
  const bool whole = size >= kHeader && size <= request_size;
  const u64 copied = std::min<u64>(whole ? size : kHeader, request_.size());
  Call call{Reader(std::span(request_).first(copied).subspan(kHeader)), request, answer,
            whole ? size : kHeader, room};
  out_.clear();
  out_.number(u32{0});
  out_.number(static_cast<u8>(static_cast<u8>(type) + 1));
  out_.number(tag);
  Errno error = !whole ? EINVAL : read_only_ && changes(type) ? EROFS : dispatch(type, call);
  if (!error && out_.bytes().size() + call.direct > room) error = EMSGSIZE;
  if (error) {
    call.direct = 0;
    out_.bytes().resize(kHeader);
    out_.bytes()[4] = static_cast<u8>(Type::Lerror) + 1;
    out_.number(static_cast<u32>(error));
  }
  const u64 total = out_.bytes().size() + call.direct;
  store_le(out_.bytes().data(), static_cast<u32>(total));
  copy_to(answer, out_.bytes());
  return total;
}

Errno Server::dispatch(Type type, Call& call) {
  switch (type) {
    case Type::Version: return version(call);
    case Type::Attach: return attach(call);
    case Type::Walk: return walk(call);
    case Type::Clunk: return clunk(call);
    case Type::Remove: clunk(call); return EOPNOTSUPP;  // clients of .L have unlinkat
    case Type::Flush: return 0;                         // one request after the other: it has been answered
    case Type::Lopen: return lopen(call);
    case Type::Lcreate: return lcreate(call);
    case Type::Read: return read(call);
    case Type::Write: return write(call);
    case Type::Readdir: return readdir(call);
    case Type::Fsync: return fsync(call);
    case Type::Statfs: return statfs(call);
    case Type::Getattr: return getattr(call);
    case Type::Setattr: return setattr(call);
    case Type::Readlink: return readlink(call);
    case Type::Symlink: return symlink(call);
    case Type::Link: return link(call);
    case Type::Mknod: return mknod(call);
    case Type::Mkdir: return mkdir(call);
    case Type::Renameat: return renameat(call);
    case Type::Unlinkat: return unlinkat(call);
    case Type::Lock: return lock(call);
    case Type::Getlock: return getlock(call);
    default: return EOPNOTSUPP;
  }
}

void Server::reset() { fids_.clear(); }

Server::Fid* Server::find(u32 number) {
  const auto it = fids_.find(number);
  return it == fids_.end() ? nullptr : &it->second;
}

u64 Server::longest_data(const Call& call) const { return std::min<u64>(call.room, message_size_) - kDataAt; }

Errno Server::version(Call& call) {
  const u32 wanted = call.in.number<u32>();
  const std::string name = call.in.string();
  if (!call.in.good() || wanted < kSmallestMessage) return EINVAL;
  reset();
  message_size_ = std::min(wanted, kLargestMessage);
  out_.number(message_size_);
  out_.string(name == "9P2000.L" ? name : "unknown");
  return 0;
}

Errno Server::attach(Call& call) {
  const u32 number = call.in.number<u32>();
  call.in.number<u32>();
  if (!call.in.good() || number == kNoFid || fids_.contains(number)) return EINVAL;
  HostFd root = folder_.root();
  Qid qid;
  if (!root.open()) return errno;
  if (const Errno error = Folder::qid(root.get(), qid)) return error;
  fids_[number].path = std::move(root);
  out_.qid(qid);
  return 0;
}

// walk(5): where a step fails, the answer has those before it, and there is no new fid; unless it is the
// first.
Errno Server::walk(Call& call) {
  const u32 from = call.in.number<u32>(), to = call.in.number<u32>();
  const u16 count = call.in.number<u16>();
  Fid* const start = find(from);
  if (!call.in.good() || !start || count > kMaxSteps || (to != from && fids_.contains(to))) return EBADF;
  if (to == kNoFid || (start->opened() && count)) return EINVAL;
  if (fids_.size() >= kMaxFids) return ENFILE;
  HostFd at(fcntl(start->path.get(), F_DUPFD_CLOEXEC, 0));
  std::vector<Qid> qids;
  Errno error = outcome(at.open());
  for (u16 i = 0; i < count && !error; ++i) {
    const std::string name = call.in.string();
    if (!call.in.good()) return EINVAL;
    HostFd next = folder_.step(at.get(), name);
    Qid qid;
    error = next.open() ? Folder::qid(next.get(), qid) : errno;
    if (error) break;
    at = std::move(next);
    qids.push_back(qid);
  }
  if (error && qids.empty()) return error;
  out_.number(static_cast<u16>(qids.size()));
  for (const Qid& q : qids) out_.qid(q);
  if (error) return 0;
  Fid made;
  made.path = std::move(at);
  fids_[to] = std::move(made);
  return 0;
}

Errno Server::clunk(Call& call) { return fids_.erase(call.in.number<u32>()) ? 0 : EBADF; }

Errno Server::make_open(Fid& fid, u32 flags) {
  HostFd file = Folder::reopen(fid.path.get(), static_cast<int>(flags & kOpenFlags));
  if (!file.open()) return errno;
  struct stat st{};
  if (fstat(file.get(), &st) != 0) return errno;
  fid.flags = flags & (kOpenFlags & ~u32{O_TRUNC});
  if (!S_ISDIR(st.st_mode)) return fid.file = std::move(file), 0;
  fid.folder.reset(fdopendir(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
  return outcome(fid.folder != nullptr);
}

Errno Server::lopen(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const u32 flags = call.in.number<u32>();
  if (!call.in.good() || !fid || fid->opened()) return EBADF;
  if (read_only_ && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))) return EROFS;
  Qid qid;
  if (const Errno error = make_open(*fid, flags)) return error;
  if (const Errno error = Folder::qid(fid->path.get(), qid)) return error;
  out_.qid(qid);
  out_.number(u32{0});  // as much at once as fits into a message
  return 0;
}

// The fid of the folder becomes that of the file.
Errno Server::lcreate(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const std::string name = call.in.string();
  const u32 flags = call.in.number<u32>(), mode = call.in.number<u32>();
  if (!call.in.good() || !fid || fid->opened()) return EBADF;
  if (!is_plain_name(name)) return EINVAL;
  Fid made;
  const int wanted = static_cast<int>(flags & kOpenFlags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  made.file = HostFd(openat(fid->path.get(), name.c_str(), wanted, mode & kModeBits));
  if (made.file.open()) {
    made.flags = flags & (kOpenFlags & ~u32{O_TRUNC});
    made.path = HostFd(::open(Folder::link_of(made.file.get()).c_str(), O_PATH | O_CLOEXEC));
  } else if (errno == EEXIST && !(flags & O_EXCL)) {
    made.path = folder_.step(fid->path.get(), name);
    if (made.path.open())
      if (const Errno error = make_open(made, flags)) return error;
  }
  if (!made.path.open()) return errno;
  Qid qid;
  if (const Errno error = Folder::qid(made.path.get(), qid)) return error;
  *fid = std::move(made);
  out_.qid(qid);
  out_.number(u32{0});
  return 0;
}

Errno Server::read(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const u64 offset = call.in.number<u64>();
  const u64 count = std::min<u64>(call.in.number<u32>(), longest_data(call));
  if (!call.in.good() || !fid || !fid->file.open()) return EBADF;
  const Buffers to = slice(call.answer, kDataAt, count);
  const ssize_t n = preadv(fid->file.get(), to.data(), pieces(to), static_cast<off_t>(offset));
  if (n < 0) return errno;
  out_.number(static_cast<u32>(n));
  call.direct = static_cast<u64>(n);
  return 0;
}

Errno Server::write(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const u64 offset = call.in.number<u64>();
  const u64 count = call.in.number<u32>();
  if (!call.in.good() || !fid || !fid->file.open()) return EBADF;
  const Buffers from = slice(call.request, kWrittenAt, std::min(count, call.request_size - kWrittenAt));
  const ssize_t n = pwritev(fid->file.get(), from.data(), pieces(from), static_cast<off_t>(offset));
  if (n < 0) return errno;
  out_.number(static_cast<u32>(n));
  return 0;
}

// Entries as long as they fit: qid, the place behind, type, name.
Errno Server::readdir(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const u64 offset = call.in.number<u64>();
  const u64 count = std::min<u64>(call.in.number<u32>(), longest_data(call));
  if (!call.in.good() || !fid || !fid->folder) return EBADF;
  DIR* const folder = fid->folder.get();
  if (offset == 0) rewinddir(folder);
  else seekdir(folder, static_cast<long>(offset));
  out_.number(u32{0});
  const std::size_t start = out_.bytes().size();
  errno = 0;
  while (const dirent* e = ::readdir(folder)) {
    constexpr u64 kFixed = 13 + 8 + 1 + 2;
    if (out_.bytes().size() - start + kFixed + std::strlen(e->d_name) > count) break;
    const u8 type = e->d_type == DT_DIR ? Qid::kDirectory : e->d_type == DT_LNK ? Qid::kSymlink : u8{0};
    out_.qid({type, 0, e->d_ino});
    out_.number(static_cast<u64>(e->d_off));
    out_.number(static_cast<u8>(e->d_type));
    out_.string(e->d_name);
  }
  if (errno) return errno;
  store_le(out_.bytes().data() + start - 4, static_cast<u32>(out_.bytes().size() - start));
  return 0;
}

Errno Server::fsync(Call& call) {
  Fid* const fid = find(call.in.number<u32>());
  const u32 data_only = call.in.number<u32>();
  if (!fid || !fid->opened()) return EBADF;
  return outcome((data_only ? fdatasync(fid->used()) : ::fsync(fid->used())) == 0);
}

ServerState Server::state() const {
  ServerState s{message_size_, {}};
  for (const auto& [number, fid] : fids_)
    if (auto steps = folder_.steps_to(fid.path.get()))
      s.fids.push_back({number, std::move(*steps), fid.opened(), fid.flags});
  std::ranges::sort(s.fids, {}, &FidState::number);
  return s;
}

void Server::set_state(const ServerState& s) {
  reset();
  message_size_ = std::clamp(s.message_size, kSmallestMessage, kLargestMessage);
  for (const FidState& f : s.fids) {
    Fid fid;
    fid.path = folder_.root();
    for (const std::string& name : f.steps)
      if (fid.path.open()) fid.path = folder_.step(fid.path.get(), name);
    if (!fid.path.open() || fids_.size() >= kMaxFids) continue;
    if (f.opened && make_open(fid, read_only_ ? O_RDONLY : f.flags & ~u32{O_TRUNC})) continue;
    fids_[f.number] = std::move(fid);
  }
}

}  // namespace tandem::devices::p9
