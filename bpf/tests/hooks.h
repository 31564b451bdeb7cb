/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * The kernel neither takes nor returns tc_index in a test run, so these programs copy it from and
 * to cb[0].
 */

SEC("tc")
int test_ingress_l2(struct __sk_buff *skb)
{
	int verdict;

	skb->tc_index = skb->cb[0];
	verdict = flow(skb, false, true);
	skb->cb[0] = skb->tc_index;
	return verdict;
}

SEC("tc")
int test_egress_l2(struct __sk_buff *skb)
{
	int verdict;

	skb->tc_index = skb->cb[0];
	verdict = flow(skb, true, true);
	skb->cb[0] = skb->tc_index;
	return verdict;
}

SEC("tc")
int test_ingress_l3(struct __sk_buff *skb)
{
	int verdict;

	skb->tc_index = skb->cb[0];
	verdict = flow(skb, false, false);
	skb->cb[0] = skb->tc_index;
	return verdict;
}

SEC("tc")
int test_capture_l2(struct __sk_buff *skb)
{
	int verdict;

	skb->tc_index = skb->cb[0];
	verdict = capture(skb, false, true);
	skb->cb[0] = skb->tc_index;
	return verdict;
}

SEC("tc")
int test_capture_egress_l2(struct __sk_buff *skb)
{
	int verdict;

	skb->tc_index = skb->cb[0];
	verdict = capture(skb, true, true);
	skb->cb[0] = skb->tc_index;
	return verdict;
}

/*
 * Returns the verdict of the filter rules as bits, and the rate in cb[0]. As input, cb[0] is the
 * place, by enum test_place.
 */
enum test_place {
	TEST_INGRESS,
	TEST_EGRESS,
	TEST_THROUGH, /* by a probe, both ways */
	TEST_INGRESS_DROP,
	TEST_EGRESS_DROP,
	TEST_RECORDED_DROP, /* of a packet that came in, in a known flow */
};

static __always_inline struct filter_verdict test_probe(const struct packet *packet, __u32 where)
{
	__u32 own = where == TEST_EGRESS_DROP ? FILTER_OF_EGRESS : FILTER_OF_INGRESS;

	if (where == TEST_THROUGH)
		return filter(&packet->key, packet->tcp_flags, FILTER_OF_BOTH);
	return filter_drop(&packet->key, packet->tcp_flags, own,
			   where == TEST_RECORDED_DROP ? FILTER_OF_BOTH : own);
}

SEC("tc")
int test_filter(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct filter_verdict verdict;
	__u32 where = skb->cb[0], context;
	__u64 found;

	if (parse(skb, &packet, true) != PARSE_FLOW)
		return HOOK_NEXT;
	if (where <= TEST_EGRESS) {
		context = context_of(where == TEST_EGRESS);
		found = try_first(&packet.key, packet.tcp_flags, context);
		verdict = verdict_of(
			found ? found : decide(&packet.key, packet.tcp_flags, context));
	} else {
		verdict = test_probe(&packet, where);
	}
	skb->cb[0] = verdict.sample;
	return verdict.accepted | verdict.matched << 1 | verdict.only_if_dropped << 2;
}

/*
 * Sweeps the source address over 2^17 values: with a repeat count of that many, every run is
 * another flow. Only for IPv4 frames; their checksum is not checked here.
 */
__u32 sweep;

SEC("tc")
int test_sweep(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data;
	__u32 *source = data + ETH_HLEN + 12;

	skb->tc_index = 0;
	if ((void *)(source + 1) > (void *)(long)skb->data_end)
		return HOOK_NEXT;
	*source = bpf_htonl(0x0a000000 | (sweep++ & 0x1ffff));
	return flow(skb, false, true);
}

/* If repeated, each run is the first hook of one more packet of the same flow. */
SEC("tc")
int test_again(struct __sk_buff *skb)
{
	skb->tc_index = 0;
	return flow(skb, false, true);
}
