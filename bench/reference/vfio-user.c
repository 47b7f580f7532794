/*
 * The yardstick of register accesses: a vfio-user server with one BAR of memory behind it, in plain C with one blocking thread. It
 * reads as much as there is, descriptors included, and answers each message with one send. It checks what keeps memory safe
 * and no more: it is not a server to be used.
 *
 *   vfio-user PATH      listens at a unix socket and prints {"path":"PATH"}
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEADER = 16, ACCESS = 16, BAR_BYTES = 64 << 10, READ_BYTES = 128 << 10, FDS = 16 };
enum { VERSION = 1, REGION_READ = 9, REGION_WRITE = 10, REPLY = 1, NO_REPLY = 0x10, ERROR = 0x20 };

static const char GREETING[] = "\0\0\0\0{\"capabilities\":{}}";
static uint8_t bar[BAR_BYTES], input[READ_BYTES], answer[HEADER + ACCESS + BAR_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "reference vfio-user: %s\n", what);
  exit(1);
}

static uint16_t get16(const uint8_t *at) {
  uint16_t value;
  memcpy(&value, at, 2);
  return value;
}

static uint32_t get32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }

/* Bytes of the answer behind its header; -1 is an error. */
static int perform(const uint8_t *message, uint32_t size) {
  uint16_t command = get16(message + 2);
  if (command == VERSION) {
    memcpy(answer + HEADER, GREETING, sizeof GREETING);
    return sizeof GREETING;
  }
  if ((command != REGION_READ && command != REGION_WRITE) || size < HEADER + ACCESS) return -1;
  uint64_t offset;
  memcpy(&offset, message + HEADER, 8);
  uint32_t count = get32(message + HEADER + 12);
  if (get32(message + HEADER + 8) != 0 || offset > BAR_BYTES || count > BAR_BYTES - offset) return -1;
  memcpy(answer + HEADER, message + HEADER, ACCESS);
  if (command == REGION_READ) {
    memcpy(answer + HEADER + ACCESS, bar + offset, count);
    return ACCESS + count;
  }
  if (size != HEADER + ACCESS + count) return -1;
  memcpy(bar + offset, message + HEADER + ACCESS, count);
  return ACCESS;
}

static int handle(int fd, const uint8_t *message, uint32_t size) {
  int length = perform(message, size);
  if (get32(message + 8) & NO_REPLY) return 0;
  memcpy(answer, message, 4);
  put32(answer + 8, length < 0 ? REPLY | ERROR : REPLY);
  put32(answer + 12, length < 0 ? EINVAL : 0);
  size_t bytes = HEADER + (length < 0 ? 0 : length);
  put32(answer + 4, bytes);
  return send(fd, answer, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : -1;
}

static void close_passed(struct msghdr *message) {
  for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one; one = CMSG_NXTHDR(message, one)) {
    int *fds = (int *)CMSG_DATA(one);
    for (size_t i = 0; i < (one->cmsg_len - CMSG_LEN(0)) / sizeof *fds; i++) close(fds[i]);
  }
}

static void serve(int fd) {
  size_t have = 0;
  char control[CMSG_SPACE(FDS * sizeof(int))];
  for (;;) {
    struct iovec part = {input + have, READ_BYTES - have};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    close_passed(&message);
    have += got;
    size_t at = 0;
    while (have - at >= HEADER) {
      uint32_t size = get32(input + at + 4);
      if (size < HEADER || size > READ_BYTES / 2) return;
      if (have - at < size) break;
      if (handle(fd, input + at, size) < 0) return;
      at += size;
    }
    memmove(input, input + at, have - at);
    have -= at;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) fail("name a path that is short enough");
  strcpy(address.sun_path, argv[1]);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 8) < 0) fail("cannot listen");
  printf("{\"path\":\"%s\"}\n", argv[1]);
  fflush(stdout);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) fail("cannot accept");
    serve(fd);
    close(fd);
  }
}
