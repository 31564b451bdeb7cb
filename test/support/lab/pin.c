/* Pins maps like a program manager: pin ID PATH [ID PATH ...], below a BPF file system. */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	for (int i = 1; i + 1 < count; i += 2) {
		union bpf_attr get = { .map_id = strtoul(arguments[i], NULL, 10) };
		int map = syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &get, sizeof(get));
		union bpf_attr pin = { .pathname = (uintptr_t)arguments[i + 1], .bpf_fd = map };

		if (map < 0 || syscall(SYS_bpf, BPF_OBJ_PIN, &pin, sizeof(pin))) {
			perror(arguments[i + 1]);
			return 1;
		}
		close(map);
	}
	return 0;
}
