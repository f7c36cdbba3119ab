// ControlServer: a Unix socket on which clients say one request a line and get one line for each.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "tools/tandem/control/verbs.h"

namespace tandem::tools {

class ControlServer {
 public:
  // Takes over a socket that nobody listens on any more. Error: the path is in use, or can't be.
  static Result<std::unique_ptr<ControlServer>> listen(const std::string& path);
  ~ControlServer();

  const std::string& path() const { return path_; }
  // A line in, its answer out. Called on the server's thread.
  using Answer = std::function<Json(std::string_view line)>;
  // From now on requests are answered, on a thread of its own.
  void serve(Answer answer);
  // No verb runs afterwards.
  void stop();

 private:
  struct Client {
    int fd;
    std::string input, output;
  };
  ControlServer(std::string path, int listener);
  void run();
  void accept_client();
  bool receive(Client& client);  // false: it has gone, or says too much
  bool send(Client& client);

  std::string path_;
  int listener_, wake_;
  Answer answer_;
  std::vector<Client> clients_;  // of thread_
  std::thread thread_;
};

// A connection to a control socket, for one request after the other.
Result<Json> ask(const std::string& path, const Json& request);

}  // namespace tandem::tools
