// The porter's program (porter.cc) as bytes.
#pragma once

#include "base/io.hpp"

namespace fastlayers::run {

Bytes porter_program();

}  // namespace fastlayers::run
