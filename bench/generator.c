/*
 * Asks a DNS server over UDP, keeps a bounded window of open queries, checks every reply, and prints one line of JSON.
 *
 *   generator ADDRESS PORT [--seconds S] [--window N] [--rate Q] [--sockets N] [--names FILE] [--type A|AAAA|HTTPS]
 *             [--ecs none|v4|v6|both] [--expect ADDR,ADDR...] [--echo 1] [--do 1] [--cookie 1]
 *             [--lost MS] [--timeline MS] [--seed N] [--tail MS]
 *
 * Without --rate the loop is closed: as soon as a reply comes another query goes out, so the server is never idle and
 * never more than N behind. With --rate queries go out on a clock, and latency counts from when each was due to when the
 * kernel received the reply. While the generator itself waits for its core, as the kernel tells, the clock stands still:
 * that is not the server's delay, and a burst to make up for it would be. The sum of it is stalledMs; the load lasts so much
 * longer, so that as much is asked on a busy machine, but no more than twice as long.
 * ECS prefixes are drawn from the whole unicast space, /24 for IPv4 and /56 for IPv6; names by turns from FILE.
 *
 * A reply is right when its id, question and ECS match an open query, RCODE is NOERROR, and, with --type A or AAAA,
 * there is an answer of that type whose address is in --expect (any address without it). With --do 1 queries with ECS ask
 * for signatures, and an answer has an RRSIG; with --cookie 1 they carry a COOKIE, with the Server Cookie of the latest
 * reply (RFC 7873), and a reply has one. With --echo 1 the query sent
 * back with QR set is right.
 *
 * SIGTERM ends the load early, as if its time were over. With --timeline a line says what came in each interval; its
 * endedNs is the time on CLOCK_MONOTONIC.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define PACKET 1500
#define IDS 65536
#define SOCKETS_MAX 64
#define EXPECT_MAX 64
/* Latencies: 64 buckets for each power of two of nanoseconds, so 1.6 % wide. */
#define BUCKETS (64 * 40)

struct name { uint8_t wire[256]; int length; };
struct open_query { uint64_t due; uint32_t name; uint8_t ecs_family; uint8_t ecs[8]; uint8_t is_open; };

static struct name *names;
static size_t name_count;
static struct open_query open_queries[IDS];
static uint64_t histogram[BUCKETS];
static uint64_t sent, received, lost, wrong, unexpected_total, expected_hits[EXPECT_MAX], interval_hits[EXPECT_MAX];
static uint64_t interval_wrong, interval_lost, interval_received, latest_wrong_ns;
static uint8_t expected[EXPECT_MAX][16];
static char expected_text[EXPECT_MAX][64];
static int expected_count;
static uint16_t qtype = 1;
static int is_echo, wants_signatures, has_cookie;
/* The Client Cookie, and behind it the latest Server Cookie. */
static uint8_t cookie[40] = {0x4d, 0x65, 0x72, 0x69, 0x64, 0x69, 0x61, 0x6e};
static int cookie_length = 8;
static uint64_t lost_ns = 1000000000ull; /* a query without a reply after this long is lost */
static int ecs_mode; /* 0 none, 1 v4, 2 v6, 3 both */
static uint64_t random_state = 88172645463325252ull;
static char first_wrong[200];

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Less than this between two turns of the loop is its own work. */
#define TURN_NS 200000ull

/* What this thread has waited for its core so far. */
static uint64_t waited_ns(void) {
  static int fd = -1;
  char text[100] = {0};
  unsigned long long ran = 0, waited = 0;
  if (fd < 0 && (fd = open("/proc/thread-self/schedstat", O_RDONLY)) < 0) return 0;
  if (pread(fd, text, sizeof text - 1, 0) > 0) sscanf(text, "%llu %llu", &ran, &waited);
  return waited;
}

static uint64_t waited, stalled;

/* What this thread has had to wait since it was last looked, if its last turn was a long one. */
static uint64_t new_stall(uint64_t turn_began, uint64_t now) {
  if (now < turn_began + TURN_NS) return 0;
  uint64_t before = waited;
  waited = waited_ns();
  uint64_t stall = waited - before;
  if (stall < TURN_NS / 2) return 0;
  stalled += stall;
  return stall;
}

