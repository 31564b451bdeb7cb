/** Containers whose wires have hooks at both ends, as an agent would attach them. */
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { ip, type Lab } from '../../support/lab/netns.ts';
import { native, setFacts } from './datapath.ts';

export interface Container {
  readonly namespace: string;
  /** Its own end of the wire, and the host's. */
  readonly inner: string;
  readonly outer: string;
}

/** Both directions of an interface where packets are born. */
export async function hookInterface(
  object: BpfObject,
  namespace: string,
  name: string,
): Promise<void> {
  const [{ ifindex }] = JSON.parse(ip('-n', namespace, '-j', 'link', 'show', 'dev', name)) as [
    { ifindex: number },
  ];
  const path = `/var/run/netns/${namespace}`;
  setFacts(object, { ingress: true, bornEgress: true }, ifindex, path);
  const { fd } = native.openNamespace(path);
  for (const direction of ['ingress', 'egress'] as const) {
    const program = `flow_${direction}_l2`;
    const where = { ifindex, netns: fd, direction, mode: 'tcx', anchor: 'none' } as const;
    await native.attach(object, { ...where, program });
  }
  native.closeFd(fd);
}

export async function makeContainer(
  lab: Lab,
  object: BpfObject,
  name: string,
  host: string,
): Promise<Container> {
  const namespace = lab.namespace(name);
  const [inner, outer] = lab.pair({ namespace }, { namespace: host });
  await hookInterface(object, namespace, inner);
  await hookInterface(object, host, outer);
  return { namespace, inner, outer };
}
