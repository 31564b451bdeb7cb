import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** The packet protocol of `netobserv-ebpf-agent` for protobufjs. */
const PBPACKET = `
syntax = "proto3";
package pbpacket;

message Any { string type_url = 1; bytes value = 2; }
message Packet { Any pcap = 1; }
message CollectorReply {}
`;

/** File header by the collector of `network-observability-cli`: Ethernet, no snap length. */
const FILE_HEADER = Buffer.from('d4c3b2a1020004000000000000000000' + '0000000001000000', 'hex');

const SLOW_MS = 5;

const PbPacket = protobuf.parse(PBPACKET, { keepCase: true }).root.lookupType('pbpacket.Packet');

export function decodePacket(message: Uint8Array): { typeUrl: string; value: Buffer } {
  const { pcap } = PbPacket.decode(message) as unknown as {
    pcap: { type_url: string; value: Uint8Array };
  };
  return { typeUrl: pcap.type_url, value: Buffer.from(pcap.value) };
}

/** A collector of packets on a real gRPC server, which stores them unchanged. */
export class PacketCollector {
  readonly #server = new Server();
  port = 0;
  /** Values of the messages. */
  readonly values: Buffer[] = [];
  readonly typeUrls = new Set<string>();
  readonly #isSlow: boolean;
  #calls = 0;

  /** `isSlow`: every other call is delayed, like concurrent threads elsewhere. */
  constructor(isSlow = false) {
    this.#isSlow = isSlow;
  }

  async start(): Promise<void> {
    const handler = (
      call: { request: Buffer },
      callback: (error: null, answer: Buffer) => void,
    ): void => {
      const take = (): void => {
        const { typeUrl, value } = decodePacket(call.request);
        this.values.push(value);
        this.typeUrls.add(typeUrl);
        callback(null, Buffer.alloc(0));
      };
      if (this.#isSlow && this.#calls++ % 2 === 0) setTimeout(take, SLOW_MS);
      else take();
    };
    const bytes = (value: Buffer): Buffer => value;
    this.#server.addService(
      {
        Send: {
          path: '/pbpacket.Collector/Send',
          requestStream: false,
          responseStream: false,
          requestSerialize: bytes,
          requestDeserialize: bytes,
          responseSerialize: bytes,
          responseDeserialize: bytes,
        },
      },
      { Send: handler as unknown as UntypedHandleCall },
    );
    this.port = await new Promise<number>((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      this.#server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  /** The file that the collector of `network-observability-cli` would have written. */
  file(): Buffer {
    return Buffer.concat([FILE_HEADER, ...this.values]);
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
