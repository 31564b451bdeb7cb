import { AgingMap } from '../drain/aging-map.ts';
import { flowKey } from '../drain/layout.gen.ts';

/** The content of a response in a flow. */
export interface DnsAnswer {
  readonly id: number;
  /** Operation and code from the header, as they were sent. */
  readonly flags: number;
  /** `CODE_UNKNOWN`: it could not be read. */
  readonly code: number;
  readonly name: string;
  /** Empty when the message ended before it. */
  readonly queryType: string;
  readonly answers: readonly string[];
}

/** Flows whose answers are kept, in each of two generations; one lasts one drain. */
const FLOWS_MAX = 32_768;
/** A flow shows its last answer; others may have come since the maps were swapped. */
const ANSWERS_PER_FLOW_MAX = 4;

const KEY_WORDS = flowKey.sizeBytes >> 2;
const PROTOCOL_WORD = flowKey.protocol >> 2;
/** The bits after the protocol identify the answers of a flow. */
const PROTOCOL_MASK = 0xff0000ff;

/**
 * Answers that wait for the drain of their flows. Each flow has a few of them at most, so that a
 * flow with very many leaves room for others.
 */
export class DnsAnswers {
  readonly #flows = new AgingMap<DnsAnswer[]>(KEY_WORDS, FLOWS_MAX);
  readonly #key = new Uint32Array(KEY_WORDS);

  /** `words[at ..]`: the flow's key; the id in it is ignored. False: there is no room. */
  put(words: Uint32Array, at: number, answer: DnsAnswer, owner?: number): boolean {
    const key = this.#keyOf(words, at);
    const known = this.#flows.findYoung(key, 0);
    if (known === undefined) return this.#flows.put(key, 0, [answer], owner);
    if (known.length === ANSWERS_PER_FLOW_MAX) known.shift();
    known.push(answer);
    return true;
  }

  /** The last one with this id. */
  find(words: Uint32Array, at: number, id: number): DnsAnswer | undefined {
    if (this.#flows.isEmpty) return undefined;
    const key = this.#keyOf(words, at);
    return lastOf(this.#flows.findYoung(key, 0), id) ?? lastOf(this.#flows.findOld(key, 0), id);
  }

  turn(): void {
    this.#flows.turn();
  }

  #keyOf(words: Uint32Array, at: number): Uint32Array {
    for (let i = 0; i < KEY_WORDS; i++) this.#key[i] = words[at + i]!;
    this.#key[PROTOCOL_WORD]! &= PROTOCOL_MASK;
    return this.#key;
  }
}

function lastOf(answers: readonly DnsAnswer[] | undefined, id: number): DnsAnswer | undefined {
  return answers?.findLast((answer) => answer.id === id);
}
