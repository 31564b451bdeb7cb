/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Linux 5.4; the headers of the build may be older. */
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/*
 * Blocks of at least this size get their own mappings, which end when they are freed. The C library
 * would raise the limit with each such block, and keep the memory of messages for later ones.
 */
#define MAPPED_BYTES_MIN (128 * 1024)

/* Above this, JavaScript's numbers are not exact. */
#define ADDRESS_MAX (1ULL << 53)

static bool get_address(napi_env env, napi_value value, const char *name, uintptr_t *into)
{
	double number;

	if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= 0) ||
	    number > ADDRESS_MAX || number != (double)(uintptr_t)number)
		return reject(env, name, "an address");
	*into = (uintptr_t)number;
	return true;
}

/*
 * Whether a range is in one read-only mapping of a file, so that nothing is lost. The pages of a
 * range with gaps would be released up to a gap, and the process would end.
 */
static bool is_read_only_file(uintptr_t from, uintptr_t to)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	while (maps && !found && getline(&line, &room, maps) > 0) {
		unsigned long start, end, inode;
		char rights[5];

		if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &start, &end, rights, &inode) != 4)
			continue;
		if (start > from)
			break;
		found = end > from && end >= to && rights[1] != 'w' && inode != 0;
	}
	free(line);
	if (maps)
		fclose(maps);
	return found;
}

napi_value release_pages(napi_env env, napi_callback_info info)
{
	struct failure failure = {};
	napi_value arguments[2];
	uintptr_t from, to;

	if (!get_arguments(env, info, 2, arguments) ||
	    !get_address(env, arguments[0], "from", &from) ||
	    !get_address(env, arguments[1], "to", &to))
		return NULL;
	if (to < from || !is_read_only_file(from, to)) {
		reject(env, "from and to", "within one mapping of a file that is only read");
		return NULL;
	}
	/* From the page cache, too; else each page that is touched brings back its neighbours. */
	madvise((void *)from, to - from, MADV_PAGEOUT);
	if (madvise((void *)from, to - from, MADV_DONTNEED)) {
		fail(&failure, errno, "madvise(MADV_DONTNEED)");
		throw_failure(env, &failure);
	}
	return NULL;
}

napi_value trim_heap(napi_env env, napi_callback_info info)
{
	(void)env;
	(void)info;
	mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
	malloc_trim(0);
	return NULL;
}
