/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * Reads arguments and results of the functions that uprobes and kprobes are attached to. One object
 * serves every machine, so the machine is not known before libbpf has seen the kernel: it decides
 * which of the fields there are, and the verifier leaves the other accesses out.
 */

#include "kernel.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs___x86 {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long cx;
	unsigned long ax;
};

struct pt_regs___arm64 {
	__u64 regs[31];
};

#pragma clang attribute pop

static __always_inline bool is_x86(const void *registers)
{
	return bpf_core_field_exists(((const struct pt_regs___x86 *)registers)->di);
}

/*
 * Copied: the verifier rejects access to the context at a computed offset, which the compiler makes
 * of several accesses. `number` is a constant, 0..3.
 */
static __always_inline __u64 argument(const void *registers, int number)
{
	const struct pt_regs___x86 *x86 = registers;
	const struct pt_regs___arm64 *arm64 = registers;

	if (!is_x86(registers))
		return BPF_CORE_READ(arm64, regs[number]);
	switch (number) {
	case 0:
		return BPF_CORE_READ(x86, di);
	case 1:
		return BPF_CORE_READ(x86, si);
	case 2:
		return BPF_CORE_READ(x86, dx);
	default:
		return BPF_CORE_READ(x86, cx);
	}
}

static __always_inline __u64 result(const void *registers)
{
	const struct pt_regs___x86 *x86 = registers;
	const struct pt_regs___arm64 *arm64 = registers;

	return is_x86(registers) ? BPF_CORE_READ(x86, ax) : BPF_CORE_READ(arm64, regs[0]);
}
