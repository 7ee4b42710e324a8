#include "erofs/index.hpp"

#include "base/error.hpp"
#include "erofs/device.hpp"
#include "erofs/image.hpp"
#include "erofs/layout.hpp"
#include "sys/file.hpp"

namespace fastlayers::erofs {

IndexInfo write_index(const table::Table& table, const DeviceSize& device_size,
                      const std::string& path) {
  const DeviceMap devices(table, device_size);
  Layout layout(table);
  const Image image(table, devices, layout);

  // Exclusively: a file that is already there may be mounted.
  const sys::Fd file = sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  try {
    sys::write_all(file.get(), image.bytes());
  } catch (Error& error) {
    sys::unlink(path);
    error.add_context(path);
    throw;
  }
  return {devices.devices(), image.bytes().size(), layout.inodes(), layout.xattrs().left_out()};
}

}  // namespace fastlayers::erofs
