#include "devices/backend/block/qcow2_create.h"

#include <fmt/format.h>

namespace tandem::devices {

using namespace qcow2;

namespace {

// Clusters in the order of the file: header, refcount table, its first blocks, L1.
struct Plan {
  Header header;
  u64 blocks = 1;
  u64 clusters = 0;
};

Plan plan_for(const Qcow2Options& options) {
  Plan plan;
  Header& h = plan.header;
  h.size = options.size;
  h.backing = options.backing;
  if (!h.backing.empty()) h.backing_format = to_string(options.backing_format);
  const u64 tables = (h.size + h.table_reach() - 1) / h.table_reach();
  h.l1_entries = static_cast<u32>(std::max<u64>(tables, 1));
  const u64 l1_clusters = h.clusters_for(u64{h.l1_entries} * 8);
  // Room for all blocks that a full disk may need, so that the table never has to move.
  const u64 full = h.clusters_for(h.size) + tables + l1_clusters + 2;
  const u64 all_blocks = full / (h.block_entries() - 1) + 2;
  h.refcount_table_clusters = static_cast<u32>(h.clusters_for(all_blocks * 8));
  while (plan.blocks * h.block_entries() < 1 + h.refcount_table_clusters + plan.blocks + l1_clusters)
    ++plan.blocks;
  h.refcount_table_offset = h.cluster_size();
  h.l1_offset = (1 + h.refcount_table_clusters + plan.blocks) << h.cluster_bits;
  plan.clusters = 1 + h.refcount_table_clusters + plan.blocks + l1_clusters;
  return plan;
}

BlockStatus write_plan(ImageFile& file, const Plan& plan) {
  const Header& h = plan.header;
  std::vector<u64> table(plan.blocks);
  std::vector<u8> counts(plan.blocks << h.cluster_bits);
  for (u64 i = 0; i < plan.blocks; ++i) table[i] = (1 + h.refcount_table_clusters + i) << h.cluster_bits;
  for (u64 i = 0; i < plan.clusters; ++i) store_be(counts.data() + i * 2, u16{1});
  TANDEM_TRY(file.resize(plan.clusters << h.cluster_bits));
  TANDEM_TRY(file.write(h.refcount_table_offset, encode_table(table)));
  TANDEM_TRY(file.write(table[0], counts));
  return file.write(0, encode_header(h));
}

}  // namespace

Result<void> format_qcow2(ImageFile& file, const Qcow2Options& options) {
  if (options.backing.size() > kMaxBackingName) return user_error("the name of the backing file is too long");
  if (options.size > kMaxL1Bytes / 8 * Header().table_reach())
    return user_error(fmt::format("{} bytes are too many for qcow2", options.size));
  const Plan plan = plan_for(options);
  if (!write_plan(file, plan)) return host_error("can't be written");
  return {};
}

}  // namespace tandem::devices
