import { type ErrorRow, explain, NetobservError } from '../../../base/errors.ts';
import { COMMAND_ERRORS } from '../../errors.ts';

/** Either end of a MessageChannel, or of the channel between a thread and its parent. */
export interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** Maximum of concurrent calls: the console's own limits are lower. */
const CALLS_MAX = 256;

/** An error in transit; `cause` is text. */
export interface PlainError {
  /** Undefined for an error that is not a `NetobservError`. */
  readonly row?: ErrorRow;
  readonly message: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;
  readonly cause?: string;
}

type CallMessage =
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly name: string;
      readonly argument: unknown;
    }
  | { readonly kind: 'cancel'; readonly id: number };

type AnswerMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: PlainError };

/** The calls that one side answers, by name. Arguments and values must allow structured cloning. */
export type Answers = Readonly<Record<string, (argument: never, signal: AbortSignal) => unknown>>;

/** Answers the calls of the other thread. A call that the other thread cancels is aborted here. */
export function answerCalls(port: Port, answers: Answers): void {
  const running = new Map<number, AbortController>();
  const answer = async ({ id, name, argument }: CallMessage & { kind: 'call' }): Promise<void> => {
    const abort = new AbortController();
    running.set(id, abort);
    try {
      const value = await answers[name]!(argument as never, abort.signal);
      port.postMessage({ kind: 'answer', id, value } satisfies AnswerMessage);
    } catch (error) {
      port.postMessage({ kind: 'refusal', id, error: plain(error) } satisfies AnswerMessage);
    } finally {
      running.delete(id);
    }
  };
  port.on('message', (message) => {
    const call = message as CallMessage;
    if (call.kind === 'call') void answer(call);
    else if (call.kind === 'cancel') running.get(call.id)?.abort(cancelled());
  });
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Calls the other thread. */
export class Calls {
  readonly #port: Port;
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  constructor(port: Port) {
    this.#port = port;
    port.on('message', (message) => this.#settle(message as AnswerMessage));
  }

  /** Rejects with the other side's error, or at once with the signal's reason. */
  async make<T>(name: string, argument?: unknown, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#pending.size >= CALLS_MAX) {
      throw new NetobservError(
        COMMAND_ERRORS.threadBusy,
        `${CALLS_MAX} calls wait for an answer: try again shortly`,
        { retryable: true },
      );
    }
    const id = ++this.#last;
    const cancel = (): void => {
      this.#pending.get(id)?.reject(signal?.reason);
      this.#port.postMessage({ kind: 'cancel', id } satisfies CallMessage);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
        this.#port.postMessage({ kind: 'call', id, name, argument } satisfies CallMessage);
      });
    } finally {
      this.#pending.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #settle(message: AnswerMessage): void {
    // Nobody waits for the answer to a cancelled call.
    if (message.kind === 'answer') this.#pending.get(message.id)?.resolve(message.value);
    else if (message.kind === 'refusal')
      this.#pending.get(message.id)?.reject(revived(message.error));
  }
}

export function plain(error: unknown): PlainError {
  const coded = error instanceof NetobservError ? error : undefined;
  const cause = error instanceof Error ? error.cause : undefined;
  return {
    ...(coded === undefined ? {} : { row: coded.row }),
    message: error instanceof Error ? error.message : String(error),
    retryable: coded?.retryable ?? false,
    details: coded?.details ?? {},
    ...(cause === undefined ? {} : { cause: explain(cause) }),
  };
}

export function revived({ row, message, retryable, details, cause }: PlainError): Error {
  const context = cause === undefined ? {} : { cause: new Error(cause) };
  if (row === undefined) return new Error(message, context);
  return new NetobservError(row, message, { ...context, retryable, details });
}

function cancelled(): Error {
  return new Error('the other thread does not wait any more');
}
