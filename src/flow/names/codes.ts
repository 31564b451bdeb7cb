/**
 * Names of a field that is text in a batch and a number in sent flows. They map both ways:
 * `codeOf(nameOf(code)) = code`.
 */
export interface Codes {
  nameOf(code: number): string;
  /** 0, which is never sent, for a text that is not a name. */
  codeOf(name: string): number;
}

interface Unknown {
  nameOf(code: number): string;
  codeOf(name: string): number;
}

export function codesOf(names: Readonly<Record<string, number>>, unknown: Unknown): Codes {
  const byName = new Map(Object.entries(names));
  const byCode = new Map(Object.entries(names).map(([name, code]) => [code, name]));
  return {
    nameOf: (code) => byCode.get(code) ?? unknown.nameOf(code),
    codeOf: (name) => byName.get(name) ?? unknown.codeOf(name),
  };
}

/** Codes without a name are written in hexadecimal, with this many digits. */
export function hexadecimal(digits: number, upperCase = false): Unknown {
  const shape = new RegExp(`^0x[0-9a-f]{${digits}}$`, 'i');
  return {
    nameOf(code) {
      const text = code.toString(16).padStart(digits, '0');
      return `0x${upperCase ? text.toUpperCase() : text}`;
    },
    codeOf: (name) => (shape.test(name) ? Number.parseInt(name, 16) : 0),
  };
}
