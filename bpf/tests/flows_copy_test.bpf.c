// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Like flows_test, but with every header read as if it lay outside the linear area. */

#define READ_IN_PLACE 0
#include "../flows.bpf.c"
#include "hooks.h"
