// The 9P2000.L server (messages: Linux' include/net/9p/9p.h and diod's protocol.md) on a folder of the test's
// own, and the device in front of it.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>

#include "devices/virtio/plan9.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using p9::Reader;
using p9::Type;
using p9::Writer;
using Bytes = std::vector<u8>;
namespace fs = std::filesystem;

constexpr u32 kRoot = 1;

struct Answer {
  int error;  // 0: the bytes are what follows the header
  Bytes bytes;
  Reader in() const { return Reader(bytes); }
};

// A client that waits for each answer.
class Client {
 public:
  explicit Client(p9::Server& server) : server_(server) {}

  Answer say_bytes(Bytes request, std::size_t room = 64 * KiB) {
    Bytes answer(room, 0xcc);
    const u64 n = server_.serve({buffer(request)}, {buffer(answer)});
    if (n == 0) return {-1, {}};
    EXPECT_LE(n, room);
    EXPECT_GE(n, p9::kHeader);
    EXPECT_EQ(load_le<u32>(answer.data()), n);
    const Bytes rest(answer.begin() + p9::kHeader, answer.begin() + static_cast<i64>(n));
    if (answer[4] == static_cast<u8>(Type::Lerror) + 1)
      return {static_cast<int>(load_le<u32>(rest.data())), {}};
    EXPECT_EQ(answer[4], request[4] + 1);
    return {0, rest};
  }
  static Bytes message(Type type, Writer& body) {
    Writer w;
    w.number(static_cast<u32>(p9::kHeader + body.bytes().size()));
    w.number(static_cast<u8>(type));
    w.number(u16{7});
    Bytes all = w.bytes();
    all.insert(all.end(), body.bytes().begin(), body.bytes().end());
    return all;
  }
  // Numbers as they are typed, strings with their length.
  template <class... T>
  Answer say(Type type, const T&... values) {
    Writer body;
    (put(body, values), ...);
    return say_bytes(message(type, body));
  }
  template <class T>
  static void put(Writer& w, const T& value) {
    if constexpr (std::is_integral_v<T>) w.number(value);
    else w.string(value);
  }
  int walk(u32 from, u32 to, const std::vector<std::string>& names) {
    Writer body;
    body.number(from);
    body.number(to);
    body.number(static_cast<u16>(names.size()));
    for (const std::string& n : names) body.string(n);
    const Answer answer = say_bytes(message(Type::Walk, body));
    if (answer.error) return answer.error;
    return answer.in().number<u16>() == names.size() ? 0 : ENOENT;
  }
  u64 inode(u32 fid) {
    const Answer answer = say(Type::Getattr, fid, u64{0x7ff});
    Reader in = answer.in();
    in.number<u64>();
    in.number<u8>();
    in.number<u32>();
    return in.number<u64>();
  }
  std::string read(u32 fid, u64 offset = 0, u32 count = 1000) {
    const Answer answer = say(Type::Read, fid, offset, count);
    if (answer.error) return "error " + std::to_string(answer.error);
    return {answer.bytes.begin() + 4, answer.bytes.end()};
  }
  int write(u32 fid, u64 offset, std::string_view text) {
    Writer body;
    body.number(fid);
    body.number(offset);
    body.number(static_cast<u32>(text.size()));
    body.bytes().insert(body.bytes().end(), text.begin(), text.end());
    return say_bytes(message(Type::Write, body)).error;
  }
  std::vector<std::string> list(u32 fid, u32 count = 4096) {
    std::vector<std::string> names;
    for (u64 offset = 0;;) {
      const Answer answer = say(Type::Readdir, fid, offset, count);
      EXPECT_EQ(answer.error, 0);
      Reader in = answer.in();
      if (answer.error || in.number<u32>() == 0) return names;
      for (u64 at = 4; at < answer.bytes.size();) {
        in.number<u8>();
        in.number<u32>();
        in.number<u64>();
        offset = in.number<u64>();
        in.number<u8>();
        names.push_back(in.string());
        at += 24 + names.back().size();
      }
    }
  }

 private:
  p9::Server& server_;
};

