/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* What user space tells hooks about each other; shared with it, as types.h. */

/*
 * What user space knows of an interface's hooks, in the map `hook_facts`: interfaces with hooks, or
 * about to have some, are in it. The number 0, without facts: some interface of the namespace is.
 */
enum hook_fact {
	HOOK_INGRESS = 1, /* there is one at its ingress */
	HOOK_SHARES_FLOWS = 2, /* packets of one flow leave by it and by others, as by a bond's ports */
	/* The same bits as in slots. What comes in here has passed no hook before. */
	HOOK_BORN_INGRESS = 0x10000000,
	/* Nor has what this host sends here, unless it has come in by another interface. */
	HOOK_BORN_EGRESS = 0x20000000,
};

/* Interfaces of which facts are kept. At others no packet is born, and probes add no flow. */
#define HOOK_FACTS_MAX 65536
