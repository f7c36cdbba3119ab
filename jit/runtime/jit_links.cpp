// JitTier's jumps between translations: direct links, tables of indirect branches, and what ends them.
#include <utility>

#include "jit/runtime/jit_tier.h"
#include "jit/runtime/tier_state.h"

namespace tandem::jit {

using interp::Block;
using interp::Context;

// It is to be made anew when it is run next.
void JitTier::replace(Translation& t) {
  unlink(t);
  ++figures_.replaced;
}

// Leads the jump with this 32-bit distance elsewhere.
void JitTier::patch(const u8* field, const u8* to) {
  // SAFETY: code patch: the vCPU that alone runs this code is here and not there.
  store_le<u32>(arena_->writable(field), static_cast<u32>(to - (field + 4)));
}

void JitTier::point(const Link& link, const u8* to) { patch(link.from->code + link.field, to); }

// Within a mode.
void JitTier::connect(u32 id, Translation& to) {
  Link& link = links_[id];
  const Translation& from = *link.from;
  if (!from.valid || from.mode != to.mode || from.code_base != to.code_base ||
      from.code_limit != to.code_limit ||
      (to.moves ? (link.target ^ to.rip) & kPageMask : link.target ^ to.rip))
    return;
  if (link.across) return connect_across(id, to);
  if ((from.block->key.physical ^ to.block->key.physical) >= kPageSize) return;
  if (to.block->crosses()) return connect_by_table(link);
  link.to = &to;
  link.next_incoming = std::exchange(to.incoming, id);
  point(link, entry_for(link, to.entries));
}

// Which page the exit must be in for it is seen when the target is installed.
void JitTier::connect_across(u32 id, Translation& to) {
  Link& link = links_[id];
  if (link.to) return;
  if (link.cell) patch(link.from->code + link.elsewhere, link.from->code + link.by_table);
  // The second page's mapping may change: only the table knows when.
  if (link.cell && to.block->crosses()) return;
  link.to = &to;
  link.next_incoming = std::exchange(to.incoming_across, id);
  point(link, entry_for(link, to.entries));
  ++figures_.links_across;
}

const u8* JitTier::entry_for(const Link& link, const EntryPoints& entries) {
  if (link.across && !link.cell) return entries.mapped;
  return entries.get(link.flags_in_slot, link.rsp_verified);
}

// The second page's mapping may change: only the table knows when.
void JitTier::connect_by_table(const Link& link) {
  if (arena_->room() < kReserve) return;
  const std::span<const u8> code =
      translator_->table_exit(link, tables_[link.from->mode_index].table.entries(), arena_->next());
  point(link, arena_->append(code));
}

void JitTier::forget(Block& block) {
  for (auto* t = static_cast<Translation*>(block.upper); t; t = t->next)
    if (t->valid) unlink(*t);
  block.upper = nullptr;
}

// Makes the table lead to the block at rip, and to all others of its page that are translated: each would
// have to be looked up on its own, and mappings change more often than what they map.
void JitTier::install(const Context& c, Translation& t) {
  JumpTable& table = tables_[t.mode_index].table;
  table.set(interp::linear_rip(c), t.code + t.checked_entry, c.page_is_global, t.block->crosses());
  const u64 page = c.tier.page;
  if (t.cell) *t.cell = c.tier.generation[t.global];
  if (!t.moves) return;
  allow_links(t, page);
  if (t.block->crosses() || is_installed(page, t.mode)) return;
  std::vector<Translation*>& all = by_page_[t.block->key.physical >> kPageShift];
  std::erase_if(all, [](const Translation* other) { return !other->valid; });
  for (Translation* other : all) {
    if (other->mode != t.mode) continue;
    table.set(page + other->offset(), other->code + other->checked_entry, c.page_is_global);
    allow_links(*other, page);
  }
}

// `to`, which moves, is mapped in this page: those that lead to it from others are right wherever they lead
// to this one.
void JitTier::allow_links(Translation& to, u64 page) {
  const bool wide = (to.block->key.mode & interp::kCodeSize) == 8;
  for (u32 id = to.incoming_across; id != kNoLink; id = links_[id].next_incoming) {
    const Link& link = links_[id];
    if (!link.cell) continue;
    const u64 from = page - (page_of(link.target) - page_of(link.from->rip));
    link_cells_.set(*link.cell, wide ? from : static_cast<u32>(from), page);
  }
}

// Says so once.
bool JitTier::is_installed(u64 page, TranslationMode mode) {
  InstalledPage& entry = installed_[((page >> kPageShift) ^ mode) % installed_.size()];
  const u64 generation = generation_ + dropped_pages_;
  if (entry.linear == page && entry.mode == mode && entry.generation == generation) return true;
  entry = {page, mode, generation};
  return false;
}

// From now on nothing leads to it.
void JitTier::unlink(Translation& t) {
  while (!t.in_regions.empty()) drop(*t.in_regions.back());
  t.valid = false;
  ++figures_.dropped;
  for (u32* const first : {&t.incoming, &t.incoming_across})
    for (u32 id = std::exchange(*first, kNoLink); id != kNoLink;) {
      Link& link = links_[id];
      const u8* const stub = link.from->code + link.stub;
      link.to = nullptr;
      point(link, stub);
      if (link.cell) {
        *link.cell = LinkCells::kNowhere;
        patch(link.from->code + link.elsewhere, stub);
      }
      id = std::exchange(link.next_incoming, kNoLink);
    }
  // Whatever jump table's entry leads to it.
  const u8* const miss = t.counts_in_t1 ? stubs_.indirect_hosted : stubs_.indirect;
  u8* const checked = arena_->writable(t.code + t.checked_entry);
  *checked = 0xe9;
  patch(t.code + t.checked_entry + 1, miss);
}

u64 JitTier::target_of(const Context& c, const Link& link) {
  const Translation& from = *link.from;
  if (!from.moves) return link.target;
  const u64 target = c.tier.page + (link.target - page_of(from.rip));
  return (from.block->key.mode & interp::kCodeSize) == 8 ? target : static_cast<u32>(target);
}

}  // namespace tandem::jit
