import type { FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import { type Connections, NO_PLACE } from '../connections/connections.ts';
import { OWNERS, SLOT_WORDS } from '../connections/table.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { processMetrics } from '../drain/layout.gen.ts';
import { ControlGroups } from '../kernel/cgroups.ts';
import { ContainerNames, type NameOutcome } from '../workloads/container-names.ts';
import { shortName, type Workload, workloadOf } from '../workloads/workload.ts';
import type { FeatureSpec } from './feature.ts';
import type { FeatureReader } from './reader.ts';

const WORD = 2 ** 32;
const NAME_BYTES = 16;
const NAME_WORDS = NAME_BYTES >> 2;
/** Limit of remembered processes; when there are more, all are forgotten. */
const REMEMBERED_MAX = 16_384;

/** The process that owns a flow's socket, by bpf/processes.h. */
export const processes: FeatureSpec = {
  name: 'processes',
  variable: 'ENABLE_PROCESSES',
  isOn: (config) => config.enableProcesses,
  fields: 'processes',
  without: 'flows have no ProcessId and the like',
  enabledBy: 'tracepoint sock:inet_sock_set_state with BTF; Linux 6.3 or later for all sockets',
  extension: { at: 'processAt', sizeBytes: processMetrics.sizeBytes },
  ways: [
    [{ program: 'process_sent' }, { program: 'process_received' }, { program: 'process_called' }],
    // Before Linux 6.3: only processes that connect or listen.
    [{ program: 'process_called' }],
  ],
  reader: ({ connections, metrics }, at) => {
    const onLookUp = (outcome: NameOutcome) => metrics.containerNames.inc({ outcome });
    return new ProcessReader(connections, at, { names: new ContainerNames({ onLookUp }) });
  },
};

/** A process as it was when its socket was last used. */
interface Process {
  readonly comm: Uint32Array;
  readonly cgroup: number;
  readonly name: string;
  readonly path: string;
  readonly workload: Workload | undefined;
  /** Ids of texts in the current tables. */
  readonly ids: Record<ProcessText, number>;
}

const PROCESS_TEXTS = [
  ...['ProcessName', 'Cgroup', 'ContainerId'],
  ...['ContainerName', 'Workload'],
] as const;
type ProcessText = (typeof PROCESS_TEXTS)[number];

interface ProcessReaderDeps {
  readonly groups?: ControlGroups;
  readonly names?: ContainerNames;
}

export class ProcessReader implements FeatureReader {
  readonly #connections: Connections;
  readonly #at: number;
  readonly #groups: ControlGroups;
  readonly #names: ContainerNames;
  readonly #processes = new Map<number, Process>();
  #generation = 0;
  #namesVersion = 0;

  constructor(connections: Connections, at: number, deps: ProcessReaderDeps = {}) {
    this.#connections = connections;
    this.#at = at;
    this.#groups = deps.groups ?? new ControlGroups();
    this.#names = deps.names ?? new ContainerNames();
  }

  prepare(): void {
    this.#groups.renew();
  }

  decode(buffer: DrainBuffer, length: number, batch: FlowBatch): void {
    const { tables } = batch;
    const { version } = this.#names;
    if (tables.generation !== this.#generation || version !== this.#namesVersion) {
      for (const process of this.#processes.values()) this.#intern(process, tables);
    }
    this.#generation = tables.generation;
    this.#namesVersion = version;
    this.#learn(buffer, length, tables);
    const pids = this.#pids(buffer, length);
    if (batch.has('ProcessId')) {
      const into = batch.u32('ProcessId');
      const present = batch.present('ProcessId');
      for (let row = 0; row < length; row++) {
        if (pids[row] === 0) continue;
        into[row] = pids[row]!;
        setBit(present, row);
      }
    }
    for (const name of PROCESS_TEXTS) {
      if (!batch.has(name)) continue;
      const into = batch.ids(name);
      for (let row = 0; row < length; row++) {
        if (pids[row] !== 0) into[row] = this.#processes.get(pids[row]!)?.ids[name] ?? MISSING;
      }
    }
  }

  /** First pass: remembers what the kernel reports, for flows and drains without a report. */
  #learn({ values32, valueBytes }: DrainBuffer, length: number, tables: InternTables): void {
    const { words } = this.#connections.table;
    const { places } = this.#connections;
    const stride = valueBytes >> 2;
    for (let row = 0, at = this.#at >> 2; row < length; row++, at += stride) {
      const pid = values32[at + (processMetrics.pid >> 2)]!;
      if (pid === 0) continue;
      const place = places[row]!;
      if (place !== NO_PLACE) words[ownerAt(place)] = pid;
      if (!this.#isSame(pid, values32, at)) this.#add(pid, values32, at, tables);
    }
  }

  #isSame(pid: number, values32: Uint32Array, at: number): boolean {
    const process = this.#processes.get(pid);
    if (process === undefined || process.cgroup !== cgroupAt(values32, at)) return false;
    for (let word = 0; word < NAME_WORDS; word++) {
      if (values32[at + (processMetrics.comm >> 2) + word] !== process.comm[word]) return false;
    }
    return true;
  }

  #add(pid: number, values32: Uint32Array, at: number, tables: InternTables): void {
    if (this.#processes.size >= REMEMBERED_MAX) this.#processes.clear();
    const from = at + (processMetrics.comm >> 2);
    const comm = values32.slice(from, from + NAME_WORDS);
    const cgroup = cgroupAt(values32, at);
    const path = this.#groups.pathOf(cgroup, pid);
    const ids = { ProcessName: 0, Cgroup: 0, ContainerId: 0, ContainerName: 0, Workload: 0 };
    const workload = workloadOf(path);
    const process = { comm, cgroup, name: textOf(comm), path, workload, ids };
    this.#intern(process, tables);
    this.#processes.set(pid, process);
  }

  #intern({ name, path, workload, ids }: Process, { strings }: InternTables): void {
    const idOf = (text: string): number => (text === '' ? MISSING : strings.intern(text));
    ids.ProcessName = idOf(name);
    ids.Cgroup = idOf(path);
    ids.Workload = workload?.kind === 'unit' ? idOf(workload.name) : MISSING;
    if (workload?.kind !== 'container') return;
    const container = this.#names.nameOf(workload.id);
    ids.ContainerId = idOf(workload.id);
    ids.ContainerName = idOf(container);
    ids.Workload = idOf(container === '' ? shortName(workload) : container);
  }

  /** Second pass: the process at the sending end, or else at the receiving end. */
  #pids({ values32, valueBytes }: DrainBuffer, length: number): Uint32Array {
    const pids = new Uint32Array(length);
    const { words } = this.#connections.table;
    const { places } = this.#connections;
    const stride = valueBytes >> 2;
    const offset = (this.#at + processMetrics.pid) >> 2;
    for (let row = 0, at = offset; row < length; row++, at += stride) {
      const place = places[row]!;
      let pid = values32[at]!;
      if (pid === 0 && place !== NO_PLACE) {
        pid = words[ownerAt(place)]! || words[ownerAt(place ^ 1)]!;
      }
      pids[row] = pid;
    }
    return pids;
  }
}

function ownerAt(place: number): number {
  return (place >> 1) * SLOT_WORDS + OWNERS + (place & 1);
}

function cgroupAt(values32: Uint32Array, at: number): number {
  const from = at + (processMetrics.cgroup >> 2);
  return values32[from]! + values32[from + 1]! * WORD;
}

function textOf(comm: Uint32Array): string {
  const bytes = Buffer.from(comm.buffer, comm.byteOffset, NAME_BYTES);
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? NAME_BYTES : end);
}
