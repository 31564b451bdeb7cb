import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An object of the API, as JSON. */
export interface ApiObject {
  readonly metadata: {
    readonly uid: string;
    readonly name: string;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

interface ApiEvent {
  readonly version: number;
  readonly path: string;
  readonly type: string;
  readonly object: object;
}

export interface ApiRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly isWatch: boolean;
  readonly accept: string;
  readonly authorization: string | undefined;
}

/** Answers one request in place of the API. */
export type Fault = (answer: ServerResponse, request: ApiRequest) => void;

/**
 * The list and watch part of a Kubernetes API server over HTTP, with versions, pages and bookmarks
 * as its documentation describes them, and faults on request.
 */
export class FakeApi {
  readonly requests: ApiRequest[] = [];
  /** Versions before this one are forgotten: a watch from there, or a page, is gone (410). */
  oldest = 0;
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #events: ApiEvent[] = [];
  readonly #watches = new Map<ServerResponse, string>();
  readonly #faults: { readonly on: 'list' | 'watch'; readonly fault: Fault }[] = [];
  #version = 100;

  /** `other` answers what it returns true for. */
  constructor(other: (request: IncomingMessage, answer: ServerResponse) => boolean = () => false) {
    this.#server = createServer((request, answer) => {
      if (!other(request, answer)) this.#answer(request, answer);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get watches(): number {
    return this.#watches.size;
  }

  async start(port = 0): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(port, '127.0.0.1', resolve);
    });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  /** The next list or watch is answered by this instead. */
  failNext(on: 'list' | 'watch', fault: Fault): void {
    this.#faults.push({ on, fault });
  }

  set(path: string, object: ApiObject): void {
    const objects = this.#of(path);
    const type = objects.has(object.metadata.uid) ? 'MODIFIED' : 'ADDED';
    const stored = this.#versioned(object);
    objects.set(object.metadata.uid, stored);
    this.#publish({ version: this.#version, path, type, object: stored });
  }

  remove(path: string, uid: string): void {
    const object = this.#of(path).get(uid)!;
    this.#of(path).delete(uid);
    this.#publish({
      version: ++this.#version,
      path,
      type: 'DELETED',
      object: this.#versioned(object),
    });
  }

  /** Removes without an event, as if it had been forgotten already. */
  forget(path: string, uid: string): void {
    this.#of(path).delete(uid);
    this.#version++;
  }

  bookmark(path: string): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    this.#send({ version: this.#version, path, type: 'BOOKMARK', object });
  }

  /** Sends bytes to all who watch. */
  sendRaw(path: string, bytes: string): void {
    for (const [answer, watched] of this.#watches) if (watched === path) answer.write(bytes);
  }

  /** Breaks all watches in the middle of their answer. */
  cut(): void {
    for (const answer of this.#watches.keys()) answer.destroy();
    this.#watches.clear();
  }

  /** Ends all watches as the API does at the end of their time. */
  endWatches(): void {
    for (const answer of this.#watches.keys()) answer.end();
    this.#watches.clear();
  }

  #of(path: string): Map<string, ApiObject> {
    const known = this.#objects.get(path) ?? new Map<string, ApiObject>();
    this.#objects.set(path, known);
    return known;
  }

  #versioned(object: ApiObject): ApiObject {
    const resourceVersion = String(++this.#version);
    return { ...object, metadata: { ...object.metadata, resourceVersion } };
  }

  #publish(event: ApiEvent): void {
    this.#events.push(event);
    this.#send(event);
  }

  #send({ path, type, object }: ApiEvent): void {
    this.sendRaw(path, `${JSON.stringify({ type, object })}\n`);
  }

  #answer(message: IncomingMessage, answer: ServerResponse): void {
    const { pathname, searchParams } = new URL(message.url!, 'http://api');
    const isWatch = searchParams.get('watch') === 'true';
    const request = {
      path: pathname,
      query: searchParams,
      isWatch,
      accept: message.headers.accept ?? '',
      authorization: message.headers.authorization,
    };
    this.requests.push(request);
    const kind = isWatch ? 'watch' : 'list';
    const at = this.#faults.findIndex(({ on }) => on === kind);
    if (at !== -1) this.#faults.splice(at, 1)[0]!.fault(answer, request);
    else if (isWatch) this.#watch(request, answer);
    else this.#list(request, answer);
  }

  /** A continue token has the version of the list and the place in it. */
  #list({ path, query }: ApiRequest, answer: ServerResponse): void {
    const [version, from] = (query.get('continue') ?? `${this.#version}:0`).split(':').map(Number);
    if (query.has('continue') && version! < this.oldest) {
      gone(answer);
      return;
    }
    const limit = Number(query.get('limit'));
    const all = [...this.#of(path).values()];
    const items = all.slice(from!, from! + limit);
    const end = from! + limit;
    const next = end < all.length ? { continue: `${version}:${end}` } : {};
    const metadata = { resourceVersion: String(version), ...next };
    answer.setHeader('content-type', 'application/json');
    answer.end(JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata, items }));
  }

  #watch({ path, query }: ApiRequest, answer: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    answer.writeHead(200, { 'content-type': 'application/json' });
    answer.flushHeaders();
    if (from < this.oldest) {
      const object = { kind: 'Status', code: 410, message: `too old resource version: ${from}` };
      answer.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    this.#watches.set(answer, path);
    answer.on('close', () => this.#watches.delete(answer));
    for (const event of this.#events) {
      if (event.path !== path || event.version <= from) continue;
      answer.write(`${JSON.stringify({ type: event.type, object: event.object })}\n`);
    }
  }
}

function gone(answer: ServerResponse): void {
  answer.writeHead(410, { 'content-type': 'application/json' });
  answer.end(JSON.stringify({ kind: 'Status', code: 410, reason: 'Expired' }));
}
