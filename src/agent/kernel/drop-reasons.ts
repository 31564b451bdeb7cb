import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Btf, enumOf, openBtf } from './btf.ts';

/** A reason has its subsystem in the high half (enum skb_drop_reason_subsys). */
const SUBSYSTEM_SHIFT = 16;
const NUMBER_MASK = 0xffff;

/** The lists of reasons by subsystem, keyed by the first words of the subsystem's name. */
const LISTS = [
  ['SKB_DROP_REASON_SUBSYS_MAC80211', 'mac80211', 'mac80211_drop_reason'],
  ['SKB_DROP_REASON_SUBSYS_OPENVSWITCH', 'openvswitch', 'ovs_drop_reason'],
] as const;

/**
 * The kernel's names of its drop reasons. Numbers differ between kernels, so they are read from the
 * running kernel's types, and a module's when its first reason appears.
 */
export class DropReasonNames {
  readonly #folder: string;
  readonly #subsystems: ReadonlyMap<number, string>;
  readonly #names = new Map<number, string>();
  readonly #looked = new Set<number>();

  constructor(folder = '/sys/kernel/btf') {
    this.#folder = folder;
    const kernel = this.#open('vmlinux');
    this.#subsystems = listOf(kernel, 'skb_drop_reason_subsys');
    this.#add(kernel, 'skb_drop_reason');
  }

  /** False: the kernel has no reasons, or does not expose its types. */
  get areKnown(): boolean {
    return this.#names.size > 0;
  }

  nameOf(reason: number): string {
    const name = this.#names.get(reason);
    if (name !== undefined) return name;
    this.#learn(reason >>> SUBSYSTEM_SHIFT);
    return this.#names.get(reason) ?? this.#describe(reason);
  }

  /** A module, with its types, may be loaded after the agent starts. Each is looked up once. */
  #learn(subsystem: number): void {
    const name = this.#subsystems.get(subsystem);
    const list = LISTS.find(([prefix]) => name?.startsWith(prefix));
    if (list === undefined || this.#looked.has(subsystem)) return;
    this.#looked.add(subsystem);
    const kernel = this.#open('vmlinux');
    this.#add(kernel, list[2]);
    this.#add(this.#open(list[1], kernel), list[2]);
  }

  #describe(reason: number): string {
    const subsystem = reason >>> SUBSYSTEM_SHIFT;
    const name = subsystem === 0 ? undefined : this.#subsystems.get(subsystem);
    return name === undefined ? `SKB_DROP_REASON_${reason}` : `${name}_${reason & NUMBER_MASK}`;
  }

  #add(types: Btf | undefined, list: string): void {
    for (const [value, name] of listOf(types, list)) this.#names.set(value, name);
  }

  /** Neither case is an error: a kernel without type information, a module that is not loaded. */
  #open(file: string, kernel?: Btf): Btf | undefined {
    try {
      return openBtf(readFileSync(join(this.#folder, file)), kernel);
    } catch {
      return undefined;
    }
  }
}

function listOf(types: Btf | undefined, name: string): ReadonlyMap<number, string> {
  return (types === undefined ? undefined : enumOf(types, name)) ?? new Map();
}
