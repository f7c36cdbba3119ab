// All workloads, one function each; a file defines one subject's.
#pragma once

#include <vector>

#include "tools/bench/workloads/workload.h"

namespace tandem::bench {

// In the order of the report.
std::vector<Workload> all_workloads();

Workload crc32();
Workload sha256();
Workload bignum_add();
Workload sort_indirect();
Workload hash_table();

Workload fib();
Workload virtual_calls();
Workload bytecode_vm();

Workload chase_16k();
Workload chase_1m();
Workload chase_16m();
Workload lz_match();
Workload memcpy_small();

Workload rep_movsb();
Workload rep_movsq();
Workload rep_stosb();
Workload repne_scasb();
Workload repe_cmpsb();
Workload memcpy_32k();
Workload memset_32k();

Workload x87_chain();

Workload nbody();
Workload mandelbrot();

Workload matmul();
Workload sse_mul_add();
Workload aes_rounds();
Workload avx2_sum();

Workload getppid_call();
Workload clock_call();
Workload read_zero();
Workload page_faults();
Workload fork_wait();
Workload vfork_exec();
Workload pipe_ping_pong();
Workload signal_handler();
Workload mprotect_toggle();

Workload code_fresh();
Workload code_patch();
Workload code_mapped();
Workload compile();

}  // namespace tandem::bench
