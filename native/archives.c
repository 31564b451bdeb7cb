/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

/*
 * Makes it possible to put Debian's libbpf.a and libelf.a, which are compiled for executables, into
 * a shared library. All their code is position independent except where it uses a variable that an
 * executable could own: libc's stderr, and libelf's thread-local error. One libelf.a also lacks two
 * functions.
 */

/*
 * Linked with --wrap=stderr: the archives' stderr is this variable, which is in the addon and hence
 * at a known distance from the code.
 */
extern FILE *__real_stderr;
FILE *__wrap_stderr;

__attribute__((constructor)) static void copy_stderr(void)
{
	__wrap_stderr = __real_stderr;
}

/* All that libelf's elf_error.o defines is defined here, so the linker does not use that object. */
void __libelf_seterrno(int code);
int elf_errno(void);
const char *elf_errmsg(int code);

static _Thread_local int last_error;

void __libelf_seterrno(int code)
{
	last_error = code;
}

/* Returns the last error and clears it, as libelf does. */
int elf_errno(void)
{
	int code = last_error;

	last_error = 0;
	return code;
}

/* 0 and -1 mean the last error; 0 gives no text if there was none. */
const char *elf_errmsg(int code)
{
	static _Thread_local char text[32];

	if (code == 0 && last_error == 0)
		return NULL;
	snprintf(text, sizeof(text), "libelf error %d", code > 0 ? code : last_error);
	return text;
}

/*
 * Debian 13's libelf.a (elfutils 0.192) lacks the search tree that it calls. elf_begin creates one
 * and elf_end frees it, but only elf_getdata_rawchunk, which libbpf does not use, adds anything to
 * it, so there is nothing to create or to free. Weak, for complete versions of libelf.a.
 */
void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *));

__attribute__((weak)) void eu_search_tree_init(void *tree)
{
	(void)tree;
}

__attribute__((weak)) void eu_search_tree_fini(void *tree, void (*free_node)(void *))
{
	(void)tree;
	(void)free_node;
}
