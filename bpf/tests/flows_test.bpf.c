// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The unchanged datapath, with entry points for test runs. */

#include "../flows.bpf.c"
#include "hooks.h"
