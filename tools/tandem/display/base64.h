// Base64 (RFC 4648), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tandem::tools {

std::string to_base64(std::string_view bytes);
// Nothing where it is something else.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace tandem::tools
