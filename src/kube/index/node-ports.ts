import { listOf, recordOf } from '../values.ts';
import type { NetworkKey } from './objects.ts';

/** The protocol of a port without one. */
const TCP = 6;
const PROTOCOLS = new Map<unknown, number>([
  ['TCP', TCP],
  ['UDP', 17],
  ['SCTP', 132],
]);

const PREFIX = 'port/';
const PORTS = 65_536;

/** A port that a service has on every node: its key is that of a network that all nodes are in. */
export function nodePortKey(protocol: number, port: number): string {
  return `${PREFIX}${protocol}~${port}`;
}

/** Undefined: the key is of another kind. */
export function nodePortOf(key: string): number | undefined {
  return key.startsWith(PREFIX) ? Number(key.slice(key.indexOf('~') + 1)) : undefined;
}

/** `ports`: those of the specification of a service. */
export function nodePortKeys(ports: unknown, network: string): readonly NetworkKey[] {
  return listOf(ports).flatMap((entry) => {
    const { nodePort: port, protocol } = recordOf(entry);
    const number = protocol === undefined ? TCP : PROTOCOLS.get(protocol);
    const isPort = Number.isInteger(port) && Number(port) > 0 && Number(port) < PORTS;
    if (!isPort || number === undefined) return [];
    return [{ key: nodePortKey(number, Number(port)), network }];
  });
}

/** Which ports services may have on nodes: most ports can be ruled out by one look-up. */
export class NodePorts {
  /** By number: 1 for a port that a service has, or had. */
  readonly flags = new Uint8Array(PORTS);
  #count = 0;

  /** No service has such a port. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(key: string): void {
    const port = nodePortOf(key);
    if (port === undefined || this.flags[port] === 1) return;
    this.flags[port] = 1;
    this.#count++;
  }
}
