#include "jit/llvm/region_store.h"

#include <fmt/format.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/Support/xxhash.h>
#include <llvm/TargetParser/Host.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>

namespace tandem::jit {

namespace fs = std::filesystem;

namespace {

constexpr u64 kMagic = 0x3352'4d44'4e54;  // "TNDMR3"
constexpr u64 kMost = 64 * MiB;           // of the whole directory

class Writer {
 public:
  template <class T>
  void put(const T& v) {
    const auto* const p = reinterpret_cast<const u8*>(&v);
    bytes_.insert(bytes_.end(), p, p + sizeof v);
  }
  void put_bytes(std::span<const u8> b) {
    put<u64>(b.size());
    bytes_.insert(bytes_.end(), b.begin(), b.end());
  }
  void put_text(const std::string& s) { put_bytes({reinterpret_cast<const u8*>(s.data()), s.size()}); }
  std::vector<u8>& bytes() { return bytes_; }

 private:
  std::vector<u8> bytes_;
};

// Once something is missing, all that follows is empty, and good() false.
class Reader {
 public:
  explicit Reader(std::span<const u8> bytes) : rest_(bytes) {}
  template <class T>
  T get() {
    T v{};
    if (good_ = good_ && rest_.size() >= sizeof v; !good_) return v;
    std::memcpy(&v, rest_.data(), sizeof v);
    rest_ = rest_.subspan(sizeof v);
    return v;
  }
  std::vector<u8> get_bytes() {
    const u64 size = get<u64>();
    if (good_ = good_ && rest_.size() >= size; !good_) return {};
    const std::vector<u8> bytes(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(size));
    rest_ = rest_.subspan(size);
    return bytes;
  }
  u64 left() const { return rest_.size(); }
  bool good() const { return good_; }

 private:
  std::span<const u8> rest_;
  bool good_ = true;
};

void put_settings(Writer& out, const PlanSettings& settings) {
  out.put<u32>(settings.widest_vector);
  out.put(settings.limited);
  out.put(settings.exact_count);
  out.put(settings.exact_flags);
}

u64 hash_of(std::span<const u8> bytes) { return llvm::xxh3_64bits({bytes.data(), bytes.size()}); }

std::vector<u8> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<u8> start_of_file(const std::string& path, std::size_t bytes) {
  std::vector<u8> start(bytes);
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(start.data()), static_cast<std::streamsize>(bytes));
  start.resize(static_cast<std::size_t>(in.gcount()));
  return start;
}

// What a file begins with.
void put_outline(Writer& out, const std::string& host, const RegionOutline& outline) {
  out.put(kMagic);
  out.put_text(host);
  out.put(outline.key.high);
  out.put(outline.key.low);
  out.put(outline.verdict);
  put_settings(out, outline.settings);
  out.put<u64>(outline.blocks.size());
  for (const RegionOutline::Block& b : outline.blocks) {
    out.put(b.at);
    out.put_bytes(b.bytes);
  }
}

std::optional<RegionOutline> get_outline(Reader& in, const std::string& host) {
  if (in.get<u64>() != kMagic || !std::ranges::equal(in.get_bytes(), host)) return {};
  RegionOutline outline;
  outline.key.high = in.get<u64>();
  outline.key.low = in.get<u64>();
  outline.verdict = in.get<RegionVerdict>();
  outline.settings.widest_vector = in.get<u32>();
  outline.settings.limited = in.get<u8>();
  outline.settings.exact_count = in.get<u8>();
  outline.settings.exact_flags = in.get<u8>();
  for (u64 count = in.get<u64>(); count && in.good(); --count) {
    RegionOutline::Block& b = outline.blocks.emplace_back();
    b.at = in.get<PlaceInRegion>();
    b.bytes = in.get_bytes();
  }
  if (!in.good() || outline.blocks.empty()) return {};
  return outline;
}

std::optional<StoredRegion> parse(std::span<const u8> file, const std::string& host, const RegionKey& key) {
  if (file.size() < sizeof(u64)) return {};
  const std::span<const u8> body = file.first(file.size() - sizeof(u64));
  if (Reader(file.last(sizeof(u64))).get<u64>() != hash_of(body)) return {};
  Reader in(body);
  std::optional<RegionOutline> outline = get_outline(in, host);
  if (!outline || outline->key != key) return {};
  StoredRegion region{.outline = std::move(*outline), .object = {}, .exits = {}, .vectors = {}};
  region.vectors.used = in.get<u8>();
  region.vectors.x87 = in.get<u8>();
  region.vectors.wide = in.get<u8>();
  region.vectors.clears_upper = in.get<u8>();
  region.vectors.whole = in.get<u32>();
  for (u64 count = in.get<u64>(); count && in.good(); --count) {
    RegionExit& e = region.exits.emplace_back();
    e.kind = in.get<RegionExit::Kind>();
    e.at = in.get<PlaceInRegion>();
    e.block = in.get<u32>();
    e.insn = in.get<u32>();
  }
  region.object = in.get_bytes();
  if (!in.good() || in.left()) return {};
  return region;
}

// A directory may have other files, too: they are not touched.
bool is_name_of_region(const std::string& name) {
  constexpr std::size_t kHost = 16, kKey = 32;
  return name.size() == kHost + 1 + kKey && name[kHost] == '-' &&
         name.find_first_not_of("0123456789abcdef-") == std::string::npos;
}

// The oldest go.
void keep_within(const fs::path& directory, u64 most) {
  struct File {
    fs::file_time_type time;
    u64 size;
    fs::path path;
  };
  std::vector<File> files;
  std::error_code error;
  u64 total = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(directory, error)) {
    if (!e.is_regular_file(error) || !is_name_of_region(e.path().filename())) continue;
    files.push_back({e.last_write_time(error), e.file_size(error), e.path()});
    total += files.back().size;
  }
  if (total <= most) return;
  std::ranges::sort(files, {}, &File::time);
  for (const File& f : files) {
    if (total <= most / 2) return;
    fs::remove(f.path, error);
    total -= f.size;
  }
}

}  // namespace