/* When the kernel received a message, on CLOCK_MONOTONIC; `otherwise` where it does not say. */
static uint64_t received_ns(struct msghdr *message, int64_t real_ahead_ns, uint64_t otherwise) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec t;
    memcpy(&t, CMSG_DATA(part), sizeof t);
    return (uint64_t)((int64_t)t.tv_sec * 1000000000 + t.tv_nsec - real_ahead_ns);
  }
  return otherwise;
}

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static volatile sig_atomic_t is_stopped;

static void on_stop(int signal_number) { is_stopped = signal_number; }

static void die(const char *what) { perror(what); exit(2); }

static void add_name(const char *text) {
  names = realloc(names, (name_count + 1) * sizeof *names);
  struct name *name = &names[name_count++];
  int at = 0;
  while (*text) {
    const char *dot = strchrnul(text, '.');
    int label = (int)(dot - text);
    if (label == 0) break;
    name->wire[at++] = (uint8_t)label;
    memcpy(name->wire + at, text, (size_t)label);
    at += label;
    text = *dot ? dot + 1 : dot;
  }
  name->wire[at++] = 0;
  name->length = at;
}

static void read_names(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) die(path);
  char line[300];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\r\n")] = 0;
    if (*line) add_name(line);
  }
  fclose(file);
}

static size_t build_query(uint8_t *packet, uint16_t id, struct open_query *query) {
  const struct name *name = &names[query->name];
  uint8_t header[12] = {(uint8_t)(id >> 8), (uint8_t)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, (uint8_t)(ecs_mode ? 1 : 0)};
  memcpy(packet, header, 12);
  memcpy(packet + 12, name->wire, (size_t)name->length);
  uint8_t *at = packet + 12 + name->length;
  *at++ = (uint8_t)(qtype >> 8);
  *at++ = (uint8_t)qtype;
  *at++ = 0;
  *at++ = 1;
  if (ecs_mode) {
    uint64_t bits = next_random();
    int is6 = ecs_mode == 2 || (ecs_mode == 3 && (bits >> 63));
    int octets = is6 ? 7 : 3;
    query->ecs_family = is6 ? 2 : 1;
    memcpy(query->ecs, &bits, 8);
    if (is6) query->ecs[0] = 0x20 | (query->ecs[0] & 0x0f); /* 2000::/4: where the allocations are */
    else query->ecs[0] = (uint8_t)(1 + query->ecs[0] % 222);
    int cookie_octets = has_cookie ? 4 + cookie_length : 0;
    uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, wants_signatures ? 0x80 : 0, 0, 0, (uint8_t)(8 + octets + cookie_octets), 0, 8, 0,
                     (uint8_t)(4 + octets), 0, query->ecs_family, (uint8_t)(8 * octets), 0};
    memcpy(at, opt, sizeof opt);
    at += sizeof opt;
    memcpy(at, query->ecs, (size_t)octets);
    at += octets;
    if (has_cookie) {
      uint8_t option[] = {0, 10, 0, (uint8_t)cookie_length};
      memcpy(at, option, sizeof option);
      memcpy(at + sizeof option, cookie, (size_t)cookie_length);
      at += cookie_octets;
    }
  }
  return (size_t)(at - packet);
}

static int skip_name(const uint8_t *packet, int length, int at) {
  while (at < length) {
    if (packet[at] == 0) return at + 1;
    if (packet[at] >= 0xc0) return at + 2;
    at += packet[at] + 1;
  }
  return length + 1;
}

