/** "Among interfaces with one number, this one has the flows whose MACs begin like this." */
export interface MacPreference {
  /** Halves of a MAC as the datapath's values have them: little-endian words. */
  readonly lowMask: number;
  readonly low: number;
  readonly highMask: number;
  readonly high: number;
  readonly name: string;
}

const MAC_BYTES = 6;
const WORD_BYTES = 4;
/** IFNAMSIZ without the terminating zero. */
const NAME_MAX = 15;

/** Parses `0a:58=eth0`. Returns the reason, a sentence, when the text is something else. */
export function parseMacPreference(text: string): MacPreference | string {
  const [, prefix, name] = /^((?:[0-9a-f]{2}:){0,5}[0-9a-f]{2})=(.+)$/i.exec(text) ?? [];
  if (prefix === undefined || name === undefined || name.length > NAME_MAX) {
    return `"${text}" is no MAC prefix and interface, such as 0a:58=eth0`;
  }
  const bytes = new Uint8Array(MAC_BYTES + 2);
  const mask = new Uint8Array(MAC_BYTES + 2);
  for (const [at, octet] of prefix.split(':').entries()) {
    bytes[at] = Number.parseInt(octet, 16);
    mask[at] = 0xff;
  }
  const values = new DataView(bytes.buffer);
  const masks = new DataView(mask.buffer);
  return {
    low: values.getUint32(0, true),
    lowMask: masks.getUint32(0, true),
    high: values.getUint32(WORD_BYTES, true),
    highMask: masks.getUint32(WORD_BYTES, true),
    name,
  };
}

/** Parses PREFERRED_INTERFACE_FOR_MAC_PREFIX, which has been checked. */
export function macPreferences(texts: readonly string[]): readonly MacPreference[] {
  return texts.map(parseMacPreference).filter((preference) => typeof preference !== 'string');
}

export function prefers(preference: MacPreference, low: number, high: number): boolean {
  return (
    (low & preference.lowMask) >>> 0 === preference.low &&
    (high & preference.highMask) >>> 0 === preference.high
  );
}