RegionKey key_of(const RegionPlan& plan) {
  Writer out;
  put_settings(out, plan.settings);
  for (const PlanBlock& p : plan.blocks) {
    out.put(p.at);
    out.put_bytes(p.bytes);
    out.put_bytes(p.regions);
    for (const bool leaves : p.leaves) out.put(leaves);
    out.put(p.counted_from);
    for (const PlaceInRegion target : p.targets) out.put(target);
    out.put<u64>(p.targets.size());
  }
  const llvm::XXH128_hash_t hash = llvm::xxh3_128bits({out.bytes().data(), out.bytes().size()});
  return {hash.high64, hash.low64};
}

Result<std::shared_ptr<RegionStore>> RegionStore::open(std::string directory, std::string host) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (access(directory.c_str(), W_OK) != 0)
    return user_error(fmt::format("jit: {}: {}", directory, std::strerror(errno)));
  keep_within(directory, kMost);
  return std::shared_ptr<RegionStore>(new RegionStore(std::move(directory), std::move(host)));
}

std::string RegionStore::prefix() const {
  return fmt::format("{:016x}-", hash_of({reinterpret_cast<const u8*>(host_.data()), host_.size()}));
}

std::string RegionStore::path_of(const RegionKey& key) const {
  return fmt::format("{}/{}{:016x}{:016x}", directory_, prefix(), key.high, key.low);
}

// Outlines are not checked: what is found by one is.
void RegionStore::fill_index() {
  constexpr std::size_t kEnough = 16 * KiB;  // for the outline of most
  std::error_code error;
  for (const fs::directory_entry& e : fs::directory_iterator(directory_, error)) {
    const std::string name = e.path().filename();
    if (!is_name_of_region(name) || !name.starts_with(prefix())) continue;
    const std::vector<u8> start = start_of_file(e.path(), kEnough);
    Reader in(start);
    if (std::optional<RegionOutline> outline = get_outline(in, host_)) index_.add(std::move(*outline));
  }
}

std::optional<StoredRegion> RegionStore::find(const RegionKey& key) {
  const std::string path = path_of(key);
  const std::vector<u8> file = read_file(path);
  if (file.empty()) return {};
  std::optional<StoredRegion> region = parse(file, host_, key);
  if (!region) complain(path);
  return region;
}

void RegionStore::complain(const std::string& path) {
  if (std::exchange(complained_, true)) return;
  fmt::print(stderr, "tandem: jit: {}: no region of this build and host, ignored\n", path);
}

void RegionStore::judge(const RegionKey& key, RegionVerdict verdict) {
  index_.judge(key, verdict);
  std::optional<StoredRegion> region = find(key);
  if (!region || region->outline.verdict == verdict) return;
  region->outline.verdict = verdict;
  write(*region);
}

void RegionStore::add(const StoredRegion& region) {
  index_.add(region.outline);
  write(region);
}

void RegionStore::write(const StoredRegion& region) {
  Writer out;
  put_outline(out, host_, region.outline);
  out.put<u8>(region.vectors.used);
  out.put<u8>(region.vectors.x87);
  out.put<u8>(region.vectors.wide);
  out.put<u8>(region.vectors.clears_upper);
  out.put(region.vectors.whole);
  out.put<u64>(region.exits.size());
  for (const RegionExit& e : region.exits) {
    out.put(e.kind);
    out.put(e.at);
    out.put(e.block);
    out.put(e.insn);
  }
  out.put_bytes(region.object);
  out.put(hash_of(out.bytes()));
  const std::string path = path_of(region.outline.key), partial = fmt::format("{}.{}", path, getpid());
  std::ofstream file(partial, std::ios::binary);
  file.write(reinterpret_cast<const char*>(out.bytes().data()),
             static_cast<std::streamsize>(out.bytes().size()));
  file.close();
  std::error_code error;
  if (file) fs::rename(partial, path, error);
  if (!file || error) fs::remove(partial, error);
}

std::string this_build() {
  struct stat program{};
  stat("/proc/self/exe", &program);
  return fmt::format("{} {} {}.{}", llvm::sys::getHostCPUName().str(), program.st_size,
                     program.st_mtim.tv_sec, program.st_mtim.tv_nsec);
}

}  // namespace tandem::jit
