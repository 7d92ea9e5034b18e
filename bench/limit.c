/*
 * The limit: what a C program does with the bytes alone. `npm run bench` compiles it if there is a
 * compiler.
 *
 *   limit append FILE BYTES   copies a record of 112 bytes until 1 MiB is full, CRC-32C, write
 *   limit read FILE           reads 1 MiB at a time, CRC-32C
 *   limit sync FILE COUNT     appends 4 KiB and fdatasync, COUNT times
 *
 * Prints {"bytes":…,"ms":…}. The checksum runs over three strands at once, as the processor's
 * instruction has a latency of three.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC8(crc, word) _mm_crc32_u64(crc, word)
#elif defined(__aarch64__)
#include <arm_acle.h>
#define CRC8(crc, word) __crc32cd((uint32_t)(crc), word)
#else
#error "no CRC-32C instruction is known for this processor"
#endif

enum { CHUNK = 1 << 20, RECORD = 112, BLOCK = 4096 };

static uint64_t seen; /* so that no checksum is left out by the compiler */

static void check(const unsigned char *bytes, size_t size) {
  const uint64_t *words = (const uint64_t *)bytes;
  size_t third = size / 8 / 3;
  uint64_t a = ~0u, b = ~0u, c = ~0u;
  for (size_t n = 0; n < third; n++) {
    a = CRC8(a, words[n]);
    b = CRC8(b, words[third + n]);
    c = CRC8(c, words[2 * third + n]);
  }
  seen += a ^ b ^ c;
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static size_t append(const char *path, size_t bytes, unsigned char *chunk) {
  unsigned char record[RECORD];
  memset(record, 'p', RECORD);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) fail("open");
  size_t written = 0;
  while (written < bytes) {
    for (size_t at = 0; at + RECORD <= CHUNK; at += RECORD) {
      record[0]++;
      memcpy(chunk + at, record, RECORD);
    }
    check(chunk, CHUNK);
    if (write(fd, chunk, CHUNK) != CHUNK) fail("write");
    written += CHUNK;
  }
  close(fd);
  return written;
}

static size_t read_all(const char *path, unsigned char *chunk) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) fail("open");
  size_t total = 0;
  ssize_t size;
  while ((size = read(fd, chunk, CHUNK)) > 0) {
    check(chunk, size);
    total += size;
  }
  if (size < 0) fail("read");
  close(fd);
  return total;
}

static size_t append_synced(const char *path, size_t count, unsigned char *chunk) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) fail("open");
  for (size_t n = 0; n < count; n++) {
    if (write(fd, chunk, BLOCK) != BLOCK) fail("write");
    if (fdatasync(fd) != 0) fail("fdatasync");
  }
  close(fd);
  return count * BLOCK;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "expected: limit append|read|sync FILE [NUMBER]\n");
    return 2;
  }
  unsigned char *chunk = aligned_alloc(64, CHUNK);
  memset(chunk, 'p', CHUNK);
  size_t number = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
  double started_ms = now_ms();
  size_t bytes = strcmp(argv[1], "append") == 0 ? append(argv[2], number, chunk)
                 : strcmp(argv[1], "read") == 0 ? read_all(argv[2], chunk)
                                                : append_synced(argv[2], number, chunk);
  printf("{\"bytes\":%zu,\"ms\":%f,\"seen\":%d}\n", bytes, now_ms() - started_ms, seen != 0);
  return 0;
}
