import type { FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { Initiator, Protocol, TcpFlag } from '../../flow/enums.ts';

/** How sure it is who opened a conversation. */
export const Evidence = { none: 0, flags: 1, initiator: 2 } as const;

/** Who opened the conversations of a batch, as each of its flows says by itself. */
export class Openers {
  /** By row: an `Evidence`. */
  evidence = new Uint8Array(0);
  /** By row: whether the destination opened it. */
  isReply = new Uint8Array(0);

  read(batch: FlowBatch): void {
    const { length } = batch;
    if (this.evidence.length < length) {
      this.evidence = new Uint8Array(batch.capacity);
      this.isReply = new Uint8Array(batch.capacity);
    }
    this.evidence.fill(Evidence.none, 0, length);
    this.isReply.fill(0, 0, length);
    const { evidence, isReply } = this;
    if (batch.has('Flags') && batch.has('Proto')) {
      const [flags, protocols] = [batch.u16('Flags'), batch.u8('Proto')];
      const present = [batch.present('Flags'), batch.present('Proto')] as const;
      byFlags(length, flags, protocols, present, evidence, isReply);
    }
    if (batch.has('Initiator')) {
      byInitiator(length, batch.u8('Initiator'), batch.present('Initiator'), evidence, isReply);
    }
  }
}

const OPENING = TcpFlag.SYN | TcpFlag.SYN_ACK | TcpFlag.ACK;

/** Routers join the flags of all packets, so that SYN and ACK may be of either end. */
function byFlags(
  length: number,
  flags: Uint16Array,
  protocols: Uint8Array,
  [hasFlags, hasProtocol]: readonly [Uint32Array, Uint32Array],
  evidence: Uint8Array,
  isReply: Uint8Array,
): void {
  for (let row = 0; row < length; row++) {
    if (protocols[row] !== Protocol.TCP) continue;
    if (!hasBit(hasFlags, row) || !hasBit(hasProtocol, row)) continue;
    const own = flags[row]! & OPENING;
    const isAnswer = (own & TcpFlag.SYN_ACK) !== 0;
    if (!isAnswer && own !== TcpFlag.SYN) continue;
    evidence[row] = Evidence.flags;
    isReply[row] = isAnswer ? 1 : 0;
  }
}

function byInitiator(
  length: number,
  initiators: Uint8Array,
  present: Uint32Array,
  evidence: Uint8Array,
  isReply: Uint8Array,
): void {
  for (let row = 0; row < length; row++) {
    const initiator = initiators[row]!;
    if (!hasBit(present, row)) continue;
    if (initiator !== Initiator.source && initiator !== Initiator.destination) continue;
    evidence[row] = Evidence.initiator;
    isReply[row] = initiator === Initiator.destination ? 1 : 0;
  }
}
