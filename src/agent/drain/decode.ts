import { assert } from '../../base/assert.ts';
import { type FlowBatch, type ListColumn, pushList } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { Direction, hasPorts, Protocol } from '../../flow/enums.ts';
import { type AddressTable, MISSING } from '../../flow/intern.ts';
import type { InterfaceNames } from '../interfaces/names.ts';
import type { DrainBuffer, DrainFacts } from './buffer.ts';
import { flowKey, flowMetrics, ifindexSeen } from './layout.gen.ts';
import { OBSERVED_AT, OBSERVED_END, OBSERVED_WORDS, observedName, SEEN_AT } from './observed.ts';

// Read from their tables once: the loops below compare numbers.
const { ICMP, TCP, 'IPv6-ICMP': ICMPV6 } = Protocol;
const { Ingress: INGRESS, Egress: EGRESS, Both: BOTH } = Direction;

const WORD = 2 ** 32;
const NS_PER_MS = 1e6;

/**
 * Fills an empty batch with the first `length` entries of a buffer, one column at a time; columns
 * that are not in its layout cost nothing.
 */
export function decodeFlows(
  buffer: DrainBuffer,
  length: number,
  batch: FlowBatch,
  facts: DrainFacts,
): void {
  assert(length <= batch.capacity, 'a drain fits a batch');
  batch.length = length;
  batch.receivedMs = facts.nowMs;
  decodeTimes(batch, buffer, facts);
  decodeAddresses(batch, buffer, facts);
  decodeTransport(batch, buffer);
  decodeMacs(batch, buffer);
  decodeInterfaces(batch, buffer, facts);
  decodeCounters(batch, buffer);
}

function decodeTimes(batch: FlowBatch, buffer: DrainBuffer, facts: DrainFacts): void {
  const { values32 } = buffer;
  const stride = buffer.valueBytes >> 2;
  const { length } = batch;
  if (batch.has('TimeFlowStartMs')) {
    const into = batch.f64('TimeFlowStartMs');
    epochMs(length, values32, stride, flowMetrics.startNs >> 2, facts.bootOffsetMs, into);
    batch.markPresent('TimeFlowStartMs');
  }
  if (batch.has('TimeFlowEndMs')) {
    const into = batch.f64('TimeFlowEndMs');
    epochMs(length, values32, stride, flowMetrics.endNs >> 2, facts.bootOffsetMs, into);
    batch.markPresent('TimeFlowEndMs');
  }
  if (batch.has('TimeReceived')) {
    batch.f64('TimeReceived').fill(Math.floor(facts.nowMs / 1000), 0, length);
    batch.markPresent('TimeReceived');
  }
}

/** When the flows of a buffer began: whole milliseconds of the kernel's monotonic clock. */
export function startsMs(length: number, buffer: DrainBuffer, into: Float64Array): void {
  epochMs(length, buffer.values32, buffer.valueBytes >> 2, flowMetrics.startNs >> 2, 0, into);
}

function decodeAddresses(batch: FlowBatch, buffer: DrainBuffer, facts: DrainFacts): void {
  const { addresses } = batch.tables;
  const { length } = batch;
  if (batch.has('SrcAddr')) {
    internAddresses(length, buffer.keys32, flowKey.srcIp >> 2, addresses, batch.ids('SrcAddr'));
  }
  if (batch.has('DstAddr')) {
    internAddresses(length, buffer.keys32, flowKey.dstIp >> 2, addresses, batch.ids('DstAddr'));
  }
  if (batch.has('AgentIP')) {
    const id = facts.agentIp === '' ? MISSING : addresses.internText(facts.agentIp);
    batch.ids('AgentIP').fill(id, 0, length);
  }
}

function decodeTransport(batch: FlowBatch, buffer: DrainBuffer): void {
  const { keys, keys16, values, values16, valueBytes } = buffer;
  const { length } = batch;
  if (batch.has('Proto')) {
    bytes(length, keys, flowKey.sizeBytes, flowKey.protocol, batch.u8('Proto'));
    batch.markPresent('Proto');
  }
  if (batch.has('Etype')) {
    const at = flowMetrics.ethProtocol >> 1;
    halves(length, values16, valueBytes >> 1, at, batch.u16('Etype'));
    batch.markPresent('Etype');
  }
  if (batch.has('VlanId')) {
    const at = flowMetrics.vlanId >> 1;
    halves(length, values16, valueBytes >> 1, at, batch.u16('VlanId'));
    markNonZero(length, batch.u16('VlanId'), batch.present('VlanId'));
  }
  if (batch.has('Dscp')) {
    bytes(length, values, valueBytes, flowMetrics.dscp, batch.u8('Dscp'));
    batch.markPresent('Dscp');
  }
  const portColumns = [
    ['SrcPort', flowKey.srcPort],
    ['DstPort', flowKey.dstPort],
  ] as const;
  for (const [name, offset] of portColumns) {
    if (!batch.has(name)) continue;
    halves(length, keys16, flowKey.sizeBytes >> 1, offset >> 1, batch.u16(name));
    markPorts(length, keys, batch.present(name));
  }
  if (batch.has('Flags')) {
    const at = flowMetrics.tcpFlags >> 1;
    halves(length, values16, valueBytes >> 1, at, batch.u16('Flags'));
    markTcp(length, keys, batch.present('Flags'));
  }
  const icmpColumns = [
    ['IcmpType', flowKey.icmpType],
    ['IcmpCode', flowKey.icmpCode],
  ] as const;
  for (const [name, offset] of icmpColumns) {
    if (!batch.has(name)) continue;
    bytes(length, keys, flowKey.sizeBytes, offset, batch.u8(name));
    markIcmp(length, keys, batch.present(name));
  }
}

