import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { ip, type Lab } from '../../support/lab/netns.ts';

/**
 * Open vSwitch and OVN on this machine: one switch with two pods, and two policies whose packets
 * are sampled. Lives until the machine is turned off.
 */

export const ALLOWED_PORT = 5001;
export const DENIED_PORT = 5002;
/** Prefix of the pods' interfaces on the host. */
export const HOST_END = 'ovsp';

const FOLDERS = [
  ...['/var/run/openvswitch', '/var/run/ovn', '/etc/openvswitch', '/var/lib/ovn'],
  ...['/var/log/ovn', '/var/log/openvswitch'],
];
const SWITCH_CONTROL = '/usr/share/openvswitch/scripts/ovs-ctl';
const OVN_CONTROL = '/usr/share/ovn/scripts/ovn-ctl';
/** Identifies a set of samples as the agent's own. */
const COLLECTOR_SET = 42;

export interface Pod {
  readonly namespace: string;
  readonly address: string;
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

export function startOvn(lab: Lab): readonly [Pod, Pod] {
  run('modprobe', '-a', 'openvswitch', 'psample', 'nf_conntrack');
  for (const folder of FOLDERS) mkdirSync(folder, { recursive: true });
  run(SWITCH_CONTROL, 'start', '--system-id=machine', '--no-monitor');
  run(OVN_CONTROL, 'start_northd', '--ovn-manage-ovsdb=yes');
  const remote = 'external_ids:ovn-remote=unix:/var/run/ovn/ovnsb_db.sock';
  const tunnels = ['external_ids:ovn-encap-type=geneve', 'external_ids:ovn-encap-ip=127.0.0.1'];
  run('ovs-vsctl', 'set', 'open', '.', remote, ...tunnels);
  run(OVN_CONTROL, 'start_controller');
  run('ovn-nbctl', 'ls-add', 'ls0');
  const pods = [makePod(lab, 1), makePod(lab, 2)] as const;
  samplePolicies();
  run('ovn-nbctl', '--wait=hv', '--timeout=60', 'sync');
  return pods;
}

/** Leaves the next packet of every flow to ovs-vswitchd. */
export function forgetFlows(): void {
  run('ovs-appctl', 'dpctl/del-flows');
}

function makePod(lab: Lab, number: number): Pod {
  const namespace = lab.namespace(`pod${number}`);
  const address = `10.6.0.${number}`;
  const mac = `02:00:00:00:00:0${number}`;
  const port = `lp${number}`;
  const end = `${HOST_END}${number}`;
  const addresses = ['lsp-set-addresses', port, `${mac} ${address}`];
  run('ovn-nbctl', 'lsp-add', 'ls0', port, '--', ...addresses);
  const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', namespace];
  ip('link', 'add', end, 'type', 'veth', ...peer);
  lab.address(namespace, 'eth0', `${address}/24`);
  ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  ip('link', 'set', end, 'up');
  const binding = ['set', 'interface', end, `external_ids:iface-id=${port}`];
  run('ovs-vsctl', '--timeout=20', 'add-port', 'br-int', end, '--', ...binding);
  return { namespace, address };
}

/** Named as OVN-Kubernetes names the ACLs that it makes of a NetworkPolicy. */
function policy(name: string): readonly string[] {
  return [
    'external_ids:k8s.ovn.org/owner-type=NetworkPolicy',
    `external_ids:k8s.ovn.org/name=shop:${name}`,
    'external_ids:direction=Ingress',
  ];
}

function samplePolicies(): void {
  const collector = ['id=1', 'name=c1', 'probability=65535', `set_id=${COLLECTOR_SET}`];
  const acl = (id: string, port: number): readonly string[] => [
    ...[`--id=${id}`, 'create', 'ACL', 'direction=to-lport', 'priority=1001'],
    `match="udp.dst == ${port}"`,
  ];
  run(
    'ovn-nbctl',
    ...['--id=@c', 'create', 'Sample_Collector', ...collector, '--'],
    ...['--id=@s1', 'create', 'Sample', 'collectors=@c', 'metadata=101', '--'],
    ...['--id=@s2', 'create', 'Sample', 'collectors=@c', 'metadata=102', '--'],
    ...[...acl('@a1', ALLOWED_PORT), 'action=allow-related', 'sample_new=@s1', 'sample_est=@s1'],
    ...[...policy('allowed'), '--'],
    ...[...acl('@a2', DENIED_PORT), 'action=drop', 'sample_new=@s2', ...policy('denied'), '--'],
    ...['add', 'Logical_Switch', 'ls0', 'acls', '@a1', '--'],
    ...['add', 'Logical_Switch', 'ls0', 'acls', '@a2'],
  );
  run('ovn-nbctl', 'create', 'Sampling_App', 'type=acl-new', 'id=2');
  run('ovn-nbctl', 'create', 'Sampling_App', 'type=acl-est', 'id=3');
}
