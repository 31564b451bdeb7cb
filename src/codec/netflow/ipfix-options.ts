/** A set that is sent in its own message. */
export interface OptionsSet {
  readonly bytes: Uint8Array;
  /** Data records in it. */
  readonly records: number;
}

const OPTIONS_TEMPLATE_SET_ID = 3;
/** Follows the templates of flows. */
const SAMPLING_TEMPLATE_ID = 258;
const SCOPE = { id: 149, bytes: 4 }; // observationDomainId
const FIELDS = [
  { id: 34, bytes: 4 }, // samplingInterval
  { id: 35, bytes: 1 }, // samplingAlgorithm
];
/** Value of samplingAlgorithm: each packet is drawn at random. */
const RANDOM = 2;

/**
 * An options template (RFC 7011, section 3.4.2.2) and its record, which state that one packet in
 * `oneIn` is sampled; nothing for 0.
 *
 * nfdump and goflow2 learn the rate only from these records. IANA defines samplingPacketInterval
 * (305) and samplingPacketSpace (306) instead, but goflow2 takes 305 alone for the rate.
 */
export function samplingOption(domain: number, oneIn: number): readonly OptionsSet[] {
  if (oneIn === 0) return [];
  return [
    { bytes: template(), records: 0 },
    { bytes: record(domain, oneIn), records: 1 },
  ];
}

function template(): Uint8Array {
  const elements = [SCOPE, ...FIELDS];
  const bytes = new Uint8Array(10 + elements.length * 4);
  const view = new DataView(bytes.buffer);
  const header = [OPTIONS_TEMPLATE_SET_ID, bytes.length, SAMPLING_TEMPLATE_ID, elements.length, 1];
  for (const [index, value] of header.entries()) view.setUint16(index * 2, value);
  for (const [index, element] of elements.entries()) {
    view.setUint16(10 + index * 4, element.id);
    view.setUint16(12 + index * 4, element.bytes);
  }
  return bytes;
}

function record(domain: number, oneIn: number): Uint8Array {
  const bytes = new Uint8Array(13);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, SAMPLING_TEMPLATE_ID);
  view.setUint16(2, bytes.length);
  view.setUint32(4, domain);
  view.setUint32(8, oneIn);
  view.setUint8(12, RANDOM);
  return bytes;
}
