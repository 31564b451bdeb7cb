import { nodePortOf } from '../index/node-ports.ts';
import type { KubeObject, OwnerRef } from '../index/objects.ts';
import { PRIMARY_NETWORK } from '../index/objects.ts';
import { ProtoWriter } from './proto-writer.ts';
import { ENTRY } from './protocol.ts';

/** Copies of whole objects that kubectl keeps in them; nobody names flows after it. */
const BULKY = 'kubectl.kubernetes.io/last-applied-configuration';

/** An object as its entry, without its owner. */
export interface EncodedEntry {
  /** The fields that identify the object. */
  readonly head: Uint8Array;
  readonly rest: Uint8Array;
}

/** `ResourceEntry` of objects. */
export class EntryWriter {
  readonly #writer = new ProtoWriter();

  /** `createdMs`: NaN if it is not known. */
  encode(object: KubeObject, createdMs: number): EncodedEntry {
    const writer = this.#writer;
    writer.text(ENTRY.kind, object.kind);
    writer.text(ENTRY.namespace, object.namespace);
    writer.text(ENTRY.name, object.name);
    writer.text(ENTRY.uid, object.uid);
    writer.number(ENTRY.created, Math.floor(createdMs / 1000));
    const head = writer.end();
    writer.text(ENTRY.hostName, object.hostName);
    writer.text(ENTRY.hostIp, object.hostIp);
    writer.text(ENTRY.networkName, PRIMARY_NETWORK);
    writer.texts(ENTRY.ips, object.addresses);
    const [ports, others] = [[], []] as [string[], (readonly [string, string])[]];
    for (const { key, network } of object.networks) {
      if (nodePortOf(key) === undefined) others.push([plain(key), network]);
      else ports.push(plain(key));
    }
    const networks = new Map(others);
    writer.texts(ENTRY.networkKeys, [...networks.keys()]);
    writer.map(ENTRY.labels, sorted(object.labels));
    const annotations = sorted(object.annotations).filter(([key]) => key !== BULKY);
    writer.map(ENTRY.annotations, annotations);
    writer.map(ENTRY.networkNames, networks);
    writer.flag(ENTRY.terminated, object.toMs !== Number.POSITIVE_INFINITY);
    writer.number(ENTRY.fromMs, Math.round(object.fromMs));
    writer.flag(ENTRY.isExact, object.isExact);
    writer.number(ENTRY.toMs, Math.round(object.toMs ?? 0));
    writer.texts(ENTRY.nodePorts, ports);
    return { head, rest: writer.end() };
  }

  /** The fields of the owner; undefined: it is its own. */
  owner({ kind, name }: Pick<OwnerRef, 'kind' | 'name'>): Uint8Array {
    this.#writer.text(ENTRY.ownerName, name);
    this.#writer.text(ENTRY.ownerKind, kind);
    return this.#writer.end();
  }
}

/** The key without the shape before it, as flowlogs-pipeline has it. */
function plain(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

function sorted(texts: KubeObject['labels']): readonly (readonly [string, string])[] {
  return Object.entries(texts ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}
