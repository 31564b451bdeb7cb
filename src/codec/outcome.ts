/**
 * Outcome of reading the bytes of a packet. `cut`: they end in the middle, and the parts read are
 * right; `malformed`: they contradict themselves, and the parts read before that are kept.
 */
export type Outcome = 'whole' | 'cut' | 'malformed';
