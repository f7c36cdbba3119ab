// Compiled regions on disk, for the next run of the same guest.
//
// One file each, named by what the object depends on: the guest's code and what tier 1 knew of it, this build
// of Tandem, and the host's CPU. It begins with the region's outline. Other processes may use the same
// directory: files appear and go as a whole.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "jit/llvm/region_index.h"

namespace tandem::jit {

struct StoredRegion {
  RegionOutline outline;
  std::vector<u8> object;  // ELF
  std::vector<RegionExit> exits;
  RegionVectors vectors;
};

RegionKey key_of(const RegionPlan& plan);

class RegionStore {
 public:
  // Makes the directory. host: names CPU and build. Errors: it can't be made or written.
  static Result<std::shared_ptr<RegionStore>> open(std::string directory, std::string host);

  // Nothing where there is none; a file that is not what it should be is reported once, and then ignored.
  std::optional<StoredRegion> find(const RegionKey& key);
  // Errors are ignored: it is compiled again next time.
  void add(const StoredRegion& region);
  // Of one that is there.
  void judge(const RegionKey& key, RegionVerdict verdict);
  // Reads what the directory has into the index.
  void fill_index();
  const RegionIndex& index() const { return index_; }

 private:
  RegionStore(std::string directory, std::string host)
      : directory_(std::move(directory)), host_(std::move(host)) {}
  std::string prefix() const;  // of its files' names
  std::string path_of(const RegionKey& key) const;
  void write(const StoredRegion& region);
  void complain(const std::string& path);

  std::string directory_, host_;
  RegionIndex index_;
  bool complained_ = false;
};

// For RegionStore::open: the program, by its file, and the CPU that it runs on.
std::string this_build();

}  // namespace tandem::jit
