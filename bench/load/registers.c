/*
 * The VMM of the benchmark: accesses registers of a vfio-user function, as a virtual processor does, one after the other.
 *
 *   registers PATH read|write|interrupt WARM_MS MEASURE_MS
 *
 * read:      one register is read.
 * write:     sixteen posted writes, and a read that is answered when they have been made.
 * interrupt: what Linux does for each interrupt of an xHCI controller: USBSTS read and written, ERDP read in two halves and
 *            written in two. Writes are posted.
 * Every reply is checked. Prints one JSON document, times in microseconds.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 16, ACCESS = 16, LATENCIES = 1 << 22, REPLY_MAX = 4096 };
enum { VERSION = 1, REGION_READ = 9, REGION_WRITE = 10, REPLY = 1, NO_REPLY = 0x10 };
/* xHCI: operational registers at 0x40, those of the first interrupter at 0x1020 (usbferry: src/xhci/registers.ts). */
enum { USBSTS = 0x44, DNCTRL = 0x54, ERDP_LOW = 0x1038, ERDP_HIGH = 0x103c, BURST = 16 };

static float latencies[LATENCIES];
static uint16_t id;

static void fail(const char *what) {
  fprintf(stderr, "registers: %s\n", what);
  exit(1);
}

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void put(uint8_t *at, uint64_t value, int bytes) { memcpy(at, &value, bytes); }

static uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

static void send_message(int fd, int command, uint32_t flags, uint8_t *message, uint32_t size) {
  put(message, ++id, 2);
  put(message + 2, command, 2);
  put(message + 4, size, 4);
  put(message + 8, flags, 4);
  put(message + 12, 0, 4);
  if (send(fd, message, size, MSG_NOSIGNAL) != (ssize_t)size) fail("the server closed while it was written to");
}

static void read_all(int fd, uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t got = read(fd, bytes, length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("the server closed early");
    bytes += got;
    length -= got;
  }
}

static void greet(int fd) {
  static const char proposal[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"pgsizes\":4096}}";
  uint8_t message[HEADER + sizeof proposal], reply[REPLY_MAX];
  memcpy(message + HEADER, proposal, sizeof proposal);
  send_message(fd, VERSION, 0, message, sizeof message);
  read_all(fd, reply, HEADER);
  if (get32(reply + 4) > REPLY_MAX || get32(reply + 8) != REPLY) fail("VERSION is refused");
  read_all(fd, reply + HEADER, get32(reply + 4) - HEADER);
}

static uint32_t read_register(int fd, uint64_t offset) {
  uint8_t message[HEADER + ACCESS], reply[HEADER + ACCESS + 4];
  put(message + HEADER, offset, 8);
  put(message + HEADER + 8, 0, 4);
  put(message + HEADER + 12, 4, 4);
  send_message(fd, REGION_READ, 0, message, sizeof message);
  read_all(fd, reply, sizeof reply);
  if (memcmp(reply, &id, 2) || get32(reply + 4) != sizeof reply || get32(reply + 8) != REPLY) fail("a read is answered wrongly");
  if (memcmp(reply + HEADER, message + HEADER, ACCESS)) fail("another register was read");
  return get32(reply + HEADER + ACCESS);
}

static void post(int fd, uint64_t offset, uint32_t value) {
  uint8_t message[HEADER + ACCESS + 4];
  put(message + HEADER, offset, 8);
  put(message + HEADER + 8, 0, 4);
  put(message + HEADER + 12, 4, 4);
  put(message + HEADER + ACCESS, value, 4);
  send_message(fd, REGION_WRITE, NO_REPLY, message, sizeof message);
}

static void once(int fd, char mode) {
  static uint32_t round;
  if (mode == 'r') {
    read_register(fd, USBSTS);
  } else if (mode == 'w') {
    round++;
    for (int i = 0; i < BURST; i++) post(fd, DNCTRL, (round + i) & 0xffff);
    if (read_register(fd, DNCTRL) != ((round + BURST - 1) & 0xffff)) fail("a posted write was not made before the read behind it");
  } else {
    post(fd, USBSTS, read_register(fd, USBSTS));
    uint32_t low = read_register(fd, ERDP_LOW), high = read_register(fd, ERDP_HIGH);
    post(fd, ERDP_LOW, low | 8);
    post(fd, ERDP_HIGH, high);
  }
}

static int ascending(const void *one, const void *other) {
  float a = *(const float *)one, b = *(const float *)other;
  return (a > b) - (a < b);
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 5 || strlen(argv[1]) >= sizeof address.sun_path) fail("PATH read|write|interrupt WARM_MS MEASURE_MS");
  strcpy(address.sun_path, argv[1]);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("nobody listens at that path");
  greet(fd);
  char mode = argv[2][0];
  double warm_us = atof(argv[3]) * 1e3, measure_us = atof(argv[4]) * 1e3, began = now_us(), before = began;
  size_t count = 0;
  while (before - began < warm_us) {
    once(fd, mode);
    before = now_us();
  }
  began = before;
  while (before - began < measure_us && count < LATENCIES) {
    once(fd, mode);
    double after = now_us();
    latencies[count++] = after - before;
    before = after;
  }
  if (count == 0) fail("nothing came back in that time");
  qsort(latencies, count, sizeof *latencies, ascending);
  printf("{\"measured\":%zu,\"seconds\":%.6f,\"p50\":%.3f,\"p99\":%.3f}\n", count, (before - began) / 1e6,
         latencies[count / 2], latencies[count * 99 / 100]);
  return 0;
}
