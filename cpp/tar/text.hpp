// Names from archives as text: for messages, and for the question whether they are UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace fastlayers::tar {

bool is_utf8(std::string_view bytes);

// For an error message: in double quotes, one line, control bytes (and in names that are not
// UTF-8 all bytes above 127) as \xNN, very long names cut.
std::string printable(std::string_view name);

}  // namespace fastlayers::tar
