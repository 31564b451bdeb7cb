import type { RecordSource } from '../../codec/records.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { type AddressTable, MISSING } from '../../flow/intern.ts';
import type { KafkaRecords } from '../../net/kafka/options.ts';
import { fnv1a32, partitionOf } from '../../net/kafka/partition.ts';
import type { Message } from '../message.ts';
import type { Encoder } from '../outlet.ts';

/** Encoded flows, and the facts needed to divide them among partitions. */
interface KeyedFlows extends Omit<KafkaRecords, 'partition'> {
  /** FNV-1a of each key. */
  readonly hashes: Uint32Array;
  readonly packets: Float64Array;
  /** Bytes of the packets. */
  readonly octets: Float64Array;
}

/** Keys and values in shared buffers, which are copied. */
export interface KeyedRecords extends Pick<KafkaRecords, 'keys' | 'values' | 'offsets'> {
  readonly keyBytes: number;
}

/** Flows of one request. Its lane is the partition. */
export interface KafkaMessage extends Message {
  readonly flows: KeyedFlows;
  /** Undefined when the number of partitions was not known: the message has to be divided. */
  readonly records: KafkaRecords | undefined;
}

export interface RequestLimits {
  readonly messagesMax: number;
  /** Keys, values and the protocol's overhead. */
  readonly bytesMax: number;
}

/** Most bytes of lengths, time stamp and offset around a record. */
const RECORD_OVERHEAD_BYTES = 24;
/** The header of a record batch. */
const BATCH_OVERHEAD_BYTES = 61;

/** The two addresses of a flow. */
const ADDRESS_BYTES = 16;
export const KEY_BYTES = 2 * ADDRESS_BYTES;

/**
 * Batches → requests of one partition each. A record's key is the two addresses of its flow, the
 * lesser first, so that both directions of a conversation go to the same partition.
 */
export function kafkaEncoder(
  records: RecordSource,
  partitions: () => number | undefined,
  limits: RequestLimits,
): Encoder<FlowBatch, KafkaMessage> {
  return {
    encode(batch) {
      records.encode(batch);
      return requestsOf(batch, records, partitions(), limits);
    },
  };
}

/** The requests of a batch, by partition. */
export function requestsOf(
  batch: FlowBatch,
  encoded: Pick<RecordSource, 'bytes' | 'offsets'>,
  partitions: number | undefined,
  limits: RequestLimits,
): readonly KafkaMessage[] {
  const count = batch.selected;
  const keys = new Uint8Array(count * KEY_BYTES);
  writeKeys(batch, keys);
  const hashes = new Uint32Array(count);
  for (let r = 0; r < count; r++) {
    const at = r * KEY_BYTES;
    // Flows without addresses have no conversation: they are dealt out.
    hashes[r] = isBlank(keys, at) ? r : fnv1a32(keys, at, at + KEY_BYTES);
  }
  const { bytes: values, offsets } = encoded;
  const packets = column(batch, 'Packets');
  const octets = column(batch, 'Bytes');
  return byPartition({ keys, hashes, values, offsets, packets, octets }, partitions, limits);
}

/** The requests of records that are not flows, by partition: those of one key go to one. */
export function requestsByKey(
  { keys, keyBytes, values, offsets }: KeyedRecords,
  partitions: number | undefined,
  limits: RequestLimits,
): readonly KafkaMessage[] {
  const count = offsets.length - 1;
  const hashes = new Uint32Array(count);
  for (let r = 0; r < count; r++) hashes[r] = fnv1a32(keys, r * keyBytes, (r + 1) * keyBytes);
  const none = new Float64Array(count);
  const records = { keys, hashes, values, offsets, packets: none, octets: none };
  return byPartition(records, partitions, limits);
}

/** Divides a message that was made before the number of partitions was known. */
export function divide(
  { flows }: KafkaMessage,
  partitions: number,
  limits: RequestLimits,
): readonly KafkaMessage[] {
  return byPartition(flows, partitions, limits);
}

function byPartition(
  flows: KeyedFlows,
  known: number | undefined,
  limits: RequestLimits,
): readonly KafkaMessage[] {
  const { hashes } = flows;
  const partitions = known ?? 1;
  const order = orderByPartition(hashes, partitions);
  const messages: KafkaMessage[] = [];
  for (let from = 0; from < order.length; ) {
    const to = endOfRequest(order, flows, partitions, from, limits);
    const lane = partitionOf(hashes[order[from]!]!, partitions);
    messages.push(request(flows, order.subarray(from, to), lane, known !== undefined));
    from = to;
  }
  return messages;
}

/** A number of each selected flow; 0 where it is absent. */
function column(batch: FlowBatch, name: string): Float64Array {
  const { selection } = batch;
  const numbers = new Float64Array(batch.selected);
  if (batch.layout.kindOf(name) !== 'f64') return numbers;
  const values = batch.f64(name);
  const present = batch.present(name);
  for (let r = 0; r < numbers.length; r++) {
    const row = selection === undefined ? r : selection[r]!;
    if (hasBit(present, row)) numbers[r] = values[row]!;
  }
  return numbers;
}

