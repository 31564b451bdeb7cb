/**
 * The stack depth of a BPF program, read from its object: kernels differ in how they round each
 * function's share, and an older kernel may refuse a program that loads here.
 */

/** An instruction, struct bpf_insn. */
const INSTRUCTION_BYTES = 8;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 16;

const SectionType = { program: 1, symbols: 2, relocations: 9 };
const FUNCTION = 2;
/** Section of symbols outside the object: functions of the kernel. */
const KERNEL = 0;

/** Opcodes and registers (Linux Documentation/bpf/standardization/instruction-set.rst). */
const CALL = 0x85;
const CALL_OF_FUNCTION = 1;
const LOAD_64 = 0x18;
const MOVE_REGISTER = 0xbf;
const ADD_NUMBER = 0x07;
const FRAME_POINTER = 10;
const CLASS_MASK = 7;
const MEMORY_CLASSES = { load: 1, storeNumber: 2, storeRegister: 3 };

interface Section {
  readonly type: number;
  readonly link: number;
  /** For relocations: the section that contains them. */
  readonly info: number;
  readonly body: Buffer;
}

interface BpfFunction {
  readonly name: string;
  readonly stackBytes: number;
  /** Keys of the functions that it calls. */
  readonly calls: readonly string[];
}

export interface DeepestChain {
  readonly bytes: number;
  /** In order, from the program. */
  readonly functions: readonly string[];
}

/** The deepest chain of calls, if every function's share is rounded up to `roundBytes`. */
export function deepestChain(object: Buffer, roundBytes: number): DeepestChain {
  const functions = functionsOf(object);
  const known = new Map<string, DeepestChain>();
  const from = (key: string): DeepestChain => {
    const done = known.get(key);
    if (done !== undefined) return done;
    const { name, stackBytes, calls } = functions.get(key)!;
    const below = deepest(calls.map(from));
    // A function without locals takes a share, too.
    const own = Math.max(1, Math.ceil(stackBytes / roundBytes)) * roundBytes;
    const chain = { bytes: own + below.bytes, functions: [name, ...below.functions] };
    known.set(key, chain);
    return chain;
  };
  return deepest([...functions.keys()].map(from));
}

function deepest(chains: readonly DeepestChain[]): DeepestChain {
  const none: DeepestChain = { bytes: 0, functions: [] };
  return chains.reduce((most, chain) => (chain.bytes > most.bytes ? chain : most), none);
}

function functionsOf(object: Buffer): ReadonlyMap<string, BpfFunction> {
  const sections = sectionsOf(object);
  const symbolTable = sections.find(({ type }) => type === SectionType.symbols)!;
  const names = sections[symbolTable.link]!.body;
  const symbols = records(symbolTable.body, SYMBOL_BYTES).map((entry) => ({
    name: names.toString('latin1', entry.readUInt32LE(0), names.indexOf(0, entry.readUInt32LE(0))),
    type: entry[4]! & 15,
    section: entry.readUInt16LE(6),
    value: Number(entry.readBigUInt64LE(8)),
    size: Number(entry.readBigUInt64LE(16)),
  }));
  /** Section and offset of a call → the symbol that it refers to. */
  const referred = new Map<string, (typeof symbols)[number]>();
  for (const { info, body } of sections.filter(({ type }) => type === SectionType.relocations)) {
    for (const entry of records(body, RELOCATION_BYTES)) {
      const symbol = symbols[entry.readUInt32LE(12)]!;
      referred.set(keyOf(info, Number(entry.readBigUInt64LE(0))), symbol);
    }
  }
  const functions = new Map<string, BpfFunction>();
  for (const { name, type, section, value, size } of symbols) {
    if (type !== FUNCTION || sections[section]?.type !== SectionType.program) continue;
    const code = sections[section].body.subarray(value, value + size);
    const calls = callsOf(code).flatMap(({ at, imm }) => {
      const symbol = referred.get(keyOf(section, value + at));
      const next = (imm + 1) * INSTRUCTION_BYTES;
      if (symbol === undefined) return [keyOf(section, value + at + next)];
      if (symbol.section === KERNEL) return [];
      return [keyOf(symbol.section, symbol.value + (symbol.type === FUNCTION ? 0 : next))];
    });
    functions.set(keyOf(section, value), { name, stackBytes: stackOf(code), calls });
  }
  return functions;
}

function keyOf(section: number, offset: number): string {
  return `${section}:${offset}`;
}

function sectionsOf(object: Buffer): readonly Section[] {
  const table = Number(object.readBigUInt64LE(40));
  const size = object.readUInt16LE(60) * SECTION_HEADER_BYTES;
  return records(object.subarray(table, table + size), SECTION_HEADER_BYTES).map((head) => {
    const start = Number(head.readBigUInt64LE(24));
    return {
      type: head.readUInt32LE(4),
      link: head.readUInt32LE(40),
      info: head.readUInt32LE(44),
      body: object.subarray(start, start + Number(head.readBigUInt64LE(32))),
    };
  });
}

function records(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

function callsOf(code: Buffer): readonly { readonly at: number; readonly imm: number }[] {
  const calls: { at: number; imm: number }[] = [];
  for (let at = 0; at < code.length; at += INSTRUCTION_BYTES) {
    if (code[at] === CALL && code[at + 1]! >> 4 === CALL_OF_FUNCTION) {
      calls.push({ at, imm: code.readInt32LE(at + 4) });
    }
    if (code[at] === LOAD_64) at += INSTRUCTION_BYTES;
  }
  return calls;
}

/** Bytes below the frame pointer that a function reads, writes, or takes the address of. */
function stackOf(code: Buffer): number {
  let lowest = 0;
  /** Registers that hold the frame pointer since the previous instruction. */
  let copy = -1;
  for (let at = 0; at < code.length; at += INSTRUCTION_BYTES) {
    const opcode = code[at]!;
    const target = code[at + 1]! & 15;
    const source = code[at + 1]! >> 4;
    const offset = code.readInt16LE(at + 2);
    const kind = opcode & CLASS_MASK;
    if (kind === MEMORY_CLASSES.load && source === FRAME_POINTER) lowest = Math.min(lowest, offset);
    if (
      (kind === MEMORY_CLASSES.storeNumber || kind === MEMORY_CLASSES.storeRegister) &&
      target === FRAME_POINTER
    ) {
      lowest = Math.min(lowest, offset);
    }
    if (opcode === ADD_NUMBER && target === copy) {
      lowest = Math.min(lowest, code.readInt32LE(at + 4));
    }
    copy = opcode === MOVE_REGISTER && source === FRAME_POINTER ? target : -1;
    if (opcode === LOAD_64) at += INSTRUCTION_BYTES;
  }
  return -lowest;
}
