/** Makes DNS messages, byte by byte, after RFC 1035. */

export const Type = { A: 1, CNAME: 5, TXT: 16, AAAA: 28, OPT: 41 } as const;

/** Flags of the header. */
export const Flag = { response: 0x8000, truncated: 0x0200, recursion: 0x0180 } as const;

export interface Question {
  readonly name: Buffer;
  readonly type: number;
}

export interface Answer {
  readonly name: Buffer;
  readonly type: number;
  readonly ttlS?: number;
  readonly data: Buffer;
}

/** Labels as given, without interpretation of dots or escapes, and the root. */
export function labels(...parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat([...parts.flatMap((part) => label(part)), Buffer.of(0)]);
}

/** A dotted name without escapes. */
export function name(text: string): Buffer {
  return text === '' ? labels() : labels(...text.split('.'));
}

function label(part: string | Buffer): [Buffer, Buffer] {
  const bytes = Buffer.from(part as string, 'latin1');
  return [Buffer.of(bytes.length), bytes];
}

/** A compression pointer to the name at that offset of the message. */
export function pointer(offset: number): Buffer {
  return Buffer.of(0xc0 | (offset >>> 8), offset & 0xff);
}

/** Offset of the first question's name. */
export const FIRST_NAME = 12;

export function message(
  id: number,
  flags: number,
  questions: readonly Question[],
  answers: readonly Answer[] = [],
  additionals: readonly Answer[] = [],
): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(questions.length, 4);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(additionals.length, 10);
  return Buffer.concat([
    header,
    ...questions.flatMap((question) => [question.name, u16(question.type, 1)]),
    ...[...answers, ...additionals].flatMap(({ name: of, type, ttlS = 300, data }) => {
      const ttl = Buffer.alloc(4);
      ttl.writeUInt32BE(ttlS);
      return [of, u16(type, 1), ttl, u16(data.length), data];
    }),
  ]);
}

/** The record that EDNS adds (RFC 6891 §6.1.3), with the upper bits of a response code. */
export function edns(code: number): Answer {
  return { name: labels(), type: Type.OPT, ttlS: (code >>> 4) * 2 ** 24, data: Buffer.alloc(0) };
}

/** The message as sent over TCP (RFC 7766 §8). */
export function onStream(content: Buffer): Buffer {
  return Buffer.concat([u16(content.length), content]);
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}