/** The lesser address first, so that both directions of a conversation have one key. */
function writeKeys(batch: FlowBatch, keys: Uint8Array): void {
  if (!batch.has('SrcAddr') || !batch.has('DstAddr')) return;
  const sources = batch.ids('SrcAddr');
  const targets = batch.ids('DstAddr');
  const { addresses } = batch.tables;
  const { selection } = batch;
  const count = batch.selected;
  for (let r = 0; r < count; r++) {
    const row = selection === undefined ? r : selection[r]!;
    const at = r * KEY_BYTES;
    writeAddress(addresses, sources[row]!, keys, at);
    writeAddress(addresses, targets[row]!, keys, at + ADDRESS_BYTES);
    if (isGreater(keys, at)) swap(keys, at);
  }
}

function isBlank(keys: Uint8Array, at: number): boolean {
  for (let i = at; i < at + KEY_BYTES; i++) if (keys[i] !== 0) return false;
  return true;
}

function writeAddress(addresses: AddressTable, id: number, keys: Uint8Array, at: number): void {
  if (id !== MISSING) addresses.copyTo(id, keys, at);
}

/** Whether the first of two addresses is the greater one, as bytes. */
function isGreater(keys: Uint8Array, at: number): boolean {
  for (let i = at; i < at + ADDRESS_BYTES; i++) {
    const difference = keys[i]! - keys[i + ADDRESS_BYTES]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function swap(keys: Uint8Array, at: number): void {
  for (let i = at; i < at + ADDRESS_BYTES; i++) {
    const byte = keys[i]!;
    keys[i] = keys[i + ADDRESS_BYTES]!;
    keys[i + ADDRESS_BYTES] = byte;
  }
}

/** Records by partition, in their order within a partition (a counting sort). */
function orderByPartition(hashes: Uint32Array, partitions: number): Uint32Array {
  const ends = new Uint32Array(partitions + 1);
  for (const hash of hashes) ends[partitionOf(hash, partitions) + 1]!++;
  for (let p = 0; p < partitions; p++) ends[p + 1] = ends[p + 1]! + ends[p]!;
  const order = new Uint32Array(hashes.length);
  for (let r = 0; r < hashes.length; r++) order[ends[partitionOf(hashes[r]!, partitions)]!++] = r;
  return order;
}

/** End of the request that begins with `order[from]`; a request has at least one record. */
function endOfRequest(
  order: Uint32Array,
  flows: KeyedFlows,
  partitions: number,
  from: number,
  { messagesMax, bytesMax }: RequestLimits,
): number {
  const { hashes, offsets } = flows;
  const keyBytes = keyBytesOf(flows);
  const partition = partitionOf(hashes[order[from]!]!, partitions);
  let bytes = BATCH_OVERHEAD_BYTES;
  for (let i = from; i < order.length; i++) {
    const record = order[i]!;
    bytes += offsets[record + 1]! - offsets[record]! + keyBytes + RECORD_OVERHEAD_BYTES;
    const isOther = partitionOf(hashes[record]!, partitions) !== partition;
    if (i > from && (isOther || bytes > bytesMax || i - from === messagesMax)) return i;
  }
  return order.length;
}

/** Copies the request's own records, so that it does not keep all others alive. */
function request(
  all: KeyedFlows,
  order: Uint32Array,
  lane: number,
  isPartition: boolean,
): KafkaMessage {
  const count = order.length;
  const keyBytes = keyBytesOf(all);
  let valueBytes = 0;
  for (const r of order) valueBytes += all.offsets[r + 1]! - all.offsets[r]!;
  const bytes = new Uint8Array(count * keyBytes + valueBytes);
  const flows = {
    keys: bytes.subarray(0, count * keyBytes),
    values: bytes.subarray(count * keyBytes),
    hashes: new Uint32Array(count),
    offsets: new Uint32Array(count + 1),
    packets: new Float64Array(count),
    octets: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const r = order[i]!;
    flows.keys.set(all.keys.subarray(r * keyBytes, (r + 1) * keyBytes), i * keyBytes);
    copyFlow(all, r, flows, i);
  }
  const { keys, values, offsets, packets, octets } = flows;
  return {
    bytes,
    amount: { flows: count, packets: sumOf(packets), bytes: sumOf(octets) },
    lane,
    flows,
    records: isPartition ? { partition: lane, keys, values, offsets } : undefined,
  };
}

function keyBytesOf({ keys, hashes }: KeyedFlows): number {
  return keys.length / hashes.length;
}

/** Appends the value of record `r` as flow `i`. */
function copyFlow(all: KeyedFlows, r: number, flows: KeyedFlows, i: number): void {
  const start = all.offsets[r]!;
  const stop = all.offsets[r + 1]!;
  const end = flows.offsets[i]!;
  flows.values.set(all.values.subarray(start, stop), end);
  flows.offsets[i + 1] = end + stop - start;
  flows.hashes[i] = all.hashes[r]!;
  flows.packets[i] = all.packets[r]!;
  flows.octets[i] = all.octets[r]!;
}

function sumOf(numbers: Float64Array): number {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
}
