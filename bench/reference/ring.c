/*
 * A ring of the same layout as usbferry's (control block, two rings of 64-byte lines, data slots), in C and with nothing
 * around it: what shared memory can do on this machine. And what it is to be compared with.
 *
 *   ring copied|touched|asleep SIZE DEPTH WARM_MS MEASURE_MS GUEST_CPU HOST_CPU
 *   ring pipe 1 1 WARM_MS MEASURE_MS CPU CPU
 *   ring memcpy SIZE 1 WARM_MS MEASURE_MS CPU CPU
 *
 * copied:  DEPTH reads of SIZE bytes in flight; the host copies data into the slots, the guest copies it out, each read to a
 *          buffer of its own, as transfers have.
 * touched: the same without copies; the guest looks at each line of the data once, and the host writes each once.
 * asleep:  as touched, but each side sleeps at once when it has nothing to do, and is woken by futex.
 * pipe:    one byte there and back over two pipes.
 * memcpy:  copies of SIZE bytes in one process.
 * Prints one JSON document. Two processes, each on its processor.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, CONTROL = 4096, RING_HEADER = 192, RING_DATA = 256 << 10, TOTAL = 64 << 20, LATENCIES = 1 << 22 };
enum { HOST_SIDE = 0x40, GUEST_SIDE = 0x80, BELL = 0x14 };
enum { MESSAGE_MAGIC = 0x4D444855, URB_SUBMIT = 100, URB_COMPLETE = 101, URB_BYTES = 96, NO_NOTIFY = 1 };
enum { POLLS = 64, LOOK_NS = 50000, CROWDED_NS = 500000, WAITS_ASLEEP = 256 };

typedef struct {
  _Atomic uint32_t producer_index, producer_flags;
  uint8_t pad0[56];
  _Atomic uint32_t consumer_index, consumer_flags;
  uint8_t pad1[56];
  uint32_t data_size, data_size_mask, max_message_size, reserved;
  uint8_t pad2[48];
  uint8_t data[RING_DATA];
} Ring;

typedef struct {
  uint32_t magic;
  uint16_t type, version;
  uint32_t length, transaction, device, flags;
  uint64_t timestamp;
  uint32_t words[16];
} Message;

/* One side: the ring that it reads, the one that it writes, its own bell and the other one's. */
typedef struct {
  Ring *in, *out;
  _Atomic uint32_t *rung, *ring;
  uint32_t consumed, produced;
  int asleep_at_once;
} Side;

_Static_assert(sizeof(Message) == URB_BYTES, "a URB message has 96 bytes");
_Static_assert(offsetof(Ring, data) == RING_HEADER, "the header of a ring has 192 bytes");

static uint8_t *memory;
static size_t data_offset;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0) fail("sched_setaffinity");
}

static void put(Side *side, const Message *message) {
  Ring *ring = side->out;
  uint32_t size = (URB_BYTES + LINE - 1) & -LINE, at = side->produced & (RING_DATA - 1), first = RING_DATA - at;
  while (side->produced + size - atomic_load_explicit(&ring->consumer_index, memory_order_acquire) > RING_DATA - LINE)
    sched_yield();
  memcpy(ring->data + at, message, first < URB_BYTES ? first : URB_BYTES);
  if (first < URB_BYTES) memcpy(ring->data, (const uint8_t *)message + first, URB_BYTES - first);
  side->produced += size;
}

