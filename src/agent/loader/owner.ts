import { join } from 'node:path';

/**
 * TC filters stay when the process that made them is killed, unlike TCX links. Their name says
 * whose they are, so that a later start can tell what nobody needs any more.
 */

const PREFIX = 'netobserv';
/** Of a filter whose maker made the qdisc, too. */
const WITH_QDISC = ':q';

export interface ProcessView {
  readonly read: (path: string) => string | undefined;
  readonly link: (path: string) => string | undefined;
  /** Where the kernel shows processes. */
  readonly directory: string;
  /** Whether the witness of this number is there; undefined: it is not for us to see. */
  readonly hasWitness: (id: number) => boolean | undefined;
}

export interface Owner {
  readonly pid: number;
  /** Ticks after boot: a later process with the same number has another. */
  readonly started: string;
  /** Inode of the namespace that the number belongs to. */
  readonly pidNamespace: string;
  /** Number of a program that only the process holds, the same everywhere; 0: none. */
  readonly witness: number;
}

/** Name of the filters of the process that this is; `agent` tells several agents in it apart. */
export function ownerName(view: ProcessView, agent: number, witness: number): string {
  const pid = Number(view.link(join(view.directory, 'self')) ?? 0);
  const started = startOf(view, pid) ?? '0';
  return [PREFIX, pid, started, pidNamespaceOf(view), agent, witness].join(':');
}

/** Undefined for a filter that no netobserv has made. */
export function parseOwner(name: string): Owner | undefined {
  const [prefix, pid, started, pidNamespace, agent, witness] = name.split(':');
  const isWhole = agent !== undefined && /^\d+$/.test(pid ?? '') && /^\d+$/.test(started ?? '');
  if (prefix !== PREFIX || !isWhole) return undefined;
  // Earlier releases had none.
  const witnessed = /^\d+$/.test(witness ?? '') ? Number(witness) : 0;
  return { pid: Number(pid), started: started!, pidNamespace: pidNamespace!, witness: witnessed };
}

export function isNamed(name: string, owner: string): boolean {
  return name === owner || name === owner + WITH_QDISC;
}

export function hasMadeQdisc(name: string): boolean {
  return name.endsWith(WITH_QDISC);
}

/**
 * Whether the maker is gone for certain: its witness is, which those in other containers have, too.
 * Where the kernel does not show that: a process of the same PID namespace that is not there.
 */
export function isProvablyGone(owner: Owner, view: ProcessView): boolean {
  const hasWitness = owner.witness === 0 ? undefined : view.hasWitness(owner.witness);
  if (hasWitness !== undefined) return !hasWitness;
  if (owner.pid === 0 || owner.pidNamespace === '' || owner.pidNamespace !== pidNamespaceOf(view)) {
    return false;
  }
  return startOf(view, owner.pid) !== owner.started;
}

function pidNamespaceOf(view: ProcessView): string {
  return /\[(\d+)\]/.exec(view.link(join(view.directory, 'self/ns/pid')) ?? '')?.[1] ?? '';
}

/** Field 22 of /proc/PID/stat (proc(5)); the name before it may have anything in it. */
function startOf(view: ProcessView, pid: number): string | undefined {
  const stat = view.read(join(view.directory, String(pid), 'stat'));
  if (stat === undefined) return undefined;
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
