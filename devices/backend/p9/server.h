// A 9P2000.L server for one folder of the host, with one client. One thread at a time; its calls wait for the
// host.
#pragma once

#include <dirent.h>

#include <memory>
#include <unordered_map>

#include "devices/backend/block/buffers.h"
#include "devices/backend/p9/folder.h"

namespace tandem::devices::p9 {

struct FidState {
  u32 number = 0;
  std::vector<std::string> steps;  // from the folder
  bool opened = false;
  u32 flags = 0;
  static void fields(auto& a, auto& s) { a(s.number, s.steps, s.opened, s.flags); }
};

struct ServerState {
  u32 message_size = 0;
  std::vector<FidState> fids;
  static void fields(auto& a, auto& s) { a(s.message_size, s.fids); }
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> open(const std::string& folder, bool read_only);

  // Carries out a request and writes the answer; gives the answer's size. File contents go between the file
  // and the buffers without a copy.
  u64 serve(const Buffers& request, const Buffers& answer);
  void reset();

  // Files that are there no more are left out.
  ServerState state() const;
  void set_state(const ServerState& state);

 private:
  struct CloseDir {
    void operator()(DIR* d) const { closedir(d); }
  };
  struct Fid {
    HostFd path;
    HostFd file;  // while open, of a regular file
    std::unique_ptr<DIR, CloseDir> folder;
    u32 flags = 0;
    bool opened() const { return file.open() || folder; }
    int used() const { return folder ? dirfd(folder.get()) : file.get(); }
  };
  // The request under way: its bytes, and where file contents go directly.
  struct Call {
    Reader in;
    const Buffers& request;
    const Buffers& answer;
    u64 request_size, room;
    u64 direct = 0;  // bytes that are in the answer already, behind out_
  };
  Server(Folder folder, bool read_only) : folder_(std::move(folder)), read_only_(read_only) {}

  Errno dispatch(Type type, Call& call);
  Errno version(Call& call);
  Errno attach(Call& call);
  Errno walk(Call& call);
  Errno clunk(Call& call);
  Errno lopen(Call& call);
  Errno lcreate(Call& call);
  Errno read(Call& call);
  Errno write(Call& call);
  Errno readdir(Call& call);
  Errno fsync(Call& call);
  // server_names.cpp
  Errno statfs(Call& call);
  Errno getattr(Call& call);
  Errno setattr(Call& call);
  Errno readlink(Call& call);
  Errno symlink(Call& call);
  Errno link(Call& call);
  Errno mknod(Call& call);
  Errno mkdir(Call& call);
  Errno renameat(Call& call);
  Errno unlinkat(Call& call);
  Errno lock(Call& call);
  Errno getlock(Call& call);

  Fid* find(u32 number);
  Errno make_open(Fid& fid, u32 flags);
  // What was made under this name: its qid is the answer.
  Errno answer_qid(int folder, const std::string& name);
  u64 longest_data(const Call& call) const;

  Folder folder_;
  bool read_only_;
  u32 message_size_ = 8192;
  std::unordered_map<u32, Fid> fids_;
  std::vector<u8> request_;
  Writer out_;
};

}  // namespace tandem::devices::p9
