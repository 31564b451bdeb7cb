import duckdb from '@duckdb/node-bindings';
import { parseAddress } from '../../base/ip.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { DICTIONARIES, type Partition } from './catalog.ts';
import { CHUNK_ROWS, ChunkFiller, type Translation } from './chunk.ts';
import type { Session } from './database.ts';
import type { Dictionary } from './dictionary.ts';

/** The appenders of one partition. Their contents become rows with `flush`, in a transaction. */
export class PartitionAppenders {
  readonly #facts: duckdb.Appender;
  readonly #dictionaries: readonly DictionaryAppender[];
  readonly #filler: ChunkFiller;

  constructor(session: Session, partition: Partition) {
    const columns = [...partition.columns].map(([name, kind]): ColumnSpec => ({ name, kind }));
    this.#filler = new ChunkFiller(columns);
    this.#facts = duckdb.appender_create(session.raw, null, `facts_${partition.number}`);
    this.#dictionaries = DICTIONARIES.map(
      (name) =>
        new DictionaryAppender(session, `${name}_${partition.number}`, name === 'addresses'),
    );
  }

  /** Takes rows `[from, from + count)` of the batch's selection; `count` is at most a chunk. */
  append(batch: FlowBatch, from: number, count: number, translation: Translation): void {
    const chunk = this.#filler.fill(batch, from, count, translation);
    duckdb.append_data_chunk(this.#facts, chunk);
  }

  flush(translation: Translation): void {
    const pending = [translation.strings, translation.addresses, translation.macs];
    for (const [index, dictionary] of pending.entries()) {
      this.#dictionaries[index]!.write(dictionary);
    }
    duckdb.appender_flush_sync(this.#facts);
  }

  /** Discards unflushed contents; the appenders are not used again. */
  discard(): void {
    for (const appender of [this.#facts, ...this.#dictionaries.map(({ raw }) => raw)]) {
      try {
        duckdb.appender_clear(appender);
        duckdb.appender_close_sync(appender);
      } catch {
        // It refuses because its last flush failed, the reason for discarding it.
      }
    }
  }
}

const UHUGEINT_BYTES = 16;

/** Writes the entries of a dictionary that are not in the database yet. */
class DictionaryAppender {
  readonly raw: duckdb.Appender;
  readonly #chunk: duckdb.DataChunk;
  readonly #withBits: boolean;
  readonly #ids = new Uint32Array(CHUNK_ROWS);
  readonly #bits = new Uint8Array(CHUNK_ROWS * UHUGEINT_BYTES);

  constructor(session: Session, table: string, withBits: boolean) {
    this.raw = duckdb.appender_create(session.raw, null, table);
    this.#withBits = withBits;
    const { UINTEGER, VARCHAR, UHUGEINT } = duckdb.Type;
    const types = withBits ? [UINTEGER, VARCHAR, UHUGEINT] : [UINTEGER, VARCHAR];
    this.#chunk = duckdb.create_data_chunk(types.map((type) => duckdb.create_logical_type(type)));
  }

  write(dictionary: Dictionary): void {
    const { pendingIds, pendingTexts } = dictionary;
    if (pendingIds.length === 0) return;
    for (let from = 0; from < pendingIds.length; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, pendingIds.length - from);
      duckdb.data_chunk_reset(this.#chunk);
      const values = duckdb.data_chunk_get_vector(this.#chunk, 1);
      for (let i = 0; i < count; i++) {
        this.#ids[i] = pendingIds[from + i]!;
        duckdb.vector_assign_string_element(values, i, pendingTexts[from + i]!);
      }
      const ids = duckdb.data_chunk_get_vector(this.#chunk, 0);
      duckdb.copy_data_to_vector(ids, 0, this.#ids.buffer, 0, count * 4);
      if (this.#withBits) this.#writeBits(pendingTexts, from, count);
      duckdb.data_chunk_set_size(this.#chunk, count);
      duckdb.append_data_chunk(this.raw, this.#chunk);
    }
    duckdb.appender_flush_sync(this.raw);
    dictionary.written();
  }

  #writeBits(texts: readonly string[], from: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const bytes = parseAddress(texts[from + i]!);
      // An address is big-endian, the database's number little-endian.
      if (bytes !== undefined) this.#bits.set(bytes.reverse(), i * UHUGEINT_BYTES);
    }
    const vector = duckdb.data_chunk_get_vector(this.#chunk, 2);
    duckdb.copy_data_to_vector(vector, 0, this.#bits.buffer, 0, count * UHUGEINT_BYTES);
  }
}
