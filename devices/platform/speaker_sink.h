// SpeakerSink: where the PC speaker's tone goes: a sound card of the host's.
#pragma once

#include "core/base/types.h"

namespace tandem::devices {

class SpeakerSink {
 public:
  virtual ~SpeakerSink() = default;
  // From now on the speaker gives this tone; 0: none. Never blocks. [any-thread]
  virtual void tone(u32 hertz) = 0;
};

}  // namespace tandem::devices