class P9Test : public testing::Test {
 protected:
  P9Test() {
    fs::create_directories(share() / "sub" / "deep");
    write_file(share() / "hello", "hello, guest");
    write_file(share() / "sub" / "naïve ☃", "unicode");
    write_file(folder_ / "secret", "nobody's business");
    fs::create_symlink(folder_ / "secret", share() / "absolute");
    fs::create_symlink("../secret", share() / "relative");
    fs::create_directory_symlink("..", share() / "up");
    server = p9::Server::open(share(), false).take();
    attach(*server);
  }
  ~P9Test() override { fs::remove_all(folder_); }
  fs::path share() const { return folder_ / "share"; }
  static void write_file(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }
  static std::string content(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void attach(p9::Server& to) {
    client.emplace(to);
    EXPECT_EQ(client->say(Type::Version, u32{64 * KiB}, std::string("9P2000.L")).error, 0);
    EXPECT_EQ(client->say(Type::Attach, kRoot, ~u32{0}, std::string("root"), std::string(""), u32{0}).error,
              0);
  }
  int open(u32 fid, int flags) { return client->say(Type::Lopen, fid, static_cast<u32>(flags)).error; }
  int create(u32 folder, u32 fid, const std::string& name, int flags, u32 mode = 0644) {
    EXPECT_EQ(client->walk(folder, fid, {}), 0);
    return client->say(Type::Lcreate, fid, name, static_cast<u32>(flags), mode, u32{0}).error;
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / ("p9-" + std::to_string(getpid()));
  std::unique_ptr<p9::Server> server;
  std::optional<Client> client;
};

TEST_F(P9Test, ReadsFiles) {
  ASSERT_EQ(client->walk(kRoot, 2, {"hello"}), 0);
  EXPECT_EQ(client->read(2), "error " + std::to_string(EBADF)) << "not open";
  ASSERT_EQ(open(2, O_RDONLY), 0);
  EXPECT_EQ(client->read(2), "hello, guest");
  EXPECT_EQ(client->read(2, 7, 3), "gue");
  EXPECT_EQ(client->read(2, 100), "");
  EXPECT_EQ(client->write(2, 0, "x"), EBADF);
  EXPECT_EQ(client->say(Type::Clunk, u32{2}).error, 0);
  EXPECT_EQ(client->say(Type::Clunk, u32{2}).error, EBADF);
  ASSERT_EQ(client->walk(kRoot, 2, {"sub", "naïve ☃"}), 0);
  ASSERT_EQ(open(2, O_RDONLY), 0);
  EXPECT_EQ(client->read(2), "unicode");
}

TEST_F(P9Test, MakesAndChangesFiles) {
  ASSERT_EQ(create(kRoot, 2, "größe", O_RDWR, 0640), 0);
  EXPECT_EQ(client->write(2, 3, "abc"), 0);
  EXPECT_EQ(client->say(Type::Fsync, u32{2}, u32{0}).error, 0);
  EXPECT_EQ(content(share() / "größe"), std::string("\0\0\0abc", 6));
  EXPECT_EQ(create(kRoot, 3, "größe", O_RDWR | O_EXCL), EEXIST);
  EXPECT_EQ(client->say(Type::Lcreate, u32{3}, std::string("größe"), u32{O_RDONLY}, u32{0644}, u32{0}).error,
            0);
  EXPECT_EQ(client->read(3, 3), "abc");
  // mode and size; not the set-user-id bit
  EXPECT_EQ(client
                ->say(Type::Setattr, u32{2}, u32{1 | 8}, u32{04711}, u32{0}, u32{0}, u64{4}, u64{0}, u64{0},
                      u64{0}, u64{0})
                .error,
            0);
  EXPECT_EQ(content(share() / "größe"), std::string("\0\0\0a", 4));
  EXPECT_EQ(fs::status(share() / "größe").permissions(), fs::perms{0711});
  EXPECT_EQ(client
                ->say(Type::Setattr, u32{2}, u32{0x20 | 0x100}, u32{0}, u32{0}, u32{0}, u64{0}, u64{0},
                      u64{0}, u64{981173106}, u64{5})
                .error,
            0);
  struct stat st{};
  ASSERT_EQ(stat((share() / "größe").c_str(), &st), 0);
  EXPECT_EQ(st.st_mtim.tv_sec, 981173106);
  EXPECT_EQ(st.st_mtim.tv_nsec, 5);
}

TEST_F(P9Test, NamesAndLinks) {
  EXPECT_EQ(client->say(Type::Mkdir, kRoot, std::string("made"), u32{0755}, u32{0}).error, 0);
  ASSERT_EQ(client->walk(kRoot, 2, {"made"}), 0);
  EXPECT_EQ(client->say(Type::Symlink, u32{2}, std::string("s"), std::string("/any/where"), u32{0}).error, 0);
  ASSERT_EQ(client->walk(2, 3, {"s"}), 0);
  const Answer target = client->say(Type::Readlink, u32{3});
  EXPECT_EQ(target.in().string(), "/any/where");
  EXPECT_EQ(client->say(Type::Readlink, u32{2}).error, EINVAL);
  ASSERT_EQ(client->walk(kRoot, 4, {"hello"}), 0);
  EXPECT_EQ(client->say(Type::Link, u32{2}, u32{4}, std::string("second")).error, 0);
  EXPECT_EQ(content(share() / "made" / "second"), "hello, guest");
  EXPECT_EQ(client->say(Type::Renameat, u32{2}, std::string("second"), kRoot, std::string("third")).error, 0);
  EXPECT_TRUE(fs::exists(share() / "third"));
  EXPECT_EQ(client->say(Type::Unlinkat, kRoot, std::string("third"), u32{0}).error, 0);
  EXPECT_EQ(client->say(Type::Unlinkat, kRoot, std::string("made"), u32{AT_REMOVEDIR}).error, ENOTEMPTY);
  EXPECT_EQ(client->say(Type::Unlinkat, u32{2}, std::string("s"), u32{0}).error, 0);
  EXPECT_EQ(client->say(Type::Unlinkat, kRoot, std::string("made"), u32{AT_REMOVEDIR}).error, 0);
  EXPECT_EQ(client->walk(kRoot, 5, {"made"}), ENOENT);
}

TEST_F(P9Test, ListsFolders) {
  std::vector<std::string> expected = {".", ".."};
  for (unsigned i = 0; i < 300; ++i) {
    expected.push_back("file-" + std::to_string(i));
    write_file(share() / "sub" / "deep" / expected.back(), "");
  }
  ASSERT_EQ(client->walk(kRoot, 2, {"sub", "deep"}), 0);
  ASSERT_EQ(open(2, O_RDONLY | O_DIRECTORY), 0);
  for (const u32 count : {128u, 1000u, 60000u}) {
    std::vector<std::string> names = client->list(2, count);
    std::ranges::sort(names);
    std::ranges::sort(expected);
    EXPECT_EQ(names, expected) << count;
  }
  EXPECT_EQ(client->say(Type::Read, u32{2}, u64{0}, u32{10}).error, EBADF) << "a folder is not read";
}

// Whatever is asked for, nothing outside of the folder is reached.
TEST_F(P9Test, StaysInTheFolder) {
  const u64 root = client->inode(kRoot);
  ASSERT_EQ(client->walk(kRoot, 2, {"..", "..", "sub", "..", ".."}), 0);
  EXPECT_EQ(client->inode(2), root) << "above the folder is the folder";
  for (const std::string name : {"../secret", "/etc/passwd", "sub/deep", "a/b", "", ".", "/"})
    EXPECT_EQ(client->walk(kRoot, 10, {name}), EINVAL) << name;
  EXPECT_EQ(client->walk(kRoot, 10, {std::string("hel\0lo", 6)}), EINVAL);
  for (const std::string link : {"absolute", "relative", "up"}) {
    EXPECT_NE(client->walk(kRoot, 10, {link, "secret"}), 0) << link;
    ASSERT_EQ(client->walk(kRoot, 11, {link}), 0) << "the link itself";
    EXPECT_EQ(open(11, O_RDONLY), ELOOP);
    EXPECT_EQ(client
                  ->say(Type::Setattr, u32{11}, u32{1}, u32{0777}, u32{0}, u32{0}, u64{0}, u64{0}, u64{0},
                        u64{0}, u64{0})
                  .error,
              EOPNOTSUPP);
    EXPECT_EQ(client
                  ->say(Type::Setattr, u32{11}, u32{8}, u32{0}, u32{0}, u32{0}, u64{0}, u64{0}, u64{0},
                        u64{0}, u64{0})
                  .error,
              EOPNOTSUPP);
    EXPECT_NE(create(11, 12, "x", O_RDWR), 0);
    for (const u32 fid : {11u, 12u}) client->say(Type::Clunk, fid);
    EXPECT_NE(create(kRoot, 12, link, O_RDWR | O_TRUNC), 0) << "creating through a link";
    client->say(Type::Clunk, u32{12});
  }
  for (const std::string name : {"..", "../x", "/x", ".", "sub/x"}) {
    EXPECT_EQ(client->say(Type::Mkdir, kRoot, name, u32{0755}, u32{0}).error, EINVAL) << name;
    EXPECT_EQ(client->say(Type::Unlinkat, kRoot, name, u32{0}).error, EINVAL) << name;
    EXPECT_EQ(client->say(Type::Symlink, kRoot, name, std::string("t"), u32{0}).error, EINVAL) << name;
    EXPECT_EQ(client->say(Type::Renameat, kRoot, std::string("hello"), kRoot, name).error, EINVAL) << name;
    EXPECT_EQ(client->say(Type::Renameat, kRoot, name, kRoot, std::string("x")).error, EINVAL) << name;
    EXPECT_EQ(create(kRoot, 13, name, O_RDWR), EINVAL) << name;
    client->say(Type::Clunk, u32{13});
  }
  EXPECT_EQ(content(folder_ / "secret"), "nobody's business");
}

// A folder that the host moves out while the guest is in it.
TEST_F(P9Test, RenamesInFlight) {
  ASSERT_EQ(client->walk(kRoot, 2, {"sub", "deep"}), 0);
  fs::rename(share() / "sub", folder_ / "moved");
  EXPECT_EQ(client->walk(2, 3, {".."}), ENOENT);
  EXPECT_EQ(client->walk(2, 3, {"..", "..", "secret"}), ENOENT);
  fs::rename(folder_ / "moved", share() / "back");
  EXPECT_EQ(client->walk(2, 3, {"..", "naïve ☃"}), 0);
}

TEST_F(P9Test, SpecialFilesStayTheHosts) {
  ASSERT_EQ(mkfifo((share() / "pipe").c_str(), 0600), 0);
  ASSERT_EQ(client->walk(kRoot, 2, {"pipe"}), 0);
  EXPECT_EQ(open(2, O_RDONLY), ENXIO);
  EXPECT_EQ(create(kRoot, 3, "pipe", O_RDWR), ENXIO);
  EXPECT_EQ(
      client->say(Type::Mknod, kRoot, std::string("null"), u32{S_IFCHR | 0666}, u32{1}, u32{3}, u32{0}).error,
      EPERM);
  EXPECT_EQ(
      client->say(Type::Mknod, kRoot, std::string("fifo"), u32{S_IFIFO | 0600}, u32{0}, u32{0}, u32{0}).error,
      0);
}

TEST_F(P9Test, ReadOnly) {
  server = p9::Server::open(share(), true).take();
  attach(*server);
  ASSERT_EQ(client->walk(kRoot, 2, {"hello"}), 0);
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC}) EXPECT_EQ(open(2, flags), EROFS);
  EXPECT_EQ(open(2, O_RDONLY), 0);
  EXPECT_EQ(client->read(2), "hello, guest");
  EXPECT_EQ(client->write(2, 0, "x"), EROFS);
  EXPECT_EQ(create(kRoot, 3, "x", O_RDWR), EROFS);
  EXPECT_EQ(client->say(Type::Mkdir, kRoot, std::string("x"), u32{0755}, u32{0}).error, EROFS);
  EXPECT_EQ(client->say(Type::Unlinkat, kRoot, std::string("hello"), u32{0}).error, EROFS);
  EXPECT_EQ(
      client
          ->say(Type::Setattr, u32{2}, u32{1}, u32{0}, u32{0}, u32{0}, u64{0}, u64{0}, u64{0}, u64{0}, u64{0})
          .error,
      EROFS);
}

