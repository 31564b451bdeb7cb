/**
 * What reading bytes of a packet came to. `cut`: they end in the middle, and what was read is
 * right; `malformed`: they contradict themselves, and what was read before that is kept.
 */
export type Outcome = 'whole' | 'cut' | 'malformed';
