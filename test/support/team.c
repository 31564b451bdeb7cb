/*
 * Says how a team uses its ports, which iproute2 cannot: team INTERFACE MODE. Of a team without
 * ports; one without a mode sends nothing.
 */
#include <linux/genetlink.h>
#include <linux/if_team.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's number for a string, as options of teams have types. */
#define OPTION_STRING 5
#define NESTED(type) ((type) | NLA_F_NESTED)

struct message {
	struct nlmsghdr header;
	struct genlmsghdr generic;
	uint8_t attributes[512];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct nlattr *put(struct message *message, int type, const void *value, size_t size)
{
	struct nlattr *attr = (void *)((uint8_t *)message + NLMSG_ALIGN(message->header.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + size;
	if (size)
		memcpy((uint8_t *)attr + NLA_HDRLEN, value, size);
	message->header.nlmsg_len = (uint8_t *)attr - (uint8_t *)message + NLA_ALIGN(attr->nla_len);
	return attr;
}

static void end(struct message *message, struct nlattr *nest)
{
	nest->nla_len = (uint8_t *)message + message->header.nlmsg_len - (uint8_t *)nest;
}

static void begin(struct message *message, int family, int command)
{
	memset(message, 0, sizeof(*message));
	message->header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	message->header.nlmsg_type = family;
	message->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->generic.cmd = command;
	message->generic.version = 1;
}

/* Sends, and reads the first answer into `message`: an error, or what was asked for. */
static void exchange(int fd, struct message *message)
{
	if (send(fd, message, message->header.nlmsg_len, 0) < 0 ||
	    recv(fd, message, sizeof(*message), 0) < (ssize_t)sizeof(message->header))
		die("team");
}

static int family(int fd)
{
	struct message message;
	struct nlattr *attr = (void *)message.attributes;

	begin(&message, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	/* The answer itself confirms it. */
	message.header.nlmsg_flags = NLM_F_REQUEST;
	put(&message, CTRL_ATTR_FAMILY_NAME, TEAM_GENL_NAME, sizeof(TEAM_GENL_NAME));
	exchange(fd, &message);
	if (message.header.nlmsg_type == NLMSG_ERROR)
		die("the kernel has no teams");
	while (attr->nla_type != CTRL_ATTR_FAMILY_ID)
		attr = (void *)((uint8_t *)attr + NLA_ALIGN(attr->nla_len));
	return *(uint16_t *)((uint8_t *)attr + NLA_HDRLEN);
}

int main(int count, char **arguments)
{
	uint32_t index = count == 3 ? if_nametoindex(arguments[1]) : 0;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	uint8_t type = OPTION_STRING;
	struct nlattr *list, *item;
	struct message message;
	struct nlmsgerr *error = (void *)&message.generic;

	if (!index || fd < 0)
		die("team INTERFACE MODE");
	begin(&message, family(fd), TEAM_CMD_OPTIONS_SET);
	put(&message, TEAM_ATTR_TEAM_IFINDEX, &index, sizeof(index));
	list = put(&message, NESTED(TEAM_ATTR_LIST_OPTION), NULL, 0);
	item = put(&message, NESTED(TEAM_ATTR_ITEM_OPTION), NULL, 0);
	put(&message, TEAM_ATTR_OPTION_NAME, "mode", sizeof("mode"));
	put(&message, TEAM_ATTR_OPTION_TYPE, &type, sizeof(type));
	put(&message, TEAM_ATTR_OPTION_DATA, arguments[2], strlen(arguments[2]) + 1);
	end(&message, item);
	end(&message, list);
	exchange(fd, &message);
	if (message.header.nlmsg_type != NLMSG_ERROR || error->error) {
		fprintf(stderr, "team: %s\n", strerror(-error->error));
		return 1;
	}
	return 0;
}