// The host's permissions are those of who runs the emulator.
TEST_F(P9Test, PermissionErrors) {
  fs::permissions(share() / "hello", fs::perms::none);
  fs::permissions(share() / "sub", fs::perms::owner_read);
  ASSERT_EQ(client->walk(kRoot, 2, {"hello"}), 0);
  const uid_t before = static_cast<uid_t>(setfsuid(65534));  // of this thread; nobody
  EXPECT_EQ(open(2, O_RDONLY), EACCES);
  EXPECT_EQ(client->walk(kRoot, 3, {"sub", "deep"}), ENOENT) << "one step goes";
  EXPECT_EQ(create(kRoot, 4, "mine", O_RDWR), EACCES);
  setfsuid(before);
  fs::permissions(share() / "sub", fs::perms::owner_all);
}

TEST_F(P9Test, KeepsFilesOverSaveAndLoad) {
  ASSERT_EQ(client->walk(kRoot, 2, {"sub", "naïve ☃"}), 0);
  ASSERT_EQ(client->walk(kRoot, 3, {"hello"}), 0);
  ASSERT_EQ(open(2, O_RDWR), 0);
  const p9::ServerState state = server->state();
  EXPECT_EQ(state.fids.size(), 3u);
  fs::remove(share() / "hello");
  server = p9::Server::open(share(), false).take();
  server->set_state(state);
  client.emplace(*server);
  EXPECT_EQ(client->read(2), "unicode");
  EXPECT_EQ(client->write(2, 0, "U"), 0);
  EXPECT_EQ(client->say(Type::Getattr, u32{3}, u64{0x7ff}).error, EBADF) << "what has gone";
  EXPECT_EQ(client->walk(kRoot, 3, {"sub"}), 0);
}

