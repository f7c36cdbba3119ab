// Compiled regions on disk, for the next run of the same guest.
//
// One file each, named by what the object depends on: the guest's code and what tier 1 knew of it, this build
// of Tandem, and the host's CPU. Other processes may use the same directory: files appear and go as a whole.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "jit/llvm/plan.h"

namespace tandem::jit {

// What a run found out about a region.
enum class RegionVerdict : u8 { Untried, Pays, Fails };

struct StoredRegion {
  std::vector<u8> object;  // ELF
  RegionVerdict verdict = RegionVerdict::Untried;
  std::vector<RegionExit> exits;
  RegionVectors vectors;
};

// 128 bits of a hash of everything that the object depends on but host and build.
struct RegionKey {
  u64 high = 0, low = 0;
};
RegionKey key_of(const RegionPlan& plan);

class RegionStore {
 public:
  // Makes the directory. host: names CPU and build. Errors: it can't be made or written.
  static Result<std::shared_ptr<RegionStore>> open(std::string directory, std::string host);

  // Nothing where there is none; a file that is not what it should be is reported once, and then ignored.
  std::optional<StoredRegion> find(const RegionKey& key);
  // Errors are ignored: it is compiled again next time.
  void add(const RegionKey& key, const StoredRegion& region);
  // Of one that is there.
  void judge(const RegionKey& key, RegionVerdict verdict);

 private:
  RegionStore(std::string directory, std::string host)
      : directory_(std::move(directory)), host_(std::move(host)) {}
  std::string path_of(const RegionKey& key) const;
  void complain(const std::string& path);

  std::string directory_, host_;
  bool complained_ = false;
};

// For RegionStore::open: the program, by its file, and the CPU that it runs on.
std::string this_build();

}  // namespace tandem::jit
