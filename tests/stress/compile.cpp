// A compiler at work: an object file, and the same program as code in memory that is then run.
#include <libtcc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/stress/stress.h"
#include "tools/bench/workloads/c_source.h"

namespace tandem::stress {

namespace {

class Compiler {
 public:
  Compiler(int output, const std::string& source) : state_(tcc_new()) {
    tcc_set_options(state_, "-nostdlib");
    tcc_set_output_type(state_, output);
    require(tcc_compile_string(state_, source.c_str()) == 0, "tcc_compile_string");
  }
  ~Compiler() { tcc_delete(state_); }
  Compiler(const Compiler&) = delete;
  Compiler& operator=(const Compiler&) = delete;

  std::vector<u8> object() {
    const int file = memfd_create("object", 0);
    require(file >= 0, "memfd_create");
    require(tcc_output_file(state_, ("/proc/self/fd/" + std::to_string(file)).c_str()) == 0,
            "tcc_output_file");
    struct stat s{};
    require(fstat(file, &s) == 0, "fstat");
    std::vector<u8> bytes(static_cast<std::size_t>(s.st_size));
    require(pread(file, bytes.data(), bytes.size(), 0) == s.st_size && s.st_size > 0, "pread");
    close(file);
    return bytes;
  }

  unsigned run(unsigned x) {
    if (!run_) {
      require(tcc_relocate(state_, TCC_RELOCATE_AUTO) == 0, "tcc_relocate");
      run_ = reinterpret_cast<unsigned (*)(unsigned)>(tcc_get_symbol(state_, "run"));
      require(run_, "tcc_get_symbol");
    }
    return run_(x);
  }

 private:
  TCCState* state_;
  unsigned (*run_)(unsigned) = nullptr;
};

u64 compile(const Work& work) {
  Hash hash;
  for (u64 i = 0; i < work.times(20); ++i) {
    const std::string source = bench::c_source(work.seed + i, 60);
    hash.all(Compiler(TCC_OUTPUT_OBJ, source).object());
    Compiler program(TCC_OUTPUT_MEMORY, source);
    for (unsigned x = 0; x < 100; ++x) hash.add(program.run(x));
  }
  return hash.value();
}

}  // namespace

std::span<const Part> compile_parts() {
  static constexpr Part kParts[] = {{"compile", compile}};
  return kParts;
}

}  // namespace tandem::stress
