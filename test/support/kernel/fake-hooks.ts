import type { AttachOptions, BpfObject } from '../../../src/agent/loader/native.ts';
import { filterMessage, qdiscMessage } from './netlink-messages.ts';

const RTM_GETQDISC = 38;
const RTM_GETTFILTER = 46;
const CLSACT_INGRESS = 0xfffffff2;

/** Ids are places in this list, from 1. */
const PROGRAMS = ['flow', 'capture'].flatMap((kind) =>
  ['ingress_l2', 'egress_l2', 'ingress_l3', 'egress_l3'].map((hook) => `${kind}_${hook}`),
);

function idOfProgram(program: string): number {
  return PROGRAMS.indexOf(program) + 1;
}

/** The kernel's answers about hooks: only those that were attached here. */
export class FakeHooks {
  readonly attached = new Map<number, AttachOptions>();

  listTcx() {
    return [];
  }

  hasTc(): boolean {
    return false;
  }

  programId(_object: BpfObject, program: string): number {
    return idOfProgram(program);
  }

  programName(): string {
    return '';
  }

  namespaceId(): number {
    return -1;
  }

  removeFilter(): void {
    throw new Error('nobody has left one behind');
  }

  readTcx(_netns: number | undefined, ifindexes: Uint8Array, into: Uint8Array): number {
    const words = new Uint32Array(into.buffer, into.byteOffset);
    let at = 0;
    for (const index of new Uint32Array(ifindexes.buffer, ifindexes.byteOffset)) {
      for (const direction of ['ingress', 'egress']) {
        const ids = [...this.attached.values()]
          .filter((one) => one.ifindex === index && one.direction === direction)
          .filter(({ mode }) => mode === 'tcx')
          .map(({ program }) => idOfProgram(program));
        words.set([ids.length, ...ids], at);
        at += 1 + ids.length;
      }
    }
    return at;
  }

  /** The qdiscs' filters that were attached by TC; undefined: the request was not about these. */
  answer(message: Uint8Array, sequence: number): Uint8Array[] | undefined {
    const view = new DataView(message.buffer, message.byteOffset);
    const type = view.getUint16(4, true);
    const byTc = [...this.attached.values()].filter(({ mode }) => mode === 'tc');
    if (type === RTM_GETQDISC) {
      const indexes = new Set(byTc.map(({ ifindex }) => ifindex));
      return [...indexes].map((ifindex) => qdiscMessage(ifindex, 'clsact', sequence));
    }
    if (type !== RTM_GETTFILTER) return undefined;
    const ifindex = view.getInt32(20, true);
    const parent = view.getUint32(28, true);
    const direction = parent === CLSACT_INGRESS ? 'ingress' : 'egress';
    return byTc
      .filter((one) => one.ifindex === ifindex && one.direction === direction)
      .map(({ owner, program }) =>
        filterMessage({
          ...{ ifindex, sequence, parent, name: owner ?? '', program: idOfProgram(program) },
        }),
      );
  }
}
