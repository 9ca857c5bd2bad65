/* The least a DNS server can cost: receives up to 64 packets at once, sets QR in each, sends them back. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, PACKET = 4096 };

static unsigned char packets[BATCH][PACKET + 64];
static struct sockaddr_in names[BATCH];
static struct iovec iovecs[BATCH];
static struct mmsghdr headers[BATCH];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int open_socket(const char *address, int port) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1, octets = 4 << 20;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0) die("socket");
  if (inet_pton(AF_INET, address, &name.sin_addr) != 1) die("address");
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0) die("bind");
  return fd;
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: echo ADDRESS PORT\n");
    return 2;
  }
  int fd = open_socket(arguments[1], atoi(arguments[2]));
  for (int i = 0; i < BATCH; i++) {
    headers[i].msg_hdr.msg_iov = &iovecs[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_name = &names[i];
    iovecs[i].iov_base = packets[i];
  }
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      headers[i].msg_hdr.msg_namelen = sizeof names[i];
      iovecs[i].iov_len = PACKET;
    }
    int received = recvmmsg(fd, headers, BATCH, MSG_WAITFORONE, NULL);
    if (received < 0) die("recvmmsg");
    for (int i = 0; i < received; i++) {
      packets[i][2] |= 0x80;
      iovecs[i].iov_len = headers[i].msg_len;
    }
    for (int sent = 0; sent < received;) {
      int now = sendmmsg(fd, headers + sent, received - sent, MSG_DONTWAIT);
      sent += now > 0 ? now : 1;
    }
  }
}
