/* Detaches by force, as others may, the TCX programs of an interface: unlink IFINDEX. */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in Linux 6.6; older headers lack both. */
#define LINK_TCX 11

struct link_info {
	uint32_t type;
	uint32_t id;
	uint32_t program;
	uint32_t pad;
	uint32_t ifindex;
	uint32_t attach_type;
	uint8_t rest[64];
};

static long bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

int main(int count, char **arguments)
{
	uint32_t wanted = count > 1 ? strtoul(arguments[1], NULL, 10) : 0;
	union bpf_attr next = {};
	int detached = 0;

	for (; !bpf(BPF_LINK_GET_NEXT_ID, &next); next.start_id = next.next_id) {
		union bpf_attr get = { .link_id = next.next_id };
		struct link_info info = {};
		union bpf_attr ask = {}, detach = {};
		int link = bpf(BPF_LINK_GET_FD_BY_ID, &get);

		if (link < 0)
			continue;
		ask.info.bpf_fd = link;
		ask.info.info_len = sizeof(info);
		ask.info.info = (uintptr_t)&info;
		detach.link_detach.link_fd = link;
		if (!bpf(BPF_OBJ_GET_INFO_BY_FD, &ask) && info.type == LINK_TCX &&
		    info.ifindex == wanted && !bpf(BPF_LINK_DETACH, &detach))
			detached++;
		close(link);
	}
	printf("%d\n", detached);
	return 0;
}
