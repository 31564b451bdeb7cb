import { join } from 'node:path';

/**
 * TC filters remain when the process that made them is killed, unlike TCX links. Their name
 * identifies their owner, so that a later start can detect filters that nobody needs any more.
 */

const PREFIX = 'netobserv';
/** Suffix of a filter whose maker also created the qdisc. */
const WITH_QDISC = ':q';

export interface ProcessView {
  readonly read: (path: string) => string | undefined;
  readonly link: (path: string) => string | undefined;
  /** Directory in which the kernel shows processes. */
  readonly directory: string;
  /** Whether the witness with this number exists; undefined: this process may not see it. */
  readonly hasWitness: (id: number) => boolean | undefined;
}

export interface Owner {
  readonly pid: number;
  /** Ticks after boot: a later process with the same number has a different value. */
  readonly started: string;
  /** Inode of the namespace that the number belongs to. */
  readonly pidNamespace: string;
  /** Number of a program that only the process holds, the same in every namespace; 0: none. */
  readonly witness: number;
}

/** Name of this process's filters; `agent` distinguishes several agents in it. */
export function ownerName(view: ProcessView, agent: number, witness: number): string {
  const pid = Number(view.link(join(view.directory, 'self')) ?? 0);
  const started = startOf(view, pid) ?? '0';
  return [PREFIX, pid, started, pidNamespaceOf(view), agent, witness].join(':');
}

/** Undefined for a filter that was not made by netobserv. */
export function parseOwner(name: string): Owner | undefined {
  const [prefix, pid, started, pidNamespace, agent, witness] = name.split(':');
  const isWhole = agent !== undefined && /^\d+$/.test(pid ?? '') && /^\d+$/.test(started ?? '');
  if (prefix !== PREFIX || !isWhole) return undefined;
  // Earlier releases had no witness.
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
 * Whether the maker is certainly gone: its witness is gone, which also works across containers. If
 * the kernel does not show witnesses: its process, of the same PID namespace, is gone.
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

/** Field 22 of /proc/PID/stat (proc(5)); the name before it may contain anything. */
function startOf(view: ProcessView, pid: number): string | undefined {
  const stat = view.read(join(view.directory, String(pid), 'stat'));
  if (stat === undefined) return undefined;
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
