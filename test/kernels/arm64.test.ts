/**
 * The executable for another architecture, on kernels for it: machines differ in the registers of
 * arguments, in how functions are hooked, and in how much of the stack the verifier grants.
 */
import { describe, expect, test } from 'vitest';
import { suffixOf } from '../../scripts/architectures.ts';
import { FOREIGN_KERNELS, type Kernel, releaseOf } from '../../scripts/kernels.ts';
import { examine } from './doctor.ts';
import { type MachineRun, runInMachine, whyNot } from './machine.ts';

/** Time limit on an emulated machine, where one program verifies all ways of all features. */
const LIMIT_MS = 2_400_000;

const DATAGRAMS = 100;
const DATAGRAM_BYTES = 100;
/** Ethernet, IPv4 and UDP. */
const HEADER_BYTES = 14 + 20 + 8;
const TLS_BYTES = 100_000;

interface Flow {
  readonly Interfaces: readonly string[];
  readonly SrcPort?: number;
  readonly DstPort?: number;
  readonly Proto: number;
  readonly Packets: number;
  readonly Bytes: number;
  readonly OpenSslBytes?: number;
}

interface Link {
  readonly stats64: Readonly<Record<'rx' | 'tx', { packets: number; bytes: number }>>;
}

function counted(run: MachineRun, name: string): { packets: number; bytes: number } {
  const [{ stats64 }] = JSON.parse(run.file(name)) as [Link];
  const { rx, tx } = stats64;
  return { packets: rx.packets + tx.packets, bytes: rx.bytes + tx.bytes };
}

function sum(flows: readonly Flow[]): { packets: number; bytes: number } {
  return {
    packets: flows.reduce((all, flow) => all + flow.Packets, 0),
    bytes: flows.reduce((all, flow) => all + flow.Bytes, 0),
  };
}

describe.each(FOREIGN_KERNELS)('$architecture.name, $suite', (kernel: Kernel) => {
  const release = releaseOf(kernel);
  const executable = `dist/netobserv${suffixOf(kernel.architecture)}`;

  test(`doctor finds all features on ${release}`, { timeout: LIMIT_MS }, async () => {
    await examine(kernel, `cd /share; ${executable}`, LIMIT_MS);
  });

  test(`what is recorded is what is counted on ${release}`, { timeout: LIMIT_MS }, async () => {
    const args = [executable, DATAGRAMS, DATAGRAM_BYTES, TLS_BYTES];
    const command = `cd /share; bash test/kernels/pair.sh ${args.join(' ')}`;
    await using run = await runInMachine(kernel, command, LIMIT_MS);

    expect(run.status, `${whyNot(run)}\n${run.file('agent.log')}`).toBe(0);
    const lines = run.file('flows.json').trim().split('\n');
    const flows = lines.map((line) => JSON.parse(line) as Flow);
    const before = counted(run, 'before.json');
    const after = counted(run, 'after.json');
    expect(sum(flows)).toEqual({
      packets: after.packets - before.packets,
      bytes: after.bytes - before.bytes,
    });
    expect(sum(flows.filter(({ DstPort }) => DstPort === 2000))).toEqual({
      packets: DATAGRAMS,
      bytes: DATAGRAMS * (DATAGRAM_BYTES + HEADER_BYTES),
    });
    // One end has written these packets and the other one has read them.
    const plain = flows
      .filter(({ DstPort }) => DstPort === 2001)
      .reduce((all, { OpenSslBytes }) => all + (OpenSslBytes ?? 0), 0);
    expect(plain).toBe(2 * TLS_BYTES);
  });
});
