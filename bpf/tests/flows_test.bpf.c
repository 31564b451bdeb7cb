// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The datapath as it is, with entrances for test runs. */

#include "../flows.bpf.c"
#include "hooks.h"
