import { expect, test } from 'vitest';
import { TcpFlag } from '../../../src/flow/enums.ts';
import type { Row } from '../../../src/flow/row.ts';
import {
  type Seen,
  START_MS,
  sorted,
  startSender,
  wanted,
} from '../../support/net/ipfix-sender.ts';
import { freePort } from '../../support/processes/program.ts';
import { Nfacctd, Nfcapd, type Stored } from './collectors.ts';
import { tap } from './tap.ts';

/** Third-party collectors show the flows that were sent. */

const FLOWS = 10_000;
/** Fits the usual receive buffer: nothing is lost if a collector must wait for a CPU. */
const BATCH = 500;

const seenOf = ({ flags: _, startMs: _start, endMs: _end, ...seen }: Stored): Seen => seen;

test.each([
  ['elements of IANA', {}],
  ['enterprise elements, too', { IPFIX_ENTERPRISE_NUMBER: '32473' }],
])('nfcapd stores every flow, with its times and flags: %s', async (_what, env) => {
  const port = await freePort();
  const collector = await Nfcapd.start(port);
  const { exporter, emit, value } = await startSender('udp', port, env);
  for (let from = 0; from < FLOWS; from += BATCH) {
    expect(emit(from, from + BATCH)).toBe(true);
    await expect.poll(() => exporter.backlog().flows, { interval: 10 }).toBe(0);
    await collector.idle();
  }
  await exporter.stop();
  const { flows, sequenceErrors } = await collector.stop();
  expect(await value('exporter_sent_flows_total')).toBe(FLOWS);
  expect(flows).toHaveLength(FLOWS);
  expect(sorted(flows.map(seenOf))).toEqual(wanted(0, FLOWS));
  // Two datagrams may swap places if the sender changes to another CPU; wrong numbers would cause
  // an error for each datagram.
  expect(sequenceErrors).toBeLessThan(5);
  for (const { sourcePort, protocol, startMs, endMs, flags } of flows) {
    const index = sourcePort - 1024;
    expect([startMs, endMs]).toEqual([START_MS + index, START_MS + index + 1000]);
    expect(flags).toBe(protocol === 6 ? '...AP.S.' : '........');
  }
});

test('nfacctd counts the packets and bytes of every flow', async () => {
  const port = await freePort();
  const collector = await Nfacctd.start(port);
  const { exporter, emit } = await startSender('udp', port);
  expect(emit(0, BATCH)).toBe(true);
  await exporter.stop();
  await expect.poll(() => collector.flows().length, { timeout: 30_000 }).toBe(BATCH);
  expect(sorted(collector.flows())).toEqual(wanted(0, BATCH));
});

/** One packet in ten of a TCP flow that came in, and of a ping that went out. */
const SAMPLED: readonly Row[] = [
  {
    ...{ SrcAddr: '10.0.0.1', DstAddr: '10.1.0.1', SrcPort: 40_000, DstPort: 443, Proto: 6 },
    ...{ Flags: TcpFlag.SYN_ACK | TcpFlag.PSH, Bytes: 5000, Packets: 10, Sampling: 10 },
    ...{ TimeFlowStartMs: START_MS, TimeFlowEndMs: START_MS, Dscp: 46, Etype: 0x0800, InIf: 7 },
  },
  {
    ...{ SrcAddr: '10.0.0.2', DstAddr: '10.1.0.2', IcmpType: 3, IcmpCode: 13, Proto: 1 },
    ...{ Bytes: 600, Packets: 6, Sampling: 10, Dscp: 0, Etype: 0x0800, OutIf: 9 },
    ...{ TimeFlowStartMs: START_MS, TimeFlowEndMs: START_MS },
  },
];

test('nfcapd knows interfaces, the octet of the code point, and ICMP', async () => {
  const port = await freePort();
  const collector = await Nfcapd.start(port);
  const { exporter, emitRows } = await startSender('udp', port, { SAMPLING: '10' });
  expect(emitRows(SAMPLED)).toBe(true);
  await exporter.stop();
  expect(await collector.details()).toMatchObject([
    { proto: 6, dst_port: 443, tcp_flags: '...AP.S.', src_tos: 184, input_snmp: 7, output_snmp: 0 },
    { proto: 1, icmp_type: 3, icmp_code: 13, src_tos: 0, input_snmp: 0, output_snmp: 9 },
  ]);
});

test('nfacctd scales up what was sampled, and reads short flags', async () => {
  const port = await freePort();
  const collector = await Nfacctd.start(port);
  const env = { SAMPLING: '10', IPFIX_SHORT_TCP_FLAGS: 'true' };
  const { exporter, emitRows } = await startSender('udp', port, env);
  expect(emitRows(SAMPLED)).toBe(true);
  await exporter.stop();
  await expect.poll(() => collector.details().length, { timeout: 30_000 }).toBe(2);
  const [tcp, icmp] = collector.details().toSorted((a, b) => Number(b.packets) - Number(a.packets));
  expect(tcp).toMatchObject({ packets: 100, bytes: 50_000, tos: 184, iface_in: 7, iface_out: 0 });
  expect(tcp!.tcp_flags).toBe(String(TcpFlag.SYN | TcpFlag.ACK | TcpFlag.PSH));
  expect(icmp).toMatchObject({ packets: 60, bytes: 6000, tos: 0, iface_in: 0, iface_out: 9 });
});

test('a collector that comes back reads what is sent from then on', async () => {
  const port = await freePort();
  const before = await Nfcapd.start(port);
  const wire = await tap(port);
  const { exporter, emit, value } = await startSender('udp', port);
  expect(emit(0, 500)).toBe(true);
  await expect.poll(() => exporter.backlog().flows).toBe(0);
  expect(sorted((await before.stop()).flows.map(seenOf))).toEqual(wanted(0, 500));

  // No collector runs: some datagrams are refused, which is noticed, and some get lost unseen.
  expect(emit(500, 1500)).toBe(true);
  await expect.poll(() => value('errors_total'), { timeout: 20_000 }).toBeGreaterThan(0);

  const after = await Nfcapd.start(port);
  await expect.poll(() => exporter.backlog().flows, { timeout: 60_000 }).toBe(0);
  expect(emit(1500, 2000)).toBe(true);
  await exporter.stop();
  const { flows } = await after.stop();
  const late = flows.filter(({ sourcePort }) => sourcePort >= 1024 + 1500);
  expect(sorted(late.map(seenOf))).toEqual(wanted(1500, 2000));
  const sent = await value('exporter_sent_flows_total');
  expect(sent + (await value('exporter_lost_flows_total'))).toBe(2000);
  // Flows that count as sent have left; those that nobody stored had left while no collector ran.
  const left = (await wire()).flatMap((datagram) => datagram.flows.map(([source]) => source));
  expect(left).toHaveLength(sent);
  const stored = new Set(flows.map(({ sourcePort }) => sourcePort));
  const unseen = left.filter((source) => source >= 1024 + 500 && !stored.has(source));
  expect(Math.max(...unseen)).toBeLessThan(1024 + 1500);
  expect(stored.size + unseen.length + 500).toBe(sent);
});
