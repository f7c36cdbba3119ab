// The known word that somebody may have meant.
#pragma once

#include <string_view>
#include <vector>

namespace tandem::config {

// Least edit distance; empty where more than a third of the word would have to change.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace tandem::config
