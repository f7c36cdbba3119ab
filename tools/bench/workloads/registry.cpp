#include "tools/bench/workloads/registry.h"

namespace tandem::bench {

std::vector<Workload> all_workloads() {
  return {
      crc32(),        sha256(),         bignum_add(),     sort_indirect(),   hash_table(),    //
      fib(),          virtual_calls(),  bytecode_vm(),                                        //
      chase_16k(),    chase_1m(),       chase_16m(),      lz_match(),        memcpy_small(),  //
      rep_movsb(),    rep_movsq(),      rep_stosb(),      repne_scasb(),     repe_cmpsb(),    //
      memcpy_32k(),   memset_32k(),                                                           //
      x87_chain(),                                                                            //
      nbody(),        mandelbrot(),                                                           //
      matmul(),       sse_mul_add(),    aes_rounds(),     avx2_sum(),                         //
      getppid_call(), clock_call(),     read_zero(),      page_faults(),     fork_wait(),     //
      vfork_exec(),   pipe_ping_pong(), signal_handler(), mprotect_toggle(),                  //
      code_fresh(),   code_patch(),     code_mapped(),                                        //
      compile(),
  };
}

}  // namespace tandem::bench
