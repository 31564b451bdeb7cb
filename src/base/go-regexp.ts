/**
 * Regular expressions in Go's syntax (RE2), as used in configurations of the NetObserv family.
 * JavaScript rejects some of it, such as `(?i)`, and misreads other parts: it takes `[[:digit:]]`
 * for one of `[:dgit` followed by `]`.
 */

/** Throws a SyntaxError whose message says what is wrong. */
export function goRegExp(pattern: string): RegExp {
  return new RegExp(new Translation(pattern).text(), 'u');
}

/** Contents of the classes named between `[:` and `:]`. */
const POSIX: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

const SPACES = '\\t\\n\\f\\r ';
/** Escapes with the same meaning in both syntaxes, inside and outside of a class. */
const SHARED = /^\\(?:[dDwWfnrtv]|x[0-9A-Fa-f]{2})/;
/** Other escapes: a code, in hexadecimal or octal; a property; a literal character. */
const HEX = 'x\\{([0-9A-Fa-f]+)\\}';
const OCTAL = '(0[0-7]{0,2}|[1-7][0-7]{1,2})';
const PROPERTY = '([pP]\\w|[pP]\\{\\w+\\})';
const OWN = new RegExp(`^\\\\(?:${HEX}|${OCTAL}|${PROPERTY}|([!-/:-@[-\`{-~]))`);
const GROUP = /^\(\?(?:P?<(?<name>\w+)>|(?<flags>[imsU]*(?:-[imsU]+)?)(?<end>[:)]))/;
const REPEAT = /^\{\d+(?:,\d*)?\}/;

class Translation {
  #rest: string;
  #out = '';
  /** The modifiers set in each open group; each modifier becomes a group of its own. */
  readonly #modifiers: string[][] = [[]];

  constructor(pattern: string) {
    this.#rest = pattern;
  }

  text(): string {
    while (this.#rest !== '') this.#token();
    if (this.#modifiers.length > 1) throw new SyntaxError('a group is not closed');
    this.#closeModifiers();
    return this.#out;
  }

  #token(): void {
    const [first] = this.#rest;
    switch (first) {
      case '\\':
        this.#escape();
        return;
      case '[':
        this.#class();
        return;
      case '(':
        this.#group();
        return;
      case ')':
        if (this.#modifiers.length === 1) throw new SyntaxError('a group is not opened');
        this.#closeModifiers();
        this.#modifiers.pop();
        this.#take(1, ')');
        return;
      case '|':
        // Modifiers stay in force in the next alternative, as parts of it.
        this.#closeModifiers();
        this.#take(1, '|');
        this.#openModifiers();
        return;
      case '{': {
        const repeat = REPEAT.exec(this.#rest)?.[0];
        this.#take(repeat?.length ?? 1, repeat ?? '\\{');
        return;
      }
      case '}':
      case ']':
        this.#take(1, `\\${first}`);
        return;
      default:
        this.#take(first!.length, first!);
        return;
    }
  }

  #take(length: number, out: string): void {
    this.#rest = this.#rest.slice(length);
    this.#out += out;
  }

  #group(): void {
    if (this.#rest[1] !== '?') {
      this.#modifiers.push([]);
      this.#take(1, '(');
      return;
    }
    const match = GROUP.exec(this.#rest);
    const { name, flags = '', end } = match?.groups ?? {};
    if (match === null || flags.includes('U')) {
      throw new SyntaxError(`there is no group such as ${this.#rest.slice(0, 4)}`);
    }
    const [{ length }] = match;
    if (end === ')') {
      if (flags === '') throw new SyntaxError('(?) sets nothing');
      this.#modifiers.at(-1)!.push(`(?${flags}:`);
      this.#take(length, `(?${flags}:`);
      return;
    }
    this.#modifiers.push([]);
    this.#take(length, name === undefined ? `(?${flags}:` : `(?<${name}>`);
  }

  #openModifiers(): void {
    this.#out += this.#modifiers.at(-1)!.join('');
  }

  #closeModifiers(): void {
    this.#out += ')'.repeat(this.#modifiers.at(-1)!.length);
  }

  #escape(): void {
    const quoted = /^\\Q(.*?)(?:\\E|$)/s.exec(this.#rest)?.[1];
    if (quoted !== undefined) {
      const length = 2 + quoted.length;
      const out = [...quoted].map(literal).join('');
      this.#take(length + (this.#rest.startsWith('\\E', length) ? 2 : 0), out);
      return;
    }
    const outside: Readonly<Record<string, string>> = {
      ...{ '\\A': '(?-m:^)', '\\z': '(?-m:$)', '\\b': '\\b', '\\B': '\\B' },
      ...{ '\\s': `[${SPACES}]`, '\\S': `[^${SPACES}]` },
    };
    const known = outside[this.#rest.slice(0, 2)];
    if (known !== undefined) {
      this.#take(2, known);
      return;
    }
    this.#character();
  }

  /** An escape that stands for a character, or for a class that may be inside another class. */
  #character(): void {
    const rest = this.#rest;
    const shared = SHARED.exec(rest)?.[0];
    if (shared !== undefined) {
      this.#take(shared.length, shared);
      return;
    }
    const [whole, hex, octal, property, sign] = OWN.exec(rest) ?? [];
    if (whole === undefined && !rest.startsWith('\\a')) {
      throw new SyntaxError(`there is no escape ${rest.slice(0, 2)}`);
    }
    if (hex !== undefined) {
      this.#take(whole!.length, `\\u{${hex}}`);
      return;
    }
    if (property !== undefined) {
      const word = property.slice(1).replace(/[{}]/g, '');
      // JavaScript requires `Script=` before the name of a script.
      const of = word.length > 2 ? `Script=${word}` : word;
      this.#take(whole!.length, `\\${property[0]}{${of}}`);
      return;
    }
    if (sign !== undefined) {
      this.#take(whole!.length, literal(sign));
      return;
    }
    const code = octal === undefined ? 7 : Number.parseInt(octal, 8);
    this.#take(whole?.length ?? 2, `\\u{${code.toString(16)}}`);
  }

  #class(): void {
    const negated = this.#rest.startsWith('[^');
    this.#take(negated ? 2 : 1, negated ? '[^' : '[');
    // A bracket that comes first does not close it.
    for (let isFirst = true; isFirst || !this.#rest.startsWith(']'); isFirst = false) {
      if (this.#rest === '') throw new SyntaxError('a class is not closed');
      this.#member();
    }
    this.#take(1, ']');
  }

  #member(): void {
    const rest = this.#rest;
    const [named, not, name = ''] = /^\[:(\^?)(\w+):\]/.exec(rest) ?? [];
    if (named !== undefined) {
      const members = POSIX[name];
      if (members === undefined || not === '^') {
        throw new SyntaxError(`there is no class ${named}`);
      }
      this.#take(named.length, members);
      return;
    }
    if (rest.startsWith('\\s')) {
      this.#take(2, SPACES);
      return;
    }
    if (rest.startsWith('\\')) {
      this.#character();
      return;
    }
    const [first] = rest;
    this.#take(first!.length, first === '-' ? '-' : literal(first!));
  }
}

/** The character itself, without any special meaning. */
function literal(character: string): string {
  return /[\w\s]/.test(character) || character.codePointAt(0)! > 0x7f
    ? character
    : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}
