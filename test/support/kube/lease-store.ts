import type { IncomingMessage, ServerResponse } from 'node:http';

interface StoredLease {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

const PATH = /^\/apis\/coordination\.k8s\.io\/v1\/namespaces\/([^/]+)\/leases(?:\/([^/]+))?$/;

/** Leases as an API server keeps them: a change must name the version that it changes. */
export class LeaseStore {
  readonly leases = new Map<string, StoredLease>();
  /** Requests that changed something, by the holder that they wrote. */
  readonly writes: string[] = [];
  /** Refuses everything from these holders, as a network that is cut off would. */
  readonly cutOff = new Set<string>();
  status = 200;
  #version = 0;

  readonly answer = (request: IncomingMessage, answer: ServerResponse): boolean => {
    const match = PATH.exec(request.url!.split('?', 1)[0]!);
    if (match === null) return false;
    const [, namespace, name] = match;
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString();
      const given = text === '' ? undefined : (JSON.parse(text) as StoredLease);
      const [status, body] =
        this.status === 200 ? this.#reply(`${namespace}`, name, given) : [this.status, undefined];
      answer.writeHead(status, { 'content-type': 'application/json' });
      answer.end(JSON.stringify(body ?? { kind: 'Status', code: status }));
    });
    return true;
  };

  /** Who has the lease; undefined: there is none. */
  holder(key: string): unknown {
    return this.leases.get(key)?.spec.holderIdentity;
  }

  #reply(
    namespace: string,
    name: string | undefined,
    given: StoredLease | undefined,
  ): readonly [status: number, body?: StoredLease] {
    const key = `${namespace}/${name ?? given?.metadata.name}`;
    const stored = this.leases.get(key);
    if (given === undefined) return stored === undefined ? [404] : [200, stored];
    if (this.cutOff.has(String(given.spec.holderIdentity))) return [503];
    if (name === undefined && stored !== undefined) return [409];
    if (name !== undefined && stored === undefined) return [404];
    const isOld = stored?.metadata.resourceVersion !== given.metadata.resourceVersion;
    if (stored !== undefined && isOld) return [409];
    const resourceVersion = String(++this.#version);
    const lease = { ...given, metadata: { ...given.metadata, resourceVersion } };
    this.leases.set(key, lease);
    this.writes.push(String(given.spec.holderIdentity));
    return [name === undefined ? 201 : 200, lease];
  }
}
