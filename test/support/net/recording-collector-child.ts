import { writeSync } from 'node:fs';
import { GrpcCollector } from './grpc-collector.ts';

/**
 * A collector of pbflow with mutual TLS in a separate process, so that it can be killed. Prints its
 * port, and for each call, before it answers, source port and packets of each flow.
 */
const { CERT = '', KEY = '', CLIENT_CA = '', PORT = '0' } = process.env;
const collector = new GrpcCollector({ cert: CERT, key: KEY, clientCa: CLIENT_CA });
collector.port = Number(PORT);
// Written data stays readable, whenever this process ends.
const print = (value: unknown): number => writeSync(1, `${JSON.stringify(value)}\n`);
collector.behaviour = (answer) => {
  const flows = collector.calls.at(-1)!;
  print(flows.map(({ packets, record }) => [portOf(record), packets]));
  answer();
};
await collector.start();
print(collector.port);

function portOf({ transport }: Readonly<Record<string, unknown>>): number {
  return (transport as { src_port?: number }).src_port ?? 0;
}
