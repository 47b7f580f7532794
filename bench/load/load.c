/*
 * Load client of the benchmark: keeps DEPTH transfers of SIZE bytes in flight on one USB/IP connection and
 * tells how many came back and how long each took. Every reply is checked: a server that answers wrongly ends
 * the run instead of looking fast. Before the clock runs, the data of one transfer is checked byte by byte.
 *
 *   load PORT|PATH in|out|echo SIZE DEPTH WARM_MS MEASURE_MS URBS
 *
 * in, out: imports "zero" from 127.0.0.1:PORT, or from the unix socket PATH, and uses its bulk endpoints 0x81 and 0x01.
 * echo:    no USB/IP; messages of 48 + SIZE bytes come back as they are.
 * URBS above 0 ends the measurement after so many transfers, whatever the time.
 * Prints one JSON document.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 48, IMPORT_REQUEST = 40, IMPORT_REPLY = 320, READ_BYTES = 1 << 20, LATENCIES = 1 << 22 };
enum { CMD_SUBMIT = 1, RET_SUBMIT = 3 };

static void fail(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(1);
}

static uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return ntohl(value);
}

static void put32(uint8_t *at, uint32_t value) {
  value = htonl(value);
  memcpy(at, &value, 4);
}

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int dial_unix(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (strlen(path) >= sizeof address.sun_path) fail("that path is too long");
  strcpy(address.sun_path, path);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("nobody listens at that path");
  return fd;
}

static int dial(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("nobody listens on that port");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void write_all(int fd, struct iovec *parts, int count) {
  while (count > 0) {
    ssize_t written = writev(fd, parts, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("the server closed while it was written to");
    for (; count > 0 && (size_t)written >= parts->iov_len; parts++, count--) written -= parts->iov_len;
    if (count > 0) {
      parts->iov_base = (uint8_t *)parts->iov_base + written;
      parts->iov_len -= written;
    }
  }
}

static void read_all(int fd, uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t got = read(fd, bytes, length);
    if (got <= 0) fail("the server closed early");
    bytes += got;
    length -= got;
  }
}

static void submit(uint8_t *header, uint32_t seqnum, uint32_t devid, int in, uint32_t ep, uint32_t length) {
  memset(header, 0, HEADER);
  put32(header, CMD_SUBMIT);
  put32(header + 4, seqnum);
  put32(header + 8, devid);
  put32(header + 12, in);
  put32(header + 16, ep);
  put32(header + 24, length);
}

/* What a successful RET_SUBMIT holds besides its seqnum; everything else in it is 0. */
static void check_reply(const uint8_t *header, uint32_t length) {
  if (get32(header) != RET_SUBMIT) fail("a reply is no RET_SUBMIT");
  if (get32(header + 20) != 0) fail("a transfer failed");
  if (get32(header + 24) != length) fail("a transfer is short");
}

/* Imports "zero" and configures it; returns its devid. */
static uint32_t import_zero(int fd) {
  uint8_t request[IMPORT_REQUEST] = {0x01, 0x11, 0x80, 0x03}, reply[IMPORT_REPLY], header[HEADER];
  memcpy(request + 8, "zero", 4);
  write_all(fd, &(struct iovec){request, sizeof request}, 1);
  read_all(fd, reply, 8);
  if (get32(reply + 4) != 0) fail("the server refuses to give \"zero\"");
  read_all(fd, reply + 8, IMPORT_REPLY - 8);
  uint32_t devid = get32(reply + 296) << 16 | get32(reply + 300);
  static const uint8_t set_configuration_3[8] = {0x00, 0x09, 0x03};
  submit(header, 1, devid, 0, 0, 0);
  memcpy(header + 40, set_configuration_3, 8);
  write_all(fd, &(struct iovec){header, HEADER}, 1);
  read_all(fd, header, HEADER);
  check_reply(header, 0);
  return devid;
}

/* One transfer whose every byte is looked at. */
static void check_data(int fd, uint32_t devid, int in, uint8_t *data, uint32_t size) {
  uint8_t header[HEADER];
  submit(header, 2, devid, in, 1, size);
  memset(data, in ? 0xa5 : 0, size);
  struct iovec parts[] = {{header, HEADER}, {data, size}};
  write_all(fd, parts, in ? 1 : 2);
  read_all(fd, header, HEADER);
  check_reply(header, size);
  if (get32(header + 4) != 2) fail("a reply has another seqnum than its request");
  if (in) read_all(fd, data, size);
  for (uint32_t i = 0; i < size; i++)
    if (data[i] != 0) fail("the source sends other data than zeros");
}

