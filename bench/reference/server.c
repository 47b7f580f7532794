/*
 * The yardstick of the benchmark: what gadget "zero" does behind a USB/IP server, in plain C with one blocking
 * thread. It reads as much as there is, answers everything of one read with one writev, and allocates nothing
 * while it runs. IN transfers get their data copied into memory of their own and OUT data is compared with the
 * pattern, as the gadget does. It checks what keeps memory safe and no more: it is not a server to be used.
 *
 *   server      listens on a free port of 127.0.0.1 and prints {"port":N}
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
#include <unistd.h>

enum { HEADER = 48, IMPORT_REQUEST = 40, IMPORT_REPLY = 320 };
enum { READ_BYTES = 256 << 10, ANSWERS = 512, TRANSFER_MAX = 1 << 20 };
enum { CMD_SUBMIT = 1, RET_SUBMIT = 3 };

static const uint8_t zeros[TRANSFER_MAX];
static uint8_t input[READ_BYTES];
/* Header and IN data of each answer of a batch, one behind the other. */
static uint8_t *answers[ANSWERS];
static struct iovec parts[ANSWERS];
static int batch;

static void fail(const char *what) {
  fprintf(stderr, "reference server: %s\n", what);
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

static int send_batch(int fd) {
  struct iovec *part = parts;
  while (batch > 0) {
    ssize_t written = writev(fd, part, batch);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    for (; batch > 0 && (size_t)written >= part->iov_len; part++, batch--) written -= part->iov_len;
    if (batch > 0) {
      part->iov_base = (uint8_t *)part->iov_base + written;
      part->iov_len -= written;
    }
  }
  return 0;
}

static int answer(int fd, uint32_t seqnum, uint32_t length, int in) {
  uint8_t *bytes = answers[batch];
  memset(bytes, 0, HEADER);
  put32(bytes, RET_SUBMIT);
  put32(bytes + 4, seqnum);
  put32(bytes + 24, length);
  if (in) memcpy(bytes + HEADER, zeros, length);
  parts[batch++] = (struct iovec){bytes, HEADER + (in ? length : 0)};
  return batch == ANSWERS ? send_batch(fd) : 0;
}

static int read_all(int fd, uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t got = read(fd, bytes, length);
    if (got <= 0) return -1;
    bytes += got;
    length -= got;
  }
  return 0;
}

/* Answers an import with a device record of which a client here needs busnum, devnum and the speed. */
static int handshake(int fd) {
  uint8_t request[IMPORT_REQUEST], reply[IMPORT_REPLY] = {0x01, 0x11, 0x00, 0x03};
  if (read_all(fd, request, sizeof request) < 0) return -1;
  if (request[2] != 0x80 || request[3] != 0x03 || strcmp((char *)request + 8, "zero")) return -1;
  memcpy(reply + 8 + 256, "zero", 4);
  put32(reply + 296, 1);
  put32(reply + 300, 1);
  put32(reply + 304, 3);
  return write(fd, reply, sizeof reply) == sizeof reply ? 0 : -1;
}

static void serve(int fd) {
  size_t have = 0, payload = 0;
  uint32_t seqnum = 0, length = 0;
  if (handshake(fd) < 0) return;
  for (;;) {
    ssize_t got = read(fd, input + have, READ_BYTES - have);
    if (got <= 0) return;
    have += got;
    size_t at = 0;
    for (;;) {
      if (payload > 0) {
        size_t take = payload < have - at ? payload : have - at;
        if (memcmp(input + at, zeros, take)) return;
        at += take;
        payload -= take;
        if (payload > 0) break;
        if (answer(fd, seqnum, length, 0) < 0) return;
      }
      if (have - at < HEADER) break;
      const uint8_t *header = input + at;
      at += HEADER;
      seqnum = get32(header + 4);
      length = get32(header + 24);
      if (get32(header) != CMD_SUBMIT || get32(header + 8) != 0x10001 || length > TRANSFER_MAX) return;
      if (get32(header + 12) == 0 && length > 0) payload = length;
      else if (answer(fd, seqnum, length, get32(header + 12)) < 0) return;
    }
    memmove(input, input + at, have - at);
    have -= at;
    if (send_batch(fd) < 0) return;
  }
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 8) < 0) fail("cannot listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  for (int i = 0; i < ANSWERS; i++)
    if (!(answers[i] = malloc(HEADER + TRANSFER_MAX))) fail("out of memory");
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("cannot accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    batch = 0;
    serve(fd);
    close(fd);
  }
}
