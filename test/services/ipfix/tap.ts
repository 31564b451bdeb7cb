import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { IpfixReader } from '../../support/codec/ipfix-reader.ts';
import { readPcap } from '../../support/codec/pcap-file.ts';
import { startProgram } from '../../support/processes/program.ts';

/** A message as seen on the wire. */
interface Datagram {
  readonly timeMs: number;
  /** Source port and packets of each flow. */
  readonly flows: readonly (readonly [number, number])[];
}

const HEADERS_BYTES = 14 + 20 + 8;
const SOURCE_PORT = '7';
const PACKETS = '2';

/** Sees every datagram to a port of this host, also if nobody listens. */
export async function tap(port: number): Promise<() => Promise<readonly Datagram[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-tap-'));
  const file = join(folder, 'udp.pcap');
  const filter = ['udp', 'and', 'dst', 'port', `${port}`];
  const options = ['--immediate-mode', '-B', '65536', '-Z', 'root', '-Uni', 'lo', '-w', file];
  const program = startProgram([...options, ...filter], { command: ['tcpdump'] });
  onTestFinished(async () => {
    await program.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  await program.waitFor(/listening on/);
  return async () => {
    await program.stop();
    expect(program.output()).toContain('0 packets dropped by kernel');
    const reader = new IpfixReader();
    return readPcap(readFileSync(file)).map(({ frame, timeUs }) => ({
      timeMs: timeUs / 1000,
      flows: reader
        .read(frame.subarray(HEADERS_BYTES))
        .records.map((record) => [Number(record.get(SOURCE_PORT)), Number(record.get(PACKETS))]),
    }));
  };
}
