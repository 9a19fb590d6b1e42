import { type Logger, pino } from 'pino'

export type Log = Logger

/**
 * One JSON line per event on standard error; standard output belongs to the commands. Names of things that
 * must never be written are cut here once more, although no caller should hand them over.
 */
export function createLog(level: string, destination: { write(line: string): void } = process.stderr): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`]),
        censor: '[cut]',
      },
    },
    destination,
  )
}

const SECRET_NAMES = ['password', 'secret', 'appSecret', 'token', 'authorization', 'cookie', 'idNumber']
