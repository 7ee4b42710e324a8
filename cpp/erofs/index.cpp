#include "erofs/index.hpp"

#include "base/error.hpp"
#include "base/profile.hpp"
#include "erofs/device.hpp"
#include "erofs/image.hpp"
#include "erofs/layout.hpp"
#include "sys/file.hpp"

namespace fastlayers::erofs {

IndexInfo write_index(const table::Table& table, const DeviceSize& device_size,
                      const std::string& path) {
  ProfileTimer timer(ProfilePart::index);
  const DeviceMap devices(table, device_size);
  Layout layout(table);

  // Exclusively: a file that is already there may be mounted.
  const sys::Fd file = sys::open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  try {
    const Image image(table, devices, layout, file.get());
    timer.add_bytes(image.size());
    return {devices.devices(), image.size(), layout.inodes(), layout.xattrs().left_out()};
  } catch (Error& error) {
    sys::unlink(path);
    error.add_context(path);
    throw;
  }
}

}  // namespace fastlayers::erofs
