/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>

static const struct {
	const char *name;
	napi_callback function;
} exports_table[] = {
	{ "load", load },
	{ "openUnloaded", open_unloaded },
	{ "adoptPinned", adopt_pinned },
	{ "close", close_object },
	{ "attach", attach },
	{ "attachProbe", attach_probe },
	{ "detach", detach },
	{ "swap", swap },
	{ "drain", drain },
	{ "readEntries", read_entries },
	{ "removeEntries", remove_entries },
	{ "readMap", read_map },
	{ "updateMap", update_map },
	{ "readRing", read_ring },
	{ "describeMap", describe_map },
	{ "listMaps", list_maps },
	{ "listTcx", list_tcx },
	{ "hasTc", has_tc },
	{ "readTcx", read_tcx },
	{ "programId", program_id },
	{ "programName", program_name },
	{ "namespaceId", namespace_id },
	{ "removeFilter", remove_filter },
	{ "possibleCpus", possible_cpus },
	{ "testRun", test_run },
	{ "programStats", program_stats },
	{ "openNamespace", open_namespace },
	{ "namespaceOwner", namespace_owner },
	{ "openProcess", open_process },
	{ "openNetlink", open_netlink },
	{ "send", send_message },
	{ "closeFd", close_fd },
	{ "releasePages", release_pages },
	{ "trimHeap", trim_heap },
	{ "watch", watch },
	{ "dropCapabilities", drop_capabilities },
	{ "endProcess", end_process },
};

NAPI_MODULE_INIT()
{
	if (watch_programs() < 0) {
		napi_throw_error(env, NULL, "cannot watch programs being loaded");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(exports_table) / sizeof(exports_table[0]); i++) {
		napi_value function;

		if (napi_create_function(env, exports_table[i].name, NAPI_AUTO_LENGTH,
					 exports_table[i].function, NULL, &function) != napi_ok ||
		    !set_value(env, exports, exports_table[i].name, function)) {
			napi_throw_error(env, NULL, "cannot export the addon's functions");
			return NULL;
		}
	}
	return exports;
}
