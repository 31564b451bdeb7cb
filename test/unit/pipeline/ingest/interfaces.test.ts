import { expect, test } from 'vitest';
import { LIFETIME_MS } from '../../../../src/codec/exporters/session.ts';
import { InterfaceCounters } from '../../../../src/codec/sflow/counters.ts';
import {
  createInterfaceMetrics,
  INTERFACES_MAX,
  Interfaces,
} from '../../../../src/pipeline/ingest/interfaces.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';

/** Octets; unicast, multicast and broadcast packets; discards, errors. */
type Six = readonly [number, number, number, number, number, number];

const ZEROS: Six = [0, 0, 0, 0, 0, 0];

function bed() {
  const metrics = createMetrics('');
  const interfaces = new Interfaces('in', createInterfaceMetrics(metrics));
  const counters = new InterfaceCounters();
  return {
    interfaces,
    note(agent: string, index: number, incoming: Six, outgoing = ZEROS, nowMs = 0): boolean {
      counters.index = index;
      counters.incoming.set(incoming);
      counters.outgoing.set(outgoing);
      return interfaces.note(agent, counters, nowMs);
    },
    /** Values by the rest of the name and the direction. */
    async values(agent = '192.0.2.99', index = 7): Promise<Record<string, number>> {
      const text = await metrics.registry.metrics();
      const labels = `stage="in",agent="${agent}",ifindex="${index}"`;
      const line = new RegExp(
        `^ingest_sflow_interface_(\\w+)_total\\{${labels},direction="(\\w+)"\\} (\\d+)$`,
        'gm',
      );
      const found = [...text.matchAll(line)];
      return Object.fromEntries(
        found.map(([, name, way, value]) => [`${name} ${way}`, Number(value)]),
      );
    },
  };
}

test('what is counted between two reports, packets of all kinds together', async () => {
  const { note, values } = bed();
  note('192.0.2.99', 7, [1000, 10, 20, 30, 1, 2], [9, 9, 9, 9, 9, 9]);
  note('192.0.2.99', 7, [1500, 11, 22, 33, 5, 7], [10, 9, 9, 9, 9, 9]);
  note('192.0.2.99', 7, [2000, 11, 22, 34, 5, 7], [10, 9, 9, 9, 9, 9]);
  expect(await values()).toEqual({
    ...{ 'octets in': 1000, 'packets in': 7, 'discards in': 4, 'errors in': 5 },
    ...{ 'octets out': 1, 'packets out': 0, 'discards out': 0, 'errors out': 0 },
  });
});

test('counters that begin again: after 2^32, or with the agent', async () => {
  const { note, values } = bed();
  note('192.0.2.99', 7, [5000, 0xffff_fff0, 0, 0, 3_000_000_000, 0]);
  note('192.0.2.99', 7, [200, 0x10, 0, 0, 4, 0]);
  expect(await values()).toMatchObject({ 'octets in': 200, 'packets in': 0x20 });
  // From 3,000,000,000 to 4: 1,294,967,300 discards in between are possible.
  expect(await values()).toMatchObject({ 'discards in': 1_294_967_300 });
  note('192.0.2.99', 7, [200, 1_000_000_000, 0, 0, 4, 0]);
  note('192.0.2.99', 7, [200, 5, 0, 0, 4, 0]);
  // From 1,000,000,000 to 5 it is a new start: nothing passes so many packets between reports.
  expect(await values()).toMatchObject({ 'packets in': 0x20 + 1_000_000_000 - 0x10 + 5 });
});

test('counters that an agent does not have', async () => {
  const { note, values } = bed();
  const none = Number.NaN;
  note('192.0.2.99', 7, [none, 1, none, none, none, none]);
  note('192.0.2.99', 7, [none, 3, none, none, none, none]);
  const found = await values();
  expect(found).toMatchObject({ 'packets in': 2 });
  expect(found).not.toHaveProperty('octets in');
});

test('interfaces without room are refused until others were not heard of for two hours', async () => {
  const { note, values, interfaces } = bed();
  for (let index = 0; index < INTERFACES_MAX; index++) {
    expect(note(`192.0.2.${index & 3}`, index, ZEROS)).toBe(true);
  }
  expect(note('192.0.2.99', 7, ZEROS)).toBe(false);
  expect(note('192.0.2.0', 0, [7, 0, 0, 0, 0, 0], ZEROS, 10)).toBe(true);
  interfaces.sweep(LIFETIME_MS + 5);
  expect(await values('192.0.2.0', 0)).toMatchObject({ 'octets in': 7 });
  expect(await values('192.0.2.1', 1)).toEqual({});
  expect(note('192.0.2.99', 7, ZEROS, ZEROS, LIFETIME_MS)).toBe(true);
});