static int ascending(const void *left, const void *right) {
  float a = *(const float *)left, b = *(const float *)right;
  return (a > b) - (a < b);
}

int main(int count, char **words) {
  if (count != 8) fail("usage: load PORT in|out|echo SIZE DEPTH WARM_MS MEASURE_MS URBS");
  int in = !strcmp(words[2], "in"), echo = !strcmp(words[2], "echo");
  uint32_t size = atoi(words[3]), depth = atoi(words[4]);
  double warm_us = atof(words[5]) * 1e3, measure_us = atof(words[6]) * 1e3;
  uint64_t urbs_max = strtoull(words[7], NULL, 10);

  int fd = words[1][0] == '/' ? dial_unix(words[1]) : dial(atoi(words[1]));
  uint8_t *data = calloc(1, size + 1), *bytes = malloc(READ_BYTES);
  uint8_t(*headers)[HEADER] = calloc(depth, HEADER);
  double *started = calloc(depth, sizeof *started);
  float *latencies = malloc(LATENCIES * sizeof *latencies);
  struct iovec *parts = calloc(2 * depth, sizeof *parts);
  uint32_t devid = 0;
  if (!echo) {
    devid = import_zero(fd);
    check_data(fd, devid, in, data, size);
  }

  /* The seqnum of a transfer names its slot: BASE plus the slot, plus DEPTH each time the slot is used again. */
  const uint32_t BASE = 16;
  uint32_t part = 0, in_flight = 0, filled = 0, slot = 0, skip = 0, expected = 0;
  uint8_t header[HEADER];
  uint64_t total = 0, measured = 0, latency_count = 0;
  double begin = now_us(), from = begin + warm_us, until = from + measure_us, first = 0, last = begin;
  int stopping = 0;
  for (uint32_t i = 0; i < depth; i++) {
    submit(headers[i], BASE + i, devid, in, 1, size);
    parts[part++] = (struct iovec){headers[i], HEADER};
    if (!in && size > 0) parts[part++] = (struct iovec){data, size};
    started[i] = begin;
    in_flight++;
  }
  write_all(fd, parts, part);

  while (in_flight > 0) {
    ssize_t got = read(fd, bytes, READ_BYTES);
    if (got <= 0) fail("the server closed early");
    last = now_us();
    int measuring = last >= from && !stopping;
    if (measuring && first == 0) first = last, measured = 0;
    uint32_t again = 0;
    part = 0;
    for (ssize_t at = 0; at < got || (filled == HEADER && skip == 0);) {
      if (filled < HEADER) {
        uint32_t take = HEADER - filled < got - at ? HEADER - filled : got - at;
        memcpy(header + filled, bytes + at, take);
        filled += take;
        at += take;
        if (filled < HEADER) break;
        uint32_t seqnum = get32(header + 4);
        slot = (seqnum - BASE) % depth;
        if (seqnum != get32(headers[slot] + 4)) fail("a reply has a seqnum that is not in flight");
        if (echo && memcmp(header, headers[slot], HEADER)) fail("the echo is not what was sent");
        if (!echo) check_reply(header, size);
        expected = (in || echo) ? size : 0;
        skip = expected;
      }
      uint32_t take = skip < got - at ? skip : got - at;
      skip -= take;
      at += take;
      if (skip > 0) break;
      filled = 0;
      in_flight--;
      total++;
      if (measuring) {
        measured++;
        if (latency_count < LATENCIES) latencies[latency_count++] = last - started[slot];
      }
      if (stopping) continue;
      put32(headers[slot] + 4, get32(headers[slot] + 4) + depth);
      parts[part++] = (struct iovec){headers[slot], HEADER};
      if (!in && size > 0) parts[part++] = (struct iovec){data, size};
      started[slot] = last;
      in_flight++;
      again++;
    }
    if (measuring && (last >= until || (urbs_max > 0 && measured >= urbs_max))) {
      stopping = 1;
      until = last;
    }
    if (again > 0) write_all(fd, parts, part);
  }

  /* The server has given the device back, for the next run, when it has closed too. */
  shutdown(fd, SHUT_WR);
  while (read(fd, bytes, READ_BYTES) > 0) continue;
  if (latency_count == 0) fail("nothing came back in the time that was measured");
  qsort(latencies, latency_count, sizeof *latencies, ascending);
  printf("{\"urbs\":%llu,\"measured\":%llu,\"seconds\":%.6f,\"p50\":%.1f,\"p99\":%.1f}\n",
         (unsigned long long)total, (unsigned long long)measured, (until - first) / 1e6,
         latencies[latency_count / 2], latencies[latency_count * 99 / 100]);
  return 0;
}
