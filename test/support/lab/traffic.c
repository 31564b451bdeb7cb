/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small traffic source and sink for tests in network namespaces; every command ends by itself or
 * when its standard input is closed.
 *
 *   traffic listen PORT REPLY_BYTES      one TCP connection: reads to its end, then replies
 *   traffic send ADDRESS PORT BYTES      connects, sends, reads the reply to its end
 *   traffic hold PORT REPLY_BYTES        as listen, but reads when standard input ends
 *   traffic try ADDRESS PORT             whether connecting works
 *   traffic sink PORT                    swallows UDP until standard input ends
 *   traffic encapsulated PORT            hands UDP to IPsec until standard input ends (RFC 3948)
 *   traffic deaf PORT                    takes UDP into a small buffer and never reads it
 *   traffic udp ADDRESS PORT COUNT BYTES [RATE]
 *   traffic cast ADDRESS PORT COUNT BYTES  UDP, whether or not anybody takes it
 *   traffic frames INTERFACE             frames from standard input, each after its u16 length
 *   traffic sweep INTERFACE FLOWS RATE [ROUNDS]  UDP frames, each of a flow of its own
 *   traffic forge COUNT                  a routing message from standard input, as if it were the
 *                                        kernel's: to every socket of the namespace, and to all
 *                                        that listen to changes of interfaces
 *
 * What was sent is printed as one number.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netdb.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024)
static char chunk[CHUNK];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long number(const char *text)
{
	return strtol(text, NULL, 10);
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

static int bound(int type, int port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	return fd;
}

static int connected(const char *address, const char *port, int type)
{
	struct addrinfo hints = { .ai_socktype = type, .ai_flags = AI_NUMERICHOST }, *found;
	int fd;

	if (getaddrinfo(address, port, &hints, &found))
		die("address");
	fd = socket(found->ai_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
		die("connect");
	freeaddrinfo(found);
	return fd;
}

static void write_all(int fd, long bytes)
{
	while (bytes > 0) {
		ssize_t sent = send(fd, chunk, bytes < CHUNK ? bytes : CHUNK, MSG_NOSIGNAL);

		if (sent < 0)
			die("send");
		bytes -= sent;
	}
	shutdown(fd, SHUT_WR);
}

static long try(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *found;
	int fd, error;

	if (getaddrinfo(address, port, &hints, &found))
		die("address");
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	error = connect(fd, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return !error;
}

static long read_all(int fd)
{
	long total = 0;
	ssize_t got;

	while ((got = read(fd, chunk, CHUNK)) > 0)
		total += got;
	if (got < 0)
		die("read");
	return total;
}

static void pace(const struct timespec *start, long sent, long rate)
{
	struct timespec due = *start;
	long long ns;

	if (!rate)
		return;
	ns = (long long)sent * 1000000000LL / rate + due.tv_nsec;
	due.tv_sec += ns / 1000000000LL;
	due.tv_nsec = ns % 1000000000LL;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static long send_udp(char **arguments, int count)
{
	int fd = connected(arguments[0], arguments[1], SOCK_DGRAM);
	long total = number(arguments[2]), size = number(arguments[3]), sent = 0;
	long rate = count > 4 ? number(arguments[4]) : 0;
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (sent < total) {
		/* An ICMP answer to an earlier datagram is reported here and is not a failure. */
		if (send(fd, chunk, size, 0) < 0 && errno != ECONNREFUSED)
			die("send");
		else if (errno == ECONNREFUSED)
			errno = 0;
		sent++;
		if (sent % 16 == 0)
			pace(&start, sent, rate);
	}
	return sent;
}

/* Not connected: ICMP errors do not come back as errors of a datagram. */
static long cast(char **arguments)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST }, *found;
	long total = number(arguments[2]), size = number(arguments[3]);
	int fd;

	if (getaddrinfo(arguments[0], arguments[1], &hints, &found))
		die("address");
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (long sent = 0; sent < total; sent++) {
		/* EPERM: a netfilter rule blocks it. */
		if (sendto(fd, chunk, size, 0, found->ai_addr, found->ai_addrlen) < 0 &&
		    errno != EPERM)
			die("sendto");
	}
	freeaddrinfo(found);
	return total;
}

static void sink(int port)
{
	int fd = bound(SOCK_DGRAM, port);
	struct pollfd waits[] = { { .fd = fd, .events = POLLIN }, { .fd = 0, .events = POLLIN } };

	ready();
	for (;;) {
		poll(waits, 2, -1);
		while (recv(fd, chunk, CHUNK, MSG_DONTWAIT) >= 0)
			;
		if (waits[1].revents)
			return;
	}
}

static void encapsulated(int port)
{
	int fd = bound(SOCK_DGRAM, port), kind = UDP_ENCAP_ESPINUDP;

	if (setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &kind, sizeof(kind)))
		die("UDP_ENCAP");
	ready();
	read_all(0);
}

static void deaf(int port)
{
	int fd = bound(SOCK_DGRAM, port), least = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)))
		die("buffer");
	ready();
	read_all(0);
}

