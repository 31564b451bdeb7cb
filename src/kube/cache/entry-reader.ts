import { WIRE } from '../../codec/wire.ts';
import type { WireReader } from '../../codec/wire-reader.ts';
import { type ClusterNeeds, type KeyFilter, type NetworkIndex, wants } from '../index/needs.ts';
import { addressOf, macOf, multusKey, udnKey } from '../index/networks.ts';
import { nodePortKey } from '../index/node-ports.ts';
import {
  type KubeKind,
  type KubeObject,
  type NetworkKey,
  PRIMARY_NETWORK,
} from '../index/objects.ts';
import { ZONE_LABEL } from '../index/slim.ts';
import { bytesOf, readFields, textOf } from './messages.ts';
import { ENTRY, PAIR } from './protocol.ts';

const KINDS: ReadonlySet<string> = new Set<KubeKind>(['Pod', 'Node', 'Service']);
/** Addresses, and networks, of one object; further ones are left out. */
const ADDRESSES_MAX = 64;
const PORT_MAX = 65_535;

/** An object of another program, and how it is known there. */
export interface ReadEntry {
  /** `kind/namespace/name`: nothing else has it at the same time. */
  readonly place: string;
  /** Undefined for kinds that flows are not named after. */
  readonly object: KubeObject | undefined;
}

interface Draft {
  readonly texts: Map<number, string>;
  readonly numbers: Map<number, number>;
  readonly ips: string[];
  readonly keys: string[];
  readonly ports: string[];
  readonly networks: Map<string, string>;
  readonly labels: Map<string, string>;
  readonly annotations: Map<string, string>;
  zone: string;
}

const TEXTS: ReadonlySet<number> = new Set([
  ...[ENTRY.kind, ENTRY.namespace, ENTRY.name, ENTRY.uid, ENTRY.ownerName, ENTRY.ownerKind],
  ...[ENTRY.hostName, ENTRY.hostIp, ENTRY.networkName],
]);
const NUMBERS: ReadonlySet<number> = new Set([
  ...[ENTRY.created, ENTRY.terminated, ENTRY.fromMs, ENTRY.isExact, ENTRY.toMs],
]);

/** Reads `ResourceEntry`, and keeps only what names are made of. */
export class EntryReader {
  readonly #needs: ClusterNeeds;

  constructor(needs: ClusterNeeds) {
    this.#needs = needs;
  }

  /** Throws `ERR_CODEC_PROTOBUF_…`. */
  read(bytes: Uint8Array): ReadEntry {
    const draft: Draft = {
      ...{ texts: new Map(), numbers: new Map(), networks: new Map() },
      ...{ labels: new Map(), annotations: new Map() },
      ...{ ips: [], keys: [], ports: [], zone: '' },
    };
    readFields(bytes, (field, wire, reader) => this.#field(draft, field, wire, reader));
    const text = (field: number): string => draft.texts.get(field) ?? '';
    const kind = text(ENTRY.kind);
    const place = `${kind}/${text(ENTRY.namespace)}/${text(ENTRY.name)}`;
    const isKnown = KINDS.has(kind) && text(ENTRY.name) !== '';
    return { place, object: isKnown ? this.#object(draft, kind as KubeKind, place) : undefined };
  }

  #field(draft: Draft, field: number, wire: number, reader: WireReader): boolean {
    if (wire === WIRE.varint && NUMBERS.has(field)) draft.numbers.set(field, reader.double());
    else if (wire !== WIRE.bytes) return false;
    else if (TEXTS.has(field)) draft.texts.set(field, textOf(reader));
    else if (field === ENTRY.ips) push(draft.ips, textOf(reader));
    else if (field === ENTRY.networkKeys) push(draft.keys, textOf(reader));
    else if (field === ENTRY.nodePorts) push(draft.ports, textOf(reader));
    else if (field === ENTRY.networkNames) readPair(reader, () => draft.networks);
    else if (field === ENTRY.labels) this.#label(draft, reader);
    else if (field === ENTRY.annotations) {
      const { annotations } = this.#needs;
      readPair(reader, (key) => (isWanted(annotations, key) ? draft.annotations : undefined));
    } else return false;
    return true;
  }

  #label(draft: Draft, reader: WireReader): void {
    readPair(reader, (key, value) => {
      if (key === ZONE_LABEL) draft.zone = value();
      return isWanted(this.#needs.labels, key) ? draft.labels : undefined;
    });
  }

  #object(draft: Draft, kind: KubeKind, place: string): KubeObject {
    const text = (field: number): string => draft.texts.get(field) ?? '';
    const number = (field: number): number => draft.numbers.get(field) ?? 0;
    const createdS = number(ENTRY.created);
    const ownFromMs = number(ENTRY.fromMs);
    const isOver = number(ENTRY.terminated) !== 0;
    const ownerName = text(ENTRY.ownerName);
    const ownerKind = text(ENTRY.ownerKind);
    // Objects without an owner are their own.
    const isOwn = ownerName === text(ENTRY.name) && ownerKind === kind;
    return {
      kind,
      // flowlogs-pipeline sends none: then the name and the time of birth identify the object.
      uid: text(ENTRY.uid) || `${place}@${createdS}`,
      namespace: text(ENTRY.namespace),
      name: text(ENTRY.name),
      fromMs: ownFromMs || startMs(createdS),
      // Pods get their addresses some time after they are created.
      isExact: ownFromMs === 0 ? kind !== 'Pod' : number(ENTRY.isExact) !== 0,
      toMs: isOver ? number(ENTRY.toMs) || undefined : Number.POSITIVE_INFINITY,
      addresses: [...new Set(draft.ips.map(addressOf))].filter((address) => address !== ''),
      networks: [
        ...draft.keys.flatMap((key) => this.#networks(key, draft.networks.get(key) ?? '')),
        ...draft.ports.flatMap(portOf),
      ],
      hostIp: addressOf(text(ENTRY.hostIp)),
      hostName: text(ENTRY.hostName),
      zone: kind === 'Node' ? draft.zone : '',
      owner:
        ownerName === '' || isOwn
          ? undefined
          : { uid: `${ownerKind}/${ownerName}`, kind: ownerKind, name: ownerName },
      labels: recordOf(draft.labels),
      annotations: recordOf(draft.annotations),
    };
  }

  /** The key of another program, by each of our indexes that it has the parts of. */
  #networks(key: string, network: string): readonly NetworkKey[] {
    const parts = key.split('~');
    return this.#needs.networks.flatMap((index) => {
      const own = index.udn ? udnOf(parts) : multusOf(index, parts);
      return own === undefined ? [] : [{ key: own, network }];
    });
  }
}

