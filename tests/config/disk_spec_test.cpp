// disk=: rows from xl-disk-configuration(5) and cli's own forms.
#include <gtest/gtest.h>

#include "core/config/disk_spec.h"

namespace tandem::tests {
namespace {

using config::DiskBus;
using config::DiskSpec;

struct Row {
  const char* text;
  DiskSpec spec;
};

const Row kRows[] = {
    {"x.img", {"x.img", "", "vda", DiskBus::Virtio, 0}},
    {"/a b/x.img", {"/a b/x.img", "", "vda", DiskBus::Virtio, 0}},
    {"format=qcow2,vdev=hda,access=rw,target=/x", {"/x", "qcow2", "hda", DiskBus::Ide, 0}},
    {"vdev=sdc, access=ro, snapshot, target=x", {"x", "", "sdc", DiskBus::Ahci, 2, true, false, true}},
    {"vdev=hdc,devtype=cdrom,target=x.iso", {"x.iso", "", "hdc", DiskBus::Ide, 2, true, true}},
    {"vdev=hdc,cdrom,target=", {"", "", "hdc", DiskBus::Ide, 2, true, true}},
    {"vdev=xvdz,target=a,b=c", {"a,b=c", "", "xvdz", DiskBus::Xen, 25}},
    {"/x,raw,xvda,w", {"/x", "raw", "xvda", DiskBus::Xen, 0}},
    {"/x,,hdb,r", {"/x", "", "hdb", DiskBus::Ide, 1, true}},
    {"/x, qcow2, vdev=fdb", {"/x", "qcow2", "fdb", DiskBus::Floppy, 1}},
};

TEST(DiskSpecs, Meaning) {
  for (const Row& row : kRows) {
    auto spec = config::parse_disk_spec(row.text);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec.value(), row.spec) << row.text;
  }
}

TEST(DiskSpecs, Refusals) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "target=PATH is missing"},          {"vdev=hda", "target=PATH is missing"},
      {"vdev=hde,target=x", "vdev hde"},       {"vdev=hda1,target=x", "vdev hda1"},
      {"vdev=,target=x", "vdev  is none"},     {"vdev=hdA,target=x", "vdev hdA"},
      {"format=vmdk,target=x", "vmdk"},        {"access=w+,target=x", "access w+"},
      {"devtype=tape,target=x", "tape"},       {"colour=red,target=x", "unknown key colour"},
      {"a,raw,hda,w,more", "what is 'more'?"},
  };
  for (const auto& [text, says] : rows) {
    auto spec = config::parse_disk_spec(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_NE(spec.error().message.find(says), std::string::npos) << spec.error().message;
  }
}

}  // namespace
}  // namespace tandem::tests
