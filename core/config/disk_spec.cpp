#include "core/config/disk_spec.h"

#include <fmt/format.h>

namespace tandem::config {

namespace {

Error wrong(std::string_view text, std::string_view why) {
  return user_error(fmt::format("disk: '{}': {}", text, why));
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

struct BusName {
  std::string_view prefix;
  DiskBus bus;
  unsigned units;
};
constexpr BusName kBuses[] = {{"xvd", DiskBus::Xen, 26},
                              {"hd", DiskBus::Ide, 4},
                              {"sd", DiskBus::Ahci, 26},
                              {"vd", DiskBus::Virtio, 26},
                              {"fd", DiskBus::Floppy, 2}};

// A prefix and one letter.
bool set_vdev(DiskSpec& spec, std::string_view name) {
  for (const BusName& b : kBuses) {
    if (!name.starts_with(b.prefix) || name.size() != b.prefix.size() + 1) continue;
    const unsigned unit = static_cast<unsigned>(name.back() - 'a');
    if (unit >= b.units) return false;
    spec.vdev = name;
    spec.bus = b.bus;
    spec.unit = unit;
    return true;
  }
  return false;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<DiskSpec> parse() {
    for (std::string_view left = text_; !left.empty();) {
      if (trimmed(left).starts_with("target=")) {
        spec_.target = trimmed(trimmed(left).substr(7));
        break;
      }
      const std::size_t comma = std::min(left.find(','), left.size());
      TANDEM_TRY(item(trimmed(left.substr(0, comma))));
      left.remove_prefix(std::min(comma + 1, left.size()));
    }
    if (spec_.cdrom) spec_.read_only = true;
    if (spec_.target.empty() && !spec_.cdrom) return wrong(text_, "target=PATH is missing");
    return spec_;
  }

 private:
  Result<void> item(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals != std::string_view::npos) return set(word.substr(0, equals), word.substr(equals + 1));
    if (word == "snapshot") return spec_.snapshot = true, Result<void>();
    if (word == "cdrom") return spec_.cdrom = true, Result<void>();
    return positional(word);
  }

  Result<void> positional(std::string_view word) {
    static constexpr std::string_view kKeys[] = {"target", "format", "vdev", "access"};
    if (position_ == std::size(kKeys)) return wrong(text_, fmt::format("what is '{}'?", word));
    const std::string_view key = kKeys[position_++];
    return word.empty() ? Result<void>() : set(key, word);
  }

  Result<void> set(std::string_view key, std::string_view value) {
    if (key == "target") {
      spec_.target = value;
    } else if (key == "format") {
      if (value != "raw" && value != "qcow2")
        return wrong(text_, fmt::format("format {} is none of raw, qcow2", value));
      spec_.format = value;
    } else if (key == "vdev") {
      if (!set_vdev(spec_, value))
        return wrong(text_,
                     fmt::format("vdev {} is none of hda-hdd, sda-sdz, vda-vdz, xvda-xvdz, fda, fdb", value));
    } else if (key == "access") {
      if (value != "ro" && value != "r" && value != "rw" && value != "w")
        return wrong(text_, fmt::format("access {} is none of ro, rw", value));
      spec_.read_only = value.starts_with("r") && value != "rw";
    } else if (key == "devtype") {
      if (value != "cdrom" && value != "disk")
        return wrong(text_, fmt::format("devtype {} is none of disk, cdrom", value));
      spec_.cdrom = value == "cdrom";
    } else {
      return wrong(text_, fmt::format("unknown key {}", key));
    }
    return {};
  }

  std::string_view text_;
  DiskSpec spec_;
  std::size_t position_ = 0;
};

}  // namespace

Result<DiskSpec> parse_disk_spec(std::string_view text) { return Parser(text).parse(); }

}  // namespace tandem::config
