import { shown } from '../../../../base/shown.ts';
import { OPERATORS } from './ast.ts';

export interface Token {
  readonly kind: 'word' | 'text' | 'number' | 'sign' | 'end';
  /** The word, the sign, the number as written, or the contents of the text. */
  readonly text: string;
  /** Where it begins, in characters from 0. */
  readonly at: number;
}

/** A mistake in an expression; the caller adds the place of the expression. */
export class ExpressionError extends Error {
  readonly at: number;

  constructor(at: number, problem: string) {
    super(problem);
    this.at = at;
  }
}

const SPACE = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const WORD = /[\p{L}_][\p{L}\p{Nd}_]*/uy;
const NUMBER = /-?\d+(?:\.\d+)?(?![\p{L}\p{Nd}_.])/uy;
const RAW = /`([^`]*)`/y;
const QUOTED = /"((?:[^"\\\n]|\\.)*)"/y;
const SIGNS: readonly string[] = [...OPERATORS, '(', ')', ','].toSorted(
  (a, b) => b.length - a.length,
);

/** Splits an expression into words, texts, numbers and signs; comments are those of Go. */
export function lex(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  for (;;) {
    at += match(SPACE)?.[0].length ?? 0;
    if (at === source.length) break;
    const token = tokenAt(source, at, match);
    tokens.push({ kind: token.kind, text: token.text, at });
    at += token.length;
  }
  return [...tokens, { kind: 'end', text: 'the end', at }];
}

function tokenAt(
  source: string,
  at: number,
  match: (pattern: RegExp) => RegExpExecArray | null,
): Pick<Token, 'kind' | 'text'> & { readonly length: number } {
  const word = match(WORD)?.[0];
  if (word !== undefined) return { kind: 'word', text: word, length: word.length };
  const number = match(NUMBER)?.[0];
  if (number !== undefined) return { kind: 'number', text: number, length: number.length };
  const raw = match(RAW);
  if (raw !== null) return { kind: 'text', text: raw[1]!, length: raw[0].length };
  const quoted = match(QUOTED);
  if (quoted !== null) {
    return { kind: 'text', text: unescaped(quoted[1]!, at + 1), length: quoted[0].length };
  }
  const sign = SIGNS.find((one) => source.startsWith(one, at));
  if (sign !== undefined) return { kind: 'sign', text: sign, length: sign.length };
  const character = String.fromCodePoint(source.codePointAt(at)!);
  const isQuote = character === '"' || character === '`';
  const problem = isQuote ? 'this text has no end' : `unexpected ${shown(character)}`;
  throw new ExpressionError(at, problem);
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '\\': '\\', '"': '"' },
};
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))/g;

/** The escapes of Go's interpreted strings. */
function unescaped(text: string, at: number): string {
  return text.replace(ESCAPE, (all, x, u, long, octal, single, offset: number) => {
    const hex = (x ?? u ?? long) as string | undefined;
    if (hex !== undefined || octal !== undefined) {
      const code =
        hex === undefined ? Number.parseInt(octal as string, 8) : Number.parseInt(hex, 16);
      if (code <= 0x10ffff) return String.fromCodePoint(code);
    }
    const known = ESCAPES[single as string];
    if (known !== undefined) return known;
    const problem = `unknown escape ${shown(all as string)}: a backslash is written \\\\`;
    throw new ExpressionError(at + offset, problem);
  });
}
