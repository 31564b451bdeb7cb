import {
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { type Json, PbSync, PbUpdate } from './k8scache-schema.ts';

const METHOD = '/k8scache.KubernetesCacheService/StreamUpdates';
/** The same as flowlogs-pipeline's. */
const MESSAGE_BYTES_MAX = 50 * 1024 * 1024;

const same = (bytes: Buffer): Buffer => bytes;

function placeOf({ kind, namespace = '', name }: Json): string {
  return `${kind}/${namespace}/${name}`;
}

/** A processor that does what the protocol says, on other code than ours. */
export class FlpProcessor implements AsyncDisposable {
  readonly updates: Json[] = [];
  streams = 0;
  port = 0;
  /** The next message is refused for this reason. */
  refuseNext = '';
  readonly #server = new Server({ 'grpc.max_receive_message_length': MESSAGE_BYTES_MAX });
  readonly #entries = new Map<string, Json>();
  #isPaused = false;
  #waiting: (() => void)[] = [];

  static async start(host: string): Promise<FlpProcessor> {
    const made = new FlpProcessor();
    const handler = (call: ServerDuplexStream<Buffer, Buffer>): void => {
      void made.#serve(call);
    };
    const call = {
      ...{ path: METHOD, requestStream: true, responseStream: true },
      ...{ requestSerialize: same, requestDeserialize: same },
      ...{ responseSerialize: same, responseDeserialize: same },
    };
    made.#server.addService({ call }, { call: handler as unknown as UntypedHandleCall });
    made.port = await new Promise<number>((resolve, reject) => {
      made.#server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
    return made;
  }

  names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  entry(place: string): Json | undefined {
    return this.#entries.get(place);
  }

  /** Messages are not read any more. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const go of this.#waiting) go();
    this.#waiting = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  async #serve(call: ServerDuplexStream<Buffer, Buffer>): Promise<void> {
    this.streams++;
    call.on('error', () => undefined);
    const id = `flp-${this.streams}`;
    call.write(PbSync.encode({ request: { processor_id: id } }));
    try {
      for await (const message of call) {
        if (this.#isPaused) {
          await new Promise<void>((resolve) => {
            this.#waiting.push(resolve);
          });
        }
        this.#take(PbUpdate.decode(message as Buffer), id, call);
      }
      call.end();
    } catch {
      // The client has gone.
    }
  }

  #take(update: Json, id: string, call: ServerDuplexStream<Buffer, Buffer>): void {
    const { version, is_snapshot: isSnapshot, entries = [], operation } = update;
    const error = this.refuseNext;
    this.refuseNext = '';
    if (error === '') {
      this.updates.push(update);
      if (isSnapshot === true) this.#entries.clear();
      for (const entry of entries as readonly Json[]) {
        if (operation === 'OPERATION_DELETE') this.#entries.delete(placeOf(entry));
        else this.#entries.set(placeOf(entry), entry);
      }
    }
    call.write(PbSync.encode({ ack: { processor_id: id, version, success: error === '', error } }));
  }
}

/** Informers that send what a test says, on other code than ours. */
export class FlpInformers implements Disposable {
  /** Messages of the processor. */
  readonly said: Json[] = [];
  ended = '';
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  constructor(target: string, tls = credentials.createInsecure()) {
    this.#client = new Client(target, tls, { 'grpc.use_local_subchannel_pool': 1 });
    this.#call = this.#client.makeBidiStreamRequest<Buffer, Buffer>(METHOD, same, same);
    this.#call.on('data', (bytes: Buffer) => this.said.push(PbSync.decode(bytes)));
    this.#call.on('error', ({ message }) => {
      this.ended = message;
    });
    this.#call.on('end', () => {
      this.ended ||= 'in order';
    });
  }

  send(update: Json): void {
    this.#call.write(PbUpdate.encode(update));
  }

  sendRaw(bytes: Uint8Array): void {
    this.#call.write(Buffer.from(bytes));
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#client.close();
  }
}
