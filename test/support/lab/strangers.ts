import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BpfObject, Native } from '../../../src/agent/loader/native.ts';
import type { AgentHost } from '../processes/agent-host.ts';
import { ROOT } from '../source-tree.ts';
import { ip, type Lab } from './netns.ts';

/** Others at the hooks of a path: third-party filters and programs. */

/** Packets of one test. */
export const SENT = 100;
export const SIDES = ['ingress', 'egress'] as const;

/** Two containers on a bridge of a host, each with its end of a pair: four hooks in each way. */
export interface Path {
  readonly host: string;
  readonly from: string;
  readonly to: string;
  /** In order of passing: namespace, name. */
  readonly hooks: readonly (readonly [string, string])[];
}

export function bridged(lab: Lab): Path {
  const [host, from, to] = [lab.namespace('host'), lab.namespace('from'), lab.namespace('to')];
  const [inner, outer] = lab.pair({ namespace: from }, { namespace: host });
  const [far, last] = lab.pair({ namespace: host }, { namespace: to });
  const bridge = lab.linkName();
  ip('-n', host, 'link', 'add', bridge, 'type', 'bridge');
  for (const port of [outer, far]) ip('-n', host, 'link', 'set', port, 'master', bridge);
  ip('-n', host, 'link', 'set', bridge, 'up');
  lab.address(from, inner, '10.97.0.1/24');
  lab.address(to, last, '10.97.0.2/24');
  const hooks = [
    [from, inner],
    [host, outer],
    [host, far],
    [to, last],
  ] as const;
  return { host, from, to, hooks };
}

export async function send(
  lab: Lab,
  { from, to }: Path,
  port: number,
  count = SENT,
): Promise<void> {
  await lab.udp(from, to, { address: '10.97.0.2', port, count, sizeBytes: 100 });
}

export async function packetsTo(host: AgentHost, port: number): Promise<number> {
  await host.agent.drainNow();
  const flows = host.flows.filter((flow) => flow.DstPort === port);
  return flows.reduce((sum, flow) => sum + flow.Packets, 0);
}

/** A filter that lets everything pass, and so ends the chain, with its own class id. */
export function letPass(
  lab: Lab,
  [namespace, name]: readonly [string, string],
  classid: string,
): void {
  try {
    lab.inside(namespace, 'tc', 'qdisc', 'add', 'dev', name, 'clsact');
  } catch {
    // It already exists.
  }
  for (const side of SIDES) {
    const all = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0', 'flowid', classid];
    lab.inside(namespace, 'tc', 'filter', 'add', 'dev', name, side, 'prio', '10', ...all);
  }
}

export function loadOther(native: Native): BpfObject {
  return native.load(readFileSync(join(ROOT, 'build/bpf/last_word.bpf.o')), {
    config: new Uint8Array(0),
    maxEntries: {},
    programs: ['last_word', 'reader', 'sender_on', 'copier'],
  });
}

/** Attaches to both sides of each of these interfaces. */
export async function attachOther(
  native: Native,
  other: BpfObject,
  program: 'last_word' | 'reader' | 'sender_on' | 'copier',
  hooks: Path['hooks'],
  anchor: 'head' | 'tail',
  sides: readonly ('ingress' | 'egress')[] = SIDES,
): Promise<void> {
  for (const [namespace, name] of hooks) {
    const { fd } = native.openNamespace(`/var/run/netns/${namespace}`);
    const where = { ifindex: indexOf(namespace, name), netns: fd, anchor } as const;
    for (const direction of sides) {
      await native.attach(other, { ...where, direction, program, mode: 'tcx' });
    }
    native.closeFd(fd);
  }
}

export function indexOf(namespace: string, name: string): number {
  const text = ip('-n', namespace, '-j', 'link', 'show', 'dev', name);
  return (JSON.parse(text) as [{ ifindex: number }])[0].ifindex;
}
