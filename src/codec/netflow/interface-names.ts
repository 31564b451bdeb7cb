import { TEXT_MAX_BYTES } from './columns-read.ts';
import type { Place } from './plan.ts';
import type { Records } from './records.ts';

/** Takes the name and the description of an interface of an exporter; empty: not given. */
export type TakeInterface = (
  exporter: string,
  index: number,
  name: string,
  description: string,
) => void;

/** Places of what an options record says about an interface. */
export interface InterfacePlaces {
  readonly index: Place;
  readonly name: Place | undefined;
  readonly description: Place | undefined;
}

const NAME_ID = 82; // interfaceName
const DESCRIPTION_ID = 83; // interfaceDescription
const INDEX_IDS: ReadonlySet<number> = new Set([10, 14]); // ingressInterface, egressInterface
/** The scope of NetFlow 9 that is an interface (RFC 3954, section 6.1). */
const SCOPE_INTERFACE = 2;

type Placed = Place & { readonly enterprise: number; readonly id: number };

/** Undefined: the options are not about names of interfaces. */
export function interfacePlaces(
  fields: readonly Placed[],
  scopeEnterprise: number,
): InterfacePlaces | undefined {
  const of = (wanted: number) => fields.find((one) => one.enterprise === 0 && one.id === wanted);
  const index = fields.find(
    ({ enterprise, id }) =>
      (enterprise === 0 && INDEX_IDS.has(id)) ||
      (enterprise === scopeEnterprise && id === SCOPE_INTERFACE),
  );
  const [name, description] = [of(NAME_ID), of(DESCRIPTION_ID)];
  if (index === undefined || (name ?? description) === undefined) return undefined;
  return { index, name, description };
}

/** Reads the names of interfaces in records of options. */
export class InterfaceNames {
  readonly #take: TakeInterface;
  readonly #decoder = new TextDecoder();

  constructor(take: TakeInterface) {
    this.#take = take;
  }

  read(records: Records, places: InterfacePlaces, exporter: string): void {
    for (let i = 0; i < records.count; i++) {
      const index = records.number(places.index, i);
      if (!(index <= 0xffff_ffff)) continue;
      const name = this.#text(records, places.name, i);
      this.#take(exporter, index, name, this.#text(records, places.description, i));
    }
  }

  /** Texts of a fixed length are filled up with zeros (RFC 7011, section 6.1.5). */
  #text(records: Records, place: Place | undefined, record: number): string {
    if (place === undefined) return '';
    const at = records.start(place, record);
    const length = Math.min(records.length(place, record), TEXT_MAX_BYTES);
    const piece = records.bytes.subarray(at, at + length);
    const end = piece.indexOf(0);
    return this.#decoder.decode(end === -1 ? piece : piece.subarray(0, end)).trim();
  }
}
