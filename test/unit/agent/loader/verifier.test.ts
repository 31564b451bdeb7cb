import { expect, test } from 'vitest';
import { verifierWords } from '../../../../src/agent/loader/verifier.ts';
import { NetobservError } from '../../../../src/base/errors.ts';
import { errorRow } from '../../../support/error-row.ts';

/** As libbpf 1.1 and Linux 6.18 print them. */
const LOG = `libbpf: prog 'refused': BPF program load failed: Permission denied
libbpf: prog 'refused': -- BEGIN PROG LOAD LOG --
0: R1=ctx() R10=fp0
; return *(const __u8 *)(long)skb->data; @ refused.bpf.c:9
0: (61) r1 = *(u32 *)(r1 +76)         ; R1=pkt(r=0)
1: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'refused': failed to load: -13
libbpf: failed to load object 'netobserv'
`;
const WORDS = [
  '0: (61) r1 = *(u32 *)(r1 +76)         ; R1=pkt(r=0)',
  '1: (71) r0 = *(u8 *)(r1 +0)',
  'invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)',
  'R1 offset is outside of the packet',
];

function refused(verifierLog: string): Error {
  return Object.assign(new Error('load BPF object: EACCES'), { verifierLog });
}

test.each<[string, unknown, readonly string[]]>([
  ['the last lines, without what libbpf and statistics add', refused(LOG), WORDS],
  [
    'of the cause',
    new NetobservError(errorRow('ERR_AGENT_LOAD'), 'x', { cause: refused(LOG) }),
    WORDS,
  ],
  [
    'of a log that has lost its beginning',
    refused(LOG.slice(LOG.indexOf('1: (71)'))),
    WORDS.slice(1),
  ],
  ['of the last program, where several were refused', refused(`other reason\n${LOG}`), WORDS],
  ['nothing of an error without a log', new Error('EPERM'), []],
  ['nothing of an empty log', refused(''), []],
  ['nothing of what is no error', 'text', []],
])('%s', (_why, error, words) => {
  expect(verifierWords(error)).toEqual(words);
});

test('a chain of causes that goes round in a circle ends', () => {
  const error = new Error('a');
  error.cause = error;
  expect(verifierWords(error)).toEqual([]);
});
