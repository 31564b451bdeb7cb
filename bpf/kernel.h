/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The kernel's own headers, the helpers, and the few constants that older headers lack. */

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10

#define ENOENT 2
#define E2BIG 7
#define EFAULT 14
#define EEXIST 17
#define EINVAL 22

/* With this value, TCX calls the next program and clsact the next filter. */
#define HOOK_NEXT (-1)

#define VLAN_VID_MASK 0x0fff

/* Keep rare code off the common path, which then stays together in the instruction cache. */
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define noinline __attribute__((noinline))
