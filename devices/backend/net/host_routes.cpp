#include "devices/backend/net/host_routes.h"

#include <fstream>
#include <string>

namespace tandem::devices {

// proc(5), /proc/net/route: interface, destination, gateway and more, addresses in hexadecimal.
bool host_has_default_route() {
  std::ifstream routes("/proc/net/route");
  std::string line, interface, destination;
  std::getline(routes, line);
  while (routes >> interface >> destination && std::getline(routes, line))
    if (destination == "00000000") return true;
  return false;
}

}  // namespace tandem::devices
