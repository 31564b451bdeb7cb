/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Facts about hooks that user space gives to the datapath; shared with it, like types.h. */

/*
 * Facts about an interface's hooks, in the map `hook_facts`. Interfaces with hooks, or about to
 * have some, are in it. Interface 0, without facts: some interface of the namespace is in it.
 */
enum hook_fact {
	HOOK_INGRESS = 1, /* it has a hook at its ingress */
	HOOK_SHARES_FLOWS = 2, /* packets of a flow leave by it and by others, as with bond ports */
	/* The same bits as in slots. A packet that comes in here has passed no hook before. */
	HOOK_BORN_INGRESS = 0x10000000,
	/* Nor has a packet that this host sends here, unless it came in by another interface. */
	HOOK_BORN_EGRESS = 0x20000000,
};

/* Limit of interfaces with facts. At others no packet is born, and probes add no flow. */
#define HOOK_FACTS_MAX 65536
