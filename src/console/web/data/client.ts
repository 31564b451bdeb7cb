import type { ApiError } from '../../api.ts';

/** The server could not be reached, or a proxy in front of it says so. */
export class ServerGoneError extends Error {
  override readonly name = 'ServerGoneError';
}

/** The server wants a token. */
export class UnauthorizedError extends Error {
  override readonly name = 'UnauthorizedError';
}

/** The server's own refusal; `message` says what is wrong and what would be right. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly status: number;
  readonly code: string;
  readonly parameter: string | undefined;
  /** The same query may succeed after this time. */
  readonly retryAfterS: number | undefined;

  constructor(status: number, error: ApiError, retryAfterS?: number) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.parameter = error.parameter;
    this.retryAfterS = retryAfterS;
  }
}

export type QueryParameters = Readonly<Record<string, string | number | undefined>>;

/** `GET` of a JSON route. The type is the contract of `api.ts`; the server checks its answers. */
export async function getJson<T>(
  path: string,
  parameters: QueryParameters,
  signal: AbortSignal,
): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  const response = await send(`${path}${text === '' ? '' : `?${text}`}`, { signal });
  return (await response.json()) as T;
}

export async function login(token: string): Promise<void> {
  await send('api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
}

/** Ends the session of this browser. */
export async function logout(): Promise<void> {
  await send('api/logout', { method: 'POST' });
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, credentials: 'same-origin' });
  } catch (cause) {
    if (init.signal?.aborted === true) throw cause;
    throw new ServerGoneError('The server cannot be reached.', { cause });
  }
  if (response.ok) return response;
  const error = await readError(response);
  if (response.status === 401) throw new UnauthorizedError(error.message);
  // Gateways answer these while a server restarts; the server's own answers have a code.
  if (isGateway(response.status) && error.code === FOREIGN_CODE) {
    throw new ServerGoneError(error.message);
  }
  const retryAfterS = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  throw new RefusedError(
    response.status,
    error,
    Number.isNaN(retryAfterS) ? undefined : retryAfterS,
  );
}

function isGateway(status: number): boolean {
  return status >= 502 && status <= 504;
}

/** Code of answers that did not come from the console. */
const FOREIGN_CODE = 'FOREIGN';

async function readError(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const body: unknown = JSON.parse(text);
    if (isApiError(body)) return body;
  } catch {
    // The body is not JSON, such as a proxy's page. The status must do.
  }
  const status = `${response.status} ${response.statusText}`.trim();
  return {
    code: FOREIGN_CODE,
    message: `Something in front of the console, such as a proxy, answers “${status}”.`,
  };
}

function isApiError(body: unknown): body is ApiError {
  return typeof body === 'object' && body !== null && 'message' in body && 'code' in body;
}
