import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Connections } from '../../../../src/agent/connections/connections.ts';
import {
  ConnectionTable,
  LAST_DRAIN,
  SLOT_WORDS,
  STATE,
} from '../../../../src/agent/connections/table.ts';
import { DrainBuffer, type DrainReason } from '../../../../src/agent/drain/buffer.ts';
import { flowKey } from '../../../../src/agent/drain/layout.gen.ts';
import { InterfaceNames } from '../../../../src/agent/interfaces/names.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { FlowEnd, Initiator, TcpFlag } from '../../../../src/flow/enums.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { type FakeFlow, writeFlow } from '../../../support/kernel/fake-kernel.ts';
import { takeBatch, viewFlows } from '../../../support/processes/agent-host.ts';

const { SYN, ACK, FIN, RST, SYN_ACK } = TcpFlag;
const { source, destination } = Initiator;
const NOW_NS = 100e9;
const IDLE_MS = 2000;

const REQUEST: FakeFlow = {
  src: '10.0.0.9',
  dst: '10.0.0.2',
  srcPort: 40000,
  dstPort: 443,
  protocol: 6,
  packets: 1,
  bytes: 100,
  startNs: 90e9,
  endNs: NOW_NS - 1e6,
};

function reverse(flow: FakeFlow, rest: Partial<FakeFlow> = {}): FakeFlow {
  const { src, dst, srcPort = 0, dstPort = 0 } = flow;
  return { ...flow, src: dst, dst: src, srcPort: dstPort, dstPort: srcPort, ...rest };
}

class Drains {
  readonly connections = new Connections({
    flowsMax: 16,
    idleMs: IDLE_MS,
    metrics: createAgentMetrics(createMetrics(''), 'info'),
  });

  drain(flows: readonly FakeFlow[], reason: DrainReason = '') {
    const buffer = new DrainBuffer(Math.max(1, flows.length));
    for (const [row, flow] of flows.entries()) writeFlow(flow, row, buffer.keys, buffer.values);
    const batch = takeBatch();
    batch.length = flows.length;
    this.connections.prepare();
    this.connections.decode(buffer, flows.length, batch, {
      reason,
      names: new InterfaceNames(),
      agentIp: '',
      bootOffsetMs: 1e12,
      nowMs: 1e12 + NOW_NS / 1e6,
    });
    this.connections.finish();
    return viewFlows(batch).map(({ Initiator: who, FlowEndReason: end }) => ({ who, end }));
  }

  initiators(flows: readonly FakeFlow[]) {
    return this.drain(flows).map(({ who }) => who);
  }

  ends(flows: readonly FakeFlow[], reason: DrainReason = '') {
    return this.drain(flows, reason).map(({ end }) => end);
  }
}

function placeOf(table: ConnectionTable, keys: Uint32Array, at: number): number {
  return table.placeOf(keys, at, table.tagOf(keys, at));
}

const OPENING = { ...REQUEST, tcpFlags: SYN | ACK };
const ANSWER = reverse(REQUEST, { tcpFlags: SYN | ACK | SYN_ACK });
const UDP = { ...REQUEST, protocol: 17 };
const ping = (protocol: number, icmpType: number): FakeFlow => ({
  ...REQUEST,
  protocol,
  icmpType,
  srcPort: 0,
  dstPort: 0,
});

describe('who opened the conversation', () => {
  test.each<[string, readonly FakeFlow[], readonly (number | undefined)[]]>([
    ['SYN and its answer', [OPENING, ANSWER], [source, destination]],
    ['the answer stands first', [ANSWER, OPENING], [destination, source]],
    ['only the answer was seen', [ANSWER], [destination]],
    ['TCP whose beginning nobody saw', [{ ...REQUEST, tcpFlags: ACK }], [undefined]],
    ['UDP without an answer', [UDP], [undefined]],
    ['UDP with an answer', [reverse(UDP, { startNs: 91e9 }), UDP], [destination, source]],
    ['UDP, both at once', [UDP, reverse(UDP)], [undefined, undefined]],
    ['echo', [ping(1, 8), ping(1, 0)], [source, destination]],
    ['echo over IPv6', [ping(58, 128), ping(58, 129)], [source, destination]],
    ['an ICMP error', [ping(1, 3)], [undefined]],
    ['a protocol without ports', [{ ...REQUEST, protocol: 47 }], [undefined]],
  ])('%s', (_what, flows, wanted) => {
    expect(new Drains().initiators(flows)).toEqual(wanted);
  });

  test('is remembered from one drain to the next', () => {
    const drains = new Drains();
    drains.drain([OPENING]);
    const data = { ...REQUEST, tcpFlags: ACK };
    expect(drains.initiators([reverse(data), data])).toEqual([destination, source]);
    drains.drain([UDP]);
    expect(drains.initiators([reverse(UDP, { startNs: 95e9 })])).toEqual([destination]);
  });

  test('roles may change when the ports are used again after an end', () => {
    const drains = new Drains();
    drains.drain([OPENING, { ...ANSWER, tcpFlags: RST | ACK }]);
    const back = reverse(REQUEST, { tcpFlags: SYN });
    expect(drains.drain([back])).toEqual([{ who: source, end: FlowEnd.active }]);
  });
});

