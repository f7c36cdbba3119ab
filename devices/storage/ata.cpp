#include "devices/storage/ata.h"

namespace tandem::devices::ata {

using Kind = Action::Kind;

Action Drive::abort() {
  regs_.error = kErrorAbort;
  regs_.status = kReady | kSeekDone | kError;
  return {};
}

Action Drive::done() {
  regs_.error = 0;
  regs_.status = kReady | kSeekDone;
  return {};
}

Action Drive::flush() {
  done();
  Action a;
  a.kind = Kind::Flush;
  return a;
}

Action Drive::data_in(std::vector<u8> data, bool dma) {
  done();
  Action a;
  a.kind = Kind::DataIn;
  a.dma = dma;
  a.data = std::move(data);
  return a;
}

}  // namespace tandem::devices::ata
