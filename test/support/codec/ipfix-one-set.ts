import { IANA_TYPES, TYPE_BYTES } from '../../../src/codec/netflow/ipfix-elements.ts';
import { IpfixReader, type ReadRecord } from './ipfix-reader.ts';

/** Size of the datagram buffer of the example collector of `netobserv-ebpf-agent`. */
const BUFFER_BYTES = 1024;
const TEMPLATES = 2;

/**
 * Reads like collectors on VMware's go-ipfix: one set in a message, one template in a set, and
 * elements as long as their type, whatever the template says. Unexpected input ends them.
 */
export class OneSetReader {
  readonly #reader = new IpfixReader();
  readonly #known = new Set<number>();

  read(datagram: Uint8Array): readonly ReadRecord[] {
    if (datagram.length > BUFFER_BYTES) throw new Error(`a datagram of ${datagram.length} bytes`);
    const { sets, records } = this.#reader.read(datagram);
    const [set, ...more] = sets;
    if (set === undefined || more.length > 0) throw new Error(`${sets.length} sets in a message`);
    if (set === TEMPLATES) this.#learn();
    else if (!this.#known.has(set)) throw new Error(`template ${set} does not exist`);
    return records;
  }

  #learn(): void {
    const fresh = [...this.#reader.templates].filter(([id]) => !this.#known.has(id));
    if (fresh.length > 1) throw new Error('more than one template in a set');
    for (const [id, elements] of fresh) {
      this.#known.add(id);
      for (const element of elements) {
        const type = IANA_TYPES.get(element.id);
        const isOfType = type !== undefined && element.length === TYPE_BYTES[type];
        if (element.enterprise === 0 && !isOfType) {
          throw new Error(`element ${element.id} of ${element.length} bytes`);
        }
      }
    }
  }
}