static void flush(Side *side) {
  atomic_store_explicit(&side->in->consumer_index, side->consumed, memory_order_release);
  atomic_store_explicit(&side->out->producer_index, side->produced, memory_order_release);
  atomic_thread_fence(memory_order_seq_cst);
  if (atomic_load_explicit(&side->out->consumer_flags, memory_order_relaxed) & NO_NOTIFY) return;
  atomic_fetch_add(side->ring, 1);
  syscall(SYS_futex, side->ring, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int is_empty(Side *side) {
  return atomic_load_explicit(&side->in->producer_index, memory_order_acquire) == side->consumed;
}

static int take(Side *side, Message *message) {
  if (is_empty(side)) return 0;
  uint32_t at = side->consumed & (RING_DATA - 1), first = RING_DATA - at;
  memcpy(message, side->in->data + at, first < URB_BYTES ? first : URB_BYTES);
  if (first < URB_BYTES) memcpy((uint8_t *)message + first, side->in->data, URB_BYTES - first);
  if (message->magic != MESSAGE_MAGIC || message->length != URB_BYTES) fail("a broken message");
  side->consumed += (URB_BYTES + LINE - 1) & -LINE;
  return 1;
}

static void wait_for_more(Side *side) {
  /* Who gives its processor away to others that want it waits for milliseconds; who is woken up has it at once. */
  static int waits_asleep;
  if (waits_asleep > 0) waits_asleep--;
  else if (!side->asleep_at_once) {
    uint64_t until = now_ns() + LOOK_NS, before, after;
    do {
      for (int i = 0; i < POLLS; i++)
        if (!is_empty(side)) return;
      before = now_ns();
      sched_yield();
      after = now_ns();
      if (after - before > CROWDED_NS) waits_asleep = WAITS_ASLEEP;
    } while (after < until);
  }
  uint32_t rung = atomic_load(side->rung);
  atomic_store(&side->in->consumer_flags, 0);
  atomic_thread_fence(memory_order_seq_cst);
  if (is_empty(side)) syscall(SYS_futex, side->rung, FUTEX_WAIT, rung, NULL, NULL, 0);
  atomic_store(&side->in->consumer_flags, NO_NOTIFY);
}

static void serve(Side *side, size_t size, int copies) {
  uint8_t *source = malloc(size);
  memset(source, 0x5a, size);
  for (;;) {
    Message message;
    int any = 0;
    while (take(side, &message)) {
      uint8_t *slot = memory + message.words[7];
      if (copies) memcpy(slot, source, size);
      else for (size_t i = 0; i < size; i += LINE) *(volatile uint64_t *)(slot + i) = message.transaction;
      Message answer = {MESSAGE_MAGIC, URB_COMPLETE, 0x0101, URB_BYTES, message.transaction, 1, 0, 0, {0}};
      answer.words[3] = size;
      put(side, &answer);
      any = 1;
    }
    if (any) flush(side);
    else wait_for_more(side);
  }
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void print(float *latencies, size_t count, double seconds) {
  qsort(latencies, count, sizeof *latencies, by_value);
  printf("{\"measured\":%zu,\"seconds\":%.9f,\"p50\":%.4f,\"p99\":%.4f}\n", count, seconds,
         count ? latencies[count / 2] : 0, count ? latencies[count * 99 / 100] : 0);
}

static void submit(Side *side, uint32_t transaction, size_t size, int place) {
  Message message = {MESSAGE_MAGIC, URB_SUBMIT, 0x0101, URB_BYTES, transaction, 1, 0, 0, {0}};
  message.words[1] = 1;
  message.words[2] = 1;
  message.words[3] = 2;
  message.words[4] = size;
  message.words[6] = 1;
  message.words[7] = data_offset + place * ((size + 4095) & ~4095ull);
  put(side, &message);
}

static void load(Side *side, size_t size, int depth, int copies, uint64_t warm, uint64_t measure) {
  float *latencies = malloc(LATENCIES * sizeof *latencies);
  uint8_t *sinks = malloc(size * depth);
  uint64_t started[256], from = now_ns() + warm, until = from + measure, first = 0, last = 0;
  volatile uint64_t sum = 0;
  size_t count = 0;
  uint32_t sent = 0, received = 0;
  for (int i = 0; i < depth; i++) {
    started[sent % depth] = now_ns();
    submit(side, sent, size, sent % depth);
    sent++;
  }
  flush(side);
  for (;;) {
    Message message;
    int any = 0;
    while (take(side, &message)) {
      uint8_t *slot = memory + data_offset + (received % depth) * ((size + 4095) & ~4095ull);
      if (message.transaction != received || message.words[3] != size) fail("a wrong answer");
      if (copies) {
        uint8_t *sink = sinks + (received % depth) * size;
        memcpy(sink, slot, size);
        if (sink[size - 1] != 0x5a) fail("wrong data");
      } else {
        uint64_t seen = 0;
        for (size_t i = 0; i < size; i += LINE) seen += *(volatile uint64_t *)(slot + i);
        sum += seen;
        if (*(volatile uint64_t *)slot != received) fail("wrong data");
      }
      uint64_t now = now_ns();
      if (now >= from) {
        if (!first) first = now;
        else if (count < LATENCIES) latencies[count++] = (now - started[received % depth]) / 1e3f;
        last = now;
      }
      received++;
      if (now >= until) {
        print(latencies, count, (last - first) / 1e9);
        return;
      }
      started[sent % depth] = now;
      submit(side, sent, size, sent % depth);
      sent++;
      any = 1;
    }
    if (any) flush(side);
    else wait_for_more(side);
  }
}

static void pipes(uint64_t warm, uint64_t measure, int guest_cpu, int host_cpu) {
  int there[2], back[2];
  char byte = 0;
  if (pipe(there) < 0 || pipe(back) < 0) fail("pipe");
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(host_cpu);
    while (read(there[0], &byte, 1) == 1)
      if (write(back[1], &byte, 1) != 1) break;
    _exit(0);
  }
  pin(guest_cpu);
  float *latencies = malloc(LATENCIES * sizeof *latencies);
  size_t count = 0;
  uint64_t from = now_ns() + warm, until = from + measure, now = now_ns();
  while (now < until) {
    uint64_t started = now;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("pipe");
    now = now_ns();
    if (started >= from && count < LATENCIES) latencies[count++] = (now - started) / 1e3f;
  }
  print(latencies, count, (now - from) / 1e9);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
}

static void copies(size_t size, uint64_t warm, uint64_t measure, int cpu) {
  pin(cpu);
  uint8_t *from_memory = malloc(size), *to = malloc(size);
  float *latencies = malloc(LATENCIES * sizeof *latencies);
  size_t count = 0;
  memset(from_memory, 0x5a, size);
  uint64_t from = now_ns() + warm, until = from + measure, now = now_ns();
  while (now < until) {
    uint64_t started = now;
    memcpy(to, from_memory, size);
    __asm__ volatile("" : : "r"(to) : "memory");
    now = now_ns();
    if (started >= from && count < LATENCIES) latencies[count++] = (now - started) / 1e3f;
  }
  print(latencies, count, (now - from) / 1e9);
}

int main(int argc, char **argv) {
  if (argc != 8) fail("usage: ring MODE SIZE DEPTH WARM_MS MEASURE_MS GUEST_CPU HOST_CPU");
  const char *mode = argv[1];
  size_t size = strtoull(argv[2], NULL, 10);
  int depth = atoi(argv[3]), guest_cpu = atoi(argv[6]), host_cpu = atoi(argv[7]);
  uint64_t warm = strtoull(argv[4], NULL, 10) * 1000000, measure = strtoull(argv[5], NULL, 10) * 1000000;
  if (!strcmp(mode, "pipe")) return pipes(warm, measure, guest_cpu, host_cpu), 0;
  if (!strcmp(mode, "memcpy")) return copies(size, warm, measure, guest_cpu), 0;

  int fd = syscall(SYS_memfd_create, "ring", 0);
  if (fd < 0 || ftruncate(fd, TOTAL) < 0) fail("memfd");
  memory = mmap(NULL, TOTAL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) fail("mmap");
  Ring *g2h = (Ring *)(memory + CONTROL), *h2g = g2h + 1;
  data_offset = (CONTROL + 2 * sizeof(Ring) + 4095) & ~4095ull;
  if (depth > 256 || data_offset + depth * ((size + 4095) & ~4095ull) > TOTAL) fail("too much for the memory");
  g2h->consumer_flags = h2g->consumer_flags = NO_NOTIFY;
  _Atomic uint32_t *host_bell = (void *)(memory + HOST_SIDE + BELL), *guest_bell = (void *)(memory + GUEST_SIDE + BELL);
  int is_copied = !strcmp(mode, "copied"), is_asleep = !strcmp(mode, "asleep");
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(host_cpu);
    Side host = {.in = g2h, .out = h2g, .rung = guest_bell, .ring = host_bell, .asleep_at_once = is_asleep};
    serve(&host, size, is_copied);
  }
  pin(guest_cpu);
  Side guest = {.in = h2g, .out = g2h, .rung = host_bell, .ring = guest_bell, .asleep_at_once = is_asleep};
  load(&guest, size, depth, is_copied, warm, measure);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return 0;
}
