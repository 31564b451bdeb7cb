/** The cost of reading payloads at a hook. */
import {
  config as configLayout,
  dnsMetrics,
  quicMetrics,
  tlsMetrics,
} from '../../src/agent/drain/layout.gen.ts';
import { sideMapSizes } from '../../src/agent/loader/side-tables.ts';
import type { DatapathOptions } from '../e2e/datapath/datapath.ts';
import { loadNative } from '../support/processes/agent-host.ts';
import { type Bed, bulk, type Cost, costFigures, measure, withBed } from './datapath.ts';
import type { Figure } from './figure.ts';

/** Destination port of the sweep's datagrams, all zeros: on port 53 they are DNS queries. */
const SWEEP_PORT = 9;
/** Fewer than the table of queries keeps for one interface. */
const FLOWS = 6_000;
const RATE_PER_SECOND = 100_000;
const ROUNDS = 5;

async function measureQueries(bed: Bed): Promise<Figure[]> {
  const { lab, client } = bed;
  const sweep = (): Promise<number> =>
    lab.sweep(client.namespace, client.device, { flows: FLOWS, perSecond: RATE_PER_SECOND });
  const insert = await measure(bed, 'ingress', sweep);
  const hit = await measure(bed, 'ingress', sweep);
  return [
    ...costFigures('ingress, DNS query of a new flow', insert, 900),
    ...costFigures('ingress, DNS query asked again', hit, 650),
  ];
}

/** A stream, repeated: the minimum is the run least disturbed by other programs on the machine. */
function leastBulk(options: DatapathOptions): Promise<Cost> {
  return withBed(options, async (bed) => {
    const costs: Cost[] = [];
    for (let i = 0; i < ROUNDS; i++) costs.push(await measure(bed, 'ingress', () => bulk(bed)));
    return costs.reduce((a, b) => (a.flow - a.empty <= b.flow - b.empty ? a : b));
  });
}

export async function benchPayload(): Promise<readonly Figure[]> {
  const queries = await withBed(
    {
      entries: 2 * FLOWS,
      extensions: [{ at: 'dnsAt', sizeBytes: dnsMetrics.sizeBytes }],
      configure: (view) => view.setUint16(configLayout.dnsPort, SWEEP_PORT, true),
      maxEntries: {
        messages: 1 << 22,
        ...sideMapSizes(['dns_queries'], loadNative().possibleCpus()),
      },
    },
    measureQueries,
  );
  const off = await leastBulk({});
  const tls = await leastBulk({
    extensions: [{ at: 'tlsAt', sizeBytes: tlsMetrics.sizeBytes }],
    maxEntries: { messages: 1 << 22 },
  });
  const all = await leastBulk({
    extensions: [
      { at: 'dnsAt', sizeBytes: dnsMetrics.sizeBytes },
      { at: 'tlsAt', sizeBytes: tlsMetrics.sizeBytes },
      { at: 'quicAt', sizeBytes: quicMetrics.sizeBytes },
    ],
    configure: (view) => view.setUint16(configLayout.dnsPort, 53, true),
    maxEntries: { messages: 1 << 22, dns_queries: 1024 },
  });
  return [
    ...queries,
    ...costFigures('ingress, TCP stream, features off', off),
    ...costFigures('ingress, TCP stream, TLS on', tls),
    ...costFigures('ingress, TCP stream, DNS, TLS and QUIC on', all),
    {
      name: 'TLS on, TCP stream, beside off',
      value: tls.flow - tls.empty - (off.flow - off.empty),
      unit: 'ns/packet',
      target: { max: 10 },
    },
  ];
}
