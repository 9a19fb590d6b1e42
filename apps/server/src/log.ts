import { type Logger, pino } from 'pino'

export type Log = Logger

/** Names that no caller should hand over; cut here once more. */
const SECRET_NAMES = ['password', 'secret', 'appSecret', 'token', 'authorization', 'cookie', 'idNumber']

/** One JSON line per event on standard error; standard output belongs to the commands. */
export function createLog(level: string, destination: { write(line: string): void } = process.stderr): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError },
      redact: { paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`]), censor: '[cut]' },
    },
    destination,
  )
}

/** Errors of libraries carry whole connections and requests along; only what explains is kept. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error)
  return {
    name: error.name,
    ...('code' in error ? { code: error.code } : {}),
    message: error.message,
    stack: error.stack?.split('\n').slice(1, 12).join('\n'),
    ...(error.cause !== undefined && depth < 3 ? { cause: describeError(error.cause, depth + 1) } : {}),
    ...(error instanceof AggregateError && depth < 3
      ? { errors: error.errors.slice(0, 5).map((inner) => describeError(inner, depth + 1)) }
      : {}),
  }
}
