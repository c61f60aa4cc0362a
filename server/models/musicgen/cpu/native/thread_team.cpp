#include "thread_team.h"

#include <immintrin.h>

namespace continuo {

namespace {

constexpr int kSpins = 2000;  // some 50 µs

// Until `value` is no longer `old`. Sleeps by futex, where there is one, if `may_sleep`; else it
// lets others have the core, as the rest of the team may have lost theirs.
void wait_while(const std::atomic<int32_t>& value, int32_t old, bool may_sleep) {
  for (int i = 0; value.load(std::memory_order_acquire) == old; ++i) {
    if (i < kSpins)
      _mm_pause();
    else if (may_sleep)
      value.wait(old, std::memory_order_acquire);
    else
      std::this_thread::yield();
  }
}

}  // namespace

ThreadTeam::ThreadTeam(int64_t num_members) : size_(num_members) {
  try {
    for (int64_t member = 1; member < size_; ++member)
      threads_.emplace_back([this, member] { live(member); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadTeam::~ThreadTeam() { stop(); }

void ThreadTeam::stop() {
  stopping_ = true;
  num_runs_.fetch_add(1, std::memory_order_release);
  num_runs_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const Work& work) {
  work_ = &work;
  num_runs_.fetch_add(1, std::memory_order_release);
  num_runs_.notify_all();
  work(0);
  barrier();
}

void ThreadTeam::live(int64_t member) {
  for (int32_t run = 0;; ++run) {
    wait_while(num_runs_, run, true);
    if (stopping_) return;
    (*work_)(member);
    barrier();
  }
}

void ThreadTeam::barrier() {
  const int32_t barrier = num_barriers_.load(std::memory_order_relaxed);
  if (num_arrived_.fetch_add(1, std::memory_order_acq_rel) == size_ - 1) {
    num_arrived_.store(0, std::memory_order_relaxed);
    num_barriers_.store(barrier + 1, std::memory_order_release);
  } else {
    wait_while(num_barriers_, barrier, false);
  }
}

}  // namespace continuo
