/**
 * Tables beside flows, by bpf/side-tables.h: each is a pair, one for senders that add little to it,
 * and one for the busy, so that nobody pushes out others' entries.
 */
import { sideEntries } from '../drain/layout.gen.ts';

const ENTRIES = {
  fragments: sideEntries.fragments,
  dns_queries: sideEntries.dnsQueries,
  dns_streams: sideEntries.dnsStreams,
  quic_flows: sideEntries.quicFlows,
  captured_flows: sideEntries.capturedFlows,
};

export type SideTable = keyof typeof ENTRIES;

/** Number of entries that each sender has taken, in flow maps and in side tables. */
const SHARES_MAPS = ['shares', 'side_shares'];

/** More than a CPU reserves for itself in a map that forgets the least recently used entries. */
const ENTRIES_PER_CPU = 256;

/** Names of both maps of the table in the datapath. */
export function mapsOf(table: SideTable): readonly string[] {
  return [table, `busy_${table}`];
}

/** Entries of the maps of these tables, on a machine with this many CPUs. */
export function sideMapSizes(
  tables: readonly SideTable[],
  cpus: number,
): Readonly<Record<string, number>> {
  const room = ENTRIES_PER_CPU * cpus;
  return Object.fromEntries([
    ...tables.flatMap((table) => mapsOf(table).map((map) => [map, ENTRIES[table] + room])),
    ...SHARES_MAPS.map((map) => [map, sideEntries.shares + room]),
  ]);
}