function decodeMacs(batch: FlowBatch, buffer: DrainBuffer): void {
  if (batch.has('SrcMac')) internMacs(batch, buffer, flowMetrics.srcMac >> 1, 'SrcMac');
  if (batch.has('DstMac')) internMacs(batch, buffer, flowMetrics.dstMac >> 1, 'DstMac');
}

function decodeInterfaces(batch: FlowBatch, buffer: DrainBuffer, facts: DrainFacts): void {
  const { length } = batch;
  if (batch.has('Interfaces')) {
    interfaceNames(batch, buffer, batch.list('Interfaces'), facts.names);
  }
  if (batch.has('IfDirections')) {
    interfaceDirections(length, buffer, batch.list('IfDirections'));
  }
  if (batch.has('InIf')) firstInterface(length, buffer, ifindexSeen.seenIngress, batch, 'InIf');
  if (batch.has('OutIf')) firstInterface(length, buffer, ifindexSeen.seenEgress, batch, 'OutIf');
  if (batch.has('FlowDirection')) {
    const into = batch.u8('FlowDirection');
    firstDirections(length, buffer, into);
    batch.markPresent('FlowDirection');
  }
}

function decodeCounters(batch: FlowBatch, buffer: DrainBuffer): void {
  const { values32 } = buffer;
  const stride = buffer.valueBytes >> 2;
  const { length } = batch;
  if (batch.has('Bytes')) {
    doubles(length, values32, stride, flowMetrics.bytes >> 2, batch.f64('Bytes'));
    batch.markPresent('Bytes');
  }
  if (batch.has('Packets')) {
    doubles(length, values32, stride, flowMetrics.packets >> 2, batch.f64('Packets'));
    batch.markPresent('Packets');
  }
  if (batch.has('Sampling')) {
    words(length, values32, stride, flowMetrics.sampling >> 2, batch.u32('Sampling'));
    batch.markPresent('Sampling');
  }
}

// The loops below run over bare typed arrays. Offsets and strides are in elements of the source.

const KEY_WORDS = flowKey.sizeBytes >> 2;

function bytes(
  length: number,
  from: Uint8Array,
  stride: number,
  offset: number,
  into: Uint8Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) into[row] = from[at]!;
}

function halves(
  length: number,
  from: Uint16Array,
  stride: number,
  offset: number,
  into: Uint16Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) into[row] = from[at]!;
}

function words(
  length: number,
  values: Uint32Array,
  stride: number,
  offset: number,
  into: Uint32Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) into[row] = values[at]!;
}

/** 64-bit counters, exact to 2^53. */
function doubles(
  length: number,
  values: Uint32Array,
  stride: number,
  offset: number,
  into: Float64Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) {
    into[row] = values[at]! + values[at + 1]! * WORD;
  }
}

function epochMs(
  length: number,
  values: Uint32Array,
  stride: number,
  offset: number,
  bootOffsetMs: number,
  into: Float64Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += stride) {
    const ns = values[at]! + values[at + 1]! * WORD;
    into[row] = Math.round(ns / NS_PER_MS + bootOffsetMs);
  }
}

function internAddresses(
  length: number,
  keys: Uint32Array,
  offset: number,
  addresses: AddressTable,
  into: Uint32Array,
): void {
  for (let row = 0, at = offset; row < length; row++, at += KEY_WORDS) {
    into[row] = addresses.internWords(keys, at);
  }
}

/** Flows of devices without link-layer addresses have all zeros: no MAC, not a MAC. */
function internMacs(
  batch: FlowBatch,
  buffer: DrainBuffer,
  offset: number,
  name: 'SrcMac' | 'DstMac',
): void {
  const { values16 } = buffer;
  const { macs } = batch.tables;
  const into = batch.ids(name);
  const stride = buffer.valueBytes >> 1;
  for (let row = 0, at = offset; row < batch.length; row++, at += stride) {
    const low = (values16[at]! | (values16[at + 1]! << 16)) >>> 0;
    const high = values16[at + 2]!;
    into[row] = low === 0 && high === 0 ? MISSING : macs.intern(low, high);
  }
}