/* NULL when the reply is right, else what is wrong with it. */
static const char *fault_of(const uint8_t *packet, int length, const struct open_query *query) {
  const struct name *name = &names[query->name];
  int question = name->length + 4;
  if (length < 12 + question) return "short";
  if (!(packet[2] & 0x80)) return "no QR";
  if (packet[2] & 0x02) return "truncated";
  if (packet[3] & 0x0f) return "rcode";
  if (memcmp(packet + 12, name->wire, (size_t)name->length) != 0) return "question";
  if (is_echo) return NULL;
  int answers = packet[6] << 8 | packet[7], others = packet[8] << 8 | packet[9], additional = packet[10] << 8 | packet[11];
  int at = 12 + question, right = qtype != 1 && qtype != 28, ecs = ecs_mode == 0, is_signed = !wants_signatures, is_known = !has_cookie;
  for (int i = 0; i < answers + others + additional; i++) {
    at = skip_name(packet, length, at);
    if (at + 10 > length) return "cut short";
    int type = packet[at] << 8 | packet[at + 1], rdlength = packet[at + 8] << 8 | packet[at + 9];
    at += 10;
    if (at + rdlength > length) return "cut short";
    if (i < answers && type == qtype && (qtype == 1 || qtype == 28)) {
      int size = qtype == 1 ? 4 : 16;
      if (rdlength != size) return "rdlength";
      if (expected_count == 0) right = 1;
      for (int e = 0; e < expected_count; e++)
        if (memcmp(packet + at, expected[e], (size_t)size) == 0) {
          right = 1;
          expected_hits[e]++;
          interval_hits[e]++;
        }
    }
    if (i < answers && type == 46) is_signed = 1;
    if (type == 41 && ecs_mode) {
      int octets = query->ecs_family == 2 ? 7 : 3;
      for (int option = at; option + 4 <= at + rdlength;) {
        int code = packet[option] << 8 | packet[option + 1], size = packet[option + 2] << 8 | packet[option + 3];
        if (code == 8 && size == 4 + octets && packet[option + 5] == query->ecs_family &&
            memcmp(packet + option + 8, query->ecs, (size_t)octets) == 0)
          ecs = 1;
        if (code == 10 && size >= 16 && size <= (int)sizeof cookie && memcmp(packet + option + 4, cookie, 8) == 0) {
          memcpy(cookie, packet + option + 4, (size_t)size);
          cookie_length = size;
          is_known = 1;
        }
        option += 4 + size;
      }
    }
    at += rdlength;
  }
  if (at != length) return "trailing octets";
  if (!right) return "address";
  if (!is_signed) return "no RRSIG";
  if (!is_known) return "no cookie";
  return ecs ? NULL : "ECS not echoed";
}