TEST_F(P9Test, BrokenMessages) {
  Writer walk;
  walk.number(kRoot);
  walk.number(u32{9});
  walk.number(u16{1});
  walk.string("hello");
  const Bytes good = Client::message(Type::Walk, walk);
  for (std::size_t length = 0; length < good.size(); ++length) {
    Bytes cut(good.begin(), good.begin() + static_cast<i64>(length));
    EXPECT_NE(client->say_bytes(cut).error, 0) << length << ", its size says more";
    if (length >= 4) store_le(cut.data(), static_cast<u32>(length));
    EXPECT_NE(client->say_bytes(cut).error, 0) << length;
  }
  EXPECT_EQ(client->say_bytes(good, 5).error, -1) << "no room for any answer";
  EXPECT_EQ(client->say_bytes(good, 12).error, EMSGSIZE);
  Writer many;
  many.number(kRoot);
  many.number(u32{50});
  many.number(u16{0xffff});
  EXPECT_EQ(client->say_bytes(Client::message(Type::Walk, many)).error, EBADF);
}

TEST_F(P9Test, RandomMessages) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr Type kTypes[] = {Type::Statfs,   Type::Lopen,    Type::Lcreate, Type::Symlink, Type::Mknod,
                             Type::Readlink, Type::Getattr,  Type::Setattr, Type::Readdir, Type::Fsync,
                             Type::Lock,     Type::Getlock,  Type::Link,    Type::Mkdir,   Type::Renameat,
                             Type::Walk,     Type::Read,     Type::Write,   Type::Clunk,   Type::Attach,
                             Type{33},       Type::Xattrwalk};
  for (unsigned i = 0; i < 20000; ++i) {
    Writer body;
    for (u64 n = random() % 8; n; --n) {
      switch (random() % 4) {
        case 0: body.number(static_cast<u32>(random() % 4)); break;
        case 1: body.number(static_cast<u16>(random() % 3)); break;
        case 2: body.number(random() >> (random() % 64)); break;
        default: body.string(random() % 2 ? "hello" : "..");
      }
    }
    client->say_bytes(Client::message(kTypes[random() % std::size(kTypes)], body), random() % 200);
  }
  EXPECT_EQ(content(folder_ / "secret"), "nobody's business");
}