function markPorts(length: number, keys: Uint8Array, present: Uint32Array): void {
  for (let row = 0, at: number = flowKey.protocol; row < length; row++, at += flowKey.sizeBytes) {
    if (hasPorts(keys[at]!)) setBit(present, row);
  }
}

/** An untagged frame has no VLAN, rather than number 0. */
function markNonZero(length: number, values: Uint16Array, present: Uint32Array): void {
  for (let row = 0; row < length; row++) if (values[row] !== 0) setBit(present, row);
}

function markTcp(length: number, keys: Uint8Array, present: Uint32Array): void {
  for (let row = 0, at: number = flowKey.protocol; row < length; row++, at += flowKey.sizeBytes) {
    if (keys[at] === TCP) setBit(present, row);
  }
}

function markIcmp(length: number, keys: Uint8Array, present: Uint32Array): void {
  for (let row = 0, at: number = flowKey.protocol; row < length; row++, at += flowKey.sizeBytes) {
    const protocol = keys[at]!;
    if (protocol === ICMP || protocol === ICMPV6) setBit(present, row);
  }
}

/** Lists of the two columns have the same lengths: an entry for each slot up to the first empty. */
function interfaceNames(
  { length, tables }: FlowBatch,
  buffer: DrainBuffer,
  column: ListColumn,
  names: InterfaceNames,
): void {
  const { values32: values } = buffer;
  const stride = buffer.valueBytes >> 2;
  let end = 0;
  for (let row = 0, base = 0; row < length; row++, base += stride) {
    for (let at = base + OBSERVED_AT; at < base + OBSERVED_END; at += OBSERVED_WORDS) {
      if (values[at + SEEN_AT] === 0) break;
      end = pushList(column, end, observedName(buffer, row, at, names, tables));
    }
    column.offsets[row + 1] = end;
  }
}

function interfaceDirections(
  length: number,
  { values32: values, valueBytes }: DrainBuffer,
  column: ListColumn,
): void {
  const stride = valueBytes >> 2;
  let end = 0;
  for (let row = 0, base = 0; row < length; row++, base += stride) {
    for (let at = base + OBSERVED_AT; at < base + OBSERVED_END; at += OBSERVED_WORDS) {
      const seen = values[at + SEEN_AT]!;
      if (seen === 0) break;
      end = pushList(column, end, directionOf(seen));
    }
    column.offsets[row + 1] = end;
  }
}

/** Number of the first interface that saw the flow in a direction, if there is one. */
function firstInterface(
  length: number,
  { values32: values, valueBytes }: DrainBuffer,
  direction: number,
  batch: FlowBatch,
  name: 'InIf' | 'OutIf',
): void {
  const stride = valueBytes >> 2;
  const into = batch.u32(name);
  const present = batch.present(name);
  for (let row = 0, base = 0; row < length; row++, base += stride) {
    for (let at = base + OBSERVED_AT; at < base + OBSERVED_END; at += OBSERVED_WORDS) {
      const seen = values[at + SEEN_AT]!;
      if (seen === 0) break;
      if ((seen & direction) === 0) continue;
      into[row] = seen & ifindexSeen.ifindexMask;
      setBit(present, row);
      break;
    }
  }
}

/** Direction at the interface that saw the flow first; 0, ingress, for flows that no hook saw. */
function firstDirections(
  length: number,
  { values32: values, valueBytes }: DrainBuffer,
  into: Uint8Array,
): void {
  const stride = valueBytes >> 2;
  for (let row = 0, at = OBSERVED_AT + SEEN_AT; row < length; row++, at += stride) {
    into[row] = (values[at]! & ifindexSeen.firstEgress) === 0 ? INGRESS : EGRESS;
  }
}

function directionOf(seen: number): number {
  const egress = (seen & ifindexSeen.seenEgress) !== 0;
  const ingress = (seen & ifindexSeen.seenIngress) !== 0;
  if (egress && ingress) return BOTH;
  return egress ? EGRESS : INGRESS;
}

/** Packets and bytes of the first `length` entries, for the accounting. */
export function sumFlows(
  buffer: DrainBuffer,
  length: number,
): { readonly packets: number; readonly bytes: number } {
  return {
    packets: sumDoubles(length, buffer, flowMetrics.packets >> 2),
    bytes: sumDoubles(length, buffer, flowMetrics.bytes >> 2),
  };
}

function sumDoubles(
  length: number,
  { values32: values, valueBytes }: DrainBuffer,
  offset: number,
): number {
  const stride = valueBytes >> 2;
  let sum = 0;
  for (let row = 0, at = offset; row < length; row++, at += stride) {
    sum += values[at]! + values[at + 1]! * WORD;
  }
  return sum;
}
