import { Server, ServerCredentials } from '@grpc/grpc-js';

/**
 * A collector of pbflow in a separate process, which ignores the content: the cost in a bench is
 * the sender's. Prints its port, and ends with its standard input.
 */
const server = new Server();
const asIs = (bytes: Buffer): Buffer => bytes;
server.addService(
  {
    Send: {
      path: '/pbflow.Collector/Send',
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  {
    Send: (_call: unknown, callback: (error: null, answer: Buffer) => void) =>
      callback(null, Buffer.alloc(0)),
  },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => {
  process.stdout.write(`${port}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
