import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { CURRENT_MAP, loadDatapath } from '../../../src/agent/loader/object.ts';
import { buildTool } from '../lab/netns.ts';
import { agentConfig, loadNative } from '../processes/agent-host.ts';
import { ROOT } from '../source-tree.ts';

/** Acts like a program manager: loads the datapath, and pins its maps by name. */
export interface PinnedDatapath extends Disposable {
  readonly folder: string;
  /** Hooks on an interface of a named namespace, in both directions. */
  attach(namespace: string, ifindex: number): Promise<void>;
  /** The state after a loader that does not say which map hooks write to. */
  emptyCurrent(): Promise<void>;
}

/** `but`: maps to leave out; the constants of the programs are pinned as `config`. */
export function pinDatapath(
  env: Readonly<Record<string, string>>,
  but: readonly string[] = [],
): PinnedDatapath {
  const native = loadNative();
  const bytes = readFileSync(join(ROOT, 'build/bpf/flows.bpf.o'));
  const { object, features } = loadDatapath(native, bytes, agentConfig(env));
  for (const probe of features.flatMap(({ probes }) => probes)) native.attachProbe(object, probe);
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-pins-'));
  execFileSync('mount', ['-t', 'bpf', 'bpf', folder]);
  pinMaps(object, folder, but);
  return {
    folder,
    async attach(namespace, ifindex) {
      const { fd } = native.openNamespace(`/var/run/netns/${namespace}`);
      for (const direction of ['ingress', 'egress'] as const) {
        const program = `flow_${direction}_l2`;
        const how = { ifindex, direction, mode: 'tcx', anchor: 'none', netns: fd } as const;
        await native.attach(object, { program, ...how });
      }
      native.closeFd(fd);
    },
    async emptyCurrent() {
      expect(await native.removeEntries(object, CURRENT_MAP, new Uint8Array(4))).toBe(1);
    },
    [Symbol.dispose]() {
      execFileSync('umount', [folder]);
      rmSync(folder, { recursive: true });
      native.close(object);
    },
  };
}

function pinMaps(object: BpfObject, folder: string, but: readonly string[]): void {
  const maps = loadNative()
    .listMaps(object)
    .map(({ name, fd }) => ({ name: name === '.rodata.config' ? 'config' : name, fd }))
    .filter(({ name }) => !name.includes('.') && !but.includes(name));
  const args = maps.flatMap(({ name, fd }) => {
    const id = /^map_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!;
    return [id, join(folder, name)];
  });
  execFileSync(buildTool('pin'), args);
}
