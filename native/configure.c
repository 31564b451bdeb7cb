/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <errno.h>

static bool choose_programs(napi_env env, struct bpf_object *bpf, napi_value names)
{
	struct bpf_program *program;
	uint32_t count;

	bpf_object__for_each_program(program, bpf)
		bpf_program__set_autoload(program, false);
	if (napi_get_array_length(env, names, &count) != napi_ok) {
		throw_type(env, "programs must be an array");
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct failure failure = { .code = ENOENT, .call = "find program" };
		char name[NAME_BYTES];
		napi_value value;

		if (napi_get_element(env, names, i, &value) != napi_ok ||
		    !get_string(env, value, "programs", name, sizeof(name)))
			return false;
		program = bpf_object__find_program_by_name(bpf, name);
		if (!program) {
			throw_failure(env, &failure);
			return false;
		}
		bpf_program__set_autoload(program, true);
	}
	return true;
}

static int set_entries(struct bpf_map *map, uint32_t entries)
{
	return bpf_map__set_max_entries(map, entries);
}

/* For a map of maps, sets the size of values of its inner maps. */
static int set_value_bytes(struct bpf_map *map, uint32_t bytes)
{
	struct bpf_map *inner = bpf_map__inner_map(map);

	return bpf_map__set_value_size(inner ? inner : map, bytes);
}

static bool size_maps(napi_env env, struct bpf_object *bpf, napi_value sizes,
		      int (*set)(struct bpf_map *map, uint32_t size))
{
	napi_value names;
	uint32_t count = 0;

	if (!is_type(env, sizes, napi_object) ||
	    napi_get_property_names(env, sizes, &names) != napi_ok ||
	    napi_get_array_length(env, names, &count) != napi_ok) {
		throw_type(env, "maxEntries and valueBytes must be objects");
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct failure failure = { .code = ENOENT, .call = "size map" };
		char name[NAME_BYTES];
		napi_value key, value;
		struct bpf_map *map;
		uint32_t size;
		int error;

		if (napi_get_element(env, names, i, &key) != napi_ok ||
		    !get_string(env, key, "name of a map", name, sizeof(name)) ||
		    !get_property(env, sizes, name, &value) || !get_u32(env, value, name, &size))
			return false;
		map = bpf_object__find_map_by_name(bpf, name);
		error = map ? set(map, size) : -ENOENT;
		if (error) {
			fail(&failure, error, "size map");
			throw_failure(env, &failure);
			return false;
		}
	}
	return true;
}

/* Sets a whole section of data; `optional`: a missing section may be set to no bytes. */
static bool set_section(napi_env env, struct bpf_object *bpf, const char *section,
			napi_value value, bool optional)
{
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, section);
	struct failure failure = {};
	uint8_t *data;
	size_t size;
	int error;

	if (!get_bytes(env, value, section, &data, &size))
		return false;
	if (!map && size == 0 && optional)
		return true;
	error = map ? bpf_map__set_initial_value(map, data, size) : -ENOENT;
	if (!error)
		return true;
	fail(&failure, error, "set data");
	throw_failure(env, &failure);
	return false;
}

static bool set_sections(napi_env env, struct bpf_object *bpf, napi_value sections)
{
	napi_value names;
	uint32_t count = 0;

	if (!is_type(env, sections, napi_object) ||
	    napi_get_property_names(env, sections, &names) != napi_ok ||
	    napi_get_array_length(env, names, &count) != napi_ok) {
		throw_type(env, "data must be an object");
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		char name[NAME_BYTES];
		napi_value key, value;

		if (napi_get_element(env, names, i, &key) != napi_ok ||
		    !get_string(env, key, "name of a section", name, sizeof(name)) ||
		    !get_property(env, sections, name, &value) ||
		    !set_section(env, bpf, name, value, false))
			return false;
	}
	return true;
}

bool configure(napi_env env, struct bpf_object *bpf, napi_value options)
{
	napi_value config, data, entries, bytes, programs;

	return get_property(env, options, "config", &config) &&
	       get_property(env, options, "maxEntries", &entries) &&
	       get_property(env, options, "programs", &programs) &&
	       /* Objects without knobs, such as the benchmark's floor, take an empty config. */
	       set_section(env, bpf, ".rodata.config", config, true) &&
	       (!has_property(env, options, "data") ||
		(get_property(env, options, "data", &data) && set_sections(env, bpf, data))) &&
	       size_maps(env, bpf, entries, set_entries) &&
	       (!has_property(env, options, "valueBytes") ||
		(get_property(env, options, "valueBytes", &bytes) &&
		 size_maps(env, bpf, bytes, set_value_bytes))) &&
	       choose_programs(env, bpf, programs);
}