static int packet_socket(const char *interface, struct sockaddr_ll *to)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	*to = (struct sockaddr_ll){ .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex(interface) };
	if (fd < 0 || !to->sll_ifindex)
		die(interface);
	return fd;
}

/* Waits for room: a device without a queue refuses packets instead of blocking. */
static void send_frame(int fd, const struct sockaddr_ll *to, const void *frame, size_t length)
{
	while (sendto(fd, frame, length, 0, (const struct sockaddr *)to, sizeof(*to)) < 0) {
		if (errno != ENOBUFS && errno != EAGAIN)
			die("sendto");
		usleep(100);
	}
}

static long frames(const char *interface)
{
	struct sockaddr_ll to;
	int fd = packet_socket(interface, &to);
	uint16_t length;
	long sent = 0;

	while (fread(&length, sizeof(length), 1, stdin) == 1) {
		if (fread(chunk, 1, length, stdin) != length)
			die("short frame");
		send_frame(fd, &to, chunk, length);
		sent++;
	}
	return sent;
}

#define SWEEP_PAYLOAD 22

static long sweep(const char *interface, long flows, long rate, long rounds)
{
	uint8_t frame[14 + 20 + 8 + SWEEP_PAYLOAD] = {
		0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00, /* Ethernet */
		0x45, 0, 0, 28 + SWEEP_PAYLOAD, 0, 0, 0x40, 0, 64, 17, 0, 0, /* IPv4, UDP */
		10, 0, 0, 0, 203, 0, 113, 1, /* addresses */
		0, 0, 0, 9, 0, 8 + SWEEP_PAYLOAD, 0, 0,
	};
	struct sockaddr_ll to;
	int fd = packet_socket(interface, &to);
	struct timespec start;
	long sent = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (sent < flows * rounds) {
		long flow = sent % flows;

		frame[27] = flow / 50000;
		*(uint16_t *)(frame + 34) = htons(1024 + flow % 50000);
		send_frame(fd, &to, frame, sizeof(frame));
		sent++;
		if (sent % 32 == 0)
			pace(&start, sent, rate);
	}
	return sent;
}

/* Returns how many were sent; a connected socket refuses unicast messages. */
static long forge_once(int fd, const void *message, size_t length)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	FILE *sockets = fopen("/proc/net/netlink", "r");
	unsigned long port;
	int protocol;
	long sent = sendto(fd, message, length, 0, (void *)&to, sizeof(to)) > 0;

	if (!sockets)
		die("/proc/net/netlink");
	to.nl_groups = 0;
	while (fgets(chunk, sizeof(chunk), sockets)) {
		if (sscanf(chunk, "%*s %d %lu", &protocol, &port) != 2 ||
		    protocol != NETLINK_ROUTE || port == 0)
			continue;
		to.nl_pid = port;
		sent += sendto(fd, message, length, MSG_DONTWAIT, (void *)&to, sizeof(to)) > 0;
	}
	fclose(sockets);
	return sent;
}

static long forge(long count)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	char message[4096];
	ssize_t length = read(0, message, sizeof(message));
	long sent = 0;

	if (fd < 0 || length <= 0)
		die("forge");
	while (count-- > 0)
		sent += forge_once(fd, message, (size_t)length);
	return sent;
}

int main(int count, char **arguments)
{
	const char *command = count > 1 ? arguments[1] : "";
	char **rest = arguments + 2;
	long done = 0;

	count -= 2;
	if ((!strcmp(command, "listen") || !strcmp(command, "hold")) && count == 2) {
		int server = bound(SOCK_STREAM, (int)number(rest[0])), fd;

		if (listen(server, 1))
			die("listen");
		ready();
		fd = accept(server, NULL, NULL);
		if (!strcmp(command, "hold"))
			read_all(0);
		done = read_all(fd);
		write_all(fd, number(rest[1]));
		/* Until the other end has also closed, so that no reset truncates the stream. */
		read_all(fd);
	} else if (!strcmp(command, "send") && count == 3) {
		int fd = connected(rest[0], rest[1], SOCK_STREAM);

		write_all(fd, number(rest[2]));
		done = read_all(fd);
	} else if (!strcmp(command, "try") && count == 2) {
		done = try(rest[0], rest[1]);
	} else if (!strcmp(command, "sink") && count == 1) {
		sink((int)number(rest[0]));
	} else if (!strcmp(command, "encapsulated") && count == 1) {
		encapsulated((int)number(rest[0]));
	} else if (!strcmp(command, "deaf") && count == 1) {
		deaf((int)number(rest[0]));
	} else if (!strcmp(command, "udp") && count >= 4) {
		done = send_udp(rest, count);
	} else if (!strcmp(command, "cast") && count == 4) {
		done = cast(rest);
	} else if (!strcmp(command, "frames") && count == 1) {
		done = frames(rest[0]);
	} else if (!strcmp(command, "sweep") && count >= 3) {
		done = sweep(rest[0], number(rest[1]), number(rest[2]), count > 3 ? number(rest[3]) : 1);
	} else if (!strcmp(command, "forge") && count == 1) {
		done = forge(number(rest[0]));
	} else {
		fputs("usage: see the top of traffic.c\n", stderr);
		return 2;
	}
	printf("%ld\n", done);
	return 0;
}
