import { clearColumn, type FlowBatch, type ListColumn, pushList } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import { NAMES } from '../../../flow/enums.ts';
import type { InternTables } from '../../../flow/intern.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';

/** Bit 0 first. */
const FLAG_NAMES = NAMES.tcpFlags.entries.map(([, name]) => name);

/** Lists the names of the TCP flags of a flow. A flow without flags gets no list. */
export function decodeTcpFlags(
  rule: { readonly input: string; readonly output: string },
  context: StageContext,
): Transform {
  const { input, output } = rule;
  requireKind(context, 'decode_tcp_flags.input', input, ['u16']);
  if (input === output) return statesForm(input);
  const names = new FlagIds();
  return {
    kind: 'transform',
    name: `decode_tcp_flags ${input}`,
    reads: [input],
    writes: [{ name: output, kind: 'list<str>' }],
    apply(batch: FlowBatch) {
      const list = batch.list(output);
      // As for a single flow without flags: names of an earlier rule are removed.
      if (!batch.has(input)) return clearColumn(list);
      const ids = names.for(batch.tables);
      nameFlags(batch.length, batch.u16(input), batch.present(input), ids, list);
    },
  };
}

/**
 * The field stays a bitmask under its own name, so that later stages can still test bits; text
 * sinks write the names.
 */
function statesForm(field: string): Transform {
  return {
    kind: 'transform',
    name: `decode_tcp_flags ${field}`,
    reads: [field],
    writes: [{ name: field, kind: 'u16', form: 'names' }],
    apply: () => undefined,
  };
}

/** String ids of the names by bit, for one generation of tables. */
class FlagIds {
  #tables: InternTables | undefined;
  #ids = new Uint32Array(0);

  for(tables: InternTables): Uint32Array {
    if (this.#tables !== tables) {
      this.#tables = tables;
      this.#ids = Uint32Array.from(FLAG_NAMES, (name) => tables.strings.intern(name));
    }
    return this.#ids;
  }
}

const KNOWN_BITS = 2 ** FLAG_NAMES.length - 1;

function nameFlags(
  length: number,
  flags: Uint16Array,
  present: Uint32Array,
  ids: Uint32Array,
  output: ListColumn,
): void {
  let end = 0;
  output.offsets[0] = 0;
  for (let row = 0; row < length; row++) {
    let bits = hasBit(present, row) ? flags[row]! & KNOWN_BITS : 0;
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits);
      end = pushList(output, end, ids[bit]!);
      bits &= bits - 1;
    }
    output.offsets[row + 1] = end;
  }
}