describe('why the record was made', () => {
  const open = { ...REQUEST, tcpFlags: ACK };
  const finished = { ...REQUEST, tcpFlags: FIN | ACK };

  test.each<[string, readonly FakeFlow[], DrainReason, readonly number[]]>([
    ['there are packets', [open], '', [FlowEnd.active]],
    ['asked for', [open], 'asked', [FlowEnd.active]],
    ['no packets lately', [{ ...open, endNs: NOW_NS - 2e9 }], '', [FlowEnd.idle]],
    ['not long enough', [{ ...open, endNs: NOW_NS - 1.999e9 }], '', [FlowEnd.active]],
    ['the map fills', [{ ...open, endNs: 1 }], 'full', [FlowEnd.full]],
    ['the agent ends', [open], 'closing', [FlowEnd.shutdown]],
    ['one side has finished', [finished, reverse(open)], '', [FlowEnd.active, FlowEnd.active]],
    ['both have', [finished, reverse(finished)], '', [FlowEnd.ended, FlowEnd.ended]],
    ['a reset', [reverse(open), { ...open, tcpFlags: RST }], '', [FlowEnd.ended, FlowEnd.ended]],
    ['an end wins over closing', [{ ...open, tcpFlags: RST }], 'closing', [FlowEnd.ended]],
    ['UDP knows no end', [{ ...UDP, tcpFlags: RST }], '', [FlowEnd.active]],
  ])('%s', (_what, flows, reason, wanted) => {
    expect(new Drains().ends(flows, reason)).toEqual(wanted);
  });

  test('the other side may have finished in an earlier drain', () => {
    const drains = new Drains();
    expect(drains.ends([finished])).toEqual([FlowEnd.active]);
    expect(drains.ends([reverse(finished)])).toEqual([FlowEnd.ended]);
  });
});

describe('the table of conversations', () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const end = fc.record({
    host: fc.integer({ min: 1, max: 3 }),
    port: fc.integer({ max: 0xffff, min: 0 }),
  });
  const flow = fc.record({ a: end, b: end, protocol: fc.constantFrom(6, 17), net: octet });

  function keysOf(flows: readonly FakeFlow[]): Uint32Array {
    const buffer = new DrainBuffer(flows.length);
    for (const [row, one] of flows.entries()) writeFlow(one, row, buffer.keys, buffer.values);
    return buffer.keys32;
  }

  test('both directions have one slot, and no other conversation has it', () => {
    fc.assert(
      fc.property(fc.array(flow, { minLength: 1, maxLength: 40 }), (conversations) => {
        // Room for all: the table forgets nothing.
        const table = new ConnectionTable(1 << 12);
        const names = new Map<number, string>();
        for (const { a, b, protocol, net } of conversations) {
          const there: FakeFlow = {
            src: `10.0.${net}.${a.host}`,
            dst: `10.0.${net}.${b.host}`,
            srcPort: a.port,
            dstPort: b.port,
            protocol,
            bytes: 0,
            packets: 0,
          };
          const keys = keysOf([there, reverse(there)]);
          const place = placeOf(table, keys, 0);
          const back = placeOf(table, keys, flowKey.sizeBytes >> 2);
          const isOneEnd = a.host === b.host && a.port === b.port;
          expect(back).toBe(isOneEnd ? place : place ^ 1);
          const [low, high] = [`${a.host}:${a.port}`, `${b.host}:${b.port}`].sort();
          const name = `${net} ${protocol} ${low} ${high}`;
          expect(names.get(place >> 1) ?? name).toBe(name);
          names.set(place >> 1, name);
        }
        expect(table.forgotten).toBe(0);
      }),
    );
  });

  test('what was not heard of for longest makes room, and is counted', () => {
    const table = new ConnectionTable(8);
    const flows = Array.from({ length: 9 }, (_, index) => ({ ...UDP, srcPort: 1000 + index }));
    const keys = keysOf(flows);
    const words = flowKey.sizeBytes >> 2;
    const places = flows.slice(0, 8).map((_, row) => placeOf(table, keys, row * words));
    expect(new Set(places.map((place) => place >> 1)).size).toBe(8);
    const slots = places.map((place) => (place >> 1) * SLOT_WORDS);
    for (const [row, slot] of slots.entries()) table.words[slot + LAST_DRAIN] = 10 - row;
    table.words[slots[7]! + STATE] = 5;

    expect(placeOf(table, keys, 8 * words)).toBe(places[7]);
    expect(table.forgotten).toBe(1);
    expect(table.words[slots[7]! + STATE]).toBe(0);
  });
});