/** Time zero means that nobody knows it: then the object was always there. */
function startMs(createdS: number): number {
  return createdS > 0 && Number.isSafeInteger(createdS * 1000)
    ? createdS * 1000
    : Number.NEGATIVE_INFINITY;
}

function push(list: string[], value: string): void {
  if (list.length < ADDRESSES_MAX) list.push(value);
}

function isWanted(filters: readonly KeyFilter[], key: string): boolean {
  return filters.some((one) => wants(one, key));
}

/** One entry of a map. `choose` says where it goes; values that nobody wants are not decoded. */
function readPair(
  reader: WireReader,
  choose: (key: string, value: () => string) => Map<string, string> | undefined,
): void {
  let key = '';
  let utf8 = new Uint8Array(0);
  readFields(bytesOf(reader), (field, wire, inner) => {
    if (wire !== WIRE.bytes) return false;
    if (field === PAIR.key) key = textOf(inner);
    else if (field === PAIR.value) utf8 = bytesOf(inner);
    else return false;
    return true;
  });
  const value = (): string => decoder.decode(utf8);
  choose(key, value)?.set(key, value());
}

const decoder = new TextDecoder();

function recordOf(texts: ReadonlyMap<string, string>): KubeObject['labels'] {
  return texts.size === 0 ? undefined : Object.fromEntries(texts);
}

/** `protocol~port`. */
function portOf(text: string): readonly NetworkKey[] {
  const [, protocol, port] = /^(\d{1,3})~(\d{1,5})$/.exec(text) ?? [];
  if (protocol === undefined || Number(port) > PORT_MAX) return [];
  return [{ key: nodePortKey(Number(protocol), Number(port)), network: PRIMARY_NETWORK }];
}

/** `network~address`. */
function udnOf(parts: readonly string[]): string | undefined {
  const [network = '', ip = ''] = parts;
  const address = addressOf(ip);
  return parts.length === 2 && network !== '' && address !== ''
    ? udnKey(network, address)
    : undefined;
}

/** `interface~address~mac`, of those that the index has. */
function multusOf(index: NetworkIndex, parts: readonly string[]): string | undefined {
  const rest = [...parts];
  const inter = index.interface ? (rest.shift() ?? '') : '';
  const ip = index.ip ? addressOf(rest.shift() ?? '') : '';
  const mac = index.mac ? macOf(rest.shift() ?? '') : '';
  return rest.length === 0 ? multusKey(index, { interface: inter, ip, mac }) : undefined;
}
