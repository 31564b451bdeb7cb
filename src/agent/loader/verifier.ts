/** Lines of a refusal that are shown: the last instructions and, after them, the reason. */
const WORDS_MAX = 4;
/** libbpf puts these around the verifier's log. */
const BEGIN = '-- BEGIN PROG LOAD LOG --';
const END = '-- END PROG LOAD LOG --';
/** Statistics that the verifier prints after its reason. */
const STATISTICS = /^(processed \d+ insns|verification time|stack depth)/;

/** libbpf's words about the program that could not be loaded. */
const REFUSED_PROGRAM = /libbpf: prog '([^']+)': /g;

/**
 * The verifier's last lines in a failure to load, or in its cause: they include the reason. Empty
 * when the verifier was not involved.
 */
export function verifierWords(error: unknown): readonly string[] {
  const log = logOf(error);
  return log === undefined ? [] : lastWords(log);
}

/** The program that the kernel refused, or whose function the kernel does not have. */
export function refusedProgram(error: unknown): string | undefined {
  return [...(logOf(error) ?? '').matchAll(REFUSED_PROGRAM)].at(-1)?.[1];
}

function logOf(error: unknown): string | undefined {
  let current = error;
  // A chain longer than this is a loop.
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    const log = 'verifierLog' in current ? current.verifierLog : undefined;
    if (typeof log === 'string') return log;
    current = current.cause;
  }
  return undefined;
}

/** Only the end of a long log is kept, so its beginning may be missing. */
function lastWords(log: string): readonly string[] {
  const end = log.lastIndexOf(END);
  const whole = end < 0 ? log : log.slice(0, end);
  const begin = whole.lastIndexOf(BEGIN);
  return whole
    .slice(begin < 0 ? 0 : begin + BEGIN.length)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !STATISTICS.test(line) && !line.startsWith('libbpf: '))
    .slice(-WORDS_MAX);
}
