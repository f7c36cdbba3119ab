#include "core/trace/trace_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tandem::trace {

namespace {

constexpr char kMagic[8] = {'T', 'A', 'N', 'D', 'T', 'R', 'C', '1'};
constexpr std::size_t kNameSize = 32, kBuffer = 256 * KiB;
constexpr u32 kMostPoints = 4096;

// As it lies in the file.
struct FileRecord {
  i64 time;
  u16 point, count;
  u32 reserved;
  u64 values[kMostValues];
};
static_assert(sizeof(FileRecord) == 56);

class TextSink final : public Sink {
 public:
  explicit TextSink(std::FILE* stream) : stream_(stream) {}
  void take(const Record& r) override {
    const std::string line = to_text(r) + "\n";
    std::fwrite(line.data(), 1, line.size(), stream_);  // a stream has its own lock
  }

 private:
  std::FILE* stream_;
};

class FileSink final : public Sink {
 public:
  explicit FileSink(std::FILE* file) : file_(file) {
    std::setvbuf(file_, nullptr, _IOFBF, kBuffer);
    std::fwrite(kMagic, 1, sizeof kMagic, file_);
    const u32 count = kPoints;
    std::fwrite(&count, sizeof count, 1, file_);
    for (const PointInfo& p : points()) {
      char name[kNameSize] = {};
      std::copy_n(p.name.data(), std::min(p.name.size(), kNameSize - 1), name);
      std::fwrite(name, 1, sizeof name, file_);
    }
  }
  ~FileSink() override { std::fclose(file_); }
  void take(const Record& r) override {
    FileRecord f{raw(r.time), r.point, r.count, 0, {}};
    std::ranges::copy(r.values, f.values);
    std::fwrite(&f, sizeof f, 1, file_);
  }

 private:
  std::FILE* file_;
};

Error damaged(const std::string& path) { return user_error(path + ": is no trace file, or is damaged"); }

}  // namespace

std::unique_ptr<Sink> text_sink(std::FILE* stream) { return std::make_unique<TextSink>(stream); }

Result<std::unique_ptr<Sink>> file_sink(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (!file) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  return std::unique_ptr<Sink>(std::make_unique<FileSink>(file));
}

Result<Reader> Reader::open(const std::string& path) {
  Reader reader;
  reader.path_ = path;
  reader.file_.reset(std::fopen(path.c_str(), "rbe"));
  if (!reader.file_) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  char magic[sizeof kMagic];
  u32 count = 0;
  if (std::fread(magic, 1, sizeof magic, reader.file_.get()) != sizeof magic ||
      std::memcmp(magic, kMagic, sizeof magic) != 0 ||
      std::fread(&count, sizeof count, 1, reader.file_.get()) != 1 || count > kMostPoints)
    return damaged(path);
  for (u32 i = 0; i < count; ++i) {
    char name[kNameSize];
    if (std::fread(name, 1, sizeof name, reader.file_.get()) != sizeof name) return damaged(path);
    name[kNameSize - 1] = 0;
    const auto found = std::ranges::find(points(), std::string_view(name), &PointInfo::name);
    reader.known_.push_back(
        found == points().end() ? std::nullopt : std::optional(static_cast<u16>(found - points().begin())));
  }
  return reader;
}

Result<std::optional<Record>> Reader::next() {
  for (;;) {
    FileRecord f;
    const std::size_t got = std::fread(&f, 1, sizeof f, file_.get());
    if (got == 0) return std::optional<Record>();
    if (got != sizeof f || f.point >= known_.size()) return damaged(path_);
    const std::optional<u16> point = known_[f.point];
    if (!point) continue;  // of another build
    Record r{GuestNs{f.time}, *point, f.count, {}};
    if (r.count != points()[r.point].values.size() || f.time < 0) return damaged(path_);
    std::copy_n(f.values, kMostValues, r.values.begin());
    return std::optional(r);
  }
}

}  // namespace tandem::trace
