// send-keys, send-text, mouse: what somebody at the guest's desk would do.
#pragma once

#include "devices/input/input_sink.h"
#include "tools/tandem/control/verbs.h"

namespace tandem::tools {

void add_input_verbs(Verbs& verbs, devices::InputSink& input);

}  // namespace tandem::tools
