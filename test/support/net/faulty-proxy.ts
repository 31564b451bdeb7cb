import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `healthy` forwards; `slow` delays every piece; `hung` accepts connections and sends nothing;
 * `half` forwards requests and cuts the connection in place of an answer; `flapping` cuts all
 * connections again and again; `dead` refuses connections.
 */
export type Fault = 'healthy' | 'slow' | 'hung' | 'half' | 'flapping' | 'dead';

const SLOW_MS = 30;
const FLAP_MS = 40;

/** A TCP proxy in front of a real server, which can be made to fail like networks and servers. */
export class FaultyProxy implements AsyncDisposable {
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #server: Server | undefined;
  #flapping: NodeJS.Timeout | undefined;
  #fault: Fault = 'healthy';
  port = 0;

  constructor(targetPort: number) {
    this.#target = targetPort;
  }

  async start(): Promise<void> {
    const server = createServer((client) => this.#join(client));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    const address = server.address();
    if (address !== null && typeof address === 'object') this.port = address.port;
  }

  async become(fault: Fault): Promise<void> {
    const before = this.#fault;
    this.#fault = fault;
    clearInterval(this.#flapping);
    if (fault === 'dead') await this.#close();
    else if (before === 'dead') await this.start();
    if (fault === 'flapping') this.#flapping = setInterval(() => this.#cut(), FLAP_MS);
    // A hung connection stays hung; the next one does not.
    if (before === 'hung' || before === 'half') this.#cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#flapping);
    await this.#close();
  }

  #join(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const cut = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay();
      socket.on('error', cut);
      socket.on('close', cut);
    }
    client.on('data', (piece) => this.#forward(piece, server));
    server.on('data', (piece) => {
      if (this.#fault === 'half') cut();
      else this.#forward(piece, client);
    });
  }

  #forward(piece: Buffer, to: Socket): void {
    if (this.#fault === 'hung') return;
    if (this.#fault === 'slow') setTimeout(() => to.writable && to.write(piece), SLOW_MS);
    else if (to.writable) to.write(piece);
  }

  #cut(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
    this.#pairs.clear();
  }

  async #close(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close');
    this.#server?.close();
    this.#cut();
    await closed;
    this.#server = undefined;
  }
}
