// Threads that do one piece of work together, many times a second.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace continuo {

// The caller of `run` is member 0. A step of the model has some 300 barriers, each a fraction of a
// microsecond if nobody sleeps, so members first spin; between steps they soon sleep, because what
// comes then (sampling, the codec) needs their cores.
class ThreadTeam {
 public:
  using Work = std::function<void(int64_t member)>;

  explicit ThreadTeam(int64_t num_members);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int64_t size() const { return size_; }
  // All members do `work`; returns when all have. For one thread at a time.
  void run(const Work& work);
  // Called by every member inside `run`: nobody passes before all have come.
  void barrier();

 private:
  void live(int64_t member);
  void stop();

  const int64_t size_;
  const Work* work_ = nullptr;
  bool stopping_ = false;
  // Each on a cache line of its own: members wait on one while others write another.
  alignas(64) std::atomic<int32_t> num_runs_{0};
  alignas(64) std::atomic<int32_t> num_arrived_{0};
  alignas(64) std::atomic<int32_t> num_barriers_{0};
  std::vector<std::thread> threads_;
};

}  // namespace continuo
