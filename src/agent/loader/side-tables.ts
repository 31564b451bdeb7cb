/**
 * Tables beside flows, by bpf/side-tables.h: each is a pair, one for those whose packets add little
 * to it, and one for the busy, so that nobody pushes out what others have.
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

/** How much each has taken, of flow maps and of side tables. */
const SHARES_MAPS = ['shares', 'side_shares'];

/** More than a CPU keeps free for itself, of a map that forgets what was not used for long. */
const ENTRIES_PER_CPU = 256;

/** Both maps of the table, by the names of the datapath. */
export function mapsOf(table: SideTable): readonly string[] {
  return [table, `busy_${table}`];
}

/** Entries of the maps of these tables, on a machine with so many CPUs. */
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
