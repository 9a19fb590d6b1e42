/** Options of the long trials. A nonsense number must not pass for a trial of nothing that found nothing. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** As `parseArgs`; what it does not know ends the process with the usage and 2. */
export function readOptions<T extends ParseArgsConfig>(config: T, usage: string) {
  try {
    return parseArgs<T>(config)
  } catch (error) {
    return endWith((error as Error).message, usage)
  }
}

/** A whole number from `least` to `most`; anything else ends the process with the usage and 2. */
export function readCount(
  name: string,
  text: string,
  least: number,
  usage: string,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most))
    return endWith(`--${name} is no whole number from ${least} to ${most}: ${JSON.stringify(text)}`, usage)
  return value
}

function endWith(message: string, usage: string): never {
  process.stderr.write(`${message}\nusage: ${usage}\n`)
  process.exit(2)
}
