import { formatAddress, formatMac, parseAddress, parseMac } from '../../base/ip.ts';
import { jsonOf, listOf, recordOf, textOf } from '../values.ts';
import type { NetworkIndex } from './needs.ts';
import type { NetworkKey } from './objects.ts';

/**
 * Keys of pods in networks besides the primary one. Flows of such a network are found by what the
 * configuration lists of `interface~address~mac`, or by `network~address` in user-defined networks
 * of OVN.
 */

/** Multus: the networks of a pod, as a list. */
const MULTUS_STATUS = 'k8s.v1.cni.cncf.io/network-status';
/** OVN: the networks of a pod, by name. */
const OVN_NETWORKS = 'k8s.ovn.org/pod-networks';

/** Networks of one pod that are read. */
const NETWORKS_MAX = 32;

/** The parts of a key. A part that the index has and the flow lacks: there is no key. */
export interface KeyParts {
  readonly interface: string;
  readonly ip: string;
  readonly mac: string;
}

/** Undefined if a part is missing, or if the index has none. */
export function multusKey(index: NetworkIndex, parts: KeyParts): string | undefined {
  const chosen = [
    ...(index.interface ? [parts.interface] : []),
    ...(index.ip ? [parts.ip] : []),
    ...(index.mac ? [parts.mac] : []),
  ];
  if (chosen.length === 0 || chosen.includes('')) return undefined;
  return `${shapeOf(index)}/${chosen.join('~')}`;
}

/** Keys of another shape cannot be equal. */
function shapeOf(index: NetworkIndex): string {
  return `${index.interface ? 'i' : ''}${index.ip ? 'a' : ''}${index.mac ? 'm' : ''}`;
}

export function udnKey(network: string, ip: string): string {
  return `udn/${network}~${ip}`;
}

/** Networks that are none of these, though they are listed with them. */
export function isDefaultNetwork(name: string): boolean {
  return name === '' || name === 'default';
}

const NONE: readonly NetworkKey[] = [];

export function networkKeys(
  annotations: Readonly<Record<string, unknown>>,
  indexes: readonly NetworkIndex[],
): readonly NetworkKey[] {
  if (indexes.length === 0) return NONE;
  const keys: NetworkKey[] = [];
  const status = textOf(annotations[MULTUS_STATUS]);
  const others = indexes.filter(({ udn }) => !udn);
  if (status !== '' && others.length > 0) addMultus(keys, jsonOf(status), others);
  const networks = textOf(annotations[OVN_NETWORKS]);
  if (networks !== '' && others.length < indexes.length) addUdn(keys, jsonOf(networks));
  return keys;
}

function addMultus(keys: NetworkKey[], status: unknown, indexes: readonly NetworkIndex[]): void {
  for (const entry of listOf(status).slice(0, NETWORKS_MAX).map(recordOf)) {
    if (entry.default === true) continue;
    const network = textOf(entry.name);
    const mac = macOf(textOf(entry.mac));
    const ips = listOf(entry.ips).map((ip) => addressOf(textOf(ip)));
    for (const index of indexes) {
      for (const ip of index.ip ? ips.slice(0, NETWORKS_MAX) : ['']) {
        const key = multusKey(index, { interface: textOf(entry.interface), ip, mac });
        if (key !== undefined) keys.push({ key, network });
      }
    }
  }
}

/**
 * The annotation gives the namespace of the pod for every network, `namespace/name`; agents do so
 * only for networks of a namespace. So a pod is found under both names.
 */
function addUdn(keys: NetworkKey[], networks: unknown): void {
  for (const [label, value] of Object.entries(recordOf(networks)).slice(0, NETWORKS_MAX)) {
    if (isDefaultNetwork(label)) continue;
    const { ip_address: one, ip_addresses: all } = recordOf(value);
    const texts = [one, ...listOf(all)].map((text) => textOf(text).split('/')[0]!);
    const bare = label.slice(label.indexOf('/') + 1);
    for (const ip of new Set(texts.map(addressOf).slice(0, NETWORKS_MAX))) {
      if (ip === '') continue;
      for (const network of new Set([label, bare])) {
        keys.push({ key: udnKey(network, ip), network });
      }
    }
  }
}

/** In the form of `formatAddress`; empty: it is none. */
export function addressOf(text: string): string {
  const bytes = parseAddress(text);
  return bytes === undefined ? '' : formatAddress(bytes);
}

/** In the form of flows; empty: it is none. */
export function macOf(text: string): string {
  const bytes = parseMac(text);
  if (bytes === undefined) return '';
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return formatMac(view.getUint32(0, true), view.getUint16(4, true));
}
