/** RFC 7011, section 3.1: version, length, export time, sequence number, observation domain. */
export const MESSAGE_HEADER_BYTES = 16;
export const IPFIX_VERSION = 10;

const EXPORT_TIME_AT = 4;
const SEQUENCE_AT = 8;
const DOMAIN_AT = 12;

/** A header whose time and sequence number are set when the message is sent. */
export function writeHeader(bytes: Uint8Array, at: number, length: number, domain: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, MESSAGE_HEADER_BYTES);
  view.setUint16(0, IPFIX_VERSION);
  view.setUint16(2, length);
  view.setUint32(EXPORT_TIME_AT, 0);
  view.setUint32(SEQUENCE_AT, 0);
  view.setUint32(DOMAIN_AT, domain);
}

/**
 * Completes a message that is about to be sent. The sequence number counts the data records sent
 * earlier in this session, modulo 2^32; templates do not count.
 */
export function stampMessage(message: Uint8Array, exportTimeS: number, sequence: number): void {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  view.setUint32(EXPORT_TIME_AT, exportTimeS);
  view.setUint32(SEQUENCE_AT, sequence);
}