class Plan9Test : public VirtioTest {
 protected:
  Plan9Test() {
    fs::create_directories(folder);
    server = p9::Server::open(folder, false).take();
    plug(std::make_unique<virtio::Plan9>(bench.context(), "share", *server, "host"));
  }
  ~Plan9Test() override {
    transport.reset();
    fs::remove_all(folder);
  }
  const fs::path folder = fs::path(testing::TempDir()) / ("plan9-" + std::to_string(getpid()));
  std::unique_ptr<p9::Server> server;
};

TEST_F(Plan9Test, AnswersThroughTheRing) {
  EXPECT_EQ(bench.read(kConfig, 2), 4u);
  EXPECT_EQ(bench.read(kConfig + 2, 4), 0x74736f68u) << "host";
  DriverRing ring = start({true, true, true}, 1);
  Writer body;
  body.number(u32{8192});
  body.string("9P2000.L");
  const Bytes request = Client::message(Type::Version, body);
  memory().write(Gpa{kData}, request);
  for (u16 i = 0; i < 20; ++i) {
    ring.add(i, {{kData, 10},
                 {kData + 10, static_cast<u32>(request.size() - 10)},
                 {kData + 0x100, 5, true},
                 {kData + 0x200, 100, true}});
    kick();
    ASSERT_TRUE(transport->quiesce());
    const auto used = ring.take_used();
    ASSERT_TRUE(used);
    EXPECT_EQ(used->written, 21u);
    EXPECT_EQ(in_memory(kData + 0x100, 5), (Bytes{21, 0, 0, 0, 101}));
  }
}

}  // namespace
}  // namespace tandem::tests