static void note_latency(uint64_t ns) {
  int power = ns < 64 ? 6 : 63 - __builtin_clzll(ns);
  uint64_t bucket = (uint64_t)(power - 6) * 64 + (ns >> (power - 6)) % 64;
  histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static double percentile_us(double share) {
  uint64_t total = 0, seen = 0;
  for (int i = 0; i < BUCKETS; i++) total += histogram[i];
  for (int i = 0; i < BUCKETS; i++) {
    seen += histogram[i];
    if (total && (double)seen >= share * (double)total) return (double)((64ull + (uint64_t)i % 64) << (i / 64)) / 1000.0;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) { fprintf(stderr, "usage: generator ADDRESS PORT [options]\n"); return 2; }
  double seconds = 5, rate = 0;
  int window = 256, sockets = 1, timeline_ms = 0, tail_ms = 1100;
  for (int i = 3; i < argc; i++) {
    const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
    i++;
    if (!strcmp(option, "--seconds")) seconds = atof(value);
    else if (!strcmp(option, "--window")) window = atoi(value);
    else if (!strcmp(option, "--rate")) rate = atof(value);
    else if (!strcmp(option, "--sockets")) sockets = atoi(value);
    else if (!strcmp(option, "--names")) read_names(value);
    else if (!strcmp(option, "--name")) add_name(value);
    else if (!strcmp(option, "--seed")) random_state ^= strtoull(value, NULL, 10) * 2654435761ull;
    else if (!strcmp(option, "--echo")) is_echo = atoi(value);
    else if (!strcmp(option, "--do")) wants_signatures = atoi(value);
    else if (!strcmp(option, "--cookie")) has_cookie = atoi(value);
    else if (!strcmp(option, "--lost")) lost_ns = (uint64_t)atoi(value) * 1000000ull;
    else if (!strcmp(option, "--timeline")) timeline_ms = atoi(value);
    else if (!strcmp(option, "--tail")) tail_ms = atoi(value);
    else if (!strcmp(option, "--type")) qtype = !strcmp(value, "AAAA") ? 28 : !strcmp(value, "HTTPS") ? 65 : !strcmp(value, "TXT") ? 16 : 1;
    else if (!strcmp(option, "--ecs")) ecs_mode = !strcmp(value, "v4") ? 1 : !strcmp(value, "v6") ? 2 : !strcmp(value, "both") ? 3 : 0;
    else if (!strcmp(option, "--expect")) {
      char *list = strdup(value);
      for (char *text = strtok(list, ","); text && expected_count < EXPECT_MAX; text = strtok(NULL, ",")) {
        inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, expected[expected_count]);
        snprintf(expected_text[expected_count++], 64, "%s", text);
      }
    } else { fprintf(stderr, "unknown option %s\n", option); return 2; }
  }
  if (name_count == 0) add_name("www.gslb.example");
  if (window > IDS / 2) window = IDS / 2;
  if (sockets > SOCKETS_MAX) sockets = SOCKETS_MAX;

  struct sockaddr_storage server = {0};
  socklen_t server_length;
  if (strchr(argv[1], ':')) {
    struct sockaddr_in6 *s = (struct sockaddr_in6 *)&server;
    s->sin6_family = AF_INET6;
    s->sin6_port = htons((uint16_t)atoi(argv[2]));
    inet_pton(AF_INET6, argv[1], &s->sin6_addr);
    server_length = sizeof *s;
  } else {
    struct sockaddr_in *s = (struct sockaddr_in *)&server;
    s->sin_family = AF_INET;
    s->sin_port = htons((uint16_t)atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &s->sin_addr);
    server_length = sizeof *s;
  }
  /* A load generator must never leave the machine by a slip of the keyboard: 198.18/15 is for benchmarks (RFC 2544). */
  if (server.ss_family == AF_INET) {
    uint32_t address = ntohl(((struct sockaddr_in *)&server)->sin_addr.s_addr);
    if (address >> 24 != 127 && address >> 17 != (198 << 8 | 18) >> 1) {
      fprintf(stderr, "only 127.0.0.0/8, 198.18.0.0/15 and ::1\n");
      return 2;
    }
  } else if (memcmp(&((struct sockaddr_in6 *)&server)->sin6_addr, &in6addr_loopback, 16) != 0) {
    fprintf(stderr, "only 127.0.0.0/8, 198.18.0.0/15 and ::1\n");
    return 2;
  }
  struct pollfd polls[SOCKETS_MAX];
  for (int i = 0; i < sockets; i++) {
    int fd = socket(server.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 4 << 20;
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, server_length) < 0) die("connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    int is_on = rate > 0;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &is_on, sizeof is_on);
    polls[i] = (struct pollfd){fd, POLLIN, 0};
  }

  static uint8_t out[BATCH][PACKET], in[BATCH][PACKET], in_control[BATCH][64];
  struct iovec out_iov[BATCH], in_iov[BATCH];
  struct mmsghdr out_msg[BATCH] = {0}, in_msg[BATCH] = {0};
  for (int i = 0; i < BATCH; i++) {
    out_iov[i] = (struct iovec){out[i], 0};
    in_iov[i] = (struct iovec){in[i], PACKET};
    out_msg[i].msg_hdr.msg_iov = &out_iov[i];
    out_msg[i].msg_hdr.msg_iovlen = 1;
    in_msg[i].msg_hdr.msg_iov = &in_iov[i];
    in_msg[i].msg_hdr.msg_iovlen = 1;
    in_msg[i].msg_hdr.msg_control = in_control[i];
  }

  struct timespec real;
  clock_gettime(CLOCK_REALTIME, &real);
  int64_t real_ahead_ns = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - (int64_t)now_ns();
  waited = waited_ns();
  uint64_t start = now_ns(), length = (uint64_t)(seconds * 1e9), end = start + length, interval_end = start + (uint64_t)timeline_ms * 1000000ull;
  uint64_t oldest_check = start, last_received = start, last_turn = start;
  uint32_t next_name = 0;
  uint16_t next_id = 0;
  int open_count = 0, next_socket = 0;
  signal(SIGTERM, on_stop);
  for (;;) {
    uint64_t now = now_ns();
    if (rate > 0) new_stall(last_turn, now);
    last_turn = now;
    if (!is_stopped) end = start + length + (stalled < length ? stalled : length);
    else if (now < end) end = now;
    int is_sending = now < end;
    if (!is_sending && (open_count == 0 || now > end + (uint64_t)tail_ms * 1000000ull)) break;

    /* Send what the window and the clock allow. */
    int wanted = is_sending ? window - open_count : 0;
    if (is_sending && rate > 0) {
      int64_t due = (int64_t)((double)(now - start - stalled) / 1e9 * rate) - (int64_t)sent;
      if (due < wanted) wanted = due < 0 ? 0 : (int)due;
    }
    if (wanted > BATCH) wanted = BATCH;
    int built = 0;
    while (built < wanted) {
      uint16_t id = next_id++;
      struct open_query *query = &open_queries[id];
      if (query->is_open) break; /* as many are open as there are ids */
      query->name = next_name;
      next_name = (next_name + 1) % (uint32_t)name_count;
      query->due = rate > 0 ? start + stalled + (uint64_t)((double)(sent + (uint64_t)built) / rate * 1e9) : now;
      query->is_open = 1;
      out_iov[built].iov_len = build_query(out[built], id, query);
      built++;
    }
    if (built > 0) {
      int done = 0;
      while (done < built) {
        int count = sendmmsg(polls[next_socket].fd, out_msg + done, (unsigned)(built - done), 0);
        if (count > 0) done += count;
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) die("sendmmsg");
      }
      next_socket = (next_socket + 1) % sockets;
      uint64_t stall = rate > 0 ? new_stall(now, now_ns()) : 0;
      for (int i = 1; stall > 0 && i <= built; i++) open_queries[(uint16_t)(next_id - i)].due += stall;
      sent += (uint64_t)built;
      open_count += built;
    }

    /* Receive what is there. A generator that slept in a closed loop would have the server pay for waking it up. */
    if (built == 0 && rate > 0) {
      struct timespec patience = {0, 50000};
      ppoll(polls, (nfds_t)sockets, &patience, NULL);
    }
    for (int s = 0; s < sockets; s++) {
      for (int i = 0; i < BATCH; i++) in_msg[i].msg_hdr.msg_controllen = sizeof in_control[i];
      int count = recvmmsg(polls[s].fd, in_msg, BATCH, MSG_DONTWAIT, NULL);
      if (count <= 0) continue;
      now = now_ns();
      last_received = now;
      for (int i = 0; i < count; i++) {
        int length = (int)in_msg[i].msg_len;
        struct open_query *query = length >= 12 ? &open_queries[in[i][0] << 8 | in[i][1]] : NULL;
        if (!query || !query->is_open) { unexpected_total++; continue; }
        const char *fault = fault_of(in[i], length, query);
        query->is_open = 0;
        open_count--;
        received++;
        interval_received++;
        uint64_t came = received_ns(&in_msg[i].msg_hdr, real_ahead_ns, now);
        note_latency(came > query->due ? came - query->due : 0);
        if (fault) {
          wrong++;
          interval_wrong++;
          latest_wrong_ns = now - start;
          if (!*first_wrong) snprintf(first_wrong, sizeof first_wrong, "%s (rcode %d)", fault, in[i][3] & 15);
        }
      }
    }
    if (now - oldest_check > 50000000ull) {
      oldest_check = now;
      for (int id = 0; id < IDS; id++)
        if (open_queries[id].is_open && now > open_queries[id].due + lost_ns) {
          open_queries[id].is_open = 0;
          open_count--;
          lost++;
          interval_lost++;
        }
    }
    if (timeline_ms && now >= interval_end) {
      printf("{\"ms\":%llu,\"endedNs\":%llu,\"received\":%llu,\"wrong\":%llu,\"lost\":%llu,\"by\":{",
             (unsigned long long)((interval_end - start) / 1000000), (unsigned long long)now, (unsigned long long)interval_received, (unsigned long long)interval_wrong, (unsigned long long)interval_lost);
      for (int e = 0; e < expected_count; e++) {
        printf("%s\"%s\":%llu", e ? "," : "", expected_text[e], (unsigned long long)interval_hits[e]);
        interval_hits[e] = 0;
      }
      printf("}}\n");
      fflush(stdout);
      interval_received = interval_wrong = interval_lost = 0;
      while (interval_end <= now) interval_end += (uint64_t)timeline_ms * 1000000ull;
    }
  }
  lost += (uint64_t)open_count;
  double elapsed = (double)((last_received < end ? last_received : end) - start) / 1e9;
  printf("{\"sent\":%llu,\"received\":%llu,\"lost\":%llu,\"wrong\":%llu,\"unexpected\":%llu,\"qps\":%.0f,\"p50us\":%.1f,\"p99us\":%.1f,\"p999us\":%.1f,\"maxus\":%.1f,\"stalledMs\":%.1f,\"firstWrong\":\"%s\",\"latestWrongMs\":%.0f,\"by\":{",
         (unsigned long long)sent, (unsigned long long)received, (unsigned long long)lost, (unsigned long long)wrong,
         (unsigned long long)unexpected_total, elapsed > 0 ? (double)received / elapsed : 0, percentile_us(0.5),
         percentile_us(0.99), percentile_us(0.999), percentile_us(1), (double)stalled / 1e6, first_wrong, (double)latest_wrong_ns / 1e6);
  for (int e = 0; e < expected_count; e++)
    printf("%s\"%s\":%llu", e ? "," : "", expected_text[e], (unsigned long long)expected_hits[e]);
  printf("}}\n");
  return 0;
}
